package search

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"

	"haat/internal/catalog"
)

const (
	maxForms = 300 // different words of one product
	version  = 1   // of the documents' bytes
)

// field is a part of a product: what a word in it counts for, how many words
// such a part usually has, and how much it matters that there are more.
type field struct{ boost, usual, slope float64 }

var (
	inTitle = field{10, 6, 0.4}
	inSKU   = field{8, 1, 0}
	inKind  = field{4, 3, 0.2}
	inLabel = field{3, 8, 0.3}
	inText  = field{1, 80, 0.5}
)

// form is a word as a product has it, and what it counts for there.
type form struct {
	text   string
	weight uint16 // hundredths
	title  bool   // the title has it
}

// document is a product as it is searched for.
type document struct {
	title, handle   string
	kinds           []string // type and vendor
	price, priceMax int64
	options         []catalog.Option
	forms           []form // by their text
}

// documentOf reads what a search needs out of the event.
func documentOf(e catalog.ProductSaved) document {
	d := document{title: cut(e.Title, 200), handle: e.Handle, price: e.Price, priceMax: max(e.Price, e.PriceMax), options: e.Choices}
	for _, k := range []string{e.Type, e.Vendor} {
		if k != "" && len(k) <= 60 {
			d.kinds = append(d.kinds, k)
		}
	}
	at := map[string]int{}
	weights := []float64{}
	add := func(f field, texts ...string) {
		times, all := map[string]float64{}, 0
		for _, text := range texts {
			for _, w := range append(Words(text), compounds(text)...) {
				times[w]++
				all++
			}
		}
		words := make([]string, 0, len(times))
		for w := range times {
			words = append(words, w)
		}
		slices.Sort(words)
		for _, w := range words {
			i, known := at[w]
			if !known {
				if len(d.forms) >= maxForms {
					continue
				}
				i = len(d.forms)
				at[w] = i
				d.forms, weights = append(d.forms, form{text: w}), append(weights, 0)
			}
			weights[i] += f.boost * times[w] / (1 - f.slope + f.slope*max(1, float64(all)/f.usual))
			d.forms[i].title = d.forms[i].title || f == inTitle
		}
	}
	add(inTitle, e.Title)
	add(inSKU, e.SKUs...)
	add(inKind, e.Type, e.Vendor)
	var values []string
	for _, o := range e.Choices {
		values = append(values, o.Values...)
	}
	add(inLabel, append(values, e.Labels...)...)
	add(inText, e.Description)
	for i := range d.forms {
		d.forms[i].weight = uint16(min(math.Round(weights[i]*100), math.MaxUint16))
	}
	slices.SortFunc(d.forms, func(a, b form) int { return cmp.Compare(a.text, b.text) })
	return d
}

// compounds gives words that are written with hyphens as one: t-shirt is
// tshirt too.
func compounds(text string) (out []string) {
	if !strings.Contains(text, "-") {
		return nil
	}
	for f := range strings.FieldsSeq(text) {
		if part := strings.Trim(f, "-"); strings.Contains(part, "-") && len(part) <= maxTerm {
			if w := Words(strings.ReplaceAll(part, "-", "")); len(w) == 1 {
				out = append(out, w[0])
			}
		}
	}
	return out
}

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// pack writes the document.
func (d document) pack() []byte {
	b := make([]byte, 1, 64+16*len(d.forms))
	b[0] = version
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	texts := func(all []string) {
		b = binary.AppendUvarint(b, uint64(len(all)))
		for _, s := range all {
			text(s)
		}
	}
	text(d.title)
	text(d.handle)
	texts(d.kinds)
	b = binary.AppendVarint(b, d.price)
	b = binary.AppendVarint(b, d.priceMax)
	b = binary.AppendUvarint(b, uint64(len(d.options)))
	for _, o := range d.options {
		text(o.Name)
		texts(o.Values)
	}
	b = binary.AppendUvarint(b, uint64(len(d.forms)))
	for _, f := range d.forms {
		w := uint64(f.weight) << 1
		if f.title {
			w |= 1
		}
		b = binary.AppendUvarint(b, w)
		text(f.text)
	}
	return b
}

var errDocument = errors.New("a search document is not as we write them: haat search rebuild writes it anew")

// unpacker reads a document's bytes. After a fault it gives zeros, and err says
// so.
type unpacker struct {
	b   []byte
	err error
}

func (u *unpacker) number() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.b, u.err = nil, errDocument
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) signed() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.b, u.err = nil, errDocument
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) bytes() []byte {
	n := u.number()
	if n > uint64(len(u.b)) {
		u.b, u.err = nil, errDocument
		return nil
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

// count is a number of things that take at least a byte each.
func (u *unpacker) count() int {
	n := u.number()
	if n > uint64(len(u.b)) {
		u.b, u.err = nil, errDocument
		return 0
	}
	return int(n)
}

// unpack reads a document, handing each word to fn as it comes. The bytes of
// a word are those of b.
func unpack(b []byte, head func(d document, options []byte), fn func(text []byte, weight uint16, title bool)) error {
	if len(b) == 0 || b[0] != version {
		return errDocument
	}
	u := &unpacker{b: b[1:]}
	d := document{title: string(u.bytes()), handle: string(u.bytes())}
	for range u.count() {
		d.kinds = append(d.kinds, string(u.bytes()))
	}
	d.price, d.priceMax = u.signed(), u.signed()
	options := u.b
	for range u.count() {
		u.bytes()
		for range u.count() {
			u.bytes()
		}
	}
	options = options[:len(options)-len(u.b)]
	if u.err != nil {
		return u.err
	}
	head(d, options)
	for range u.count() {
		w := u.number()
		text := u.bytes()
		if u.err == nil {
			fn(text, uint16(w>>1), w&1 == 1)
		}
	}
	return u.err
}

// unpackOptions reads the options out of a document's bytes.
func unpackOptions(b []byte) (out []catalog.Option) {
	u := &unpacker{b: b}
	for range u.count() {
		o := catalog.Option{Name: string(u.bytes())}
		for range u.count() {
			o.Values = append(o.Values, string(u.bytes()))
		}
		out = append(out, o)
	}
	return out
}
