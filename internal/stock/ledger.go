package stock

import (
	"context"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// Kind says why a level changed.
type Kind string

// The kinds of ledger entries. Holds are none: they only move units aside.
const (
	Initial   Kind = "initial"   // there when the variant was made
	Received  Kind = "received"  // arrived
	Adjusted  Kind = "adjusted"  // set or corrected by hand; signed
	Sold      Kind = "sold"      // left by an order
	Restocked Kind = "restocked" // came back from an order
)

// Entry is one row of a variant's ledger.
type Entry struct {
	ID        id.Entry   `json:"id"`
	Variant   id.Variant `json:"variant"`
	Kind      Kind       `json:"kind" enum:"initial,received,adjusted,sold,restocked"`
	Quantity  int64      `json:"quantity" doc:"Units; signed when adjusted"`
	Available int64      `json:"available" doc:"Units that could be sold after it"`
	Order     id.Order   `json:"order,omitempty" doc:"The order that units were sold to or came back from"`
	Note      string     `json:"note,omitempty"`
	At        time.Time  `json:"at"`
}

var (
	readLedger = db.Q(`
		SELECT id, variant, kind, quantity, available, order_, note, at FROM stock_ledger
		WHERE shop = $1 AND variant = $2 ORDER BY id DESC LIMIT $3`)
	readLedgerBefore = db.Q(`
		SELECT id, variant, kind, quantity, available, order_, note, at FROM stock_ledger
		WHERE shop = $1 AND variant = $2 AND id < $3 ORDER BY id DESC LIMIT $4`)
)

func scanEntry(e *Entry) []any {
	return []any{&e.ID, &e.Variant, &e.Kind, &e.Quantity, &e.Available, &e.Order, &e.Note, &e.At}
}

// record writes an entry, whose id and time it fills in.
func record(ctx context.Context, tx *db.Tx, e Entry) error {
	e.ID = id.Entry(db.NewID[struct{}](tx))
	return tx.Later(ctx, putEntry, e.Variant, e.ID, string(e.Kind), e.Quantity, e.Available, e.Order, e.Note, tx.Now())
}

// History gives a variant's ledger, newest first, before an entry (zero for
// the newest).
func History(ctx context.Context, r db.Reader, variant id.Variant, before id.Entry, limit int) ([]Entry, error) {
	if before.Zero() {
		return db.All(ctx, r, readLedger, scanEntry, variant, limit)
	}
	return db.All(ctx, r, readLedgerBefore, scanEntry, variant, before, limit)
}
