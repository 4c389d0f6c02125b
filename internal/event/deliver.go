package event

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

const (
	batchSize   = 64
	maxAttempts = 5                // then an event is poison
	maxCrashes  = 3                // attempts begun and never ended
	flowTime    = 30 * time.Second // for one call of an OnFlow subscriber
)

var (
	readNews = db.Q(`
		SELECT seq, event, at, topic, key, tags, payload FROM shop_outbox
		WHERE shop = $1 AND seq > $2 ORDER BY seq LIMIT $3`)
	readCursor = db.Q(`SELECT seq FROM event_cursor WHERE shop = $1 AND name = $2`)
	moveCursor = db.Q(`
		INSERT INTO event_cursor (shop, name, seq) VALUES ($1, $2, $3)
		ON CONFLICT (shop, name) DO UPDATE SET seq = excluded.seq WHERE event_cursor.seq < excluded.seq`)
	beginAttempt = db.Q(`
		INSERT INTO event_attempt (shop, name, seq, attempts, unfinished) VALUES ($1, $2, $3, 1, 1)
		ON CONFLICT (shop, name, seq) DO UPDATE SET attempts = event_attempt.attempts + 1, unfinished = event_attempt.unfinished + 1
		RETURNING attempts, unfinished`)
	failAttempt = db.Q(`UPDATE event_attempt SET attempts = attempts - $4, unfinished = 0 WHERE shop = $1 AND name = $2 AND seq = $3`)
	endAttempts = db.Q(`DELETE FROM event_attempt WHERE shop = $1 AND name = $2 AND seq <= $3`)
)

func scanRecord(r *record) []any {
	return []any{&r.seq, &r.event, &r.at, &r.topic, &r.key, &r.tags, &r.payload}
}

// deliver hands a unit all the events it has not had. It returns an error
// when one of them must be tried again. The caller holds u.work.
func (b *Bus) deliver(ctx context.Context, u *unit) error {
	room, err := b.fleet.ByID(ctx, u.shop)
	if fault.Is(err, fault.KindNotFound) {
		return nil // the shop is not in the directory (yet); its sign-up wakes us again
	}
	if err != nil {
		return err
	}
	for {
		news, err := b.news(ctx, room, u)
		if err != nil || len(news) == 0 {
			return err
		}
		if first := news[0].seq; u.at > 0 && first != u.at+1 {
			return fmt.Errorf("shop %v: the event after %d is %d: the outbox is damaged", u.shop, u.at, first)
		}
		if err := b.handle(ctx, room, u, news); err != nil {
			return err
		}
		if len(news) < batchSize {
			return nil
		}
	}
}

// news reads what comes after the unit's position, and whether the subscriber
// has any parked keys in this shop.
func (b *Bus) news(ctx context.Context, room *fleet.Room, u *unit) (news []record, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
		if !u.known {
			at, _, err := db.One(ctx, r, readCursor, func(n *int64) []any { return []any{n} }, u.sub.name)
			if err != nil {
				return err
			}
			u.at, u.stored, u.known = at, at, true
		}
		news, err = db.All(ctx, r, readNews, scanRecord, u.at, batchSize)
		if err != nil || len(news) == 0 {
			return err
		}
		_, u.parked, err = db.One(ctx, r, anyParked, func(n *int64) []any { return []any{n} }, u.sub.name)
		return err
	})
	return news, err
}

func (b *Bus) handle(ctx context.Context, room *fleet.Room, u *unit, news []record) error {
	wanted := news[:0:0]
	for _, r := range news {
		if _, ok := u.sub.handlers[r.topic]; ok {
			wanted = append(wanted, r)
		}
	}
	last := news[len(news)-1].seq
	if len(wanted) == 0 {
		u.at = last // the cursor follows when the shop is flushed
		return nil
	}
	// The quick way: everything in one transaction. What fails there is taken
	// one by one, and so is the first delivery after a start, since an event
	// may have been what ended the run before.
	if u.trusted && !u.sub.flow && !u.parked {
		_, err := room.Change(ctx, func(tx *db.Tx) error {
			for _, r := range wanted {
				if err := u.sub.handlers[r.topic].tx(ctx, tx, r); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, moveCursor, u.sub.name, last)
			return err
		})
		if err == nil {
			u.at, u.stored = last, last
			return nil
		}
	}
	for _, r := range wanted {
		if err := b.handleOne(ctx, room, u, r); err != nil {
			return err
		}
		u.trusted = true
	}
	u.at = last
	return nil
}

