package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is a PostgreSQL database behind a pool of connections.
type postgres struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, dsn string) (*postgres, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
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
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return &postgres{pool}, nil
}

func (e *postgres) name() string { return "postgres" }
func (e *postgres) close() error { e.pool.Close(); return nil }

func (e *postgres) read(ctx context.Context, fn func(session) error) error {
	tx, err := e.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return pgError(err)
	}
	defer rollback(tx)
	return safely(func() error { return fn(pgSession{tx}) })
}

// rollback ends a transaction even if the caller has gone.
func rollback(tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// write runs again after a deadlock or a serialization failure, a few times.
func (e *postgres) write(ctx context.Context, w *work) error {
	for try := 1; ; try++ {
		err := e.writeOnce(ctx, w)
		var pg *pgconn.PgError
		if try == 4 || !errors.As(err, &pg) || pg.Code != "40001" && pg.Code != "40P01" {
			return err
		}
	}
}

func (e *postgres) writeOnce(ctx context.Context, w *work) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return pgError(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return pgError(err)
	}
	defer rollback(tx)
	if err := safely(func() error { return w.run(pgSession{tx}) }); err != nil {
		return err
	}
	if w.tick == nil {
		return pgError(tx.Commit(ctx))
	}
	return e.tickAndCommit(ctx, conn.Conn(), w.tick)
}

// tickAndCommit sends the tick and COMMIT in one packet. If the tick raises,
// the server skips the COMMIT. The row of the clock, taken last, is locked for
// no round trip at all.
func (e *postgres) tickAndCommit(ctx context.Context, conn *pgx.Conn, t *tick) error {
	ids, payloads := make([][]byte, len(t.out)), make([][]byte, len(t.out))
	topics, keys, tags := make([]string, len(t.out)), make([]string, len(t.out)), make([]string, len(t.out))
	for i, o := range t.out {
		ids[i], topics[i], keys[i], tags[i], payloads[i] = o.ID[:], o.Topic, o.Key, o.Tags, o.Payload
	}
	var b pgx.Batch
	b.Queue(`SELECT o_n, o_seq, o_term FROM haat_tick($1, $2, $3, $4, $5, $6, $7, $8)`,
		t.shop, t.epoch, t.at, ids, topics, keys, tags, payloads)
	b.Queue(`COMMIT`)
	res := conn.SendBatch(ctx, &b)
	if err := res.QueryRow().Scan(&t.n, &t.seq, &t.term); err != nil {
		return errors.Join(pgError(err), ignoreFailedBatch(res.Close()))
	}
	tag, err := res.Exec()
	if err == nil && tag.String() != "COMMIT" {
		err = fmt.Errorf("the commit ended in %s", tag)
	}
	if end := res.Close(); err == nil {
		err = end
	}
	return pgError(err)
}

// ignoreFailedBatch drops what Close repeats of the error already returned.
func ignoreFailedBatch(error) error { return nil }

const migrationLock = 0x68616174 // "haat"

func (e *postgres) migrate(ctx context.Context, fn func(session, func(string) error) error) error {
	tx, err := e.pool.Begin(ctx)
	if err != nil {
		return pgError(err)
	}
	defer rollback(tx)
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
		return pgError(err)
	}
	err = fn(pgSession{tx}, func(script string) error {
		_, err := tx.Conn().PgConn().Exec(ctx, script).ReadAll()
		return err
	})
	if err != nil {
		return err
	}
	return pgError(tx.Commit(ctx))
}

type pgSession struct{ tx pgx.Tx }

func (s pgSession) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	rows, err := s.tx.Query(ctx, q.postgres, args...)
	if err != nil {
		return pgError(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return pgError(rows.Err())
}

func (s pgSession) exec(ctx context.Context, q *stmt, args []any) (int64, error) {
	tag, err := s.tx.Exec(ctx, q.postgres, args...)
	if err != nil {
		return 0, pgError(err)
	}
	return tag.RowsAffected(), nil
}

// pgError gives an engine's error the platform's meaning.
func pgError(err error) error {
	var e *pgconn.PgError
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "HA001":
		return fmt.Errorf("%w: %w", ErrMoved, err)
	case "23505":
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case "53100":
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
