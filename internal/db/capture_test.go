package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

var (
	putKind  = Q(`INSERT INTO kind (shop, a, b, c, d) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (shop, a, b) DO UPDATE SET c = excluded.c, d = excluded.d`)
	moveKind = Q(`UPDATE kind SET b = $3 WHERE shop = $1 AND b = $2`)
	dropKind = Q(`DELETE FROM kind WHERE shop = $1`)
)

// Whatever is written to a shop that is recorded is noted, of every table; of
// other shops nothing is. What is read there can be written on the other
// engine, and is the same.
func TestWritesOfAMovingShopAreNoted(t *testing.T) {
	sets := []*SchemaSet{Schema("kind", fstest.MapFS{"schema/0001_kind.sql": {Data: []byte(`
CREATE TABLE kind (
	shop BIGINT NOT NULL,
	a    TEXT   NOT NULL,
	b    BYTEA  NOT NULL,
	c    TEXT,
	d    BOOLEAN NOT NULL,
	PRIMARY KEY (shop, a, b)
);
-- narrow
CREATE TABLE kind_one (
	shop BIGINT NOT NULL,
	n    BIGINT NOT NULL,
	PRIMARY KEY (shop)
);`)}})}
	ctx := t.Context()
	file, err := OpenSQLite(ctx, filepath.Join(t.TempDir(), "s.db"), SQLiteOptions{}, sets)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	server, err := OpenPostgres(ctx, dbtest.Postgres(t), sets)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, pair := range map[string][2]*Shard{"sqlite": {file, server}, "postgres": {server, file}} {
		t.Run(name, func(t *testing.T) {
			s, other := pair[0], pair[1]
			from, err := s.Haul(ctx)
			if err != nil {
				t.Fatal(err)
			}
			to, err := other.Haul(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := to.Fits(from); err != nil {
				t.Fatal(err)
			}
			moving, resting := map[string]int64{"sqlite": 11, "postgres": 21}[name], map[string]int64{"sqlite": 12, "postgres": 22}[name]
			write := func(shop int64) {
				t.Helper()
				change := func(fn func(tx *Tx) error) {
					t.Helper()
					if _, err := s.Change(ctx, id.Shop(shop), 1, fn); err != nil {
						t.Fatal(err)
					}
				}
				change(func(tx *Tx) error {
					n, err := tx.Exec(ctx, putKind, "schlüssel", []byte{0, 1}, nil, true)
					if n != 1 {
						t.Errorf("an insert counts %d rows", n)
					}
					return err
				})
				change(func(tx *Tx) error {
					_, err := tx.Exec(ctx, putKind, "schlüssel", []byte{0, 1}, "text", false)
					return err
				})
				change(func(tx *Tx) error { // its key changes: two rows to look at
					n, err := tx.Exec(ctx, moveKind, []byte{0, 1}, []byte{})
					if n != 1 {
						t.Errorf("an update counts %d rows", n)
					}
					tx.Append(Outgoing{Topic: "t", Key: "k", Payload: []byte{}})
					return err
				})
			}
			for _, shop := range []int64{moving, resting} {
				if _, err := s.Create(ctx, id.Shop(shop), 1, func(*Tx) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if err := from.Claim(ctx, id.Shop(moving), Record, 5); err != nil {
				t.Fatal(err)
			}
			write(moving)
			write(resting)
			noted := func(shop int64) (keys []string, changes []Change) {
				t.Helper()
				err := from.Read(ctx, id.Shop(shop), func(h *Hauled) (err error) {
					keys = nil
					_, _, changes, err = h.Noted()
					for _, c := range changes {
						keys = append(keys, fmt.Sprint(from.Tables()[c.Table], " ", from.KeyText(c.Table, c.Key)))
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return keys, changes
			}
			const old, new = "kind 7363686cc3bc7373656c.0001", "kind 7363686cc3bc7373656c."
			keys, changes := noted(moving)
			if want := []string{old, old, old, new, "shop_outbox 1"}; !slices.Equal(keys, want) {
				t.Errorf("noted %q, want %q", keys, want)
			}
			if keys, _ := noted(resting); len(keys) > 0 {
				t.Errorf("of a shop that rests, %q was noted", keys)
			}
			table := slices.Index(from.Tables(), "kind")
			var rows, got []Row
			err = from.Read(ctx, id.Shop(moving), func(h *Hauled) (err error) { p, err := h.Piece(table, nil, 10); rows = p.Rows[table]; return err })
			if err != nil || len(rows) != 1 {
				t.Fatal(rows, err)
			}
			if err := to.Claim(ctx, id.Shop(moving), Copy, 5); err != nil {
				t.Fatal(err)
			}
			for range 2 { // again is the same
				if err := to.Write(ctx, id.Shop(moving), 5, func(w *Hauling) error { return w.Put(table, rows) }); err != nil {
					t.Fatal(err)
				}
			}
			err = to.Read(ctx, id.Shop(moving), func(h *Hauled) (err error) {
				all, err := h.Rows(map[int][]Row{table: {to.Key(table, rows[0]), {"none", []byte{1}}}})
				got = all[table]
				return err
			})
			if want := (Row{"schlüssel", []byte{}, "text", false}); err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", []Row{want}) {
				t.Errorf("%#v arrived, want %#v: %v", got, want, err)
			}
			if err := from.Write(ctx, id.Shop(moving), 5, func(w *Hauling) error { return w.Drop(changes) }); err != nil {
				t.Fatal(err)
			}
			if keys, _ := noted(moving); len(keys) > 0 {
				t.Errorf("%q is still noted", keys)
			}
			// A mover that was taken over does nothing.
			if err := from.Claim(ctx, id.Shop(moving), Record, 6); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{
				from.Claim(ctx, id.Shop(moving), Record, 5),
				from.Write(ctx, id.Shop(moving), 5, func(w *Hauling) error { _, err := w.Fence(1); return err }),
			} {
				if !errors.Is(err, ErrClaim) {
					t.Errorf("an older mover: %v", err)
				}
			}
			if _, err := s.Change(ctx, id.Shop(moving), 1, func(tx *Tx) error { _, err := tx.Exec(ctx, dropKind); return err }); err != nil {
				t.Errorf("the shop was closed: %v", err)
			}
			if err := from.Write(ctx, id.Shop(moving), 6, func(w *Hauling) error { _, err := w.Fence(1); return err }); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Change(ctx, id.Shop(moving), 1, func(tx *Tx) error { return nil }); !errors.Is(err, ErrMoved) {
				t.Errorf("a write behind the fence: %v", err)
			}
			if err := s.View(ctx, id.Shop(moving), 1, func(*View) error { return nil }); err != nil {
				t.Errorf("a read behind the fence: %v", err)
			}
			// What a change did not find is so only where the shop lives.
			missing := errors.New("there is no such thing")
			looks := func() error {
				_, err := s.Change(ctx, id.Shop(moving), 1, func(*Tx) error { return missing })
				return err
			}
			if err := looks(); !errors.Is(err, missing) {
				t.Errorf("a change that finds nothing behind the fence: %v", err)
			}
			if err := from.Write(ctx, id.Shop(moving), 6, func(w *Hauling) error { return w.Turn(1, StateMoving, 1, StateGone) }); err != nil {
				t.Fatal(err)
			}
			if err := looks(); !errors.Is(err, ErrMoved) {
				t.Errorf("a change that finds nothing where the shop is gone from: %v", err)
			}
		})
	}
}

var kindsOf = Q(`SELECT d FROM kind WHERE shop = $1`)

// A change that had only read when the shop began to be recorded writes rows
// that nobody notes. A mover waits for it, and finds them when it copies.
func TestAMoverWaitsForChangesThatAreNotNoted(t *testing.T) {
	ctx := t.Context()
	sets := []*SchemaSet{Schema("kind", fstest.MapFS{"schema/0001_kind.sql": {Data: []byte(`
CREATE TABLE kind (shop BIGINT NOT NULL, a TEXT NOT NULL, b BYTEA NOT NULL, c TEXT, d BOOLEAN NOT NULL, PRIMARY KEY (shop, a, b));`)}})}
	s, err := OpenPostgres(ctx, dbtest.Postgres(t), sets)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const shop = id.Shop(31)
	if _, err := s.Create(ctx, shop, 1, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	h, err := s.Haul(ctx)
	if err != nil {
		t.Fatal(err)
	}
	read, write, changed := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		_, err := s.Change(ctx, shop, 1, func(tx *Tx) error {
			err := Each(ctx, tx, kindsOf, func(d *bool) []any { return []any{d} }, func(bool) error { return nil })
			close(read)
			<-write
			if err == nil {
				_, err = tx.Exec(ctx, putKind, "late", []byte{1}, nil, true)
			}
			return err
		})
		changed <- err
	}()
	<-read
	if err := h.Claim(ctx, shop, Record, 5); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := h.Settle(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a mover goes on beside a change that has not written yet: %v", err)
	}
	close(write)
	if err := h.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	err = h.Read(ctx, shop, func(r *Hauled) error {
		_, _, changes, err := r.Noted()
		if len(changes) > 0 {
			t.Errorf("noted all the same: %v; the test shows nothing", changes)
		}
		p, e := r.Piece(slices.Index(h.Tables(), "kind"), nil, 10)
		if rows := p.Rows[slices.Index(h.Tables(), "kind")]; len(rows) != 1 {
			t.Errorf("a mover that has waited finds %d rows", len(rows))
		}
		return errors.Join(err, e)
	})
	if err != nil {
		t.Fatal(err)
	}
}
