package event

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// outlet is what the bus keeps of a shop that has news.
type outlet struct {
	units []*unit     // one for each lane
	shard string      // on which the shop was when it was opened
	place string      // by which its events are delivered: the shard, or a partition
	epoch int64       // at which they are delivered
	lost  atomic.Bool // the shard has a new primary: what is known here may not be so

	// Guarded by Bus.mu:
	recent []record  // the newest events committed here, without gaps
	rested time.Time // when a unit came to rest last
	due    []due     // what arrived from the topic and is not settled yet, in order
	upTo   int64     // the last event that arrived from the topic

	// Guarded by once:
	once    sync.Mutex
	read    bool             // the others have been read
	cursors map[string]int64 // by name; a name may be of several subscribers
	parked  map[string]bool  // subscribers with parked keys

	done int64 // up to where flush has written down that all is handled
}

// unit is one lane's progress with one shop. At most one goroutine works on it
// at a time.
type unit struct {
	shop   id.Shop
	lane   *lane
	outlet *outlet
	work   sync.Mutex // held while delivering or replaying
	task   task

	// Guarded by Bus.mu:
	queued bool        // in a channel, running, or waiting to try again
	again  bool        // news came while it ran
	look   bool        // there may be news that is not among the recent
	pause  *time.Timer // until it is tried again
	pins   int         // replays and drops under way
	since  time.Time   // when it was queued, while it is
	from   int64       // up to here it had come when it asked for news last

	waiting map[string]Waiting // for what, by subscriber, after the latest delivery
	passed  int64              // up to which event it holds up nothing any more

	// Guarded by work:
	places []place   // of each of the lane's subscribers; nil before they have been read
	fails  int       // in a row, of the unit as a whole
	failed time.Time // the first of them
	wary   bool      // an attempt of an earlier run did not end
}

// place is how far one subscriber has come.
type place struct {
	at      int64     // handled or skipped up to here; ahead of its cursor by what was skipped
	parked  bool      // some key may be parked; only a delivery parks, so false is sure
	fails   int       // in a row, for the pause
	next    time.Time // of the next try, after a failure
	waiting string    // for what
	since   time.Time // when that began
}

// open makes a shop's outlet. The caller holds b.mu.
func (b *Bus) open(shop id.Shop, shard, place string, epoch int64) *outlet {
	o := &outlet{units: make([]*unit, len(b.lanes)), shard: shard, place: place, epoch: epoch}
	for i, l := range b.lanes {
		o.units[i] = &unit{shop: shop, lane: l, outlet: o}
	}
	b.outlets[shop] = o
	return o
}

// keep adds a commit's events to the recent ones, if they follow them. The
// caller holds b.mu.
func (b *Bus) keep(o *outlet, c fleet.Commit) {
	if n := len(o.recent); n > 0 && c.First != o.recent[n-1].seq+1 {
		if c.First <= o.recent[n-1].seq {
			return // told late: whoever lacks it reads the outbox
		}
		b.forget(o)
	}
	if b.recent >= maxRecent {
		b.forget(o)
		for _, u := range o.units {
			u.look = true
		}
		return
	}
	for i, e := range c.Events {
		o.recent = append(o.recent, record{seq: c.First + int64(i), event: e.ID, at: c.At, topic: e.Topic, key: e.Key, tags: e.Tags, payload: e.Payload, trace: e.Trace})
	}
	b.recent += len(c.Events)
	if over := len(o.recent) - keepRecent; over > keepRecent {
		o.recent = slices.Clone(o.recent[over:])
		b.recent -= over
	}
}

// forget lets go of an outlet's recent events. The caller holds b.mu.
func (b *Bus) forget(o *outlet) {
	b.recent -= len(o.recent)
	o.recent = nil
}

var (
	readNews = db.Q(`
		SELECT seq, event, at, topic, key, tags, payload, trace FROM shop_outbox
		WHERE shop = $1 AND seq > $2 ORDER BY seq LIMIT $3`)
	// readStand reads whose turn it is, how far everybody has come, and who has
	// parked something.
	readStand = db.Q(`
		SELECT 0 AS kind, t.shard AS name, t.epoch AS n FROM event_turn t WHERE t.shop = $1
		UNION ALL SELECT 1, c.name, c.seq FROM event_cursor c WHERE c.shop = $1
		UNION ALL SELECT DISTINCT 2, p.name, CAST(0 AS BIGINT) FROM event_parked p WHERE p.shop = $1`)
)

