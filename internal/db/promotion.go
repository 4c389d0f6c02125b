package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"haat/internal/id"
)

// ErrPromoted says that a write was refused since the server was promoted, or
// has another term than this program knows: see [Shard.Renew]. Nothing was
// written.
var ErrPromoted = errors.New("the shard has a new primary")

// errEarlier says that a server is a primary that was: another was promoted.
var errEarlier = errors.New("the server is an earlier primary of this shard")

// A promotion is told by the server itself: a standby that is promoted leaves
// the timeline of its primary. No clock moves there until somebody has looked
// at every shop and written down a new term, which the control database gives
// out, together with the new timeline. A program says with every write which
// term it knows, so that each of them takes note of a promotion before it goes
// on, and none writes to a primary that was left behind.

// Term gives the shard's term as this program knows it; 0 on SQLite.
func (s *Shard) Term() int64 {
	if e, ok := s.e.(*postgres); ok {
		return e.term.Load()
	}
	return 0
}

// standing is what a primary knows of its own term.
type standing struct {
	term          int64
	timeline, now string
}

const readStanding = `SELECT term, timeline, haat_timeline() FROM shard_term`

// Renewal is what [Shard.Renew] needs of the control database.
type Renewal struct {
	// Term raises the shard's term above one, and gives it.
	Term func(ctx context.Context, above int64) (int64, error)
	// Here tells, of a page of shops, the epochs at which the directory has
	// them on this shard.
	// An epoch of -1 is of a shop that lives elsewhere.
	Here func(ctx context.Context, shops []id.Shop) (map[id.Shop]int64, error)
	// Before is called, if it is there, when the term is another than this
	// program knew, before it writes again.
	Before func(Renewed)
}

// Renewed is what a promotion has brought.
type Renewed struct {
	Term     int64
	Promoted bool      // and not only told to this program
	Closed   []id.Shop // which the new primary took for open, and which live elsewhere
	Missing  []id.Shop // which the directory has here, and whose clock stands at another epoch
}

const renewLock = 0x68616175

// Renew brings the shard's term and what this program knows of it together.
// On a server that was promoted it first holds every shop against the
// directory: what an asynchronous standby had not been told of a move is made
// good, so that no shop is open in two places. Writes are refused until then,
// with ErrPromoted. Programs that do it at the same time wait for each other.
func (s *Shard) Renew(ctx context.Context, r Renewal) (out Renewed, err error) {
	e, ok := s.e.(*postgres)
	if !ok {
		return out, nil
	}
	conn, err := e.acquire(ctx)
	if err != nil {
		return out, err
	}
	defer conn.Release()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; SELECT pg_advisory_xact_lock(%d)`, renewLock))
		if err != nil {
			return err
		}
		var at standing
		if err := tx.QueryRow(ctx, readStanding).Scan(&at.term, &at.timeline, &at.now); err != nil {
			return err
		}
		if out.Term = at.term; at.timeline == at.now {
			if know := e.term.Load(); at.term < know {
				return fmt.Errorf("%w: its term is %d, and that of the shard %d: shut it down", errEarlier, at.term, know)
			}
			return nil
		}
		out.Promoted = true
		if out.Term, err = r.Term(ctx, max(at.term, e.term.Load())); err != nil {
			return err
		}
		if err := s.holdAgainst(ctx, tx, r, &out); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE shard_term SET term = $1, timeline = haat_timeline()`, out.Term)
		return err
	})
	if err != nil {
		return out, pgError(err)
	}
	if before := e.term.Load(); r.Before != nil && out.Term != before {
		r.Before(out)
	}
	e.told(out.Term)
	return out, nil
}

// Expect has this program refuse servers of earlier terms from now on.
func (s *Shard) Expect(term int64) {
	if e, ok := s.e.(*postgres); ok {
		e.term.Store(max(term, e.term.Load()))
	}
}

// Standing reads the term that the shard was told and whether its server has
// been promoted since. On SQLite there is no server.
func (s *Shard) Standing(ctx context.Context) (term int64, promoted bool, err error) {
	e, ok := s.e.(*postgres)
	if !ok {
		rows, err := s.Across(ctx, probe)
		if err == nil && len(rows) == 1 {
			term = rows[0].N
		}
		return term, false, err
	}
	var at standing
	err = e.pool.QueryRow(ctx, readStanding).Scan(&at.term, &at.timeline, &at.now)
	return at.term, at.timeline != at.now, pgError(err)
}

const renewPage = 5_000

// holdAgainst compares every clock with the directory.
func (s *Shard) holdAgainst(ctx context.Context, tx pgx.Tx, r Renewal, out *Renewed) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('haat.term', '-1', true), set_config('haat.across', 'on', true)`); err != nil {
		return err
	}
	type clock struct {
		shop, epoch int64
		state       string
	}
	for after := int64(0); ; {
		rows, err := tx.Query(ctx, `SELECT shop, epoch, state FROM shop_clock WHERE shop > $1 ORDER BY shop LIMIT $2`, after, renewPage)
		if err != nil {
			return err
		}
		page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c clock, err error) {
			return c, row.Scan(&c.shop, &c.epoch, &c.state)
		})
		if err != nil {
			return err
		}
		shops := make([]id.Shop, len(page))
		for i, c := range page {
			shops[i], after = id.Shop(c.shop), c.shop
		}
		here, err := r.Here(ctx, shops)
		if err != nil {
			return err
		}
		for _, c := range page {
			switch epoch, is := here[id.Shop(c.shop)]; {
			case is && epoch == c.epoch && (c.state == "open" || c.state == "moving"):
			case is && epoch > 0:
				out.Missing = append(out.Missing, id.Shop(c.shop))
			case c.state == "open" && epoch < 0: // the directory has it elsewhere
				_, err := tx.Exec(ctx, `SELECT set_config('haat.shop', $1::bigint::text, true)`, c.shop)
				if err == nil {
					_, err = tx.Exec(ctx, `UPDATE shop_clock SET state = 'gone' WHERE shop = $1`, c.shop)
				}
				if err != nil {
					return err
				}
				out.Closed = append(out.Closed, id.Shop(c.shop))
			}
		}
		if len(page) < renewPage {
			return nil
		}
	}
}

// told has this program know the shard's term. Connections to servers of
// earlier terms are closed, and not made any more.
func (e *postgres) told(term int64) {
	if e.term.Swap(term) < term {
		e.pool.Reset()
	}
}

// refuseEarlier has a new connection look whether the server is the one that
// was told the term that this program knows. One that was promoted since is
// let in, and takes no writes before [Shard.Renew].
func (e *postgres) refuseEarlier(next pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, c *pgconn.PgConn) error {
		if err := next(ctx, c); err != nil {
			return err
		}
		know := e.term.Load()
		if know == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		r := c.ExecParams(ctx, `SELECT term FROM shard_term WHERE timeline = haat_timeline()`, nil, nil, nil, nil).Read()
		if r.Err != nil {
			return r.Err
		}
		if len(r.Rows) == 1 {
			if term, _ := strconv.ParseInt(string(r.Rows[0][0]), 10, 64); term < know {
				return fmt.Errorf("%w: its term is %d, and that of the shard %d: shut it down", errEarlier, term, know)
			}
		}
		return nil
	}
}
