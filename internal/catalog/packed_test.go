package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
)

var (
	forgetBlocks = db.Q(`DELETE FROM product_block WHERE shop = $1`)
	forgetLists  = db.Q(`DELETE FROM product_lists WHERE shop = $1`)
	countBlocks  = db.Q(`SELECT COUNT(*) FROM product_block WHERE shop = $1`)
	spoilPrice   = db.Q(`UPDATE product SET price = price + 1 WHERE shop = $1 AND id = $2`)
)

// shelf is a shop that a test changes at random.
type shelf struct {
	t        *testing.T
	room     *fleet.Room
	rand     *rand.Rand
	products []*catalog.Product
	lists    []*catalog.Collection
	n        int
}

func (s *shelf) change(fn func(context.Context, *db.Tx) error) {
	s.t.Helper()
	if _, err := s.room.Change(s.t.Context(), func(tx *db.Tx) error { return fn(s.t.Context(), tx) }); err != nil {
		s.t.Fatal(err)
	}
}

// product makes one up.
func (s *shelf) product() *catalog.Product {
	s.n++
	p := &catalog.Product{Handle: fmt.Sprintf("product-%d", s.n)}
	s.vary(p)
	return p
}

// vary changes all of it that lists show.
func (s *shelf) vary(p *catalog.Product) {
	pick := func(of ...string) string { return of[s.rand.IntN(len(of))] }
	p.Title = pick("Éclair", "eclair", "Saree", "saree 10", "Saree 9", "Ünder", "zebra") + pick("", " two", " three")
	p.Vendor, p.Status = pick("Ghar", "Aalto"), catalog.Active
	if s.rand.IntN(8) == 0 {
		p.Status = catalog.Draft
	}
	p.Tags = nil
	if s.rand.IntN(3) > 0 {
		p.Tags = []string{pick("home", "garden")}
	}
	p.Options, p.Variants = nil, nil
	sizes := [][]string{nil, {"S"}, {"S", "M"}, {"m", "XL"}, {"100%_"}}[s.rand.IntN(5)]
	if sizes != nil {
		p.Options = []catalog.Option{{Name: pick("Size", "size"), Values: sizes}}
	}
	for i := range max(1, len(sizes)) {
		v := catalog.Variant{Price: int64(100 + s.rand.IntN(20)*50), Stock: &catalog.Stock{Tracked: true, SetAvailable: true, Available: int64(s.rand.IntN(2))}}
		if sizes != nil {
			v.Options = []string{sizes[i]}
		}
		p.Variants = append(p.Variants, v)
	}
}

// step does one thing that lists must show.
func (s *shelf) step() {
	at := s.rand.IntN(len(s.products))
	switch s.rand.IntN(10) {
	case 0, 1:
		p := s.product()
		s.change(func(ctx context.Context, tx *db.Tx) error {
			q := *p
			err := catalog.Create(ctx, tx, &q)
			p.ID = q.ID
			return err
		})
		s.products = append(s.products, p)
	case 2:
		s.change(func(ctx context.Context, tx *db.Tx) error { return catalog.Delete(ctx, tx, s.products[at].ID) })
		s.products = append(s.products[:at], s.products[at+1:]...)
	case 3:
		c := s.lists[s.rand.IntN(len(s.lists))]
		var members []id.Product
		for _, p := range s.products {
			if s.rand.IntN(4) == 0 {
				members = append(members, p.ID)
			}
		}
		s.rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		c.Sort = []catalog.Sort{catalog.ByHand, catalog.PriceUp, catalog.PriceDown, catalog.ByTitle, catalog.Newest}[s.rand.IntN(5)]
		s.change(func(ctx context.Context, tx *db.Tx) error {
			q := *c
			return catalog.SaveCollection(ctx, tx, &q, members)
		})
	default:
		p := s.products[at]
		s.vary(p)
		s.change(func(ctx context.Context, tx *db.Tx) error { q := *p; return catalog.Save(ctx, tx, &q) })
	}
}

