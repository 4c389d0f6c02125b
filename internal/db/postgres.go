package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is a PostgreSQL database behind a pool of connections, as many as
// pool_max_conns of its DSN says. Of several hosts in the DSN it talks to the
// one that takes writes.
type postgres struct {
	pool  *pgxpool.Pool
	tries int    // of a transaction that the server ended, or lost
	terms *terms // of the shard, if it is one

	mu   sync.Mutex
	more *postgres // see beside
}

const (
	connectWait = 5 * time.Second // for one host to answer
	acquireWait = 5 * time.Second // for a connection, if the caller would wait longer
	serverTries = 8               // of a transaction that the server ended, or lost
)

func openPostgres(ctx context.Context, dsn string) (*postgres, error) {
	cfg, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.ConnConfig.ValidateConnect == nil {
		cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	t := &terms{}
	cfg.ConnConfig.ValidateConnect = t.refuseEarlier(cfg.ConnConfig.ValidateConnect)
	cfg.BeforeConnect = t.lead
	e, err := connectPostgres(ctx, cfg)
	if err != nil {
		return nil, err
	}
	e.terms = t
	return e, nil
}

func postgresConfig(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, plainDSN(err)
	}
	set := cfg.ConnConfig.RuntimeParams
	for k, v := range map[string]string{
		"application_name": "haat", "timezone": "UTC",
		"statement_timeout": "30s", "idle_in_transaction_session_timeout": "10s", "lock_timeout": "5s",
	} {
		if set[k] == "" {
			set[k] = v
		}
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectWait
	}
	return cfg, nil
}

func connectPostgres(ctx context.Context, cfg *pgxpool.Config) (*postgres, error) {
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, cannotConnect(err)
	}
	return &postgres{pool: pool, tries: serverTries}, nil
}

const (
	besideMost = 4           // connections beside those of the pool
	besideIdle = time.Minute // that they are kept unused
)

// beside is the same database on a few connections more, which are opened when
// they are needed: who works there neither waits behind what is asked of the
// pool nor takes a place there.
func (e *postgres) beside() (*postgres, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.more == nil {
		cfg := e.pool.Config()
		cfg.AfterConnect = rehearse
		cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns, cfg.MaxConnIdleTime = besideMost, 0, 0, besideIdle
		pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
		if err != nil {
			return nil, err
		}
		e.more = &postgres{pool: pool, tries: e.tries, terms: e.terms}
	}
	return e.more, nil
}

func (e *postgres) name() string { return "postgres" }

func (e *postgres) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.more != nil {
		e.more.pool.Close()
	}
	e.pool.Close()
	return nil
}

// acquire takes a connection from the pool. While the server cannot be
// reached, as while it restarts or another takes its place, it tries again.
func (e *postgres) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	bound, cancel := context.WithTimeout(ctx, acquireWait)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second/2) {
		conn, err := e.pool.Acquire(bound)
		if err == nil {
			return conn, nil
		}
		if bound.Err() == nil && passes(err) {
			again := time.NewTimer(pause)
			select {
			case <-again.C:
				continue
			case <-bound.Done():
				again.Stop()
			}
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, context.Cause(ctx)
		}
		return nil, noConnection(err)
	}
}

// read runs fn again if the connection turns out to be broken before the
// first answer: it had lain in the pool when the server restarted.
func (e *postgres) read(ctx context.Context, fn func(session) error) error {
	for try := 1; ; try++ {
		s, err := e.begin(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
		if err != nil {
			return err
		}
		err = safely(func() error { return fn(s) })
		broken := s.broken(ctx)
		s.end()
		if err == nil || !broken || s.answered || try == e.tries {
			return err
		}
	}
}

// write runs again after a deadlock or a serialization failure, and on another
// connection if one broke before COMMIT was sent, a few times each.
func (e *postgres) write(ctx context.Context, w *work) error {
	for try := 1; ; try++ {
		again, err := e.writeOnce(ctx, w)
		if err == nil || !again || try == e.tries {
			return err
		}
	}
}

func (e *postgres) writeOnce(ctx context.Context, w *work) (again bool, err error) {
	if w.shop != 0 && e.terms.behind() {
		return false, ErrPromoted
	}
	s, err := e.begin(ctx, `BEGIN`)
	if err != nil {
		return false, err
	}
	defer s.end()
	if w.shop != 0 {
		s.enterIn(w.shop, e.terms.known.Load())
	}
	if err = safely(func() error { return w.run(s) }); err == nil {
		if w.shop != 0 && w.tick == nil && (s.answered || s.work) {
			s.ahead, s.work = append(s.ahead, ahead{text: holdTerm, args: []any{w.shop}}), true
		}
		err = s.commit(ctx, w.tick)
	}
	var pg *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, ErrDoubt):
	case errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01"):
		again = true
	case errors.Is(err, errEarlier):
		e.reset() // another host may be the one
		again = true
	default:
		again = s.broken(ctx)
	}
	return again, err
}

