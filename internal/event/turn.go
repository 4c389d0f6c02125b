package event

import (
	"context"
	"errors"
	"fmt"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Of many processes that share a shard one delivers its events, by a lease of
// the control database. A process that lost it and has not noticed may be in
// the middle of a delivery: so the shop's own row says at which epoch of the
// lease its events are delivered, and every transaction of a delivery ends with
// a statement that fails at a lower one. A new holder raises the epoch before it
// reads how far the old one came; what the old one has not committed by then, it
// never will.

var (
	readTurn  = db.Q(`SELECT shard, epoch FROM event_turn WHERE shop = $1`)
	claimTurn = db.Q(`
		INSERT INTO event_turn (shop, shard, epoch, held) VALUES ($1, $2, $3, $3)
		ON CONFLICT (shop) DO UPDATE SET shard = excluded.shard, epoch = excluded.epoch, held = excluded.held
		WHERE event_turn.shard <> excluded.shard OR event_turn.epoch < excluded.epoch`)
	holdTurn = db.Q(`UPDATE event_turn SET held = $2 WHERE shop = $1`)
)

// errTurn says that another process delivers the shop's events by now.
var errTurn = errors.New("another process delivers these events")

// Leased has the bus deliver the events of those places only that it is given
// with Take: of shards or, over a topic, of its partitions. Call it before Start.
func (b *Bus) Leased() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns = map[string]int64{}
}

// Take begins to deliver a place's events, at an epoch that is above all that
// were before.
func (b *Bus) Take(place string, epoch int64) {
	b.mu.Lock()
	b.turns[place] = epoch
	if b.topic != nil {
		clear(b.searched)
	}
	delete(b.searched, place) // one of its events may have been the end of who had it before
	b.mu.Unlock()
	select {
	case b.taken <- struct{}{}:
	default:
	}
}

// Yield ends to deliver a place's events.
func (b *Bus) Yield(place string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.turns, place)
	for shop, o := range b.outlets {
		if o.place == place {
			b.drop(shop, o)
		}
	}
}

// place is what a shop's events are delivered by.
func (b *Bus) place(shop id.Shop, shard string) string {
	if b.topic != nil {
		return b.topic.place(shop)
	}
	return shard
}

// turn gives the epoch at which a place's events are delivered here. The caller
// holds b.mu.
func (b *Bus) turn(place string) (epoch int64, ok bool) {
	if b.turns == nil {
		return b.made, true
	}
	epoch, ok = b.turns[place]
	return epoch, ok
}

// drop lets go of an outlet whose turn is over. The caller holds b.mu.
func (b *Bus) drop(shop id.Shop, o *outlet) {
	b.forget(o)
	for _, u := range o.units {
		delete(b.stuck, u)
	}
	if b.outlets[shop] == o {
		delete(b.outlets, shop)
	}
}

// current reports whether an outlet's turn is still ours, and drops it if not.
func (b *Bus) current(u *unit, room *fleet.Room) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := u.outlet
	epoch, ok := b.turn(o.place)
	ok = ok && epoch == o.epoch && !o.lost.Load()
	if ok && room.Shard() == o.shard {
		return true
	}
	if ok && b.topic != nil { // it moved, and is still ours
		b.arrive(fleet.Commit{Shop: u.shop, Shard: room.Shard(), Doubt: true})
	} else {
		b.drop(u.shop, o)
	}
	return false
}

type turn struct {
	shard string
	epoch int64
}

// turnOf reads at which epoch a shop's events are delivered.
func turnOf(ctx context.Context, room *fleet.Room) (is turn, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		is, _, err = db.One(ctx, r, readTurn, func(t *turn) []any { return []any{&t.shard, &t.epoch} })
		return err
	})
	return is, err
}

func (o *outlet) turn() turn { return turn{o.shard, o.epoch} }

// claim raises the shop's epoch to ours, if it is lower.
func (o *outlet) claim(ctx context.Context, room *fleet.Room) error {
	n := int64(0)
	_, err := room.Here().Change(ctx, func(tx *db.Tx) (err error) {
		if o.lost.Load() {
			return errTurn
		}
		n, err = tx.Exec(ctx, claimTurn, o.shard, o.epoch)
		return err
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("shop %v: %w", room.Shop(), errTurn)
	}
	return err
}

// anew has what is kept of a shard's shops be read again, and what may be left
// there be searched for. The shard has a new primary, which may have lost the
// newest events and gives out their numbers again.
func (b *Bus) anew(shard string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := map[id.Shop]*outlet{}
	for shop, o := range b.outlets {
		if o.shard == shard {
			kept[shop] = o
		}
	}
	for shop, o := range kept {
		o.lost.Store(true)
		b.drop(shop, o)
		b.arrive(fleet.Commit{Shop: shop, Shard: shard, Doubt: true})
	}
	if b.topic != nil {
		clear(b.searched)
	}
	delete(b.searched, shard)
	for _, all := range b.followers {
		for ch := range all {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
	select {
	case b.taken <- struct{}{}:
	default:
	}
}

// change is a transaction of a delivery: it stands only if the shop's events
// are still delivered at the outlet's epoch, and the shop has not moved since
// the delivery began.
func (o *outlet) change(ctx context.Context, room *fleet.Room, fn func(*db.Tx) error) error {
	return o.stands(ctx, room, func(tx *db.Tx) error {
		if err := fn(tx); err != nil || !fenced {
			return err
		}
		return tx.Later(ctx, holdTurn, o.epoch)
	})
}

// reach is change for one that ends with a name's cursor at an event.
func (o *outlet) reach(ctx context.Context, room *fleet.Room, name string, seq int64, fn func(*db.Tx) error) error {
	return o.stands(ctx, room, func(tx *db.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if !fenced {
			return tx.Later(ctx, moveCursor, name, seq)
		}
		return tx.Later(ctx, moveHeld, name, seq, o.epoch)
	})
}

func (o *outlet) stands(ctx context.Context, room *fleet.Room, fn func(*db.Tx) error) error {
	_, err := room.Here().Change(ctx, func(tx *db.Tx) error {
		if o.lost.Load() {
			return errTurn
		}
		return fn(tx)
	})
	if errors.Is(err, db.ErrMoved) {
		return fmt.Errorf("%w: %w", errTurn, err)
	}
	if errors.Is(err, db.ErrCheck) { // it may be a handler's own
		is, look := turnOf(ctx, room)
		if look != nil {
			return errors.Join(err, look)
		}
		if is != o.turn() {
			err = fmt.Errorf("%w: %w", errTurn, err)
		}
	}
	return err
}

// fenced is false in the test that shows what happens without.
var fenced = true
