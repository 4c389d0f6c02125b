package db

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"haat/internal/db/dbtest"
)

// A step that fails takes the whole upgrade of the database with it, the good
// steps before it included: the old program goes on with the old schema. Once
// the step is mended the upgrade runs.
func TestAFailedUpgradeChangesNothing(t *testing.T) {
	const first = `CREATE TABLE one_row (shop BIGINT NOT NULL, k BIGINT NOT NULL, PRIMARY KEY (shop, k));`
	set := func(more map[string]string) []*SchemaSet {
		files := fstest.MapFS{"schema/0001_row.sql": {Data: []byte(first)}}
		for name, text := range more {
			files["schema/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		return []*SchemaSet{Schema("row", files)}
	}
	const second = `ALTER TABLE one_row ADD COLUMN more TEXT; INSERT INTO one_row (shop, k, more) VALUES (1, 99, 'new');`
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			open := func(sets []*SchemaSet) (*Shard, error) {
				if name == "postgres" {
					return OpenPostgres(ctx, dsn, sets)
				}
				return OpenSQLite(ctx, dsn, SQLiteOptions{}, sets)
			}
			rows := func(s *Shard) (ks []int64) {
				t.Helper()
				err := s.View(ctx, 1, 1, func(v *View) (err error) {
					ks, err = All(ctx, v, getRows, func(k *int64) []any { return []any{k} })
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return ks
			}
			s, err := open(set(nil))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Create(ctx, 1, 1, func(tx *Tx) error { _, err := tx.Exec(ctx, putRow, 1); return err }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // again and again, to the same end
				_, err = open(set(map[string]string{"0002_more.sql": second, "0003_bad.sql": `CREATE TABLE half (shop BIGINT); ALTER TABLE nothing ADD COLUMN x TEXT;`}))
				if err == nil || !strings.Contains(err.Error(), "0003_bad.sql") {
					t.Fatalf("the upgrade: %v", err)
				}
			}
			if s, err = open(set(nil)); err != nil {
				t.Fatalf("the old program on the old schema: %v", err)
			}
			if ks := rows(s); len(ks) != 1 {
				t.Errorf("rows %v", ks)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			good := set(map[string]string{"0002_more.sql": second, "0003_good.sql": `CREATE TABLE half (shop BIGINT);`})
			for range 2 { // the second time there is nothing to do
				if s, err = open(good); err != nil {
					t.Fatalf("the mended upgrade: %v", err)
				}
				if ks := rows(s); len(ks) != 2 {
					t.Errorf("rows %v", ks)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err = open(set(nil)); err == nil || !strings.Contains(err.Error(), "version 3") || !strings.Contains(err.Error(), "newer haat") {
				t.Errorf("an old program on a newer schema: %v", err)
			}
		})
	}
}

// The same holds for the control database.
func TestANewerControlSchemaIsRefused(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "c.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := context.WithoutCancel(t.Context())
			files := fstest.MapFS{"schema/0001_a.sql": {Data: []byte(`CREATE TABLE a (id BIGINT PRIMARY KEY);`)}}
			older := []*SchemaSet{Schema("a", files)}
			newer := []*SchemaSet{Schema("a", fstest.MapFS{"schema/0001_a.sql": files["schema/0001_a.sql"], "schema/0002_b.sql": {Data: []byte(`CREATE TABLE b (id BIGINT PRIMARY KEY);`)}})}
			c, err := OpenControl(ctx, dsn, SQLiteOptions{}, newer)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenControl(ctx, dsn, SQLiteOptions{}, older); err == nil || !strings.Contains(err.Error(), "newer haat") {
				t.Errorf("opened a newer schema: %v", err)
			}
		})
	}
}
