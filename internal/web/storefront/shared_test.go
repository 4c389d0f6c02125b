package storefront_test

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/edge"
	"haat/internal/event"
	"haat/internal/fault"
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

var everySchema = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, customer.Schema, stock.Schema, media.Schema, catalog.Schema, pay.Schema, order.Schema, search.Schema}

// street is a shop being run while people look at it.
type street struct {
	t      *testing.T
	room   *fleet.Room
	by     op.Caller
	office *shop.Office
	kept   http.Handler                     // pages as shoppers get them
	fresh  func(path string) (int, string)  // the same, made for nobody else
	cached func(path string) *http.Response // through kept
}

func newStreet(t *testing.T, f *fleet.Fleet) *street {
	ctx := t.Context()
	room := fleettest.NewShop(t, f, "a")
	s := &street{t: t, room: room, by: op.Caller{Account: id.Account{1}, Shop: room.Shop()}, office: shop.NewOffice(nil)}
	if _, err := room.Change(ctx, func(tx *db.Tx) error { return shop.Write(ctx, tx, shop.Defaults("A", "IN", "INR")) }); err != nil {
		t.Fatal(err)
	}
	cookies := web.NewCookies([]byte("key"), false)
	open := func(pages *edge.Pages) http.Handler {
		return storefront.New(storefront.Deps{
			Fleet: f, Finder: search.NewFinder(search.Options{}), Edge: pages, Door: api.NewDoor(f, nil, cookies, api.Limits{PerIP: 1000, PerPerson: 1000}), Cookies: cookies, Log: slog.New(slog.DiscardHandler),
			URL: "http://haat.test", ShopURL: func(slug string) string { return "http://" + slug + ".haat.test" },
		})
	}
	s.kept = open(edge.New(f, edge.Options{Bytes: 16 << 20}))
	ask := func(h http.Handler, path string) *http.Response {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://a.haat.test"+path, nil))
		return w.Result()
	}
	s.fresh = func(path string) (int, string) {
		res := ask(open(edge.New(f, edge.Options{Bytes: 1})), path)
		return res.StatusCode, text(t, res)
	}
	s.cached = func(path string) *http.Response { return ask(s.kept, path) }
	return s
}

