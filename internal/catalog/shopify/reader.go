package shopify

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"

	"haat/internal/money"
)

// Generation is one of the two headers that Shopify has used.
type Generation string

const (
	LegacyFile  Generation = "legacy"
	CurrentFile Generation = "current"
)

// Options of a Reader.
type Options struct {
	Currency string // ISO 4217: what the prices are in
}

// Reader gives the products of a file one by one. It is for one goroutine.
type Reader struct {
	rows     *rows
	currency string

	header   []string // as written, trimmed
	col      [numFields]int
	extra    []extraColumn
	columns  []string // names of extra, and the tracker's; what a row of full length reaches
	nameless []int    // columns without a name
	fourth   []int    // columns of a fourth option and on
	notices  []RowError

	pending *row
	cur     *product
	ordinal int
	taken   int // rows read, the header aside
	given   int // rows that Items have accounted for
	seed    maphash.Seed
	seen    map[uint64]struct{} // handles given
	err     error
}

type extraColumn struct {
	at        int
	name      string // canonical
	ofVariant bool
}

// NewReader reads the header. A file that is not a Shopify product CSV, or that
// has no rows, is a fault saying so; other errors are those of r.
func NewReader(in io.Reader, o Options) (*Reader, error) {
	if !money.Valid(o.Currency) {
		return nil, fmt.Errorf("shopify: %q is not a currency", o.Currency)
	}
	text, err := decode(in)
	if err != nil {
		return nil, err
	}
	r := &Reader{rows: newRows(text), currency: o.Currency, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	head, err := r.rows.next()
	var bad RowError
	switch {
	case err == io.EOF:
		return nil, notCSV("The file is empty.")
	case errors.As(err, &bad):
		return nil, notCSV("The first row, which should name the columns, cannot be read. %s", bad.Message)
	case err != nil:
		return nil, err
	}
	if err := r.readHeader(head); err != nil {
		return nil, err
	}
	first, err := r.rows.next()
	r.taken++
	switch {
	case err == io.EOF:
		return nil, notCSV("The file has column names but no products.")
	case errors.As(err, &bad):
		r.notices = append(r.notices, bad)
	case err != nil:
		return nil, err
	default:
		r.pending = &first
	}
	return r, nil
}

func (r *Reader) readHeader(head row) error {
	if len(head.cells) > maxColumns {
		return notCSV("The file has %d columns; we take up to %d.", len(head.cells), maxColumns)
	}
	for f := range r.col {
		r.col[f] = -1
	}
	known := 0
	taken := map[string]bool{}
	for i, h := range head.cells {
		h = strings.TrimSpace(h)
		r.header = append(r.header, h)
		if h == "" {
			r.nameless = append(r.nameless, i)
			continue
		}
		if f, ok := fieldOf[strings.ToLower(h)]; ok {
			known++
			if r.col[f] < 0 {
				r.col[f] = i
				continue
			}
		} else if tooManyOptions.MatchString(h) {
			r.fourth = append(r.fourth, i)
			continue
		} else if name := canonical(h); !taken[strings.ToLower(name)] {
			taken[strings.ToLower(name)] = true
			r.extra = append(r.extra, extraColumn{i, name, ofVariant(name)})
			continue
		}
		r.notices = append(r.notices, RowError{Line: head.line, Column: h,
			Message: fmt.Sprintf("This column comes a second time (column %d); the first is used and this one is ignored.", i+1)})
	}
	if known == 0 || r.col[fTitle] < 0 && r.col[fHandle] < 0 {
		return notCSV("The first row should name the columns, among them “Title” or “Handle”, as in a product export from Shopify. It begins with “%s”.",
			clip(strings.Join(r.header, ", ")))
	}
	r.rows.width = len(head.cells)
	for _, e := range r.extra {
		r.columns = append(r.columns, e.name)
	}
	if r.col[fTracker] >= 0 {
		r.columns = append(r.columns, trackerColumn)
	}
	return nil
}

// reached gives the columns without a field that a row does not end before.
func (r *Reader) reached(w row) []string {
	if len(w.cells) >= r.rows.width {
		return r.columns
	}
	var out []string
	for _, e := range r.extra {
		if e.at < len(w.cells) {
			out = append(out, e.name)
		}
	}
	if i := r.col[fTracker]; i >= 0 && i < len(w.cells) {
		out = append(out, trackerColumn)
	}
	return out
}

// Generation tells which of the two headers the file has, going by the names
// that differ. Files with names from both are read all the same.
func (r *Reader) Generation() Generation {
	n := 0
	for f, list := range names {
		if len(list) > 1 && r.col[f] >= 0 {
			if strings.EqualFold(r.header[r.col[f]], list[0]) {
				n++
			} else {
				n--
			}
		}
	}
	if n > 0 {
		return CurrentFile
	}
	return LegacyFile
}

// Extra lists the file's columns without a field, by the names Extra maps have.
func (r *Reader) Extra() []string {
	out := make([]string, len(r.extra))
	for i, e := range r.extra {
		out[i] = e.name
	}
	return out
}

// Next gives the next product, and io.EOF after the last. Its other errors are
// those of the reader below, and final.
func (r *Reader) Next() (Item, error) {
	it, err := r.next()
	if err == nil {
		it.Rows = r.taken - r.given
		if r.pending != nil {
			it.Rows--
		}
		r.given += it.Rows
	}
	return it, err
}

func (r *Reader) next() (Item, error) {
	if r.err != nil {
		return Item{}, r.err
	}
	if len(r.notices) > 0 {
		it := Item{Errors: r.notices}
		r.notices = nil
		return it, nil
	}
	for {
		w, err := r.take()
		var bad RowError
		switch {
		case err == io.EOF:
			r.err = io.EOF
			if r.cur != nil {
				return r.finish(), nil
			}
			return Item{}, io.EOF
		case errors.As(err, &bad):
			if r.cur == nil {
				return Item{Errors: []RowError{bad}}, nil
			}
			r.cur.add(bad)
			continue
		case err != nil:
			r.err = err
			return Item{}, err
		}
		raw, title := w.text(r, fHandle), w.text(r, fTitle).Value
		handle := cleanHandle(raw.Value)
		if r.cur != nil && handle != "" && handle == r.cur.draft.Handle {
			r.cur.later(w)
			continue
		}
		if r.cur != nil && raw.Value == "" && title == "" {
			r.cur.add(lost(w))
			continue
		}
		if r.cur != nil {
			r.pending = &w
			return r.finish(), nil
		}
		if it, ok := r.begin(w, raw.Value, handle, title); !ok {
			return it, nil
		}
	}
}

func lost(w row) RowError {
	return RowError{Line: w.line, Skipped: RowPart, Message: "This row has neither a handle nor a title, so we cannot tell which product it belongs to."}
}

// begin starts a product with its first row; if that cannot be, it gives the
// reason as an Item.
func (r *Reader) begin(w row, raw, handle, title string) (Item, bool) {
	made := raw == ""
	if made {
		if title == "" {
			return Item{Errors: []RowError{lost(w)}}, false
		}
		handle = Slug(title)
	}
	refuse := func(f field, format string, args ...any) (Item, bool) {
		return Item{Errors: []RowError{{Line: w.line, Column: r.name(f), Handle: handle, Skipped: RowPart, Message: fmt.Sprintf(format, args...)}}}, false
	}
	_, again := r.seen[maphash.String(r.seed, handle)]
	switch {
	case handle == "" && made:
		return refuse(fTitle, "No handle can be made from the title “%s”; give this product a handle.", clip(title))
	case handle == "":
		return refuse(fHandle, "“%s” has no letter or digit, so it cannot be a handle.", clip(raw))
	case len(handle) > 255:
		return refuse(fHandle, "The handle is longer than 255 characters.")
	case made && again:
		return refuse(fTitle, "Another product further up has the handle “%s”, which is made from this title; give this row a handle.", handle)
	}
	r.cur = &product{r: r, draft: Draft{Handle: handle, Continued: again, Ordinal: r.ordinal, FirstLine: w.line}}
	r.ordinal++
	r.cur.first(w, made)
	return Item{}, true
}

func (r *Reader) finish() Item {
	p := r.cur
	r.cur = nil
	it := Item{Errors: p.errors, More: p.more, Lost: p.bad && !p.draft.Continued}
	if !p.bad {
		r.seen[maphash.String(r.seed, p.draft.Handle)] = struct{}{}
		it.Draft = &p.draft
	}
	return it
}

func (r *Reader) take() (row, error) {
	if w := r.pending; w != nil {
		r.pending = nil
		return *w, nil
	}
	w, err := r.rows.next()
	if err != io.EOF {
		r.taken++
	}
	return w, err
}

// CountRows counts the rows of a file, the header aside, as the Rows of all
// Items of a Reader add up to.
func CountRows(in io.Reader) (int, error) {
	text, err := decode(in)
	if err != nil {
		return 0, err
	}
	rows := newRows(text)
	rows.csv.ReuseRecord = true
	for n := -1; ; n++ {
		w, err := rows.next()
		var bad RowError
		switch {
		case err == io.EOF:
			return max(n, 0), nil
		case err != nil && !errors.As(err, &bad):
			return 0, err
		case n < 0:
			rows.width = len(w.cells)
		}
	}
}

// name gives a field's header as the file has it.
func (r *Reader) name(f field) string {
	if i := r.col[f]; i >= 0 {
		return r.header[i]
	}
	return names[f][0]
}

// raw gives a field of the row as written; unset if the file has no such
// column or the row ends before it.
func (w row) raw(r *Reader, f field) Opt[string] {
	if i := r.col[f]; i >= 0 && i < len(w.cells) {
		return Some(w.cells[i])
	}
	return Opt[string]{}
}

// text is raw without the white space around it.
func (w row) text(r *Reader, f field) Opt[string] {
	o := w.raw(r, f)
	o.Value = strings.TrimSpace(o.Value)
	return o
}

func (w row) at(i int) string {
	if i < len(w.cells) {
		return w.cells[i]
	}
	return ""
}
