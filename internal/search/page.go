package search

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/id"
	"haat/internal/media"
)

// Found is a part of what a search found.
type Found struct {
	Cards  []catalog.Card
	Total  int64  // that pass the filter
	All    int64  // that were found before the filter
	Whole  bool   // they have every word; else most of the words
	Meant  string // the query as it was understood, where words were misspelt
	Facets Facets
	Menu   []catalog.Tile

	// When nothing was found.
	Popular []catalog.Card
	Tries   []Try
}

// Try is a part of a query that finds something.
type Try struct {
	Words string
	Count int64
}

const (
	mostPopular = 4
	fifty       = "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51"
)

// readCards reads up to fifty products, the menu, and the number of the shop's
// documents, which tells whether the index is up to date. The status is
// compared so that no index on it is taken in place of the primary key.
var readCards = db.Q(`
	SELECT 0 AS tag, 0 AS n, p.id AS key, p.variant AS variant, p.variants AS variants, p.handle AS handle, p.title AS title, p.vendor AS vendor, p.price AS price,
		p.price_max AS price_max, p.compare_at AS compare_at, p.image AS image, p.width AS width, p.height AS height, p.alt AS alt, p.placeholder AS placeholder,
		COALESCE(s.sellable, FALSE) AS sellable
	FROM product p LEFT JOIN stock_product s ON s.shop = $1 AND s.product = p.id
	WHERE p.shop = $1 AND p.id IN (` + fifty + `) AND p.status || '' = 'active'
	UNION ALL
	SELECT 1, s.n, CAST('' AS BYTEA), CAST('' AS BYTEA), 0, '', '', '', 0, 0, 0, '', 0, 0, '', '', FALSE FROM search_state s WHERE s.shop = $1
	UNION ALL
	SELECT 2, m.position, m.id, m.id, 0, m.handle, m.title, '', 0, 0, 0, '', 0, 0, '', '', FALSE
	FROM (SELECT c.position, c.id, c.handle, c.title FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.id LIMIT 8) m
	ORDER BY 1, 2`)

// cardsOf reads products, in any number; those that are not shown are absent.
func cardsOf(ctx context.Context, r db.Reader, products []id.Product) (cards map[id.Product]catalog.Card, n int64, menu []catalog.Tile, err error) {
	cards = make(map[id.Product]catalog.Card, len(products))
	type row struct {
		tag, n       int64
		key, variant []byte
		catalog.Card
		m media.Image
	}
	for first := true; first || len(products) > 0; first = false {
		part := products[:min(len(products), 50)]
		products = products[len(part):]
		args := make([]any, 50)
		for i := range args {
			args[i] = id.Product{}
			if len(part) > 0 {
				args[i] = part[min(i, len(part)-1)]
			}
		}
		err = db.Each(ctx, r, readCards, func(c *row) []any {
			return []any{&c.tag, &c.n, &c.key, &c.variant, &c.Variants, &c.Handle, &c.Title, &c.Vendor, &c.Price, &c.PriceMax, &c.CompareAt,
				&c.m.Hash, &c.m.Width, &c.m.Height, &c.m.Alt, &c.m.Placeholder, &c.Sellable}
		}, func(c row) error {
			switch c.tag {
			case 0:
				copy(c.Product[:], c.key)
				copy(c.Card.Variant[:], c.variant)
				c.Card.Image = c.m
				cards[c.Product] = c.Card
			case 1:
				n = c.n
			case 2:
				if first {
					t := catalog.Tile{Handle: c.Handle, Title: c.Title}
					copy(t.Collection[:], c.key)
					menu = append(menu, t)
				}
			}
			return nil
		}, args...)
		if err != nil {
			return nil, 0, nil, err
		}
	}
	return cards, n, menu, nil
}

