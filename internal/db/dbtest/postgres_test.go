package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func open(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestEveryCallerHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		conn := open(t, Postgres(t))
		if _, err := conn.Exec(t.Context(), `CREATE TABLE thing (id BIGINT PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDatabaseIsDroppedAtTheEndThoughConnected(t *testing.T) {
	var dsn string
	t.Run("one test", func(t *testing.T) {
		dsn = Postgres(t)
		if _, err := pgx.Connect(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(t.Context())
		t.Fatal("the database is still there")
	}
}

// TestServerDiesWithItsProcess runs this binary again, kills it in the middle
// of a test, and looks for what it has left behind.
func TestServerDiesWithItsProcess(t *testing.T) {
	const inner = "DBTEST_INNER"
	if os.Getenv(inner) != "" {
		fmt.Printf("dsn %s\n", Postgres(t))
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithItsProcess$")
	cmd.Env = append(os.Environ(), inner+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dsn string
	for lines := bufio.NewScanner(out); dsn == "" && lines.Scan(); {
		dsn, _ = strings.CutPrefix(lines.Text(), "dsn ")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	u, err := url.Parse(dsn)
	if err != nil || dsn == "" {
		t.Fatalf("the inner test printed %q: %v", dsn, err)
	}
	dir := u.Query().Get("host")
	until, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		// The folder goes last, when the server has ended.
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-until.Done():
			t.Fatalf("%s is still there", dir)
		}
	}
}

func TestTwoProcessesMakeTheTemplateAtOnce(t *testing.T) {
	const inner = "DBTEST_TEMPLATE"
	if os.Getenv(inner) != "" {
		Postgres(t)
		return
	}
	cache := t.TempDir()
	run := func() error {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcessesMakeTheTemplateAtOnce$")
		cmd.Env = append(os.Environ(), inner+"=1", "XDG_CACHE_HOME="+cache, "HOME="+cache)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	first := make(chan error)
	go func() { first <- run() }()
	if err := errors.Join(run(), <-first); err != nil {
		t.Fatal(err)
	}
	var made []string
	err := filepath.WalkDir(cache, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == "PG_VERSION" && filepath.Base(filepath.Dir(filepath.Dir(path))) == "haat-test" {
			made = append(made, path)
		}
		return err
	})
	if err != nil || len(made) != 1 {
		t.Fatalf("templates %v, error %v", made, err)
	}
}

func TestReplica(t *testing.T) {
	primary := NewServer(t)
	one := open(t, primary.DSN())
	if _, err := one.Exec(t.Context(), `CREATE TABLE thing (id BIGINT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	replica := primary.Replica()
	copied := open(t, replica.DSN())
	count := func() (n int) {
		t.Helper()
		if err := copied.QueryRow(t.Context(), `SELECT COUNT(*) FROM thing`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	replica.PauseReplay()
	if _, err := one.Exec(t.Context(), `INSERT INTO thing VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	if count() != 0 {
		t.Fatal("a paused standby shows what was written after")
	}
	replica.ResumeReplay()
	until, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); count() == 0; {
		select {
		case <-tick.C:
		case <-until.Done():
			t.Fatal("the row does not come")
		}
	}
}
