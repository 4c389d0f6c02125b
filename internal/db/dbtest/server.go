package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of a test's own, which it may stop, start and
// make a standby. Like the shared one it does not outlive the test's process.
type Server struct {
	tb   testing.TB
	p    *postgres
	name string
}

// NewServer starts a server with one empty database.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	return newServer(tb, copyTree)
}

// NewCluster is as NewServer, with a system identifier that no other server
// has: those that NewServer starts are copies of one.
func NewCluster(tb testing.TB) *Server {
	tb.Helper()
	return newServer(tb, func(to, _ string, as user) error {
		bin, err := postgresPrograms()
		if err != nil {
			return err
		}
		return initdb(bin, filepath.Dir(to), to, as)
	})
}

func newServer(tb testing.TB, fill func(to, from string, as user) error) *Server {
	tb.Helper()
	p, err := startPostgres(fill)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.stop(); err != nil {
			tb.Error(err)
		}
	})
	s := &Server{tb: tb, p: p}
	if s.name, err = p.create(); err != nil {
		tb.Fatal(err)
	}
	return s
}

// DSN is the address of the server's database. A commit there survives Stop.
func (s *Server) DSN() string { return s.p.dsn(s.name, "haat") + "&synchronous_commit=on" }

// Host is the folder of the server's socket, as a DSN names it.
func (s *Server) Host() string { return s.p.dir }

// Exec runs SQL as a superuser.
func (s *Server) Exec(text string) {
	s.tb.Helper()
	if err := s.p.exec(text); err != nil {
		s.tb.Fatal(err)
	}
}

// Stop ends the server without letting it finish anything.
func (s *Server) Stop() {
	s.tb.Helper()
	err := os.WriteFile(s.keep(), nil, 0o600)
	if err = errors.Join(err, s.p.halt()); err != nil {
		s.tb.Fatal(err)
	}
}

// Start starts the server again, where it was. It recovers first.
func (s *Server) Start() {
	s.tb.Helper()
	err := s.p.start()
	if remove := os.Remove(s.keep()); !errors.Is(remove, fs.ErrNotExist) {
		err = errors.Join(err, remove)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
}

// Standby starts the server again as a standby in recovery, which takes no
// writes until Promote.
func (s *Server) Standby() {
	s.tb.Helper()
	s.Exec("CHECKPOINT")
	s.Stop()
	signal := filepath.Join(s.p.data(), "standby.signal")
	err := os.WriteFile(signal, nil, 0o600)
	if err = errors.Join(err, s.p.as.own(signal)); err != nil {
		s.tb.Fatal(err)
	}
	s.Start()
}

// Promote lets a standby take writes.
func (s *Server) Promote() {
	s.tb.Helper()
	s.Exec("SELECT pg_promote(true, 60)")
}

// Replica starts another server as a standby of this one, which streams to it.
// It has caught up with what stood when Replica was called.
func (s *Server) Replica() *Server {
	s.tb.Helper()
	dir, err := s.p.as.tempDir()
	if err != nil {
		s.tb.Fatal(err)
	}
	r := &Server{tb: s.tb, p: &postgres{dir: dir, bin: s.p.bin, as: s.p.as}, name: s.name}
	s.tb.Cleanup(func() {
		if err := r.p.stop(); err != nil {
			s.tb.Error(err)
		}
	})
	copied := exec.Command(filepath.Join(s.p.bin, "pg_basebackup"), "-D", r.p.data(), "-h", s.p.dir, "-U", "postgres", "-X", "stream", "-c", "fast", "-R", "--no-sync")
	copied.Dir = dir
	copied.SysProcAttr = &syscall.SysProcAttr{Credential: s.p.as.credential()}
	out, err := copied.CombinedOutput()
	if err == nil {
		err = r.p.start()
	}
	if err != nil {
		s.tb.Fatal(fmt.Errorf("make a standby: %w: %s", err, out))
	}
	return r
}

// PauseReplay has a standby take what it is sent and show none of it, until
// ResumeReplay.
func (s *Server) PauseReplay() {
	s.tb.Helper()
	s.Exec("SELECT pg_wal_replay_pause()")
}

// ResumeReplay ends PauseReplay.
func (s *Server) ResumeReplay() {
	s.tb.Helper()
	s.Exec("SELECT pg_wal_replay_resume()")
}

func (s *Server) keep() string { return filepath.Join(s.p.dir, "keep") }

// RequirePassword has the server ask everybody but the superuser for theirs.
func (s *Server) RequirePassword() {
	s.tb.Helper()
	err := os.WriteFile(filepath.Join(s.p.data(), "pg_hba.conf"), []byte("local all postgres trust\nlocal all all scram-sha-256\n"), 0o600)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.Exec("SELECT pg_reload_conf()")
	for { // the server reads it when it comes to it
		conn, err := pgx.Connect(s.tb.Context(), s.DSN())
		if err != nil {
			return
		}
		if err := conn.Close(s.tb.Context()); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// Hosts is the address of the server's database on it or on one of its
// standbys, whichever takes writes.
func (s *Server) Hosts(others ...*Server) string {
	hosts := []string{s.p.dir}
	for _, o := range others {
		hosts = append(hosts, o.p.dir)
	}
	q := url.Values{"host": {strings.Join(hosts, ",")}, "user": {"haat"}, "sslmode": {"disable"}, "synchronous_commit": {"on"}, "connect_timeout": {"2"}}
	return "postgres:///" + s.name + "?" + q.Encode()
}

// Value gives the one value of a query on the server's database, as text, asked
// by a superuser.
func (s *Server) Value(query string) (v string) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.p.dsn(s.name, "postgres"))
	if err == nil {
		err = errors.Join(conn.QueryRow(ctx, "SELECT ("+query+")::text").Scan(&v), conn.Close(ctx))
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	return v
}

// Await waits until a query says true, for a minute at most.
func (s *Server) Await(query string) {
	s.tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); s.Value(query) != "true"; {
		select {
		case <-tick.C:
		case <-end:
			s.tb.Fatalf("it is never so: %s", query)
		}
	}
}
