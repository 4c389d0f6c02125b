package move

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"haat/internal/db"
)

var (
	listDue = db.C(`
		SELECT ` + columns + ` FROM move
		WHERE ended_at = 0 AND next_at <= $1 AND held_until <= $1 AND phase <> 'kept'
		ORDER BY CASE WHEN phase IN ('committed', 'aborted', 'closing') THEN 0 ELSE 1 END, id LIMIT $2`)
	listKept = db.C(`
		SELECT ` + columns + ` FROM move
		WHERE ended_at = 0 AND next_at <= $1 AND held_until <= $1 AND phase = 'kept'
		ORDER BY next_at, id LIMIT $2`)
	takeMove = db.C(`
		UPDATE move SET claim = $3, holder = $4, held_until = $5
		WHERE id = $1 AND claim = $2 AND held_until <= $6 AND ended_at = 0`)
	holdMove = db.C(`UPDATE move SET held_until = $3 WHERE id = $1 AND claim = $2 AND ended_at = 0`)
	// releaseMove lets go of a move; in another phase than ours, which an operator
	// has put it in meanwhile, it is due at once.
	releaseMove = db.C(`
		UPDATE move SET held_until = 0, holder = '', next_at = CASE WHEN phase = $6 THEN $3 ELSE 0 END, failed = $4, error = $5
		WHERE id = $1 AND claim = $2`)
	setVersion = db.C(`UPDATE move SET version = $3 WHERE id = $1 AND claim = $2`)
	saveMove   = db.C(`
		UPDATE move SET phase = $3, place = $4, rows_done = $5, rows_all = $6, checked = $7, aborts = $8, step_at = $9
		WHERE id = $1 AND claim = $2 AND phase = $10`)
	decide   = db.C(`UPDATE move SET phase = $4, pause = $5, step_at = $6 WHERE id = $1 AND claim = $2 AND phase = 'closing' AND epoch = $3`)
	reopened = db.C(`UPDATE move SET phase = 'closing', epoch = epoch + 2, aborts = aborts + 1, step_at = $3 WHERE id = $1 AND claim = $2 AND phase = 'aborted'`)
	keepCopy = db.C(`UPDATE move SET phase = 'kept', moved_at = $3, keep_until = $4, step_at = $3, pause = $5, error = '', failed = 0 WHERE id = $1 AND claim = $2 AND phase = 'committed'`)
	overMove = db.C(`UPDATE move SET phase = $4, ended_at = $5, step_at = $5, held_until = 0, holder = '' WHERE id = $1 AND claim = $2 AND phase = $3`)
)

const (
	lookEvery   = time.Second
	keptRest    = 5 * time.Second // between looks at what an old copy lacks
	keptLongest = 2 * time.Minute
)

