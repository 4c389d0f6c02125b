package guard

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

const whale, other, third id.Shop = 1, 2, 3

// stage is a gate whose transactions end when the test says so.
type stage struct {
	t   *testing.T
	g   *Gate
	mu  sync.Mutex
	in  []Pass
	let []string // who was let in, in their order as far as one at a time is
	end sync.WaitGroup
}

func (s *stage) ask(shop id.Shop, c Class, name string) chan error {
	answer := make(chan error, 1)
	before := s.asked()
	s.end.Go(func() {
		p, err := s.g.Enter(context.WithoutCancel(s.t.Context()), shop, c) // all end at the end
		if err == nil {
			s.mu.Lock()
			s.in, s.let = append(s.in, p), append(s.let, name)
			s.mu.Unlock()
		}
		answer <- err
	})
	await(s.t, name+" has asked", func() bool { return s.asked() > before })
	s.settled()
	return answer
}

// asked counts those who were let in, wait, or were turned away.
func (s *stage) asked() (n int64) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	for c := range classes {
		n += int64(s.g.waiting[c]) + s.g.refused[c]
	}
	return n + s.g.turns
}

// settled waits until everybody who was let in knows it, and gives who they are.
func (s *stage) settled() (let []string) {
	s.g.mu.Lock()
	turns := int(s.g.turns)
	s.g.mu.Unlock()
	await(s.t, "all who were let in know it", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		let = s.let
		return len(let) >= turns
	})
	return let
}

// leave ends the one that has been in longest and gives who came in for it.
func (s *stage) leave() string {
	before := len(s.settled())
	s.mu.Lock()
	first := s.in[0]
	s.in = s.in[1:]
	s.mu.Unlock()
	first.Leave()
	return strings.Join(s.settled()[before:], " ")
}

func (s *stage) inside() int { return s.g.Load(0).In }

