package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/fault"
)

//go:embed control/schema/*.sql
var fenceFiles embed.FS

var fenceSchema = Schema("control", below(fenceFiles, "control"))

func below(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err)
	}
	return sub
}

// Control is the database of what belongs to no shop: accounts, the
// directory, shards. When it has moved to another database, whoever uses it
// goes on there: see [Control.Move].
type Control struct {
	at      atomic.Pointer[place]
	o       SQLiteOptions
	schemas []*SchemaSet
	bare    bool // opened without schemas

	mu  sync.Mutex // of going on elsewhere
	was []engine   // still read by those who began there
}

// place is where a control database is.
type place struct {
	e   engine
	dsn string
}

// ControlTx reads, and inside Change writes, the control database.
type ControlTx struct {
	s   session
	now time.Time
}

// Now is one instant, the same throughout the transaction.
func (t *ControlTx) Now() time.Time { return t.now }

// errFenced says that a control database takes no writes: it moves, or has
// moved.
var errFenced = errors.New("the control database is being moved")

const (
	mostMoves  = 8                // that are followed in a row
	fencedWait = 15 * time.Second // for a move to end one way or the other
)

// OpenControl opens the control database: a PostgreSQL DSN or a SQLite path.
// One that has moved is followed to where it is now. Without schemas any
// database is opened as it is, and nobody asks whether it moves.
func OpenControl(ctx context.Context, dsn string, o SQLiteOptions, schemas []*SchemaSet) (*Control, error) {
	c := &Control{o: o, bare: len(schemas) == 0, schemas: schemas}
	if !c.bare {
		c.schemas = append([]*SchemaSet{fenceSchema}, schemas...)
	}
	p, err := c.open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	c.at.Store(p)
	if c.bare {
		return c, nil
	}
	if err := c.Follow(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// open opens a database as a control database, with its schema up to date.
func (c *Control) open(ctx context.Context, dsn string) (*place, error) {
	var e engine
	var err error
	if isPostgres(dsn) {
		e, err = openPostgres(ctx, dsn)
	} else {
		e, err = openSQLite(dsn, c.o)
	}
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, e, c.schemas, false); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return &place{e, dsn}, nil
}

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// Close lets running work finish and closes the database.
func (c *Control) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.at.Load().e.close()
	for _, e := range c.was {
		err = errors.Join(err, e.close())
	}
	return err
}

// Full is as that of a shard.
func (c *Control) Full() bool { return c.at.Load().e.full() }

// Where is the DSN or path of the database that is used now.
func (c *Control) Where() string { return c.at.Load().dsn }

// fence is what a control database says of itself.
type fence struct {
	state, target, claim string
	until                int64
}

var (
	readFence = newStmt(`SELECT state, target, claim, until FROM control_fence`)
	endMove   = newStmt(`UPDATE control_fence SET state = 'open', target = '', claim = '', until = 0 WHERE state = 'moving' AND claim = $1`)
	endFill   = newStmt(`UPDATE control_fence SET state = 'open', target = '', claim = '', until = 0 WHERE state = 'filling'`)
)

func fenceOf(ctx context.Context, s session) (f fence, err error) {
	n := 0
	err = each(ctx, s, &readFence, func(f *fence) []any { return []any{&f.state, &f.target, &f.claim, &f.until} },
		func(got fence) error { f, n = got, n+1; return nil }, nil)
	if err == nil && n != 1 {
		err = errors.New("the control database does not say where it stands: control_fence has no row")
	}
	return f, err
}

func (p *place) fence(ctx context.Context) (f fence, err error) {
	err = p.e.read(ctx, func(s session) (err error) {
		f, err = fenceOf(ctx, s)
		return err
	})
	return f, err
}

