package db

import (
	"context"
	"embed"
	"errors"
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
// refuses a database that a newer program has written, or one of another kind:
// shards and control databases have rooms in common. Those of a shard on
// PostgreSQL get the second wall.
func migrate(ctx context.Context, e engine, sets []*SchemaSet, shard bool) error {
	wall := shard && e.name() == "postgres"
	return e.migrate(ctx, func(s session, script func(string) error) error {
		err := script(`CREATE TABLE IF NOT EXISTS schema_version (
			room TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, at BIGINT NOT NULL,
			PRIMARY KEY (room, version))`)
		if err != nil {
			return fmt.Errorf("schema_version: %w", err)
		}
		if err := checkKind(ctx, s, sets, shard); err != nil {
			return err
		}
		lowered, old, looked := false, false, false
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
			old = old || set == clockSchema && have > 0
			for _, st := range steps {
				newest = max(newest, st.version)
				if int64(st.version) <= have {
					continue
				}
				if old && !looked {
					if err := noneMoving(ctx, s); err != nil {
						return err
					}
					looked = true
				}
				if wall && !lowered {
					if err := script(lowerWall); err != nil {
						return fmt.Errorf("lower the wall between shops: %w", err)
					}
					lowered = true
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
		if shard {
			if err := capture(s, script); err != nil {
				return fmt.Errorf("have what is written to a moving shop noted: %w", err)
			}
		}
		if wall {
			if err := script(raiseWall); err != nil {
				return fmt.Errorf("raise the wall between shops: %w", err)
			}
		}
		return nil
	})
}

var readRooms = newStmt(`SELECT room FROM schema_version GROUP BY room`)

// checkKind tells a shard, which has clocks, from a control database. Whoever
// brings no schema may look into either.
func checkKind(ctx context.Context, s session, sets []*SchemaSet, shard bool) error {
	some, clocks := false, false
	err := each(ctx, s, &readRooms, func(room *string) []any { return []any{room} }, func(room string) error {
		some, clocks = true, clocks || room == clockSchema.Room
		return nil
	}, nil)
	switch {
	case err != nil || !some || clocks == shard || len(sets) == 0:
		return err
	case shard:
		return errors.New("this is a control database, which cannot hold shops: give the shard a database of its own")
	}
	return errors.New("this database holds shops: give the control database one of its own")
}

var switching = newStmt(`SELECT COUNT(*) FROM shop_clock WHERE state IN ('moving', 'arriving')`)

// noneMoving refuses to change the schema under a shop that is being switched.
func noneMoving(ctx context.Context, s session) error {
	leave(s)
	n := int64(0)
	err := each(ctx, s, &switching, func(n *int64) []any { return []any{n} }, func(got int64) error { n = got; return nil }, nil)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d shops are being moved, and the schema cannot be changed now: start the version of haat that was moving them, which will finish", n)
	}
	return err
}

func stack() []byte { return debug.Stack() }
