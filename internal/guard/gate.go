package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// Class is what a transaction is for. Orders go before other writes, and those
// before reads, as long as their shop is within its share.
type Class uint8

// The classes, the most urgent first.
const (
	Order Class = iota
	Write
	Read
	classes
)

func (c Class) String() string { return [...]string{"order", "write", "read"}[c] }

type ordering struct{}

// Ordering says that what is written under the context is an order: somebody
// is about to buy.
func Ordering(ctx context.Context) context.Context { return context.WithValue(ctx, ordering{}, true) }

// Writing is the class of a write under the context.
func Writing(ctx context.Context) Class {
	if ctx.Value(ordering{}) != nil {
		return Order
	}
	return Write
}

// GateOptions size a gate.
type GateOptions struct {
	Places   int           // transactions at a time
	Apart    bool          // writes have a queue of their own behind the gate, and take no place
	Waiting  int           // that wait at most, reads and writes each; 0 means 1,024
	Patience time.Duration // of one that waits; 0 means 5 seconds
	Off      bool          // nobody waits here, whoever takes how much
}

// Gate lets so many transactions into a database at a time, and is fair among
// the shops that want in: of those that wait, the next is one whose shop has
// the fewest in. A shop that is alone may have all places. While others are
// about, it leaves a quarter of them free, so that whoever comes need not
// wait; and reads leave a quarter to writes, whoever reads. When too many wait,
// the longest line is cut: the shop that asks most is told first that it is too
// much.
type Gate struct {
	o    GateOptions
	kept int // places that reads leave to writes, and a shop to others

	mu      sync.Mutex
	shops   map[id.Shop]*share
	line    []*share // of shops that wait
	in      int
	reads   int // of those that are in
	waiting [classes]int
	turns   int64         // places given so far
	floor   time.Duration // used by the shop that was let in last
	each    time.Duration // that a transaction took of late
	tidied  time.Time
	visits  [2]visit // of the two shops that came last
	refused [classes]int64
	cut     map[id.Shop]int64 // refused, by shop
}

// visit is when a shop came last.
type visit struct {
	shop id.Shop
	at   time.Time
}

const (
	about   = 10 * time.Second // a shop is, after it came
	forget  = time.Minute      // after which a shop is not remembered
	mostCut = 50               // shops that are told apart among those that were refused
)

// share is what one shop has of a gate.
type share struct {
	shop    id.Shop
	in      int // places taken
	beside  int // transactions under way that take none
	reads   int
	used    time.Duration // of all places, as far as it matters who is next
	wait    [classes][]*turn
	waiting int
	passed  int // turns of its others while its reads waited
	now     window
	before  window
}

// turn is one that waits.
type turn struct {
	share *share
	class Class
	came  int64 // turns before it
	let   chan error
}

