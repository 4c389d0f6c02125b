package bench

import (
	"context"
	"fmt"
	"time"

	"haat/internal/catalog"
	"haat/internal/fleet"
	"haat/internal/op"
	"haat/internal/search"
)

// queries are of every kind: plain, reordered, plural, a beginning, misspelt,
// a synonym, what every product has, what none has, narrowed and sorted.
var queries = []search.PageIn{
	{Query: "mug"}, {Query: "indigo mugs"}, {Query: "basket woven"}, {Query: "cush"}, {Query: "indgo muug"}, {Query: "cup"}, {Query: "washed by hand in a workshop"},
	{Query: "velvet trousers"}, {Query: "lamp 17"}, {Query: "Ujala Works home"}, {Query: "carved stool", Min: "200", Max: "900"},
	{Query: "small bowl", Filter: search.Filter{Sort: catalog.PriceUp, Available: true, Options: []catalog.Choice{{Name: "Size", Value: "Small"}}}},
}

// searches reads search pages of shops of several sizes, in process: the
// page's two statements and the index in memory.
func (b *bench) searches(ctx context.Context, r *Result) error {
	dir, err := b.folder("search")
	if err != nil {
		return err
	}
	return b.with(ctx, dir, func(p *Platform) error {
		for _, products := range []int{small, 1000, b.Large} {
			b.say("making a shop of %d products", products)
			s, err := openStall(ctx, p.Fleet, fmt.Sprint("search-", products), products, plenty)
			if err == nil {
				err = p.Quiet(ctx)
			}
			if err != nil {
				return err
			}
			if err := searchesOf(ctx, b, r, s.room, products); err != nil {
				return err
			}
		}
		r.note("in process, embedded engine, one client as fast as answered, %d kinds of queries in turns; the shop's documents are in the operating system's cache", len(queries))
		return nil
	})
}

func searchesOf(ctx context.Context, b *bench, r *Result, room *fleet.Room, products int) error {
	size := whole(products) + " products"
	ask := func(f *search.Finder, n int64) error {
		in := queries[n%int64(len(queries))]
		in.Limit = 24
		_, err := f.Page(ctx, room, op.Caller{}, in)
		return err
	}
	b.say("first searches, %s", size)
	cold, err := closed(ctx, 1, max(b.For/2, 100*time.Millisecond), func(context.Context, int, int64) error {
		return ask(search.NewFinder(search.Options{}), 0)
	})
	if err != nil {
		return err
	}
	r.Rows = append(r.Rows, cold.row("the first search, "+size+": the index is built for it", seen{}, ""))
	f := search.NewFinder(search.Options{})
	if err := ask(f, 0); err != nil {
		return err
	}
	_, bytes := f.Size()
	b.say("warm searches, %s", size)
	warm, err := closed(ctx, 1, b.For, func(_ context.Context, _ int, n int64) error { return ask(f, n) })
	if err != nil {
		return err
	}
	row := warm.row("further searches, "+size, seen{}, "")
	row.Note = fmt.Sprintf("the index takes about %d KiB", bytes>>10)
	r.Rows = append(r.Rows, row)
	if products == b.Large {
		r.most("p99 of further searches, "+size, warm.p99, 10, "ms")
	}
	return nil
}
