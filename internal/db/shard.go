package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// ErrMoved says that the shop is not open here at the epoch the caller knew:
// it moved, is moving, or was never here. Nothing was written.
var ErrMoved = errors.New("the shop is not open on this shard at this epoch")

// ErrUnique says that a row with the same key exists already.
var ErrUnique = errors.New("a row with this key exists already")

// ErrCheck says that a row would break a rule of its table's own.
var ErrCheck = errors.New("a row breaks a rule of its table")

// ErrFull says that the disk or the database has no room for a write.
var ErrFull = fault.DiskFull

// engine is a database that can run transactions: SQLite or PostgreSQL.
type engine interface {
	name() string
	// read runs fn in one read-only snapshot.
	read(ctx context.Context, fn func(session) error) error
	// write runs w.run in one transaction and, if it fills w.tick, ticks the
	// clock last. It returns after the commit is durable.
	write(ctx context.Context, w *work) error
	// migrate runs text outside of any shop.
	migrate(ctx context.Context, fn func(session, func(script string) error) error) error
	// snapshot opens one instant for copying.
	snapshot(ctx context.Context) (*Snapshot, error)
	// full reports whether the last write found no room.
	full() bool
	close() error
}

// session runs statements inside one transaction. Arguments are bound already.
type session interface {
	query(ctx context.Context, q *stmt, args []any, row func(scan func(...any) error) error) error
	exec(ctx context.Context, q *stmt, args []any) (int64, error)
}

// work is one transaction for an engine's write.
type work struct {
	shop int64               // 0 for the control database
	run  func(session) error // may run again
	tick *tick               // set by run; nil for the control database
	// A transaction of its own: so many rows that SQLite would spend its time on
	// what undoes them without their neighbours.
	whole bool
}

// tick is the last statement of a change, and what it answered.
type tick struct {
	shop, epoch, at int64
	out             []Outgoing
	n, seq, term    int64
}

// Shard is a database that holds shops.
type Shard struct {
	e     engine
	erase []*stmt // one for each table of every room
	stmts atomic.Int64
	all   atomic.Int64
	busy  inFlight
}

// inFlight counts the changes under way, by shop.
type inFlight struct {
	mu sync.Mutex
	of map[id.Shop]int
}

func (c *inFlight) enter(shop id.Shop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[id.Shop]int{}
	}
	c.of[shop]++
}

func (c *inFlight) leave(shop id.Shop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[shop]--; c.of[shop] == 0 {
		delete(c.of, shop)
	}
}

// OpenSQLite opens the SQLite file at path, creating it if need be, and brings
// its schema up to date.
func OpenSQLite(ctx context.Context, path string, o SQLiteOptions, schemas []*SchemaSet) (*Shard, error) {
	e, err := openSQLite(path, o)
	if err != nil {
		return nil, err
	}
	return openShard(ctx, e, schemas)
}

