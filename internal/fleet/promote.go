package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

var (
	raiseTerm = db.C(`UPDATE shard SET term = CASE WHEN term > $2 THEN term ELSE CAST($2 AS BIGINT) END + 1 WHERE id = $1 RETURNING term`)
	noteTerm  = db.C(`UPDATE shard SET term = $2 WHERE id = $1 AND term < $2`)
	takeTerm  = db.C(`UPDATE shard SET taken = $2 WHERE id = $1 AND taken < $2`)
	readTerm  = db.C(`SELECT term FROM shard WHERE id = $1`)
	livesOn   = db.C(`SELECT ` + entryColumns + ` FROM shop WHERE shard = $1 AND id > $2 AND id <= $3 ORDER BY id`)
)

// OnTerm has fn called when a shard has a new term, as after the promotion of
// a standby, before anything is written there in it by this process: what was
// acknowledged last may be lost, and its numbers are given out again. Register
// before serving.
func (f *Fleet) OnTerm(fn func(shard string)) { f.renewed = append(f.renewed, fn) }

// renewWait is how long a promotion may take to be dealt with.
const renewWait = time.Minute

func (f *Fleet) renew(ctx context.Context, l Listing, s *db.Shard) error {
	_, err := f.renewNow(ctx, l, s)
	return err
}

// renewNow takes note of a shard's term and, if its server has been promoted,
// holds its shops against the directory and has it take writes.
func (f *Fleet) renewNow(ctx context.Context, l Listing, s *db.Shard) (out db.Renewed, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewWait)
	defer cancel()
	one, _ := f.renewing.LoadOrStore(l.Name, &sync.Mutex{})
	one.(*sync.Mutex).Lock()
	defer one.(*sync.Mutex).Unlock()
	before := s.Term()
	out, err = s.Renew(ctx, db.Renewal{
		Term: func(ctx context.Context, above int64) (int64, error) {
			term := above + 1 // of a shard that is not listed yet
			err := f.control.Change(ctx, func(t *db.ControlTx) error {
				raised, found, err := db.ControlOne(ctx, t, raiseTerm, func(n *int64) []any { return []any{n} }, l.Name, above)
				if found {
					term = raised
				}
				return err
			})
			return term, err
		},
		Here: func(ctx context.Context, after, upTo id.Shop) (map[id.Shop]int64, error) {
			here := map[id.Shop]int64{}
			err := f.control.View(ctx, func(t *db.ControlTx) error {
				rows, err := db.ControlAll(ctx, t, livesOn, scanEntry, l.Name, after, upTo)
				for _, e := range rows {
					here[e.Shop] = e.Epoch
				}
				return err
			})
			return here, err
		},
		Elsewhere: func(ctx context.Context, shops []id.Shop) (out []id.Shop, err error) {
			err = f.control.View(ctx, func(t *db.ControlTx) error {
				out = nil
				for _, shop := range shops {
					e, there, err := db.ControlOne(ctx, t, entryByID, scanEntry, shop)
					if err != nil {
						return err
					}
					if there && e.Shard != l.Name {
						out = append(out, shop)
					}
				}
				return nil
			})
			return out, err
		},
		Found: func(ctx context.Context, out db.Renewed) error { return f.leave(ctx, l.Name, out) },
		Takes: func(ctx context.Context, term int64) error {
			if term <= l.Taken {
				return nil
			}
			err := f.control.Change(ctx, func(t *db.ControlTx) error {
				_, err := t.Exec(ctx, takeTerm, l.Name, term)
				return err
			})
			if err != nil {
				return fmt.Errorf("note that shard %s is written in term %d: %w", l.Name, term, err)
			}
			s.Expect(term, f.taken(Listing{Taken: term}))
			return nil
		},
		Before: func() { f.forgetShard(l.Name, before) },
	})
	if err != nil {
		return out, fmt.Errorf("shard %s has a new primary, which cannot take writes yet: %w", l.Name, err)
	}
	if out.Term > l.Term { // the control database may be older than the shard
		err = f.control.Change(ctx, func(t *db.ControlTx) error {
			_, err := t.Exec(ctx, noteTerm, l.Name, out.Term)
			return err
		})
		if err != nil {
			return out, fmt.Errorf("note the term of shard %s: %w", l.Name, err)
		}
	}
	if out.Promoted {
		f.log.Warn("a shard has a new primary, and its shops were held against the directory", "shard", l.Name, "term", out.Term, "shops", out.Held, "closed", len(out.Closed), "opened", len(out.Opened), "missing", len(out.Missing))
	}
	for _, shop := range out.Closed {
		f.log.Warn("a shop was closed on a promoted shard, which had not been told that it moved away", "shop", shop, "shard", l.Name)
	}
	for _, shop := range out.Missing {
		f.log.Error("a shop is not on its promoted shard at the epoch that the directory says: what brought it there was not replicated", "shop", shop, "shard", l.Name)
	}
	return out, nil
}

