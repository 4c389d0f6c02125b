package hook

import (
	"context"
	"sync"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

const (
	mostCalls = 64 // lines that are sent at once
	mostOfOne = 4  // of them of one shop
)

// calls are the lines that are being sent. They are nobody's worker: whom a
// merchant's system keeps waiting is that merchant's webhook alone. What finds no
// room is due in its rows, and is sent in a later round.
type calls struct {
	ctx    context.Context
	cancel context.CancelFunc
	under  sync.WaitGroup

	mu    sync.Mutex
	lines map[id.Shop]map[line]bool // true: it is to be looked at once more
	count int                       // of them
	begun int                       // ever
}

func newCalls() *calls {
	c := &calls{lines: map[id.Shop]map[line]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// take finds room for a line; false if it is being sent already, or there is none.
func (c *calls) take(shop id.Shop, l line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.lines[shop]
	if _, under := of[l]; under {
		of[l] = true
		return false
	}
	if c.ctx.Err() != nil || c.count >= mostCalls || len(of) >= mostOfOne {
		return false
	}
	if of == nil {
		of = map[line]bool{}
		c.lines[shop] = of
	}
	of[l] = false
	c.count++
	c.begun++
	c.under.Add(1)
	return true
}

// again reports whether a line is to be looked at once more; if not, its room is
// given back.
func (c *calls) again(shop id.Shop, l line, more bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.lines[shop]
	if more = (more || of[l]) && c.ctx.Err() == nil; more {
		of[l] = false
		return true
	}
	if delete(of, l); len(of) == 0 {
		delete(c.lines, shop)
	}
	c.count--
	c.under.Done()
	return false
}

// begin sends a line beside whoever asks.
func (s *Sender) begin(room *fleet.Room, l line) {
	if !s.calls.take(room.Shop(), l) {
		return
	}
	go func() {
		for more := true; more; {
			n, err := s.line(s.calls.ctx, room, l)
			if err != nil && s.calls.ctx.Err() == nil {
				s.log.Warn("what a webhook is told could not be looked at; it is tried again in the next round", "shop", room.Shop(), "webhook", l.hook, "err", err)
			}
			more = s.calls.again(room.Shop(), l, err == nil && n == inARow)
		}
	}()
}

// Wake begins to send what is due in a shop, and gives how many lines that is.
func (s *Sender) Wake(ctx context.Context, room *fleet.Room) (int, error) {
	lines, err := s.due(ctx, room)
	for _, l := range lines {
		s.begin(room, l)
	}
	return len(lines), err
}

func (s *Sender) due(ctx context.Context, room *fleet.Room) (lines []line, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		lines, err = db.All(ctx, r, dueLines, func(l *line) []any { return []any{&l.hook, &l.topic} }, s.now())
		return err
	})
	return lines, err
}

// Close breaks off what is being sent; it is sent again when its claim has run out.
func (s *Sender) Close() {
	s.calls.cancel()
	s.calls.under.Wait()
}
