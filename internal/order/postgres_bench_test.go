package order_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

// BenchmarkOrderOnPostgres places whole orders, eight shoppers at a time, each
// in a shop of their own, on a server nearby and on one half a millisecond
// away. trips are the round trips of one order by itself.
func BenchmarkOrderOnPostgres(b *testing.B) {
	const shops = 8
	for _, away := range []time.Duration{0, 500 * time.Microsecond} {
		b.Run(fmt.Sprint(away, " away"), func(b *testing.B) {
			proxy := dbtest.NewProxy(b, dbtest.Postgres(b), away)
			f := fleettest.OpenFleet(b, b.TempDir(), dbtest.Postgres(b), proxy.DSN+"&pool_max_conns=16", schemas, nil)
			var rooms []*fleet.Room
			var variants []id.Variant
			for i := range shops {
				room := fleettest.NewShop(b, f, fmt.Sprint("shop", i))
				variants = append(variants, stocked(b, room))
				rooms = append(rooms, room)
			}
			place := func(i int) {
				if _, err := order.Place.Do(b.Context(), rooms[i], op.Caller{Session: "shopper"}, wants(variants[i], 1)); err != nil {
					b.Error(err)
				}
			}
			all := func(n int64) {
				var next atomic.Int64
				var wait sync.WaitGroup
				for i := range shops {
					wait.Go(func() {
						for next.Add(1) <= n {
							place(i)
						}
					})
				}
				wait.Wait()
			}
			all(50 * shops) // every statement is prepared everywhere
			before := proxy.Trips()
			place(0)
			trips := proxy.Trips() - before
			b.ResetTimer()
			all(int64(b.N))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
			b.ReportMetric(float64(trips), "trips")
		})
	}
}

// An order by itself goes to PostgreSQL five times: for the goods and the
// settings, with the customer, with what it takes, for its number, and to be
// committed.
func TestAnOrderTravelsLittle(t *testing.T) {
	proxy := dbtest.NewProxy(t, dbtest.Postgres(t), 0)
	f := fleettest.OpenFleet(t, t.TempDir(), dbtest.Postgres(t), proxy.DSN+"&pool_max_conns=1", schemas, nil)
	room := fleettest.NewShop(t, f, "shop")
	variant := stocked(t, room)
	for i := range 4 { // statements are prepared the first time
		before := proxy.Trips()
		if _, err := order.Place.Do(t.Context(), room, op.Caller{Session: "shopper"}, wants(variant, 1)); err != nil {
			t.Fatal(err)
		}
		if trips := proxy.Trips() - before; i == 3 && trips > 5 {
			t.Errorf("%d round trips", trips)
		}
	}
}

// stocked opens a shop for orders and gives it something to sell.
func stocked(b testing.TB, room *fleet.Room) id.Variant {
	b.Helper()
	_, err := room.Change(b.Context(), func(tx *db.Tx) error {
		return shop.Write(b.Context(), tx, shop.Defaults("Test", "IN", "INR"))
	})
	if err != nil {
		b.Fatal(err)
	}
	title, available := "Mug", int64(10_000_000)
	var in catalog.CreateIn
	in.Body = catalog.ProductInput{Title: &title, Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: 449_00, Currency: "INR"}, Available: &available}}}
	d, err := catalog.CreateProduct.Do(b.Context(), room, op.Caller{Account: id.Account{1}, Shop: room.Shop()}, in)
	if err != nil {
		b.Fatal(err)
	}
	return d.Variants[0].ID
}
