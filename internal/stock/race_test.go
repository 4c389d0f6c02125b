package stock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/stock"
)

const (
	shoppers = 2_000
	inside   = 64 // of them at a time, else all would look once before anybody brings anything back
	units    = 10
)

// seller is one way to sell a unit; false when there is none.
type seller func(ctx context.Context, room *fleet.Room, order id.Order, v id.Variant) (bool, error)

func one(v id.Variant) []stock.Line { return []stock.Line{{Variant: v, Quantity: 1}} }

// inTx makes a seller of what one transaction does; *Short is false.
func inTx(fn func(ctx context.Context, tx *db.Tx, order id.Order, v id.Variant) error) seller {
	return func(ctx context.Context, room *fleet.Room, order id.Order, v id.Variant) (bool, error) {
		_, err := room.Change(ctx, func(tx *db.Tx) error { return fn(ctx, tx, order, v) })
		if errors.As(err, new(*stock.Short)) {
			return false, nil
		}
		return err == nil, err
	}
}

var (
	sellNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return stock.Sell(ctx, tx, o, one(v))
	})
	holdNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return stock.Hold(ctx, tx, o, one(v), tx.Now().Add(time.Hour))
	})
	sellHeldNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return stock.SellHeld(ctx, tx, o)
	})
	releaseNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return stock.Release(ctx, tx, o)
	})
	restockNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return stock.Restock(ctx, tx, o, one(v))
	})
	lapseNow = inTx(func(ctx context.Context, tx *db.Tx, o id.Order, v id.Variant) error {
		return lapsed(o)(ctx, tx)
	})
)

// race has shoppers go for the units of one variant at once, each by sell or,
// where that is nil, by one of all the ways there are; who finds nothing looks
// again a few times. It counts, by what the shoppers were told and not by any
// row, how many units were out of the shop at the worst moment, and how many
// had been sold for good at the end.
type race struct {
	given, out, worst, kept atomic.Int64
	room                    *fleet.Room
	v                       id.Variant
}

func (r *race) took() {
	r.given.Add(1)
	n := r.out.Add(1)
	for w := r.worst.Load(); n > w && !r.worst.CompareAndSwap(w, n); w = r.worst.Load() {
	}
}

func (r *race) run(ctx context.Context, sell seller) error {
	var all sync.WaitGroup
	failed := make(chan error, shoppers)
	start, door := make(chan struct{}), make(chan struct{}, inside)
	for i := range shoppers {
		all.Go(func() {
			<-start
			door <- struct{}{}
			defer func() { <-door }()
			if err := r.shop(ctx, i, sell); err != nil {
				failed <- fmt.Errorf("shopper %d: %w", i, err)
			}
		})
	}
	close(start)
	all.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *race) shop(ctx context.Context, i int, sell seller) error {
	order := newOrder()
	do := func(s seller) (bool, error) { return s(ctx, r.room, order, r.v) }
	try := func(s seller) (done bool, err error) {
		for look := 0; look < 5 && !done && err == nil; look++ {
			done, err = do(s)
		}
		return done, err
	}
	if sell != nil {
		done, err := do(sell)
		if done {
			r.took()
			r.kept.Add(1)
		}
		return err
	}
	// Few keep what they get, so that the race goes on to the end.
	kind := []int{2, 4, 5}[i%3]
	enough := r.given.Load() >= 10*units // and nobody keeps anything before
	if i%250 == 0 && enough {
		kind = i / 250 % 2
	}
	switch kind {
	case 0: // pays cash
		done, err := try(sellNow)
		if done {
			r.took()
			r.kept.Add(1)
		}
		return err
	case 2: // pays cash, and sends it back
		done, err := try(sellNow)
		if done {
			r.took()
			r.out.Add(-1)
			_, err = do(restockNow)
		}
		return err
	case 1: // pays later
		done, err := try(holdNow)
		if done {
			r.took()
			_, err = do(sellHeldNow)
			r.kept.Add(1)
		}
		return err
	case 4: // thinks better of it
		done, err := try(holdNow)
		if done {
			r.took()
			r.out.Add(-1)
			_, err = do(releaseNow)
		}
		return err
	default: // never pays; sometimes pays too late
		done, err := try(holdNow)
		if err != nil || !done {
			return err
		}
		r.took()
		r.out.Add(-1)
		if _, err := do(lapseNow); err != nil {
			return err
		}
		if _, err := stock.Sweep(ctx, r.room); err != nil {
			return err
		}
		if i%500 == 5 && enough {
			if done, err = do(sellHeldNow); done {
				r.took()
				r.kept.Add(1)
			}
		}
		return err
	}
}

// finish sells what is left, and gives how many units were sold for good.
func (r *race) finish(ctx context.Context, sell seller) (int64, error) {
	for range 2 * units {
		done, err := sell(ctx, r.room, newOrder(), r.v)
		if err != nil {
			return 0, err
		}
		if !done {
			break
		}
		r.took()
		r.kept.Add(1)
	}
	return r.kept.Load(), nil
}

