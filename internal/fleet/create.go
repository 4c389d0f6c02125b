package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// Create makes a shop: on a shard first, with what fn writes there, then in
// the directory, in one control transaction with what own writes (whose shop
// it is). Called again with the same id after a crash it goes on where it
// stopped. A slug that is taken is fault.Conflict "slug-taken"; the shop's
// rows then wait for a call with another slug, or for SweepOrphans.
func (f *Fleet) Create(ctx context.Context, shop id.Shop, slug, name string, fn func(*db.Tx) error, own func(*db.ControlTx) error) (*Room, error) {
	if !ValidSlug(slug) {
		return nil, fault.Invalid("/slug", "%q cannot be part of an address.", slug)
	}
	e := Entry{Shop: shop, Slug: slug, Name: name, Shard: f.place(shop), Epoch: 1, State: Open}
	taken := false
	err := f.control.View(ctx, func(t *db.ControlTx) (err error) {
		_, taken, err = db.ControlOne(ctx, t, entryBySlug, scanEntry, slug)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the slug: %w", err)
	}
	if taken {
		return nil, slugTaken(slug)
	}
	if _, err := f.shards[e.Shard].Create(ctx, shop, e.Epoch, fn); err != nil && !errors.Is(err, db.ErrUnique) {
		return nil, fmt.Errorf("create the shop on shard %s: %w", e.Shard, err)
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		e.Created = t.Now()
		_, err := t.Exec(ctx, addEntry, shop, slug, name, e.Shard, e.Epoch, e.State, e.Created)
		if err != nil {
			return err
		}
		return own(t)
	})
	if errors.Is(err, db.ErrUnique) {
		return nil, slugTaken(slug)
	}
	if err != nil {
		return nil, fmt.Errorf("enter the shop into the directory: %w", err)
	}
	f.keep(e)
	f.Wake(shop)
	return f.room(e)
}

func slugTaken(slug string) error {
	return fault.Conflict("slug-taken", "The address %q is taken.", slug)
}

// place picks the shard for a new shop by its id, whose low bits are random,
// so that a sign-up that is tried again finds the rows that it left.
func (f *Fleet) place(shop id.Shop) string {
	return f.order[int64(shop)%int64(len(f.order))]
}

// SweepOrphans erases shops that are on a shard but, for longer than age, not
// in the directory. It returns how many it erased.
func (f *Fleet) SweepOrphans(ctx context.Context, age time.Duration) (int, error) {
	erased := 0
	for _, name := range f.order {
		shard := f.shards[name]
		for after := id.Shop(0); ; {
			page, err := shard.Across(ctx, clocksOf, after, id.ShopsBefore(time.Now().Add(-age)), 1000)
			if err != nil {
				return erased, fmt.Errorf("list the shops of shard %s: %w", name, err)
			}
			for _, c := range page {
				after = c.Shop
				_, err := f.lookUp(ctx, entryByID, c.Shop)
				if !fault.Is(err, fault.KindNotFound) {
					if err != nil {
						return erased, err
					}
					continue
				}
				if err := shard.Erase(ctx, c.Shop); err != nil {
					return erased, fmt.Errorf("erase orphan %v: %w", c.Shop, err)
				}
				f.log.Warn("erased an orphan of an unfinished sign-up", "shop", c.Shop, "shard", name)
				erased++
			}
			if len(page) < 1000 {
				break
			}
		}
	}
	return erased, nil
}
