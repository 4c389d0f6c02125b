package stock

import (
	"context"
	"fmt"
	"slices"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
)

// MaxAvailable is the largest level that can be set.
const MaxAvailable = 1_000_000_000

// Level is what there is of one variant.
type Level struct {
	Variant   id.Variant `json:"variant"`
	Product   id.Product `json:"product"`
	Tracked   bool       `json:"tracked" doc:"Whether units are counted; if not, the variant can always be bought"`
	Continue  bool       `json:"continue_selling" doc:"Whether it is sold beyond what there is"`
	Available int64      `json:"available" doc:"Units that can be sold; below zero when sold beyond what there is"`
	Held      int64      `json:"held" doc:"Units held for orders that await payment"`
	Sold      int64      `json:"sold" doc:"Units ever sold"`
}

// Sellable reports whether at least one unit can be bought.
func (l Level) Sellable() bool { return !l.Tracked || l.Continue || l.Available > 0 }

// FewLeft is from how many units on shoppers are told how many are left.
const FewLeft = 5

// Few gives the units left when they are few enough to say so, else 0.
func (l Level) Few() int64 {
	if l.Tracked && !l.Continue && l.Available <= FewLeft {
		return max(0, l.Available)
	}
	return 0
}

// Setting is how a variant's stock is to be kept.
type Setting struct {
	Variant      id.Variant
	Product      id.Product
	Tracked      bool
	Continue     bool // sell beyond what there is
	Available    int64
	SetAvailable bool // else Available is ignored, and a new variant has none
}

