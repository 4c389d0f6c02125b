package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

var (
	enterShard = db.C(`
		INSERT INTO shard (` + shardColumns + `) VALUES ($1, $2, 'open', $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET dsn = excluded.dsn, state = excluded.state, term = excluded.term, capacity = excluded.capacity,
			identity = excluded.identity, created_at = excluded.created_at
		WHERE shard.state = 'removed'`)
	enterReplica  = db.C(`INSERT INTO shard_replica (shard, name, dsn) VALUES ($1, $2, $3) ON CONFLICT (shard, name) DO UPDATE SET dsn = excluded.dsn`)
	dropReplica   = db.C(`DELETE FROM shard_replica WHERE shard = $1 AND name = $2`)
	dropReplicas  = db.C(`DELETE FROM shard_replica WHERE shard = $1`)
	setShardState = db.C(`UPDATE shard SET state = $2 WHERE id = $1 AND state <> 'removed'`)
	setCapacity   = db.C(`UPDATE shard SET capacity = $2 WHERE id = $1 AND state <> 'removed'`)
	removeShard   = db.C(`UPDATE shard SET state = 'removed' WHERE id = $1 AND state = 'draining' AND shops = 0`)
	setIdentity   = db.C(`UPDATE shard SET identity = $2 WHERE id = $1 AND identity = ''`)
)

// AddShard looks at a database and at its replicas and, if all of them are
// what they should be, lists it as a shard that is open for new shops and opens
// it here. Of the listing it takes Name, DSN, Capacity and Replicas. What it
// refuses is told in one line, and then nothing was added.
func (f *Fleet) AddShard(ctx context.Context, l Listing) error {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	all, err := Listings(ctx, f.control)
	if err != nil {
		return err
	}
	if err := l.check(all); err != nil {
		return err
	}
	made := ""
	if IsPostgres(l.DSN) {
		is, err := db.Look(ctx, l.DSN)
		switch {
		case err != nil:
			return refused("/dsn", err)
		case is.Standby:
			return fault.Invalid("/dsn", "This is a standby, which takes no writes: give the primary, and the standby with --replica.")
		}
		for _, other := range all {
			if other.Identity == is.Identity {
				return fault.Conflict("shard-known", "This database is shard %s already.", other.Name)
			}
		}
		l.Identity = is.Identity
		for i, r := range l.Replicas {
			if err := checkReplica(ctx, r, is); err != nil {
				return err.At(fmt.Sprintf("/replicas/%d", i))
			}
		}
	} else {
		if len(l.Replicas) > 0 {
			return fault.Invalid("/replicas", "A shard in a file has no replicas.")
		}
		if made, err = f.checkFile(l.DSN, all); err != nil {
			return err
		}
	}
	if err := f.tryShard(ctx, &l); err != nil {
		if made != "" {
			for _, name := range []string{made, made + "-wal", made + "-shm"} {
				_ = os.Remove(name)
			}
		}
		return err
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		n, err := t.Exec(ctx, enterShard, l.Name, l.DSN, max(1, l.Term), l.Capacity, l.Identity, t.Now())
		if err == nil && n == 0 {
			err = fault.Conflict("shard-known", "There is a shard %s already.", l.Name)
		}
		for _, r := range l.Replicas {
			if err == nil {
				_, err = t.Exec(ctx, enterReplica, l.Name, r.Name, r.DSN)
			}
		}
		return err
	})
	if errors.Is(err, db.ErrUnique) {
		return fault.Conflict("shard-known", "Somebody else has just added this database.")
	}
	if err != nil {
		return fmt.Errorf("list shard %s: %w", l.Name, err)
	}
	err = f.Reload(ctx)
	if f.Shard(l.Name) == nil {
		return fmt.Errorf("shard %s is listed, and not open here yet: %w", l.Name, err)
	}
	f.log.Info("a shard was added", "shard", l.Name, "engine", f.Shard(l.Name).Engine())
	return nil
}

