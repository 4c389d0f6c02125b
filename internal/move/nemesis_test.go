package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { fleettest.Main(m) }

var things = db.Schema("thing", fstest.MapFS{"schema/0001_thing.sql": {Data: []byte(`
-- narrow
CREATE TABLE thing_sum (
	shop   BIGINT NOT NULL,
	writer TEXT   NOT NULL,
	n      BIGINT NOT NULL,
	PRIMARY KEY (shop, writer)
);
CREATE TABLE thing_op (
	shop   BIGINT NOT NULL,
	writer TEXT   NOT NULL,
	n      BIGINT NOT NULL,
	note   TEXT,
	raw    BYTEA,
	odd    BOOLEAN NOT NULL,
	PRIMARY KEY (shop, writer, n)
);
CREATE TABLE thing_place (
	shop BIGINT NOT NULL,
	id   BYTEA NOT NULL,
	slot BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE UNIQUE INDEX thing_place_slot ON thing_place (shop, slot);
CREATE TABLE thing_seen (
	shop  BIGINT NOT NULL,
	seq   BIGINT NOT NULL,
	times BIGINT NOT NULL,
	PRIMARY KEY (shop, seq)
);
`)}})

var (
	addSum = db.Q(`INSERT INTO thing_sum (shop, writer, n) VALUES ($1, $2, 1) ON CONFLICT (shop, writer) DO UPDATE SET n = thing_sum.n + 1`)
	addOp  = db.Q(`INSERT INTO thing_op (shop, writer, n, note, raw, odd) VALUES ($1, $2, $3, $4, $5, $6)`)
	placed = db.Q(`INSERT INTO thing_place (shop, id, slot) VALUES ($1, $2, $3)`)
	lift   = db.Q(`DELETE FROM thing_place WHERE shop = $1 AND slot = $2`)
	sums   = db.Q(`SELECT writer, n FROM thing_sum WHERE shop = $1 ORDER BY writer`)
	ops    = db.Q(`SELECT writer, COUNT(*) FROM thing_op WHERE shop = $1 GROUP BY writer ORDER BY writer`)

	see  = db.Q(`INSERT INTO thing_seen (shop, seq, times) VALUES ($1, $2, 1) ON CONFLICT (shop, seq) DO UPDATE SET times = thing_seen.times + 1`)
	seen = db.Q(`SELECT COUNT(*), COALESCE(SUM(times), 0) FROM thing_seen WHERE shop = $1`)

	listShard = db.C(`INSERT INTO shard (id, dsn, state, created_at) VALUES ($1, $2, 'open', 0)`)
)

// thing is an event that every writer emits.
type thing struct{}

func (thing) Topic() string  { return "thing" }
func (thing) Key() string    { return "" }
func (thing) Tags() []string { return nil }

// yard is a fleet of a file and two databases.
func yard(t *testing.T, postgres int, more ...*db.SchemaSet) *fleet.Fleet {
	t.Helper()
	dsns := []string{"s1.db"}
	for range postgres {
		dsns = append(dsns, dbtest.Postgres(t))
	}
	return yardOf(t, dsns, more...)
}

