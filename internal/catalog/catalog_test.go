package catalog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/stock"
)

func TestMain(m *testing.M) {
	importUntilKilled() // in a child of TestKilledWhileImporting, does not return
	fleettest.Main(m)
}

var schemas = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, stock.Schema, media.Schema, catalog.Schema}

// opened runs fn on a shop with settings, on each engine.
func opened(t *testing.T, fn func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller)) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		room, by := open(t, f, "test")
		fn(t, f, room, by)
	})
}

// embedded is opened for what has nothing to do with the engine, and takes long.
func embedded(t *testing.T, fn func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller)) {
	dir := t.TempDir()
	f := fleettest.OpenFleet(t, dir, filepath.Join(dir, "control.db"), "", schemas, nil)
	room, by := open(t, f, "test")
	fn(t, f, room, by)
}

func open(t *testing.T, f *fleet.Fleet, slug string) (*fleet.Room, op.Caller) {
	t.Helper()
	room := fleettest.NewShop(t, f, slug)
	change(t, room, func(tx *db.Tx) error { return shop.Write(t.Context(), tx, shop.Defaults(slug, "IN", "INR")) })
	return room, op.Caller{Account: id.Account{1}, Shop: room.Shop()}
}

func change(t *testing.T, room *fleet.Room, fn func(*db.Tx) error) {
	t.Helper()
	if _, err := room.Change(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func inr(n int64) money.Money { return money.Money{Amount: n, Currency: "INR"} }

func ptr[T any](v T) *T { return &v }

// shirt is a product in two sizes and two colours.
func shirt() catalog.CreateIn {
	var in catalog.CreateIn
	in.Body = catalog.ProductInput{
		Title: ptr("Kantha Shirt"), Description: ptr(`<p onclick="x()">Soft.<script>alert(1)</script></p>`), Vendor: ptr("Bunai"), Type: ptr("Shirts"),
		Tags: ptr([]string{"Cotton", "cotton", "Summer"}), Options: ptr([]catalog.Option{{Name: "Size"}, {Name: "Colour"}}),
	}
	var variants []catalog.VariantInput
	for i, o := range [][]string{{"S", "Red"}, {"S", "Blue"}, {"M", "Red"}, {"M", "Blue"}} {
		variants = append(variants, catalog.VariantInput{SKU: fmt.Sprintf("KS-%d", i), Options: o, Price: inr(int64(100_00 + i*10_00)), Available: ptr(int64(i))})
	}
	in.Body.Variants = &variants
	return in
}

func create(t *testing.T, room *fleet.Room, by op.Caller, in catalog.CreateIn) catalog.Details {
	t.Helper()
	d, err := catalog.CreateProduct.Do(t.Context(), room, by, in)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func simple(title string, price, available int64) (in catalog.CreateIn) {
	in.Body.Title = &title
	in.Body.Variants = &[]catalog.VariantInput{{Price: inr(price), Available: &available}}
	return in
}

func TestAProductComesBackAsItWasMade(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		made := create(t, room, by, shirt())
		got, err := catalog.GetProduct.Do(ctx, room, by, catalog.ProductIn{Product: made.ID.String()})
		if err != nil {
			t.Fatal(err)
		}
		if got.Handle != "kantha-shirt" || got.Status != catalog.Active || len(got.Variants) != 4 || len(got.Tags) != 2 ||
			strings.Contains(got.Description, "script") || strings.Contains(got.Description, "onclick") || !strings.Contains(got.Description, "Soft.") {
			t.Errorf("got %+v", got)
		}
		if v := got.Variants[3]; v.Title != "M / Blue" || v.Price.Amount != 130_00 || v.Available != 3 || !v.Tracked || v.SKU != "KS-3" {
			t.Errorf("variant %+v", v)
		}
		if o := got.Options; len(o) != 2 || strings.Join(o[0].Values, ",") != "S,M" || strings.Join(o[1].Values, ",") != "Red,Blue" {
			t.Errorf("options %+v", o)
		}
		// What shoppers see, in two statements.
		before := f.Shard(room.Shard()).Statements()
		page, err := catalog.ShopProduct.Do(ctx, room, op.Caller{}, catalog.ShopProductIn{Handle: "kantha-shirt"})
		if n := f.Shard(room.Shard()).Statements() - before; err != nil || n != 2 {
			t.Fatalf("%d statements, %v", n, err)
		}
		if len(page.Variants) != 4 || page.Variants[0].Available || !page.Variants[1].Available || !page.Available || page.Variants[2].ID != got.Variants[2].ID {
			t.Errorf("shoppers see %+v", page)
		}
		// A second of the same title, and one that wants the same address.
		if again := create(t, room, by, shirt()); again.Handle != "kantha-shirt-2" {
			t.Errorf("the second is at %q", again.Handle)
		}
		clash := shirt()
		clash.Body.Handle = ptr("Kantha-Shirt")
		if _, err := catalog.CreateProduct.Do(ctx, room, by, clash); !fault.Is(err, fault.KindConflict) {
			t.Errorf("the same handle: %v", err)
		}
	})
}

func TestVariantsStayWhatTheyAre(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		made := create(t, room, by, shirt())
		update := catalog.UpdateIn{Product: made.ID.String()}
		// One goes, one is renamed by id, one is new; the others are named by their values.
		update.Body.Variants = &[]catalog.VariantInput{
			{Options: []string{"m", "red"}, Price: inr(500)},
			{ID: made.Variants[3].ID.String(), Options: []string{"L", "Blue"}, Price: inr(600)},
			{Options: []string{"XL", "Green"}, Price: inr(700), Available: ptr(int64(9))},
		}
		got, err := catalog.UpdateProduct.Do(ctx, room, by, update)
		if err != nil {
			t.Fatal(err)
		}
		if got.Variants[0].ID != made.Variants[2].ID || got.Variants[0].Available != 2 || got.Variants[1].ID != made.Variants[3].ID || got.Variants[1].Available != 3 {
			t.Errorf("variants lost their identity or stock: %+v", got.Variants)
		}
		if got.Variants[2].Available != 9 || got.Title != "Kantha Shirt" {
			t.Errorf("got %+v", got)
		}
		err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
			levels, err := stock.Levels(ctx, r, []id.Variant{made.Variants[0].ID, made.Variants[2].ID})
			if _, there := levels[made.Variants[0].ID]; there {
				t.Error("a variant that is gone still has stock")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.DeleteProduct.Do(ctx, room, by, catalog.ProductIn{Product: made.ID.String()}); err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.GetProduct.Do(ctx, room, by, catalog.ProductIn{Product: made.ID.String()}); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("a deleted product: %v", err)
		}
	})
}

