package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

var (
	raiseTerm = db.C(`UPDATE shard SET term = CASE WHEN term > $2 THEN term ELSE CAST($2 AS BIGINT) END + 1 WHERE id = $1 RETURNING term`)
	noteTerm  = db.C(`UPDATE shard SET term = $2 WHERE id = $1 AND term < $2`)
	livesAt   = db.C(`SELECT id, shard, epoch FROM shop WHERE id >= $1 AND id <= $2 ORDER BY id`)
)

// OnTerm has fn called when a shard has a new term, as after the promotion of
// a standby, before anything is written there in it by this process: what was
// acknowledged last may be lost, and its numbers are given out again. Register
// before serving.
func (f *Fleet) OnTerm(fn func(shard string)) { f.renewed = append(f.renewed, fn) }

// renewWait is how long a promotion may take to be dealt with.
const renewWait = time.Minute

// renew takes note of a shard's term and, if its server has been promoted,
// holds its shops against the directory and has it take writes.
func (f *Fleet) renew(ctx context.Context, name string, s *db.Shard) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewWait)
	defer cancel()
	f.renewing.Lock()
	defer f.renewing.Unlock()
	before := s.Term()
	out, err := s.Renew(ctx, db.Renewal{
		Term: func(ctx context.Context, above int64) (term int64, err error) {
			err = f.control.Change(ctx, func(t *db.ControlTx) (err error) {
				found := false
				term, found, err = db.ControlOne(ctx, t, raiseTerm, func(n *int64) []any { return []any{n} }, name, above)
				if err == nil && !found {
					err = fmt.Errorf("shard %s is not listed", name)
				}
				return err
			})
			return term, err
		},
		Here: func(ctx context.Context, shops []id.Shop) (map[id.Shop]int64, error) {
			return f.livesOn(ctx, name, shops)
		},
		Before: func(db.Renewed) { f.forgetShard(name, before) },
	})
	if err != nil {
		return fmt.Errorf("shard %s has a new primary, which cannot take writes yet: %w", name, err)
	}
	if out.Promoted {
		f.log.Warn("a shard has a new primary", "shard", name, "term", out.Term, "shops closed", len(out.Closed), "shops missing", len(out.Missing))
	}
	for _, shop := range out.Missing {
		f.log.Error("a shop that the directory has on a promoted shard is not there as it should be: the move that brought it was not replicated", "shop", shop, "shard", name)
	}
	return nil
}

// livesOn gives, of a page of shops in the order of their ids, the epochs of
// those that the directory has on a shard, and -1 for those it has elsewhere.
func (f *Fleet) livesOn(ctx context.Context, name string, shops []id.Shop) (map[id.Shop]int64, error) {
	out := map[id.Shop]int64{}
	if len(shops) == 0 {
		return out, nil
	}
	err := f.control.View(ctx, func(t *db.ControlTx) error {
		rows, err := db.ControlAll(ctx, t, livesAt, func(e *Entry) []any { return []any{(*int64)(&e.Shop), &e.Shard, &e.Epoch} }, shops[0], shops[len(shops)-1])
		for _, e := range rows {
			if out[e.Shop] = -1; e.Shard == name {
				out[e.Shop] = e.Epoch
			}
		}
		return err
	})
	return out, err
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

// keepTerm takes care, every so often, that an open shard has the term that
// the control database says, and that a promotion is not only seen when
// somebody writes.
func (f *Fleet) keepTerm(ctx context.Context, l Listing, s *db.Shard) error {
	s.Expect(l.Term)
	term, promoted, err := s.Standing(ctx)
	if err != nil {
		return fmt.Errorf("shard %s: read its term: %w", l.Name, err)
	}
	if promoted || s.Term() != 0 && term != s.Term() {
		return f.renew(ctx, l.Name, s)
	}
	if term > l.Term { // it was put back from a backup, or the control database was
		return f.control.Change(ctx, func(t *db.ControlTx) error {
			_, err := t.Exec(ctx, noteTerm, l.Name, term)
			return err
		})
	}
	return nil
}

// Once gives the room to somebody whose changes must not run again by
// themselves after a promotion, since they rest on what was read before it:
// they are then a Busy fault.
func (r *Room) Once() *Room {
	one := &Room{fleet: r.fleet, entry: r.entry, shard: r.shard, once: true}
	if m := r.moved.Load(); m != nil {
		one.entry, one.shard = m.entry, m.shard
	}
	return one
}

// promoted has a change that met a new primary run again, once the shard takes
// writes.
func (r *Room) promoted(ctx context.Context, at *Room, fn func(*Room) error, err error) error {
	if e := r.fleet.renew(ctx, at.entry.Shard, at.shard); e != nil {
		return fault.Busy(time.Second, "The database is being taken over by another server. Try again in a moment.").With("failover").Because(errors.Join(e, err))
	}
	if r.once {
		return fault.Busy(time.Second, "The database was taken over by another server. Try again.").With("failover").Because(err)
	}
	return fn(at)
}
