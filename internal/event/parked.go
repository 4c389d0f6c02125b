package event

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Parked is an event set aside for one subscriber.
type Parked struct {
	Subscriber string          `json:"subscriber"`
	Key        string          `json:"key"`
	Seq        int64           `json:"seq"`
	Event      id.Event        `json:"event"`
	Topic      string          `json:"topic"`
	At         time.Time       `json:"at"`
	Payload    json.RawMessage `json:"payload"`
	Error      string          `json:"error"`
	ParkedAt   time.Time       `json:"parked_at"`
}

var (
	keyParked   = db.Q(`SELECT seq FROM event_parked WHERE shop = $1 AND name = $2 AND key = $3 LIMIT 1`)
	firstParked = db.Q(`
		SELECT seq, event, at, topic, key, '', payload, trace FROM event_parked
		WHERE shop = $1 AND name = $2 AND key = $3 AND seq <= $4 ORDER BY seq LIMIT 1`)
	listParked = db.Q(`
		SELECT name, key, seq, event, topic, at, payload, error, parked_at FROM event_parked
		WHERE shop = $1 AND (name, key, seq) > ($2, $3, $4) ORDER BY name, key, seq LIMIT $5`)
	putParked = db.Q(`
		INSERT INTO event_parked (shop, name, key, seq, event, topic, at, payload, error, parked_at, trace)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (shop, name, key, seq) DO NOTHING`)
	parkedOfKey = db.Q(`
		SELECT name, key, seq, event, topic, at, payload, error, parked_at FROM event_parked
		WHERE shop = $1 AND name = $2 AND key = $3 ORDER BY seq LIMIT $4`)
	countParked = db.Q(`SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM event_parked WHERE shop = $1 AND name = $2 AND key = $3`)
	countLater  = db.Q(`SELECT COUNT(*) FROM event_parked WHERE shop = $1 AND name = $2 AND key = $3 AND seq > $4`)
	countShop   = db.Q(`SELECT COUNT(*) FROM event_parked WHERE shop = $1`)
	keysParked  = db.Q(`
		SELECT p.name, p.key, p.seq, p.event, p.topic, p.at, p.payload, p.error, p.parked_at, k.events, k.last
		FROM (
			SELECT name, key, MIN(seq) AS seq, MAX(seq) AS last, COUNT(*) AS events FROM event_parked
			WHERE shop = $1 AND (name, key) > ($2, $3) GROUP BY name, key ORDER BY name, key LIMIT $4
		) k JOIN event_parked p ON p.shop = $1 AND p.name = k.name AND p.key = k.key AND p.seq = k.seq
		ORDER BY p.name, p.key`)
	editParked   = db.Q(`UPDATE event_parked SET payload = $5 WHERE shop = $1 AND name = $2 AND key = $3 AND seq = $4`)
	dropParked   = db.Q(`DELETE FROM event_parked WHERE shop = $1 AND name = $2 AND key = $3 AND seq = $4`)
	dropKey      = db.Q(`DELETE FROM event_parked WHERE shop = $1 AND name = $2 AND key = $3 AND seq <= $4`)
	parkedByShop = db.Across(`SELECT shop, COUNT(*) FROM event_parked WHERE shop > $1 GROUP BY shop ORDER BY shop LIMIT $2`)
)

// park sets an event aside and moves on, in one transaction.
func (b *Bus) park(ctx context.Context, tx *db.Tx, s *subscriber, r record, why string) error {
	if len(why) > 2000 {
		why = why[:2000]
	}
	_, err := tx.Exec(ctx, putParked, s.name, r.key, r.seq, r.event, r.topic, r.at, r.payload, why, tx.Now(), r.trace)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, endAttempts, s.name, r.seq); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, moveCursor, s.name, r.seq)
	return err
}

// ParkedAt is a place in the list of a shop's parked events.
type ParkedAt struct {
	Subscriber, Key string
	Seq             int64
}