// yardOf is a fleet of these shards.
func yardOf(t *testing.T, dsns []string, more ...*db.SchemaSet) *fleet.Fleet {
	t.Helper()
	dir, ctx := t.TempDir(), t.Context()
	control, err := db.OpenControl(ctx, filepath.Join(dir, "control.db"), db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema, Schema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	err = control.Change(ctx, func(tx *db.ControlTx) error {
		for i, dsn := range dsns {
			if _, err := tx.Exec(ctx, listShard, fmt.Sprintf("s%d", i+1), dsn); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.OpenFleet(ctx, fleet.Config{Control: control, Dir: dir, Schemas: append([]*db.SchemaSet{things, event.Schema}, more...), Domain: fleettest.Domain, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// writers write to a shop until told to end, and count what was acknowledged.
type writers struct {
	room  *fleet.Room
	acked [16]atomic.Int64
	doubt [16]atomic.Int64
	stop  chan struct{}
	pace  time.Duration
	all   sync.WaitGroup
	write func(ctx context.Context, fn func(*db.Tx) error) error // instead of Room.Change
}

func (w *writers) begin(t *testing.T) {
	w.stop = make(chan struct{})
	for i := range w.acked {
		name := fmt.Sprintf("wörter-%02d", i)
		w.all.Go(func() {
			for n := int64(0); n < 200; n++ {
				select {
				case <-w.stop:
					return
				case <-time.After(w.pace):
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				at := n
				err := w.write(ctx, func(tx *db.Tx) error {
					var note any
					if at%3 != 0 {
						note = fmt.Sprintf("note %d of %s\n", at, name)
					}
					raw := []byte{}
					if at%5 != 0 {
						raw = []byte{0, byte(at), 255}
					}
					_, err := tx.Exec(ctx, addOp, name, at, note, raw, at%2 == 1)
					if err == nil {
						_, err = tx.Exec(ctx, addSum, name)
					}
					if err == nil { // what only one row may have goes from one to another
						_, err = tx.Exec(ctx, lift, i)
					}
					if err == nil {
						_, err = tx.Exec(ctx, placed, []byte(fmt.Sprint(name, at%7)), i)
					}
					tx.Append(db.Outgoing{ID: id.Event(id.New[struct{}]()), Topic: "thing", Key: name, Payload: []byte("{}")})
					return err
				})
				cancel()
				switch {
				case err == nil:
					w.acked[i].Add(1)
				case errors.Is(err, db.ErrDoubt):
					w.doubt[i].Add(1)
				}
			}
		})
	}
}

func (w *writers) end() { close(w.stop); w.all.Wait() }

func (w *writers) total() (n int64) {
	for i := range w.acked {
		n += w.acked[i].Load()
	}
	return n
}

type counted struct {
	writer string
	n      int64
}

func scanCounted(c *counted) []any { return []any{&c.writer, &c.n} }

// lost gives how many acknowledged writes the shop does not have, and how many
// it has twice or in part.
func (w *writers) lost(t *testing.T) (lost, wrong int64) {
	t.Helper()
	err := w.room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
		a, err := db.All(t.Context(), r, sums, scanCounted)
		if err != nil {
			return err
		}
		b, err := db.All(t.Context(), r, ops, scanCounted)
		if err != nil {
			return err
		}
		if !slices.Equal(a, b) {
			wrong++
			t.Logf("what each wrote adds up to %v, and there are %v", a, b)
		}
		have := map[string]int64{}
		for _, c := range b {
			have[c.writer] = c.n
		}
		var all int64
		for i := range w.acked {
			n := have[fmt.Sprintf("wörter-%02d", i)]
			all += n
			if d := w.acked[i].Load() - n; d > 0 {
				lost += d
			} else if -d > w.doubt[i].Load() {
				wrong += -d - w.doubt[i].Load()
				t.Logf("writer %d has %d writes, of which %d were acknowledged", i, n, n+d)
			}
		}
		if n, err := db.Seq(t.Context(), r); err != nil || n != all { // each emits one event
			wrong++
			t.Logf("the clock counted %d events, and there are %d writes: %v", n, all, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lost, wrong
}

func newShop(t *testing.T, f *fleet.Fleet) *fleet.Room {
	t.Helper()
	return fleettest.NewShop(t, f, fmt.Sprintf("shop%d", rand.IntN(1e9)))
}

// works runs a mover.
func works(t *testing.T, f *fleet.Fleet, change func(*Mover)) *Mover {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	m := New(Config{Fleet: f, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Lease: 300 * time.Millisecond})
	change(m)
	all.Go(func() { m.Work(ctx) })
	t.Cleanup(func() { stop(); all.Wait() })
	return m
}

func await(t *testing.T, m *Mover, n int64, ok func(Move) bool) Move {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		mv, err := m.Get(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if ok(mv) {
			return mv
		}
		if time.Now().After(end) {
			t.Fatalf("the move is still %+v", mv)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func arrived(m Move) bool { return m.Phase == Kept || m.Over() }

// A shop with sixteen writers moves at random between a file and two databases
// while movers die at every stage: no acknowledged write is lost or doubled,
// and every event is handled once.
func TestNemesis(t *testing.T) {
	f := yard(t, 2)
	room := newShop(t, f)
	var deaths atomic.Int64
	seen := sync.Map{}
	mover := works(t, f, func(m *Mover) {
		m.at = func(stage string) error {
			seen.Store(stage, true)
			chance := 10
			if stage == "copying" || stage == "checking" {
				chance = 100
			}
			if rand.IntN(chance) == 0 {
				deaths.Add(1)
				return errKilled
			}
			return nil
		}
	})
	bus := event.NewBus(f, discard)
	event.On(bus, "seer", func(ctx context.Context, tx *db.Tx, m event.Meta, _ thing) error {
		_, err := tx.Exec(ctx, see, m.Seq)
		return err
	})
	bus.Start(t.Context())
	defer bus.Close()
	w := &writers{room: room, pace: 150 * time.Millisecond}
	w.write = func(ctx context.Context, fn func(*db.Tx) error) error {
		_, err := room.Change(ctx, fn)
		return err
	}
	w.begin(t)
	var pauses []time.Duration
	aborts, moves := int64(0), 0
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end) || moves < 5; moves++ {
		now, err := f.ByID(t.Context(), room.Shop())
		if err != nil {
			t.Fatal(err)
		}
		to := fmt.Sprintf("s%d", 1+rand.IntN(3))
		if to == now.Shard() {
			continue
		}
		mv, err := mover.Start(t.Context(), room.Shop(), to)
		if err != nil {
			was, _, _ := mover.Open(t.Context(), room.Shop())
			if e := mover.Forget(t.Context(), room.Shop()); e != nil {
				t.Fatal(err, e)
			}
			await(t, mover, was.ID, Move.Over)
			continue
		}
		mv = await(t, mover, mv.ID, arrived)
		pauses, aborts = append(pauses, mv.Pause), aborts+mv.Aborts
	}
	w.end()
	lost, wrong := w.lost(t)
	emitted, handled, times := awaitSeen(t, room)
	t.Logf("%d events, %d handled, %d times in all", emitted, handled, times)
	if handled != emitted || times != emitted {
		t.Errorf("of %d events %d were handled, %d times in all", emitted, handled, times)
	}
	slices.Sort(pauses)
	t.Logf("%d moves, %d given up and tried again, %d deaths; %d writes acknowledged, %d lost, %d wrong; pause p50 %v, p95 %v, max %v", len(pauses), aborts, deaths.Load(), w.total(), lost, wrong,
		pauses[len(pauses)/2], pauses[len(pauses)*95/100], pauses[len(pauses)-1])
	if lost > 0 || wrong > 0 {
		t.Errorf("%d acknowledged writes lost, %d wrong", lost, wrong)
	}
	seen.Range(func(stage, _ any) bool { t.Log("a mover came by", stage); return true })
}

// awaitSeen waits until all events were handled, and counts them.
func awaitSeen(t *testing.T, room *fleet.Room) (emitted, handled, times int64) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
			if emitted, err = db.Seq(t.Context(), r); err != nil {
				return err
			}
			type sum struct{ rows, times int64 }
			s, _, err := db.One(t.Context(), r, seen, func(s *sum) []any { return []any{&s.rows, &s.times} })
			handled, times = s.rows, s.times
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if handled >= emitted || time.Now().After(end) {
			return emitted, handled, times
		}
		<-time.After(20 * time.Millisecond)
	}
}
