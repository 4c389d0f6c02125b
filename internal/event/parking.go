package event

import (
	"context"
	"fmt"
	"sync"
	"time"

	"haat/internal/db"
)

// A key is parked so that others go on. When many are, it is not the events that
// are bad but what handles them, as after a bad deploy: parked, a million orders
// would have to be put back by hand. So no more of a subscriber's keys are parked
// then; what fails waits in its shop and is tried again, and once the handler is
// mended everything takes effect by itself, in order.

const (
	mostParked  = 1_000 // keys of one subscriber, in all shops
	parkedShare = 100   // at most one of so many events parks its key
	fewParked   = 20    // within a window: so few say nothing of the others

	parkedWindow = time.Minute
	parkedCount  = 5 * time.Second // between counts of what is parked
	stoppedFor   = 90 * time.Second
)

var parkedKeysOf = db.Across(`SELECT shop, COUNT(DISTINCT key) FROM event_parked WHERE name = $1 GROUP BY shop ORDER BY shop LIMIT $2`)

// parking tells whether a subscriber's keys may be parked.
type parking struct {
	mu   sync.Mutex
	most int64 // mostParked
	of   map[string]*lot
}

// lot is what is known of one subscriber's parked keys.
type lot struct {
	keys            int64     // that are parked, as of counted, and those that this process has parked since
	granted         int64     // by this process, ever
	counted         time.Time // when the shards were asked
	began           time.Time // of the window
	handled, parked int64     // events in the window, and those of them that parked their key

	stop    Stop
	refused time.Time // the latest
}

// Stop says since when no more of a subscriber's keys are parked, and why.
type Stop struct {
	Since time.Time
	Why   string
}

func (p *parking) lot(name string, now time.Time) *lot {
	l := p.of[name]
	if l == nil {
		l = &lot{}
		p.of[name] = l
	}
	if now.Sub(l.began) > parkedWindow {
		l.began, l.handled, l.parked = now, 0, 0
	}
	return l
}

// handled notes that a subscriber has come on by so many events.
func (p *parking) handled(name string, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lot(name, time.Now()).handled += n
}

// full says why no more of a subscriber's keys may be parked; empty if they may.
func (p *parking) full(name string, l *lot) string {
	switch {
	case l.keys >= p.most:
		return fmt.Sprintf("%d keys of %s are parked already", l.keys, name)
	case l.parked >= fewParked && l.parked*parkedShare > l.handled+l.parked:
		return fmt.Sprintf("%d of the last %d events of %s have parked their keys", l.parked, l.handled+l.parked, name)
	}
	return ""
}

// mayPark has one more key of a subscriber parked, or says why not.
func (b *Bus) mayPark(ctx context.Context, name string) error {
	p, now := &b.parking, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lot(name, now)
	if now.Sub(l.counted) > parkedCount {
		l.counted = now // others go by what was known before
		since := l.granted
		p.mu.Unlock()
		all, err := b.fleet.Across(ctx, parkedKeysOf, name, p.most)
		p.mu.Lock()
		if err != nil {
			l.counted = time.Time{}
			return Unavailable(fmt.Errorf("count the parked keys of %s: %w", name, err))
		}
		l.keys = l.granted - since // which may be counted already
		for _, c := range all {
			l.keys += c.N
		}
	}
	if why := p.full(name, l); why != "" {
		if now.Sub(l.refused) > stoppedFor {
			l.stop.Since = now
		}
		l.refused, l.stop.Why = now, why
		return Unavailable(fmt.Errorf("it is not parked: %s", why))
	}
	l.keys++
	l.granted++
	l.parked++
	return nil
}

// Stopped gives the subscribers of which no more keys are parked.
func (b *Bus) Stopped() map[string]Stop {
	p := &b.parking
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]Stop{}
	for name, l := range p.of {
		if time.Since(l.refused) <= stoppedFor {
			out[name] = l.stop
		}
	}
	return out
}
