package order

import (
	"time"

	"haat/internal/customer"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/pay"
)

// Status is how far an order has come.
type Status string

const (
	StatusPlaced    Status = "placed"    // the shopper has ordered
	StatusAccepted  Status = "accepted"  // the merchant has said yes
	StatusFulfilled Status = "fulfilled" // the goods have left
	StatusCancelled Status = "cancelled" // it will not be delivered
)

// Method is how an order is paid.
type Method = pay.Method

const (
	CashOnDelivery = pay.COD
	UPI            = pay.UPI
)

// PaymentStatus is what has become of an order's money.
type PaymentStatus = pay.Status

const (
	PaymentPending   = pay.Pending   // not received yet
	PaymentPaid      = pay.Paid      // received, as the merchant has confirmed
	PaymentVoid      = pay.Voided    // never received, and no longer expected
	PaymentRefundDue = pay.RefundDue // received, and to be given back
)

// Address is where an order goes.
type Address = customer.Address

// Contact is whom an order belongs to. An order has a name and at least one
// of phone and e-mail; a placed order's phone is in E.164.
type Contact struct {
	Name  string `json:"name" required:"false" maxLength:"120" doc:"Who is ordering" example:"Asha Rao"`
	Phone string `json:"phone" required:"false" maxLength:"40" doc:"Any way of writing it; a number without a country is taken as one of the shop's country" example:"+919876543210"`
	Email string `json:"email" required:"false" maxLength:"254" doc:"May be left out when there is a phone" example:"asha@example.com"`
}

// Line is a line of an order, as it was when the order was placed.
type Line struct {
	Variant      id.Variant  `json:"variant_id"`
	Product      id.Product  `json:"product_id"`
	Handle       string      `json:"handle" doc:"The product's handle at the time"`
	Title        string      `json:"title"`
	VariantTitle string      `json:"variant_title,omitempty"`
	SKU          string      `json:"sku,omitempty"`
	Image        string      `json:"image,omitempty" doc:"The hash of the picture"`
	ImageAlt     string      `json:"image_alt,omitempty"`
	Quantity     int64       `json:"quantity"`
	Price        money.Money `json:"price" doc:"For one"`
	Total        money.Money `json:"total" doc:"For all of the line"`
}

// Payment is an order's payment as the merchant sees it.
type Payment struct {
	Method Method        `json:"method" enum:"cod,upi"`
	Status PaymentStatus `json:"status" enum:"pending,paid,void,refund-due"`
	Until  *time.Time    `json:"until,omitempty" doc:"Until when a pending UPI order holds its goods"`
	PaidAt *time.Time    `json:"paid_at,omitempty"`
}

// Tracking says where the parcel is.
type Tracking struct {
	Carrier string `json:"carrier,omitempty" example:"India Post"`
	Number  string `json:"number,omitempty" example:"EE123456789IN"`
	URL     string `json:"url,omitempty" doc:"An https address that shows the parcel"`
}

// Order is an order as the merchant sees it.
type Order struct {
	ID              id.Order    `json:"id"`
	Number          int64       `json:"number" doc:"Of the shop, from 1001 on" example:"1001"`
	Token           string      `json:"token" doc:"The end of the shopper's status link"`
	StatusURL       string      `json:"status_url" doc:"Path of the status page on the shop's own host"`
	Status          Status      `json:"status" enum:"placed,accepted,fulfilled,cancelled"`
	Payment         Payment     `json:"payment"`
	Lines           []Line      `json:"lines" nullable:"false"`
	Items           int64       `json:"items" doc:"Units in all lines"`
	Subtotal        money.Money `json:"subtotal"`
	Delivery        money.Money `json:"delivery"`
	Total           money.Money `json:"total"`
	Customer        id.Customer `json:"customer_id"`
	Contact         Contact     `json:"contact"`
	ShippingAddress Address     `json:"shipping_address"`
	Tracking        *Tracking   `json:"tracking,omitempty"`
	CancelReason    string      `json:"cancel_reason,omitempty"`
	PlacedAt        time.Time   `json:"placed_at"`
	AcceptedAt      *time.Time  `json:"accepted_at,omitempty"`
	FulfilledAt     *time.Time  `json:"fulfilled_at,omitempty"`
	CancelledAt     *time.Time  `json:"cancelled_at,omitempty"`
	Timeline        []Entry     `json:"timeline" nullable:"false" doc:"Oldest first"`
	Actions         []Action    `json:"actions" nullable:"false" doc:"What may be done now"`

	note string // the shopper's, with which the timeline begins
}

