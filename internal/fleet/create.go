package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// Create makes a shop: on a shard first, with what fn writes there, then in
// the directory, in one control transaction with what own writes (whose shop
// it is). Called again with the same id in this process it goes on where it
// stopped; what a crash leaves, SweepOrphans erases. A slug that is taken is fault.Conflict "slug-taken"; the shop's
// rows then wait for a call with another slug, or for SweepOrphans.
func (f *Fleet) Create(ctx context.Context, shop id.Shop, slug, name string, fn func(*db.Tx) error, own func(*db.ControlTx) error) (*Room, error) {
	if !ValidSlug(slug) {
		return nil, fault.Invalid("/slug", "%q cannot be part of an address.", slug)
	}
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
	for range placeTries {
		var r *Room
		if r, err = f.create(ctx, shop, slug, name, fn, own); !errors.Is(err, errNotTaken) {
			return r, err
		}
		// The shard was drained or filled meanwhile, and what is there already
		// is nobody's. Look again which there are.
		on, _ := f.placed.GetIfPresent(shop)
		f.placed.Invalidate(shop)
		if s := f.Shard(on); s != nil {
			if err := s.Erase(ctx, shop); err != nil {
				return nil, fmt.Errorf("erase a shop that shard %s did not take: %w", on, err)
			}
		}
		if err := f.Reload(ctx); err != nil {
			f.log.Warn("not every shard is open", "err", err)
		}
	}
	return nil, noRoom()
}

// errNotTaken says that a shard was drained or filled while a shop was made.
var errNotTaken = errors.New("it takes no new shops any more")

const placeTries = 5

