package db

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"haat/internal/id"
)

// haulStmts are the statements about each table.
type haulStmts struct{ of []tableStmts }

type tableStmts struct{ first, next, one, many, count, put, drop stmt }

const keysAtOnce = 32 // of a lookup on PostgreSQL

func (h *Haul) makeStmts() haulStmts {
	out := haulStmts{of: make([]tableStmts, len(h.tables))}
	for i, t := range h.tables {
		table := `"` + t.Name + `"`
		var columns, key, order []string
		for _, c := range t.columns {
			columns = append(columns, `"`+c.name+`"`)
		}
		for _, k := range t.key {
			key = append(key, columns[k])
		}
		order = append([]string{"shop"}, key...)
		list, keys := strings.Join(columns, ", "), strings.Join(key, ", ")
		places := func(from, n int) string {
			var p []string
			for j := range n {
				p = append(p, "$"+strconv.Itoa(from+j))
			}
			return strings.Join(p, ", ")
		}
		read := `SELECT ` + list + ` FROM ` + table + ` WHERE shop = $1`
		one, many, next := "", "", ""
		if len(key) > 0 {
			next = ` AND (` + keys + `) > (` + places(3, len(key)) + `)`
			one = ` AND (` + keys + `) = (` + places(2, len(key)) + `)`
			var tuples []string
			for j := range keysAtOnce {
				tuples = append(tuples, "("+places(2+j*len(key), len(key))+")")
			}
			many = ` AND (` + keys + `) IN (` + strings.Join(tuples, ", ") + `)`
		}
		var set []string
		for j, c := range columns {
			if !slices.Contains(t.key, j) {
				set = append(set, c+" = excluded."+c)
			}
		}
		update := "NOTHING"
		if len(set) > 0 {
			update = "UPDATE SET " + strings.Join(set, ", ")
		}
		q := &out.of[i]
		q.first = newStmt(read + ` ORDER BY ` + strings.Join(order, ", ") + ` LIMIT $2`)
		q.next = newStmt(read + next + ` ORDER BY ` + strings.Join(order, ", ") + ` LIMIT $2`)
		q.one = newStmt(read + one)
		q.many = newStmt(read + many)
		q.count = newStmt(`SELECT COUNT(*) FROM ` + table + ` WHERE shop = $1`)
		q.put = newStmt(`INSERT INTO ` + table + ` (shop, ` + list + `) VALUES ($1, ` + places(2, len(columns)) + `) ON CONFLICT (` + strings.Join(order, ", ") + `) DO ` + update)
		q.drop = newStmt(`DELETE FROM ` + table + ` WHERE shop = $1` + one)
	}
	return out
}

