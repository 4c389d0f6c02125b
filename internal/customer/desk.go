package customer

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
)

// Customer is somebody who has ordered, as the merchant sees them.
type Customer struct {
	ID          id.Customer `json:"id"`
	Name        string      `json:"name"`
	Phone       string      `json:"phone" doc:"E.164; empty if not known"`
	Email       string      `json:"email" doc:"Empty if not known"`
	Orders      int64       `json:"orders"`
	Spent       money.Money `json:"spent" doc:"Without cancelled orders"`
	LastOrderAt time.Time   `json:"last_order_at"`
	CreatedAt   time.Time   `json:"created_at"`
}

// Search asks for a list of customers.
type Search struct {
	op.Page
	Q string `query:"q" maxLength:"200" doc:"The beginning of a name, a phone number or an e-mail address"`
}

// One names a customer.
type One struct {
	Customer string `path:"customer"`
}

// Desk is where the shop's people look customers up. Its operations are the
// fields.
type Desk struct {
	List op.Read[Search, op.List[Customer]]
	Get  op.Read[One, Customer]

	currency func(context.Context, db.Reader) (string, error)
}

// NewDesk wires the desk. currency gives the shop's currency.
func NewDesk(currency func(context.Context, db.Reader) (string, error)) *Desk {
	d := &Desk{currency: currency}
	d.List = op.Read[Search, op.List[Customer]]{Name: "customer.list", Route: "GET /customers", Role: op.Merchant,
		Summary: "List customers, the one who ordered last first", Run: d.list}
	d.Get = op.Read[One, Customer]{Name: "customer.get", Route: "GET /customers/{customer}", Role: op.Merchant,
		Summary: "Show a customer", Run: d.get}
	return d
}

// Operations lists the operations of the desk.
func (d *Desk) Operations() []op.Operation { return []op.Operation{&d.List, &d.Get} }

const columns = `id, name, phone, email, orders, spent, last_at, created_at`

var (
	list = db.Q(`
		SELECT ` + columns + ` FROM customer
		WHERE shop = $1 AND (last_at, id) < (CAST($2 AS BIGINT), $3)
		ORDER BY last_at DESC, id DESC LIMIT $4`)
	search = db.Q(`
		SELECT ` + columns + ` FROM customer
		WHERE shop = $1 AND (last_at, id) < (CAST($2 AS BIGINT), $3) AND words LIKE $5 ESCAPE '\'
		ORDER BY last_at DESC, id DESC LIMIT $4`)
	get = db.Q(`SELECT ` + columns + ` FROM customer WHERE shop = $1 AND id = $2`)
)

func scan(c *Customer) []any {
	return []any{&c.ID, &c.Name, &c.Phone, &c.Email, &c.Orders, &c.Spent.Amount, &c.LastOrderAt, &c.CreatedAt}
}

func (d *Desk) list(ctx context.Context, r db.Reader, in Search) (op.List[Customer], error) {
	before, last := int64(math.MaxInt64), id.Customer(bytes.Repeat([]byte{0xff}, 16))
	if _, err := in.After(&before, &last); err != nil {
		return op.List[Customer]{}, err
	}
	currency, err := d.currency(ctx, r)
	if err != nil {
		return op.List[Customer]{}, err
	}
	q, args := list, []any{before, last, in.Size() + 1}
	if pattern := sought(in.Q); pattern != "" {
		q, args = search, append(args, pattern)
	}
	rows, err := db.All(ctx, r, q, scan, args...)
	if err != nil {
		return op.List[Customer]{}, fmt.Errorf("list customers: %w", err)
	}
	for i := range rows {
		rows[i].Spent.Currency = currency
	}
	return op.Paged(rows, in.Size(), func(c Customer) string { return op.Next(c.LastOrderAt.UnixMicro(), c.ID) }), nil
}

func (d *Desk) get(ctx context.Context, r db.Reader, in One) (Customer, error) {
	missing := fault.NotFound("There is no such customer.")
	key, err := id.Parse[struct{}](in.Customer)
	if err != nil {
		return Customer{}, missing
	}
	c, found, err := db.One(ctx, r, get, scan, id.Customer(key))
	if err != nil {
		return c, fmt.Errorf("show a customer: %w", err)
	}
	if !found {
		return c, missing
	}
	c.Spent.Currency, err = d.currency(ctx, r)
	return c, err
}
