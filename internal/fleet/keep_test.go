package fleet_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// What is no shard is refused with one line that names what is wrong, and
// nothing of it is left behind.
func TestAddShardRefuses(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	controlDSN, one := dbtest.Postgres(t), dbtest.Postgres(t)
	f := fleettest.OpenFleet(t, dir, controlDSN, one, []*db.SchemaSet{noteSchema}, nil)
	server := dbtest.NewCluster(t)
	standby := dbtest.NewServer(t)
	standby.Standby()
	holds := dbtest.Postgres(t)
	g := fleettest.OpenFleet(t, t.TempDir(), filepath.Join(t.TempDir(), "control.db"), holds, []*db.SchemaSet{noteSchema}, nil)
	fleettest.NewShop(t, g, "theirs")
	if err := f.AddShard(ctx, fleet.Listing{Name: "f1", DSN: "f1.db"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "f1.db"), filepath.Join(dir, "linked.db")); err != nil {
		t.Fatal(err)
	}
	newer := dbtest.Postgres(t)
	if err := func() error {
		s, err := db.OpenPostgres(ctx, newer, nil)
		if err != nil {
			return err
		}
		return s.Close()
	}(); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, newer, `INSERT INTO schema_version (room, version, name, at) VALUES ('note', 9999, 'later', 0)`)
	for _, c := range []struct {
		what string
		l    fleet.Listing
		want string
	}{
		{"a name", fleet.Listing{Name: "No Name", DSN: "x.db"}, "cannot name a shard"},
		{"a known name", fleet.Listing{Name: "s1", DSN: "x.db"}, "There is a shard s1 already."},
		{"a file outside", fleet.Listing{Name: "s2", DSN: "../x.db"}, "the name of a file in the data folder's shards/"},
		{"no database at all", fleet.Listing{Name: "s2", DSN: "mysql://host/db"}, "Give postgres://"},
		{"a known file", fleet.Listing{Name: "s2", DSN: "./f1.db"}, "This database is shard f1 already."},
		{"a known file by another name", fleet.Listing{Name: "s2", DSN: "linked.db"}, "This file is shard f1 already."},
		{"a DSN that cannot be read", fleet.Listing{Name: "s2", DSN: "postgres://u:secret@host:port/db"}, "no address of a PostgreSQL database"},
		{"a server that is not there", fleet.Listing{Name: "s2", DSN: "postgres://u:secret@127.0.0.1:1/db"}, "Connect to PostgreSQL at 127.0.0.1"},
		{"a database that is not there", fleet.Listing{Name: "s2", DSN: strings.Replace(one, "/test_", "/none_", 1)}, "there is no database"},
		{"a known database", fleet.Listing{Name: "s2", DSN: one + "&application_name=b"}, "This database is shard s1 already."},
		{"the control database", fleet.Listing{Name: "s2", DSN: controlDSN}, "control database"},
		{"a standby", fleet.Listing{Name: "s2", DSN: standby.DSN()}, "This is a standby"},
		{"a database with shops", fleet.Listing{Name: "s2", DSN: holds}, "holds shops already"},
		{"a newer schema", fleet.Listing{Name: "s2", DSN: newer}, "a newer haat has written here"},
		{"a superuser", fleet.Listing{Name: "s2", DSN: strings.Replace(dbtest.Postgres(t), "user=haat", "user=postgres", 1)}, "superuser"},
		{"a replica of another cluster", fleet.Listing{Name: "s2", DSN: server.DSN(), Replicas: []fleet.Replica{{Name: "r1", DSN: standby.DSN()}}}, "Replica r1 belongs to another cluster"},
		{"a primary for a replica", fleet.Listing{Name: "s2", DSN: server.DSN(), Replicas: []fleet.Replica{{Name: "r1", DSN: server.DSN()}}}, "Replica r1 is no standby"},
		{"a replica that is not there", fleet.Listing{Name: "s2", DSN: server.DSN(), Replicas: []fleet.Replica{{Name: "r1", DSN: "postgres://u@127.0.0.1:1/db"}}}, "Replica r1: connect to PostgreSQL"},
		{"a replica of a file", fleet.Listing{Name: "s2", DSN: "x.db", Replicas: []fleet.Replica{{Name: "r1", DSN: standby.DSN()}}}, "no replicas"},
		{"two replicas of a name", fleet.Listing{Name: "s2", DSN: server.DSN(), Replicas: []fleet.Replica{{Name: "r1", DSN: one}, {Name: "r1", DSN: one}}}, "two replicas r1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			err := f.AddShard(ctx, c.l)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want %q", err, c.want)
			}
			if said := fault.Of(err); said == nil || !strings.Contains(said.Message, c.want) {
				t.Errorf("the operator is told %v", said)
			}
			all, err := fleet.Listings(ctx, f.Control())
			if err != nil || len(all) != 2 || strings.Join(f.ShardNames(), " ") != "f1 s1" {
				t.Errorf("listed %v, open %v, %v", all, f.ShardNames(), err)
			}
			if _, err := os.Stat(filepath.Join(dir, "x.db")); err == nil {
				t.Error("a file was left behind")
			}
		})
	}
}

