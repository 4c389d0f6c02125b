package event

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Feed hears what other processes commit on the shards that they share with
// this one, and tells the fleet of it as if it had been committed here: so
// pages that are kept, and live screens, are right in every process.
//
// Processes call each other after a commit, which is quick and may be lost. What
// counts is that each looks four times a second which shops have news, and reads
// their outboxes. A shop has news for at least rests after each commit, so that
// one who looks more often misses none. One who could not look for that long
// says so, and trusts nothing that it has kept.
type Feed struct {
	fleet *fleet.Fleet
	log   *slog.Logger
	self  string
	o     FeedOptions

	mu     sync.Mutex
	shards map[string]*hearing
	unsure bool
	stats  FeedStats
}

// FeedOptions is who must hear.
type FeedOptions struct {
	Keeps  func(id.Shop) bool // whether anything is kept of a shop; others need not be heard of
	Unsure func(bool)         // told when it begins, and when it ends, that commits may have gone unheard
	Missed func()             // told that what was read before may be out of date
	Alone  func() bool        // whether nobody else listens, as far as the list of processes says
}

// FeedStats counts since the start.
type FeedStats struct {
	Heard  atomic.Int64 // shops' news that other processes had committed
	Called atomic.Int64 // shops whose news others were called for
	Gaps   atomic.Int64 // times that commits may have gone unheard
}

const (
	lookEvery = 250 * time.Millisecond
	// deaf is how long a look may be away before commits count as unheard:
	// less than rests, for which they can be seen.
	deaf     = rests - 500*time.Millisecond
	lookPage = 5_000 // shops
	// metFor is how long who has greeted or called is taken to be there, until the
	// list of processes has it.
	metFor  = time.Minute
	ears    = 4  // shops at once
	catchUp = 16 // pages of a shop's events that are read before all of the shop is let go
)

// hearing is one shard, as the feed hears it.
type hearing struct {
	*Feed
	shard string
	calls chan struct{}

	mu     sync.Mutex
	heard  map[id.Shop]int64 // up to which event, of shops that have news
	own    map[id.Shop]span  // the newest events that were committed here
	call   map[id.Shop]bool  // for which others are to be called
	looked time.Time         // when the last look that saw everything began
	met    time.Time         // when another process was last heard itself
}

type span struct{ from, to int64 }

// NewFeed makes a feed for the process that calls itself self. Run it.
func NewFeed(f *fleet.Fleet, self string, o FeedOptions, log *slog.Logger) *Feed {
	feed := &Feed{fleet: f, log: log, self: self, o: o, shards: map[string]*hearing{}}
	f.OnCommit(feed.committed)
	return feed
}

// Stats gives the counters.
func (f *Feed) Stats() *FeedStats { return &f.stats }

// Deaf gives for how long commits may have gone unheard; zero if they were not.
func (f *Feed) Deaf() (longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.shards {
		h.mu.Lock()
		if d := time.Since(h.looked); d > deaf {
			longest = max(longest, d)
		}
		h.mu.Unlock()
	}
	return longest
}

// Run hears every shard that is shared until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	stops := map[string]context.CancelFunc{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		names := f.fleet.ShardNames()
		for _, name := range names {
			s := f.fleet.Shard(name)
			if stops[name] != nil || s == nil || !s.Shared() {
				continue
			}
			one, stop := context.WithCancel(ctx)
			stops[name] = stop
			h := &hearing{Feed: f, shard: name, calls: make(chan struct{}, 1), heard: map[id.Shop]int64{}, own: map[id.Shop]span{}, call: map[id.Shop]bool{}, looked: time.Now()}
			f.mu.Lock()
			f.shards[name] = h
			f.mu.Unlock()
			all.Go(func() { h.look(one) })
			all.Go(func() { h.callOthers(one) })
		}
		for name, stop := range stops {
			if !slices.Contains(names, name) {
				stop()
				delete(stops, name)
				f.mu.Lock()
				delete(f.shards, name)
				f.mu.Unlock()
			}
		}
		f.judge()
		select {
		case <-ctx.Done():
			for _, stop := range stops {
				stop()
			}
			return
		case <-tick.C:
		}
	}
}

