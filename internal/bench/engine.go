package bench

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"haat/internal/db"
	"haat/internal/id"
)

//go:embed schema
var files embed.FS

// Schema holds the rows that the engine itself is measured with.
var Schema = db.Schema("bench", files)

var insertRow = db.Q(`INSERT INTO bench_row (shop, i, j, v) VALUES ($1, $2, $3, $4)`)

// engine is a bare shard, to find what group commit allows for as many small
// rows as something writes.
type engine struct {
	shard *db.Shard
	shops []id.Shop
	text  string
}

func openEngine(ctx context.Context, dir string, shops int) (*engine, error) {
	s, err := db.OpenSQLite(ctx, filepath.Join(dir, "engine.db"), db.SQLiteOptions{CacheKiB: 64 << 10}, []*db.SchemaSet{Schema})
	if err != nil {
		return nil, err
	}
	e := &engine{shard: s, text: strings.Repeat("x", 64)}
	for range shops {
		e.shops = append(e.shops, id.NewShop())
	}
	_, err = times(ctx, writers, int64(shops), func(ctx context.Context, _ int, n int64) error {
		_, err := s.Create(ctx, e.shops[n], 1, func(*db.Tx) error { return nil })
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill a bare database: %w", err), s.Close())
	}
	return e, nil
}

// change writes so many rows of a shop, durably.
func (e *engine) change(ctx context.Context, nth int64, rows int) error {
	_, err := e.shard.Change(ctx, e.shops[nth%int64(len(e.shops))], 1, func(tx *db.Tx) error {
		for j := range rows {
			if _, err := tx.Exec(ctx, insertRow, nth, j, e.text); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
