package event_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

var addNumber = db.Q(`INSERT INTO effect (shop, name, n, seq) VALUES ($1, $2, $3, $4)`)

var effectNumbers = db.Q(`SELECT n FROM effect WHERE shop = $1 AND name = $2 ORDER BY seq, n`)

// A promotion loses the newest events, and their numbers are given out again:
// the events that bear them now have their effects, once, and whoever follows
// is given them.
func TestEventsAfterAPromotionThatLosesSome(t *testing.T) {
	f := fleettest.NewPair(t, []*db.SchemaSet{event.Schema, effectSchema}, nil)
	room := fleettest.NewShop(t, f.Fleet, "a")
	bus := event.NewBus(f.Fleet, quiet())
	event.On(bus, "numbers", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
		_, err := tx.Exec(ctx, addNumber, "numbers", h.N, m.Seq)
		return err
	})
	bus.Start(t.Context())
	defer bus.Close()
	var mu sync.Mutex
	var seen []int
	got := make(chan struct{}, 100)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() {
		for after, tries := int64(0), 0; ctx.Err() == nil && tries < 1000; tries++ {
			err := bus.Follow(ctx, room, after, func(e event.Envelope) error {
				var h happened
				err := json.Unmarshal(e.Payload, &h)
				mu.Lock()
				seen = append(seen, h.N)
				mu.Unlock()
				got <- struct{}{}
				return err
			})
			if err != nil && ctx.Err() == nil {
				t.Errorf("follow: %v", err)
				return
			}
		}
	})
	numbers := func() (out []int64) {
		t.Helper()
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
			out, err = db.All(t.Context(), r, effectNumbers, func(n *int64) []any { return []any{n} }, "numbers")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for n := range 3 {
		emit(t, room, happened{K: "k", N: n + 1})
		<-got
	}
	settle(t, bus)
	f.Cut(t)
	for n := range 3 { // which will be lost, and are all that memory knows
		emit(t, room, happened{K: "k", N: n + 4})
		<-got
	}
	settle(t, bus)
	if now := numbers(); !slices.Equal(now, []int64{1, 2, 3, 4, 5, 6}) {
		t.Fatalf("before: %v", now)
	}
	f.FailOver()
	emitted := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; {
			_, err := room.Change(t.Context(), func(tx *db.Tx) error { return event.Emit(t.Context(), tx, happened{K: "k", N: n}) })
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	for n := range 5 {
		emitted(n + 11)
		<-got
	}
	settle(t, bus)
	if now := numbers(); !slices.Equal(now, []int64{1, 2, 3, 11, 12, 13, 14, 15}) {
		t.Errorf("effects: %v", now)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(seen, []int{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15}) {
		t.Errorf("followed: %v", seen)
	}
}
