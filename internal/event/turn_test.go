package event_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// TestAStaleDelivererWritesNothing has a deliverer pause in the middle of its
// work until another has taken its place and done the work: what the first
// writes then is undone.
func TestAStaleDelivererWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		if got := paused(t, f, "fenced"); !slices.Equal(got, upTo(3)) {
			t.Errorf("events took effect as %v", got)
		}
	})
}

// Without the fence the test above fails.
func TestAStaleDelivererUnfenced(t *testing.T) {
	defer event.Unfence()()
	each(t, func(t *testing.T, f *fleet.Fleet) {
		if got := paused(t, f, "unfenced"); slices.Equal(got, upTo(3)) {
			t.Errorf("events took effect once without the fence: the test proves nothing")
		}
	})
}

// paused gives the effects of three events, in the order in which they came.
func paused(t *testing.T, f *fleet.Fleet, slug string) []int64 {
	room := fleettest.NewShop(t, f, slug)
	begun, resume, ended := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
	flow := func(stops bool) *event.Bus {
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "one", func(_ context.Context, _ *fleet.Room, m event.Meta, h happened) (event.Then, error) {
			if stops && m.Seq == 1 {
				begun <- struct{}{}
				<-resume
			}
			return func(ctx context.Context, tx *db.Tx) error {
				if stops && m.Seq == 1 {
					select {
					case ended <- struct{}{}:
					default:
					}
				}
				return record("one")(ctx, tx, m, h)
			}, nil
		})
		b.Leased()
		b.Start(t.Context())
		return b
	}
	stale, next := flow(true), flow(false)
	defer stale.Close()
	defer next.Close()
	stale.Take(room.Shard(), 7)
	emit(t, room, happened{K: "a"}, happened{K: "b"}, happened{K: "c"})
	<-begun
	next.Take(room.Shard(), 8)
	await(t, "the next deliverer has done the work", func() bool { return len(seqs(t, room, "one")) == 3 })
	close(resume)
	<-ended // the stale one is writing, and then knows better
	stale.Yield(room.Shard())
	settle(t, stale)
	settle(t, next)
	return seqs(t, room, "one")
}

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited for a minute until %s", what)
		}
	}
}
