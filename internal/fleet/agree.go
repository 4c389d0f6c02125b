package fleet

import (
	"context"
	"fmt"

	"haat/internal/db"
)

var (
	agree    = db.C(`INSERT INTO agreed (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`)
	agreedOn = db.C(`SELECT value FROM agreed WHERE name = $1`)
	replace  = db.C(`UPDATE agreed SET value = $2 WHERE name = $1`)
)

// AgreeOn gives what the processes of a fleet have agreed on under a name: the
// value of whoever called it first.
func AgreeOn(ctx context.Context, control *db.Control, name string, mine []byte) (value []byte, err error) {
	err = control.Change(ctx, func(t *db.ControlTx) error {
		if _, err := t.Exec(ctx, agree, name, mine); err != nil {
			return err
		}
		value, _, err = db.ControlOne(ctx, t, agreedOn, func(b *[]byte) []any { return []any{b} }, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("agree on %s: %w", name, err)
	}
	return value, nil
}

// Replace puts another value in the place of the one that was agreed on.
// Processes that run keep the old one until they start again.
func Replace(ctx context.Context, control *db.Control, name string, value []byte) error {
	err := control.Change(ctx, func(t *db.ControlTx) error {
		if _, err := t.Exec(ctx, agree, name, value); err != nil {
			return err
		}
		_, err := t.Exec(ctx, replace, name, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("agree on another %s: %w", name, err)
	}
	return nil
}