const migrationLock = 0x68616174 // "haat"

func (e *postgres) migrate(ctx context.Context, fn func(session, func(string) error) error) error {
	s, err := e.begin(ctx, `BEGIN`)
	if err != nil {
		return err
	}
	defer s.end()
	script := func(text string) error {
		_, err := s.conn.Conn().PgConn().Exec(ctx, text).ReadAll()
		return err
	}
	s.ahead = nil // a script is not a statement
	if err := script(fmt.Sprintf(`BEGIN; SELECT pg_advisory_xact_lock(%d); SET LOCAL statement_timeout = 0`, migrationLock)); err != nil {
		return pgError(err)
	}
	if err := fn(s, script); err != nil {
		return err
	}
	return s.commit(ctx, nil)
}

// pgSession is a transaction on a connection. What needs no answer waits in
// ahead, and travels in one packet with the next statement: so BEGIN and the
// setting of the shop cost no round trip, and neither does a transaction that
// runs nothing.
type pgSession struct {
	conn     *pgxpool.Conn
	ahead    []ahead
	answered bool // the server has answered a statement
	failed   error
	work     bool // a statement of a caller waits in ahead
}

// ahead is a statement whose answer nobody waits for.
type ahead struct {
	text string
	args []any
	row  func(scan func(...any) error) error // what it answers, if that is read at all
}

func (e *postgres) begin(ctx context.Context, with string) (*pgSession, error) {
	conn, err := e.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &pgSession{conn: conn, ahead: []ahead{{text: with}}}, nil
}

// batch holds what is to be sent ahead of a statement.
func (s *pgSession) batch() (b *pgx.Batch, sent []ahead) {
	b = &pgx.Batch{}
	for _, a := range s.ahead {
		b.Queue(a.text, a.args...)
	}
	sent, s.ahead = s.ahead, nil
	return b, sent
}

func skip(res pgx.BatchResults, sent []ahead) error {
	for _, a := range sent {
		var err error
		if a.row == nil {
			_, err = res.Exec()
		} else {
			err = answer(res, a.row)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", firstLine(a.text), err)
		}
	}
	return nil
}

func answer(res pgx.BatchResults, row func(scan func(...any) error) error) error {
	rows, err := res.Query()
	for err == nil && rows.Next() {
		err = row(rows.Scan)
	}
	if rows.Close(); err == nil {
		err = rows.Err()
	}
	return err
}

// fail keeps the error of a statement. The transaction ends with it, and may
// not even have begun: whatever a closure makes of the error, nothing runs
// after it.
func (s *pgSession) fail(err error) error {
	s.failed = pgError(err)
	return s.failed
}

func (s *pgSession) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) (err error) {
	if s.failed != nil {
		return fmt.Errorf("after %w", s.failed)
	}
	var rows pgx.Rows
	if len(s.ahead) == 0 {
		rows, err = s.conn.Query(ctx, q.postgres, args...)
	} else {
		b, sent := s.batch()
		b.Queue(q.postgres, args...)
		res := s.conn.SendBatch(ctx, b)
		defer func() {
			if end := res.Close(); err == nil && end != nil {
				err = s.fail(end)
			}
		}()
		if err := skip(res, sent); err != nil {
			return s.fail(err)
		}
		rows, err = res.Query()
	}
	if err != nil {
		return s.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		s.answered = true
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return s.fail(err)
	}
	s.answered = true
	return nil
}

