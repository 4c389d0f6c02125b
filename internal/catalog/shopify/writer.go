package shopify

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"haat/internal/money"
)

// Extras collects the columns that drafts need beyond Current, for the header
// of a Writer: go over the drafts once with Add, then write them.
type Extras struct{ names map[string]string }

// Add notes the extra columns of a draft.
func (x *Extras) Add(d *Draft) {
	x.add(d.Extra)
	for i := range d.Variants {
		x.add(d.Variants[i].Extra)
	}
}

func (x *Extras) add(m map[string]string) {
	for k := range m {
		key := strings.ToLower(canonical(k))
		if _, core := fieldOf[key]; core || slices.Contains(Current, canonical(k)) {
			continue
		}
		if x.names == nil {
			x.names = map[string]string{}
		}
		if old, ok := x.names[key]; !ok || canonical(k) < old {
			x.names[key] = canonical(k)
		}
	}
}

// Columns lists what was collected, in alphabetical order.
func (x *Extras) Columns() []string {
	out := make([]string, 0, len(x.names))
	for _, n := range x.names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// WriterOptions of a Writer.
type WriterOptions struct {
	Currency string   // ISO 4217: what the prices are in
	Extra    []string // columns after Current, as Extras.Columns gives them
}

// Writer writes drafts as a CSV of the Current generation. It is for one goroutine.
type Writer struct {
	csv      *csv.Writer
	currency string
	at       [numFields]int
	extra    map[string]int // canonical name in lower case → column
	names    []string
}

// NewWriter writes the header. Call Flush when all drafts are written.
func NewWriter(w io.Writer, o WriterOptions) (*Writer, error) {
	if !money.Valid(o.Currency) {
		return nil, fmt.Errorf("shopify: %q is not a currency", o.Currency)
	}
	x := &Writer{csv: csv.NewWriter(w), currency: o.Currency, extra: map[string]int{}, names: slices.Concat(Current, o.Extra)}
	for i, n := range x.names {
		key := strings.ToLower(n)
		if f, core := fieldOf[key]; core && i < len(Current) {
			x.at[f] = i
			if f != fTracker {
				continue
			}
		} else if _, twice := x.extra[key]; core || twice || key == "" || canonical(n) != n || tooManyOptions.MatchString(n) {
			return nil, fmt.Errorf("shopify: %q cannot be an extra column", n)
		}
		x.extra[key] = i
	}
	return x, x.csv.Write(x.names)
}

// Write writes one product: each variant and each image on a row, side by side.
// It refuses what could not be read again: a draft that is Continued, a variant
// without a price, option values that do not match the option names, an extra
// value for a column that the Writer does not have.
func (x *Writer) Write(d *Draft) error {
	if d.Handle == "" || d.Continued || d.Title.Value == "" {
		return fmt.Errorf("shopify: product %q lacks a handle or title, or is only part of one", d.Handle)
	}
	for i := range max(1, len(d.Variants), len(d.Images)) {
		cells := make([]string, len(x.names))
		cells[x.at[fHandle]] = d.Handle
		if i == 0 {
			if err := x.product(cells, d); err != nil {
				return fmt.Errorf("shopify: product %q: %w", d.Handle, err)
			}
		}
		if i < len(d.Variants) {
			if err := x.variant(cells, d, &d.Variants[i]); err != nil {
				return fmt.Errorf("shopify: product %q: variant %d: %w", d.Handle, i+1, err)
			}
		}
		if i < len(d.Images) {
			img := d.Images[i]
			cells[x.at[fImageURL]], cells[x.at[fImageAlt]] = img.URL, img.Alt.Value
			if img.Position > 0 {
				cells[x.at[fImagePosition]] = strconv.Itoa(img.Position)
			}
		}
		if err := x.csv.Write(cells); err != nil {
			return fmt.Errorf("writing the file: %w", err)
		}
	}
	return nil
}

// Flush writes out what is buffered.
func (x *Writer) Flush() error {
	x.csv.Flush()
	return x.csv.Error()
}

func (x *Writer) product(cells []string, d *Draft) error {
	put := func(f field, v string) { cells[x.at[f]] = v }
	put(fTitle, d.Title.Value)
	put(fDescription, d.DescriptionHTML.Value)
	put(fVendor, d.Vendor.Value)
	put(fCategory, d.Category.Value)
	put(fType, d.Type.Value)
	put(fTags, strings.Join(d.Tags.Value, ", "))
	put(fSEOTitle, d.SEOTitle.Value)
	put(fSEODescription, d.SEODescription.Value)
	if d.Published.Set {
		put(fPublished, truth(d.Published.Value))
	} else if d.Status.Set {
		put(fPublished, truth(d.Status.Value == Active))
	}
	if s := string(d.Status.Value); s != "" {
		put(fStatus, strings.ToUpper(s[:1])+s[1:])
	}
	if d.GiftCard.Set {
		put(fGiftCard, truth(d.GiftCard.Value))
	}
	names := d.Options.Value
	if len(names) > 3 {
		return fmt.Errorf("%d options", len(names))
	}
	if len(names) == 0 && len(d.Variants) > 0 {
		names = []string{"Title"}
	}
	for i, n := range names {
		put(fName1+field(i), n)
	}
	return x.putExtra(cells, d.Extra)
}

func (x *Writer) variant(cells []string, d *Draft, v *Variant) error {
	put := func(f field, s string) { cells[x.at[f]] = s }
	if len(v.Options) != len(d.Options.Value) || slices.Contains(v.Options, "") {
		return fmt.Errorf("option values %q for the options %q", v.Options, d.Options.Value)
	}
	if !v.Price.Set {
		return fmt.Errorf("no price")
	}
	for i, s := range v.Options {
		put(fValue1+field(i), s)
	}
	if len(v.Options) == 0 {
		put(fValue1, "Default Title")
	}
	put(fSKU, v.SKU.Value)
	put(fBarcode, v.Barcode.Value)
	put(fTaxCode, v.TaxCode.Value)
	put(fVariantImage, v.ImageURL.Value)
	put(fPrice, x.amount(v.Price.Value))
	if v.CompareAt.Value != 0 {
		put(fCompareAt, x.amount(v.CompareAt.Value))
	}
	if v.Cost.Value != 0 {
		put(fCost, x.amount(v.Cost.Value))
	}
	for f, n := range map[field]Opt[int64]{fQuantity: v.Quantity, fGrams: v.WeightGrams} {
		if n.Set {
			put(f, strconv.FormatInt(n.Value, 10))
		}
	}
	for f, b := range map[field]Opt[bool]{fTaxable: v.Taxable, fShipping: v.RequiresShipping} {
		if b.Set {
			put(f, truth(b.Value))
		}
	}
	if v.Continue.Set {
		put(fPolicy, map[bool]string{true: "CONTINUE", false: "DENY"}[v.Continue.Value])
	}
	extra := v.Extra
	if v.Tracked.Value && extra[trackerColumn] == "" {
		put(fTracker, "shopify")
	}
	return x.putExtra(cells, extra)
}

func (x *Writer) putExtra(cells []string, m map[string]string) error {
	for k, v := range m {
		i, ok := x.extra[strings.ToLower(canonical(k))]
		if !ok {
			return fmt.Errorf("the header lacks the extra column %q", k)
		}
		if cells[i] != "" && cells[i] != v {
			return fmt.Errorf("two values for the extra column %q on one row", k)
		}
		cells[i] = v
	}
	return nil
}

func (x *Writer) amount(v int64) string {
	return money.Money{Amount: v, Currency: x.currency}.Decimal()
}

func truth(b bool) string {
	if b {
		return "TRUE"
	}
	return "FALSE"
}
