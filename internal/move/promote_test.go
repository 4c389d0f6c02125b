package move

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// noHold has a server take writes whether or not it was promoted.
const noHold = `CREATE OR REPLACE FUNCTION haat_hold(OUT o_term BIGINT) AS $$ SELECT term FROM shard_term $$ LANGUAGE sql`

// pairYard is a shard whose standby is cut off, with a shop on it, and a file.
func pairYard(t *testing.T) (f *fleettest.Pair, room *fleet.Room) {
	t.Helper()
	f = fleettest.NewPair(t, []*db.SchemaSet{things, event.Schema}, []*db.SchemaSet{Schema})
	room = newShop(t, f.Fleet)
	for i := range 20 {
		put(t, room, i)
	}
	if err := f.AddShard(t.Context(), fleet.Listing{Name: "s2", DSN: "s2.db"}); err != nil {
		t.Fatal(err)
	}
	f.Cut(t)
	return f, room
}

// A standby is promoted that was not told that a shop has moved away: it is
// open there as well, and takes no write all the same. Without being held
// against the directory it would.
func TestAPromotionForgetsAMove(t *testing.T) {
	places := func(t *testing.T, held bool) (n int) {
		f, room := pairYard(t)
		m := works(t, f.Fleet, func(*Mover) {})
		mv, err := m.Start(t.Context(), room.Shop(), "s2")
		if err != nil {
			t.Fatal(err)
		}
		if mv = await(t, m, mv.ID, arrived); mv.Phase != Kept {
			t.Fatalf("it did not arrive: %+v", mv)
		}
		f.FailOver()
		if is := f.Standby.Ask("SELECT state FROM shop_clock"); is != db.StateOpen {
			t.Fatalf("the standby knows that the shop is %s", is)
		}
		if !held {
			f.Standby.Ask(noHold)
		}
		for i, name := range []string{"s1", "s2"} {
			write := func() error {
				_, err := f.Shard(name).Change(t.Context(), room.Shop(), int64(1+i), func(tx *db.Tx) error {
					_, err := tx.Exec(t.Context(), addOp, name, 100, nil, []byte{}, true)
					return err
				})
				return err
			}
			err := write()
			if errors.Is(err, db.ErrPromoted) {
				if err := f.Renew(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				err = write()
			}
			if err == nil {
				n++
			} else if !errors.Is(err, db.ErrMoved) {
				t.Fatal(err)
			}
		}
		return n
	}
	t.Run("held", func(t *testing.T) {
		if n := places(t, true); n != 1 {
			t.Errorf("%d places took writes of one shop", n)
		}
	})
	t.Run("control", func(t *testing.T) {
		if n := places(t, false); n != 2 {
			t.Errorf("without being held against the directory %d places took writes, so that this test shows nothing", n)
		}
	})
}

// A shop is closed to be switched, and its primary dies; the standby that is
// promoted knows nothing of the fence, and takes a write. The mover does not go
// on as if the shop had stayed closed.
func TestAPromotionForgetsAFence(t *testing.T) {
	rows := func(t *testing.T) int64 {
		f, room := pairYard(t)
		var once atomic.Bool
		m := works(t, f.Fleet, func(m *Mover) {
			m.Budget, m.Lease = time.Minute, 5*time.Second
			m.at = func(stage string) error {
				if stage == "fenced" && once.CompareAndSwap(false, true) {
					f.FailOver()
					now, err := f.Again(t.Context(), room.Shop())
					if err != nil {
						return err
					}
					put(t, now, 20)
				}
				return nil
			}
		})
		mv, err := m.Start(t.Context(), room.Shop(), "s2")
		if err != nil {
			t.Fatal(err)
		}
		await(t, m, mv.ID, Move.Arrived)
		now, err := f.Again(t.Context(), room.Shop())
		if err != nil {
			t.Fatal(err)
		}
		return rowsOf(t, now)
	}
	t.Run("held", func(t *testing.T) {
		if n := rows(t); n != 21 {
			t.Errorf("%d of 21 acknowledged writes moved", n)
		}
	})
	t.Run("control", func(t *testing.T) {
		t.Cleanup(func() { sameTerms = func(now, then string) bool { return now == then } })
		sameTerms = func(string, string) bool { return true }
		if n := rows(t); n != 20 {
			t.Errorf("%d writes moved without looking at the terms, so that this test shows nothing", n)
		}
	})
}
