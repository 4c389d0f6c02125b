package catalog_test

import (
	"fmt"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/op"
)

var countChoices = db.Q(`SELECT COUNT(*) FROM product_choices WHERE shop = $1`)

// What there is to choose from is counted over all products, whatever else
// they have; filters take names and values as they are, in any case; and a
// list that no product has any longer is gone.
func TestOptionsAreCountedAndFilteredBy(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, _ op.Caller) {
		ctx := t.Context()
		save := func(p *catalog.Product) {
			t.Helper()
			var q catalog.Product
			if _, err := room.Change(ctx, func(tx *db.Tx) error {
				q = *p // it may run again
				fn := catalog.Create
				if !q.ID.Zero() {
					fn = catalog.Save
				}
				return fn(ctx, tx, &q)
			}); err != nil {
				t.Fatal(err)
			}
			*p = q
		}
		of := func(title string, status catalog.Status, options ...catalog.Option) *catalog.Product {
			p := &catalog.Product{Title: title, Handle: title, Status: status, Options: options}
			values := func(i, n int) string {
				if i >= len(options) {
					return ""
				}
				return options[i].Values[n%len(options[i].Values)]
			}
			most := 1
			for _, o := range options {
				most = max(most, len(o.Values))
			}
			for n := range most {
				v := catalog.Variant{Price: 100_00}
				for i := range options {
					v.Options = append(v.Options, values(i, n))
				}
				p.Variants = append(p.Variants, v)
			}
			save(p)
			return p
		}
		a := of("a", catalog.Active, catalog.Option{Name: "Size", Values: []string{"S", "M"}}, catalog.Option{Name: "Finish", Values: []string{`100%_\`}})
		b := of("b", catalog.Active, catalog.Option{Name: "size", Values: []string{"m", "XL"}})
		of("c", catalog.Active, catalog.Option{Name: "Size", Values: []string{"S", "M"}}, catalog.Option{Name: "Finish", Values: []string{`100%_\`}})
		of("d", catalog.Active, catalog.Option{Name: "Finish", Values: []string{`100 percent`}})
		of("e", catalog.Draft, catalog.Option{Name: "Size", Values: []string{"XXL"}})
		of("f", catalog.Active)
		for _, in := range []struct {
			handle string
			rule   *catalog.Rule
		}{{"all", nil}, {"some", &catalog.Rule{Conditions: []catalog.Condition{{Field: "title", Is: "not_equals", Value: "f"}}}}} {
			if in.rule != nil {
				if _, err := room.Change(ctx, func(tx *db.Tx) error {
					return catalog.SaveCollection(ctx, tx, &catalog.Collection{Handle: in.handle, Title: in.handle, Rule: in.rule}, nil)
				}); err != nil {
					t.Fatal(err)
				}
			}
			for _, x := range []struct {
				choose []catalog.Choice
				want   int64
			}{
				{[]catalog.Choice{{"SIZE", "m"}}, 3}, {[]catalog.Choice{{"Size", "xl"}}, 1}, {[]catalog.Choice{{"Size", "xl"}, {"size", "S"}}, 3},
				{[]catalog.Choice{{"finish", `100%_\`}}, 2}, {[]catalog.Choice{{"finish", "100%"}}, 0}, {[]catalog.Choice{{"size", "%"}}, 0},
				{[]catalog.Choice{{"size", "S"}, {"finish", "100 percent"}}, 0}, {[]catalog.Choice{{"Size", "XXL"}}, 0},
			} {
				page := listed(t, room, in.handle, catalog.Filter{Options: x.choose})
				if page.Total != x.want || len(page.Cards) != int(x.want) {
					t.Errorf("%s, %v: %d products, %d shown", in.handle, x.choose, page.Total, len(page.Cards))
				}
			}
			const want = `[{Finish [{100 percent 1} {100%_\ 2}]} {Size [{M 3} {S 2} {XL 1}]}]`
			if got := fmt.Sprint(listed(t, room, in.handle, catalog.Filter{}).Facets); got != want {
				t.Errorf("%s has %s, want %s", in.handle, got, want)
			}
		}
		lists := func() (n int64) {
			t.Helper()
			if err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
				n, _, err = db.One(ctx, r, countChoices, func(n *int64) []any { return []any{n} })
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := lists(); n != 4 {
			t.Errorf("%d lists are kept", n)
		}
		// The one that only b has goes with b's change; a's stays, as c has it too.
		a.Options, a.Variants = b.Options, b.Variants
		for i := range a.Variants {
			a.Variants[i].ID = [16]byte{}
		}
		save(a)
		if n := lists(); n != 4 {
			t.Errorf("%d lists are kept after the change of one that another has too", n)
		}
		for _, p := range []*catalog.Product{a, b} {
			if _, err := room.Change(ctx, func(tx *db.Tx) error { return catalog.Delete(ctx, tx, p.ID) }); err != nil {
				t.Fatal(err)
			}
		}
		if n := lists(); n != 3 {
			t.Errorf("%d lists are kept after the last that had one is deleted", n)
		}
	})
}

func listed(t *testing.T, room *fleet.Room, handle string, f catalog.Filter) (page catalog.CollectionPage) {
	t.Helper()
	if err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		page, err = catalog.ReadCollectionPage(t.Context(), r, handle, f)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return page
}
