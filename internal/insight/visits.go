package insight

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

const (
	waitingShops = 20_000 // whose visits wait in memory to be written
	atOnce       = 500    // of them that one Flush writes
)

// Visits counts visits until they are written. A visit begins when somebody looks
// at a page of the shop who has looked at none for half an hour; browsers say so
// themselves, since pages are kept by caches that tell nobody.
type Visits struct {
	Counted, Lost atomic.Int64 // since the start; lost are those there was no room for

	mu    sync.Mutex
	shops map[id.Shop]map[time.Time]int64 // by the quarter of an hour

	watched map[id.Shop]*watched
}

// Count counts a visit that begins now.
func (v *Visits) Count(shop id.Shop, now time.Time) {
	v.Counted.Add(1)
	v.add(shop, now.UTC().Truncate(slot), 1)
}

func (v *Visits) add(shop id.Shop, at time.Time, n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.shops[shop]
	if of == nil {
		if len(v.shops) >= waitingShops {
			v.Lost.Add(n)
			return
		}
		if v.shops == nil {
			v.shops = map[id.Shop]map[time.Time]int64{}
		}
		of = map[time.Time]int64{}
		v.shops[shop] = of
	}
	of[at] += n
}

// take gives what waits of at most so many shops, of those that somebody watches
// first.
func (v *Visits) take(most int) map[id.Shop]map[time.Time]int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.shops) <= most {
		all := v.shops
		v.shops = nil
		return all
	}
	some := map[id.Shop]map[time.Time]int64{}
	for shop := range v.watched {
		if of, waits := v.shops[shop]; waits && len(some) < most {
			some[shop] = of
			delete(v.shops, shop)
		}
	}
	for shop, of := range v.shops {
		if len(some) == most {
			break
		}
		some[shop] = of
		delete(v.shops, shop)
	}
	return some
}

var addVisits = db.Q(`
	INSERT INTO insight_slot (shop, slot, orders, units, sales, visits) VALUES ($1, $2, 0, 0, 0, $3)
	ON CONFLICT (shop, slot) DO UPDATE SET visits = insight_slot.visits + excluded.visits`)

// Flush writes what was counted, one change for each of at most 500 shops. What
// cannot be written now waits for the next time; what may have been written is
// not written again. Those who watch a shop are told once its visits are written.
func (v *Visits) Flush(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error)) error {
	var failed error
	for shop, of := range v.take(atOnce) {
		err := write(ctx, rooms, shop, of)
		if err == nil {
			v.mu.Lock()
			v.tell(shop)
			v.mu.Unlock()
		}
		if err == nil || fault.Is(err, fault.KindNotFound) {
			continue
		}
		failed = err
		for at, n := range of {
			if errors.Is(err, db.ErrDoubt) {
				v.Lost.Add(n)
			} else {
				v.add(shop, at, n)
			}
		}
	}
	return failed
}

func write(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error), shop id.Shop, of map[time.Time]int64) error {
	room, err := rooms(ctx, shop)
	if err != nil {
		return err
	}
	slots := make([]time.Time, 0, len(of))
	for at := range of {
		slots = append(slots, at)
	}
	slices.SortFunc(slots, time.Time.Compare)
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		for _, at := range slots {
			if err := tx.Later(ctx, addVisits, at, of[at]); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
