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

// street is two shops that are listened to.
type street struct {
	*testing.T
	fleet       *fleet.Fleet
	bus         *event.Bus
	finder      *search.Finder
	room, other *fleet.Room
}

// each runs a test on a street of each engine.
func each(t *testing.T, o search.Options, fn func(s *street)) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &street{T: t, fleet: f, bus: event.NewBus(f, slog.New(slog.DiscardHandler)), finder: search.NewFinder(o)}
		search.Subscribe(s.bus)
		s.bus.Start(t.Context())
		t.Cleanup(s.bus.Close)
		s.room, s.other = fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")
		for _, r := range []*fleet.Room{s.room, s.other} {
			s.change(r, func(tx *db.Tx) error { return shop.Write(t.Context(), tx, shop.Defaults("x", "IN", "INR")) })
		}
		fn(s)
	})
}

func (s *street) change(r *fleet.Room, fn func(tx *db.Tx) error) {
	s.Helper()
	if _, err := r.Change(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

func (s *street) by(r *fleet.Room) op.Caller {
	return op.Caller{Account: id.Account{1}, Shop: r.Shop()}
}

func (s *street) create(r *fleet.Room, in catalog.ProductInput) catalog.Details {
	s.Helper()
	if in.Variants == nil {
		in.Variants = &[]catalog.VariantInput{{SKU: "SKU-" + (*in.Title)[:3], Price: money.Money{Amount: 100, Currency: "INR"}}}
	}
	d, err := catalog.CreateProduct.Do(s.Context(), r, s.by(r), catalog.CreateIn{Body: in})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func (s *street) settle() {
	s.Helper()
	if err := s.bus.Settle(s.Context()); err != nil {
		s.Fatal(err)
	}
}

func (s *street) page(r *fleet.Room, in search.PageIn) search.Shown {
	s.Helper()
	if in.Limit == 0 {
		in.Limit = 10
	}
	shown, err := s.finder.Page(s.Context(), r, op.Caller{}, in)
	if err != nil {
		s.Fatal(err)
	}
	return shown
}

func titles(cards []catalog.Card) string {
	var out []string
	for _, c := range cards {
		out = append(out, c.Title)
	}
	return strings.Join(out, "|")
}

func (s *street) find(r *fleet.Room, q string) string {
	s.Helper()
	shown := s.page(r, search.PageIn{Query: q})
	if int(shown.Total) < len(shown.Cards) {
		s.Errorf("%q: total %d of %q", q, shown.Total, titles(shown.Cards))
	}
	return titles(shown.Cards)
}

func TestProductsAreFoundHoweverTheyAreAskedFor(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		made := map[string]catalog.Details{}
		for _, p := range []struct{ title, about, status string }{
			{"Running Shoes", "Light and quick.", "active"},
			{"Leather Boots", "Not for running.", "active"},
			{"Café Crème Mug", "", "active"},
			{"नीली साड़ी", "", "active"},
			{"Navy T-Shirt", "", "active"},
			{"Secret Shoes", "", "draft"},
		} {
			status := catalog.Status(p.status)
			made[p.title] = s.create(s.room, catalog.ProductInput{Title: &p.title, Description: &p.about, Status: &status})
		}
		s.settle()
		for q, want := range map[string]string{
			"running shoes": "Running Shoes", "SHOES running": "Running Shoes", "run sho": "Running Shoes", "running": "Running Shoes|Leather Boots",
			"shoe": "Running Shoes", "boots leather": "Leather Boots", "cafe creme": "Café Crème Mug", "CAFÉ mugs": "Café Crème Mug", "साड़ी": "नीली साड़ी",
			"sku lea": "Leather Boots", "": "", "  !!  ": "", "nothing here": "", "running nothing": "",
			"runing sheos": "Running Shoes", "sneakers": "Running Shoes", "trainer": "Running Shoes", "snaekers": "Running Shoes", "run shoe": "Running Shoes",
			"tshirt": "Navy T-Shirt", "tee": "Navy T-Shirt", "t shirts for men": "Navy T-Shirt", "t shirts in navy": "Navy T-Shirt", "lether boot": "Leather Boots",
			"navy tshirts please": "Navy T-Shirt", "cup": "Café Crème Mug",
		} {
			if got := s.find(s.room, q); got != want {
				s.Errorf("%q found %q, want %q", q, got, want)
			}
		}
		if got := s.find(s.other, "shoes"); got != "" {
			s.Errorf("another shop found %q", got)
		}
		if got := s.page(s.room, search.PageIn{Query: "runing sheos"}).Meant; got != "runing shoes" && got != "running shoes" {
			s.Errorf("runing sheos is understood as %q", got)
		}
		before := s.fleet.Shard(s.room.Shard()).Statements()
		s.find(s.room, "running shoes")
		if n := s.fleet.Shard(s.room.Shard()).Statements() - before; n != 2 {
			s.Errorf("a page costs %d statements", n)
		}
		if _, err := catalog.DeleteProduct.Do(s.Context(), s.room, s.by(s.room), catalog.ProductIn{Product: made["Running Shoes"].ID.String()}); err != nil {
			s.Fatal(err)
		}
		s.settle()
		if got := s.find(s.room, "shoes"); got != "" {
			s.Errorf("a deleted product is found: %q", got)
		}
	})
}

// What is narrowed by is counted as if nothing of its own kind had been chosen.
func TestFacets(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		variants := func(price int64, left int64, sizes ...string) *[]catalog.VariantInput {
			var out []catalog.VariantInput
			for _, size := range sizes {
				out = append(out, catalog.VariantInput{Options: []string{size}, Price: money.Money{Amount: price, Currency: "INR"}, Available: &left})
			}
			return &out
		}
		for _, p := range []struct {
			title string
			v     *[]catalog.VariantInput
		}{
			{"Blue Kurta", variants(500_00, 3, "S", "M")}, {"Red Kurta", variants(900_00, 3, "M", "L")}, {"Old Kurta", variants(100_00, 0, "M")}, {"Mug", variants(100_00, 1, "S")},
		} {
			options := []catalog.Option{{Name: "Size"}}
			s.create(s.room, catalog.ProductInput{Title: &p.title, Options: &options, Variants: p.v})
		}
		s.settle()
		shown := s.page(s.room, search.PageIn{Query: "kurta"})
		f := shown.Facets
		if f.Available != 2 || f.Unavailable != 1 || f.Low != 100_00 || f.High != 900_00 || len(f.Options) != 1 {
			s.Fatalf("facets %+v", f)
		}
		values := func(f search.Facets) (out string) {
			for _, v := range f.Options[0].Values {
				out += v.Value + string(rune('0'+v.Count)) + " "
			}
			return out
		}
		if got := values(f); got != "S1 M3 L1 " {
			s.Errorf("sizes %q", got)
		}
		shown = s.page(s.room, search.PageIn{Query: "kurta", Filter: search.Filter{Available: true, Options: []catalog.Choice{{Name: "size", Value: "l"}}}})
		if got := titles(shown.Cards); got != "Red Kurta" || values(shown.Facets) != "S1 M2 L1 " || shown.Facets.Available != 1 || shown.Facets.Low != 900_00 {
			s.Errorf("narrowed to %q, %+v", got, shown.Facets)
		}
		for _, c := range []struct {
			in   search.PageIn
			want string
		}{
			{search.PageIn{Min: "200", Max: "600"}, "Blue Kurta"},
			{search.PageIn{Filter: search.Filter{Sort: catalog.PriceDown}}, "Red Kurta|Blue Kurta|Old Kurta"},
			{search.PageIn{Filter: search.Filter{Sort: catalog.ByTitle}}, "Blue Kurta|Old Kurta|Red Kurta"},
			{search.PageIn{Filter: search.Filter{Sort: catalog.Newest}}, "Old Kurta|Red Kurta|Blue Kurta"},
			{search.PageIn{Offset: 2, Limit: 1, Filter: search.Filter{Sort: catalog.PriceUp}}, "Red Kurta"},
			{search.PageIn{Offset: 20, Limit: 1}, ""},
		} {
			c.in.Query = "kurta"
			if got := titles(s.page(s.room, c.in).Cards); got != c.want {
				s.Errorf("%+v: %q, want %q", c.in, got, c.want)
			}
		}
		// Sold out and back: the filter knows, from an index that is there.
		level := func(n int64) {
			red := s.page(s.room, search.PageIn{Query: "red kurta"}).Cards[0].Product
			s.change(s.room, func(tx *db.Tx) error {
				p, err := catalog.Read(s.Context(), tx, red)
				if err != nil {
					return err
				}
				for _, v := range p.Variants {
					if _, err := stock.Set(s.Context(), tx, v.ID, n); err != nil {
						return err
					}
				}
				return nil
			})
			s.settle()
		}
		for n, want := range []string{"Blue Kurta", "Red Kurta|Blue Kurta", "Blue Kurta"} {
			level(int64(n % 2))
			if got := titles(s.page(s.room, search.PageIn{Query: "kurta", Filter: search.Filter{Available: true}}).Cards); got != want {
				s.Errorf("with %d left: %q, want %q", n%2, got, want)
			}
		}
		if b := s.finder.Stats.Builds.Load(); b != 1 {
			s.Errorf("the index was built %d times", b)
		}
	})
}

