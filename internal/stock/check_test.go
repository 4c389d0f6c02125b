package stock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

var damages = map[string]struct {
	q     *db.SQL
	finds []stock.Aspect
}{
	"a unit too many":       {db.Q(`UPDATE stock_level SET available = available + 1 WHERE shop = $1 AND sold > 0`), []stock.Aspect{stock.Units}},
	"held by nobody":        {db.Q(`UPDATE stock_level SET available = available - 1, held = held + 1 WHERE shop = $1 AND sold > 0`), []stock.Aspect{stock.SetAside}},
	"sold to nobody":        {db.Q(`UPDATE stock_level SET available = available - 1, sold = sold + 1 WHERE shop = $1 AND sold > 0`), []stock.Aspect{stock.Departed}},
	"sold and not counted":  {db.Q(`UPDATE stock_level SET sold = sold - 1 WHERE shop = $1 AND sold > 0`), []stock.Aspect{stock.Units, stock.Departed}},
	"a sale without entry":  {db.Q(`DELETE FROM stock_ledger WHERE shop = $1 AND kind = 'sold'`), []stock.Aspect{stock.Departed}},
	"an arrival too many":   {db.Q(`DELETE FROM stock_ledger WHERE shop = $1 AND kind = 'received'`), []stock.Aspect{stock.Units}},
	"a hold that is gone":   {db.Q(`DELETE FROM stock_hold WHERE shop = $1`), []stock.Aspect{stock.SetAside}},
	"a hold that grew":      {db.Q(`UPDATE stock_hold SET quantity = quantity + 1 WHERE shop = $1`), []stock.Aspect{stock.SetAside}},
	"a level that is gone":  {db.Q(`DELETE FROM stock_level WHERE shop = $1 AND sold > 0`), []stock.Aspect{stock.Lost, stock.Choices}},
	"a product sold out":    {db.Q(`UPDATE stock_product SET sellable = FALSE WHERE shop = $1`), []stock.Aspect{stock.Sellable}},
	"a product miscounted":  {db.Q(`UPDATE stock_product SET choices = choices + 1 WHERE shop = $1`), []stock.Aspect{stock.Choices}},
	"a product not counted": {db.Q(`DELETE FROM stock_product WHERE shop = $1`), []stock.Aspect{stock.Choices}},
}

func audit(t testing.TB, room *fleet.Room) stock.Books {
	t.Helper()
	b, err := stock.Audit(t.Context(), room, t.Context().Err)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCheckFindsDamage breaks each number of a shop of its own, under the
// house, and expects it to be named: by Check, by Audit however it is divided,
// and, among shops that are well, by Balances.
func TestCheckFindsDamage(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		rooms, want := map[id.Shop]*fleet.Room{}, map[id.Shop]int64{}
		var all []id.Shop
		open := func(name string) *fleet.Room {
			room := fleettest.NewShop(t, f, fmt.Sprintf("shop-%d", len(all)))
			p := newProduct()
			a, b := counted(p, 5), counted(p, 2)
			free := stock.Setting{Variant: newVariant(), Product: newProduct()}
			put(t, room, b, a, free)
			must(t, room, hold(newOrder(), soon(), stock.Line{Variant: a.Variant, Quantity: 1}))
			must(t, room, sell(newOrder(), stock.Line{Variant: a.Variant, Quantity: 1}))
			must(t, room, func(ctx context.Context, tx *db.Tx) error {
				_, err := stock.Receive(ctx, tx, a.Variant, 3, "")
				return err
			})
			gone := counted(p, 1)
			put(t, room, gone)
			must(t, room, hold(newOrder(), soon(), stock.Line{Variant: gone.Variant, Quantity: 1}))
			must(t, room, func(ctx context.Context, tx *db.Tx) error { return stock.Forget(ctx, tx, []id.Variant{gone.Variant}) })
			wantClean(t, room)
			if got := audit(t, room); got.Variants != 3 || len(got.Wrong) > 0 {
				t.Fatalf("%s: %+v before", name, got)
			}
			all, want[room.Shop()], rooms[room.Shop()] = append(all, room.Shop()), 3, room
			return room
		}
		open("well")
		for name, damage := range damages {
			room := open(name)
			must(t, room, func(ctx context.Context, tx *db.Tx) error {
				n, err := tx.Exec(ctx, damage.q)
				if n < 1 {
					t.Errorf("%s: nothing was damaged", name)
				}
				return err
			})
			var found []stock.Discrepancy
			err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
				found, err = stock.Check(ctx, r)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var aspects []stock.Aspect
			for _, d := range found {
				if aspects = append(aspects, d.Aspect); d.Expected == d.Found || d.Reason == "" || (d.Aspect == stock.Choices || d.Aspect == stock.Sellable) != d.Variant.Zero() {
					t.Errorf("%s: %+v", name, d)
				}
			}
			slices.Sort(aspects)
			finds := slices.Clone(damage.finds)
			slices.Sort(finds)
			if aspects = slices.Compact(aspects); !slices.Equal(aspects, finds) {
				t.Errorf("%s: found %v, want %v", name, found, finds)
			}
			for _, part := range []int64{1, 2, 3, 1000} {
				undo := stock.InParts(part)
				got := audit(t, room)
				undo()
				if !slices.Equal(got.Wrong, found) {
					t.Errorf("%s, %d entries at a time: %v, not %v", name, part, got.Wrong, found)
				}
				want[room.Shop()] = -int64(got.Items())
			}
		}
		open("well too")
		slices.Sort(all)
		see := func(from, to id.Shop) (got map[id.Shop]int64) {
			rows, err := f.Across(ctx, stock.Balances, from, to)
			if err != nil {
				t.Fatal(err)
			}
			got = map[id.Shop]int64{}
			for _, c := range rows {
				got[c.Shop] = c.N
			}
			return got
		}
		for shop, n := range see(all[0], all[len(all)-1]) {
			if n != want[shop] {
				t.Errorf("%s: %d among all, want %d", rooms[shop].Slug(), n, want[shop])
			}
			delete(rooms, shop)
		}
		if len(rooms) > 0 {
			t.Errorf("%d shops were passed over", len(rooms))
		}
		if got := see(all[3], all[3]); len(got) != 1 || got[all[3]] != want[all[3]] {
			t.Errorf("alone: %v", got)
		}
	})
}

