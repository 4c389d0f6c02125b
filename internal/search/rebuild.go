package search

import (
	"context"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// rebuiltAtOnce is how many products are one change.
const rebuiltAtOnce = 50

var (
	countProducts = db.Q(`SELECT COUNT(*) FROM product WHERE shop = $1 AND status = 'active'`)
	nextProducts  = db.Q(`SELECT id FROM product WHERE shop = $1 AND status = 'active' AND id > $2 ORDER BY id LIMIT $3`)
	leftOver      = db.Q(`
		SELECT d.product FROM search_doc d LEFT JOIN product p ON p.shop = $1 AND p.id = d.product AND p.status = 'active'
		WHERE d.shop = $1 AND LENGTH(d.doc) > 1 AND p.id IS NULL LIMIT $2`)
)

// Rebuild writes all documents of a shop anew from its products, a few at a
// time, while the shop sells; tell is told how far it is. Indexes in memory
// follow.
func Rebuild(ctx context.Context, room *fleet.Room, tell func(done, of int64)) error {
	var of, done int64
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		of, _, err = db.One(ctx, r, countProducts, func(n *int64) []any { return []any{n} })
		return err
	})
	if err != nil {
		return err
	}
	scan := func(p *id.Product) []any { return []any{p} }
	for after, more := (id.Product{}), true; more; {
		var last id.Product
		n := 0
		_, err := room.Change(ctx, func(tx *db.Tx) error {
			if err := tx.Alone(ctx, documents); err != nil {
				return err
			}
			products, err := db.All(ctx, tx, nextProducts, scan, after, rebuiltAtOnce)
			if err != nil {
				return err
			}
			n = len(products)
			for _, p := range products {
				if err := renew(ctx, tx, p); err != nil {
					return err
				}
				last = p
			}
			return nil
		})
		if err != nil {
			return err
		}
		after, more, done = last, n == rebuiltAtOnce, done+int64(n)
		tell(done, max(of, done))
	}
	for more := true; more; {
		_, err := room.Change(ctx, func(tx *db.Tx) error {
			if err := tx.Alone(ctx, documents); err != nil {
				return err
			}
			products, err := db.All(ctx, tx, leftOver, scan, rebuiltAtOnce)
			if err != nil {
				return err
			}
			more = len(products) == rebuiltAtOnce
			for _, p := range products {
				if err := forget(ctx, tx, p); err != nil {
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

// renew writes the document of a product as it is, unless it was deleted just
// now. The transaction is alone with the documents.
func renew(ctx context.Context, tx *db.Tx, product id.Product) error {
	p, err := catalog.Read(ctx, tx, product)
	if fault.Is(err, fault.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return Index(ctx, tx, catalog.Saved(&p))
}
