package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
)

const (
	batchSize   = 64
	maxAttempts = 5                // then an event is poison
	maxCrashes  = 3                // attempts begun and never ended
	flowTime    = 30 * time.Second // for one call of an OnFlow subscriber

	// flowBatch is how long the outcomes of calls that were quick wait for each
	// other to be committed: what a crash repeats was done within it.
	flowBatch = 25 * time.Millisecond
)

// txTime is for one transaction of On subscribers. A test does not wait that long.
var txTime = 30 * time.Second

var (
	beginAttempt = db.Q(`
		INSERT INTO event_attempt (shop, name, seq, attempts, unfinished) VALUES ($1, $2, $3, 1, 1)
		ON CONFLICT (shop, name, seq) DO UPDATE SET attempts = event_attempt.attempts + 1, unfinished = event_attempt.unfinished + 1
		RETURNING attempts, unfinished`)
	// countAttempt counts one that was not begun with beginAttempt.
	countAttempt = db.Q(`
		INSERT INTO event_attempt (shop, name, seq, attempts, unfinished) VALUES ($1, $2, $3, 1, 0)
		ON CONFLICT (shop, name, seq) DO UPDATE SET attempts = event_attempt.attempts + 1
		RETURNING attempts, unfinished`)
	failAttempt = db.Q(`UPDATE event_attempt SET attempts = attempts - $4, unfinished = 0 WHERE shop = $1 AND name = $2 AND seq = $3`)
	unfinished  = db.Q(`SELECT DISTINCT name FROM event_attempt WHERE shop = $1 AND unfinished > 0`)
	endAttempts = db.Q(`DELETE FROM event_attempt WHERE shop = $1 AND name = $2 AND seq <= $3`)
)

