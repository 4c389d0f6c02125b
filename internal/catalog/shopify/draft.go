package shopify

import "fmt"

// Opt is a value that may not have been spoken of. If Set is false, the file
// has no such column and the present value is to be left alone.
type Opt[T any] struct {
	Set   bool
	Value T
}

// Some gives an Opt that is set.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: v} }

// Status says where a product stands in the shop.
type Status string

const (
	Active   Status = "active"
	Hidden   Status = "draft"
	Archived Status = "archived"
)

// Draft is one product as a file describes it.
type Draft struct {
	Handle    string // never empty
	Continued bool   // more of a product already given under this Handle: only Variants and Images are to be merged

	Title           Opt[string] // not empty if set
	DescriptionHTML Opt[string] // raw: to be sanitised by whoever keeps it
	Vendor          Opt[string]
	Type            Opt[string]
	Category        Opt[string]
	Tags            Opt[[]string]
	Status          Opt[Status] // from Published where there is no Status
	Published       Opt[bool]   // whether the online store shows it; an active product may be unpublished
	GiftCard        Opt[bool]
	SEOTitle        Opt[string]
	SEODescription  Opt[string]

	Options  Opt[[]string] // names, at most 3; set and empty: the product has no options
	Variants []Variant     // empty if the file says nothing of variants
	Images   []Image       // in the order of the rows, each URL once

	Extra   map[string]string // columns without a field, header to value, blanks left out; nil if none
	Columns []string          // those that the first row reaches: what Extra lacks of them is blank. Shared; not to be changed

	Ordinal   int // counts the runs of rows from 0, skipped products included
	FirstLine int // line of the file (from 1) on which the first row begins
	LastLine  int // line on which the last row ends
}

// Variant is one thing that can be bought.
type Variant struct {
	Line    int      // where its row begins
	Options []string // one value per option name; empty if the product has no options

	SKU              Opt[string]
	Barcode          Opt[string]
	Price            Opt[int64] // minor units; unset also if it is blank, since nothing is sold for nothing by accident
	CompareAt        Opt[int64] // minor units; 0: none
	Cost             Opt[int64] // minor units; 0: none
	WeightGrams      Opt[int64]
	Tracked          Opt[bool]  // false: the quantity is kept, and the variant always available
	Quantity         Opt[int64] // may be negative
	Continue         Opt[bool]  // sell on when none is left
	RequiresShipping Opt[bool]
	Taxable          Opt[bool]
	TaxCode          Opt[string]
	ImageURL         Opt[string]

	Extra   map[string]string // as Draft.Extra
	Columns []string          // as Draft.Columns, of this row
}

// Image is one picture of a product.
type Image struct {
	Line     int
	URL      string      // http or https
	Position int         // from 1; 0: as the rows go
	Alt      Opt[string] // text for those who cannot see it
}

// Part is what a RowError cost.
type Part string

const (
	NoPart      Part = "" // a notice: nothing but the value named is left out
	ImagePart   Part = "image"
	VariantPart Part = "variant"
	RowPart     Part = "row"
	ProductPart Part = "product" // every row of it
)

// RowError says what is wrong with one row, for the merchant to read.
type RowError struct {
	Line    int    `json:"line"`             // of the file, from 1
	Column  string `json:"column,omitempty"` // header as the file writes it; empty if it is the row as a whole
	Handle  string `json:"handle,omitempty"`
	Message string `json:"message"`
	Skipped Part   `json:"skipped,omitempty"`
}

func (e RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d, %s: %s", e.Line, e.Column, e.Message)
}

// Item is the next product of a file together with what was wrong with it.
type Item struct {
	Draft  *Draft // nil if it was skipped, or if the errors belong to no product
	Errors []RowError
	Lost   bool // a whole product was skipped, for what Errors say
	More   int  // errors beyond the first 200
	Rows   int  // rows of the file that it took
}
