package shopify

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxErrors   = 200
	maxVariants = 2048
	maxImages   = 250
	maxText     = 255 // characters of an option, SKU, barcode
)

// product gathers the rows of one handle.
type product struct {
	r       *Reader
	draft   Draft
	head    row  // the first row
	options int  // how many names; -1: the rows do not say
	bad     bool // the first row is bad: the product is skipped
	keys    map[string]int
	urls    map[string]bool
	crowded bool // it has more images than we take, which was said
	errors  []RowError
	more    int
}

func (p *product) add(e RowError) {
	if e.Handle == "" && e.Skipped != RowPart {
		e.Handle = p.draft.Handle
	}
	if e.Skipped == ProductPart {
		p.bad = true
	}
	if len(p.errors) == maxErrors {
		p.more++
		return
	}
	p.errors = append(p.errors, e)
}

func (p *product) report(w row, f field, skipped Part, format string, args ...any) {
	p.add(RowError{Line: w.line, Column: p.r.name(f), Skipped: skipped, Message: fmt.Sprintf(format, args...)})
}

// value reads a field with parse; blank gives zero. What parse refuses is
// reported as costing part.
func value[T any](p *product, w row, f field, part Part, blank T, parse func(string) (T, error)) Opt[T] {
	t := w.text(p.r, f)
	if !t.Set {
		return Opt[T]{}
	}
	if t.Value == "" {
		return Some(blank)
	}
	v, err := parse(t.Value)
	if err != nil {
		p.report(w, f, part, "%s.", clipErr(err))
		return Opt[T]{}
	}
	return Some(v)
}

func clipErr(err error) string {
	if r := []rune(err.Error()); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return err.Error()
}

// first reads the row that speaks for the product.
func (p *product) first(w row, made bool) {
	d, r := &p.draft, p.r
	p.head, d.LastLine = w, w.last
	p.readOptions(w)
	if made && p.options != 0 && w.text(r, fValue1).Value != "" {
		p.report(w, fHandle, ProductPart, "A product with options needs a handle, the same on each of its rows.")
	}
	title := w.text(r, fTitle)
	if d.Continued {
		if title.Value != "" {
			p.report(w, fTitle, NoPart, "The handle “%s” was used further up, with other products between. The variants and images here are added to that product; title and other details are ignored.", d.Handle)
		}
		d.Options = Opt[[]string]{}
	} else {
		if r.col[fTitle] >= 0 && title.Value == "" {
			p.report(w, fTitle, ProductPart, "The title is missing on the first row of this product.")
		}
		d.Title = title
		p.details(w)
	}
	p.body(w, true)
}

func (p *product) details(w row) {
	d, r := &p.draft, p.r
	d.DescriptionHTML = w.raw(r, fDescription)
	d.Vendor, d.Type, d.Category = w.text(r, fVendor), w.text(r, fType), w.text(r, fCategory)
	d.SEOTitle, d.SEODescription = w.text(r, fSEOTitle), w.text(r, fSEODescription)
	if t := w.text(r, fTags); t.Set {
		d.Tags = Some(parseTags(t.Value))
	}
	d.Published = value(p, w, fPublished, ProductPart, true, parseBool)
	d.GiftCard = value(p, w, fGiftCard, ProductPart, false, parseBool)
	switch s := w.text(r, fStatus); {
	case s.Value != "":
		switch t := Status(strings.ToLower(s.Value)); t {
		case Active, Hidden, Archived:
			d.Status = Some(t)
		case "unlisted":
			d.Status = Some(Hidden)
			p.report(w, fStatus, NoPart, "We have no unlisted products; this one is kept as a draft.")
		default:
			p.report(w, fStatus, ProductPart, "“%s” is none of Active, Draft and Archived.", clip(s.Value))
		}
	case d.Published.Set && d.Published.Value, s.Set && !d.Published.Set:
		d.Status = Some(Active)
	case d.Published.Set:
		d.Status = Some(Hidden)
	}
	for _, e := range r.extra {
		if v := w.at(e.at); strings.TrimSpace(v) != "" && !e.ofVariant {
			set(&d.Extra, e.name, v)
		}
	}
	d.Columns = r.reached(w)
}

func set(m *map[string]string, k, v string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
}

// readOptions finds the names on the first row.
func (p *product) readOptions(w row) {
	r := p.r
	first := w.text(r, fName1)
	if !first.Set {
		p.options = -1
		return
	}
	list := []string{first.Value, w.text(r, fName2).Value, w.text(r, fName3).Value}
	for len(list) > 0 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	v := w.text(r, fValue1).Value
	if len(list) == 1 && strings.EqualFold(list[0], "Title") && (v == "" || isDefault(v)) {
		list = nil
	}
	seen := map[string]bool{}
	for i, n := range list {
		f := fName1 + field(i)
		switch k := strings.ToLower(n); {
		case n == "":
			p.report(w, f, ProductPart, "Option %d has no name, but a later option has one.", i+1)
		case seen[k]:
			p.report(w, f, ProductPart, "Two options are named “%s”.", clip(n))
		case len([]rune(n)) > maxText:
			p.report(w, f, ProductPart, "The option's name is longer than %d characters.", maxText)
		default:
			seen[k] = true
		}
	}
	p.options = len(list)
	if p.options == 0 && p.draft.Continued {
		p.options = -1 // named where the handle stood first
	}
	switch {
	case len(list) > 0:
		p.draft.Options = Some(list)
	case first.Value != "" || v != "": // "Title" with "Default Title"
		p.draft.Options = Some([]string(nil))
	}
}