// soldOfLevel and soldOfLedger are two sides that must agree.
var (
	soldOfLevel  = db.Q(`SELECT sold FROM stock_level WHERE shop = $1 AND variant = $2`)
	soldOfLedger = db.Q(`SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM stock_ledger WHERE shop = $1 AND variant = $2 AND kind = 'sold'`)
)

func number(ctx context.Context, r db.Reader, q *db.SQL, v id.Variant) (int64, error) {
	n, _, err := db.One(ctx, r, q, func(n *int64) []any { return []any{n} }, v)
	return n, err
}

// TestNoFalseAlarm has shoppers hold, sell, release, restock and let holds
// lapse in several shops while Check, Audit in the smallest parts and Balances
// look again and again: nothing is ever off. The control of it reads the level
// in one snapshot and the ledger in the next, all the while, and must be seen
// to raise false alarms: so much happens between two snapshots.
func TestNoFalseAlarm(t *testing.T) {
	defer stock.InParts(2)()
	fleettest.EachFleet(t, []*db.SchemaSet{stock.Schema, event.Schema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		var rooms []*fleet.Room
		variants := map[id.Shop][]id.Variant{}
		from, to := id.Shop(1<<62), id.Shop(0)
		for i := range 3 {
			room := fleettest.NewShop(t, f, fmt.Sprintf("shop-%d", i))
			p := newProduct()
			for range 3 {
				a := counted(p, 3)
				put(t, room, a)
				variants[room.Shop()] = append(variants[room.Shop()], a.Variant)
			}
			rooms, from, to = append(rooms, room), min(from, room.Shop()), max(to, room.Shop())
		}
		ended := make(chan struct{})
		var work sync.WaitGroup
		var did, looked, alarms atomic.Int64
		for i := range 6 {
			work.Go(func() {
				room := rooms[i%len(rooms)]
				all := variants[room.Shop()]
				for n := i; ; n++ {
					select {
					case <-ended:
						return
					default:
					}
					if err := bustle(ctx, room, all[n%len(all)], n); err != nil {
						t.Error(err)
						return
					}
					did.Add(1)
				}
			})
		}
		deadline := time.Now().Add(time.Minute)
		for enough := false; !enough && !t.Failed(); enough = looked.Load() >= 30 && did.Load() >= 600 && alarms.Load() > 0 {
			if time.Now().After(deadline) {
				t.Errorf("in a minute: looked %d times at %d changes; %d false alarms of what looks twice", looked.Load(), did.Load(), alarms.Load())
				break
			}
			rows, err := f.Across(ctx, stock.Balances, from, to)
			if err != nil || len(rows) != len(rooms) {
				t.Errorf("%d shops, %v", len(rows), err)
			}
			for _, c := range rows {
				if c.N != 3 {
					t.Errorf("Balances gives %d", c.N)
				}
			}
			for _, room := range rooms {
				if b := audit(t, room); len(b.Wrong) > 0 || b.Variants != 3 {
					t.Errorf("Audit finds %+v", b)
				}
				wantClean(t, room)
				for _, v := range variants[room.Shop()] {
					torn, err := soldTwice(ctx, room, v)
					if err != nil {
						t.Error(err)
					}
					if torn {
						alarms.Add(1)
					}
				}
			}
			looked.Add(1)
		}
		close(ended)
		work.Wait()
		for _, room := range rooms {
			wantClean(t, room)
		}
		t.Logf("looked %d times at %d changes, with no false alarm; what looks twice raised %d", looked.Load(), did.Load(), alarms.Load())
	})
}

