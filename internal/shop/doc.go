// Package shop is the shop itself: whose it is and how it presents itself.
//
// [Settings] with its [Theme] is one document on the shop's shard, read
// together with the mark of every View: [Of] costs no statement. The texts of
// the policies lie beside it ([PolicyText]), because they may be long and few
// pages show them. [Office] has the operations that show and change both.
//
// [Accounts] is people, in the control database, because they belong to no
// shop: their contacts (phones and e-mail addresses, any of which signs them
// in, so that a second one is the way back when the first is lost), codes,
// sessions, and which shops are theirs. There are no passwords. A first
// sign-in makes the account; POST /shops makes a shop that sells at once.
//
// Neither a code nor a session's token is ever stored, only a keyed hash of
// the one and the SHA-256 of the other. Asking for a code does the same work
// for an address that is known and one that is not.
package shop

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is what the room keeps on shards.
var Schema = db.Schema("shop", schemaFiles)
