package app

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/search"
)

// RebuildSearch implements api.Operator.
func (a *App) RebuildSearch(ctx context.Context, slug string, tell func(api.SearchStep)) (all api.SearchStep, err error) {
	if !a.rebuilding.TryLock() {
		return all, fault.Busy(time.Minute, "Searches are being rebuilt already.")
	}
	defer a.rebuilding.Unlock()
	start := time.Now()
	step := func() api.SearchStep {
		all.Seconds = time.Since(start).Seconds()
		return all
	}
	one := func(room *fleet.Room) error {
		all.Shop = room.Slug()
		before := all.Products
		err := search.Rebuild(ctx, room, func(done, _ int64) {
			all.Products = before + done
			tell(step())
		})
		if err == nil {
			all.Shops++
		}
		return err
	}
	if all.Of = 1; slug != "" {
		room, err := a.fleet.BySlug(ctx, slug)
		if err == nil {
			err = one(room)
		}
		return step(), err
	}
	if all.Of, err = a.fleet.Count(ctx); err != nil {
		return all, err
	}
	const atOnce = 500
	for before := id.Shop(0); ; {
		page, err := a.fleet.List(ctx, before, "", atOnce)
		if err != nil {
			return step(), err
		}
		for _, e := range page {
			room, err := a.fleet.ByID(ctx, e.Shop)
			if err == nil {
				err = one(room)
			}
			if err != nil && !fault.Is(err, fault.KindNotFound) { // deleted meanwhile
				return step(), err
			}
			before = e.Shop
		}
		if len(page) < atOnce {
			return step(), nil
		}
	}
}

type (
	searchCmd struct {
		Rebuild rebuildSearchCmd `cmd:"" help:"Write anew what searches are answered from, out of the products, while shops sell."`
	}
	rebuildSearchCmd struct {
		remote
		cli.RebuildSearch
	}
)

// Run rebuilds through the server that has the data folder open or, when none
// has, in the folder itself.
func (c *rebuildSearchCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.RebuildSearch.Run(ctx, o, out) })
}

// writeSearch writes what a shop's searches are answered from where nobody has.
func (a *App) writeSearch(shop id.Shop) {
	if _, running := a.unwritten.LoadOrStore(shop, true); running || a.ctx.Err() != nil {
		return
	}
	a.workers.Go(func() {
		defer a.unwritten.Delete(shop)
		room, err := a.fleet.ByID(a.ctx, shop)
		if err == nil {
			err = search.Write(a.ctx, room)
		}
		if err == nil {
			a.finder.Written(shop)
		} else if a.ctx.Err() == nil {
			a.log.Error("what a shop's searches are answered from could not be written; it is tried again with the next search", "shop", shop, "err", err)
		}
	})
}

// flushCounts writes what was searched for, and visits, before the program ends.
func (a *App) flushCounts() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.finder.Flush(ctx, a.fleet.ByID); err != nil {
		a.log.Error("some of what was searched for is not counted", "err", err)
	}
	if err := a.visits.Flush(ctx, a.fleet.ByID); err != nil {
		a.log.Error("some visits are not counted", "err", err)
	}
}

// searchMetrics tell how well indexes are kept, and what is found.
func (a *App) searchMetrics() {
	a.meter.Gauge("haat_search_indexes", "Shops whose search index is in memory.", func() float64 { n, _ := a.finder.Size(); return float64(n) })
	a.meter.Gauge("haat_search_index_bytes", "Memory that search indexes take, about.", func() float64 { _, n := a.finder.Size(); return float64(n) })
	s := &a.finder.Stats
	for name, c := range map[string]struct {
		help string
		n    *atomic.Int64
	}{
		"haat_search_builds_total":    {"Search indexes built from their shop's rows.", &s.Builds},
		"haat_search_changes_total":   {"Times that an index took in what had changed.", &s.Changes},
		"haat_search_evictions_total": {"Indexes let go for want of room.", &s.Evictions},
		"haat_searches_total":         {"Searches.", &s.Searches},
		"haat_searches_nothing_total": {"Searches that found nothing.", &s.Nothing},
		"haat_searches_lost_total":    {"Searches that no shop's report counts, for want of room.", &s.Lost},
	} {
		a.meter.Counter(name, c.help, func() float64 { return float64(c.n.Load()) })
	}
}
