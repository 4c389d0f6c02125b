package dashboard

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/fleet"
	"haat/internal/op"
	"haat/internal/order"
)

var (
	nextPage = regexp.MustCompile(`href="([^"]*)" rel="next"`)
	person   = regexp.MustCompile(`<strong class="clip block">(Guest [^<]*)</strong>`)
)

// walk follows a list from page to page and gives what find finds on each.
func (b *browser) walk(path string, find *regexp.Regexp, keep ...string) (found []string) {
	b.t.Helper()
	for path != "" {
		at, err := url.Parse(path)
		if err != nil {
			b.t.Fatal(err)
		}
		for i := 0; i < len(keep); i += 2 {
			if got := at.Query().Get(keep[i]); got != keep[i+1] {
				b.t.Fatalf("%s has lost %s=%s", path, keep[i], keep[i+1])
			}
		}
		p := b.get(path).status(200)
		for _, m := range find.FindAllStringSubmatch(p.body, -1) {
			found = append(found, m[1])
		}
		path = ""
		if m := nextPage.FindStringSubmatch(p.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	return found
}

func guest(t *testing.T, room *fleet.Room, d catalog.Details, n int, units int64) {
	t.Helper()
	name := fmt.Sprintf("Guest %03d", n)
	_, err := order.Place.Do(t.Context(), room, op.Caller{Session: name}, order.PlaceIn{Body: order.PlaceBody{
		Lines: []order.Wanted{{Variant: d.Variants[0].ID.String(), Quantity: units}}, Payment: order.CashOnDelivery,
		Contact:         &order.Contact{Name: name, Phone: fmt.Sprintf("98450%05d", n)},
		ShippingAddress: &order.Address{Name: name, Line1: "1 Road", City: "Bengaluru", State: "Karnataka", PostalCode: "560038", Country: "IN"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCustomersAreSortedAndPaged(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug := newProduct(t, room, "Mug", 10_00, 100_000)
		const many = 120 // three pages
		for n := range many {
			guest(t, room, mug, n, int64(1+n%40)) // three of each sum
		}
		guest(t, room, mug, 7, 1) // came early, ordered last and most often
		guest(t, room, mug, 7, 1)
		spent := func(name string) int {
			var n int
			if _, err := fmt.Sscanf(name, "Guest %d", &n); err != nil {
				t.Fatal(err)
			}
			if n == 7 {
				return 10
			}
			return 1 + n%40
		}
		for sort, first := range map[string]string{"last": "Guest 007", "newest": "Guest 119", "orders": "Guest 007", "spent": "Guest 119"} {
			got := b.walk("/shops/mine/customers?sort="+sort, person, "sort", sort)
			if len(got) != many || got[0] != first {
				t.Errorf("by %s: %d customers, first %s", sort, len(got), got[0])
			}
			if once := slices.Compact(slices.Sorted(slices.Values(got))); len(once) != many {
				t.Errorf("by %s: %d different customers", sort, len(once))
			}
			if sort == "spent" && !slices.IsSortedFunc(got, func(a, b string) int { return spent(b) - spent(a) }) {
				t.Errorf("not by what they spent: %v", got)
			}
			if sort == "newest" && !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
				t.Errorf("not the newest first: %v", got)
			}
		}
		if got := b.walk("/shops/mine/customers?sort=spent&q=guest", person, "sort", "spent", "q", "guest"); len(got) != many {
			t.Errorf("%d found by name", len(got))
		}
		b.get("/shops/mine/customers?sort=newest&q=guest").status(200).has(`name="sort" value="newest"`, "sort=spent", "q=guest")
		b.get("/shops/mine/customers?sort=age").status(422)
		page := b.api("GET", "/shops/mine/customers?sort=spent&limit=1", "").status(200)
		at := strings.Index(page.body, `"next":"`) + len(`"next":"`)
		next := page.body[at : at+strings.IndexByte(page.body[at:], '"')]
		b.api("GET", "/shops/mine/customers?sort=spent&limit=1&cursor="+next, "").status(200)
		b.api("GET", "/shops/mine/customers?sort=newest&cursor="+next, "").status(422).has("/cursor")
	})
}

func TestSoldOutProducts(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		for n := range 60 {
			newProduct(t, room, fmt.Sprintf("Gone %03d", n), 10_00, 0)
		}
		newProduct(t, room, "Here", 10_00, 3)
		old := newProduct(t, room, "Old", 10_00, 0)
		b.post("/shops/mine/products/" + old.ID.String() + "/archive").to()
		gone := b.walk("/shops/mine/products?stock=sold-out&q=gone", regexp.MustCompile(`product-name">(Gone [^<]*)<`), "stock", "sold-out", "q", "gone")
		if len(gone) != 60 || len(slices.Compact(slices.Sorted(slices.Values(gone)))) != 60 {
			t.Errorf("%d sold out", len(gone))
		}
		b.get("/shops/mine/products?stock=sold-out").status(200).has("Gone 059", `name="stock" value="sold-out"`).lacks(">Here<", ">Old<")
		b.get("/shops/mine/products?q=gone").status(200).has("stock=sold-out", "status=draft", "q=gone")
		b.get("/shops/mine/products?stock=sold-out&q=here").status(200).has("Nothing matches")
		b.get("/shops/mine/orders?state=placed&q=meera").status(200)
	})
}

func TestExports(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		other, _ := p.merchant(t, "b@haat.test", "Other")
		b.get("/shops/mine/export").status(200).lacks("orders.csv", "customers.csv")
		placed(t, room, newProduct(t, room, "=Mug", 449_00, 5), 2)
		b.get("/shops/mine/export").status(200).has("/shops/mine/export/orders.csv", "/shops/mine/export/customers.csv", "1 order")
		for path, want := range map[string][]string{"orders.csv": {"1001,", "'=Mug", "898.00", "INR", "Meera Iyer", "+919845011223", "+05:30"}, "customers.csv": {"Meera Iyer", "898.00", "INR", "+05:30"}} {
			page := b.get("/shops/mine/export/" + path).status(200).has(want...)
			if !strings.HasPrefix(page.body, "\ufeff") || page.Header.Get("Content-Disposition") != `attachment; filename="mine-`+path+`"` {
				t.Errorf("%s: %q %.20q", path, page.Header, page.body)
			}
			if plain := b.api("GET", "/shops/mine/exports/"+path, "").status(200).has(want...); "\ufeff"+plain.body != page.body {
				t.Errorf("%s is another by the API", path)
			}
			other.get("/shops/mine/export/" + path).status(404)
			other.api("GET", "/shops/mine/exports/"+path, "").status(404).lacks("Meera")
			p.browser(t).do("GET", "/api/v1/shops/mine/exports/"+path, nil, "").status(401)
		}
	})
}

