package db

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

// Piece by piece, every row of every table is read once, and in order, however
// rows are spread over tables.
func TestPiecesAreAllRowsOnce(t *testing.T) {
	var schema strings.Builder
	var puts []*SQL
	for i := range 2*tablesAtOnce + 3 {
		fmt.Fprintf(&schema, "-- narrow\nCREATE TABLE many_%02d (\n\tshop BIGINT NOT NULL,\n\tn BIGINT NOT NULL,\n\tPRIMARY KEY (shop, n)\n);\n", i)
		puts = append(puts, Q(fmt.Sprintf(`INSERT INTO many_%02d (shop, n) VALUES ($1, $2)`, i)))
	}
	sets := []*SchemaSet{Schema("many", fstest.MapFS{"schema/0001_many.sql": {Data: []byte(schema.String())}})}
	for name, open := range map[string]func() (*Shard, error){
		"sqlite": func() (*Shard, error) {
			return OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "s.db"), SQLiteOptions{}, sets)
		},
		"postgres": func() (*Shard, error) { return OpenPostgres(t.Context(), dbtest.Postgres(t), sets) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const shop = id.Shop(5)
			want := map[string][]int64{}
			_, err = s.Create(t.Context(), shop, 1, func(tx *Tx) error {
				for i, put := range puts {
					for n := range int64(i * 7 % 23) {
						if _, err := tx.Exec(t.Context(), put, n); err != nil {
							return err
						}
						table := fmt.Sprintf("many_%02d", i)
						want[table] = append(want[table], n)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.Haul(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, pieces := map[string][]int64{}, 0
			var p Piece
			for p.Table < len(h.Tables()) {
				err := h.Read(t.Context(), shop, func(r *Hauled) (err error) {
					p, err = r.Piece(p.Table, p.Last, 8)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				pieces++
				for table, rows := range p.Rows {
					for _, row := range rows {
						if name := h.Tables()[table]; strings.HasPrefix(name, "many_") {
							got[name] = append(got[name], row[0].(int64))
						}
					}
				}
			}
			if !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("in %d pieces %v, want %v", pieces, got, want)
			}
		})
	}
}
