package stock

import (
	"context"
	"fmt"

	"haat/internal/db"
	"haat/internal/id"
)

// Discrepancy is a variant or product whose numbers do not add up.
type Discrepancy struct {
	Variant id.Variant // zero when it concerns the product
	Product id.Product
	Reason  string
}

func (d Discrepancy) String() string {
	if d.Variant.Zero() {
		return fmt.Sprintf("product %v: %s", d.Product, d.Reason)
	}
	return fmt.Sprintf("variant %v: %s", d.Variant, d.Reason)
}

type sums struct {
	Level
	entered, left, holds int64
}

type choices struct {
	product        id.Product
	sellable       bool
	counted, there int64
}

var (
	sumUp = db.Q(`
		SELECT l.variant, l.product, l.tracked, l.continue_, l.available, l.held, l.sold,
			CAST(COALESCE(e.entered, 0) AS BIGINT), CAST(COALESCE(e.sold, 0) AS BIGINT), CAST(COALESCE(h.held, 0) AS BIGINT)
		FROM stock_level l
		LEFT JOIN (SELECT variant,
				SUM(CASE WHEN kind = 'sold' THEN 0 ELSE quantity END) AS entered,
				SUM(CASE WHEN kind = 'sold' THEN quantity ELSE 0 END) AS sold
			FROM stock_ledger WHERE shop = $1 GROUP BY variant) e ON e.variant = l.variant
		LEFT JOIN (SELECT variant, SUM(quantity) AS held
			FROM stock_hold WHERE shop = $1 AND counted AND expires_at IS NOT NULL GROUP BY variant) h ON h.variant = l.variant
		WHERE l.shop = $1`)
	countChoices = db.Q(`
		SELECT l.product, COALESCE(p.sellable, FALSE), COALESCE(p.choices, -1), l.there
		FROM (SELECT product, CAST(SUM(CASE WHEN tracked AND NOT continue_ AND available <= 0 THEN 0 ELSE 1 END) AS BIGINT) AS there
			FROM stock_level WHERE shop = $1 GROUP BY product) l
		LEFT JOIN stock_product p ON p.shop = $1 AND p.product = l.product`)
)

// Check verifies, in two statements over the whole shop, that what entered by
// the ledger is what is available, held and sold; that what is held and sold
// is what holds and ledger say; that nothing is below zero which may not be;
// and that each product's sellable agrees with its variants.
func Check(ctx context.Context, r db.Reader) ([]Discrepancy, error) {
	var out []Discrepancy
	err := db.Each(ctx, r, sumUp, func(s *sums) []any {
		return append(scanLevel(&s.Level), &s.entered, &s.left, &s.holds)
	}, func(s sums) error {
		say := func(format string, args ...any) {
			out = append(out, Discrepancy{Variant: s.Variant, Product: s.Product, Reason: fmt.Sprintf(format, args...)})
		}
		if s.entered != s.Available+s.Held+s.Sold {
			say("%d entered, but %d available + %d held + %d sold = %d", s.entered, s.Available, s.Held, s.Sold, s.Available+s.Held+s.Sold)
		}
		if s.left != s.Sold {
			say("%d sold by the ledger, %d by the level", s.left, s.Sold)
		}
		if s.holds != s.Held {
			say("%d held by orders, %d by the level", s.holds, s.Held)
		}
		if s.Available < 0 && !s.Continue || s.Held < 0 || s.Sold < 0 {
			say("below zero: %d available, %d held, %d sold", s.Available, s.Held, s.Sold)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = db.Each(ctx, r, countChoices, func(c *choices) []any {
		return []any{&c.product, &c.sellable, &c.counted, &c.there}
	}, func(c choices) error {
		if c.counted != c.there || c.sellable != (c.there > 0) {
			out = append(out, Discrepancy{Product: c.product, Reason: fmt.Sprintf("%d variants can be bought, but it says %d (%t)", c.there, c.counted, c.sellable)})
		}
		return nil
	})
	return out, err
}
