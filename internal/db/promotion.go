package db

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"haat/internal/id"
)

// ErrPromoted says that a write was refused since the server was promoted, or
// has another term than this program knows: see [Shard.Renew]. Nothing was
// written.
var ErrPromoted = errors.New("the shard has a new primary")

// errEarlier says that a server is a primary that was: another was promoted.
var errEarlier = errors.New("the server is an earlier primary of this shard: shut it down")

// errAside says that a server was promoted that does not come after the shard's
// primary.
var errAside = errors.New("the server was promoted, and lacks what another primary of this shard has written since: make it a standby of that one")

// ErrAside reports whether an error says that a promoted server lacks a term
// that another primary has written in.
func ErrAside(err error) bool { return errors.Is(err, errAside) }

// A promotion is told by the server itself: a standby that is promoted leaves
// the timeline of its primary. Nothing is written there until somebody has
// looked at every shop and noted a new term, which the control database gives
// out, together with the new timeline. A program says with every write which
// term it knows: so each takes note of a promotion before it goes on, and none
// that has writes to a primary that was left behind.

// terms is what this program knows of a shard's term. All connections share it.
type terms struct {
	known atomic.Int64 // what it writes in; 0 before it was told
	least atomic.Int64 // servers of an earlier one are not the shard's primary any more
	taken atomic.Int64 // what a server must know of that was promoted

	at atomic.Pointer[pgx.ConnConfig] // where the shard's servers are by now; nil: where they were
}

func (t *terms) newest() int64 { return max(t.known.Load(), t.least.Load()) }

// behind reports whether the shard has a later term, of which this program has
// taken no note yet.
func (t *terms) behind() bool { return t.known.Load() != 0 && t.known.Load() < t.least.Load() }

// Term gives the shard's term as this program knows it; 0 on SQLite.
func (s *Shard) Term() int64 {
	if e, ok := s.e.(*postgres); ok {
		return e.terms.known.Load()
	}
	return 0
}

// Expect has this program refuse servers of terms before this one, and servers
// that were promoted and do not know of the term taken, in which a primary of
// the shard has written; and write nothing before the next Renew if it knows an
// earlier term. It reports whether it does.
func (s *Shard) Expect(term, taken int64) (behind bool) {
	e, ok := s.e.(*postgres)
	if !ok {
		return false
	}
	raise(&e.terms.least, term)
	raise(&e.terms.taken, taken)
	return e.terms.behind()
}

func raise(n *atomic.Int64, to int64) {
	for was := n.Load(); was < to && !n.CompareAndSwap(was, to); was = n.Load() {
	}
}

// Renewal is what [Shard.Renew] needs of the control database.
type Renewal struct {
	// Term raises the shard's term above one, and gives it.
	Term func(ctx context.Context, above int64) (int64, error)
	// Here gives the shops after one, up to another, that the directory has on
	// this shard, and their epochs.
	Here func(ctx context.Context, after, upTo id.Shop) (map[id.Shop]int64, error)
	// Elsewhere gives those of some shops that the directory has on other shards.
	Elsewhere func(ctx context.Context, shops []id.Shop) ([]id.Shop, error)
	// Found is told what was found on a server that was promoted, before it takes
	// writes; what it fails with, the promotion fails with. It may be told again.
	Found func(ctx context.Context, out Renewed) error
	// Takes notes that this program is about to write in a term, before it does.
	Takes func(ctx context.Context, term int64) error
	// Before is called when the term is another than this program knew, before it
	// writes again.
	Before func()
}

// Renewed is what [Shard.Renew] found.
type Renewed struct {
	Term     int64
	Promoted bool      // the server had been, and nobody had held its shops against the directory
	Held     int64     // shops that were, of those the directory has here
	Opened   []id.Shop // which had arrived, and were not open yet
	Closed   []id.Shop // which the server took for its own, and which live elsewhere
	Missing  []id.Shop // which the directory has here, and which are not here at its epoch
}

const (
	renewLock = 0x68616175
	renewPage = 5_000
)

const readStanding = `SELECT term, timeline, haat_timeline() FROM shard_term`

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
	for try := 1; ; try++ {
		if out, err = e.renew(ctx, r); !errors.Is(err, errEarlier) && !errors.Is(err, errAside) || try == 3 {
			break
		}
		e.reset() // another host may be the one
	}
	if err == nil && r.Takes != nil {
		err = r.Takes(ctx, out.Term)
	}
	if err != nil {
		return out, pgError(err)
	}
	if r.Before != nil && out.Term != e.terms.known.Load() {
		r.Before()
	}
	if e.terms.known.Swap(out.Term) < out.Term {
		e.reset()
	}
	return out, nil
}

