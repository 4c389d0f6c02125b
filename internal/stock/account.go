package stock

import (
	"context"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// Account is a variant's level beside all that it must follow from.
type Account struct {
	Level
	There   bool      // whether there is a level
	Sums    []KindSum // of the whole ledger
	Holds   []Holding
	Entries []Entry // newest first
	Wrong   []Discrepancy
}

// KindSum is what a ledger's entries of one kind come to.
type KindSum struct {
	Kind           Kind
	Entries, Units int64
}

// Holding is what an order holds of a variant.
type Holding struct {
	Order    id.Order
	Quantity int64
	Counted  bool       // whether units were taken for it
	Expires  *time.Time // nil: run out and given back
}

var (
	sumKinds = db.Q(`
		SELECT kind, COUNT(*), CAST(SUM(quantity) AS BIGINT) FROM stock_ledger
		WHERE shop = $1 AND variant = $2 GROUP BY kind ORDER BY kind`)
	holdingsOf = db.Q(`
		SELECT order_, quantity, counted, expires_at FROM stock_hold
		WHERE shop = $1 AND variant = $2 ORDER BY order_ LIMIT $3`)
)

// Explain gives a variant's account, with the newest entries and so many holds
// at most. Nothing is known of a variant that has no level, entry or hold.
func Explain(ctx context.Context, r db.Reader, variant id.Variant, limit int) (a Account, known bool, err error) {
	a.Variant = variant
	l, there, err := db.One(ctx, r, readLevel, scanLevel, variant)
	if err != nil {
		return a, false, err
	}
	if a.There = there; there {
		a.Level = l
	}
	a.Sums, err = db.All(ctx, r, sumKinds, func(s *KindSum) []any { return []any{&s.Kind, &s.Entries, &s.Units} }, variant)
	if err != nil {
		return a, false, err
	}
	a.Holds, err = db.All(ctx, r, holdingsOf, func(h *Holding) []any { return []any{&h.Order, &h.Quantity, &h.Counted, &h.Expires} }, variant, limit)
	if err != nil {
		return a, false, err
	}
	if a.Entries, err = History(ctx, r, variant, id.Entry{}, limit); err != nil {
		return a, false, err
	}
	var b Books
	if err := b.read(ctx, r, previous(variant), variant); err != nil {
		return a, false, err
	}
	a.Wrong = b.Wrong
	return a, there || len(a.Sums)+len(a.Holds) > 0, nil
}

// previous is what comes just before a variant.
func previous(v id.Variant) id.Variant {
	for i := len(v) - 1; i >= 0; i-- {
		if v[i]--; v[i] != 0xff {
			break
		}
	}
	return v
}
