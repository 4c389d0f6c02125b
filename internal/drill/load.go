package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// fate is what became of one arrival.
type fate struct {
	n    int
	at   time.Time // when it came, whenever it was sent
	took time.Duration
	err  error
}

// load is people who come at a fixed rate, however long others before them
// wait.
type load struct {
	stop  chan struct{}
	close func() // lets nobody come any more
	ended chan struct{}

	mu    sync.Mutex
	fates []fate
}

const crowd = 4000 // that wait at most: who comes then is lost

var errCrowded = errors.New("too many wait for an answer")

// arrive lets rate people a second come and do what do does, from now on.
func arrive(ctx context.Context, rate int, do func(ctx context.Context, n int) error) *load {
	l := &load{stop: make(chan struct{}), ended: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.stop) })
	go func() {
		defer close(l.ended)
		var all sync.WaitGroup
		defer all.Wait()
		places := make(chan struct{}, crowd)
		begin := time.Now()
		for n := 0; ; n++ {
			due := begin.Add(time.Duration(n) * time.Second / time.Duration(rate))
			t := time.NewTimer(time.Until(due))
			select {
			case <-t.C:
			case <-l.stop:
				return
			case <-ctx.Done():
				return
			}
			select {
			case places <- struct{}{}:
			default:
				l.add(fate{n, due, 0, errCrowded})
				continue
			}
			all.Go(func() {
				err := do(ctx, n)
				l.add(fate{n, due, time.Since(due), err})
				<-places
			})
		}
	}()
	return l
}

func (l *load) add(f fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fates = append(l.fates, f)
}

// answered is how many have gone so far.
func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fates)
}

// gap is the longest time since then in which nobody was served.
func (l *load) gap(since time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	served := []time.Time{since, time.Now()}
	for _, f := range l.fates {
		if at := f.at.Add(f.took); f.err == nil && at.After(since) {
			served = append(served, at)
		}
	}
	slices.SortFunc(served, time.Time.Compare)
	for i, at := range served[1:] {
		longest = max(longest, at.Sub(served[i]))
	}
	return longest
}

// end lets nobody come any more, waits for those who are there, and tells what
// became of each, in their order.
func (l *load) end() []fate {
	l.close()
	<-l.ended
	slices.SortFunc(l.fates, func(a, b fate) int { return a.n - b.n })
	return l.fates
}

// failed are those that were not served.
func failed(all []fate) (out []fate) {
	for _, f := range all {
		if f.err != nil {
			out = append(out, f)
		}
	}
	return out
}

// between are those who came within a time.
func between(all []fate, from, to time.Time) (out []fate) {
	for _, f := range all {
		if !f.at.Before(from) && f.at.Before(to) {
			out = append(out, f)
		}
	}
	return out
}

// slow gives the time that q of the served took at most.
func slow(all []fate, q float64) time.Duration {
	var took []time.Duration
	for _, f := range all {
		if f.err == nil {
			took = append(took, f.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(q*float64(len(took))))]
}

// errors says what went wrong, each sort once, for people who look into it.
func reasons(all []fate) (out []string) {
	seen := map[string]int{}
	for _, f := range failed(all) {
		seen[fmt.Sprintf("%.120s", f.err.Error())]++
	}
	for what, n := range seen {
		out = append(out, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(out)
	return out[:min(len(out), 5)]
}

// pause waits, or ends with the drill.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
