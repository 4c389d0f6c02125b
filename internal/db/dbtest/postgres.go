// Package dbtest gives tests real database servers.
//
// [Postgres] starts one PostgreSQL server a test process, on the first call,
// and gives every caller an empty database of its own. A test package that
// uses it has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// so that the server is gone when the package's tests are. However the test
// process ends, the server does not outlive it: a shell that holds the other
// end of a pipe kills it and removes its folder as soon as the pipe closes.
package dbtest

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
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var servers struct {
	sync.Mutex
	postgres *postgres
	err      error // of the first start; it is not tried again
	closed   bool
}

// Postgres gives the address of an empty database on a real PostgreSQL
// server, and of the role that owns it, as haat is to be run. The database is dropped when the test ends, whoever is still
// connected. Without PostgreSQL's programs the test fails; it is not skipped.
func Postgres(tb testing.TB) (dsn string) {
	tb.Helper()
	s, err := startedPostgres()
	if err != nil {
		tb.Fatal(err)
	}
	name, err := s.create()
	if err != nil {
		tb.Fatalf("create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.drop(name); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
	return s.dsn(name, "haat")
}

// Main runs a package's tests, stops what they started and exits.
func Main(m *testing.M) {
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func startedPostgres() (*postgres, error) {
	servers.Lock()
	defer servers.Unlock()
	if servers.closed {
		return nil, errors.New("dbtest: the servers have been stopped")
	}
	if servers.postgres == nil && servers.err == nil {
		servers.postgres, servers.err = startPostgres(copyTree)
	}
	return servers.postgres, servers.err
}

func stop() error {
	servers.Lock()
	defer servers.Unlock()
	servers.closed = true
	if servers.postgres == nil {
		return nil
	}
	return servers.postgres.stop()
}

type postgres struct {
	dir   string // holds data, log and the socket
	bin   string // PostgreSQL's programs
	as    user
	guard *exec.Cmd     // the shell that ends the server
	alive *os.File      // closing it is what ends the server
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

// startPostgres starts a server on a folder of data that fill makes of a
// template.
func startPostgres(fill func(to, from string, as user) error) (*postgres, error) {
	bin, err := postgresPrograms()
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
	dir, err := as.tempDir()
	if err != nil {
		return nil, err
	}
	s := &postgres{dir: dir, bin: bin, as: as}
	err = fill(s.data(), template, as)
	if err == nil {
		err = s.start()
	}
	if err == nil {
		err = s.exec(`CREATE ROLE haat LOGIN`)
	}
	if err != nil {
		_ = s.stop()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *postgres) data() string { return filepath.Join(s.dir, "data") }

func (s *postgres) start() error {
	s.gone = make(chan struct{})
	args := []string{"-c", guardScript, "sh", s.dir, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir}
	for _, setting := range []string{
		"listen_addresses=", // a socket in a folder that only we can enter
		"max_connections=200",
		"fsync=off",
		"synchronous_commit=off",
		"full_page_writes=off",
		"wal_level=logical",
		"max_wal_size=256MB",
		"shared_buffers=64MB",
		"autovacuum_naptime=10s",
		"timezone=UTC",
		"log_timezone=UTC",
	} {
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

func (s *postgres) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		var err error
		if s.admin, err = pgx.Connect(ctx, s.dsn("postgres", "postgres")); err == nil {
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

func (s *postgres) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

func (s *postgres) dsn(database, user string) string {
	q := url.Values{"host": {s.dir}, "user": {user}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

func (s *postgres) create() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	name := "test_" + strconv.Itoa(s.n)
	return name, s.exec(`CREATE DATABASE ` + name + ` OWNER haat`)
}

func (s *postgres) drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exec(`DROP DATABASE ` + name + ` WITH (FORCE)`)
}

func (s *postgres) exec(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.admin.Exec(ctx, text)
	return err
}

// stop ends the server and returns when it is gone and its folder removed.
func (s *postgres) stop() error { return errors.Join(s.halt(), os.RemoveAll(s.dir)) }

// halt ends the server at once, as a kill would.
func (s *postgres) halt() error {
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

// postgresPrograms finds the newest folder with all that we start.
func postgresPrograms() (string, error) {
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
	return "", errors.New("these tests need a real PostgreSQL: install it (Debian: apt-get install postgresql; macOS: brew install postgresql)")
}

// version reads 15 from /usr/lib/postgresql/15/bin.
func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// Exec runs SQL on a database, as the role of its DSN.
func Exec(tb testing.TB, dsn, text string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = conn.Exec(ctx, text)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		tb.Fatal(err)
	}
}
