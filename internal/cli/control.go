package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"haat/internal/api"
)

// ControlMove moves the control database.
type ControlMove struct {
	To string `required:"" placeholder:"DSN" help:"postgres://user:password@host/database of an empty database."`
}

// Run moves it, saying now and then how far it is.
func (c *ControlMove) Run(ctx context.Context, o api.ControlMover, out io.Writer) error {
	start, bar := time.Now(), NewBar(out)
	m, err := o.MoveControl(ctx, c.To, func(m api.ControlMove) {
		if bar.Due() {
			bar.Show(0, 0, fmt.Sprintf("pass %d: %d rows, in table %s", m.Pass, m.Rows, m.Table))
		}
	})
	bar.Clear()
	if err != nil {
		return err
	}
	paused := time.Duration(m.Paused * float64(time.Second)).Round(time.Millisecond)
	_, err = fmt.Fprintf(out, "The control database has moved: %d rows in %v, of which sign-ups waited %v. Start haat with HAAT_CONTROL or --control for the new address from now on; the old one is fenced, and leads there.\n",
		m.Rows, time.Since(start).Round(time.Second/10), paused)
	return err
}