func scanRecord(r *record) []any {
	return []any{&r.seq, &r.event, &r.at, &r.topic, &r.key, &r.tags, &r.payload, &r.trace}
}

// stand is where a shop's delivery stands.
type stand struct {
	turn
	cursors map[string]int64
	parked  map[string]bool
}

func (s *stand) read(ctx context.Context, room *fleet.Room) error {
	*s = stand{cursors: map[string]int64{}, parked: map[string]bool{}}
	type row struct {
		kind int64
		name string
		n    int64
	}
	var all []row
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		all, err = db.All(ctx, r, readStand, func(r *row) []any { return []any{&r.kind, &r.name, &r.n} })
		return err
	})
	for _, r := range all {
		switch r.kind {
		case 0:
			s.turn = turn{r.name, r.n}
		case 1:
			for name := range strings.SplitSeq(r.name, " ") {
				s.cursors[name] = max(s.cursors[name], r.n)
			}
		case 2:
			s.parked[r.name] = true
		}
	}
	return err
}

// load reads how far everybody has come, once for all of an outlet's units,
// and then for each unit what concerns it. The caller holds u.work.
func (b *Bus) load(ctx context.Context, room *fleet.Room, u *unit) error {
	if u.places != nil {
		return nil
	}
	o := u.outlet
	o.once.Lock()
	defer o.once.Unlock()
	if !o.read {
		var now stand
		if err := now.read(ctx, room); err != nil {
			return err
		}
		if now.turn != o.turn() { // what was read may still change
			if err := o.claim(ctx, room); err != nil {
				return err
			}
			if err := now.read(ctx, room); err != nil {
				return err
			}
		}
		o.cursors, o.parked, o.read = now.cursors, now.parked, true
	}
	u.places = make([]place, len(u.lane.subs))
	for i, s := range u.lane.subs {
		u.places[i] = place{at: o.cursors[s.name], parked: o.parked[s.name]}
	}
	return nil
}

// news gives what comes after a position, 64 events at most: the recent ones
// or, where those do not reach back as far, what the outbox has.
func (b *Bus) news(ctx context.Context, room *fleet.Room, u *unit, after int64) (news []record, err error) {
	b.mu.Lock()
	look := u.look
	u.from = after
	if recent := u.outlet.recent; len(recent) == 0 || recent[0].seq > after+1 {
		look = true
	} else if i := after + 1 - recent[0].seq; i < int64(len(recent)) {
		news = slices.Clone(recent[i:min(i+batchSize, int64(len(recent)))]) // a lane remembers in them what they say
		look = false                                                        // first these
	}
	if look {
		u.look = false // before reading: what comes meanwhile says so again
	}
	b.mu.Unlock()
	if !look {
		return news, nil
	}
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		if news, err = db.All(ctx, r, readNews, scanRecord, after, batchSize); err != nil || b.topic == nil {
			return err
		}
		// What was not published yet is left to whoever publishes it.
		upTo, err := published(ctx, r)
		b.mu.Lock()
		upTo = max(upTo, u.outlet.upTo)
		b.mu.Unlock()
		if i := slices.IndexFunc(news, func(r record) bool { return r.seq > upTo }); i >= 0 {
			news = news[:i]
		}
		return err
	})
	if err != nil {
		b.mu.Lock()
		u.look = true
		b.mu.Unlock()
	}
	return news, err
}

// reached gives up to which event the unit holds nothing up any more. What waits
// for its next try holds up nothing: the shop's rows say that it is left. The
// caller holds u.work.
func (u *unit) reached(waits bool) int64 {
	if waits || u.places == nil {
		return math.MaxInt64
	}
	at := int64(math.MaxInt64)
	for _, p := range u.places {
		at = min(at, p.at)
	}
	return at
}

// wait says how long to wait before the unit is tried again; 0 if all is done.
func (u *unit) wait(err error) time.Duration {
	if err != nil {
		u.fails++
		return backoff(u.fails)
	}
	u.fails = 0
	var soonest time.Time
	for _, p := range u.places {
		if !p.next.IsZero() && (soonest.IsZero() || p.next.Before(soonest)) {
			soonest = p.next
		}
	}
	if soonest.IsZero() {
		return 0
	}
	return max(time.Millisecond, time.Until(soonest))
}

