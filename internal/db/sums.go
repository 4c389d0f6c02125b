package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// Sums gives, for every table, a sum of its rows whatever order they were
// written in: equal sums, equal rows. It reads the whole file.
func (f *File) Sums(ctx context.Context) (map[string]string, error) {
	c, err := f.Census(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]string{}
	for table := range c.Rows {
		var all [sha256.Size]byte
		err := rows(f.c.c, `SELECT * FROM "`+table+`"`, func(s *sqlite3.Stmt) {
			h := sha256.New()
			for i := range s.ColumnCount() {
				v := s.ColumnBlob(i, nil)
				fmt.Fprintf(h, "%d %d ", s.ColumnType(i), len(v))
				h.Write(v)
			}
			for i, b := range h.Sum(nil) {
				all[i] ^= b
			}
		})
		if err != nil {
			return nil, sqliteError(err)
		}
		out[table] = fmt.Sprint(c.Rows[table], " ", hex.EncodeToString(all[:]))
	}
	return out, nil
}
