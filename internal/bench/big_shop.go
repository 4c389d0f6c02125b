package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"haat/internal/catalog"
	"haat/internal/db"
)

const small = 15 // products of the small shop

// bigShop reads the pages of a collection of a small and of a large shop. Each
// address is asked for once, so that no page was kept.
func (b *bench) bigShop(ctx context.Context, r *Result) error {
	dir, err := b.folder("big-shop")
	if err != nil {
		return err
	}
	type side struct{ label, host string }
	sides := []side{{fmt.Sprintf("%d products", small), "small." + domain}, {fmt.Sprintf("%s products", whole(b.Large)), "large." + domain}}
	b.say("making shops of %d and %d products", small, b.Large)
	if err := b.with(ctx, dir, func(p *Platform) error {
		for slug, products := range map[string]int{"small": small, "large": b.Large} {
			s, err := openStall(ctx, p.Fleet, slug, products, plenty)
			if err != nil {
				return err
			}
			if _, err := s.room.Change(ctx, func(tx *db.Tx) error {
				return catalog.SaveCollection(ctx, tx, &catalog.Collection{
					Handle: "home", Title: "For the home", Sort: catalog.ByTitle,
					Rule: &catalog.Rule{Conditions: []catalog.Condition{{Field: "tag", Is: "equals", Value: "home"}}},
				}, nil)
			}); err != nil {
				return err
			}
		}
		return p.Quiet(ctx)
	}); err != nil {
		return err
	}
	srv, err := b.serve(ctx, -1, dir)
	if err != nil {
		return err
	}
	defer srv.stop()
	var n atomic.Int64 // makes each address one that was not asked for before
	worst := 0.0
	for _, x := range []struct{ label, query string }{
		{"all", "/collections/all?"},
		{"all by price", "/collections/all?sort=price-asc&"},
		{"all by name, in stock", "/collections/all?sort=title&available=1&"},
		{"all of one size", "/collections/all?option.Size=Small&"},
		{"a collection", "/collections/home?"},
		{"a collection, newest, of one size, page 2", "/collections/home?sort=newest&option.Size=Small&page=2&"},
	} {
		b.say("%s", x.label)
		var got [2][]seen
		for range b.Rounds {
			for i, s := range sides {
				one, err := closed(ctx, 1, b.For/3, func(ctx context.Context, _ int, _ int64) error {
					k := n.Add(1)
					a, err := fetch(ctx, srv.addr, s.host, fmt.Sprintf("%smax=%d.%02d", x.query, 100_000+k/100, k%100))
					if err == nil && a.status != http.StatusOK {
						err = fmt.Errorf("%s answers %d", x.query, a.status)
					}
					return err
				})
				if err != nil {
					return err
				}
				got[i] = append(got[i], one)
			}
		}
		few, many := byP99(got[0]), byP99(got[1])
		row := many.row(x.label+", "+sides[1].label, seen{}, "")
		row.Ratio, row.Of = many.p99/few.p99, "p99 of "+sides[0].label
		r.Rows = append(r.Rows, few.row(x.label+", "+sides[0].label, seen{}, ""), row)
		worst = max(worst, row.Ratio)
	}
	fills, err := srv.metric(ctx, "haat_page_fills_total")
	if err != nil {
		return err
	}
	if fills < float64(n.Load()) {
		return errors.New("some pages were kept already")
	}
	r.note("one client, as fast as answered; the round with the middle p99 of %d in turns; load and server share the processors", b.Rounds)
	r.most("p99, the worst of them", worst, 3, "of the small shop's")
	return nil
}

// byP99 gives the round with the middle p99.
func byP99(all []seen) seen {
	p99s := make([]float64, len(all))
	for i, s := range all {
		p99s[i] = s.p99
	}
	for _, s := range all {
		if s.p99 == middle(p99s) {
			return s
		}
	}
	return seen{}
}
