package stock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/stock"
)

func TestMain(m *testing.M) {
	sellUntilKilled() // in a child of TestKilledWhileSelling, does not return
	fleettest.Main(m)
}

var schemas = []*db.SchemaSet{stock.Schema}

func newVariant() id.Variant { return id.Variant(id.New[struct{}]()) }
func newProduct() id.Product { return id.Product(id.New[struct{}]()) }
func newOrder() id.Order     { return id.Order(id.New[struct{}]()) }

// counted is a tracked variant with n units.
func counted(p id.Product, n int64) stock.Setting {
	return stock.Setting{Variant: newVariant(), Product: p, Tracked: true, Available: n, SetAvailable: true}
}

func change(t testing.TB, room *fleet.Room, fn func(context.Context, *db.Tx) error) error {
	t.Helper()
	_, err := room.Change(t.Context(), func(tx *db.Tx) error { return fn(t.Context(), tx) })
	return err
}

func must(t testing.TB, room *fleet.Room, fn func(context.Context, *db.Tx) error) {
	t.Helper()
	if err := change(t, room, fn); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, room *fleet.Room, s ...stock.Setting) {
	t.Helper()
	must(t, room, func(ctx context.Context, tx *db.Tx) error { return stock.Put(ctx, tx, s) })
}

func level(t testing.TB, room *fleet.Room, v id.Variant) (l stock.Level) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		l, err = stock.Of(t.Context(), r, v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantLevel(t testing.TB, room *fleet.Room, v id.Variant, available, held, sold int64) {
	t.Helper()
	if l := level(t, room, v); l.Available != available || l.Held != held || l.Sold != sold {
		t.Errorf("available, held, sold = %d, %d, %d; want %d, %d, %d", l.Available, l.Held, l.Sold, available, held, sold)
	}
}

func wantClean(t testing.TB, room *fleet.Room) {
	t.Helper()
	var found []stock.Discrepancy
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		found, err = stock.Check(t.Context(), r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		t.Error(d)
	}
}

var (
	readSellable = db.Q(`SELECT sellable FROM stock_product WHERE shop = $1 AND product = $2`)
	readEvents   = db.Q(`SELECT topic, payload FROM shop_outbox WHERE shop = $1 ORDER BY seq`)
)

func sellable(t testing.TB, room *fleet.Room, p id.Product) (yes bool) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
		v, found, err := db.One(t.Context(), r, readSellable, func(b *bool) []any { return []any{b} }, p)
		if err == nil && !found {
			t.Errorf("product %v has no row", p)
		}
		yes = v
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

type emitted struct {
	topic   string
	payload []byte
}

func events(t testing.TB, room *fleet.Room, topic string) (out []string) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
		return db.Each(t.Context(), r, readEvents, func(e *emitted) []any { return []any{&e.topic, &e.payload} }, func(e emitted) error {
			if e.topic == topic {
				out = append(out, string(e.payload))
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const changed = "stock.availability-changed"

func wantKind(t testing.TB, err error, kind fault.Kind, code string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Kind != kind || f.Code != code {
		t.Errorf("got %v; want a fault of kind %d, code %q", err, kind, code)
	}
}

func sell(order id.Order, lines ...stock.Line) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { return stock.Sell(ctx, tx, order, lines) }
}

func hold(order id.Order, until time.Time, lines ...stock.Line) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error { return stock.Hold(ctx, tx, order, lines, until) }
}

func TestSellToTheLastUnit(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		p := newProduct()
		a, b := counted(p, 8), counted(p, 1)
		put(t, room, a, b)
		before := len(events(t, room, changed))
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 1}, stock.Line{a.Variant, 1}))
		wantLevel(t, room, a.Variant, 6, 0, 2)
		if n := len(events(t, room, changed)) - before; n != 0 {
			t.Errorf("%d events while nothing shown has changed", n)
		}
		must(t, room, sell(newOrder(), stock.Line{b.Variant, 1}))
		if !sellable(t, room, p) {
			t.Error("the product is not sellable with one variant left")
		}
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 2}))
		if n := len(events(t, room, changed)) - before; n != 2 {
			t.Errorf("%d events for one variant sold out and one with four left", n)
		}
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 4}))
		if sellable(t, room, p) {
			t.Error("the product is sellable with nothing left")
		}
		if n := len(events(t, room, changed)) - before; n != 3 {
			t.Errorf("%d events when two variants sold out", n)
		}
		err := change(t, room, sell(newOrder(), stock.Line{a.Variant, 1}))
		wantKind(t, err, fault.KindConflict, "out-of-stock")
		wantClean(t, room)
	})
}

func TestShortNamesEveryVariantAndTakesNothing(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a, b, c := counted(newProduct(), 5), counted(newProduct(), 1), counted(newProduct(), 0)
		free := stock.Setting{Variant: newVariant(), Product: newProduct()}
		put(t, room, a, b, c, free)
		lines := []stock.Line{{c.Variant, 1}, {a.Variant, 2}, {b.Variant, 2}, {free.Variant, 9}}
		until := time.Now().Add(time.Hour)
		for name, fn := range map[string]func(context.Context, *db.Tx) error{"sell": sell(newOrder(), lines...), "hold": hold(newOrder(), until, lines...)} {
			// The transaction is committed all the same: nothing may be left in it.
			var short *stock.Short
			must(t, room, func(ctx context.Context, tx *db.Tx) error {
				if err := fn(ctx, tx); !errors.As(err, &short) {
					t.Errorf("%s: got %v", name, err)
				}
				return nil
			})
			got := map[id.Variant]stock.ShortLine{}
			for _, l := range short.Lines {
				got[l.Variant] = l
			}
			if len(got) != 2 || got[b.Variant] != (stock.ShortLine{b.Variant, 2, 2, 1}) || got[c.Variant] != (stock.ShortLine{c.Variant, 0, 1, 0}) {
				t.Errorf("%s: short of %+v", name, short.Lines)
			}
			wantKind(t, short, fault.KindConflict, "out-of-stock")
			wantLevel(t, room, a.Variant, 5, 0, 0)
			wantLevel(t, room, b.Variant, 1, 0, 0)
		}
		wantClean(t, room)
	})
}

// TestStatementsOfASale counts what a sale costs while its row is locked.
func TestStatementsOfASale(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "test")
		a, free := counted(newProduct(), 3), stock.Setting{Variant: newVariant(), Product: newProduct()}
		put(t, room, a, free)
		for _, c := range []struct {
			name string
			line stock.Line
			want int64
		}{
			{"a sale", stock.Line{a.Variant, 1}, 2},
			{"a sale of the last", stock.Line{a.Variant, 2}, 3},
			{"a sale of what is not tracked", stock.Line{free.Variant, 1}, 2},
		} {
			shard := f.Shard(room.Shard())
			before := shard.Statements()
			must(t, room, sell(newOrder(), c.line))
			if n := shard.Statements() - before; n != c.want {
				t.Errorf("%s takes %d statements, want %d", c.name, n, c.want)
			}
		}
	})
}
