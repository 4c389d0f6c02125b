package db

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"haat/internal/id"
)

// Standby is a copy of a shard on PostgreSQL, which the primary streams to. It
// only reads, and may lag: what a snapshot says of itself ([View.Mark],
// [View.Beat]) is all that is known of how old it is.
type Standby struct {
	e     *postgres // for reading
	probe *postgres // one connection for Look, which waits for no reader
	stmts atomic.Int64
	up    atomic.Pointer[presence]
	doubt func()
}

// presence is a standby while it is taken for alive.
type presence struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// ErrAway says that a standby could not serve a read, which another server may:
// it did not answer in time, was lost, or ended the read since what it replays
// was in the way.
var ErrAway = errors.New("the standby does not serve")

// ErrNoStandby says that a server is no standby of this shard.
var ErrNoStandby = errors.New("not a standby of this shard")

const (
	standbyWait = 100 * time.Millisecond // for a connection and the first answer
	doubtAfter  = 100 * time.Millisecond // that a later statement takes, the standby is doubted
)

// OpenStandby connects to a standby of the shard whose [Shard.Identity] is
// given. ErrNoStandby says of a server that answers why it is none: a primary,
// another cluster or database, a schema of another version. It writes nothing.
// doubt is called, by any goroutine, when a read makes it look as if the
// standby were gone: somebody is to call Look then.
func OpenStandby(ctx context.Context, dsn, identity string, schemas []*SchemaSet, doubt func()) (*Standby, error) {
	cfg, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.ValidateConnect = nil // whatever it is, we say it
	probe := cfg.Copy()
	probe.MaxConns, probe.MinConns = 1, 0
	s := &Standby{doubt: doubt}
	if s.probe, err = connectPostgres(ctx, probe); err != nil {
		return nil, err
	}
	err = s.check(ctx, identity, schemas)
	if err == nil {
		s.e, err = connectPostgres(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, s.probe.close())
	}
	s.back()
	return s, nil
}

var (
	recovering = newStmt(`SELECT pg_is_in_recovery(), to_regclass('schema_version') IS NOT NULL AND to_regclass('shard_term') IS NOT NULL`)
	versions   = newStmt(`SELECT room, MAX(version) FROM schema_version GROUP BY room`)
)

// check asks a server what it is.
func (s *Standby) check(ctx context.Context, identity string, schemas []*SchemaSet) error {
	return s.probe.read(ctx, func(raw session) error {
		var standby, shard bool
		err := raw.query(ctx, &recovering, nil, func(scan func(...any) error) error { return scan(&standby, &shard) })
		if err != nil {
			return err
		}
		is, err := identify(ctx, raw)
		switch {
		case err != nil:
			return err
		case is != identity:
			return fmt.Errorf("%w: it is another database (%s, and not %s)", ErrNoStandby, is, identity)
		case !standby:
			return fmt.Errorf("%w: it takes writes, so it is a primary", ErrNoStandby)
		case !shard:
			return fmt.Errorf("%w: it holds no shops", ErrNoStandby)
		}
		have := map[string]int64{}
		err = raw.query(ctx, &versions, nil, func(scan func(...any) error) error {
			var room string
			var version int64
			err := scan(&room, &version)
			have[room] = version
			return err
		})
		if err != nil {
			return err
		}
		for _, set := range append([]*SchemaSet{clockSchema}, schemas...) {
			steps, err := set.steps("postgres")
			if err != nil {
				return err
			}
			if want := int64(steps[len(steps)-1].version); have[set.Room] != want {
				return fmt.Errorf("%w: its schema of %s is at version %d, and this program's at %d", ErrNoStandby, set.Room, have[set.Room], want)
			}
		}
		return nil
	})
}

// Close lets running reads finish and closes the connections.
func (s *Standby) Close() error {
	s.Away(errors.New("it is not listed any more"))
	return errors.Join(s.e.close(), s.probe.close())
}

// Statements counts those that were run by Views.
func (s *Standby) Statements() int64 { return s.stmts.Load() }

var look = newStmt(`SELECT pg_is_in_recovery(), term, beat FROM shard_term`)

// Look asks the standby for the newest beat of its primary that it knows of,
// and the term. It waits for no reader. ErrNoStandby says that it was promoted.
func (s *Standby) Look(ctx context.Context) (beat time.Time, term int64, err error) {
	conn, err := s.probe.pool.Acquire(ctx)
	if err != nil {
		return beat, 0, cannotConnect(err)
	}
	defer conn.Release()
	var standby bool
	var at int64
	if err := conn.QueryRow(ctx, look.postgres).Scan(&standby, &term, &at); err != nil {
		return beat, 0, err
	}
	if !standby {
		return beat, 0, fmt.Errorf("%w: it takes writes, so it is a primary", ErrNoStandby)
	}
	return time.UnixMicro(at).UTC(), term, nil
}

