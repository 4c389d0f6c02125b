package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/api"
)

const (
	manyMoves    = 10_000
	soonShown    = 1_000 // without: it shows soon
	movingShops  = 500   // so many that what people order makes no move much longer
	soonShops    = 48
	shopsOfOne   = 10 // merchant
	movingAtOnce = 6  // two of them are worked on at a time
	manyRate     = 24
	killedAfter  = 250 // moves, each time
	arriveWithin = 3 * time.Minute
	arriveSoon   = 30 * time.Second // without: what is written where it must not be keeps some from ever
	manyWithin   = time.Hour
)

// house is a shop that moves again and again.
type house struct {
	*shop
	at, kept string // where it lives, and where an old copy of it is
	last     int64  // its last move
	price    int    // that was acknowledged last
}

// manyHouses are many shops that move, and what came of it.
type manyHouses struct {
	r     *run
	s     *server
	route []string
	rest  chan *house
	alive sync.RWMutex // held for good while the process is dead

	mu       sync.Mutex
	moving   []*house
	pauses   []time.Duration
	between  map[string]int // moves by where from and where to
	back     int            // to an old copy
	copied   int64          // rows, by those that went back
	compared int64
	aborts   int64
	saves    saves
	err      error
	arrived  atomic.Int64
}

// movesMany moves many shops, some at once, between three shards, and kills
// whoever moves them now and then. Most who order do so where a shop is about to
// be switched.
func movesMany(ctx context.Context, r *run) error {
	goal, shops := manyMoves, movingShops
	if r.without {
		goal, shops = soonShown, soonShops
	}
	goal = max(20, goal/r.parts)
	every := min(killedAfter, max(8, goal/4))
	r.Injected = fmt.Sprintf("%d moves of %d shops between SQLite and two PostgreSQL servers, as fast as they go, under %d orders a second and saves in those that are on their way; kill -9 of the process after every %d", goal, shops, manyRate, every)
	s, route, err := r.houses(ctx)
	if err != nil {
		return err
	}
	h := &manyHouses{r: r, s: s, route: route, rest: make(chan *house, shops), between: map[string]int{}}
	var all []*house
	token := ""
	for n := range shops {
		if n%shopsOfOne == 0 {
			if token, err = r.merchant(ctx, s.addr); err != nil {
				return err
			}
		}
		shop, err := openFor(ctx, s.addr, token, fmt.Sprintf("Goods %d", n), plenty)
		if err != nil {
			return err
		}
		is, err := s.operator(s.token).Shop(ctx, shop.slug)
		if err != nil {
			return err
		}
		all = append(all, &house{shop: shop, at: is.Shard})
		h.rest <- all[n]
	}
	if err := s.quiet(ctx, s.token); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	var asked sync.Map // the shop that each arrival ordered in
	people := arrive(ctx, manyRate, func(ctx context.Context, n int) error {
		x := h.busy(all)
		asked.Store(n, x)
		return x.place(ctx, s.addr, name(n), "cod")
	})
	begun := time.Now()
	working, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for range movingAtOnce {
		workers.Go(func() {
			for working.Err() == nil && h.arrived.Load() < int64(goal) {
				x := <-h.rest
				if err := h.move(ctx, x); err != nil {
					h.mu.Lock()
					h.err = errors.Join(h.err, fmt.Errorf("%s: %w", x.slug, err))
					h.mu.Unlock()
					stop()
				}
				h.rest <- x
			}
		})
	}
	ended := make(chan struct{})
	go func() { workers.Wait(); close(ended) }()
	deaths, err := h.kill(ctx, ended, begun, goal, every)
	stop()
	<-ended
	if err = errors.Join(err, h.err); err != nil && ctx.Err() == nil {
		r.saw(false, "%v", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	took := time.Since(begun)
	r.say("counting")
	fates := people.end()
	of := map[*house][]fate{}
	for _, f := range fates {
		if x, ok := asked.Load(f.n); ok {
			of[x.(*house)] = append(of[x.(*house)], f)
		}
	}
	acknowledged, lost, doubled := 0, 0, 0
	for _, x := range all {
		orders, err := x.orders(ctx, s.addr)
		if err != nil {
			return err
		}
		a, l, d := compare(of[x], name, orders)
		acknowledged, lost, doubled = acknowledged+a, lost+l, doubled+d
		if err := h.holds(ctx, x); err != nil {
			return err
		}
	}
	r.saw(lost == 0 && doubled == 0, "%d of %d acknowledged orders lost, %d doubled", lost, acknowledged, doubled)
	r.saw(h.saves.lost == 0, "%d of %d saves lost", h.saves.lost, h.saves.all)
	for _, why := range append(reasons(fates), h.saves.failed[:min(5, len(h.saves.failed))]...) {
		r.say("%s", why)
	}
	r.saw(len(failed(fates)) == 0 && len(h.saves.failed) == 0, "%d people gave up", len(failed(fates))+len(h.saves.failed))
	h.tell(took, goal, deaths)
	r.saw(true, "p99 of an order %v, the kills included", round(slow(fates, 0.99)))
	return nil
}

// tell says how the moves went.
func (h *manyHouses) tell(took time.Duration, goal, deaths int) {
	r := h.r
	slices.Sort(h.pauses)
	n := len(h.pauses)
	if n == 0 {
		r.saw(false, "no shop has moved")
		return
	}
	p50, p95, p99, most := h.pauses[n/2], h.pauses[n*95/100], h.pauses[n*99/100], h.pauses[n-1]
	r.saw(n >= goal, "%d moves within %v, %.1f a second", n, round(took), float64(n)/took.Seconds())
	r.saw(p95 <= pauseP95 && most <= pauseMost, "writes paused for %v p50, %v p95, %v p99, %v at most", round(p50), round(p95), round(p99), round(most))
	file := 0
	for way, n := range h.between {
		if way[:2] == "s1" || way[len(way)-2:] == "s1" {
			file += n
		}
	}
	r.saw(true, "%d of them between SQLite and PostgreSQL, %d from one server to the other", file, n-file)
	r.saw(h.copied == 0, "%d went back to the copy that was kept, with %d rows copied", h.back, h.copied)
	r.saw(h.compared > 0, "%d rows compared, and the same", h.compared)
	r.saw(true, "%d switches given up and tried again", h.aborts)
	r.saw(deaths > 0, "killed %d times, and went on", deaths)
}

// busy gives a shop that is on its way, mostly.
func (h *manyHouses) busy(all []*house) *house {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.moving) == 0 || rand.IntN(8) == 0 {
		return all[rand.IntN(len(all))]
	}
	return h.moving[rand.IntN(len(h.moving))]
}

// kill kills the process after so many moves, again and again, and has it come
// back, until all have been made.
func (h *manyHouses) kill(ctx context.Context, ended <-chan struct{}, begun time.Time, goal, every int) (deaths int, err error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for said := time.Now(); ; {
		select {
		case <-ended:
			return deaths, nil
		case <-ctx.Done():
			return deaths, ctx.Err()
		case <-tick.C:
		}
		n := h.arrived.Load()
		if time.Since(said) > 15*time.Second {
			said = time.Now()
			h.r.say("%d of %d moves, %.1f a second, %d kills", n, goal, float64(n)/time.Since(begun).Seconds(), deaths)
		}
		if time.Since(begun) > manyWithin {
			return deaths, fmt.Errorf("%d of %d moves after %v", n, goal, manyWithin)
		}
		if n < int64((deaths+1)*every) || n >= int64(goal) {
			continue
		}
		h.alive.Lock()
		died := time.Now()
		h.s.kill()
		if deaths++; h.r.without && deaths > 1 {
			h.r.say("death %d", deaths)
		}
		err := h.s.begin(ctx)
		if err == nil && deaths == 1 {
			err = h.r.named(ctx, h.s, h.s.token, "process-killed", "without saying so", died)
		}
		h.alive.Unlock()
		if err != nil {
			return deaths, err
		}
	}
}

// ask asks the operator's interface for something that happens once, of a
// process that is alive.
func (h *manyHouses) ask(fn func(api.Operator) error) error {
	h.alive.RLock()
	defer h.alive.RUnlock()
	return fn(h.s.operator(h.s.token))
}

// awaits looks at a move until it is as wanted.
func (h *manyHouses) awaits(ctx context.Context, n int64, wanted func(api.Move) bool) (m api.Move, err error) {
	within := arriveWithin
	if h.r.without {
		within = arriveSoon
	}
	for begun := time.Now(); time.Since(begun) < within; {
		err = h.ask(func(o api.Operator) (err error) {
			m, err = o.MoveOf(ctx, n)
			return err
		})
		if err != nil || wanted(m) {
			return m, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return m, err
		}
	}
	return m, fmt.Errorf("not there after %v: %s from %s to %s, given up %d times, %s", within, m.Phase, m.From, m.To, m.Aborts, m.Error)
}

// move has a shop go to another shard, or sometimes back to the copy that is
// kept, while its merchant saves.
func (h *manyHouses) move(ctx context.Context, x *house) error {
	back := x.kept != "" && rand.IntN(4) == 0
	if x.kept != "" && !back {
		if err := h.ask(func(o api.Operator) error { return o.EndMove(ctx, x.slug, true) }); err != nil {
			return err
		}
		if _, err := h.awaits(ctx, x.last, func(m api.Move) bool { return m.Over }); err != nil {
			return err
		}
	}
	to := ""
	for !back && (to == "" || to == x.at) {
		to = h.route[rand.IntN(len(h.route))]
	}
	var m api.Move
	err := h.ask(func(o api.Operator) (err error) {
		m, err = o.Move(ctx, x.slug, to, back)
		return err
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.moving = append(h.moving, x)
	h.mu.Unlock()
	merchant := make(chan error)
	over, stop := context.WithCancel(ctx)
	go func() {
		var err error
		for err == nil && over.Err() == nil {
			if err = h.save(ctx, x); err == nil {
				_ = pause(over, 150*time.Millisecond)
			}
		}
		merchant <- err
	}()
	m, err = h.awaits(ctx, m.ID, func(m api.Move) bool { return m.Arrived || m.Over })
	stop()
	if err = errors.Join(err, <-merchant); err != nil {
		return err
	}
	if !m.Arrived {
		return fmt.Errorf("not moved from %s to %s: %s, %s", m.From, m.To, m.Phase, m.Error)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moving = slices.DeleteFunc(h.moving, func(other *house) bool { return other == x })
	h.pauses, h.compared, h.aborts = append(h.pauses, writesPaused(m)), h.compared+m.Checked, h.aborts+m.Aborts
	h.between[m.From+" to "+m.To]++
	if back {
		h.back, h.copied = h.back+1, h.copied+m.Copied
	}
	x.at, x.kept, x.last = m.To, m.From, m.ID
	h.arrived.Add(1)
	return nil
}

// holds notes whether a shop still has the price that was acknowledged last.
func (h *manyHouses) holds(ctx context.Context, x *house) error {
	if x.price == 0 {
		return nil
	}
	seen := 0
	err := again(ctx, func() (err error) {
		seen, _, err = request{addr: h.s.addr, host: x.host, method: "GET", path: "/api/v1/products/" + x.handle, consistency: "strong"}.price(ctx)
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && ctx.Err() == nil:
		h.saves.failed = append(h.saves.failed, err.Error())
	case err == nil && seen != x.price:
		h.saves.lost++
	}
	return ctx.Err()
}

// save has the merchant look whether the last price stands, and set another.
func (h *manyHouses) save(ctx context.Context, x *house) error {
	if err := h.holds(ctx, x); err != nil {
		return err
	}
	next := max(1000, x.price) + 1
	err := again(ctx, func() error {
		_, err := x.desk(h.s.addr, "PUT", "/variants/"+x.variant+"/price", object{"price": rupees(next)}).do(ctx, nil)
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.saves.all++; err == nil {
		x.price = next
	} else if x.price = 0; ctx.Err() == nil { // nobody knows
		h.saves.failed = append(h.saves.failed, err.Error())
	}
	return ctx.Err()
}
