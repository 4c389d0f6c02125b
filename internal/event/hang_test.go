package event_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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

// paper is a log that can be read while it is written.
type paper struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// A subscriber that calls out and does not come back, in more shops than it has
// workers, is named with the event it is at, and where it stands is written down;
// one beside it goes on. Once it comes back all is handled, and nothing is named.
func TestACallThatHangsIsNamedAndHoldsUpNoOther(t *testing.T) {
	defer event.Hangs(500 * time.Millisecond)()
	each(t, func(t *testing.T, f *fleet.Fleet) {
		var log paper
		b := event.NewBus(f, slog.New(slog.NewTextHandler(&log, nil)))
		var hung, went atomic.Int64
		let := make(chan struct{})
		event.OnFlow(b, "hangs", func(context.Context, *fleet.Room, event.Meta, happened) (event.Then, error) {
			hung.Add(1)
			<-let // whatever its context says
			return nil, nil
		})
		event.OnFlow(b, "goes", func(context.Context, *fleet.Room, event.Meta, happened) (event.Then, error) {
			went.Add(1)
			return nil, nil
		})
		b.Start(t.Context())
		defer b.Close()
		const shops = 12
		for i := range shops {
			emit(t, fleettest.NewShop(t, f, shopOf(i)), happened{K: "k"})
		}
		until(t, "the one beside it has come by everywhere", func() bool { return went.Load() == shops })
		until(t, "it is named", func() bool {
			_, waiting := b.Backlog()
			return len(waiting) == 1 && waiting["hangs"].Shops == 8 && strings.Contains(waiting["hangs"].Why, "it has not come back from event 1 (test.happened) of shop ")
		})
		behind := func() (places, shops int, oldest time.Duration) {
			for _, p := range b.Behind() {
				places, shops, oldest = places+1, shops+p.Shops, max(oldest, p.Age(time.Now()))
			}
			return places, shops, oldest
		}
		if places, n, oldest := behind(); places != len(f.ShardNames()) || n != shops || oldest < 500*time.Millisecond || oldest > 2*time.Minute {
			t.Errorf("%d shops of %d shards are behind, by %v", n, places, oldest)
		}
		until(t, "where it stands is written down", func() bool { return strings.Contains(log.String(), "TestACallThatHangsIsNamed") })
		close(let)
		settle(t, b)
		if _, waiting := b.Backlog(); len(waiting) != 0 || hung.Load() != shops {
			t.Errorf("it ran %d times, and waits: %v", hung.Load(), waiting)
		}
		if places, n, oldest := behind(); places != len(f.ShardNames()) || n != 0 || oldest != 0 {
			t.Errorf("all is handled, and %d shops of %d shards are behind, by %v", n, places, oldest)
		}
		until(t, "what was is remembered", func() bool { return len(b.Past()) > 0 })
	})
}

// A subscriber that writes and does not come back is named, too.
func TestAWriterThatHangsIsNamed(t *testing.T) {
	defer event.Hangs(300 * time.Millisecond)()
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		let := make(chan struct{})
		event.On(b, "goes", record("goes"))
		event.On(b, "hangs", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			<-let
			return record("hangs")(ctx, tx, m, h)
		})
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "k"})
		until(t, "it is named", func() bool {
			_, waiting := b.Backlog()
			return len(waiting) == 1 && strings.Contains(waiting["hangs"].Why, "it has not come back from event 1 (test.happened)")
		})
		close(let)
		settle(t, b)
		if _, waiting := b.Backlog(); len(waiting) != 0 || len(seqs(t, room, "hangs")) != 1 {
			t.Errorf("it came back, and waits: %v", waiting)
		}
	})
}

// A transaction that is not done in time, as behind a lock, is given up and tried
// again however often that happens: it is not the event that is bad.
func TestATransactionThatIsNotDoneInTimeWaits(t *testing.T) {
	defer event.Within(100 * time.Millisecond)()
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var tries atomic.Int64
		event.On(b, "slow", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			if tries.Add(1) <= 8 {
				<-ctx.Done()
				return fmt.Errorf("canceling statement: %w", ctx.Err())
			}
			return record("slow")(ctx, tx, m, h)
		})
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "k"})
		until(t, "the operator is told", func() bool {
			_, waiting := b.Backlog()
			return tries.Load() > 8 || strings.Contains(waiting["slow"].Why, "it was not done within 100ms")
		})
		until(t, "it is handled", func() bool { return slices.Equal(seqs(t, room, "slow"), upTo(1)) })
		if parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100); err != nil || len(parked) != 0 {
			t.Errorf("parked %v, %v", parked, err)
		}
	})
}

// The pauses between tries grow, end at thirty seconds, and are not the same for
// all who failed together.
func TestPausesGrowAndDiffer(t *testing.T) {
	for fails := 1; fails < 70; fails++ {
		full := 30 * time.Second
		if fails < 11 {
			full = 20 * time.Millisecond << fails
		}
		seen := map[time.Duration]bool{}
		for range 50 {
			pause := event.Backoff(fails)
			if pause < full/2 || pause > full {
				t.Fatalf("after %d failures it waits %v, not between %v and %v", fails, pause, full/2, full)
			}
			seen[pause] = true
		}
		if len(seen) < 40 {
			t.Errorf("after %d failures 50 of them wait %d different times", fails, len(seen))
		}
	}
}
