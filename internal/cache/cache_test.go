package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// world is a shop with a clock, and a value per tag that changes with it.
type world struct {
	mu     sync.Mutex
	n      int64
	values map[string]int64 // tag → n of the change that set it
	reads  atomic.Int64
	broken atomic.Bool
	slow   chan struct{} // when not nil, a read waits here after its snapshot
}

func newWorld() *world { return &world{values: map[string]int64{}} }

const theShop = id.Shop(7)

func (w *world) mark() db.Mark { return db.Mark{Shop: theShop, Epoch: 1, Term: 1, N: w.n, Seq: w.n} }

// change is a commit, acknowledged when it returns.
func (w *world) change(c *Cache[string], tags ...string) int64 {
	w.mu.Lock()
	w.n++
	n := w.n
	for _, t := range tags {
		w.values[t] = n
	}
	m := w.mark()
	w.mu.Unlock()
	if c != nil {
		c.Commit(fleet.Commit{Shop: theShop, Mark: m, Tags: tags})
	}
	return n
}

func (w *world) fill(tags ...string) func(context.Context) (Filled[string], error) {
	return func(ctx context.Context) (Filled[string], error) {
		w.reads.Add(1)
		if w.broken.Load() {
			return Filled[string]{}, errors.New("the database is away")
		}
		w.mu.Lock()
		var b strings.Builder
		for _, t := range tags {
			fmt.Fprintf(&b, "%s=%d ", t, w.values[t])
		}
		got := Filled[string]{Value: b.String(), Size: b.Len(), Mark: w.mark(), Tags: tags}
		slow := w.slow
		w.mu.Unlock()
		if slow != nil {
			select {
			case <-slow:
			case <-ctx.Done():
				return got, ctx.Err()
			}
		}
		return got, nil
	}
}

func fetch(t *testing.T, c *Cache[string], w *world, name string, tags ...string) (string, Outcome) {
	t.Helper()
	v, how, err := c.Fetch(t.Context(), Key{theShop, name}, w.fill(tags...))
	if err != nil {
		t.Fatal(err)
	}
	return v, how
}

func TestOnlyWhatATagNamesIsReadAgain(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20}), newWorld()
	for _, step := range []struct {
		change string
		page   string
		how    Outcome
		want   string
	}{
		{"", "a", Fill, "shop=0 a=0 "},
		{"", "a", Hit, "shop=0 a=0 "},
		{"", "b", Fill, "shop=0 b=0 "},
		{"a", "a", Fill, "shop=0 a=1 "},
		{"", "b", Hit, "shop=0 b=0 "},
		{"order", "a", Hit, "shop=0 a=1 "},
		{"shop", "b", Fill, "shop=3 b=0 "},
		{"", "a", Fill, "shop=3 a=1 "},
		{"", "a", Hit, "shop=3 a=1 "},
	} {
		if step.change != "" {
			w.change(c, step.change)
		}
		if v, how := fetch(t, c, w, step.page, "shop", step.page); v != step.want || how != step.how {
			t.Errorf("after a change of %q, page %s is %q by %v; want %q by %v", step.change, step.page, v, how, step.want, step.how)
		}
	}
}

// A fill that read before a change and ends after it must not be kept, and
// whoever asks after the change must not be given it.
func TestALateFillIsNotKept(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20}), newWorld()
	w.slow = make(chan struct{})
	early := make(chan string)
	go func() {
		v, _, _ := c.Fetch(t.Context(), Key{theShop, "a"}, w.fill("a"))
		early <- v
	}()
	await(t, func() bool { return w.reads.Load() == 1 })
	n := w.change(c, "a")
	late := make(chan string)
	go func() {
		v, _, _ := c.Fetch(t.Context(), Key{theShop, "a"}, w.fill("a"))
		late <- v
	}()
	await(t, func() bool { // the second has joined the first's fill
		p := &c.flights[c.part(Key{theShop, "a"})]
		p.Lock()
		defer p.Unlock()
		return p.under[Key{theShop, "a"}] != nil && p.under[Key{theShop, "a"}].waiters == 2
	})
	close(w.slow)
	if v := <-early; v != "a=0 " && v != fmt.Sprintf("a=%d ", n) {
		t.Errorf("the early caller was given %q", v)
	}
	if v := <-late; v != fmt.Sprintf("a=%d ", n) {
		t.Errorf("who asked after the change was given %q", v)
	}
	if v, how := fetch(t, c, w, "a", "a"); v != fmt.Sprintf("a=%d ", n) || how != Hit {
		t.Errorf("kept %q (%v)", v, how)
	}
}

