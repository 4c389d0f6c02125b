package search

import (
	"context"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/media"
	"haat/internal/op"
	"haat/internal/shop"
)

// Operations lists the room's operations.
func Operations() []op.Operation { return []op.Operation{&Search} }

// Search finds products, for shoppers' programs.
var Search = op.Read[SearchIn, op.List[catalog.ShopCard]]{Name: "search.find", Route: "GET /search", Role: op.Shopper,
	Summary: "Find products by words", Run: func(ctx context.Context, r db.Reader, in SearchIn) (out op.List[catalog.ShopCard], err error) {
		var offset int
		if _, err := in.After(&offset); err != nil {
			return out, err
		}
		offset = max(0, offset)
		currency, err := shop.Currency(ctx, r)
		if err != nil {
			return out, err
		}
		found, err := Find(ctx, r, in.Query, offset, in.Size())
		out.Items = make([]catalog.ShopCard, len(found.Cards))
		for i, c := range found.Cards {
			out.Items[i] = catalog.NewShopCard(r.Shop(), c, currency)
		}
		if seen := offset + len(found.Cards); int64(seen) < found.Total && len(found.Cards) > 0 {
			out.Next = op.Next(seen)
		}
		return out, err
	}}

// SearchIn is what is looked for.
type SearchIn struct {
	op.Page
	Query string `query:"q" maxLength:"200" doc:"Words, or their beginnings, in any order"`
}

// ForPage is the search page's content. It has no route of its own.
var ForPage = op.Read[PageIn, Shown]{Name: "search.page", Role: op.Shopper,
	Run: func(ctx context.Context, r db.Reader, in PageIn) (out Shown, err error) {
		if out.Shop, err = shop.Of(ctx, r); err != nil {
			return out, err
		}
		out.Found, err = Find(ctx, r, in.Query, in.Offset, in.Limit)
		return out, err
	}}

// PageIn is a search and which part of what it finds to show.
type PageIn struct {
	Query         string
	Offset, Limit int
}

// Shown is what a search page shows.
type Shown struct {
	Shop shop.Settings
	Found
}

// Found is a part of what a search found.
type Found struct {
	Cards []catalog.Card
	Total int64
	Menu  []catalog.Tile
}

