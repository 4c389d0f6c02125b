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
	all := s.buy(x, 90)
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
	all.check()
	sum, err := s.app.Shop(t.Context(), x.slug)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d moves and back, %d orders", last, len(all.numbers))
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

// A box on SQLite becomes a fleet on PostgreSQL by three commands, while two of
// its shops take orders: none is refused or lost.
func TestABoxBecomesAFleet(t *testing.T) {
	s := open(t, nil)
	one, two := s.shop("Aalto"), s.shop("Berg")
	at := []string{"--ops", "http://" + s.ops, "--token", s.opsToken}
	haat := func(args ...string) string {
		t.Helper()
		code, out, errs := run(append(args, at...)...)
		if code != 0 {
			t.Fatalf("haat %v: %d %s%s", args, code, out, errs)
		}
		return out
	}
	some, more := s.buy(one, 90), s.buy(two, 90)
	haat("control", "move", "--to", dbtest.Postgres(t))
	haat("shard", "add", "pg", dbtest.Postgres(t))
	out := haat("shard", "drain", "s1")
	if !strings.Contains(out, "2 shops were moved off shard s1") || !strings.Contains(out, "holds no shops") {
		t.Errorf("drain: %s", out)
	}
	some.check()
	more.check()
	for _, x := range []*tenant{one, two} {
		if sum, err := s.app.Shop(t.Context(), x.slug); err != nil || sum.Shard != "pg" {
			t.Errorf("%s is on %s: %v", x.slug, sum.Shard, err)
		}
		s.get(x.host+"/", "").want(200)
	}
	if code, _, errs := run(append([]string{"shard", "remove", "s1"}, at...)...); code == 0 || !strings.Contains(lastLine(errs), "haat shard remove s1 --copies") {
		t.Errorf("remove what has copies: %d %s", code, errs)
	}
	haat("shard", "remove", "s1", "--copies")
	if out := haat("shard", "list"); strings.Contains(out, "s1") {
		t.Errorf("shards: %s", out)
	}
	again := s.buy(one, 5)
	again.check()
	if out := haat("doctor"); strings.Contains(out, "BAD") {
		t.Errorf("doctor: %s", out)
	}
}

// buying is four shoppers who order in a shop.
type buying struct {
	s       *site
	x       *tenant
	stop    chan struct{}
	all     sync.WaitGroup
	before  int64
	mu      sync.Mutex
	numbers []int64
	refused map[string]int
}

// buy has shoppers order until check, at most so many times each.
func (s *site) buy(x *tenant, most int) *buying {
	s.t.Helper()
	sum, err := s.app.Shop(s.t.Context(), x.slug)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &buying{s: s, x: x, stop: make(chan struct{}), before: sum.Orders, refused: map[string]int{}}
	body, err := json.Marshal(x.wish("cod"))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range 4 {
		b.all.Go(func() {
			for n := 0; n < most; n++ {
				select {
				case <-b.stop:
					if n >= 5 {
						return
					}
				case <-time.After(100 * time.Millisecond): // so that it lasts as long as the moves
				}
				b.order(body, fmt.Sprint("buyer ", sum.Orders, i, " ", n), fmt.Sprintf("10.%d.%d.%d", sum.Orders%200, i, n))
			}
		})
	}
	return b
}

func (b *buying) order(body []byte, key, from string) {
	r, _ := http.NewRequestWithContext(context.Background(), "POST", "http://"+b.x.host+"/api/v1/orders", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("X-Forwarded-For", from)
	res, err := b.s.client.Do(r)
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.refused[err.Error()]++
		return
	}
	defer res.Body.Close()
	var placed struct {
		Number int64
		Detail string
	}
	err = json.NewDecoder(res.Body).Decode(&placed)
	b.mu.Lock()
	defer b.mu.Unlock()
	if res.StatusCode == 201 && err == nil {
		b.numbers = append(b.numbers, placed.Number)
	} else {
		b.refused[res.Status+": "+placed.Detail]++
	}
}

// check ends the shoppers: every order that was acknowledged is there, their
// numbers have no gap, none was refused, and stock adds up.
func (b *buying) check() {
	t := b.s.t
	t.Helper()
	close(b.stop)
	b.all.Wait()
	b.s.still(b.x.slug)
	slices.Sort(b.numbers)
	if len(slices.Compact(slices.Clone(b.numbers))) != len(b.numbers) {
		t.Errorf("a number was given twice: %v", b.numbers)
	}
	sum, err := b.s.app.Shop(t.Context(), b.x.slug)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(b.numbers)); n == 0 || sum.Orders != b.before+n || b.numbers[n-1] != 1000+sum.Orders {
		t.Errorf("%d orders were acknowledged after %d, the shop has %d: %v", n, b.before, sum.Orders, b.numbers)
	}
	if len(b.refused) > 0 {
		t.Errorf("orders were refused: %v", b.refused)
	}
	if code, out, errs := run("check", "--ops", "http://"+b.s.ops, "--token", b.s.opsToken); code != 0 {
		t.Errorf("check: %d %s%s", code, out, errs)
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
