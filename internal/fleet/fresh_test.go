package fleet_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

var countUp = db.Q(`INSERT INTO note (shop, id, text, on_, data, at) VALUES ($1, 1, '', TRUE, NULL, $2) ON CONFLICT (shop, id) DO UPDATE SET at = $2`)

// TestOwnWrites has writers read what they wrote, while the replicas stop and
// go, and then through a failover that loses the newest writes. No read is
// older than its writer's last write; with marks left out, some are. What the
// failover lost is found out and not passed over.
func TestOwnWrites(t *testing.T) {
	ctx := t.Context()
	var proxy *dbtest.Proxy
	c := fleettest.NewCluster(t, 2, noteSchemas, nil, func(name, dsn string) string {
		if name != fleet.Primary {
			return dsn
		}
		proxy = dbtest.NewProxy(t, dsn, 0)
		return proxy.DSN
	})
	var losses atomic.Int64
	c.OnLoss(func(l fleet.Loss) { losses.Add(1) })
	count := func(room *fleet.Room, n int64) (db.Mark, error) {
		return room.Change(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, countUp, n); return err })
	}
	read := func(room *fleet.Room, fresh fleet.Fresh) (n int64, s fleet.Served, err error) {
		s, err = room.Read(ctx, fresh, func(r db.Reader) error {
			all, err := db.All(ctx, r, getNotes, scanNote)
			if n = 0; len(all) > 0 && !all[0].at.IsZero() {
				n = all[0].at.UnixMicro()
			}
			return err
		})
		return n, s, err
	}

	// Another process hears of no write: it has the mark alone.
	g, err := fleet.OpenFleet(ctx, fleet.Config{Control: c.Control(), Dir: t.TempDir(), Schemas: noteSchemas, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	const writers, pairs = 4, 150
	rooms, there := make([]*fleet.Room, writers), make([]*fleet.Room, writers)
	for i := range rooms {
		rooms[i] = fleettest.NewShop(t, c.Fleet, "own-"+strconv.Itoa(i))
		if there[i], err = g.ByID(ctx, rooms[i].Shop()); err != nil {
			t.Fatal(err)
		}
	}
	c.Await(t, "the replicas serve there too", func() bool {
		for _, h := range g.Replicas() {
			if h.State != fleet.ReplicaServing {
				return false
			}
		}
		return true
	})
	writing := make(chan struct{})
	var chaos sync.WaitGroup
	chaos.Go(func() {
		paused := [2]bool{}
		for {
			select {
			case <-time.After(time.Duration(20+rand.IntN(150)) * time.Millisecond):
			case <-writing:
				for _, r := range c.Replicas {
					r.ResumeReplay()
				}
				return
			}
			i := rand.IntN(2)
			if paused[i] = !paused[i]; paused[i] {
				c.Replicas[i].PauseReplay()
			} else {
				c.Replicas[i].ResumeReplay()
			}
		}
	})
	var reads, atReplicas, stale, strays atomic.Int64
	last := make([]db.Mark, writers)
	var all sync.WaitGroup
	for i, room := range rooms {
		all.Go(func() {
			for n := int64(1); n <= pairs; n++ {
				mark, err := count(room, n)
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				last[i] = mark
				// With the mark alone, here and there, with what the process knows, and
				// with neither.
				for k, fresh := range []fleet.Fresh{fleet.Within(time.Hour).After(mark), {}, fleet.AnyAge, fleet.After(mark)} {
					at := room
					if k == 3 {
						at = there[i]
					}
					got, s, err := read(at, fresh)
					switch {
					case err != nil:
						t.Errorf("read: %v", err)
						return
					case k == 2:
						if got < n {
							stale.Add(1)
						}
						continue
					case got != n:
						strays.Add(1)
						t.Errorf("wrote %d at %v, read %d from %+v", n, mark, got, s)
					}
					if reads.Add(1); s.Server != fleet.Primary {
						atReplicas.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	close(writing)
	chaos.Wait()
	t.Logf("%d reads of own writes, %d of them at replicas, %d stale; without marks %d of %d stale", reads.Load(), atReplicas.Load(), strays.Load(), stale.Load(), writers*pairs)
	if stale.Load() == 0 {
		t.Error("no read without a mark was stale: the test tests nothing")
	}
	if atReplicas.Load() == 0 {
		t.Error("no read was answered by a replica")
	}

	// The failover. Both standbys stop receiving, writes go on, and the primary
	// dies; the first standby takes over, under a new term.
	c.Await(t, "the replicas have all", func() bool {
		for _, room := range rooms {
			for range 2 {
				if n, s, err := read(room, fleet.AnyAge); err != nil || n != pairs || s.Server == fleet.Primary {
					return false
				}
			}
		}
		return true
	})
	for _, r := range c.Replicas {
		r.Orphan()
	}
	lost := make([]db.Mark, writers)
	for i, room := range rooms {
		for n := int64(1); n <= 5; n++ {
			var err error
			if lost[i], err = count(room, pairs+n); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Primary.Stop()
	c.Replicas[0].Promote()
	c.Replicas[0].Ask("UPDATE shard_term SET term = term + 1")
	proxy.Redirect(c.Replicas[0])
	proxy.Cut()
	for i, room := range rooms {
		c.Await(t, "the promoted standby answers", func() bool { _, _, err := read(room, fleet.Newest); return err == nil })
		if n, s, err := read(room, fleet.Fresh{}); err != nil || n != pairs || losses.Load() == 0 {
			t.Errorf("shop %d, whose lost writes this process knows of: %d from %+v, %v", i, n, s, err)
		}
		if n, s, err := read(room, fleet.Within(time.Hour).After(last[i])); err != nil || n != pairs {
			t.Errorf("shop %d, what was not lost: %d from %+v, %v", i, n, s, err)
		}
		for _, fresh := range []fleet.Fresh{fleet.Newest.After(lost[i]), fleet.Within(time.Hour).After(lost[i])} {
			if n, s, err := read(room, fresh); !errors.Is(err, fleet.ErrLost) {
				t.Errorf("shop %d, what was lost: %d from %+v, %v", i, n, s, err)
			}
		}
		// The clock goes on beyond what it had counted before: it is still known.
		for n := int64(1); n <= 10; n++ {
			if _, err := count(room, pairs+n); err != nil {
				t.Fatal(err)
			}
		}
		if n, s, err := read(room, fleet.Newest.After(lost[i])); !errors.Is(err, fleet.ErrLost) {
			t.Errorf("shop %d, what was lost, later: %d from %+v, %v", i, n, s, err)
		}
		if n, s, err := read(room, fleet.Fresh{}); err != nil || n != pairs+10 {
			t.Errorf("shop %d, what was written since: %d from %+v, %v", i, n, s, err)
		}
	}
	if losses.Load() == 0 {
		t.Error("nobody was told of what was lost")
	}
	c.Await(t, "the promoted one is no replica any more, and the other follows nobody", func() bool {
		return c.Health("r1").State == fleet.ReplicaRefused && c.Health("r2").State == fleet.ReplicaLate
	})
	// A shard that was put back from a backup has lost nothing by accident.
	c.Replicas[0].Ask("UPDATE shard_term SET term = term + 1, restored = term + 1")
	if n, s, err := read(rooms[0], fleet.Newest.After(lost[0])); err != nil || n != pairs+10 {
		t.Errorf("put back: %d from %+v, %v", n, s, err)
	}
}

// Marks that are given out are signed for one shop, and no others are taken.
func TestSignedMarks(t *testing.T) {
	fleettest.EachFleet(t, noteSchemas, nil, func(t *testing.T, f *fleet.Fleet) {
		room, other := fleettest.NewShop(t, f, "one"), fleettest.NewShop(t, f, "two")
		mark := db.Mark{Shop: room.Shop(), Epoch: 1, Term: 2, N: 3}
		text := room.Sign(mark)
		if got, err := room.Signed(text); err != nil || got != mark {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
		for _, bad := range []string{"", "1.2.3", strings.Replace(text, "3", "4", 1), text + "a", mark.String() + ".9999999999." + fmt.Sprint(1)} {
			if got, err := room.Signed(bad); err == nil {
				t.Errorf("%q is read as %v", bad, got)
			}
		}
		if got, err := other.Signed(text); err == nil {
			t.Errorf("another shop reads %v", got)
		}
	})
}

func TestParseFresh(t *testing.T) {
	for text, want := range map[string]fleet.Fresh{
		"eventual": fleet.AnyAge, "session": {}, "strong": fleet.Newest, "bounded=250ms": fleet.Within(250 * time.Millisecond), " bounded=1h ": fleet.Within(time.Hour),
	} {
		if got, err := fleet.ParseFresh(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "Strong", "bounded", "bounded=", "bounded=250", "bounded=0s", "bounded=-1s", "bounded=2h", "strong=1s", "eventual, strong"} {
		if got, err := fleet.ParseFresh(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
