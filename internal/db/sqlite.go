package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// SQLiteOptions size an embedded database.
type SQLiteOptions struct {
	Readers   int   // reading connections; 0 means two per processor, at least four
	CacheKiB  int64 // page cache of each connection; 0 means 8 MiB
	BatchSize int   // changes per commit at most; 0 means 128
	Queue     int   // changes that wait to be written at most, those of one shop included; 0 means 8,192
}

// sqlite is one file with many readers and exactly one writer.
type sqlite struct {
	path    string
	readers chan *sqliteConn
	all     []*sqliteConn
	jobs    chan *job
	stopped chan struct{} // closed when the writer has finished
	closing chan struct{}
	once    sync.Once
	batch   int
	w       *sqliteConn
	queue   queue
	noRoom  atomic.Bool  // the last commit found the disk full
	held    atomic.Int32 // snapshots that are being copied: the log cannot be reset
	tried   time.Time    // when the log was last to be reset
	undone  []*job       // of a batch that was rolled back; the writer's, as is
	guarded int          // batches that are still to have savepoints
}

const (
	checkpointPages = 16_000            // about 64 MB: rare enough to stay off the batch path
	walLimit        = 512 << 20 / 4_096 // pages at which the writer stops to reset the log
	walKept         = 64 << 20          // bytes of the log's file that stay once it has been reset
	busyTimeout     = 5 * time.Second
	resetWait       = 100 * time.Millisecond // of the writer, for readers to let go of the log
)

func openSQLite(path string, o SQLiteOptions) (*sqlite, error) {
	if o.Readers == 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.CacheKiB == 0 {
		o.CacheKiB = 8 << 10
	}
	if o.BatchSize == 0 {
		o.BatchSize = 128
	}
	if o.Queue == 0 {
		o.Queue = 8_192
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	e := &sqlite{
		path: path, readers: make(chan *sqliteConn, o.Readers), batch: o.BatchSize,
		queue: queue{most: o.Queue, share: 2 * o.BatchSize, shops: map[int64]*line{}},
		jobs:  make(chan *job, 4*o.BatchSize), stopped: make(chan struct{}), closing: make(chan struct{}),
	}
	var err error
	e.w, err = openConn(path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE, o.CacheKiB,
		fmt.Sprintf("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=%d;", walKept))
	if err != nil {
		return nil, err
	}
	e.w.docs = &docs{}
	e.all = append(e.all, e.w)
	for range o.Readers {
		c, err := openConn(path, sqlite3.OPEN_READWRITE, o.CacheKiB, "PRAGMA query_only=ON;")
		if err != nil {
			return nil, errors.Join(err, e.closeConns())
		}
		e.all = append(e.all, c)
		e.readers <- c
	}
	go e.writer()
	go e.checkpointer()
	return e, nil
}

func openConn(path string, flags sqlite3.OpenFlag, cacheKiB int64, pragmas string) (*sqliteConn, error) {
	c, err := sqlite3.OpenFlags(path, flags|sqlite3.OPEN_EXRESCODE)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = c.Exec(fmt.Sprintf("PRAGMA busy_timeout=%d; PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%d;%s",
		busyTimeout.Milliseconds(), cacheKiB, pragmas))
	if err == nil {
		// Plans are made without looking at arguments. Otherwise a statement that
		// might use a partial index is made anew for every other argument, which
		// was a tenth of an order.
		_, err = c.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), c.Close())
	}
	return &sqliteConn{c: c, prepared: map[*stmt]*sqlite3.Stmt{}}, nil
}

func (e *sqlite) name() string { return "sqlite" }
func (e *sqlite) full() bool   { return e.noRoom.Load() }

func (e *sqlite) close() error {
	e.once.Do(func() { close(e.closing) })
	<-e.stopped
	for range cap(e.readers) {
		<-e.readers
	}
	return e.closeConns()
}

func (e *sqlite) closeConns() error {
	var errs []error
	for _, c := range e.all {
		for _, s := range c.prepared {
			errs = append(errs, s.Close())
		}
		errs = append(errs, c.c.Close())
	}
	return errors.Join(errs...)
}

func (e *sqlite) read(ctx context.Context, fn func(session) error) error {
	var c *sqliteConn
	select {
	case c = <-e.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return errClosed
	}
	defer func() { e.readers <- c }()
	old := c.c.SetInterrupt(ctx)
	defer c.c.SetInterrupt(old)
	if err := c.control(&beginRead); err != nil {
		return e.explain(sqliteError(err))
	}
	err := safely(func() error { return fn(c) })
	c.c.SetInterrupt(context.Background()) // else a cancelled ROLLBACK would leave the snapshot open
	if end := c.control(&rollbackAll); end != nil && err == nil {
		err = sqliteError(end)
	}
	return err
}

