package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/id"
)

// Reader reads one shop in one snapshot. It is a *View or a *Tx, and nothing
// outside this package can be one.
type Reader interface {
	// Shop is the shop that $1 of every statement is bound to.
	Shop() id.Shop
	// Now is one instant, the same throughout the snapshot.
	Now() time.Time
	// Mark is the point on the shop's clock that the snapshot stands at. A Tx
	// stands at a point that is not known before it commits, and gives zero.
	Mark() Mark
	// Doc is the shop's settings document. A View has read it together with
	// the mark; a Tx reads it when asked.
	Doc(ctx context.Context) ([]byte, error)

	query(ctx context.Context, q *stmt, args []any, row func(scan func(...any) error) error) error
}

// All runs q and collects its rows. scan gives the places of one row's columns.
func All[T any](ctx context.Context, r Reader, q *SQL, scan func(*T) []any, args ...any) ([]T, error) {
	var out []T
	err := Each(ctx, r, q, scan, func(t T) error { out = append(out, t); return nil }, args...)
	return out, err
}

// One runs q and gives its first row; false if there is none.
func One[T any](ctx context.Context, r Reader, q *SQL, scan func(*T) []any, args ...any) (T, bool, error) {
	var out T
	found := false
	err := Each(ctx, r, q, scan, func(t T) error {
		if !found {
			out, found = t, true
		}
		return nil
	}, args...)
	return out, found, err
}

// Each runs q and hands every row to fn, whose error ends it. fn must not run
// another statement on r.
func Each[T any](ctx context.Context, r Reader, q *SQL, scan func(*T) []any, fn func(T) error, args ...any) error {
	return each(ctx, r, &q.stmt, scan, fn, append([]any{int64(r.Shop())}, args...))
}

type queryer interface {
	query(ctx context.Context, q *stmt, args []any, row func(scan func(...any) error) error) error
}

func each[T any](ctx context.Context, r queryer, q *stmt, scan func(*T) []any, fn func(T) error, args []any) error {
	if err := bind(args); err != nil {
		return fmt.Errorf("%w in %s", err, firstLine(q.postgres))
	}
	err := r.query(ctx, q, args, func(into func(...any) error) error {
		var t T
		places := scan(&t)
		adapt(places)
		if err := into(places...); err != nil {
			return err
		}
		return fn(t)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(q.postgres), err)
	}
	return nil
}

func firstLine(text string) string {
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	for i := range len(text) {
		if text[i] == '\n' {
			return text[:i]
		}
	}
	return text
}

// View is a read-only snapshot of one shop.
type View struct {
	shop id.Shop
	mark Mark
	doc  []byte
	now  time.Time
	s    session
	head head
}

// head is what a snapshot says of itself and of its shop's clock.
type head struct {
	epoch, term, n int64
	state          string
	newest, from   int64 // the term of the newest write, and n as that term found it
	restored       int64 // marks of terms before are of a life that was put back
	beat           int64
}

// Beat is when the primary last wrote, in its own time, before this snapshot:
// all that stood then is in it. It is 1970 where there is no standby.
func (v *View) Beat() time.Time { return time.UnixMicro(v.head.beat).UTC() }

// Seen reports whether the snapshot has the write that returned m, or is of
// a later life of a shop or shard that was put back from a backup.
func (v *View) Seen(m Mark) bool { return m.Shop != v.shop || v.mark.Compare(m) >= 0 && !v.Lost(m) }

// Lost reports whether the write that returned m is not in the shop's line, as
// far as this snapshot knows. A snapshot of the primary knows all: the write
// was acknowledged and then lost, as by the promotion of a standby that lagged.
func (v *View) Lost(m Mark) bool {
	h := &v.head
	switch {
	case m.Shop != v.shop || m.Term < h.restored || m.Epoch < h.epoch:
		return false
	case m.Epoch > h.epoch || m.Term > h.term || m.N > h.n:
		return true
	}
	return m.Term < h.newest && m.N > h.from
}

func (v *View) Shop() id.Shop                       { return v.shop }
func (v *View) Now() time.Time                      { return v.now }
func (v *View) Mark() Mark                          { return v.mark }
func (v *View) Doc(context.Context) ([]byte, error) { return v.doc, nil }
func (v *View) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	return v.s.query(ctx, q, args, row)
}

// Outgoing is one event on its way into the outbox.
type Outgoing struct {
	ID      id.Event
	Topic   string
	Key     string
	Tags    string // separated by spaces
	Trace   string // what it is part of, as a header traceparent; may be empty
	Payload []byte
}

// Tx is one shop's transaction: all or nothing, on the shop's primary.
type Tx struct {
	shop  id.Shop
	now   time.Time
	s     counted
	ids   *id.Source // nil: ids are made as ever
	out   []Outgoing
	after []func()
	seq   int64 // of the shop's newest event, once committed
	doc   []byte
	known bool // doc has been read or written
	wrote bool // doc has been written
	wants bool // doc comes with the next statement
}

func (t *Tx) Shop() id.Shop  { return t.shop }
func (t *Tx) Now() time.Time { return t.now }
func (t *Tx) Mark() Mark     { return Mark{} }
func (t *Tx) query(ctx context.Context, q *stmt, args []any, row func(func(...any) error) error) error {
	return t.s.query(ctx, q, args, row)
}

// Exec runs q and gives the number of rows it wrote.
func (t *Tx) Exec(ctx context.Context, q *SQL, args ...any) (int64, error) {
	return exec(ctx, t.s, &q.stmt, append([]any{int64(t.shop)}, args...))
}

func exec(ctx context.Context, s session, q *stmt, args []any) (int64, error) {
	if err := bind(args); err != nil {
		return 0, fmt.Errorf("%w in %s", err, firstLine(q.postgres))
	}
	n, err := s.exec(ctx, q, args)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", firstLine(q.postgres), err)
	}
	return n, nil
}

// Append puts an event into the outbox, in this transaction. Use event.Emit.
func (t *Tx) Append(o Outgoing) { t.out = append(t.out, o) }

// Events gives what the transaction put into the outbox and, once it has been
// committed, the number of the first of them; the others follow it.
func (t *Tx) Events() (events []Outgoing, first int64) {
	return t.out, t.seq - int64(len(t.out)) + 1
}

// After has fn run once the transaction has been committed, by the goroutine
// that called Change. It does not run when the transaction fails.
func (t *Tx) After(fn func()) { t.after = append(t.after, fn) }

var (
	readDoc  = Q(`SELECT doc FROM shop_doc WHERE shop = $1`)
	writeDoc = Q(`INSERT INTO shop_doc (shop, doc) VALUES ($1, $2) ON CONFLICT (shop) DO UPDATE SET doc = excluded.doc`)
)

// SetDoc writes the shop's settings document, which every View reads together
// with its mark. Keep it small: it is read for every page.
func (t *Tx) SetDoc(ctx context.Context, doc []byte) error {
	err := t.Later(ctx, writeDoc, doc)
	t.doc, t.known, t.wrote = doc, err == nil, err == nil
	return err
}

// Tags lists what the events put into the outbox spoil, each once.
func (t *Tx) Tags() []string {
	var tags []string
	for _, o := range t.out {
		for tag := range strings.FieldsSeq(o.Tags) {
			if !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// Emitted reports whether the transaction has put events into the outbox.
func (t *Tx) Emitted() bool { return len(t.out) > 0 }
