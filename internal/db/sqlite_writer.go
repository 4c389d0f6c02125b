package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// job is one change waiting for the writer.
type job struct {
	ctx   context.Context
	w     *work
	raw   func(*sqliteConn) error // instead of w: runs alone, controls its own transaction
	state atomic.Int32            // waiting → taken | withdrawn
	done  chan error
}

const (
	waiting int32 = iota
	taken
	withdrawn
)

func (e *sqlite) write(ctx context.Context, w *work) error {
	if err := e.queue.enter(ctx, w.shop); err != nil {
		return err
	}
	defer e.queue.leave(w.shop)
	return e.submit(ctx, &job{ctx: ctx, w: w})
}

// submit hands a job to the writer and waits for its commit. A caller that
// gives up while its job still waits withdraws it; once the writer has taken
// it, the caller waits for the outcome, since the closure is running.
func (e *sqlite) submit(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
	select {
	case <-e.closing:
		return errClosed
	default:
	}
	select {
	case e.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
		return <-j.done
	case <-e.stopped:
		select {
		case err := <-j.done:
			return err
		default:
			return errClosed
		}
	}
}

// writer is the only goroutine that writes. It takes what is waiting, up to a
// batch, into one transaction, and answers all of them after one COMMIT, which
// syncs once. While it syncs, the next batch gathers: the busier, the larger
// the batches.
//
// A change that fails must leave nothing behind in its batch. A savepoint around
// each would see to it, but has SQLite copy every page that a change is the
// first to touch, which was a seventh of an order. So changes have none, as long
// as those that fail do so before they write. When one fails later, the batch is
// rolled back and run again without it, and for a while there are savepoints.
func (e *sqlite) writer() {
	defer close(e.stopped)
	for {
		first := e.again()
		if first == nil {
			select {
			case first = <-e.jobs:
			case <-e.closing:
				select { // what was submitted before closing is still done
				case first = <-e.jobs:
				default:
					return
				}
			}
		}
		if first.raw != nil {
			if first.state.CompareAndSwap(waiting, taken) {
				e.w.docs.forget()
				first.done <- first.raw(e.w)
			}
			continue
		}
		start, n := time.Now(), 1
		if !first.w.whole {
			n = e.runBatch(first)
		} else if first.state.CompareAndSwap(waiting, taken) {
			first.done <- e.alone(first)
		}
		e.queue.took(time.Since(start), n)
		e.limitLog()
	}
}

// again takes the first of those that are to be run again.
func (e *sqlite) again() *job {
	if len(e.undone) == 0 {
		return nil
	}
	j := e.undone[0]
	e.undone = e.undone[1:]
	return j
}

// guardedBatches is how many batches have savepoints after one that was rolled
// back for want of them.
const guardedBatches = 64

// runBatch answers every job that it takes, but those that it leaves to be run
// again. It returns how many were in its transaction.
func (e *sqlite) runBatch(first *job) int {
	if err := e.w.begin(); err != nil {
		err = e.explain(sqliteError(err))
		e.reject(first, err)
		return 1
	}
	guarded := e.guarded > 0
	if guarded {
		e.guarded--
	}
	var members []*job
	for j := first; j != nil; j = e.next(len(members)) {
		if !j.state.CompareAndSwap(waiting, taken) {
			continue
		}
		if err := j.ctx.Err(); err != nil {
			j.done <- err
			continue
		}
		wrote, err := e.runOne(j, guarded)
		err = e.explain(err)
		switch {
		case err == nil:
			members = append(members, j)
		case e.w.c.GetAutocommit():
			// The error took the whole transaction with it. Nobody's work is
			// in it any more: acknowledge none, run the others again.
			j.done <- err
			e.rerun(members)
			return len(members) + 1
		case wrote:
			j.done <- err
			return 1 + e.undo(members)
		default:
			j.done <- err
		}
	}
	if err := e.w.control(&commitWrite); err != nil {
		err = e.explain(sqliteError(err))
		if !e.w.c.GetAutocommit() {
			err = errors.Join(err, e.w.control(&rollbackAll))
		}
		for _, j := range members {
			j.done <- err
		}
		return len(members)
	}
	if len(members) > 0 {
		e.noRoom.Store(false)
	}
	for _, j := range members {
		j.done <- nil
	}
	return len(members)
}

// undo rolls a batch back and has its members be run again, before others and
// in the order they had, with savepoints.
func (e *sqlite) undo(members []*job) int {
	if err := e.w.control(&rollbackAll); err != nil && !e.w.c.GetAutocommit() {
		// The connection is of no use; nor is what they wrote committed.
		err = e.explain(sqliteError(err))
		for _, j := range members {
			j.done <- err
		}
		return len(members)
	}
	for _, j := range members {
		j.state.Store(waiting)
	}
	e.undone, e.guarded = append(members, e.undone...), guardedBatches
	return 0
}

