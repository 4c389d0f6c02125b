package insight

import (
	"cmp"
	"context"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// looksAtOnce is how many watched shops one Look reads. When more are watched they
// take turns.
const looksAtOnce = 200

// watched is a shop whose visits somebody shows.
type watched struct {
	by     map[chan struct{}]bool
	last   [2]seen // the newest quarters of an hour, when they were looked at
	looked time.Time
}

type seen struct {
	slot   time.Time
	visits int64
}

var lastVisits = db.Q(`SELECT slot, visits FROM insight_slot WHERE shop = $1 ORDER BY slot DESC LIMIT 2`)

// Watch gives word when visits of a shop were written, by this process or by
// another, until stop. Several are one word. What was written before is no news.
func (v *Visits) Watch(shop id.Shop) (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.watched[shop]
	if w == nil {
		if v.watched == nil {
			v.watched = map[id.Shop]*watched{}
		}
		w = &watched{by: map[chan struct{}]bool{}}
		v.watched[shop] = w
	}
	w.by[ch] = true
	return ch, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if delete(w.by, ch); len(w.by) == 0 && v.watched[shop] == w {
			delete(v.watched, shop)
		}
	}
}

// tell tells those who watch a shop. The caller holds v.mu.
func (v *Visits) tell(shop id.Shop) {
	if w := v.watched[shop]; w != nil {
		for ch := range w.by {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
}

// longest gives the watched shops that were not looked at for longest, at most so
// many.
func (v *Visits) longest(most int) []id.Shop {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []id.Shop
	for shop := range v.watched {
		all = append(all, shop)
	}
	if len(all) > most {
		slices.SortFunc(all, func(a, b id.Shop) int { return v.watched[a].looked.Compare(v.watched[b].looked) })
		all = all[:most]
	}
	return all
}

// Look sees whether visits of watched shops were written by other processes, at
// most two hundred shops at a time, one read of two rows each.
func (v *Visits) Look(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // a shard that hangs keeps it from others no longer
	defer cancel()
	var failed error
	for _, shop := range v.longest(looksAtOnce) {
		now, err := latest(ctx, rooms, shop)
		if err != nil && !fault.Is(err, fault.KindNotFound) {
			failed = cmp.Or(failed, err)
		}
		v.mu.Lock()
		if w := v.watched[shop]; w != nil {
			if first := w.looked.IsZero(); err == nil && w.last != now {
				if w.last = now; !first {
					v.tell(shop)
				}
			}
			w.looked = time.Now()
		}
		v.mu.Unlock()
	}
	return failed
}

func latest(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error), shop id.Shop) (out [2]seen, err error) {
	room, err := rooms(ctx, shop)
	if err != nil {
		return out, err
	}
	err = room.View(ctx, fleet.Within(time.Second), func(r db.Reader) error {
		all, err := db.All(ctx, r, lastVisits, func(s *seen) []any { return []any{&s.slot, &s.visits} })
		out = [2]seen{}
		copy(out[:], all)
		return err
	})
	return out, err
}
