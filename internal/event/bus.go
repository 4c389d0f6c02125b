package event

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Bus delivers events inside one process, straight from the outboxes of the
// fleet's shards, which are its durable log: those of all shards or, with
// Leased, of those that it has the lease of. Subscribe first, then Start.
type Bus struct {
	fleet *fleet.Fleet
	log   *slog.Logger
	subs  []*subscriber
	lanes []*lane // made by Start
	all   string  // the cursor that tells how far all subscribers have come

	mu         sync.Mutex
	outlets    map[id.Shop]*outlet
	most       int            // outlets
	full       bool           // a shop's news found no outlet
	recent     int            // events kept in memory, by all outlets
	busy       int            // units queued, running or waiting to try again
	working    map[*unit]bool // those that a worker has
	past       []Moment
	parkedPast []ParkedMoment
	idle       *sync.Cond
	searched   map[string]bool       // shards that were searched for what was left
	suspects   map[id.Shop]time.Time // whose events were there before we were, and when that was seen
	stuck      map[*unit]bool        // units whose events wait, after a failure

	followers map[id.Shop]map[chan struct{}]bool
	parking   parking

	turns map[string]int64 // the epochs at which places' events are delivered here; nil: all are
	taken chan struct{}    // another place's events are delivered here
	topic *intake          // where events arrive from; nil: commits are told
	made  int64            // the epoch when there are no leases: a later bus ends what an earlier one left under way

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
	read func(*record) // decodes it, if it can be
	tx   func(context.Context, *db.Tx, record) error
	flow func(context.Context, *fleet.Room, record) (Then, error)
}

// lane is what is delivered together: all the subscribers that only write, or
// one that may call out.
type lane struct {
	name  string // the cursor of the whole lane
	subs  []*subscriber
	flow  bool
	ready chan *unit // its workers take from here: what hangs there holds up no other lane
}

const (
	txWorkers   = 8      // a database commits those of several shops together
	flowWorkers = 8      // of each lane that may call out
	maxOutlets  = 20_000 // beyond, news waits for a discovery once there is room
	maxRecent   = 20_000 // events kept in memory until they are delivered
	keepRecent  = 128    // of them of one shop
)

// NewBus makes a bus over the fleet's shards.
func NewBus(f *fleet.Fleet, log *slog.Logger) *Bus {
	b := &Bus{parking: parking{most: mostParked, of: map[string]*lot{}}, fleet: f, log: log, most: maxOutlets, outlets: map[id.Shop]*outlet{}, searched: map[string]bool{}, suspects: map[id.Shop]time.Time{}, stuck: map[*unit]bool{}, working: map[*unit]bool{}, followers: map[id.Shop]map[chan struct{}]bool{}, taken: make(chan struct{}, 1), made: time.Now().UnixMicro()}
	b.idle = sync.NewCond(&b.mu)
	b.seats.perShop, b.seats.all, b.seats.taken = 50, 5_000, map[id.Shop]int{}
	f.OnWrite(b.written)
	f.OnTerm(b.anew)
	return b
}

