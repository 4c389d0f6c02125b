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

// The statements of a collection's page. Of a large shop they give its blocks,
// for Go to look through. Of the products of others only what decides
// whether and where they are shown is looked at; the rest is read for those
// that are shown. What there is to choose from is counted by lists of options,
// of which there are few.
var (
	allNewest    = db.Q(listAll + `x.created_at DESC, x.id` + listPick + `x.created_at DESC, x.id` + listCards + menuRows)
	allPriceUp   = db.Q(listAll + `x.price, x.id` + listPick + `x.price, x.id` + listCards + menuRows)
	allPriceDown = db.Q(listAll + `x.price DESC, x.id` + listPick + `x.price DESC, x.id` + listCards + menuRows)
	allByTitle   = db.Q(listAll + `x.sort, x.id` + listPick + `x.sort, x.id` + listCards + menuRows)

	pageByHand    = db.Q(listOne + `x.place, x.created_at DESC, x.id` + listPick + `x.place, x.created_at DESC, x.id` + listCards + menuRows)
	pageNewest    = db.Q(listOne + `x.created_at DESC, x.id` + listPick + `x.created_at DESC, x.id` + listCards + menuRows)
	pagePriceUp   = db.Q(listOne + `x.price, x.id` + listPick + `x.price, x.id` + listCards + menuRows)
	pagePriceDown = db.Q(listOne + `x.price DESC, x.id` + listPick + `x.price DESC, x.id` + listCards + menuRows)
	pageByTitle   = db.Q(listOne + `x.sort, x.id` + listPick + `x.sort, x.id` + listCards + menuRows)
	pageOwnOrder  = db.Q(listOne + ownSort + listPick + ownSort + listCards + menuRows)
)

var (
	// The shop's every product has no order by hand.
	allPages = map[Sort]*db.SQL{ByHand: allNewest, Newest: allNewest, PriceUp: allPriceUp, PriceDown: allPriceDown, ByTitle: allByTitle, ownOrder: allNewest}

	collectionPages = map[Sort]*db.SQL{
		ByHand: pageByHand, Newest: pageNewest, PriceUp: pagePriceUp, PriceDown: pagePriceDown, ByTitle: pageByTitle, ownOrder: pageOwnOrder,
	}
)

