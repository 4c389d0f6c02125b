package db

import (
	"context"
	"embed"
	"fmt"
	"runtime/debug"
	"time"
)

//go:embed schema/*.sql
var clockFiles embed.FS

var clockSchema = Schema("db", clockFiles)

var (
	readVersion = newStmt(`SELECT COALESCE(MAX(version), 0) FROM schema_version WHERE room = $1`)
	setVersion  = newStmt(`INSERT INTO schema_version (room, version, name, at) VALUES ($1, $2, $3, $4)`)
)

// migrate brings every room's schema up to date, all in one transaction, and
// refuses a database that a newer program has written.
func migrate(ctx context.Context, e engine, sets []*SchemaSet) error {
	return e.migrate(ctx, func(s session, script func(string) error) error {
		err := script(`CREATE TABLE IF NOT EXISTS schema_version (
			room TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, at BIGINT NOT NULL,
			PRIMARY KEY (room, version))`)
		if err != nil {
			return fmt.Errorf("schema_version: %w", err)
		}
		for _, set := range sets {
			steps, err := set.steps(e.name())
			if err != nil {
				return err
			}
			newest, have := 0, int64(0)
			err = each(ctx, s, &readVersion, func(n *int64) []any { return []any{n} },
				func(n int64) error { have = n; return nil }, []any{set.Room})
			if err != nil {
				return err
			}
			for _, st := range steps {
				newest = max(newest, st.version)
				if int64(st.version) <= have {
					continue
				}
				if err := script(st.text); err != nil {
					return fmt.Errorf("schema of %s, %s: %w", set.Room, st.name, err)
				}
				_, err := exec(ctx, s, &setVersion, []any{set.Room, st.version, st.name, time.Now().UnixMicro()})
				if err != nil {
					return err
				}
			}
			if have > int64(newest) {
				return fmt.Errorf("the schema of %s is at version %d, but this program knows only %d: a newer haat has written here", set.Room, have, newest)
			}
		}
		return nil
	})
}

func stack() []byte { return debug.Stack() }
