package app

import (
	"context"
	"fmt"
	"time"

	"haat/internal/cache"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/meter"
)

// staleBounds are those of haat_cache_staleness_seconds: 150 ms is what is
// aimed at, and nothing at all what one process has.
var staleBounds = []float64{0, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600}

// newSampler has some of the pages that are given out of memory compared with
// what the databases have.
func (a *App) newSampler(o cache.SamplerOptions) *cache.Sampler {
	observe := a.meter.Histogram("haat_cache_staleness_seconds", "How long ago what a page that was given out of memory lacked had been changed, of the pages that were sampled; 0: it lacked nothing.", staleBounds)
	o.Changed = func(ctx context.Context, m db.Mark, tags []string) (at time.Time, err error) {
		room, err := a.fleet.ByID(ctx, m.Shop)
		if err != nil {
			return at, err
		}
		return event.FirstNamed(ctx, room, m, tags)
	}
	o.Observe = func(stale time.Duration) { observe(stale.Seconds()) }
	s := cache.NewSampler(o)
	stats := s.Stats()
	a.meter.Counters("haat_cache_sampled_total", "Pages given out of memory that were compared with the database, by what was found.", []string{"result"}, func(put func(float64, ...string)) {
		put(float64(stats.Fresh.Load()), "fresh")
		put(float64(stats.Stale.Load()), "stale")
		put(float64(stats.Unknown.Load()), "unknown")
	})
	return s
}

// staleFor is how long it is said that a page was too old.
const staleFor = 10 * time.Minute

// watchStale tells of a page that was older than it may be.
func (a *App) watchStale(context.Context) error {
	var all []meter.Sighting
	if w := a.sampler.Worst(); !w.At.IsZero() && time.Since(w.At) < staleFor {
		s := meter.Sighting{Subject: "pages", Since: w.At, Detail: fmt.Sprintf("A page of shop %s (%s) was shown %v after what it shows had changed, and %v is allowed; %d of %d pages looked at were too old since the start.",
			w.Key.Shop, w.Key.Name, w.Stale.Round(time.Millisecond), a.sampler.Bound(), a.sampler.Stats().Beyond.Load(), a.sampler.Stats().Fresh.Load()+a.sampler.Stats().Stale.Load())}
		all = append(all, s)
	}
	a.incidents.See(pagesStale, all)
	return nil
}
