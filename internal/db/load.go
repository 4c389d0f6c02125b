package db

import (
	"context"
	"fmt"
	"time"

	"haat/internal/id"
)

// Filling is a new shop and what fills it.
type Filling struct {
	Shop id.Shop
	Made time.Time  // the Now of its transaction
	IDs  *id.Source // of the rows that Fill makes; nil: as ever
	// Fill writes the shop's rows, as in Create. What it emits goes to nobody:
	// the shop begins with an empty outbox, and Fill writes itself what
	// listeners would have written.
	Fill func(*Tx) error
}

var loadClock = Q(`
	INSERT INTO shop_clock (shop, n, seq, epoch, state) VALUES ($1, 1, 0, $2, 'open')
	ON CONFLICT (shop) DO NOTHING`)

// Load opens new shops here and fills them, many in one transaction: all of
// them or none. A shop that is here already stays as it is. Each is bound to
// its own statements as in Create, and its clock stands at its first write.
// Other changes of the shard wait meanwhile: it is for a shard that serves
// nobody.
func (s *Shard) Load(ctx context.Context, epoch int64, shops []Filling) error {
	return s.e.write(ctx, &work{whole: true, run: func(raw session) error {
		c := counted{raw, &s.stmts}
		for _, f := range shops {
			if err := ctx.Err(); err != nil {
				return err
			}
			enterToWrite(raw, int64(f.Shop))
			tx := &Tx{shop: f.Shop, now: f.Made.UTC().Truncate(time.Microsecond), s: c, ids: f.IDs}
			n, err := tx.Exec(ctx, loadClock, epoch)
			if err == nil && n == 1 {
				err = f.Fill(tx)
			}
			if err != nil {
				return fmt.Errorf("fill shop %v: %w", f.Shop, err)
			}
		}
		return nil
	}})
}

// NewID makes an id for a row of this transaction. In a [Shard.Load] it is one
// that comes out the same each time.
func NewID[K any](t *Tx) id.ID[K] { return id.From[K](t.ids) }
