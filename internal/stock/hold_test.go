package stock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/stock"
)

// lapse lets an order's hold run out, without waiting for it.
var lapse = db.Q(`UPDATE stock_hold SET expires_at = 1 WHERE shop = $1 AND order_ = $2 AND expires_at IS NOT NULL`)

func lapsed(order id.Order) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, lapse, order); return err }
}

func sellHeld(order id.Order) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { return stock.SellHeld(ctx, tx, order) }
}

func release(order id.Order) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { return stock.Release(ctx, tx, order) }
}

func restock(order id.Order, lines ...stock.Line) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { return stock.Restock(ctx, tx, order, lines) }
}

func sweep(t testing.TB, room *fleet.Room, want int) {
	t.Helper()
	if n, err := stock.Sweep(t.Context(), room); n != want || err != nil {
		t.Errorf("swept %d, want %d; %v", n, want, err)
	}
}

func soon() time.Time { return time.Now().Add(time.Hour) }

func TestHoldIsSoldOrGivenBack(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 5)
		put(t, room, a)
		first, second := newOrder(), newOrder()
		must(t, room, hold(first, soon(), stock.Line{a.Variant, 3}))
		must(t, room, hold(second, soon(), stock.Line{a.Variant, 2}))
		wantLevel(t, room, a.Variant, 0, 5, 0)
		wantKind(t, change(t, room, sell(newOrder(), stock.Line{a.Variant, 1})), fault.KindConflict, "out-of-stock")
		must(t, room, sellHeld(first))
		wantKind(t, change(t, room, sellHeld(first)), fault.KindConflict, "not-held")
		must(t, room, release(second))
		must(t, room, release(second))
		wantLevel(t, room, a.Variant, 2, 0, 3)
		must(t, room, restock(first, stock.Line{a.Variant, 2}))
		must(t, room, restock(first, stock.Line{a.Variant, 2})) // only one is left to come back
		must(t, room, restock(second, stock.Line{a.Variant, 2}))
		wantLevel(t, room, a.Variant, 5, 0, 3)
		wantClean(t, room)
	})
}

func TestHoldRunsOut(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 2)
		put(t, room, a)
		order := newOrder()
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 2}))
		sweep(t, room, 0)
		must(t, room, lapsed(order))
		wantLevel(t, room, a.Variant, 0, 2, 0) // until somebody sweeps
		sweep(t, room, 1)
		sweep(t, room, 0)
		wantLevel(t, room, a.Variant, 2, 0, 0)
		if got := events(t, room, "stock.hold-expired"); len(got) != 1 || got[0] != `{"order":"`+order.String()+`"}` {
			t.Errorf("events: %v", got)
		}
		// A late payment is honoured from what is there, whole or not at all.
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 1}))
		must(t, room, func(ctx context.Context, tx *db.Tx) error {
			var short *stock.Short
			if err := stock.SellHeld(ctx, tx, order); !errors.As(err, &short) || len(short.Lines) != 1 || short.Lines[0] != (stock.ShortLine{a.Variant, -1, 2, 1}) {
				t.Errorf("sold late: %v", err)
			}
			return nil
		})
		wantLevel(t, room, a.Variant, 1, 0, 1)
		must(t, room, func(ctx context.Context, tx *db.Tx) error {
			_, err := stock.Receive(ctx, tx, a.Variant, 1, "found behind the shelf")
			return err
		})
		must(t, room, sellHeld(order))
		wantLevel(t, room, a.Variant, 0, 0, 3)
		wantClean(t, room)
	})
}

func TestPaidAfterTheHoldRanOutAndBeforeTheSweep(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 1)
		put(t, room, a)
		order := newOrder()
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 1}))
		must(t, room, lapsed(order))
		must(t, room, sellHeld(order))
		sweep(t, room, 0)
		wantLevel(t, room, a.Variant, 0, 0, 1)
		wantClean(t, room)
	})
}

func TestHoldAgainReplaces(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a, b := counted(newProduct(), 5), counted(newProduct(), 5)
		put(t, room, a, b)
		order := newOrder()
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 4}))
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 5})) // its own four count
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 1}, stock.Line{b.Variant, 2}))
		wantLevel(t, room, a.Variant, 4, 1, 0)
		wantLevel(t, room, b.Variant, 3, 2, 0)
		must(t, room, func(ctx context.Context, tx *db.Tx) error { // the earlier hold stands
			var short *stock.Short
			err := stock.Hold(ctx, tx, order, []stock.Line{{a.Variant, 3}, {b.Variant, 6}}, soon())
			if !errors.As(err, &short) || len(short.Lines) != 1 || short.Lines[0].Available != 5 {
				t.Errorf("held too much: %v", err)
			}
			return nil
		})
		wantLevel(t, room, a.Variant, 4, 1, 0)
		wantLevel(t, room, b.Variant, 3, 2, 0)
		must(t, room, lapsed(order))
		sweep(t, room, 1)
		must(t, room, hold(order, soon(), stock.Line{b.Variant, 5}))
		wantLevel(t, room, a.Variant, 5, 0, 0)
		wantLevel(t, room, b.Variant, 0, 5, 0)
		must(t, room, sellHeld(order))
		wantLevel(t, room, b.Variant, 0, 0, 5)
		wantClean(t, room)
	})
}

