package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"haat/internal/fault"
)

// MoveStep is how far the move of a control database has come.
type MoveStep struct {
	Table  string        `json:"table,omitempty"` // being copied
	Rows   int64         `json:"rows"`            // copied so far, in all tables
	Pass   int           `json:"pass"`            // 1 copies everything, later ones what has changed
	Paused time.Duration `json:"paused"`          // how long writes had to wait, once the move is done
}

const (
	moveChunk  = 2_000            // rows that are read, summed and written together
	movePasses = 4                // before writes are stopped for the last one
	moveBudget = 8 * time.Second  // that writes may wait, else the move is given up
	moveClaim  = 12 * time.Second // after which others take a stopped move for dead
)

var (
	beginMove = newStmt(`UPDATE control_fence SET state = 'moving', claim = $1, until = $2 WHERE state = 'open'`)
	moveOn    = newStmt(`UPDATE control_fence SET state = 'moved', target = $2 WHERE state = 'moving' AND claim = $1`)
	beginFill = newStmt(`UPDATE control_fence SET state = 'filling', claim = $1`)
)

// Move copies the control database to an empty PostgreSQL database and goes on
// there, while it is in use. Reading goes on all the while; writes wait for the
// last look at what has changed, and for no longer than moveBudget. Every chunk
// is read back from where it was written. That the old database says where the
// new one is, and is never written again, decides the move: whatever breaks
// before leaves things as they were, and Move may be called again.
func (c *Control) Move(ctx context.Context, dsn string, tell func(MoveStep)) (done MoveStep, err error) {
	if !isPostgres(dsn) {
		return done, fault.Invalid("/dsn", "Give the new control database as postgres://user:password@host/database.")
	}
	if err := c.Follow(ctx); err != nil {
		return done, err
	}
	from := c.at.Load()
	if from.e.name() == "postgres" {
		if err := c.another(ctx, from.dsn, dsn); err != nil {
			return done, err
		}
	}
	to, err := c.open(ctx, dsn)
	if err != nil {
		return done, fault.Invalid("/dsn", "%v.", err)
	}
	m := &mover{from: from.e, to: to.e.(*postgres), tell: tell, claim: randomClaim()}
	defer func() {
		if c.at.Load() == from {
			err = errors.Join(err, to.e.close()) // nobody has gone on there
		}
	}()
	if err := m.begin(ctx, c.schemas); err != nil {
		return done, err
	}
	for m.at.Pass = 1; m.at.Pass <= movePasses; m.at.Pass++ {
		changed, err := m.pass(ctx)
		if err != nil {
			return done, err
		}
		if m.at.Pass > 1 && changed <= 2 {
			break
		}
	}
	start := time.Now()
	if err := m.cut(ctx, dsn); err != nil {
		return done, err
	}
	if err := c.switchTo(ctx, from, to); err != nil {
		return done, err
	}
	m.at.Paused = time.Since(start)
	return m.at, nil
}

func randomClaim() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// another refuses to move a database onto itself.
func (c *Control) another(ctx context.Context, from, to string) error {
	was, err := Look(ctx, from)
	if err != nil {
		return err
	}
	is, err := Look(ctx, to)
	if err != nil {
		return fault.Invalid("/dsn", "%v.", err)
	}
	if is.Identity == was.Identity {
		return fault.Conflict("same-database", "The control database is there already.")
	}
	return nil
}

// switchTo goes on in the database that a move has filled.
func (c *Control) switchTo(ctx context.Context, from, to *place) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := to.e.write(ctx, &work{run: func(s session) error {
		_, err := exec(ctx, s, &endFill, nil)
		return err
	}})
	if err != nil {
		return fmt.Errorf("the move is decided, and the new control database does not answer: %w", err)
	}
	if c.at.Load() == from { // nobody here has followed yet
		c.at.Store(to)
		c.was = append(c.was, from.e)
	} else {
		c.was = append(c.was, to.e)
	}
	return nil
}