// Many readers and a writer: nobody sees less than what was acknowledged
// before they asked. The same run without Commit must see it broken.
func TestNobodySeesLessThanWasAcknowledged(t *testing.T) {
	run := func(told bool) (broken int64) {
		c, w := New[string](Options[string]{Bytes: 1 << 20}), newWorld()
		var acked [4]atomic.Int64
		stop := make(chan struct{})
		var readers sync.WaitGroup
		var bad, seen atomic.Int64
		for i := range 8 {
			readers.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				for {
					select {
					case <-stop:
						return
					default:
					}
					k := r.IntN(4)
					tag := fmt.Sprint("t", k)
					least := acked[k].Load()
					v, _, err := c.Fetch(context.Background(), Key{theShop, tag}, w.fill("shop", tag))
					if err != nil {
						if !fault.Is(err, fault.KindBusy) {
							t.Error(err)
						}
						continue
					}
					seen.Add(1)
					var shop, n int64
					if _, err := fmt.Sscanf(v, "shop=%d "+tag+"=%d", &shop, &n); err != nil {
						t.Errorf("%q: %v", v, err)
					}
					if n < least {
						bad.Add(1)
					}
				}
			})
		}
		to := c
		if !told {
			to = nil
		}
		r := rand.New(rand.NewPCG(2, 2))
		for i := range 20_000 {
			if i == 10_000 {
				await(t, func() bool { return seen.Load() > 100 })
			}
			k := r.IntN(4)
			acked[k].Store(w.change(to, fmt.Sprint("t", k)))
		}
		upTo := seen.Load() + 1000
		await(t, func() bool { return seen.Load() > upTo })
		close(stop)
		readers.Wait()
		return bad.Load()
	}
	if n := run(true); n > 0 {
		t.Errorf("%d answers were older than what had been acknowledged", n)
	}
	if n := run(false); n == 0 {
		t.Error("without floors nothing was stale: this test can't fail")
	}
}

func TestOneFillForManyCallers(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20, Waiters: 500}), newWorld()
	w.slow = make(chan struct{})
	var answered, refused atomic.Int64
	var all sync.WaitGroup
	for range 2_000 {
		all.Go(func() {
			_, _, err := c.Fetch(t.Context(), Key{theShop, "a"}, w.fill("a"))
			switch {
			case err == nil:
				answered.Add(1)
			case fault.Is(err, fault.KindBusy):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	await(t, func() bool { return refused.Load() == 1_500 })
	close(w.slow)
	all.Wait()
	if n := w.reads.Load(); n != 1 || answered.Load() != 500 {
		t.Errorf("%d fills, %d answered", n, answered.Load())
	}
}

func TestStaleWhenTheDatabaseIsAway(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20, Patience: time.Minute}), newWorld()
	now := time.Now()
	c.now = func() time.Time { return now }
	fetch(t, c, w, "a", "a")
	w.broken.Store(true)
	w.change(c, "a")
	for i := range 10 {
		if v, how := fetch(t, c, w, "a", "a"); v != "a=0 " || how != Stale {
			t.Errorf("request %d: %q (%v)", i, v, how)
		}
	}
	if n := w.reads.Load(); n != 2 {
		t.Errorf("%d reads: a database that is away was not left alone", n)
	}
	if _, _, err := c.Fetch(t.Context(), Key{theShop, "b"}, w.fill("b")); err == nil {
		t.Error("a page never seen was served")
	}
	w.broken.Store(false)
	now = now.Add(2 * time.Second)
	if v, how := fetch(t, c, w, "a", "a"); v != "a=1 " || how != Fill {
		t.Errorf("after it came back: %q (%v)", v, how)
	}
}

func TestPatience(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20, Patience: time.Millisecond}), newWorld()
	fetch(t, c, w, "a", "a")
	w.mu.Lock()
	w.slow = make(chan struct{})
	w.mu.Unlock()
	w.change(c, "a")
	if v, how := fetch(t, c, w, "a", "a"); v != "a=0 " || how != Stale {
		t.Errorf("%q (%v), not what was there", v, how)
	}
	close(w.slow)
	await(t, func() bool { v, ok := c.Get(Key{theShop, "a"}); return ok && v == "a=1 " })
}

