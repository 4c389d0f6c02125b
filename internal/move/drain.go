package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Stuck is a move that does not come on.
type Stuck struct {
	Move
	Since time.Time
	Why   string
}

const (
	stuckTries  = 4               // failures in a row before a move is said to be stuck
	stuckSilent = 2 * time.Minute // without a step
)

// Stuck gives the moves that fail again and again, or that nobody works on.
func (m *Mover) Stuck(ctx context.Context) (out []Stuck, err error) {
	all, err := m.list(ctx, listOpen, 0, 1000)
	for _, mv := range all {
		switch {
		case mv.Failures > 0 && (mv.Phase == Committed || mv.Phase == Aborted):
			out = append(out, Stuck{mv, mv.Stepped, "The shop takes no orders until the move goes on: " + mv.Error})
		case mv.Failures >= stuckTries:
			out = append(out, Stuck{mv, mv.Stepped, fmt.Sprintf("It failed %d times in a row: %s", mv.Failures, mv.Error)})
		case mv.Phase != Kept && mv.Phase != Waiting && mv.Holder == "" && time.Since(mv.Stepped) > stuckSilent:
			out = append(out, Stuck{mv, mv.Stepped, "Nobody works on it."})
		}
	}
	return out, err
}

const drainAhead = 8 // moves that are waiting or under way for a drain

// Drain moves every shop off a shard that takes no new ones, to those that
// have room, and returns when none lives there any more. tell is called now
// and then with how many do, and with the moves from there that are under way.
// Called again after it was cut off, it goes on. A shop that cannot be moved is
// an error, after all others have been.
func (m *Mover) Drain(ctx context.Context, shard string, tell func(left int64, open []Move)) error {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	refused := map[id.Shop]error{}
	for {
		left, err := m.Fleet.CountOn(ctx, shard)
		if err != nil {
			return err
		}
		open, err := m.list(ctx, listFrom, shard, 10*drainAhead)
		if err != nil {
			return err
		}
		tell(left, open)
		if left == 0 {
			return nil
		}
		if left == int64(len(refused)) {
			for shop, why := range refused {
				err = errors.Join(err, fmt.Errorf("shop %v: %w", shop, why))
			}
			return err
		}
		if err := m.drainSome(ctx, shard, open, refused); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// drainSome sees to it that a few moves from a shard are under way.
func (m *Mover) drainSome(ctx context.Context, shard string, open []Move, refused map[id.Shop]error) error {
	moving := map[id.Shop]bool{}
	for _, mv := range open {
		moving[mv.Shop] = true
	}
	for after := id.Shop(0); len(moving) < drainAhead; {
		page, err := m.Fleet.On(ctx, shard, after, 50)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			after = e.Shop
			if moving[e.Shop] || refused[e.Shop] != nil {
				continue
			}
			to, err := m.room(ctx, shard)
			if err != nil {
				return err
			}
			_, err = m.Start(ctx, e.Shop, to)
			if code := fault.Of(err); err != nil && code != nil && code.Code == "copy-kept" {
				if err = m.Forget(ctx, e.Shop); err == nil {
					continue // it is begun with once the copy is gone
				}
			}
			if err != nil {
				refused[e.Shop] = err
				continue
			}
			if moving[e.Shop] = true; len(moving) >= drainAhead {
				return nil
			}
		}
	}
	return nil
}

var (
	listFrom = db.C(`SELECT ` + columns + ` FROM move WHERE src = $1 AND ended_at = 0 AND moved_at = 0 ORDER BY id LIMIT $2`)
	keptFrom = db.C(`SELECT ` + columns + ` FROM move WHERE src = $1 AND ended_at = 0 AND moved_at > 0 ORDER BY id LIMIT $2`)
)

// room picks the shard that is filled least of those that take shops, by
// their capacities; one of no limit counts as large as the largest.
func (m *Mover) room(ctx context.Context, but string) (string, error) {
	all, err := fleet.Listings(ctx, m.Fleet.Control())
	if err != nil {
		return "", err
	}
	largest := int64(1)
	for _, l := range all {
		largest = max(largest, l.Capacity)
	}
	best, filled := "", 0.0
	for _, l := range all {
		if l.Name == but || l.State != fleet.ShardOpen || m.Fleet.Shard(l.Name) == nil || l.Capacity > 0 && l.Shops >= l.Capacity {
			continue
		}
		size := l.Capacity
		if size == 0 {
			size = largest
		}
		if share := float64(l.Shops) / float64(size); best == "" || share < filled {
			best, filled = l.Name, share
		}
	}
	if best == "" {
		return "", fault.Conflict("no-room", "No other shard takes shops: add one, or raise the capacity of one.")
	}
	return best, nil
}

// Release deletes the old copies that are kept on a shard, and returns when
// none is left: those shops cannot go back.
func (m *Mover) Release(ctx context.Context, shard string) error {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		kept, err := m.list(ctx, keptFrom, shard, 100)
		if err != nil || len(kept) == 0 {
			return err
		}
		for _, mv := range kept {
			if mv.Phase != Kept {
				continue
			}
			if _, err := m.change(ctx, clearNow, mv.ID); err != nil {
				return err
			}
		}
		m.hasten()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}