var (
	insertLevel = db.Q(`
		INSERT INTO stock_level (shop, variant, product, tracked, continue_, available, held, sold)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0)
		ON CONFLICT (shop, variant) DO NOTHING`)
	// lockLevel reads a row that nobody else can change before the commit.
	lockLevel = db.Q(`
		UPDATE stock_level SET held = held WHERE shop = $1 AND variant = $2
		RETURNING variant, product, tracked, continue_, available, held, sold`)
	writeLevel = db.Q(`
		UPDATE stock_level SET tracked = $3, continue_ = $4, available = $5
		WHERE shop = $1 AND variant = $2`)
	readLevel = db.Q(`
		SELECT variant, product, tracked, continue_, available, held, sold
		FROM stock_level WHERE shop = $1 AND variant = $2`)
	readLevels = db.Q(`
		SELECT variant, product, tracked, continue_, available, held, sold
		FROM stock_level WHERE shop = $1 AND variant IN (` + fifty + `)`)
	deleteLevel = db.Q(`
		DELETE FROM stock_level WHERE shop = $1 AND variant = $2
		RETURNING variant, product, tracked, continue_, available, held, sold`)
	deleteLedger  = db.Q(`DELETE FROM stock_ledger WHERE shop = $1 AND variant = $2`)
	deleteProduct = db.Q(`
		DELETE FROM stock_product WHERE shop = $1 AND product = $2
		AND NOT EXISTS (SELECT 1 FROM stock_level l WHERE l.shop = $1 AND l.product = $2)`)
	// addChoices does not insert less than none: PostgreSQL checks the row that
	// is not inserted after all, too.
	addChoices = db.Q(`
		INSERT INTO stock_product (shop, product, choices, sellable)
		VALUES ($1, $2, CASE WHEN CAST($3 AS BIGINT) > 0 THEN CAST($3 AS BIGINT) ELSE 0 END, CAST($3 AS BIGINT) > 0)
		ON CONFLICT (shop, product) DO UPDATE SET
			choices = stock_product.choices + CAST($3 AS BIGINT),
			sellable = stock_product.choices + CAST($3 AS BIGINT) > 0
		RETURNING sellable`)
	putEntry = db.Q(`
		INSERT INTO stock_ledger (shop, variant, id, kind, quantity, available, order_, note, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
)

// fifty is a list of fixed length, filled up by repeating its last id.
const fifty = `$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
	$27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51`

func scanLevel(l *Level) []any {
	return []any{&l.Variant, &l.Product, &l.Tracked, &l.Continue, &l.Available, &l.Held, &l.Sold}
}

// byID orders ids as the engines do.
func byID[K any](a, b id.ID[K]) int { return slices.Compare(a[:], b[:]) }

// Put creates or updates how variants' stock is kept. Where SetAvailable is
// set, the level becomes Available and the difference goes to the ledger:
// "initial" for a new variant, "adjusted" for one that was there. Without
// Continue a negative Available counts as 0. Of two settings of one variant
// the later holds. A variant never changes its product. Turning Continue off
// while units are owed (available is below zero) is fault.Conflict "owing",
// unless Available is set or tracking ends too.
func Put(ctx context.Context, tx *db.Tx, settings []Setting) error {
	last := make(map[id.Variant]Setting, len(settings))
	for _, s := range settings {
		if s.SetAvailable && (s.Available > MaxAvailable || s.Available < -MaxAvailable) {
			return fault.Invalid("/available", "Stock can be %d units at most.", MaxAvailable)
		}
		if !s.SetAvailable || s.Available < 0 && !s.Continue {
			s.Available = 0
		}
		last[s.Variant] = s
	}
	var f flips
	for _, v := range sorted(last) {
		s := last[v]
		n, err := tx.Exec(ctx, insertLevel, s.Variant, s.Product, s.Tracked, s.Continue, s.Available)
		if err != nil {
			return err
		}
		if n == 1 {
			f.add(s.Product, Level{Tracked: s.Tracked, Continue: s.Continue, Available: s.Available}.Sellable())
			if s.Available != 0 {
				err = record(ctx, tx, Entry{Variant: v, Kind: Initial, Quantity: s.Available, Available: s.Available})
			}
		} else {
			err = update(ctx, tx, &f, s)
		}
		if err != nil {
			return err
		}
	}
	return f.write(ctx, tx)
}

// update brings a variant that is there in line with a setting.
func update(ctx context.Context, tx *db.Tx, f *flips, s Setting) error {
	was, err := lock(ctx, tx, s.Variant)
	if err != nil {
		return err
	}
	if was.Product != s.Product {
		return fmt.Errorf("variant %v is of product %v, not of %v", s.Variant, was.Product, s.Product)
	}
	now := was
	now.Tracked, now.Continue = s.Tracked, s.Continue
	switch {
	case s.SetAvailable:
		now.Available = s.Available
	case was.Available < 0 && !s.Continue && s.Tracked:
		return fault.Conflict("owing", "%d more units are sold than there are. Set the stock before you stop selling beyond it.", -was.Available)
	case was.Available < 0 && !s.Continue:
		now.Available = 0
	}
	return change(ctx, tx, f, was, now, Adjusted, "")
}

// change writes a level that lock has read, with the ledger and what flips.
func change(ctx context.Context, tx *db.Tx, f *flips, was, now Level, kind Kind, note string) error {
	if was == now {
		return nil
	}
	if _, err := tx.Exec(ctx, writeLevel, now.Variant, now.Tracked, now.Continue, now.Available); err != nil {
		return err
	}
	f.note(was, now)
	if d := now.Available - was.Available; d != 0 {
		return record(ctx, tx, Entry{Variant: now.Variant, Kind: kind, Quantity: d, Available: now.Available, Note: note})
	}
	return nil
}

// Set makes a variant's level available, which is zero or more, and turns
// tracking on. A variant that stock does not know is fault.NotFound.
func Set(ctx context.Context, tx *db.Tx, variant id.Variant, available int64) (Level, error) {
	if available < 0 || available > MaxAvailable {
		return Level{}, fault.Invalid("/available", "Stock is a number from 0 to %d.", MaxAvailable)
	}
	return revise(ctx, tx, variant, Adjusted, "", func(l *Level) error {
		l.Tracked, l.Available = true, available
		return nil
	})
}

// Adjust corrects a level by delta units, with a note for the ledger. A level
// that would fall below zero is fault.Invalid, unless the variant continues;
// one that is not tracked is fault.Conflict "not-tracked".
func Adjust(ctx context.Context, tx *db.Tx, variant id.Variant, delta int64, note string) (Level, error) {
	return shift(ctx, tx, variant, delta, Adjusted, note)
}

// Receive adds units that arrived, with a note for the ledger. It fails as
// Adjust does.
func Receive(ctx context.Context, tx *db.Tx, variant id.Variant, quantity int64, note string) (Level, error) {
	if quantity < 0 {
		return Level{}, fault.Invalid("/quantity", "What arrives is at least one unit.")
	}
	return shift(ctx, tx, variant, quantity, Received, note)
}

func shift(ctx context.Context, tx *db.Tx, variant id.Variant, delta int64, kind Kind, note string) (Level, error) {
	if delta == 0 || delta > MaxAvailable || delta < -MaxAvailable {
		return Level{}, fault.Invalid("/quantity", "A change of stock is from 1 to %d units, up or down.", MaxAvailable)
	}
	return revise(ctx, tx, variant, kind, note, func(l *Level) error {
		l.Available += delta
		switch {
		case !l.Tracked:
			return fault.Conflict("not-tracked", "This variant's stock is not tracked.")
		case l.Available < 0 && !l.Continue && delta < 0:
			return fault.Invalid("/quantity", "There are only %d units.", l.Available-delta)
		case l.Available > MaxAvailable:
			return fault.Invalid("/quantity", "Stock can be %d units at most.", MaxAvailable)
		}
		return nil
	})
}

// revise changes one level under its lock.
func revise(ctx context.Context, tx *db.Tx, variant id.Variant, kind Kind, note string, fn func(*Level) error) (Level, error) {
	was, err := lock(ctx, tx, variant)
	if err != nil {
		return was, err
	}
	now := was
	if err := fn(&now); err != nil {
		return was, err
	}
	var f flips
	if err := change(ctx, tx, &f, was, now, kind, note); err != nil {
		return was, err
	}
	return now, f.write(ctx, tx)
}

func lock(ctx context.Context, tx *db.Tx, variant id.Variant) (Level, error) {
	l, found, err := db.One(ctx, tx, lockLevel, scanLevel, variant)
	if err == nil && !found {
		err = unknown()
	}
	return l, err
}

func unknown() error { return fault.NotFound("There is no such variant.") }

// Of gives a variant's level. One that stock does not know is fault.NotFound.
func Of(ctx context.Context, r db.Reader, variant id.Variant) (Level, error) {
	l, found, err := db.One(ctx, r, readLevel, scanLevel, variant)
	if err == nil && !found {
		err = unknown()
	}
	return l, err
}

// Levels gives the levels of variants, one statement for each fifty; those
// that stock does not know are missing from it.
func Levels(ctx context.Context, r db.Reader, variants []id.Variant) (map[id.Variant]Level, error) {
	out := make(map[id.Variant]Level, len(variants))
	for chunk := range slices.Chunk(variants, 50) {
		args := make([]any, 50)
		for i := range args {
			args[i] = chunk[min(i, len(chunk)-1)]
		}
		err := db.Each(ctx, r, readLevels, scanLevel, func(l Level) error { out[l.Variant] = l; return nil }, args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Forget removes variants that are no more, with their ledger. What orders
// hold of them can still be released or sold; nothing is counted then.
func Forget(ctx context.Context, tx *db.Tx, variants []id.Variant) error {
	variants = slices.Clone(variants)
	slices.SortFunc(variants, byID)
	var f flips
	products := map[id.Product]bool{}
	for _, v := range slices.Compact(variants) {
		l, found, err := db.One(ctx, tx, deleteLevel, scanLevel, v)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if _, err := tx.Exec(ctx, deleteLedger, v); err != nil {
			return err
		}
		products[l.Product] = true
		f.note(l, Level{Variant: v, Product: l.Product, Tracked: true})
	}
	if err := f.write(ctx, tx); err != nil {
		return err
	}
	for _, p := range sorted(products) {
		if _, err := tx.Exec(ctx, deleteProduct, p); err != nil {
			return err
		}
	}
	return nil
}

// flips gathers which variants begin or cease to be sellable in one call, to
// keep the products' rows and tell everybody once.
type flips struct {
	choices map[id.Product]int64
	events  []AvailabilityChanged
}

// add counts a new variant; whoever made it announces it.
func (f *flips) add(p id.Product, sellable bool) {
	if f.choices == nil {
		f.choices = map[id.Product]int64{}
	}
	if sellable {
		f.choices[p]++
	} else {
		f.choices[p] += 0
	}
}

// note compares a level with what it was.
func (f *flips) note(was, now Level) {
	e := AvailabilityChanged{Product: now.Product, Variant: now.Variant, Available: now.Sellable(), ProductAvailable: now.Sellable(), Left: now.Few()}
	if was.Sellable() != now.Sellable() {
		e.Flipped = true
		f.add(now.Product, now.Sellable())
		if was.Sellable() {
			f.choices[now.Product]--
		}
	} else if was.Few() == now.Few() {
		return
	}
	f.events = append(f.events, e)
}

// write adds to each product's number of choices. The number, unlike a
// question to the other variants' rows, is right also when two transactions
// sell the last units of two variants at once.
func (f *flips) write(ctx context.Context, tx *db.Tx) error {
	sellable := make(map[id.Product]bool, len(f.choices))
	for _, p := range sorted(f.choices) {
		now, _, err := db.One(ctx, tx, addChoices, func(b *bool) []any { return []any{b} }, p, f.choices[p])
		if err != nil {
			return err
		}
		sellable[p] = now
	}
	for _, e := range f.events {
		if now, counted := sellable[e.Product]; counted {
			e.ProductAvailable = now
		}
		if err := event.Emit(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// sorted gives the keys in the order in which rows are locked.
func sorted[K any, V any](m map[id.ID[K]]V) []id.ID[K] {
	keys := make([]id.ID[K], 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, byID)
	return keys
}
