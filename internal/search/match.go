package search

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// How much a word that is not the very word counts beside it.
const (
	asPrefix   = 0.6
	asTyped    = 0.85 // a beginning, while somebody is typing
	asSynonym  = 0.8
	asJoined   = 0.9 // sweat shirt for sweatshirt, and the reverse
	asMisspelt = 0.7

	saturation  = 800 // BM25's k1, in a posting's hundredths
	allInTitle  = 1.15
	soldOut     = 0.85
	bestSeller  = 0.2 // what the best sellers gain at most
	mostPrefix  = 64  // terms that a beginning stands for
	mostSimilar = 12  // forms that a misspelt word may stand for
)

// reading is products with what some way of reading a word is worth there.
type reading struct {
	postings []posting
	factor   float32
}

// ranked is a product that was found.
type ranked struct {
	slot  uint32
	words uint8 // how many of those asked for it has
	score float32
}

// matches is what a query finds, the best first.
type matches struct {
	found []ranked
	whole bool   // they have every word
	meant string // the query as it was understood, where words were misspelt
}

// scratch is what a match works on, a place for every product.
type scratch struct {
	total, now []float32
	words      []uint8
	titles     []uint8
	touched    []uint32
	any        []uint32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) fit(n int) {
	if len(s.total) < n {
		*s = scratch{total: make([]float32, n), now: make([]float32, n), words: make([]uint8, n), titles: make([]uint8, n)}
	}
	s.touched, s.any = s.touched[:0], s.any[:0]
}

// match finds products. typing says that the last word may not be complete.
// The index is locked and tidy.
func (x *index) match(query string, typing bool) (m matches) {
	words := asked(query)
	if len(words) == 0 {
		return m
	}
	m.whole = true
	read, meant := x.read(words, typing)
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.fit(len(x.docs))
	for _, lists := range read {
		s.touched = s.touched[:0]
		for _, l := range lists {
			for _, p := range l.postings {
				w := float32(p.weight)
				score := l.factor * w / (saturation + w)
				if s.now[p.doc] == 0 {
					s.touched = append(s.touched, p.doc)
				}
				s.now[p.doc] = max(s.now[p.doc], score)
				if p.title && l.factor >= asPrefix {
					s.titles[p.doc] |= 0x80 // in the title, for this word
				}
			}
		}
		n, df := float64(len(x.slots)), float64(len(s.touched))
		idf := float32(math.Log(1 + (n-df+0.5)/(df+0.5)))
		for _, d := range s.touched {
			if s.words[d] == 0 {
				s.any = append(s.any, d)
			}
			s.total[d] += idf * s.now[d]
			s.words[d]++
			s.now[d] = 0
			if s.titles[d]&0x80 != 0 {
				s.titles[d] = s.titles[d]&0x7f + 1
			}
		}
	}
	most := uint8(0)
	for _, d := range s.any {
		most = max(most, s.words[d])
	}
	need := uint8(len(words))
	if most < need {
		m.whole = false
		if need = uint8((2*len(words) + 2) / 3); len(words) < 3 {
			need = uint8(len(words))
		}
	}
	for _, d := range s.any {
		if s.words[d] >= need {
			score := s.total[d]
			if int(s.titles[d]) == len(words) {
				score *= allInTitle
			}
			m.found = append(m.found, ranked{d, s.words[d], score * x.docs[d].standing()})
		}
		s.total[d], s.words[d], s.titles[d] = 0, 0, 0
	}
	slices.SortFunc(m.found, func(a, b ranked) int {
		return cmp.Or(-cmp.Compare(a.words, b.words), -cmp.Compare(a.score, b.score), x.newer(a.slot, b.slot))
	})
	if meant != nil && len(m.found) > 0 {
		m.meant = strings.Join(meant, " ")
	}
	return m
}

// newer puts the product that was made later first.
func (x *index) newer(a, b uint32) int {
	return -slices.Compare(x.docs[a].product[:], x.docs[b].product[:])
}