func TestThousandsRaceForTen(t *testing.T) {
	fleettest.Each(t, []*db.SchemaSet{stock.Schema, event.Schema}, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), units)
		put(t, room, a)
		r := &race{room: room, v: a.Variant}

		// Somebody looks all the while: at no moment does it not add up.
		raced := make(chan struct{})
		var watcher sync.WaitGroup
		looks := 0
		watcher.Go(func() {
			for {
				select {
				case <-raced:
					return
				default:
				}
				wantClean(t, room)
				if l := level(t, room, a.Variant); l.Available < 0 || l.Available+l.Held > units {
					t.Errorf("%d available and %d held", l.Available, l.Held)
				}
				looks++
			}
		})
		err := r.run(t.Context(), nil)
		for err == nil && r.given.Load() < 10*units { // a busy machine: they come again
			err = r.run(t.Context(), nil)
		}
		close(raced)
		watcher.Wait()
		if err != nil {
			t.Fatal(err)
		}
		sold, err := r.finish(t.Context(), sellNow)
		if err != nil {
			t.Fatal(err)
		}
		l := level(t, room, a.Variant)
		if sold != units || l.Available != 0 || l.Held != 0 {
			t.Errorf("%d sold, %d available, %d held; want exactly %d sold", sold, l.Available, l.Held, units)
		}
		if w := r.worst.Load(); w > units {
			t.Errorf("%d units were out at once", w)
		}
		if sellable(t, room, a.Product) {
			t.Error("the product is sellable still")
		}
		wantClean(t, room)
		given := r.given.Load()
		if given < 10*units {
			t.Errorf("only %d units were given out and came back: that is no race", given)
		}
		t.Logf("%d shoppers were given a unit %d times; looked at %d times", shoppers, given, looks)
	})
}

var writeNaive = db.Q(`UPDATE stock_level SET available = $3, sold = sold + 1 WHERE shop = $1 AND variant = $2`)

// naive reads first and writes what it has calculated from that.
func naive(ctx context.Context, room *fleet.Room, _ id.Order, v id.Variant) (bool, error) {
	var l stock.Level
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		l, err = stock.Of(ctx, r, v)
		return err
	})
	if err != nil || l.Available < 1 {
		return false, err
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, writeNaive, v, l.Available-1)
		return err
	})
	return err == nil, err
}

// TestTheRaceCatchesOverselling is the control of the test above: the same
// race, with a way to sell that is wrong.
func TestTheRaceCatchesOverselling(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), units)
		put(t, room, a)
		r := &race{room: room, v: a.Variant}
		if err := r.run(t.Context(), naive); err != nil {
			t.Fatal(err)
		}
		sold, err := r.finish(t.Context(), naive)
		if err != nil {
			t.Fatal(err)
		}
		if sold <= units || r.worst.Load() <= units {
			t.Errorf("reading first sold %d of %d: the race would not notice overselling", sold, units)
		}
		err = room.View(t.Context(), fleet.Newest, func(reader db.Reader) error {
			found, err := stock.Check(t.Context(), reader)
			if len(found) == 0 {
				t.Error("Check finds nothing")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("reading first sold %d of %d", sold, units)
	})
}

// TestLastOfTwoVariantsAtOnce sells the last unit of each of a product's two
// variants at the same moment: neither transaction sees the other's.
func TestLastOfTwoVariantsAtOnce(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		for range 50 {
			p := newProduct()
			a, b := counted(p, 1), counted(p, 1)
			put(t, room, a, b)
			var both sync.WaitGroup
			for _, v := range []id.Variant{a.Variant, b.Variant} {
				both.Go(func() {
					if err := change(t, room, sell(newOrder(), one(v)...)); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			if sellable(t, room, p) {
				t.Fatal("the product is sellable with nothing left")
			}
		}
		wantClean(t, room)
	})
}

// TestOrdersOfManyLinesAtOnce has orders take the same variants in different
// orders, which must neither wait for each other nor half succeed.
func TestOrdersOfManyLinesAtOnce(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		settings := make([]stock.Setting, 5)
		for i := range settings {
			settings[i] = counted(newProduct(), 20)
		}
		put(t, room, settings...)
		var orders sync.WaitGroup
		var sold atomic.Int64
		for i := range 100 {
			orders.Go(func() {
				var lines []stock.Line
				for j := range settings {
					lines = append(lines, stock.Line{Variant: settings[(i*3+j*(1+i%4))%5].Variant, Quantity: 1})
				}
				err := change(t, room, sell(newOrder(), lines...))
				if err == nil {
					sold.Add(int64(len(lines)))
				} else if !errors.As(err, new(*stock.Short)) {
					t.Error(err)
				}
			})
		}
		orders.Wait()
		counted := int64(0)
		for _, s := range settings {
			counted += level(t, room, s.Variant).Sold
		}
		if counted != sold.Load() {
			t.Errorf("%d units sold, %d acknowledged", counted, sold.Load())
		}
		wantClean(t, room)
	})
}
