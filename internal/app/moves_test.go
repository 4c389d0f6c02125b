package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/id"
	"haat/internal/move"
)

var listShard = db.C(`INSERT INTO shard (id, dsn, state, created_at) VALUES ($1, $2, 'open', 0)`)

// A shop takes orders over HTTP while it moves between files and a database:
// every order that was acknowledged is there, their numbers have no gap, and
// its stock adds up.
func TestOrdersWhileAShopMoves(t *testing.T) {
	s := open(t, func(c *Config) { c.Shards = 2 })
	x := s.shop("Aalto")
	err := s.app.control.Change(t.Context(), func(tx *db.ControlTx) error {
		_, err := tx.Exec(t.Context(), listShard, "pg", dbtest.Postgres(t))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.app.fleet.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(x.wish("cod"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var numbers []int64
	refused := map[string]int{}
	stop := make(chan struct{})
	var buyers sync.WaitGroup
	for b := range 4 {
		buyers.Go(func() {
			for n := 0; n < 90; n++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				r, _ := http.NewRequestWithContext(context.Background(), "POST", "http://"+x.host+"/api/v1/orders", bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Idempotency-Key", fmt.Sprint("buyer ", b, " ", n))
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", b, n))
				res, err := s.client.Do(r)
				if err != nil {
					continue
				}
				var placed struct{ Number int64 }
				err = json.NewDecoder(res.Body).Decode(&placed)
				res.Body.Close()
				mu.Lock()
				if res.StatusCode == 201 && err == nil {
					numbers = append(numbers, placed.Number)
				} else {
					refused[res.Status]++
				}
				mu.Unlock()
			}
		})
	}
	at := []string{"--ops", "http://" + s.ops, "--token", s.opsToken}
	var last int64
	for i, to := range []string{"s1", "pg", "s2", "pg", "s1"} {
		sum, err := s.app.Shop(t.Context(), x.slug)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Shard == to {
			continue
		}
		if i > 1 { // the copy of the one before goes
			if _, ok, err := s.app.mover.Open(t.Context(), shopOf(t, s, x.slug)); err != nil {
				t.Fatal(err)
			} else if ok {
				if code, _, errs := run(append([]string{"move", x.slug, "--forget"}, at...)...); code != 0 {
					t.Fatal(errs)
				}
				s.until("the old copy is deleted", func() bool {
					_, ok, err := s.app.mover.Open(t.Context(), shopOf(t, s, x.slug))
					return err == nil && !ok
				})
			}
		}
		code, out, errs := run(append([]string{"move", x.slug, "--to", to}, at...)...)
		if code != 0 || !strings.Contains(out, "has moved") {
			t.Fatalf("move to %s: %d %s%s", to, code, out, errs)
		}
		t.Log(lastLine(strings.Split(out, "\n")[0]))
		last++
	}
	if code, out, errs := run(append([]string{"move", x.slug, "--reverse"}, at...)...); code != 0 {
		t.Fatalf("back: %s%s", out, errs)
	}
	close(stop)
	buyers.Wait()
	s.still(x.slug)
	slices.Sort(numbers)
	if len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		t.Errorf("a number was given twice: %v", numbers)
	}
	sum, err := s.app.Shop(t.Context(), x.slug)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Orders != int64(len(numbers)+2) || len(numbers) > 0 && numbers[len(numbers)-1] != 1000+sum.Orders {
		t.Errorf("%d orders were acknowledged after two, the shop has %d, the last is %d", len(numbers), sum.Orders, numbers[len(numbers)-1])
	}
	if len(refused) > 0 {
		t.Errorf("orders were refused: %v", refused)
	}
	if code, out, errs := run(append([]string{"check"}, at...)...); code != 0 {
		t.Errorf("check: %d %s%s", code, out, errs)
	}
	t.Logf("%d moves and back, %d orders", last, len(numbers))
	for _, bad := range [][2]string{
		{"nobody --to s2", "haat: There is no such shop."},
		{x.slug + " --to nowhere", `haat: There is no shard "nowhere".`},
		{x.slug + " --to " + sum.Shard, "is on the shard"},
		{x.slug + " --cancel", "haat: The shop is not being moved."},
		{x.slug, "haat: say one of"},
	} {
		code, out, errs := run(append(append([]string{"move"}, strings.Fields(bad[0])...), at...)...)
		if code == 0 || !strings.Contains(lastLine(errs), bad[1]) {
			t.Errorf("haat move %s: %d %s%s", bad[0], code, out, errs)
		}
	}
	if code, out, _ := run(append([]string{"move", "list"}, at...)...); code != 0 || !strings.Contains(out, move.Kept) || !strings.Contains(out, move.Reversed) {
		t.Errorf("list: %s", out)
	}
}

func shopOf(t *testing.T, s *site, slug string) id.Shop {
	t.Helper()
	room, err := s.app.fleet.BySlug(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	return room.Shop()
}
