package storefront

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/web/design"
)

var foundSorts = []design.Choice{
	{Value: "", Label: "Best match"}, {Value: "newest", Label: "Newest"}, {Value: "price-asc", Label: "Price, low to high"},
	{Value: "price-desc", Label: "Price, high to low"}, {Value: "title", Label: "Name"},
}

func (v *visit) search() error {
	q := v.r.URL.Query()
	words := cut(q.Get(FieldQuery), 200)
	f, low, high := narrowed(shop.Settings{}, q)
	in := search.PageIn{Query: words, Filter: search.Filter{Available: f.Available, Options: f.Options}, Min: low, Max: high, Limit: perPage}
	if slices.Contains(search.Sorts, f.Sort) {
		in.Filter.Sort = f.Sort
	}
	n := min(f.Page, 1000)
	in.Offset = (n - 1) * perPage
	shown, err := v.Finder.Page(v.ctx(), v.room, v.by, in)
	if err != nil {
		return err
	}
	s := shown.Shop
	page := Search{Meant: shown.Meant, Partial: shown.All > 0 && !shown.Whole, Popular: v.cards(s, shown.Popular)}
	page.Page = Page{Shop: v.frame(s, shown.Menu), Title: "Search", Canonical: PathSearch, NoIndex: true, Query: words, Current: PathSearch}
	if words != "" {
		page.Title = words + " – search"
	}
	again := func(words string) string { return query(PathSearch, url.Values{FieldQuery: {words}}) }
	last := max(1, int(shown.Total+perPage-1)/perPage)
	page.Listing = Listing{
		Action: PathSearch, Cards: v.cards(s, shown.Cards), Total: int(shown.Total), Sort: string(in.Filter.Sort), Sorts: foundSorts, Available: f.Available,
		Min: low, Max: high, Symbol: symbol(s), Clear: again(words), Keep: []Pair{{FieldQuery, words}},
		Pages: design.Pages{Page: min(n, last), Last: last, Label: "Pages", Prev: "Previous", Next: "Next", Href: func(n int) string {
			next := clone(q)
			next.Set(FieldPage, strconv.Itoa(n))
			return query(PathSearch, next)
		}},
	}
	if c := shown.Facets; c.Unavailable > 0 || f.Available {
		page.Stocked = strconv.FormatInt(c.Available, 10)
	}
	if c := shown.Facets; c.High > c.Low || shown.Min > 0 || shown.Max > 0 {
		lo, hi := cash(s, c.Low), cash(s, c.High)
		page.Low, page.High = &lo, &hi
	}
	page.narrow(PathSearch, q, f.Options, shown.Facets.Options)
	page.narrowed(s, PathSearch, q, f.Available, shown.Min, shown.Max)
	for _, t := range shown.Tries {
		page.Tries = append(page.Tries, Link{t.Words, again(t.Words)})
	}
	for _, t := range shown.Menu {
		page.Suggestions = append(page.Suggestions, Link{t.Title, CollectionPath(t.Handle)})
	}
	return v.show(http.StatusOK, page.Draw(), false)
}

// narrow adds the options to narrow by, and a link without each that is in use.
func (l *Listing) narrow(path string, q url.Values, chosen []catalog.Choice, facets []catalog.Facet) {
	for _, facet := range facets {
		filter := Filter{Name: facet.Name}
		for _, value := range facet.Values {
			checked := slices.ContainsFunc(chosen, func(c catalog.Choice) bool {
				return strings.EqualFold(c.Name, facet.Name) && strings.EqualFold(c.Value, value.Value)
			})
			if checked {
				next := clone(q)
				next[PrefixOption+facet.Name] = slices.DeleteFunc(next[PrefixOption+facet.Name], func(x string) bool { return strings.EqualFold(x, value.Value) })
				next.Del(FieldPage)
				l.Active = append(l.Active, Link{facet.Name + ": " + value.Value, query(path, next)})
			}
			filter.Values = append(filter.Values, FilterValue{Value: value.Value, Count: int(value.Count), Checked: checked})
		}
		l.Options = append(l.Options, filter)
	}
}

// narrowed adds a link without each of the other filters that are in use.
func (l *Listing) narrowed(s shop.Settings, path string, q url.Values, available bool, low, high int64) {
	without := func(label string, fields ...string) {
		next := clone(q)
		for _, f := range append(fields, FieldPage) {
			next.Del(f)
		}
		l.Active = append(l.Active, Link{label, query(path, next)})
	}
	if available {
		without("In stock", FieldAvailable)
	}
	if low > 0 {
		without("From "+cash(s, low).Format(s.Locale, true), FieldMin)
	}
	if high > 0 {
		without("To "+cash(s, high).Format(s.Locale, true), FieldMax)
	}
}