func (b *Bus) subscribe(name, topic string, h handler) {
	if strings.Contains(name, " ") {
		panic("event: the subscriber " + name + " has a space in its name")
	}
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

// joined is the name of the cursor of several subscribers.
func joined(subs []*subscriber) string {
	names := make([]string, len(subs))
	for i, s := range subs {
		names[i] = s.name
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Start delivers until Close. What was left undone by an earlier run is
// discovered first.
func (b *Bus) Start(ctx context.Context) {
	b.mu.Lock()
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var writers []*subscriber
	for _, s := range b.subs {
		if s.flow {
			b.lanes = append(b.lanes, &lane{name: s.name, subs: []*subscriber{s}, flow: true})
		} else {
			writers = append(writers, s)
		}
	}
	if len(writers) > 0 {
		b.lanes = append(b.lanes, &lane{name: joined(writers), subs: writers})
	}
	b.all = joined(b.subs)
	const more = 1000 // replays open outlets too
	for _, l := range b.lanes {
		l.ready = make(chan *unit, maxOutlets+more)
	}
	b.mu.Unlock()
	for _, l := range b.lanes {
		workers := txWorkers
		if l.flow {
			workers = flowWorkers
		}
		for range workers {
			b.running.Go(func() { b.worker(l.ready) })
		}
	}
	b.running.Go(b.housekeeper)
	b.running.Go(b.watchWorkers)
}

// Close stops delivering, after the deliveries under way.
func (b *Bus) Close() {
	if b.cancel != nil {
		b.cancel()
		b.running.Wait()
	}
}

// written takes the events of a commit to the shop's outlet, and queues its
// units.
func (b *Bus) written(c fleet.Commit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.followers[c.Shop] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	if b.topic == nil {
		b.arrive(c)
	}
}

// arrive takes events to their shop's outlet and queues its units. It gives nil
// if they are delivered elsewhere, or are to be discovered later. The caller
// holds b.mu.
func (b *Bus) arrive(c fleet.Commit) *outlet {
	if b.ctx == nil || b.ctx.Err() != nil || len(b.lanes) == 0 {
		return nil // not started, or closed: discovery will find it
	}
	place := b.place(c.Shop, c.Shard)
	epoch, ok := b.turn(place)
	if !ok {
		return nil // another process delivers it
	}
	o, was := b.outlets[c.Shop], (*outlet)(nil)
	if o != nil && (o.shard != c.Shard || o.place != place || o.epoch != epoch) {
		b.drop(c.Shop, o)
		o, was = nil, o
	}
	if o == nil {
		if len(b.outlets) >= b.most {
			b.full = true
			return nil
		}
		o = b.open(c.Shop, c.Shard, place, epoch)
		if was != nil && was.place == place && was.epoch == epoch { // it is on another shard now
			o.due, o.upTo = was.due, was.upTo
		}
	}
	if c.Doubt {
		for _, u := range o.units {
			u.look = true
		}
	} else {
		b.keep(o, c)
	}
	for _, u := range o.units {
		b.queue(u)
	}
	return o
}

// queue hands a unit to the workers. The caller holds b.mu.
func (b *Bus) queue(u *unit) {
	switch {
	case !u.queued:
		u.queued, u.again, u.since = true, false, time.Now()
		b.busy++
		b.push(u)
	case u.pause != nil && u.pause.Stop(): // some of its subscribers need not wait
		u.pause = nil
		b.push(u)
	default:
		u.again = true
	}
}

func (b *Bus) push(u *unit) { u.lane.ready <- u }

func (b *Bus) worker(units chan *unit) {
	for {
		select {
		case <-b.ctx.Done():
			return
		case u := <-units:
			u.task.begin(nil, nil)
			b.mu.Lock()
			u.pause = nil
			b.working[u] = true
			b.mu.Unlock()
			u.work.Lock()
			err := b.deliver(b.ctx, u)
			wait, waiting := u.wait(err), u.waits(err)
			reached := u.reached(len(waiting) > 0)
			u.work.Unlock()
			b.finish(u, wait, waiting, reached)
		}
	}
}

// finish puts a unit to rest, or has it tried again after a while.
func (b *Bus) finish(u *unit, wait time.Duration, waiting map[string]Waiting, reached int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.working, u)
	if b.ctx.Err() == nil {
		b.note(u, waiting)
		if u.passed = reached; b.topic != nil {
			b.topic.settle(u.outlet)
		}
	}
	switch {
	case b.ctx.Err() != nil:
	case u.again:
		u.again = false
		b.push(u)
		return
	case wait > 0:
		u.pause = time.AfterFunc(wait, func() { b.push(u) })
		return
	}
	u.queued = false
	u.outlet.rested = time.Now()
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
	return b.outlets[shop] == nil
}

// discover wakes the shops whose clock is beyond what was handled: those left
// by an earlier run, and, as a safety net, any that a wake did not reach. It
// costs nothing for the shops that rest.
func (b *Bus) discover(ctx context.Context) {
	for name, shard := range b.fleet.Shards {
		b.mu.Lock()
		_, ours := b.turn(name)
		ours = ours || b.topic != nil // some of its shops may be
		b.mu.Unlock()
		for after := id.Shop(0); ours && ctx.Err() == nil; {
			page, err := shard.News(ctx, after, 1000)
			if err != nil {
				if ctx.Err() == nil {
					b.log.Error("cannot look for undelivered events", "shard", name, "err", err)
				}
				break
			}
			for _, c := range page {
				after = c.Shop
				b.suspect(name, c.Shop)
				b.mu.Lock()
				b.arrive(fleet.Commit{Shop: c.Shop, Shard: name, Doubt: true})
				b.mu.Unlock()
			}
			if len(page) < 1000 {
				b.mu.Lock()
				b.searched[name] = true
				b.mu.Unlock()
				break
			}
		}
	}
}

// suspect takes note of a shop whose events were there before we were: one of
// them may have been what ended the run before.
func (b *Bus) suspect(shard string, shop id.Shop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.searched[shard] {
		b.suspects[shop] = time.Now()
	}
}

// suspected reports whether attempts at events, of which this is the oldest,
// must be counted before they are made.
func (b *Bus) suspected(room *fleet.Room, oldest record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, is := b.suspects[room.Shop()]
	return !b.searched[room.Shard()] || is && !oldest.at.After(since)
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
			if b.room() {
				b.discover(b.ctx)
			}
		case <-poll.C:
			b.discover(b.ctx)
		case <-b.taken:
			b.discover(b.ctx)
		}
	}
}

// room reports whether shops were turned away and there is room for some now.
func (b *Bus) room() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.full || len(b.outlets) > b.most/2 {
		return false
	}
	b.full = false
	return true
}

// Waiting is what a subscriber cannot go on without.
type Waiting struct {
	Why   string    // the latest error
	Since time.Time // of the shop whose events wait longest
	Shops int       // whose events wait
}

// Backlog gives, for the operator, the number of units at work and what those
// that fail are waiting for, by subscriber, those that do not come back from an
// event among them. It waits for no delivery: a unit that tries again is still
// waiting until it has come further.
func (b *Bus) Backlog() (busy int, waiting map[string]Waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting = map[string]Waiting{}
	add := func(name string, w Waiting) {
		all, known := waiting[name]
		if !known || w.Since.Before(all.Since) {
			all.Why, all.Since = w.Why, w.Since
		}
		all.Shops++
		waiting[name] = all
	}
	for u := range b.stuck {
		for name, w := range u.waiting {
			add(name, w)
		}
	}
	now := time.Now()
	for u := range b.working {
		if name, w, hangs := u.hangs(now); hangs && u.waiting[name].Why == "" {
			add(name, w)
		}
	}
	return b.busy, waiting
}

// note keeps what a unit waits for where the operator's looks find it. The
// caller holds b.mu.
func (b *Bus) note(u *unit, waiting map[string]Waiting) {
	if u.waiting = waiting; len(waiting) > 0 {
		b.stuck[u] = true
	} else {
		delete(b.stuck, u)
	}
}
