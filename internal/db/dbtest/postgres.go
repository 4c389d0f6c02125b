// Package dbtest gives tests real database servers.
//
// [Postgres] starts one PostgreSQL server a test process, on the first call,
// and gives every caller an empty database of its own. A test package that
// uses it has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// so that the server is gone when the package's tests are. However the test
// process ends, the server does not outlive it.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"haat/internal/db/cluster"
)

var servers struct {
	sync.Mutex
	postgres *cluster.Server
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
	name, err := s.Create()
	if err != nil {
		tb.Fatalf("create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Drop(name); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
	return s.DSN(name, "haat")
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

func startedPostgres() (*cluster.Server, error) {
	servers.Lock()
	defer servers.Unlock()
	if servers.closed {
		return nil, errors.New("dbtest: the servers have been stopped")
	}
	if servers.postgres == nil && servers.err == nil {
		servers.postgres, servers.err = cluster.Start(false)
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
	return servers.postgres.Close()
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