// A merchant's synonyms hold at once, in an index that is there, and only in
// their shop.
func TestSynonymsOfTheMerchant(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		title := "Kolhapuri Slides"
		s.create(s.room, catalog.ProductInput{Title: &title})
		s.create(s.other, catalog.ProductInput{Title: &title})
		s.settle()
		if got := s.find(s.room, "floaters"); got != "" {
			s.Errorf("found %q before", got)
		}
		set := func(groups ...[]string) (search.SynonymsOut, error) {
			return search.SetSynonyms.Do(s.Context(), s.room, s.by(s.room), search.SynonymsIn{Body: search.SynonymsOut{Groups: groups}})
		}
		out, err := set([]string{"Floaters", " slides", "floaters"}, nil)
		if err != nil || len(out.Groups) != 1 || strings.Join(out.Groups[0], "|") != "floaters|slides" {
			s.Fatalf("%v, %v", out, err)
		}
		if got := s.find(s.room, "floater") + s.find(s.other, "floater"); got != title {
			s.Errorf("found %q", got)
		}
		if got, err := search.Synonyms.Do(s.Context(), s.room, s.by(s.room), op.Empty{}); err != nil || len(got.Groups) != 1 {
			s.Errorf("%v, %v", got, err)
		}
		for _, bad := range [][]string{{"alone"}, {"one two three four", "five"}, make([]string, 0)} {
			if _, err := set(bad); (err == nil) != (len(bad) == 0) {
				s.Errorf("%q: %v", bad, err)
			}
		}
		if got := s.find(s.room, "floaters"); got != "" {
			s.Errorf("found %q after they were taken away", got)
		}
	})
}

