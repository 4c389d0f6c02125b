package drill

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"
)

var chatty = drill{
	id: "F-2", fault: "every statement takes 2 ms longer",
	without: "searches are asked for instead of pages: they are never kept",
	needs:   []need{postgres},
	run:     slowStatements,
}

var repeated = drill{
	id: "F-7", fault: "thousands look at one menu while it changes",
	without: "each asks for a page that is never kept, a search",
	run:     repeatedWork,
}

const (
	slower   = 2 * time.Millisecond
	products = 40
	changes  = 10
	menuRate = 400
)

// rested waits until a server runs no statements any more, and gives how many
// it has run.
func (s *server) rested(ctx context.Context) (float64, error) {
	last, still := -1.0, 0
	for {
		now, err := s.metric(ctx, "haat_statements_total")
		if err != nil {
			return 0, err
		}
		if still++; now != last {
			still = 0
		}
		if last = now; still == 10 { // how far events were handled is written after a second
			return now, nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// slowStatements counts what a page costs the shop's database, on a first look
// and on a second.
func slowStatements(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%v added to every answer of PostgreSQL by a proxy; %d product pages looked at twice", slower, products)
	r.Noticed = "nothing is wrong"
	db, flags, err := r.fleet()
	if err != nil {
		return err
	}
	if flags[3], err = r.slowLink(db, slower); err != nil {
		return err
	}
	s, err := r.serve(ctx, "data", flags...)
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, s.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	var paths []string
	for i := range products {
		var p struct{ Handle string }
		if _, err := shop.desk(s.addr, "POST", "/products", object{"title": fmt.Sprintf("Lamp %d", i), "status": "active",
			"variants": []any{object{"price": rupees(100 + i), "available": 5}}}).do(ctx, &p); err != nil {
			return err
		}
		path := "/products/" + p.Handle
		if r.without {
			path = "/search?q=" + url.QueryEscape(fmt.Sprintf("lamp %d", i))
		}
		paths = append(paths, path)
	}
	for i, x := range []struct {
		look string
		most float64
	}{{"a first look", 2}, {"a second", 0}} {
		if _, err := s.rested(ctx); err != nil {
			return err
		}
		var all []fate
		var each []float64 // the middle of them: what runs in the background is counted too
		for n, path := range paths {
			before, err := s.metric(ctx, "haat_statements_total")
			if err != nil {
				return err
			}
			at := time.Now()
			status, _, err := get(ctx, s.addr, shop.host, path)
			if err == nil && status != 200 {
				err = &refused{status: status}
			}
			all = append(all, fate{n, at, time.Since(at), err})
			after, err := s.metric(ctx, "haat_statements_total")
			if err != nil {
				return err
			}
			each = append(each, after-before)
		}
		slices.Sort(each)
		middle := each[len(each)/2]
		r.saw(middle <= x.most, "%s: %.0f statements a page, p50 %v", x.look, middle, round(slow(all, 0.5)))
		r.saw(len(failed(all)) == 0, "%d of %d failed", len(failed(all)), len(all))
		if i == 0 && len(failed(all)) > 0 {
			r.say("%v", reasons(all))
		}
	}
	return nil
}

// repeatedWork counts how often a page is made that everybody wants.
func repeatedWork(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%d views a second of one page, which changes %d times; one process on SQLite", menuRate, changes)
	r.Noticed = "nothing is wrong"
	s, err := r.serve(ctx, "data")
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, s.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	path := "/collections/all"
	if r.without {
		path = "/search?q=bowl"
	}
	statements, err := s.rested(ctx)
	if err != nil {
		return err
	}
	made, err := s.metric(ctx, "haat_page_fills_total")
	if err != nil {
		return err
	}
	people := arrive(ctx, menuRate, func(ctx context.Context, n int) error {
		status, _, err := get(ctx, s.addr, shop.host, path)
		if err == nil && status != 200 {
			err = &refused{status: status}
		}
		return err
	})
	for n := range changes {
		if err := pause(ctx, 400*time.Millisecond); err != nil {
			return err
		}
		if _, err := shop.desk(s.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(500 + n)}).do(ctx, nil); err != nil {
			return err
		}
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	views := people.end()
	fills, err := s.metric(ctx, "haat_page_fills_total")
	if err != nil {
		return err
	}
	after, err := s.rested(ctx)
	if err != nil {
		return err
	}
	r.saw(fills-made <= changes+2, "%.0f pages made for %d views and %d changes", fills-made, len(views), changes)
	each := (after - statements) / float64(len(views))
	r.saw(each < 0.5, "%.2f statements a view, those of the changes included", each)
	r.saw(len(failed(views)) == 0, "%d views failed; p99 %v", len(failed(views)), round(slow(views, 0.99)))
	return nil
}