// soldTwice holds the level against the ledger as Check does, but in two
// snapshots.
func soldTwice(ctx context.Context, room *fleet.Room, v id.Variant) (differ bool, err error) {
	var sides [2]int64
	for i, q := range []*db.SQL{soldOfLevel, soldOfLedger} {
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			sides[i], err = number(ctx, r, q, v)
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return sides[0] != sides[1], nil
}

// bustle does one of what shoppers and merchants do with a unit.
func bustle(ctx context.Context, room *fleet.Room, v id.Variant, n int) error {
	order := newOrder()
	steps := [][]seller{
		{sellNow, restockNow}, {holdNow, sellHeldNow, restockNow}, {holdNow, releaseNow}, {holdNow, lapseNow, sweepNow}, {receiveNow, sellNow},
	}[n%5]
	for _, s := range steps {
		if done, err := s(ctx, room, order, v); err != nil || !done {
			return err
		}
	}
	return nil
}

var (
	receiveNow = inTx(func(ctx context.Context, tx *db.Tx, _ id.Order, v id.Variant) error {
		_, err := stock.Receive(ctx, tx, v, 1, "")
		return err
	})
	sweepNow = seller(func(ctx context.Context, room *fleet.Room, _ id.Order, _ id.Variant) (bool, error) {
		_, err := stock.Sweep(ctx, room)
		return err == nil, err
	})
)

// TestASaleInTheMiddleOfALook sells, surely and not by chance, while a look is
// half done: Check sees none of it, Audit sees each variant before or after it,
// and the control, with a sale between two snapshots, sees what never was.
func TestASaleInTheMiddleOfALook(t *testing.T) {
	defer stock.InParts(1)()
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		ctx := t.Context()
		a, b := counted(newProduct(), 50), counted(newProduct(), 50)
		put(t, room, a, b)
		sellBoth := func() error {
			return change(t, room, sell(newOrder(), stock.Line{Variant: a.Variant, Quantity: 1}, stock.Line{Variant: b.Variant, Quantity: 1}))
		}
		if err := sellBoth(); err != nil {
			t.Fatal(err)
		}
		err := room.View(ctx, fleet.Newest, func(r db.Reader) error {
			before, err := number(ctx, r, soldOfLevel, a.Variant)
			if err != nil {
				return err
			}
			if err := sellBoth(); err != nil {
				return err
			}
			found, err := stock.Check(ctx, r)
			if len(found) > 0 {
				t.Errorf("Check finds %v", found)
			}
			after, e := number(ctx, r, soldOfLedger, a.Variant)
			if before != after {
				t.Errorf("%d were sold, then %d, in one snapshot", before, after)
			}
			return errors.Join(err, e)
		})
		if err != nil {
			t.Fatal(err)
		}
		parts := 0
		got, err := stock.Audit(ctx, room, func() error { parts++; return sellBoth() })
		if err != nil || parts < 2 || len(got.Wrong) > 0 || got.Variants != 2 {
			t.Errorf("in %d parts Audit finds %+v, %v", parts, got, err)
		}
		var sides [2]int64
		for i, q := range []*db.SQL{soldOfLevel, soldOfLedger} {
			err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
				sides[i], err = number(ctx, r, q, a.Variant)
				return err
			})
			if err := errors.Join(err, sellBoth()); err != nil {
				t.Fatal(err)
			}
		}
		if sides[0] == sides[1] {
			t.Error("two snapshots with a sale between them say the same")
		}
		ended := errors.New("ended")
		if _, err := stock.Audit(ctx, room, func() error { return ended }); !errors.Is(err, ended) {
			t.Errorf("told to end, Audit says %v", err)
		}
		wantClean(t, room)
	})
}
