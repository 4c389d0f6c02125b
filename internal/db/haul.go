package db

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/id"
)

// Haul is what only the mover may do: read a shop's rows as rows, whatever
// their table, and write them on another shard. Every write of it names the
// mover's claim, and does nothing once a newer claim has been made.
//
// A shop's rows are the same on both engines in this form: a value is nil, a
// string, []byte, int64 or bool, as the column is declared.
type Haul struct {
	e       engine // with connections of the mover's own
	tables  []haulTable
	stmts   haulStmts
	Version string // of the schema: rows go only between shards of one version
}

// ErrClaim says that another mover has taken the shop over.
var ErrClaim = errors.New("another mover has taken the shop over")

// The roles of a shop that shop_move names.
const (
	Record = "record" // what is written to it is noted
	Copy   = "copy"   // this is not the shop, which lives elsewhere
)

// The states of a clock.
const (
	StateOpen     = "open"
	StateMoving   = "moving"   // fenced: read, not written
	StateArriving = "arriving" // is here, and not written until nobody reads the old copy
	StateGone     = "gone"     // lives elsewhere
)

// Row is one row of a shop: what is in its columns, in the order of the haul.
type Row []any

// Clock is a shop's row of shop_clock.
type Clock struct {
	N, Seq, Done, Epoch int64
	State               string
}

// Readable reports whether a shop is read where its clock says this.
func (c Clock) Readable() bool {
	return c.State == StateOpen || c.State == StateMoving || c.State == StateArriving
}

// Change is a row that was written while the shop was recorded.
type Change struct {
	I     int64
	Table int
	Key   Row
}

var describeOnPostgres = newStmt(`
	SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text, COALESCE((
		SELECT k.at FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(col, at)
		WHERE i.indrelid = c.oid AND i.indisprimary AND k.col = a.attnum), 0)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		AND EXISTS (SELECT 1 FROM pg_attribute s WHERE s.attrelid = c.oid AND s.attname = 'shop' AND NOT s.attisdropped)
	ORDER BY c.relname COLLATE "C", a.attname COLLATE "C"`)

// Steps for one engine say nothing about the rows of the other.
var readVersions = newStmt(`SELECT room, MAX(version) FROM schema_version WHERE name NOT LIKE '%.postgres.sql' AND name NOT LIKE '%.sqlite.sql' GROUP BY room ORDER BY room`)

