package db

import (
	"context"
	"errors"
	"fmt"
	"os"

	sqlite3 "github.com/ncruces/go-sqlite3"
	"golang.org/x/sys/unix"
)

// Database is what can be copied while it is in use: a *Shard, a *Control, or
// a *File that nobody has open.
type Database interface {
	// Snapshot opens one instant of the database. Close it soon: the log
	// cannot be reset while it is open.
	Snapshot(ctx context.Context) (*Snapshot, error)
}

// ErrElsewhere says that a database keeps its files on a server of its own,
// which has better means to copy them.
var ErrElsewhere = errors.New("the database is on PostgreSQL: back it up with its own tools")

// Snapshot is one instant of an embedded database, held open on a connection
// of its own. Reading it stops no writer. What is written meanwhile stays in
// the write-ahead log, which grows until Close.
type Snapshot struct {
	c    *sqlite3.Conn
	size int64
	done func()
}

// Snapshot implements [Database].
func (s *Shard) Snapshot(ctx context.Context) (*Snapshot, error) { return s.e.snapshot(ctx) }

// Snapshot implements [Database].
func (c *Control) Snapshot(ctx context.Context) (*Snapshot, error) {
	return c.at.Load().e.snapshot(ctx)
}

func (e *sqlite) snapshot(ctx context.Context) (*Snapshot, error) {
	e.held.Add(1)
	s, err := openSnapshot(ctx, e.path)
	if err != nil {
		e.held.Add(-1)
		return nil, err
	}
	s.done = func() { e.held.Add(-1) }
	return s, nil
}

func (p *postgres) snapshot(context.Context) (*Snapshot, error) { return nil, ErrElsewhere }
func (p *postgres) full() bool                                  { return false } // its disk is elsewhere too

// openSnapshot begins a transaction and reads, since only a read fixes the
// instant.
func openSnapshot(ctx context.Context, path string) (*Snapshot, error) {
	c, err := openConn(path, sqlite3.OPEN_READWRITE, 2<<10, "PRAGMA query_only=ON;")
	if err != nil {
		return nil, err
	}
	s := &Snapshot{c: c.c, done: func() {}}
	c.c.SetInterrupt(ctx)
	if err = c.c.Exec("BEGIN"); err == nil {
		s.size, err = number(c.c, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size, (SELECT COUNT(*) FROM sqlite_master)")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a snapshot of %s: %w", path, err), c.c.Close())
	}
	return s, nil
}

// Bytes is how large the copy will be.
func (s *Snapshot) Bytes() int64 { return s.size }

// Close lets the instant go.
func (s *Snapshot) Close() error {
	defer s.done()
	s.done = func() {}
	s.c.SetInterrupt(context.Background())
	return s.c.Close()
}

const (
	copyPages = 256      // a step, after which progress is told
	copySync  = 16 << 20 // bytes after which the copy is brought to disk
)

// CopyTo writes the instant to a new file, page by page, and returns once it
// would survive a power cut. wrote is told the bytes of each step; its error
// ends the copy. The copy is brought to disk little by little: one large sync
// at the end would hold up every commit that waits for the same disk.
func (s *Snapshot) CopyTo(ctx context.Context, path string, wrote func(n int64) error) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.copy(ctx, path, f, wrote)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("copy a database to %s: %w", path, err)
	}
	return nil
}

func (s *Snapshot) copy(ctx context.Context, path string, f *os.File, wrote func(n int64) error) error {
	s.c.SetInterrupt(ctx)
	b, err := s.c.BackupInit("main", path)
	if err != nil {
		return sqliteError(err)
	}
	var told, synced int64
	for done := false; !done && err == nil; {
		if done, err = b.Step(copyPages); err != nil {
			break
		}
		total := max(1, int64(b.PageCount()))
		at := s.size * (total - int64(b.Remaining())) / total
		err = errors.Join(ctx.Err(), wrote(at-told))
		if told = at; err == nil && at-synced > copySync {
			synced, err = at, unix.Fdatasync(int(f.Fd()))
		}
	}
	return errors.Join(sqliteError(err), sqliteError(b.Close()))
}

func number(c *sqlite3.Conn, query string) (int64, error) {
	s, _, err := c.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if !s.Step() {
		return 0, errors.Join(s.Err(), errors.New("no row"))
	}
	return s.ColumnInt64(0), nil
}
