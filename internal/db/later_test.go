package db

import (
	"errors"
	"path/filepath"
	"testing"

	"haat/internal/db/dbtest"
)

var (
	raiseMine = Q(`UPDATE one_row SET k = k + 100 WHERE shop = $1`)
	dropMine  = Q(`DELETE FROM one_row WHERE shop = $1`)
)

// What nobody waits for costs no round trip, and its errors keep their
// meaning.
func TestLater(t *testing.T) {
	proxy := dbtest.NewProxy(t, with(t, dbtest.Postgres(t), "pool_max_conns", "1"), 0)
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": proxy.DSN} {
		t.Run(name, func(t *testing.T) {
			s, ctx := twoShops(t, dsn), t.Context()
			change := func(fn func(tx *Tx) error) error {
				_, err := s.Change(ctx, 1, 1, fn)
				return err
			}
			three := func(from int64, first bool) func(*Tx) error {
				return func(tx *Tx) error {
					for k := range int64(3) {
						if err := tx.Later(ctx, putRow, from+k); err != nil {
							return err
						}
					}
					if !first {
						return nil
					}
					n, err := tx.Exec(ctx, raiseMine)
					if n != 4 {
						t.Errorf("the statement after them saw %d rows", n)
					}
					return err
				}
			}
			if err := change(three(20, true)); err != nil { // prepares
				t.Fatal(err)
			}
			if err := change(func(tx *Tx) error { _, err := tx.Exec(ctx, dropMine); return err }); err != nil {
				t.Fatal(err)
			}
			before := proxy.Trips()
			if err := change(three(30, false)); err != nil {
				t.Fatal(err)
			}
			if n := proxy.Trips() - before; name == "postgres" && n != 1 {
				t.Errorf("three statements and a commit took %d round trips", n)
			}
			if ks := seen(t, s, 1, getRows); len(ks) != 3 {
				t.Errorf("rows %v", ks)
			}
			for what, last := range map[string]bool{"at the end": false, "with the next": true} {
				ran := false
				err := change(func(tx *Tx) error {
					if err := tx.Later(ctx, putRow, 40); err != nil {
						return err
					}
					if err := tx.Later(ctx, putRow, 30); err != nil {
						return err
					}
					if last {
						_, err := tx.Exec(ctx, putRow, 41)
						ran = err == nil
					}
					return nil
				})
				if !errors.Is(err, ErrUnique) || ran {
					t.Errorf("%s: %v", what, err)
				}
				if ks := seen(t, s, 1, getRows); len(ks) != 3 {
					t.Errorf("%s: rows %v", what, ks)
				}
			}
			// One more than may wait.
			err := change(func(tx *Tx) error {
				for k := range int64(aheadMost + 1) {
					if err := tx.Later(ctx, putRow, 1000+k); err != nil {
						return err
					}
				}
				return nil
			})
			if ks := seen(t, s, 1, getRows); err != nil || len(ks) != 3+aheadMost+1 {
				t.Errorf("%d rows, %v", len(ks), err)
			}
			// Without a tick too.
			err = s.e.write(ctx, &work{shop: 1, run: func(raw session) error {
				return (&Tx{shop: 1, s: counted{raw, &s.stmts}}).Later(ctx, dropMine)
			}})
			if ks := seen(t, s, 1, getRows); err != nil || len(ks) != 0 {
				t.Errorf("%d rows, %v", len(ks), err)
			}
		})
	}
}