func (e *postgres) renew(ctx context.Context, r Renewal) (out Renewed, err error) {
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
		var told, now string
		if err := tx.QueryRow(ctx, readStanding).Scan(&out.Term, &told, &now); err != nil {
			return err
		}
		newest := e.terms.newest()
		if told == now {
			return earlier(out.Term, newest)
		}
		if err := aside(out.Term, e.terms.taken.Load()); err != nil {
			return err
		}
		out.Promoted = true
		if out.Term, err = r.Term(ctx, max(out.Term, newest)); err != nil {
			return err
		}
		if err := holdAgainst(ctx, tx, r, &out); err != nil {
			return err
		}
		if r.Found != nil {
			if err := r.Found(ctx, out); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE shard_term SET term = $1, timeline = haat_timeline()`, out.Term)
		return err
	})
	return out, err
}

func earlier(term, newest int64) error {
	if term < newest {
		return fmt.Errorf("%w: its term is %d, and that of the shard %d", errEarlier, term, newest)
	}
	return nil
}

func aside(term, taken int64) error {
	if term < taken {
		return fmt.Errorf("%w: its term is %d, and that which was written in %d", errAside, term, taken)
	}
	return nil
}

// holdAgainst compares every clock with the directory.
func holdAgainst(ctx context.Context, tx pgx.Tx, r Renewal, out *Renewed) error {
	if _, err := tx.Exec(ctx, leaveShops); err != nil {
		return err
	}
	type clock struct {
		shop  id.Shop
		epoch int64
		state string
	}
	turn := func(shop id.Shop, state string) error {
		_, err := tx.Exec(ctx, enterShop, int64(shop))
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE shop_clock SET state = $2, done = CASE WHEN $2 = 'gone' THEN seq ELSE done END WHERE shop = $1`, int64(shop), state)
		}
		return err
	}
	for after := id.Shop(0); after < math.MaxInt64; {
		rows, err := tx.Query(ctx, `SELECT shop, epoch, state FROM shop_clock WHERE shop > $1 ORDER BY shop LIMIT $2`, int64(after), renewPage)
		if err != nil {
			return err
		}
		page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c clock, err error) {
			return c, row.Scan((*int64)(&c.shop), &c.epoch, &c.state)
		})
		if err != nil {
			return err
		}
		upTo := id.Shop(math.MaxInt64)
		if len(page) == renewPage {
			upTo = page[renewPage-1].shop
		}
		here, err := r.Here(ctx, after, upTo)
		if err != nil {
			return err
		}
		after, out.Held = upTo, out.Held+int64(len(here))
		var strange []id.Shop
		for _, c := range page {
			epoch, is := here[c.shop]
			switch {
			case !is && (c.state == StateOpen || c.state == StateMoving):
				strange = append(strange, c.shop)
			case !is || epoch != c.epoch || c.state == StateGone:
				continue
			case c.state == StateArriving: // that it lives here is decided
				if err := turn(c.shop, StateOpen); err != nil {
					return err
				}
				out.Opened = append(out.Opened, c.shop)
			}
			delete(here, c.shop)
		}
		for shop := range here {
			out.Missing = append(out.Missing, shop)
		}
		if len(strange) == 0 {
			continue
		}
		elsewhere, err := r.Elsewhere(ctx, strange)
		if err != nil {
			return err
		}
		for _, shop := range elsewhere {
			if err := turn(shop, StateGone); err != nil {
				return err
			}
		}
		out.Closed = append(out.Closed, elsewhere...)
	}
	return nil
}

// reset closes the connections, those in use once they are given back.
func (e *postgres) reset() {
	e.pool.Reset()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.more != nil {
		e.more.pool.Reset()
	}
}

// refuseEarlier has a new connection look whether the server is the one that
// was told the term that this program knows. One that was promoted since is
// let in, and takes no writes before [Shard.Renew], unless it lacks a term.
func (t *terms) refuseEarlier(next pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, c *pgconn.PgConn) error {
		if err := next(ctx, c); err != nil {
			return err
		}
		newest := t.newest()
		if newest == 0 {
			return nil
		}
		r := c.ExecParams(ctx, `SELECT term, timeline = haat_timeline() FROM shard_term WHERE NOT pg_is_in_recovery()`, nil, nil, nil, nil).Read()
		if r.Err != nil || len(r.Rows) == 0 {
			return r.Err
		}
		term, err := strconv.ParseInt(string(r.Rows[0][0]), 10, 64)
		if err != nil {
			return err
		}
		if string(r.Rows[0][1]) != "t" {
			return aside(term, t.taken.Load())
		}
		return earlier(term, newest)
	}
}
