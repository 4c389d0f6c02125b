package db

import (
	"path/filepath"
	"slices"
	"testing"

	"haat/internal/db/dbtest"
)

// What an event is part of is kept with it; a program of before, which says
// nothing of it, writes beside, and its events follow in the same order.
func TestWhatAnEventIsPartOfIsKept(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			s := openOld(t, dsn)
			if _, err := s.Create(t.Context(), 7, 1, func(*Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			emit := func(trace string) {
				t.Helper()
				_, err := s.Change(t.Context(), 7, 1, func(tx *Tx) error {
					tx.Append(Outgoing{Topic: "t", Payload: []byte("{}"), Trace: trace})
					tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")})
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			emit("one")
			want := []string{"one", "", "two", ""}
			if name == "postgres" {
				dbtest.Exec(t, dsn, `BEGIN; SELECT set_config('haat.shop', '7', true);
					SELECT haat_tick(7, 1, 1, ARRAY['\x01'::bytea], ARRAY['t'], ARRAY[''], ARRAY[''], ARRAY['{}'::bytea]); COMMIT`)
				want = slices.Insert(want, 2, "")
			}
			emit("two")
			var got []string
			err := s.View(t.Context(), 7, 1, func(v *View) (err error) {
				got, err = All(t.Context(), v, Q(`SELECT trace FROM shop_outbox WHERE shop = $1 ORDER BY seq`), func(s *string) []any { return []any{s} })
				return err
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("kept is %q, want %q: %v", got, want, err)
			}
		})
	}
}
