package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

const (
	closeTries = 40                    // rounds of carrying over before the shop is closed all the same
	closeSoon  = 10 * time.Millisecond // that a round may take, and as much longer with each, for the next to be the last
)

// close carries over what was written until little is left, closes the shop
// and decides. What keeps it from deciding in time makes it give up and open
// the shop again.
func (r *run) close(ctx context.Context) error {
	if left, err := r.leftClosed(ctx); left || err != nil {
		return err
	}
	for round := range closeTries {
		begun := time.Now()
		n, err := r.tail(ctx, r.src, r.dst)
		if errors.Is(err, errDiffer) {
			return r.differs(ctx, err)
		}
		if err != nil {
			return err
		}
		if n < fewNoted || time.Since(begun) < closeSoon*time.Duration(round+3) {
			break
		}
	}
	if err := r.save(ctx, Closing); err != nil || r.Phase != Closing {
		return err
	}
	closed := time.Now()
	bound, cancel := context.WithTimeout(ctx, r.Budget)
	defer cancel()
	err := r.fence(bound)
	if err == nil {
		err = r.last(bound)
	}
	if errors.Is(err, errKilled) {
		return err
	}
	if err == nil {
		err = bound.Err()
	}
	if err != nil {
		return r.abort(ctx, closed, err)
	}
	ok, err := r.decide(ctx, Committed, r.To, r.Epoch+1, closed)
	if errors.Is(err, errTerms) {
		return r.abort(ctx, closed, err)
	}
	if err != nil || !ok {
		return err
	}
	if err := r.at("decided"); err != nil {
		return err
	}
	return r.arrive(ctx, closed)
}

// leftClosed opens the shop again if somebody has closed it to switch it and
// did not come to decide; it is true, with an error, if so.
func (r *run) leftClosed(ctx context.Context) (bool, error) {
	c, ok, err := r.Fleet.Shard(r.From).Clock(ctx, r.Shop)
	if err != nil || !ok || c.Epoch != r.Epoch || c.State != db.StateMoving {
		return false, err
	}
	return true, r.abort(ctx, time.Time{}, errors.New("an earlier mover left the shop closed"))
}

// sameTerms is always true in the test that shows what happens then.
var sameTerms = func(now, then string) bool { return now == then }

// errTerms says that the fence, or what was copied, may be lost.
var errTerms = errors.New("a shard has a new primary since the shop was copied")

var errNotOpen = errors.New("the shop is not open where it is to be closed")