// standing lifts what sells and lowers what is sold out.
func (e *entry) standing() float32 {
	f := float32(1 + min(bestSeller, 0.02*math.Log2(1+float64(e.sold))))
	if !e.sellable {
		f *= soldOut
	}
	return f
}

// read gives, for each word, the lists of products that have it in some way,
// and the words as they were understood if some were misspelt.
func (x *index) read(words []string, typing bool) (read [][]reading, meant []string) {
	read = make([][]reading, len(words))
	stems := make([]string, len(words))
	for i, w := range words {
		stems[i] = stem(w)
		read[i] = x.beginnings(w, stems[i], typing && i == len(words)-1)
	}
	for i := range words {
		for n := 1; n <= longestPhrase && i+n <= len(words); n++ {
			for _, other := range x.synonyms[strings.Join(stems[i:i+n], " ")] {
				x.cover(read[i:i+n], other, asSynonym)
			}
		}
		if i+1 < len(words) {
			joined := stem(words[i] + words[i+1])
			x.cover(read[i:i+2], phrase{joined}, asJoined)
			for _, other := range x.synonyms[joined] {
				x.cover(read[i:i+2], other, asJoined*asSynonym)
			}
		}
	}
	for i, w := range words {
		if len(read[i]) > 0 && !rare(read[i]) {
			continue
		}
		if len(read[i]) == 0 && x.split(read[i:i+1], w) {
			continue
		}
		if like := x.similar(w); len(like) > 0 {
			if len(read[i]) == 0 {
				if meant == nil {
					meant = slices.Clone(words)
				}
				meant[i] = x.words[like[0]].text
			}
			for k, form := range like {
				p := phrase{x.terms[x.words[form].term].stem}
				x.cover(read[i:i+1], p, asMisspelt)
				if k == 0 {
					for _, other := range x.synonyms[p.key()] {
						x.cover(read[i:i+1], other, asMisspelt*asSynonym)
					}
				}
			}
		} else if key := x.synonyms.like(w); key != "" && len(read[i]) == 0 {
			for _, other := range x.synonyms[key] {
				if x.cover(read[i:i+1], other, asMisspelt*asSynonym) {
					if meant == nil {
						meant = slices.Clone(words)
					}
					meant[i] = key
				}
			}
		}
	}
	return read, meant
}

// beginnings gives the products that have a word, or one that begins with it.
func (x *index) beginnings(w, s string, typed bool) (out []reading) {
	own, known := x.byStem[s]
	if known && len(x.terms[own].postings) > 0 {
		out = append(out, reading{x.terms[own].postings, 1})
	}
	if utf8.RuneCountInString(w) < 2 && !typed {
		return out
	}
	factor := float32(asPrefix)
	if typed {
		factor = asTyped
	}
	seen := map[uint32]bool{own: known}
	for _, form := range x.begin(w) {
		t := x.words[form].term
		if seen[t] {
			continue
		}
		seen[t] = true
		if out = append(out, reading{x.terms[t].postings, factor}); len(seen) > mostPrefix {
			break
		}
	}
	return out
}

// cover gives products that have all of a phrase to all of the words that it
// stands for; false if there are none.
func (x *index) cover(read [][]reading, p phrase, factor float32) bool {
	var both []posting
	for i, s := range p {
		t, known := x.byStem[s]
		if !known || len(x.terms[t].postings) == 0 {
			return false
		}
		if i == 0 {
			both = x.terms[t].postings
		} else if both = intersect(both, x.terms[t].postings); len(both) == 0 {
			return false
		}
	}
	for i := range read {
		read[i] = append(read[i], reading{both, factor})
	}
	return len(both) > 0
}

// intersect gives the products that two lists have in common, each for the
// less of what they are worth.
func intersect(a, b []posting) (out []posting) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].doc < b[0].doc:
			a = a[1:]
		case a[0].doc > b[0].doc:
			b = b[1:]
		default:
			out = append(out, posting{a[0].doc, min(a[0].weight, b[0].weight), a[0].title && b[0].title})
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// split reads an unknown word as two that are known: bedsheet as bed sheet.
func (x *index) split(read [][]reading, w string) bool {
	for i := 1; i < len(w); i++ {
		if !utf8.RuneStart(w[i]) || max(i, len(w)-i) < 4 {
			continue
		}
		if x.cover(read, phrase{stem(w[:i]), stem(w[i:])}, asJoined) {
			return true
		}
	}
	return false
}

