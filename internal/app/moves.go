package app

import (
	"context"
	"io"
	"time"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/meter"
	"haat/internal/move"
)

// Move implements api.Operator.
func (a *App) Move(ctx context.Context, slug, to string, reverse bool) (api.Move, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return api.Move{}, err
	}
	var m move.Move
	if reverse {
		m, err = a.mover.Reverse(ctx, room.Shop())
	} else {
		m, err = a.mover.Start(ctx, room.Shop(), to)
	}
	if err != nil {
		return api.Move{}, err
	}
	return a.showMove(ctx, m), nil
}

// EndMove implements api.Operator.
func (a *App) EndMove(ctx context.Context, slug string, copy bool) error {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return err
	}
	if copy {
		return a.mover.Forget(ctx, room.Shop())
	}
	return a.mover.Cancel(ctx, room.Shop())
}

// MoveOf implements api.Operator.
func (a *App) MoveOf(ctx context.Context, n int64) (api.Move, error) {
	m, err := a.mover.Get(ctx, n)
	if err != nil {
		return api.Move{}, err
	}
	return a.showMove(ctx, m), nil
}

const movesShown = 200 // of those under way, and of those that are over

// Moves implements api.Operator.
func (a *App) Moves(ctx context.Context) (out api.MoveList, err error) {
	open, ended, err := a.mover.List(ctx, movesShown)
	for _, m := range open {
		out.Open = append(out.Open, a.showMove(ctx, m))
	}
	for _, m := range ended {
		out.Ended = append(out.Ended, a.showMove(ctx, m))
	}
	return out, err
}

func (a *App) showMove(ctx context.Context, m move.Move) api.Move {
	out := api.Move{
		ID: m.ID, Shop: m.Shop.String(), From: m.From, To: m.To, Phase: m.Phase, Arrived: m.Arrived(), Over: m.Over(),
		Rows: m.RowsAll, Copied: m.RowsDone, Checked: m.Checked, Aborts: m.Aborts, Pause: float64(m.Pause) / float64(time.Millisecond),
		Failures: m.Failures, Error: m.Error, Started: m.Started, Stepped: m.Stepped,
		Moved: some(m.Moved), Kept: some(m.KeepUntil), Ended: some(m.Ended),
	}
	if room, err := a.fleet.ByID(ctx, m.Shop); err == nil {
		out.Shop, out.Name = room.Slug(), room.Name()
	}
	return out
}

func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// watchMoves tells of moves that do not come on.
func (a *App) watchMoves(ctx context.Context) error {
	stuck, err := a.mover.Stuck(ctx)
	if err != nil {
		return err
	}
	var all []meter.Sighting
	for _, s := range stuck {
		at := meter.Sighting{Subject: s.Shop.String() + ": " + s.From + " to " + s.To, Since: s.Since, Detail: s.Why}
		if room, err := a.fleet.ByID(ctx, s.Shop); err == nil {
			at.Subject, at.Shop = room.Slug()+": "+s.From+" to "+s.To, room.Slug()
		}
		all = append(all, at)
	}
	a.incidents.See(moveStuck, all)
	return nil
}

type moveCmd struct {
	remote
	cli.Move
}

func (c *moveCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Move.Run(ctx, o, out) })
}
