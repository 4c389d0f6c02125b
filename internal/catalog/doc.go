// Package catalog is what a shop offers: products with their options, variants
// and pictures, and the collections that group them.
//
// A [Product] is written by [Create], [Save] and [Delete], each in one
// transaction that also keeps what lists need: the lowest price and the first
// picture beside the title, the option values to filter by, the variants'
// stock (which package stock counts) and the collections by rule that the
// product belongs to. Every change of a product ends in a [ProductSaved] or
// [ProductDeleted]; what is spoilt by it in caches is in the event's tags.
//
// A [Collection] is a list by hand or a [Rule] on titles, tags, types,
// vendors and prices. Either way its members are rows, so that a page of a
// collection is a join and never an evaluation.
//
// What a storefront shows is read by one statement a page: [ProductPage],
// [CollectionPage], [HomePage]. They read the stock's tables beside ours.
//
// An [Importer] takes files in and works through them, a few products a
// transaction, and fetches the pictures beside that; both go on where they
// stood after a crash. What a file says is merged into what there is: a column
// that is absent leaves alone, a blank one overwrites. [Importer.Export] writes
// the whole catalogue as a file that can be taken in again.
//
// Amounts are minor units of the shop's currency. Another shop's ids are not
// found. Rich descriptions are sanitised when they are written: what is
// stored may be shown.
package catalog

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the tables of products, collections and imports.
var Schema = db.Schema("catalog", schemaFiles)