func isDefault(v string) bool { return strings.EqualFold(v, "Default Title") }

// later reads a row after the first.
func (p *product) later(w row) {
	p.draft.LastLine = w.last
	for _, f := range []field{fTitle, fDescription, fVendor, fCategory, fType, fTags, fPublished, fStatus, fGiftCard,
		fSEOTitle, fSEODescription, fName1, fName2, fName3} {
		if t := w.text(p.r, f); t.Value != "" && t.Value != p.head.text(p.r, f).Value {
			p.report(w, f, NoPart, "“%s” differs from the first row of this product and is ignored; only the first row speaks for the product.", clip(t.Value))
		}
	}
	p.body(w, false)
}

// body reads what any row may carry: a variant, an image or both.
func (p *product) body(w row, first bool) {
	r := p.r
	p.surplus(w)
	chosen := w.text(r, fPrice).Value != ""
	for f := fValue1; f <= fValue3; f++ {
		chosen = chosen || w.text(r, f).Value != ""
	}
	src := w.text(r, fImageURL).Value
	var goods []field // filled in, though the row chooses no variant
	if !chosen {
		for _, f := range []field{fSKU, fBarcode, fCompareAt, fCost, fQuantity, fGrams} {
			if v := w.text(r, f).Value; v != "" && strings.Trim(v, "0.") != "" {
				goods = append(goods, f)
			}
		}
	}
	held := false
	switch {
	case chosen, len(goods) > 0 && (first || src == ""):
		p.variant(w, first)
		held = true
	case len(goods) > 0:
		for _, f := range goods {
			p.report(w, f, NoPart, "This row has an image and neither option value nor price, so it is taken for an image only, and “%s” is ignored.", clip(w.text(r, f).Value))
		}
	case !first && src == "":
		p.add(RowError{Line: w.line, Handle: p.draft.Handle, Skipped: RowPart, Message: "This row has no option value, price or image, so it adds nothing."})
	}
	if !held {
		p.strays(w, first)
	}
	p.image(w, src)
}

// surplus reports values that stand under no name, and fourth options.
func (p *product) surplus(w row) {
	for i, v := range w.cells {
		if strings.TrimSpace(v) == "" {
			continue
		}
		if i >= len(p.r.header) || slices.Contains(p.r.nameless, i) {
			p.add(RowError{Line: w.line, Message: fmt.Sprintf("“%s” in column %d stands under no column name and is ignored.", clip(v), i+1)})
		} else if slices.Contains(p.r.fourth, i) {
			p.add(RowError{Line: w.line, Column: p.r.header[i], Skipped: ProductPart, Message: "A product can have up to 3 options."})
		}
	}
}

// strays keeps or reports the columns without a field on a row without variant.
func (p *product) strays(w row, first bool) {
	for _, e := range p.r.extra {
		v := w.at(e.at)
		switch {
		case strings.TrimSpace(v) == "", !e.ofVariant && v == p.head.at(e.at) && !p.draft.Continued:
		case first && !p.draft.Continued:
			set(&p.draft.Extra, e.name, v)
		default:
			p.add(RowError{Line: w.line, Column: p.r.header[e.at], Message: fmt.Sprintf("“%s” stands on a row without a variant and is ignored.", clip(v))})
		}
	}
}