// New shops go to the shard that is filled least, none to one that is full or
// draining; a shard that holds shops is not removed, one that holds none is,
// with what unfinished sign-ups left there.
func TestShardsFillAndEmpty(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			control, first, second := filepath.Join(dir, "control.db"), "", "b.db"
			if engine == "postgres" {
				control, first, second = dbtest.Postgres(t), dbtest.Postgres(t), dbtest.Postgres(t)+"&pool_max_conns=8"
			}
			f := fleettest.OpenFleet(t, dir, control, first, []*db.SchemaSet{noteSchema}, nil)
			if engine == "sqlite" { // which begins with two
				if err := f.RemoveShard(ctx, "s2"); err != nil {
					t.Fatal(err)
				}
			}
			shops := func() string {
				all, err := fleet.Listings(ctx, f.Control())
				if err != nil {
					t.Fatal(err)
				}
				text := ""
				for _, l := range all {
					text += fmt.Sprintf("%s %s %d, ", l.Name, l.State, l.Shops)
				}
				return strings.TrimSuffix(text, ", ")
			}
			for i := range 4 {
				fleettest.NewShop(t, f, fmt.Sprint("early", i))
			}
			capacity := int64(10)
			if err := f.SetShard(ctx, "s1", fleet.ShardChange{Capacity: &capacity}); err != nil {
				t.Fatal(err)
			}
			if err := f.AddShard(ctx, fleet.Listing{Name: "b", DSN: second, Capacity: 5}); err != nil {
				t.Fatal(err)
			}
			for i := range 8 {
				fleettest.NewShop(t, f, fmt.Sprint("more", i))
			}
			if got := shops(); got != "b open 4, s1 open 8" {
				t.Errorf("spread: %s", got)
			}
			var all sync.WaitGroup
			failed := make(chan error, 10)
			for i := range 10 {
				all.Go(func() {
					_, err := f.Create(ctx, id.NewShop(), fmt.Sprint("last", i), "x", func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return nil })
					failed <- err
				})
			}
			all.Wait()
			close(failed)
			refused := 0
			for err := range failed {
				if said := fault.Of(err); said != nil && said.Code == "no-shard-open" {
					refused++
				} else if err != nil {
					t.Error(err)
				}
			}
			if got := shops(); got != "b open 5, s1 open 10" || refused != 7 {
				t.Errorf("full: %s, and %d were refused", got, refused)
			}
			if err := f.RemoveShard(ctx, "b"); fault.Of(err) == nil || fault.Of(err).Code != "shard-holds-shops" {
				t.Errorf("removed with shops: %v", err)
			}
			if got := shops(); got != "b open 5, s1 open 10" {
				t.Errorf("after that: %s", got)
			}
			if err := f.AddShard(ctx, fleet.Listing{Name: "c", DSN: "c.db"}); err != nil {
				t.Fatal(err)
			}
			// A sign-up that dies half way, and one that is under way while the
			// shard is drained.
			died := errors.New("died")
			_, err := f.Create(ctx, id.NewShop(), "dies", "x", func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return died })
			if !errors.Is(err, died) {
				t.Fatal(err)
			}
			if err := f.AddShard(ctx, fleet.Listing{Name: "d", DSN: "d.db"}); err != nil {
				t.Fatal(err)
			}
			once := false
			r, err := f.Create(ctx, id.NewShop(), "late", "x", func(tx *db.Tx) error {
				if !once {
					once = true
					for _, name := range []string{"c"} {
						if err := f.SetShardState(ctx, name, fleet.ShardDraining); err != nil {
							return err
						}
					}
				}
				return nil
			}, func(*db.ControlTx) error { return nil })
			if err != nil || r.Shard() != "d" {
				t.Errorf("a shop of a shard that was drained meanwhile is on %v, %v", r, err)
			}
			if err := f.RemoveShard(ctx, "c"); err != nil {
				t.Error(err)
			}
			if got := shops(); got != "b open 5, d open 1, s1 open 10" {
				t.Errorf("in the end: %s", got)
			}
			left, err := db.OpenFile(filepath.Join(dir, "c.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer left.Close()
			if c, err := left.Census(ctx); err != nil || c.Shops != 0 {
				t.Errorf("left on the removed shard: %+v, %v", c, err)
			}
			if err := f.AddShard(ctx, fleet.Listing{Name: "c", DSN: "c.db"}); err != nil {
				t.Errorf("added again: %v", err)
			}
			if l, _ := f.Listing("c"); l.Term != 1 {
				t.Errorf("added again in term %d", l.Term)
			}
		})
	}
}
