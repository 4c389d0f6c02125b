package db

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

const childEnv = "HAAT_TEST_WRITER"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childEnv); dsn != "" {
		writeForEver(dsn)
	}
	dbtest.Main(m)
}

func rowFiles(sql string) fstest.MapFS {
	return fstest.MapFS{"schema/0001_row.sql": {Data: []byte(sql)}}
}

var rowSchema = Schema("row", rowFiles(`
CREATE TABLE one_row (
	shop BIGINT NOT NULL,
	k    BIGINT NOT NULL,
	PRIMARY KEY (shop, k)
);`))

var (
	putRow  = Q(`INSERT INTO one_row (shop, k) VALUES ($1, $2)`)
	getRows = Q(`SELECT k FROM one_row WHERE shop = $1 ORDER BY k`)
)

func open(ctx context.Context, dsn string) (*Shard, error) {
	if strings.HasPrefix(dsn, "postgres") {
		return OpenPostgres(ctx, dsn, []*SchemaSet{rowSchema})
	}
	return OpenSQLite(ctx, dsn, SQLiteOptions{}, []*SchemaSet{rowSchema})
}

// writeForEver writes rows from many goroutines and says each one that was
// acknowledged, until it is killed.
func writeForEver(dsn string) {
	ctx := context.Background()
	s, err := open(ctx, dsn)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	from, _ := strconv.ParseInt(os.Getenv(childEnv+"_FROM"), 10, 64)
	var mu sync.Mutex
	for w := range int64(16) {
		go func() {
			for k := from + w; ; k += 16 {
				mark, err := s.Change(ctx, 1, 1, func(tx *Tx) error {
					tx.Append(Outgoing{Topic: "row", Payload: []byte(strconv.FormatInt(k, 10))})
					_, err := tx.Exec(ctx, putRow, k)
					return err
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				os.Stdout.WriteString(fmt.Sprintf("%d %d\n", k, mark.N))
				mu.Unlock()
			}
		}()
	}
	select {}
}

// A process is killed again and again while it writes. Whatever it said was
// written is there, and the clock agrees with the rows and the outbox.
func TestKilledWritersLoseNothing(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s, err := open(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			acked := map[int64]bool{}
			for round := range 5 {
				cmd := osexec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childEnv+"="+dsn, fmt.Sprintf("%s_FROM=%d", childEnv, round*1_000_000))
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				killAfter := 100 + rand.N(400)
				lines := bufio.NewScanner(out)
				n := 0
				for lines.Scan() {
					var k, mark int64
					if c, _ := fmt.Sscanf(lines.Text(), "%d %d", &k, &mark); c != 2 {
						continue // the line it died in
					}
					acked[k] = true
					if n++; n == killAfter {
						if err := cmd.Process.Kill(); err != nil {
							t.Fatal(err)
						}
					}
				}
				_ = cmd.Wait()
				if n < killAfter {
					t.Fatalf("the writer died by itself after %d rows", n)
				}
			}
			s, err = open(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var rows []int64
			var n, seq, events int64
			err = s.View(ctx, 1, 1, func(v *View) (err error) {
				n = v.Mark().N
				if rows, err = All(ctx, v, getRows, func(k *int64) []any { return []any{k} }); err != nil {
					return err
				}
				seq, _, err = One(ctx, v, Q(`SELECT seq FROM shop_clock WHERE shop = $1`), func(k *int64) []any { return []any{k} })
				if err != nil {
					return err
				}
				events, _, err = One(ctx, v, Q(`SELECT COUNT(*) FROM shop_outbox WHERE shop = $1`), func(k *int64) []any { return []any{k} })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			there := map[int64]bool{}
			for _, k := range rows {
				there[k] = true
			}
			for k := range acked {
				if !there[k] {
					t.Errorf("row %d was acknowledged and is lost", k)
				}
			}
			if want := int64(len(rows)); n != want+1 || seq != want || events != want {
				t.Errorf("%d rows, but n = %d, seq = %d, %d events", want, n, seq, events)
			}
			t.Logf("%d acknowledged, %d there", len(acked), len(rows))
		})
	}
}

// An error that ends the whole transaction (a full disk, an I/O error) must
// not let the batch's other members be acknowledged without their rows.
func TestALostBatchIsRunAgain(t *testing.T) {
	ctx := t.Context()
	s, err := open(ctx, filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	e := s.e.(*sqlite)
	const n = 20
	boom := errors.New("boom")
	gate, held := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	defer release() // before Close, which waits for the writer
	results := make([]error, n)
	var wg sync.WaitGroup
	wg.Go(func() { // holds the writer until everyone has queued
		_, _ = s.Change(ctx, 1, 1, func(*Tx) error { close(held); <-gate; return nil })
	})
	<-held // only then is the batch of all the others one batch
	for i := range n {
		wg.Go(func() {
			_, results[i] = s.Change(ctx, 1, 1, func(tx *Tx) error {
				if _, err := tx.Exec(ctx, putRow, i); err != nil {
					return err
				}
				if i == n/2 {
					return errors.Join(boom, e.w.c.Exec("ROLLBACK"))
				}
				return nil
			})
		})
	}
	for deadline := time.Now().Add(10 * time.Second); len(e.jobs) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("only %d queued", len(e.jobs))
		}
	}
	release()
	wg.Wait()
	var rows []int64
	err = s.View(ctx, 1, 1, func(v *View) (err error) {
		rows, err = All(ctx, v, getRows, func(k *int64) []any { return []any{k} })
		return err
	})
	if err != nil || len(rows) != n-1 {
		t.Errorf("%d rows, %v; want %d", len(rows), err, n-1)
	}
	for i, err := range results {
		if (i == n/2) != errors.Is(err, boom) || i != n/2 && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

// What fails after it has written leaves nothing in the batch, whose other
// members are acknowledged with their rows, each run as often as it takes.
func TestWhatFailsLeavesNothing(t *testing.T) {
	ctx := t.Context()
	s, err := open(ctx, filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	e := s.e.(*sqlite)
	boom, late := errors.New("boom"), errors.New("nothing was written")
	rows := map[int]bool{}
	var marks []Mark
	key := 0
	for _, round := range []struct {
		name  string
		fails func(i int) error
	}{
		{"before it writes", func(i int) error { return late }},
		{"after it wrote", func(i int) error { return boom }},
		{"after it wrote, again", func(i int) error { return boom }},
	} {
		const n = 24
		guarded := e.guarded > 0
		gate, held, begun := make(chan struct{}), make(chan struct{}), 0
		results, got, runs := make([]error, n), make([]Mark, n), make([]int, n)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Change(ctx, 1, 1, func(*Tx) error {
				if begun++; begun == 1 {
					close(held)
				}
				<-gate
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-held
		for i := range n {
			wg.Go(func() {
				got[i], results[i] = s.Change(ctx, 1, 1, func(tx *Tx) error {
					runs[i]++
					if i%5 == 3 && round.fails(i) == late {
						return late
					}
					if _, err := tx.Exec(ctx, putRow, key+i); err != nil {
						return err
					}
					if i%5 == 3 {
						return boom
					}
					return nil
				})
			})
		}
		for deadline := time.Now().Add(10 * time.Second); len(e.jobs) < n; {
			if time.Now().After(deadline) {
				t.Fatalf("only %d queued", len(e.jobs))
			}
		}
		close(gate)
		wg.Wait()
		again := begun - 1
		for i, err := range results {
			want := error(nil)
			if i%5 == 3 {
				want = round.fails(i)
			} else {
				rows[key+i] = true
				marks = append(marks, got[i])
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: change %d: %v", round.name, i, err)
			}
			again += runs[i] - 1
		}
		if mayRepeat := round.fails(0) == boom && !guarded; (again > 0) != mayRepeat {
			t.Errorf("%s: %d changes ran again, guarded %v", round.name, again, guarded)
		}
		key += n
	}
	var is []int64
	err = s.View(ctx, 1, 1, func(v *View) (err error) {
		is, err = All(ctx, v, getRows, func(k *int64) []any { return []any{k} })
		return err
	})
	if err != nil || len(is) != len(rows) {
		t.Errorf("%d rows, %v; want %d", len(is), err, len(rows))
	}
	for _, k := range is {
		if !rows[int(k)] {
			t.Errorf("row %d is of a change that failed", k)
		}
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Compare(a.N, b.N) })
	for i := 1; i < len(marks); i++ {
		if marks[i].N == marks[i-1].N {
			t.Errorf("two changes have the mark %v", marks[i])
		}
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	ctx := t.Context()
	dsn := filepath.Join(t.TempDir(), "s.db")
	newer := Schema("row", fstest.MapFS{
		"schema/0001_row.sql":  {Data: []byte(`CREATE TABLE one_row (shop BIGINT NOT NULL, k BIGINT NOT NULL, PRIMARY KEY (shop, k));`)},
		"schema/0002_more.sql": {Data: []byte(`ALTER TABLE one_row ADD COLUMN more TEXT;`)},
	})
	s, err := OpenSQLite(ctx, dsn, SQLiteOptions{}, []*SchemaSet{newer})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = open(ctx, dsn); err == nil || !strings.Contains(err.Error(), "newer haat") {
		t.Errorf("opened a newer schema: %v", err)
	}
}

func TestEraseLeavesNothing(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s, err := open(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, shop := range []id.Shop{1, 2} {
				_, err := s.Create(ctx, shop, 1, func(tx *Tx) error {
					tx.Append(Outgoing{Topic: "row", Payload: []byte("1")})
					if err := tx.SetDoc(ctx, []byte("{}")); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, putRow, 1)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Erase(ctx, 1); err != nil {
				t.Fatal(err)
			}
			if err := s.View(ctx, 1, 1, func(*View) error { return nil }); !errors.Is(err, ErrMoved) {
				t.Errorf("an erased shop is read: %v", err)
			}
			if err := s.View(ctx, 2, 1, func(v *View) error {
				if doc, err := v.Doc(ctx); err != nil || string(doc) != "{}" || v.Mark().N != 1 {
					t.Errorf("the neighbour: %q at %v, %v", doc, v.Mark(), err)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A statement that failed may have left half of what it does: whoever goes on
// after it, as PostgreSQL would not let them, has done nothing.
func TestNobodyGoesOnAfterAFailedStatement(t *testing.T) {
	ctx := t.Context()
	s, err := open(ctx, filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(ctx, 1, 1, func(tx *Tx) error {
		for k := range 3 {
			if _, err := tx.Exec(ctx, putRow, k); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	up := Q(`UPDATE one_row SET k = k + $2 WHERE shop = $1 AND k < 2`)
	for _, by := range []int{2, 1} { // 0 goes to 2, which is there; 0 goes to 1, which is
		_, err = s.Change(ctx, 1, 1, func(tx *Tx) error {
			_, err := tx.Exec(ctx, up, by)
			if err == nil {
				t.Errorf("up by %d succeeded", by)
			}
			return nil
		})
		if err == nil {
			t.Errorf("up by %d: the change is acknowledged", by)
		}
	}
	var rows []int64
	if err := s.View(ctx, 1, 1, func(v *View) (err error) {
		rows, err = All(ctx, v, getRows, func(k *int64) []any { return []any{k} })
		return err
	}); err != nil || !slices.Equal(rows, []int64{0, 1, 2}) {
		t.Errorf("rows %v, %v", rows, err)
	}
}