func TestMistakesAreNamed(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, by op.Caller) {
		for want, spoil := range map[string]func(*catalog.ProductInput){
			"/title":                     func(p *catalog.ProductInput) { p.Title = ptr("  \n ") },
			"/handle":                    func(p *catalog.ProductInput) { p.Handle = ptr("a b/c") },
			"/options/1/name":            func(p *catalog.ProductInput) { (*p.Options)[1].Name = "size" },
			"/variants/1/options":        func(p *catalog.ProductInput) { (*p.Variants)[1].Options = []string{"s", "RED"} },
			"/variants/2/options/0":      func(p *catalog.ProductInput) { (*p.Variants)[2].Options[0] = " " },
			"/variants/0/price/amount":   func(p *catalog.ProductInput) { (*p.Variants)[0].Price.Amount = -1 },
			"/variants/3/price/currency": func(p *catalog.ProductInput) { (*p.Variants)[3].Price.Currency = "USD" },
			"/variants/1/image":          func(p *catalog.ProductInput) { (*p.Variants)[1].Image = strings.Repeat("a", 32) },
			"/variants":                  func(p *catalog.ProductInput) { p.Variants = nil },
			"/images/0/hash":             func(p *catalog.ProductInput) { p.Images = &[]catalog.ImageInput{{Hash: strings.Repeat("a", 32)}} },
		} {
			in := shirt()
			spoil(&in.Body)
			_, err := catalog.CreateProduct.Do(t.Context(), room, by, in)
			if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || f.Field != want {
				t.Errorf("%s: %v", want, err)
			}
		}
		list, err := catalog.ListProducts.Do(t.Context(), room, by, catalog.ListIn{})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("mistakes left %d products, %v", len(list.Items), err)
		}
	})
}

