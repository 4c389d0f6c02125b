package media

import (
	"context"

	"haat/internal/db"
	"haat/internal/op"
)

// Keep notes a picture that the Library has as one of the shop's, so that
// products may name it. It has no route of its own: uploads do.
var Keep = op.Write[KeepIn, Image]{Name: "media.keep", Role: op.Merchant,
	Run: func(ctx context.Context, tx *db.Tx, in KeepIn) (Image, error) {
		return in.Image, Save(ctx, tx, in.Image)
	}}

// KeepIn is a picture that was added to the Library.
type KeepIn struct{ Image Image }
