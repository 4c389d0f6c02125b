package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db/dbtest"
)

var peopleSchema = Schema("people", fstest.MapFS{"schema/0001_people.sql": {Data: []byte(`
CREATE TABLE person (name TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL, well BOOLEAN NOT NULL, note TEXT);
CREATE TABLE token (hash BYTEA NOT NULL, i BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (i, hash));`)}})

var (
	putPerson  = C(`INSERT INTO person (name, n, well, note) VALUES ($1, 1, true, $2)`)
	addPerson  = C(`UPDATE person SET n = n + 1, well = NOT well WHERE name = $1`)
	dropPerson = C(`DELETE FROM person WHERE name = $1`)
	persons    = C(`SELECT name, n, well, note FROM person ORDER BY name`)
	putToken   = C(`INSERT INTO token (hash, i, at) VALUES ($1, $2, $3)`)
	tokens     = C(`SELECT COUNT(*) FROM token`)
	personOf   = C(`SELECT n FROM person WHERE name = $1`)
)

type person struct {
	name string
	n    int64
	well bool
	note *string
}

func everybody(t *testing.T, c *Control) (out []person, hashes int64) {
	t.Helper()
	err := c.View(t.Context(), func(tx *ControlTx) (err error) {
		if out, err = ControlAll(t.Context(), tx, persons, func(p *person) []any { return []any{&p.name, &p.n, &p.well, &p.note} }); err != nil {
			return err
		}
		hashes, _, err = ControlOne(t.Context(), tx, tokens, func(n *int64) []any { return []any{n} })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, hashes
}

// A control database moves while people write and read: whatever was
// acknowledged is there afterwards, once, and nobody fails.
func TestControlMoves(t *testing.T) {
	for _, from := range []string{"sqlite", "postgres"} {
		t.Run(from, func(t *testing.T) {
			ctx := t.Context()
			at := filepath.Join(t.TempDir(), "control.db")
			if from == "postgres" {
				at = dbtest.Postgres(t)
			}
			open := func(dsn string) *Control {
				t.Helper()
				c, err := OpenControl(ctx, dsn, SQLiteOptions{}, []*SchemaSet{peopleSchema})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				})
				return c
			}
			c := open(at)
			others := []*Control{c} // other processes
			if from == "postgres" {
				others = append(others, open(at))
			}
			const people = 3 * moveChunk
			err := c.Change(ctx, func(tx *ControlTx) error {
				for i := range people {
					var note any
					if i%3 == 0 {
						note = "ünicode ' \" \\ note"
					}
					if _, err := tx.Exec(ctx, putPerson, fmt.Sprintf("%d-Ä%05d", i%7, i), note); err != nil {
						return err
					}
					if _, err := tx.Exec(ctx, putToken, []byte{byte(i), 0, byte(i >> 8), 255}, i, i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// Writers raise, add and remove; each knows what it was told.
			stop := make(chan struct{})
			var all sync.WaitGroup
			var mu sync.Mutex
			raised, added, dropped := map[string]int64{}, map[string]bool{}, map[string]bool{}
			longest, writes := time.Duration(0), 0
			begun := make(chan struct{}, 1000)
			for w := range 4 {
				c := others[w%len(others)]
				all.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						n := (i*4 + w) * 37 % people
						old := fmt.Sprintf("%d-Ä%05d", n%7, n)
						fresh := fmt.Sprintf("%d new %d", w, i)
						start := time.Now()
						err := c.Change(ctx, func(tx *ControlTx) error {
							if _, err := tx.Exec(ctx, addPerson, old); err != nil {
								return err
							}
							if _, err := tx.Exec(ctx, putPerson, fresh, nil); err != nil {
								return err
							}
							if i > 10 {
								_, err := tx.Exec(ctx, dropPerson, fmt.Sprintf("%d new %d", w, i-10))
								return err
							}
							return nil
						})
						if err != nil {
							t.Errorf("write: %v", err)
							return
						}
						mu.Lock()
						longest = max(longest, time.Since(start))
						raised[old]++
						added[fresh] = true
						if i > 10 {
							dropped[fmt.Sprintf("%d new %d", w, i-10)] = true
						}
						writes++
						mu.Unlock()
						select {
						case begun <- struct{}{}:
						default:
						}
						// Who has written reads what it wrote, wherever that is.
						found := false
						err = c.View(ctx, func(tx *ControlTx) (err error) {
							_, found, err = ControlOne(ctx, tx, personOf, func(n *int64) []any { return []any{n} }, fresh)
							return err
						})
						if err != nil || !found {
							t.Errorf("read what was written: %t, %v", found, err)
							return
						}
					}
				})
			}
			for range 40 {
				<-begun
			}
			to := dbtest.Postgres(t)
			done, err := c.Move(ctx, to, func(MoveStep) {})
			if err != nil {
				t.Error(err)
			}
			for len(begun) > 0 {
				<-begun
			}
			for range 40 {
				<-begun
			}
			close(stop)
			all.Wait()
			t.Logf("%d writes, of which the longest took %v; paused for %v, %d rows, %d passes", writes, longest, done.Paused, done.Rows, done.Pass)
			if c.Where() != to || others[len(others)-1].Where() != to {
				t.Errorf("served from %s", c.Where())
			}
			check := func(c *Control) {
				t.Helper()
				now, hashes := everybody(t, c)
				byName := map[string]int64{}
				for _, p := range now {
					byName[p.name] = p.n
					if p.well != (p.n%2 == 1) {
						t.Errorf("%s is %t at %d", p.name, p.well, p.n)
					}
				}
				for i := range people {
					name := fmt.Sprintf("%d-Ä%05d", i%7, i)
					if byName[name] != 1+raised[name] {
						t.Errorf("%s was raised %d times and stands at %d", name, raised[name], byName[name])
					}
				}
				for name := range added {
					if (byName[name] == 1) == dropped[name] {
						t.Errorf("%s: there %d, dropped %t", name, byName[name], dropped[name])
					}
				}
				if len(now) != people+len(added)-len(dropped) || hashes != people {
					t.Errorf("%d people and %d tokens", len(now), hashes)
				}
			}
			check(c)
			// Whoever opens the old one is led to the new one, and the old one
			// takes no write.
			check(open(at))
			old := &Control{o: SQLiteOptions{}, schemas: c.schemas}
			p, err := old.open(ctx, at)
			if err != nil {
				t.Fatal(err)
			}
			old.at.Store(p)
			if _, err := old.Move(ctx, to, func(MoveStep) {}); err == nil {
				t.Error("a database that has moved has moved again")
			}
			if err := old.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A move that cannot be is refused in one line, and one that is cut off leaves
// the control database as it was; the next goes on.
func TestControlMoveRefusesAndRecovers(t *testing.T) {
	ctx := t.Context()
	c, err := OpenControl(ctx, filepath.Join(t.TempDir(), "control.db"), SQLiteOptions{}, []*SchemaSet{peopleSchema})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	put := func(name string) error {
		return c.Change(ctx, func(tx *ControlTx) error {
			_, err := tx.Exec(ctx, putPerson, name, nil)
			return err
		})
	}
	for i := range 10 {
		if err := put(fmt.Sprint("p", i)); err != nil {
			t.Fatal(err)
		}
	}
	shard, other := dbtest.Postgres(t), dbtest.Postgres(t)
	s, err := OpenPostgres(ctx, shard, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full, err := OpenControl(ctx, other, SQLiteOptions{}, []*SchemaSet{peopleSchema})
	if err != nil {
		t.Fatal(err)
	}
	err = full.Change(ctx, func(tx *ControlTx) error {
		_, err := tx.Exec(ctx, putPerson, "theirs", nil)
		return err
	})
	if err = errors.Join(err, full.Close()); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ dsn, want string }{
		{"control2.db", "Give the new control database as postgres://"},
		{"postgres://u:secret@127.0.0.1:1/db", "connect to PostgreSQL"},
		{shard, "this database holds shops"},
		{other, "holds a platform's data already, in table person"},
	} {
		if _, err := c.Move(ctx, x.dsn, func(MoveStep) {}); err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", x.dsn, err)
		}
	}
	to := dbtest.Postgres(t)
	cut, end := context.WithCancel(ctx)
	if _, err := c.Move(cut, to, func(MoveStep) { end() }); err == nil {
		t.Error("a move that was cut off says that it was not")
	}
	if _, err := OpenControl(ctx, to, SQLiteOptions{}, []*SchemaSet{peopleSchema}); err == nil || !strings.Contains(err.Error(), "half copied") {
		t.Errorf("half a copy was opened: %v", err)
	}
	// A move that died with its fence closed holds up writes only for so long.
	if err := c.at.Load().e.write(ctx, &work{run: func(s session) error {
		_, err := exec(ctx, s, &beginMove, []any{"dead", time.Now().Add(time.Second / 2).UnixMicro()})
		return err
	}}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := put("after"); err != nil || time.Since(start) < time.Second/4 {
		t.Errorf("written after %v, %v", time.Since(start), err)
	}
	if _, err := c.Move(ctx, to, func(MoveStep) {}); err != nil {
		t.Fatal(err)
	}
	if now, _ := everybody(t, c); len(now) != 11 || c.Where() != to {
		t.Errorf("%d people, at %s", len(now), c.Where())
	}
}