// waits says what each subscriber waits for after a delivery; err is one that
// concerns them all. The caller holds u.work.
func (u *unit) waits(err error) map[string]Waiting {
	if err == nil {
		u.failed = time.Time{}
	} else if u.failed.IsZero() {
		u.failed = time.Now()
	}
	var out map[string]Waiting
	add := func(s *subscriber, why string, since time.Time) {
		if out == nil {
			out = map[string]Waiting{}
		}
		out[s.name] = Waiting{Why: why, Since: since}
	}
	for i, s := range u.lane.subs {
		if i < len(u.places) && u.places[i].waiting != "" {
			add(s, u.places[i].waiting, u.places[i].since)
		} else if err != nil {
			add(s, err.Error(), u.failed)
		}
	}
	return out
}

// backoff grows from 20 ms to 30 s, and is cut by up to a half.
func backoff(fails int) time.Duration {
	pause := min(30*time.Second, 20*time.Millisecond<<min(fails, 11))
	return pause/2 + rand.N(pause/2)
}

// rests is how long a shop has no news before what the bus did for it is
// written down and let go: a busy shop is not interrupted for it, and for as
// long other processes can see that it had news.
const rests = 2 * time.Second

// flush writes down how far shops that rest have come, and lets go of them.
func (b *Bus) flush(ctx context.Context) {
	b.mu.Lock()
	resting := map[id.Shop]*outlet{}
	for shop, o := range b.outlets {
		if time.Since(o.rested) >= rests && !slices.ContainsFunc(o.units, func(u *unit) bool { return u.queued || u.pins > 0 }) {
			resting[shop] = o
		}
	}
	b.mu.Unlock()
	for shop, o := range resting {
		if ctx.Err() != nil {
			return
		}
		if err := b.flushShop(ctx, shop, o); err != nil && ctx.Err() == nil {
			b.log.Warn("cannot store how far events were handled", "shop", shop, "err", err)
		}
	}
}

var moveCursor = db.Q(`
	INSERT INTO event_cursor (shop, name, seq) VALUES ($1, $2, $3)
	ON CONFLICT (shop, name) DO UPDATE SET seq = excluded.seq WHERE event_cursor.seq < excluded.seq`)

// moveHeld is moveCursor and holdTurn in one.
var moveHeld = db.Q(`
	INSERT INTO event_cursor (shop, name, seq)
	VALUES ($1, $2, CASE WHEN NOT EXISTS (SELECT 1 FROM event_turn t WHERE t.shop = $1 AND t.epoch > $4) THEN $3 END)
	ON CONFLICT (shop, name) DO UPDATE SET seq = excluded.seq WHERE event_cursor.seq < excluded.seq`).
	Postgres(`
	WITH held AS (UPDATE event_turn SET held = $4 WHERE shop = $1)
	INSERT INTO event_cursor (shop, name, seq) VALUES ($1, $2, $3)
	ON CONFLICT (shop, name) DO UPDATE SET seq = excluded.seq WHERE event_cursor.seq < excluded.seq`,
		"SQLite writes in no WITH; there one at a time writes, so that looking at the epoch holds it")

func (b *Bus) flushShop(ctx context.Context, shop id.Shop, o *outlet) error {
	for _, u := range o.units {
		u.work.Lock()
		defer u.work.Unlock()
	}
	done, first := int64(0), true
	for _, u := range o.units {
		for _, p := range u.places {
			if first || p.at < done {
				done, first = p.at, false
			}
		}
		if u.places == nil {
			done, first = 0, false // nobody knows how far it is
		}
	}
	if done > o.done {
		room, err := b.fleet.ByID(ctx, shop)
		if err == nil {
			err = o.reach(ctx, room, b.all, done, func(tx *db.Tx) error { return db.SetDone(ctx, tx, done) })
		}
		if err != nil && !fault.Is(err, fault.KindNotFound) && !errors.Is(err, db.ErrMoved) && !errors.Is(err, errTurn) {
			return err
		}
		o.done = done
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range o.units {
		if u.queued || u.pins > 0 {
			return nil // it has news again
		}
	}
	b.drop(shop, o)
	delete(b.suspects, shop)
	return nil
}
