package event

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Bus delivers events inside one process, straight from the outboxes of the
// fleet's shards, which are its durable log. Subscribe first, then Start.
type Bus struct {
	fleet *fleet.Fleet
	log   *slog.Logger
	subs  []*subscriber

	mu    sync.Mutex
	units map[unitKey]*unit
	ready chan *unit // tx subscribers' units
	slow  chan *unit // flow subscribers' units: they may take seconds
	busy  int        // units queued, running or waiting to try again
	idle  *sync.Cond

	followers map[id.Shop]map[chan struct{}]bool

	seats struct {
		perShop, all int
		taken        map[id.Shop]int
		total        int
	}

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type subscriber struct {
	name     string
	handlers map[string]handler
	flow     bool
}

type handler struct {
	tx   func(context.Context, *db.Tx, record) error
	flow func(context.Context, *fleet.Room, record) error
}

type unitKey struct {
	shop id.Shop
	sub  *subscriber
}

// unit is one subscriber's progress with one shop. At most one goroutine works
// on it at a time.
type unit struct {
	unitKey
	work sync.Mutex // held while delivering or replaying

	// Guarded by Bus.mu:
	queued bool // in a channel, running, or waiting to try again
	again  bool // news came while it ran
	pins   int  // replays and drops under way

	// Guarded by work:
	at      int64 // handled or skipped up to here; ahead of the stored cursor by what was skipped
	stored  int64 // the cursor in the shard
	known   bool  // at and stored have been read
	trusted bool  // has delivered since the program started
	parked  bool  // some key may be parked; only a delivery parks, so false is sure
	fails   int   // in a row, for the pause
	waiting string
}

const (
	txWorkers   = 4
	flowWorkers = 8
	maxUnits    = 200_000 // beyond, news waits for the next discovery
)

// NewBus makes a bus over the fleet's shards.
func NewBus(f *fleet.Fleet, log *slog.Logger) *Bus {
	b := &Bus{fleet: f, log: log, units: map[unitKey]*unit{}, followers: map[id.Shop]map[chan struct{}]bool{}, ready: make(chan *unit, maxUnits), slow: make(chan *unit, maxUnits)}
	b.idle = sync.NewCond(&b.mu)
	b.seats.perShop, b.seats.all, b.seats.taken = 50, 5_000, map[id.Shop]int{}
	f.OnWrite(b.wake)
	return b
}

func (b *Bus) subscribe(name, topic string, h handler) {
	var s *subscriber
	for _, have := range b.subs {
		if have.name == name {
			s = have
		}
	}
	if s == nil {
		s = &subscriber{name: name, handlers: map[string]handler{}}
		b.subs = append(b.subs, s)
	}
	if _, twice := s.handlers[topic]; twice {
		panic("event: " + name + " subscribes twice to " + topic)
	}
	s.handlers[topic] = h
	s.flow = s.flow || h.flow != nil
}

// Start delivers until Close. What was left undone by an earlier run is
// discovered first.
func (b *Bus) Start(ctx context.Context) {
	b.mu.Lock()
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.mu.Unlock()
	for range txWorkers {
		b.running.Go(func() { b.worker(b.ready) })
	}
	for range flowWorkers {
		b.running.Go(func() { b.worker(b.slow) })
	}
	b.running.Go(b.housekeeper)
}

// Close stops delivering, after the deliveries under way.
func (b *Bus) Close() {
	if b.cancel != nil {
		b.cancel()
		b.running.Wait()
	}
}

// wake queues every subscriber for a shop that has news.
func (b *Bus) wake(shop id.Shop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.followers[shop] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	if b.ctx == nil {
		return // not started: discovery will find it
	}
	for _, s := range b.subs {
		k := unitKey{shop, s}
		u := b.units[k]
		if u == nil {
			if len(b.units) >= maxUnits {
				continue
			}
			u = &unit{unitKey: k}
			b.units[k] = u
		}
		b.queue(u)
	}
}

// queue hands a unit to the workers. The caller holds b.mu.
func (b *Bus) queue(u *unit) {
	if u.queued {
		u.again = true
		return
	}
	u.queued, u.again = true, false
	b.busy++
	b.push(u)
}

func (b *Bus) push(u *unit) {
	if u.sub.flow {
		b.slow <- u
	} else {
		b.ready <- u
	}
}

func (b *Bus) worker(units chan *unit) {
	for {
		select {
		case <-b.ctx.Done():
			return
		case u := <-units:
			u.work.Lock()
			err := b.deliver(b.ctx, u)
			if err != nil {
				u.fails++
			} else {
				u.fails, u.waiting = 0, ""
			}
			fails := u.fails
			u.work.Unlock()
			b.finish(u, err, fails)
		}
	}
}

// finish puts a unit to rest, or has it tried again.
func (b *Bus) finish(u *unit, err error, fails int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil:
	case err != nil:
		pause := min(30*time.Second, 20*time.Millisecond<<min(fails, 10))
		pause = pause/2 + rand.N(pause/2)
		b.log.Warn("an event waits to be tried again", "subscriber", u.sub.name, "shop", u.shop, "failures", fails, "pause", pause, "err", err)
		time.AfterFunc(pause, func() { b.push(u) })
		return
	case u.again:
		u.again = false
		b.push(u)
		return
	}
	u.queued = false
	if b.busy--; b.busy == 0 {
		b.idle.Broadcast()
	}
}

// Settle waits until every event emitted so far has been handled, or set
// aside. It is for tests and for a quiet shutdown.
func (b *Bus) Settle(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.idle.Broadcast()
	})
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.busy > 0 && ctx.Err() == nil {
		b.idle.Wait()
	}
	return ctx.Err()
}

// Resting reports whether nothing is to be done for a shop: its events were
// handled or set aside, and how far they were has been stored.
func (b *Bus) Resting(shop id.Shop) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if b.units[unitKey{shop, s}] != nil {
			return false
		}
	}
	return true
}

// discover wakes the shops whose clock is beyond what was handled: those left
// by an earlier run, and, as a safety net, any that a wake did not reach. It
// costs nothing for the shops that rest.
func (b *Bus) discover(ctx context.Context) {
	for _, name := range b.fleet.ShardNames() {
		for after := id.Shop(0); ctx.Err() == nil; {
			page, err := b.fleet.Shard(name).News(ctx, after, 1000)
			if err != nil {
				if ctx.Err() == nil {
					b.log.Error("cannot look for undelivered events", "shard", name, "err", err)
				}
				break
			}
			for _, c := range page {
				after = c.Shop
				b.wake(c.Shop)
			}
			if len(page) < 1000 {
				break
			}
		}
	}
}

func (b *Bus) housekeeper() {
	b.discover(b.ctx)
	flush, poll := time.NewTicker(time.Second), time.NewTicker(time.Minute)
	defer flush.Stop()
	defer poll.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-flush.C:
			b.flush(b.ctx)
		case <-poll.C:
			b.discover(b.ctx)
		}
	}
}

// Backlog gives, for the operator, the number of units at work and what those
// that wait are waiting for, by subscriber.
func (b *Bus) Backlog() (busy int, waiting map[string]string) {
	b.mu.Lock()
	units := make([]*unit, 0, 16)
	busy = b.busy
	for _, u := range b.units {
		if u.queued && len(units) < 1000 {
			units = append(units, u)
		}
	}
	b.mu.Unlock()
	waiting = map[string]string{}
	for _, u := range units {
		if u.work.TryLock() {
			if u.waiting != "" {
				waiting[u.sub.name] = u.waiting
			}
			u.work.Unlock()
		}
	}
	return busy, waiting
}