// judge tells when the feed becomes unsure, and when it is sure again.
func (f *Feed) judge() {
	is := f.Deaf() > 0
	f.mu.Lock()
	changed := f.unsure != is
	f.unsure = is
	f.mu.Unlock()
	if !changed {
		return
	}
	if is {
		f.stats.Gaps.Add(1)
		f.log.Warn("what other processes commit cannot be heard; kept pages are made anew until it can")
	} else {
		f.log.Info("what other processes commit is heard again")
	}
	f.o.Unsure(is)
}

// committed takes note of a commit of this process.
func (f *Feed) committed(c fleet.Commit) {
	f.mu.Lock()
	h := f.shards[c.Shard]
	f.mu.Unlock()
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := int64(len(c.Events)); !c.Doubt && n > 0 {
		at, known := h.heard[c.Shop]
		was := h.own[c.Shop]
		switch {
		case known && at == c.First-1:
			h.heard[c.Shop] = at + n
		case was.to == c.First-1:
			h.own[c.Shop] = span{was.from, was.to + n}
		default:
			h.own[c.Shop] = span{c.First, c.First + n - 1}
		}
	}
	if time.Since(h.met) > metFor && f.o.Alone() {
		return
	}
	h.call[c.Shop] = true
	select {
	case h.calls <- struct{}{}:
	default:
	}
}

// callOthers calls the other processes, for all shops that were written while
// the last call was under way together.
func (h *hearing) callOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.calls:
		}
		h.mu.Lock()
		shops := slices.Collect(maps.Keys(h.call))
		clear(h.call)
		h.mu.Unlock()
		s := h.fleet.Shard(h.shard)
		if s == nil || len(shops) == 0 {
			continue
		}
		call, cancel := context.WithTimeout(ctx, time.Second)
		if err := s.Call(call, h.self, shops); err == nil { // else they look by themselves
			h.stats.Called.Add(int64(len(shops)))
		}
		cancel()
	}
}

// look looks for news every so often, and whenever it is called.
func (h *hearing) look(ctx context.Context) {
	called := make(chan []id.Shop, 64)
	var listener sync.WaitGroup
	defer listener.Wait()
	listener.Go(func() { h.listen(ctx, called) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := h.sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			h.log.Warn("cannot look for what other processes commit", "shard", h.shard, "err", err)
		}
		failing = err != nil
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				again = true
			case shops := <-called:
				news := make([]db.Count, len(shops))
				for i, shop := range shops {
					news[i].Shop = shop
				}
				_ = h.hearAll(ctx, news) // what fails is looked for with the next tick
			}
		}
	}
}

// listen is called by the other processes. They are greeted first: one that was
// alone knows now for whom it calls.
func (h *hearing) listen(ctx context.Context, called chan<- []id.Shop) {
	for ctx.Err() == nil {
		if s := h.fleet.Shard(h.shard); s != nil {
			greet := func() {
				if err := s.Call(ctx, h.self, nil); err != nil {
					h.log.Debug("other processes were not greeted; the list of processes tells them", "shard", h.shard, "err", err)
				}
			}
			err := s.Listen(ctx, h.self, greet, func(shops []id.Shop) {
				h.mu.Lock()
				h.met = time.Now()
				h.mu.Unlock()
				if len(shops) == 0 {
					return
				}
				select {
				case called <- shops:
				default: // the next look sees them
				}
			})
			if ctx.Err() == nil {
				h.log.Debug("nobody can call this process; it looks by itself", "shard", h.shard, "err", err)
			}
		}
		t := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// sweep looks at every shop that has news.
func (h *hearing) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deaf)
	defer cancel()
	began := time.Now()
	s := h.fleet.Shard(h.shard)
	if s == nil {
		return errors.New("it is not open here")
	}
	seen := map[id.Shop]bool{}
	for after := id.Shop(0); ; {
		page, err := s.Recent(ctx, after, lookPage)
		if err != nil {
			return err
		}
		var news []db.Count
		h.mu.Lock()
		for _, c := range page {
			after, seen[c.Shop] = c.Shop, true
			if at, known := h.heard[c.Shop]; !known || at < c.N {
				news = append(news, c)
			}
		}
		h.mu.Unlock()
		if err := h.hearAll(ctx, news); err != nil {
			return err
		}
		if len(page) < lookPage {
			break
		}
	}
	h.mu.Lock()
	gone := func(shop id.Shop) bool { return !seen[shop] }
	maps.DeleteFunc(h.heard, func(shop id.Shop, _ int64) bool { return gone(shop) })
	maps.DeleteFunc(h.own, func(shop id.Shop, _ span) bool { return gone(shop) })
	missed := time.Since(h.looked) > deaf
	h.mu.Unlock()
	if missed {
		h.o.Missed()
	}
	h.mu.Lock()
	h.looked = began
	h.mu.Unlock()
	return nil
}