func (r *run) fence(ctx context.Context) error {
	err := r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		ok, err := w.Fence(r.Epoch)
		if err == nil && !ok {
			err = errNotOpen
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.at("fenced")
}

// last carries over what is left of a shop that is closed, puts its clock at
// the destination, and compares. From here on what is written there is noted:
// once the move is decided, a change may begin before the shop is open, and end
// after.
func (r *run) last(ctx context.Context) error {
	s, err := r.read(ctx, r.src, nil)
	if err != nil {
		return err
	}
	s.clock.Epoch = r.Epoch + 1
	if err := r.write(ctx, r.dst, s, func(w *db.Hauling) error {
		if err := w.Arrive(s.clock); err != nil {
			return err
		}
		return w.Role(db.Record)
	}); err != nil {
		return err
	}
	if err := r.at("carried"); err != nil {
		return err
	}
	return r.same(ctx, r.dst, s)
}

// decide is the point at which a move stands or does not: one transaction says
// so in the list of moves and in the directory. It is false if the operator has
// given the move up.
func (r *run) decide(ctx context.Context, phase, shard string, epoch int64, closed time.Time) (bool, error) {
	pause := time.Duration(0)
	if !closed.IsZero() {
		pause = time.Since(closed)
	}
	err := r.Fleet.Control().Change(ctx, func(t *db.ControlTx) error {
		n, err := t.Exec(ctx, decide, r.ID, r.Claim, r.Epoch, phase, int64(pause), t.Now())
		if err == nil && n == 0 {
			err = db.ErrClaim
		}
		if err == nil && phase == Committed {
			var now string
			if now, err = r.Fleet.TermsIn(ctx, t, r.From, r.To); err == nil && !sameTerms(now, r.terms) || errors.Is(err, fleet.ErrTerm) {
				err = errTerms
			}
		}
		if err != nil {
			return err
		}
		return fleet.Relocate(ctx, t, r.Shop, r.Epoch, shard, epoch)
	})
	if errors.Is(err, errTerms) {
		return false, err
	}
	if err != nil {
		return false, r.givenUp(ctx, fmt.Errorf("decide: %w", err))
	}
	r.Phase, r.Pause = phase, pause
	r.Fleet.Relocated(r.Shop, shard)
	return true, nil
}

// givenUp looks whether the operator gave the move up or what was to be
// written is there already; else it gives the error back.
func (r *run) givenUp(ctx context.Context, err error) error {
	again, look := r.Get(ctx, r.ID)
	if look == nil && again.Claim == r.Claim && again.Phase != r.Phase {
		r.Phase = again.Phase
		return nil
	}
	return err
}

// abort decides that the shop stays, and opens it again.
func (r *run) abort(ctx context.Context, closed time.Time, why error) error {
	if errors.Is(why, errNotOpen) {
		return why
	}
	if ok, err := r.decide(ctx, Aborted, r.From, r.Epoch+2, closed); err != nil || !ok {
		return err
	}
	if err := r.at("aborted"); err != nil {
		return err
	}
	if now, err := r.Fleet.Terms(ctx, r.From, r.To); err != nil || now != r.terms { // our claims may be lost
		if err := r.take(ctx); err != nil {
			return err
		}
	}
	if err := r.reopen(ctx); err != nil {
		return err
	}
	r.Log.Warn("a shop was not switched in time; it will be tried again", "shop", r.Shop, "from", r.From, "to", r.To, "err", why)
	return fmt.Errorf("the switch was given up: %w", why)
}

// reopen opens a shop that stays, at an epoch that nobody has used.
func (r *run) reopen(ctx context.Context) error {
	err := r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		return errors.Join(w.Turn(r.Epoch, db.StateMoving, r.Epoch+2, db.StateOpen), w.Turn(r.Epoch, db.StateOpen, r.Epoch+2, db.StateOpen))
	})
	if err != nil {
		return err
	}
	r.Fleet.Relocated(r.Shop, r.From)
	err = r.dst.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		if err := w.Role(db.Copy); err != nil {
			return err
		}
		return w.Forget()
	})
	if err != nil {
		return err
	}
	ok, err := r.change(ctx, reopened, r.ID, r.Claim, time.Now())
	if err == nil && !ok {
		err = db.ErrClaim
	}
	if err == nil {
		r.Phase, r.Epoch, r.Aborts = Closing, r.Epoch+2, r.Aborts+1
	}
	return err
}

// arrive has nobody read the old copy any more, and opens the shop at its
// destination.
func (r *run) arrive(ctx context.Context, closed time.Time) error {
	err := r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		if err := w.Role(db.Copy); err != nil {
			return err
		}
		if err := w.Forget(); err != nil {
			return err
		}
		return w.Turn(r.Epoch, db.StateMoving, r.Epoch, db.StateGone)
	})
	if err != nil {
		return err
	}
	if err := r.at("gone"); err != nil {
		return err
	}
	err = r.dst.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		if err := w.Role(db.Record); err != nil {
			return err
		}
		return w.Turn(r.Epoch+1, db.StateArriving, r.Epoch+1, db.StateOpen)
	})
	if err != nil {
		return err
	}
	pause := r.Pause
	if !closed.IsZero() {
		pause = time.Since(closed)
	}
	r.Fleet.Relocated(r.Shop, r.To)
	if err := r.at("opened"); err != nil {
		return err
	}
	now := time.Now()
	ok, err := r.change(ctx, keepCopy, r.ID, r.Claim, now, now.Add(r.Keep), int64(pause))
	if err == nil && !ok {
		err = db.ErrClaim
	}
	if err != nil {
		return err
	}
	r.Phase, r.Moved, r.KeepUntil, r.Pause = Kept, now, now.Add(r.Keep), pause
	r.Log.Info("a shop has moved", "shop", r.Shop, "from", r.From, "to", r.To, "rows", r.Checked, "paused", pause.Round(time.Microsecond))
	return nil
}
