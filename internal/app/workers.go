package app

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/event"
	"haat/internal/hook"
	"haat/internal/meter"
	"haat/internal/order"
	"haat/internal/stock"
)

// every runs fn again and again, with a pause between, until ctx ends.
func (a *App) every(all *sync.WaitGroup, ctx context.Context, pause time.Duration, what string, fn func(context.Context) error) {
	all.Go(func() {
		t := time.NewTicker(pause)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			err := fn(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				a.log.Error("a background task failed; it will be tried again", "task", what, "err", err)
			}
			a.ran(what, err)
		}
	})
}

// ran notes for the watchers how a task ended.
func (a *App) ran(what string, err error) {
	if err == nil {
		a.jobs.Delete(what)
		a.incidents.Resolve(jobFailing, what)
		return
	}
	since := time.Now()
	if was, failed := a.jobs.Load(what); failed {
		since = was.(meter.Sighting).Since
	}
	a.jobs.Store(what, meter.Sighting{Subject: what, Since: since, Detail: "It failed when it ran last: " + sentence(err)})
}

// sweepers starts what is done in the background: what each process does for
// itself and, of those that do background work, what one at a time does.
func (a *App) sweepers(ctx context.Context) {
	holds := newSweep("give back expired holds", a.fleet, a.log, stock.Expired, stock.Sweep)
	carts := newSweep("forget old carts", a.fleet, a.log, order.OldCarts, order.SweepCarts)
	hooks := newSweep("call webhooks again", a.fleet, a.log, hook.Due, a.hooks.Wake)
	old := newSweep("forget old deliveries to webhooks", a.fleet, a.log, hook.Old, a.hooks.Forget)
	settled := newSweep("forget what became of parked events", a.fleet, a.log, event.SettledLongAgo, event.ForgetSettled)
	a.sweeps = []*sweep{holds, carts, hooks, old, settled}
	a.meter.Counter("haat_sweep_failures_total", "Times that tidying up in one shop failed. It is tried again; the other shops go on.", func() (n float64) {
		for _, s := range a.sweeps {
			n += float64(s.failures.Load())
		}
		return n
	})
	a.books.end() // until this process is the one that looks
	a.every(&a.workers, ctx, 2*time.Second, "look at the list of shards", a.fleet.Reload)
	a.every(&a.workers, ctx, 5*time.Second, "write down what was searched for", func(ctx context.Context) error { return a.finder.Flush(ctx, a.fleet.ByID) })
	a.every(&a.workers, ctx, time.Second, "write down visits", func(ctx context.Context) error { return a.visits.Flush(ctx, a.fleet.ByID) })
	a.every(&a.workers, ctx, time.Second, "look for visits that others have written", func(ctx context.Context) error { return a.visits.Look(ctx, a.fleet.ByID) })
	if !a.cfg.does(roleWorker) {
		return
	}
	a.workers.Go(func() { a.importer.Work(ctx) })
	a.alone(ctx, "tidying", func(ctx context.Context) {
		var all sync.WaitGroup
		round := func(pause time.Duration, s *sweep) {
			a.every(&all, ctx, pause, s.what, func(ctx context.Context) error { return s.round(ctx, time.Now()) })
		}
		round(5*time.Second, holds)
		round(10*time.Minute, carts)
		round(5*time.Second, hooks)
		round(10*time.Minute, old)
		round(time.Hour, settled)
		a.every(&all, ctx, time.Minute, "erase unfinished sign-ups", func(ctx context.Context) error { return a.sweepOrphans(ctx, time.Hour) })
		a.every(&all, ctx, 10*time.Minute, "forget old codes and sessions", a.accounts.Sweep)
		all.Wait()
	})
	a.alone(ctx, "pictures of imports", a.importer.WorkImages)
	a.alone(ctx, "stock", func(ctx context.Context) { a.books.keep(ctx, 5*time.Second) }) // a start has other things to do first
	a.alone(ctx, "moves", a.mover.Work)
}

// sweepOrphans erases what unfinished sign-ups left, and says what stays.
func (a *App) sweepOrphans(ctx context.Context, age time.Duration) error {
	_, err := a.fleet.SweepOrphans(ctx, age)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.incidents.See(orphanLeft, []meter.Sighting{{Subject: "unfinished sign-ups", Detail: sentence(err)}})
		a.log.Error("what unfinished sign-ups left cannot be erased; it will be tried again", "err", err)
	default:
		a.incidents.See(orphanLeft, nil)
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
	a.searchMetrics()
	a.meter.Counter("haat_visits_total", "Visits of shops that have begun.", func() float64 { return float64(a.visits.Counted.Load()) })
	a.meter.Counter("haat_visits_lost_total", "Visits that no shop's figures count, for want of room or of an answer.", func() float64 { return float64(a.visits.Lost.Load()) })
	a.diskGauges()
	a.replicaGauges()
	a.budgetGauges()
	a.watcherGauges()
	a.meter.Counter("haat_statements_total", "Statements run on shops, those of events' handlers included; finding a shop costs none of these.", func() (n float64) {
		for _, s := range a.fleet.Shards {
			n += float64(s.Statements())
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
	a.meter.Gauges("haat_events_behind_shops", "Shops with events that this process delivers and has not handled, by shard or partition.", []string{"place"}, func(put func(float64, ...string)) {
		for _, p := range a.bus.Behind() {
			put(float64(p.Shops), p.Place)
		}
	})
	a.meter.Gauges("haat_events_oldest_seconds", "Age of the oldest event that this process delivers and has not handled, by shard or partition.", []string{"place"}, func(put func(float64, ...string)) {
		for _, p := range a.bus.Behind() {
			put(p.Age(time.Now()).Seconds(), p.Place)
		}
	})
	a.meter.Gauge("haat_shops", "Shops in the directory.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		n, err := a.fleet.Count(ctx)
		if err != nil {
			return -1
		}
		return float64(n)
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
	a.books.gauges(a.meter)
}
