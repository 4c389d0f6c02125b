package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/order"
	"haat/internal/stock"
)

var (
	lapseHolds  = db.Q(`UPDATE stock_hold SET expires_at = $2 + quantity WHERE shop = $1`)
	lapsedHolds = db.Q(`SELECT COUNT(*) FROM stock_hold WHERE shop = $1 AND expires_at IS NOT NULL`)
	bendLevel   = db.Q(`UPDATE stock_level SET held = $2 WHERE shop = $1`)
	ageCarts    = db.Q(`INSERT INTO order_cart (shop, id, updated_at, token) VALUES ($1, $2, $3, '')`)
	countCarts  = db.Q(`SELECT COUNT(*) FROM order_cart WHERE shop = $1`)
)

func change(t *testing.T, room *fleet.Room, fn func(context.Context, *db.Tx) error) {
	t.Helper()
	if _, err := room.Change(t.Context(), func(tx *db.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, room *fleet.Room, q *db.SQL) (n int64) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		n, _, err = db.One(t.Context(), r, q, func(n *int64) []any { return []any{n} })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lapsedShop makes a shop whose holds have run out: so many orders of one unit
// each, since an instant.
func lapsedShop(t *testing.T, f *fleet.Fleet, slug string, orders int, since time.Time) *fleet.Room {
	t.Helper()
	room := fleettest.NewShop(t, f, slug)
	v := id.Variant(id.New[struct{}]())
	change(t, room, func(ctx context.Context, tx *db.Tx) error {
		err := stock.Put(ctx, tx, []stock.Setting{{Variant: v, Product: id.Product(id.New[struct{}]()), Tracked: true, SetAvailable: true, Available: int64(orders)}})
		for range orders {
			err = errors.Join(err, stock.Hold(ctx, tx, id.Order(id.New[struct{}]()), []stock.Line{{Variant: v, Quantity: 1}}, tx.Now().Add(time.Hour)))
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, lapseHolds, since)
		return err
	})
	return room
}

// A shop with 5,000 holds that have run out, and one in which every sweep
// fails, both due longer than anybody, cost a third shop no round: its hold is
// given back in the first. The large one has a piece done each round until
// nothing is left; the failing one rests, and is done once it can be.
func TestSweepsAreFair(t *testing.T) {
	fleettest.EachFleet(t, Schemas(), nil, func(t *testing.T, f *fleet.Fleet) {
		now := time.Now()
		large := lapsedShop(t, f, "large", 5_000, now.Add(-3*time.Minute))
		failing := lapsedShop(t, f, "failing", 3, now.Add(-2*time.Minute))
		change(t, failing, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, bendLevel, 0); return err })
		third := lapsedShop(t, f, "third", 1, now.Add(-time.Minute))

		s := newSweep("give back expired holds", f, slog.New(slog.DiscardHandler), stock.Expired, stock.Sweep)
		round := func(now time.Time) {
			t.Helper()
			if err := s.round(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		round(now)
		if n := number(t, third, lapsedHolds); n != 0 {
			t.Errorf("the third shop's hold was not given back in the first round")
		}
		first := 5_000 - number(t, large, lapsedHolds)
		if first < 1 || first > 500 {
			t.Errorf("the large shop had %d holds given back in one round", first)
		}
		if n, left := s.failures.Load(), number(t, failing, lapsedHolds); n != 1 || left != 3 {
			t.Errorf("the failing shop failed %d times and has %d holds left", n, left)
		}
		round(now)
		if n := s.failures.Load(); n != 1 {
			t.Errorf("the failing shop did not rest: it failed %d times", n)
		}
		for range 5_000/first + 1 {
			round(now)
		}
		if n := number(t, large, lapsedHolds); n != 0 {
			t.Errorf("the large shop has %d holds left", n)
		}
		round(now.Add(time.Minute))
		if n := s.failures.Load(); n != 2 {
			t.Errorf("the failing shop rested and was tried again: it failed %d times", n)
		}
		change(t, failing, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, bendLevel, 3); return err })
		round(now.Add(time.Hour))
		if n, left := s.failures.Load(), number(t, failing, lapsedHolds); n != 2 || left != 0 {
			t.Errorf("once mended the failing shop failed %d times and has %d holds left", n, left)
		}
	})
}

// More shops than one round takes are all served, however often those at the
// front come back: the next round goes on where the last one ended.
func TestSweepsReachEverybody(t *testing.T) {
	fleettest.EachFleet(t, Schemas(), nil, func(t *testing.T, f *fleet.Fleet) {
		now := time.Now()
		stubborn := fleettest.NewShop(t, f, "stubborn") // more old carts than all rows of a round
		change(t, stubborn, func(ctx context.Context, tx *db.Tx) (err error) {
			for i := range sweepRows*sweepPages + 10 {
				if _, err = tx.Exec(ctx, ageCarts, id.New[struct{}](), now.Add(-100*24*time.Hour).Add(time.Duration(i)*time.Millisecond)); err != nil {
					break
				}
			}
			return err
		})
		last := fleettest.NewShop(t, f, "last")
		change(t, last, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, ageCarts, id.New[struct{}](), now.Add(-order.CartAge-time.Hour))
			return err
		})
		refused := errors.New("not now")
		s := newSweep("forget old carts", f, slog.New(slog.DiscardHandler), order.OldCarts, func(ctx context.Context, room *fleet.Room) (int, error) {
			if room.Slug() == "stubborn" {
				return 0, refused
			}
			return order.SweepCarts(ctx, room)
		})
		for range 2 {
			if err := s.round(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		if n := number(t, last, countCarts); n != 0 {
			t.Error("the last shop's cart is still there after two rounds")
		}
	})
}
