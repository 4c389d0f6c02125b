package fleet

import (
	"context"
	"fmt"
	"path/filepath"

	"haat/internal/db"
	"haat/internal/id"
)

// Still reads a control database that is not being served from: a copy, or
// one whose server is down. A *db.File is one, and so is a *db.Control.
type Still interface {
	View(ctx context.Context, fn func(*db.ControlTx) error) error
}

var (
	shardFiles = db.C(`SELECT id, dsn FROM shard WHERE state <> 'removed' ORDER BY id`) // in a schema of any age
	entriesOn  = db.C(`SELECT id, epoch FROM shop WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3`)
	epochsOf   = db.Across(`SELECT shop, epoch FROM shop_clock WHERE shop > $1 AND state <> 'gone' ORDER BY shop LIMIT $2`)
)

// ShardFiles names the file of every shard that a control database knows,
// below the folder of shards. One that has no file there is an error.
func ShardFiles(ctx context.Context, control Still) (map[string]string, error) {
	var all []Listing
	err := control.View(ctx, func(t *db.ControlTx) (err error) {
		all, err = db.ControlAll(ctx, t, shardFiles, func(l *Listing) []any { return []any{&l.Name, &l.DSN} })
		return err
	})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, l := range all {
		if IsPostgres(l.DSN) {
			return nil, fmt.Errorf("shard %s: %w", l.Name, db.ErrElsewhere)
		}
		if !filepath.IsLocal(l.DSN) {
			return nil, fmt.Errorf("shard %s lies outside of the data folder, in %s", l.Name, l.DSN)
		}
		out[l.Name] = l.DSN
	}
	return out, nil
}

// Agreement is how a directory and the shards it names fit together.
type Agreement struct {
	Shops   int64 // that the directory names, each there at the epoch it says
	Orphans int64 // that are on a shard and in no directory: unfinished sign-ups
}

// Agree holds the directory against the clocks on each shard. A shop that is
// not where the directory says is an error. Orphans are none: SweepOrphans
// erases them.
func Agree(ctx context.Context, control Still, shards map[string]*db.File) (a Agreement, err error) {
	const page = 5000
	for name, shard := range shards {
		clock := pager{page: func(after id.Shop) ([]db.Count, error) { return shard.Across(ctx, epochsOf, after, page) }, size: page}
		entry := pager{page: func(after id.Shop) (out []db.Count, err error) {
			err = control.View(ctx, func(t *db.ControlTx) error {
				out, err = db.ControlAll(ctx, t, entriesOn, func(c *db.Count) []any { return []any{(*int64)(&c.Shop), &c.N} }, name, after, page)
				return err
			})
			return out, err
		}, size: page}
		for {
			e, more, err := entry.next()
			if err != nil {
				return a, fmt.Errorf("read the directory: %w", err)
			}
			c, clocks, err := clock.next()
			if err != nil {
				return a, fmt.Errorf("read the clocks of shard %s: %w", name, err)
			}
			for clocks && (!more || c.Shop < e.Shop) {
				a.Orphans++
				if c, clocks, err = clock.next(); err != nil {
					return a, fmt.Errorf("read the clocks of shard %s: %w", name, err)
				}
			}
			if !more {
				break
			}
			if !clocks || c.Shop != e.Shop || c.N != e.N {
				return a, fmt.Errorf("the directory says that shop %v is on shard %s at epoch %d, and it is not", e.Shop, name, e.N)
			}
			a.Shops++
		}
	}
	return a, nil
}

// pager reads a sorted list of shops page by page.
type pager struct {
	page func(after id.Shop) ([]db.Count, error)
	size int
	rows []db.Count
	last id.Shop
	end  bool
}

func (p *pager) next() (c db.Count, ok bool, err error) {
	if len(p.rows) == 0 && !p.end {
		if p.rows, err = p.page(p.last); err != nil {
			return c, false, err
		}
		p.end = len(p.rows) < p.size
	}
	if len(p.rows) == 0 {
		return c, false, nil
	}
	c, p.rows = p.rows[0], p.rows[1:]
	p.last = c.Shop
	return c, true, nil
}
