// Package stock counts what a shop has, and never sells more of it.
//
// A variant's [Level] says how many units can be sold (available), how many
// orders hold for a while (held) and how many were ever sold. Selling and
// holding take from available by one conditional statement a variant, which
// the database decides: no reading first, no lock beyond the row, and a CHECK
// below it all. Several lines are taken in the order of their variants' ids
// (so that two orders cannot wait for each other) and all or none; what is
// missing comes back as one [*Short] that names every variant. A variant that
// is not tracked is always sellable and nothing is counted; one that continues
// sells below zero.
//
// A hold ends by [SellHeld], by [Release], or by itself: [Sweep] gives back
// what has run out and emits [HoldExpired]. The lines of such a hold stay
// known until Release, so that a late payment can still be honoured from what
// is there.
//
// Every unit that enters or is sold has a row in the ledger, written in the
// same transaction, so that for each variant
//
//	initial + received + adjusted + restocked = available + held + sold
//
// which [Check] verifies for a shop, [Audit] for one of any size without a long
// snapshot, and [Balances] for many at once; [Explain] shows what a level must
// follow from. stock_product.sellable, kept in the same transaction
// too, says whether anything of a product can be bought, for whoever lists
// products; [AvailabilityChanged] says when that may have to be shown anew.
//
// Stock knows variants and products by their ids only. Call it last in a
// transaction: a popular variant's row is locked until the commit.
package stock

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the tables of levels, holds and the ledger.
var Schema = db.Schema("stock", schemaFiles)
