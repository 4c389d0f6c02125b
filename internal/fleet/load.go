package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"haat/internal/db"
)

// Filling is a new shop, what fills it on its shard, and what is written in the
// control database together with its row of the directory.
type Filling struct {
	db.Filling
	Slug string
	Name string
	Own  func(*db.ControlTx) error
}

var entriesBetween = db.C(`SELECT id FROM shop WHERE id >= $1 AND id <= $2 ORDER BY id`)

// Load makes many shops as Create does, all in one transaction of each shard
// and then one of the directory. Those that are in the directory already are
// left as they are, and so is what an earlier call wrote to a shard before it
// died: called again with the same shops it goes on. It gives how many it
// entered. A slug that another shop has is a Conflict, and nothing is entered.
//
// It is for a fleet that serves nobody yet: nobody is told, and the directory's
// cache is not filled.
func (f *Fleet) Load(ctx context.Context, shops []Filling) (int, error) {
	shops, err := f.missing(ctx, shops)
	if err != nil || len(shops) == 0 {
		return 0, err
	}
	on := map[string][]db.Filling{}
	for _, s := range shops {
		if !ValidSlug(s.Slug) {
			return 0, fmt.Errorf("%q cannot be part of an address", s.Slug)
		}
		on[f.spread(s.Shop)] = append(on[f.spread(s.Shop)], s.Filling)
	}
	var g errgroup.Group
	for name, part := range on {
		g.Go(func() error {
			if err := f.Shard(name).Load(ctx, 1, part); err != nil {
				return fmt.Errorf("shard %s: %w", name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		for _, s := range shops {
			if _, err := t.Exec(ctx, addEntry, s.Shop, s.Slug, s.Name, f.spread(s.Shop), 1, Open, s.Made); err != nil {
				if errors.Is(err, db.ErrUnique) {
					return slugTaken(s.Slug)
				}
				return err
			}
			if err := s.Own(t); err != nil {
				return fmt.Errorf("enter shop %v: %w", s.Shop, err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(shops), nil
}

// missing gives those that the directory does not have.
func (f *Fleet) missing(ctx context.Context, shops []Filling) ([]Filling, error) {
	if len(shops) == 0 {
		return nil, nil
	}
	page := make([]db.Count, len(shops))
	for i, s := range shops {
		page[i].Shop = s.Shop
	}
	slices.SortFunc(page, func(a, b db.Count) int { return cmp.Compare(a.Shop, b.Shop) })
	there, err := f.entered(ctx, page)
	if err != nil || len(there) == 0 {
		return shops, err
	}
	var out []Filling
	for _, s := range shops {
		if !there[s.Shop] {
			out = append(out, s)
		}
	}
	return out, nil
}