// deliver hands a unit's subscribers all the events that they have not had.
// What one of them fails at is noted in its place, and the others go on; an
// error is one that concerns them all. The caller holds u.work.
func (b *Bus) deliver(ctx context.Context, u *unit) error {
	room, err := b.fleet.ByID(ctx, u.shop)
	if fault.Is(err, fault.KindNotFound) {
		return nil // the shop is not in the directory (yet); its sign-up wakes us again
	}
	if err != nil {
		return err
	}
	if !b.current(u, room) {
		u.places = nil // nothing is to be tried again
		return nil
	}
	if err := b.load(ctx, room, u); err != nil {
		return err
	}
	for b.current(u, room) {
		from, ok := u.earliest(time.Now())
		if !ok {
			return nil // all of them wait for their next try
		}
		news, err := b.news(ctx, room, u, from)
		if err != nil || len(news) == 0 {
			return err
		}
		if first := news[0].seq; from > 0 && first != from+1 {
			return fmt.Errorf("shop %v: the event after %d is %d: the outbox is damaged", u.shop, from, first)
		}
		before := make([]int64, len(u.places))
		for i, p := range u.places {
			before[i] = p.at
		}
		if !b.handleTogether(ctx, room, u, news) {
			b.handleEach(ctx, room, u, from, news)
		}
		for i, s := range u.lane.subs {
			b.parking.handled(s.name, u.places[i].at-before[i])
		}
		u.task.begin(nil, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if b.pinned(u) {
			return nil // somebody waits to work at what is parked, who has it go on
		}
	}
	u.places = nil // its turn is over
	return nil
}

// earliest gives the position of whoever is furthest behind, of those that
// need not wait.
func (u *unit) earliest(now time.Time) (at int64, ok bool) {
	for _, p := range u.places {
		if p.next.After(now) {
			continue
		}
		if !ok || p.at < at {
			at, ok = p.at, true
		}
	}
	return at, ok
}

// handleTogether is the quick way: all subscribers' effects in one transaction
// with one cursor. It is for subscribers that write, stand at the same event,
// and have no trouble: no key is parked, and nothing failed. If one of the
// events may be what ended the run before, that it begins is written down
// first, and it is not done again when it did not end: one by one they show
// which it was. It reports whether it did it.
func (b *Bus) handleTogether(ctx context.Context, room *fleet.Room, u *unit, news []record) bool {
	for _, p := range u.places {
		if p.parked || p.fails > 0 || p.at != u.places[0].at {
			return false
		}
	}
	wanted := false
	for i := range news {
		for _, s := range u.lane.subs {
			if h, ok := s.handlers[news[i].topic]; ok {
				wanted = true
				if h.read != nil { // here, where nobody waits for it as they do in the transaction
					h.read(&news[i])
				}
			}
		}
	}
	last := news[len(news)-1].seq
	if wanted {
		careful := b.suspected(room, news[0])
		if u.lane.flow || careful && !b.beginTogether(ctx, room, u, last) {
			return false
		}
		trying, cancel := context.WithTimeout(ctx, txTime)
		defer cancel()
		err := u.outlet.reach(trying, room, u.lane.name, last, func(tx *db.Tx) error {
			defer u.task.at(nil, nil)
			for i := range news {
				r := &news[i]
				for _, s := range u.lane.subs {
					if h, ok := s.handlers[r.topic]; ok {
						u.task.at(s, r)
						if err := h.tx(r.in(trying), tx, *r); err != nil {
							return err
						}
					}
				}
			}
			if careful {
				return tx.Later(ctx, endAttempts, together+u.lane.name, last)
			}
			return nil
		})
		if err != nil {
			if careful {
				b.endTogether(ctx, room, u, last)
			}
			return false
		}
	}
	for i := range u.places { // what is skipped is written down when the shop rests
		u.places[i].at = last
	}
	return true
}

// together begins the name of an attempt at all of a lane's events up to one.
const together = "together: "

// beginTogether notes that a lane's events up to last are about to be handled
// together; false if an earlier attempt of the lane did not end, or if that
// cannot be known.
func (b *Bus) beginTogether(ctx context.Context, room *fleet.Room, u *unit, last int64) bool {
	broken := false
	err := u.outlet.change(ctx, room, func(tx *db.Tx) error {
		names, err := db.All(ctx, tx, unfinished, func(s *string) []any { return []any{s} })
		if err != nil {
			return err
		}
		broken = slices.ContainsFunc(names, func(name string) bool {
			return name == together+u.lane.name || slices.ContainsFunc(u.lane.subs, func(s *subscriber) bool { return s.name == name })
		})
		if broken {
			return nil
		}
		_, _, err = db.One(ctx, tx, beginAttempt, scanAttempt, together+u.lane.name, last)
		return err
	})
	u.wary = u.wary || err == nil && broken
	return err == nil && !broken
}

// endTogether takes back what beginTogether noted of events up to last.
func (b *Bus) endTogether(ctx context.Context, room *fleet.Room, u *unit, last int64) {
	ctx = context.WithoutCancel(ctx)
	err := u.outlet.change(ctx, room, func(tx *db.Tx) error {
		return tx.Later(ctx, endAttempts, together+u.lane.name, last)
	})
	if err != nil && !errors.Is(err, errTurn) { // they are handled one by one for longer than they need be
		b.log.Warn("an attempt cannot be taken back", "shop", u.shop, "err", err)
	}
}

// handleEach hands each subscriber its events one by one, until it fails. The
// news are those after from: who is further behind waits, and has its own later.
func (b *Bus) handleEach(ctx context.Context, room *fleet.Room, u *unit, from int64, news []record) {
	careful := b.suspected(room, news[0])
	last := news[len(news)-1].seq
	defer func() {
		behind := slices.ContainsFunc(u.places, func(p place) bool { return p.at < last })
		if u.wary && !behind && ctx.Err() == nil {
			u.wary = false
			b.endTogether(ctx, room, u, last)
		}
	}()
	for i, s := range u.lane.subs {
		p := &u.places[i]
		if p.at < from || p.next.After(time.Now()) {
			continue
		}
		err := b.handleQuickly(ctx, room, u, s, p, careful, news)
		for i := range news {
			r := news[i]
			if r.seq <= p.at || err != nil {
				continue
			}
			if _, ok := s.handlers[r.topic]; ok {
				u.task.begin(s, &news[i])
				err = b.handleOne(ctx, room, u.outlet, s, p, r, careful || p.fails > 0)
				u.task.begin(nil, nil)
				if err != nil {
					continue
				}
				p.fails, p.next, p.waiting = 0, time.Time{}, ""
			}
			p.at = r.seq
		}
		if err != nil && ctx.Err() == nil {
			if p.fails++; p.waiting == "" {
				p.since = time.Now()
			}
			p.waiting = err.Error()
			pause := backoff(p.fails)
			p.next = time.Now().Add(pause)
			b.log.Warn("an event waits to be tried again", "subscriber", s.name, "shop", u.shop, "failures", p.fails, "pause", pause, "err", err)
		}
	}
}

// handleQuickly hands a flow that has no trouble its events, and commits the
// outcomes of calls that take little time together. An event that fails is
// judged; with what comes behind it handleQuickly does nothing more.
func (b *Bus) handleQuickly(ctx context.Context, room *fleet.Room, u *unit, s *subscriber, p *place, careful bool, news []record) error {
	if !u.lane.flow || careful || p.parked || p.fails > 0 {
		return nil
	}
	var done []handler
	var of []record
	commit := func(last int64) error {
		if len(done) > 0 {
			// Also if the bus is being closed: what was called out was called out.
			err := u.outlet.reach(context.WithoutCancel(ctx), room, s.name, last, func(tx *db.Tx) error {
				for i, h := range done {
					if err := h.tx(of[i].in(ctx), tx, of[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		p.at, done, of = last, nil, nil
		return nil
	}
	begun, last := time.Now(), p.at
	for i := range news {
		r := news[i]
		if r.seq <= p.at {
			continue
		}
		h, ok := s.handlers[r.topic]
		if ok && h.flow != nil {
			u.task.begin(s, &news[i])
			then, err := runFlow(ctx, h, room, r)
			u.task.begin(nil, nil)
			if err != nil {
				if c := commit(last); c != nil {
					return c
				}
				if err = b.judge(ctx, room, u.outlet, s, p, r, attempt{}, false, err); err == nil {
					p.at = r.seq // it was parked
				}
				return err
			}
			h = handler{tx: then.record}
		}
		if last = r.seq; ok {
			done, of = append(done, h), append(of, r)
		}
		if time.Since(begun) > flowBatch {
			if err := commit(last); err != nil {
				return err
			}
			begun = time.Now()
		}
	}
	return commit(last)
}

// attempt counts how often an event was tried, and how often the program died
// in the middle.
type attempt struct{ attempts, unfinished int }

func scanAttempt(a *attempt) []any { return []any{&a.attempts, &a.unfinished} }

// handleOne hands over one event, or sets it aside; its error says to try
// again. If careful, the attempt is counted before it is made, since it may be
// the program's last.
func (b *Bus) handleOne(ctx context.Context, room *fleet.Room, o *outlet, s *subscriber, p *place, r record, careful bool) error {
	var try attempt
	if careful || p.parked {
		set := false
		err := o.change(ctx, room, func(tx *db.Tx) (err error) {
			if set = false; p.parked {
				if _, set, err = db.One(ctx, tx, keyParked, func(n *int64) []any { return []any{n} }, s.name, r.key); err != nil {
					return err
				}
			}
			if set {
				return b.park(ctx, tx, s, r, "an earlier event of this key is parked")
			}
			if careful {
				try, _, err = db.One(ctx, tx, beginAttempt, scanAttempt, s.name, r.seq)
			}
			return err
		})
		if err != nil || set {
			return err
		}
	}
	var err error
	if try.unfinished > maxCrashes {
		err = poison{fmt.Errorf("a crash loop: %d attempts began and none ended", try.unfinished-1)}
	} else if err = b.run(ctx, room, o, s, r, careful); err == nil {
		return nil
	}
	return b.judge(ctx, room, o, s, p, r, try, careful, err)
}

// judge decides what becomes of an event that failed: it is tried again, which
// the error says, or parked.
func (b *Bus) judge(ctx context.Context, room *fleet.Room, o *outlet, s *subscriber, p *place, r record, try attempt, careful bool, err error) error {
	if errors.Is(err, errTurn) {
		return err
	}
	again := ctx.Err() != nil || isUnavailable(err)
	if !careful && !again {
		count := o.change(ctx, room, func(tx *db.Tx) (err error) {
			try, _, err = db.One(ctx, tx, countAttempt, scanAttempt, s.name, r.seq)
			return err
		})
		if count != nil {
			return errors.Join(err, count)
		}
	}
	if !again && (isPoison(err) || try.attempts >= maxAttempts) {
		if stop := b.mayPark(ctx, s.name); stop != nil {
			err, again = fmt.Errorf("%w: %w", stop, err), true
		}
	}
	if !again && (isPoison(err) || try.attempts >= maxAttempts) {
		b.log.Error("an event is poison; its key is parked", "subscriber", s.name, "shop", room.Shop(), "topic", r.topic, "key", r.key, "seq", r.seq, "attempts", try.attempts, "trace", r.trace, "err", err)
		parkErr := o.change(ctx, room, func(tx *db.Tx) error { return b.park(ctx, tx, s, r, err.Error()) })
		p.parked = p.parked || parkErr == nil
		return parkErr
	}
	if careful {
		return b.failed(ctx, room, o, s, r, err, again)
	}
	return err
}

// failed notes that an attempt that was counted beforehand has ended, and takes
// it back if it does not count.
func (b *Bus) failed(ctx context.Context, room *fleet.Room, o *outlet, s *subscriber, r record, err error, uncount bool) error {
	back := 0
	if uncount {
		back = 1
	}
	ctx = context.WithoutCancel(ctx)
	note := o.change(ctx, room, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, failAttempt, s.name, r.seq, back)
		return err
	})
	return errors.Join(err, note)
}

// run calls the handler. Its effect, or what a flow gave back to be written, is
// committed with the cursor.
func (b *Bus) run(ctx context.Context, room *fleet.Room, o *outlet, s *subscriber, r record, counted bool) error {
	h := s.handlers[r.topic]
	write := h.tx
	if h.flow != nil {
		then, err := runFlow(ctx, h, room, r)
		if err != nil {
			return err
		}
		write = then.record
	}
	trying, cancel := context.WithTimeout(ctx, txTime)
	defer cancel()
	err := o.reach(trying, room, s.name, r.seq, func(tx *db.Tx) error {
		if err := write(r.in(trying), tx, r); err != nil {
			return err
		}
		if counted {
			return tx.Later(trying, endAttempts, s.name, r.seq)
		}
		return nil
	})
	if err != nil && trying.Err() != nil && ctx.Err() == nil { // what it works with is slow, or locked
		return Unavailable(fmt.Errorf("it was not done within %v: %w", txTime, err))
	}
	return err
}

// record makes of what a flow gave back a handler that writes it.
func (t Then) record(ctx context.Context, tx *db.Tx, _ record) error {
	if t == nil {
		return nil
	}
	return t(ctx, tx)
}

func runFlow(ctx context.Context, h handler, room *fleet.Room, r record) (then Then, err error) {
	ctx, cancel := context.WithTimeout(ctx, flowTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = poison{fmt.Errorf("panic: %v", p)}
		}
	}()
	return h.flow(r.in(ctx), room, r)
}
