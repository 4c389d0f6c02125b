package storefront

import (
	"time"

	"haat/internal/money"
	"haat/internal/web/design"
)

// Line is one thing in a cart or an order.
type Line struct {
	ID       string // of the line; the field is PrefixQuantity + ID
	Variant  string
	Href     string // empty when the product is gone
	Title    string
	Options  string // "Indigo / Large"
	Image    *Image
	Quantity int
	Max      int // most that may be asked for; 0 means 99
	Each     money.Money
	Total    money.Money
	Problem  string // "Only 2 left", "Sold out": what stands in the way
}

// Sum is what an order comes to.
type Sum struct {
	Subtotal money.Money
	Delivery *money.Money // nil: not known until there is an address
	Free     string       // "Add ₹201 more for free delivery"; empty says nothing
	Total    money.Money
	Tax      string // "Prices include taxes"
}

// Cart is the cart's page.
type Cart struct {
	Page
	Lines   []Line
	Sum     Sum
	Removed *Line  // just taken out; offers to put it back
	Error   string // of a refused change
	Notice  string // what changed by itself: a price, the stock
	Popular []Card // shown under an empty cart
}

// Checkout is the one page that takes an order. Values hold what was typed
// and Errors the words beside each field, both by field name; Errors[""] is
// about the order as a whole.
type Checkout struct {
	Page
	Lines     []Line
	Sum       Sum
	Values    map[string]string
	Errors    map[string]string
	Countries []design.Choice // one: shown as words
	States    []design.Choice // empty: typed
	PostLabel string          // "PIN code", "Postcode"; empty means "Postal code"
	Dial      string          // example of a phone number: "98765 43210"
	Payments  []design.Choice // what the shop takes, the usual one first
	NeedEmail bool
	Key       string
	Place     string // words of the button; empty means "Place order"
}

// Order is the status page of an order.
type Order struct {
	Page
	Number    string
	Heading   string // "Thank you, Meera" or "Your order is on its way"
	Text      string
	Cancelled bool
	Steps     []Step
	Lines     []Line
	Sum       Sum
	Contact   []string // name, phone, email
	Ship      []string // lines of the address
	Payment   string   // "Cash on delivery"
	Paid      string   // "Paid", "To pay on delivery", "Waiting for payment"
	PaidKind  string   // badge: "good", "warn", "bad" or ""
	UPI       *UPI     // shown while a UPI payment is awaited
	Tracking  *Tracking
	Note      string
	Placed    time.Time
	Zone      *time.Location
}

// Step is one step of an order's way. State is "done", "now" or "next".
type Step struct {
	Label string
	State string
	At    *time.Time
}

// UPI is what a shopper needs to pay by UPI.
type UPI struct {
	Link   string // "upi://pay?…", opens a payment app and is the QR code
	VPA    string
	Payee  string
	Amount money.Money
	Note   string // what happens next
}

// Tracking is where a parcel can be followed.
type Tracking struct{ Carrier, Number, URL string }
