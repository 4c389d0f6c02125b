package search

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/id"
)

// index is a shop's documents turned over: which products have a word.
type index struct {
	mu     sync.RWMutex
	mark   atomic.Pointer[db.Mark] // of the newest snapshot that it has seen all of
	n      int64                   // of search_state that it has seen
	soldAt time.Time               // when what has sold was read

	docs  []entry // of products, in no order
	free  []uint32
	slots map[id.Product]uint32

	words   []word // every form that products have or had
	byText  map[string]uint32
	sorted  []uint32 // words that some product has, by their text; valid while tidy
	tidy    bool
	terms   []term
	byStem  map[string]uint32
	options map[string]*choices
	kinds   map[string]int // types and vendors, and how many have them

	synonyms dictionary // ours and the merchant's
	ownText  string     // the merchant's, as written

	bytes int64 // taken, about

	unwritten atomic.Bool // some products had no document when it was built
}

// entry is a product. It is free when its product is zero.
type entry struct {
	product         id.Product
	title, handle   string
	kinds           []string
	price, priceMax int64
	sellable        bool
	sold            int64
	options         *choices // nil: none
	words           []uint32
}

// choices is a list of options that products share.
type choices struct {
	key   string
	list  []catalog.Option
	users int
}

// word is a form of a term.
type word struct {
	text  string
	term  uint32
	users int32  // products that have it
	chars uint64 // which characters it has, for the search of misspelt words
	runes int32
}

type term struct {
	stem     string
	postings []posting // by doc
}

// posting says that a product has a term, and what it counts for there.
type posting struct {
	doc    uint32
	weight uint16
	title  bool
}

func newIndex() *index {
	return &index{
		slots: map[id.Product]uint32{}, byText: map[string]uint32{}, byStem: map[string]uint32{}, options: map[string]*choices{}, kinds: map[string]int{},
		synonyms: common, bytes: 4 << 10,
	}
}

// bytes of what an index is made of, about.
const (
	wordBytes    = 150 // beside its text, with its term
	postingBytes = 8 + 4
	docBytes     = 300
)

// put takes in a document in place of the product's earlier one; sold below
// zero leaves that as it was. The document gone takes the product out.
func (x *index) put(p id.Product, doc []byte, sellable bool, sold int64) error {
	if slot, there := x.slots[p]; there {
		if sold < 0 {
			sold = x.docs[slot].sold
		}
		x.drop(slot)
	}
	if len(doc) <= len(gone) {
		return nil
	}
	var slot uint32
	if n := len(x.free); n > 0 {
		slot, x.free = x.free[n-1], x.free[:n-1]
	} else {
		slot = uint32(len(x.docs))
		x.docs = append(x.docs, entry{})
	}
	x.slots[p] = slot
	e := &x.docs[slot]
	*e = entry{product: p, sellable: sellable, sold: max(0, sold)}
	err := unpack(doc, func(d document, options []byte) {
		e.title, e.handle, e.kinds, e.price, e.priceMax = d.title, d.handle, d.kinds, d.price, d.priceMax
		for _, k := range e.kinds {
			x.kinds[k]++
		}
		if len(options) > 1 {
			c := x.options[string(options)]
			if c == nil {
				c = &choices{key: string(options), list: unpackOptions(options)}
				x.options[c.key] = c
				x.bytes += int64(4 * len(options))
			}
			c.users++
			e.options = c
		}
		e.words = make([]uint32, 0, len(doc)/8)
	}, func(text []byte, weight uint16, title bool) {
		w, known := x.byText[string(text)]
		if !known {
			w = x.learn(string(text))
		}
		if x.words[w].users++; x.words[w].users == 1 {
			x.tidy = false
		}
		e.words = append(e.words, w)
		x.post(x.words[w].term, slot, weight, title)
	})
	e.words = slices.Clip(e.words)
	x.bytes += docBytes + int64(len(e.title)+len(e.handle)+postingBytes*len(e.words))
	return err
}

// learn makes room for a form that no product had.
func (x *index) learn(text string) uint32 {
	s := stem(text)
	t, known := x.byStem[s]
	if !known {
		t = uint32(len(x.terms))
		x.terms = append(x.terms, term{stem: s})
		x.byStem[s] = t
	}
	w := uint32(len(x.words))
	chars, runes := signature(text)
	x.words = append(x.words, word{text: text, term: t, chars: chars, runes: int32(runes)})
	x.byText[text] = w
	x.bytes += wordBytes + int64(2*len(text))
	return w
}

// post adds to what a term counts for in a product.
func (x *index) post(t, slot uint32, weight uint16, title bool) {
	ps := x.terms[t].postings
	at := len(ps)
	if at > 0 && ps[at-1].doc >= slot {
		at, _ = slices.BinarySearchFunc(ps, slot, func(p posting, slot uint32) int { return cmp.Compare(p.doc, slot) })
	}
	if at < len(ps) && ps[at].doc == slot {
		ps[at].weight = uint16(min(uint32(ps[at].weight)+uint32(weight), 1<<16-1))
		ps[at].title = ps[at].title || title
		return
	}
	x.terms[t].postings = slices.Insert(ps, at, posting{slot, weight, title})
}

// drop takes a product out.
func (x *index) drop(slot uint32) {
	e := &x.docs[slot]
	for _, w := range e.words {
		if x.words[w].users--; x.words[w].users == 0 {
			x.tidy = false
		}
		t := x.words[w].term
		ps := x.terms[t].postings
		if at, there := slices.BinarySearchFunc(ps, slot, func(p posting, slot uint32) int { return cmp.Compare(p.doc, slot) }); there {
			x.terms[t].postings = slices.Delete(ps, at, at+1)
		}
	}
	for _, k := range e.kinds {
		if x.kinds[k]--; x.kinds[k] == 0 {
			delete(x.kinds, k)
		}
	}
	if c := e.options; c != nil {
		if c.users--; c.users == 0 {
			delete(x.options, c.key)
			x.bytes -= int64(4 * len(c.key))
		}
	}
	x.bytes -= docBytes + int64(len(e.title)+len(e.handle)+postingBytes*len(e.words))
	delete(x.slots, e.product)
	*e = entry{}
	x.free = append(x.free, slot)
}

// tidyUp puts the words in order after changes. Call it with the lock held for
// writing.
func (x *index) tidyUp() {
	if x.tidy {
		return
	}
	x.sorted = x.sorted[:0]
	for i := range x.words {
		if x.words[i].users > 0 {
			x.sorted = append(x.sorted, uint32(i))
		}
	}
	slices.SortFunc(x.sorted, func(a, b uint32) int { return strings.Compare(x.words[a].text, x.words[b].text) })
	x.tidy = true
}

// begin gives the words that begin with a text.
func (x *index) begin(prefix string) []uint32 {
	from, _ := slices.BinarySearchFunc(x.sorted, prefix, func(w uint32, p string) int { return strings.Compare(x.words[w].text, p) })
	to := from
	for to < len(x.sorted) && strings.HasPrefix(x.words[x.sorted[to]].text, prefix) {
		to++
	}
	return x.sorted[from:to]
}

// use takes up the merchant's synonyms.
func (x *index) use(synonyms string) {
	if synonyms == x.ownText {
		return
	}
	x.bytes += 8 * int64(len(synonyms)-len(x.ownText))
	x.ownText, x.synonyms = synonyms, common
	if synonyms != "" {
		x.synonyms = common.with(parseSynonyms(synonyms))
	}
}
