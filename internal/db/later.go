package db

import (
	"context"
	"fmt"
)

// Later runs q when the next statement runs, or at the end of the change: on
// PostgreSQL in one packet with it, so that it costs no round trip; on SQLite
// at once. It is for a statement whose count nobody needs. If it fails, that
// is the error of the statement that it travelled with, or of the change
// itself, and means what it would have meant: the change is rolled back
// whatever the closure makes of it. A closure that wants to tell a customer
// of ErrUnique uses Exec. The arguments must stay as they are until then.
func (t *Tx) Later(ctx context.Context, q *SQL, args ...any) error {
	args = append([]any{int64(t.shop)}, args...)
	if err := bind(args); err != nil {
		return fmt.Errorf("%w in %s", err, firstLine(q.postgres))
	}
	return t.s.later(ctx, &q.stmt, args)
}

// deferring is a session that can wait for company.
type deferring interface {
	later(ctx context.Context, q *stmt, args []any) error
}

func (c counted) later(ctx context.Context, q *stmt, args []any) error {
	d, ok := c.session.(deferring)
	if !ok {
		if q.sqlite == "" { // there is nothing to do
			return nil
		}
		_, err := exec(ctx, c, q, args)
		return err
	}
	c.n.Add(1)
	return d.later(ctx, q, args)
}

const aheadMost = 1000 // statements that wait

func (s *pgSession) later(ctx context.Context, q *stmt, args []any) error {
	if s.failed != nil {
		return fmt.Errorf("after %w", s.failed)
	}
	if len(s.ahead) >= aheadMost {
		_, err := s.exec(ctx, q, args)
		return err
	}
	s.ahead = append(s.ahead, ahead{q.postgres, args})
	s.work = true
	return nil
}
