package catalog

import (
	"context"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/media"
)

// Card is a product in a list.
type Card struct {
	Product   id.Product
	Variant   id.Variant // the first, to be bought at once when there is only one
	Variants  int64
	Handle    string
	Title     string
	Vendor    string
	Price     int64 // the lowest
	PriceMax  int64
	CompareAt int64 // of the variant with the lowest price; 0: none
	Sellable  bool
	Image     media.Image // no hash: none
}

// Tile is a collection in a menu or list.
type Tile struct {
	Collection id.Collection
	Handle     string
	Title      string
	Products   int64
	Image      media.Image // of its newest product; no hash: none
}

// PageVariant is a variant as shoppers see it.
type PageVariant struct {
	ID          id.Variant
	SKU         string
	Barcode     string
	Options     []string
	Price       int64
	CompareAt   int64
	WeightGrams int64
	Image       string
	Sellable    bool
	Left        int64 // units left; -1 when it sells without end
}

// ProductPage is all that a product's page shows.
type ProductPage struct {
	ID              id.Product
	Handle          string
	Title           string
	Vendor          string
	Type            string
	DescriptionHTML string
	Options         []Option
	SEO             SEO
	Tags            []string
	Variants        []PageVariant
	Images          []media.Image
	Related         []Card
	Menu            []Tile
	CreatedAt       time.Time
}

// tagged is a row of a page's one statement: what kind of row it is, its
// place among its kind, and columns that mean what the kind says.
type tagged struct {
	tag, n             int64
	key                []byte
	i1, i2, i3, i4, i5 int64
	t1, t2, t3, t4, t5 string
	t6, t7             string
	other              []byte
}

func scanTagged(r *tagged) []any {
	return []any{&r.tag, &r.n, &r.key, &r.i1, &r.i2, &r.i3, &r.i4, &r.i5, &r.t1, &r.t2, &r.t3, &r.t4, &r.t5, &r.t6, &r.t7, &r.other}
}

// The kinds of rows.
const (
	rowSubject int64 = iota
	rowVariant
	rowImage
	rowTag
	rowCard
	rowCount
	rowFacet
	rowMenu
	rowBlock   // of a large shop's lists: see packed.go
	rowSoldOut // a product of it that cannot be bought
	rowChoices // a list of options that its products have
	rowVersion // which content its blocks have together
)

const (
	noKey = `CAST('' AS BYTEA)`

	// cards wraps a relation q of products with n, their place, and section.
	cardsFrom = `
		SELECT 4 AS tag, q.n AS n, q.id AS key, q.price AS i1, q.price_max AS i2, q.compare_at AS i3, q.sellable * 100000 + q.variants AS i4,
			q.width * 100000 + q.height AS i5, q.handle AS t1, q.title AS t2, q.vendor AS t3, q.image AS t4, q.alt AS t5, q.placeholder AS t6,
			q.section AS t7, q.variant AS other`
	cardColumns = `q.id, q.variant, q.variants, q.handle, q.title, q.vendor, q.price, q.price_max, q.compare_at, q.image, q.width, q.height, q.alt,
			q.placeholder, CASE WHEN sp.sellable THEN 1 ELSE 0 END AS sellable`

	// menu lists the shop's first collections.
	menuRows = `
		SELECT 7 AS tag, m.position AS n, m.id AS key, 0 AS i1, 0 AS i2, 0 AS i3, 0 AS i4, 0 AS i5, m.handle AS t1, m.title AS t2,
			'' AS t3, '' AS t4, '' AS t5, '' AS t6, '' AS t7, ` + noKey + ` AS other
		FROM (SELECT c.position, c.id, c.handle, c.title FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.id LIMIT 8) m`
)

func (r tagged) card() Card {
	c := Card{
		Variants: r.i4 % 100000, Handle: r.t1, Title: r.t2, Vendor: r.t3, Price: r.i1, PriceMax: r.i2, CompareAt: r.i3, Sellable: r.i4 >= 100000,
		Image: media.Image{Hash: r.t4, Width: int(r.i5 / 100000), Height: int(r.i5 % 100000), Alt: r.t5, Placeholder: r.t6},
	}
	copy(c.Product[:], r.key)
	copy(c.Variant[:], r.other)
	return c
}

func (r tagged) tile() Tile {
	t := Tile{Handle: r.t1, Title: r.t2, Products: r.i1, Image: media.Image{Hash: r.t4, Width: int(r.i5 / 100000), Height: int(r.i5 % 100000), Alt: r.t5, Placeholder: r.t6}}
	copy(t.Collection[:], r.key)
	return t
}

// rows runs a page's statement and puts its rows in order.
func rows(ctx context.Context, r db.Reader, q *db.SQL, args ...any) ([]tagged, error) {
	all, err := db.All(ctx, r, q, scanTagged, args...)
	slices.SortStableFunc(all, func(a, b tagged) int {
		if a.tag != b.tag {
			return int(a.tag - b.tag)
		}
		return int(a.n - b.n)
	})
	return all, err
}