// rare reports whether a word is in next to no product and in no title: it may
// be misspelt there too.
func rare(lists []reading) bool {
	n := 0
	for _, l := range lists {
		if n += len(l.postings); n > 2 {
			return false
		}
		for _, p := range l.postings {
			if p.title {
				return false
			}
		}
	}
	return true
}

// slips is how many letters of a word of so many may be wrong.
func slips(w string, runes int) int {
	switch {
	case runes < 3 || strings.ContainsFunc(w, unicode.IsDigit):
		return 0
	case runes < 8:
		return 1
	}
	return 2
}

// vowels as a signature.
var vowels, _ = signature("aeiouy")

// similar gives the forms that a word may be misspelt from, the likeliest
// first: those with the fewest letters to change, and of them those that begin
// alike and that most products have.
func (x *index) similar(w string) (out []uint32) {
	chars, n := signature(w)
	most := slips(w, n)
	if most == 0 {
		return nil
	}
	from, one := []rune(w), []rune(singular(w)) // candels is candle, even where nothing says candles
	ending := len(from) - len(one)
	var near [3][]uint32
	best := most
	for _, i := range x.sorted {
		other := &x.words[i]
		if d := int(other.runes) - n; d > best || d < -best-ending || bits.OnesCount64(other.chars^chars) > 2*best+ending {
			continue
		}
		if n == 3 && other.chars != chars || n == 4 && other.runes == 4 && (other.chars^chars)&^vowels != 0 { // sofa is not soft, but mgu is mug and cley is clay
			continue
		}
		text := []rune(other.text)
		d := distance(from, text, best)
		if ending > 0 {
			d = min(d, distance(one, text, best))
		}
		if d > 0 && d <= best {
			near[d] = append(near[d], i)
			best = d
		}
	}
	out = near[best]
	first, _ := utf8.DecodeRuneInString(w)
	slices.SortStableFunc(out, func(a, b uint32) int {
		return cmp.Or(-cmp.Compare(alike(x.words[a].text, first), alike(x.words[b].text, first)), -cmp.Compare(x.words[a].users, x.words[b].users))
	})
	return out[:min(len(out), mostSimilar)]
}

func alike(w string, first rune) int {
	if r, _ := utf8.DecodeRuneInString(w); r == first {
		return 1
	}
	return 0
}

// like gives the phrase of one word that a word may be misspelt from; empty if
// there is none, or if it is one.
func (d dictionary) like(w string) (best string) {
	chars, n := signature(w)
	most := slips(w, n)
	if most == 0 || n < 5 {
		return ""
	}
	s := []rune(stem(w))
	for key := range d {
		c, _ := signature(key)
		if strings.Contains(key, " ") || bits.OnesCount64(c^chars) > 2*most+2 {
			continue
		}
		if far := distance(s, []rune(key), most); far <= most && (best == "" || far < most || key < best) {
			best = key
			most = far
		}
	}
	return best
}

// signature gives the set of a word's characters, different ones sharing a
// place at times, and how many it has.
func signature(w string) (chars uint64, runes int) {
	for _, r := range w {
		runes++
		switch {
		case r >= 'a' && r <= 'z':
			chars |= 1 << (r - 'a')
		default:
			chars |= 1 << (26 + uint32(r)%38)
		}
	}
	return chars, runes
}

// distance counts the letters to add, drop, change or swap with their
// neighbour to make a of b; more than most is told as most+1.
func distance(a, b []rune, most int) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	var rows [3][maxTerm + 2]int
	if len(b) > maxTerm {
		return most + 1
	}
	before, last, now := rows[0][:], rows[1][:], rows[2][:]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
			least = min(least, now[j])
		}
		if least > most {
			return most + 1
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