func text(t *testing.T, res *http.Response) string {
	var b strings.Builder
	if _, err := fmt.Fprint(&b, res.Header.Get("Cache-Control"), "\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&b, res.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever is done in a shop, what shoppers get from what is kept is what
// would be made for them now. Random merchants and shoppers do random things,
// and after each of them every page is compared. A page that forgot to say
// what it depends on, or an event that forgot to say what it spoils, is found
// here.
func TestWhatIsKeptIsWhatWouldBeMade(t *testing.T) {
	fleettest.EachFleet(t, everySchema, nil, func(t *testing.T, f *fleet.Fleet) {
		s := newStreet(t, f)
		ctx := t.Context()
		r := rand.New(rand.NewPCG(20261125, 1))
		var products []catalog.Details
		var collections []id.Collection
		handles := map[string]bool{}
		inr := func(n int64) money.Money { return money.Money{Amount: n * 100, Currency: "INR"} }
		one := func() *catalog.Details { return &products[r.IntN(len(products))] }
		may := func(what string, err error) { // some things are refused, as they should be
			t.Helper()
			if err != nil && fault.Of(err) == nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		types := []string{"Pot", "Lamp", ""}
		statuses := []catalog.Status{catalog.Active, catalog.Active, catalog.Draft}
		order := id.Order{1}
		acts := map[string]func(){
			"create": func() {
				if len(products) >= 12 {
					return
				}
				title, kind, left, status := fmt.Sprint("Thing ", len(products)), types[r.IntN(3)], int64(r.IntN(9)), statuses[r.IntN(3)]
				p, err := catalog.CreateProduct.Do(ctx, s.room, s.by, catalog.CreateIn{Body: catalog.ProductInput{Title: &title, Type: &kind, Status: &status,
					Options: &[]catalog.Option{{Name: "Size"}}, Variants: &[]catalog.VariantInput{
						{Options: []string{"S"}, Price: inr(100 + r.Int64N(5)), Available: &left}, {Options: []string{"L"}, Price: inr(200 + r.Int64N(5)), Available: &left}}}})
				may("create", err)
				if err == nil {
					products = append(products, p)
					handles[p.Handle] = true
				}
			},
			"price": func() {
				p := one()
				in := catalog.PriceChange{Variant: p.Variants[r.IntN(2)].ID.String()}
				in.Body.Price = inr(50 + r.Int64N(300))
				_, err := catalog.SetPrice.Do(ctx, s.room, s.by, in)
				may("price", err)
			},
			"edit": func() {
				p, title, kind, status := one(), fmt.Sprint("Renamed ", r.IntN(1000)), types[r.IntN(3)], statuses[r.IntN(3)]
				_, err := catalog.UpdateProduct.Do(ctx, s.room, s.by, catalog.UpdateIn{Product: p.ID.String(), Body: catalog.ProductInput{Title: &title, Type: &kind, Status: &status}})
				may("edit", err)
			},
			"delete": func() {
				if len(products) > 6 && r.IntN(4) == 0 {
					p := one()
					_, err := catalog.DeleteProduct.Do(ctx, s.room, s.by, catalog.ProductIn{Product: p.ID.String()})
					may("delete", err)
					if err == nil {
						*p = products[len(products)-1]
						products = products[:len(products)-1]
					}
				}
			},
			"collect": func() {
				if len(collections) < 4 {
					title := fmt.Sprint("Shelf ", len(collections))
					in := catalog.NewCollection{Body: catalog.CollectionInput{Title: &title, Products: &[]id.Product{one().ID, one().ID}}}
					if r.IntN(2) == 0 {
						in.Body.Products, in.Body.Rule = nil, &catalog.Rule{Conditions: []catalog.Condition{{Field: "type", Is: "equals", Value: "Pot"}}}
					}
					c, err := catalog.CreateCollection.Do(ctx, s.room, s.by, in)
					may("collect", err)
					if err == nil {
						collections = append(collections, c.ID)
						handles["/"+c.Handle] = true
					}
				}
			},
			"rename a collection": func() {
				if len(collections) > 0 {
					title := fmt.Sprint("Shelf no. ", r.IntN(100))
					_, err := catalog.UpdateCollection.Do(ctx, s.room, s.by, catalog.CollectionChange{Collection: collections[r.IntN(len(collections))].String(), Body: catalog.CollectionInput{Title: &title}})
					may("rename a collection", err)
				}
			},
			"stock": func() {
				in := stock.SetIn{Variant: one().Variants[r.IntN(2)].ID.String()}
				in.Body.Available = r.Int64N(9)
				_, err := stock.SetStock.Do(ctx, s.room, s.by, in)
				may("stock", err)
			},
			"sell": func() {
				order[15]++
				lines := []stock.Line{{Variant: one().Variants[r.IntN(2)].ID, Quantity: 1 + r.Int64N(2)}}
				_, err := s.room.Change(ctx, func(tx *db.Tx) error {
					if r.IntN(2) == 0 {
						return stock.Sell(ctx, tx, order, lines)
					}
					return stock.Hold(ctx, tx, order, lines, tx.Now().Add(1<<40))
				})
				may("sell", err)
			},
			"restock": func() {
				_, err := s.room.Change(ctx, func(tx *db.Tx) error { return stock.Release(ctx, tx, order) })
				may("restock", err)
			},
			"settings": func() {
				tagline, accent, returns := fmt.Sprint("Motto ", r.IntN(100)), fmt.Sprintf("#%06x", r.IntN(0x700000)), fmt.Sprint("Within ", r.IntN(30), " days")
				_, err := s.office.Change.Do(ctx, s.room, s.by, shop.Change{Body: shop.Changes{Theme: &shop.ThemeChanges{Tagline: &tagline, Accent: &accent}, Policies: &shop.PolicyChanges{Returns: &returns}}})
				may("settings", err)
			},
		}
		names := []string{"create", "price", "edit", "delete", "collect", "rename a collection", "stock", "stock", "sell", "sell", "sell", "restock", "settings"}
		acts["create"]()
		acts["create"]()
		compare := func(after string) (hits int) {
			paths := []string{"/", "/collections", "/collections/all", "/collections/all?sort=price-asc&available=1", "/policies/returns", "/sitemap.xml"}
			for h := range handles {
				if name, ok := strings.CutPrefix(h, "/"); ok {
					paths = append(paths, "/collections/"+name)
				} else {
					paths = append(paths, "/products/"+h)
				}
			}
			paths = append(paths, "/products/"+products[0].Handle+"?variant="+products[0].Variants[1].ID.String()+"&utm_source=x")
			for _, path := range paths {
				res := s.cached(path)
				got := text(t, res)
				status, want := s.fresh(path)
				if res.StatusCode != status || got != want {
					t.Fatalf("after %s, %s differs from what would be made (%s): %s", after, path, res.Header.Get("Cache-Status"), firstDifference(got, want))
				}
				if strings.HasPrefix(res.Header.Get("Cache-Status"), "haat; hit") {
					hits++
				}
			}
			return hits
		}
		hits := compare("opening")
		steps := 150
		if strings.HasSuffix(t.Name(), "postgres") {
			steps = 60
		}
		for range steps {
			name := names[r.IntN(len(names))]
			acts[name]()
			hits += compare(name)
		}
		if hits < steps {
			t.Errorf("only %d hits: a test of what is kept kept nothing", hits)
		}
	})
}

func firstDifference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, i-80):min(len(s), i+80)] }
	return fmt.Sprintf("\n got …%s…\nwant …%s…", cut(a), cut(b))
}

