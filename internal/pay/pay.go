// Package pay knows how a shop is paid: cash on delivery, or UPI straight to
// the merchant's address, which the merchant confirms.
//
// [Methods] says what a shop offers, [UPILink] and [QR] are what a shopper
// pays by. Each order has one row of payment, opened with the order and moved
// on by [MarkPaid] and [Void] in the order's own transactions:
//
//	pending → paid → refund-due
//	pending → void
//
// No money passes through us, and nothing here calls out.
package pay

import (
	"context"
	"embed"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the table of payments.
var Schema = db.Schema("pay", schemaFiles)

// Method is a way to pay.
type Method string

const (
	COD Method = "cod" // cash on delivery
	UPI Method = "upi" // a transfer by UPI, in India
)

// Config is what a shop accepts.
type Config struct {
	COD      bool
	VPA      string // where UPI payments go; empty: UPI is not offered
	Payee    string // the name that payment apps show
	Currency string // of the shop; UPI needs INR
}

// Methods lists what a shop offers, the more usual first.
func Methods(c Config) []Method {
	var out []Method
	if c.COD {
		out = append(out, COD)
	}
	if c.offersUPI() {
		out = append(out, UPI)
	}
	return out
}

func (c Config) offersUPI() bool { return c.VPA != "" && c.Currency == "INR" }

// Choose reads a method that a shopper has chosen. One that the shop does not
// offer is fault.Invalid at /payment.
func Choose(c Config, method string) (Method, error) {
	for _, m := range Methods(c) {
		if string(m) == method {
			return m, nil
		}
	}
	switch Method(method) {
	case COD:
		return "", fault.Invalid("/payment", "This shop does not take cash on delivery.")
	case UPI:
		return "", fault.Invalid("/payment", "This shop does not take UPI.")
	}
	return "", fault.Invalid("/payment", "Choose how to pay.")
}

// Status is how far a payment has come.
type Status string

const (
	Pending   Status = "pending"
	Paid      Status = "paid"
	RefundDue Status = "refund-due" // paid, and the order was cancelled: the merchant owes it
	Voided    Status = "void"       // not paid, and no longer expected
)

// Payment is an order's payment.
type Payment struct {
	Order  id.Order
	Method Method
	Status Status
	Amount int64     // minor units of the shop's currency
	At     time.Time // since when it has its status
}

var (
	open     = db.Q(`INSERT INTO pay_payment (shop, order_, method, status, amount, at) VALUES ($1, $2, $3, 'pending', $4, $5)`)
	read     = db.Q(`SELECT order_, method, status, amount, at FROM pay_payment WHERE shop = $1 AND order_ = $2`)
	markPaid = db.Q(`
		UPDATE pay_payment SET status = 'paid', at = $3
		WHERE shop = $1 AND order_ = $2 AND status = 'pending'
		RETURNING order_, method, status, amount, at`)
	void = db.Q(`
		UPDATE pay_payment SET status = CASE status WHEN 'paid' THEN 'refund-due' ELSE 'void' END, at = $3
		WHERE shop = $1 AND order_ = $2 AND status IN ('pending', 'paid')
		RETURNING order_, method, status, amount, at`)
)

func scan(p *Payment) []any { return []any{&p.Order, &p.Method, &p.Status, &p.Amount, &p.At} }

// Open begins an order's payment. An order has one: with a second the change
// ends in db.ErrUnique.
func Open(ctx context.Context, tx *db.Tx, order id.Order, method Method, amount int64) (Payment, error) {
	err := tx.Later(ctx, open, order, string(method), amount, tx.Now())
	return Payment{Order: order, Method: method, Status: Pending, Amount: amount, At: tx.Now()}, err
}

// Of gives an order's payment; fault.NotFound if it has none.
func Of(ctx context.Context, r db.Reader, order id.Order) (Payment, error) {
	p, found, err := db.One(ctx, r, read, scan, order)
	if err == nil && !found {
		err = fault.NotFound("This order has no payment.")
	}
	return p, err
}

// MarkPaid says that the money has arrived. A payment that is paid already is
// fault.Conflict "already-paid"; one that is not expected any more is
// fault.Conflict "void".
func MarkPaid(ctx context.Context, tx *db.Tx, order id.Order) (Payment, error) {
	p, done, err := db.One(ctx, tx, markPaid, scan, order, tx.Now())
	if err != nil || done {
		return p, err
	}
	if p, err = Of(ctx, tx, order); err != nil {
		return p, err
	}
	if p.Status == Voided {
		return p, fault.Conflict("void", "This order was cancelled: no payment is expected.")
	}
	return p, fault.Conflict("already-paid", "This order is paid already.")
}

// Void ends a payment because its order is cancelled: what is pending becomes
// void, what is paid is due to be returned. Again it changes nothing.
func Void(ctx context.Context, tx *db.Tx, order id.Order) (Payment, error) {
	p, done, err := db.One(ctx, tx, void, scan, order, tx.Now())
	if err != nil || done {
		return p, err
	}
	return Of(ctx, tx, order)
}