// Entry is a row of an order's timeline.
type Entry struct {
	ID      id.Entry   `json:"id"`
	At      time.Time  `json:"at"`
	Kind    Kind       `json:"kind" enum:"placed,accepted,fulfilled,cancelled,paid,note"`
	Account id.Account `json:"account_id" doc:"Who did it; empty for the shopper and for the shop's clockwork"`
	Text    string     `json:"text,omitempty" doc:"A note, a reason, a parcel"`
}

// Kind says what an entry of the timeline tells.
type Kind string

const (
	KindPlaced    Kind = "placed"
	KindAccepted  Kind = "accepted"
	KindFulfilled Kind = "fulfilled"
	KindCancelled Kind = "cancelled"
	KindPaid      Kind = "paid"
	KindNote      Kind = "note"
)

// Summary is an order's row in a list.
type Summary struct {
	ID        id.Order    `json:"id"`
	Number    int64       `json:"number"`
	Status    Status      `json:"status" enum:"placed,accepted,fulfilled,cancelled"`
	Payment   Payment     `json:"payment"`
	Name      string      `json:"name"`
	Phone     string      `json:"phone,omitempty"`
	Email     string      `json:"email,omitempty"`
	City      string      `json:"city,omitempty"`
	Items     int64       `json:"items"`
	Total     money.Money `json:"total"`
	PlacedAt  time.Time   `json:"placed_at"`
	StatusURL string      `json:"status_url"`
}

// Receipt is an order as its shopper sees it by the token.
type Receipt struct {
	Number          int64       `json:"number"`
	Token           string      `json:"token"`
	StatusURL       string      `json:"status_url" doc:"Path of the status page on this host"`
	Status          Status      `json:"status" enum:"placed,accepted,fulfilled,cancelled"`
	Payment         Due         `json:"payment"`
	Lines           []Line      `json:"lines" nullable:"false"`
	Items           int64       `json:"items"`
	Subtotal        money.Money `json:"subtotal"`
	Delivery        money.Money `json:"delivery"`
	Total           money.Money `json:"total"`
	ShippingAddress Address     `json:"shipping_address"`
	Steps           []Step      `json:"steps" nullable:"false"`
	Tracking        *Tracking   `json:"tracking,omitempty"`
	CancelReason    string      `json:"cancel_reason,omitempty"`
	PlacedAt        time.Time   `json:"placed_at"`
}

// Due is a payment as the shopper sees it.
type Due struct {
	Method pay.Method  `json:"method" enum:"cod,upi"`
	Status pay.Status  `json:"status" enum:"pending,paid,void,refund-due"`
	UPI    *UPIRequest `json:"upi,omitempty" doc:"While a UPI payment is pending"`
}

// UPIRequest is what it takes to pay by UPI.
type UPIRequest struct {
	Link  string    `json:"link" doc:"upi://pay link; also the text of the QR code"`
	VPA   string    `json:"vpa"`
	Payee string    `json:"payee"`
	Until time.Time `json:"until" doc:"Until when the goods are held"`
}

// Step is one stage on an order's way to the shopper.
type Step struct {
	Kind Kind       `json:"kind" enum:"placed,paid,accepted,fulfilled,cancelled"`
	Done bool       `json:"done"`
	At   *time.Time `json:"at,omitempty" doc:"When it was done"`
}

// Placed answers a shopper who has just ordered.
type Placed struct {
	ID id.Order `json:"id"`
	Receipt
}

// statusURL is the path of the status page on the shop's host.
func statusURL(token string) string { return "/orders/" + token }