// Selling does not spoil pages as long as it changes nothing that they show,
// and a page that is kept costs no statement.
func TestOrdersSpoilNoPage(t *testing.T) {
	fleettest.EachFleet(t, everySchema, nil, func(t *testing.T, f *fleet.Fleet) {
		s := newStreet(t, f)
		ctx := t.Context()
		title, left := "Pot", int64(100)
		p, err := catalog.CreateProduct.Do(ctx, s.room, s.by, catalog.CreateIn{Body: catalog.ProductInput{Title: &title,
			Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: 100_00, Currency: "INR"}, Available: &left}}}})
		if err != nil {
			t.Fatal(err)
		}
		sell := func(n byte, units int64) {
			t.Helper()
			_, err := s.room.Change(ctx, func(tx *db.Tx) error {
				return stock.Sell(ctx, tx, id.Order{n}, []stock.Line{{Variant: p.Variants[0].ID, Quantity: units}})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		look := func(path, status string, statements int64, shows string) {
			t.Helper()
			before := f.Shard(s.room.Shard()).Statements()
			res := s.cached(path)
			n := f.Shard(s.room.Shard()).Statements() - before
			if got := res.Header.Get("Cache-Status"); got != status || n != statements {
				t.Errorf("%s: %s, %d statements; want %s, %d", path, got, n, status, statements)
			}
			if shows != "" && !regexp.MustCompile(shows).MatchString(text(t, res)) {
				t.Errorf("%s does not show %q", path, shows)
			}
		}
		const hit, miss = "haat; hit", "haat; fwd=miss; stored"
		look("/products/pot", miss, 2, "")
		look("/", miss, 2, "")
		sell(1, 90) // 10 left: nothing to see
		look("/products/pot", hit, 0, "")
		look("/", hit, 0, "")
		sell(2, 6) // 4 left, which is said
		look("/products/pot", miss, 2, "4 left")
		look("/", hit, 0, "")
		sell(3, 4) // sold out, which is seen everywhere
		look("/products/pot", miss, 2, "(?i)sold out")
		look("/", miss, 2, "(?i)sold out")
	})
}

// A suspended shop's pages are gone at once, though they are kept.
func TestASuspendedShopIsClosedAtOnce(t *testing.T) {
	fleettest.EachFleet(t, everySchema, nil, func(t *testing.T, f *fleet.Fleet) {
		s := newStreet(t, f)
		if res := s.cached("/"); res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		if err := f.SetState(t.Context(), s.room.Shop(), fleet.Suspended); err != nil {
			t.Fatal(err)
		}
		if res := s.cached("/"); res.StatusCode == http.StatusOK {
			t.Error("it is open still")
		}
	})
}

