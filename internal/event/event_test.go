package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

func TestMain(m *testing.M) {
	deliverUntilKilled()
	processUntilKilled()
	crashWhileDelivering()
	fleettest.Main(m)
}

var effectSchema = db.Schema("effect", fstest.MapFS{"schema/0001_effect.sql": {Data: []byte(`
CREATE TABLE effect (
	shop BIGINT NOT NULL,
	name TEXT   NOT NULL,
	n    BIGINT NOT NULL,
	seq  BIGINT NOT NULL,
	PRIMARY KEY (shop, name, n)
);`)}})

var (
	addEffect = db.Q(`INSERT INTO effect (shop, name, n, seq) VALUES ($1, $2, (SELECT COUNT(*) FROM effect WHERE shop = $1 AND name = $2), $3)`)
	effects   = db.Q(`SELECT seq FROM effect WHERE shop = $1 AND name = $2 ORDER BY n`)
)

type happened struct {
	K string `json:"k"`
	N int    `json:"n"`
}

func (happened) Topic() string    { return "test.happened" }
func (h happened) Key() string    { return h.K }
func (h happened) Tags() []string { return []string{"thing:" + h.K} }

type ignored struct{}

func (ignored) Topic() string  { return "test.ignored" }
func (ignored) Key() string    { return "" }
func (ignored) Tags() []string { return nil }

func each(t *testing.T, fn func(t *testing.T, f *fleet.Fleet)) {
	fleettest.EachFleet(t, []*db.SchemaSet{event.Schema, effectSchema}, nil, fn)
}

func emit(t testing.TB, room *fleet.Room, events ...event.Event) {
	t.Helper()
	_, err := room.Change(t.Context(), func(tx *db.Tx) error {
		for _, e := range events {
			if err := event.Emit(t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func seqs(t *testing.T, room *fleet.Room, name string) []int64 {
	t.Helper()
	var out []int64
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(t.Context(), r, effects, func(n *int64) []any { return []any{n} }, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func settle(t *testing.T, b *event.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Settle(ctx); err != nil {
		t.Fatalf("the bus did not settle: %v", err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func record(name string) func(context.Context, *db.Tx, event.Meta, happened) error {
	return func(ctx context.Context, tx *db.Tx, m event.Meta, _ happened) error {
		_, err := tx.Exec(ctx, addEffect, name, m.Seq)
		return err
	}
}

func upTo(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}

// Buses are started and stopped at random while events are emitted; every
// effect happens once, in the order of the clock.
func TestEveryEffectOnceAndInOrder(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		rooms := []*fleet.Room{fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")}
		newBus := func() *event.Bus {
			b := event.NewBus(f, quiet())
			event.On(b, "one", record("one"))
			event.On(b, "two", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
				if err := record("two")(ctx, tx, m, h); err != nil {
					return err
				}
				if rand.N(10) == 0 { // after the effect: it must be rolled back with it
					return errors.New("bad luck")
				}
				return nil
			})
			b.Start(t.Context())
			return b
		}
		const n = 150
		bus := newBus()
		for i := range n {
			for _, r := range rooms {
				emit(t, r, happened{K: fmt.Sprint(i % 7), N: i})
			}
			if i%40 == 39 {
				bus.Close()
				bus = newBus()
			}
		}
		settle(t, bus)
		bus.Close()
		last := newBus() // finds by itself what the others left
		defer last.Close()
		emit(t, rooms[0], ignored{})
		emit(t, rooms[1], ignored{})
		settle(t, last)
		for _, r := range rooms {
			for _, name := range []string{"one", "two"} {
				if got := seqs(t, r, name); !slices.Equal(got, upTo(n)) {
					t.Errorf("%s saw %v", name, got)
				}
			}
		}
	})
}

func TestPoisonParksItsKeyOnly(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var broken atomic.Bool
		broken.Store(true)
		event.On(b, "sub", func(ctx context.Context, tx *db.Tx, m event.Meta, h happened) error {
			if h.K == "bad" && broken.Load() {
				panic("cannot digest this")
			}
			return record("sub")(ctx, tx, m, h)
		})
		event.On(b, "other", record("other"))
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "good"}, happened{K: "bad", N: 1}, happened{K: "good"})
		emit(t, room, happened{K: "bad", N: 2}, happened{K: "good"})
		settle(t, b)
		if got := seqs(t, room, "sub"); !slices.Equal(got, []int64{1, 3, 5}) {
			t.Errorf("the good key saw %v", got)
		}
		if got := seqs(t, room, "other"); !slices.Equal(got, upTo(5)) {
			t.Errorf("another subscriber saw %v", got)
		}
		parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100)
		if err != nil || len(parked) != 2 || parked[0].Seq != 2 || parked[1].Seq != 4 || !strings.Contains(parked[0].Error, "cannot digest") {
			t.Fatalf("parked: %+v, %v", parked, err)
		}
		if counts, err := b.ParkedCounts(t.Context()); err != nil || len(counts) != 1 || counts[0].N != 2 {
			t.Errorf("counted %v, %v", counts, err)
		}
		if n, err := b.Replay(t.Context(), room, "sub", "bad", 100); err == nil || n.Events != 0 {
			t.Errorf("replayed %v while still broken, %v", n, err)
		}
		broken.Store(false)
		if n, err := b.Replay(t.Context(), room, "sub", "bad", 100); err != nil || n.Events != 2 {
			t.Errorf("replayed %v, %v", n, err)
		}
		emit(t, room, happened{K: "bad", N: 3})
		settle(t, b)
		if got := seqs(t, room, "sub"); !slices.Equal(got, []int64{1, 3, 5, 2, 4, 6}) {
			t.Errorf("after the replay: %v", got)
		}
		traced(t, room, `replayed 4 {"k":"bad","n":2}`, `replayed 2 {"k":"bad","n":1}`)
	})
}

func TestADependencyThatIsDownParksNothing(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var tries atomic.Int64
		var mu sync.Mutex
		ids := map[string]int{}
		event.OnFlow(b, "mail", func(ctx context.Context, _ *fleet.Room, m event.Meta, h happened) (event.Then, error) {
			mu.Lock()
			ids[m.ID.String()]++
			mu.Unlock()
			if tries.Add(1) <= 6 { // more than the attempts that make poison
				return nil, event.Unavailable(errors.New("connection refused"))
			}
			return nil, nil
		})
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "x"})
		settle(t, b)
		if parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100); err != nil || len(parked) != 0 {
			t.Errorf("parked %v, %v", parked, err)
		}
		if tries.Load() != 7 || len(ids) != 1 {
			t.Errorf("%d tries under %d keys; want 7 under one", tries.Load(), len(ids))
		}
	})
}

