package stock

import (
	"context"
	"fmt"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Aspect says which of a variant's or a product's numbers is wrong.
type Aspect string

// What can be wrong, and which two numbers then differ.
const (
	Units     Aspect = "units"      // what entered by the ledger, and what is available, held and sold
	Departed  Aspect = "sold"       // what was sold by the ledger, and by the level
	SetAside  Aspect = "held"       // what orders hold, and what is held by the level
	BelowZero Aspect = "below-zero" // nothing, and the number that may not be below it
	Lost      Aspect = "lost"       // entries in the ledger, and levels: none
	Choices   Aspect = "choices"    // variants that can be bought, and as many as the product says
	Sellable  Aspect = "sellable"   // 1 when one can be bought, and when the product says so
)

// Discrepancy is a variant or product whose numbers do not add up.
type Discrepancy struct {
	Variant  id.Variant // zero when it concerns the product
	Product  id.Product // zero when the level is lost
	Aspect   Aspect
	Expected int64 // by the ledger, by what orders hold, by the variants
	Found    int64 // what stands
	Reason   string
}

func (d Discrepancy) String() string {
	if d.Variant.Zero() {
		return fmt.Sprintf("product %v: %s", d.Product, d.Reason)
	}
	return fmt.Sprintf("variant %v: %s", d.Variant, d.Reason)
}

// sums is a variant's level beside what ledger and holds say.
type sums struct {
	Level
	there                        bool
	entries, entered, left, kept int64
}

type choices struct {
	product        id.Product
	sellable       bool
	counted, there int64
}

var (
	sumUp = db.Q(`
		SELECT b.variant, l.product, l.variant IS NOT NULL, COALESCE(l.continue_, FALSE),
			COALESCE(l.available, 0), COALESCE(l.held, 0), COALESCE(l.sold, 0),
			CAST(b.entries AS BIGINT), CAST(b.entered AS BIGINT), CAST(b.sold AS BIGINT), CAST(b.held AS BIGINT)
		FROM (SELECT variant, SUM(entries) AS entries, SUM(entered) AS entered, SUM(sold) AS sold, SUM(held) AS held
			FROM (SELECT variant, 0 AS entries, 0 AS entered, 0 AS sold, 0 AS held
				FROM stock_level WHERE shop = $1 AND variant > $2 AND variant <= $3
				UNION ALL
				SELECT variant, COUNT(*), SUM(CASE WHEN kind = 'sold' THEN 0 ELSE quantity END), SUM(CASE WHEN kind = 'sold' THEN quantity ELSE 0 END), 0
				FROM stock_ledger WHERE shop = $1 AND variant > $2 AND variant <= $3 GROUP BY variant
				UNION ALL
				SELECT variant, 0, 0, 0, quantity
				FROM stock_hold WHERE shop = $1 AND variant > $2 AND variant <= $3 AND counted AND expires_at IS NOT NULL) m
			GROUP BY variant) b
		LEFT JOIN stock_level l ON l.shop = $1 AND l.variant = b.variant
		ORDER BY b.variant`)
	// partEnd finds the variant with which so many entries of the ledger are
	// behind another.
	partEnd = db.Q(`
		SELECT variant FROM stock_ledger WHERE shop = $1 AND variant > $2
		ORDER BY variant LIMIT 1 OFFSET $3`)
	countChoices = db.Q(`
		SELECT l.product, COALESCE(p.sellable, FALSE), COALESCE(p.choices, -1), l.there
		FROM (SELECT product, CAST(SUM(CASE WHEN tracked AND NOT continue_ AND available <= 0 THEN 0 ELSE 1 END) AS BIGINT) AS there
			FROM stock_level WHERE shop = $1 GROUP BY product) l
		LEFT JOIN stock_product p ON p.shop = $1 AND p.product = l.product`)

	// Entries counts the entries in the ledger of each shop from $1 to $2, in
	// the order of their ids: what checking it costs.
	Entries = db.Across(`
		SELECT shop, COUNT(*) FROM stock_ledger WHERE shop >= $1 AND shop <= $2 GROUP BY shop ORDER BY shop`)

	// Balances does what Check does, for each shop from $1 to $2 that has
	// variants: it counts them or, where some number does not add up, gives how
	// many do not, below zero. The ledger is summed up in the order of its key
	// first, so that only one row a variant is sorted.
	Balances = db.Across(`
		SELECT shop, CAST(CASE WHEN SUM(wrong) > 0 THEN -SUM(wrong) ELSE SUM(there) END AS BIGINT)
		FROM (SELECT shop, there, CASE
				WHEN below > 0 THEN 1
				WHEN there = 0 THEN CASE WHEN entries > 0 THEN 1 ELSE 0 END
				WHEN entered <> units OR entered_sold <> sold OR set_aside <> held THEN 1
				ELSE 0 END AS wrong
			FROM (SELECT shop, variant, SUM(there) AS there, SUM(below) AS below, SUM(units) AS units, SUM(held) AS held, SUM(sold) AS sold,
					SUM(entries) AS entries, SUM(entered) AS entered, SUM(entered_sold) AS entered_sold, SUM(set_aside) AS set_aside
				FROM (SELECT shop, variant, 1 AS there,
						CASE WHEN available < 0 AND NOT continue_ OR held < 0 OR sold < 0 THEN 1 ELSE 0 END AS below,
						available + held + sold AS units, held, sold, 0 AS entries, 0 AS entered, 0 AS entered_sold, 0 AS set_aside
					FROM stock_level WHERE shop >= $1 AND shop <= $2
					UNION ALL
					SELECT shop, variant, 0, 0, 0, 0, 0, COUNT(*),
						SUM(CASE WHEN kind = 'sold' THEN 0 ELSE quantity END), SUM(CASE WHEN kind = 'sold' THEN quantity ELSE 0 END), 0
					FROM stock_ledger WHERE shop >= $1 AND shop <= $2 GROUP BY shop, variant
					UNION ALL
					SELECT shop, variant, 0, 0, 0, 0, 0, 0, 0, 0, quantity
					FROM stock_hold WHERE shop >= $1 AND shop <= $2 AND counted AND expires_at IS NOT NULL) m
				GROUP BY shop, variant) b
			UNION ALL
			SELECT c.shop, 0, CASE WHEN p.product IS NULL OR p.choices <> c.choices OR p.sellable <> (c.choices > 0) THEN 1 ELSE 0 END
			FROM (SELECT shop, product, SUM(CASE WHEN tracked AND NOT continue_ AND available <= 0 THEN 0 ELSE 1 END) AS choices
				FROM stock_level WHERE shop >= $1 AND shop <= $2 GROUP BY shop, product) c
			LEFT JOIN stock_product p ON p.shop = c.shop AND p.product = c.product) w
		GROUP BY shop`)
)

// part is how many entries of the ledger are summed up in one snapshot of
// Audit, or one variant's if it has more.
var part int64 = 10_000

// last comes behind every variant.
var last = func() (v id.Variant) {
	for i := range v {
		v[i] = 0xff
	}
	return v
}()

// Books is what an Audit has seen.
type Books struct {
	Variants int64
	Wrong    []Discrepancy
}

// add adds a discrepancy.
func (b *Books) add(d Discrepancy, reason string, args ...any) {
	d.Reason = fmt.Sprintf(reason, args...)
	b.Wrong = append(b.Wrong, d)
}

// Items is how many variants and products do not add up, each counted once.
func (b *Books) Items() int {
	items := map[any]bool{}
	for _, d := range b.Wrong {
		if d.Variant.Zero() {
			items[d.Product] = true
		} else {
			items[d.Variant] = true
		}
	}
	return len(items)
}

// Check verifies a shop in one snapshot: that what entered by the ledger is
// what is available, held and sold; that what is held and sold is what holds
// and ledger say; that every ledger has its level; that nothing is below zero
// which may not be; and that each product's sellable agrees with its variants.
func Check(ctx context.Context, r db.Reader) ([]Discrepancy, error) {
	var b Books
	if err := b.read(ctx, r, id.Variant{}, last); err != nil {
		return nil, err
	}
	return b.Wrong, b.readProducts(ctx, r)
}

// Audit does what Check does on a shop of any size: in several snapshots, none
// of which lasts long, each variant within one of them. Between them it calls
// between, whose error ends it.
func Audit(ctx context.Context, room *fleet.Room, between func() error) (b Books, err error) {
	for after := (id.Variant{}); after != last; {
		var upTo id.Variant
		err := room.View(ctx, fleet.Newest, func(r db.Reader) error {
			v, more, err := db.One(ctx, r, partEnd, func(v *id.Variant) []any { return []any{v} }, after, part)
			if err != nil {
				return err
			}
			if upTo = last; more {
				upTo = v
			}
			if err := b.read(ctx, r, after, upTo); err != nil || more {
				return err
			}
			return b.readProducts(ctx, r)
		})
		if err != nil {
			return b, err
		}
		if after = upTo; after != last {
			if err := between(); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

// read adds up the variants behind one up to another.
func (b *Books) read(ctx context.Context, r db.Reader, after, upTo id.Variant) error {
	return db.Each(ctx, r, sumUp, func(s *sums) []any {
		return []any{&s.Variant, &s.Product, &s.there, &s.Continue, &s.Available, &s.Held, &s.Sold, &s.entries, &s.entered, &s.left, &s.kept}
	}, func(s sums) error {
		b.compare(s)
		return nil
	}, after, upTo)
}

func (b *Books) compare(s sums) {
	wrong := func(a Aspect, expected, found int64) Discrepancy {
		return Discrepancy{Variant: s.Variant, Product: s.Product, Aspect: a, Expected: expected, Found: found}
	}
	if !s.there {
		if s.entries > 0 { // else an order holds what is no more
			b.add(wrong(Lost, s.entries, 0), "the ledger has %d entries, but there is no level", s.entries)
		}
		return
	}
	b.Variants++
	if units := s.Available + s.Held + s.Sold; s.entered != units {
		b.add(wrong(Units, s.entered, units), "%d entered, but %d available + %d held + %d sold = %d", s.entered, s.Available, s.Held, s.Sold, units)
	}
	if s.left != s.Sold {
		b.add(wrong(Departed, s.left, s.Sold), "%d sold by the ledger, %d by the level", s.left, s.Sold)
	}
	if s.kept != s.Held {
		b.add(wrong(SetAside, s.kept, s.Held), "%d held by orders, %d by the level", s.kept, s.Held)
	}
	if s.Available < 0 && !s.Continue || s.Held < 0 || s.Sold < 0 {
		least := min(s.Held, s.Sold)
		if !s.Continue {
			least = min(least, s.Available)
		}
		b.add(wrong(BelowZero, 0, least), "below zero: %d available, %d held, %d sold", s.Available, s.Held, s.Sold)
	}
}

// readProducts holds what products say of themselves against their variants.
func (b *Books) readProducts(ctx context.Context, r db.Reader) error {
	return db.Each(ctx, r, countChoices, func(c *choices) []any {
		return []any{&c.product, &c.sellable, &c.counted, &c.there}
	}, func(c choices) error {
		d := Discrepancy{Product: c.product, Aspect: Choices, Expected: c.there, Found: c.counted}
		switch {
		case c.counted != c.there:
			b.add(d, "%d variants can be bought, but it says %d", c.there, c.counted)
		case c.sellable != (c.there > 0):
			d.Aspect, d.Expected, d.Found = Sellable, one(c.there > 0), one(c.sellable)
			b.add(d, "%d variants can be bought, but that it can be bought is %t", c.there, c.sellable)
		}
		return nil
	})
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
