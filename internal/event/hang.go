package event

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// hangsAfter is how long a worker may be at one event, or at some that it handles
// together, before it is said. A test does not wait that long.
var hangsAfter = 8 * time.Second

// task is what a worker is at.
type task struct {
	begun atomic.Int64 // in nanoseconds
	of    atomic.Pointer[subscriber]
	on    atomic.Pointer[record] // nil: none of its handlers is running
	told  atomic.Int64           // the begun that a dump was written for
}

func (t *task) begin(s *subscriber, r *record) {
	t.at(s, r)
	t.begun.Store(time.Now().UnixNano())
}

// at is begin for one of several events that are handled together.
func (t *task) at(s *subscriber, r *record) {
	t.of.Store(s)
	t.on.Store(r)
}

// hangs gives whose handler does not come back, and from what. The caller holds
// b.mu and has the unit among those that are worked on.
func (u *unit) hangs(now time.Time) (name string, w Waiting, hangs bool) {
	since := time.Unix(0, u.task.begun.Load())
	if now.Sub(since) < hangsAfter {
		return "", w, false
	}
	s, r := u.task.of.Load(), u.task.on.Load()
	w.Since, w.Shops = since, 1
	took := now.Sub(since).Round(time.Second)
	if s == nil || r == nil {
		w.Why = fmt.Sprintf("how far shop %v has come is not answered for %v", u.shop, took)
		return u.lane.name, w, true
	}
	w.Why = fmt.Sprintf("it has not come back from event %d (%s) of shop %v for %v", r.seq, r.topic, u.shop, took)
	return s.name, w, true
}

// watchWorkers writes down, once, where the workers are of which one hangs, and
// remembers how far they are behind.
func (b *Bus) watchWorkers() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-b.ctx.Done():
			return
		case now := <-t.C:
			b.dump(now)
			if n%sampleEvery == 0 {
				b.remember(now)
			}
		}
	}
}

func (b *Bus) dump(now time.Time) {
	type hang struct{ name, why string }
	var all []hang
	b.mu.Lock()
	for u := range b.working {
		begun := u.task.begun.Load()
		if name, w, hangs := u.hangs(now); hangs && u.task.told.Swap(begun) != begun {
			all = append(all, hang{name, w.Why})
		}
	}
	b.mu.Unlock()
	if len(all) == 0 {
		return
	}
	where := workerStacks()
	for _, h := range all {
		b.log.Error("a subscriber does not come back from an event", "subscriber", h.name, "why", h.why, "workers", where)
	}
}

// workerStacks gives the stacks of the goroutines that deliver.
func workerStacks() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ours []string
	for one := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(one, "event.(*Bus).deliver(") {
			ours = append(ours, one)
		}
	}
	text := strings.Join(ours, "\n\n")
	return text[:min(len(text), 32<<10)]
}
