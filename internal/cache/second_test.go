package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"haat/internal/cache/redis"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// place is a Redis that a test has in hand.
type place interface {
	URL() string
	Stop()
	Again() error
	Flush() error
}

type mini struct{ *miniredis.Miniredis }

func (m mini) URL() string  { return "redis://" + m.Addr() }
func (m mini) Stop()        { m.Close() }
func (m mini) Again() error { m.FlushAll(); return m.Restart() }
func (m mini) Flush() error { m.FlushAll(); return nil }

// everywhere runs a test over a Redis in the process, and over a real one.
func everywhere(t *testing.T, test func(*testing.T, place)) {
	t.Run("miniredis", func(t *testing.T) { test(t, mini{miniredis.RunT(t)}) })
	t.Run("redis", func(t *testing.T) { test(t, realRedis(t)) })
}

func realRedis(t *testing.T) *redis.Server {
	s, err := redis.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// level opens the level at a Redis and waits until it is there.
func level(t *testing.T, at place, change func(*SecondOptions)) *Second {
	t.Helper()
	// Patient, since the machine may be busy: what is not answered costs only a fill.
	o := SecondOptions{Key: []byte("the fleet's"), World: "v1", Timeout: 2 * time.Second, Beat: 20 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	s, err := OpenSecond(at.URL(), o, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	await(t, s.up.Load)
	return s
}

// process is a process with a cold memory: a cache over the shared world.
func (w *world) process(s *Second, past func(context.Context, id.Shop) (Past, error)) *Cache[string] {
	if past == nil {
		past = w.past
	}
	return New(Options[string]{Bytes: 1 << 20, Share: &Share[string]{
		Second: s, Past: past,
		Write: func(v string) []byte { return []byte(v) },
		Read:  func(b []byte) (string, int, error) { return string(b), len(b), nil },
	}})
}

// past is what the world's database says.
func (w *world) past(context.Context, id.Shop) (Past, error) {
	if w.broken.Load() {
		return Past{}, errors.New("the database is away")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Past{Mark: w.mark(), Tags: map[string]int64{}}
	for t, n := range w.values {
		p.Tags[t] = n
	}
	return p, nil
}

// nothingHappened is a past that has forgotten everything.
func (w *world) nothingHappened(context.Context, id.Shop) (Past, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Past{Mark: w.mark()}, nil
}

// asked fetches a page and says how it came and how often the database was read for it.
func (w *world) asked(t *testing.T, c *Cache[string], tag string) (value string, how Outcome, reads int64) {
	t.Helper()
	before := w.reads.Load()
	value, how = fetch(t, c, w, tag, "shop", tag)
	return value, how, w.reads.Load() - before
}

func TestWhatOneProcessMadeServesTheOthers(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		w := newWorld()
		w.change(nil, "shop")
		s := level(t, at, nil)
		a, b := w.process(s, nil), w.process(s, nil)
		fills := func(c *Cache[string], tag, want string) {
			t.Helper()
			n := s.stats.Writes.Load()
			if v, how, _ := w.asked(t, c, tag); how != Fill || v != want {
				t.Errorf("%s: %q by %v, want %q by a fill", tag, v, how, want)
			}
			await(t, func() bool { return s.stats.Writes.Load() > n })
		}
		shares := func(c *Cache[string], tag, want string) {
			t.Helper()
			if v, how, reads := w.asked(t, c, tag); how != Shared || v != want || reads != 0 {
				t.Errorf("%s: %q by %v with %d reads, want %q from the other process", tag, v, how, reads, want)
			}
			if v, how, _ := w.asked(t, c, tag); how != Hit || v != want {
				t.Errorf("%s once more: %q by %v", tag, v, how)
			}
		}
		fills(a, "a", "shop=1 a=0 ")
		fills(a, "b", "shop=1 b=0 ")
		shares(b, "a", "shop=1 a=0 ")
		w.change(nil, "order") // spoils nothing
		shares(w.process(s, nil), "a", "shop=1 a=0 ")

		n := w.change(a, "a") // at a; b has not heard of it yet
		cold := w.process(s, nil)
		fills(cold, "a", fmt.Sprintf("shop=1 a=%d ", n)) // the database tells, not the bus
		shares(cold, "b", "shop=1 b=0 ")
		shares(w.process(s, nil), "a", fmt.Sprintf("shop=1 a=%d ", n))
		b.Commit(commitOf(w, "a"))
		shares(b, "a", fmt.Sprintf("shop=1 a=%d ", n))
		w.change(a, "shop")
		fills(w.process(s, nil), "b", fmt.Sprintf("shop=%d b=0 ", w.n))

		other := level(t, at, func(o *SecondOptions) { o.World = "v2" })
		if _, how, _ := w.asked(t, w.process(other, nil), "b"); how != Fill {
			t.Errorf("another program's page: %v", how)
		}
	})
}

func commitOf(w *world, tags ...string) fleet.Commit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fleet.Commit{Shop: theShop, Mark: w.mark(), Tags: tags}
}

// Cold processes come up all the time while prices change: none shows less than
// what was acknowledged before it was asked. Without the look at what has been
// spoilt, and without floors, the same run must see it broken.
func TestAColdProcessNeverShowsAnOldPage(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		run := func(world string, past func(w *world) func(context.Context, id.Shop) (Past, error), told bool) (old, shared int64) {
			w := newWorld()
			w.change(nil, "shop")
			s := level(t, at, func(o *SecondOptions) { o.World = world })
			warm := w.process(s, past(w))
			to := warm
			if !told {
				to = nil
			}
			var acked [3]atomic.Int64
			var bad, seen, good atomic.Int64
			stop := make(chan struct{})
			var readers sync.WaitGroup
			for i := range 4 {
				readers.Go(func() {
					r := rand.New(rand.NewPCG(3, uint64(i)))
					c := w.process(s, past(w))
					for {
						select {
						case <-stop:
							return
						default:
						}
						switch i {
						case 0, 1:
							c = w.process(s, past(w))
						case 2:
							c = warm
						}
						k := r.IntN(len(acked))
						tag := fmt.Sprint("t", k)
						least := acked[k].Load()
						if i == 3 { // hears of changes late, and must not show what is older than it has heard
							least = 0
							if r.IntN(8) == 0 {
								least = acked[k].Load()
								c.Commit(commitOf(w, "t0", "t1", "t2"))
							}
						}
						v, how, err := c.Fetch(context.Background(), Key{theShop, tag}, w.fill("shop", tag))
						if err != nil {
							if !fault.Is(err, fault.KindBusy) {
								t.Error(err)
							}
							continue
						}
						var shop, n int64
						if _, err := fmt.Sscanf(v, "shop=%d "+tag+"=%d", &shop, &n); err != nil {
							t.Errorf("%q: %v", v, err)
						}
						if n < least && how != Stale {
							bad.Add(1)
						}
						if how == Shared {
							good.Add(1)
						}
						seen.Add(1)
					}
				})
			}
			r := rand.New(rand.NewPCG(4, 4))
			for i := range 60 {
				k := r.IntN(len(acked))
				acked[k].Store(w.change(to, fmt.Sprint("t", k)))
				upTo := seen.Load() + 8
				if i == 59 {
					upTo += 200
				}
				await(t, func() bool { return seen.Load() > upTo })
			}
			close(stop)
			readers.Wait()
			return bad.Load(), good.Load()
		}
		truly := func(w *world) func(context.Context, id.Shop) (Past, error) { return w.past }
		never := func(w *world) func(context.Context, id.Shop) (Past, error) { return w.nothingHappened }
		old, shared := run("true", truly, true)
		if old > 0 {
			t.Errorf("%d answers were older than what had been acknowledged", old)
		}
		if shared == 0 {
			t.Error("nothing came from the other processes: this run shows nothing")
		}
		if old, _ := run("forgetful", never, true); old == 0 {
			t.Error("without a look at what was spoilt nothing was old: this test can't fail")
		}
	})
}

