package stock

import "haat/internal/id"

// AvailabilityChanged says that what a shopper is shown of a variant's stock
// has changed: that it can be bought, no longer can, or how few are left.
// Levels that change without this do not alter what a page shows.
type AvailabilityChanged struct {
	Product          id.Product `json:"product"`
	Variant          id.Variant `json:"variant"`
	Available        bool       `json:"available"`
	ProductAvailable bool       `json:"product_available"` // whether anything of the product can be bought
	Left             int64      `json:"left,omitempty"`    // when they are few: see [Level.Few]
	Flipped          bool       `json:"flipped,omitempty"` // Available is not what it was
}

// TagAvailability is spoilt when any variant begins or ceases to be sellable.
const TagAvailability = "availability"

func (AvailabilityChanged) Topic() string { return "stock.availability-changed" }
func (e AvailabilityChanged) Key() string { return e.Product.String() }
func (e AvailabilityChanged) Tags() []string {
	if e.Flipped {
		return []string{"product:" + e.Product.String(), TagAvailability}
	}
	return []string{"product:" + e.Product.String()}
}

// HoldExpired says that an order's hold has run out and its units are for
// sale again.
type HoldExpired struct {
	Order id.Order `json:"order"`
}

func (HoldExpired) Topic() string  { return "stock.hold-expired" }
func (e HoldExpired) Key() string  { return e.Order.String() }
func (HoldExpired) Tags() []string { return nil }