func TestARemovedCollectionComesBack(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug, bowl := newProduct(t, room, "Mug", 10_00, 1), newProduct(t, room, "Bowl", 900_00, 1)
		hidden := regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
		for name, form := range map[string][]string{
			"picked": {"title", "Picked & chosen", "kind", "manual", "keep", bowl.ID.String() + " " + mug.ID.String()},
			"ruled":  {"title", "Ruled", "kind", "rule", "match", "any", "field-0", "price", "relation-0", "greater", "value-0", "100.50", "field-1", "title", "relation-1", "contains", "value-1", "mug"},
		} {
			at := b.post("/shops/mine/collections/new", form...).to()
			read := func(at string) catalog.CollectionDetails {
				c, err := catalog.GetCollection.Do(t.Context(), room, owner(room), catalog.CollectionIn{Collection: at[strings.LastIndexByte(at, '/')+1:]})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			before := read(at)
			b.post(at + "/remove").to()
			b.get(at).status(404)
			page := b.get("/shops/mine/collections").status(200).has("The collection is gone.", "data-undo")
			undo := page.body[strings.Index(page.body, `id="toasts"`):]
			var back []string
			for _, m := range hidden.FindAllStringSubmatch(undo, -1) {
				back = append(back, m[1], html.UnescapeString(m[2]))
			}
			after := read(b.post("/shops/mine/collections/new", back...).to())
			if after.Title != before.Title || after.Handle != before.Handle || !slices.Equal(after.Members, before.Members) || fmt.Sprintf("%+v", after.Rule) != fmt.Sprintf("%+v", before.Rule) || before.Products != 2 || after.Products != 2 {
				t.Errorf("%s: %+v came back as %+v", name, before, after)
			}
		}
	})
}

// What sold best leads to its product, and to nothing once that was deleted.
func TestWhatSoldBestMayBeGone(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug, bowl := newProduct(t, room, "Mug", 10_00, 10), newProduct(t, room, "Bowl", 20_00, 10)
		guest(t, room, mug, 1, 1)
		guest(t, room, bowl, 2, 1)
		if err := p.bus.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		link := func(d catalog.Details) string {
			return `<a class="list-row" href="/shops/mine/products/` + d.ID.String() + `">`
		}
		b.get("/shops/mine").status(200).has("Sold best", link(mug), link(bowl))
		if _, err := catalog.DeleteProduct.Do(t.Context(), room, owner(room), catalog.ProductIn{Product: bowl.ID.String()}); err != nil {
			t.Fatal(err)
		}
		b.get("/shops/mine").status(200).has("Sold best", link(mug), "Bowl", "deleted since").lacks(link(bowl))
	})
}
