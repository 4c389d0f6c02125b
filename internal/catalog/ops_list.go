package catalog

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/stock"
)

// ListIn narrows a list of products.
type ListIn struct {
	op.Page
	Query  string `query:"q" maxLength:"200" doc:"Part of a title, handle, vendor, type, tag or SKU"`
	Status string `query:"status" enum:"draft,active,archived," doc:"Only these"`
	Stock  string `query:"stock" enum:"sold-out," doc:"sold-out: only those, archived ones left out, of which nothing can be bought"`
}

// Summary is a product in its merchant's list.
type Summary struct {
	ID        id.Product  `json:"id"`
	Handle    string      `json:"handle"`
	Title     string      `json:"title"`
	Status    Status      `json:"status"`
	Vendor    string      `json:"vendor"`
	Type      string      `json:"type"`
	Price     money.Money `json:"price" doc:"The lowest"`
	PriceMax  money.Money `json:"price_max"`
	Variants  int64       `json:"variants" doc:"How many"`
	Tracked   bool        `json:"tracked" doc:"At least one variant's stock is counted"`
	Available int64       `json:"available" doc:"Units of the variants that are counted"`
	Sellable  bool        `json:"sellable" doc:"Shoppers can buy at least one variant"`
	Image     *Picture    `json:"image,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
}

const selectRows = `
	SELECT p.id, p.handle, p.title, p.status, p.vendor, p.kind, p.price, p.price_max, p.variants, p.image, p.width, p.height, p.alt,
		p.created_at, p.updated_at, COALESCE(sp.sellable, FALSE),
		(SELECT COUNT(*) FROM stock_level l WHERE l.shop = $1 AND l.product = p.id AND l.tracked),
		(SELECT COALESCE(SUM(l.available), 0) FROM stock_level l WHERE l.shop = $1 AND l.product = p.id AND l.tracked)
	FROM product p LEFT JOIN stock_product sp ON sp.shop = $1 AND sp.product = p.id
	WHERE p.shop = $1 AND (CAST($2 AS TEXT) = '' OR p.status = $2) AND (CAST($3 AS TEXT) = '%%' OR p.found_by LIKE $3 ESCAPE '\')
		AND (p.created_at, p.id) < (CAST($4 AS BIGINT), $5)`

var (
	listRows    = db.Q(selectRows + ` ORDER BY p.created_at DESC, p.id DESC LIMIT $6`)
	listSoldOut = db.Q(selectRows + ` AND p.status <> 'archived' AND NOT COALESCE(sp.sellable, FALSE) ORDER BY p.created_at DESC, p.id DESC LIMIT $6`)
)

func listProducts(ctx context.Context, r db.Reader, in ListIn) (out op.List[Summary], err error) {
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return out, err
	}
	at, last := int64(1<<62), id.Product{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if _, err := in.After(&at, &last); err != nil {
		return out, err
	}
	type row struct {
		Summary
		m       media.Image
		tracked int64
	}
	q := listRows
	switch in.Stock {
	case "":
	case "sold-out":
		q = listSoldOut
	default:
		return out, fault.Invalid("/stock", "Products are listed by stock as sold-out, or all of them.")
	}
	found, err := db.All(ctx, r, q, func(s *row) []any {
		return []any{&s.ID, &s.Handle, &s.Title, &s.Status, &s.Vendor, &s.Type, &s.Price.Amount, &s.PriceMax.Amount, &s.Variants, &s.m.Hash,
			&s.m.Width, &s.m.Height, &s.m.Alt, &s.CreatedAt, &s.UpdatedAt, &s.Sellable, &s.tracked, &s.Available}
	}, in.Status, like(in.Query), at, last, in.Size()+1)
	if err != nil {
		return out, err
	}
	items := make([]Summary, len(found))
	for i, s := range found {
		s.Price.Currency, s.PriceMax.Currency, s.Tracked = currency, currency, s.tracked > 0
		if s.m.Hash != "" {
			p := picture(r.Shop(), s.m)
			s.Image = &p
		}
		items[i] = s.Summary
	}
	return op.Paged(items, in.Size(), func(s Summary) string { return op.Next(s.CreatedAt.UnixMicro(), s.ID) }), nil
}

// PriceChange sets a variant's price.
type PriceChange struct {
	op.By
	Variant string `path:"variant"`
	Body    struct {
		Price     money.Money  `json:"price"`
		CompareAt *money.Money `json:"compare_at_price,omitempty"`
	}
}

// VariantPrice is a variant and what it costs.
type VariantPrice struct {
	ID        id.Variant   `json:"id"`
	Product   id.Product   `json:"product_id"`
	Price     money.Money  `json:"price"`
	CompareAt *money.Money `json:"compare_at_price,omitempty"`
}

func setPrice(ctx context.Context, tx *db.Tx, in PriceChange) (out VariantPrice, err error) {
	vid, err := variantID(in.Variant)
	if err != nil {
		return out, err
	}
	currency, err := shop.Currency(ctx, tx)
	if err != nil {
		return out, err
	}
	if err := inCurrency(in.Body.Price, currency, "/price"); err != nil {
		return out, err
	}
	if in.Body.CompareAt != nil {
		if err := inCurrency(*in.Body.CompareAt, currency, "/compare_at_price"); err != nil {
			return out, err
		}
	}
	err = editVariant(ctx, tx, vid, func(v *Variant) {
		v.Price = in.Body.Price.Amount
		if in.Body.CompareAt != nil {
			v.CompareAt = in.Body.CompareAt.Amount
		}
		out = VariantPrice{ID: vid, Price: money.Money{Amount: v.Price, Currency: currency}}
		if v.CompareAt > 0 {
			out.CompareAt = &money.Money{Amount: v.CompareAt, Currency: currency}
		}
	})
	if err != nil {
		return out, err
	}
	out.Product, _, err = db.One(ctx, tx, idOfVariant, func(p *id.Product) []any { return []any{p} }, vid)
	return out, err
}

// editVariant changes one variant and keeps what the product's row says of it.
func editVariant(ctx context.Context, tx *db.Tx, vid id.Variant, edit func(*Variant)) error {
	pid, found, err := db.One(ctx, tx, idOfVariant, func(p *id.Product) []any { return []any{p} }, vid)
	if err != nil {
		return err
	}
	if !found {
		return fault.NotFound("There is no such variant.")
	}
	p, err := ToChange(ctx, tx, pid)
	if err != nil {
		return err
	}
	for i := range p.Variants {
		if p.Variants[i].ID == vid {
			edit(&p.Variants[i])
		}
	}
	return Save(ctx, tx, &p)
}

// BulkIn sets price and stock of many variants.
type BulkIn struct {
	op.By
	Body struct {
		Variants []BulkRow `json:"variants" minItems:"1" maxItems:"500" nullable:"false"`
	}
}

// BulkRow is what to set of one variant. What is absent stays.
type BulkRow struct {
	ID        string       `json:"id"`
	Price     *money.Money `json:"price,omitempty"`
	CompareAt *money.Money `json:"compare_at_price,omitempty" doc:"An amount of 0 removes it"`
	Available *int64       `json:"available,omitempty" minimum:"0" maximum:"1000000000" doc:"Units; turns tracking on"`
}

// BulkOut says how many variants were set.
type BulkOut struct {
	Variants int `json:"variants"`
}

func bulkEdit(ctx context.Context, tx *db.Tx, in BulkIn) (out BulkOut, err error) {
	currency, err := shop.Currency(ctx, tx)
	if err != nil {
		return out, err
	}
	edits, order := map[id.Product]map[id.Variant]BulkRow{}, []id.Product{}
	for i, row := range in.Body.Variants {
		at := fmt.Sprintf("/variants/%d", i)
		vid, err := variantID(row.ID)
		if err != nil {
			return out, fault.NotFound("There is no such variant.").At(at + "/id")
		}
		for field, m := range map[string]*money.Money{"/price": row.Price, "/compare_at_price": row.CompareAt} {
			if m != nil {
				if err := inCurrency(*m, currency, at+field); err != nil {
					return out, err
				}
			}
		}
		pid, found, err := db.One(ctx, tx, idOfVariant, func(p *id.Product) []any { return []any{p} }, vid)
		if err != nil {
			return out, err
		}
		if !found {
			return out, fault.NotFound("There is no such variant.").At(at + "/id")
		}
		if edits[pid] == nil {
			edits[pid] = map[id.Variant]BulkRow{}
			order = append(order, pid)
		}
		edits[pid][vid] = row
		if row.Available != nil {
			if _, err := stock.Set(ctx, tx, vid, *row.Available); err != nil {
				return out, err
			}
		}
	}
	slices.SortFunc(order, func(a, b id.Product) int { return bytes.Compare(a[:], b[:]) }) // as everybody who edits several
	for _, pid := range order {
		p, err := ToChange(ctx, tx, pid)
		if err != nil {
			return out, err
		}
		priced := false
		for i := range p.Variants {
			row, ok := edits[pid][p.Variants[i].ID]
			if !ok {
				continue
			}
			out.Variants++
			if row.Price != nil {
				p.Variants[i].Price, priced = row.Price.Amount, true
			}
			if row.CompareAt != nil {
				p.Variants[i].CompareAt, priced = row.CompareAt.Amount, true
			}
		}
		if priced {
			if err := save(ctx, tx, &p); err != nil {
				return out, err
			}
		}
	}
	return out, repack(ctx, tx, order...)
}

// VariantsIn narrows a list of variants.
type VariantsIn struct {
	op.Page
	Query string `query:"q" maxLength:"200" doc:"Part of a title, handle, vendor, type, tag or SKU"`
}

// VariantRow is a variant in a list for editing in bulk.
type VariantRow struct {
	ID        id.Variant   `json:"id"`
	Product   id.Product   `json:"product_id"`
	Title     string       `json:"title" doc:"Of the product"`
	Variant   string       `json:"variant" doc:"Of the variant; empty when there is only one"`
	SKU       string       `json:"sku"`
	Price     money.Money  `json:"price"`
	CompareAt *money.Money `json:"compare_at_price,omitempty"`
	Tracked   bool         `json:"tracked"`
	Available int64        `json:"available"`
}

var variantRows = db.Q(`
	SELECT v.id, v.product, p.title, v.option1, v.option2, v.option3, v.sku, v.price, v.compare_at, COALESCE(l.tracked, FALSE), COALESCE(l.available, 0),
		p.created_at, v.position
	FROM product p JOIN product_variant v ON v.shop = $1 AND v.product = p.id
	LEFT JOIN stock_level l ON l.shop = $1 AND l.variant = v.id
	WHERE p.shop = $1 AND (CAST($2 AS TEXT) = '%%' OR p.found_by LIKE $2 ESCAPE '\')
		AND ((p.created_at, p.id) < (CAST($3 AS BIGINT), $4) OR p.id = $4 AND v.position > CAST($5 AS BIGINT))
	ORDER BY p.created_at DESC, p.id DESC, v.position LIMIT $6`)

func listVariants(ctx context.Context, r db.Reader, in VariantsIn) (out op.List[VariantRow], err error) {
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return out, err
	}
	at, last, place := int64(1<<62), id.Product{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, int64(0)
	if _, err := in.After(&at, &last, &place); err != nil {
		return out, err
	}
	type row struct {
		VariantRow
		o       [3]string
		compare int64
		created int64
		place   int64
	}
	found, err := db.All(ctx, r, variantRows, func(v *row) []any {
		return []any{&v.ID, &v.Product, &v.Title, &v.o[0], &v.o[1], &v.o[2], &v.SKU, &v.Price.Amount, &v.compare, &v.Tracked, &v.Available, &v.created, &v.place}
	}, like(in.Query), at, last, place, in.Size()+1)
	if err != nil {
		return out, err
	}
	for i := range found {
		v := &found[i]
		values := v.o[:]
		for len(values) > 0 && values[len(values)-1] == "" {
			values = values[:len(values)-1]
		}
		v.Variant, v.Price.Currency = joinOptions(values), currency
		if v.compare > 0 {
			v.CompareAt = &money.Money{Amount: v.compare, Currency: currency}
		}
	}
	page := op.Paged(found, in.Size(), func(v row) string { return op.Next(v.created, v.Product, v.place) })
	out = op.List[VariantRow]{Items: make([]VariantRow, len(page.Items)), Next: page.Next}
	for i, v := range page.Items {
		out.Items[i] = v.VariantRow
	}
	return out, nil
}