// queries runs statements that all travel in one packet.
func (s *pgSession) queries(ctx context.Context, all []asked) (err error) {
	if s.failed != nil {
		return fmt.Errorf("after %w", s.failed)
	}
	if len(all) == 0 {
		return nil
	}
	b, sent := s.batch()
	for _, a := range all {
		b.Queue(a.q.postgres, a.args...)
	}
	res := s.conn.SendBatch(ctx, b)
	defer func() {
		if end := res.Close(); err == nil && end != nil {
			err = s.fail(end)
		}
	}()
	if err := skip(res, sent); err != nil {
		return s.fail(err)
	}
	for _, a := range all {
		err := answer(res, func(scan func(...any) error) error {
			s.answered = true
			return a.row(scan)
		})
		if err != nil {
			return s.fail(err)
		}
	}
	s.answered = true
	return nil
}

func (s *pgSession) exec(ctx context.Context, q *stmt, args []any) (_ int64, err error) {
	if s.failed != nil {
		return 0, fmt.Errorf("after %w", s.failed)
	}
	var tag pgconn.CommandTag
	if len(s.ahead) == 0 {
		tag, err = s.conn.Exec(ctx, q.postgres, args...)
	} else {
		b, sent := s.batch()
		b.Queue(q.postgres, args...)
		res := s.conn.SendBatch(ctx, b)
		if err = skip(res, sent); err == nil {
			tag, err = res.Exec()
		}
		if end := res.Close(); err == nil {
			err = end
		}
	}
	if err != nil {
		return 0, s.fail(err)
	}
	s.answered = true
	return tag.RowsAffected(), nil
}

// commit sends the tick, if there is one, and COMMIT in one packet. If the
// tick raises, the server skips the COMMIT. The row of the clock, taken last,
// is locked for no round trip at all.
//
// What the server says of the tick is certain: it answers in order, and had
// not come to COMMIT. After a COMMIT that was sent and not answered nobody
// knows, which is ErrDoubt.
func (s *pgSession) commit(ctx context.Context, t *tick) error {
	if s.failed != nil {
		return fmt.Errorf("after %w", s.failed)
	}
	if t == nil && len(s.ahead) > 0 && !s.work {
		return nil // it has run nothing
	}
	b, sent := s.batch()
	if t != nil {
		ids, payloads := make([][]byte, len(t.out)), make([][]byte, len(t.out))
		topics, keys, tags, traces := make([]string, len(t.out)), make([]string, len(t.out)), make([]string, len(t.out)), make([]string, len(t.out))
		for i, o := range t.out {
			ids[i], topics[i], keys[i], tags[i], traces[i], payloads[i] = o.ID[:], o.Topic, o.Key, o.Tags, o.Trace, o.Payload
		}
		b.Queue(`SELECT o_n, o_seq, o_term FROM haat_tick($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.shop, t.epoch, t.at, ids, topics, keys, tags, payloads, traces)
	}
	b.Queue(`COMMIT`)
	res := s.conn.SendBatch(ctx, b)
	err := skip(res, sent)
	if err == nil && t != nil {
		err = res.QueryRow().Scan(&t.n, &t.seq, &t.term)
	}
	var pg *pgconn.PgError
	if err != nil {
		_ = res.Close() // says the same again
		if errors.As(err, &pg) || pgconn.SafeToRetry(err) {
			return pgError(err)
		}
		return fmt.Errorf("%w: %w", ErrDoubt, err)
	}
	tag, err := res.Exec()
	if err == nil && tag.String() != "COMMIT" {
		_ = res.Close()
		return fmt.Errorf("the commit ended in %s", tag)
	}
	if err == nil {
		_ = res.Close() // COMMIT was answered: whatever breaks now, it stands
		return nil
	}
	_ = res.Close()
	if errors.As(err, &pg) && pg.Severity == "ERROR" || pgconn.SafeToRetry(err) {
		return pgError(err)
	}
	return fmt.Errorf("%w: %w", ErrDoubt, err)
}

// broken reports whether the connection was lost, rather than given up because
// the caller had gone.
func (s *pgSession) broken(ctx context.Context) bool {
	return ctx.Err() == nil && s.conn.Conn().IsClosed()
}

// end rolls back what was not committed, even if the caller has gone, and
// gives the connection back. Nobody waits for that.
func (s *pgSession) end() {
	if s.conn.Conn().IsClosed() || s.conn.Conn().PgConn().TxStatus() == 'I' {
		s.conn.Release()
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = s.conn.Exec(ctx, `ROLLBACK`) // if that fails, Release closes the connection
		s.conn.Release()
	}()
}
