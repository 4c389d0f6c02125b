package cache

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"haat/internal/cache/redis"
)

// Redis dies, stands still, is emptied and comes back empty while pages are
// asked for: every answer is right, the database is asked once for a page and
// process, and afterwards pages are shared again.
func TestRedisLost(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		w := newWorld()
		w.change(nil, "shop")
		s := level(t, at, func(o *SecondOptions) { o.Timeout = 100 * time.Millisecond })
		shared := func() {
			t.Helper()
			await(t, s.up.Load)
			w.asked(t, w.process(s, nil), "a")
			await(t, func() bool {
				_, how, _ := w.asked(t, w.process(s, nil), "a")
				return how == Shared
			})
		}
		crowd := func(what string, over func() bool) {
			t.Helper()
			skipped, errs := s.stats.Skipped.Load(), s.stats.Errors.Load()
			var fills, asked atomic.Int64
			var all sync.WaitGroup
			stop := make(chan struct{})
			for range 8 {
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						c := w.process(s, nil)
						v, how, err := c.Fetch(context.Background(), Key{theShop, "a"}, w.fill("shop", "a"))
						if err != nil || v != "shop=1 a=0 " {
							t.Errorf("%s: %q by %v, %v", what, v, how, err)
						}
						asked.Add(1)
						fills.Add(c.stats.Fills.Load())
					}
				})
			}
			await(t, over)
			close(stop)
			all.Wait()
			if fills.Load() > asked.Load() {
				t.Errorf("%s: %d fills for %d pages", what, fills.Load(), asked.Load())
			}
			t.Logf("%s: %d asked, %d made, %d questions without an answer, %d not asked", what, asked.Load(), fills.Load(), s.stats.Errors.Load()-errs, s.stats.Skipped.Load()-skipped)
			// So many wait at most for one that does not answer; then nobody asks.
			if n := s.stats.Errors.Load() - errs; n > 100 {
				t.Errorf("%s: %d questions waited for nothing", what, n)
			}
		}
		lost := func() bool {
			since, _ := s.Lost()
			return !since.IsZero() && s.stats.Skipped.Load() > 200
		}
		shared()
		if err := at.Flush(); err != nil {
			t.Fatal(err)
		}
		shared()
		at.Stop()
		crowd("gone", lost)
		if err := at.Again(); err != nil {
			t.Fatal(err)
		}
		crowd("back, and empty", s.up.Load)
		shared()
		if r, ok := at.(*redis.Server); ok {
			skipped := s.stats.Skipped.Load()
			if err := r.Halt(); err != nil {
				t.Fatal(err)
			}
			crowd("standing still", func() bool { return s.stats.Skipped.Load() > skipped+200 })
			if _, why := s.Lost(); why != "it does not answer in time" {
				await(t, func() bool { _, why := s.Lost(); return why != "" })
			}
			if err := r.Resume(); err != nil {
				t.Fatal(err)
			}
			shared()
		}
	})
}

// While Redis stands still nobody waits for longer than Timeout, whatever the
// client library does, and after a few nobody waits at all.
func TestAHaltedRedisCostsLittle(t *testing.T) {
	r := realRedis(t)
	s := level(t, r, func(o *SecondOptions) { o.Timeout = 20 * time.Millisecond; o.Beat = time.Hour })
	if err := r.Halt(); err != nil {
		t.Fatal(err)
	}
	defer r.Resume()
	for s.up.Load() {
		s.get(t.Context(), "k")
	}
	if n := s.stats.Errors.Load(); n != patience {
		t.Errorf("%d questions waited for nothing, want %d", n, patience)
	}
	began := time.Now()
	for range 10_000 {
		s.get(t.Context(), "k")
	}
	if took := time.Since(began); took > 5*time.Second || s.stats.Skipped.Load() < 10_000 {
		t.Errorf("10,000 questions to one that is lost took %v", took)
	}
}

func TestRedisThatWasNeverThere(t *testing.T) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	at := mini{m}
	address := at.URL()
	at.Stop()
	s, err := OpenSecond(address, SecondOptions{Key: []byte("k"), Beat: 20 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	w := newWorld()
	w.change(nil, "shop")
	if _, how, _ := w.asked(t, w.process(s, nil), "a"); how != Fill {
		t.Errorf("%v", how)
	}
	await(t, func() bool { _, why := s.Lost(); return strings.Contains(why, "refused") })
	if err := at.Again(); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	await(t, func() bool { since, _ := s.Lost(); return since.IsZero() })
}