// check refuses a listing that cannot be right, beside others.
func (l *Listing) check(all []Listing) error {
	if !ValidSlug(l.Name) {
		return fault.Invalid("/name", "%q cannot name a shard: give small letters, digits and hyphens.", l.Name)
	}
	if l.Capacity < 0 {
		return fault.Invalid("/capacity", "A capacity is a number of shops, or 0 for no limit.")
	}
	if !IsPostgres(l.DSN) {
		name := filepath.Clean(l.DSN)
		if !filepath.IsLocal(name) || name == "." || strings.Contains(l.DSN, "://") {
			return fault.Invalid("/dsn", "Give postgres://user:password@host/database, or the name of a file in the data folder's shards/.")
		}
		l.DSN = name
	}
	for _, other := range all {
		switch {
		case other.Name == l.Name:
			return fault.Conflict("shard-known", "There is a shard %s already.", l.Name)
		case other.DSN == l.DSN:
			return fault.Conflict("shard-known", "This database is shard %s already.", other.Name)
		}
	}
	names := map[string]bool{}
	for i, r := range l.Replicas {
		if err := r.check(); err != nil {
			return err.At(fmt.Sprintf("/replicas/%d", i))
		}
		if names[r.Name] {
			return fault.Invalid("/replicas", "There are two replicas %s.", r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

func (r Replica) check() *fault.Fault {
	switch {
	case !ValidSlug(r.Name):
		return fault.Invalid("/replicas", "%q cannot name a replica: give small letters, digits and hyphens.", r.Name)
	case !IsPostgres(r.DSN):
		return fault.Invalid("/replicas", "Replica %s: give it as %s=postgres://user:password@host/database.", r.Name, r.Name)
	}
	return nil
}

// checkReplica refuses what is no standby of a primary.
func checkReplica(ctx context.Context, r Replica, primary db.Server) *fault.Fault {
	is, err := db.Look(ctx, r.DSN)
	switch {
	case err != nil:
		return fault.Invalid("/replicas", "Replica %s: %v.", r.Name, err)
	case is.System != primary.System:
		return fault.Invalid("/replicas", "Replica %s belongs to another cluster: its system identifier is %s, that of the primary %s.", r.Name, is.System, primary.System)
	case !is.Standby:
		return fault.Invalid("/replicas", "Replica %s is no standby: it takes writes itself.", r.Name)
	case is.Identity != primary.Identity:
		return fault.Invalid("/replicas", "Replica %s is of another database of the same cluster.", r.Name)
	}
	return nil
}

// checkFile refuses a file that another shard has, by whatever name. It gives
// the file's path if there is none yet.
func (f *Fleet) checkFile(name string, all []Listing) (made string, err error) {
	path := filepath.Join(f.cfg.Dir, name)
	is, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", refused("/dsn", err)
	}
	for _, other := range all {
		if !IsPostgres(other.DSN) {
			if was, err := os.Stat(f.path(other.DSN)); err == nil && os.SameFile(is, was) {
				return "", fault.Conflict("shard-known", "This file is shard %s already.", other.Name)
			}
		}
	}
	return "", nil
}

// tryShard opens a database as a shard, brings its schema up to date, and
// refuses one that holds shops: the sweep of orphans would erase them.
func (f *Fleet) tryShard(ctx context.Context, l *Listing) error {
	l.Term = 0
	s, _, err := f.connect(ctx, *l)
	if err != nil {
		return refused("/dsn", errors.New(strings.TrimPrefix(err.Error(), "shard "+l.Name+": ")))
	}
	some, err := s.Across(ctx, clocksOf, 0, int64(1<<63-1), 1)
	if err == nil && len(some) > 0 {
		err = fault.Invalid("/dsn", "This database holds shops already, which this platform does not know: give an empty one.")
	}
	l.Term = s.Term()
	return errors.Join(err, s.Close())
}

// refused tells an operator what a database has against it.
func refused(pointer string, err error) error {
	if f := fault.Of(err); f != nil && f.Kind != fault.KindBusy {
		return err
	}
	text := strings.TrimSuffix(strings.Join(strings.Fields(err.Error()), " "), ".")
	return fault.Invalid(pointer, "%s.", strings.ToUpper(text[:1])+text[1:])
}

// ShardChange is what is to be different about a shard.
type ShardChange struct {
	Capacity *int64    // shops that are put on it at most; 0 for no limit
	Replicas []Replica // to be added, or to get another DSN
	Drop     []string  // replicas to be forgotten
}

// SetShard changes what is listed of a shard, all of it or nothing.
func (f *Fleet) SetShard(ctx context.Context, name string, c ShardChange) error {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	l, err := f.listed(ctx, name)
	if err != nil {
		return err
	}
	if c.Capacity != nil && *c.Capacity < 0 {
		return fault.Invalid("/capacity", "A capacity is a number of shops, or 0 for no limit.")
	}
	if len(c.Replicas) > 0 {
		if !IsPostgres(l.DSN) {
			return fault.Invalid("/replicas", "A shard in a file has no replicas.")
		}
		is, err := db.Look(ctx, l.DSN)
		if err != nil {
			return refused("/dsn", err)
		}
		for i, r := range c.Replicas {
			bad := r.check()
			if bad == nil {
				bad = checkReplica(ctx, r, is)
			}
			if bad != nil {
				return bad.At(fmt.Sprintf("/replicas/%d", i))
			}
		}
	}
	for _, drop := range c.Drop {
		if !slices.ContainsFunc(l.Replicas, func(r Replica) bool { return r.Name == drop }) {
			return fault.NotFound("Shard %s has no replica %s.", name, drop)
		}
	}
	return f.relist(ctx, func(t *db.ControlTx) (err error) {
		if c.Capacity != nil {
			_, err = t.Exec(ctx, setCapacity, name, *c.Capacity)
		}
		for _, r := range c.Replicas {
			if err == nil {
				_, err = t.Exec(ctx, enterReplica, name, r.Name, r.DSN)
			}
		}
		for _, r := range c.Drop {
			if err == nil {
				_, err = t.Exec(ctx, dropReplica, name, r)
			}
		}
		return err
	})
}

// SetShardState lets a shard take new shops, or no more of them.
func (f *Fleet) SetShardState(ctx context.Context, name, state string) error {
	if state != ShardOpen && state != ShardDraining {
		return fault.Invalid("/state", "A shard is open or draining, not %q.", state)
	}
	f.keeping.Lock()
	defer f.keeping.Unlock()
	if _, err := f.listed(ctx, name); err != nil {
		return err
	}
	return f.relist(ctx, func(t *db.ControlTx) error {
		_, err := t.Exec(ctx, setShardState, name, state)
		return err
	})
}

// RemoveShard forgets a shard that holds no shops, and closes it. What
// unfinished sign-ups left there is erased first. The database itself stays.
func (f *Fleet) RemoveShard(ctx context.Context, name string) error {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	all, err := Listings(ctx, f.control)
	if err != nil {
		return err
	}
	l, err := f.listed(ctx, name)
	switch {
	case err != nil:
		return err
	case l.Shops > 0:
		return fault.Conflict("shard-holds-shops", "Shard %s holds %d shops. Move them away first: haat shard drain %s", name, l.Shops, name)
	case len(all) == 1:
		return fault.Conflict("last-shard", "Shard %s is the only one: add another first.", name)
	}
	// From here on no sign-up that has chosen the shard is entered there.
	err = f.relist(ctx, func(t *db.ControlTx) error {
		_, err := t.Exec(ctx, setShardState, name, ShardDraining)
		return err
	})
	if err != nil {
		return err
	}
	if shard := f.Shard(name); shard != nil {
		if err := f.eraseAll(ctx, name, shard); err != nil {
			return err
		}
	}
	n := int64(0)
	err = f.relist(ctx, func(t *db.ControlTx) (err error) {
		if n, err = t.Exec(ctx, removeShard, name); err == nil && n == 1 {
			_, err = t.Exec(ctx, dropReplicas, name)
		}
		return err
	})
	if err == nil && n == 0 {
		return fault.Conflict("shard-holds-shops", "A shop was opened on shard %s just now. Move it away first: haat shard drain %s", name, name)
	}
	if err == nil {
		f.log.Info("a shard was removed", "shard", name)
	}
	return err
}

// eraseAll erases every shop of a shard that the directory has nowhere. One
// that it has elsewhere was moved away, and can be moved back for a while.
func (f *Fleet) eraseAll(ctx context.Context, name string, shard *db.Shard) error {
	for after := id.Shop(0); ; {
		page, err := shard.Across(ctx, clocksOf, after, int64(1<<63-1), f.page)
		if err != nil {
			return fmt.Errorf("list the shops of shard %s: %w", name, err)
		}
		there, err := f.entered(ctx, page)
		if err != nil {
			return err
		}
		for _, c := range page {
			after = c.Shop
			if there[c.Shop] {
				return fault.Conflict("shard-kept", "Shop %v was moved away from shard %s not long ago, and what it left there is kept for a while, so that it can be moved back. To give that up: haat shard remove %s --copies", c.Shop, name, name)
			}
			if err := f.eraseOrphan(ctx, name, shard, c.Shop); err != nil {
				return err
			}
		}
		if len(page) < f.page {
			return nil
		}
	}
}

// listed reads a shard's row.
func (f *Fleet) listed(ctx context.Context, name string) (Listing, error) {
	all, err := Listings(ctx, f.control)
	for _, l := range all {
		if l.Name == name {
			return l, nil
		}
	}
	if err != nil {
		return Listing{}, err
	}
	return Listing{}, fault.NotFound("There is no shard %s.", name)
}

// relist changes the list of shards and takes note of that here.
func (f *Fleet) relist(ctx context.Context, fn func(*db.ControlTx) error) error {
	if err := f.control.Change(ctx, fn); err != nil {
		return fmt.Errorf("change the list of shards: %w", err)
	}
	if err := f.Reload(ctx); err != nil {
		f.log.Warn("not every shard is open", "err", err) // the next Reload tells again
	}
	return nil
}

// Redacted is a DSN without its password.
func Redacted(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || !IsPostgres(dsn) {
		return dsn
	}
	q := u.Query()
	for _, secret := range []string{"password", "sslpassword"} {
		if q.Has(secret) {
			q.Set(secret, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}
