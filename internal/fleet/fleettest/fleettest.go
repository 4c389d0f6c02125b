// Package fleettest gives tests a shop on each engine.
//
//	func TestMain(m *testing.M) { fleettest.Main(m) }
//
//	func TestPrice(t *testing.T) {
//		fleettest.Each(t, []*db.SchemaSet{catalog.Schema}, func(t *testing.T, room *fleet.Room) { … })
//	}
package fleettest

import (
	"log/slog"
	"path/filepath"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Main runs a package's tests and stops the servers that they started.
func Main(m *testing.M) { dbtest.Main(m) }

// Domain is where the test shops live: <slug>.haat.test.
const Domain = "haat.test"

// Each runs fn on a new shop on SQLite and on a real PostgreSQL.
func Each(t *testing.T, schemas []*db.SchemaSet, fn func(t *testing.T, room *fleet.Room)) {
	t.Helper()
	EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) { fn(t, NewShop(t, f, "test")) })
}

// EachFleet runs fn on an empty fleet on each engine: one of two SQLite
// shards, and one whose only shard is a PostgreSQL database. The control
// database is on the same engine and also has the schemas of control.
func EachFleet(t *testing.T, schemas, control []*db.SchemaSet, fn func(t *testing.T, f *fleet.Fleet)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		fn(t, OpenFleet(t, dir, filepath.Join(dir, "control.db"), "", schemas, control))
	})
	t.Run("postgres", func(t *testing.T) {
		fn(t, OpenFleet(t, t.TempDir(), dbtest.Postgres(t), dbtest.Postgres(t), schemas, control))
	})
}

// OpenFleet opens a fleet under dir. A shard DSN makes it the only shard.
func OpenFleet(t testing.TB, dir, controlDSN, shardDSN string, schemas, control []*db.SchemaSet) *fleet.Fleet {
	t.Helper()
	return Open(t, controlDSN, fleet.Config{Dir: dir, Shards: 2, FirstShard: shardDSN, Schemas: schemas}, control)
}

// Open opens a fleet of another make, with a control database of its own.
func Open(t testing.TB, controlDSN string, c fleet.Config, control []*db.SchemaSet) *fleet.Fleet {
	t.Helper()
	ctx := t.Context()
	own, err := db.OpenControl(ctx, controlDSN, db.SQLiteOptions{}, append([]*db.SchemaSet{fleet.Schema}, control...))
	if err != nil {
		t.Fatalf("open the control database: %v", err)
	}
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Errorf("close the control database: %v", err)
		}
	})
	c.Control, c.Domain, c.Log = own, Domain, slog.New(slog.DiscardHandler)
	f, err := fleet.OpenFleet(ctx, c)
	if err != nil {
		t.Fatalf("open the fleet: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close the fleet: %v", err)
		}
	})
	return f
}

// NewShop makes an empty shop.
func NewShop(t testing.TB, f *fleet.Fleet, slug string) *fleet.Room {
	t.Helper()
	room, err := f.Create(t.Context(), id.NewShop(), slug, slug, func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return nil })
	if err != nil {
		t.Fatalf("create shop %s: %v", slug, err)
	}
	return room
}