var productPage = db.Q(`
	WITH p AS (SELECT x.id, x.handle, x.title, x.vendor, x.kind, x.created_at FROM product x WHERE x.shop = $1 AND x.handle = $2 AND x.status = 'active')
	SELECT 0 AS tag, 0 AS n, p.id AS key, p.created_at AS i1, 0 AS i2, 0 AS i3, 0 AS i4, 0 AS i5, p.handle AS t1, p.title AS t2, p.vendor AS t3,
		p.kind AS t4, b.description AS t5, b.data AS t6, '' AS t7, p.id AS other
	FROM p JOIN product_body b ON b.shop = $1 AND b.product = p.id
	UNION ALL
	SELECT 1, v.position, v.id, v.price, v.compare_at,
		CASE WHEN l.variant IS NULL OR NOT l.tracked OR l.continue_ OR l.available > 0 THEN 1 ELSE 0 END,
		v.grams, CASE WHEN l.tracked AND NOT l.continue_ THEN l.available ELSE -1 END, v.sku, v.option1, v.option2, v.option3, v.barcode, v.image, '', p.id
	FROM p JOIN product_variant v ON v.shop = $1 AND v.product = p.id
	LEFT JOIN stock_level l ON l.shop = $1 AND l.variant = v.id
	UNION ALL
	SELECT 2, i.position, p.id, i.width, i.height, 0, 0, 0, i.hash, i.alt, i.placeholder, '', '', '', '', p.id
	FROM p JOIN product_image i ON i.shop = $1 AND i.product = p.id WHERE i.hash <> ''
	UNION ALL
	SELECT 3, 0, p.id, 0, 0, 0, 0, 0, t.tag, '', '', '', '', '', '', p.id
	FROM p JOIN product_tag t ON t.shop = $1 AND t.product = p.id
	UNION ALL` + cardsFrom + `
	FROM (SELECT ROW_NUMBER() OVER (ORDER BY q.created_at DESC, q.id) AS n, '' AS section, ` + cardColumns + `
		FROM p JOIN product q ON q.shop = $1 AND q.kind = p.kind AND q.status = 'active' AND q.id <> p.id
		LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
		ORDER BY q.created_at DESC, q.id LIMIT 4) q
	UNION ALL` + menuRows)

// ReadProductPage gives an active product by its handle, with one statement.
func ReadProductPage(ctx context.Context, r db.Reader, handle string) (ProductPage, error) {
	var p ProductPage
	all, err := rows(ctx, r, productPage, handle)
	if err != nil {
		return p, err
	}
	for _, row := range all {
		switch row.tag {
		case rowSubject:
			var whole Product
			if err := whole.unpack(row.t6); err != nil {
				return p, err
			}
			copy(p.ID[:], row.key)
			p.Handle, p.Title, p.Vendor, p.Type, p.DescriptionHTML = row.t1, row.t2, row.t3, row.t4, row.t5
			p.Options, p.SEO, p.CreatedAt = whole.Options, whole.SEO, time.UnixMicro(row.i1).UTC()
		case rowVariant:
			v := PageVariant{SKU: row.t1, Barcode: row.t5, Options: []string{row.t2, row.t3, row.t4}[:len(p.Options)], Price: row.i1, CompareAt: row.i2,
				Sellable: row.i3 == 1, WeightGrams: row.i4, Left: row.i5, Image: row.t6}
			copy(v.ID[:], row.key)
			p.Variants = append(p.Variants, v)
		case rowImage:
			p.Images = append(p.Images, media.Image{Hash: row.t1, Alt: row.t2, Placeholder: row.t3, Width: int(row.i1), Height: int(row.i2)})
		case rowTag:
			p.Tags = append(p.Tags, row.t1)
		case rowCard:
			p.Related = append(p.Related, row.card())
		case rowMenu:
			p.Menu = append(p.Menu, row.tile())
		}
	}
	if p.ID.Zero() {
		return p, fault.NotFound("There is no such product.")
	}
	return p, nil
}

// HomePage is what a shop's front page shows.
type HomePage struct {
	Newest   []Card            // the newest products
	Featured map[string][]Card // by the handle of a collection that was asked for
	Tiles    []Tile            // the first collections, with a picture of a product
}

