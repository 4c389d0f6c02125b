package insight_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/op"
)

// Each visit is counted once in its shop, however many come at once and however
// often it cannot be written; one that may have been written is not again.
func TestVisitsAreCountedOnce(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		a, b := fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")
		settings(t, a, "Asia/Kathmandu")
		settings(t, b, "UTC")
		now := time.Now()
		var v insight.Visits
		failing := errors.New("no route to host")
		rooms := func(ctx context.Context, shop id.Shop) (*fleet.Room, error) {
			if failing != nil {
				return nil, failing
			}
			return f.ByID(ctx, shop)
		}
		const each = 250
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range each {
					v.Count(a.Shop(), now)
				}
				v.Count(b.Shop(), now.AddDate(0, 0, -1))
			})
		}
		all.Go(func() {
			for range 20 {
				if err := v.Flush(t.Context(), rooms); err != nil && !errors.Is(err, failing) {
					t.Error(err)
				}
			}
		})
		all.Wait()
		failing = nil
		for range 2 { // a second time writes nothing more
			if err := v.Flush(t.Context(), rooms); err != nil {
				t.Fatal(err)
			}
		}
		days := func(room *fleet.Room) (d []insight.DaySum, sum int64) {
			t.Helper()
			list, err := insight.Days.Do(t.Context(), room, op.Caller{Account: id.Account{1}, Shop: room.Shop()}, insight.DaysIn{Days: 3})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range list.Items {
				if sum += x.Visits; x.Orders != 0 || x.Sales.Amount != 0 {
					t.Errorf("visits have sold something: %+v", x)
				}
			}
			return list.Items, sum
		}
		if _, n := days(a); n != 4*each {
			t.Errorf("%d visits of a, want %d", n, 4*each)
		}
		if d, n := days(b); n != 4 || d[2].Visits != 0 {
			t.Errorf("visits of b: %+v", d)
		}
		today, err := insight.Today.Do(t.Context(), b, op.Caller{Account: id.Account{1}, Shop: b.Shop()}, insight.TodayIn{})
		hour := now.UTC().AddDate(0, 0, -1).Hour()
		if err != nil || today.Visits != 0 || len(today.Visited) != 24 || len(today.Ordered) != 24 || today.Date == now.UTC().Format(time.DateOnly) && today.VisitedBy[hour] != 4 {
			t.Errorf("today of b: %+v, %v", today, err)
		}
		v.Count(b.Shop(), now)
		failing = db.ErrDoubt
		if err := v.Flush(t.Context(), rooms); !errors.Is(err, db.ErrDoubt) {
			t.Error(err)
		}
		failing = nil
		if err := v.Flush(t.Context(), rooms); err != nil {
			t.Error(err)
		}
		if _, n := days(b); n != 4 || v.Lost.Load() != 1 || v.Counted.Load() != 4*each+5 {
			t.Errorf("%d visits of b; lost %d of %d", n, v.Lost.Load(), v.Counted.Load())
		}
	})
}

// What waits in memory is bounded, and a round writes a bounded part of it.
func TestVisitsThatWaitAreBounded(t *testing.T) {
	var v insight.Visits
	const shops = 20_050
	for n := range shops {
		v.Count(id.Shop(n+1), time.Now())
	}
	if n := v.Lost.Load(); n != 50 {
		t.Errorf("%d visits are lost, want 50", n)
	}
	asked := 0
	_ = v.Flush(t.Context(), func(context.Context, id.Shop) (*fleet.Room, error) { asked++; return nil, errors.New("away") })
	if asked != 500 || v.Lost.Load() != 50 {
		t.Errorf("%d shops at once; lost %d", asked, v.Lost.Load())
	}
}

// Who shows a shop's figures is told when its visits were written, by this process
// or by another, and of no other shop's. When more shops' visits wait than are
// written at once, those that are watched are among the first.
func TestVisitsAreToldToWhoWatches(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		a, b := fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")
		var here, there insight.Visits
		news, stop := here.Watch(a.Shop())
		told := func() bool {
			select {
			case <-news:
				return true
			default:
				return false
			}
		}
		look := func() {
			t.Helper()
			if err := here.Look(t.Context(), f.ByID); err != nil {
				t.Fatal(err)
			}
		}
		flush := func(v *insight.Visits) {
			t.Helper()
			if err := v.Flush(t.Context(), f.ByID); err != nil {
				t.Fatal(err)
			}
		}
		look()
		here.Count(a.Shop(), time.Now())
		if told() {
			t.Error("told before it was written")
		}
		flush(&here)
		if !told() {
			t.Error("not told of what was written here")
		}
		look() // which knows it already, or tells of it once
		told()
		here.Count(b.Shop(), time.Now())
		flush(&here)
		look()
		if told() {
			t.Error("told of another shop")
		}
		there.Count(a.Shop(), time.Now())
		flush(&there)
		look()
		if !told() {
			t.Error("not told of what another process has written")
		}
		for i := range 3000 { // which are nowhere
			here.Count(id.Shop(i+1), time.Now())
		}
		here.Count(a.Shop(), time.Now())
		_ = here.Flush(t.Context(), f.ByID)
		if !told() {
			t.Error("a watched shop waits behind others")
		}
		stop()
		here.Count(a.Shop(), time.Now())
		for range 10 {
			_ = here.Flush(t.Context(), f.ByID)
		}
		if told() {
			t.Error("told after the end")
		}
	})
}
