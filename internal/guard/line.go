package guard

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"haat/internal/id"
)

// group gives the classes that share a bound of how many may wait.
func (c Class) group() []Class {
	if c == Read {
		return []Class{Read}
	}
	return []Class{Order, Write}
}

func (s *share) waits(group []Class) (n int) {
	for _, c := range group {
		n += len(s.wait[c])
	}
	return n
}

// queue has one wait, and when too many do, cuts the longest line.
func (g *Gate) queue(w *turn) error {
	group, s := w.class.group(), w.share
	mine := s.waits(group)
	if free := max(1, g.o.Places-g.kept); time.Duration(mine/free)*g.each > g.o.Patience {
		g.refuse(w)
		return crowded("more wait than are served in good time")
	}
	all := 0
	for _, c := range group {
		all += g.waiting[c]
	}
	if all >= g.o.Waiting {
		longest := s
		for _, other := range g.line {
			if other.waits(group) > longest.waits(group) {
				longest = other
			}
		}
		full := crowded("too many wait")
		last := longest.last(group)
		if last == nil || longest == s && last.class <= w.class {
			g.refuse(w)
			return full
		}
		g.unqueue(last)
		g.refuse(last)
		last.let <- full
	}
	if s.waiting == 0 {
		g.line = append(g.line, s)
	}
	s.wait[w.class] = append(s.wait[w.class], w)
	s.waiting++
	g.waiting[w.class]++
	return nil
}

// last is the least urgent of those that wait, the one that came last.
func (s *share) last(group []Class) *turn {
	for _, c := range slices.Backward(group) {
		if n := len(s.wait[c]); n > 0 {
			return s.wait[c][n-1]
		}
	}
	return nil
}

func (g *Gate) unqueue(w *turn) {
	s := w.share
	i := slices.Index(s.wait[w.class], w)
	if i < 0 {
		return
	}
	if i == 0 {
		s.wait[w.class] = s.wait[w.class][1:]
	} else {
		s.wait[w.class] = slices.Delete(s.wait[w.class], i, i+1)
	}
	g.waiting[w.class]--
	if s.waiting--; s.waiting == 0 {
		g.line = slices.DeleteFunc(g.line, func(other *share) bool { return other == s })
	}
}

// refuse counts one that is turned away.
func (g *Gate) refuse(w *turn) {
	s := w.share
	s.now.Refused++
	g.refused[w.class]++
	if _, known := g.cut[s.shop]; known || len(g.cut) < mostCut {
		g.cut[s.shop]++
	} else {
		g.cut[0]++
	}
}

// window is what a shop did in a stretch of time.
type window struct {
	at      int64
	Took    time.Duration
	Asked   int64
	Waited  int64
	Refused int64
	Turns   int64 // that the one which waited longest has waited
}

const (
	stretch   = 5 * time.Second
	mostKnown = 1_000
)

// turn begins a new window when it is time.
func (s *share) turn(now time.Time) {
	at := now.UnixNano() / int64(stretch)
	switch {
	case s.now.at == at:
	case s.now.at == at-1:
		s.before, s.now = s.now, window{at: at}
	default:
		s.before, s.now = window{}, window{at: at}
	}
}

// tidy forgets shops that have not been here for long.
func (g *Gate) tidy(now time.Time) {
	g.tidied = now
	old := now.Add(-forget).UnixNano() / int64(stretch)
	maps.DeleteFunc(g.shops, func(_ id.Shop, s *share) bool { return s.in+s.beside+s.waiting == 0 && s.now.at < old })
}

// Use is what a shop has asked of a gate in the last five to ten seconds.
type Use struct {
	Shop    id.Shop
	In      int // transactions that are in now
	Waiting int // and that wait
	Took    time.Duration
	Asked   int64
	Waited  int64 // of those asked
	Refused int64
	Turns   int64 // that others were let in while one of these waited, at most
}

// Load is how much is asked of a gate.
type Load struct {
	Places  int
	In      int // places taken
	Waiting int
	Took    time.Duration // by all shops, in the last five to ten seconds
	Shops   int           // that were here in that time
	Refused map[Class]int64
	Cut     map[id.Shop]int64 // refused so far, by shop; those beyond fifty under 0
	Hottest []Use             // those who took most, the first first
}

// Load gives how much is asked of the gate, and by whom most.
func (g *Gate) Load(hottest int) Load {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	l := Load{Places: g.o.Places, In: g.in, Refused: map[Class]int64{}, Cut: maps.Clone(g.cut)}
	for c := range classes {
		l.Refused[c], l.Waiting = g.refused[c], l.Waiting+g.waiting[c]
	}
	var all []Use
	for _, s := range g.shops {
		s.turn(now)
		a, b := s.now, s.before
		u := Use{s.shop, s.in + s.beside, s.waiting, a.Took + b.Took, a.Asked + b.Asked, a.Waited + b.Waited, a.Refused + b.Refused, max(a.Turns, b.Turns)}
		if u.Asked == 0 && u.In == 0 && u.Waiting == 0 && u.Took == 0 {
			continue
		}
		l.Took, l.Shops = l.Took+u.Took, l.Shops+1
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(b.Asked, a.Asked), cmp.Compare(a.Shop, b.Shop))
	})
	l.Hottest = all[:min(len(all), hottest)]
	return l
}
