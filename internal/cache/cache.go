package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Key names an entry: a shop, and what of it.
type Key struct {
	Shop id.Shop
	Name string
}

// Filled is what a fill has read.
type Filled[V any] struct {
	Value V
	Size  int      // bytes that the value keeps
	Mark  db.Mark  // of the snapshot that it was read in
	Tags  []string // what it depends on
}

// Outcome says where an answer came from.
type Outcome uint8

const (
	Hit    Outcome = iota + 1 // an entry that holds
	Fill                      // read for this caller
	Joined                    // read for another caller at the same time
	Stale                     // an entry that no longer holds, for want of a better
	Shared                    // made by another process, and it holds
)

// String gives the outcome's name.
func (o Outcome) String() string {
	return [...]string{"", "hit", "fill", "joined", "stale", "shared"}[o]
}

// Options say how much is kept, and how patient callers are.
type Options[V any] struct {
	Bytes    int64         // that entries may take in all
	TTL      time.Duration // after which an entry that holds is read again behind the callers' backs; 0 means a minute
	Patience time.Duration // that a caller waits for a fill when there is a stale entry; 0 means 250 ms
	Deadline time.Duration // of a fill; 0 means 10 s
	Waiters  int           // callers that wait for one fill, the others being fault.Busy; 0 means 10,000
	// Retry is how long after a fill has failed stale entries are served
	// without trying again; 0 means a second.
	Retry  time.Duration
	Share  *Share[V] // the level below, if there is one
	Sample *Sampler  // measures how old hits are; nil: nobody does
}

func (o Options[V]) withDefaults() Options[V] {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.TTL, time.Minute)
	def(&o.Patience, 250*time.Millisecond)
	def(&o.Deadline, 10*time.Second)
	def(&o.Retry, time.Second)
	if o.Waiters == 0 {
		o.Waiters = 10_000
	}
	return o
}

// Cache keeps values of one kind.
type Cache[V any] struct {
	o       Options[V]
	floors  floors
	entries *otter.Cache[Key, *entry[V]]
	flights [64]struct {
		sync.Mutex
		under map[Key]*flight[V]
	}
	stats Stats
	now   func() time.Time

	unsure  atomic.Bool
	trusted atomic.Int64 // what was read before does not hold; in microseconds
}

// Stats counts since the start.
type Stats struct {
	Hits, Fills, Joins, Stales, Failures, Refusals atomic.Int64
}

type entry[V any] struct {
	value  V
	size   uint32
	mark   db.Mark
	tags   []string
	floors *shopFloors
	began  time.Time // when its fill began
	// unproven entries are of another process, and nobody could say whether
	// they hold: they are never given but as Stale.
	unproven bool
	checked  atomic.Uint64 // the floors' version at which it was last found to hold, + 1
	again    atomic.Int64  // while it holds: when to read it again, in microseconds
	enough   atomic.Int64  // once it does not: until when it will do, since a fill has just failed
}

// flight is a fill under way.
type flight[V any] struct {
	done    chan struct{}
	waiters int // under the part's lock
	entry   *entry[V]
	shared  bool // the entry is another process's
	err     error
}

// New makes a cache. Pass [Cache.Commit] to [fleet.Fleet.OnCommit], or it will
// not know of changes.
func New[V any](o Options[V]) *Cache[V] {
	c := &Cache[V]{o: o.withDefaults(), now: time.Now}
	c.entries = otter.Must(&otter.Options[Key, *entry[V]]{
		MaximumWeight: uint64(max(1, o.Bytes)),
		Weigher:       func(_ Key, e *entry[V]) uint32 { return e.size },
		OnDeletion: func(d otter.DeletionEvent[Key, *entry[V]]) {
			c.floors.drop(d.Key.Shop, d.Value.floors)
		},
	})
	return c
}

// Commit takes note of a change.
func (c *Cache[V]) Commit(n fleet.Commit) { c.floors.raise(n) }

// Forget lets go of everything of a shop that was read up to now, such as when
// its row of the directory has changed.
func (c *Cache[V]) Forget(s id.Shop) {
	sf := c.floors.find(s)
	if sf == nil {
		return
	}
	sf.mu.Lock()
	defer sf.mu.Unlock()
	sf.trusted = c.now()
	sf.version.Add(1)
}

// Keeps reports whether anything is kept of a shop, or being read.
func (c *Cache[V]) Keeps(s id.Shop) bool { return c.floors.find(s) != nil }

// Missed says that changes may have been made that the cache was not told of:
// nothing holds that was read up to now.
func (c *Cache[V]) Missed() { c.trusted.Store(c.now().UnixMicro()) }

// Unsure says whether changes may be made that the cache is not told of: as
// long as that is so nothing holds, and what is there is given only as Stale.
func (c *Cache[V]) Unsure(is bool) { c.unsure.Store(is) }

// Stats gives the counters.
func (c *Cache[V]) Stats() *Stats { return &c.stats }

