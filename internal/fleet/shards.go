package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/guard"
	"haat/internal/id"
)

// Listing is a shard as the control database lists it.
type Listing struct {
	Name     string
	DSN      string // of a PostgreSQL server, or the path of a file below the folder of shards
	State    string // ShardOpen, ShardDraining or ShardRemoved
	Term     int64  // +1 at every promotion
	Taken    int64  // the latest that a primary is known to have written in
	Capacity int64  // shops that are put on it at most; 0 for no limit
	Identity string // the database that it was when it was added; empty for a file
	Created  time.Time
	Shops    int64 // that the directory has there
	Replicas []Replica
}

// Replica is a standby that a shard's shops may be read from.
type Replica struct{ Name, DSN string }

// What a shard may be.
const (
	ShardOpen     = "open"     // takes new shops
	ShardDraining = "draining" // serves those it has, and takes no new ones
	ShardRemoved  = "removed"  // holds no shops and is not opened any more
)

var (
	shardColumns = `id, dsn, state, term, capacity, identity, created_at`
	listShards   = db.C(`SELECT ` + shardColumns + `, shops, taken FROM shard WHERE state <> 'removed' ORDER BY id`)
	listReplicas = db.C(`SELECT shard, name, dsn FROM shard_replica ORDER BY shard, name`)
	addShard     = db.C(`INSERT INTO shard (` + shardColumns + `) VALUES ($1, $2, 'open', 1, $3, $4, $5) ON CONFLICT (id) DO NOTHING`)
)

func scanListing(l *Listing) []any {
	return []any{&l.Name, &l.DSN, &l.State, &l.Term, &l.Capacity, &l.Identity, &l.Created, &l.Shops, &l.Taken}
}

