package fleet_test

import (
	"log/slog"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
)

var nameShard = db.C(`INSERT INTO shard (id, dsn, state, created_at) VALUES ($1, $2, 'open', $3)`)

// Two shards that name one database, however they name it, are refused; so is
// a shard that is the control database. Two databases of one server are fine.
func TestTwoShardsOfOneDatabase(t *testing.T) {
	ctx := t.Context()
	one, two, controlDSN := dbtest.Postgres(t), dbtest.Postgres(t), dbtest.Postgres(t)
	for _, c := range []struct{ name, dsn, want string }{
		{"another", two, ""},
		{"the same by another name", one + "&application_name=b", "its database is that of shard s1"},
		{"the control database", controlDSN, "control database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := controlDSN
			if c.want == "" || strings.Contains(c.want, "s1") {
				at = dbtest.Postgres(t)
			}
			control, err := db.OpenControl(ctx, at, db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
			if err != nil {
				t.Fatal(err)
			}
			defer control.Close()
			err = control.Change(ctx, func(tx *db.ControlTx) error {
				for id, dsn := range map[string]string{"s1": one, "s2": c.dsn} {
					if _, err := tx.Exec(ctx, nameShard, id, dsn, tx.Now()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			f, err := fleet.OpenFleet(ctx, fleet.Config{Control: control, Dir: t.TempDir(), Domain: "haat.test", Log: slog.New(slog.DiscardHandler)})
			switch {
			case err == nil:
				if c.want != "" {
					t.Error("opened")
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			case c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n"):
				t.Errorf("%q", err)
			}
		})
	}
}
