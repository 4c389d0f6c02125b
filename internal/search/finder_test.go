package search_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/search"
)

// fill adds products to a shop in one change, documents and all.
func (s *street) fill(r *fleet.Room, n int, name string) (made []*catalog.Product) {
	s.Helper()
	s.change(r, func(tx *db.Tx) error {
		made = nil
		for i := range n {
			p := &catalog.Product{Handle: fmt.Sprintf("%s-%d", strings.ToLower(name), i), Title: fmt.Sprintf("%s number %d", name, i), Status: catalog.Active, Variants: []catalog.Variant{{Price: 100}}}
			if err := catalog.Add(s.Context(), tx, p); err != nil {
				return err
			}
			if err := search.Index(s.Context(), tx, catalog.Saved(p)); err != nil {
				return err
			}
			made = append(made, p)
		}
		return nil
	})
	s.settle() // what is written here is not to be overwritten by what the events say
	return made
}

// Shops take turns in memory that has room for one of them, are found in
// rightly each time, and never in each other.
func TestIndexesAreBoundedAndShopsDoNotMix(t *testing.T) {
	each(t, search.Options{Bytes: 150 << 10}, func(s *street) {
		s.fill(s.room, 200, "Aalto")
		s.fill(s.other, 200, "Zanzibar")
		for range 3 {
			for _, c := range []struct {
				room         *fleet.Room
				mine, theirs string
			}{{s.room, "aalto", "zanzibar"}, {s.other, "zanzibar", "aalto"}} {
				if got := s.page(c.room, search.PageIn{Query: c.mine, Limit: 1}); got.Total != 200 {
					s.Errorf("%d of %s found", got.Total, c.mine)
				}
				if got := s.page(c.room, search.PageIn{Query: c.theirs}); got.Total != 0 {
					s.Errorf("%s finds %q in the other shop", c.theirs, titles(got.Cards))
				}
				if shops, bytes := s.finder.Size(); shops > 1 || bytes > 150<<10 {
					s.Errorf("%d indexes of %d bytes are kept", shops, bytes)
				}
			}
		}
		if n := s.finder.Stats.Evictions.Load(); n < 5 {
			s.Errorf("only %d indexes were let go", n)
		}
		// One that has no room at all is used and not kept.
		tiny := search.NewFinder(search.Options{Bytes: 1})
		got, err := tiny.Page(s.Context(), s.room, op.Caller{}, search.PageIn{Query: "aalto", Limit: 1})
		if shops, bytes := tiny.Size(); err != nil || got.Total != 200 || shops != 0 || bytes != 0 {
			s.Errorf("%d found, %v; %d indexes of %d bytes are kept", got.Total, err, shops, bytes)
		}
	})
}

// Products that an older program wrote, or that were loaded, have no documents:
// they are found all the same, beside one that was saved since, and that is said
// with each search until they are written.
func TestProductsWithoutDocumentsAreFound(t *testing.T) {
	var told []id.Shop
	each(t, search.Options{Unwritten: func(shop id.Shop) { told = append(told, shop) }}, func(s *street) {
		told = nil
		const n = 70 // more than are written at a time
		made := s.fill(s.room, n, "Mug")
		s.change(s.room, func(tx *db.Tx) error {
			_, err := tx.Exec(s.Context(), db.Q(`DELETE FROM search_doc WHERE shop = $1 AND product <> $2`), made[0].ID)
			return err
		})
		ask := func(f *search.Finder, r *fleet.Room) int64 {
			got, err := f.Page(s.Context(), r, op.Caller{}, search.PageIn{Query: "mug", Limit: 1})
			if err != nil {
				s.Fatal(err)
			}
			return got.Total
		}
		// Saved just now, they may be on their way.
		if n := ask(search.NewFinder(search.Options{Unwritten: func(shop id.Shop) { told = append(told, shop) }}), s.room); n != 1 || told != nil {
			s.Errorf("%d found, told of %v", n, told)
		}
		s.change(s.room, func(tx *db.Tx) error {
			_, err := tx.Exec(s.Context(), db.Q(`UPDATE product SET updated_at = updated_at - 3600000000 WHERE shop = $1`))
			return err
		})
		for range 2 {
			if found, others := ask(s.finder, s.room), ask(s.finder, s.other); found != n || others != 0 {
				s.Errorf("%d found, and %d in the other shop", found, others)
			}
		}
		if want := []id.Shop{s.room.Shop(), s.room.Shop()}; !slices.Equal(told, want) {
			s.Errorf("told of %v, want %v", told, want)
		}
		if err := search.Write(s.Context(), s.room); err != nil {
			s.Fatal(err)
		}
		s.finder.Written(s.room.Shop())
		if found := ask(s.finder, s.room); found != n || len(told) != 2 {
			s.Errorf("%d found, told %d times", found, len(told))
		}
		var rows int64
		s.change(s.room, func(tx *db.Tx) (err error) {
			rows, _, err = db.One(s.Context(), tx, db.Q(`SELECT COUNT(*) FROM search_doc WHERE shop = $1 AND LENGTH(doc) > 1`), func(n *int64) []any { return []any{n} })
			return err
		})
		if rows != n {
			s.Errorf("%d documents, want %d", rows, n)
		}
	})
}