// What is searched for is written now and then, in one change, and told by
// day.
func TestWhatWasSearchedForIsCounted(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		title := "Mug"
		s.create(s.room, catalog.ProductInput{Title: &title})
		s.settle()
		flush := func() {
			s.Helper()
			if err := s.finder.Flush(s.Context(), s.fleet.ByID); err != nil {
				s.Fatal(err)
			}
		}
		at := func() (n int64) {
			size, err := s.room.Size(s.Context())
			if err != nil {
				s.Fatal(err)
			}
			return size.Writes
		}
		before := at()
		for range 3 {
			s.find(s.room, "Blue  vase")
		}
		s.find(s.room, "MUG")
		s.find(s.room, "call 98765 43210")
		s.find(s.room, "me@example.com")
		s.page(s.room, search.PageIn{Query: "mug", Offset: 10})
		s.page(s.room, search.PageIn{Query: "mug", Filter: search.Filter{Available: true}})
		s.find(s.other, "vase")
		if at() != before {
			s.Error("a search writes")
		}
		flush()
		flush()
		if n := at(); n != before+1 {
			s.Errorf("%d writes, want one", n-before)
		}
		s.find(s.room, "vase blue")
		flush()
		got, err := search.Report.Do(s.Context(), s.room, s.by(s.room), search.ReportIn{Days: 7})
		if err != nil {
			s.Fatal(err)
		}
		if got.Searches != 7 || got.Nothing != 6 || len(got.Days) != 7 || got.Days[6].Searches != 7 || got.Days[6].Nothing != 6 {
			s.Errorf("%+v", got)
		}
		if len(got.Queries) != 3 || got.Queries[0] != (search.AskedQuery{Query: "blue vase", Times: 3, Nothing: 3}) || len(got.Missed) != 2 || got.Missed[0].Query != "blue vase" {
			s.Errorf("%+v", got)
		}
		// A flood of different words takes a bounded number of rows, and is
		// counted to the last.
		for i := range 1500 {
			s.find(s.room, "zz"+strings.Repeat("x", i%40)+string(rune('a'+i%26))+string(rune('a'+i/26%26)))
			if i%150 == 149 {
				flush()
			}
		}
		got, err = search.Report.Do(s.Context(), s.room, s.by(s.room), search.ReportIn{Days: 30})
		if err != nil || got.Searches != 1507 {
			s.Errorf("%d searches, %v", got.Searches, err)
		}
		n := 0
		err = s.room.View(s.Context(), fleet.Newest, func(r db.Reader) (err error) {
			n, _, err = db.One(s.Context(), r, rowsOfQueries, func(n *int) []any { return []any{n} })
			return err
		})
		if err != nil || n > 501 {
			s.Errorf("%d rows, %v", n, err)
		}
	})
}

var rowsOfQueries = db.Q(`SELECT COUNT(*) FROM search_query WHERE shop = $1`)

func TestSuggestions(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		kind := "Running Gear"
		for _, title := range []string{"Running Shoes", "Rubber Boots", "Runner Rug"} {
			s.create(s.room, catalog.ProductInput{Title: &title, Type: &kind})
		}
		s.settle()
		ask := func(q string) (string, search.Suggested) {
			s.Helper()
			var out search.Suggested
			var found string
			for _, o := range s.finder.Operations() {
				if read, ok := o.(*op.Read[search.SuggestIn, search.Suggested]); ok {
					var err error
					if out, err = read.Do(s.Context(), s.room, op.Caller{}, search.SuggestIn{Query: q}); err != nil {
						s.Fatal(err)
					}
				}
			}
			for _, c := range out.Products {
				found += c.Title + "|"
			}
			return found, out
		}
		for q, want := range map[string]string{"runnin": "Running Shoes|", "runni": "Running Shoes|", "rub": "Rubber Boots|", "shoes r": "Running Shoes|", "": "", "q": "", "runners": "Runner Rug|"} {
			got, out := ask(q)
			if !strings.HasPrefix(got, want) || want == "" && got != "" {
				s.Errorf("%q suggests %q, want %q first", q, got, want)
			}
			if q == "runni" && (len(out.Queries) != 1 || out.Queries[0] != "running gear") {
				s.Errorf("%q goes on as %q", q, out.Queries)
			}
		}
	})
}
