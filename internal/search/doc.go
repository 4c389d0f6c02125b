// Package search finds a shop's products by words.
//
// It listens to the catalogue and to stock and keeps, in the shop's shard, a
// row for every product that shoppers can see: its words with their weights,
// and what lists are narrowed by. From these rows a [Finder] builds the shop's
// index in memory when somebody first searches, in any process. Indexes are
// bounded in bytes, the least used ones going first, and every search looks
// whether the shop's rows have changed, in the statement that reads what it
// shows; what changed is taken in as a difference. A product is found a moment
// after it was saved, not in the same instant.
//
// Products are ranked by BM25, words of the title above those of type, vendor,
// tags and options, and those above the description's; what has sold stands a
// little higher, what is sold out a little lower. Upper and lower case,
// accents, the order of words and English endings are forgiven; a word finds
// those that begin with it, those that mean the same, of which the merchant
// may name more, and, if nobody has it, those that it was misspelt from. When
// no product has every word, those that have most of them are given.
//
// What was searched for is counted by day, and how often nothing was found,
// for the merchant. Counts are kept in memory for seconds before they are
// written; a crash loses those.
package search

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the documents, the synonyms and the counts of what was asked.
var Schema = db.Schema("search", schemaFiles)
