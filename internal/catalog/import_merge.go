package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"haat/internal/catalog/shopify"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/stock"
)

// merging puts what a draft says onto a product.
type merging struct {
	p      *Product // its ID is zero if it is new
	d      *shopify.Draft
	levels map[id.Variant]stock.Level
	own    map[string]media.Image // the shop's own pictures, by the address that the draft gives them

	queued []string           // addresses of pictures that are to be fetched
	notes  []shopify.RowError // what the merchant is to know
	lines  []int              // where each variant of p stands in the file; 0: nowhere
}

func give[T any](to *T, from shopify.Opt[T]) {
	if from.Set {
		*to = from.Value
	}
}

func (g *merging) note(line int, cost shopify.Part, format string, args ...any) {
	g.notes = append(g.notes, shopify.RowError{Line: line, Handle: g.d.Handle, Skipped: cost, Message: fmt.Sprintf(format, args...)})
}

// merge does it all. p may break rules afterwards, which Check tells.
func (g *merging) merge() {
	p, d := g.p, g.d
	was := p.Status
	if p.ID.Zero() {
		was = ""
	}
	if !d.Continued {
		give(&p.Title, d.Title)
		give(&p.DescriptionHTML, d.DescriptionHTML)
		give(&p.Vendor, d.Vendor)
		give(&p.Type, d.Type)
		give(&p.Category, d.Category)
		give(&p.Tags, d.Tags)
		give(&p.GiftCard, d.GiftCard)
		give(&p.SEO.Title, d.SEOTitle)
		give(&p.SEO.Description, d.SEODescription)
		if d.Status.Set {
			p.Status = Status(d.Status.Value)
		}
		p.Extra = replace(p.Extra, d.Columns, d.Extra)
		if d.Options.Set {
			p.Options = nil
			for _, name := range d.Options.Value {
				p.Options = append(p.Options, Option{Name: name})
			}
		}
	}
	unpriced := g.variants(was)
	if unpriced > 0 && p.Status == Active && was != Active {
		p.Status = Draft
		g.note(unpriced, shopify.NoPart, "This product has no price, so it is kept as a draft. Give it a price and make it active to sell it.")
	}
	g.images()
}

// replace gives what is kept of columns without a field: those that the file
// has are as it says, blank or not; the others stay.
func replace(have map[string]string, columns []string, said map[string]string) map[string]string {
	if len(have) == 0 {
		return said
	}
	out := maps.Clone(have)
	for _, c := range columns {
		delete(out, c)
	}
	maps.Copy(out, said)
	if len(out) == 0 {
		return nil
	}
	return out
}

// variants merges the variants. It gives the line of one that the file gives
// no price and that has none; 0 if there is none such.
func (g *merging) variants(was Status) (unpriced int) {
	p, d := g.p, g.d
	// Variants that the file leaves out stay, unless its options are others.
	old := p.Variants
	if len(d.Variants) > 0 && len(old) > 0 && len(d.Variants[0].Options) != len(old[0].Options) && (d.Options.Set || len(d.Variants[0].Options) > 0) {
		p.Variants = nil
	}
	known := index(old)
	var said []mergedVariant
	touched := map[int]int{} // of old, to its line
	for i := range d.Variants {
		dv := &d.Variants[i]
		at, why := g.which(dv, old, known)
		if line, twice := touched[at]; twice && at >= 0 {
			why = fmt.Sprintf("This is the variant that line %d speaks of already.", line)
		}
		v := Variant{Options: dv.Options, Taxable: true, RequiresShipping: true}
		if at >= 0 {
			v = old[at]
		}
		switch {
		case why != "":
		case len(dv.Options) == 0 && at < 0 && len(said) > 0:
			why = "A product without options has one variant only. Give it options, and each row its values."
		case at < 0 && !dv.Price.Set && was == Active:
			why = "A new variant of a product that is on sale needs a price."
		}
		if why != "" {
			g.note(dv.Line, shopify.VariantPart, "%s", why)
			continue
		}
		if at >= 0 {
			touched[at] = dv.Line
		}
		g.variant(&v, dv)
		if !dv.Price.Set && v.Price == 0 && unpriced == 0 {
			unpriced = dv.Line
		}
		said = append(said, mergedVariant{v, at, dv.Line})
	}
	g.arrange(said, touched)
	if len(p.Variants) == 0 {
		p.Variants, g.lines = []Variant{{Taxable: true, RequiresShipping: true}}, []int{d.FirstLine}
		unpriced = d.FirstLine
	}
	if unpriced == 0 && len(d.Variants) == 0 && slices.ContainsFunc(p.Variants, func(v Variant) bool { return v.Price == 0 }) {
		unpriced = d.FirstLine
	}
	return unpriced
}

// mergedVariant is a variant that the file speaks of.
type mergedVariant struct {
	Variant
	at   int // among the product's, as they were; -1: new
	line int
}

// arrange puts the variants that the file speaks of among those that it leaves
// out, which stay where they are. Where there are none of those, the file's order
// holds, unless it finds variants by SKU: that is a list of prices or stock.
func (g *merging) arrange(said []mergedVariant, touched map[int]int) {
	p := g.p
	out, where := slices.Clone(p.Variants), make([]int, len(p.Variants))
	slots := slices.Sorted(maps.Keys(touched))
	bySKU := !g.d.Options.Set && len(g.d.Variants) > 0 && len(g.d.Variants[0].Options) == 0
	if len(touched) >= len(p.Variants) && !bySKU {
		out, where, slots = nil, nil, nil
	}
	for _, v := range said {
		switch {
		case v.at < 0 || len(slots) == 0:
			out, where = append(out, v.Variant), append(where, v.line)
		case bySKU:
			out[v.at], where[v.at] = v.Variant, v.line
		default:
			out[slots[0]], where[slots[0]] = v.Variant, v.line
			slots = slots[1:]
		}
	}
	p.Variants, g.lines = out, where
}