// taken is the term that a server must know of which was promoted, to be a
// shard's primary.
func (f *Fleet) taken(l Listing) int64 {
	if f.anyPrimary {
		return 0
	}
	return l.Taken
}

// Second is a server of a shard that takes writes and is not its primary.
type Second struct {
	Shard, Host string
	Term        int64 // that it knows
	Of          int64 // that the shard is in
	Promoted    bool  // it lacks what was written since its term; else it is an earlier primary
}

// secondsWait is for how long a server is waited for that may be a second one.
const secondsWait = 3 * time.Second

// Seconds asks every server of the shards that are on several. It knows of
// those that are in a shard's address or among its replicas.
func (f *Fleet) Seconds(ctx context.Context) (out []Second) {
	ctx, cancel := context.WithTimeout(ctx, secondsWait)
	defer cancel()
	now := f.shards.Load()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, name := range now.names {
		l := now.listing[name]
		hosts, err := db.Hosts(l.DSN)
		if err != nil || !IsPostgres(l.DSN) || len(hosts)+len(l.Replicas) < 2 {
			continue
		}
		seen := map[string]bool{}
		for _, dsn := range append([]string{l.DSN}, replicaDSNs(l)...) {
			asking.Go(func() {
				all, _ := db.LookEach(ctx, dsn)
				mu.Lock()
				defer mu.Unlock()
				for _, s := range all {
					if seen[s.Host] || s.Err != nil || s.Standby || l.Identity != "" && s.Identity != l.Identity {
						continue
					}
					seen[s.Host] = true
					if s.Told && s.Term < l.Term || !s.Told && s.Term < l.Taken {
						out = append(out, Second{Shard: name, Host: s.Host, Term: s.Term, Of: max(l.Term, l.Taken), Promoted: !s.Told})
					}
				}
			})
		}
	}
	asking.Wait()
	return out
}

func replicaDSNs(l Listing) (out []string) {
	for _, r := range l.Replicas {
		out = append(out, r.DSN)
	}
	return out
}

// forgetShard lets go of what this process remembers of a shard's shops, if it
// has known the shard before.
func (f *Fleet) forgetShard(name string, before int64) {
	if before == 0 {
		return
	}
	for _, fn := range f.renewed {
		fn(name)
	}
	for shop, e := range f.byID.All() {
		if e.Shard == name {
			for _, fn := range f.changed {
				fn(shop)
			}
		}
	}
}

// renew has a change that met a new primary run again once the shard takes
// writes.
func (r *Room) renew(ctx context.Context, cause error) error {
	l, _ := r.fleet.Listing(r.entry.Shard)
	if err := r.fleet.renew(ctx, l, r.shard); err != nil {
		return fault.Busy(time.Second, "The database is being taken over by another server. Try again in a moment.").With("failover").Because(errors.Join(err, cause))
	}
	return nil
}

// renewed is as renew, for a change that must not run again.
func (r *Room) renewed(ctx context.Context, cause error) error {
	if err := r.renew(ctx, cause); err != nil {
		return err
	}
	return fault.Busy(time.Second, "The database was taken over by another server. Try again.").With("failover").Because(cause)
}

// Renew takes note of a shard's term, and has a promoted server take writes once
// its shops were held against the directory. [Room.Change] does so by itself.
func (f *Fleet) Renew(ctx context.Context, shard string) error {
	s := f.Shard(shard)
	if s == nil {
		return nil // it is looked at when it is opened
	}
	l, _ := f.Listing(shard)
	return f.renew(ctx, l, s)
}

// ErrTerm says that a shard has a new primary, of which this process has taken
// no note yet.
var ErrTerm = errors.New("the shard has a new primary, of which this process has taken no note yet")

// Terms gives the terms of some shards, however they are ordered. It is ErrTerm
// while this process does not know them as the control database has them. What
// was read and written while it was the same was so on the same primaries.
func (f *Fleet) Terms(ctx context.Context, names ...string) (text string, err error) {
	err = f.control.View(ctx, func(t *db.ControlTx) error {
		text, err = f.TermsIn(ctx, t, names...)
		return err
	})
	return text, err
}

// TermsIn is Terms in a transaction.
func (f *Fleet) TermsIn(ctx context.Context, t *db.ControlTx, names ...string) (string, error) {
	text := ""
	for _, name := range slices.Sorted(slices.Values(names)) {
		term, _, err := db.ControlOne(ctx, t, readTerm, func(n *int64) []any { return []any{n} }, name)
		if err != nil {
			return "", err
		}
		s := f.Shard(name)
		if s == nil || s.Term() != 0 && s.Term() != term {
			return "", fmt.Errorf("shard %s: %w", name, ErrTerm)
		}
		text += fmt.Sprintf("%s:%d ", name, term)
	}
	return text, nil
}
