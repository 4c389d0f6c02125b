package search_test

import (
	"log/slog"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/stock"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, stock.Schema, media.Schema, catalog.Schema, search.Schema}

func TestProductsAreFoundHoweverTheyAreAskedFor(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		bus := event.NewBus(f, slog.New(slog.DiscardHandler))
		search.Subscribe(bus)
		bus.Start(ctx)
		defer bus.Close()
		room, other := fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")
		by := op.Caller{Account: id.Account{1}, Shop: room.Shop()}
		made := map[string]catalog.Details{}
		for _, r := range []*fleet.Room{room, other} {
			if _, err := r.Change(ctx, func(tx *db.Tx) error { return shop.Write(ctx, tx, shop.Defaults("x", "IN", "INR")) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []struct{ title, about, status string }{
			{"Running Shoes", "Light and quick.", "active"},
			{"Leather Boots", "Not for running.", "active"},
			{"Café Crème Mug", "", "active"},
			{"नीली साड़ी", "", "active"},
			{"Secret Shoes", "", "draft"},
		} {
			var in catalog.CreateIn
			status := catalog.Status(p.status)
			in.Body = catalog.ProductInput{Title: &p.title, Description: &p.about, Status: &status, Variants: &[]catalog.VariantInput{{SKU: "SKU-" + p.title[:3], Price: money.Money{Amount: 100, Currency: "INR"}}}}
			d, err := catalog.CreateProduct.Do(ctx, room, by, in)
			if err != nil {
				t.Fatal(err)
			}
			made[p.title] = d
		}
		find := func(r *fleet.Room, q string) string {
			t.Helper()
			if err := bus.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			before := f.Shard(r.Shard()).Statements()
			found, err := search.ForPage.Do(ctx, r, op.Caller{}, search.PageIn{Query: q, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			if n := f.Shard(r.Shard()).Statements() - before; n != 2 {
				t.Errorf("%d statements", n)
			}
			var titles []string
			for _, c := range found.Cards {
				titles = append(titles, c.Title)
			}
			if int(found.Total) != len(titles) {
				t.Errorf("%q: total %d of %q", q, found.Total, titles)
			}
			return strings.Join(titles, "|")
		}
		for q, want := range map[string]string{
			"running shoes": "Running Shoes", "SHOES running": "Running Shoes", "run sho": "Running Shoes", "running": "Running Shoes|Leather Boots",
			"shoe": "Running Shoes", "boots leather": "Leather Boots", "cafe creme": "Café Crème Mug", "CAFÉ mugs": "Café Crème Mug", "साड़ी": "नीली साड़ी",
			"sku lea": "Leather Boots", "": "", "  !!  ": "", "nothing here": "", "running nothing": "",
		} {
			if got := find(room, q); got != want {
				t.Errorf("%q found %q, want %q", q, got, want)
			}
		}
		if got := find(other, "shoes"); got != "" {
			t.Errorf("another shop found %q", got)
		}
		if _, err := catalog.DeleteProduct.Do(ctx, room, by, catalog.ProductIn{Product: made["Running Shoes"].ID.String()}); err != nil {
			t.Fatal(err)
		}
		if got := find(room, "shoes"); got != "" {
			t.Errorf("a deleted product is found: %q", got)
		}
		page, err := search.Search.Do(ctx, room, op.Caller{}, search.SearchIn{Query: "running"})
		if err != nil || len(page.Items) != 1 || page.Items[0].Handle != "leather-boots" {
			t.Errorf("%+v, %v", page, err)
		}
	})
}
