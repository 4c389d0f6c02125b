package stock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// childEnv holds, in a child of TestKilledWhileSelling, where to sell what:
// dir, control DSN, shard DSN and variant, one a line.
const childEnv = "STOCK_TEST_SELL"

// sellUntilKilled is the child: it sells until there is nothing left or it is
// killed, and prints each order as soon as its sale was acknowledged.
func sellUntilKilled() {
	where := strings.Split(os.Getenv(childEnv), "\n")
	if len(where) != 4 {
		return
	}
	if err := sellAll(context.Background(), where[0], where[1], where[2], where[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func sellAll(ctx context.Context, dir, controlDSN, shardDSN, variant string) error {
	v, err := id.Parse[struct{}](variant)
	if err != nil {
		return err
	}
	control, err := db.OpenControl(ctx, controlDSN, db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		return err
	}
	f, err := fleet.OpenFleet(ctx, fleet.Config{
		Control: control, Dir: dir, Shards: 2, FirstShard: shardDSN, Schemas: schemas, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	room, err := f.BySlug(ctx, "test")
	if err != nil {
		return err
	}
	var sellers sync.WaitGroup
	failed := make([]error, 8)
	for i := range failed {
		sellers.Go(func() { failed[i] = keepSelling(ctx, room, id.Variant(v)) })
	}
	sellers.Wait()
	return errors.Join(failed...)
}

// keepSelling sells at once, by way of a hold, or not after all, in turn,
// until there is nothing left to sell.
func keepSelling(ctx context.Context, room *fleet.Room, v id.Variant) error {
	for i := rand.IntN(4); ; i++ {
		order := newOrder()
		steps := []seller{sellNow}
		if i%4 == 1 {
			steps = []seller{holdNow, sellHeldNow}
		}
		if i%4 == 2 {
			steps = []seller{holdNow, releaseNow}
		}
		for _, step := range steps {
			done, err := step(ctx, room, order, v)
			if err != nil {
				return err
			}
			if !done {
				return nil
			}
		}
		if i%4 != 2 {
			fmt.Printf("%s\n", order) // one write, so that no line is torn
		}
	}
}

var (
	soldOrders = db.Q(`SELECT order_ FROM stock_ledger WHERE shop = $1 AND kind = 'sold'`)
	heldOrders = db.Q(`SELECT DISTINCT order_ FROM stock_hold WHERE shop = $1`)
)

func orders(t *testing.T, room *fleet.Room, q *db.SQL) (out []id.Order) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(t.Context(), r, q, func(o *id.Order) []any { return []any{o} })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestKilledWhileSelling kills a selling process again and again with no
// warning. Whatever it had acknowledged is sold, nothing is sold twice, and
// the books balance every time.
func TestKilledWhileSelling(t *testing.T) {
	const initial = 400
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		killWhileSelling(t, initial, dir, filepath.Join(dir, "control.db"), "")
	})
	t.Run("postgres", func(t *testing.T) {
		killWhileSelling(t, initial, t.TempDir(), dbtest.Postgres(t), dbtest.Postgres(t))
	})
}

func killWhileSelling(t *testing.T, initial int64, dir, controlDSN, shardDSN string) {
	// Only one process at a time has the databases open.
	visit := func(name string, fn func(t *testing.T, f *fleet.Fleet)) {
		if !t.Run(name, func(t *testing.T) { fn(t, fleettest.OpenFleet(t, dir, controlDSN, shardDSN, schemas, nil)) }) {
			t.FailNow()
		}
	}
	a := counted(newProduct(), initial)
	visit("opened", func(t *testing.T, f *fleet.Fleet) { put(t, fleettest.NewShop(t, f, "test"), a) })

	acknowledged := map[id.Order]bool{}
	kills := 0
	for round := 0; ; round++ {
		after := 5 + rand.IntN(40)
		if round >= 6 {
			after = 1 << 30 // the last may finish
		}
		orders, killed := sellInChild(t, after, dir, controlDSN, shardDSN, a.Variant.String())
		for _, o := range orders {
			acknowledged[o] = true
		}
		if killed {
			kills++
		}
		visit(fmt.Sprintf("round %d", round), func(t *testing.T, f *fleet.Fleet) {
			room, err := f.BySlug(t.Context(), "test")
			if err != nil {
				t.Fatal(err)
			}
			checkAfterKill(t, room, a.Variant, initial, acknowledged)
		})
		if !killed {
			break
		}
	}
	if kills < 3 {
		t.Errorf("killed only %d times", kills)
	}
	visit("the rest", func(t *testing.T, f *fleet.Fleet) {
		room, err := f.BySlug(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		lost := orders(t, room, heldOrders) // by those that died between hold and payment
		for _, o := range lost {
			must(t, room, lapsed(o))
		}
		sweep(t, room, len(lost))
		for change(t, room, sell(newOrder(), one(a.Variant)...)) == nil {
		}
		wantLevel(t, room, a.Variant, 0, 0, initial)
		wantClean(t, room)
		t.Logf("killed %d times; %d sales acknowledged; %d holds left behind", kills, len(acknowledged), len(lost))
	})
}

func checkAfterKill(t *testing.T, room *fleet.Room, v id.Variant, initial int64, acknowledged map[id.Order]bool) {
	t.Helper()
	wantClean(t, room)
	times := map[id.Order]int{}
	for _, o := range orders(t, room, soldOrders) {
		times[o]++
	}
	for o := range acknowledged {
		if times[o] != 1 {
			t.Errorf("order %v was acknowledged and is sold %d times", o, times[o])
		}
	}
	l := level(t, room, v)
	if int64(len(acknowledged)) > l.Sold || l.Sold != int64(len(times)) || l.Sold > initial {
		t.Errorf("%d acknowledged, %d sold by the level, %d by the ledger, of %d", len(acknowledged), l.Sold, len(times), initial)
	}
}

// sellInChild runs the child and kills it after so many acknowledged sales. It
// gives all that was acknowledged, and whether the child had to be killed.
func sellInChild(t *testing.T, after int, where ...string) (sold []id.Order, killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(where, "\n"))
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		if err != nil {
			t.Fatalf("read from the child: %q, %v", line, err)
		}
		o, err := id.Parse[struct{}](strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("the child says %q", line)
		}
		sold = append(sold, id.Order(o))
		if len(sold) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed = true
		}
	}
	if err := cmd.Wait(); err != nil && !killed {
		t.Fatalf("the child: %v\n%s", err, complaint.String())
	}
	return sold, killed
}
