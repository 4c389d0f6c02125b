package event_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// While events go on being parked under a key, an operator looks, drops what was
// seen, looks again, and has the rest tried once it is mended. What came after
// each look is neither dropped nor handled by it, and nothing is lost: each event
// is given up or handled, and those in order.
func TestOnlyWhatWasSeenIsUnparked(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var mended atomic.Bool
		event.On(b, "sub", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			if !mended.Load() {
				panic("no")
			}
			return record("sub")(ctx, tx, m, h)
		})
		b.Start(t.Context())
		defer b.Close()
		look := func() (n, last int64) {
			t.Helper()
			n, last, err := event.CountParked(t.Context(), room, "sub", "k")
			if err != nil {
				t.Fatal(err)
			}
			return n, last
		}
		dropped, ended := make(chan struct{}), make(chan struct{})
		many := int64(0)
		go func() {
			defer close(ended)
			for over := false; !over; many++ {
				select {
				case <-dropped:
					over = true
				default:
				}
				emit(t, room, happened{K: "k", N: int(many)})
			}
		}()
		await(t, "some are parked", func() bool { n, _ := look(); return n >= 3 })
		n, last := look()
		await(t, "more are parked", func() bool { more, _ := look(); return more > n })
		done, err := b.Drop(t.Context(), room, "sub", "k", last)
		close(dropped)
		if err != nil || done.Events != n || done.Later == 0 {
			t.Errorf("dropped %+v of the %d that were seen, and more came; %v", done, n, err)
		}
		<-ended
		settle(t, b)
		if left, to := look(); left != many-last || to != many {
			t.Errorf("%d are left, up to %d; the first %d of %d were dropped", left, to, last, many)
		}
		mended.Store(true)
		half := last + (many-last)/2
		if done, err := b.Replay(t.Context(), room, "sub", "k", half); err != nil || done.Events != half-last || done.Later != many-half {
			t.Errorf("replayed %+v up to %d after %d; %v", done, half, last, err)
		}
		if got, want := seqs(t, room, "sub"), upTo(int(many))[last:half]; !slices.Equal(got, want) {
			t.Errorf("handled are %v, want %v", got, want)
		}
		emit(t, room, happened{K: "k", N: int(many)}) // the key waits still
		settle(t, b)
		if done, err := b.Replay(t.Context(), room, "sub", "k", many+1); err != nil || done.Events != many+1-half || done.Later != 0 {
			t.Errorf("replayed the rest: %+v, %v", done, err)
		}
		if got, want := seqs(t, room, "sub"), upTo(int(many + 1))[last:]; !slices.Equal(got, want) {
			t.Errorf("handled are %v, want %v", got, want)
		}
	})
}

// All parked events are listed, however many there are, a page at a time.
func TestParkedEventsAreListedInPages(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "sub", func(context.Context, *fleet.Room, event.Meta, happened) (event.Then, error) {
			return nil, errors.New("no")
		})
		b.Start(t.Context())
		defer b.Close()
		for i := range 3 {
			for _, k := range []string{"b", "a"} {
				emit(t, room, happened{K: k, N: i})
			}
		}
		settle(t, b)
		var got []string
		for at, more := (event.ParkedAt{}), true; more; {
			page, err := event.ListParked(t.Context(), room, at, 2)
			if err != nil || len(page) > 2 {
				t.Fatalf("a page of %d, %v", len(page), err)
			}
			for _, p := range page {
				got = append(got, fmt.Sprint(p.Key, p.Seq))
				at = event.ParkedAt{Subscriber: p.Subscriber, Key: p.Key, Seq: p.Seq}
			}
			more = len(page) > 0
		}
		if want := []string{"a2", "a4", "a6", "b1", "b3", "b5"}; !slices.Equal(got, want) {
			t.Errorf("listed %v, want %v", got, want)
		}
		if n, err := event.ParkedIn(t.Context(), room); n != 6 || err != nil {
			t.Errorf("counted %d, %v", n, err)
		}
	})
}