// Size gives how many entries there are, and the bytes that they take.
func (c *Cache[V]) Size() (entries int, bytes uint64) {
	return c.entries.EstimatedSize(), c.entries.WeightedSize()
}

func (c *Cache[V]) holds(e *entry[V]) bool {
	if since := c.trusted.Load(); e.unproven || c.unsure.Load() || since != 0 && e.began.UnixMicro() <= since {
		return false
	}
	version := e.floors.version.Load() + 1
	if e.checked.Load() == version {
		return true
	}
	if !e.floors.holds(e.mark, e.began, e.tags) {
		return false
	}
	e.checked.Store(version)
	return true
}

// Get gives an entry that holds, without filling.
func (c *Cache[V]) Get(k Key) (V, bool) {
	if e, ok := c.entries.GetIfPresent(k); ok && c.holds(e) {
		if now := c.now(); now.UnixMicro() < e.again.Load() {
			c.hit(k, e, now)
			return e.value, true
		}
	}
	var none V
	return none, false
}

// hit counts an entry that is given as good.
func (c *Cache[V]) hit(k Key, e *entry[V], now time.Time) {
	c.stats.Hits.Add(1)
	if c.o.Sample != nil {
		c.o.Sample.offer(k, e.mark, e.tags, now)
	}
}

// Fetch gives the value of a key: an entry that holds, or what fill reads. One
// fill runs for a key at a time, on a context of its own, however many ask. A
// fault that is not Busy is fill's answer, given to all who wait; any other
// error, and a fill that takes longer than callers are patient, gives them the
// entry that was there, if one was, as Stale.
func (c *Cache[V]) Fetch(ctx context.Context, k Key, fill func(context.Context) (Filled[V], error)) (V, Outcome, error) {
	return c.FetchAfter(ctx, k, db.Mark{}, fill)
}

// FetchAfter is Fetch for a caller who has seen least, a mark of the shop: for
// an entry that was read before it there is no patience, nor is one a hit. The
// caller waits for a fill as long as ctx lets it. fill must read at or after
// least. An older entry is given only as Stale, when a fill has failed, or when
// the database itself stands before least: what was written there is lost.
func (c *Cache[V]) FetchAfter(ctx context.Context, k Key, least db.Mark, fill func(context.Context) (Filled[V], error)) (V, Outcome, error) {
	old, there := c.entries.GetIfPresent(k)
	holds := there && c.holds(old)
	if holds && old.saw(least) {
		now := c.now()
		if again := old.again.Load(); now.UnixMicro() >= again &&
			old.again.CompareAndSwap(again, now.Add(c.o.Retry).UnixMicro()) {
			_, _, _ = c.join(k, old, true, fill) // behind the caller's back
		}
		c.hit(k, old, now)
		return old.value, Hit, nil
	}
	if there && old.saw(least) && c.now().UnixMicro() < old.enough.Load() {
		c.stats.Stales.Add(1)
		return old.value, Stale, nil
	}
	var none V
	arrived := c.highest(k.Shop)
	var patience <-chan time.Time
	if there || c.o.Share != nil {
		t := time.NewTimer(c.o.Patience)
		defer t.Stop()
		patience = t.C
	}
	var before *entry[V] // the newest that was filled, when that is before least
	for range maxJoins {
		// What holds here, but is before least, another process may have made.
		f, first, err := c.join(k, old, holds, fill)
		if err != nil {
			c.stats.Refusals.Add(1)
			return none, 0, err
		}
		for waiting := true; waiting; {
			select {
			case <-f.done:
				waiting = false
			case <-ctx.Done():
				c.leave(f, k)
				return none, 0, ctx.Err()
			case <-patience:
				if old == nil { // meanwhile there may be one
					old, _ = c.entries.GetIfPresent(k)
				}
				if old == nil || !old.saw(least) {
					continue // to wait
				}
				c.leave(f, k)
				c.stats.Stales.Add(1)
				return old.value, Stale, nil
			}
		}
		if f.err != nil {
			if old == nil && f.entry != nil && !decided(f.err) {
				old = f.entry // another process's, of which nobody can say whether it holds
			}
			if old == nil || decided(f.err) {
				return none, 0, f.err
			}
			old.enough.Store(c.now().Add(c.o.Retry).UnixMicro())
			c.stats.Stales.Add(1)
			return old.value, Stale, nil
		}
		if !f.entry.saw(least) {
			before, old, holds = f.entry, f.entry, true
			continue
		}
		// Asked now, not at the fill's end: a caller can still join between the
		// two, after a change that the fill has not seen.
		if c.holds(f.entry) || f.entry.mark.Compare(arrived) >= 0 {
			if first && f.shared {
				return f.entry.value, Shared, nil
			}
			if first {
				return f.entry.value, Fill, nil
			}
			c.stats.Joins.Add(1)
			return f.entry.value, Joined, nil
		}
		// It had read before a change that the caller may know of.
	}
	if before != nil {
		c.stats.Stales.Add(1)
		return before.value, Stale, nil
	}
	return none, 0, fault.Busy(time.Second, "This page is being changed too often to be shown. Try again in a moment.")
}