func TestCollectionsByRuleAndByHand(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		cheap := create(t, room, by, simple("Cheap", 5_00, 0))
		dear := create(t, room, by, simple("Dear", 500_00, 4))
		red := create(t, room, by, shirt())
		var rule catalog.NewCollection
		rule.Body = catalog.CollectionInput{Title: ptr("Under a hundred"), Rule: &catalog.Rule{Conditions: []catalog.Condition{{Field: "price", Is: "less", Value: "10000"}}}}
		under, err := catalog.CreateCollection.Do(ctx, room, by, rule)
		if err != nil || len(under.Members) != 1 || under.Members[0] != cheap.ID {
			t.Fatalf("by rule: %+v, %v", under, err)
		}
		// A price that changes moves the product in, and out again.
		set := catalog.PriceChange{Variant: dear.Variants[0].ID.String()}
		set.Body.Price = inr(99_99)
		if _, err := catalog.SetPrice.Do(ctx, room, by, set); err != nil {
			t.Fatal(err)
		}
		var hand catalog.NewCollection
		hand.Body = catalog.CollectionInput{Title: ptr("Picks"), Products: &[]id.Product{red.ID, dear.ID, cheap.ID}}
		if _, err := catalog.CreateCollection.Do(ctx, room, by, hand); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			handle string
			filter catalog.Filter
			want   string
		}{
			{"picks", catalog.Filter{}, "Kantha Shirt,Dear,Cheap"},
			{"picks", catalog.Filter{Sort: catalog.PriceUp}, "Cheap,Dear,Kantha Shirt"},
			{"picks", catalog.Filter{Sort: catalog.PriceDown}, "Kantha Shirt,Dear,Cheap"},
			{"picks", catalog.Filter{Sort: catalog.ByTitle}, "Cheap,Dear,Kantha Shirt"},
			{"picks", catalog.Filter{Available: true}, "Kantha Shirt,Dear"},
			{"picks", catalog.Filter{Min: 99_00, Max: 99_99}, "Dear"},
			{"picks", catalog.Filter{Options: []catalog.Choice{{"size", "m"}, {"Colour", "BLUE"}}}, "Kantha Shirt"},
			{"picks", catalog.Filter{Options: []catalog.Choice{{"Size", "XXL"}}}, ""},
			{"picks", catalog.Filter{PerPage: 2, Page: 2}, "Cheap"},
			{"under-a-hundred", catalog.Filter{Sort: catalog.PriceUp}, "Cheap,Dear"},
			{"all", catalog.Filter{Sort: catalog.Newest}, "Kantha Shirt,Dear,Cheap"},
		} {
			var page catalog.CollectionPage
			before := f.Shard(room.Shard()).Statements()
			err := room.View(ctx, fleet.AnyAge, func(r db.Reader) (err error) {
				page, err = catalog.ReadCollectionPage(ctx, r, c.handle, c.filter)
				return err
			})
			if n := f.Shard(room.Shard()).Statements() - before; n != 2 {
				t.Errorf("%d statements", n)
			}
			var got []string
			for _, card := range page.Cards {
				got = append(got, card.Title)
			}
			if s := strings.Join(got, ","); err != nil || s != c.want {
				t.Errorf("%s %+v: %s, %v; want %s", c.handle, c.filter, s, err, c.want)
			}
			if c.handle == "picks" && (page.All != 3 || page.Min != 5_00 || page.Max != 130_00 || len(page.Facets) != 2 || len(page.Menu) != 2) {
				t.Errorf("around it: %+v", page)
			}
		}
		var home catalog.HomePage
		before := f.Shard(room.Shard()).Statements()
		err = room.View(ctx, fleet.AnyAge, func(r db.Reader) (err error) {
			home, err = catalog.ReadHomePage(ctx, r, []string{"picks", "nothing"})
			return err
		})
		if n := f.Shard(room.Shard()).Statements() - before; err != nil || n != 2 {
			t.Fatalf("%d statements, %v", n, err)
		}
		if len(home.Newest) != 3 || len(home.Featured["picks"]) != 3 || home.Featured["picks"][0].Title != "Kantha Shirt" || len(home.Tiles) != 2 || home.Tiles[1].Products != 3 {
			t.Errorf("home: %+v", home)
		}
	})
}

func TestBulkIsAllOrNothing(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		a, b := create(t, room, by, simple("A", 100, 1)), create(t, room, by, shirt())
		var in catalog.BulkIn
		in.Body.Variants = []catalog.BulkRow{
			{ID: a.Variants[0].ID.String(), Price: ptr(inr(700)), Available: ptr(int64(70))},
			{ID: b.Variants[1].ID.String(), Available: ptr(int64(80))},
			{ID: id.Variant(id.New[struct{}]()).String(), Price: ptr(inr(1))},
		}
		_, err := catalog.BulkEdit.Do(ctx, room, by, in)
		if f := fault.Of(err); f == nil || f.Field != "/variants/2/id" {
			t.Errorf("a foreign variant: %v", err)
		}
		check := func(price, first, second int64) {
			t.Helper()
			list, err := catalog.ListVariants.Do(ctx, room, by, catalog.VariantsIn{Page: op.Page{Limit: 2}})
			if err != nil || len(list.Items) != 2 || list.Next == "" {
				t.Fatalf("%+v, %v", list, err)
			}
			var rows []catalog.VariantRow
			for rows = list.Items; list.Next != ""; rows = append(rows, list.Items...) {
				if list, err = catalog.ListVariants.Do(ctx, room, by, catalog.VariantsIn{Page: op.Page{Limit: 2, Cursor: list.Next}}); err != nil {
					t.Fatal(err)
				}
			}
			if len(rows) != 5 || rows[4].Price.Amount != price || rows[4].Available != first || rows[1].Available != second {
				t.Errorf("rows %+v", rows)
			}
		}
		check(100, 1, 1)
		in.Body.Variants = in.Body.Variants[:2]
		if out, err := catalog.BulkEdit.Do(ctx, room, by, in); err != nil || out.Variants != 2 {
			t.Errorf("%+v, %v", out, err)
		}
		check(700, 70, 80)
	})
}