// mover copies a control database, table by table and chunk by chunk.
type mover struct {
	from   engine
	to     *postgres
	tell   func(MoveStep)
	claim  string
	tables []*movedTable
	at     MoveStep
}

// movedTable is a table, and what is known of each chunk of it at the other
// end.
type movedTable struct {
	name    string
	columns []string
	types   []string // on PostgreSQL
	keys    []int    // the columns of the primary key, in its order
	chunks  []chunk
	stmts   map[string]*stmt
}

// chunk is the rows above the chunk before it and up to a key, none for the
// last.
type chunk struct {
	to  []any
	sum [sha256.Size]byte
	n   int
}

// begin looks at the other end, which must hold nothing that is not the rest
// of an earlier attempt, and marks it as unfinished.
func (m *mover) begin(ctx context.Context, schemas []*SchemaSet) error {
	for _, set := range schemas {
		names, err := set.Tables()
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == "control_fence" {
				continue
			}
			t, err := m.describe(ctx, name)
			if err != nil {
				return fmt.Errorf("look at table %s: %w", name, err)
			}
			m.tables = append(m.tables, t)
		}
	}
	conn, err := m.to.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE control_fence`); err != nil {
			return err
		}
		var state string
		if err := tx.QueryRow(ctx, readFence.postgres).Scan(&state, new(string), new(string), new(int64)); err != nil {
			return err
		}
		switch state {
		case "open", "filling":
		default:
			return fault.Conflict("not-empty", "The new database was a control database that has moved away: give an empty one.")
		}
		for _, t := range m.tables {
			if state == "filling" { // the rest of an earlier attempt
				if _, err := tx.Exec(ctx, `TRUNCATE `+t.name); err != nil {
					return err
				}
			}
			var some bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+t.name+`)`).Scan(&some); err != nil {
				return err
			}
			if some {
				return fault.Conflict("not-empty", "The new database holds a platform's data already, in table %s: give an empty one.", t.name)
			}
		}
		_, err := tx.Exec(ctx, beginFill.postgres, m.claim)
		return err
	})
}

// describe reads a table's columns and key where it is to go.
func (m *mover) describe(ctx context.Context, name string) (*movedTable, error) {
	t := &movedTable{name: name, chunks: []chunk{{}}, stmts: map[string]*stmt{}}
	rows, err := m.to.pool.Query(ctx, `
		SELECT a.attname, format_type(a.atttypid, NULL), COALESCE(array_position(i.indkey::int2[], a.attnum), -1)
		FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
		WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, name)
	if err != nil {
		return nil, err
	}
	type key struct{ at, column int }
	var keys []key
	for rows.Next() {
		var column, is string
		var at int
		if err := rows.Scan(&column, &is, &at); err != nil {
			return nil, err
		}
		if at >= 0 {
			keys = append(keys, key{at, len(t.columns)})
		}
		t.columns, t.types = append(t.columns, column), append(t.types, is)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(keys, func(a, b key) int { return a.at - b.at })
	for _, k := range keys {
		t.keys = append(t.keys, k.column)
	}
	if len(t.keys) == 0 {
		return nil, errors.New("it has no primary key")
	}
	return t, nil
}

// where is a condition on the key: above what, if lo, and up to what, if hi.
// Text is compared by its bytes, as SQLite does.
func (t *movedTable) where(postgres, lo, hi bool, first int) string {
	var key []string
	for _, k := range t.keys {
		name := t.columns[k]
		if postgres && t.types[k] == "text" {
			name += ` COLLATE "C"`
		}
		key = append(key, name)
	}
	var out []string
	for _, c := range []struct {
		is bool
		op string
	}{{lo, ">"}, {hi, "<="}} {
		if c.is {
			var places []string
			for range t.keys {
				places = append(places, fmt.Sprintf("$%d", first))
				first++
			}
			out = append(out, "("+strings.Join(key, ", ")+") "+c.op+" ("+strings.Join(places, ", ")+")")
		}
	}
	if len(out) == 0 {
		return "true"
	}
	return strings.Join(out, " AND ")
}

