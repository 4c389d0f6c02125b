package storefront

import "net/url"

// CartCountCookie holds the number of things in the cart, readable by script
// (not HttpOnly), so that pages can stay the same for everybody.
const CartCountCookie = "cart_count"

// Addresses on a shop's own host. Forms post to PathCartAdd, PathCart and
// PathCheckout.
const (
	PathHome        = "/"
	PathCollections = "/collections"
	PathAll         = "/collections/all" // every product
	PathSearch      = "/search"
	PathCart        = "/cart"
	PathCartAdd     = "/cart/add"
	PathCheckout    = "/checkout"
	PathVisit       = "/visit" // told of a visit that begins
)

// CollectionPath is the address of a collection.
func CollectionPath(handle string) string { return PathCollections + "/" + url.PathEscape(handle) }

// ProductPath is the address of a product; variant may be empty.
func ProductPath(handle, variant string) string {
	p := "/products/" + url.PathEscape(handle)
	if variant != "" {
		p += "?variant=" + url.QueryEscape(variant)
	}
	return p
}

// OrderPath is the unguessable address of an order's status.
func OrderPath(token string) string { return "/orders/" + url.PathEscape(token) }

// PolicyPath is the address of a page of text: "shipping", "returns",
// "privacy", "terms", "contact".
func PolicyPath(name string) string { return "/policies/" + url.PathEscape(name) }

// Fields of the forms.
const (
	// GET of a collection and of the search.
	FieldQuery     = "q"         // search words
	FieldSort      = "sort"      // one of Listing.Sorts
	FieldAvailable = "available" // "1": only what can be bought now
	FieldMin       = "min"       // decimal in the shop's currency
	FieldMax       = "max"
	FieldPage      = "page"    // from 1
	PrefixOption   = "option." // + option name: values, repeated

	// POST to PathCartAdd.
	FieldVariant  = "variant"
	FieldQuantity = "quantity"
	FieldThen     = "then" // "checkout": go there, not to the cart

	// POST to PathCart: a quantity for each line, 0 removes; or FieldRemove
	// with the one line to take out.
	PrefixQuantity = "quantity." // + line
	FieldRemove    = "remove"

	// POST to PathCheckout.
	FieldName       = "name"
	FieldPhone      = "phone"
	FieldEmail      = "email"
	FieldLine1      = "line1"
	FieldLine2      = "line2"
	FieldCity       = "city"
	FieldState      = "state"
	FieldPostalCode = "postal_code"
	FieldCountry    = "country"
	FieldNote       = "note"
	FieldPayment    = "payment" // a value of Checkout.Payments
	FieldKey        = "key"     // idempotency key of this checkout
	FieldExpected   = "total"   // what the shopper saw, in minor units
)
