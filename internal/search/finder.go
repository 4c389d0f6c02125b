package search

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/op"
)

// Options say how much a finder keeps.
type Options struct {
	Bytes int64 // that indexes may take in all, about; 0 means 64 MiB
	Log   *slog.Logger
	// Unwritten is told of a shop with products that have no document, at every
	// search until Written is called. Write is what it wants.
	Unwritten func(id.Shop)
}

// Finder finds products in any shop. It keeps the indexes of the shops that
// were searched last.
type Finder struct {
	o      Options
	asked  recorder
	builds chan struct{} // a place for each index that is being built
	Stats  Stats

	mu    sync.Mutex
	held  map[id.Shop]*list.Element // of *held
	used  *list.List                // the shop that was searched last is in front
	bytes int64

	find    op.Read[FindIn, Results]
	forPage op.Read[PageIn, Shown]
	suggest op.Read[SuggestIn, Suggested]
}

// Stats counts since the start.
type Stats struct {
	Builds, Changes, Evictions atomic.Int64
	BuildTime                  atomic.Int64 // nanoseconds
	Searches, Nothing          atomic.Int64
	Lost                       atomic.Int64 // searches that were not counted, for want of room
}

// held is a shop's index, or one that is being built.
type held struct {
	shop  id.Shop
	x     *index
	built chan struct{} // closed when x is there, or will not be
	bytes int64
}

const (
	buildsAtOnce = 2
	manyChanges  = 10_000 // after so many an index is built anew: what is gone is forgotten then
	soldEvery    = 15 * time.Minute
)

// NewFinder makes a finder.
func NewFinder(o Options) *Finder {
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Unwritten == nil {
		o.Unwritten = func(id.Shop) {}
	}
	f := &Finder{o: o, builds: make(chan struct{}, buildsAtOnce), held: map[id.Shop]*list.Element{}, used: list.New()}
	f.declare()
	return f
}

// Size gives how many indexes are kept, and the bytes that they take, about.
func (f *Finder) Size() (shops int, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held), f.bytes
}

var (
	readState = db.Q(`SELECT n, synonyms FROM search_state WHERE shop = $1`)
	readDocs  = db.Q(`SELECT product, n, sellable, doc FROM search_doc WHERE shop = $1 AND LENGTH(doc) > 1`)
	readNews  = db.Q(`SELECT product, n, sellable, doc FROM search_doc WHERE shop = $1 AND n > 0 AND n > $2`)
	readSold  = db.Q(`SELECT product, CAST(SUM(sold) AS BIGINT) FROM stock_level WHERE shop = $1 AND sold > 0 GROUP BY product`)
)

type state struct {
	n        int64
	synonyms string
}

func stateOf(ctx context.Context, r db.Reader) (state, error) {
	s, _, err := db.One(ctx, r, readState, func(s *state) []any { return []any{&s.n, &s.synonyms} })
	return s, err
}

type docRow struct {
	product  id.Product
	n        int64
	sellable bool
	doc      []byte
}

func scanDoc(d *docRow) []any { return []any{&d.product, &d.n, &d.sellable, &d.doc} }

func soldOf(ctx context.Context, r db.Reader) (map[id.Product]int64, error) {
	type row struct {
		product id.Product
		sold    int64
	}
	out := map[id.Product]int64{}
	err := db.Each(ctx, r, readSold, func(s *row) []any { return []any{&s.product, &s.sold} }, func(s row) error {
		out[s.product] = s.sold
		return nil
	})
	return out, err
}

// build reads a shop's index.
func build(ctx context.Context, r db.Reader) (*index, error) {
	x := newIndex()
	s, err := stateOf(ctx, r)
	if err != nil {
		return nil, err
	}
	sold, err := soldOf(ctx, r)
	if err != nil {
		return nil, err
	}
	err = db.Each(ctx, r, readDocs, scanDoc, func(d docRow) error { return x.put(d.product, d.doc, d.sellable, sold[d.product]) })
	if err == nil {
		err = x.fill(ctx, r, sold)
	}
	x.n, x.soldAt = s.n, r.Now()
	x.use(s.synonyms)
	x.tidyUp()
	mark := r.Mark()
	x.mark.Store(&mark)
	return x, err
}

// catchUp takes in what has changed since an index was built; false if that is
// too much.
func (x *index) catchUp(ctx context.Context, r db.Reader) (bool, error) {
	x.mu.RLock()
	from := x.n
	many := min(manyChanges, int64(200+len(x.slots)/4))
	waste := len(x.words) > 2*len(x.sorted)+10_000
	x.mu.RUnlock()
	s, err := stateOf(ctx, r)
	if err != nil {
		return false, err
	}
	if s.n-from > many || waste {
		return false, nil
	}
	if s.n <= from {
		return true, nil
	}
	news, err := db.All(ctx, r, readNews, scanDoc, from)
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.n <= x.n { // somebody else was quicker
		return true, nil
	}
	for _, d := range news {
		if d.n > x.n {
			if err := x.put(d.product, d.doc, d.sellable, -1); err != nil {
				return false, err
			}
		}
	}
	x.use(s.synonyms)
	x.tidyUp()
	x.n = s.n
	return true, nil
}

