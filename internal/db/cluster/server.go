package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Host is the folder of the server's socket, as a DSN names it.
func (s *Server) Host() string { return s.dir }

// Data is the folder of the server's data.
func (s *Server) Data() string { return s.data() }

// Ask runs one SQL statement as a superuser in a database, and gives the first
// column of its first row as text; empty if there is none.
func (s *Server) Ask(database, text string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN(database, "postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	all, err := conn.PgConn().Exec(ctx, text).ReadAll()
	if err == nil && len(all) > 0 && len(all[0].Rows) > 0 {
		answer = string(all[0].Rows[0][0])
	}
	return answer, err
}

// Kill ends the server without letting it finish anything.
func (s *Server) Kill() error {
	return errors.Join(os.WriteFile(s.keep(), nil, 0o600), s.halt())
}

// Again starts a server that was killed, where it was. It recovers first.
func (s *Server) Again() error {
	err := s.start()
	if remove := os.Remove(s.keep()); !errors.Is(remove, fs.ErrNotExist) {
		err = errors.Join(err, remove)
	}
	return err
}

// Standby starts the server again as a standby in recovery, which takes no
// writes until Promote.
func (s *Server) Standby() error {
	if err := s.Exec("CHECKPOINT"); err != nil {
		return err
	}
	if err := s.Kill(); err != nil {
		return err
	}
	signal := filepath.Join(s.data(), "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), s.as.own(signal)); err != nil {
		return err
	}
	return s.Again()
}

// Promote lets a standby take writes, and returns when it does.
func (s *Server) Promote() error { return s.Exec("SELECT pg_promote(true, 60)") }

// Replica starts another server as a standby of this one, which streams to it.
// It has caught up with what stood when Replica was called.
func (s *Server) Replica() (*Server, error) {
	dir, err := s.as.tempDir(s.quick)
	if err != nil {
		return nil, err
	}
	r := &Server{dir: dir, bin: s.bin, as: s.as, quick: s.quick}
	out, err := s.Program("pg_basebackup", "-D", r.data(), "-X", "stream", "-c", "fast", "-R", "--no-sync").CombinedOutput()
	if err == nil {
		out = nil
		err = r.start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a standby: %w: %s", err, out), r.Close())
	}
	return r, nil
}

// Release is the server's major version.
func (s *Server) Release() int { return version(s.bin) }

// Program is one of PostgreSQL's client programs, to be run against this server
// as its superuser.
func (s *Server) Program(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), append([]string{"-h", s.dir, "-U", "postgres"}, args...)...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as.credential()}
	return c
}

// PauseReplay has a standby take what it is sent and show none of it, until
// ResumeReplay.
func (s *Server) PauseReplay() error { return s.Exec("SELECT pg_wal_replay_pause()") }

// ResumeReplay ends PauseReplay.
func (s *Server) ResumeReplay() error { return s.Exec("SELECT pg_wal_replay_resume()") }

// Orphan has a standby receive no more from its primary.
func (s *Server) Orphan() error {
	for _, text := range []string{"ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"} {
		if err := s.Exec(text); err != nil {
			return err
		}
	}
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if n, err := s.Ask("postgres", "SELECT COUNT(*) FROM pg_stat_wal_receiver"); err != nil || n == "0" {
			tick.Stop()
			return err
		}
	}
}

func (s *Server) keep() string { return filepath.Join(s.dir, "keep") }