// ListParked gives events set aside in a shop, after one of them, at most limit.
func ListParked(ctx context.Context, room *fleet.Room, after ParkedAt, limit int) ([]Parked, error) {
	var out []Parked
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(ctx, r, listParked, (*Parked).columns, after.Subscriber, after.Key, after.Seq, limit)
		return err
	})
	return out, err
}

// ParkedIn counts the events set aside in a shop.
func ParkedIn(ctx context.Context, room *fleet.Room) (n int64, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		n, _, err = db.One(ctx, r, countShop, func(n *int64) []any { return []any{n} })
		return err
	})
	return n, err
}

// parkedPage is how many shops are asked for at a time.
var parkedPage = 1000

// ParkedCounts gives all shops that have parked events, in ascending order, and
// how many. It is remembered for [Bus.ParkedPast].
func (b *Bus) ParkedCounts(ctx context.Context) ([]db.Count, error) {
	var out []db.Count
	for name, shard := range b.fleet.Shards {
		copies, err := shard.Copies(ctx)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", name, err)
		}
		for after := id.Shop(0); ; {
			page, err := shard.Across(ctx, parkedByShop, after, parkedPage)
			if err != nil {
				return nil, fmt.Errorf("shard %s: %w", name, err)
			}
			for _, c := range page {
				if after = c.Shop; !copies[c.Shop] {
					out = append(out, c)
				}
			}
			if len(page) < parkedPage {
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b db.Count) int { return cmp.Compare(a.Shop, b.Shop) })
	b.noteParked(out, time.Now())
	return out, nil
}

// ParkedKey is a key of a subscriber that waits: its first event, whose error is
// why, how many there are, and the number of the last.
type ParkedKey struct {
	Parked
	Events int64 `json:"events"`
	Last   int64 `json:"last"`
}

// ParkedKeys gives keys of a shop that wait, after a subscriber and key, in that
// order.
func ParkedKeys(ctx context.Context, room *fleet.Room, subscriber, key string, limit int) ([]ParkedKey, error) {
	var out []ParkedKey
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(ctx, r, keysParked, func(k *ParkedKey) []any { return append(k.Parked.columns(), &k.Events, &k.Last) }, subscriber, key, limit)
		return err
	})
	return out, err
}

// ParkedOf gives the events of one key, the first first.
func ParkedOf(ctx context.Context, room *fleet.Room, subscriber, key string, limit int) ([]Parked, error) {
	var out []Parked
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(ctx, r, parkedOfKey, (*Parked).columns, subscriber, key, limit)
		return err
	})
	return out, err
}

// CountParked counts the events of one key, and gives the number of the last.
func CountParked(ctx context.Context, room *fleet.Room, subscriber, key string) (n, last int64, err error) {
	type count struct{ n, last int64 }
	var c count
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		c, _, err = db.One(ctx, r, countParked, func(c *count) []any { return []any{&c.n, &c.last} }, subscriber, key)
		return err
	})
	return c.n, c.last, err
}

// Unparked is what came of a key's events: how many were handled or given up, and
// how many stay parked that came after the last that was meant.
type Unparked struct {
	Events int64 `json:"events"`
	Later  int64 `json:"later"`
}

func (p *Parked) columns() []any {
	return []any{&p.Subscriber, &p.Key, &p.Seq, &p.Event, &p.Topic, &p.At, (*[]byte)(&p.Payload), &p.Error, &p.ParkedAt}
}

// Edit changes what a parked event says to its subscriber. What it said is kept
// among what was settled; the outbox and other subscribers are not touched.
func (b *Bus) Edit(ctx context.Context, room *fleet.Room, name, key string, seq int64, payload json.RawMessage) error {
	if !json.Valid(payload) {
		return fault.Invalid("payload", "What the event is to say is not JSON.")
	}
	u, _, err := b.lockUnit(room, name)
	if err != nil {
		return err
	}
	defer b.unlockUnit(u)
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, settleOne, name, key, seq, tx.Now(), "edited"); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, editParked, name, key, seq, []byte(payload))
		if err == nil && n == 0 {
			err = fault.NotFound("Event %d is not parked for %s.", seq, name)
		}
		return err
	})
	return err
}

