package event

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Envelope is an event as a follower sees it.
type Envelope struct {
	Meta
	Topic   string
	Payload json.RawMessage
}

var readLast = db.Q(`SELECT at FROM shop_outbox WHERE shop = $1 ORDER BY seq DESC LIMIT 1`)

// LastAt gives when the shop's newest event was committed; zero if there is none.
func LastAt(ctx context.Context, room *fleet.Room) (at time.Time, err error) {
	err = room.View(ctx, fleet.AnyAge, func(r db.Reader) error {
		at, _, err = db.One(ctx, r, readLast, func(t *time.Time) []any { return []any{t} })
		return err
	})
	return at, err
}

// Follow calls fn with every event of a shop after a position, in order, as
// they are committed, until ctx ends or fn fails. A negative position means
// from now on. It is for live screens: nothing is stored, and a follower that
// reconnects says where it was.
func (b *Bus) Follow(ctx context.Context, room *fleet.Room, after int64, fn func(Envelope) error) error {
	news, stop := b.listen(room.Shop())
	defer stop()
	var had trail
	for {
		var page []record
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			if after < 0 {
				after, err = db.Seq(ctx, r)
				return err
			}
			if after, err = had.back(ctx, r, after); err != nil {
				return err
			}
			page, err = db.All(ctx, r, readNews, scanRecord, after, batchSize)
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := fn(Envelope{r.meta(room.Shop()), r.topic, r.payload}); err != nil {
				return err
			}
			after = r.seq
			had.add(r)
		}
		if len(page) == batchSize {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// trail is the newest events that a follower was given, to find its way back
// when a promotion has lost some of them and gives out their numbers again.
type trail struct {
	term int64
	last []record
}

func (t *trail) add(r record) {
	if t.last = append(t.last, record{seq: r.seq, event: r.event}); len(t.last) > 2*batchSize {
		t.last = append([]record(nil), t.last[batchSize:]...)
	}
}

// back gives the position to go on from: the one before, unless the shard's
// term is another and the outbox no longer has the event that was there.
func (t *trail) back(ctx context.Context, r db.Reader, after int64) (int64, error) {
	term := r.Mark().Term
	if t.term == term || t.term == 0 {
		t.term = term
		return after, nil
	}
	seq, err := db.Seq(ctx, r)
	if err != nil {
		return after, err
	}
	if len(t.last) == 0 {
		t.term = term
		return min(after, seq), nil
	}
	now, err := db.All(ctx, r, readNews, scanRecord, t.last[0].seq-1, 2*batchSize)
	if err != nil {
		return after, err
	}
	is := map[int64]id.Event{}
	for _, n := range now {
		is[n.seq] = n.event
	}
	after = t.last[0].seq - 1
	for i, l := range t.last {
		if is[l.seq] != l.event {
			t.last = t.last[:i]
			break
		}
		after = l.seq
	}
	t.term = term
	return min(after, seq), nil
}

// Seats bounds how many may follow one shop, and all shops together, at once.
func (b *Bus) Seats(perShop, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seats.perShop, b.seats.all = perShop, all
}

// Seat takes a place to follow a shop from. When all are taken it is a Busy
// fault. leave gives the place back.
func (b *Bus) Seat(shop id.Shop) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seats.taken[shop] >= b.seats.perShop || b.seats.total >= b.seats.all {
		return nil, fault.Busy(30*time.Second, "Too many screens follow live just now. Close one, or try again in a moment.").With("too-many-streams")
	}
	b.seats.taken[shop]++
	b.seats.total++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seats.total--
		if b.seats.taken[shop]--; b.seats.taken[shop] == 0 {
			delete(b.seats.taken, shop)
		}
	}), nil
}

// listen gives a channel that holds a token whenever the shop has news.
func (b *Bus) listen(shop id.Shop) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.followers[shop] == nil {
		b.followers[shop] = map[chan struct{}]bool{}
	}
	b.followers[shop][ch] = true
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if delete(b.followers[shop], ch); len(b.followers[shop]) == 0 {
			delete(b.followers, shop)
		}
	}
}
