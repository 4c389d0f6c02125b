package app

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/order"
	"haat/internal/stock"
)

// every runs fn again and again, with a pause between, until ctx ends.
func (a *App) every(ctx context.Context, pause time.Duration, what string, fn func(context.Context) error) {
	a.workers.Go(func() {
		t := time.NewTicker(pause)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("a background task failed; it will be tried again", "task", what, "err", err)
			}
		}
	})
}

// sweepers starts what tidies up behind people.
func (a *App) sweepers(ctx context.Context) {
	a.every(ctx, 5*time.Second, "give back expired holds", func(ctx context.Context) error {
		return a.acrossShops(ctx, stock.Expired, time.Now(), func(ctx context.Context, room *fleet.Room) error {
			_, err := stock.Sweep(ctx, room)
			return err
		})
	})
	a.every(ctx, 10*time.Minute, "forget old carts", func(ctx context.Context) error {
		return a.acrossShops(ctx, order.OldCarts, time.Now().Add(-order.CartAge), func(ctx context.Context, room *fleet.Room) error {
			_, err := order.SweepCarts(ctx, room)
			return err
		})
	})
	a.every(ctx, 10*time.Minute, "erase unfinished sign-ups", func(ctx context.Context) error {
		_, err := a.fleet.SweepOrphans(ctx, time.Hour)
		return err
	})
	a.every(ctx, 10*time.Minute, "forget old codes and sessions", a.accounts.Sweep)
	a.workers.Go(func() { a.importer.Work(ctx) })
}

// acrossShops runs fn on each shop that a shard-wide statement names for now.
func (a *App) acrossShops(ctx context.Context, q *db.AcrossSQL, at time.Time, fn func(context.Context, *fleet.Room) error) error {
	shops, err := a.fleet.Across(ctx, q, at)
	if err != nil {
		return err
	}
	for _, c := range shops {
		room, err := a.fleet.ByID(ctx, c.Shop)
		if err != nil {
			return err
		}
		if err := fn(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

// pageMetrics tell how well pages are kept.
func (a *App) pageMetrics() {
	a.meter.Gauge("haat_pages", "Pages that are kept.", func() float64 { n, _ := a.pages.Size(); return float64(n) })
	a.meter.Gauge("haat_page_bytes", "Memory that kept pages take.", func() float64 { _, n := a.pages.Size(); return float64(n) })
	s := a.pages.Stats()
	for name, c := range map[string]struct {
		help string
		n    *atomic.Int64
	}{
		"haat_page_hits_total":     {"Requests answered with a kept page.", &s.Hits},
		"haat_page_fills_total":    {"Pages made.", &s.Fills},
		"haat_page_joined_total":   {"Requests answered with a page that was being made for another.", &s.Joins},
		"haat_page_stale_total":    {"Requests answered with a page known to be out of date, for want of a better.", &s.Stales},
		"haat_page_failures_total": {"Pages that could not be made.", &s.Failures},
		"haat_page_refusals_total": {"Requests refused because too many waited for one page.", &s.Refusals},
	} {
		a.meter.Counter(name, c.help, func() float64 { return float64(c.n.Load()) })
	}
}

func (a *App) gauges() {
	a.pageMetrics()
	a.diskGauges()
	a.meter.Counter("haat_statements_total", "Statements run on shops, those of events' handlers included; finding a shop costs none of these.", func() (n float64) {
		for _, name := range a.fleet.ShardNames() {
			n += float64(a.fleet.Shard(name).Statements())
		}
		return n
	})
	a.meter.Gauge("haat_connections", "Open connections of shoppers and merchants.", func() float64 {
		if c := a.crowd.Load(); c != nil {
			return float64(c.now())
		}
		return 0
	})
	a.meter.Gauge("haat_connections_refused", "Connections turned away since the start, all places being taken by busy ones.", func() float64 {
		if c := a.crowd.Load(); c != nil {
			return float64(c.refused.Load())
		}
		return 0
	})
	a.meter.Gauge("haat_event_units_busy", "Subscribers at work on, or waiting with, some shop's events.", func() float64 {
		busy, _ := a.bus.Backlog()
		return float64(busy)
	})
	var shops struct { // counted now and then: it takes the longer the more there are
		sync.Mutex
		n  float64
		at time.Time
	}
	a.meter.Gauge("haat_shops", "Shops in the directory, within the last five minutes.", func() float64 {
		shops.Lock()
		defer shops.Unlock()
		if time.Since(shops.at) < 5*time.Minute {
			return shops.n
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		n, err := a.fleet.Count(ctx)
		if err != nil {
			return -1
		}
		shops.n, shops.at = float64(n), time.Now()
		return shops.n
	})
	a.meter.Gauge("haat_parked_events", "Events set aside for a person to look at.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		counts, err := a.bus.ParkedCounts(ctx)
		if err != nil {
			return -1
		}
		var n int64
		for _, c := range counts {
			n += c.N
		}
		return float64(n)
	})
}