// Listings reads the shards of a control database, in the order of their
// names, without those that were removed.
func Listings(ctx context.Context, control Still) (all []Listing, err error) {
	type row struct {
		shard string
		Replica
	}
	err = control.View(ctx, func(t *db.ControlTx) (err error) {
		if all, err = db.ControlAll(ctx, t, listShards, scanListing); err != nil {
			return err
		}
		rows, err := db.ControlAll(ctx, t, listReplicas, func(r *row) []any { return []any{&r.shard, &r.Name, &r.DSN} })
		for _, r := range rows {
			if i := slices.IndexFunc(all, func(l Listing) bool { return l.Name == r.shard }); i >= 0 {
				all[i].Replicas = append(all[i].Replicas, r.Replica)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the shards: %w", err)
	}
	return all, nil
}

// IsPostgres reports whether a DSN is that of a PostgreSQL server, and not the
// path of a file.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// shards are the shards that are open in this process, what the control
// database said of them, and why others are not open. It is replaced, never
// changed.
type shards struct {
	open     map[string]*db.Shard
	listing  map[string]Listing
	gates    map[string]*guard.Gate
	standbys map[string]*standbys // of shards that have replicas
	names    []string
	listed   []string // those that are not open here too
	failed   map[string]error
}

// list fills an empty control database with the first shards.
func (f *Fleet) list(ctx context.Context) ([]Listing, error) {
	all, err := Listings(ctx, f.control)
	if err != nil || len(all) > 0 {
		return all, err
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		n := max(1, f.cfg.Shards)
		if f.cfg.FirstShard != "" {
			n = 1
		}
		for i := range n {
			name := fmt.Sprintf("s%d", i+1)
			if _, err := t.Exec(ctx, addShard, name, cmp.Or(f.cfg.FirstShard, name+".db"), 0, "", t.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("enter the first shards: %w", err)
	}
	return Listings(ctx, f.control)
}

// connect opens a shard and looks which database it is.
func (f *Fleet) connect(ctx context.Context, l Listing) (s *db.Shard, is string, err error) {
	if IsPostgres(l.DSN) {
		s, err = db.OpenPostgres(ctx, l.DSN, f.cfg.Schemas)
	} else {
		s, err = db.OpenSQLite(ctx, f.path(l.DSN), f.cfg.SQLite, f.cfg.Schemas)
	}
	if err != nil {
		return nil, "", fmt.Errorf("shard %s: %w", l.Name, err)
	}
	s.Expect(l.Term, f.taken(l))
	if is, err = s.Identity(ctx); err == nil {
		err = f.renew(ctx, l, s)
	}
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("shard %s: %w", l.Name, err), s.Close())
	}
	return s, is, nil
}

func (f *Fleet) path(dsn string) string {
	if filepath.IsAbs(dsn) {
		return dsn
	}
	return filepath.Join(f.cfg.Dir, dsn)
}

// Reload opens the shards that the control database lists and that are not
// open here, and takes note of what it says of the others. One that cannot be
// opened keeps no other from being opened; its error is returned, and the next
// call tries again. A shard that was removed is closed.
func (f *Fleet) Reload(ctx context.Context) error {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	if err := f.control.Follow(ctx); err != nil {
		return err
	}
	all, err := f.list(ctx)
	if err != nil {
		return err
	}
	now, next := f.shards.Load(), &shards{open: map[string]*db.Shard{}, listing: map[string]Listing{}, gates: map[string]*guard.Gate{}, standbys: map[string]*standbys{}, failed: map[string]error{}}
	var left []*standby
	var later []Listing // shards whose new term this process has not taken note of
	for _, l := range all {
		if next.listed = append(next.listed, l.Name); f.cfg.Elsewhere[l.Name] {
			continue
		}
		s := now.open[l.Name]
		if s == nil {
			var is string
			var bad error
			if s, is, bad = f.connect(ctx, l); bad == nil {
				if other := f.identities[is]; is != "" && other != "" && other != l.Name {
					bad = errors.Join(fmt.Errorf("shard %s: its database is that of shard %s", l.Name, other), s.Close())
				}
			}
			if bad == nil && l.Identity != "" && l.Identity != is {
				bad = errors.Join(fmt.Errorf("shard %s: its address leads to another database than the one that was added: %s, not %s", l.Name, is, l.Identity), s.Close())
			}
			if bad != nil {
				err, next.failed[l.Name] = errors.Join(err, bad), bad
				continue
			}
			if is != "" {
				f.identities[is] = l.Name
			}
			if l.Identity == "" && is != "" {
				bad := f.control.Change(ctx, func(t *db.ControlTx) error {
					_, err := t.Exec(ctx, setIdentity, l.Name, is)
					return err
				})
				if bad != nil {
					err = errors.Join(err, fmt.Errorf("note which database shard %s is: %w", l.Name, bad))
				}
			}
		}
		if next.gates[l.Name] = now.gates[l.Name]; now.open[l.Name] != s {
			next.gates[l.Name] = f.gateOf(s)
		}
		if now.open[l.Name] == s {
			if s.Expect(l.Term, f.taken(l)) {
				later = append(later, l)
			}
			if was := now.listing[l.Name]; was.DSN != l.DSN && IsPostgres(l.DSN) {
				err = errors.Join(err, s.Lead(l.DSN))
			}
		}
		next.open[l.Name], next.listing[l.Name], next.names = s, l, append(next.names, l.Name)
		set, gone, bad := f.standbysOf(l, s, now)
		if left = append(left, gone...); set != nil {
			next.standbys[l.Name] = set
		}
		err = errors.Join(err, bad)
	}
	f.shards.Store(next)
	stopAll(left, nil)
	for name, set := range now.standbys {
		if kept := next.standbys[name]; kept == nil || kept.pulse != set.pulse {
			stopAll(nil, set.pulse)
		}
		if next.open[name] == nil {
			stopAll(set.all, nil)
		}
	}
	for name, s := range now.open {
		if next.open[name] == nil {
			for is, whose := range f.identities {
				if whose == name {
					delete(f.identities, is)
				}
			}
			err = errors.Join(err, s.Close())
		}
	}
	for _, l := range later {
		err = errors.Join(err, f.renew(ctx, l, next.open[l.Name]))
	}
	return err
}

// ShardNames lists the shards that are open here, in order.
func (f *Fleet) ShardNames() []string { return f.shards.Load().names }

// Shard gives a shard by name, for shard-wide statements; nil if none of that
// name is open here.
func (f *Fleet) Shard(name string) *db.Shard { return f.shards.Load().open[name] }

// Listed names the shards that the control database lists, also those that are
// not open here.
func (f *Fleet) Listed() []string { return f.shards.Load().listed }

// Closed gives the shards that are listed and not open here, and why.
func (f *Fleet) Closed() map[string]error { return f.shards.Load().failed }

// Listing gives what the control database said of a shard when it was read
// last.
func (f *Fleet) Listing(name string) (Listing, bool) {
	l, ok := f.shards.Load().listing[name]
	return l, ok
}

// Shards gives the shards that are open here, in order of their names. One that
// is closed meanwhile answers with an error.
func (f *Fleet) Shards(yield func(string, *db.Shard) bool) {
	now := f.shards.Load()
	for _, name := range now.names {
		if !yield(name, now.open[name]) {
			return
		}
	}
}

// Across runs a shard-wide statement on every shard. What it says of a shop
// whose copy is on a shard that it does not live on is left out.
func (f *Fleet) Across(ctx context.Context, q *db.AcrossSQL, args ...any) ([]db.Count, error) {
	var out []db.Count
	for name, shard := range f.Shards {
		page, err := shard.Across(ctx, q, args...)
		var copies map[id.Shop]bool
		if err == nil && len(page) > 0 {
			copies, err = shard.Copies(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", name, err)
		}
		for _, c := range page {
			if !copies[c.Shop] {
				out = append(out, c)
			}
		}
	}
	return out, nil
}