// Writers look at what they have written, by its mark, through a process that
// hears of the writes late, and whose fills take much longer than callers are
// patient. None is given what is older; nobody else waits longer than that for
// what is there. Without the mark many are.
func TestWhoHasSeenAWriteIsGivenNothingOlder(t *testing.T) {
	run := func(marked bool) (older, looks, stales int64) {
		c, w := New[string](Options[string]{Bytes: 1 << 20, Patience: time.Millisecond}), newWorld()
		fetch(t, c, w, "a", "a")
		slowly := func(ctx context.Context) (Filled[string], error) {
			got, err := w.fill("a")(ctx)
			<-time.After(10 * time.Millisecond) // after it has read
			return got, err
		}
		var bad, seen, others atomic.Int64
		ended := make(chan struct{})
		var people, writers sync.WaitGroup
		for range 4 {
			people.Go(func() {
				for {
					select {
					case <-ended:
						return
					default:
					}
					_, how, err := c.Fetch(context.Background(), Key{theShop, "a"}, slowly)
					if err != nil {
						t.Error(err)
					}
					if how == Stale {
						others.Add(1)
					}
				}
			})
		}
		for i := range 8 {
			writers.Go(func() {
				to := c
				if i%2 == 0 {
					to = nil // as one of another process
				}
				for range 20 {
					n := w.change(to, "a")
					least := db.Mark{}
					if marked {
						least = db.Mark{Shop: theShop, Epoch: 1, Term: 1, N: n}
					}
					v, how, err := c.FetchAfter(context.Background(), Key{theShop, "a"}, least, slowly)
					if err != nil || marked && how == Stale {
						t.Errorf("%q (%v), %v", v, how, err)
					}
					var got int64
					if _, err := fmt.Sscanf(v, "a=%d", &got); err != nil {
						t.Errorf("%q: %v", v, err)
					}
					if seen.Add(1); got < n {
						bad.Add(1)
					}
				}
			})
		}
		writers.Wait()
		close(ended)
		people.Wait()
		return bad.Load(), seen.Load(), others.Load()
	}
	if older, looks, stales := run(true); older > 0 || looks != 160 || stales == 0 {
		t.Errorf("%d of %d looks were older than the write; %d others were given what was there", older, looks, stales)
	}
	if older, _, _ := run(false); older == 0 {
		t.Error("without the mark nothing was older: this test can't fail")
	}
}

func TestAMarkWhenTheDatabaseIsAway(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20, Patience: time.Minute}), newWorld()
	key, least := Key{theShop, "a"}, db.Mark{Shop: theShop, Epoch: 1, Term: 1, N: 1}
	fetch(t, c, w, "a", "a")
	w.broken.Store(true)
	w.change(c, "a")
	if v, how, err := c.FetchAfter(t.Context(), key, least, w.fill("a")); v != "a=0 " || how != Stale || err != nil {
		t.Errorf("%q (%v), %v", v, how, err)
	}
	w.broken.Store(false) // others are still given what is there, for a second
	if v, how := fetch(t, c, w, "a", "a"); v != "a=0 " || how != Stale {
		t.Errorf("without a mark: %q (%v)", v, how)
	}
	if v, how, err := c.FetchAfter(t.Context(), key, least, w.fill("a")); v != "a=1 " || how != Fill || err != nil {
		t.Errorf("%q (%v), %v", v, how, err)
	}
	least.N = 9 // was lost, and the clock set back
	if v, how, err := c.FetchAfter(t.Context(), key, least, w.fill("a")); v != "a=1 " || how != Stale || err != nil {
		t.Errorf("%q (%v), %v", v, how, err)
	}
	w.mu.Lock()
	w.slow = make(chan struct{})
	defer close(w.slow)
	w.mu.Unlock()
	w.change(c, "a")
	least.N = 2
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if v, how, err := c.FetchAfter(ctx, key, least, w.fill("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller waits longer than they can: %q (%v), %v", v, how, err)
	}
}

