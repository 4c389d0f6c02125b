package fleettest

import (
	"path/filepath"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
)

// Pair is a fleet whose only shard is a PostgreSQL primary with a standby that
// may take its place: the shard's address names both.
type Pair struct {
	*fleet.Fleet
	Dir     string // of the fleet
	Primary *dbtest.Server
	Standby *dbtest.Server
}

// NewPair starts one.
func NewPair(t testing.TB, schemas []*db.SchemaSet) *Pair {
	t.Helper()
	p := &Pair{Dir: t.TempDir(), Primary: dbtest.NewServer(t)}
	p.Standby = p.Primary.Replica()
	p.Fleet = OpenFleet(t, p.Dir, filepath.Join(p.Dir, "control.db"), p.Primary.Hosts(p.Standby), schemas, nil)
	return p
}

// Cut has the standby get nothing more than what the primary has now.
func (p *Pair) Cut() {
	p.Standby.Await("SELECT pg_last_wal_replay_lsn() >= '" + p.Primary.Value("SELECT pg_current_wal_flush_lsn()") + "'")
	p.Standby.Exec("ALTER SYSTEM SET primary_conninfo = ''")
	p.Standby.Exec("SELECT pg_reload_conf()")
	p.Standby.Await("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
}

// FailOver kills the primary and promotes the standby.
func (p *Pair) FailOver() {
	p.Primary.Stop()
	p.Standby.Promote()
}