// A process that has a shop's past in hand still finds out by its floors that
// what another has left there does not hold.
func TestFloorsJudgeWhatIsShared(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		for _, told := range []bool{true, false} {
			w := newWorld()
			w.change(nil, "shop")
			s := level(t, at, func(o *SecondOptions) { o.World = fmt.Sprint("told ", told) })
			a, b := w.process(s, nil), w.process(s, nil)
			for _, tag := range []string{"x", "y"} {
				n := s.stats.Writes.Load()
				w.asked(t, a, tag)
				await(t, func() bool { return s.stats.Writes.Load() > n })
			}
			w.asked(t, b, "x") // b has read the past now
			w.change(nil, "y")
			if told {
				b.Commit(commitOf(w, "y"))
			}
			v, how, _ := w.asked(t, b, "y")
			if told && (how != Fill || v != "shop=1 y=2 ") {
				t.Errorf("%q by %v, though b had heard of the change", v, how)
			}
			if !told && how != Shared {
				t.Errorf("b has not heard of the change, and was given %q by %v: the floors are not what told", v, how)
			}
		}
	})
}

// A shop that fails over, or moves, has another life: the numbers of its events
// may come again and mean something else.
func TestAnotherLifeOfAShop(t *testing.T) {
	p := Past{Mark: db.Mark{Shop: 1, Epoch: 2, Term: 2, N: 90, Seq: 50}, Tags: map[string]int64{"a": 45}, From: 40}
	at := func(epoch, term, n, seq int64) db.Mark {
		return db.Mark{Shop: 1, Epoch: epoch, Term: term, N: n, Seq: seq}
	}
	for _, c := range []struct {
		m     db.Mark
		tags  []string
		still bool
	}{
		{at(2, 2, 80, 45), []string{"a"}, true},
		{at(2, 2, 79, 44), []string{"a"}, false},
		{at(2, 2, 79, 44), []string{"b"}, true},
		{at(2, 2, 70, 40), []string{"b"}, true},
		{at(2, 2, 69, 39), []string{"b"}, false}, // before what is known
		{at(2, 1, 80, 45), []string{"b"}, false},
		{at(1, 2, 80, 45), []string{"b"}, false},
		{at(2, 3, 80, 45), []string{"b"}, false},
		{at(2, 2, 95, 52), []string{"a"}, true}, // newer: the floors judge it
		{db.Mark{Shop: 2, Epoch: 2, Term: 2, N: 80, Seq: 45}, []string{"b"}, false},
	} {
		m, still := p.still(c.m, c.tags)
		if still != c.still || still && m.Compare(p.Mark) < 0 {
			t.Errorf("%v %v: %v at %v", c.m, c.tags, still, m)
		}
	}
}