// A merchant saves in one process and looks at the page in another, which keeps
// it, has heard of nothing, and reads from a replica that stands still. With the
// mark of what was saved, by header or cookie, they see it; without it they do
// not.
func TestAPageIsAsNewAsTheMarkThatIsBrought(t *testing.T) {
	c := fleettest.NewCluster(t, 1, everySchema, nil, nil)
	ctx := t.Context()
	s := newStreet(t, c.Fleet)
	g, err := fleet.OpenFleet(ctx, fleet.Config{Control: c.Control(), Dir: t.TempDir(), Schemas: everySchema, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	c.Await(t, "the replica serves there too", func() bool {
		all := g.Replicas()
		return len(all) == 1 && all[0].State == fleet.ReplicaServing
	})
	title := "Pot"
	p, err := catalog.CreateProduct.Do(ctx, s.room, s.by, catalog.CreateIn{Body: catalog.ProductInput{Title: &title,
		Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: 1001_00, Currency: "INR"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	cookies := web.NewCookies([]byte("key"), false)
	there := storefront.New(storefront.Deps{
		Fleet: g, Finder: search.NewFinder(search.Options{}), Edge: edge.New(g, edge.Options{Bytes: 16 << 20}), Door: api.NewDoor(g, nil, cookies, api.Limits{PerIP: 1000, PerPerson: 1000}), Cookies: cookies, Log: slog.New(slog.DiscardHandler),
		URL: "http://haat.test", ShopURL: func(slug string) string { return "http://" + slug + ".haat.test" },
	})
	look := func(name, value string) (status int, page string) {
		r := httptest.NewRequest("GET", "http://a.haat.test/products/pot", nil)
		if name != "" {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		there.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	c.Await(t, "the page is seen there", func() bool {
		status, page := look("", "")
		return status == 200 && strings.Contains(page, "1,001")
	})
	signer, err := g.ByID(ctx, s.room.Shop()) // the key is one for all processes, but not here
	if err != nil {
		t.Fatal(err)
	}
	c.Replicas[0].PauseReplay()
	defer c.Replicas[0].ResumeReplay()
	for i, header := range []string{"Haat-Mark", "Cookie"} {
		var in catalog.PriceChange
		in.Variant, in.Body.Price = p.Variants[0].ID.String(), money.Money{Amount: int64(1002+i) * 100, Currency: "INR"}
		if _, err := catalog.SetPrice.Do(ctx, s.room, s.by, in); err != nil {
			t.Fatal(err)
		}
		mark := signer.Sign(s.room.Known())
		if header == "Cookie" {
			mark = "haat_mark=" + mark
		}
		was, is := fmt.Sprintf("1,00%d", 1+i), fmt.Sprintf("1,00%d", 2+i)
		if _, page := look("", ""); !strings.Contains(page, was) {
			t.Errorf("without a mark the page is not the one that was kept: this test can't fail")
		}
		if status, page := look(header, mark); status != 200 || !strings.Contains(page, is) {
			t.Errorf("with the mark in %s: %d, and it does not show %s", header, status, is)
		}
	}
	if status, _ := look("Haat-Mark", "1.1.900.99999999999.forged"); status == 200 {
		t.Error("a mark that nobody gave is taken")
	}
}

// What looks like a page's address once it is decoded is another address: it
// neither gets the page that is kept, nor takes it away from those who come
// for it.
func TestAnEncodedSlashLeadsToNoOtherPage(t *testing.T) {
	fleettest.EachFleet(t, everySchema, nil, func(t *testing.T, f *fleet.Fleet) {
		s := newStreet(t, f)
		title := "Pot"
		if _, err := catalog.CreateProduct.Do(t.Context(), s.room, s.by, catalog.CreateIn{Body: catalog.ProductInput{Title: &title,
			Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: 100_00, Currency: "INR"}}}}}); err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{"haat; fwd=miss; stored", "haat; hit", "haat; hit"} {
			if res := s.cached("/products/pot"); res.StatusCode != 200 || res.Header.Get("Cache-Status") != again {
				t.Errorf("the page: %s, %s; want %s", res.Status, res.Header.Get("Cache-Status"), again)
			}
			for _, path := range []string{"/products%2Fpot", "/products%2fpot", "/collections/..%2Fproducts%2Fpot", "/policies%2Freturns"} {
				if res := s.cached(path); res.StatusCode != 404 {
					t.Errorf("%s: %s, %s", path, res.Status, res.Header.Get("Cache-Status"))
				}
			}
		}
	})
}