// index finds variants by their option values.
func index(variants []Variant) map[string]int {
	if len(variants) == 0 {
		return nil
	}
	out := make(map[string]int, len(variants))
	for i, v := range variants {
		out[optionsKey(v.Options)] = i
	}
	return out
}

// which finds the variant that a row means: by its option values or, where
// the file says nothing of options, by its SKU. It is -1 for a new one; why
// says what is missing if that cannot be told.
func (g *merging) which(dv *shopify.Variant, old []Variant, known map[string]int) (at int, why string) {
	if len(dv.Options) > 0 || g.d.Options.Set || len(old) == 0 {
		if i, ok := known[optionsKey(dv.Options)]; ok {
			return i, ""
		}
		return -1, ""
	}
	at = -1
	if sku := dv.SKU.Value; sku != "" {
		for i, v := range old {
			if v.SKU != sku {
				continue
			}
			if at >= 0 {
				return -1, fmt.Sprintf("Several variants of this product have the SKU “%s”. Give the values of its options too.", sku)
			}
			at = i
		}
	}
	switch {
	case at >= 0:
		return at, ""
	case len(old) == 1:
		return 0, ""
	case dv.SKU.Value != "":
		return -1, fmt.Sprintf("This product has %d variants, and none of them has the SKU “%s”. Give the values of %s, or the SKU of one of its variants.", len(old), dv.SKU.Value, g.optionNames())
	}
	return -1, fmt.Sprintf("This product has %d variants, and the row does not say which of them it means. Give its SKU, or the values of %s.", len(old), g.optionNames())
}

func (g *merging) optionNames() string {
	var names []string
	for _, o := range g.p.Options {
		names = append(names, o.Name)
	}
	return strings.Join(names, ", ")
}

// variant puts a row onto a variant.
func (g *merging) variant(v *Variant, dv *shopify.Variant) {
	give(&v.SKU, dv.SKU)
	give(&v.Barcode, dv.Barcode)
	give(&v.Price, dv.Price)
	give(&v.CompareAt, dv.CompareAt)
	give(&v.Cost, dv.Cost)
	give(&v.WeightGrams, dv.WeightGrams)
	give(&v.RequiresShipping, dv.RequiresShipping)
	give(&v.Taxable, dv.Taxable)
	give(&v.TaxClass, dv.TaxCode)
	if u := dv.ImageURL; u.Set {
		switch m, own := g.own[u.Value]; {
		case own:
			v.Image, v.ImageSource = m.Hash, ""
		case u.Value == "":
			v.Image, v.ImageSource = "", ""
		case u.Value != v.ImageSource:
			v.Image, v.ImageSource = "", u.Value
		}
	}
	v.Extra = replace(v.Extra, dv.Columns, dv.Extra)
	if dv.Tracked.Set || dv.Quantity.Set || dv.Continue.Set {
		was := g.levels[v.ID]
		v.Stock = &Stock{Tracked: was.Tracked, Continue: was.Continue, Available: was.Available}
		give(&v.Stock.Tracked, dv.Tracked)
		give(&v.Stock.Continue, dv.Continue)
		if dv.Quantity.Set {
			v.Stock.Available, v.Stock.SetAvailable = dv.Quantity.Value, true
			if !v.Stock.Continue {
				v.Stock.Available = max(0, v.Stock.Available)
			}
		}
	}
}

// images adds the pictures that the product does not have yet, in the file's
// order, and those that only variants name. One of the shop's own is there at
// once; one that could not be fetched before is asked for again.
func (g *merging) images() {
	p := g.p
	want := slices.Clone(g.d.Images)
	slices.SortStableFunc(want, func(a, b shopify.Image) int {
		if a.Position == 0 || b.Position == 0 {
			return 0
		}
		return a.Position - b.Position
	})
	for _, dv := range g.d.Variants {
		if u := dv.ImageURL.Value; u != "" {
			want = append(want, shopify.Image{URL: u, Line: dv.Line})
		}
	}
	if len(want) > 0 {
		p.Images = slices.Clone(p.Images)
	}
	asked, crowded := map[string]bool{}, false
	for _, w := range want {
		m, own := g.own[w.URL]
		i := slices.IndexFunc(p.Images, func(x Image) bool { return x.Source == w.URL || own && x.Hash == m.Hash })
		if i < 0 && len(p.Images) >= MaxImages {
			if !crowded {
				g.note(w.Line, shopify.ImagePart, "A product can have %d images: this one and those after it are left out.", MaxImages)
			}
			crowded = true
			continue
		}
		if i < 0 {
			i = len(p.Images)
			p.Images = append(p.Images, Image{Source: w.URL})
		}
		if own && p.Images[i].Hash == "" {
			m.Alt = p.Images[i].Alt
			p.Images[i] = Image{Image: m}
		}
		give(&p.Images[i].Alt, w.Alt)
		if p.Images[i].Hash == "" && !asked[w.URL] {
			asked[w.URL] = true
			g.queued = append(g.queued, w.URL)
		}
	}
	for i, v := range p.Variants {
		if v.ImageSource == "" || v.Image != "" {
			continue
		}
		if k := slices.IndexFunc(p.Images, func(m Image) bool { return m.Source == v.ImageSource }); k >= 0 {
			p.Variants[i].Image = p.Images[k].Hash
		}
	}
}

// line gives where in the file that stands which a field of the product names.
func (g *merging) line(field string) int {
	var n int
	if _, err := fmt.Sscanf(field, "/variants/%d", &n); err == nil && n < len(g.lines) && g.lines[n] > 0 {
		return g.lines[n]
	}
	return g.d.FirstLine
}
