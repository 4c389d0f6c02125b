package fleet_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// A shard that is listed while we serve is opened, one that cannot be reached
// keeps no other from it, and one that is listed as removed is closed.
func TestReload(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	f := fleettest.OpenFleet(t, dir, filepath.Join(dir, "control.db"), "", nil, nil)
	list := func(name, dsn string) {
		t.Helper()
		err := f.Control().Change(ctx, func(tx *db.ControlTx) error {
			_, err := tx.Exec(ctx, nameShard, name, dsn, tx.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	shop := fleettest.NewShop(t, f, "before")
	list("p0", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	list("p1", dbtest.Postgres(t))
	if err := f.Reload(ctx); err == nil || !strings.Contains(err.Error(), "shard p0: ") {
		t.Errorf("reloaded with %v", err)
	}
	if got := strings.Join(f.ShardNames(), " "); got != "p1 s1 s2" {
		t.Errorf("open: %s", got)
	}
	err := f.Control().Change(ctx, func(tx *db.ControlTx) error {
		_, err := tx.Exec(ctx, db.C(`UPDATE shard SET state = 'removed' WHERE id LIKE $1`), "p%")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(ctx); err != nil {
		t.Error(err)
	}
	if got := strings.Join(f.ShardNames(), " "); got != "s1 s2" || f.Shard("p1") != nil {
		t.Errorf("open: %s", got)
	}
	if err := shop.View(context.Background(), fleet.Newest, func(db.Reader) error { return nil }); err != nil {
		t.Error(err)
	}
}