// Follow goes on in the database that this one has moved to, if it has, and
// ends a move that somebody else has begun and left. It costs one read.
func (c *Control) Follow(ctx context.Context) error {
	for range mostMoves {
		p := c.at.Load()
		f, err := p.fence(ctx)
		if err != nil {
			return err
		}
		switch {
		case f.state == "open":
			return nil
		case f.state == "filling":
			return errors.New("the control database is only half copied: haat control move was cut off, and the one that it was copied from is still the true one")
		case f.state == "moving" && time.Now().UnixMicro() > f.until:
			return p.e.write(ctx, &work{run: func(s session) error {
				_, err := exec(ctx, s, &endMove, []any{f.claim})
				return err
			}})
		case f.state == "moving":
			return nil
		}
		if err := c.goOn(ctx, p, f.target); err != nil {
			return fmt.Errorf("the control database has moved: %w", err)
		}
	}
	return errors.New("the control database has moved in a circle")
}

// goOn uses another database from now on, unless somebody has done so already.
func (c *Control) goOn(ctx context.Context, from *place, dsn string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.Load() != from {
		return nil
	}
	to, err := c.open(ctx, dsn)
	if err != nil {
		return err
	}
	// A move is decided where it came from; the other end may not know yet.
	err = to.e.write(ctx, &work{run: func(s session) error {
		_, err := exec(ctx, s, &endFill, nil)
		return err
	}})
	if err != nil {
		return errors.Join(err, to.e.close())
	}
	c.at.Store(to)
	c.was = append(c.was, from.e)
	return nil
}

// fenced is a session on an engine that looks at the fence by itself, with the
// first packet.
type fenced interface{ atFence(reading bool) }

func (s *pgSession) atFence(reading bool) {
	s.ahead = append(s.ahead, ahead{text: `SELECT haat_control($1)`, args: []any{reading}})
}

// View runs fn in one read-only snapshot. It goes on while the database moves.
func (c *Control) View(ctx context.Context, fn func(*ControlTx) error) error {
	return c.here(ctx, func(p *place) error {
		return p.e.read(ctx, func(s session) error {
			if f, ok := s.(fenced); ok && !c.bare {
				f.atFence(true)
			}
			return fn(&ControlTx{s, time.Now().UTC()})
		})
	})
}

// Change runs fn in a transaction. Like a shop's change it may run again.
// While the database moves, it waits.
func (c *Control) Change(ctx context.Context, fn func(*ControlTx) error) error {
	return c.here(ctx, func(p *place) error {
		return p.e.write(ctx, &work{run: func(s session) error {
			switch f, ok := s.(fenced); {
			case c.bare:
			case ok:
				f.atFence(false)
			default:
				if f, err := fenceOf(ctx, s); err != nil {
					return err
				} else if f.state != "open" {
					return errFenced
				}
			}
			return fn(&ControlTx{s, time.Now().UTC().Truncate(time.Microsecond)})
		}})
	})
}

// here runs fn where the control database is, and again where it has moved to.
func (c *Control) here(ctx context.Context, fn func(*place) error) error {
	wait, cancel := context.WithTimeout(ctx, fencedWait)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		p := c.at.Load()
		err := fn(p)
		if !errors.Is(err, errFenced) {
			return err
		}
		if err := c.Follow(wait); err != nil {
			return err
		}
		if c.at.Load() != p {
			continue
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-wait.Done():
			again.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fault.Busy(time.Second, "The platform is being moved to another database. Try again in a moment.").With("control-moving").Because(err)
		}
	}
}

// Exec runs q and gives the number of rows it wrote.
func (t *ControlTx) Exec(ctx context.Context, q *ControlSQL, args ...any) (int64, error) {
	return exec(ctx, t.s, &q.stmt, append([]any(nil), args...))
}

// ControlAll runs q and collects its rows.
func ControlAll[T any](ctx context.Context, t *ControlTx, q *ControlSQL, scan func(*T) []any, args ...any) ([]T, error) {
	var out []T
	err := each(ctx, t.s, &q.stmt, scan, func(v T) error { out = append(out, v); return nil }, append([]any(nil), args...))
	return out, err
}

// ControlOne runs q and gives its first row; false if there is none.
func ControlOne[T any](ctx context.Context, t *ControlTx, q *ControlSQL, scan func(*T) []any, args ...any) (T, bool, error) {
	all, err := ControlAll(ctx, t, q, scan, args...)
	if err != nil || len(all) == 0 {
		var none T
		return none, false, err
	}
	return all[0], true, nil
}