func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(time.Minute); !met(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

func newStage(t *testing.T, o GateOptions) *stage {
	s := &stage{t: t, g: NewGate(o)}
	t.Cleanup(func() {
		for s.g.Load(0).In > 0 {
			s.leave()
		}
		s.end.Wait()
	})
	return s
}

// Alone a shop may have every place that is there for what it does.
func TestAShopAloneTakesEverything(t *testing.T) {
	s := newStage(t, GateOptions{Places: 8, Patience: time.Hour})
	for range 20 {
		s.ask(whale, Write, "write")
	}
	if n := s.inside(); n != 8 {
		t.Errorf("%d of 8 places are taken", n)
	}
	s = newStage(t, GateOptions{Places: 8, Apart: true, Patience: time.Hour})
	for range 20 {
		s.ask(whale, Read, "read")
	}
	if n := s.inside(); n != 8 {
		t.Errorf("%d of 8 places are taken by reads that nobody else competes with", n)
	}
}

// However many of one shop wait, the next place is another's that has none.
func TestTheNextPlaceIsWhoseShopHasFewest(t *testing.T) {
	s := newStage(t, GateOptions{Places: 8, Patience: time.Hour})
	for range 300 {
		s.ask(whale, Write, "whale")
	}
	s.ask(other, Write, "other")
	s.ask(third, Write, "third")
	s.ask(other, Write, "other")
	got := []string{s.leave(), s.leave(), s.leave()}
	if got[0] == "whale" || got[1] == "whale" || got[0] == got[1] {
		t.Errorf("the next three were %v", got)
	}
}

// Once others are about, what is left free for them is free when they come.
func TestOthersFindAPlace(t *testing.T) {
	s := newStage(t, GateOptions{Places: 8, Patience: time.Hour})
	s.ask(other, Read, "other")
	s.leave()
	for range 300 {
		s.ask(whale, Write, "whale")
	}
	for range 300 {
		s.ask(whale, Read, "whale")
	}
	if n := s.inside(); n != 6 {
		t.Errorf("the whale has %d of 8 places, not 6", n)
	}
	for i, c := range []Class{Order, Read} {
		s.ask(other, c, "other")
		if n := s.inside(); n != 7+i {
			t.Errorf("the other's %v waits", c)
		}
	}
}

// Reads leave places to writes, whoever reads.
func TestReadsLeaveRoomForWrites(t *testing.T) {
	s := newStage(t, GateOptions{Places: 8, Patience: time.Hour})
	for i := range 300 {
		s.ask(id.Shop(10+i), Read, "read")
	}
	if n := s.inside(); n != 6 {
		t.Errorf("%d reads are in, not 6", n)
	}
	s.ask(whale, Write, "write")
	s.ask(other, Order, "order")
	if n := s.inside(); n != 8 {
		t.Errorf("%d are in with two writes, not 8", n)
	}
}

// Of those that wait and are within their shares an order is next, then a
// write, then a read.
func TestOrdersGoFirst(t *testing.T) {
	s := newStage(t, GateOptions{Places: 1, Patience: time.Hour})
	s.ask(9, Write, "first")
	for i, c := range []Class{Read, Write, Order, Read, Write, Order} {
		s.ask(id.Shop(10+i), c, c.String())
	}
	for _, want := range []string{"order", "order", "write", "write", "read", "read"} {
		if got := s.leave(); got != want {
			t.Errorf("next is a %s, not a %s", got, want)
		}
	}
}

// A shop that only reads comes up between others that write all the time, and
// so do the reads of a shop that writes all the time.
func TestReadsComeUp(t *testing.T) {
	for _, reader := range []id.Shop{9, whale} {
		s := newStage(t, GateOptions{Places: 4, Patience: time.Hour})
		for range 30 {
			for shop := range id.Shop(5) {
				s.ask(whale+shop, Order, "order")
			}
		}
		s.ask(reader, Read, "read")
		turns := 0
		for turns < 60 && !strings.Contains(s.leave(), "read") {
			turns++
		}
		if turns == 60 {
			t.Errorf("a read of shop %v waits for more than %d turns of orders", reader, turns)
		}
	}
}

// When too many wait, the shop that has most of them is told so; another's is
// taken, and an order of the same shop before what is less urgent.
func TestTheLongestLineIsCut(t *testing.T) {
	s := newStage(t, GateOptions{Places: 1, Waiting: 10, Patience: time.Hour})
	s.ask(9, Write, "first")
	var all []chan error
	for range 10 {
		all = append(all, s.ask(whale, Write, "whale"))
	}
	refused := func(err error) {
		t.Helper()
		if f := fault.Of(err); !errors.Is(err, ErrCrowded) || f == nil || f.Kind != fault.KindBusy || f.RetryAfter < time.Second {
			t.Errorf("the one too many is told %v", err)
		}
	}
	refused(<-s.ask(whale, Write, "whale"))
	s.ask(other, Write, "other")
	refused(<-all[9])
	s.ask(whale, Order, "order")
	refused(<-all[8])
	l := s.g.Load(10)
	if l.Waiting != 10 || l.Cut[whale] != 3 || l.Cut[other] != 0 || l.Refused[Write] != 3 {
		t.Errorf("%+v", l)
	}
}

// Who gives up, or has waited for too long, leaves no trace.
func TestWaitingEnds(t *testing.T) {
	s := newStage(t, GateOptions{Places: 1, Patience: 20 * time.Millisecond})
	s.ask(9, Write, "first")
	if err := <-s.ask(whale, Read, "late"); !errors.Is(err, ErrCrowded) {
		t.Errorf("the one that waits for long is told %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.g.Enter(ctx, whale, Read); !errors.Is(err, context.Canceled) {
		t.Errorf("the one that gives up is told %v", err)
	}
	if l := s.g.Load(0); l.Waiting != 0 || l.In != 1 || len(s.g.line) != 0 {
		t.Errorf("%+v is left", l)
	}
}

// Many shops ask at once, and give up, and nothing is lost on the way.
func TestEveryPlaceComesBack(t *testing.T) {
	g := NewGate(GateOptions{Places: 4, Waiting: 50, Patience: 5 * time.Millisecond})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for n := range 200 {
				p, err := g.Enter(t.Context(), id.Shop(1+i%7), Class((i+n)%3))
				if err == nil {
					p.Leave()
				}
			}
		})
	}
	all.Wait()
	l := g.Load(0)
	if l.In != 0 || l.Waiting != 0 || len(g.line) != 0 || g.reads != 0 {
		t.Errorf("%+v is left, %d lines, %d reads", l, len(g.line), g.reads)
	}
	for shop, s := range g.shops {
		if s.in != 0 || s.reads != 0 || s.waiting != 0 {
			t.Errorf("shop %v still has %d in and %d waiting", shop, s.in, s.waiting)
		}
	}
}

// Writes that have a queue of their own take nothing from their shop's reads.
func TestWritesApartTakeNoPlace(t *testing.T) {
	g := NewGate(GateOptions{Places: 4, Apart: true, Patience: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	enter := func(shop id.Shop, c Class) Pass {
		t.Helper()
		p, err := g.Enter(ctx, shop, c)
		if err != nil {
			t.Fatalf("a %v of shop %d: %v", c, shop, err)
		}
		return p
	}
	enter(other, Read).Leave() // somebody else is about
	var all []Pass
	for range 100 {
		all = append(all, enter(whale, Write))
	}
	for range 3 {
		all = append(all, enter(whale, Read))
	}
	under := func() (n int) {
		for _, u := range g.Load(2).Hottest {
			n += u.In
		}
		return n
	}
	if n := under(); n != 103 || g.Load(0).In != 3 {
		t.Errorf("%d under way, %+v", n, g.Load(2))
	}
	for _, p := range all {
		p.Leave()
	}
	if n := under(); n != 0 || g.Load(0).In != 0 {
		t.Errorf("afterwards %d under way, %+v", n, g.Load(2))
	}
}

// Who panics in its place gives it back.
func TestAPanicGivesThePlaceBack(t *testing.T) {
	g := NewGate(GateOptions{Places: 1, Patience: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		p, err := g.Enter(ctx, whale, Read)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = p.Use(func() error { panic("a page") })
		}()
	}
	if g.Load(0).In != 0 {
		t.Errorf("%+v", g.Load(0))
	}
}
