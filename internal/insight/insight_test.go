package insight_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, insight.Schema}

// zones include those whose days begin on the half and the quarter hour of
// UTC, and those that change their clocks.
var zones = []string{"Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Pacific/Chatham", "UTC"}

// a sale is an order as the events told it.
type sale struct {
	order.OrderPlaced
	cancelled bool
}

// journeys emits random orders of the last days, a third of them cancelled
// later, in random order, and gives what should remain.
func journeys(t *testing.T, room *fleet.Room, n int, now time.Time) []sale {
	t.Helper()
	products := make([]id.Product, 6)
	for i := range products {
		products[i] = id.Product(id.New[struct{}]())
	}
	var all []sale
	for i := range n {
		// Away from the borders of quarters, so that the test's now may be a
		// moment before the answer's.
		at := now.Add(-time.Duration(rand.N(9*24*60)+20) * time.Minute).Truncate(15 * time.Minute).Add(time.Duration(1+rand.N(13)) * time.Minute)
		e := order.OrderPlaced{Order: id.Order(id.New[struct{}]()), Number: int64(1001 + i), Currency: "INR", At: at, Delivery: rand.N(int64(5000))}
		for range 1 + rand.N(4) {
			p := rand.N(len(products))
			l := order.PlacedLine{Product: products[p], Title: fmt.Sprint("Product ", p), Quantity: 1 + rand.N(int64(5)), Total: rand.N(int64(100_000))}
			e.Lines, e.Items, e.Total = append(e.Lines, l), e.Items+l.Quantity, e.Total+l.Total
		}
		e.Total += e.Delivery
		all = append(all, sale{e, rand.N(3) == 0})
	}
	var waiting []event.Event
	send := func(e event.Event) {
		_, err := room.Change(t.Context(), func(tx *db.Tx) error {
			switch e := e.(type) {
			case order.OrderPlaced:
				return event.Emit(t.Context(), tx, e)
			case order.OrderCancelled:
				return event.Emit(t.Context(), tx, e)
			}
			return fmt.Errorf("a %T", e)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range all {
		send(s.OrderPlaced)
		if s.cancelled {
			waiting = append(waiting, order.OrderCancelled{Lines: s.Lines, Change: order.Change{
				Order: s.Order, Number: s.Number, Total: s.Total, Currency: s.Currency, Items: s.Items, PlacedAt: s.At, At: now,
			}})
		}
		if len(waiting) > 0 && rand.N(2) == 0 {
			i := rand.N(len(waiting))
			send(waiting[i])
			waiting = slices.Delete(waiting, i, i+1)
		}
	}
	for _, e := range waiting {
		send(e)
	}
	return all
}

func TestSumsAgreeWithTheOrders(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		log := slog.New(slog.DiscardHandler)
		start := func() *event.Bus {
			b := event.NewBus(f, log)
			insight.Subscribe(b)
			b.Start(t.Context())
			return b
		}
		bus := start()
		room := fleettest.NewShop(t, f, "sums")
		now := time.Now()
		sales := journeys(t, room, 60, now)
		bus.Close() // in the middle
		bus = start()
		defer bus.Close()
		sales = append(sales, journeys(t, room, 60, now)...)
		settle(t, bus)
		by := op.Caller{Account: id.Account{1}, Shop: room.Shop()}
		for _, name := range zones {
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			settings(t, room, name)
			a := ask(t, room, by)
			a.now = a.now.In(zone)
			if len(a.days) != 5 || a.days[4].Date != a.now.Format(time.DateOnly) {
				t.Fatalf("%s: %+v", name, a.days)
			}
			for _, d := range a.days {
				want := recompute(sales, func(at time.Time) bool { return at.In(zone).Format(time.DateOnly) == d.Date })
				if d.Orders != want.orders || d.Units != want.units || d.Sales.Amount != want.sales || d.Sales.Currency != "INR" {
					t.Errorf("%s %s: %+v, want %+v", name, d.Date, d, want)
				}
			}
			checkToday(t, a, sales)
			checkProducts(t, a, sales)
		}
	})
}

// answers are given within one quarter of an hour, in which now lies.
type answers struct {
	now      time.Time
	today    insight.Day
	days     []insight.DaySum
	products []insight.ProductSum
}

const topDays = 3

func ask(t *testing.T, room *fleet.Room, by op.Caller) (a answers) {
	t.Helper()
	for a.now = time.Now(); ; a.now = time.Now() {
		today, err1 := insight.Today.Do(t.Context(), room, by, insight.TodayIn{})
		days, err2 := insight.Days.Do(t.Context(), room, by, insight.DaysIn{Days: 5})
		products, err3 := insight.Products.Do(t.Context(), room, by, insight.DaysIn{Days: topDays})
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		a.today, a.days, a.products = today, days.Items, products.Items
		if time.Now().Truncate(15 * time.Minute).Equal(a.now.Truncate(15 * time.Minute)) {
			return a
		}
	}
}

func checkToday(t *testing.T, a answers, sales []sale) {
	t.Helper()
	d, now, zone := a.today, a.now, a.now.Location()
	begin, err := time.ParseInLocation(time.DateOnly, d.Date, zone)
	if err != nil {
		t.Fatal(err)
	}
	within := func(from, to time.Time) func(time.Time) bool {
		return func(at time.Time) bool { return !at.Before(from) && at.Before(to) }
	}
	// A slot counts when it has begun, so what is compared ends with the slot
	// that the moment lies in.
	until := func(n int) time.Time { return now.AddDate(0, 0, -n).Add(15*time.Minute - 1).Truncate(15 * time.Minute) }
	yesterday := begin.AddDate(0, 0, -1)
	all := recompute(sales, within(begin, begin.AddDate(0, 0, 1)))
	if d.Orders != all.orders || d.Units != all.units || d.Sales.Amount != all.sales {
		t.Errorf("%v: today %+v, want %+v", zone, d, all)
	}
	if want := recompute(sales, within(begin.AddDate(0, 0, -7), until(7))); d.LastWeek.Amount != want.sales {
		t.Errorf("%v: last week %v, want %d", zone, d.LastWeek, want.sales)
	}
	if want := recompute(sales, within(yesterday, until(1))); d.Yesterday.Amount != want.sales {
		t.Errorf("%v: yesterday by now %v, want %d", zone, d.Yesterday, want.sales)
	}
	if len(d.Hours) != 24 || len(d.Before) != 24 {
		t.Fatalf("%v: %d and %d hours", zone, len(d.Hours), len(d.Before))
	}
	for h := range 24 {
		in := func(from time.Time) func(time.Time) bool {
			return func(at time.Time) bool { return within(from, from.AddDate(0, 0, 1))(at) && at.In(zone).Hour() == h }
		}
		if want := recompute(sales, in(begin)); d.Hours[h] != want.sales {
			t.Errorf("%v: hour %d: %d, want %d", zone, h, d.Hours[h], want.sales)
		}
		if want := recompute(sales, in(yesterday)); d.Before[h] != want.sales {
			t.Errorf("%v: yesterday's hour %d: %d, want %d", zone, h, d.Before[h], want.sales)
		}
	}
}

func checkProducts(t *testing.T, a answers, sales []sale) {
	t.Helper()
	got, now, zone := a.products, a.now, a.now.Location()
	from := time.Date(now.Year(), now.Month(), now.Day()-topDays+1, 0, 0, 0, 0, zone)
	want := map[id.Product]insight.ProductSum{}
	for _, s := range sales {
		if s.cancelled || s.At.Before(from) {
			continue
		}
		for _, l := range s.Lines {
			w := want[l.Product]
			w.Product, w.Title, w.Units = l.Product, l.Title, w.Units+l.Quantity
			w.Sales.Amount, w.Sales.Currency = w.Sales.Amount+l.Total, "INR"
			want[l.Product] = w
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v: %d products, want %d", zone, len(got), len(want))
	}
	for _, g := range got {
		if g != want[g.Product] {
			t.Errorf("%v: %+v, want %+v", zone, g, want[g.Product])
		}
	}
	if !slices.IsSortedFunc(got, func(a, b insight.ProductSum) int { return cmp.Compare(b.Sales.Amount, a.Sales.Amount) }) {
		t.Errorf("%v: not the best first: %+v", zone, got)
	}
}

type total struct{ orders, units, sales int64 }

func recompute(sales []sale, counts func(time.Time) bool) (out total) {
	for _, s := range sales {
		if !s.cancelled && counts(s.At) {
			out.orders, out.units, out.sales = out.orders+1, out.units+s.Items, out.sales+s.Total
		}
	}
	return out
}

func settings(t *testing.T, room *fleet.Room, zone string) {
	t.Helper()
	s := shop.Defaults("x", "IN", "INR")
	s.Timezone = zone
	if _, err := room.Change(t.Context(), func(tx *db.Tx) error { return shop.Write(t.Context(), tx, s) }); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, b *event.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := b.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestANewShopHasSoldNothing(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		settings(t, room, "Asia/Kolkata")
		by := op.Caller{Account: id.Account{1}, Shop: room.Shop()}
		d, err := insight.Today.Do(t.Context(), room, by, insight.TodayIn{})
		if err != nil || d.Orders != 0 || d.Sales.Amount != 0 || d.Sales.Currency != "INR" || len(d.Hours) != 24 {
			t.Errorf("%+v, %v", d, err)
		}
		days, err := insight.Days.Do(t.Context(), room, by, insight.DaysIn{Days: 30})
		if err != nil || len(days.Items) != 30 {
			t.Errorf("%d days, %v", len(days.Items), err)
		}
		products, err := insight.Products.Do(t.Context(), room, by, insight.DaysIn{Days: 30})
		if err != nil || products.Items == nil || len(products.Items) != 0 {
			t.Errorf("%+v, %v", products, err)
		}
		if _, err := insight.Today.Do(t.Context(), room, op.Caller{}, insight.TodayIn{}); err == nil {
			t.Error("a stranger sees the sales")
		}
	})
}