// Haul looks at the tables of a shard.
func (s *Shard) Haul(ctx context.Context) (*Haul, error) {
	h := &Haul{e: s.e}
	if e, ok := s.e.(*postgres); ok {
		var err error
		if h.e, err = e.beside(); err != nil {
			return nil, err
		}
	}
	var all describing
	err := h.e.read(ctx, func(raw session) error {
		if c, ok := raw.(*sqliteConn); ok {
			var err error
			if all, err = describeSQLite(c.c); err != nil {
				return sqliteError(err)
			}
		} else {
			all = describing{}
			err := raw.query(ctx, &describeOnPostgres, nil, func(scan func(...any) error) error {
				var table, column, kind string
				var pk int64
				err := scan(&table, &column, &kind, &pk)
				all.add(table, column, kind, pk)
				return err
			})
			if err != nil {
				return err
			}
		}
		h.Version = ""
		return raw.query(ctx, &readVersions, nil, func(scan func(...any) error) error {
			var room string
			var v int64
			err := scan(&room, &v)
			h.Version += fmt.Sprintf("%s %d\n", room, v)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look at the tables of a shard: %w", err)
	}
	if len(all.wrong) > 0 {
		return nil, fmt.Errorf("no shop can be moved: %s", strings.Join(all.wrong, "; "))
	}
	for _, t := range all.tables {
		if !unrecorded[t.Name] {
			h.tables = append(h.tables, t)
		}
	}
	// One order on both engines.
	slices.SortFunc(h.tables, func(a, b haulTable) int { return cmp.Compare(a.Name, b.Name) })
	h.stmts = h.makeStmts()
	return h, nil
}

// Fits says why rows of another shard cannot be written here, if they cannot.
func (h *Haul) Fits(o *Haul) error {
	if h.Version != o.Version {
		return errors.New("the two shards have schemas of different versions")
	}
	if len(h.tables) != len(o.tables) {
		return fmt.Errorf("one shard has %d tables, the other %d", len(h.tables), len(o.tables))
	}
	for i, t := range h.tables {
		u := o.tables[i]
		if t.Name != u.Name || !slices.Equal(t.columns, u.columns) || !slices.Equal(t.key, u.key) {
			return fmt.Errorf("the table %s is not the same on both shards", t.Name)
		}
	}
	return nil
}

// Tables lists the tables whose rows travel, by name. Elsewhere a table is its
// place in this list.
func (h *Haul) Tables() []string {
	var out []string
	for _, t := range h.tables {
		out = append(out, t.Name)
	}
	return out
}

// Key gives the key of a row.
func (h *Haul) Key(table int, r Row) Row {
	key := make(Row, len(h.tables[table].key))
	for i, k := range h.tables[table].key {
		key[i] = r[k]
	}
	return key
}

// haulCell takes a column's value in, whatever engine it comes from.
type haulCell struct {
	kind string
	v    any
}

func (c *haulCell) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		c.v = nil
		return nil
	case int64:
		switch c.kind {
		case "BIGINT":
			c.v = v
			return nil
		case "BOOLEAN":
			c.v = v != 0
			return nil
		}
	case bool:
		if c.kind == "BOOLEAN" {
			c.v = v
			return nil
		}
	case string:
		switch c.kind {
		case "TEXT":
			c.v = strings.Clone(v)
			return nil
		case "BYTEA": // SQLite keeps what it was given
			c.v = []byte(v)
			return nil
		}
	case []byte:
		switch c.kind {
		case "BYTEA":
			c.v = append([]byte{}, v...)
			return nil
		case "TEXT":
			c.v = string(v)
			return nil
		}
	}
	return fmt.Errorf("a %T in a column of type %s", src, c.kind)
}

// clockState reads a shop's clock; false if it has none here.
var clockState = newStmt(`SELECT n, seq, done, epoch, state FROM shop_clock WHERE shop = $1`)

func readClock(ctx context.Context, raw session, shop id.Shop) (c Clock, ok bool, err error) {
	err = each(ctx, raw, &clockState, func(c *Clock) []any { return []any{&c.N, &c.Seq, &c.Done, &c.Epoch, &c.State} },
		func(got Clock) error { c, ok = got, true; return nil }, []any{int64(shop)})
	return c, ok, err
}

// Clock reads a shop's clock; false if it has none here.
func (s *Shard) Clock(ctx context.Context, shop id.Shop) (c Clock, ok bool, err error) {
	err = s.e.read(ctx, func(raw session) (err error) {
		enter(raw, int64(shop))
		c, ok, err = readClock(ctx, raw, shop)
		return err
	})
	return c, ok, err
}

// A transaction has a lock on itself from its first statement on, before it can
// have seen anything. Those of others than this role (vacuum, say) write no shop.
var (
	runningNow = newStmt(`
		SELECT COALESCE(string_agg(l.virtualtransaction, ' '), '') FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
			AND a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()`)
	stillRunning = newStmt(`
		SELECT COUNT(*) FROM pg_locks l
		WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.virtualtransaction = ANY (string_to_array($1::text, ' '))`)
)

// Settle waits until no transaction is under way that began before the shop was
// recorded: a change among them has asked whether it is too early, is not
// noted, and may commit yet. On SQLite there is none, as writes come one after
// the other.
func (h *Haul) Settle(ctx context.Context) error {
	if h.e.name() != "postgres" {
		return nil
	}
	var at string
	err := h.e.read(ctx, func(raw session) error {
		return raw.query(ctx, &runningNow, nil, func(scan func(...any) error) error { return scan(&at) })
	})
	for wait := 2 * time.Millisecond; err == nil; wait = min(2*wait, 200*time.Millisecond) {
		var n int64
		err = h.e.read(ctx, func(raw session) error {
			return raw.query(ctx, &stillRunning, []any{at}, func(scan func(...any) error) error { return scan(&n) })
		})
		if err != nil || n == 0 {
			break
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	if err != nil {
		return fmt.Errorf("wait for older writes: %w", err)
	}
	return nil
}

// KeyText writes a key as text, as it stands in shop_change.
func (h *Haul) KeyText(table int, key Row) string {
	var out []string
	for _, v := range key {
		switch v := v.(type) {
		case string:
			out = append(out, hex.EncodeToString([]byte(v)))
		case []byte:
			out = append(out, hex.EncodeToString(v))
		case bool:
			out = append(out, map[bool]string{true: "1", false: "0"}[v])
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return strings.Join(out, ".")
}
