package event_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// processEnv holds, in a child of TestTwoProcessesKilled, its name, its folder,
// the DSNs of the control database and the shard, and the address of a broker, which
// may be empty, one a line.
const processEnv = "EVENT_TEST_PROCESS"

const sharedShops = 6

// processUntilKilled is the child: one of two processes on the same databases,
// each of which emits in every shop, and of which one delivers.
func processUntilKilled() {
	where := strings.Split(os.Getenv(processEnv), "\n")
	if len(where) != 5 {
		return
	}
	fmt.Fprintln(os.Stderr, serveForEver(context.Background(), where[0], where[1], where[2], where[3], where[4]))
	os.Exit(1)
}

func killedTopic(broker string, epoch func(context.Context) (int64, error)) event.KafkaOptions {
	return event.KafkaOptions{Brokers: []string{broker}, Topic: "killed", Partitions: 4, Retention: time.Hour, Session: time.Second, Epoch: epoch}
}

func serveForEver(ctx context.Context, name, dir, controlDSN, shardDSN, broker string) error {
	control, err := db.OpenControl(ctx, controlDSN, db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		return err
	}
	member, err := fleet.Join(ctx, control, fleet.Process{ID: name}, fleet.Pace{Beat: 200 * time.Millisecond, Lease: time.Second}, quiet())
	if err != nil {
		return err
	}
	f, err := fleet.OpenFleet(ctx, fleet.Config{
		Control: control, Dir: dir, FirstShard: shardDSN, Schemas: []*db.SchemaSet{event.Schema, effectSchema},
		Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	b := deliveringBus(f)
	b.Leased()
	var road event.Carrier = event.Local{Bus: b}
	if broker != "" {
		road, err = event.OverKafka(ctx, f, b, killedTopic(broker, func(ctx context.Context) (int64, error) {
			fmt.Println("delivers")
			return member.Epoch(ctx, "partitions")
		}), quiet())
		if err != nil {
			return err
		}
	}
	feed := event.NewFeed(f, name, event.FeedOptions{
		Keeps: func(id.Shop) bool { return false }, Unsure: func(bool) {}, Missed: func() {}, Alone: func() bool { return false },
	}, quiet())
	b.Start(ctx)
	go feed.Run(ctx)
	go member.Keep(ctx)
	go member.Hold(ctx, "events", func(ctx context.Context, epoch int64) {
		fmt.Println("delivers")
		road.Serve(ctx, "s1", epoch)
	})
	go road.Run(ctx)
	for {
		i := rand.IntN(sharedShops)
		room, err := f.BySlug(ctx, shopOf(i))
		if err != nil {
			return err
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error { return event.Emit(ctx, tx, happened{K: fmt.Sprint(i), N: i}) })
		if err != nil {
			return err
		}
		fmt.Println(i)
		<-time.After(rand.N(10 * time.Millisecond))
	}
}

// TestTwoProcessesKilled has two processes work on the same shops, and kills
// now one and now the other. In the end every event that was acknowledged, and
// any that was committed besides, has taken effect once and in order; on a topic
// each is there, in order.
func TestTwoProcessesKilled(t *testing.T) {
	t.Run("local", func(t *testing.T) { killTwoProcesses(t, "") })
	t.Run("over a topic", func(t *testing.T) { killTwoProcesses(t, eventtest.Fake(t).ListenAddrs()[0]) })
}

func killTwoProcesses(t *testing.T, broker string) {
	controlDSN, shardDSN, dir := dbtest.Postgres(t), dbtest.Postgres(t), t.TempDir()
	f := fleettest.OpenFleet(t, dir, controlDSN, shardDSN, []*db.SchemaSet{event.Schema, effectSchema}, nil)
	for i := range sharedShops {
		fleettest.NewShop(t, f, shopOf(i))
	}
	acknowledged, took := map[int]int64{}, 0
	children := [2]*child{}
	for i := range children {
		children[i] = startChild(t, fmt.Sprint("p", i), dir, controlDSN, shardDSN, broker)
	}
	for round := range 4 {
		for i, c := range children {
			c.until(t, 40+rand.IntN(40), acknowledged, &took)
			if i == round%2 {
				c.kill(t, acknowledged, &took)
				children[i] = startChild(t, fmt.Sprint("p", i), dir, controlDSN, shardDSN, broker)
			}
		}
	}
	for _, c := range children {
		c.kill(t, acknowledged, &took)
	}
	above := time.Now().Add(time.Hour).UnixMicro() // all that there were
	topic := event.KafkaOptions{}
	if broker != "" {
		topic = killedTopic(broker, func(context.Context) (int64, error) { return above, nil })
	}
	last := deliverFrom(t, f, deliveringBus(f), topic, above)
	defer last.end()
	await(t, "nothing is left", func() bool { return len(newsOf(t, f)) == 0 })
	for i := range sharedShops {
		room, seq := seqOf(t, f, i)
		if seq < acknowledged[i] {
			t.Errorf("shop %d emitted %d events, %d were acknowledged", i, seq, acknowledged[i])
		}
		for _, name := range []string{"one", "two"} {
			if got := seqs(t, room, name); !slices.Equal(got, upTo(int(seq))) {
				t.Errorf("of %d events in shop %d %s saw %v", seq, i, name, got)
			}
		}
	}
	if broker != "" {
		want := map[string]int64{}
		for i := range sharedShops {
			room, seq := seqOf(t, f, i)
			want[room.Shop().String()] = seq
		}
		for _, gap := range publishedOn(t, topic, want) {
			t.Error("on the topic, " + gap)
		}
	}
	if took < 2 {
		t.Errorf("a process began to deliver %d times: this proves nothing", took)
	}
	t.Logf("killed 6 times; a process began to deliver %d times", took)
}

type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	said  strings.Builder
}

func startChild(t *testing.T, where ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(t.Context(), self, "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), processEnv+"="+strings.Join(where, "\n"))
	c.cmd.Stderr = &c.said
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.lines, err = bufio.NewScanner(out), c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// until waits for so many acknowledged events; 0 is all that were.
func (c *child) until(t *testing.T, n int, acknowledged map[int]int64, took *int) {
	t.Helper()
	seen := 0
	for (n == 0 || seen < n) && c.lines.Scan() {
		i := 0
		if c.lines.Text() == "delivers" {
			*took++
		} else if k, _ := fmt.Sscanf(c.lines.Text(), "%d", &i); k == 1 {
			acknowledged[i]++
			seen++
		}
	}
	if seen < n {
		t.Fatalf("a process died by itself after %d events: %s", seen, c.said.String())
	}
}

func (c *child) kill(t *testing.T, acknowledged map[int]int64, took *int) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.until(t, 0, acknowledged, took)
	_ = c.cmd.Wait()
}
