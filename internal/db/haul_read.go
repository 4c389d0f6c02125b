package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"haat/internal/id"
)

// Hauled is a snapshot of a shop for the mover. Each of its methods asks all it
// has to ask at once: a shard may be far away, and have a hundred tables.
type Hauled struct {
	h    *Haul
	raw  session
	ctx  context.Context
	shop id.Shop
}

// Read runs fn in one snapshot of a shop.
func (h *Haul) Read(ctx context.Context, shop id.Shop, fn func(*Hauled) error) error {
	return h.e.read(ctx, func(raw session) error {
		enter(raw, int64(shop))
		return fn(&Hauled{h, raw, ctx, shop})
	})
}

// asked is a statement, and who takes its rows.
type asked struct {
	q    *stmt
	args []any
	row  func(scan func(...any) error) error
}

// asking is a session that sends many statements in one packet.
type asking interface {
	queries(ctx context.Context, all []asked) error
}

func (r *Hauled) ask(all ...asked) error {
	if many, ok := r.raw.(asking); ok {
		return many.queries(r.ctx, all)
	}
	for _, a := range all {
		if err := r.raw.query(r.ctx, a.q, a.args, a.row); err != nil {
			return err
		}
	}
	return nil
}

var readChanges = newStmt(`SELECT i, tbl, pk FROM shop_change WHERE shop = $1 ORDER BY i`)

// Noted gives the shop's clock, false if it has none here, and what was written
// since the shop is recorded and has not been dropped with [Hauling.Drop].
func (r *Hauled) Noted() (c Clock, ok bool, changes []Change, err error) {
	shop := []any{int64(r.shop)}
	err = r.ask(
		asked{&clockState, shop, func(scan func(...any) error) error {
			ok = true
			return scan(&c.N, &c.Seq, &c.Done, &c.Epoch, &c.State)
		}},
		asked{&readChanges, shop, func(scan func(...any) error) error {
			var c Change
			var table, pk string
			if err := scan(&c.I, &table, &pk); err != nil {
				return err
			}
			at, ok := slices.BinarySearchFunc(r.h.tables, table, func(t haulTable, name string) int { return cmp.Compare(t.Name, name) })
			if !ok {
				return fmt.Errorf("a change of the table %q, which is not there", table)
			}
			c.Table = at
			c.Key, err = r.h.ParseKey(at, pk)
			changes = append(changes, c)
			return err
		}})
	return c, ok, changes, err
}

// Piece is rows by table, in the order of their keys on this shard: up to the
// row of Table whose key is Last, or of all tables before it if that is nil.
type Piece struct {
	Rows  map[int][]Row
	Table int
	Last  Row
}

const tablesAtOnce = 24 // of a piece

// Piece gives rows of a table whose keys follow one, nil for all, and if that
// is the end of it, those of tables after it: up to limit of the first table,
// and fewer of the others.
func (r *Hauled) Piece(table int, after Row, limit int) (p Piece, err error) {
	p.Rows = map[int][]Row{}
	few := max(limit/8, 1)
	var all []asked
	for t := table; t < min(table+tablesAtOnce, len(r.h.tables)); t++ {
		q := &r.h.stmts.of[t]
		switch {
		case t > table:
			all = append(all, r.rows(t, &q.first, []any{int64(r.shop), int64(few)}, p.Rows))
		case after == nil || len(r.h.tables[t].key) == 0:
			all = append(all, r.rows(t, &q.first, []any{int64(r.shop), int64(limit)}, p.Rows))
		default:
			all = append(all, r.rows(t, &q.next, append([]any{int64(r.shop), int64(limit)}, after...), p.Rows))
		}
	}
	if err := r.ask(all...); err != nil {
		return p, fmt.Errorf("read the rows of %s and what follows: %w", r.h.tables[table].Name, err)
	}
	p.Table = table + len(all)
	most := limit
	for t := table; t < table+len(all); t, most = t+1, few {
		if rows := p.Rows[t]; len(rows) == most && p.Last == nil {
			p.Table, p.Last = t, r.h.Key(t, rows[most-1])
		} else if p.Last != nil {
			delete(p.Rows, t)
		}
	}
	return p, nil
}

// Rows gives those of the rows with these keys that there are, by table.
func (r *Hauled) Rows(keys map[int][]Row) (map[int][]Row, error) {
	out := map[int][]Row{}
	var all []asked
	for t, keys := range keys {
		q := &r.h.stmts.of[t]
		many := r.h.e.name() == "postgres" && len(r.h.tables[t].key) > 0
		for len(keys) > 0 {
			n, stmt := 1, &q.one
			if many && len(keys) > 1 {
				n, stmt = min(len(keys), keysAtOnce), &q.many
			}
			args := []any{int64(r.shop)}
			for i := range n {
				args = append(args, keys[i]...)
			}
			for i := n; stmt == &q.many && i < keysAtOnce; i++ {
				args = append(args, keys[n-1]...)
			}
			all, keys = append(all, r.rows(t, stmt, args, out)), keys[n:]
		}
	}
	if err := r.ask(all...); err != nil {
		return nil, fmt.Errorf("look rows up: %w", err)
	}
	return out, nil
}

// Counts counts the shop's rows of each of these tables.
func (r *Hauled) Counts(tables []int) ([]int64, error) {
	out := make([]int64, len(tables))
	var all []asked
	for i, t := range tables {
		all = append(all, asked{&r.h.stmts.of[t].count, []any{int64(r.shop)}, func(scan func(...any) error) error { return scan(&out[i]) }})
	}
	return out, r.ask(all...)
}

func (r *Hauled) rows(table int, q *stmt, args []any, into map[int][]Row) asked {
	columns := r.h.tables[table].columns
	cells, places := make([]haulCell, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		cells[i].kind, places[i] = c.kind, &cells[i]
	}
	return asked{q, args, func(scan func(...any) error) error {
		if err := scan(places...); err != nil {
			return fmt.Errorf("%s: %w", r.h.tables[table].Name, err)
		}
		row := make(Row, len(columns))
		for i := range cells {
			row[i] = cells[i].v
		}
		into[table] = append(into[table], row)
		return nil
	}}
}