// Away ends the reads under way as ErrAway, and later ones at once, until Back.
func (s *Standby) Away(why error) { s.up.Load().end(fmt.Errorf("%w: %w", ErrAway, why)) }

// Back has the standby read again.
func (s *Standby) Back() {
	if s.up.Load().ctx.Err() != nil {
		s.back()
	}
}

func (s *Standby) back() {
	p := &presence{}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	s.up.Store(p)
}

// View is as [Shard.View], on a snapshot of the standby. It is ErrAway within
// a moment if the standby does not answer. fn has then perhaps begun: it must
// do nothing but read and assign its results, so that it may run again
// elsewhere.
func (s *Standby) View(ctx context.Context, shop id.Shop, epoch int64, fn func(*View) error) error {
	up := s.up.Load()
	if up.ctx.Err() != nil {
		return context.Cause(up.ctx)
	}
	head, cancel := context.WithTimeout(ctx, standbyWait)
	defer cancel()
	conn, err := s.e.pool.Acquire(head)
	if err != nil {
		return s.lost(ctx, cannotConnect(err))
	}
	raw := &pgSession{conn: conn, ahead: []ahead{{text: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`}}}
	defer raw.end()
	raw.enter(int64(shop))
	v := &View{shop: shop, now: time.Now().UTC(), s: counted{raw, &s.stmts}}
	err = v.readHead(head, epoch)
	late := err != nil && head.Err() != nil // perhaps it came to its turn too late to be asked at all
	if err == nil {
		v.s = counted{&patient{raw, s, up.ctx}, &s.stmts}
		err = safely(func() error { return fn(v) })
	}
	if err != nil && (late || raw.conn.Conn().IsClosed() || raw.ended()) {
		return s.lost(ctx, err)
	}
	return err
}

// lost tells a standby that is gone from a caller who is.
func (s *Standby) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	s.doubt()
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// ended reports whether the server ended the transaction for reasons of its
// own: what it replays was in the way, or it stops.
func (s *pgSession) ended() bool {
	var pg *pgconn.PgError
	if !errors.As(s.failed, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", "57P01", "57P02", "57P03", "25006", "53300":
		return true
	}
	return false
}

// patient is a session on a standby that ends with it. A statement that takes
// long has somebody look whether the standby is still there.
type patient struct {
	*pgSession
	s  *Standby
	up context.Context
}

func (p *patient) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.up, func() { cancel(context.Cause(p.up)) })()
	defer time.AfterFunc(doubtAfter, p.s.doubt).Stop()
	return p.pgSession.query(ctx, q, args, row)
}

func identify(ctx context.Context, raw session) (name string, err error) {
	err = each(ctx, raw, &identity, func(n *string) []any { return []any{n} }, func(n string) error { name = n; return nil }, nil)
	return name, err
}

// Pulse writes beats on a shard's primary, on a connection of its own, so that
// a primary that is busy is not taken for one whose standbys lag.
type Pulse struct {
	pool  *pgxpool.Pool
	terms *terms
}

// Pulse makes one; nil for a shard that has no standbys, being a file.
func (s *Shard) Pulse(ctx context.Context) (*Pulse, error) {
	e, ok := s.e.(*postgres)
	if !ok {
		return nil, nil
	}
	cfg := e.pool.Config()
	cfg.MaxConns, cfg.MinConns = 1, 0
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	return &Pulse{pool, e.terms}, err
}

const beat = `UPDATE shard_term SET beat = GREATEST(beat + 1, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint) RETURNING beat, term`

// Beat writes the primary's time into the shard and gives it, and the term.
func (p *Pulse) Beat(ctx context.Context) (at time.Time, term int64, err error) {
	var us int64
	err = p.pool.QueryRow(ctx, beat).Scan(&us, &term)
	if err == nil && term < p.terms.newest() { // or one that is told its term just now
		p.pool.Reset()
	}
	return time.UnixMicro(us).UTC(), term, err
}

// Close ends it.
func (p *Pulse) Close() { p.pool.Close() }

// Conns is how many transactions run on the shard's primary at a time. Apart
// says that those are reads only, and that writes have a queue of their own.
func (s *Shard) Conns() (n int, apart bool) {
	switch e := s.e.(type) {
	case *postgres:
		return int(e.pool.Config().MaxConns), false
	case *sqlite:
		return cap(e.readers), true
	}
	return 0, false
}

// Conns is how many reads run on the standby at a time.
func (s *Standby) Conns() int { return int(s.e.pool.Config().MaxConns) }
