package search

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
)

// Filter narrows and orders what was found.
type Filter struct {
	Sort      catalog.Sort // empty: the best first
	Available bool         // only what can be bought
	Min, Max  int64        // of the price, in minor units; 0: any
	Options   []catalog.Choice
}

// Sorts lists the orders that what was found can be in, beside the best first.
var Sorts = []catalog.Sort{catalog.Newest, catalog.PriceUp, catalog.PriceDown, catalog.ByTitle}

// some reports whether it leaves anything out.
func (f Filter) some() bool { return f.Available || f.Min > 0 || f.Max > 0 || len(f.Options) > 0 }

// Facets is what there is to narrow by. Each part is counted as if nothing of
// its own kind had been chosen.
type Facets struct {
	Available   int64 // that can be bought
	Unavailable int64
	Low, High   int64 // prices, in minor units
	Options     []catalog.Facet
}

const mostValues = 40 // of an option that are told

// narrow gives those of the products found that pass a filter, in its order,
// and what else there is to choose from.
func (x *index) narrow(found []ranked, f Filter) (out []ranked, facets Facets) {
	wanted := map[string][]string{} // by the option's name, in lower case
	var names []string
	for _, c := range f.Options {
		name := strings.ToLower(c.Name)
		if len(names) == 0 || !slices.Contains(names, name) {
			if len(names) == 8 {
				continue
			}
			names = append(names, name)
		}
		wanted[name] = append(wanted[name], strings.ToLower(c.Value))
	}
	// What a list of options passes is worked out once for all that have it.
	type tally struct {
		fails []bool // by name
		bad   int
		count int64         // that pass all of the options and the rest
		but   map[int]int64 // that fail only the option so numbered, and pass the rest
	}
	tallies := map[*choices]*tally{}
	tallyOf := func(c *choices) *tally {
		t := tallies[c]
		if t == nil {
			t = &tally{fails: make([]bool, len(names)), but: map[int]int64{}}
			for i, name := range names {
				if t.fails[i] = !c.has(name, wanted[name]); t.fails[i] {
					t.bad++
				}
			}
			tallies[c] = t
		}
		return t
	}
	first := true
	for _, r := range found {
		e := &x.docs[r.slot]
		t := tallyOf(e.options)
		price := (f.Min == 0 || e.priceMax >= f.Min) && (f.Max == 0 || e.price <= f.Max)
		stock := !f.Available || e.sellable
		if t.bad == 0 && price {
			if e.sellable {
				facets.Available++
			} else {
				facets.Unavailable++
			}
		}
		if t.bad == 0 && stock {
			if first || e.price < facets.Low {
				facets.Low = e.price
			}
			facets.High = max(facets.High, e.priceMax)
			first = false
		}
		if price && stock {
			switch t.bad {
			case 0:
				t.count++
				out = append(out, r)
			case 1:
				t.but[slices.Index(t.fails, true)]++
			}
		}
	}
	counts := options{}
	for c, t := range tallies {
		if c == nil {
			continue
		}
		for place, o := range c.list {
			n := t.count
			if i := slices.Index(names, strings.ToLower(o.Name)); i >= 0 {
				n += t.but[i]
			}
			if n > 0 {
				counts.add(place, o, n)
			}
		}
	}
	facets.Options = counts.list(wanted)
	var order func(a, b ranked) int
	switch f.Sort {
	case catalog.Newest:
		order = func(ranked, ranked) int { return 0 }
	case catalog.PriceUp:
		order = func(a, b ranked) int { return cmp.Compare(x.docs[a.slot].price, x.docs[b.slot].price) }
	case catalog.PriceDown:
		order = func(a, b ranked) int { return -cmp.Compare(x.docs[a.slot].price, x.docs[b.slot].price) }
	case catalog.ByTitle:
		order = func(a, b ranked) int {
			return strings.Compare(strings.ToLower(x.docs[a.slot].title), strings.ToLower(x.docs[b.slot].title))
		}
	default:
		return out, facets
	}
	slices.SortStableFunc(out, func(a, b ranked) int { return cmp.Or(order(a, b), x.newer(a.slot, b.slot)) })
	return out, facets
}