func TestSweepManyOrders(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 200)
		put(t, room, a)
		must(t, room, func(ctx context.Context, tx *db.Tx) error {
			for range 120 { // more than two batches
				order := newOrder()
				if err := stock.Hold(ctx, tx, order, []stock.Line{{a.Variant, 1}}, soon()); err != nil {
					return err
				}
				if err := lapsed(order)(ctx, tx); err != nil {
					return err
				}
			}
			return stock.Hold(ctx, tx, newOrder(), []stock.Line{{a.Variant, 1}}, soon())
		})
		sweep(t, room, 120)
		wantLevel(t, room, a.Variant, 199, 1, 0)
		wantClean(t, room)
	})
}

func TestExpiredFindsTheShops(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		want := map[id.Shop]int64{}
		for i, slug := range []string{"one", "two", "three"} {
			room := fleettest.NewShop(t, f, slug)
			a, b := counted(newProduct(), 5), counted(newProduct(), 5)
			put(t, room, a, b)
			order := newOrder()
			must(t, room, hold(order, soon(), stock.Line{a.Variant, 1}, stock.Line{b.Variant, 1}))
			if i > 0 {
				must(t, room, lapsed(order))
				want[room.Shop()] = 2
			}
		}
		got := map[id.Shop]int64{}
		for _, name := range f.ShardNames() {
			found, err := f.Shard(name).Across(t.Context(), stock.Expired, 0, 0, time.Now(), 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range found {
				if got[c.Shop]++; got[c.Shop] > 1 {
					continue
				}
				room, err := f.ByID(t.Context(), c.Shop)
				if err != nil {
					t.Fatal(err)
				}
				sweep(t, room, 1)
			}
		}
		if len(got) != len(want) {
			t.Errorf("found %v, want %v", got, want)
		}
		for shop, n := range want {
			if got[shop] != n {
				t.Errorf("shop %v: %d lines, want %d", shop, got[shop], n)
			}
		}
	})
}

func TestUntrackedIsAlwaysThere(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		free := stock.Setting{Variant: newVariant(), Product: newProduct()}
		put(t, room, free)
		if !sellable(t, room, free.Product) {
			t.Error("not sellable")
		}
		sold, held := newOrder(), newOrder()
		must(t, room, sell(sold, stock.Line{free.Variant, 100}))
		must(t, room, hold(held, soon(), stock.Line{free.Variant, 100}))
		wantLevel(t, room, free.Variant, 0, 0, 0)
		// Tracked from now on: what was never counted cannot come back.
		free.Tracked, free.SetAvailable, free.Available = true, true, 3
		put(t, room, free)
		must(t, room, restock(sold, stock.Line{free.Variant, 100}))
		must(t, room, sellHeld(held))
		wantLevel(t, room, free.Variant, 3, 0, 0)
		// And no longer, while some are held.
		must(t, room, hold(held, soon(), stock.Line{free.Variant, 2}))
		free.Tracked, free.SetAvailable = false, false
		put(t, room, free)
		wantLevel(t, room, free.Variant, 1, 2, 0)
		must(t, room, hold(held, soon(), stock.Line{free.Variant, 3}))
		must(t, room, release(held))
		wantLevel(t, room, free.Variant, 3, 0, 0)
		wantClean(t, room)
	})
}

// bend makes a level impossible to give back to.
var bend = db.Q(`UPDATE stock_level SET held = 0 WHERE shop = $1 AND variant = $2`)

// A hold that cannot be ended keeps no other of its batch from being ended.
func TestOneHoldThatFailsKeepsNoOther(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a, b := counted(newProduct(), 10), counted(newProduct(), 10)
		put(t, room, a, b)
		var bad id.Order
		for i := range 5 {
			o, v := newOrder(), a.Variant
			if i == 2 {
				bad, v = o, b.Variant
			}
			must(t, room, hold(o, soon(), stock.Line{Variant: v, Quantity: 1}))
			must(t, room, lapsed(o))
		}
		must(t, room, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, bend, b.Variant); return err })
		if n, err := stock.Sweep(t.Context(), room); n != 4 || err == nil {
			t.Errorf("swept %d, %v; want 4 and an error", n, err)
		}
		wantLevel(t, room, a.Variant, 10, 0, 0)
		if held := orders(t, room, heldOrders); !slices.Contains(held, bad) {
			t.Errorf("the hold that cannot be ended is gone: %v", held)
		}
	})
}
