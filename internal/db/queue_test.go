package db

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// held opens a shard with small bounds whose writer is busy until release.
func held(t *testing.T, o SQLiteOptions, shops ...id.Shop) (s *Shard, release func()) {
	t.Helper()
	s, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "s.db"), o, []*SchemaSet{rowSchema})
	if err != nil {
		t.Fatal(err)
	}
	for _, shop := range shops {
		if _, err := s.Create(t.Context(), shop, 1, func(*Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	gate, at := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Change(context.WithoutCancel(t.Context()), shops[0], 1, func(*Tx) error { close(at); <-gate; return nil })
		done <- err
	}()
	<-at
	release = sync.OnceFunc(func() {
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		release()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, release
}

func putOne(ctx context.Context, s *Shard, shop id.Shop, k int64) error {
	_, err := s.Change(ctx, shop, 1, func(tx *Tx) error {
		_, err := tx.Exec(ctx, putRow, k)
		return err
	})
	return err
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.AfterFunc(time.Millisecond, func() {})
	}
}

func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// When as many wait as may, one more is told so at once; those who wait are
// served, and so is the next once there is room.
func TestTheWritersQueueIsBounded(t *testing.T) {
	ctx := t.Context()
	s, release := held(t, SQLiteOptions{Queue: 20}, 1)
	q := &s.e.(*sqlite).queue
	var wg sync.WaitGroup
	for k := range int64(19) {
		wg.Go(func() {
			if err := putOne(ctx, s, 1, k); err != nil {
				t.Errorf("one that waited: %v", err)
			}
		})
	}
	until(t, "19 wait and one runs", func() bool { return q.waiting() == 20 })
	err := putOne(ctx, s, 1, 100)
	if !errors.Is(err, ErrBusy) || fault.Of(err).RetryAfter == 0 {
		t.Errorf("one too many: %v", err)
	}
	if err := s.View(ctx, 1, 1, func(*View) error { return nil }); err != nil {
		t.Errorf("reading meanwhile: %v", err)
	}
	release()
	wg.Wait()
	if err := putOne(ctx, s, 1, 101); err != nil || q.waiting() != 0 || len(q.shops) != 0 {
		t.Errorf("afterwards: %v, %d wait, %d lines", err, q.waiting(), len(q.shops))
	}
}

// One shop with a thousand changes takes its share of the places in front of
// the writer and no more: another's change is in the next batch or the one
// after. Without shares it comes last.
func TestOneShopDoesNotFillTheQueue(t *testing.T) {
	for _, shares := range []bool{true, false} {
		ctx := t.Context()
		s, release := held(t, SQLiteOptions{BatchSize: 8}, 1, 2)
		e := s.e.(*sqlite)
		if !shares {
			e.queue.share = 1 << 30
			e.jobs = make(chan *job, 2_000)
		}
		const many = 1_000
		var mu sync.Mutex
		var order []id.Shop
		var wg sync.WaitGroup
		put := func(shop id.Shop, k int64) {
			wg.Go(func() {
				if err := putOne(ctx, s, shop, k); err != nil {
					t.Errorf("shop %v: %v", shop, err)
				}
				mu.Lock()
				order = append(order, shop)
				mu.Unlock()
			})
		}
		for k := range int64(many) {
			put(1, k)
		}
		until(t, "all of the first shop wait", func() bool { return e.queue.waiting() == many+1 })
		put(2, 1)
		until(t, "the other waits too", func() bool { return e.queue.waiting() == many+2 })
		release()
		wg.Wait()
		at := 0
		for i, shop := range order {
			if shop == 2 {
				at = i
			}
		}
		if early := at < many/4; early != shares {
			t.Errorf("shares=%t: the other shop was served after %d of the first", shares, at)
		}
	}
}

// Who would wait longer than they have is told at once, and who gives up
// leaves no trace in the queue.
func TestWaitingForTheWriterHasAnEnd(t *testing.T) {
	ctx := t.Context()
	s, release := held(t, SQLiteOptions{BatchSize: 4}, 1)
	q := &s.e.(*sqlite).queue
	var wg sync.WaitGroup
	short, cancel := context.WithCancel(ctx)
	for k := range int64(30) { // 8 in front of the writer, the others in line
		wg.Go(func() {
			if err := putOne(short, s, 1, k); !errors.Is(err, context.Canceled) {
				t.Errorf("one that gave up: %v", err)
			}
		})
	}
	until(t, "30 wait", func() bool { return q.waiting() == 31 })
	cancel()
	wg.Wait()
	if n := q.waiting(); n != 1 {
		t.Errorf("%d wait after all gave up", n)
	}
	q.mu.Lock()
	q.each = time.Hour // as if each change took that long
	q.mu.Unlock()
	if err := putOne(ctx, s, 1, 100); !errors.Is(err, ErrBusy) {
		t.Errorf("one that would wait for an hour: %v", err)
	}
	q.mu.Lock()
	q.each = 0
	q.mu.Unlock()
	release()
	if err := putOne(ctx, s, 1, 101); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
