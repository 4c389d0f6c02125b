package app

import (
	"context"
	"io"
	"time"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/db"
)

// MoveControl implements api.Operator.
func (a *App) MoveControl(ctx context.Context, dsn string, tell func(api.ControlMove)) (api.ControlMove, error) {
	told := time.Now()
	as := func(s db.MoveStep) api.ControlMove {
		return api.ControlMove{Table: s.Table, Rows: s.Rows, Pass: s.Pass, Paused: s.Paused.Seconds()}
	}
	done, err := a.control.Move(ctx, dsn, func(s db.MoveStep) {
		if time.Since(told) > time.Second/4 {
			told = time.Now()
			tell(as(s))
		}
	})
	if err == nil {
		a.log.Warn("the control database has moved", "rows", done.Rows, "writes waited", done.Paused)
	}
	return as(done), err
}

type controlCmd struct {
	Move controlMoveCmd `cmd:"" help:"Move accounts, sessions and the directory of shops to a PostgreSQL database, while serving."`
}

type controlMoveCmd struct {
	remote
	cli.ControlMove
}

func (c *controlMoveCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ControlMove.Run(ctx, o, out) })
}
