package stock

import (
	"context"
	"fmt"
	"slices"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// MaxQuantity is how many units of one variant an order can take.
const MaxQuantity = 10_000

// Line asks for units of a variant. Lines of the same variant are added up.
type Line struct {
	Variant  id.Variant
	Quantity int64 // 1 to MaxQuantity
}

// Short says which variants there is too little of. Nothing was taken of any
// line. It is a fault.Conflict "out-of-stock".
type Short struct{ Lines []ShortLine }

// ShortLine is one variant that there is too little of.
type ShortLine struct {
	Variant   id.Variant
	Index     int   // of its first line among those given; -1 when a hold's lines are taken again
	Wanted    int64 // units asked for
	Available int64 // units that could have been had, 0 or more
}

func (s *Short) Error() string {
	return fmt.Sprintf("%d of the variants are short", len(s.Lines))
}

// Unwrap gives the fault to show.
func (s *Short) Unwrap() error {
	all := !slices.ContainsFunc(s.Lines, func(l ShortLine) bool { return l.Available > 0 })
	switch {
	case len(s.Lines) == 1 && all:
		return fault.Conflict("out-of-stock", "This item has just sold out.")
	case len(s.Lines) == 1:
		return fault.Conflict("out-of-stock", "There are only %d left of this item.", s.Lines[0].Available)
	}
	return fault.Conflict("out-of-stock", "%d of these items have sold out, or there are too few left.", len(s.Lines))
}

var (
	// take is the one place where units leave what can be sold.
	take = db.Q(`
		UPDATE stock_level SET available = available - $3, held = held + $4, sold = sold + $5
		WHERE shop = $1 AND variant = $2 AND tracked AND (continue_ OR available >= $3)
		RETURNING variant, product, tracked, continue_, available, held, sold`)
	// give puts units back, or settles held units as sold.
	give = db.Q(`
		UPDATE stock_level SET available = available + $3, held = held - $4, sold = sold + $5
		WHERE shop = $1 AND variant = $2
		RETURNING variant, product, tracked, continue_, available, held, sold`)
	soldTo = db.Q(`
		SELECT variant, CAST(SUM(CASE WHEN kind = 'sold' THEN quantity ELSE -quantity END) AS BIGINT)
		FROM stock_ledger WHERE shop = $1 AND order_ = $2 AND kind IN ('sold', 'restocked')
		GROUP BY variant`)
)

// merged adds up the lines of each variant. Quantities out of bounds are
// fault.Invalid at /lines/<n>/quantity.
func merged(lines []Line) (map[id.Variant]ShortLine, error) {
	out := make(map[id.Variant]ShortLine, len(lines))
	for i, l := range lines {
		m, again := out[l.Variant]
		if !again {
			m = ShortLine{Variant: l.Variant, Index: i}
		}
		if l.Quantity >= 1 && l.Quantity <= MaxQuantity {
			m.Wanted += l.Quantity
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity || m.Wanted > MaxQuantity {
			return nil, fault.Invalid(fmt.Sprintf("/lines/%d/quantity", i), "You can order from 1 to %d of an item.", MaxQuantity)
		}
		out[l.Variant] = m
	}
	return out, nil
}

// takeOne takes n units into held or sold. taken is false where the variant
// is not tracked; have is -1 unless there is too little.
func takeOne(ctx context.Context, tx *db.Tx, f *flips, variant id.Variant, n, held, sold int64) (l Level, taken bool, have int64, err error) {
	for {
		l, taken, err = db.One(ctx, tx, take, scanLevel, variant, n, held, sold)
		if err != nil {
			return l, false, -1, err
		}
		if taken {
			was := l
			was.Available += n
			f.note(was, l)
			return l, true, -1, nil
		}
		if l, err = Of(ctx, tx, variant); err != nil {
			return l, false, -1, err
		}
		switch {
		case !l.Tracked:
			return l, false, -1, nil
		case !l.Continue && l.Available < n:
			return l, false, max(0, l.Available), nil
		}
		// Units came back between the two statements: they decide anew.
	}
}

// giveOne puts n units back and takes them out of held, or settles held units
// as sold. A variant that is no more is passed over: found is false.
func giveOne(ctx context.Context, tx *db.Tx, f *flips, variant id.Variant, n, held, sold int64) (l Level, found bool, err error) {
	l, found, err = db.One(ctx, tx, give, scanLevel, variant, n, held, sold)
	if err == nil && found {
		was := l
		was.Available -= n
		f.note(was, l)
	}
	return l, found, err
}

// Sell takes the lines for an order at once, all or none. It returns *Short
// when there is too little of some, having taken nothing, and fault.NotFound
// for a variant that stock does not know. One line that is tracked costs two
// statements, and a third when it sells out.
func Sell(ctx context.Context, tx *db.Tx, order id.Order, lines []Line) error {
	want, err := merged(lines)
	if err != nil {
		return err
	}
	return sellAll(ctx, tx, order, want)
}

func sellAll(ctx context.Context, tx *db.Tx, order id.Order, want map[id.Variant]ShortLine) error {
	var f flips
	var sold []Entry
	var short Short
	for _, v := range sorted(want) {
		w := want[v]
		l, taken, have, err := takeOne(ctx, tx, &f, v, w.Wanted, 0, w.Wanted)
		switch {
		case err != nil:
			return err
		case have >= 0:
			w.Available = have
			short.Lines = append(short.Lines, w)
		case taken:
			sold = append(sold, Entry{Variant: v, Kind: Sold, Quantity: w.Wanted, Available: l.Available, Order: order})
		}
	}
	if len(short.Lines) > 0 {
		for _, e := range sold {
			if _, _, err := giveOne(ctx, tx, new(flips), e.Variant, e.Quantity, 0, -e.Quantity); err != nil {
				return err
			}
		}
		return &short
	}
	for _, e := range sold {
		if err := record(ctx, tx, e); err != nil {
			return err
		}
	}
	return f.write(ctx, tx)
}

// Restock puts back what an order was sold, in whole or in part: of each line
// at most what was counted when it was sold and has not come back yet, so
// that units which were never counted do not appear. Variants that are no more
// are passed over. The caller keeps two restocks of one order apart by
// changing the order's own row first.
func Restock(ctx context.Context, tx *db.Tx, order id.Order, lines []Line) error {
	want, err := merged(lines)
	if err != nil {
		return err
	}
	out, err := db.All(ctx, tx, soldTo, func(l *Line) []any { return []any{&l.Variant, &l.Quantity} }, order)
	if err != nil {
		return err
	}
	left := make(map[id.Variant]int64, len(out))
	for _, l := range out {
		left[l.Variant] = l.Quantity
	}
	var f flips
	for _, v := range sorted(want) {
		n := min(want[v].Wanted, left[v])
		if n <= 0 {
			continue
		}
		l, found, err := giveOne(ctx, tx, &f, v, n, 0, 0)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := record(ctx, tx, Entry{Variant: v, Kind: Restocked, Quantity: n, Available: l.Available, Order: order}); err != nil {
			return err
		}
	}
	return f.write(ctx, tx)
}