// handleOne hands over one event, counting the attempt before it is made.
func (b *Bus) handleOne(ctx context.Context, room *fleet.Room, u *unit, r record) error {
	set := false
	var try attempt
	_, err := room.Change(ctx, func(tx *db.Tx) (err error) {
		if set = false; u.parked {
			if _, set, err = db.One(ctx, tx, keyParked, func(n *int64) []any { return []any{n} }, u.sub.name, r.key); err != nil {
				return err
			}
		}
		if set {
			return b.park(ctx, tx, u, r, "an earlier event of this key is parked")
		}
		try, _, err = db.One(ctx, tx, beginAttempt, func(t *attempt) []any { return []any{&t.attempts, &t.unfinished} }, u.sub.name, r.seq)
		return err
	})
	if err != nil {
		return err
	}
	if set {
		u.at, u.stored = r.seq, r.seq
		return nil
	}
	if try.unfinished > maxCrashes {
		err = poison{fmt.Errorf("%d attempts began and none ended", try.unfinished-1)}
	} else {
		err = b.run(ctx, room, u, r)
	}
	switch {
	case err == nil:
		u.at, u.stored, u.fails, u.waiting = r.seq, r.seq, 0, ""
		return nil
	case ctx.Err() != nil, isUnavailable(err):
		return b.failed(ctx, room, u, r, err, 1)
	case isPoison(err) || try.attempts >= maxAttempts:
		b.log.Error("an event is poison; its key is parked", "subscriber", u.sub.name, "shop", u.shop, "topic", r.topic, "key", r.key, "seq", r.seq, "attempts", try.attempts, "err", err)
		_, parkErr := room.Change(ctx, func(tx *db.Tx) error { return b.park(ctx, tx, u, r, err.Error()) })
		if parkErr != nil {
			return parkErr
		}
		u.at, u.stored, u.fails, u.parked = r.seq, r.seq, 0, true
		return nil
	}
	return b.failed(ctx, room, u, r, err, 0)
}

// attempt counts how often an event was tried, and how often the program died
// in the middle.
type attempt struct{ attempts, unfinished int }

// failed notes that an attempt ended, and takes it back if it does not count.
func (b *Bus) failed(ctx context.Context, room *fleet.Room, u *unit, r record, err error, back int) error {
	u.waiting = err.Error()
	ctx = context.WithoutCancel(ctx)
	_, note := room.Change(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, failAttempt, u.sub.name, r.seq, back)
		return err
	})
	return errors.Join(err, note)
}

// run calls the handler. The effect of a tx handler is committed with the
// cursor; a flow handler's cursor moves after it has returned.
func (b *Bus) run(ctx context.Context, room *fleet.Room, u *unit, r record) (err error) {
	h := u.sub.handlers[r.topic]
	if h.flow != nil {
		if err := runFlow(ctx, h, room, r); err != nil {
			return err
		}
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		if h.tx != nil {
			if err := h.tx(ctx, tx, r); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, endAttempts, u.sub.name, r.seq); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, moveCursor, u.sub.name, r.seq)
		return err
	})
	return err
}

func runFlow(ctx context.Context, h handler, room *fleet.Room, r record) (err error) {
	ctx, cancel := context.WithTimeout(ctx, flowTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = poison{fmt.Errorf("panic: %v", p)}
		}
	}()
	return h.flow(ctx, room, r)
}

// flush stores what units have skipped, marks shops as done, and lets go of
// units that rest.
func (b *Bus) flush(ctx context.Context) {
	b.mu.Lock()
	shops := map[id.Shop][]*unit{}
	for k, u := range b.units {
		shops[k.shop] = append(shops[k.shop], u)
	}
	for shop, units := range shops {
		for _, u := range units {
			if u.queued {
				delete(shops, shop)
				break
			}
		}
	}
	b.mu.Unlock()
	for shop, units := range shops {
		if ctx.Err() != nil {
			return
		}
		if err := b.flushShop(ctx, shop, units); err != nil && ctx.Err() == nil {
			b.log.Warn("cannot store how far events were handled", "shop", shop, "err", err)
		}
	}
}

func (b *Bus) flushShop(ctx context.Context, shop id.Shop, units []*unit) error {
	room, err := b.fleet.ByID(ctx, shop)
	if err != nil && !fault.Is(err, fault.KindNotFound) {
		return err
	}
	for _, u := range units {
		u.work.Lock()
	}
	if err == nil && len(units) == len(b.subs) {
		done := units[0].at
		for _, u := range units {
			done = min(done, u.at)
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error {
			for _, u := range units {
				if u.at > u.stored {
					if _, err := tx.Exec(ctx, moveCursor, u.sub.name, u.at); err != nil {
						return err
					}
				}
			}
			return db.SetDone(ctx, tx, done)
		})
	}
	for _, u := range units {
		u.work.Unlock()
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range units {
		if !u.queued && u.pins == 0 {
			delete(b.units, u.unitKey)
		}
	}
	return nil
}
