package catalog

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"haat/internal/id"
)

// candidate is an entry that passes, with what decides its place before its time.
type candidate struct {
	*entry
	key int64 // the less the earlier
}

// order says what decides places.
type order struct {
	by     Sort
	byTime bool // products that are otherwise alike stand by their time
}

func (o order) compare(a, b *candidate) int {
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c
	}
	if o.by == ByTitle {
		if c := bytes.Compare(a.title, b.title); c != 0 {
			return c
		}
	}
	if o.byTime {
		if c := cmp.Compare(b.created, a.created); c != 0 {
			return c
		}
	}
	return bytes.Compare(a.raw[4:atPrice], b.raw[4:atPrice])
}

// first keeps the first of many candidates.
type first struct {
	order
	most int
	best []candidate
	full bool // best holds the first so far, in order, and maybe more
}

func (f *first) add(c candidate) {
	if f.full && f.compare(&c, &f.best[f.most-1]) > 0 {
		return
	}
	if f.best = append(f.best, c); len(f.best) >= 2*f.most+64 {
		f.cut()
	}
}

func (f *first) cut() {
	slices.SortFunc(f.best, func(a, b candidate) int { return f.compare(&a, &b) })
	if len(f.best) >= f.most {
		f.best, f.full = f.best[:f.most], true
	}
}

// pick fills in what the rows of products would have said, from the blocks.
// The rest of the page is there.
func (p *CollectionPage) pick(from *unpacked, all []tagged, f Filter, offset, perPage int) error {
	shared := map[int64]*list{}
	soldOut := map[id.Product]bool{}
	for _, row := range all {
		switch row.tag {
		case rowSoldOut:
			soldOut[id.Product(row.key)] = true
		case rowChoices:
			shared[row.i1] = &list{options: row.t1, wanted: wanted(row.t2, f.Options)}
		}
	}
	none := &list{wanted: wanted("", f.Options)}
	o := order{by: p.Sort, byTime: p.own || p.Sort == ByHand || p.Sort == Newest}
	if p.Handle == AllProducts && p.Sort == ByHand {
		o.by = Newest // the shop's every product has no order by hand
	}
	top := first{order: o, most: max(1, offset+perPage)}
	least, most := max(0, f.Min), max(0, f.Max)
	p.Total, p.All, p.Min, p.Max = 0, 0, 0, 0
	lastID, last := int64(0), none
	for i := range slices.Backward(from.entries) { // the newest first, of which most lists show some
		e := &from.entries[i]
		position := int64(0)
		if p.Handle != AllProducts {
			var in bool
			if position, in = e.place(p.ID); !in {
				continue
			}
		}
		if p.All++; p.All == 1 || e.price < p.Min {
			p.Min = e.price
		}
		p.Max = max(p.Max, e.high)
		if e.choices != lastID {
			lastID, last = e.choices, shared[e.choices]
			if last == nil {
				last = none
			}
		}
		last.products++
		if !last.wanted || e.high < least || most > 0 && e.price > most || f.Available && soldOut[e.product()] {
			continue
		}
		p.Total++
		c := candidate{entry: e}
		switch o.by {
		case PriceUp:
			c.key = e.price
		case PriceDown:
			c.key = -e.price
		case ByHand:
			c.key = position
		}
		top.add(c)
	}
	top.cut()
	for _, c := range top.best[min(offset, len(top.best)):] {
		card, err := c.read()
		if err != nil {
			return err
		}
		card.Sellable = !soldOut[card.Product]
		p.Cards = append(p.Cards, card)
	}
	var shown facets
	for _, l := range shared {
		if l.products > 0 {
			if err := shown.add(l.options, l.products); err != nil {
				return err
			}
		}
	}
	p.Facets = shown.list()
	return nil
}

// list is a list of options that products share.
type list struct {
	options  string
	wanted   bool // it has what is filtered by
	products int64
}

// wanted reports whether a list of options has one value of each name that is
// filtered by: as the statements find by what optionArgs gives.
func wanted(pairs string, filter []Choice) bool {
	args := optionArgs(filter)
	for group := range slices.Chunk(args, 4) {
		if group[0] == "" {
			continue
		}
		if !slices.ContainsFunc(group, func(a any) bool { return strings.Contains(pairs, unlike(a.(string))) }) {
			return false
		}
	}
	return true
}

// unlike gives the text that a pattern of likePair looks for.
func unlike(pattern string) string {
	return strings.NewReplacer(`\\`, `\`, `\%`, `%`, `\_`, `_`).Replace(strings.TrimSuffix(strings.TrimPrefix(pattern, "%"), "%"))
}
