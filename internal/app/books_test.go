package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/seed"
	"haat/internal/stock"
)

const commandEnv = "APP_TEST_COMMAND"

// commandAsAProcess is, in a child, the program itself.
func commandAsAProcess() {
	if os.Getenv(commandEnv) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// haat runs a command as a process of its own.
func haat(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env, c.Stdout, c.Stderr = append(os.Environ(), commandEnv+"=1"), &o, &e
	if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

// damaged is a row changed under the house, and how that is undone.
var damaged = []struct {
	name, says string
	break_     *db.SQL
	mend       *db.SQL
}{
	{"available", "available + ", db.Q(`UPDATE stock_level SET available = available + 7 WHERE shop = $1 AND variant = $2`),
		db.Q(`UPDATE stock_level SET available = available - 7 WHERE shop = $1 AND variant = $2`)},
	{"a hold", "held by orders", db.Q(`DELETE FROM stock_hold WHERE shop = $1 AND variant = $2 AND quantity = 2`), db.Q(`
		INSERT INTO stock_hold (shop, order_, variant, quantity, counted, expires_at)
		SELECT shop, variant, variant, 2, TRUE, 9000000000000000 FROM stock_level WHERE shop = $1 AND variant = $2`)},
	{"the ledger", "0 entered, but", db.Q(`DELETE FROM stock_ledger WHERE shop = $1 AND variant = $2 AND kind = 'initial'`), db.Q(`
		INSERT INTO stock_ledger (shop, variant, id, kind, quantity, available, order_, note, at)
		SELECT shop, variant, variant, 'initial', 500, 500, variant, '', 1 FROM stock_level WHERE shop = $1 AND variant = $2`)},
}

func alter(t *testing.T, room *fleet.Room, q *db.SQL, args ...any) {
	t.Helper()
	_, err := room.Change(t.Context(), func(tx *db.Tx) error {
		n, err := tx.Exec(t.Context(), q, args...)
		if n == 0 && err == nil {
			err = errors.New("no row was altered")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lines gathers what a log says.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// TestDamagedStockIsTold alters rows under a platform that serves, and expects
// every place that tells the operator to name the shop and the SKU, the command
// also on the folder once nobody serves it; and to be quiet when all is well.
func TestDamagedStockIsTold(t *testing.T) {
	s := open(t, nil)
	var log lines
	books := s.app.books
	books.log = slog.New(slog.NewTextHandler(&log, nil)) // before the worker's first round
	shop, well := s.shop("Aalto"), s.shop("Broad")
	s.still(shop.slug, well.slug)
	room, err := s.app.fleet.BySlug(t.Context(), shop.slug)
	if err != nil {
		t.Fatal(err)
	}
	v, err := id.Parse[struct{}](shop.has["variant"])
	if err != nil {
		t.Fatal(err)
	}
	variant := id.Variant(v)
	_, err = room.Change(t.Context(), func(tx *db.Tx) error {
		return stock.Hold(t.Context(), tx, id.Order(id.New[struct{}]()), []stock.Line{{Variant: variant, Quantity: 2}}, tx.Now().Add(time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"--ops", "http://" + s.ops, "--token", s.opsToken}
	round := func() {
		t.Helper()
		if err := books.round(t.Context(), newPace(1)); err != nil {
			t.Fatal(err)
		}
	}
	cookie := s.send(call{method: "POST", url: "ops.test/signin", body: url.Values{"token": {s.opsToken}}}).want(303).header.Get("Set-Cookie")
	cookie, _, _ = strings.Cut(cookie, ";")
	console := func(path string) string {
		return s.send(call{method: "GET", url: "ops.test" + path}.with("Cookie", cookie)).want(200).body
	}
	metric := func(line string) {
		t.Helper()
		if m := s.get("ops.test/metrics", "").want(200); !strings.Contains(m.body, "\n"+line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
	command := func(args ...string) (int, string, string) { return haat(t, args...) }
	quiet := func() {
		t.Helper()
		metric("haat_stock_discrepancies 0")
		if code, out, errs := command(append([]string{"check"}, at...)...); code != 0 || !strings.Contains(out, "2 shops with 6 SKUs checked") || strings.Contains(out, "expected") {
			t.Errorf("check: %d %s%s", code, out, errs)
		}
		if code, out, _ := run(append([]string{"doctor"}, at...)...); code != 0 || !strings.Contains(out, "ok   stock: all of it adds up") {
			t.Errorf("doctor: %d %s", code, out)
		}
		if body := console("/"); !strings.Contains(body, "Everything is well.") {
			t.Errorf("the console: %s", body)
		}
	}
	round()
	quiet()
	if text := log.take(); text != "" {
		t.Errorf("of what is well the log says %s", text)
	}
	for n, d := range damaged {
		if n > 0 {
			command = run // in this process, which starts in no time
		}
		alter(t, room, d.break_, variant)
		round()
		metric("haat_stock_discrepancies 1")
		if text := log.take(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "Aalto-S Aalto Bowl, Aalto S") || !strings.Contains(text, shop.slug) || !strings.Contains(text, d.says) {
			t.Errorf("%s: the log says %s", d.name, text)
		}
		round()
		if text := log.take(); text != "" {
			t.Errorf("%s: the log says again %s", d.name, text)
		}
		if body := console("/"); !strings.Contains(body, "1 SKU does not add up: Aalto-S Aalto Bowl") || !strings.Contains(body, "Stock discrepancy: "+shop.slug) || !strings.Contains(body, `href="/shops/`+shop.slug+`">Look`) {
			t.Errorf("%s: the console says %s", d.name, body)
		}
		if body := console("/shops/" + shop.slug); !strings.Contains(body, "Stock of Aalto-S Aalto Bowl") || !strings.Contains(body, "--explain "+shop.has["variant"]) {
			t.Errorf("%s: the shop's page says %s", d.name, body)
		}
		if body := console("/shops/" + well.slug); strings.Contains(body, "Stock of") {
			t.Errorf("%s: told of a shop that is well", d.name)
		}
		if code, out, _ := run(append([]string{"doctor"}, at...)...); code != 1 || !strings.Contains(out, "BAD  stock-discrepancy ("+shop.slug+"): 1 SKU does") || !strings.Contains(out, "next: Count") {
			t.Errorf("%s: doctor: %d %s", d.name, code, out)
		}
		copied := t.TempDir()
		copyFolder(t, s, copied)
		for _, at := range [][]string{at, {"--data", copied}} {
			tells := func(code int, out, errs string) {
				t.Helper()
				if code != 1 || !strings.Contains(out, shop.slug+" ("+room.Shop().String()+"): Aalto-S Aalto Bowl, Aalto S: ") || !strings.Contains(out, d.says) ||
					!strings.Contains(out, shop.has["variant"]) || !strings.Contains(lastLine(errs), "1 SKUs in 1 shops does not add up") {
					t.Errorf("%s: check %v: %d %s%s", d.name, at, code, out, errs)
				}
			}
			tells(command(append([]string{"check"}, at...)...))
			tells(command(append([]string{"check", "--shop", shop.slug}, at...)...))
			if code, out, errs := command(append([]string{"check", "--shop", well.slug}, at...)...); code != 0 || !strings.Contains(out, "1 shops with 3 SKUs checked") {
				t.Errorf("%s: of a shop that is well: %d %s%s", d.name, code, out, errs)
			}
			for _, name := range []string{"Aalto-S", shop.has["variant"]} {
				code, out, errs := command(append([]string{"check", "--shop", shop.slug, "--explain", name}, at...)...)
				if code != 1 || strings.Contains(out, "holds 2, until") != (d.name != "a hold") || !strings.Contains(out, "wrong: ") || !strings.Contains(out, "AVAILABLE") || !strings.Contains(out, d.says) {
					t.Errorf("%s: explain %s: %d %s%s", d.name, name, code, out, errs)
				}
			}
			code, out, errs := command(append([]string{"check", "--json"}, at...)...)
			var found api.Discrepancy
			var all api.Checked
			dec := json.NewDecoder(strings.NewReader(out))
			if err := errors.Join(dec.Decode(&found), dec.Decode(&all)); err != nil || code != 1 || found.SKU != "Aalto-S" || found.Variant != shop.has["variant"] ||
				found.ShopID != room.Shop().String() || found.Difference != found.Found-found.Expected || found.Difference == 0 || all.Wrong != 1 || all.WrongShops != 1 || all.Shops != 2 || all.SKUs != 6 {
				t.Errorf("%s: as JSON: %d %+v %+v %v: %s%s", d.name, code, found, all, err, out, errs)
			}
		}
		alter(t, room, d.mend, variant)
		round()
		if text := log.take(); !strings.Contains(text, "adds up again") {
			t.Errorf("%s: mended, the log says %s", d.name, text)
		}
		quiet()
	}
	// What cannot be looked at is 2.
	for _, args := range [][]string{
		append([]string{"check", "--shop", "nobody"}, at...), append([]string{"check", "--shop", shop.slug, "--explain", "nothing"}, at...),
		append([]string{"check", "--explain", "Aalto-S"}, at...), {"check", "--data", s.app.cfg.Data}, {"check", "--data", filepath.Join(s.app.cfg.Data, "none")},
		{"check", "--ops", "http://" + s.ops, "--token", "wrong"}, {"check", "--ops", "http://127.0.0.1:1", "--token", "x"},
	} {
		if code, out, errs := haat(t, args...); code != 2 || !strings.HasPrefix(lastLine(errs), "haat: ") {
			t.Errorf("%v: %d %s%s", args, code, out, errs)
		}
	}
}

// toldOf is what a register is told of the books.
func toldOf(t *testing.T, b *books) []meter.Incident {
	t.Helper()
	r := meter.NewIncidents(slog.New(slog.DiscardHandler), incidentKinds...)
	if err := b.watch(r)(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.Open()
}

// seeded opens a fleet of made-up shops on each engine.
func seeded(t *testing.T, shops int, fn func(t *testing.T, f *fleet.Fleet, rooms []*fleet.Room)) {
	var control []*db.SchemaSet
	for _, s := range ControlSchemas() {
		if s != fleet.Schema { // which is there already
			control = append(control, s)
		}
	}
	fleettest.EachFleet(t, Schemas(), control, func(t *testing.T, f *fleet.Fleet) {
		plan := seed.Plan{Shops: shops, Products: 3, Seed: 11}
		if _, err := seed.Fill(t.Context(), f, plan); err != nil {
			t.Fatal(err)
		}
		var rooms []*fleet.Room
		for i := range shops {
			room, err := f.ByID(t.Context(), seed.ID(plan.Seed, i))
			if err != nil {
				t.Fatal(err)
			}
			rooms = append(rooms, room)
		}
		fn(t, f, rooms)
	})
}

// TestBooksHoweverDivided looks at many shops, a few of them damaged, in pages
// and statements of any size, on one shard and two: the same is found.
func TestBooksHoweverDivided(t *testing.T) {
	seeded(t, 40, func(t *testing.T, f *fleet.Fleet, rooms []*fleet.Room) {
		want := map[string]bool{}
		for _, i := range []int{0, 7, 8, 23, 39} {
			alter(t, rooms[i], adjustFirst)
			want[rooms[i].Slug()] = true
		}
		var skus int64
		for _, paged := range []int{1, 7, 8, 40, 500} {
			for _, most := range []int64{1, 10, 100, 100_000} {
				b := newBooks(f, slog.New(slog.DiscardHandler))
				b.paged, b.most = paged, most
				got, steps := map[string]bool{}, 0
				all, err := asker{b, 1}.Check(t.Context(), "", func(s api.CheckStep) {
					if s.Found != nil {
						got[s.Found.Shop] = true
					} else if steps++; s.Of != 40 || s.Shops > 40 {
						t.Errorf("%d of %d", s.Shops, s.Of)
					}
				})
				if skus == 0 {
					skus = all.SKUs
				}
				if err != nil || !maps.Equal(got, want) || all.Shops != 40 || all.SKUs != skus || skus < 40 || all.Wrong != 5 || all.WrongShops != 5 || steps < 40/paged {
					t.Errorf("%d a page, %d entries a statement: %v %+v in %d steps, %v", paged, most, got, all, steps, err)
				}
				if err := b.round(t.Context(), newPace(1)); err != nil || len(b.wrong) != 5 || b.rounds != 1 || b.shops != 80 {
					t.Errorf("%d a page, %d entries a statement: a round finds %d in %d, %v", paged, most, len(b.wrong), b.shops, err)
				}
			}
		}
		// Written shops come first, if they are not large.
		b := newBooks(f, slog.New(slog.DiscardHandler))
		for _, r := range rooms[5:10] {
			b.wrote(fleet.Commit{Shop: r.Shop()})
		}
		l := look{books: b, pace: newPace(1), light: true, found: func(api.Discrepancy) {}}
		if err := l.writtenOnes(t.Context()); err != nil || len(b.wrong) != 2 || b.shops != 5 || len(b.written) != 0 || b.wrong[rooms[7].Shop()].items != 1 {
			t.Errorf("of what was written: %d in %d shops, %v", len(b.wrong), b.shops, err)
		}
		b.most = 0
		b.wrote(fleet.Commit{Shop: rooms[0].Shop()})
		if err := l.writtenOnes(t.Context()); err != nil || b.shops != 5 {
			t.Errorf("a large shop was looked at at once: %d, %v", b.shops, err)
		}
		if open := toldOf(t, b); len(open) != 2 || open[0].Name != stockWrong || open[0].Subject != open[0].Shop || !strings.Contains(open[0].Detail, "1 SKU does not add up") {
			t.Errorf("the operator is told %v", open)
		}
		idle := newBooks(f, b.log)
		if good, open := idle.finding(), toldOf(t, idle); len(open) != 0 || !strings.Contains(good, "not all of them yet") {
			t.Errorf("before anything was looked at: %s, %v", good, open)
		}
		idle.since = time.Now().Add(-25 * time.Hour)
		if open := toldOf(t, idle); len(open) != 1 || open[0].Name != stockUnseen || !strings.Contains(open[0].Detail, "not been looked at for 25h") {
			t.Errorf("after a day without a round: %v", open)
		}
	})
}

var adjustFirst = db.Q(`UPDATE stock_level SET available = available + 100 WHERE shop = $1 AND variant = (SELECT variant FROM stock_level WHERE shop = $1 AND available > 0 ORDER BY variant LIMIT 1)`)

// TestBooksOfShopsThatSell looks round after round while every shop sells,
// holds and is given goods: it finds nothing, until one row is damaged in the
// middle of it, which it does find.
func TestBooksOfShopsThatSell(t *testing.T) {
	seeded(t, 12, func(t *testing.T, f *fleet.Fleet, rooms []*fleet.Room) {
		b := newBooks(f, slog.New(slog.DiscardHandler))
		b.paged, b.most = 5, 40
		f.OnCommit(b.wrote)
		kept := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var work sync.WaitGroup
		var did atomic.Int64
		for i := range 4 {
			work.Go(func() {
				for n := i; ctx.Err() == nil; n += 4 {
					if err := trade(t.Context(), rooms[n%len(rooms)], n); err != nil {
						t.Error(err)
						return
					}
					did.Add(1)
				}
			})
		}
		deadline := time.Now().Add(time.Minute)
		for b.rounds < 30 || did.Load() < 300 {
			if err := b.round(t.Context(), newPace(1)); err != nil || len(b.wrong) > 0 || t.Failed() {
				t.Fatalf("after %d: %v, %v", did.Load(), b.wrong, err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("in a minute: %d rounds, %d changes", b.rounds, did.Load())
			}
		}
		t.Logf("%d shops looked at in %d rounds during %d changes, without a false alarm", b.shops, b.rounds, did.Load())
		// The worker finds it by itself.
		alter(t, rooms[3], adjustFirst)
		go func() {
			defer close(kept)
			b.keep(ctx, 0)
		}()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for len(b.of(rooms[3].Shop())) == 0 {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatal("the damage was not found")
			}
			if time.Now().After(deadline) {
				t.Fatal("the damage was not found in time")
			}
		}
		b.mu.Lock()
		wrong := len(b.wrong) // what was found is let go when the worker ends
		b.mu.Unlock()
		cancel()
		work.Wait()
		<-kept
		if wrong != 1 {
			t.Errorf("found in %d shops", wrong)
		}
	})
}

// trade does one of what happens to goods, with those of a shop that come
// first.
func trade(ctx context.Context, room *fleet.Room, n int) error {
	var v id.Variant
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		v, _, err = db.One(ctx, r, firstTracked, func(v *id.Variant) []any { return []any{v} })
		return err
	})
	if err != nil {
		return err
	}
	order, line := id.Order(id.New[struct{}]()), []stock.Line{{Variant: v, Quantity: 1}}
	steps := [][]func(tx *db.Tx) error{
		{func(tx *db.Tx) error { _, err := stock.Receive(ctx, tx, v, 2, ""); return err }, func(tx *db.Tx) error { return stock.Sell(ctx, tx, order, line) }},
		{func(tx *db.Tx) error { return stock.Hold(ctx, tx, order, line, tx.Now().Add(time.Hour)) }, func(tx *db.Tx) error { return stock.SellHeld(ctx, tx, order) },
			func(tx *db.Tx) error { return stock.Restock(ctx, tx, order, line) }},
		{func(tx *db.Tx) error { return stock.Hold(ctx, tx, order, line, tx.Now().Add(time.Hour)) }, func(tx *db.Tx) error { return stock.Release(ctx, tx, order) }},
	}[n%3]
	for _, step := range steps {
		if _, err := room.Change(ctx, step); errors.As(err, new(*stock.Short)) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

var firstTracked = db.Q(`SELECT variant FROM stock_level WHERE shop = $1 AND tracked ORDER BY variant LIMIT 1`)

// TestPace sees that what looks in the background rests for long.
func TestPace(t *testing.T) {
	p := newPace(0.02)
	p.began = time.Now().Add(-2 * time.Millisecond)
	start := time.Now()
	if err := p.rest(t.Context()); err != nil || time.Since(start) < 98*time.Millisecond {
		t.Errorf("after two milliseconds of work it rested for %v, %v", time.Since(start), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.began = time.Now().Add(-time.Hour)
	if err := p.rest(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("told to end, it goes on: %v", err)
	}
}

// TestBar draws on a pipe: a line now and then, and nothing to take away.
func TestBar(t *testing.T) {
	var out bytes.Buffer
	b := cli.NewBar(&out)
	if b.Due() {
		t.Error("it is due at once")
	}
	b.Show(1, 2, "1 of 2")
	b.Clear()
	if got := out.String(); got != "1 of 2\n" {
		t.Errorf("%q", got)
	}
}

// TestStockThatCannotBeAdded has numbers so large that their sum is none: that
// shop is named, and the others are looked at all the same.
func TestStockThatCannotBeAdded(t *testing.T) {
	seeded(t, 6, func(t *testing.T, f *fleet.Fleet, rooms []*fleet.Room) {
		for range 2 {
			alter(t, rooms[2], hugeEntry, id.Entry(id.New[struct{}]()), "x")
		}
		alter(t, rooms[4], adjustFirst)
		b := newBooks(f, slog.New(slog.DiscardHandler))
		err := b.round(t.Context(), newPace(1))
		if err == nil || !strings.Contains(err.Error(), rooms[2].Slug()) || b.rounds != 0 || len(b.of(rooms[4].Shop())) != 1 {
			t.Errorf("%v; %d rounds, wrong: %v", err, b.rounds, slices.Collect(maps.Keys(b.wrong)))
		}
		if open := toldOf(t, b); len(open) != 2 || open[0].Name != stockWrong || open[1].Name != stockUnseen || !strings.Contains(open[1].Detail, rooms[2].Slug()) {
			t.Errorf("the operator is told %v", open)
		}
		alter(t, rooms[2], mendEntry)
		alter(t, rooms[4], adjustBack)
		b.wrong[id.NewShop()] = wrongShop{slug: "gone", items: 1, seen: time.Now().Add(-time.Hour)} // of a shop that is no more
		if err := b.round(t.Context(), newPace(1)); err != nil || len(b.wrong) != 0 {
			t.Errorf("mended: %v, %v", err, b.wrong)
		}
		if good, open := b.finding(), toldOf(t, b); len(open) != 0 || !strings.Contains(good, "all of it adds up") {
			t.Errorf("mended: %s, %v", good, open)
		}
		if _, err := (asker{b, 1}).Check(t.Context(), fmt.Sprint("no", "body"), func(api.CheckStep) {}); err == nil {
			t.Error("a shop that is none was checked")
		}
	})
}

var (
	hugeEntry = db.Q(`
		INSERT INTO stock_ledger (shop, variant, id, kind, quantity, available, order_, note, at)
		SELECT shop, variant, $2, 'received', 9000000000000000000, 0, order_, $3, at FROM stock_ledger
		WHERE shop = $1 ORDER BY variant, id LIMIT 1`)
	mendEntry  = db.Q(`DELETE FROM stock_ledger WHERE shop = $1 AND note = 'x'`)
	adjustBack = db.Q(`UPDATE stock_level SET available = available - 100 WHERE shop = $1 AND variant = (SELECT variant FROM stock_level WHERE shop = $1 AND available > 0 ORDER BY variant LIMIT 1)`)
)

// What a large shop's lists are read from may be damaged too.
func TestDamagedListsAreTold(t *testing.T) {
	s := open(t, nil)
	shop := s.shop("Aalto")
	s.still(shop.slug)
	room, err := s.app.fleet.BySlug(t.Context(), shop.slug)
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"--ops", "http://" + s.ops, "--token", s.opsToken}
	for _, only := range [][]string{{}, {"--shop", shop.slug}} {
		check := append(append([]string{"check"}, only...), at...)
		if code, out, errs := run(check...); code != 0 {
			t.Errorf("%v: %d %s%s", only, code, out, errs)
		}
		alter(t, room, strayBlock, []byte{})
		if code, out, errs := run(check...); code != 1 || !strings.Contains(out, shop.slug+" ("+room.Shop().String()+"): Lists of products: lists: 0 expected, 1 found") || !strings.Contains(out, "does not say what the rows") {
			t.Errorf("%v: %d %s%s", only, code, out, errs)
		}
		alter(t, room, noBlock, []byte{})
	}
}

var (
	strayBlock = db.Q(`INSERT INTO product_block (shop, first, data) VALUES ($1, $2, CAST('x' AS BYTEA))`)
	noBlock    = db.Q(`DELETE FROM product_block WHERE shop = $1 AND first = $2`)
)