// Work moves shops until ctx ends. A move that is cut off is gone on with by
// whoever works next.
func (m *Mover) Work(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	moves, copies := make(chan struct{}, m.Parallel), make(chan struct{}, 1)
	t := time.NewTicker(min(lookEvery, m.Lease/3))
	defer t.Stop()
	var tidied time.Time
	for failed := false; ; {
		if time.Since(tidied) > strayEvery {
			tidied = time.Now()
			if err := m.tidy(ctx); err != nil && ctx.Err() == nil {
				m.Log.Warn("cannot look for what movers left behind; it will be tried again", "err", err)
			}
		}
		err := errors.Join(m.begin(ctx, &all, listDue, moves), m.begin(ctx, &all, listKept, copies))
		if err != nil && !failed && ctx.Err() == nil {
			m.Log.Error("cannot read which shops are to be moved; it will be tried again", "err", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-m.wake:
		}
	}
}

// begin works on what is due, as far as there are seats.
func (m *Mover) begin(ctx context.Context, all *sync.WaitGroup, q *db.ControlSQL, seats chan struct{}) error {
	due, err := m.list(ctx, q, time.Now(), 2*cap(seats))
	for _, mv := range due {
		if _, at := m.busy.LoadOrStore(mv.ID, true); at {
			continue
		}
		select {
		case seats <- struct{}{}:
		default:
			m.busy.Delete(mv.ID)
			return nil
		}
		all.Go(func() {
			m.work(ctx, mv)
			m.busy.Delete(mv.ID)
			<-seats
			m.hasten()
		})
	}
	return err
}

// errRest says that nothing is to be done about a move before a time.
type errRest struct{ until time.Time }

func (errRest) Error() string { return "nothing to be done yet" }

// errKilled stands in tests for the death of the process: nothing is tidied up.
var errKilled = errors.New("killed")

// work claims a move and goes on with it.
func (m *Mover) work(ctx context.Context, mv Move) {
	now := time.Now()
	claim := max(mv.Claim+1, now.UnixMicro())
	ok, err := m.change(ctx, takeMove, mv.ID, mv.Claim, claim, m.holder, now.Add(m.Lease), now)
	if err != nil || !ok {
		return
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go m.renew(ctx, mv.ID, claim, stop)
	all, err := m.list(ctx, readMove, mv.ID) // what was written before the claim
	if err != nil || len(all) == 0 {
		return
	}
	r := &run{Mover: m, Move: all[0]}
	err = r.drive(ctx)
	var rest errRest
	next, failed, text := time.Now(), int64(0), ""
	switch {
	case errors.Is(err, errKilled), errors.Is(err, db.ErrClaim), errors.Is(context.Cause(ctx), db.ErrClaim):
		return
	case errors.As(err, &rest):
		next = rest.until
	case err == nil, ctx.Err() != nil:
		failed, text = r.Failures, r.Move.Error
	default:
		failed, text = r.Failures+1, err.Error()
		next = next.Add(min(time.Duration(failed)*time.Second/2, 30*time.Second))
		m.Log.Warn("a move of a shop failed; it will be tried again", "shop", r.Shop, "from", r.From, "to", r.To, "phase", r.Phase, "err", err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = m.change(end, releaseMove, mv.ID, claim, next, failed, text, r.Phase) // else the lease runs out
}

// renew holds the lease while the work goes on.
func (m *Mover) renew(ctx context.Context, n, claim int64, stop context.CancelCauseFunc) {
	t := time.NewTicker(m.Lease / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if ok, err := m.change(ctx, holdMove, n, claim, time.Now().Add(m.Lease)); err == nil && !ok {
			stop(db.ErrClaim)
			return
		}
	}
}

// run is one process at work on a move.
type run struct {
	*Mover
	Move
	src, dst *db.Haul
	terms    string // of both shards when this process took the move up
	saved    time.Time
}

// drive goes from phase to phase until the move is over or has to wait.
func (r *run) drive(ctx context.Context) (err error) {
	defer func() {
		if errors.Is(err, db.ErrPromoted) {
			err = errors.Join(err, r.Fleet.Renew(ctx, r.From), r.Fleet.Renew(ctx, r.To))
		}
	}()
	if r.src, err = r.haul(ctx, r.From); err != nil && r.Phase != Clearing {
		return err
	}
	if r.dst, err = r.haul(ctx, r.To); err != nil {
		return err
	}
	if err = r.take(ctx); err != nil {
		return err
	}
	if r.src != nil {
		if r.terms, err = r.Fleet.Terms(ctx, r.From, r.To); err != nil {
			return err
		}
	}
	for !r.Over() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.renounce(ctx); err != nil {
			return err
		}
		was := r.Phase
		switch r.Phase {
		case Waiting:
			err = r.prepare(ctx)
		case Copying:
			err = r.copy(ctx)
		case Checking:
			err = r.check(ctx)
		case Closing:
			err = r.close(ctx)
		case Aborted:
			err = r.reopen(ctx)
		case Committed:
			err = r.arrive(ctx, time.Time{})
		case Kept:
			err = r.keep(ctx)
		case Clearing:
			err = r.clear(ctx)
		case Undoing:
			err = r.undo(ctx)
		default:
			return fmt.Errorf("a move in the unknown phase %q", r.Phase)
		}
		if err != nil {
			return err
		}
		if err := r.at("after " + was); err != nil {
			return err
		}
	}
	return nil
}

// version is what a copy rests on: the schema of both shards, and that neither
// has lost its primary since, which may have had rows of it that the next one
// lacks.
func (r *run) version() string { return r.src.Version + r.terms }

// renounce gives up a copy that what it rests on has changed under.
func (r *run) renounce(ctx context.Context) error {
	if r.src == nil || r.Version == r.version() {
		return nil
	}
	switch r.Phase {
	case Copying, Checking:
		return r.save(ctx, Waiting)
	case Closing:
		if left, err := r.leftClosed(ctx); left || err != nil {
			return err
		}
		return r.save(ctx, Waiting)
	case Kept:
		return r.save(ctx, Clearing)
	}
	return nil
}

// take has older movers of this shop do nothing any more, on both shards. It is
// ErrClaim if another process has taken the move meanwhile.
func (r *run) take(ctx context.Context) error {
	from, to := db.Record, db.Copy
	if r.Arrived() || r.Phase == Committed {
		from, to = db.Copy, db.Record
	}
	if r.src != nil {
		if err := r.src.Claim(ctx, r.Shop, from, r.Claim); err != nil {
			return err
		}
	}
	if err := r.dst.Claim(ctx, r.Shop, to, r.Claim); err != nil {
		return err
	}
	// Whoever takes the move from now on makes newer claims before it does
	// anything. Who took it before has perhaps ended it: then ours are stray.
	ok, err := r.change(ctx, holdMove, r.ID, r.Claim, time.Now().Add(r.Lease))
	if err == nil && !ok {
		err = db.ErrClaim
	}
	return err
}

// save writes down how far the move is. It is ErrClaim if another has it, or
// if it was given up.
func (r *run) save(ctx context.Context, phase string) error {
	now := time.Now()
	ok, err := r.change(ctx, saveMove, r.ID, r.Claim, phase, r.Place, r.RowsDone, r.RowsAll, r.Checked, r.Aborts, now, r.Phase)
	if err == nil && !ok {
		was := r.Phase
		if err = r.givenUp(ctx, db.ErrClaim); err == nil && r.Phase != was {
			return nil
		}
	}
	if err != nil {
		return err
	}
	r.Phase, r.saved = phase, now
	return nil
}

// saveSometimes is save, at most twice a second.
func (r *run) saveSometimes(ctx context.Context) error {
	if time.Since(r.saved) < time.Second/2 {
		return nil
	}
	return r.save(ctx, r.Phase)
}
