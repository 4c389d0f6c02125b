package stock_test

import (
	"context"
	"testing"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/stock"
)

func TestContinueSellsBeyondWhatThereIs(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 1)
		a.Continue = true
		put(t, room, a)
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 3}))
		wantLevel(t, room, a.Variant, -2, 0, 3)
		if !sellable(t, room, a.Product) {
			t.Error("not sellable")
		}
		a.Continue, a.SetAvailable = false, false
		wantKind(t, change(t, room, func(ctx context.Context, tx *db.Tx) error {
			return stock.Put(ctx, tx, []stock.Setting{a})
		}), fault.KindConflict, "owing")
		must(t, room, func(ctx context.Context, tx *db.Tx) error {
			_, err := stock.Receive(ctx, tx, a.Variant, 2, "")
			return err
		})
		put(t, room, a)
		if sellable(t, room, a.Product) {
			t.Error("sellable")
		}
		wantLevel(t, room, a.Variant, 0, 0, 3)
		wantClean(t, room)
	})
}

func TestPutAgainChangesOnlyWhatDiffers(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a := counted(newProduct(), 7)
		put(t, room, a)
		put(t, room, a)
		must(t, room, sell(newOrder(), stock.Line{a.Variant, 2}))
		a.SetAvailable = false
		put(t, room, a) // keeps the level
		wantLevel(t, room, a.Variant, 5, 0, 2)
		a.SetAvailable, a.Available = true, -4
		put(t, room, a) // below zero is none
		wantLevel(t, room, a.Variant, 0, 0, 2)
		var kinds []stock.Kind
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			h, err := stock.History(t.Context(), r, a.Variant, id.Entry{}, 10)
			for _, e := range h {
				kinds = append(kinds, e.Kind)
			}
			return err
		})
		if err != nil || len(kinds) != 3 || kinds[0] != stock.Adjusted || kinds[1] != stock.Sold || kinds[2] != stock.Initial {
			t.Errorf("ledger %v, %v", kinds, err)
		}
		a.Product = newProduct()
		if err := change(t, room, func(ctx context.Context, tx *db.Tx) error { return stock.Put(ctx, tx, []stock.Setting{a}) }); err == nil {
			t.Error("the variant changed its product")
		}
		wantClean(t, room)
	})
}