var homePage = db.Q(`
	SELECT * FROM (` + cardsFrom + `
		FROM (SELECT ROW_NUMBER() OVER (ORDER BY q.created_at DESC, q.id) AS n, '' AS section, ` + cardColumns + `
			FROM product q LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
			WHERE q.shop = $1 AND q.status = 'active' ORDER BY q.created_at DESC, q.id LIMIT 8) q) newest
	UNION ALL
	SELECT * FROM (` + cardsFrom + `
		FROM (SELECT ROW_NUMBER() OVER (PARTITION BY c.id ORDER BY m.position, q.created_at DESC, q.id) AS n, c.handle AS section, ` + cardColumns + `
			FROM collection c JOIN collection_product m ON m.shop = $1 AND m.collection = c.id
			JOIN product q ON q.shop = $1 AND q.id = m.product AND q.status = 'active'
			LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = q.id
			WHERE c.shop = $1 AND c.handle IN ($2, $3, $4, $5)) q WHERE q.n <= 8) featured
	UNION ALL
	SELECT 7, m.position, m.id, m.products, 0, 0, 0, COALESCE(q.width, 0) * 100000 + COALESCE(q.height, 0), m.handle, m.title, '',
		COALESCE(q.image, ''), COALESCE(q.alt, ''), COALESCE(q.placeholder, ''), '', m.id
	FROM (SELECT c.position, c.id, c.handle, c.title,
			(SELECT COUNT(*) FROM collection_product n WHERE n.shop = $1 AND n.collection = c.id) AS products,
			(SELECT n.product FROM collection_product n WHERE n.shop = $1 AND n.collection = c.id ORDER BY n.position, n.product LIMIT 1) AS first
		FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.id LIMIT 24) m
	LEFT JOIN product q ON q.shop = $1 AND q.id = m.first`)

// ReadHomePage gives the newest products, up to eight of each of the first
// four collections named, and the shop's collections, with one statement.
func ReadHomePage(ctx context.Context, r db.Reader, collections []string) (HomePage, error) {
	h := HomePage{Featured: map[string][]Card{}}
	args := []any{"", "", "", ""}
	for i := range min(len(collections), len(args)) {
		args[i] = collections[i]
	}
	all, err := rows(ctx, r, homePage, args...)
	for _, row := range all {
		switch {
		case row.tag == rowMenu:
			h.Tiles = append(h.Tiles, row.tile())
		case row.t7 == "":
			h.Newest = append(h.Newest, row.card())
		default:
			h.Featured[row.t7] = append(h.Featured[row.t7], row.card())
		}
	}
	return h, err
}

// Sellable is what a cart and an order need to know of a variant.
type Sellable struct {
	Variant          id.Variant
	Product          id.Product
	Handle           string
	Title            string
	VariantTitle     string
	SKU              string
	Price            int64
	CompareAt        int64
	Image            string
	ImageAlt         string
	WeightGrams      int64
	RequiresShipping bool
	Active           bool // shoppers may see the product
	Tracked          bool
	Continue         bool  // goes on selling when there are none left
	Sellable         bool  // at least one can be sold; as of this snapshot
	Available        int64 // units; means something when tracked
}

const (
	sellablesAtOnce = 50
	fifty           = "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51"
)

var sellables = db.Q(`
	SELECT v.id, v.product, p.handle, p.title, v.option1, v.option2, v.option3, v.sku, v.price, v.compare_at,
		CASE WHEN v.image <> '' THEN v.image ELSE p.image END, p.alt, v.grams, v.shipped, p.status = 'active',
		COALESCE(l.tracked, FALSE), COALESCE(l.continue_, FALSE), l.variant IS NULL OR NOT l.tracked OR l.continue_ OR l.available > 0, COALESCE(l.available, 0)
	FROM product_variant v JOIN product p ON p.shop = $1 AND p.id = v.product
	LEFT JOIN stock_level l ON l.shop = $1 AND l.variant = v.id
	WHERE v.shop = $1 AND v.id IN (` + fifty + `)`)

// Sellables looks variants up, fifty with a statement. Those that there are
// none of are absent.
func Sellables(ctx context.Context, r db.Reader, variants []id.Variant) (map[id.Variant]Sellable, error) {
	out := make(map[id.Variant]Sellable, len(variants))
	for chunk := range slices.Chunk(variants, sellablesAtOnce) {
		args := make([]any, sellablesAtOnce)
		for i := range args {
			args[i] = chunk[min(i, len(chunk)-1)]
		}
		var o [3]string
		err := db.Each(ctx, r, sellables, func(s *Sellable) []any {
			return []any{&s.Variant, &s.Product, &s.Handle, &s.Title, &o[0], &o[1], &o[2], &s.SKU, &s.Price, &s.CompareAt,
				&s.Image, &s.ImageAlt, &s.WeightGrams, &s.RequiresShipping, &s.Active, &s.Tracked, &s.Continue, &s.Sellable, &s.Available}
		}, func(s Sellable) error {
			values := o[:]
			for len(values) > 0 && values[len(values)-1] == "" {
				values = values[:len(values)-1]
			}
			s.VariantTitle = joinOptions(values)
			out[s.Variant] = s
			return nil
		}, args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
