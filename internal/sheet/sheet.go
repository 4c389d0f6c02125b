// Package sheet writes CSV files that people open in a spreadsheet.
//
// What somebody else typed must not become a formula there. A cell that would
// be taken for one, in a spreadsheet of any language, gets an apostrophe before
// it; a plain number, such as an amount or +919876543210, stays as it is.
package sheet

import (
	"encoding/csv"
	"io"
	"regexp"
	"time"
)

// ByteOrderMark at the head of a file tells spreadsheets that it is UTF-8.
const ByteOrderMark = "\ufeff"

var (
	number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
	// Where lists are written with semicolons a spreadsheet divides cells at
	// them, so that a formula may begin there too; and after a line's end.
	formula = regexp.MustCompile(`(^|[;\t\r\n])([\s"]*)([=+\-@\t\r＝＋－＠])`)
)

// Text gives a cell that is no formula.
func Text(s string) string {
	if number.MatchString(s) {
		return s
	}
	return formula.ReplaceAllString(s, "$1$2'$3")
}

// Time writes a moment as in t's zone, with the offset; nothing for no moment.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// Writer writes rows.
type Writer struct{ csv *csv.Writer }

// NewWriter begins a file with the names of its columns.
func NewWriter(w io.Writer, columns ...string) (*Writer, error) {
	out := &Writer{csv.NewWriter(w)}
	return out, out.Row(columns...)
}

// Row writes a row, every cell as Text.
func (w *Writer) Row(cells ...string) error {
	for i := range cells {
		cells[i] = Text(cells[i])
	}
	return w.csv.Write(cells)
}

// Flush sends what was written on its way.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}
