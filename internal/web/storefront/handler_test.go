package storefront_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/edge"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/pay"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/stock"
	"haat/internal/web"
	"haat/internal/web/storefront"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

// Whatever a shopper looks at costs two statements at most, the mark included.
func TestEveryPageIsTwoStatementsAtMost(t *testing.T) {
	schemas := []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, customer.Schema, stock.Schema, media.Schema, catalog.Schema, pay.Schema, order.Schema, search.Schema}
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		room := fleettest.NewShop(t, f, "a")
		by := op.Caller{Account: id.Account{1}, Shop: room.Shop()}
		office := shop.NewOffice(nil)
		if _, err := room.Change(ctx, func(tx *db.Tx) error { return shop.Write(ctx, tx, shop.Defaults("A", "IN", "INR")) }); err != nil {
			t.Fatal(err)
		}
		accent, returns := "#9a3f22", "Within ten days."
		if _, err := office.Change.Do(ctx, room, by, shop.Change{Body: shop.Changes{Theme: &shop.ThemeChanges{Accent: &accent}, Policies: &shop.PolicyChanges{Returns: &returns}}}); err != nil {
			t.Fatal(err)
		}
		title, left := "Blue Pot", int64(5)
		in := catalog.CreateIn{Body: catalog.ProductInput{Title: &title, Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: 100_00, Currency: "INR"}, Available: &left}}}}
		p, err := catalog.CreateProduct.Do(ctx, room, by, in)
		if err != nil {
			t.Fatal(err)
		}
		pots := "Pots"
		if _, err := catalog.CreateCollection.Do(ctx, room, by, catalog.NewCollection{Body: catalog.CollectionInput{Title: &pots, Products: &[]id.Product{p.ID}}}); err != nil {
			t.Fatal(err)
		}
		cookies := web.NewCookies([]byte("key"), false)
		h := storefront.New(storefront.Deps{
			Fleet: f, Finder: search.NewFinder(search.Options{}), Edge: edge.New(f, edge.Options{Bytes: 1 << 20}), Door: api.NewDoor(f, nil, cookies, api.Limits{PerIP: 1000, PerPerson: 1000}), Cookies: cookies, Log: slog.New(slog.DiscardHandler),
			URL: "http://haat.test", ShopURL: func(slug string) string { return "http://" + slug + ".haat.test" },
		})
		jar := map[string]string{}
		ask := func(method, path string, form url.Values) *http.Response {
			r := httptest.NewRequest(method, "http://a.haat.test"+path, strings.NewReader(form.Encode()))
			if form != nil {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			for name, value := range jar {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				jar[c.Name] = c.Value
			}
			return w.Result()
		}
		look := func(path string) string {
			t.Helper()
			before := f.Shard(room.Shard()).Statements()
			res := ask("GET", path, nil)
			var b strings.Builder
			if err := res.Write(&b); err != nil {
				t.Fatal(err)
			}
			if n := f.Shard(room.Shard()).Statements() - before; n > 2 || res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d after %d statements", path, res.StatusCode, n)
			}
			return b.String()
		}
		ask("GET", "/search?q=pots", nil) // the first one builds the shop's index
		home := look("/")
		at := strings.Index(home, "/theme-")
		if at < 0 {
			t.Fatal("the home page has no theme")
		}
		theme, _, _ := strings.Cut(home[at:], `"`)
		for _, path := range []string{
			theme, "/collections", "/collections/all", "/collections/pots?sort=price-asc&available=1&min=1", "/products/blue-pot", "/products/blue-pot?variant=" + p.Variants[0].ID.String(),
			"/search?q=pots", "/search", "/cart", "/policies/returns", "/robots.txt", "/sitemap.xml",
		} {
			look(path)
		}
		if res := ask("POST", "/cart/add", url.Values{"variant": {p.Variants[0].ID.String()}, "quantity": {"2"}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("add to the cart: %d", res.StatusCode)
		}
		if page := look("/cart"); !strings.Contains(page, "Blue Pot") {
			t.Error("the cart is empty")
		}
		look("/checkout")
		res := ask("POST", "/checkout", url.Values{"name": {"Asha"}, "phone": {"9876543210"}, "line1": {"1 Road"}, "city": {"Pune"}, "state": {"MH"}, "postal_code": {"411001"}, "country": {"IN"}, "payment": {"cod"}, "note": {"Ring twice"}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("order: %d", res.StatusCode)
		}
		if page := look(res.Header.Get("Location")); !strings.Contains(page, "1001") {
			t.Error("the status page does not name the order")
		}
		placed, err := order.ListOrders.Do(ctx, room, by, order.ListIn{})
		if err != nil || len(placed.Items) != 1 {
			t.Fatalf("orders: %+v, %v", placed, err)
		}
		full, err := order.GetOrder.Do(ctx, room, by, order.OrderIn{Order: placed.Items[0].ID.String()})
		if text, _ := json.Marshal(full); err != nil || !strings.Contains(string(text), "Ring twice") {
			t.Errorf("the note is lost: %s, %v", text, err)
		}
	})
}
