package drill

import (
	"context"
	"time"

	"haat/internal/api"
)

const moveWithin = 45 * time.Second // until a shop has arrived

func writesPaused(m api.Move) time.Duration {
	return time.Duration(m.Pause * float64(time.Millisecond))
}

// moves has a shop moved, and waits for a time until it lives there.
func (s *server) moves(ctx context.Context, slug, to string, within time.Duration) (api.Move, error) {
	m, err := s.operator(s.token).Move(ctx, slug, to, false)
	if err != nil {
		return m, err
	}
	return s.arrives(ctx, m, within)
}

func (s *server) arrives(ctx context.Context, m api.Move, within time.Duration) (api.Move, error) {
	return s.await(ctx, m, func(m api.Move) bool { return m.Arrived || m.Over }, within)
}

// await looks at a move until it is as wanted, or a time has passed.
func (s *server) await(ctx context.Context, m api.Move, wanted func(api.Move) bool, within time.Duration) (api.Move, error) {
	for begun := time.Now(); !wanted(m) && time.Since(begun) < within; {
		err := pause(ctx, 20*time.Millisecond)
		if err == nil {
			m, err = s.operator(s.token).MoveOf(ctx, m.ID)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}