func (p *product) variant(w row, first bool) {
	r, part, before := p.r, VariantPart, len(p.errors)+p.more
	if first {
		part = ProductPart
	}
	v := Variant{Line: w.line}
	amount := func(s string) (int64, error) { return parseAmount(s, r.currency) }
	v.Price = value(p, w, fPrice, part, 0, amount)
	if v.Price.Set && w.text(r, fPrice).Value == "" {
		v.Price = Opt[int64]{}
		p.report(w, fPrice, NoPart, "The price is missing. One that we have stays.")
	}
	v.CompareAt = value(p, w, fCompareAt, part, 0, amount)
	v.Cost = value(p, w, fCost, part, 0, amount)
	v.WeightGrams = value(p, w, fGrams, part, 0, parseGrams)
	v.Quantity = value(p, w, fQuantity, part, 0, parseCount)
	v.Continue = value(p, w, fPolicy, part, false, parsePolicy)
	v.RequiresShipping = value(p, w, fShipping, part, true, parseBool)
	v.Taxable = value(p, w, fTaxable, part, true, parseBool)
	v.SKU, v.Barcode, v.TaxCode = w.text(r, fSKU), w.text(r, fBarcode), w.text(r, fTaxCode)
	for _, f := range []field{fSKU, fBarcode, fTaxCode} {
		if t := w.text(r, f).Value; len([]rune(t)) > maxText {
			p.report(w, f, part, "“%s” is longer than %d characters.", clip(t), maxText)
		}
	}
	if t := w.text(r, fTracker); t.Set {
		v.Tracked = Some(t.Value != "")
		if t.Value != "" && !strings.EqualFold(t.Value, "shopify") {
			set(&v.Extra, trackerColumn, t.Value)
		}
	}
	if t := w.text(r, fVariantImage); t.Set {
		if err := checkURL(t.Value); t.Value != "" && err != nil {
			p.report(w, fVariantImage, ImagePart, "%s; the variant has no image of its own.", err)
		} else {
			v.ImageURL = t
		}
	}
	for _, e := range r.extra {
		s := w.at(e.at)
		spoken := !e.ofVariant && !p.draft.Continued && s == p.head.at(e.at)
		if strings.TrimSpace(s) != "" && !spoken {
			set(&v.Extra, e.name, s)
		}
	}
	v.Columns = r.reached(w)
	p.values(w, &v, part)
	for _, e := range p.errors[min(before, len(p.errors)):] {
		if e.Skipped == part {
			return
		}
	}
	if len(p.errors)+p.more > before && p.more > 0 {
		return // whether what was cut off is grave is no longer known
	}
	key := strings.ToLower(strings.Join(v.Options, "\x00"))
	bySKU := len(v.Options) == 0 && !p.draft.Options.Set && v.SKU.Value != ""
	if bySKU {
		key = "\x00" + v.SKU.Value
	}
	if line, dup := p.keys[key]; dup {
		if bySKU {
			p.report(w, fSKU, part, "The SKU “%s” is on line %d already.", clip(v.SKU.Value), line)
		} else if len(v.Options) == 0 {
			p.report(w, fValue1, part, "This product has no options, so it can have one variant only, and that is on line %d.", line)
		} else {
			p.report(w, fValue1, part, "The variant “%s” is on line %d already.", clip(strings.Join(v.Options, " / ")), line)
		}
		return
	}
	if len(p.draft.Variants) == maxVariants {
		p.report(w, fValue1, part, "A product can have up to %d variants.", maxVariants)
		return
	}
	if p.keys == nil {
		p.keys = map[string]int{}
	}
	p.keys[key] = w.line
	p.draft.Variants = append(p.draft.Variants, v)
}

// values reads the option values of a variant.
func (p *product) values(w row, v *Variant, part Part) {
	list := make([]string, 3)
	n := 0
	for i := range list {
		if list[i] = w.text(p.r, fValue1+field(i)).Value; list[i] != "" {
			n = i + 1
		}
		if len([]rune(list[i])) > maxText {
			p.report(w, fValue1+field(i), part, "The option value is longer than %d characters.", maxText)
		}
	}
	if p.options <= 0 && n == 1 && isDefault(list[0]) {
		n = 0
	}
	want := p.options
	if want < 0 {
		want = n
	}
	for i, s := range list {
		f := fValue1 + field(i)
		switch {
		case i < want && s == "" && p.options > 0 && p.draft.Options.Set:
			p.report(w, f, part, "The value for “%s” is missing.", clip(p.draft.Options.Value[i]))
		case i < want && s == "":
			p.report(w, f, part, "The value for option %d is missing.", i+1)
		case i >= want && i < n:
			p.report(w, f, part, "“%s” is a value for option %d, but the first row of this product gives that option no name.", clip(s), i+1)
		}
	}
	if want > 0 {
		v.Options = list[:want]
	}
}

// image reads the picture of a row. What is wrong with it never costs more.
func (p *product) image(w row, src string) {
	r := p.r
	alt := w.text(r, fImageAlt)
	if src == "" {
		if alt.Value != "" {
			p.report(w, fImageAlt, NoPart, "There is an image text but no image address, so it is ignored.")
		}
		return
	}
	if err := checkURL(src); err != nil {
		p.report(w, fImageURL, ImagePart, "%s.", err)
		return
	}
	if p.urls[src] {
		return
	}
	if len(p.draft.Images) == maxImages {
		if !p.crowded {
			p.report(w, fImageURL, ImagePart, "A product can have up to %d images: this one and those after it are left out.", maxImages)
		}
		p.crowded = true
		return
	}
	if p.urls == nil {
		p.urls = map[string]bool{}
	}
	p.urls[src] = true
	img := Image{Line: w.line, URL: src, Alt: alt}
	if t := w.text(r, fImagePosition).Value; t != "" {
		n, err := parseCount(t)
		if err != nil || n < 1 {
			p.report(w, fImagePosition, NoPart, "“%s” is not a position counted from 1; the image goes where its row stands.", clip(t))
		} else {
			img.Position = int(n)
		}
	}
	p.draft.Images = append(p.draft.Images, img)
}
