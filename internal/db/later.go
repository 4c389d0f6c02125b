package db

import (
	"context"
	"fmt"
	"slices"
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

// Sum is Later for a statement that adds its last arguments, n of them, to what
// stands under the others. Several that wait for the same others are one.
func (t *Tx) Sum(ctx context.Context, q *SQL, n int, args ...any) error {
	args = append([]any{int64(t.shop)}, args...)
	if err := bind(args); err != nil {
		return fmt.Errorf("%w in %s", err, firstLine(q.postgres))
	}
	if s, ok := t.s.session.(*pgSession); ok && s.sum(q.postgres, args, len(args)-n) {
		return nil
	}
	return t.s.later(ctx, &q.stmt, args)
}

// sum adds to a statement that waits, if there is one with the same text and the
// same first arguments.
func (s *pgSession) sum(text string, args []any, keys int) bool {
	for _, a := range s.ahead {
		if a.text != text || !slices.EqualFunc(a.args[:keys], args[:keys], sameKey) {
			continue
		}
		for i := keys; i < len(args); i++ {
			a.args[i] = a.args[i].(int64) + args[i].(int64)
		}
		return true
	}
	return false
}

func sameKey(a, b any) bool {
	switch a.(type) {
	case int64, string:
		return a == b
	}
	return false
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
	s.ahead = append(s.ahead, ahead{text: q.postgres, args: args})
	s.work = true
	return nil
}
