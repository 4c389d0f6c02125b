package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/guard"
	"haat/internal/id"
)

// Mark is a point on a shop's clock: what a write returns, and what a read was
// read at.
type Mark = db.Mark

// Room is one shop where it lives now.
type Room struct {
	fleet *Fleet
	entry Entry
	shard *db.Shard
	gate  *guard.Gate          // of the shard
	moved atomic.Pointer[Room] // where the shop lives after a move
	stays bool
}

// Here is the room on this shard at this epoch and nowhere else: once the shop
// has moved, what is done in it fails with db.ErrMoved; when the shard has a new
// primary, with a Busy fault, and nothing is run again by itself.
func (r *Room) Here() *Room {
	return &Room{fleet: r.fleet, entry: r.entry, shard: r.shard, gate: r.gate, stays: true}
}

func (r *Room) Shop() id.Shop { return r.entry.Shop }

// Slug is the shop's part of its host name.
func (r *Room) Slug() string { return r.entry.Slug }

// Host is the shop's host name, without port.
func (r *Room) Host() string { return r.entry.Slug + "." + r.fleet.domain }

// Name is the shop's name as the directory knows it.
func (r *Room) Name() string { return r.entry.Name }

// Suspended reports whether the operator has closed the shop.
func (r *Room) Suspended() bool { return r.entry.State == Suspended }

// Shard is the name of the shard that the shop lives on.
func (r *Room) Shard() string { return r.entry.Shard }

// Writing counts the changes of the shop that are under way in this process.
func (r *Room) Writing() int { return r.shard.Writing(r.entry.Shop) }

// Change runs fn in a transaction on the shop's primary and returns the mark
// of its commit. fn may run again; see package db.
func (r *Room) Change(ctx context.Context, fn func(*db.Tx) error) (db.Mark, error) {
	var mark db.Mark
	err := r.here(ctx, true, func(r *Room) (err error) {
		pass, err := r.gate.Enter(ctx, r.entry.Shop, guard.Writing(ctx))
		if err != nil {
			return err
		}
		var done *db.Tx // of the last run of fn, if that went well
		err = pass.Use(func() (err error) {
			mark, err = r.shard.Change(ctx, r.entry.Shop, r.entry.Epoch, func(tx *db.Tx) error {
				done = nil
				begun := time.Now()
				err := fn(tx)
				pass.Spent(time.Since(begun))
				if err != nil {
					return err
				}
				done = tx
				return nil
			})
			return err
		})
		if err == nil && r.fleet.shards.Load().standbys[r.entry.Shard] != nil {
			r.fleet.known.note(mark)
		}
		switch {
		case done == nil || !done.Emitted() || errors.Is(err, db.ErrMoved):
		case err == nil:
			c := Commit{Shop: r.entry.Shop, Shard: r.entry.Shard, Mark: mark, Tags: done.Tags(), At: done.Now()}
			c.Events, c.First = done.Events()
			r.fleet.tell(c)
		default:
			r.fleet.tell(Commit{Shop: r.entry.Shop, Shard: r.entry.Shard, Doubt: true})
		}
		return err
	})
	return mark, err
}

// here runs fn on the room. If the shop is not there, it waits until the shop
// can be read, or written, where it lives now, within the caller's time, and
// runs fn again.
func (r *Room) here(ctx context.Context, write bool, fn func(*Room) error) error {
	if r.stays {
		err := fn(r)
		switch {
		case errors.Is(err, db.ErrMoved):
			r.fleet.forget(r.entry)
		case errors.Is(err, db.ErrPromoted): // what it rests on may be lost
			err = r.renewed(ctx, err)
		}
		return err
	}
	at := r
	if m := r.moved.Load(); m != nil {
		at = m
	}
	// A switch may be given up and tried again, each time anew in the way.
	for n, begun := 0, time.Now(); n < 3 || time.Since(begun) < holdMost; n++ {
		err := fn(at)
		if errors.Is(err, db.ErrPromoted) {
			if err = at.renew(ctx, err); err == nil {
				err = fn(at)
			}
		}
		if !errors.Is(err, db.ErrMoved) {
			return err
		}
		if at, err = r.fleet.open(ctx, r.entry.Shop, write, err); err != nil {
			return err
		}
		r.moved.Store(at)
	}
	return fault.Busy(time.Second, "The shop is being moved. Try again in a moment.").With("moving")
}

// Entry is the shop's row of the directory.
func (r *Room) Entry() Entry { return r.entry }

// Size is how much has happened in a shop.
type Size struct {
	Writes int64 // n of the clock
	Events int64 // emitted so far
}

// Size reads the shop's clock.
func (r *Room) Size(ctx context.Context) (s Size, err error) {
	err = r.View(ctx, Newest, func(v db.Reader) error {
		s.Writes = v.Mark().N
		s.Events, err = db.Seq(ctx, v)
		return err
	})
	return s, err
}
