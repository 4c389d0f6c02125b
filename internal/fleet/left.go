package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// Left is a shop that a promotion found to be otherwise than the directory says.
type Left struct {
	Shard   string
	Shop    id.Shop
	Missing bool      // the new primary lacks it; else it took it for its own, and the shop lives elsewhere
	Term    int64     // that the shard has been in since
	Found   time.Time // when
}

var (
	noteLeft = db.C(`
		INSERT INTO promoted_shop (shard, shop, missing, term, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (shard, shop) DO UPDATE SET missing = excluded.missing, term = excluded.term, at = excluded.at`)
	listLeft   = db.C(`SELECT shard, shop, missing, term, at FROM promoted_shop WHERE shard = $1 OR CAST($1 AS TEXT) = '' ORDER BY missing DESC, shard, shop LIMIT $2`)
	forgetLeft = db.C(`DELETE FROM promoted_shop WHERE shard = $1 AND shop = $2 AND term <= $3`)
	settleLeft = db.C(`DELETE FROM promoted_shop WHERE shard = $1`)
)

func scanLeft(l *Left) []any {
	return []any{&l.Shard, (*int64)(&l.Shop), &l.Missing, &l.Term, &l.Found}
}

// mostFound is how many shops of a promotion are kept in mind, of either kind;
// the log has all.
const mostFound = 1000

// leave notes what a promotion has found, before the shard takes writes.
func (f *Fleet) leave(ctx context.Context, shard string, out db.Renewed) error {
	if len(out.Closed)+len(out.Missing) == 0 {
		return nil
	}
	return f.control.Change(ctx, func(t *db.ControlTx) error {
		for missing, shops := range map[bool][]id.Shop{false: out.Closed, true: out.Missing} {
			for _, shop := range shops[:min(mostFound, len(shops))] {
				if _, err := t.Exec(ctx, noteLeft, shard, shop, missing, out.Term, t.Now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Left gives what promotions have left to be looked at, so many shops at most,
// and forgets what has come right since: a missing shop that is there, lives
// elsewhere, is suspended or is no more; one that was closed and is no more on
// that shard, or lives there again.
func (f *Fleet) Left(ctx context.Context, most int) (out []Left, err error) {
	var all []Left
	err = f.control.View(ctx, func(t *db.ControlTx) (err error) {
		all, err = db.ControlAll(ctx, t, listLeft, scanLeft, "", most)
		return err
	})
	for _, l := range all {
		right, err := f.settled(ctx, l)
		if err != nil {
			return nil, err
		}
		if !right {
			out = append(out, l)
			continue
		}
		err = f.control.Change(ctx, func(t *db.ControlTx) error {
			_, err := t.Exec(ctx, forgetLeft, l.Shard, l.Shop, l.Term)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, err
}

// settled reports whether what a promotion has found is so no more. What cannot
// be seen is not.
func (f *Fleet) settled(ctx context.Context, l Left) (bool, error) {
	var e Entry
	known := false
	err := f.control.View(ctx, func(t *db.ControlTx) (err error) {
		e, known, err = db.ControlOne(ctx, t, entryByID, scanEntry, l.Shop)
		return err
	})
	if err != nil {
		return false, err
	}
	lives := known && e.Shard == l.Shard
	switch {
	case l.Missing && (!lives || e.State == Suspended), !l.Missing && lives:
		return true, nil
	}
	s := f.Shard(l.Shard)
	if s == nil {
		return !slices.Contains(f.Listed(), l.Shard), nil
	}
	c, there, err := s.Clock(ctx, l.Shop)
	if err != nil {
		return false, nil
	}
	if l.Missing {
		return there && c.Epoch == e.Epoch && c.State != db.StateGone, nil
	}
	return !there, nil
}

// Settle forgets what promotions of a shard have left: somebody has looked at
// it. It gives what that was.
func (f *Fleet) Settle(ctx context.Context, shard string) (all []Left, err error) {
	if _, err := f.listed(ctx, shard); err != nil {
		return nil, err
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) (err error) {
		if all, err = db.ControlAll(ctx, t, listLeft, scanLeft, shard, 2*mostFound); err != nil {
			return err
		}
		_, err = t.Exec(ctx, settleLeft, shard)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("settle what a promotion of shard %s has left: %w", shard, err)
	}
	return all, nil
}
