package hook_test

import (
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/id"
	"haat/internal/order"
)

// A call is part of the request that caused what it tells of, at each try, and one
// that was caused by none says nothing.
func TestCallsArePartOfTheRequest(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.create("order.placed")
		tries := map[string][]string{}
		s.feel(func(c call) int {
			if tries[c.Data.ID] = append(tries[c.Data.ID], c.trace); len(tries[c.Data.ID]) == 1 {
				return 503
			}
			return 200
		})
		trace := id.NewTrace()
		caused, alone := id.Order(id.New[struct{}]()), id.Order(id.New[struct{}]())
		ctx := trace.In(t.Context())
		s.change(func(tx *db.Tx) error { return event.Emit(ctx, tx, order.OrderPlaced{Order: caused, At: time.Now()}) })
		s.settle()
		s.later(time.Minute)
		s.change(func(tx *db.Tx) error {
			return event.Emit(t.Context(), tx, order.OrderPlaced{Order: alone, At: time.Now()})
		})
		s.settle()
		s.later(time.Minute)
		for which, want := range map[string]string{caused.String(): trace.String(), alone.String(): ""} {
			if got := tries[which]; len(got) != 2 || got[0] != want || got[1] != want {
				t.Errorf("the calls are part of %q, want twice %q", got, want)
			}
		}
	})
}