// next gives the job to run after n members, or nil to commit.
func (e *sqlite) next(n int) *job {
	if n >= e.batch {
		return nil
	}
	if j := e.again(); j != nil {
		return j
	}
	select {
	case j := <-e.jobs:
		if j.raw != nil || j.w.whole {
			go func() { e.jobs <- j }() // runs alone, after this batch
			return nil
		}
		return j
	default:
		return nil
	}
}

// rerun runs each job in a transaction of its own.
func (e *sqlite) rerun(members []*job) {
	for _, j := range members {
		j.done <- e.alone(j)
	}
}

// alone runs a job in a transaction of its own.
func (e *sqlite) alone(j *job) error {
	if err := e.w.begin(); err != nil {
		return e.explain(sqliteError(err))
	}
	err := e.explain(e.w.change(j))
	if err == nil {
		err = e.explain(sqliteError(e.w.control(&commitWrite)))
	}
	if !e.w.c.GetAutocommit() {
		err = errors.Join(err, e.w.control(&rollbackAll))
	}
	return err
}

func (e *sqlite) reject(j *job, err error) {
	if j.state.CompareAndSwap(waiting, taken) {
		j.done <- err
	}
}

// runOne runs a change and its tick, guarded in a savepoint. If it fails and was
// not, wrote tells whether the transaction holds some of its rows.
func (e *sqlite) runOne(j *job, guarded bool) (wrote bool, err error) {
	c := e.w
	if !guarded {
		before := c.c.TotalChanges()
		err := c.change(j)
		// A statement that failed may have left some of its rows.
		return err != nil && (c.failed != nil || c.c.TotalChanges() != before), err
	}
	if err := c.control(&savepoint); err != nil {
		return false, sqliteError(err)
	}
	err = c.change(j)
	if c.c.GetAutocommit() {
		return false, err
	}
	if err != nil {
		err = errors.Join(err, c.control(&rollbackTo))
	}
	if end := c.control(&release); end != nil {
		err = errors.Join(err, sqliteError(end))
	}
	return false, err
}

func (c *sqliteConn) begin() error {
	c.docs.stale = false
	return c.control(&beginWrite)
}

// change runs a change and its tick in the transaction that is open.
func (c *sqliteConn) change(j *job) error {
	c.failed = nil
	err := safely(func() error { return j.w.run(c) })
	if err == nil && c.failed != nil {
		err = fmt.Errorf("a change went on after a statement of it had failed: %w", c.failed)
	}
	if err == nil && j.w.tick != nil {
		err = c.runTick(j.w.tick)
	}
	if err == nil && c.c.GetAutocommit() {
		err = errors.New("the transaction ended inside a change")
	}
	return err
}

var (
	tickClock = newStmt(`
		UPDATE shop_clock SET n = n + 1, seq = seq + $3, term = t.term,
			term_n = CASE WHEN shop_clock.term = t.term THEN term_n ELSE n END
		FROM shard_term t
		WHERE shop = $1 AND epoch = $2 AND state = 'open'
		RETURNING n, seq, shop_clock.term`)
	putEvent = newStmt(`
		INSERT INTO shop_outbox (shop, seq, i, event, at, topic, key, tags, payload, trace)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`)
)

// runTick ticks the clock, which is also the fence, and writes the events.
func (c *sqliteConn) runTick(t *tick) error {
	ctx := context.Background() // the writer's statements never see a caller's context
	found := false
	err := c.query(ctx, &tickClock, []any{t.shop, t.epoch, int64(len(t.out))}, func(scan func(...any) error) error {
		found = true
		return scan(&t.n, &t.seq, &t.term)
	})
	if err != nil {
		return fmt.Errorf("tick: %w", err)
	}
	if !found {
		return ErrMoved
	}
	first := t.seq - int64(len(t.out)) + 1
	for i, o := range t.out {
		_, err := c.exec(ctx, &putEvent, []any{t.shop, first + int64(i), int64(i), o.ID[:], t.at, o.Topic, o.Key, o.Tags, o.Payload, o.Trace})
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
	}
	return nil
}

// limitLog resets a write-ahead log that has outgrown its limit because
// readers and writers never paused for the checkpointer. It tries for a moment
// and not again for a second: a long read holds the log, and may.
func (e *sqlite) limitLog() {
	n, err := logPages(e.path)
	if err != nil || n <= walLimit || e.held.Load() > 0 || time.Since(e.tried) < time.Second {
		return
	}
	e.tried = time.Now()
	_ = e.w.c.BusyTimeout(resetWait)
	_, _, _ = e.w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	_ = e.w.c.BusyTimeout(busyTimeout)
}

func logPages(path string) (int64, error) {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0, err
	}
	return info.Size() / 4_096, nil
}
