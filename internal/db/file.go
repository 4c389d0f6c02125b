package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// File is an embedded database that no program has open, read as it is: its
// schema is neither brought up to date nor asked for. It is for copies, and
// for a data folder that nobody serves.
type File struct {
	path string
	mu   sync.Mutex
	c    *sqliteConn
}

// OpenFile opens a database file, taking in the log that a killed process may
// have left beside it.
func OpenFile(path string) (*File, error) {
	c, err := openConn(path, sqlite3.OPEN_READWRITE, 8<<10, "PRAGMA query_only=ON;")
	if err != nil {
		return nil, err
	}
	return &File{path: path, c: c}, nil
}

// OpenCopy opens a finished copy, which nothing changes: no other file is made
// beside it.
func OpenCopy(path string) (*File, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "immutable=1"}
	c, err := openConn(u.String(), sqlite3.OPEN_READONLY|sqlite3.OPEN_URI, 8<<10, "")
	if err != nil {
		return nil, err
	}
	return &File{path: path, c: c}, nil
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return (&sqlite{all: []*sqliteConn{f.c}}).closeConns()
}

// Snapshot implements [Database].
func (f *File) Snapshot(ctx context.Context) (*Snapshot, error) { return openSnapshot(ctx, f.path) }

// View runs fn on a control database. It reads only.
func (f *File) View(ctx context.Context, fn func(*ControlTx) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fn(&ControlTx{f.c, time.Now().UTC()})
}

// Across runs a shard-wide statement on a shard.
func (f *File) Across(ctx context.Context, q *AcrossSQL, args ...any) ([]Count, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return across(ctx, f.c, q, args)
}

// Census is what a database holds, in numbers that a copy of it must share.
type Census struct {
	Rows   map[string]int64 `json:"rows"`            // by table
	Schema map[string]int64 `json:"schema"`          // version by room
	Shops  int64            `json:"shops,omitempty"` // of a shard: its clocks,
	Writes int64            `json:"writes,omitempty"`
	Events int64            `json:"events,omitempty"` // and the sums of n and seq
}

// Same says in what a census differs from another, or nothing.
func (c Census) Same(as Census) error {
	if c.Shops != as.Shops || c.Writes != as.Writes || c.Events != as.Events {
		return fmt.Errorf("the clocks of %d shops stand at %d writes and %d events, not %d at %d and %d", c.Shops, c.Writes, c.Events, as.Shops, as.Writes, as.Events)
	}
	for table, n := range as.Rows {
		if c.Rows[table] != n {
			return fmt.Errorf("the table %s has %d rows, not %d", table, c.Rows[table], n)
		}
	}
	if len(c.Rows) != len(as.Rows) {
		return fmt.Errorf("there are %d tables, not %d", len(c.Rows), len(as.Rows))
	}
	return nil
}

// Census counts every table. It reads the whole file.
func (f *File) Census(ctx context.Context) (Census, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.c.c.SetInterrupt(ctx)
	return census(f.c.c)
}

// Clocks gives the clocks' sums as the snapshot has them, to hold a copy
// against.
func (s *Snapshot) Clocks() (Census, error) {
	c := Census{}
	return c, clocks(s.c, &c)
}

func census(c *sqlite3.Conn) (Census, error) {
	out := Census{Rows: map[string]int64{}, Schema: map[string]int64{}}
	err := clocks(c, &out)
	if err != nil {
		return out, err
	}
	var tables []string
	err = rows(c, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`, func(s *sqlite3.Stmt) {
		tables = append(tables, s.ColumnText(0))
	})
	for _, t := range tables {
		if err != nil {
			return out, err
		}
		out.Rows[t], err = number(c, `SELECT COUNT(*) FROM "`+t+`"`)
	}
	if err == nil && out.Rows["schema_version"] > 0 {
		err = rows(c, `SELECT room, MAX(version) FROM schema_version GROUP BY room`, func(s *sqlite3.Stmt) {
			out.Schema[s.ColumnText(0)] = s.ColumnInt64(1)
		})
	}
	return out, sqliteError(err)
}

func clocks(c *sqlite3.Conn, out *Census) error {
	n, err := number(c, `SELECT COUNT(*) FROM sqlite_master WHERE name = 'shop_clock'`)
	if err != nil || n == 0 {
		return sqliteError(err)
	}
	err = rows(c, `SELECT COUNT(*), COALESCE(SUM(n), 0), COALESCE(SUM(seq), 0) FROM shop_clock`, func(s *sqlite3.Stmt) {
		out.Shops, out.Writes, out.Events = s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnInt64(2)
	})
	return sqliteError(err)
}

func rows(c *sqlite3.Conn, query string, each func(*sqlite3.Stmt)) error {
	s, _, err := c.Prepare(query)
	if err != nil {
		return err
	}
	for s.Step() {
		each(s)
	}
	return errors.Join(s.Err(), s.Close())
}

// gaps finds shops whose outbox does not end where their clock stands, or has
// a hole before.
const gaps = `
	SELECT COUNT(*) FROM shop_clock c
	LEFT JOIN (SELECT shop, COUNT(*) AS n, MIN(seq) AS first, MAX(seq) AS last FROM shop_outbox GROUP BY shop) o ON o.shop = c.shop
	WHERE c.state <> 'gone' AND (COALESCE(o.last, 0) <> c.seq OR o.n <> o.last - o.first + 1)`

// Check has SQLite look at every page (and, in full, at every index), and
// holds each shop's outbox against its clock.
func (f *File) Check(ctx context.Context, full bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.c.c
	c.SetInterrupt(ctx)
	pragma := "PRAGMA quick_check(5)"
	if full {
		pragma = "PRAGMA integrity_check(5)"
	}
	var said []string
	if err := rows(c, pragma, func(s *sqlite3.Stmt) { said = append(said, s.ColumnText(0)) }); err != nil {
		return sqliteError(err)
	}
	if text := strings.Join(said, "; "); text != "ok" {
		return fmt.Errorf("the database is damaged: %s", text)
	}
	n, err := number(c, `SELECT COUNT(*) FROM sqlite_master WHERE name = 'shop_clock'`)
	if err != nil || n == 0 {
		return sqliteError(err)
	}
	if n, err = number(c, gaps); err == nil && n > 0 {
		err = fmt.Errorf("the outboxes of %d shops do not agree with their clocks", n)
	}
	return sqliteError(err)
}

// RaiseTerm gives a shard that was put back from a copy a term of its own, so
// that no mark of its later life, which is lost, is ever given out again.
func RaiseTerm(path string, term int64) error {
	c, err := openConn(path, sqlite3.OPEN_READWRITE, 2<<10, "PRAGMA synchronous=FULL;")
	if err != nil {
		return err
	}
	err = c.c.Exec(fmt.Sprintf("UPDATE shard_term SET term = MAX(term + 1, %d)", term))
	if err == nil {
		err = noteRestored(c.c)
	}
	if err == nil {
		_, _, err = c.c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	}
	return errors.Join(sqliteError(err), c.c.Close())
}

// noteRestored has marks of the terms before be no sign of a loss. A copy of an
// older schema has no place for it; when it is brought up to date, its term is
// taken for one that was raised here.
func noteRestored(c *sqlite3.Conn) error {
	n, err := number(c, `SELECT COUNT(*) FROM pragma_table_info('shard_term') WHERE name = 'restored'`)
	if err != nil || n == 0 {
		return err
	}
	return c.Exec("UPDATE shard_term SET restored = term")
}