func TestAnAnswerThatSaysNoEndsTheEntry(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20}), newWorld()
	fetch(t, c, w, "a", "a")
	w.change(c, "a")
	gone := func(context.Context) (Filled[string], error) {
		return Filled[string]{}, fault.NotFound("There is no such page.")
	}
	if _, _, err := c.Fetch(t.Context(), Key{theShop, "a"}, gone); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("%v", err)
	}
	w.broken.Store(true)
	if _, _, err := c.Fetch(t.Context(), Key{theShop, "a"}, w.fill("a")); err == nil {
		t.Error("a page that is no more was served as stale")
	}
}

func TestOldEntriesAreReadAgainBehindTheCallersBacks(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20, TTL: time.Minute}), newWorld()
	var now atomic.Int64
	c.now = func() time.Time { return time.Unix(now.Load(), 0) }
	fetch(t, c, w, "a", "a")
	w.change(nil, "a") // nobody says so
	now.Store(61)
	if v, how := fetch(t, c, w, "a", "a"); v != "a=0 " || how != Hit {
		t.Errorf("%q (%v)", v, how)
	}
	await(t, func() bool { v, ok := c.Get(Key{theShop, "a"}); return ok && v == "a=1 " })
}

func TestDoubtAndForget(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 1 << 20}), newWorld()
	now := time.Now()
	c.now = func() time.Time { return now }
	fetch(t, c, w, "a", "a")
	w.change(nil, "a")
	c.Commit(fleet.Commit{Shop: theShop, Doubt: true})
	if v, how := fetch(t, c, w, "a", "a"); v != "a=1 " || how != Fill {
		t.Errorf("after a doubtful commit: %q (%v)", v, how)
	}
	w.change(nil, "a") // the lost commit comes to pass only now
	if v, how := fetch(t, c, w, "a", "a"); v != "a=2 " || how != Fill {
		t.Errorf("a moment after a doubtful commit: %q (%v)", v, how)
	}
	now = now.Add(doubtFor + time.Second)
	fetch(t, c, w, "a", "a")
	if _, how := fetch(t, c, w, "a", "a"); how != Hit {
		t.Errorf("the doubt never ends (%v)", how)
	}
	now = now.Add(time.Microsecond)
	c.Forget(theShop)
	now = now.Add(time.Microsecond)
	if _, how := fetch(t, c, w, "a", "a"); how != Fill {
		t.Errorf("after Forget: %v", how)
	}
}

// What is kept stays within its bytes, and floors are kept for nobody else.
func TestMemoryIsBounded(t *testing.T) {
	c, w := New[string](Options[string]{Bytes: 200_000}), newWorld()
	fill := func(ctx context.Context) (Filled[string], error) {
		got, err := w.fill("a")(ctx)
		got.Size = 1000
		return got, err
	}
	for i := range 5_000 {
		if _, _, err := c.Fetch(t.Context(), Key{id.Shop(i + 1), "a"}, fill); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (shops, users int) {
		for i := range c.floors.parts {
			p := &c.floors.parts[i]
			p.Lock()
			shops += len(p.shops)
			for _, sf := range p.shops {
				users += sf.users
			}
			p.Unlock()
		}
		return shops, users
	}
	await(t, func() bool {
		c.entries.CleanUp()
		shops, users := count()
		entries, bytes := c.Size()
		return bytes <= 200_000 && shops == entries && users == entries && entries > 100
	})
	for i := range 3 * maxTags { // floors of one shop melt into one
		c.Commit(fleet.Commit{Shop: 4_999, Mark: db.Mark{Shop: 4_999, Epoch: 1, Term: 1, N: int64(i)}, Tags: []string{fmt.Sprint("x", i)}})
	}
	if sf := c.floors.find(4_999); sf != nil && len(sf.tags) > maxTags {
		t.Errorf("%d floors of one shop", len(sf.tags))
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
		runtime.Gosched()
	}
}
