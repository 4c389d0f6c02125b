package search

import (
	"context"
	"strings"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

// Operations lists the room's operations.
func (f *Finder) Operations() []op.Operation {
	return []op.Operation{&f.find, &f.suggest, &Synonyms, &SetSynonyms, &Report}
}

// declare makes the operations that need the finder.
func (f *Finder) declare() {
	f.find = op.Read[FindIn, Results]{Name: "search.find", Route: "GET /search", Role: op.Shopper,
		Summary: "Find products by words, best first, with what they can be narrowed by", Run: f.results}
	f.suggest = op.Read[SuggestIn, Suggested]{Name: "search.suggest", Route: "GET /search/suggest", Role: op.Shopper,
		Summary: "Suggest products for a query that is being typed", Run: f.suggested}
	f.forPage = op.Read[PageIn, Shown]{Name: "search.page", Role: op.Shopper, Run: f.shown}
}

// FindIn is what is looked for.
type FindIn struct {
	op.Page
	Query     string   `query:"q" maxLength:"200" doc:"Words, or their beginnings, in any order"`
	Sort      string   `query:"sort" enum:"newest,price-asc,price-desc,title," doc:"Best first when absent"`
	Available bool     `query:"available" doc:"Only what can be bought"`
	Min       int64    `query:"price_min" minimum:"0" doc:"Minor units"`
	Max       int64    `query:"price_max" minimum:"0" doc:"Minor units"`
	Options   []string `query:"option,explode" maxItems:"20" doc:"Only products with this value of an option, as name:value; values of one name are alternatives" example:"Colour:Indigo"`
}

// Results is a part of what was found.
type Results struct {
	Items   []catalog.ShopCard `json:"items" nullable:"false"`
	Next    *string            `json:"next" nullable:"true" doc:"The cursor of the next page; null on the last"`
	Total   int64              `json:"total"`
	Partial bool               `json:"partial" doc:"No product has every word; these have most of them"`
	Meant   string             `json:"meant,omitempty" doc:"The query as it was understood, where words were misspelt"`
	Facets  FacetsOut          `json:"facets" doc:"What the products can be narrowed by, each part counted as if nothing of its kind had been chosen"`
}

// FacetsOut is Facets for programs.
type FacetsOut struct {
	Available   int64       `json:"available"`
	Unavailable int64       `json:"unavailable"`
	PriceMin    money.Money `json:"price_min"`
	PriceMax    money.Money `json:"price_max"`
	Options     []OptionOut `json:"options" nullable:"false"`
}

// OptionOut is an option and its values.
type OptionOut struct {
	Name   string     `json:"name"`
	Values []ValueOut `json:"values" nullable:"false"`
}

// ValueOut is a value and how many products have it.
type ValueOut struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

func (f *Finder) results(ctx context.Context, r db.Reader, in FindIn) (out Results, err error) {
	var offset int
	if _, err := in.After(&offset); err != nil {
		return out, err
	}
	offset = max(0, offset)
	s, err := shop.Of(ctx, r)
	if err != nil {
		return out, err
	}
	filter := Filter{Sort: catalog.Sort(in.Sort), Available: in.Available, Min: in.Min, Max: in.Max}
	for _, o := range in.Options {
		name, value, _ := strings.Cut(o, ":")
		filter.Options = append(filter.Options, catalog.Choice{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	found, err := f.Find(ctx, r, in.Query, filter, offset, in.Size())
	if err != nil {
		return out, err
	}
	if offset == 0 && !filter.some() {
		f.asked.note(r, s, in.Query, found.All > 0, &f.Stats)
	}
	out = Results{Items: cardsFor(r, found.Cards, s.Currency), Total: found.Total, Partial: found.All > 0 && !found.Whole, Meant: found.Meant}
	if seen := offset + in.Size(); int64(seen) < found.Total {
		next := op.Next(seen)
		out.Next = &next
	}
	cash := func(n int64) money.Money { return money.Money{Amount: n, Currency: s.Currency} }
	c := found.Facets
	out.Facets = FacetsOut{Available: c.Available, Unavailable: c.Unavailable, PriceMin: cash(c.Low), PriceMax: cash(c.High), Options: []OptionOut{}}
	for _, o := range c.Options {
		option := OptionOut{Name: o.Name, Values: []ValueOut{}}
		for _, v := range o.Values {
			option.Values = append(option.Values, ValueOut{v.Value, v.Count})
		}
		out.Facets.Options = append(out.Facets.Options, option)
	}
	return out, nil
}

func cardsFor(r db.Reader, cards []catalog.Card, currency string) []catalog.ShopCard {
	out := make([]catalog.ShopCard, len(cards))
	for i, c := range cards {
		out[i] = catalog.NewShopCard(r.Shop(), c, currency)
	}
	return out
}

// SuggestIn is what has been typed.
type SuggestIn struct {
	Query string `query:"q" maxLength:"200"`
}

// Suggested is what a query that is being typed finds first.
type Suggested struct {
	Products []catalog.ShopCard `json:"products" nullable:"false"`
	Total    int64              `json:"total" doc:"Products that the query finds"`
	Queries  []string           `json:"queries" nullable:"false" doc:"How the query might go on"`
}

const mostSuggested = 6

func (f *Finder) suggested(ctx context.Context, r db.Reader, in SuggestIn) (out Suggested, err error) {
	out = Suggested{Products: []catalog.ShopCard{}, Queries: []string{}}
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return out, err
	}
	err = f.current(ctx, r, func(x *index) (bool, error) {
		products, total, queries, n := x.complete(in.Query, mostSuggested)
		cards, now, _, err := cardsOf(ctx, r, products)
		out.Total, out.Queries = int64(total), append([]string{}, queries...)
		out.Products = cardsFor(r, pick(products, cards), currency)
		for _, c := range out.Products {
			if c.Image != nil {
				c.Image.URL = media.URL(r.Shop(), c.Image.Hash, media.Nearest(c.Image.Width, 160))
			}
		}
		return now <= n, err
	})
	return out, err
}

// PageIn is a search and which part of what it finds to show. Prices are as
// they were typed.
type PageIn struct {
	Query         string
	Filter        Filter
	Min, Max      string
	Offset, Limit int
}

// Shown is what a search page shows.
type Shown struct {
	Shop shop.Settings
	Filter
	Found
}

// Page gives a search page's content. It has no route of its own.
func (f *Finder) Page(ctx context.Context, room *fleet.Room, by op.Caller, in PageIn) (Shown, error) {
	return f.forPage.Do(ctx, room, by, in)
}

func (f *Finder) shown(ctx context.Context, r db.Reader, in PageIn) (out Shown, err error) {
	if out.Shop, err = shop.Of(ctx, r); err != nil {
		return out, err
	}
	out.Filter = in.Filter
	if n, err := money.Parse(in.Min, out.Shop.Currency); err == nil && n > 0 {
		out.Min = n
	}
	if n, err := money.Parse(in.Max, out.Shop.Currency); err == nil && n > 0 {
		out.Max = n
	}
	if out.Found, err = f.Find(ctx, r, in.Query, out.Filter, in.Offset, in.Limit); err != nil {
		return out, err
	}
	if in.Offset == 0 && !out.some() {
		f.asked.note(r, out.Shop, in.Query, out.All > 0, &f.Stats)
	}
	return out, nil
}