// has reports whether a product with these options comes in one of the values.
func (c *choices) has(name string, values []string) bool {
	if c == nil {
		return false
	}
	for _, o := range c.list {
		if strings.ToLower(o.Name) == name {
			return slices.ContainsFunc(o.Values, func(v string) bool { return slices.Contains(values, strings.ToLower(v)) })
		}
	}
	return false
}

// options adds up values of options, whatever their case.
type options map[string]*option

type option struct {
	name   string
	place  int // the first that it has anywhere
	total  int64
	values map[string]*value
}

type value struct {
	text  string
	place float64 // the sum of where it stands in lists, each from 0 to 1
	lists float64
	count int64
}

func (all options) add(place int, o catalog.Option, n int64) {
	if len(o.Values) == 1 && strings.EqualFold(o.Values[0], "Default Title") {
		return
	}
	key := strings.ToLower(o.Name)
	op := all[key]
	if op == nil {
		op = &option{name: o.Name, place: place, values: map[string]*value{}}
		all[key] = op
	}
	op.name, op.place, op.total = min(op.name, o.Name), min(op.place, place), op.total+n
	for i, text := range o.Values {
		key := strings.ToLower(text)
		v := op.values[key]
		if v == nil {
			v = &value{text: text}
			op.values[key] = v
		}
		v.text, v.count = min(v.text, text), v.count+n
		v.place, v.lists = v.place+float64(i)/float64(len(o.Values)), v.lists+1
	}
}

// sizes are known to stand in this order.
var sizes = strings.Fields("xxs xs s small m medium l large xl xxl 2xl xxxl 3xl 4xl 5xl")

// rank orders values: sizes and numbers by what they mean, all others by where
// products have them.
func (o *option) rank() func(a, b *value) int {
	number := func(v *value) (float64, bool) {
		text := strings.ToLower(v.text)
		if i := slices.Index(sizes, text); i >= 0 {
			return float64(i), true
		}
		n, err := strconv.ParseFloat(strings.TrimRight(text, " abcdefghijklmnopqrstuvwxyz"), 64)
		return 100 + n, err == nil
	}
	all := true
	for _, v := range o.values {
		_, known := number(v)
		all = all && known
	}
	return func(a, b *value) int {
		if all {
			x, _ := number(a)
			y, _ := number(b)
			return cmp.Or(cmp.Compare(x, y), strings.Compare(a.text, b.text))
		}
		return cmp.Or(cmp.Compare(a.place/a.lists, b.place/b.lists), strings.Compare(a.text, b.text))
	}
}

// list gives the options that most products have first, their values in the
// order of the products. Values that were chosen are there even with nothing.
func (all options) list(wanted map[string][]string) (out []catalog.Facet) {
	var sorted []*option
	for _, o := range all {
		sorted = append(sorted, o)
	}
	slices.SortFunc(sorted, func(a, b *option) int {
		return cmp.Or(cmp.Compare(a.place, b.place), -cmp.Compare(a.total, b.total), strings.Compare(a.name, b.name))
	})
	for _, o := range sorted[:min(len(sorted), 8)] {
		var values []*value
		for _, v := range o.values {
			values = append(values, v)
		}
		slices.SortFunc(values, o.rank())
		if len(values) > mostValues { // those that most products have
			slices.SortStableFunc(values, func(a, b *value) int { return -cmp.Compare(a.count, b.count) })
			values = values[:mostValues]
		}
		facet := catalog.Facet{Name: o.name}
		for _, v := range values {
			facet.Values = append(facet.Values, catalog.FacetValue{Value: v.text, Count: v.count})
		}
		for _, w := range wanted[strings.ToLower(o.name)] {
			if !slices.ContainsFunc(facet.Values, func(v catalog.FacetValue) bool { return strings.ToLower(v.Value) == w }) {
				facet.Values = append(facet.Values, catalog.FacetValue{Value: w})
			}
		}
		out = append(out, facet)
	}
	return out
}