func (f *Fleet) create(ctx context.Context, shop id.Shop, slug, name string, fn func(*db.Tx) error, own func(*db.ControlTx) error) (*Room, error) {
	on, err := f.place(shop)
	if err != nil {
		return nil, err
	}
	e := Entry{Shop: shop, Slug: slug, Name: name, Shard: on, Epoch: 1, State: Open}
	shard := f.Shard(on)
	if shard == nil {
		return nil, fmt.Errorf("shard %s: %w", on, errNotTaken)
	}
	_, err = shard.Create(ctx, shop, e.Epoch, fn)
	if errors.Is(err, db.ErrPromoted) {
		if err = f.Renew(ctx, on); err == nil {
			_, err = shard.Create(ctx, shop, e.Epoch, fn)
		}
	}
	if err != nil && !errors.Is(err, db.ErrUnique) {
		return nil, fmt.Errorf("create the shop on shard %s: %w", e.Shard, err)
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		e.Created = t.Now()
		_, err := t.Exec(ctx, addEntry, shop, slug, name, e.Shard, e.Epoch, e.State, e.Created)
		if err != nil {
			return err
		}
		if err := takes(ctx, t, e.Shard); err != nil {
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
	f.Wake(shop, e.Shard)
	return f.room(e)
}

func slugTaken(slug string) error {
	return fault.Conflict("slug-taken", "The address %q is taken.", slug)
}

// orphanPages is how many pages of shops one call of SweepOrphans looks at on
// each shard.
const orphanPages = 20

// SweepOrphans erases shops that are on a shard but, for longer than age, not
// in the directory. It returns how many it erased. Since a shop's id tells when
// it was made, each call goes on where the last one in this process ended, and
// looks at a bounded number of shops. It reads the two lists side by side and
// leaves the directory's cache alone. An orphan that cannot be erased is an
// error, of every call until it is gone, and keeps no other from being erased.
func (f *Fleet) SweepOrphans(ctx context.Context, age time.Duration) (erased int, err error) {
	for name, shard := range f.Shards {
		n, e := f.sweepOrphans(ctx, name, shard, age)
		erased, err = erased+n, errors.Join(err, e)
	}
	return erased, err
}

func (f *Fleet) sweepOrphans(ctx context.Context, name string, shard *db.Shard, age time.Duration) (erased int, err error) {
	after := f.swept.get(name)
	erased, err = f.eraseLeft(ctx, name, shard)
	for range orphanPages {
		page, look := shard.Across(ctx, clocksOf, after, id.ShopsBefore(time.Now().Add(-age)), f.page)
		if look != nil {
			return erased, errors.Join(err, fmt.Errorf("list the shops of shard %s: %w", name, look))
		}
		there, look := f.entered(ctx, page)
		if look != nil {
			return erased, errors.Join(err, look)
		}
		for _, c := range page {
			after = c.Shop
			if there[c.Shop] {
				continue
			}
			if e := f.eraseOrphan(ctx, name, shard, c.Shop); e != nil {
				err = errors.Join(err, e)
				continue
			}
			erased++
		}
		f.swept.set(name, after)
		if len(page) < f.page {
			break
		}
	}
	return erased, err
}

// mostLeft is how many orphans that could not be erased are remembered for each
// shard; the others are found again after a restart.
const mostLeft = 1000

// eraseLeft tries again those orphans that could not be erased before.
func (f *Fleet) eraseLeft(ctx context.Context, name string, shard *db.Shard) (erased int, err error) {
	for _, shop := range f.swept.leftOn(name) {
		there, look := f.entered(ctx, []db.Count{{Shop: shop}})
		if look != nil {
			return erased, errors.Join(err, look)
		}
		if there[shop] {
			f.swept.leave(name, shop, false)
		} else if e := f.eraseOrphan(ctx, name, shard, shop); e != nil {
			err = errors.Join(err, e)
		} else {
			erased++
		}
	}
	return erased, err
}

func (f *Fleet) eraseOrphan(ctx context.Context, name string, shard *db.Shard, shop id.Shop) error {
	err := shard.Erase(ctx, shop)
	f.swept.leave(name, shop, err != nil)
	if err != nil {
		return fmt.Errorf("erase orphan %v: %w", shop, err)
	}
	f.log.Warn("erased an orphan of an unfinished sign-up", "shop", shop, "shard", name)
	return nil
}

// settled is how old a sign-up is that has ended one way or the other.
const settled = time.Hour

// sweptTo is up to where the orphans of each shard were erased, and those
// before that could not be.
type sweptTo struct {
	mu   sync.Mutex
	to   map[string]id.Shop
	left map[string]map[id.Shop]bool
}

func (s *sweptTo) leftOn(shard string) []id.Shop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.left[shard]))
}

// leave notes that an orphan is left, or that it no longer is.
func (s *sweptTo) leave(shard string, shop id.Shop, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !is {
		delete(s.left[shard], shop)
		return
	}
	if s.left[shard] == nil {
		if s.left == nil {
			s.left = map[string]map[id.Shop]bool{}
		}
		s.left[shard] = map[id.Shop]bool{}
	}
	if len(s.left[shard]) < mostLeft {
		s.left[shard][shop] = true
	}
}

func (s *sweptTo) get(shard string) id.Shop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to[shard]
}

// set notes the last shop that was looked at, unless it is so young that its
// like may still be signing up.
func (s *sweptTo) set(shard string, last id.Shop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == nil {
		s.to = map[string]id.Shop{}
	}
	s.to[shard] = max(s.to[shard], min(last, id.ShopsBefore(time.Now().Add(-settled))))
}

// entered tells which of a page of shops, in the order of their ids, the
// directory has.
func (f *Fleet) entered(ctx context.Context, page []db.Count) (map[id.Shop]bool, error) {
	there := make(map[id.Shop]bool, len(page))
	if len(page) == 0 {
		return there, nil
	}
	err := f.control.View(ctx, func(t *db.ControlTx) error {
		rows, err := db.ControlAll(ctx, t, entriesBetween, func(s *id.Shop) []any { return []any{(*int64)(s)} }, page[0].Shop, page[len(page)-1].Shop)
		for _, s := range rows {
			there[s] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for shops in the directory: %w", err)
	}
	return there, nil
}
