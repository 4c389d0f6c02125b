package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"haat/internal/meter"
)

// A watcher that hangs or cannot look is itself named within fifteen seconds,
// the others are not, and it is no longer once it sees again.
func TestAWatcherThatSeesNothingIsNamed(t *testing.T) {
	a := &App{incidents: meter.NewIncidents(slog.New(slog.DiscardHandler), incidentKinds...)}
	let, under, broken := make(chan struct{}), make(chan struct{}), error(nil)
	hangs := newWatcher("hangs", func(context.Context) error { under <- struct{}{}; <-let; return nil }) // whatever its context says
	fails := newWatcher("fails", func(context.Context) error { return broken })
	well := newWatcher("well", func(context.Context) error { return nil })
	a.watchers = []*watcher{hangs, fails, well}
	look := func(w *watcher, want error) {
		t.Helper()
		if err := w.once(t.Context()); !errors.Is(err, want) {
			t.Fatalf("%s: %v", w.name, err)
		}
	}
	began := time.Now()
	a.seeWatchers(began.Add(watchEvery + watchTime)) // a look that takes as long as it may
	reported(t, a.incidents, watcherBlind, "")
	back := make(chan error)
	go func() { back <- hangs.once(t.Context()) }()
	<-under
	broken = errors.New("no route to host")
	look(fails, broken)
	fails.back = began.Add(14 * time.Second) // it goes on failing, and another seeing
	well.back, well.saw = fails.back, fails.back
	a.seeWatchers(began.Add(15 * time.Second))
	reported(t, a.incidents, watcherBlind, "It has not come back for ", "hangs")
	close(let)
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	a.seeWatchers(time.Now())
	reported(t, a.incidents, watcherBlind, "")
	minute := began.Add(61 * time.Second)
	for _, w := range a.watchers {
		if w.back = minute; w != fails {
			w.saw = minute
		}
	}
	a.seeWatchers(minute)
	reported(t, a.incidents, watcherBlind, "no route to host", "fails")
	broken = nil
	look(fails, nil)
	a.seeWatchers(time.Now())
	reported(t, a.incidents, watcherBlind, "")
}

// How old the looks of the program's own watchers are is among its metrics.
func TestWatchersAreMeasured(t *testing.T) {
	s := open(t, nil)
	m := s.get("ops.test/metrics", "").want(200)
	for _, says := range []string{`haat_incident_open{name="watcher-blind"} 0`, `haat_watcher_seen_seconds{watcher="topic of events"} `, `haat_watcher_seen_seconds{watcher="parked events"} `} {
		if !strings.Contains(m.body, says) {
			t.Errorf("the metrics do not say %s", says)
		}
	}
}
