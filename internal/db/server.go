package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Server is what a PostgreSQL server says of itself and of the database that
// a DSN names there.
type Server struct {
	System   string // identifier of the cluster, the same on its standbys
	Identity string // of the database: see [Shard.Identity]
	Standby  bool   // in recovery: takes no writes
}

// Look asks the server at dsn what it is. It opens one connection, changes
// nothing, and accepts a standby. Its errors are one line each.
func Look(ctx context.Context, dsn string) (s Server, err error) {
	pool, err := pgxpool.ParseConfig(dsn) // it may say how large the pool is to be
	if err != nil {
		return s, plainDSN(err)
	}
	cfg := pool.ConnConfig
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectWait
	}
	ctx, cancel := context.WithTimeout(ctx, 2*connectWait)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return s, cannotConnect(err)
	}
	defer func() {
		bound, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(bound))
	}()
	var database string
	err = conn.QueryRow(ctx, `
		SELECT c.system_identifier::text, d.oid::text, pg_is_in_recovery()
		FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`).Scan(&s.System, &database, &s.Standby)
	if err != nil {
		return s, fmt.Errorf("ask the PostgreSQL server what it is: %w", err)
	}
	s.Identity = s.System + "/" + database
	return s, nil
}

// plainDSN says on one line, and without the password, what is wrong with a
// DSN.
func plainDSN(err error) error {
	var bad *pgconn.ParseConfigError
	if errors.As(err, &bad) {
		if cause := bad.Unwrap(); cause != nil {
			err = cause
		} else {
			err = errors.New("it cannot be parsed")
		}
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("this is no address of a PostgreSQL database: %s", strings.Join(strings.Fields(err.Error()), " "))
}

// Unreachable reports whether an error says that a database could not be
// reached, rather than that it is not what it should be.
func Unreachable(err error) bool {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return false
	}
	var pg *pgconn.PgError
	return !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "53") || errors.Is(err, pgconn.ErrReadOnlyConnection)
}
