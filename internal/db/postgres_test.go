package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db/dbtest"
	"haat/internal/fault"
	"haat/internal/id"
)

func with(t *testing.T, dsn string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestEveryConnectionHasItsTimeouts(t *testing.T) {
	for own, want := range map[string]string{"": "30s", "12345": "12345ms"} {
		dsn := dbtest.Postgres(t)
		if own != "" {
			dsn = with(t, dsn, "statement_timeout", own)
		}
		s := twoShops(t, dsn)
		for setting, want := range map[string]string{"statement_timeout": want, "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"} {
			var got string
			err := s.View(t.Context(), 1, 1, func(v *View) (err error) {
				got, _, err = One(t.Context(), v, Q(`SELECT current_setting('`+setting+`') WHERE $1::bigint > 0`), func(s *string) []any { return []any{s} })
				return err
			})
			if err != nil || got != want {
				t.Errorf("%s is %s, %v; want %s", setting, got, err, want)
			}
		}
	}
}

var (
	slow    = Q(`SELECT 1::bigint FROM pg_sleep(25) WHERE $1::bigint > 0`)
	running = newStmt(`SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'SELECT 1::bigint FROM pg_sleep%' AND state = 'active' AND datname = current_database()`)
)

// The statement of a caller who has gone ends on the server too.
func TestADeadlineEndsTheStatement(t *testing.T) {
	s := twoShops(t, dbtest.Postgres(t))
	for name, run := range map[string]func(context.Context) error{
		"view": func(ctx context.Context) error {
			return s.View(ctx, 1, 1, func(v *View) error {
				_, err := All(ctx, v, slow, func(n *int64) []any { return []any{n} })
				return err
			})
		},
		"change": func(ctx context.Context) error {
			_, err := s.Change(ctx, 1, 1, func(tx *Tx) error { _, err := tx.Exec(ctx, slow); return err })
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := run(ctx)
		cancel()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
		for still := int64(1); still > 0; { // the test's own time limit ends this
			err := s.e.read(t.Context(), func(raw session) error {
				return each(t.Context(), raw, &running, func(n *int64) []any { return []any{n} }, func(n int64) error { still = n; return nil }, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%s: the server went on for %v", name, took)
		}
	}
}

// Who gets no connection in time is told to come again.
func TestAPoolInUseIsBusy(t *testing.T) {
	const conns = 2
	s := twoShops(t, with(t, dbtest.Postgres(t), "pool_max_conns", fmt.Sprint(conns)))
	in, out := make(chan int, conns), make(chan int)
	var wait sync.WaitGroup
	for range conns {
		wait.Go(func() {
			err := s.View(t.Context(), 1, 1, func(*View) error { in <- 1; <-out; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range conns {
		<-in
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Change(ctx, 1, 1, func(*Tx) error { t.Error("it ran"); return nil })
	if f := fault.Of(err); f == nil || f.Kind != fault.KindBusy || f.Code != "database-busy" || f.RetryAfter == 0 {
		t.Errorf("a third: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := s.View(gone, 1, 1, func(*View) error { return nil }); !errors.Is(err, context.Canceled) || fault.Of(err) != nil {
		t.Errorf("a caller who has gone: %v", err)
	}
	close(out)
	wait.Wait()
	if ks := seen(t, s, 1, getRows); len(ks) != 1 {
		t.Errorf("afterwards %v", ks)
	}
}

// hammer has writers add one row a change to shop 1 until n stand, while harm
// is done, and gives what was acknowledged, what is in doubt and what failed.
func hammer(t *testing.T, s *Shard, n int64, harm func(done *atomic.Int64)) (acked, doubt []int64, failed []error) {
	t.Helper()
	var next, done atomic.Int64
	next.Store(1000)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for done.Load() < n {
				k := next.Add(1)
				_, err := s.Change(t.Context(), 1, 1, func(tx *Tx) error {
					_, err := tx.Exec(t.Context(), putRow, k)
					return err
				})
				mu.Lock()
				switch {
				case err == nil:
					acked = append(acked, k)
				case errors.Is(err, ErrDoubt):
					doubt = append(doubt, k)
				default:
					failed = append(failed, err)
				}
				mu.Unlock()
				done.Add(1)
			}
		})
	}
	harm(&done)
	wait.Wait()
	return acked, doubt, failed
}

// account checks that all acknowledged rows are there, and of the others only
// such as were in doubt.
func account(t *testing.T, s *Shard, acked, doubt []int64) {
	t.Helper()
	rows := seen(t, s, 1, getRows)[1:] // after that of twoShops
	var n int64
	if err := s.View(t.Context(), 1, 1, func(v *View) error { n = v.Mark().N; return nil }); err != nil {
		t.Fatal(err)
	}
	if int64(len(rows)) != n-1 {
		t.Errorf("%d rows and %d writes", len(rows), n-1)
	}
	for _, k := range acked {
		if _, ok := slices.BinarySearch(rows, k); !ok {
			t.Errorf("row %d was acknowledged and is not there", k)
		}
	}
	for _, k := range rows {
		if !slices.Contains(acked, k) && !slices.Contains(doubt, k) {
			t.Errorf("row %d is there, though its writer was told that it failed", k)
		}
	}
}

// terminate ends every connection of the database again and again.
func terminate(t *testing.T, dsn string, n int64) func(*atomic.Int64) {
	side, err := OpenControl(t.Context(), dsn, SQLiteOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { side.Close() })
	kill := C(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`)
	return func(done *atomic.Int64) {
		for seen := int64(0); seen < n; {
			now := done.Load()
			if now < seen+15 && now < n { // let some work pass
				runtime.Gosched()
				continue
			}
			seen = now
			if err := side.Change(t.Context(), func(tx *ControlTx) error { _, err := tx.Exec(t.Context(), kill); return err }); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestABrokenConnectionFailsNoChange(t *testing.T) {
	const n = 600
	for name, tries := range map[string]int{"as it is": serverTries, "without running again": 1} {
		t.Run(name, func(t *testing.T) {
			dsn := dbtest.Postgres(t)
			s := twoShops(t, dsn)
			s.e.(*postgres).tries = tries
			acked, doubt, failed := hammer(t, s, n, terminate(t, dsn, n))
			s.e.(*postgres).tries = serverTries
			account(t, s, acked, doubt)
			t.Logf("%d acknowledged, %d in doubt, %d failed", len(acked), len(doubt), len(failed))
			if tries > 1 && len(failed) > 0 {
				t.Errorf("failed: %v", failed[0])
			}
			if tries == 1 && len(failed) == 0 {
				t.Error("nothing failed without running again: the connections did not break in time")
			}
			if len(acked) < n/2 {
				t.Error("too little was acknowledged")
			}
		})
	}
}

// A server that is gone for a while and comes back loses nothing that was
// acknowledged, and its clients need no new start.
func TestAServerThatComesBack(t *testing.T) {
	server := dbtest.NewServer(t)
	s := twoShops(t, server.DSN())
	acked, doubt, failed := hammer(t, s, 400, func(done *atomic.Int64) {
		for _, at := range []int64{100, 200, 300} {
			for done.Load() < at {
				runtime.Gosched()
			}
			server.Stop()
			server.Start()
		}
	})
	t.Logf("%d acknowledged, %d in doubt, %d failed", len(acked), len(doubt), len(failed))
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed[0])
	}
	account(t, s, acked, doubt)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.View(ctx, 1, 1, func(*View) error { return nil }); !fault.Is(err, fault.KindBusy) {
		t.Errorf("with no server: %v", err)
	}
	server.Start()
}

// A COMMIT whose answer is lost is in doubt and not run again, though here it
// stands. What is lost before is run again.
func TestALostAnswer(t *testing.T) {
	for _, c := range []struct {
		lose  string
		runs  int
		doubt bool
	}{{"COMMIT\x00", 1, true}, {"INSERT 0 1\x00", 2, false}, {"BEGIN\x00", 2, false}} {
		t.Run(strings.Fields(c.lose)[0], func(t *testing.T) {
			proxy := dbtest.NewProxy(t, dbtest.Postgres(t), 0)
			s := twoShops(t, proxy.DSN)
			lost := proxy.Lose(c.lose)
			runs := 0
			_, err := s.Change(t.Context(), 1, 1, func(tx *Tx) error {
				runs++
				_, err := tx.Exec(t.Context(), putRow, 11)
				return err
			})
			<-lost
			if errors.Is(err, ErrDoubt) != c.doubt || !c.doubt && err != nil || runs != c.runs {
				t.Errorf("%v after %d runs", err, runs)
			}
			if ks := seen(t, s, 1, getRows); len(ks) != 2 {
				t.Errorf("rows %v", ks)
			}
		})
	}
}

// Of several hosts the one that takes writes is found, and found again when
// another was promoted.
func TestTheHostThatTakesWrites(t *testing.T) {
	a, b := dbtest.NewServer(t), dbtest.NewServer(t)
	for _, server := range []*dbtest.Server{a, b} {
		if err := twoShops(t, server.DSN()).Close(); err != nil {
			t.Fatal(err)
		}
	}
	a.Standby()
	_, err := open(t.Context(), a.DSN())
	if err == nil || !strings.Contains(err.Error(), "standby") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a standby: %v", err)
	}
	_, err = open(t.Context(), with(t, a.DSN(), "host", a.Host()+",/nowhere", "port", "5432,5432"))
	if err == nil || !strings.Contains(err.Error(), a.Host()+": the server takes no writes") || !strings.Contains(err.Error(), "; /nowhere: dial error") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a standby and nobody: %v", err)
	}
	for _, target := range []string{"", "read-write"} {
		dsn := with(t, a.DSN(), "host", a.Host()+","+b.Host(), "port", "5432,5432")
		if target != "" {
			dsn = with(t, dsn, "target_session_attrs", target)
		}
		s, err := open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		put := func(k int64) {
			t.Helper()
			_, err := s.Change(t.Context(), 1, 1, func(tx *Tx) error { _, err := tx.Exec(t.Context(), putRow, k); return err })
			if err != nil {
				t.Fatal(err)
			}
		}
		put(11)
		if target == "" {
			if _, err := s.Change(t.Context(), id.Shop(1), 1, func(tx *Tx) error { _, err := tx.Exec(t.Context(), deleteAll); return err }); err != nil {
				t.Fatal(err)
			}
			continue
		}
		b.Stop()
		a.Promote()
		write := func() error {
			_, err := s.Change(t.Context(), 1, 1, func(tx *Tx) error { _, err := tx.Exec(t.Context(), putRow, 12); return err })
			return err
		}
		if err := write(); !errors.Is(err, ErrPromoted) {
			t.Errorf("a promoted server that was told no term: %v", err)
		}
		if err := s.Erase(t.Context(), 2); !errors.Is(err, ErrPromoted) {
			t.Errorf("a promoted server that was told no term erases: %v", err)
		}
		is, err := s.Renew(t.Context(), Renewal{
			Term: func(_ context.Context, above int64) (int64, error) { return above + 1, nil },
			Here: func(context.Context, id.Shop, id.Shop) (map[id.Shop]int64, error) {
				return map[id.Shop]int64{1: 1, 3: 1}, nil
			},
			Elsewhere: func(_ context.Context, shops []id.Shop) ([]id.Shop, error) { return shops, nil },
		})
		want := Renewed{Term: 2, Promoted: true, Held: 2, Closed: []id.Shop{2}, Missing: []id.Shop{3}}
		if err != nil || !reflect.DeepEqual(is, want) || s.Term() != 2 {
			t.Errorf("it was found that %+v, %v", is, err)
		}
		put(12)
		if _, err := s.Change(t.Context(), 2, 1, func(*Tx) error { return nil }); !errors.Is(err, ErrMoved) {
			t.Errorf("a shop that lives elsewhere: %v", err)
		}
		if ks := seen(t, s, 1, getRows); len(ks) != 2 || ks[1] != 12 {
			t.Errorf("on the promoted server %v", ks)
		}
		b.Start()
	}
}

// What cannot be used is refused on one line that says why, and has no
// password in it.
func TestADatabaseThatCannotBeUsed(t *testing.T) {
	ctx := t.Context()
	server := dbtest.NewServer(t)
	server.Exec(`ALTER ROLE haat PASSWORD 'right'`)
	server.RequirePassword()
	right := with(t, server.DSN(), "password", "right")
	if err := twoShops(t, right).Close(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(right)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/nowhere"
	newer := Schema("row", fstest.MapFS{
		"schema/0001_row.sql": rowSchema.files.(fstest.MapFS)["schema/0001_row.sql"],
		"schema/0002_b.sql":   {Data: []byte(`CREATE TABLE later (shop BIGINT NOT NULL);`)},
	})
	dsn := dbtest.Postgres(t)
	if s, err := OpenPostgres(ctx, dsn, []*SchemaSet{newer}); err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	control := dbtest.Postgres(t)
	rooms := []*SchemaSet{Schema("a", fstest.MapFS{"schema/0001_a.sql": {Data: []byte(`CREATE TABLE a (id BIGINT PRIMARY KEY);`)}})}
	if c, err := OpenControl(ctx, control, SQLiteOptions{}, rooms); err != nil || c.Close() != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dsn, want string }{
		{"nobody listens", "postgres://haat:hidden@127.0.0.1:1/x?sslmode=disable", "connection refused"},
		{"no such host", "postgres://haat:hidden@no-such-host.invalid/x?sslmode=disable", "no-such-host.invalid"},
		{"not a DSN", "postgres://haat:hidden@127.0.0.1:port/x", "cannot be parsed"},
		{"wrong password", with(t, server.DSN(), "password", "hidden"), `refuses the user "haat"`},
		{"no such database", u.String(), `there is no database "nowhere"`},
		{"a newer schema", dsn, "newer haat"},
		{"a control database", control, "control database"},
	} {
		s, err := open(ctx, c.dsn)
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, c.want) || strings.Contains(text, "\n") || strings.Contains(text, "hidden") {
			t.Errorf("%s: %q", c.name, text)
		}
	}
	if _, err := OpenControl(ctx, dsn, SQLiteOptions{}, rooms); err == nil || !strings.Contains(err.Error(), "holds shops") {
		t.Errorf("a shard as control database: %v", err)
	}
	// Nothing was half done: the databases go on as they were.
	if s, err := OpenPostgres(ctx, dsn, []*SchemaSet{newer}); err != nil || s.Close() != nil {
		t.Error(err)
	}
	c, err := OpenControl(ctx, control, SQLiteOptions{}, rooms)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tables := C(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`)
	err = c.View(ctx, func(tx *ControlTx) error {
		names, err := ControlAll(ctx, tx, tables, func(s *string) []any { return []any{s} })
		if !slices.Equal(names, []string{"a", "control_fence", "schema_version"}) {
			t.Errorf("the control database has %v", names)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// An error that a closure drops ends its transaction all the same, be it of
// the first statement, with which BEGIN travels.
func TestAnErrorThatIsDropped(t *testing.T) {
	s := twoShops(t, dbtest.Postgres(t))
	for name, bad := range map[string]*SQL{
		"cannot be prepared": Q(`INSERT INTO nothing (shop) VALUES ($1)`),
		"not unique":         Q(`INSERT INTO one_row (shop, k) VALUES ($1, 10)`),
		"wrong as it runs":   Q(`UPDATE one_row SET k = 1 / (k - 10) WHERE shop = $1`),
	} {
		for _, first := range []bool{true, false} {
			_, err := s.Change(t.Context(), 1, 1, func(tx *Tx) error {
				if !first {
					if _, err := tx.Exec(t.Context(), putRow, 11); err != nil {
						return err
					}
				}
				if _, err := tx.Exec(t.Context(), bad); err == nil {
					t.Errorf("%s: no error", name)
				}
				_, _ = tx.Exec(t.Context(), putRow, 12)
				return nil
			})
			if err == nil || errors.Is(err, ErrUnique) != (name == "not unique") {
				t.Errorf("%s: %v", name, err)
			}
			if ks := seen(t, s, 1, getRows); len(ks) != 1 {
				t.Errorf("%s: rows %v", name, ks)
			}
		}
	}
}

// Servers are told apart by host and port.
func TestTheHostsOfAnAddress(t *testing.T) {
	for dsn, want := range map[string][]string{
		"postgres://haat@db1,db2:5433/x":             {"db1:5432", "db2:5433"},
		"postgres:///x?host=/a,/a&port=1,2":          {"/a:1", "/a:2"},
		"postgres://haat@[::1]:7/x?sslmode=prefer":   {"[::1]:7"},
		"postgres://haat@db1/x?pool_max_conns=5":     {"db1:5432"},
		"postgres://haat@db1/x?pool_max_conns=seven": nil,
	} {
		if got, err := Hosts(dsn); !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v", dsn, got, err)
		}
	}
}
