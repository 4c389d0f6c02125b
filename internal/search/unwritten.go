package search

import (
	"context"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// A shop may have products whose documents nobody wrote: an older program saved
// them, or they were loaded in bulk. The first search there reads them from the
// products themselves, and has their documents written.

const (
	readAtOnce = 500         // products without a document that a search reads itself; further ones are found once they are written
	onTheWay   = time.Minute // so long after a product was saved its document is still to be expected
)

var lacking = db.Q(`
	SELECT p.id, COALESCE((SELECT s.sellable FROM stock_product s WHERE s.shop = $1 AND s.product = p.id), FALSE)
	FROM product p LEFT JOIN search_doc d ON d.shop = $1 AND d.product = p.id
	WHERE p.shop = $1 AND p.status = 'active' AND p.updated_at < $2 AND (d.product IS NULL OR LENGTH(d.doc) = 1) LIMIT $3`)

type lackingRow struct {
	product  id.Product
	sellable bool
}

// lackingOf gives some of the products that have no document and should.
func lackingOf(ctx context.Context, r db.Reader, most int) ([]lackingRow, error) {
	return db.All(ctx, r, lacking, func(l *lackingRow) []any { return []any{&l.product, &l.sellable} }, r.Now().Add(-onTheWay), int64(most))
}

// fill puts products into a new index that have no document.
func (x *index) fill(ctx context.Context, r db.Reader, sold map[id.Product]int64) error {
	active, _, err := db.One(ctx, r, countProducts, func(n *int64) []any { return []any{n} })
	if err != nil || active <= int64(len(x.slots)) {
		return err
	}
	all, err := lackingOf(ctx, r, readAtOnce)
	if err != nil {
		return err
	}
	for _, l := range all {
		p, err := catalog.Read(ctx, r, l.product)
		if err != nil {
			return err
		}
		if err := x.put(l.product, documentOf(catalog.Saved(&p)).pack(), l.sellable, sold[l.product]); err != nil {
			return err
		}
	}
	x.unwritten.Store(len(all) > 0)
	return nil
}

// Write writes the documents of those products of a shop that have none and
// should, a few at a time, while the shop sells.
func Write(ctx context.Context, room *fleet.Room) error {
	for more := true; more; {
		_, err := room.Change(ctx, func(tx *db.Tx) error {
			if err := tx.Alone(ctx, documents); err != nil {
				return err
			}
			all, err := lackingOf(ctx, tx, rebuiltAtOnce)
			if err != nil {
				return err
			}
			more = len(all) == rebuiltAtOnce
			for _, l := range all {
				if err := renew(ctx, tx, l.product); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Written tells a finder that Write has been through with a shop.
func (f *Finder) Written(s id.Shop) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if el := f.held[s]; el != nil {
		if x := el.Value.(*held).x; x != nil {
			x.unwritten.Store(false)
		}
	}
}