func (t *movedTable) order(postgres bool) string {
	var key []string
	for _, k := range t.keys {
		name := t.columns[k]
		if postgres && t.types[k] == "text" {
			name += ` COLLATE "C"`
		}
		key = append(key, name)
	}
	return strings.Join(key, ", ")
}

// cell takes a column as the engine gives it.
type cell struct{ v any }

func (c *cell) Scan(src any) error {
	if b, ok := src.([]byte); ok {
		src = slices.Clone(b)
	}
	c.v = src
	return nil
}

// read gives the rows between two keys, at most limit, in the order of the key.
func (t *movedTable) read(ctx context.Context, e engine, lo, hi []any, limit int) (out [][]any, err error) {
	name := fmt.Sprint(e.name(), lo != nil, hi != nil)
	q := t.stmts[name]
	if q == nil {
		pg := e.name() == "postgres"
		text := `SELECT ` + strings.Join(t.columns, ", ") + ` FROM ` + t.name + ` WHERE ` + t.where(pg, lo != nil, hi != nil, 2) + ` ORDER BY ` + t.order(pg) + ` LIMIT $1`
		made := newStmt(text)
		q, t.stmts[name] = &made, &made
	}
	args := append(append([]any{int64(limit)}, lo...), hi...)
	err = e.read(ctx, func(s session) error {
		out = out[:0]
		return s.query(ctx, q, args, func(scan func(...any) error) error {
			cells := make([]cell, len(t.columns))
			places := make([]any, len(cells))
			for i := range cells {
				places[i] = &cells[i]
			}
			if err := scan(places...); err != nil {
				return err
			}
			row := make([]any, len(cells))
			for i, c := range cells {
				row[i] = t.value(i, c.v)
			}
			out = append(out, row)
			return nil
		})
	})
	return out, err
}

// value gives a column of SQLite the type that it has on PostgreSQL.
func (t *movedTable) value(i int, v any) any {
	switch was := v.(type) {
	case int64:
		if t.types[i] == "boolean" {
			return was != 0
		}
	case string:
		if t.types[i] == "bytea" {
			return []byte(was)
		}
	case []byte:
		if t.types[i] == "text" {
			return string(was)
		}
	}
	return v
}

