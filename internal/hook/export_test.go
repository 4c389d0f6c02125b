package hook

import (
	"context"
	"time"
)

// At has the sender go by another clock.
func (s *Sender) At(now func() time.Time) { s.now = now }

// Idle waits until nothing is being sent, and gives how many lines ever were.
func (s *Sender) Idle(ctx context.Context) (begun int) {
	for {
		under, begun := s.Calls()
		if under == 0 || ctx.Err() != nil {
			return begun
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// Calls gives how many lines are being sent, and how many ever were.
func (s *Sender) Calls() (under, begun int) {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.count, s.calls.begun
}