// Nothing that is in Redis is believed but what we have put there ourselves,
// under that very name.
func TestGarbageInRedis(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		w := newWorld()
		w.change(nil, "shop")
		s := level(t, at, nil)
		a := w.process(s, nil)
		for _, tag := range []string{"a", "b"} {
			n := s.stats.Writes.Load()
			w.asked(t, a, tag)
			await(t, func() bool { return s.stats.Writes.Load() > n })
		}
		raw, there := s.get(t.Context(), s.name(Key{theShop, "a"}))
		if !there {
			t.Fatal("the page is not there")
		}
		raw = bytes.Clone(raw)
		otherPage, _ := s.get(t.Context(), s.name(Key{theShop, "b"}))
		otherPage = bytes.Clone(otherPage)
		forged := level(t, at, func(o *SecondOptions) { o.Key = []byte("another fleet's") })
		flip := bytes.Clone(raw)
		flip[len(flip)-1] ^= 1
		client, err := rueidis.NewClient(s.redis)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		put := func(v string) {
			t.Helper()
			if err := client.Do(t.Context(), client.B().Set().Key(s.name(Key{theShop, "a"})).Value(v).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
		for what, v := range map[string]string{
			"nothing": "", "short": "abc", "noise": strings.Repeat("\xff\x00", 4000), "JSON": `{"html":"<script>"}`,
			"cut off": string(raw[:len(raw)-1]), "changed": string(flip), "another page": string(otherPage),
			"another fleet's": string(forged.seal(s.name(Key{theShop, "a"}), raw[sealBytes:])),
			"sealed nonsense": string(s.seal(s.name(Key{theShop, "a"}), []byte{0x80, 0x80})),
		} {
			put(v)
			refused, writes := s.stats.Refused.Load(), s.stats.Writes.Load()
			c := w.process(s, nil)
			if v, how, _ := w.asked(t, c, "a"); how != Fill || v != "shop=1 a=0 " {
				t.Errorf("%s: %q by %v", what, v, how)
			}
			if s.stats.Refused.Load() != refused+1 {
				t.Errorf("%s: was not refused", what)
			}
			await(t, func() bool { return s.stats.Writes.Load() > writes })
		}
		put(string(raw))
		if _, how, _ := w.asked(t, w.process(s, nil), "a"); how != Shared {
			t.Errorf("what we had written ourselves: %v", how)
		}
		if err := client.Do(t.Context(), client.B().Del().Key(s.name(Key{theShop, "a"})).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), client.B().Lpush().Key(s.name(Key{theShop, "a"})).Element("x").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if v, how, _ := w.asked(t, w.process(s, nil), "a"); how != Fill || v != "shop=1 a=0 " {
			t.Errorf("a list: %q by %v", v, how)
		}
	})
}

