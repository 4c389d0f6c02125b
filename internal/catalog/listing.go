package catalog

import (
	"context"
	"slices"
	"strings"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// Sort is the order of a list.
type Sort string

const (
	ByHand    Sort = "manual"
	Newest    Sort = "newest"
	PriceUp   Sort = "price-asc"
	PriceDown Sort = "price-desc"
	ByTitle   Sort = "title"
)

// ownOrder is the order that the collection itself prefers.
const ownOrder Sort = ""

// Sorts lists every order there is.
var Sorts = []Sort{ByHand, Newest, PriceUp, PriceDown, ByTitle}

func (s Sort) valid() bool { return slices.Contains(Sorts, s) }

// Filter narrows and orders a collection.
type Filter struct {
	Sort      Sort // empty: the collection's own
	Available bool // only what can be bought
	Min, Max  int64
	Options   []Choice // values of one name are alternatives; different names must all hold
	Offset    int      // instead of Page
	Page      int      // from 1
	PerPage   int      // 24 unless given, 250 at most
}

// Choice is a value of an option to narrow by. At most three names with four
// values each are heeded.
type Choice struct{ Name, Value string }

// Facet is an option and the values to narrow by.
type Facet struct {
	Name   string
	Values []FacetValue
}

// FacetValue is a value and how many products of the collection have it.
type FacetValue struct {
	Value string
	Count int64
}

// CollectionPage is all that a collection's page shows.
type CollectionPage struct {
	ID          id.Collection // zero for all products
	Handle      string
	Title       string
	Description string
	Sort        Sort // as shown
	Cards       []Card
	Total       int64 // that pass the filter
	All         int64 // in the collection
	Min, Max    int64 // lowest and highest price in the collection
	Facets      []Facet
	Menu        []Tile

	own bool // the order is the collection's own
}

// AllProducts is the handle of the collection that holds every product.
const AllProducts = "all"

var (
	pageByHand    = db.Q(listHead + `x.place, x.created_at DESC, x.id` + listTail)
	pageNewest    = db.Q(listHead + `x.created_at DESC, x.id` + listTail)
	pagePriceUp   = db.Q(listHead + `x.price, x.id` + listTail)
	pagePriceDown = db.Q(listHead + `x.price DESC, x.id` + listTail)
	pageByTitle   = db.Q(listHead + `x.sort, x.id` + listTail)
	pageOwnOrder  = db.Q(listHead + `CASE WHEN x.own = 'price-asc' THEN x.price WHEN x.own = 'price-desc' THEN -x.price WHEN x.own = 'manual' THEN x.place ELSE 0 END,
			CASE WHEN x.own = 'title' THEN x.sort END, x.created_at DESC, x.id` + listTail)
)

var collectionPages = map[Sort]*db.SQL{
	ByHand:    pageByHand,
	Newest:    pageNewest,
	PriceUp:   pagePriceUp,
	PriceDown: pagePriceDown,
	ByTitle:   pageByTitle,
	ownOrder:  pageOwnOrder,
}

// In listHead and listTail, between which stands the order, x is the collection's active products, f those that pass
// the filter with their place n.
const listHead = `
	WITH c AS (SELECT k.id, k.handle, k.title, k.description, k.sort FROM collection k WHERE k.shop = $1 AND k.handle = $2),
	x AS (
		SELECT q.id, q.variant, q.variants, q.handle, q.title, q.vendor, q.price, q.price_max, q.compare_at, q.image, q.width, q.height, q.alt,
			q.placeholder, q.created_at, q.sort, m.position AS place, c.sort AS own, CASE WHEN sp.sellable THEN 1 ELSE 0 END AS sellable
		FROM c JOIN collection_product m ON m.shop = $1 AND m.collection = c.id
		JOIN product q ON q.shop = $1 AND q.id = m.product AND q.status = 'active'
		LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
		UNION ALL
		SELECT q.id, q.variant, q.variants, q.handle, q.title, q.vendor, q.price, q.price_max, q.compare_at, q.image, q.width, q.height, q.alt,
			q.placeholder, q.created_at, q.sort, 0, 'newest', CASE WHEN sp.sellable THEN 1 ELSE 0 END
		FROM product q LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
		WHERE q.shop = $1 AND q.status = 'active' AND CAST($2 AS TEXT) = 'all'),
	f AS (
		SELECT x.id, x.variant, x.variants, x.handle, x.title, x.vendor, x.price, x.price_max, x.compare_at, x.image, x.width, x.height, x.alt,
			x.placeholder, x.sellable, '' AS section, ROW_NUMBER() OVER (ORDER BY `

const listTail = `) AS n
		FROM x
		WHERE (NOT CAST($3 AS BOOLEAN) OR x.sellable = 1) AND x.price_max >= CAST($4 AS BIGINT) AND (CAST($5 AS BIGINT) = 0 OR x.price <= CAST($5 AS BIGINT))
			AND (CAST($6 AS TEXT) = '' OR EXISTS (SELECT 1 FROM product_option o WHERE o.shop = $1 AND o.product = x.id AND o.pair IN ($6, $7, $8, $9)))
			AND (CAST($10 AS TEXT) = '' OR EXISTS (SELECT 1 FROM product_option o WHERE o.shop = $1 AND o.product = x.id AND o.pair IN ($10, $11, $12, $13)))
			AND (CAST($14 AS TEXT) = '' OR EXISTS (SELECT 1 FROM product_option o WHERE o.shop = $1 AND o.product = x.id AND o.pair IN ($14, $15, $16, $17))))
	SELECT 0 AS tag, 0 AS n, c.id AS key, 0 AS i1, 0 AS i2, 0 AS i3, 0 AS i4, 0 AS i5, c.handle AS t1, c.title AS t2, c.description AS t3, c.sort AS t4,
		'' AS t5, '' AS t6, '' AS t7, c.id AS other FROM c
	UNION ALL
	SELECT 5, 0, ` + noKey + `, (SELECT COUNT(*) FROM f), COUNT(*), COALESCE(MIN(x.price), 0), COALESCE(MAX(x.price_max), 0), 0,
		'', '', '', '', '', '', '', ` + noKey + ` FROM x
	UNION ALL` + cardsFrom + ` FROM f q WHERE q.n > CAST($18 AS BIGINT) AND q.n <= CAST($18 AS BIGINT) + CAST($19 AS BIGINT)
	UNION ALL
	SELECT 6, MIN(o.position) * 10000 + MIN(o.place), ` + noKey + `, COUNT(*), 0, 0, 0, 0, MIN(o.name), MIN(o.value), o.pair, '', '', '', '', ` + noKey + `
	FROM x JOIN product_option o ON o.shop = $1 AND o.product = x.id GROUP BY o.pair
	UNION ALL` + menuRows

// ReadCollectionPage gives one page of a collection, with one statement. The
// handle "all" is every active product.
func ReadCollectionPage(ctx context.Context, r db.Reader, handle string, f Filter) (CollectionPage, error) {
	p := CollectionPage{Handle: handle, own: f.Sort == ""}
	perPage := f.PerPage
	if perPage < 1 {
		perPage = 24
	}
	perPage = min(perPage, 250)
	page := max(1, min(f.Page, 1_000_000))
	args := []any{handle, f.Available, max(0, f.Min), max(0, f.Max)}
	args = append(args, optionArgs(f.Options)...)
	offset := f.Offset
	if offset == 0 {
		offset = (page - 1) * perPage
	}
	args = append(args, offset, perPage)
	sort := f.Sort
	if sort == "" {
		sort = ownOrder
	}
	q := collectionPages[sort]
	if q == nil {
		return p, fault.Invalid("/sort", "We cannot sort by %q.", sort)
	}
	all, err := rows(ctx, r, q, args...)
	if err != nil {
		return p, err
	}
	if p.Sort = sort; sort == ownOrder {
		p.Sort = Newest
	}
	return p, p.fill(all)
}

// optionArgs spreads choices over three groups of four, one for each name.
func optionArgs(choices []Choice) []any {
	args := make([]any, 12)
	for i := range args {
		args[i] = ""
	}
	var names []string
	used := [3]int{}
	for _, c := range choices {
		name := strings.ToLower(c.Name)
		g := -1
		for i, n := range names {
			if n == name {
				g = i
			}
		}
		if g < 0 {
			if len(names) == 3 {
				continue
			}
			g, names = len(names), append(names, name)
		}
		if used[g] < 4 {
			args[g*4+used[g]] = pair(c.Name, c.Value)
			used[g]++
		}
	}
	for g := range names { // an unused place repeats the first, so that it matches nothing new
		for i := used[g]; i < 4; i++ {
			args[g*4+i] = args[g*4]
		}
	}
	return args
}

func (p *CollectionPage) fill(all []tagged) error {
	found := p.Handle == AllProducts
	if found {
		p.Title = "All products"
	}
	for _, row := range all {
		switch row.tag {
		case rowSubject:
			found = true
			copy(p.ID[:], row.key)
			p.Title, p.Description = row.t2, row.t3
			if p.own {
				p.Sort = Sort(row.t4)
			}
		case rowCard:
			p.Cards = append(p.Cards, row.card())
		case rowCount:
			p.Total, p.All, p.Min, p.Max = row.i1, row.i2, row.i3, row.i4
		case rowFacet:
			i := len(p.Facets) - 1
			for i >= 0 && !strings.EqualFold(p.Facets[i].Name, row.t1) {
				i--
			}
			if i < 0 {
				p.Facets = append(p.Facets, Facet{Name: row.t1})
				i = len(p.Facets) - 1
			}
			p.Facets[i].Values = append(p.Facets[i].Values, FacetValue{row.t2, row.i1})
		case rowMenu:
			p.Menu = append(p.Menu, row.tile())
		}
	}
	if !found {
		return fault.NotFound("There is no such collection.")
	}
	return nil
}
