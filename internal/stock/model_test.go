package stock_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/stock"
)

// model is what stock should be, kept by the simplest means.
type model struct {
	product id.Product
	levels  map[id.Variant]*stock.Level
	holds   map[id.Order]map[id.Variant]*modelHold
	bought  map[id.Order]map[id.Variant]int64 // counted, and not come back
	flips   int
}

type modelHold struct {
	quantity int64
	counted  bool
	lapsed   bool // given back
}

// update changes a level and counts what is shown differently.
func (m *model) update(v id.Variant, fn func(*stock.Level)) {
	was := *m.levels[v]
	fn(m.levels[v])
	if now := m.levels[v]; now.Sellable() != was.Sellable() || now.Few() != was.Few() {
		m.flips++
	}
}

// short gives the variants of which there is too little, given what the order
// holds already.
func (m *model) short(want map[id.Variant]int64, had map[id.Variant]*modelHold) map[id.Variant]int64 {
	out := map[id.Variant]int64{}
	for v, n := range want {
		l, own := m.levels[v], int64(0)
		if h := had[v]; h != nil && h.counted && !h.lapsed {
			own = h.quantity
		}
		if n > own && l.Tracked && !l.Continue && l.Available < n-own {
			out[v] = max(0, l.Available) + own
		}
	}
	return out
}

func (m *model) sell(o id.Order, want map[id.Variant]int64) {
	if m.bought[o] == nil {
		m.bought[o] = map[id.Variant]int64{}
	}
	for v, n := range want {
		if m.levels[v].Tracked {
			m.update(v, func(l *stock.Level) { l.Available -= n; l.Sold += n })
			m.bought[o][v] += n
		}
	}
}

// hold replaces what the order holds, in one step for each variant, so that
// nothing flips back and forth.
func (m *model) hold(o id.Order, want map[id.Variant]int64) {
	had, now := m.holds[o], map[id.Variant]*modelHold{}
	for v := range m.levels {
		own := int64(0)
		if h := had[v]; h != nil && h.counted && !h.lapsed {
			own = h.quantity
		}
		n := want[v]
		tracked := m.levels[v].Tracked || own > 0 && n <= own // what is held stays held
		if n > 0 {
			now[v] = &modelHold{quantity: n, counted: tracked}
		}
		if !tracked {
			n = 0
		}
		m.update(v, func(l *stock.Level) { l.Available -= n - own; l.Held += n - own })
	}
	m.holds[o] = now
}

func (m *model) giveBack(o id.Order) {
	for v, h := range m.holds[o] {
		if h.counted && !h.lapsed {
			m.update(v, func(l *stock.Level) { l.Available += h.quantity; l.Held -= h.quantity })
		}
	}
}

// TestAgainstModel does whatever comes to mind, in any order, to three
// variants and three orders, and compares every level and answer.
func TestAgainstModel(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		var shops atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			room := fleettest.NewShop(t, f, fmt.Sprintf("m%d", shops.Add(1)))
			newMachine(t, rt, room).run()
		})
	})
}

type machine struct {
	*model
	t        *testing.T
	rt       *rapid.T
	room     *fleet.Room
	variants []id.Variant
	orders   []id.Order
}

func newMachine(t *testing.T, rt *rapid.T, room *fleet.Room) *machine {
	s := &machine{t: t, rt: rt, room: room, model: &model{
		product: newProduct(), levels: map[id.Variant]*stock.Level{},
		holds: map[id.Order]map[id.Variant]*modelHold{}, bought: map[id.Order]map[id.Variant]int64{},
	}}
	for range 3 {
		set := stock.Setting{
			Variant: newVariant(), Product: s.product, SetAvailable: true,
			Tracked: rapid.IntRange(0, 4).Draw(rt, "tracked") > 0, Continue: rapid.IntRange(0, 4).Draw(rt, "continue") == 0,
			Available: rapid.Int64Range(0, 6).Draw(rt, "initial"),
		}
		s.variants = append(s.variants, set.Variant)
		s.levels[set.Variant] = &stock.Level{Variant: set.Variant, Product: s.product, Tracked: set.Tracked, Continue: set.Continue, Available: set.Available}
		put(t, room, set)
		s.orders = append(s.orders, newOrder())
	}
	return s
}

func (s *machine) variant() id.Variant { return rapid.SampledFrom(s.variants).Draw(s.rt, "variant") }
func (s *machine) order() id.Order     { return rapid.SampledFrom(s.orders).Draw(s.rt, "order") }

func (s *machine) lines() (lines []stock.Line, want map[id.Variant]int64) {
	want = map[id.Variant]int64{}
	for range rapid.IntRange(1, 4).Draw(s.rt, "lines") {
		l := stock.Line{Variant: s.variant(), Quantity: rapid.Int64Range(1, 4).Draw(s.rt, "quantity")}
		lines, want[l.Variant] = append(lines, l), want[l.Variant]+l.Quantity
	}
	return lines, want
}

// do runs fn in a transaction that is committed whatever fn returns: what
// failed must have left nothing behind.
func (s *machine) do(fn func(context.Context, *db.Tx) error) error {
	var got error
	must(s.t, s.room, func(ctx context.Context, tx *db.Tx) error {
		got = fn(ctx, tx)
		return nil
	})
	return got
}