func (h *hearing) hearAll(ctx context.Context, news []db.Count) error {
	var g errgroup.Group
	g.SetLimit(ears)
	for _, c := range news {
		g.Go(func() error { return h.hear(ctx, c.Shop, c.N) })
	}
	return g.Wait()
}

// hear takes in what was committed in one shop since it was heard of last, as
// far as it was seen before, and what has come since.
func (h *hearing) hear(ctx context.Context, shop id.Shop, seen int64) error {
	h.mu.Lock()
	from, known := h.heard[shop]
	own := h.own[shop]
	h.mu.Unlock()
	if !h.o.Keeps(shop) && !h.fleet.Replicated(h.shard) {
		// What begins to be kept now is read after what was seen, but perhaps
		// before what comes now: so nothing more is read here.
		if own.to < seen || seen == 0 {
			h.fleet.Wake(shop, h.shard)
		}
		h.at(shop, seen)
		return nil
	}
	room, err := h.fleet.ByID(ctx, shop)
	if err == nil && room.Shard() != h.shard {
		room, err = h.fleet.Again(ctx, shop) // it may have moved here just now
	}
	if fault.Is(err, fault.KindNotFound) || err == nil && room.Shard() != h.shard {
		return nil // an unfinished sign-up, or one that moved
	}
	if err != nil {
		return err
	}
	c := fleet.Commit{Shop: shop, Shard: h.shard}
	var seq, foreign int64
	err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
		var done int64
		if seq, done, err = db.Stands(ctx, r); err != nil {
			return err
		}
		if !known {
			from = done
		}
		if own.from <= from+1 && own.to >= seq {
			return nil // all of it was committed here
		}
		foreign = seq - from
		c.Mark = r.Mark()
		tags := map[string]bool{}
		for at, pages := from, 0; at < seq; pages++ {
			page, err := db.All(ctx, r, readNews, scanRecord, at, batchSize)
			if err != nil || len(page) == 0 {
				return err
			}
			if pages == catchUp {
				c.Doubt = true // too much to tell apart: nothing of it is trusted
				return nil
			}
			for _, e := range page {
				at = e.seq
				if e.seq < own.from || e.seq > own.to {
					for _, tag := range e.meta(shop).Tags {
						tags[tag] = true
					}
				}
			}
		}
		c.Tags = slices.Collect(maps.Keys(tags))
		return nil
	})
	if errors.Is(err, db.ErrMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	if foreign > 0 {
		h.stats.Heard.Add(1)
		h.fleet.Heard(c)
	}
	h.at(shop, seq)
	return nil
}

// at notes up to which event a shop was heard of; 0 is nothing new.
func (h *hearing) at(shop id.Shop, seq int64) {
	if seq == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard[shop] = max(h.heard[shop], seq)
	if h.own[shop].to <= seq {
		delete(h.own, shop)
	}
}
