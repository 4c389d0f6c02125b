package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

var relocate = db.C(`UPDATE shop SET shard = $3, epoch = $4 WHERE id = $1 AND epoch = $2`)

// Relocate enters that a shop lives on a shard at an epoch, in the transaction
// that decides so. It is db.ErrMoved if the directory has another epoch than
// from. Call Relocated once the transaction stands.
func Relocate(ctx context.Context, t *db.ControlTx, shop id.Shop, from int64, shard string, epoch int64) error {
	n, err := t.Exec(ctx, relocate, shop, from, shard, epoch)
	if err == nil && n == 0 {
		err = db.ErrMoved
	}
	return err
}

// Relocated has this process look a shop up again, and whoever follows its
// events look for news on the shard where it lives now.
func (f *Fleet) Relocated(shop id.Shop, shard string) {
	if e, ok := f.byID.GetIfPresent(shop); ok {
		f.forget(e)
	}
	for _, fn := range f.changed {
		fn(shop)
	}
	f.Wake(shop, shard)
}

const (
	holdMost = 2 * time.Second      // that a request waits for a shop that is being moved
	holdLook = 4 * time.Millisecond // between looks whether it is open again
	held     = 1000                 // requests of one shop that wait at most
)

// holds are the requests that wait for shops that are between two shards. All
// of one shop share one look at where it is.
type holds struct {
	mu sync.Mutex
	at map[id.Shop]*hold
}

type hold struct {
	n      int
	read   chan struct{} // closed when the shop can be read, or nobody waits
	write  chan struct{} // closed when it is open, or nobody waits
	reader *Room         // where, once read is closed
	writer *Room         // where, once write is closed
}

// open waits until a shop can be read, or written, where the directory says,
// and gives its room there. It waits no longer than the caller's time, nor than
// two seconds.
func (f *Fleet) open(ctx context.Context, shop id.Shop, write bool, cause error) (*Room, error) {
	f.held.mu.Lock()
	if f.held.at == nil {
		f.held.at = map[id.Shop]*hold{}
	}
	h := f.held.at[shop]
	if h == nil {
		h = &hold{read: make(chan struct{}), write: make(chan struct{})}
		f.held.at[shop] = h
		go f.look(shop, h)
	}
	busy := h.n >= held
	if !busy {
		h.n++
	}
	f.held.mu.Unlock()
	moving := fault.Busy(time.Second, "The shop is being moved. Try again in a moment.").With("moving").Because(cause)
	if busy {
		return nil, moving
	}
	defer func() {
		f.held.mu.Lock()
		h.n--
		f.held.mu.Unlock()
	}()
	late := time.NewTimer(holdMost)
	defer late.Stop()
	over, room := h.read, &h.reader
	if write {
		over, room = h.write, &h.writer
	}
	select {
	case <-over:
		if *room != nil {
			return *room, nil
		}
		return nil, moving
	case <-late.C:
		return nil, moving
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// look waits for one shop, for as long as somebody waits with it.
func (f *Fleet) look(shop id.Shop, h *hold) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*holdMost)
	defer cancel()
	t := time.NewTicker(holdLook)
	defer t.Stop()
	for {
		room, err := f.lookUp(ctx, entryByID, shop)
		var c db.Clock
		if err == nil {
			c, _, err = room.shard.Clock(ctx, shop)
		}
		there := err == nil && c.Epoch == room.entry.Epoch
		f.held.mu.Lock()
		if there && h.reader == nil && c.Readable() {
			h.reader = room
			close(h.read)
		}
		if there && c.State == db.StateOpen {
			h.writer = room
		}
		if h.writer != nil || h.n == 0 || ctx.Err() != nil || fault.Is(err, fault.KindNotFound) {
			delete(f.held.at, shop)
			if h.reader == nil {
				close(h.read)
			}
			close(h.write)
			f.held.mu.Unlock()
			return
		}
		f.held.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// Again is ByID past what this process remembers of the directory.
func (f *Fleet) Again(ctx context.Context, shop id.Shop) (*Room, error) {
	return f.lookUp(ctx, entryByID, shop)
}

// Destination gives a shard that a shop can be put on, or says why it cannot.
func (f *Fleet) Destination(ctx context.Context, name string) (Listing, error) {
	all, err := Listings(ctx, f.control)
	if err != nil {
		return Listing{}, err
	}
	for _, l := range all {
		if l.Name != name {
			continue
		}
		if l.State != ShardOpen {
			return l, fault.Invalid("/to", "The shard %q is %s and takes no shops.", name, l.State)
		}
		if f.Shard(name) == nil {
			return l, fault.Busy(5*time.Second, "The shard %q cannot be reached just now.", name).With("shard-closed")
		}
		if l.Capacity > 0 {
			n, err := f.CountOn(ctx, name)
			if err != nil {
				return l, err
			}
			if n >= l.Capacity {
				return l, fault.Conflict("shard-full", "The shard %q is full: it has %d shops, and takes %d.", name, n, l.Capacity)
			}
		}
		return l, nil
	}
	return Listing{}, fault.NotFound("There is no shard %q.", name)
}

var countOn = db.C(`SELECT shops FROM shard WHERE id = $1`)

// CountOn counts the shops that live on a shard.
func (f *Fleet) CountOn(ctx context.Context, shard string) (n int64, err error) {
	err = f.control.View(ctx, func(t *db.ControlTx) (err error) {
		n, _, err = db.ControlOne(ctx, t, countOn, func(n *int64) []any { return []any{n} }, shard)
		return err
	})
	if err != nil {
		err = fmt.Errorf("count the shops of shard %s: %w", shard, err)
	}
	return n, err
}

// On gives directory rows of shops that live on a shard, after a shop.
func (f *Fleet) On(ctx context.Context, shard string, after id.Shop, limit int) (out []Entry, err error) {
	err = f.control.View(ctx, func(t *db.ControlTx) (err error) {
		out, err = db.ControlAll(ctx, t, listOn, scanEntry, shard, after, limit)
		return err
	})
	return out, err
}

var listOn = db.C(`SELECT ` + entryColumns + ` FROM shop WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3`)

// EntryIn reads a shop's row of the directory in a transaction.
func EntryIn(ctx context.Context, t *db.ControlTx, shop id.Shop) (Entry, error) {
	e, ok, err := db.ControlOne(ctx, t, entryByID, scanEntry, shop)
	if err == nil && !ok {
		err = fault.NotFound("There is no such shop.")
	}
	return e, err
}
