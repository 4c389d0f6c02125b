package app

import (
	"context"
	"fmt"
	"time"

	"haat/internal/meter"
)

const (
	blindAfter = 13 * time.Second // that no look has come back; one takes four at most
	failsAfter = time.Minute      // that all of them failed: the cause is mostly known by its own name sooner
)

// watchWatchers looks once a second whether the watchers look. It asks nothing
// but the clock, so that it hangs where none of them does; whether it lives
// itself, the age of their looks among the metrics tells.
func (a *App) watchWatchers(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			a.seeWatchers(now)
		}
	}
}

func (a *App) seeWatchers(now time.Time) {
	var all []meter.Sighting
	for _, w := range a.watchers {
		w.mu.Lock()
		back, saw, why := w.back, w.saw, w.why
		w.mu.Unlock()
		switch {
		case now.Sub(back) >= blindAfter:
			all = append(all, meter.Sighting{Subject: w.name, Since: back, Detail: fmt.Sprintf("It has not come back for %v.", now.Sub(back).Round(time.Second))})
		case now.Sub(saw) >= failsAfter:
			all = append(all, meter.Sighting{Subject: w.name, Since: saw, Detail: fmt.Sprintf("It has seen nothing for %v: %s", now.Sub(saw).Round(time.Second), sentence(why))})
		}
	}
	a.incidents.See(watcherBlind, all)
}

// watcherGauges tell how old each watcher's last look is.
func (a *App) watcherGauges() {
	a.meter.Gauges("haat_watcher_seen_seconds", "How long ago a watcher last saw what it looks at.", []string{"watcher"}, func(put func(float64, ...string)) {
		for _, w := range a.watchers {
			w.mu.Lock()
			put(time.Since(w.saw).Seconds(), w.name)
			w.mu.Unlock()
		}
	})
}
