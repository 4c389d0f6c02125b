package db

import (
	"context"
	"sync"
	"time"

	"haat/internal/fault"
)

// ErrBusy says that more is waiting to be written than can be in good time.
var ErrBusy = fault.Busy(time.Second, "Too much is being saved just now. Try again in a moment.").With("busy")

// queue decides who may wait for the writer, so that waiting is bounded: in
// number, in time, and for each shop. A shop has a share of the places in
// front of the writer; what it asks beyond that waits behind its own, and the
// writer takes turns among shops.
type queue struct {
	mu    sync.Mutex
	most  int // waiting in all
	share int // of one shop in front of the writer
	n     int // waiting in all
	shops map[int64]*line
	each  time.Duration // what one change has taken of late
}

// line is one shop's changes: those in front of the writer, and those that
// wait for a place there, first come first served.
type line struct {
	ahead int
	wait  []chan struct{}
}

// patience is how long a change waits whose caller has not said.
const patience = 10 * time.Second

// enter takes a place in front of the writer for a shop, waiting for one if
// its share is taken. It is ErrBusy when too many wait, or when this one would
// wait beyond its deadline. leave gives the place back.
func (q *queue) enter(ctx context.Context, shop int64) error {
	limit := patience
	if at, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(at))
	}
	q.mu.Lock()
	if q.n >= q.most || time.Duration(q.n)*q.each > limit {
		q.mu.Unlock()
		return ErrBusy
	}
	q.n++
	l := q.shops[shop]
	if l == nil {
		l = &line{}
		q.shops[shop] = l
	}
	if l.ahead < q.share || shop == 0 {
		l.ahead++
		q.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.wait = append(l.wait, turn)
	q.mu.Unlock()
	late := time.NewTimer(limit)
	defer late.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-late.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range l.wait {
		if w == turn {
			l.wait = append(l.wait[:i], l.wait[i+1:]...)
			q.n--
			return err
		}
	}
	q.pass(shop, l) // the turn came at the same moment
	return err
}

func (q *queue) leave(shop int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass(shop, q.shops[shop])
}

// pass gives a place that has become free to the next in line.
func (q *queue) pass(shop int64, l *line) {
	q.n--
	if len(l.wait) > 0 {
		close(l.wait[0])
		l.wait = l.wait[1:]
		return
	}
	if l.ahead--; l.ahead == 0 {
		delete(q.shops, shop)
	}
}

// took notes how long n changes have taken.
func (q *queue) took(d time.Duration, n int) {
	if n == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.each += (min(d/time.Duration(n), 100*time.Millisecond) - q.each) / 8 // one long pause is no forecast
}