const (
	passes = `(NOT CAST($3 AS BOOLEAN) OR EXISTS (SELECT 1 FROM stock_product s WHERE s.shop = $1 AND s.product = q.id AND s.sellable))
		AND q.price_max >= CAST($4 AS BIGINT) AND (CAST($5 AS BIGINT) = 0 OR q.price <= CAST($5 AS BIGINT))
		AND (CAST($6 AS TEXT) = '' OR q.choices IN (SELECT o.id FROM product_choices o WHERE o.shop = $1
			AND (o.pairs LIKE CAST($6 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($7 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($8 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($9 AS TEXT) ESCAPE '\')))
		AND (CAST($10 AS TEXT) = '' OR q.choices IN (SELECT o.id FROM product_choices o WHERE o.shop = $1
			AND (o.pairs LIKE CAST($10 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($11 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($12 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($13 AS TEXT) ESCAPE '\')))
		AND (CAST($14 AS TEXT) = '' OR q.choices IN (SELECT o.id FROM product_choices o WHERE o.shop = $1
			AND (o.pairs LIKE CAST($14 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($15 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($16 AS TEXT) ESCAPE '\' OR o.pairs LIKE CAST($17 AS TEXT) ESCAPE '\')))`

	// a are the active products, of the shop or of the collection c, each with
	// whether it passes; g are their lists of options with how many have them; x
	// are those that are shown. Between the parts stands the order of x. Going
	// through a shop's products twice is quicker than copying them; finding a
	// collection's is not.
	// single keeps the parts below from the products of a shop that has blocks.
	single  = ` AND NOT EXISTS (SELECT 1 FROM product_block b WHERE b.shop = $1)`
	blocked = ` AND EXISTS (SELECT 1 FROM product_block b WHERE b.shop = $1)`

	listAll = `
	WITH c AS (SELECT k.id, k.handle, k.title, k.description, k.sort FROM collection k WHERE k.shop = $1 AND k.handle = $2 AND k.handle <> 'all'),
	a AS (
		SELECT q.id, q.price, q.price_max, q.created_at, q.sort, 0 AS place, 'newest' AS own, ` + passes + ` AS passes
		FROM product q WHERE q.shop = $1 AND q.status = 'active'` + single + `),
	g AS (SELECT q.choices, COUNT(*) AS products FROM product q WHERE q.shop = $1 AND q.status = 'active'` + single + ` GROUP BY q.choices),` + listShown
	listOne = `
	WITH c AS (SELECT k.id, k.handle, k.title, k.description, k.sort FROM collection k WHERE k.shop = $1 AND k.handle = $2),
	a AS MATERIALIZED (
		SELECT q.id, q.price, q.price_max, q.created_at, q.sort, m.position AS place, c.sort AS own, q.choices, ` + passes + ` AS passes
		FROM c CROSS JOIN collection_product m CROSS JOIN product q
		WHERE m.shop = $1 AND m.collection = c.id AND q.shop = $1 AND q.id = m.product AND q.status = 'active'` + single + `),
	g AS (SELECT a.choices, COUNT(*) AS products FROM a GROUP BY a.choices),` + listShown
	listShown = `
	x AS (SELECT x.id, x.price, x.created_at, x.sort, x.place, x.own FROM a x WHERE x.passes ORDER BY `
	listPick = ` LIMIT CAST($19 AS BIGINT) OFFSET CAST($18 AS BIGINT))
	SELECT 0 AS tag, 0 AS n, c.id AS key, 0 AS i1, 0 AS i2, 0 AS i3, 0 AS i4, 0 AS i5, c.handle AS t1, c.title AS t2, c.description AS t3, c.sort AS t4,
		'' AS t5, '' AS t6, '' AS t7, c.id AS other FROM c
	UNION ALL
	SELECT 5, 0, ` + noKey + `, COUNT(*) FILTER (WHERE a.passes), COUNT(*), COALESCE(MIN(a.price), 0), COALESCE(MAX(a.price_max), 0), 0,
		'', '', '', '', '', '', '', ` + noKey + ` FROM a
	UNION ALL
	SELECT 6, 0, ` + noKey + `, g.products, 0, 0, 0, 0, o.options, '', '', '', '', '', '', ` + noKey + `
	FROM g CROSS JOIN product_choices o WHERE o.shop = $1 AND o.id = g.choices
	UNION ALL` + cardsFrom + ` FROM (SELECT '' AS section, ROW_NUMBER() OVER (ORDER BY `
	listCards = `) AS n, ` + cardColumns + `
		FROM x CROSS JOIN product q LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
		WHERE q.shop = $1 AND q.id = x.id) q
	UNION ALL
	SELECT 8, 0, b.first, 0, 0, 0, 0, 0, '', '', '', '', '', '', '', b.data FROM product_block b
		WHERE b.shop = $1 AND CAST($20 AS BIGINT) <> COALESCE((SELECT l.version FROM product_lists l WHERE l.shop = $1), -1)
	UNION ALL
	SELECT 9, 0, s.product, 0, 0, 0, 0, 0, '', '', '', '', '', '', '', ` + noKey + ` FROM stock_product s WHERE s.shop = $1 AND NOT s.sellable` + blocked + `
	UNION ALL
	SELECT 10, 0, ` + noKey + `, o.id, 0, 0, 0, 0, o.options, o.pairs, '', '', '', '', '', ` + noKey + ` FROM product_choices o WHERE o.shop = $1` + blocked + `
	UNION ALL
	SELECT 11, 0, ` + noKey + `, COALESCE((SELECT l.version FROM product_lists l WHERE l.shop = $1), -1), 0, 0, 0, 0, '', '', '', '', '', '', '', ` + noKey + `
	FROM (SELECT b.first FROM product_block b WHERE b.shop = $1 ORDER BY b.first LIMIT 1) l
	UNION ALL`

	// ownSort is the order that the collection says.
	ownSort = `CASE WHEN x.own = 'price-asc' THEN x.price WHEN x.own = 'price-desc' THEN -x.price WHEN x.own = 'manual' THEN x.place ELSE 0 END,
		CASE WHEN x.own = 'title' THEN x.sort END, x.created_at DESC, x.id`
)

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
	kept := keptLists(r.Shop())
	args = append(args, offset, perPage, kept.version)
	sort := f.Sort
	if sort == "" {
		sort = ownOrder
	}
	pages := collectionPages
	if handle == AllProducts {
		pages = allPages
	}
	q := pages[sort]
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
	if err := p.fill(all); err != nil {
		return p, err
	}
	n := slices.IndexFunc(all, func(t tagged) bool { return t.tag == rowVersion })
	if n < 0 {
		return p, nil
	}
	if kept.version != all[n].i1 {
		if kept, err = unpack(r.Shop(), all[n].i1, all); err != nil {
			return p, err
		}
	}
	return p, p.pick(kept, all, f, offset, perPage)
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
			args[g*4+used[g]] = likePair(c.Name, c.Value)
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
	var f facets
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
			if err := f.add(row.t1, row.i1); err != nil {
				return err
			}
		case rowMenu:
			p.Menu = append(p.Menu, row.tile())
		}
	}
	if !found {
		return fault.NotFound("There is no such collection.")
	}
	p.Facets = f.list()
	return nil
}