// Find gives a part of what a query finds. It costs one statement when the
// shop's index is there and up to date. An empty query finds nothing.
func (f *Finder) Find(ctx context.Context, r db.Reader, query string, filter Filter, offset, limit int) (out Found, err error) {
	err = f.current(ctx, r, func(x *index) (bool, error) {
		out = Found{}
		products, popular, n := x.page(&out, query, filter, offset, limit)
		cards, now, menu, err := cardsOf(ctx, r, append(slices.Clip(products), popular...))
		out.Menu, out.Cards, out.Popular = menu, pick(products, cards), pick(popular, cards)
		return now <= n, err
	})
	return out, err
}

// pick puts cards in order.
func pick(products []id.Product, cards map[id.Product]catalog.Card) (out []catalog.Card) {
	for _, p := range products {
		if c, there := cards[p]; there {
			out = append(out, c)
		}
	}
	return out
}

// page matches a query and gives which products are on the part asked for and,
// when nothing was found, which are popular.
func (x *index) page(out *Found, query string, filter Filter, offset, limit int) (products, popular []id.Product, n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m := x.match(query, false)
	out.All, out.Whole, out.Meant = int64(len(m.found)), m.whole, m.meant
	found, facets := x.narrow(m.found, filter)
	out.Total, out.Facets = int64(len(found)), facets
	if offset < len(found) {
		for _, r := range found[offset:min(len(found), offset+limit)] {
			products = append(products, x.docs[r.slot].product)
		}
	}
	if len(m.found) == 0 {
		popular = x.popular()
		if words := asked(query); len(words) > 1 {
			for _, w := range words {
				if some := x.match(w, false); len(some.found) > 0 {
					out.Tries = append(out.Tries, Try{cmp.Or(some.meant, w), int64(len(some.found))})
				}
			}
		}
	}
	return products, popular, x.n
}

// popular gives what sells best of what can be bought, the newest if nothing
// has sold.
func (x *index) popular() (out []id.Product) {
	var best []uint32
	before := func(a, b uint32) bool {
		if p, q := x.docs[a].sold, x.docs[b].sold; p != q {
			return p > q
		}
		return x.newer(a, b) < 0
	}
	for _, slot := range x.slots {
		if !x.docs[slot].sellable {
			continue
		}
		at := slices.IndexFunc(best, func(other uint32) bool { return before(slot, other) })
		if at < 0 {
			at = len(best)
		}
		if best = slices.Insert(best, at, slot); len(best) > mostPopular {
			best = best[:mostPopular]
		}
	}
	for _, slot := range best {
		out = append(out, x.docs[slot].product)
	}
	return out
}

// complete gives the products that a query that is being typed finds first, how
// many it finds, and how the query might go on.
func (x *index) complete(typed string, limit int) (products []id.Product, total int, queries []string, n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m := x.match(typed, !strings.HasSuffix(typed, " "))
	for _, r := range m.found[:min(len(m.found), limit)] {
		products = append(products, x.docs[r.slot].product)
	}
	return products, len(m.found), x.kindsLike(typed), x.n
}

const mostKinds = 3

// kindsLike gives types and vendors of which a word begins with what is typed,
// those that most products have first.
func (x *index) kindsLike(typed string) (out []string) {
	words := Words(cut(typed, maxQuery))
	if len(words) == 0 || len(words) > 4 {
		return nil
	}
	type kind struct {
		text string
		n    int
	}
	var all []kind
	for text, n := range x.kinds {
		have := Words(text)
		every := !slices.Equal(have, words)
		for _, w := range words {
			every = every && slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, w) })
		}
		if every {
			all = append(all, kind{strings.ToLower(text), n})
		}
	}
	slices.SortFunc(all, func(a, b kind) int {
		if a.n != b.n {
			return b.n - a.n
		}
		return strings.Compare(a.text, b.text)
	})
	for _, k := range all[:min(len(all), mostKinds)] {
		if !slices.Contains(out, k.text) {
			out = append(out, k.text)
		}
	}
	return out
}