func TestForget(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		p := newProduct()
		a, b := counted(p, 5), counted(p, 0)
		put(t, room, a, b)
		order, paid := newOrder(), newOrder()
		must(t, room, hold(order, soon(), stock.Line{a.Variant, 1}))
		must(t, room, hold(paid, soon(), stock.Line{a.Variant, 1}))
		forget := func(v ...id.Variant) {
			must(t, room, func(ctx context.Context, tx *db.Tx) error { return stock.Forget(ctx, tx, v) })
		}
		forget(a.Variant, a.Variant, newVariant())
		if sellable(t, room, p) {
			t.Error("sellable by a variant that is no more")
		}
		must(t, room, sellHeld(paid))
		must(t, room, restock(paid, stock.Line{a.Variant, 1}))
		must(t, room, lapsed(order))
		sweep(t, room, 1)
		must(t, room, sellHeld(order))
		wantKind(t, change(t, room, sell(newOrder(), stock.Line{a.Variant, 1})), fault.KindNotFound, "")
		wantClean(t, room)
		forget(b.Variant)
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			_, found, err := db.One(t.Context(), r, readSellable, func(b *bool) []any { return []any{b} }, p)
			if found {
				t.Error("the product is still there")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestBounds(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		a, free := counted(newProduct(), 5), stock.Setting{Variant: newVariant(), Product: newProduct()}
		put(t, room, a, free)
		for name, c := range map[string]struct {
			lines []stock.Line
			field string
		}{
			"none":          {[]stock.Line{{a.Variant, 1}, {a.Variant, 0}}, "/lines/1/quantity"},
			"fewer":         {[]stock.Line{{a.Variant, -1}}, "/lines/0/quantity"},
			"too many":      {[]stock.Line{{free.Variant, stock.MaxQuantity + 1}}, "/lines/0/quantity"},
			"many together": {[]stock.Line{{free.Variant, stock.MaxQuantity}, {free.Variant, 1}}, "/lines/1/quantity"},
			"overflow":      {[]stock.Line{{free.Variant, 1}, {free.Variant, 1<<63 - 1}}, "/lines/1/quantity"},
		} {
			for _, err := range []error{
				change(t, room, sell(newOrder(), c.lines...)),
				change(t, room, hold(newOrder(), soon(), c.lines...)),
				change(t, room, restock(newOrder(), c.lines...)),
			} {
				if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || f.Field != c.field {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		wantKind(t, change(t, room, sell(newOrder(), stock.Line{newVariant(), 1})), fault.KindNotFound, "")
		for _, c := range []struct {
			variant id.Variant
			delta   int64
			kind    fault.Kind
			code    string
		}{
			{a.Variant, 0, fault.KindInvalid, ""}, {a.Variant, -6, fault.KindInvalid, ""},
			{a.Variant, stock.MaxAvailable, fault.KindInvalid, ""}, {a.Variant, -1 << 63, fault.KindInvalid, ""},
			{free.Variant, 1, fault.KindConflict, "not-tracked"}, {newVariant(), 1, fault.KindNotFound, ""},
		} {
			err := change(t, room, func(ctx context.Context, tx *db.Tx) error {
				_, err := stock.Adjust(ctx, tx, c.variant, c.delta, "")
				return err
			})
			wantKind(t, err, c.kind, c.code)
		}
		wantClean(t, room)
	})
}

func TestOperations(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{stock.Schema, op.Schema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		room, other := fleettest.NewShop(t, f, "one"), fleettest.NewShop(t, f, "two")
		a, b := stock.Setting{Variant: newVariant(), Product: newProduct()}, counted(newProduct(), 1)
		put(t, room, a, b)
		by := op.Caller{Account: id.Account(id.New[struct{}]()), Shop: room.Shop()}

		set := stock.SetIn{Variant: a.Variant.String()}
		set.Body.Available = 8
		if l, err := stock.SetStock.Do(ctx, room, by, set); err != nil || !l.Tracked || l.Available != 8 {
			t.Errorf("%+v, %v", l, err)
		}
		for _, text := range []string{"", "nonsense", newVariant().String()} {
			set.Variant = text
			_, err := stock.SetStock.Do(ctx, room, by, set)
			wantKind(t, err, fault.KindNotFound, "")
		}
		set.Variant = a.Variant.String()
		_, err := stock.SetStock.Do(ctx, other, op.Caller{Account: by.Account, Shop: other.Shop()}, set)
		wantKind(t, err, fault.KindNotFound, "") // another shop's variant

		var adjust stock.AdjustIn
		adjust.Variant = a.Variant.String()
		adjust.Body.Quantity, adjust.Body.Kind, adjust.Body.Note = 4, stock.Received, "delivery"
		if l, err := stock.AdjustStock.Do(ctx, room, by, adjust); err != nil || l.Available != 12 {
			t.Errorf("%+v, %v", l, err)
		}
		adjust.Body.Quantity, adjust.Body.Kind = -2, ""
		if l, err := stock.AdjustStock.Do(ctx, room, by, adjust); err != nil || l.Available != 10 {
			t.Errorf("%+v, %v", l, err)
		}
		get := stock.GetIn{Variant: a.Variant.String(), Page: op.Page{Limit: 2}}
		var quantities []int64
		for {
			got, err := stock.GetStock.Do(ctx, room, by, get)
			if err != nil || got.Available != 10 {
				t.Fatalf("%+v, %v", got, err)
			}
			for _, e := range got.History {
				quantities = append(quantities, e.Quantity)
			}
			if get.Cursor = got.Next; got.Next == "" {
				break
			}
		}
		if len(quantities) != 3 || quantities[0] != -2 || quantities[1] != 4 || quantities[2] != 8 {
			t.Errorf("history %v", quantities)
		}

		var many stock.SetManyIn
		many.Body.Levels = []stock.SetOne{{b.Variant.String(), 5}, {a.Variant.String(), 6}}
		if out, err := stock.SetStocks.Do(ctx, room, by, many); err != nil || out.Items[0].Available != 5 || out.Items[1].Available != 6 {
			t.Errorf("%+v, %v", out, err)
		}
		many.Body.Levels = []stock.SetOne{{b.Variant.String(), 50}, {newVariant().String(), 6}}
		_, err = stock.SetStocks.Do(ctx, room, by, many)
		wantKind(t, err, fault.KindNotFound, "")
		wantLevel(t, room, b.Variant, 5, 0, 0)
		wantClean(t, room)
	})
}
