package db

import (
	"errors"
	"path/filepath"
	"testing"

	"haat/internal/db/dbtest"
)

var (
	addTally  = Q(`INSERT INTO tally (shop, k, v) VALUES ($1, $2, $3) ON CONFLICT (shop, k) DO UPDATE SET v = tally.v + excluded.v`)
	readTally = Q(`SELECT k, v FROM tally WHERE shop = $1 ORDER BY k`)
)

// What is added to the same is one statement, and comes to what each would have:
// beside other keys, around a statement that reads it, and not when it is rolled
// back.
func TestSum(t *testing.T) {
	schema := Schema("tally", rowFiles(`CREATE TABLE tally (shop BIGINT NOT NULL, k BIGINT NOT NULL, v BIGINT NOT NULL, PRIMARY KEY (shop, k));`))
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			var s *Shard
			var err error
			if name == "postgres" {
				s, err = OpenPostgres(ctx, dsn, []*SchemaSet{schema})
			} else {
				s, err = OpenSQLite(ctx, dsn, SQLiteOptions{}, []*SchemaSet{schema})
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			tally := func(r Reader) map[int64]int64 {
				t.Helper()
				all, err := All(ctx, r, readTally, func(p *[2]int64) []any { return []any{&p[0], &p[1]} })
				if err != nil {
					t.Fatal(err)
				}
				out := map[int64]int64{}
				for _, p := range all {
					out[p[0]] = p[1]
				}
				return out
			}
			boom := errors.New("boom")
			for _, fails := range []error{nil, boom} {
				_, err := s.Change(ctx, 1, 1, func(tx *Tx) error {
					for n := range 10 {
						if err := tx.Sum(ctx, addTally, 1, n%2, n); err != nil {
							return err
						}
					}
					if p, ok := tx.s.session.(*pgSession); ok && fails == nil {
						n := 0
						for _, a := range p.ahead {
							if a.text == addTally.postgres {
								n++
							}
						}
						if n != 2 {
							t.Errorf("%d statements wait", n)
						}
					}
					if got := tally(tx); fails == nil && (got[0] != 20 || got[1] != 25) {
						t.Errorf("in the middle %v", got)
					}
					return errors.Join(tx.Sum(ctx, addTally, 1, 0, -5), tx.Sum(ctx, addTally, 1, 0, -5), fails)
				})
				if !errors.Is(err, fails) {
					t.Fatal(err)
				}
			}
			if err := s.View(ctx, 1, 1, func(v *View) error {
				if got := tally(v); got[0] != 10 || got[1] != 25 {
					t.Errorf("in the end %v", got)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