// OpenPostgres connects to the PostgreSQL database at dsn and brings its
// schema up to date.
func OpenPostgres(ctx context.Context, dsn string, schemas []*SchemaSet) (*Shard, error) {
	e, err := openPostgres(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := e.checkRole(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return openShard(ctx, e, schemas)
}

func openShard(ctx context.Context, e engine, schemas []*SchemaSet) (*Shard, error) {
	all := append([]*SchemaSet{clockSchema}, schemas...)
	if err := migrate(ctx, e, all, true); err != nil {
		return nil, errors.Join(err, e.close())
	}
	s := &Shard{e: e}
	for _, set := range slices.Backward(all) { // the clock's own row goes last
		tables, err := set.Tables()
		if err != nil {
			return nil, errors.Join(err, e.close())
		}
		for _, t := range tables {
			if t != "shard_term" {
				q := newStmt("DELETE FROM " + t + " WHERE shop = $1")
				s.erase = append(s.erase, &q)
			}
		}
	}
	return s, nil
}

// Close lets running work finish and closes the database.
func (s *Shard) Close() error { return s.e.close() }

// Full reports whether the last write found no room on the disk. The next one
// that does is enough to make it false.
func (s *Shard) Full() bool { return s.e.full() }

// Engine is "sqlite" or "postgres".
func (s *Shard) Engine() string { return s.e.name() }

// Statements counts the statements that Views and Txs have run on this shard,
// the mark included; transaction control is not counted.
func (s *Shard) Statements() int64 { return s.stmts.Load() }

// Writing counts the changes of a shop that are under way here, those included
// that wait for their turn.
func (s *Shard) Writing(shop id.Shop) int {
	s.busy.mu.Lock()
	defer s.busy.mu.Unlock()
	return s.busy.of[shop]
}

// Acrosses counts the calls of Across.
func (s *Shard) Acrosses() int64 { return s.all.Load() }

// readHead gives where the clock stands, what the snapshot says of its age, and
// the shop's document.
var readHead = Q(`
	SELECT c.epoch, t.term, c.n, c.seq, c.state, c.term, c.term_n, t.restored, t.beat, d.doc
	FROM shop_clock c CROSS JOIN shard_term t
	LEFT JOIN shop_doc d ON d.shop = c.shop
	WHERE c.shop = $1`)

// View runs fn on one read-only snapshot of the shop, whose mark and document
// are read first, in the same snapshot. It returns ErrMoved if the shop does
// not live here at this epoch; a shop that is about to move is still read.
func (s *Shard) View(ctx context.Context, shop id.Shop, epoch int64, fn func(*View) error) error {
	return s.e.read(ctx, func(raw session) error {
		enter(raw, int64(shop))
		v := &View{shop: shop, now: time.Now().UTC(), s: counted{raw, &s.stmts}}
		if err := v.readHead(ctx, epoch); err != nil {
			return err
		}
		return fn(v)
	})
}

func (v *View) readHead(ctx context.Context, epoch int64) error {
	h := &v.head
	err := v.query(ctx, &readHead.stmt, []any{int64(v.shop)}, func(scan func(...any) error) error {
		return scan(&h.epoch, &h.term, &h.n, &v.mark.Seq, &h.state, &h.newest, &h.from, &h.restored, &h.beat, &v.doc)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(readHead.postgres), err)
	}
	if h.epoch != epoch || !(Clock{State: h.state}).Readable() {
		return ErrMoved
	}
	v.mark = Mark{Shop: v.shop, Epoch: h.epoch, Term: h.term, N: h.n, Seq: v.mark.Seq}
	return nil
}

// Change runs fn in a transaction on the shop and returns the mark of its
// commit. It returns ErrMoved if the shop is not open here at this epoch.
func (s *Shard) Change(ctx context.Context, shop id.Shop, epoch int64, fn func(*Tx) error) (Mark, error) {
	return s.change(ctx, shop, epoch, func(tx *Tx) error {
		err := fn(tx)
		if err == nil {
			return nil
		}
		// What it did not find may be elsewhere: it was perhaps looking at what is
		// left of a shop that has moved.
		if c, ok, look := readClock(ctx, tx.s, shop); look == nil && !(ok && c.Epoch == epoch && c.Readable()) {
			return ErrMoved
		}
		return err
	})
}

var newClock = Q(`INSERT INTO shop_clock (shop, n, seq, epoch, state) VALUES ($1, 0, 0, $2, 'open')`)

// Create opens a new shop here at this epoch and runs fn as its first change,
// in one transaction. It returns ErrUnique if the shop is here already.
func (s *Shard) Create(ctx context.Context, shop id.Shop, epoch int64, fn func(*Tx) error) (Mark, error) {
	return s.change(ctx, shop, epoch, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, newClock, epoch); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (s *Shard) change(ctx context.Context, shop id.Shop, epoch int64, fn func(*Tx) error) (Mark, error) {
	s.busy.enter(shop)
	defer s.busy.leave(shop)
	var tx *Tx
	w := &work{shop: int64(shop)}
	w.run = func(raw session) error {
		tx = &Tx{shop: shop, now: time.Now().UTC().Truncate(time.Microsecond), s: counted{raw, &s.stmts}}
		if err := fn(tx); err != nil {
			return err
		}
		w.tick = &tick{shop: int64(shop), epoch: epoch, at: tx.now.UnixMicro(), out: tx.out}
		return nil
	}
	if err := s.e.write(ctx, w); err != nil {
		return Mark{}, err
	}
	tx.seq = w.tick.seq
	for _, fn := range tx.after {
		fn()
	}
	return Mark{Shop: shop, Epoch: epoch, Term: w.tick.term, N: w.tick.n, Seq: w.tick.seq}, nil
}

// Erase deletes every row of a shop that is nobody's: an orphan of a sign-up
// that died half way. The caller has made sure of that.
func (s *Shard) Erase(ctx context.Context, shop id.Shop) error {
	w := &work{shop: int64(shop), run: func(raw session) error {
		for _, q := range s.erase {
			if _, err := exec(ctx, raw, q, []any{int64(shop)}); err != nil {
				return err
			}
		}
		return nil
	}}
	return s.e.write(ctx, w)
}

// Count is a row of a shard-wide statement.
type Count struct {
	Shop id.Shop
	N    int64
}

// Across runs a shard-wide statement in one snapshot. It is the one way to read
// more than one shop's rows.
func (s *Shard) Across(ctx context.Context, q *AcrossSQL, args ...any) ([]Count, error) {
	var out []Count
	s.all.Add(1)
	err := s.e.read(ctx, func(raw session) (err error) {
		leave(raw)
		out, err = across(ctx, raw, q, args)
		return err
	})
	return out, err
}

func across(ctx context.Context, raw session, q *AcrossSQL, args []any) (out []Count, err error) {
	err = each(ctx, raw, &q.stmt, func(c *Count) []any { return []any{(*int64)(&c.Shop), &c.N} },
		func(c Count) error { out = append(out, c); return nil }, args)
	return out, err
}

// counted counts the statements of a session.
type counted struct {
	session
	n *atomic.Int64
}

func (c counted) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	c.n.Add(1)
	return c.session.query(ctx, q, args, row)
}

func (c counted) exec(ctx context.Context, q *stmt, args []any) (int64, error) {
	c.n.Add(1)
	return c.session.exec(ctx, q, args)
}

// safely turns a panic of fn into an error, so that one change cannot take
// its neighbours in a batch with it.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, stack())
		}
	}()
	return fn()
}

var (
	readSeq = Q(`SELECT seq FROM shop_clock WHERE shop = $1`)
	probe   = Across(`SELECT one, term FROM shard_term`)
)

// Seq gives the number of events that the shop has emitted.
func Seq(ctx context.Context, r Reader) (int64, error) {
	seq, _, err := One(ctx, r, readSeq, func(n *int64) []any { return []any{n} })
	return seq, err
}

// Check reads from the shard.
func (s *Shard) Check(ctx context.Context) error {
	rows, err := s.Across(ctx, probe)
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("the shard has %d terms instead of one", len(rows))
	}
	return err
}