// NewGate makes a gate.
func NewGate(o GateOptions) *Gate {
	if o.Waiting == 0 {
		o.Waiting = 1_024
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	g := &Gate{o: o, shops: map[id.Shop]*share{}, cut: map[id.Shop]int64{}}
	if o.Places > 1 {
		g.kept = max(1, o.Places/4)
	}
	return g
}

// Pass is a place in a gate.
type Pass struct {
	g     *Gate
	s     *share
	class Class
	since time.Time
	place bool
}

// ErrCrowded says that a shop asks more of its database than its share, and
// that this is too much. It comes as a fault that is safe to show.
var ErrCrowded = errors.New("more is asked of the database than the shop's share")

func crowded(why string) error {
	again := time.Duration(1+rand.IntN(4)) * time.Second // so that not all come back at once
	return fault.Busy(again, "Very many people are in this shop just now. Try again in a few seconds.").With("shop-busy").
		Because(fmt.Errorf("%w: %s", ErrCrowded, why))
}

// Enter waits for a place for a shop's transaction; the pass gives it back. It
// is ErrCrowded when too many of the shop wait already, or this one has waited
// for too long.
func (g *Gate) Enter(ctx context.Context, shop id.Shop, c Class) (Pass, error) {
	now := time.Now()
	g.mu.Lock()
	s := g.share(shop, now)
	s.now.Asked++
	p := Pass{g: g, s: s, class: c, since: now, place: !g.o.Off && (c == Read || !g.o.Apart)}
	if !p.place {
		s.beside++
		g.mu.Unlock()
		return p, nil
	}
	g.next(now) // of those that wait none fits after this, so that nobody is overtaken
	if g.fits(s, c, now) {
		g.let(s, c)
		g.mu.Unlock()
		return p, nil
	}
	w := &turn{share: s, class: c, came: g.turns, let: make(chan error, 1)}
	err := g.queue(w)
	g.mu.Unlock()
	if err != nil {
		return Pass{}, err
	}
	late := time.NewTimer(g.o.Patience)
	defer late.Stop()
	select {
	case err := <-w.let:
		p.since = time.Now()
		return p, err
	case <-late.C:
		err = crowded("it has waited for too long")
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case let := <-w.let: // at the same moment
		if let == nil {
			g.leave(s, c, 0, time.Now())
		}
		return Pass{}, err
	default:
	}
	g.unqueue(w)
	if ctx.Err() == nil {
		g.refuse(w)
	}
	return Pass{}, err
}

// Leave gives the place back.
func (p Pass) Leave() {
	now := time.Now()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if took := now.Sub(p.since); p.place {
		p.g.leave(p.s, p.class, took, now)
	} else if p.s.beside--; p.g.o.Off {
		p.s.turn(now)
		p.s.now.Took += took
	}
}

// Use runs fn and gives the place back, also when fn panics.
func (p Pass) Use(fn func() error) error {
	defer p.Leave()
	return fn()
}

// Spent adds what a transaction that took no place has cost the database.
func (p Pass) Spent(d time.Duration) {
	if p.place || p.g.o.Off {
		return
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.s.turn(time.Now())
	p.s.now.Took += d
	p.s.used += d
}

// share finds a shop's, which begins where the others stand.
func (g *Gate) share(shop id.Shop, now time.Time) *share {
	s := g.shops[shop]
	if s == nil {
		if len(g.shops) >= mostKnown && now.Sub(g.tidied) > time.Second {
			g.tidy(now)
		}
		s = &share{shop: shop}
		g.shops[shop] = s
	}
	if s.in+s.beside+s.waiting == 0 {
		s.used = max(s.used, g.floor)
	}
	s.turn(now)
	if g.visits[0].shop != shop {
		g.visits[1] = g.visits[0]
	}
	g.visits[0] = visit{shop, now}
	return s
}

// others reports whether another shop has been here lately.
func (g *Gate) others(s *share, now time.Time) bool {
	v := g.visits[0]
	if v.shop == s.shop {
		v = g.visits[1]
	}
	return v.shop != 0 && now.Sub(v.at) < about
}

// fits reports whether a shop's transaction may go in now.
func (g *Gate) fits(s *share, c Class, now time.Time) bool {
	most, reads := g.o.Places, g.o.Places
	if !g.o.Apart {
		reads -= g.kept
	}
	switch {
	case g.in >= most || c == Read && g.reads >= reads:
		return false
	case g.kept == 0 || !g.others(s, now):
		return true
	}
	return s.in < max(1, most-g.kept) && (c != Read || s.reads < max(1, reads-g.kept))
}

func (g *Gate) let(s *share, c Class) {
	g.in, s.in, g.turns = g.in+1, s.in+1, g.turns+1
	if c == Read {
		g.reads, s.reads, s.passed = g.reads+1, s.reads+1, 0
	} else if len(s.wait[Read]) > 0 {
		s.passed++
	}
	g.floor = max(g.floor, s.used)
}

func (g *Gate) leave(s *share, c Class, took time.Duration, now time.Time) {
	g.in, s.in = g.in-1, s.in-1
	if c == Read {
		g.reads, s.reads = g.reads-1, s.reads-1
	}
	if took > 0 {
		s.turn(now)
		s.used, s.now.Took = s.used+took, s.now.Took+took
		g.each += (min(took, time.Second) - g.each) / 16
	}
	g.next(now)
}

// next lets in those who may.
func (g *Gate) next(now time.Time) {
	for g.in < g.o.Places && len(g.line) > 0 {
		// A shop that has as many in as there are places for each is over its share.
		fair := max(1, g.o.Places/len(g.line))
		var best *share
		var class Class
		for _, s := range g.line {
			for _, c := range s.urgent() {
				if len(s.wait[c]) == 0 || !g.fits(s, c, now) {
					continue
				}
				if best == nil || before(s, c, best, class, fair, g.each) {
					best, class = s, c
				}
				break
			}
		}
		if best == nil {
			return
		}
		w := best.wait[class][0]
		g.unqueue(w)
		g.let(best, class)
		best.now.Waited++
		best.now.Turns = max(best.now.Turns, g.turns-w.came-1)
		w.let <- nil
	}
}

// urgent gives what of a shop goes first: orders, but after a few turns a read
// that waits.
func (s *share) urgent() [classes]Class {
	if s.passed >= ahead[Order] {
		return [...]Class{Read, Order, Write}
	}
	return [...]Class{Order, Write, Read}
}

// before reports whether a waiting transaction goes in before another's.
func before(a *share, ac Class, b *share, bc Class, fair int, each time.Duration) bool {
	over, than := a.in >= fair, b.in >= fair
	switch {
	case over != than:
		return than
	case over && a.in != b.in:
		return a.in < b.in
	case over:
		return a.used < b.used
	}
	mine, theirs := a.stands(ac, each), b.stands(bc, each)
	if mine != theirs {
		return mine < theirs
	}
	return ac < bc
}

// stands is where a shop's transaction stands among those of shops that are
// within their share: the less it has had, the further in front. An order is
// put ahead by a few turns, and a write by fewer: so it goes first, and yet
// whoever waits behind it comes up.
func (s *share) stands(c Class, each time.Duration) time.Duration {
	if c == Read && s.passed >= ahead[Order] {
		c = Order // whose turn it has
	}
	return s.used + time.Duration(s.in-ahead[c])*each
}

var ahead = [classes]int{Order: 8, Write: 4}