// find asks for products that have, for each of up to eight words ($2 and $3,
// $4 and $5, … its range of terms), a term that begins with it. A word that is
// not asked for has an empty range and is not missed: $18 is the number of
// words. A word consists of letters, digits and marks, so it can stand in a
// pattern.
var find = db.Q(`
	WITH hit AS (
			SELECT t.product, 0 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $2 AND t.term < $3 GROUP BY t.product
			UNION ALL
			SELECT t.product, 1 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $4 AND t.term < $5 GROUP BY t.product
			UNION ALL
			SELECT t.product, 2 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $6 AND t.term < $7 GROUP BY t.product
			UNION ALL
			SELECT t.product, 3 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $8 AND t.term < $9 GROUP BY t.product
			UNION ALL
			SELECT t.product, 4 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $10 AND t.term < $11 GROUP BY t.product
			UNION ALL
			SELECT t.product, 5 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $12 AND t.term < $13 GROUP BY t.product
			UNION ALL
			SELECT t.product, 6 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $14 AND t.term < $15 GROUP BY t.product
			UNION ALL
			SELECT t.product, 7 AS word, MAX(t.weight) AS weight FROM search_term t
			WHERE t.shop = $1 AND t.term >= $16 AND t.term < $17 GROUP BY t.product
			UNION ALL
			SELECT w.product, 0 AS word, CASE WHEN w.title LIKE '% ' || CAST($2 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($2 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($2 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($2 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($2 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($2 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 1 AS word, CASE WHEN w.title LIKE '% ' || CAST($4 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($4 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($4 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($4 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($4 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($4 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 2 AS word, CASE WHEN w.title LIKE '% ' || CAST($6 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($6 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($6 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($6 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($6 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($6 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 3 AS word, CASE WHEN w.title LIKE '% ' || CAST($8 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($8 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($8 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($8 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($8 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($8 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 4 AS word, CASE WHEN w.title LIKE '% ' || CAST($10 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($10 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($10 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($10 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($10 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($10 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 5 AS word, CASE WHEN w.title LIKE '% ' || CAST($12 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($12 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($12 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($12 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($12 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($12 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 6 AS word, CASE WHEN w.title LIKE '% ' || CAST($14 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($14 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($14 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($14 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($14 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($14 AS TEXT) <> ''
			UNION ALL
			SELECT w.product, 7 AS word, CASE WHEN w.title LIKE '% ' || CAST($16 AS TEXT) || '%' THEN 100
				WHEN w.sku LIKE '% ' || CAST($16 AS TEXT) || '%' THEN 80 WHEN w.kind LIKE '% ' || CAST($16 AS TEXT) || '%' THEN 30
				WHEN w.label LIKE '% ' || CAST($16 AS TEXT) || '%' THEN 20 WHEN w.text LIKE '% ' || CAST($16 AS TEXT) || '%' THEN 5 ELSE 0 END AS weight
			FROM search_words w WHERE w.shop = $1 AND CAST($16 AS TEXT) <> ''),
	found AS (SELECT h.product, SUM(h.weight) AS weight FROM hit h WHERE h.weight > 0 GROUP BY h.product HAVING COUNT(*) = CAST($18 AS BIGINT)),
	q AS (
		SELECT p.id, p.variant, p.variants, p.handle, p.title, p.vendor, p.price, p.price_max, p.compare_at, p.image, p.width, p.height, p.alt, p.placeholder,
			COALESCE(s.sellable, FALSE) AS sellable, ROW_NUMBER() OVER (ORDER BY f.weight DESC, p.created_at DESC, p.id) AS n
		FROM found f JOIN product p ON p.shop = $1 AND p.id = f.product AND p.status = 'active'
		LEFT JOIN stock_product s ON s.shop = $1 AND s.product = p.id)
	SELECT 0 AS tag, q.n AS n, q.id AS key, q.variant AS variant, q.variants AS variants, q.handle AS handle, q.title AS title, q.vendor AS vendor, q.price AS price,
		q.price_max AS price_max, q.compare_at AS compare_at, q.image AS image, q.width AS width, q.height AS height, q.alt AS alt, q.placeholder AS placeholder, q.sellable AS sellable
	FROM q WHERE q.n > CAST($19 AS BIGINT) AND q.n <= CAST($19 AS BIGINT) + CAST($20 AS BIGINT)
	UNION ALL
	SELECT 1, COUNT(*), CAST('' AS BYTEA), CAST('' AS BYTEA), 0, '', '', '', 0, 0, 0, '', 0, 0, '', '', FALSE FROM q
	UNION ALL
	SELECT 2, m.position, m.id, m.id, 0, m.handle, m.title, '', 0, 0, 0, '', 0, 0, '', '', FALSE
	FROM (SELECT c.position, c.id, c.handle, c.title FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.id LIMIT 8) m
	ORDER BY 1, 2`)

// Find gives the products that have every word of a query, or one that begins
// with it, the best first, with one statement. An empty query finds nothing.
func Find(ctx context.Context, r db.Reader, query string, offset, limit int) (out Found, err error) {
	words := Words(query)
	seen := map[string]bool{}
	var distinct []string
	for _, w := range words {
		if !seen[w] && len(distinct) < maxWords {
			seen[w] = true
			distinct = append(distinct, w)
		}
	}
	args := make([]any, 0, 19)
	for i := range maxWords {
		if i < len(distinct) {
			args = append(args, distinct[i], distinct[i]+"\U0010ffff")
		} else {
			args = append(args, "", "")
		}
	}
	need := len(distinct)
	if need == 0 {
		need = -1
	}
	args = append(args, need, offset, limit)
	type row struct {
		tag, n       int64
		key, variant []byte
		catalog.Card
		m media.Image
	}
	err = db.Each(ctx, r, find, func(c *row) []any {
		return []any{&c.tag, &c.n, &c.key, &c.variant, &c.Variants, &c.Handle, &c.Title, &c.Vendor, &c.Price, &c.PriceMax, &c.CompareAt,
			&c.m.Hash, &c.m.Width, &c.m.Height, &c.m.Alt, &c.m.Placeholder, &c.Sellable}
	}, func(c row) error {
		switch c.tag {
		case 0:
			copy(c.Product[:], c.key)
			copy(c.Card.Variant[:], c.variant)
			c.Card.Image = c.m
			out.Cards = append(out.Cards, c.Card)
		case 1:
			out.Total = c.n
		case 2:
			t := catalog.Tile{Handle: c.Handle, Title: c.Title}
			copy(t.Collection[:], c.key)
			out.Menu = append(out.Menu, t)
		}
		return nil
	}, args...)
	return out, err
}
