package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Stand is how a server stands that is, or may become, a shard's primary.
type Stand struct {
	Server
	Host string // and port, or the folder of its socket
	Err  error  // why it could not be asked, in one line; then nothing else is known
	WAL  uint64 // up to where it has written or, on a standby, received
	Seen uint64 // up to where it shows that, which Beat is as of
	Beat time.Time
	Term int64
	Told bool // it takes writes, and was told its term since it was promoted
}

// LookEach asks every server that a DSN names how it stands; whether it takes
// writes does not matter. It changes nothing.
func LookEach(ctx context.Context, dsn string) ([]Stand, error) {
	each, err := apart(dsn)
	if err != nil {
		return nil, err
	}
	out := make([]Stand, len(each))
	for i, cfg := range each {
		out[i].Host = hostOf(cfg.Host, cfg.Port)
		out[i].Err = out[i].ask(ctx, cfg)
	}
	return out, nil
}

// Hosts lists the servers that a DSN names.
func Hosts(dsn string) (out []string, err error) {
	each, err := apart(dsn)
	for _, cfg := range each {
		out = append(out, hostOf(cfg.Host, cfg.Port))
	}
	return out, err
}

func hostOf(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return host + ":" + strconv.Itoa(int(port))
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// apart makes a configuration of its own for each server of a DSN.
func apart(dsn string) (out []*pgx.ConnConfig, err error) {
	pool, err := pgxpool.ParseConfig(dsn) // it may say how large the pool is to be
	if err != nil {
		return nil, plainDSN(err)
	}
	all := pool.ConnConfig
	if all.ConnectTimeout == 0 {
		all.ConnectTimeout = connectWait
	}
	of := map[string]*pgx.ConnConfig{}
	for _, at := range append([]*pgconn.FallbackConfig{{Host: all.Host, Port: all.Port, TLSConfig: all.TLSConfig}}, all.Fallbacks...) {
		host := hostOf(at.Host, at.Port)
		if had := of[host]; had != nil { // with and without TLS
			had.Fallbacks = append(had.Fallbacks, at)
			continue
		}
		cfg := all.Copy()
		cfg.Host, cfg.Port, cfg.TLSConfig, cfg.Fallbacks, cfg.ValidateConnect = at.Host, at.Port, at.TLSConfig, nil, nil
		of[host] = cfg
		out = append(out, cfg)
	}
	return out, nil
}

func (s *Stand) ask(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectWait)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return cannotConnect(err)
	}
	defer func() {
		bound, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(bound))
	}()
	var database string
	var wal, seen, beat int64
	err = conn.QueryRow(ctx, `
		SELECT c.system_identifier::text, d.oid::text, pg_is_in_recovery(),
			(CASE WHEN pg_is_in_recovery() THEN GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END - '0/0')::bigint,
			(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::bigint
		FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`).Scan(&s.System, &database, &s.Standby, &wal, &seen)
	if err == nil {
		s.Identity, s.WAL = s.System+"/"+database, uint64(wal)
		s.Seen = uint64(seen)
		err = conn.QueryRow(ctx, `SELECT term, beat, CASE WHEN pg_is_in_recovery() THEN false ELSE timeline = haat_timeline() END FROM shard_term`).Scan(&s.Term, &beat, &s.Told)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" {
		return fmt.Errorf("the database at %s holds no shops", s.Host)
	}
	if err != nil {
		return fmt.Errorf("ask the server at %s how it stands: %w", s.Host, err)
	}
	s.Beat = time.UnixMicro(beat).UTC()
	return nil
}

// Promote has the standby at dsn take writes from now on, and returns when it
// does. Its error is one line.
func Promote(ctx context.Context, dsn string) error {
	each, err := apart(dsn)
	if err != nil {
		return err
	}
	if len(each) != 1 {
		return errors.New("this names several servers: give the one that is to be promoted")
	}
	ctx, cancel := context.WithTimeout(ctx, promoteWait+2*connectWait)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, each[0])
	if err != nil {
		return cannotConnect(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	done := false
	err = conn.QueryRow(ctx, `SELECT pg_promote(true, $1)`, int(promoteWait/time.Second)).Scan(&done)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "42501":
		return fmt.Errorf("the role %q may not promote its server: promote it by hand (pg_ctl promote) and give the same command again, or have a superuser say on the primary, in this database: GRANT EXECUTE ON FUNCTION pg_promote TO %s", each[0].User, pgx.Identifier{each[0].User}.Sanitize())
	case err != nil:
		return fmt.Errorf("promote the standby: %w", err)
	case !done:
		return fmt.Errorf("the standby does not take writes within %v of being told to: look into its log, and give the same command again", promoteWait)
	}
	return nil
}

const promoteWait = time.Minute

// Lead has the connections that are made from now on go to another address of
// the shard's database, and closes those there are once they are given back.
func (s *Shard) Lead(dsn string) error {
	e, ok := s.e.(*postgres)
	if !ok {
		return errors.New("a shard in a file has no other address")
	}
	cfg, err := postgresConfig(dsn)
	if err != nil {
		return err
	}
	e.terms.at.Store(cfg.ConnConfig)
	e.reset()
	return nil
}

// lead changes where a connection goes, if the shard is elsewhere by now.
func (t *terms) lead(_ context.Context, c *pgx.ConnConfig) error {
	if at := t.at.Load(); at != nil {
		at := at.Copy()
		c.Host, c.Port, c.Database, c.User, c.Password, c.TLSConfig, c.Fallbacks = at.Host, at.Port, at.Database, at.User, at.Password, at.TLSConfig, at.Fallbacks
	}
	return nil
}