// ParseKey reads what KeyText or a trigger wrote.
func (h *Haul) ParseKey(table int, text string) (Row, error) {
	t := h.tables[table]
	if len(t.key) == 0 {
		return Row{}, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != len(t.key) {
		return nil, fmt.Errorf("%q is not a key of %s", text, t.Name)
	}
	key := make(Row, len(parts))
	for i, p := range parts {
		switch kind := t.columns[t.key[i]].kind; kind {
		case "TEXT", "BYTEA":
			b, err := hex.DecodeString(p)
			if err != nil {
				return nil, fmt.Errorf("%q is not a key of %s", text, t.Name)
			}
			if key[i] = b; kind == "TEXT" {
				key[i] = string(b)
			}
		default:
			n, err := strconv.ParseInt(p, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is not a key of %s", text, t.Name)
			}
			if key[i] = n; kind == "BOOLEAN" {
				key[i] = n != 0
			}
		}
	}
	return key, nil
}

// Hauling is a transaction of the mover. It ticks no clock.
type Hauling struct {
	h    *Haul
	raw  session
	ctx  context.Context
	shop id.Shop
}

var (
	holdClaim  = newStmt(`UPDATE shop_move SET claim = $2 WHERE shop = $1 AND claim = $2`)
	mustHold   = newStmt(`SELECT haat_claim($1, $2)`)
	notHere    = newStmt(`UPDATE shop_move SET claim = $2 WHERE shop = $1 AND claim = $2 AND NOT EXISTS (SELECT 1 FROM shop_clock c WHERE c.shop = $1 AND c.state IN ('open', 'moving'))`)
	makeClaim  = newStmt(`INSERT INTO shop_move (shop, role, claim) VALUES ($1, $2, $3) ON CONFLICT (shop) DO UPDATE SET claim = excluded.claim WHERE shop_move.claim <= excluded.claim`)
	setRole    = newStmt(`UPDATE shop_move SET role = $2 WHERE shop = $1`)
	leaveMove  = newStmt(`DELETE FROM shop_move WHERE shop = $1`)
	dropChange = newStmt(`DELETE FROM shop_change WHERE shop = $1 AND i = $2`)
	dropThese  = newStmt(`DELETE FROM shop_change WHERE shop = $1 AND i = ANY($2::bigint[])`)
	dropAll    = newStmt(`DELETE FROM shop_change WHERE shop = $1`)
	fenceClock = newStmt(`UPDATE shop_clock SET state = 'moving' WHERE shop = $1 AND epoch = $2 AND state = 'open'`)
	moveClock  = newStmt(`UPDATE shop_clock SET state = $4, epoch = $5, done = CASE WHEN $4 = 'gone' THEN seq ELSE done END WHERE shop = $1 AND epoch = $2 AND state = $3`)
	dropClock  = newStmt(`DELETE FROM shop_clock WHERE shop = $1 AND state IN ('arriving', 'gone')`)
	arriveAt   = newStmt(`
		INSERT INTO shop_clock (shop, n, seq, done, epoch, state) VALUES ($1, $2, $3, $4, $5, 'arriving')
		ON CONFLICT (shop) DO UPDATE SET n = excluded.n, seq = excluded.seq, done = excluded.done, epoch = excluded.epoch, state = 'arriving', term = 0, term_n = 0
		WHERE shop_clock.state IN ('gone', 'arriving') AND shop_clock.epoch <= excluded.epoch`)
	quickLock = newStmt(`SELECT set_config('lock_timeout', '200ms', true)`)
	farCommit = newStmt(`SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_standby_names') = '' THEN current_setting('synchronous_commit') ELSE 'remote_apply' END, true)`)
)

// rehearse has the server know what is asked of it while a shop is closed: a
// statement that is new to a connection costs a round trip more.
func rehearse(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	for _, q := range []*stmt{&quickLock, &farCommit, &fenceClock, &setRole, &dropAll, &moveClock} {
		args := []any{} // NULL, which is no shop
		for strings.Contains(q.postgres, "$"+strconv.Itoa(len(args)+1)) {
			args = append(args, nil)
		}
		b.Queue(q.postgres, args...)
	}
	b.Queue(enterWrite, 0, 0)
	b.Queue(holdTerm, nil)
	b.Queue(`ROLLBACK`)
	return c.SendBatch(ctx, b).Close()
}

// Claim takes a shop over on this shard: older claims do nothing from now on.
// It is ErrClaim if there is a newer one. The role is for a shop that has none
// here yet.
func (h *Haul) Claim(ctx context.Context, shop id.Shop, role string, claim int64) error {
	return h.write(ctx, shop, func(w *Hauling) error {
		n, err := exec(ctx, w.raw, &makeClaim, []any{int64(shop), role, claim})
		if err == nil && n == 0 {
			err = ErrClaim
		}
		return err
	})
}

// Write runs fn in a transaction that stands only if the claim does.
func (h *Haul) Write(ctx context.Context, shop id.Shop, claim int64, fn func(*Hauling) error) error {
	return h.write(ctx, shop, func(w *Hauling) error {
		if d, ok := w.raw.(deferring); ok {
			if err := d.later(ctx, &mustHold, []any{int64(shop), claim}); err != nil {
				return err
			}
			return fn(w)
		}
		n, err := exec(ctx, w.raw, &holdClaim, []any{int64(shop), claim})
		if err == nil && n == 0 {
			err = ErrClaim
		}
		if err != nil {
			return err
		}
		return fn(w)
	})
}

// Clear deletes rows of a shop that does not live here, if the claim stands.
func (h *Haul) Clear(ctx context.Context, shop id.Shop, claim int64, rows map[int][]Row) error {
	return h.write(ctx, shop, func(w *Hauling) error {
		n, err := exec(ctx, w.raw, &notHere, []any{int64(shop), claim})
		if err == nil && n == 0 {
			err = ErrClaim
		}
		if err != nil {
			return err
		}
		for t, rows := range rows {
			keys := make([]Row, len(rows))
			for i, row := range rows {
				keys[i] = h.Key(t, row)
			}
			if err := w.Delete(t, keys); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *Haul) write(ctx context.Context, shop id.Shop, fn func(*Hauling) error) error {
	return h.e.write(ctx, &work{shop: int64(shop), run: func(raw session) error { return fn(&Hauling{h, raw, ctx, shop}) }})
}

// later runs a statement whose count nobody needs.
func (w *Hauling) later(q *stmt, args []any) error {
	if d, ok := w.raw.(deferring); ok {
		return d.later(w.ctx, q, args)
	}
	_, err := w.raw.exec(w.ctx, q, args)
	return err
}

// Delete deletes the rows with these keys, if they are there.
func (w *Hauling) Delete(table int, keys []Row) error {
	for _, k := range keys {
		if err := w.later(&w.h.stmts.of[table].drop, append([]any{int64(w.shop)}, k...)); err != nil {
			return err
		}
	}
	return nil
}

// Put writes rows, in place of those with the same keys.
func (w *Hauling) Put(table int, rows []Row) error {
	for _, r := range rows {
		if err := w.later(&w.h.stmts.of[table].put, append([]any{int64(w.shop)}, r...)); err != nil {
			return err
		}
	}
	return nil
}

// Drop forgets changes that stand at the other shard.
func (w *Hauling) Drop(changes []Change) error {
	if w.h.e.name() == "postgres" {
		these := make([]int64, len(changes))
		for i, c := range changes {
			these[i] = c.I
		}
		return w.later(&dropThese, []any{int64(w.shop), these})
	}
	for _, c := range changes {
		if err := w.later(&dropChange, []any{int64(w.shop), c.I}); err != nil {
			return err
		}
	}
	return nil
}

// Forget forgets all that was noted.
func (w *Hauling) Forget() error { return w.later(&dropAll, []any{int64(w.shop)}) }

// Fence stops writes of a shop that is open here at an epoch. It waits for
// those that hold the clock, on PostgreSQL for at most 200 ms; false if the
// shop is not open at that epoch. Where there are standbys that a commit waits
// for, they know of the fence before it returns.
func (w *Hauling) Fence(epoch int64) (bool, error) {
	if w.h.e.name() == "postgres" {
		for _, q := range []*stmt{&quickLock, &farCommit} {
			if err := w.later(q, nil); err != nil {
				return false, err
			}
		}
	}
	n, err := w.raw.exec(w.ctx, &fenceClock, []any{int64(w.shop), epoch})
	return n == 1, err
}

// Turn changes state and epoch of a clock that has those given; else it does
// nothing. One that is gone has no news.
func (w *Hauling) Turn(epoch int64, state string, to int64, toState string) error {
	return w.later(&moveClock, []any{int64(w.shop), epoch, state, toState, to})
}

// Arrive puts a clock here that is read, and not written yet.
func (w *Hauling) Arrive(c Clock) error {
	n, err := w.raw.exec(w.ctx, &arriveAt, []any{int64(w.shop), c.N, c.Seq, c.Done, c.Epoch})
	if err == nil && n == 0 {
		err = fmt.Errorf("shop %v has a clock of its own where it is to be moved to", w.shop)
	}
	return err
}

// Role changes what the shop is here.
func (w *Hauling) Role(role string) error {
	return w.later(&setRole, []any{int64(w.shop), role})
}

// End forgets that the shop was moved, and what was noted meanwhile; without,
// its clock as well, if the shop does not live here.
func (w *Hauling) End(without bool) error {
	if without {
		if err := w.later(&dropClock, []any{int64(w.shop)}); err != nil {
			return err
		}
	}
	if err := w.later(&dropAll, []any{int64(w.shop)}); err != nil {
		return err
	}
	return w.later(&leaveMove, []any{int64(w.shop)})
}

var (
	copies = Across(`SELECT shop, claim FROM shop_move WHERE role = 'copy'`)
	moving = Across(`SELECT shop, claim FROM shop_move`)
)

// Copies gives the shops of which there is a copy here while they live
// elsewhere.
func (s *Shard) Copies(ctx context.Context) (map[id.Shop]bool, error) {
	all, err := s.Across(ctx, copies)
	out := make(map[id.Shop]bool, len(all))
	for _, c := range all {
		out[c.Shop] = true
	}
	return out, err
}

// Claims gives the shops that are on their way from or to here, or whose copy
// is here, and the newest claim on each.
func (s *Shard) Claims(ctx context.Context) ([]Count, error) { return s.Across(ctx, moving) }
