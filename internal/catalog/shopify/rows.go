package shopify

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxRow     = 1 << 20   // bytes of one row
	maxField   = 512 << 10 // bytes of one value
	maxColumns = 1000
	maxMarks   = 100_000 // commas of one row, those within values too: each may cost many times its byte
)

// row is one record of the file.
type row struct {
	line, last int // lines it begins and ends on
	cells      []string
}

func (w row) blank() bool {
	for _, c := range w.cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

// rows cuts a file into records. A record that cannot be read is a RowError,
// after which the next call goes on.
type rows struct {
	csv    *csv.Reader
	limit  *limiter
	width  int  // columns of the header; 0 while it is being read
	broken bool // the last record was broken: what follows may be the rest of it
}

func newRows(text *bufio.Reader) *rows {
	s := &rows{limit: &limiter{r: text, left: maxRow, marks: maxMarks}}
	s.csv = csv.NewReader(s.limit)
	s.csv.FieldsPerRecord = -1
	sample, _ := text.Peek(sampleSize)
	s.csv.Comma = delimiter(sample)
	s.limit.mark[0] = byte(s.csv.Comma)
	return s
}

// delimiter picks the sign that cuts the first line into the most names we know.
func delimiter(sample []byte) rune {
	line, _, _ := bytes.Cut(bytes.TrimLeft(sample, "\r\n"), []byte("\n"))
	best, known := ',', 0
	for _, d := range ",;\t" {
		n := 0
		for h := range strings.SplitSeq(string(line), string(d)) {
			if _, ok := fieldOf[strings.ToLower(strings.Trim(h, "\" \r"))]; ok {
				n++
			}
		}
		if n > known {
			best, known = d, n
		}
	}
	return best
}

// next gives the next record that is not blank, io.EOF, a RowError, or the
// error of the reader below.
func (s *rows) next() (row, error) {
	for {
		cells, err := s.csv.Read()
		s.limit.left, s.limit.marks = maxRow, maxMarks
		var bad *csv.ParseError
		switch {
		case err == io.EOF:
			return row{}, io.EOF
		case errors.As(err, &bad):
			s.broken = true
			return row{}, RowError{Line: max(bad.StartLine, 1), Skipped: RowPart,
				Message: "A quotation mark is missing or in the wrong place. Values with commas or quotation marks stand in quotation marks, and those inside are doubled."}
		case errors.Is(err, errLong):
			s.broken = true
			return row{}, RowError{Line: s.limit.start, Skipped: RowPart,
				Message: "This row is longer than 1 MB, or has too many commas; a closing quotation mark is probably missing."}
		case err != nil:
			return row{}, fmt.Errorf("reading the file: %w", err)
		}
		w := row{cells: cells}
		w.line, _ = s.csv.FieldPos(0)
		w.last, _ = s.csv.FieldPos(len(cells) - 1)
		w.last += strings.Count(cells[len(cells)-1], "\n")
		s.limit.start = w.last + 1
		if w.blank() {
			continue
		}
		if s.broken && s.width > 0 && len(cells) != s.width {
			return row{}, RowError{Line: w.line, Skipped: RowPart, Message: "This line looks like the rest of the broken row above it."}
		}
		s.broken = false
		for _, c := range cells {
			if len(c) > maxField {
				return row{}, RowError{Line: w.line, Skipped: RowPart, Message: "A value in this row is longer than 512 KB."}
			}
			if strings.IndexByte(c, 0) >= 0 {
				return row{}, RowError{Line: w.line, Skipped: RowPart, Message: "This row contains bytes that are not text."}
			}
		}
		return w, nil
	}
}

var errLong = errors.New("row too long")

// limiter gives at most left bytes and marks, then errLong, and then goes on after the
// end of the line it stopped in. What the csv reader reads ahead counts too,
// which is little beside maxRow.
type limiter struct {
	r     *bufio.Reader
	left  int
	marks int     // so many more of mark, likewise
	mark  [1]byte // what stands between values
	start int     // line of the record being read, for the message
	skip  bool
}

func (l *limiter) Read(p []byte) (int, error) {
	if l.left <= 0 || l.marks <= 0 {
		l.left, l.marks, l.skip = maxRow, maxMarks, true
		return 0, errLong
	}
	for l.skip {
		_, err := l.r.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue
		}
		l.skip = false
		if err != nil {
			return 0, err
		}
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.marks -= bytes.Count(p[:n], l.mark[:])
	return n, err
}