// agree compares what the blocks say with the rows, on a quarter of all sorts
// of pages, others each time.
func (s *shelf) agree() {
	s.t.Helper()
	ctx := s.t.Context()
	var packed []catalog.CollectionPage
	var filters []catalog.Filter
	handles := []string{"all", "none"}
	for _, c := range s.lists {
		handles = append(handles, c.Handle)
	}
	for _, sort := range append([]catalog.Sort{""}, catalog.Sorts...) {
		for _, f := range []catalog.Filter{
			{}, {Page: 3, PerPage: 7}, {Offset: 5, PerPage: 3}, {Page: 100}, {Available: true, PerPage: 250}, {Min: 300, Max: 700},
			{Options: []catalog.Choice{{Name: "SIZE", Value: "m"}}}, {Options: []catalog.Choice{{Name: "size", Value: "s"}, {Name: "Size", Value: "100%_"}}, Available: true},
			{Options: []catalog.Choice{{Name: "size", Value: "%"}}}, {Options: []catalog.Choice{{Name: "size", Value: "S"}, {Name: "colour", Value: "red"}}},
		} {
			if s.rand.IntN(4) > 0 {
				continue // all of them each time would take minutes
			}
			f.Sort = sort
			filters = append(filters, f)
		}
	}
	read := func(r db.Reader) (all []catalog.CollectionPage, err error) {
		for _, h := range handles {
			for _, f := range filters {
				p, err := catalog.ReadCollectionPage(ctx, r, h, f)
				if err != nil && h != "none" {
					return nil, fmt.Errorf("%s %+v: %w", h, f, err)
				}
				all = append(all, p)
			}
		}
		return all, nil
	}
	if err := s.room.View(ctx, fleet.Newest, func(r db.Reader) error {
		wrong, err := catalog.CheckPacked(ctx, r)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			s.t.Error(w)
		}
		packed, err = read(r)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	back := errors.New("rolled back")
	_, err := s.room.Change(ctx, func(tx *db.Tx) error {
		if n, err := tx.Exec(ctx, forgetLists); err != nil || n != 1 { // as before there was such a row
			return fmt.Errorf("%d versions: %w", n, err)
		}
		unknown, err := read(tx)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(unknown, packed) {
			s.t.Fatal("lists that were kept say something else than those that were not")
		}
		if n, err := tx.Exec(ctx, forgetBlocks); err != nil || n < 2 {
			return fmt.Errorf("%d blocks: %w", n, err)
		}
		single, err := read(tx)
		if err != nil {
			return err
		}
		for i := range single {
			if !reflect.DeepEqual(single[i], packed[i]) {
				s.t.Fatalf("%s %+v:\nblocks %+v\nrows   %+v", handles[i/len(filters)], filters[i%len(filters)], packed[i], single[i])
			}
		}
		return back
	})
	if !errors.Is(err, back) {
		s.t.Fatal(err)
	}
}

// A large shop's lists are read from blocks, which say what the rows say
// whatever was changed.
func TestListsOfALargeShop(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, _ op.Caller) {
		s := &shelf{t: t, room: room, rand: rand.New(rand.NewPCG(1, 2))}
		for _, c := range []*catalog.Collection{
			{Handle: "by-hand", Title: "By hand"}, {Handle: "other", Title: "Other"},
			{Handle: "home", Title: "Home", Sort: catalog.ByTitle, Rule: &catalog.Rule{Conditions: []catalog.Condition{{Field: "tag", Is: "equals", Value: "home"}}}},
		} {
			s.change(func(ctx context.Context, tx *db.Tx) error {
				q := *c
				q.ID = id.Collection{} // it may run again
				err := catalog.SaveCollection(ctx, tx, &q, nil)
				c.ID = q.ID
				return err
			})
			s.lists = append(s.lists, c)
		}
		blocks := func() (n int64) {
			t.Helper()
			if err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
				n, _, err = db.One(t.Context(), r, countBlocks, func(n *int64) []any { return []any{n} })
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		fill := func(n int) {
			t.Helper()
			var made []*catalog.Product
			for range n {
				made = append(made, s.product())
			}
			s.change(func(ctx context.Context, tx *db.Tx) error {
				for _, p := range made {
					q := *p
					if err := catalog.Create(ctx, tx, &q); err != nil {
						return err
					}
					p.ID = q.ID
				}
				return nil
			})
			s.products = append(s.products, made...)
		}
		fill(256)
		if n := blocks(); n != 0 {
			t.Fatalf("a small shop has %d blocks", n)
		}
		fill(1)
		if n := blocks(); n < 3 {
			t.Fatalf("a large shop has %d blocks", n)
		}
		s.agree()
		fill(150)
		for range 4 {
			for range 15 {
				s.step()
			}
			s.agree()
		}
		// Whoever writes a row and forgets the blocks is found out.
		s.change(func(ctx context.Context, tx *db.Tx) error {
			for _, p := range s.products {
				if p.Status == catalog.Active {
					_, err := tx.Exec(ctx, spoilPrice, p.ID)
					return err
				}
			}
			return nil
		})
		if err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			wrong, err := catalog.CheckPacked(t.Context(), r)
			if len(wrong) != 1 {
				t.Errorf("a row that no block knows: %q", wrong)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// Changes at the same time write over none of each other's entries, not even
// those that make the shop a large one.
func TestLargeShopsAreChangedByMany(t *testing.T) {
	opened(t, func(t *testing.T, _ *fleet.Fleet, room *fleet.Room, _ op.Caller) {
		ctx := t.Context()
		of := func(n int) *catalog.Product {
			return &catalog.Product{Title: fmt.Sprint("Product ", n), Handle: fmt.Sprint("p-", n), Status: catalog.Active, Variants: []catalog.Variant{{Price: 100}}}
		}
		var all []*catalog.Product
		if _, err := room.Change(ctx, func(tx *db.Tx) error {
			all = nil
			for n := range 250 {
				p := of(n)
				if err := catalog.Create(ctx, tx, p); err != nil {
					return err
				}
				all = append(all, p)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var together sync.WaitGroup
		for w := range 4 {
			together.Go(func() {
				for i := range 12 {
					if _, err := room.Change(ctx, func(tx *db.Tx) error {
						if i%2 == 0 {
							return catalog.Create(ctx, tx, of(1000*(w+1)+i))
						}
						p := *all[(i*4+w)%len(all)] // each its own
						p.Variants = []catalog.Variant{{Price: int64(200 + i)}}
						return catalog.Save(ctx, tx, &p)
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		together.Wait()
		if err := room.View(ctx, fleet.Newest, func(r db.Reader) error {
			wrong, err := catalog.CheckPacked(ctx, r)
			if err != nil {
				return err
			}
			page, err := catalog.ReadCollectionPage(ctx, r, "all", catalog.Filter{})
			if len(wrong) > 0 || page.All != 250+4*6 {
				t.Errorf("%d products, %q", page.All, wrong)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