// traced expects what became of the shop's parked events, the latest first.
func traced(t *testing.T, room *fleet.Room, want ...string) {
	t.Helper()
	all, err := event.ListSettled(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %d %s", s.How, s.Seq, s.Payload))
		if s.At.IsZero() || s.Event.Zero() || s.Error == "" {
			t.Errorf("%+v", s)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("settled are %q, want %q", got, want)
	}
}

// A parked event that is edited takes effect as it was edited, in its turn, and
// what it said before stays known.
func TestAParkedEventIsEdited(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		var mu sync.Mutex
		var said []int
		event.OnFlow(b, "sub", func(_ context.Context, _ *fleet.Room, _ event.Meta, h happened) (event.Then, error) {
			if h.N < 0 {
				return nil, errors.New("no such number")
			}
			mu.Lock()
			defer mu.Unlock()
			said = append(said, h.N)
			return nil, nil
		})
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "k", N: -1}, happened{K: "k", N: 2})
		settle(t, b)
		for payload, want := range map[string]fault.Kind{`{"k":`: fault.KindInvalid, `{"k":"k","n":3}`: fault.KindNotFound} {
			if err := b.Edit(t.Context(), room, "sub", "k", 9, []byte(payload)); !fault.Is(err, want) {
				t.Errorf("%s: %v", payload, err)
			}
		}
		if _, err := b.Replay(t.Context(), room, "sub", "k", 100); err == nil {
			t.Error("it was handled as it was")
		}
		if err := b.Edit(t.Context(), room, "sub", "k", 1, []byte(`{"k":"k","n":1}`)); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Replay(t.Context(), room, "sub", "k", 100); n.Events != 2 || err != nil {
			t.Errorf("replayed %v, %v", n, err)
		}
		if !slices.Equal(said, []int{1, 2}) {
			t.Errorf("handled %v", said)
		}
		traced(t, room, `replayed 2 {"k":"k","n":2}`, `replayed 1 {"k":"k","n":1}`, `edited 1 {"k":"k","n":-1}`)
	})
}

func TestDropLeavesTheKeyOpen(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "hook", func(_ context.Context, _ *fleet.Room, _ event.Meta, h happened) (event.Then, error) {
			if h.N == 1 {
				return nil, errors.New("no")
			}
			return nil, nil
		})
		b.Start(t.Context())
		defer b.Close()
		emit(t, room, happened{K: "k", N: 1}, happened{K: "k", N: 2})
		settle(t, b)
		if n, err := b.Drop(t.Context(), room, "hook", "k", 100); n.Events != 2 || err != nil {
			t.Errorf("dropped %v, %v", n, err)
		}
		traced(t, room, `dropped 2 {"k":"k","n":2}`, `dropped 1 {"k":"k","n":1}`)
		emit(t, room, happened{K: "k", N: 3})
		settle(t, b)
		if parked, err := event.ListParked(t.Context(), room, event.ParkedAt{}, 100); err != nil || len(parked) != 0 {
			t.Errorf("parked %v, %v", parked, err)
		}
	})
}

