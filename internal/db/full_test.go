package db

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"haat/internal/db/dbtest"
	"haat/internal/fault"
)

var fatRow = Q(`INSERT INTO fat_row (shop, k, text) VALUES ($1, $2, $3)`)
var fatRows = Q(`SELECT k FROM fat_row WHERE shop = $1 ORDER BY k`)

// A disk fills while many write. Everybody gets a plain answer, nothing that
// was acknowledged is lost, reading goes on, and writing too once there is
// room, without anything being opened again.
func TestAFullDisk(t *testing.T) {
	ctx := t.Context()
	disk := dbtest.SmallDisk(t, "96m") // room for all that the log may hold: it is emptied at 64 MB
	fat := Schema("fat", rowFiles(`CREATE TABLE fat_row (shop BIGINT NOT NULL, k BIGINT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (shop, k));`))
	path := filepath.Join(disk.Dir, "s.db")
	s, err := OpenSQLite(ctx, path, SQLiteOptions{Readers: 2}, []*SchemaSet{fat})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	put := func(k int64) error {
		_, err := s.Change(ctx, 1, 1, func(tx *Tx) error {
			tx.Append(Outgoing{Topic: "row", Payload: []byte("{}")})
			_, err := tx.Exec(ctx, fatRow, k, strings.Repeat("x", 3000))
			return err
		})
		return err
	}
	got := func() (out map[int64]bool) {
		t.Helper()
		out = map[int64]bool{}
		err := s.View(ctx, 1, 1, func(v *View) error {
			return Each(ctx, v, fatRows, func(k *int64) []any { return []any{k} }, func(k int64) error { out[k] = true; return nil })
		})
		if err != nil {
			t.Fatalf("reading while the disk is full: %v", err)
		}
		return out
	}
	acked := map[int64]bool{}
	next := int64(0)
	for round := range 3 {
		var mu sync.Mutex
		var wg sync.WaitGroup
		refused := 0
		for w := range int64(16) {
			from := next + w
			wg.Go(func() {
				for k := from; k < from+16*100; k += 16 {
					if k == from+16*20 && w == 0 {
						disk.Fill()
					}
					err := put(k)
					mu.Lock()
					if err == nil {
						acked[k] = true
					} else if refused++; !errors.Is(err, ErrFull) || fault.Of(err).Code != "disk-full" || fault.Of(err).RetryAfter == 0 {
						t.Errorf("row %d: %v", k, err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		next += 1600
		if refused == 0 || !s.Full() {
			t.Errorf("round %d: %d refused, full is %t", round, refused, s.Full())
		}
		there := got()
		for k := range acked {
			if !there[k] {
				t.Errorf("row %d was acknowledged and is lost", k)
			}
		}
		if len(there) != len(acked) {
			t.Errorf("%d rows there, %d acknowledged", len(there), len(acked))
		}
		disk.Free()
		if err := put(next); err != nil || s.Full() {
			t.Fatalf("once there is room: %v, full is %t", err, s.Full())
		}
		acked[next] = true
		next++
		t.Logf("round %d: %d acknowledged, %d refused", round, len(acked), refused)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenSQLite(ctx, path, SQLiteOptions{}, []*SchemaSet{fat}); err != nil {
		t.Fatal(err)
	}
	if there := got(); len(there) != len(acked) {
		t.Errorf("after opening it again: %d rows, %d acknowledged", len(there), len(acked))
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Check(ctx, true), f.Close()); err != nil {
		t.Error(fmt.Errorf("after all that: %w", err))
	}
}