// sell takes in what has sold, now and then.
func (x *index) sell(ctx context.Context, r db.Reader) error {
	x.mu.RLock()
	due := r.Now().Sub(x.soldAt) >= soldEvery
	x.mu.RUnlock()
	if !due {
		return nil
	}
	sold, err := soldOf(ctx, r)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for p, slot := range x.slots {
		x.docs[slot].sold = sold[p]
	}
	x.soldAt = r.Now()
	return nil
}

// of gives the shop's index, built if there is none. It may be behind the
// reader, or ahead of it.
func (f *Finder) of(ctx context.Context, r db.Reader) (*index, error) {
	for {
		f.mu.Lock()
		el, there := f.held[r.Shop()]
		if !there {
			h := &held{shop: r.Shop(), built: make(chan struct{})}
			el = f.used.PushFront(h)
			f.held[h.shop] = el
			f.mu.Unlock()
			return f.fill(ctx, r, el, h)
		}
		h := el.Value.(*held)
		f.used.MoveToFront(el)
		x := h.x
		f.mu.Unlock()
		if x == nil {
			select {
			case <-h.built:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		// After a move, or the loss of a primary, numbers may mean other rows.
		if at, now := x.mark.Load(), r.Mark(); at.Epoch != now.Epoch || at.Term != now.Term {
			f.forget(el)
			continue
		}
		return x, x.sell(ctx, r)
	}
}

func (f *Finder) fill(ctx context.Context, r db.Reader, el *list.Element, h *held) (x *index, err error) {
	defer close(h.built)
	defer func() {
		if x == nil {
			f.forget(el)
		}
	}()
	select {
	case f.builds <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	began := time.Now()
	made, err := build(ctx, r)
	<-f.builds
	if err != nil {
		return nil, err
	}
	f.Stats.Builds.Add(1)
	f.Stats.BuildTime.Add(int64(time.Since(began)))
	f.mu.Lock()
	h.x = made
	f.mu.Unlock()
	f.weigh(r.Shop(), made)
	return made, nil
}

func (f *Finder) forget(el *list.Element) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(el)
}

func (f *Finder) remove(el *list.Element) {
	h := el.Value.(*held)
	if f.held[h.shop] == el {
		delete(f.held, h.shop)
		f.used.Remove(el)
		f.bytes -= h.bytes
		h.bytes = 0
	}
}

// weigh takes note of how large an index is now, and lets go of the least used
// until all have room.
func (f *Finder) weigh(shop id.Shop, x *index) {
	x.mu.RLock()
	size := x.bytes
	x.mu.RUnlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if el := f.held[shop]; el != nil && el.Value.(*held).x == x {
		h := el.Value.(*held)
		f.bytes += size - h.bytes
		h.bytes = size
	}
	for el := f.used.Back(); el != nil && f.bytes > f.o.Bytes; {
		prev := el.Prev()
		if el.Value.(*held).x != nil {
			f.remove(el)
			f.Stats.Evictions.Add(1)
		}
		el = prev
	}
}

// renew brings an index up to the reader's snapshot; it may be another index
// then.
func (f *Finder) renew(ctx context.Context, r db.Reader, x *index) (*index, error) {
	ok, err := x.catchUp(ctx, r)
	if err == nil && ok {
		f.Stats.Changes.Add(1)
		f.weigh(r.Shop(), x)
		return x, nil
	}
	f.mu.Lock()
	if el := f.held[r.Shop()]; el != nil && el.Value.(*held).x == x {
		f.remove(el)
	}
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.of(ctx, r)
}

// reached notes that an index is as new as a snapshot.
func (x *index) reached(m db.Mark) {
	for {
		at := x.mark.Load()
		if at.Compare(m) >= 0 || x.mark.CompareAndSwap(at, &m) {
			return
		}
	}
}

// current has fn use the shop's index. fn tells whether the index had seen all
// that the reader sees, which it reads along with what it shows; if not, it is
// run again on one that has.
func (f *Finder) current(ctx context.Context, r db.Reader, fn func(*index) (bool, error)) error {
	x, err := f.of(ctx, r)
	for range 3 {
		if err != nil {
			return err
		}
		seen, err := fn(x)
		if err != nil {
			return err
		}
		if seen {
			x.reached(r.Mark())
			if x.unwritten.Load() {
				f.o.Unwritten(r.Shop())
			}
			return nil
		}
		if x, err = f.renew(ctx, r, x); err != nil {
			return err
		}
	}
	return fault.Busy(time.Second, "This shop's products change too quickly to be searched. Try again in a moment.")
}