func TestFollowSeesEverythingSinceItsPosition(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		b := event.NewBus(f, quiet())
		for i := range 70 {
			emit(t, room, happened{K: "k", N: i})
		}
		enough := errors.New("enough")
		var got []int64
		next := make(chan struct{}, 200)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			done <- b.Follow(ctx, room, 3, func(e event.Envelope) error {
				if got = append(got, e.Seq); e.Topic != "test.happened" || e.Key != "k" {
					t.Errorf("%+v", e)
				}
				next <- struct{}{}
				if e.Seq == 100 {
					return enough
				}
				return nil
			})
		}()
		<-next
		for i := range 30 {
			emit(t, room, happened{K: "k", N: i})
		}
		if err := <-done; !errors.Is(err, enough) || len(got) != 97 || got[0] != 4 {
			t.Errorf("saw %d events from %v, %v", len(got), got[:1], err)
		}
	})
}

// All shops with parked events are counted, however many there are, and the
// keys of one are seen a page at a time, each with its first event.
func TestEveryParkedKeyIsSeen(t *testing.T) {
	defer event.ParkedPages(2)()
	each(t, func(t *testing.T, f *fleet.Fleet) {
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "sub", func(context.Context, *fleet.Room, event.Meta, happened) (event.Then, error) {
			return nil, errors.New("no")
		})
		b.Start(t.Context())
		defer b.Close()
		var rooms []*fleet.Room
		for i := range 5 {
			room := fleettest.NewShop(t, f, fmt.Sprintf("shop-%d", i))
			emit(t, room, happened{K: "a", N: 1}, happened{K: "b", N: 2}, happened{K: "a", N: 3}, happened{K: "c", N: 4})
			rooms = append(rooms, room)
		}
		settle(t, b)
		counts, err := b.ParkedCounts(t.Context())
		if err != nil || len(counts) != 5 {
			t.Fatalf("counted %v, %v", counts, err)
		}
		for _, c := range counts {
			if c.N != 4 {
				t.Errorf("%v", c)
			}
		}
		var got []string
		for name, key := "", ""; ; {
			page, err := event.ParkedKeys(t.Context(), rooms[0], name, key, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range page {
				got = append(got, fmt.Sprintf("%s %s %d %d %s", k.Subscriber, k.Key, k.Seq, k.Events, k.Error))
				name, key = k.Subscriber, k.Key
			}
			if len(page) < 2 {
				break
			}
		}
		if want := []string{"sub a 1 2 no", "sub b 2 1 no", "sub c 4 1 no"}; !slices.Equal(got, want) {
			t.Errorf("keys %q, want %q", got, want)
		}
		if of, err := event.ParkedOf(t.Context(), rooms[0], "sub", "a", 10); err != nil || len(of) != 2 || of[1].Seq != 3 {
			t.Errorf("events of a: %+v, %v", of, err)
		}
	})
}

// What became of parked events is forgotten when it was kept for long enough,
// and not sooner.
func TestWhatWasSettledIsForgottenInTime(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "sub", func(context.Context, *fleet.Room, event.Meta, happened) (event.Then, error) {
			return nil, errors.New("no")
		})
		b.Start(t.Context())
		defer b.Close()
		room, other := fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b")
		emit(t, room, happened{K: "old"}, happened{K: "new"})
		emit(t, other, happened{K: "k"})
		settle(t, b)
		for _, key := range []string{"old", "new"} {
			if _, err := b.Drop(t.Context(), room, "sub", key, 100); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := room.Change(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), ageSettled, "old", tx.Now().Add(-event.KeptSettled-time.Minute))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		due, err := f.Across(t.Context(), event.SettledLongAgo, int64(0), int64(0), time.Now(), 100)
		if err != nil || len(due) != 1 || due[0].Shop != room.Shop() {
			t.Fatalf("due: %v, %v", due, err)
		}
		if n, err := event.ForgetSettled(t.Context(), room); n != 1 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		if due, err := f.Across(t.Context(), event.SettledLongAgo, int64(0), int64(0), time.Now(), 100); err != nil || len(due) != 0 {
			t.Errorf("still due: %v, %v", due, err)
		}
		if left, err := event.ListSettled(t.Context(), room); err != nil || len(left) != 1 || left[0].Key != "new" {
			t.Errorf("left: %+v, %v", left, err)
		}
		if _, err := b.Drop(t.Context(), other, "sub", "k", 100); err != nil {
			t.Fatal(err)
		}
		if last, err := b.LastSettled(t.Context(), 10); err != nil || !slices.Equal(last, []id.Shop{other.Shop(), room.Shop()}) {
			t.Errorf("last settled in %v, %v", last, err)
		}
	})
}

var ageSettled = db.Q(`UPDATE event_settled SET at = $3 WHERE shop = $1 AND key = $2`)