// Who writes missing documents does not put an old product over a new one that
// is being written beside.
func TestMissingDocumentsAreNotWrittenOverNewerOnes(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		made := s.fill(s.room, 1, "Mug")
		s.change(s.room, func(tx *db.Tx) error {
			if _, err := tx.Exec(s.Context(), db.Q(`DELETE FROM search_doc WHERE shop = $1`)); err != nil {
				return err
			}
			_, err := tx.Exec(s.Context(), db.Q(`UPDATE product SET updated_at = updated_at - 3600000000 WHERE shop = $1`))
			return err
		})
		written, through := make(chan struct{}), make(chan error, 1)
		go func() {
			<-written
			through <- search.Write(s.Context(), s.room)
		}()
		var once sync.Once
		s.change(s.room, func(tx *db.Tx) error {
			if _, err := tx.Exec(s.Context(), db.Q(`UPDATE product SET title = 'Zanzibar' WHERE shop = $1`)); err != nil {
				return err
			}
			p, err := catalog.Read(s.Context(), tx, made[0].ID)
			if err != nil {
				return err
			}
			if err := search.Index(s.Context(), tx, catalog.Saved(&p)); err != nil {
				return err
			}
			if _, err := catalog.Read(s.Context(), tx, made[0].ID); err != nil { // what waited to be sent goes with it
				return err
			}
			once.Do(func() { close(written) })
			select {
			case err := <-through:
				through <- err
			case <-time.After(500 * time.Millisecond): // it waits for this
			}
			return nil
		})
		if err := <-through; err != nil {
			s.Fatal(err)
		}
		fresh := search.NewFinder(search.Options{})
		got, err := fresh.Page(s.Context(), s.room, op.Caller{}, search.PageIn{Query: "zanzibar", Limit: 1})
		if err != nil || got.Total != 1 {
			s.Errorf("%d found, %v", got.Total, err)
		}
	})
}

// Searches go on while products change, in several finders at once, as in
// several processes: each sees what was written before it asked, and in the
// end all find the same.
func TestSearchesWhileProductsChange(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		made := s.fill(s.room, 40, "Mug")
		finders := []*search.Finder{s.finder, search.NewFinder(search.Options{}), search.NewFinder(search.Options{Bytes: 1})}
		find := func(f *search.Finder, q string) (string, error) {
			got, err := f.Page(s.Context(), s.room, op.Caller{}, search.PageIn{Query: q, Limit: 50, Filter: search.Filter{Sort: catalog.ByTitle}})
			if int(got.Total) != len(got.Cards) {
				return "", fmt.Errorf("%d found, %d shown", got.Total, len(got.Cards))
			}
			return titles(got.Cards), err
		}
		ctx, stop := context.WithCancel(s.Context())
		defer stop()
		var readers sync.WaitGroup
		for _, f := range finders {
			readers.Go(func() {
				for ctx.Err() == nil {
					if _, err := find(f, "mug"); err != nil {
						s.Error(err)
						return
					}
				}
			})
		}
		for i := range 30 {
			p := made[i%len(made)]
			title := fmt.Sprintf("Vase %d", i)
			if i%3 == 0 {
				title = "Mug again"
			}
			s.change(s.room, func(tx *db.Tx) error {
				e := catalog.Saved(p)
				e.Title = title
				return search.Index(s.Context(), tx, e)
			})
			// What was written is in what is asked for afterwards.
			if got := s.page(s.room, search.PageIn{Query: title}); got.Total == 0 {
				s.Errorf("%q is not found once it was written", title)
			}
		}
		stop()
		readers.Wait()
		want, err := find(search.NewFinder(search.Options{}), "mug")
		if err != nil || want == "" {
			s.Fatalf("%q, %v", want, err)
		}
		for i, f := range finders {
			if got, err := find(f, "mug"); got != want || err != nil {
				s.Errorf("finder %d finds %q, %v; want %q", i, got, err, want)
			}
		}
		if n := s.finder.Stats.Builds.Load(); n != 1 {
			s.Errorf("the index was built %d times", n)
		}
	})
}

// Rebuilt, a shop finds what its products say, whatever its documents said,
// and an index that is there follows.
func TestRebuild(t *testing.T) {
	each(t, search.Options{}, func(s *street) {
		made := s.fill(s.room, 120, "Mug")
		s.find(s.room, "mug")
		s.change(s.room, func(tx *db.Tx) error {
			for _, p := range made[:60] { // documents that say what is not so
				e := catalog.Saved(p)
				e.Title = "Wrong"
				if err := search.Index(s.Context(), tx, e); err != nil {
					return err
				}
			}
			ghost := catalog.Saved(made[0])
			ghost.Product, ghost.Title = id.Product(id.New[struct{}]()), "Ghost"
			return search.Index(s.Context(), tx, ghost)
		})
		if got := s.page(s.room, search.PageIn{Query: "wrong"}); got.Total != 60 {
			s.Fatalf("%d are wrong", got.Total)
		}
		var steps []int64
		if err := search.Rebuild(s.Context(), s.room, func(done, of int64) {
			steps = append(steps, done)
			if of != 120 {
				s.Errorf("of %d", of)
			}
		}); err != nil {
			s.Fatal(err)
		}
		if fmt.Sprint(steps) != "[50 100 120]" {
			s.Errorf("steps %v", steps)
		}
		for q, want := range map[string]int64{"wrong": 0, "ghost": 0, "mug": 120} {
			if got := s.page(s.room, search.PageIn{Query: q}); got.Total != want {
				s.Errorf("%q finds %d, want %d", q, got.Total, want)
			}
		}
	})
}
