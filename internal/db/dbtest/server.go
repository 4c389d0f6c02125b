package dbtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"haat/internal/db/cluster"
)

// Server is a PostgreSQL server of a test's own, which it may stop, start and
// make a standby. Like the shared one it does not outlive the test's process.
type Server struct {
	tb   testing.TB
	p    *cluster.Server
	name string
}

// NewServer starts a server with one empty database.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	return newServer(tb, false)
}

// NewCluster is as NewServer, with a system identifier that no other server
// has: those that NewServer starts are copies of one.
func NewCluster(tb testing.TB) *Server {
	tb.Helper()
	return newServer(tb, true)
}

func newServer(tb testing.TB, own bool) *Server {
	tb.Helper()
	p, err := cluster.Start(own)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, p: p}
	s.atEnd()
	if s.name, err = p.Create(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *Server) atEnd() {
	s.tb.Cleanup(func() {
		if err := s.p.Close(); err != nil {
			s.tb.Error(err)
		}
	})
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// DSN is the address of the server's database. A commit there survives Stop.
func (s *Server) DSN() string { return s.p.DSN(s.name, "haat") + "&synchronous_commit=on" }

// Host is the folder of the server's socket, as a DSN names it.
func (s *Server) Host() string { return s.p.Host() }

// Exec runs SQL as a superuser.
func (s *Server) Exec(text string) { s.tb.Helper(); s.must(s.p.Exec(text)) }

// Ask runs one SQL statement as a superuser in the server's database, and gives
// the first column of its first row as text; empty if there is none.
func (s *Server) Ask(text string) string {
	s.tb.Helper()
	answer, err := s.p.Ask(s.name, text)
	s.must(err)
	return answer
}

// Stop ends the server without letting it finish anything.
func (s *Server) Stop() { s.tb.Helper(); s.must(s.p.Kill()) }

// Start starts the server again, where it was. It recovers first.
func (s *Server) Start() { s.tb.Helper(); s.must(s.p.Again()) }

// Standby starts the server again as a standby in recovery, which takes no
// writes until Promote.
func (s *Server) Standby() { s.tb.Helper(); s.must(s.p.Standby()) }

// Promote lets a standby take writes.
func (s *Server) Promote() { s.tb.Helper(); s.must(s.p.Promote()) }

// Replica starts another server as a standby of this one, which streams to it.
// It has caught up with what stood when Replica was called.
func (s *Server) Replica() *Server {
	s.tb.Helper()
	p, err := s.p.Replica()
	s.must(err)
	r := &Server{tb: s.tb, p: p, name: s.name}
	r.atEnd()
	return r
}

// PauseReplay has a standby take what it is sent and show none of it, until
// ResumeReplay.
func (s *Server) PauseReplay() { s.tb.Helper(); s.must(s.p.PauseReplay()) }

// ResumeReplay ends PauseReplay.
func (s *Server) ResumeReplay() { s.tb.Helper(); s.must(s.p.ResumeReplay()) }

// Orphan has a standby receive no more from its primary.
func (s *Server) Orphan() { s.tb.Helper(); s.must(s.p.Orphan()) }

// RequirePassword has the server ask everybody but the superuser for theirs.
func (s *Server) RequirePassword() {
	s.tb.Helper()
	err := os.WriteFile(filepath.Join(s.p.Data(), "pg_hba.conf"), []byte("local all postgres trust\nlocal all all scram-sha-256\n"), 0o600)
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