// With the database away, a process that has just started still has what the
// others have made, and says that it may be out of date.
func TestAColdProcessWithoutADatabase(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		w := newWorld()
		w.change(nil, "shop")
		s := level(t, at, nil)
		w.asked(t, w.process(s, nil), "a")
		await(t, func() bool { return s.stats.Writes.Load() > 0 })
		w.broken.Store(true)
		c := w.process(s, nil)
		for i := range 3 {
			if v, how, _ := w.asked(t, c, "a"); how != Stale || v != "shop=1 a=0 " {
				t.Errorf("request %d: %q by %v", i, v, how)
			}
		}
		if _, _, err := c.Fetch(t.Context(), Key{theShop, "b"}, w.fill("b")); err == nil {
			t.Error("a page never seen was served")
		}
		w.change(nil, "a")
		w.broken.Store(false)
		d := w.process(s, nil)
		if v, how, _ := w.asked(t, d, "a"); how != Fill || v != "shop=1 a=2 " {
			t.Errorf("after it came back: %q by %v", v, how)
		}
	})
}

func TestNothingIsSharedWhileInDoubt(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		w := newWorld()
		w.change(nil, "shop")
		s := level(t, at, nil)
		w.asked(t, w.process(s, nil), "a")
		await(t, func() bool { return s.stats.Writes.Load() > 0 })
		for what, doubt := range map[string]func(*Cache[string]){
			"a lost COMMIT":   func(c *Cache[string]) { c.Commit(fleet.Commit{Shop: theShop, Doubt: true}) },
			"unheard commits": func(c *Cache[string]) { c.Unsure(true) },
		} {
			c := w.process(s, nil)
			w.asked(t, c, "z") // so that there are floors
			doubt(c)
			if _, how, _ := w.asked(t, c, "a"); how != Fill {
				t.Errorf("with %s: %v", what, how)
			}
		}
		c := w.process(s, nil)
		w.asked(t, c, "a")
		n := w.change(nil, "z") // unheard
		c.Missed()
		await(t, func() bool { return time.Now().UnixMicro() > c.trusted.Load() })
		if v, how, _ := w.asked(t, c, "z"); v != fmt.Sprintf("shop=1 z=%d ", n) {
			t.Errorf("after Missed: %q by %v", v, how)
		}
	})
}

func TestAddressesOfRedis(t *testing.T) {
	for _, good := range []string{"redis://h", "redis://h:1/3", "rediss://u:p@h:6380/0", "unix:///run/redis.sock", "redis://h:1?addr=g:2"} {
		if err := CheckSecond(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"h:6379", "http://h", "redis://", "redis://:secret@:6379", "redis://h/x", "redis://u:secret@h:port", "unix://", "redis://u:secret@h/1/2", "::"} {
		err := CheckSecond(bad)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := OpenSecond("h", SecondOptions{}, slog.New(slog.NewTextHandler(io.Discard, nil))); err == nil {
		t.Error("opened")
	}
}

// An answer that has come is given, however late who asked gets a turn.
func TestWhatWasAnsweredIsNotThrownAway(t *testing.T) {
	var all sync.WaitGroup
	var lost atomic.Int64
	for range 64 {
		all.Go(func() {
			for range 2000 {
				if within(t.Context(), time.Minute, func(context.Context) error { return nil }) != nil {
					lost.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := lost.Load(); n > 0 {
		t.Errorf("%d answers were thrown away", n)
	}
}