// migrate runs on the writing connection, before the first job.
func (e *sqlite) migrate(ctx context.Context, fn func(session, func(string) error) error) error {
	j := &job{raw: func(c *sqliteConn) error {
		// What a new index sorts, and what would be undone, may be larger than
		// the memory that the engine has.
		if err := c.c.Exec("PRAGMA temp_store=FILE"); err != nil {
			return sqliteError(err)
		}
		defer func() { _ = c.c.Exec("PRAGMA temp_store=MEMORY") }()
		if err := c.c.Exec("BEGIN IMMEDIATE"); err != nil {
			return sqliteError(err)
		}
		err := safely(func() error { return fn(c, c.c.Exec) })
		if err == nil {
			err = tellPlanner(c.c)
		}
		if err != nil {
			return errors.Join(err, c.c.Exec("ROLLBACK"))
		}
		return sqliteError(c.c.Exec("COMMIT"))
	}}
	return e.submit(ctx, j)
}

// checkpointer moves the log into the file on a connection of its own, so
// that no commit waits for it.
func (e *sqlite) checkpointer() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-e.closing:
			return
		case <-t.C:
		}
		info, err := os.Stat(e.path + "-wal")
		if err != nil || info.Size() < checkpointPages*4_096 {
			continue
		}
		select {
		case c := <-e.readers:
			c.c.Exec("PRAGMA query_only=OFF")
			_, _, _ = c.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
			c.c.Exec("PRAGMA query_only=ON")
			e.readers <- c
		case <-e.closing:
			return
		}
	}
}

// sqliteConn is a connection with its prepared statements. It is a session of
// whatever transaction is open on it.
type sqliteConn struct {
	c        *sqlite3.Conn
	prepared map[*stmt]*sqlite3.Stmt
	docs     *docs // of the writer
	failed   error // of a statement of the change under way, which must not go on
}

func (c *sqliteConn) prepare(q *stmt, args []any) (*sqlite3.Stmt, error) {
	s := c.prepared[q]
	if s == nil {
		var err error
		s, _, err = c.c.PrepareFlags(q.sqlite, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return nil, sqliteError(err)
		}
		if s == nil {
			return nil, errors.New("an empty statement")
		}
		c.prepared[q] = s
	} else if s.Busy() {
		return nil, errors.New("the statement is still being read; a row callback must not run it again")
	}
	if q.docs && c.docs != nil {
		c.docs.forget()
		c.docs.stale = true
	}
	if n := s.BindCount(); n != len(args) {
		return nil, fmt.Errorf("the statement takes %d arguments, not %d", n, len(args))
	}
	for i, a := range args {
		var err error
		switch v := a.(type) {
		case nil:
			err = s.BindNull(i + 1)
		case string:
			err = s.BindText(i+1, v)
		case int64:
			err = s.BindInt64(i+1, v)
		case bool:
			err = s.BindBool(i+1, v)
		case []byte:
			if v == nil {
				err = s.BindNull(i + 1)
			} else if len(v) == 0 {
				err = s.BindZeroBlob(i+1, 0)
			} else {
				err = s.BindBlob(i+1, v)
			}
		default:
			err = fmt.Errorf("argument $%d is a %T", i+1, a)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Transaction control, prepared: to parse it anew took a twelfth of an order.
var (
	beginRead   = newStmt("BEGIN")
	beginWrite  = newStmt("BEGIN IMMEDIATE")
	commitWrite = newStmt("COMMIT")
	rollbackAll = newStmt("ROLLBACK")
	savepoint   = newStmt("SAVEPOINT change")
	rollbackTo  = newStmt("ROLLBACK TO change")
	release     = newStmt("RELEASE change")
)

// control runs a statement that begins or ends a transaction. Its error is the
// engine's own.
func (c *sqliteConn) control(q *stmt) error {
	s, err := c.prepare(q, nil)
	if err != nil {
		return err
	}
	for s.Step() {
	}
	return s.Reset()
}

func (c *sqliteConn) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := c.prepare(q, args)
	if err != nil {
		return err
	}
	scan := func(places ...any) error { return scanRow(s, places) }
	ended := false
	defer func() {
		if !ended { // by an error of row, or a panic
			s.Reset()
		}
	}()
	for s.Step() {
		if err := row(scan); err != nil {
			return err
		}
	}
	ended = true
	if err := s.Reset(); err != nil {
		c.failed = sqliteError(err)
		return c.failed
	}
	return nil
}

func (c *sqliteConn) exec(ctx context.Context, q *stmt, args []any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s, err := c.prepare(q, args)
	if err != nil {
		return 0, err
	}
	before := c.c.TotalChanges()
	for s.Step() {
	}
	if err := s.Reset(); err != nil {
		c.failed = sqliteError(err)
		return 0, c.failed
	}
	if c.c.TotalChanges() == before {
		return 0, nil
	}
	return c.c.Changes(), nil // without those of triggers
}
