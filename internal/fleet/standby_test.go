package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

var noteSchemas = []*db.SchemaSet{noteSchema}

var noteLater = fstest.MapFS{"schema/0001_later.sql": {Data: []byte(`CREATE TABLE later (shop BIGINT NOT NULL PRIMARY KEY);`)}}

func write(t *testing.T, room *fleet.Room, text string) db.Mark {
	t.Helper()
	mark, err := room.Change(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), putNote, 1, text, true, nil, 0); !errors.Is(err, db.ErrUnique) {
			return err
		}
		return errors.New("the note is there already")
	})
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// Each level is answered by whom it says, and a read that needs what a replica
// has not seen goes past it.
func TestLevels(t *testing.T) {
	c := fleettest.NewCluster(t, 2, noteSchemas, nil, nil)
	room := fleettest.NewShop(t, c.Fleet, "levels")
	read := func(fresh fleet.Fresh) (s fleet.Served, n int) {
		t.Helper()
		s, err := room.Read(t.Context(), fresh, func(r db.Reader) error {
			all, err := db.All(t.Context(), r, getNotes, scanNote)
			n = len(all)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, n
	}
	c.Await(t, "the shop is everywhere", func() bool {
		a, _ := read(fleet.AnyAge)
		b, _ := read(fleet.AnyAge)
		return a.Server != b.Server && a.Server != fleet.Primary && b.Server != fleet.Primary
	})
	if s, _ := read(fleet.Newest); s.Server != fleet.Primary || s.Level != "strong" || s.Lag != 0 {
		t.Errorf("newest: %+v", s)
	}
	for _, r := range c.Replicas {
		r.PauseReplay()
	}
	mark := write(t, room, "one")
	for name, fresh := range map[string]fleet.Fresh{"after": fleet.After(mark), "known": {}, "within": fleet.Within(time.Microsecond)} {
		if s, n := read(fresh); s.Server != fleet.Primary || n != 1 {
			t.Errorf("%s, both paused: %d notes from %+v", name, n, s)
		}
	}
	if s, n := read(fleet.AnyAge); s.Server == fleet.Primary || n != 0 || s.Level != "eventual" || s.Stale {
		t.Errorf("any age, both paused: %d notes from %+v", n, s)
	}
	if s, n := read(fleet.Within(time.Minute)); s.Server == fleet.Primary || n != 0 || s.Lag == 0 || s.Lag > time.Minute {
		t.Errorf("within a minute, both paused: %d notes from %+v", n, s)
	}
	c.Replicas[1].ResumeReplay()
	c.Await(t, "r2 has the note", func() bool {
		s, n := read(fleet.After(mark))
		return n == 1 && s.Server == "r2" && s.Level == "session"
	})

	// All are late: what needs no more goes on there, and not one read to the
	// primary; and a replica that lags comes back when it does not.
	c.Replicas[1].PauseReplay()
	paused := time.Now()
	c.Await(t, "both are late", func() bool {
		return c.Health("r1").State == fleet.ReplicaLate && c.Health("r2").State == fleet.ReplicaLate
	})
	if took := time.Since(paused); took < time.Second || took > 20*time.Second {
		t.Errorf("r2 was out after %v", took)
	}
	before := c.Shard("s1").Statements()
	for range 100 {
		if s, _ := read(fleet.AnyAge); s.Server == fleet.Primary || !s.Stale || s.Lag < time.Second {
			t.Fatalf("all late: %+v", s)
		}
	}
	if n := c.Shard("s1").Statements() - before; n != 0 {
		t.Errorf("%d statements at the primary", n)
	}
	for _, r := range c.Replicas {
		r.ResumeReplay()
	}
	c.Await(t, "both are back", func() bool { return c.Serving() == 2 })
}

// A replica that hangs, or dies, costs no request much, not even one that it
// had begun to answer; and it comes back by itself.
func TestReplicaAway(t *testing.T) {
	var proxy *dbtest.Proxy
	c := fleettest.NewCluster(t, 1, noteSchemas, nil, func(name, dsn string) string {
		if name == fleet.Primary {
			return dsn
		}
		proxy = dbtest.NewProxy(t, dsn, 0)
		return proxy.DSN
	})
	room := fleettest.NewShop(t, c.Fleet, "away")
	write(t, room, "one")
	notes, arrived := 0, false // a replica may be asked before it has the note
	read := func(between func()) (s fleet.Served, took time.Duration) {
		t.Helper()
		start, runs := time.Now(), 0
		s, err := room.Read(t.Context(), fleet.AnyAge, func(r db.Reader) error {
			if runs++; runs == 1 && between != nil {
				between()
				start = time.Now()
			}
			all, err := db.All(t.Context(), r, getNotes, scanNote)
			notes = len(all)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if arrived && notes != 1 {
			t.Errorf("%s has %d notes", s.Server, notes)
		}
		return s, time.Since(start)
	}
	c.Await(t, "r1 has the note", func() bool { s, _ := read(nil); return s.Server == "r1" && notes == 1 })
	arrived = true
	back := func() {
		t.Helper()
		c.Await(t, "r1 answers", func() bool { s, _ := read(nil); return s.Server == "r1" })
	}
	// What it costs is the wait for a first answer, and on a machine that is
	// busy somewhat more.
	const most = 250 * time.Millisecond
	for name, lose := range map[string][2]func(){
		"hangs":                       {proxy.Freeze, proxy.Thaw},
		"loses its connections":       {proxy.Cut, func() {}},
		"stops, and is started again": {c.Replicas[0].Stop, c.Replicas[0].Start},
	} {
		for _, amid := range []bool{false, true} {
			back()
			var took []time.Duration
			for i := range 20 {
				var s fleet.Served
				var d time.Duration
				if i == 0 && amid {
					s, d = read(lose[0])
				} else {
					if i == 0 {
						lose[0]()
					}
					s, d = read(nil)
				}
				if took = append(took, d); s.Server != fleet.Primary && !strings.HasPrefix(name, "loses") {
					t.Errorf("%s: answered by %s", name, s.Server)
				}
			}
			slices.Sort(took)
			if took[10] > most || took[19] > 20*most {
				t.Errorf("%s: reads took %v", name, took)
			}
			t.Logf("%s, in the middle of a read: %v, the slowest of 20 took %v", name, amid, took[19])
			lose[1]()
		}
	}
	back()
}

// What is no standby of the shard is refused with one line, and not read from.
func TestReplicasThatAreNone(t *testing.T) {
	c := fleettest.NewCluster(t, 1, noteSchemas, nil, nil)
	old := c.Primary.Replica()
	old.PauseReplay()
	c.Primary.Exec("CREATE DATABASE stranger OWNER haat")
	for _, r := range []struct{ name, dsn, state, want string }{
		{"primary", c.Primary.DSN(), fleet.ReplicaRefused, "it takes writes, so it is a primary"},
		{"stranger", strings.Replace(c.Primary.DSN(), "test_1", "stranger", 1), fleet.ReplicaRefused, "it is another database"},
		{"nobody", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1", fleet.ReplicaUnreachable, "connect to PostgreSQL at 127.0.0.1"},
		{"nonsense", "postgres://nobody@127.0.0.1:port/none", fleet.ReplicaUnreachable, "it cannot be parsed"},
	} {
		c.List(t, r.name, r.dsn)
		c.Await(t, r.name+" is judged", func() bool { return c.Health(r.name).State != fleet.ReplicaJoining })
		h := c.Health(r.name)
		if h.State != r.state || !strings.Contains(h.Why, r.want) || strings.Contains(h.Why, "\n") {
			t.Errorf("%s: %+v", r.name, h)
		}
	}
	// A schema of another version, which is accepted once it is ours.
	other := db.Schema("later", noteLater)
	if _, err := db.OpenStandby(t.Context(), old.DSN(), identity(t, c), []*db.SchemaSet{noteSchema, other}, func() {}); err == nil || !strings.Contains(err.Error(), "its schema of later is at version 0, and this program's at 1") {
		t.Errorf("another schema: %v", err)
	}
	room := fleettest.NewShop(t, c.Fleet, "still")
	for range 20 {
		s, err := room.Read(context.Background(), fleet.Fresh{}, func(db.Reader) error { return nil })
		if err != nil || s.Server != "r1" && s.Server != fleet.Primary {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	// One that is not listed any more is closed.
	if err := c.Control().Change(t.Context(), func(tx *db.ControlTx) error {
		_, err := tx.Exec(t.Context(), db.C(`DELETE FROM shard_replica WHERE name <> $1`), "r2")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(t.Context()); err != nil || len(c.Fleet.Replicas()) != 0 {
		t.Errorf("%v, %+v", err, c.Fleet.Replicas())
	}
	if s, err := room.Read(t.Context(), fleet.AnyAge, func(db.Reader) error { return nil }); err != nil || s.Server != fleet.Primary {
		t.Errorf("without replicas: %+v, %v", s, err)
	}
}

func identity(t *testing.T, c *fleettest.Cluster) string {
	t.Helper()
	is, err := c.Shard("s1").Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return is
}
