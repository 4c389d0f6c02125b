package db

import (
	"bytes"
	"context"
	"regexp"
	"strings"
)

// docs are the settings documents that SQLite's writer has read of late, so
// that a change does not read again what has not changed since. The file has no
// other writer; a statement that writes the table, whatever it writes there,
// makes the writer forget all of them, and until its transaction has ended it
// learns none.
type docs struct {
	of    map[int64][]byte
	bytes int
	stale bool // the transaction under way has written some
}

const docsMost = 4 << 20 // bytes of documents that are remembered, about

var namesDocs = regexp.MustCompile(`(?i)\bshop_doc\b`)

// writesDocs tells whether a statement may write the table: it names it, and is
// not plainly a SELECT.
func writesDocs(text string) bool {
	return namesDocs.MatchString(text) && !strings.HasPrefix(strings.ToUpper(text), "SELECT")
}

func (d *docs) forget() { d.of, d.bytes = nil, 0 }

func (d *docs) recall(shop int64) (doc []byte, known bool) {
	doc, known = d.of[shop]
	return doc, known && !d.stale
}

func (d *docs) learn(shop int64, doc []byte) {
	if d.stale {
		return
	}
	if size := len(doc) + 64; d.of == nil || d.bytes+size > docsMost {
		d.of, d.bytes = map[int64][]byte{shop: bytes.Clone(doc)}, size
	} else {
		d.of[shop] = bytes.Clone(doc)
		d.bytes += size
	}
}

// docs of the session, if it remembers any.
func (c counted) docs() *docs {
	if lite, ok := c.session.(*sqliteConn); ok {
		return lite.docs
	}
	return nil
}

// Doc reads the shop's settings document, once; nil if none was written. It is
// not to be changed.
func (t *Tx) Doc(ctx context.Context) ([]byte, error) {
	if t.known {
		return t.doc, nil
	}
	d := t.s.docs()
	if d != nil {
		if t.doc, t.known = d.recall(int64(t.shop)); t.known {
			return t.doc, nil
		}
	}
	doc, _, err := One(ctx, t, readDoc, func(b *[]byte) []any { return []any{b} })
	if err == nil {
		t.doc, t.known = doc, true
		if d != nil {
			d.learn(int64(t.shop), doc)
		}
	}
	return doc, err
}

// WantDoc has the next statement bring the settings document along: on
// PostgreSQL it then costs no round trip of its own.
func (t *Tx) WantDoc() {
	s, ok := t.s.session.(*pgSession)
	if !ok || t.known || t.wants {
		return
	}
	t.wants = true
	t.s.n.Add(1)
	s.ahead = append(s.ahead, ahead{text: readDoc.postgres, args: []any{int64(t.shop)}, row: func(scan func(...any) error) error {
		var doc []byte
		err := scan(&doc)
		if err == nil && !t.known {
			t.doc, t.known = doc, true
		}
		return err
	}})
}
