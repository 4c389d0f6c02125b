package db

import (
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

var rawDoc = Q(`UPDATE shop_doc SET doc = $2 WHERE shop = $1`)

// A change sees the newest document, whoever wrote it and however the change
// that wrote it ended; SQLite's writer does not read it each time for that.
func TestDocsAreTheNewest(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			s, ctx := twoShops(t, dsn), t.Context()
			refused := errors.New("refused")
			change := func(shop int64, fn func(tx *Tx) error) error {
				_, err := s.Change(ctx, id.Shop(shop), 1, fn)
				return err
			}
			read := func(shop int64) (doc string) {
				t.Helper()
				if err := change(shop, func(tx *Tx) error {
					b, err := tx.Doc(ctx)
					doc = string(b)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				return doc
			}
			want := func(shop int64, doc string) {
				t.Helper()
				for range 2 {
					if got := read(shop); got != doc {
						t.Errorf("the document of %d is %q, want %q", shop, got, doc)
					}
				}
			}
			want(1, "")
			for _, shop := range []int64{1, 2} {
				if err := change(shop, func(tx *Tx) error { return tx.SetDoc(ctx, []byte("first")) }); err != nil {
					t.Fatal(err)
				}
			}
			want(1, "first")
			want(2, "first")
			before := s.Statements()
			read(1)
			if n := s.Statements() - before; name == "sqlite" && n != 0 {
				t.Errorf("%d statements for what is known", n)
			}
			if err := change(1, func(tx *Tx) error { _, err := tx.Exec(ctx, rawDoc, []byte("second")); return err }); err != nil {
				t.Fatal(err)
			}
			want(1, "second")
			if err := change(1, func(tx *Tx) error {
				if err := tx.SetDoc(ctx, []byte("never")); err != nil {
					return err
				}
				return refused
			}); !errors.Is(err, refused) {
				t.Fatal(err)
			}
			want(1, "second")
			if err := change(1, func(tx *Tx) error {
				if _, err := tx.Exec(ctx, rawDoc, []byte("nor this")); err != nil {
					return err
				}
				if doc, err := tx.Doc(ctx); err != nil || string(doc) != "nor this" {
					t.Errorf("it reads %q of what it wrote itself, %v", doc, err)
				}
				return refused
			}); !errors.Is(err, refused) {
				t.Fatal(err)
			}
			want(1, "second")

			// Many at once, in transactions that they share: each adds one to what
			// it read, and every other one is rolled back.
			if err := change(1, func(tx *Tx) error { return tx.SetDoc(ctx, []byte("0")) }); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					for range 5 {
						err := change(1, func(tx *Tx) error {
							if err := tx.Alone(ctx, "doc"); err != nil {
								return err
							}
							b, err := tx.Doc(ctx)
							if err != nil {
								return err
							}
							n, err := strconv.Atoi(string(b))
							if err != nil {
								return err
							}
							if err := tx.SetDoc(ctx, []byte(strconv.Itoa(n+1))); err != nil || i%2 == 0 {
								return err
							}
							return refused
						})
						if err != nil && !errors.Is(err, refused) {
							t.Error(err)
						}
					}
				})
				all.Go(func() { // learns what others are writing
					for range 5 {
						if err := change(2, func(tx *Tx) error { _, err := tx.Doc(ctx); return err }); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			want(1, "100")
			want(2, "first")
		})
	}
}
