package order

import (
	"time"

	"haat/internal/id"
)

// OrderPlaced says that a shopper has ordered. Money is in minor units of
// Currency.
type OrderPlaced struct {
	Order    id.Order     `json:"order"`
	Number   int64        `json:"number"`
	Token    string       `json:"token"`
	Subtotal int64        `json:"subtotal"`
	Delivery int64        `json:"delivery"`
	Total    int64        `json:"total"`
	Currency string       `json:"currency"`
	Items    int64        `json:"items"` // units in all lines
	Customer id.Customer  `json:"customer"`
	Name     string       `json:"name"`
	Phone    string       `json:"phone"` // E.164; empty if only an e-mail was given
	Email    string       `json:"email"`
	Method   Method       `json:"method"`
	At       time.Time    `json:"at"`
	Lines    []PlacedLine `json:"lines"`
}

// PlacedLine is a line of OrderPlaced.
type PlacedLine struct {
	Product  id.Product `json:"product"`
	Variant  id.Variant `json:"variant"`
	Title    string     `json:"title"`
	Quantity int64      `json:"quantity"`
	Total    int64      `json:"total"`
}

// Change is what the events after OrderPlaced have in common: which order, and
// whom to tell.
type Change struct {
	Order    id.Order      `json:"order"`
	Number   int64         `json:"number"`
	Token    string        `json:"token"`
	Total    int64         `json:"total"`
	Currency string        `json:"currency"`
	Items    int64         `json:"items"`
	Customer id.Customer   `json:"customer"`
	Name     string        `json:"name"`
	Phone    string        `json:"phone"`
	Email    string        `json:"email"`
	Method   Method        `json:"method"`
	Payment  PaymentStatus `json:"payment"`   // after the change
	PlacedAt time.Time     `json:"placed_at"` // when the order was placed
	At       time.Time     `json:"at"`        // when this happened
}

// OrderAccepted says that the merchant has said yes.
type OrderAccepted struct{ Change }

// OrderFulfilled says that the goods have left.
type OrderFulfilled struct {
	Change
	Tracking Tracking `json:"tracking"`
}

// OrderPaid says that the merchant has the money.
type OrderPaid struct{ Change }

// OrderCancelled says that the order will not be delivered. Expired tells
// that nobody cancelled it: its UPI payment did not come in time.
type OrderCancelled struct {
	Change
	Reason  string       `json:"reason"`
	Expired bool         `json:"expired"`
	Lines   []PlacedLine `json:"lines"`
}

func (OrderPlaced) Topic() string    { return "order.placed" }
func (OrderAccepted) Topic() string  { return "order.accepted" }
func (OrderFulfilled) Topic() string { return "order.fulfilled" }
func (OrderPaid) Topic() string      { return "order.paid" }
func (OrderCancelled) Topic() string { return "order.cancelled" }

// Key is the order's id: an order's events keep their order.
func (e OrderPlaced) Key() string { return e.Order.String() }

// Key is the order's id.
func (c Change) Key() string { return c.Order.String() }

// Tags are none: orders spoil no page.
func (OrderPlaced) Tags() []string { return nil }

// Tags are none: orders spoil no page.
func (Change) Tags() []string { return nil }
