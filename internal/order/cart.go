package order

import (
	"time"

	"haat/internal/id"
	"haat/internal/money"
)

// Limits of a cart and of an order.
const (
	MaxLines    = 100
	MaxQuantity = 999
)

// CartAge is how long after its last change a cart is forgotten.
const CartAge = 30 * 24 * time.Hour

// Wanted is a line of a request: so many of a variant.
type Wanted struct {
	Variant  string `json:"variant_id" maxLength:"64" doc:"A variant of this shop"`
	Quantity int64  `json:"quantity" minimum:"0" maximum:"999" doc:"1 to 999; in a change of a cart, 0 removes the line"`
}

// Cart is a cart as it stands in the catalogue now.
type Cart struct {
	ID              id.Cart      `json:"id" doc:"A secret of the shopper: it is all it takes to read and change the cart"`
	Lines           []CartLine   `json:"lines" nullable:"false"`
	Items           int64        `json:"items" doc:"Units in all lines"`
	Subtotal        money.Money  `json:"subtotal" doc:"Of the lines that can be had"`
	Delivery        *money.Money `json:"delivery,omitempty" doc:"Once the country is known"`
	Total           money.Money  `json:"total"`
	Ready           bool         `json:"ready" doc:"Whether every line can be had as asked, and there is one"`
	Contact         *Contact     `json:"contact,omitempty"`
	ShippingAddress *Address     `json:"shipping_address,omitempty"`
	Problem         string       `json:"problem,omitempty" doc:"Why this cart cannot be delivered to the address"`
	Ordered         bool         `json:"ordered" doc:"Whether it has become an order"`
	StatusURL       string       `json:"status_url,omitempty" doc:"The order's status page, once ordered"`
	UpdatedAt       time.Time    `json:"updated_at"`
}

// CartLine is a line of a cart, priced when it was read.
type CartLine struct {
	Variant          id.Variant  `json:"variant_id"`
	Product          id.Product  `json:"product_id"`
	Handle           string      `json:"handle"`
	Title            string      `json:"title"`
	VariantTitle     string      `json:"variant_title,omitempty"`
	SKU              string      `json:"sku,omitempty"`
	Image            string      `json:"image,omitempty" doc:"The hash of the picture"`
	ImageAlt         string      `json:"image_alt,omitempty"`
	Quantity         int64       `json:"quantity"`
	Price            money.Money `json:"price"`
	CompareAt        money.Money `json:"compare_at"`
	Total            money.Money `json:"total"`
	Available        bool        `json:"available" doc:"Whether this line can be had as asked"`
	Problem          Problem     `json:"problem,omitempty" enum:",gone,sold-out,too-few" doc:"Why not: the product is no longer sold, is sold out, or there are fewer"`
	Most             int64       `json:"most,omitempty" doc:"With too-few: how many there are"`
	RequiresShipping bool        `json:"requires_shipping"`
}

// Problem says why a line of a cart cannot be had.
type Problem string

const (
	Gone    Problem = "gone"     // no longer sold
	SoldOut Problem = "sold-out" // none left
	TooFew  Problem = "too-few"  // fewer left than asked
)
