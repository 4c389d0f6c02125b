package event_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// Many emit at the same time, so that the bus is told in another order than
// the clock's.
func TestToldInAnyOrder(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		event.On(b, "one", record("one"))
		event.On(b, "two", record("two"))
		flown := make(chan int64, 10_000)
		event.OnFlow(b, "flow", func(_ context.Context, _ *fleet.Room, m event.Meta, _ happened) (event.Then, error) {
			flown <- m.Seq
			return func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, addEffect, "flow", m.Seq)
				return err
			}, nil
		})
		b.Start(t.Context())
		defer b.Close()
		const writers, each = 16, 12
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					emit(t, room, happened{K: fmt.Sprint(w), N: i}, happened{K: "all", N: i})
				}
			})
		}
		all.Wait()
		settle(t, b)
		want := upTo(writers * each * 2)
		for _, name := range []string{"one", "two", "flow"} {
			if got := seqs(t, room, name); !slices.Equal(got, want) {
				t.Errorf("%s saw %v", name, got)
			}
		}
		close(flown)
		var got []int64
		for seq := range flown {
			got = append(got, seq)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the flow ran for %v", got)
		}
	})
}

// One subscriber waits for something that is down; those beside it do not.
func TestOthersGoOnBesideOneThatWaits(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var down atomic.Bool
		down.Store(true)
		event.On(b, "waits", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			if down.Load() {
				return event.Unavailable(errors.New("no route to host"))
			}
			return record("waits")(ctx, tx, m, h)
		})
		event.On(b, "goes", record("goes"))
		b.Start(t.Context())
		defer b.Close()
		const n = 20
		for i := range n {
			emit(t, room, happened{K: "k", N: i})
			until(t, "the other has it", func() bool { return slices.Equal(seqs(t, room, "goes"), upTo(i+1)) })
		}
		until(t, "the operator is told what waits", func() bool {
			_, waiting := b.Backlog()
			return len(waiting) == 1 && strings.Contains(waiting["waits"].Why, "no route")
		})
		down.Store(false)
		settle(t, b)
		for _, name := range []string{"waits", "goes"} {
			if got := seqs(t, room, name); !slices.Equal(got, upTo(n)) {
				t.Errorf("%s saw %v", name, got)
			}
		}
	})
}

// A subscriber that a later release adds has the whole log; those that were
// there have nothing twice, although they have another lane now.
func TestASubscriberThatComesLater(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		run := func(names []string, events ...event.Event) {
			b := event.NewBus(f, quiet())
			for _, name := range names {
				event.On(b, name, record(name))
			}
			b.Start(t.Context())
			defer b.Close()
			emit(t, room, events...)
			settle(t, b)
			until(t, "the shop rests", func() bool { return b.Resting(room.Shop()) })
		}
		run([]string{"one"}, happened{K: "a"}, happened{K: "b"}, ignored{})
		run([]string{"one", "two"}, happened{K: "c"})
		run([]string{"three", "two", "one"}, happened{K: "d"}, ignored{})
		run([]string{"three", "two"}, happened{K: "e"})
		want := map[string][]int64{"one": {1, 2, 4, 5}, "two": {1, 2, 4, 5, 7}, "three": {1, 2, 4, 5, 7}}
		for name, want := range want {
			if got := seqs(t, room, name); !slices.Equal(got, want) {
				t.Errorf("%s saw %v, want %v", name, got, want)
			}
		}
	})
}

// An event that ends the program whenever it is handled is set aside after a
// few runs; what is emitted by a run is not written down before it is tried.
func TestACrashLoopEnds(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		var runs atomic.Int64
		crashed := make(chan struct{}, 100)
		start := func() *event.Bus {
			b := event.NewBus(f, quiet())
			event.OnFlow(b, "bomb", func(_ context.Context, _ *fleet.Room, m event.Meta, h happened) (event.Then, error) {
				if h.K != "bomb" {
					return func(ctx context.Context, tx *db.Tx) error {
						_, err := tx.Exec(ctx, addEffect, "bomb", m.Seq)
						return err
					}, nil
				}
				runs.Add(1)
				crashed <- struct{}{}
				select {} // nobody lives on after a crash
			})
			b.Start(context.WithoutCancel(t.Context()))
			return b
		}
		b := start()
		emit(t, room, happened{K: "bomb"}, happened{K: "fine"})
		for handled := false; !handled; {
			until(t, "the program crashes again, or goes on", func() bool {
				select {
				case <-crashed:
					return true
				default:
				}
				handled = slices.Equal(seqs(t, room, "bomb"), []int64{2})
				return handled
			})
			if !handled {
				b = start()
			}
			if runs.Load() > 6 {
				t.Fatal("it crashes for ever")
			}
		}
		parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100)
		if err != nil || len(parked) != 1 || parked[0].Key != "bomb" || !strings.HasPrefix(parked[0].Error, "a crash loop: ") {
			t.Errorf("parked %v, %v", parked, err)
		}
		// One run more than the count says is possible: what comes while the
		// program runs is tried before it is counted.
		if n := runs.Load(); n < 3 || n > 4 {
			t.Errorf("it crashed %d times", n)
		}
		b.Close()
	})
}

// More shops have news than there are outlets: they have their turns.
func TestMoreShopsThanOutlets(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		var rooms []*fleet.Room
		for i := range 12 {
			rooms = append(rooms, fleettest.NewShop(t, f, fmt.Sprint("s", i)))
		}
		b := event.NewBus(f, quiet())
		b.Outlets(3)
		event.On(b, "one", record("one"))
		b.Start(t.Context())
		defer b.Close()
		for _, r := range rooms {
			emit(t, r, happened{K: "a"}, happened{K: "b"})
		}
		for i, r := range rooms {
			until(t, fmt.Sprintf("shop %d is served", i), func() bool { return slices.Equal(seqs(t, r, "one"), upTo(2)) })
		}
	})
}