// Replay hands the parked events of a key to their subscriber, in order, up to the
// event upTo, which is the last that was seen by whoever asks. It stops at the
// first that fails again; it and those behind it stay parked, and so does what was
// parked later. What is done is part of the request that caused the event, as it
// would have been.
func (b *Bus) Replay(ctx context.Context, room *fleet.Room, name, key string, upTo int64) (done Unparked, err error) {
	u, s, err := b.lockUnit(room, name)
	if err != nil {
		return done, err
	}
	defer b.unlockUnit(u)
	for {
		var r record
		found := false
		err := room.View(ctx, fleet.Newest, func(v db.Reader) (err error) {
			if r, found, err = db.One(ctx, v, firstParked, scanRecord, name, key, upTo); err == nil && !found {
				done.Later, _, err = db.One(ctx, v, countLater, func(n *int64) []any { return []any{n} }, name, key, upTo)
			}
			return err
		})
		if err != nil || !found {
			return done, err
		}
		h, ok := s.handlers[r.topic]
		if !ok {
			return done, fault.Conflict("no-handler", "%s no longer handles %s.", name, r.topic)
		}
		write := h.tx
		if h.flow != nil {
			then, err := runFlow(ctx, h, room, r)
			if err != nil {
				return done, err
			}
			write = then.record
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error {
			if err := write(r.in(ctx), tx, r); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, settleOne, name, key, r.seq, tx.Now(), "replayed"); err != nil {
				return err
			}
			n, err := tx.Exec(ctx, dropParked, name, key, r.seq)
			if err == nil && n == 0 {
				err = fault.Conflict("replayed", "Somebody else has replayed or dropped this event just now.")
			}
			return err
		})
		if err != nil {
			return done, err
		}
		done.Events++
	}
}

// Drop gives up the parked events of a key, up to the event upTo, which is the last
// that was seen by whoever asks; what was parked later stays. What they were is kept
// among what was settled.
func (b *Bus) Drop(ctx context.Context, room *fleet.Room, name, key string, upTo int64) (done Unparked, err error) {
	u, _, err := b.lockUnit(room, name)
	if err != nil {
		return done, err
	}
	defer b.unlockUnit(u)
	_, err = room.Change(ctx, func(tx *db.Tx) (err error) {
		if _, err = tx.Exec(ctx, settleKey, name, key, tx.Now(), "dropped", upTo); err != nil {
			return err
		}
		if done.Events, err = tx.Exec(ctx, dropKey, name, key, upTo); err != nil {
			return err
		}
		done.Later, _, err = db.One(ctx, tx, countLater, func(n *int64) []any { return []any{n} }, name, key, upTo)
		return err
	})
	if err == nil {
		b.log.Warn("parked events were dropped", "subscriber", name, "shop", room.Shop(), "key", key, "events", done.Events, "up to", upTo, "later", done.Later)
	}
	return done, err
}

// lockUnit keeps deliveries of a shop in this process away from a subscriber.
func (b *Bus) lockUnit(room *fleet.Room, name string) (*unit, *subscriber, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for lane, l := range b.lanes {
		for _, s := range l.subs {
			if s.name != name {
				continue
			}
			o := b.outlets[room.Shop()]
			if o == nil {
				place := b.place(room.Shop(), room.Shard())
				epoch, _ := b.turn(place) // 0: another process delivers
				o = b.open(room.Shop(), room.Shard(), place, epoch)
			}
			u := o.units[lane]
			u.pins++
			b.mu.Unlock()
			u.work.Lock()
			b.mu.Lock()
			return u, s, nil
		}
	}
	return nil, nil, fault.NotFound("There is no subscriber %q.", name)
}

// pinned reports whether somebody waits for a unit, or has it.
func (b *Bus) pinned(u *unit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return u.pins > 0
}

// unlockUnit lets them through again. The unit looks anew at what is parked.
func (b *Bus) unlockUnit(u *unit) {
	u.places = nil
	u.outlet.once.Lock()
	u.outlet.read = false
	u.outlet.once.Unlock()
	u.work.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	u.pins--
	b.queue(u)
}
