// Package cluster starts real PostgreSQL servers in temporary folders: primaries
// and streaming standbys that can be killed, started again and promoted. Tests
// have them through dbtest; drills break them.
//
// However this process ends, no server outlives it: a shell that holds the
// other end of a pipe kills it and removes its folder as soon as the pipe
// closes.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server with a folder of its own. It is reached by a
// socket in that folder, and does not outlive this process. Its methods are not
// for several goroutines at once, but for Create, Drop and Exec.
type Server struct {
	dir   string // holds data, log and the socket
	bin   string // PostgreSQL's programs
	as    user
	guard *exec.Cmd     // the shell that ends the server
	alive *os.File      // closing it is what ends the server
	quick bool          // and loses what it has said to be written, if the machine dies
	gone  chan struct{} // closed when no process of the server is left

	mu    sync.Mutex
	admin *pgx.Conn
	n     int
}

// guardScript runs a server until its standard input ends. Descriptor 3 is
// held by the server alone, so that its reader knows when the server is gone.
const guardScript = `
dir=$1; shift
"$@" </dev/null >"$dir/log" 2>&1 &
pid=$!
exec 3>&-
cat >/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid
[ -e "$dir/keep" ] || rm -rf "$dir"
`

// Start starts a server. With its own system identifier it is no copy of the
// others that are started here, which takes a second or two longer.
func Start(own bool) (*Server, error) { return start(own, true) }

// StartDurable starts a server with PostgreSQL's own defaults of what is on the
// disk when, as one that is measured must have.
func StartDurable() (*Server, error) { return start(false, false) }

func start(own, quick bool) (*Server, error) {
	fill := copyTree
	if own {
		fill = func(to, _ string, as user) error {
			bin, err := programs()
			if err != nil {
				return err
			}
			return initdb(bin, filepath.Dir(to), to, as)
		}
	}
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := serverUser()
	if err != nil {
		return nil, err
	}
	template, err := postgresTemplate(bin, as)
	if err != nil {
		return nil, fmt.Errorf("prepare a PostgreSQL data folder: %w", err)
	}
	dir, err := as.tempDir(quick)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, as: as, quick: quick}
	err = fill(s.data(), template, as)
	if err == nil {
		err = s.start()
	}
	if err == nil {
		err = s.Exec(`CREATE ROLE haat LOGIN`)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) start() error {
	s.gone = make(chan struct{})
	args := []string{"-c", guardScript, "sh", s.dir, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir}
	settings := []string{
		"listen_addresses=", // a socket in a folder that only we can enter
		"max_connections=200",
		"wal_level=logical",
		"max_wal_size=256MB",
		"shared_buffers=64MB",
		"autovacuum_naptime=10s",
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if s.quick {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	stdin, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	s.alive = alive
	ended, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer held.Close()

	s.guard = exec.Command("/bin/sh", args...)
	s.guard.Dir = s.dir
	s.guard.Stdin = stdin
	s.guard.ExtraFiles = []*os.File{held}
	// A session of its own: what a terminal sends to the tests is not for it.
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.as.credential()}
	if err := s.guard.Start(); err != nil {
		s.guard = nil
		ended.Close()
		return err
	}
	gone := s.gone
	go func() {
		defer close(gone)
		defer ended.Close()
		_, _ = ended.Read(make([]byte, 1))
	}()
	return s.connect()
}

func (s *Server) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		var err error
		if s.admin, err = pgx.Connect(ctx, s.DSN("postgres", "postgres")); err == nil {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-s.gone:
			return fmt.Errorf("it ended at once: %s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", err, s.log())
		}
	}
}

func (s *Server) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

// DSN is the address of a database for a role.
func (s *Server) DSN(database, user string) string {
	q := url.Values{"host": {s.dir}, "user": {user}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Create makes an empty database that belongs to the role haat, and gives its
// name.
func (s *Server) Create() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	name := "test_" + strconv.Itoa(s.n)
	return name, s.Exec(`CREATE DATABASE ` + name + ` OWNER haat`)
}

// Drop removes a database, whoever is connected.
func (s *Server) Drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Exec(`DROP DATABASE ` + name + ` WITH (FORCE)`)
}

// Exec runs SQL as a superuser.
func (s *Server) Exec(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.admin.Exec(ctx, text)
	return err
}

// Close ends the server and returns when it is gone and its folder removed.
func (s *Server) Close() error { return errors.Join(s.halt(), os.RemoveAll(s.dir)) }

// halt ends the server at once, as a kill would.
func (s *Server) halt() error {
	if s.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = s.admin.Close(ctx)
		cancel()
	}
	if s.alive != nil {
		s.alive.Close()
	}
	if s.guard != nil {
		guard := s.guard
		s.admin, s.alive, s.guard = nil, nil, nil
		if err := guard.Wait(); err != nil {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
	}
	return nil
}

// programs finds the newest folder with all that we start.
func programs() (string, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(installed, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range append(dirs, installed...) {
		ok := true
		for _, program := range []string{"initdb", "postgres", "pg_basebackup"} {
			if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
				ok = false
			}
		}
		if ok {
			return dir, nil
		}
	}
	return "", errors.New("a real PostgreSQL is needed: install it (Debian: apt-get install postgresql; macOS: brew install postgresql)")
}

// version reads 15 from /usr/lib/postgresql/15/bin.
func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}