func TestListsFindAndPage(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		for i := range 7 {
			create(t, room, by, simple(fmt.Sprintf("Lamp 100%% %d", i), 100, int64(i)))
		}
		draft := shirt()
		draft.Body.Status = ptr(catalog.Draft)
		create(t, room, by, draft)
		titles := func(in catalog.ListIn) (out []string) {
			for {
				l, err := catalog.ListProducts.Do(ctx, room, by, in)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range l.Items {
					out = append(out, i.Title)
				}
				if in.Cursor = l.Next; l.Next == "" {
					return out
				}
			}
		}
		for want, in := range map[int]catalog.ListIn{
			8: {Page: op.Page{Limit: 3}}, 7: {Query: "100%"}, 1: {Status: "draft"}, 0: {Query: "no_such"},
		} {
			if got := titles(in); len(got) != want {
				t.Errorf("%+v found %q", in, got)
			}
		}
		if got := titles(catalog.ListIn{Query: "KS-2"}); len(got) != 1 {
			t.Errorf("by SKU: %q", got)
		}
		if _, err := catalog.ShopProduct.Do(ctx, room, op.Caller{}, catalog.ShopProductIn{Handle: "kantha-shirt"}); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("shoppers see a draft: %v", err)
		}
		var seen int
		for in := (catalog.ShopListIn{Page: op.Page{Limit: 3}}); ; {
			l, err := catalog.ShopProducts.Do(ctx, room, op.Caller{}, in)
			if err != nil {
				t.Fatal(err)
			}
			if seen += len(l.Items); l.Next == "" {
				break
			}
			in.Cursor = l.Next
		}
		if seen != 7 {
			t.Errorf("shoppers paged through %d", seen)
		}
	})
}

func TestAnotherShopsIdsAreNotFound(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		mine, me := open(t, f, "mine")
		theirs, them := open(t, f, "theirs")
		p := create(t, theirs, them, shirt())
		var c catalog.NewCollection
		c.Body = catalog.CollectionInput{Title: ptr("Theirs"), Products: &[]id.Product{p.ID}}
		coll, err := catalog.CreateCollection.Do(ctx, theirs, them, c)
		if err != nil {
			t.Fatal(err)
		}
		for name, try := range map[string]func(context.Context) error{
			"get": func(ctx context.Context) error {
				_, err := catalog.GetProduct.Do(ctx, mine, me, catalog.ProductIn{Product: p.ID.String()})
				return err
			},
			"update": func(ctx context.Context) error {
				_, err := catalog.UpdateProduct.Do(ctx, mine, me, catalog.UpdateIn{Product: p.ID.String()})
				return err
			},
			"delete": func(ctx context.Context) error {
				_, err := catalog.DeleteProduct.Do(ctx, mine, me, catalog.ProductIn{Product: p.ID.String()})
				return err
			},
			"price": func(ctx context.Context) error {
				_, err := catalog.SetPrice.Do(ctx, mine, me, catalog.PriceChange{Variant: p.Variants[0].ID.String()})
				return err
			},
			"collection": func(ctx context.Context) error {
				_, err := catalog.GetCollection.Do(ctx, mine, me, catalog.CollectionIn{Collection: coll.ID.String()})
				return err
			},
			"page": func(ctx context.Context) error {
				_, err := catalog.ShopProduct.Do(ctx, mine, op.Caller{}, catalog.ShopProductIn{Handle: p.Handle})
				return err
			},
			"as them": func(ctx context.Context) error {
				_, err := catalog.GetProduct.Do(ctx, theirs, me, catalog.ProductIn{Product: p.ID.String()})
				return err
			},
			"not an id": func(ctx context.Context) error {
				_, err := catalog.GetProduct.Do(ctx, mine, me, catalog.ProductIn{Product: "x"})
				return err
			},
		} {
			if err := try(ctx); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		err = mine.View(ctx, fleet.Newest, func(r db.Reader) error {
			found, err := catalog.Sellables(ctx, r, []id.Variant{p.Variants[0].ID})
			if len(found) != 0 {
				t.Error("another shop's variant can be sold here")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
