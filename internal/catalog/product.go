package catalog

import (
	"time"

	"haat/internal/id"
	"haat/internal/media"
)

// Status says where a product stands in the shop.
type Status string

const (
	Draft    Status = "draft"    // being worked on; shoppers do not see it
	Active   Status = "active"   // shown and sold
	Archived Status = "archived" // no longer sold, kept for the record
)

// The bounds of a product.
const (
	MaxOptions     = 3
	MaxVariants    = 2048
	MaxImages      = 250
	MaxTags        = 250
	maxTitle       = 255 // characters of a title, handle, option, SKU, tag
	maxDescription = 512 << 10
)

// Product is one thing a shop offers, in one or more variants.
type Product struct {
	ID              id.Product
	Handle          string // its part of the address, unique in the shop; empty when creating: made from the title
	Title           string
	DescriptionHTML string // sanitised
	Status          Status
	Vendor          string
	Type            string
	Category        string
	Tags            []string // each once, whatever its case
	GiftCard        bool
	Options         []Option  // none: there is one variant, which has no option values
	Variants        []Variant // never empty once saved
	Images          []Image
	SEO             SEO
	Extra           map[string]string // columns of an import that we have no field for
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Option is something to choose, such as Size.
type Option struct {
	Name   string   `json:"name" maxLength:"255"`
	Values []string `json:"values" nullable:"false"` // in the order to show; those that variants have are added
}

// SEO is what search engines are told, where it differs from the product.
type SEO struct {
	Title       string `json:"title,omitempty" maxLength:"255"`
	Description string `json:"description,omitempty" maxLength:"2000"`
}

// Variant is what is bought: one choice of each option. Its stock is counted
// by package stock.
type Variant struct {
	ID               id.Variant // zero: a new one, unless the product has one with the same option values
	SKU              string
	Barcode          string
	Options          []string // one value for each option of the product
	Price            int64    // minor units
	CompareAt        int64    // minor units; 0: none
	Cost             int64    // minor units; 0: not known
	WeightGrams      int64
	TaxClass         string // tax code; stored without effect for now
	Taxable          bool
	RequiresShipping bool
	Image            string // hash of one of the product's images; empty: the first
	ImageSource      string // address that an import is to bring its picture from
	Extra            map[string]string
	Stock            *Stock // nil when reading; when writing, nil leaves it alone (a new variant is not tracked)
}

// Title joins the option values: "Red / M". It is empty for a product without
// options.
func (v *Variant) Title() string { return joinOptions(v.Options) }

// Stock is how a variant's stock is to be kept from now on.
type Stock struct {
	Tracked      bool
	Continue     bool // sell beyond what there is
	Available    int64
	SetAvailable bool // else the number stays as it is
}

// Image is one of a product's pictures, in the order of the slice.
type Image struct {
	media.Image
	Source string `json:"source,omitempty"` // address that it was imported from; empty: uploaded
}
