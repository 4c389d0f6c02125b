package db

import (
	"errors"
	"testing"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

var byKey = Q(`SELECT k FROM one_row WHERE shop = $1 AND k = $2`)

// BenchmarkWall reads and writes a row a transaction on PostgreSQL, with the
// second wall up and, on the same server, down.
func BenchmarkWall(b *testing.B) {
	for _, down := range []bool{false, true, false, true} {
		name := map[bool]string{false: "up", true: "down"}[down]
		s, err := open(b.Context(), dbtest.Postgres(b))
		if err != nil {
			b.Fatal(err)
		}
		for shop := range id.Shop(100) {
			_, err := s.Create(b.Context(), shop+1, 1, func(tx *Tx) error {
				for k := range int64(100) {
					if _, err := tx.Exec(b.Context(), putRow, k); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		if down {
			if err := s.e.migrate(b.Context(), func(_ session, script func(string) error) error { return script(lowerWall) }); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("view/"+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				err := s.View(b.Context(), id.Shop(i%100+1), 1, func(v *View) error {
					_, ok, err := One(b.Context(), v, byKey, func(k *int64) []any { return []any{k} }, i%100)
					if !ok {
						return errors.Join(err, errors.New("no row"))
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "views/s")
		})
		b.Run("change/"+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err := s.Change(b.Context(), id.Shop(i%100+1), 1, func(tx *Tx) error {
					_, err := tx.Exec(b.Context(), oneMore)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

var oneMore = Q(`INSERT INTO one_row (shop, k) SELECT $1, n + 1000 FROM shop_clock WHERE shop = $1`)
