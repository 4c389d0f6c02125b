package media

import (
	"context"
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFS embed.FS

// Schema is the room's table: which pictures a shop has.
var Schema = db.Schema("media", schemaFS)

var (
	saveImage = db.Q(`INSERT INTO media_image (shop, hash, width, height, placeholder, bytes, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (shop, hash) DO NOTHING`)
	// One statement for any number up to a batch: the unused places hold "".
	imagesByHash = db.Q(`SELECT hash, width, height, placeholder, bytes FROM media_image
		WHERE shop = $1 AND hash IN (` + fifty + `)`)
)

const (
	batch = 50
	fifty = "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51"
)

// Save records a picture that [Library.Add] gave; one that is recorded already
// stays as it is.
func Save(ctx context.Context, tx *db.Tx, m Image) error {
	_, err := tx.Exec(ctx, saveImage, m.Hash, m.Width, m.Height, m.Placeholder, m.Bytes, tx.Now())
	return err
}

// Get finds the shop's pictures by their hashes, with one statement for every
// 50 of them. A hash that the shop does not have is missing from the answer.
func Get(ctx context.Context, r db.Reader, hashes ...string) (map[string]Image, error) {
	out := make(map[string]Image, len(hashes))
	for len(hashes) > 0 {
		args := make([]any, batch)
		n := min(len(hashes), batch)
		for i := range args {
			args[i] = ""
			if i < n {
				args[i] = hashes[i]
			}
		}
		hashes = hashes[n:]
		found, err := db.All(ctx, r, imagesByHash, func(m *Image) []any {
			return []any{&m.Hash, &m.Width, &m.Height, &m.Placeholder, &m.Bytes}
		}, args...)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			out[m.Hash] = m
		}
	}
	return out, nil
}
