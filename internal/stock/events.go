package stock

import "haat/internal/id"

// AvailabilityChanged says that a variant can be bought now, or no longer can.
// Levels that change without this do not alter what a page shows.
type AvailabilityChanged struct {
	Product          id.Product `json:"product"`
	Variant          id.Variant `json:"variant"`
	Available        bool       `json:"available"`
	ProductAvailable bool       `json:"product_available"` // whether anything of the product can be bought
}

func (AvailabilityChanged) Topic() string    { return "stock.availability-changed" }
func (e AvailabilityChanged) Key() string    { return e.Product.String() }
func (e AvailabilityChanged) Tags() []string { return []string{"product:" + e.Product.String()} }

// HoldExpired says that an order's hold has run out and its units are for
// sale again.
type HoldExpired struct {
	Order id.Order `json:"order"`
}

func (HoldExpired) Topic() string  { return "stock.hold-expired" }
func (e HoldExpired) Key() string  { return e.Order.String() }
func (HoldExpired) Tags() []string { return nil }
