package event_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// childEnv holds, in a child of TestKilledWhileDelivering, where to emit and
// deliver: dir, control DSN and shard DSN, one a line.
const childEnv = "EVENT_TEST_DELIVER"

const killedShops = 12

func shopOf(i int) string { return fmt.Sprintf("shop%d", i) }

// deliverUntilKilled is the child: it emits in many shops at once, in bursts
// with rests between, in which shops are marked as done. It prints each shop
// that it emitted in as soon as that was acknowledged.
func deliverUntilKilled() {
	where := strings.Split(os.Getenv(childEnv), "\n")
	if len(where) != 3 {
		return
	}
	fmt.Fprintln(os.Stderr, emitForEver(context.Background(), where[0], where[1], where[2]))
	os.Exit(1)
}

func emitForEver(ctx context.Context, dir, controlDSN, shardDSN string) error {
	control, err := db.OpenControl(ctx, controlDSN, db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		return err
	}
	f, err := fleet.OpenFleet(ctx, fleet.Config{
		Control: control, Dir: dir, Shards: 2, FirstShard: shardDSN, Schemas: []*db.SchemaSet{event.Schema, effectSchema},
		Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	b := deliveringBus(f)
	b.Start(ctx)
	failed := make(chan error)
	for i := range killedShops {
		go func() {
			for {
				room, err := f.BySlug(ctx, shopOf(i))
				for n := rand.IntN(5); n >= 0 && err == nil; n-- {
					_, err = room.Change(ctx, func(tx *db.Tx) error {
						return event.Emit(ctx, tx, happened{K: fmt.Sprint(n), N: n})
					})
					if err == nil {
						fmt.Printf("%d\n", i)
					}
				}
				if err != nil {
					failed <- err
					return
				}
				// Often rest until the shop was marked as done, so that the next
				// burst begins from there.
				if rand.IntN(4) > 0 {
					for !b.Resting(room.Shop()) {
						<-time.After(10 * time.Millisecond)
					}
					<-time.After(rand.N(2 * time.Second)) // so that some are at rest when they are killed
				}
			}
		}()
	}
	return <-failed
}

func deliveringBus(f *fleet.Fleet) *event.Bus {
	b := event.NewBus(f, quiet())
	event.On(b, "one", record("one"))
	event.On(b, "two", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
		if err := record("two")(ctx, tx, m, h); err != nil || rand.N(10) > 0 {
			return err
		}
		return event.Unavailable(errors.New("bad luck")) // never parked
	})
	return b
}

// A process that emits and delivers is killed again and again, wherever it
// stands. Each time, every shop with an event that somebody has not had is
// among the news, and in the end a bus that finds them there, and is told of
// nothing, delivers each event once and in order; then there are no news.
func TestKilledWhileDelivering(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		killWhileDelivering(t, dir, filepath.Join(dir, "control.db"), "")
	})
	t.Run("postgres", func(t *testing.T) { killWhileDelivering(t, t.TempDir(), dbtest.Postgres(t), dbtest.Postgres(t)) })
}

func killWhileDelivering(t *testing.T, dir, controlDSN, shardDSN string) {
	// Only one process at a time has the databases open.
	visit := func(name string, fn func(t *testing.T, f *fleet.Fleet)) {
		if !t.Run(name, func(t *testing.T) {
			fn(t, fleettest.OpenFleet(t, dir, controlDSN, shardDSN, []*db.SchemaSet{event.Schema, effectSchema}, nil))
		}) {
			t.FailNow()
		}
	}
	visit("opened", func(t *testing.T, f *fleet.Fleet) {
		for i := range killedShops {
			fleettest.NewShop(t, f, shopOf(i))
		}
	})
	acknowledged := map[int]int64{}
	left, rested := 0, 0
	for round := range 5 {
		emitInChild(t, 40+rand.IntN(60), acknowledged, dir, controlDSN, shardDSN)
		visit(fmt.Sprintf("round %d", round), func(t *testing.T, f *fleet.Fleet) {
			for i := range killedShops {
				// In this order: a server of its own may yet commit what the
				// killed process had sent last.
				room, seq := seqOf(t, f, i)
				if seq < acknowledged[i] {
					t.Errorf("shop %d emitted %d events, %d were acknowledged", i, seq, acknowledged[i])
				}
				one, two := seqs(t, room, "one"), seqs(t, room, "two")
				news := newsOf(t, f)
				missing := len(one) < int(seq) || len(two) < int(seq)
				listed := slices.Contains(news, room.Shop())
				switch {
				case missing:
					left++
				case seq > 0 && !listed:
					rested++
				}
				if missing && !listed {
					t.Errorf("shop %d emitted %d events, of which one had %d and two %d; it is not among the news", i, seq, len(one), len(two))
				}
			}
		})
	}
	if left == 0 || rested == 0 {
		t.Errorf("shops were left with events undelivered %d times, and at rest %d times: this proves nothing", left, rested)
	}
	visit("the rest", func(t *testing.T, f *fleet.Fleet) {
		b := deliveringBus(f)
		b.Start(t.Context())
		defer b.Close()
		for deadline := time.After(30 * time.Second); len(newsOf(t, f)) > 0; {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-deadline:
				t.Fatalf("still news: %v", newsOf(t, f))
			}
		}
		for i := range killedShops {
			room, seq := seqOf(t, f, i)
			for _, name := range []string{"one", "two"} {
				if got := seqs(t, room, name); !slices.Equal(got, upTo(int(seq))) {
					t.Errorf("of %d events in shop %d %s saw %v", seq, i, name, got)
				}
			}
		}
		t.Logf("killed 5 times; shops were left with events undelivered %d times, and at rest %d times", left, rested)
	})
}

func newsOf(t *testing.T, f *fleet.Fleet) (shops []id.Shop) {
	t.Helper()
	for _, name := range f.ShardNames() {
		counts, err := f.Shard(name).News(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			shops = append(shops, c.Shop)
		}
	}
	return shops
}

func seqOf(t *testing.T, f *fleet.Fleet, i int) (room *fleet.Room, seq int64) {
	t.Helper()
	room, err := f.BySlug(t.Context(), shopOf(i))
	if err == nil {
		err = room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
			seq, err = db.Seq(t.Context(), r)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return room, seq
}

// emitInChild runs the child and kills it after so many acknowledged events.
func emitInChild(t *testing.T, after int, acknowledged map[int]int64, where ...string) {
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
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var i int
		if c, _ := fmt.Sscanf(lines.Text(), "%d", &i); c != 1 {
			continue
		}
		acknowledged[i]++
		if n++; n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if n < after {
		t.Fatalf("the child died by itself after %d events: %s", n, complaint.String())
	}
}