// expect compares an answer: *Short of exactly these variants, or a fault of a
// code, or none.
func (s *machine) expect(err error, short map[id.Variant]int64, code string) (done bool) {
	var got *stock.Short
	errors.As(err, &got)
	switch f := fault.Of(err); {
	case len(short) > 0:
		if got == nil || len(got.Lines) != len(short) {
			s.rt.Fatalf("got %v, want it short of %v", err, short)
		}
		for _, l := range got.Lines {
			if have, ok := short[l.Variant]; !ok || have != l.Available {
				s.rt.Fatalf("short of %+v, want %v", l, short)
			}
		}
	case code != "":
		if f == nil || f.Code != code {
			s.rt.Fatalf("got %v, want %q", err, code)
		}
	case err != nil:
		s.rt.Fatal(err)
	default:
		return true
	}
	return false
}

func (s *machine) run() {
	s.rt.Repeat(map[string]func(*rapid.T){
		"sell": func(*rapid.T) {
			o := s.order()
			lines, want := s.lines()
			if s.expect(s.do(sell(o, lines...)), s.short(want, nil), "") {
				s.sell(o, want)
			}
		},
		"hold": func(*rapid.T) {
			o := s.order()
			lines, want := s.lines()
			if s.expect(s.do(hold(o, soon(), lines...)), s.short(want, s.holds[o]), "") {
				s.hold(o, want)
			}
		},
		"pay": func(*rapid.T) {
			o := s.order()
			again, code := map[id.Variant]int64{}, ""
			if len(s.holds[o]) == 0 {
				code = "not-held"
			}
			for v, h := range s.holds[o] {
				if h.counted && h.lapsed {
					again[v] = h.quantity
				}
			}
			if !s.expect(s.do(sellHeld(o)), s.short(again, nil), code) {
				return
			}
			s.sell(o, again)
			for v, h := range s.holds[o] {
				if h.counted && !h.lapsed {
					s.update(v, func(l *stock.Level) { l.Held -= h.quantity; l.Sold += h.quantity })
					s.bought[o][v] += h.quantity
				}
			}
			delete(s.holds, o)
		},
		"release": func(*rapid.T) {
			o := s.order()
			s.expect(s.do(release(o)), nil, "")
			s.giveBack(o)
			delete(s.holds, o)
		},
		"expire": func(*rapid.T) {
			o := s.order()
			s.expect(s.do(lapsed(o)), nil, "")
			n := 0
			for _, h := range s.holds[o] {
				if !h.lapsed {
					n = 1
				}
			}
			sweep(s.t, s.room, n)
			s.giveBack(o)
			for _, h := range s.holds[o] {
				h.lapsed = true
			}
		},
		"restock": func(*rapid.T) {
			o := s.order()
			lines, want := s.lines()
			s.expect(s.do(restock(o, lines...)), nil, "")
			for v, n := range want {
				if n = min(n, s.bought[o][v]); n > 0 {
					s.bought[o][v] -= n
					s.update(v, func(l *stock.Level) { l.Available += n })
				}
			}
		},
		"set": func(*rapid.T) {
			v, n := s.variant(), rapid.Int64Range(0, 6).Draw(s.rt, "available")
			s.expect(s.do(func(ctx context.Context, tx *db.Tx) error { _, err := stock.Set(ctx, tx, v, n); return err }), nil, "")
			s.update(v, func(l *stock.Level) { l.Tracked, l.Available = true, n })
		},
		"keep": func(*rapid.T) {
			v := s.variant()
			set := stock.Setting{Variant: v, Product: s.product, Tracked: rapid.Bool().Draw(s.rt, "tracked"), Continue: rapid.Bool().Draw(s.rt, "continue")}
			code := ""
			if s.levels[v].Available < 0 && set.Tracked && !set.Continue {
				code = "owing"
			}
			if s.expect(s.do(func(ctx context.Context, tx *db.Tx) error { return stock.Put(ctx, tx, []stock.Setting{set}) }), nil, code) {
				s.update(v, func(l *stock.Level) {
					if l.Tracked, l.Continue = set.Tracked, set.Continue; !set.Continue {
						l.Available = max(0, l.Available)
					}
				})
			}
		},
		"": func(*rapid.T) { s.compare() },
	})
}

func (s *machine) compare() {
	var got map[id.Variant]stock.Level
	err := s.room.View(s.t.Context(), fleet.Newest, func(r db.Reader) error {
		found, err := stock.Check(s.t.Context(), r)
		if err != nil || len(found) > 0 {
			return errors.Join(err, fmt.Errorf("%v", found))
		}
		got, err = stock.Levels(s.t.Context(), r, s.variants)
		return err
	})
	if err != nil {
		s.rt.Fatal(err)
	}
	any := false
	for v, want := range s.levels {
		if got[v] != *want {
			s.rt.Fatalf("got  %+v\nwant %+v", got[v], *want)
		}
		any = any || want.Sellable()
	}
	if sellable(s.t, s.room, s.product) != any {
		s.rt.Fatalf("the product is sellable: %t", !any)
	}
	if n := len(events(s.t, s.room, changed)); n != s.flips {
		s.rt.Fatalf("%d events that what is shown has changed, want %d", n, s.flips)
	}
}
