package search

import (
	"context"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/id"
	"haat/internal/stock"
)

// Subscribe keeps the documents up to date.
func Subscribe(b *event.Bus) {
	event.On(b, "search", func(ctx context.Context, tx *db.Tx, _ event.Meta, e catalog.ProductSaved) error {
		return Index(ctx, tx, e)
	})
	event.On(b, "search", func(ctx context.Context, tx *db.Tx, _ event.Meta, e catalog.ProductDeleted) error {
		return forget(ctx, tx, e.Product)
	})
	event.On(b, "search", func(ctx context.Context, tx *db.Tx, _ event.Meta, e stock.AvailabilityChanged) error {
		if !e.Flipped {
			return nil
		}
		return restock(ctx, tx, e.Product)
	})
}

var (
	// The row of the shop is locked until the transaction ends, so that numbers
	// become visible in their order.
	nextNumber = db.Q(`
		INSERT INTO search_state (shop, n, synonyms) VALUES ($1, 1, '')
		ON CONFLICT (shop) DO UPDATE SET n = search_state.n + 1 RETURNING n`)
	putDoc = db.Q(`
		INSERT INTO search_doc (shop, product, n, sellable, doc)
		VALUES ($1, $2, $3, COALESCE((SELECT s.sellable FROM stock_product s WHERE s.shop = $1 AND s.product = $2), FALSE), $4)
		ON CONFLICT (shop, product) DO UPDATE SET n = excluded.n, sellable = excluded.sellable, doc = excluded.doc`)
	hasDoc  = db.Q(`SELECT sellable FROM search_doc WHERE shop = $1 AND product = $2 AND LENGTH(doc) > 1`)
	setDoc  = db.Q(`UPDATE search_doc SET n = $3, sellable = $4 WHERE shop = $1 AND product = $2`)
	goneDoc = db.Q(`UPDATE search_doc SET n = $3, doc = $4 WHERE shop = $1 AND product = $2`)
	// Those that have forgotten this much are built anew.
	dropGone = db.Q(`DELETE FROM search_doc WHERE shop = $1 AND n > 0 AND n <= $2 AND LENGTH(doc) = 1`)
	sells    = db.Q(`SELECT sellable FROM stock_product WHERE shop = $1 AND product = $2`)
)

// documents is what all who write documents name to be alone: whoever reads a
// product to write its document anew must not overwrite what was written of a
// later one meanwhile.
const documents = "search documents"

func next(ctx context.Context, tx *db.Tx) (int64, error) {
	n, _, err := db.One(ctx, tx, nextNumber, func(n *int64) []any { return []any{n} })
	return n, err
}

// Index writes the document of one product anew. A product that is not active
// has none.
func Index(ctx context.Context, tx *db.Tx, e catalog.ProductSaved) error {
	if e.Status != catalog.Active {
		return forget(ctx, tx, e.Product)
	}
	if err := tx.Alone(ctx, documents); err != nil {
		return err
	}
	n, err := next(ctx, tx)
	if err != nil {
		return err
	}
	return tx.Later(ctx, putDoc, e.Product, n, documentOf(e).pack())
}

// gone stands for the document of a product that is not shown any more.
var gone = []byte{0}

func flag(b *bool) []any { return []any{b} }

func forget(ctx context.Context, tx *db.Tx, product id.Product) error {
	if err := tx.Alone(ctx, documents); err != nil {
		return err
	}
	if _, there, err := db.One(ctx, tx, hasDoc, flag, product); err != nil || !there {
		return err
	}
	n, err := next(ctx, tx)
	if err != nil {
		return err
	}
	if err := tx.Later(ctx, goneDoc, product, n, gone); err != nil || n%100 != 0 {
		return err
	}
	return tx.Later(ctx, dropGone, n-manyChanges)
}

// restock notes whether a product can be bought, if that is not what its
// document says.
func restock(ctx context.Context, tx *db.Tx, product id.Product) error {
	if err := tx.Alone(ctx, documents); err != nil {
		return err
	}
	was, there, err := db.One(ctx, tx, hasDoc, flag, product)
	if err != nil || !there {
		return err
	}
	now, _, err := db.One(ctx, tx, sells, flag, product)
	if err != nil || now == was {
		return err
	}
	n, err := next(ctx, tx)
	if err != nil {
		return err
	}
	return tx.Later(ctx, setDoc, product, n, now)
}
