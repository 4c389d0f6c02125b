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

// A handler that fails at everything, as after a bad deploy, parks a few keys
// and no more. What it fails at waits, and takes effect in order by itself once
// it is mended; others lose nothing meanwhile.
func TestTooManyParkedKeysStopTheIntake(t *testing.T) {
	const shops, orders, most = 4, 10, 5
	each(t, func(t *testing.T, f *fleet.Fleet) {
		b := event.NewBus(f, quiet())
		b.Parking(most)
		var broken atomic.Bool
		broken.Store(true)
		sub, other := "sub", "other"
		event.On(b, sub, func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			if broken.Load() {
				return errors.New("no such column: tax")
			}
			return record(sub)(ctx, tx, m, h)
		})
		event.On(b, other, record(other))
		b.Start(t.Context())
		defer b.Close()
		var rooms []*fleet.Room
		for i := range shops {
			room := fleettest.NewShop(t, f, fmt.Sprint("shop-", i))
			rooms = append(rooms, room)
			for n := range orders {
				emit(t, room, happened{K: fmt.Sprint(n)})
			}
		}
		keys := func() (n int64) {
			counts, err := b.ParkedCounts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range counts {
				if slices.ContainsFunc(rooms, func(r *fleet.Room) bool { return r.Shop() == c.Shop }) {
					n += c.N
				}
			}
			return n
		}
		await(t, "it is said that no more are parked", func() bool { return b.Stopped()[sub].Why != "" })
		for _, room := range rooms {
			await(t, "the other subscriber has all", func() bool { return slices.Equal(seqs(t, room, other), upTo(orders)) })
		}
		if n := keys(); n == 0 || n > most {
			t.Errorf("%d keys are parked, of at most %d", n, most)
		}
		broken.Store(false)
		settle(t, b)
		all := 0
		for _, room := range rooms {
			got := seqs(t, room, sub)
			if !slices.IsSorted(got) {
				t.Errorf("out of order: %v", got)
			}
			all += len(got)
		}
		if n := int(keys()); n > most || all != shops*orders-n {
			t.Errorf("mended, %d events took effect and %d keys are parked, of %d", all, n, shops*orders)
		}
	})
}

const fewParked = 20

// Of many events some may be bad; of few, a few.
func TestHowManyKeysMayBeParked(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		for _, c := range []struct {
			handled int64
			parked  int
		}{{0, fewParked}, {100, fewParked}, {5_000, 51}, {1_000_000, 1_000}} {
			b := event.NewBus(f, quiet())
			if got := b.MayPark(t.Context(), "sub", c.handled, 2_000); got != c.parked {
				t.Errorf("beside %d events %d keys are parked, not %d", c.handled, got, c.parked)
			}
			if _, ok := b.Stopped()["sub"]; !ok {
				t.Error("and nobody is told")
			}
		}
	})
}
