package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	missClients = 8
	missRate    = 200 // arrivals a second, for latencies
)

var errTwoCPUs = errors.New("one CPU is for the server and one for the load: two are needed")

// pageMiss asks each made-up shop for one product's page, once: as fast as it
// is answered, at a fixed rate, and at that rate from the disk.
func (b *bench) pageMiss(ctx context.Context, r *Result) error {
	if runtime.NumCPU() < 2 {
		return errTwoCPUs
	}
	t, err := b.seeded(ctx, r)
	if err != nil {
		return err
	}
	r.Load[0] = loadAverage()
	srv, err := b.serve(ctx, serverCPU, t.dir)
	if err != nil {
		return err
	}
	defer srv.stop()
	turn := rand.New(rand.NewPCG(7, 7)).Perm(len(t.sites))
	var next atomic.Int64
	page := func() ask {
		s := t.sites[turn[next.Add(1)%int64(len(turn))]]
		return ask{host: s.host, path: "/products/" + s.handle}
	}
	part := int64(len(turn) / 4) // no page twice
	d := min(b.For, time.Duration(part)*time.Second/missRate)

	each, err := b.statementsOf(ctx, srv, int(min(part/3, 100)), page)
	if err != nil {
		return err
	}
	cpu := srv.cpu()
	b.say("as fast as answered")
	var fast seen
	err = pinned(loadCPU, func() (err error) {
		fast, err = gather(ctx, missClients, func(took time.Duration, nth int64) bool { return took < b.For && nth < part },
			func(ctx context.Context, _ int, _ int64) error {
				p := page()
				a, err := fetch(ctx, srv.addr, p.host, p.path)
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("%s%s answers %d", p.host, p.path, a.status)
				}
				return err
			})
		return err
	})
	if err != nil {
		return err
	}
	row := fast.row(fmt.Sprintf("%d clients, as fast as answered", missClients), seen{}, "")
	row.CPU = float64((srv.cpu() - cpu).Microseconds()) / float64(fast.n)
	r.Rows = append(r.Rows, row)
	var steady [2]seen
	for i, label := range []string{"%d arrivals a second", "%d arrivals a second, databases read from the disk"} {
		label = fmt.Sprintf(label, missRate)
		b.say("%s", label)
		if i == 1 {
			if err := drop(t.dir); err != nil {
				return err
			}
		}
		err = pinned(loadCPU, func() error {
			steady[i] = open(missRate, d, missClients*4, page, srv.addr)
			return nil
		})
		if err != nil {
			return err
		}
		r.Rows = append(r.Rows, steady[i].row(label, seen{}, ""))
		if steady[i].bad > 0 {
			r.note("%s: first error: %s", label, steady[i].first)
		}
	}
	fills, err := srv.metric(ctx, "haat_page_fills_total")
	if err != nil {
		return err
	}
	asked := 3*min(part/3, 100) + fast.n + steady[0].n + steady[1].n
	r.note("%.0f of %d pages were made for the request; server's memory: %.0f MB", fills, asked, srv.resident())
	r.most("p50", steady[0].p50, 2, "ms")
	r.most("p99", steady[0].p99, 15, "ms")
	r.most("statements a page", each, 2, "")
	return nil
}

// statementsOf counts what so many pages cost, each asked for when the one
// before is there. Sweepers run statements too, so the least of three counts
// is taken.
func (b *bench) statementsOf(ctx context.Context, srv *server, pages int, next func() ask) (float64, error) {
	b.say("statements of %d pages, three times", pages)
	before, err := srv.rested(ctx)
	least := math.Inf(1)
	for range 3 {
		for range pages {
			p := next()
			if a, err := fetch(ctx, srv.addr, p.host, p.path); err != nil || a.status != http.StatusOK {
				return 0, fmt.Errorf("%s%s answers %d: %w", p.host, p.path, a.status, err)
			}
		}
		now, e := srv.metric(ctx, "haat_statements_total")
		if err = errors.Join(err, e); err != nil {
			return 0, err
		}
		least, before = min(least, (now-before)/float64(pages)), now
	}
	return least, nil
}