func sumOf(rows [][]any) [sha256.Size]byte {
	h := sha256.New()
	for _, row := range rows {
		for _, v := range row {
			var text string
			switch v := v.(type) {
			case []byte:
				text = string(v)
			default:
				text = fmt.Sprint(v)
			}
			fmt.Fprintf(h, "%T %d %s,", v, len(text), text)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (t *movedTable) key(row []any) (key []any) {
	for _, k := range t.keys {
		key = append(key, row[k])
	}
	return key
}

// pass looks at every chunk of every table, and copies those that are not at
// the other end as they are here. It gives how many it copied.
func (m *mover) pass(ctx context.Context) (changed int, err error) {
	for _, t := range m.tables {
		m.at.Table = t.name
		n, err := m.passTable(ctx, t)
		if err != nil {
			return 0, fmt.Errorf("copy table %s: %w", t.name, err)
		}
		changed += n
	}
	return changed, nil
}

func (m *mover) passTable(ctx context.Context, t *movedTable) (changed int, err error) {
	var next []chunk
	var lo []any
	for _, c := range t.chunks {
		for first := true; ; first = false {
			rows, err := t.read(ctx, m.from, lo, c.to, moveChunk)
			if err != nil {
				return 0, err
			}
			got := chunk{to: c.to, sum: sumOf(rows), n: len(rows)}
			if len(rows) == moveChunk {
				got.to = t.key(rows[len(rows)-1])
			}
			whole := len(rows) < moveChunk || c.to != nil && slices.EqualFunc(got.to, c.to, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
			if !first || !whole || got.sum != c.sum || got.n != c.n || m.at.Pass == 1 {
				if err := m.write(ctx, t, lo, got, rows); err != nil {
					return 0, err
				}
				changed++
				m.at.Rows += int64(len(rows))
				m.tell(m.at)
			}
			next = append(next, got)
			if lo = got.to; whole {
				lo = c.to
				break
			}
		}
	}
	t.chunks = next
	return changed, nil
}

// write makes one chunk at the other end what it is here, and reads it back.
func (m *mover) write(ctx context.Context, t *movedTable, lo []any, c chunk, rows [][]any) error {
	conn, err := m.to.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var state, claim string
		if err := tx.QueryRow(ctx, readFence.postgres+` FOR SHARE`).Scan(&state, new(string), &claim, new(int64)); err != nil {
			return err
		}
		if state != "filling" || claim != m.claim {
			return fault.Conflict("moved-meanwhile", "Somebody else has begun to copy a control database there.")
		}
		// What triggers would count is copied too.
		if _, err := tx.Exec(ctx, `ALTER TABLE `+t.name+` DISABLE TRIGGER USER`); err != nil {
			return err
		}
		if m.at.Pass > 1 {
			if _, err := tx.Exec(ctx, `DELETE FROM `+t.name+` WHERE `+t.where(true, lo != nil, c.to != nil, 1), append(slices.Clone(lo), c.to...)...); err != nil {
				return err
			}
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `ALTER TABLE `+t.name+` ENABLE TRIGGER USER`)
		return err
	})
	if err != nil {
		return err
	}
	back, err := t.read(ctx, m.to, lo, c.to, moveChunk+1)
	if err == nil && (len(back) != c.n || sumOf(back) != c.sum) {
		err = fmt.Errorf("what was written is not what is read back: %d rows, not %d", len(back), c.n)
	}
	return err
}

// cut stops the writes, copies what has changed since the pass before, counts,
// and decides the move.
func (m *mover) cut(ctx context.Context, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, moveBudget)
	defer cancel()
	n := int64(0)
	m.tell = func(MoveStep) {} // writes do not wait for whoever is told
	err := m.from.write(ctx, &work{run: func(s session) (err error) {
		if pg, ok := s.(*pgSession); ok { // wait for those who write
			pg.ahead = append(pg.ahead, ahead{text: `SELECT pg_advisory_xact_lock(1751216500)`})
		}
		n, err = exec(ctx, s, &beginMove, []any{m.claim, time.Now().Add(moveClaim).UnixMicro()})
		return err
	}})
	if err == nil && n == 0 {
		return fault.Conflict("moved-meanwhile", "Somebody else moves the control database just now.")
	}
	if err == nil {
		err = m.last(ctx)
	}
	if err == nil {
		n = 0
		err = m.from.write(ctx, &work{run: func(s session) (err error) {
			n, err = exec(ctx, s, &moveOn, []any{m.claim, dsn})
			return err
		}})
		if err == nil && n == 0 {
			return fault.Conflict("moved-meanwhile", "The move took too long, and others have gone on here: try again at a quieter time.")
		}
	}
	if err == nil || errors.Is(err, ErrDoubt) {
		return err // in doubt, Follow finds out
	}
	bound, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	again := m.from.write(bound, &work{run: func(s session) error {
		_, err := exec(bound, s, &endMove, []any{m.claim})
		return err
	}})
	return errors.Join(err, again)
}

// last is the pass during which nobody writes.
func (m *mover) last(ctx context.Context) error {
	if _, err := m.pass(ctx); err != nil {
		return err
	}
	for _, t := range m.tables {
		want, got := 0, 0
		for _, c := range t.chunks {
			want += c.n
		}
		if err := m.to.pool.QueryRow(ctx, `SELECT COUNT(*) FROM `+t.name).Scan(&got); err != nil {
			return err
		}
		if want != got {
			return fmt.Errorf("table %s has %d rows, and %d where it was copied to", t.name, want, got)
		}
	}
	return nil
}
