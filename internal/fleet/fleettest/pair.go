package fleettest

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
)

// Pair is a fleet whose first shard, s1, is a PostgreSQL primary with a standby
// that may take its place: the shard's address names both.
type Pair struct {
	*fleet.Fleet
	Dir     string // of the fleet
	Primary *dbtest.Server
	Standby *dbtest.Server
}

// NewPair starts one. control are the rooms that keep rows in the control
// database.
func NewPair(t testing.TB, schemas, control []*db.SchemaSet) *Pair {
	t.Helper()
	p := &Pair{Dir: t.TempDir(), Primary: dbtest.NewServer(t)}
	p.Standby = p.Primary.Replica()
	p.Fleet = OpenFleet(t, p.Dir, filepath.Join(p.Dir, "control.db"), Hosts(p.Primary, p.Standby), schemas, control)
	return p
}

// Hosts is the address of a server's database on it or on others, whichever
// takes writes.
func Hosts(first *dbtest.Server, others ...*dbtest.Server) string {
	all := first.Host()
	for _, o := range others {
		all += "," + o.Host()
	}
	return strings.Replace(first.DSN(), "host="+url.QueryEscape(first.Host()), "host="+url.QueryEscape(all), 1)
}

// Cut has the standby get nothing more than what the primary has now.
func (p *Pair) Cut(t testing.TB) {
	t.Helper()
	upTo := p.Primary.Ask("SELECT pg_current_wal_flush_lsn()")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); p.Standby.Ask("SELECT pg_last_wal_replay_lsn() >= '"+upTo+"'") != "t"; {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("the standby does not catch up")
		}
	}
	p.Standby.Orphan()
}

// FailOver kills the primary and promotes the standby.
func (p *Pair) FailOver() {
	p.Primary.Stop()
	p.Standby.Promote()
}
