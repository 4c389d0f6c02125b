package search_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/search"
	"haat/internal/shop"
)

var (
	rowsOfWords = db.Q(`SELECT COUNT(*) FROM search_words WHERE shop = $1`)
	rowsOfTerms = db.Q(`SELECT COUNT(DISTINCT product) FROM search_term WHERE shop = $1`)
	inBoth      = db.Q(`SELECT COUNT(*) FROM search_words w WHERE w.shop = $1 AND EXISTS (SELECT 1 FROM search_term t WHERE t.shop = $1 AND t.product = w.product)`)
)

// score is what a product weighs for a query, worked out from its texts; 0 if
// a word is missing.
func score(p *catalog.Product, query string) (sum int64) {
	best := map[string]int64{}
	for _, part := range []struct {
		weight int64
		text   string
	}{{100, p.Title}, {80, p.Variants[0].SKU}, {30, p.Type + " " + p.Vendor}, {20, strings.Join(p.Tags, " ")}, {5, p.DescriptionHTML}} {
		for _, w := range search.Words(part.text) {
			best[w] = max(best[w], part.weight)
		}
	}
	seen := map[string]bool{}
	for _, q := range search.Words(query) {
		if seen[q] {
			continue
		}
		seen[q] = true
		found := int64(0)
		for w, weight := range best {
			if strings.HasPrefix(w, q) {
				found = max(found, weight)
			}
		}
		if found == 0 {
			return 0
		}
		sum += found
	}
	return sum
}

// A shop with more products than are kept a row each: whichever way a product's
// words are kept, it is found with the same weight, before and after products
// change, are hidden and come back.
func TestManyProductsAreFoundAlike(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		room := fleettest.NewShop(t, f, "a")
		vocabulary := strings.Fields("mug mugs clay cotton cotta red reddish 10 100 café चाय blue glass classes")
		words := func(n int) string {
			var out []string
			for range n {
				out = append(out, vocabulary[rand.IntN(len(vocabulary))])
			}
			return strings.Join(out, " ")
		}
		fill := func(p *catalog.Product) {
			p.Title, p.Type, p.Vendor, p.DescriptionHTML, p.Tags = words(2), words(1), words(1), words(3), []string{words(1)}
		}
		var all []*catalog.Product
		do := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if _, err := room.Change(ctx, fn); err != nil {
				t.Fatal(err)
			}
		}
		do(func(tx *db.Tx) error {
			all = nil
			if err := shop.Write(ctx, tx, shop.Defaults("x", "IN", "INR")); err != nil {
				return err
			}
			for i := range 260 {
				p := &catalog.Product{Handle: fmt.Sprint("p-", i), Status: catalog.Active, Variants: []catalog.Variant{{SKU: words(1), Price: 100}}}
				fill(p)
				if err := catalog.Add(ctx, tx, p); err != nil {
					return err
				}
				if err := search.Add(ctx, tx, catalog.Saved(p)); err != nil {
					return err
				}
				all = append(all, p)
			}
			return nil
		})
		number := func(q *db.SQL) (n int64) {
			t.Helper()
			err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
				n, _, err = db.One(ctx, r, q, func(n *int64) []any { return []any{n} })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		check := func(rows, terms int64) {
			t.Helper()
			if a, b, c := number(rowsOfWords), number(rowsOfTerms), number(inBoth); a != rows || b != terms || c != 0 {
				t.Errorf("%d products have their words in one row and %d in many, %d both; want %d and %d", a, b, c, rows, terms)
			}
			for _, q := range append([]string{"mug cot", "re 10", "चाय blue", "cafe glas red", "cl", "nothing", "mug nothing"}, words(1), words(2), words(4)) {
				type hit struct {
					id    id.Product
					score int64
				}
				var want []hit
				for _, p := range all {
					if s := score(p, q); s > 0 && p.Status == catalog.Active {
						want = append(want, hit{p.ID, s})
					}
				}
				slices.SortFunc(want, func(a, b hit) int { return cmp.Or(cmp.Compare(b.score, a.score), slices.Compare(a.id[:], b.id[:])) })
				err := room.View(ctx, fleet.Newest, func(r db.Reader) error {
					found, err := search.Find(ctx, r, q, 0, 1000)
					if int(found.Total) != len(want) || len(found.Cards) != len(want) {
						t.Errorf("%q: %d of %d found, want %d", q, len(found.Cards), found.Total, len(want))
						return err
					}
					for i, c := range found.Cards {
						if c.Product != want[i].id {
							t.Errorf("%q: place %d is another product than by weight %d", q, i, want[i].score)
							break
						}
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		check(200, 60)
		index := func(which ...int) {
			t.Helper()
			do(func(tx *db.Tx) error {
				for _, i := range which {
					if err := search.Index(ctx, tx, catalog.Saved(all[i])); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for _, i := range []int{3, 250} { // one of each kind
			fill(all[i])
		}
		index(3, 250)
		check(200, 60)
		all[4].Status, all[251].Status = catalog.Draft, catalog.Draft
		index(4, 251)
		check(199, 59)
		index(252) // there is a place now
		check(200, 58)
		all[4].Status, all[251].Status = catalog.Active, catalog.Active
		index(4, 251)
		check(200, 60)
	})
}