// maxJoins is how many fills a caller sees through. The second begins after
// the caller came, and so has seen all that was acknowledged then; more are
// needed only when a replica lags.
const maxJoins = 4

// saw reports whether an entry was read at m or later.
func (e *entry[V]) saw(m db.Mark) bool { return m == (db.Mark{}) || e.mark.Compare(m) >= 0 }

// decided reports whether an error is an answer, rather than the want of one.
func decided(err error) bool { return fault.Of(err) != nil && !fault.Is(err, fault.KindBusy) }

func (c *Cache[V]) highest(s id.Shop) db.Mark {
	if sf := c.floors.find(s); sf != nil {
		return sf.highest()
	}
	return db.Mark{}
}

// landed is closed: what is asked for is there.
var landed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// join gives the fill of a key that is under way, or one that has ended since
// the caller found no more than old, or begins one.
// anew says that what another process has made will not do.
func (c *Cache[V]) join(k Key, old *entry[V], anew bool, fill func(context.Context) (Filled[V], error)) (f *flight[V], first bool, err error) {
	p := &c.flights[c.part(k)]
	p.Lock()
	defer p.Unlock()
	if f = p.under[k]; f != nil {
		if f.waiters++; f.waiters > c.o.Waiters {
			f.waiters--
			return nil, false, fault.Busy(time.Second, "Too many people wait for this page. Try again in a moment.")
		}
		return f, false, nil
	}
	if e, ok := c.entries.GetIfPresent(k); ok && e != old && c.holds(e) {
		return &flight[V]{done: landed, waiters: 1, entry: e}, false, nil
	}
	f = &flight[V]{done: make(chan struct{}), waiters: 1}
	if p.under == nil {
		p.under = map[Key]*flight[V]{}
	}
	p.under[k] = f
	sf := c.floors.use(k.Shop) // before anything is read
	go c.fly(k, f, sf, anew, fill)
	return f, true, nil
}

func (c *Cache[V]) part(k Key) int {
	h := uint64(k.Shop)
	for i := range len(k.Name) {
		h = (h ^ uint64(k.Name[i])) * 0x100000001b3 // FNV-1a
	}
	return int(h % uint64(len(c.flights)))
}

func (c *Cache[V]) leave(f *flight[V], k Key) {
	p := &c.flights[c.part(k)]
	p.Lock()
	f.waiters--
	p.Unlock()
}

// fly finds out what another process has made, or runs a fill, and keeps it.
func (c *Cache[V]) fly(k Key, f *flight[V], sf *shopFloors, anew bool, fill func(context.Context) (Filled[V], error)) {
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Deadline)
	defer cancel()
	if c.o.Share != nil && !anew && !c.unsure.Load() {
		f.entry, f.shared = c.fromSecond(ctx, k, sf)
	}
	if f.entry != nil {
		c.keep(k, f.entry)
	}
	if !f.shared {
		c.fill(ctx, k, f, sf, fill)
	}
	p := &c.flights[c.part(k)]
	p.Lock()
	delete(p.under, k)
	p.Unlock()
	close(f.done)
	// Only now can nobody join any more who must be protected.
	c.floors.drop(k.Shop, sf)
}

// fill reads what nobody has made, and keeps it.
func (c *Cache[V]) fill(ctx context.Context, k Key, f *flight[V], sf *shopFloors, fill func(context.Context) (Filled[V], error)) {
	began := c.now()
	c.stats.Fills.Add(1)
	got, err := safely(ctx, fill)
	f.err = err
	switch {
	case err == nil:
		e := &entry[V]{value: got.Value, size: weigh(k, got.Size), mark: got.Mark, tags: got.Tags, floors: sf, began: began}
		e.again.Store(c.now().Add(c.o.TTL).UnixMicro())
		f.entry = e
		c.keep(k, e)
		if c.o.Share != nil {
			c.toSecond(k, e)
		}
	case decided(err):
		c.entries.Invalidate(k)
	default:
		c.stats.Failures.Add(1)
	}
}

// keep enters an entry. One that no longer holds is kept too: it may be wanted
// as stale. What it would replace is at best as good, unless it is newer.
func (c *Cache[V]) keep(k Key, e *entry[V]) {
	if was, there := c.entries.GetIfPresent(k); !there || was.mark.Compare(e.mark) <= 0 {
		c.floors.use(k.Shop) // until the entry is deleted
		c.entries.Set(k, e)
	}
}

func weigh(k Key, bytes int) uint32 {
	return uint32(min(max(bytes, 0), 1<<30)) + overhead + uint32(len(k.Name))
}

// overhead is what an entry takes beside its value.
const overhead = 400

func safely[V any](ctx context.Context, fill func(context.Context) (Filled[V], error)) (got Filled[V], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a fill panicked: %v\n%s", p, debug.Stack())
		}
	}()
	got, err = fill(ctx)
	if err == nil && ctx.Err() != nil {
		err = errors.Join(ctx.Err(), errors.New("a fill was late"))
	}
	return got, err
}
