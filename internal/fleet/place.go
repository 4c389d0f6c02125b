package fleet

import (
	"context"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// noRoom is what somebody is told who opens a shop when no shard takes one.
func noRoom() error {
	return fault.Busy(time.Minute, "New shops cannot be opened just now. Try again later.").With("no-shard-open")
}

// place picks the shard for a new shop: of those that are open and not full,
// the one that is filled least. A shard of no limit counts as large as the
// largest that has one. A sign-up that is tried again in this process finds
// the rows that it left.
func (f *Fleet) place(shop id.Shop) (string, error) {
	f.placing.Lock()
	defer f.placing.Unlock()
	if name, ok := f.placed.GetIfPresent(shop); ok {
		if l, here := f.Listing(name); here && l.State == ShardOpen {
			return name, nil
		}
	}
	now := f.shards.Load()
	if now != f.since {
		f.since, f.added = now, map[string]int64{}
	}
	largest := int64(0)
	for _, name := range now.names {
		largest = max(largest, now.listing[name].Capacity)
	}
	best, filled := "", 0.0
	for _, name := range now.names {
		l := now.listing[name]
		shops, size := l.Shops+f.added[name], l.Capacity
		if l.State != ShardOpen || size > 0 && shops >= size {
			continue
		}
		if size == 0 {
			size = max(largest, 1)
		}
		if share := float64(shops) / float64(size); best == "" || share < filled {
			best, filled = name, share
		}
	}
	if best == "" {
		return "", noRoom()
	}
	f.added[best]++
	f.placed.Set(shop, best)
	return best, nil
}

// spread picks the shard for one of many shops that are loaded at once, the
// same each time.
func (f *Fleet) spread(shop id.Shop) string {
	now := f.shards.Load()
	var open []string
	for _, name := range now.names {
		if now.listing[name].State == ShardOpen {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		open = now.names
	}
	return open[int64(shop)%int64(len(open))]
}

var roomOn = db.C(`SELECT state, capacity, shops FROM shard WHERE id = $1`)

// takes looks, in the transaction that has entered a shop on a shard, whether
// the shard still takes it: somebody may have drained or filled it.
func takes(ctx context.Context, t *db.ControlTx, name string) error {
	l, ok, err := db.ControlOne(ctx, t, roomOn, func(l *Listing) []any { return []any{&l.State, &l.Capacity, &l.Shops} }, name)
	switch {
	case err != nil:
		return err
	case !ok || l.State != ShardOpen || l.Capacity > 0 && l.Shops > l.Capacity:
		return fmt.Errorf("shard %s: %w", name, errNotTaken)
	}
	return nil
}
