package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
)

// crashEnv holds, in a child of TestOneOfManyEndsTheProgram, where to deliver.
const crashEnv = "EVENT_TEST_CRASH"

const crashed = 3 // exit status

// crashWhileDelivering is the child: it delivers until all is at rest, and ends
// in the middle of the transaction of an event that is called bomb.
func crashWhileDelivering() {
	where := strings.Split(os.Getenv(crashEnv), "\n")
	if len(where) != 3 {
		return
	}
	err := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		control, err := db.OpenControl(ctx, where[1], db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
		if err != nil {
			return err
		}
		f, err := fleet.OpenFleet(ctx, fleet.Config{
			Control: control, Dir: where[0], Shards: 1, FirstShard: where[2], Schemas: []*db.SchemaSet{event.Schema, effectSchema},
			Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		room, err := f.BySlug(ctx, "a")
		if err != nil {
			return err
		}
		b := crashingBus(f)
		b.Start(ctx)
		for !b.Resting(room.Shop()) || b.Settle(ctx) != nil || len(left(ctx, f)) > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		b.Close()
		return errors.Join(f.Close(), control.Close())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func left(ctx context.Context, f *fleet.Fleet) (counts []db.Count) {
	for _, name := range f.ShardNames() {
		some, err := f.Shard(name).News(ctx, 0, 10)
		if err != nil {
			return []db.Count{{}}
		}
		counts = append(counts, some...)
	}
	return counts
}

func crashingBus(f *fleet.Fleet) *event.Bus {
	b := event.NewBus(f, quiet())
	event.On(b, "one", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
		if h.K == "bomb" {
			os.Exit(crashed)
		}
		return record("one")(ctx, tx, m, h)
	})
	event.On(b, "two", record("two"))
	return b
}

// Of many events that wait when the program starts one ends it whenever it is
// handled, in the middle of what is handled together with it: after a few runs
// it alone is set aside.
func TestOneOfManyEndsTheProgram(t *testing.T) {
	const many, bomb = 150, 100
	run := func(t *testing.T, dir, controlDSN, shardDSN string) {
		visit := func(name string, fn func(t *testing.T, f *fleet.Fleet)) {
			if !t.Run(name, func(t *testing.T) {
				fn(t, fleettest.OpenFleet(t, dir, controlDSN, shardDSN, []*db.SchemaSet{event.Schema, effectSchema}, nil))
			}) {
				t.FailNow()
			}
		}
		visit("opened", func(t *testing.T, f *fleet.Fleet) {
			room := fleettest.NewShop(t, f, "a")
			for n := range many {
				k := fmt.Sprint(n)
				if n+1 == bomb {
					k = "bomb"
				}
				emit(t, room, happened{K: k})
			}
		})
		crashes := 0
		for ended := false; !ended; {
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), crashEnv+"="+dir+"\n"+controlDSN+"\n"+shardDSN)
			out, err := c.CombinedOutput()
			switch code := c.ProcessState.ExitCode(); {
			case code == crashed && crashes < 8:
				crashes++
			case err == nil:
				ended = true
			default:
				t.Fatalf("after %d crashes: %v: %s", crashes, err, out)
			}
		}
		if crashes < 2 || crashes > 4 { // in the middle of many, and three times alone
			t.Errorf("it crashed %d times", crashes)
		}
		visit("afterwards", func(t *testing.T, f *fleet.Fleet) {
			room, err := f.BySlug(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(upTo(many), func(n int64) bool { return n == bomb })
			if got := seqs(t, room, "one"); !slices.Equal(got, want) {
				t.Errorf("one saw %v", got)
			}
			if got := seqs(t, room, "two"); !slices.Equal(got, upTo(many)) {
				t.Errorf("two saw %v", got)
			}
			parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100)
			if err != nil || len(parked) != 1 || parked[0].Key != "bomb" || !strings.HasPrefix(parked[0].Error, "a crash loop: ") {
				t.Errorf("parked %v, %v", parked, err)
			}
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		run(t, dir, filepath.Join(dir, "control.db"), "")
	})
	t.Run("postgres", func(t *testing.T) { run(t, t.TempDir(), dbtest.Postgres(t), dbtest.Postgres(t)) })
}

// What waits when the program starts is not handled one by one while there is
// no reason to suspect it.
func TestABacklogIsHandledTogether(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		const many = 640
		for n := 0; n < many; n += 64 {
			var some []event.Event
			for i := range 64 {
				some = append(some, happened{K: fmt.Sprint(n + i)})
			}
			emit(t, room, some...)
		}
		before := stands(t, room)
		b := event.NewBus(f, quiet())
		event.On(b, "one", record("one"))
		event.On(b, "two", record("two"))
		b.Start(t.Context())
		defer b.Close()
		until(t, "all is handled", func() bool { return len(seqs(t, room, "two")) == many && b.Resting(room.Shop()) })
		for _, name := range []string{"one", "two"} {
			if got := seqs(t, room, name); !slices.Equal(got, upTo(many)) {
				t.Errorf("%s saw %v", name, got)
			}
		}
		if n := stands(t, room) - before; n > many/8 {
			t.Errorf("%d events took %d transactions", many, n)
		}
	})
}

// stands gives how many transactions a shop has seen.
func stands(t *testing.T, room *fleet.Room) (n int64) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error { n = r.Mark().N; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
