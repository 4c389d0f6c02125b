package customer

import (
	"bytes"
	"cmp"
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
	Sort string `query:"sort" enum:"last,newest,orders,spent" default:"last" doc:"last: who ordered last first; newest: who came last first; orders: most orders first; spent: who has spent most first"`
	Q    string `query:"q" maxLength:"200" doc:"The beginning of a name, a phone number or an e-mail address"`
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
		Summary: "List customers", Run: d.list}
	d.Get = op.Read[One, Customer]{Name: "customer.get", Route: "GET /customers/{customer}", Role: op.Merchant,
		Summary: "Show a customer", Run: d.get}
	return d
}

// Operations lists the operations of the desk.
func (d *Desk) Operations() []op.Operation { return []op.Operation{&d.List, &d.Get} }

const (
	columns  = `id, name, phone, email, orders, spent, last_at, created_at`
	selected = `SELECT ` + columns + ` FROM customer WHERE shop = $1`
	matching = ` AND words LIKE $5 ESCAPE '\'`
)

var (
	byLast        = db.Q(selected + ` AND (last_at, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY last_at DESC, id DESC LIMIT $4`)
	byCreated     = db.Q(selected + ` AND (created_at, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY created_at DESC, id DESC LIMIT $4`)
	byOrders      = db.Q(selected + ` AND (orders, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY orders DESC, id DESC LIMIT $4`)
	bySpent       = db.Q(selected + ` AND (spent, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY spent DESC, id DESC LIMIT $4`)
	findByLast    = db.Q(selected + matching + ` AND (last_at, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY last_at DESC, id DESC LIMIT $4`)
	findByCreated = db.Q(selected + matching + ` AND (created_at, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY created_at DESC, id DESC LIMIT $4`)
	findByOrders  = db.Q(selected + matching + ` AND (orders, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY orders DESC, id DESC LIMIT $4`)
	findBySpent   = db.Q(selected + matching + ` AND (spent, id) < (CAST($2 AS BIGINT), $3)` + ` ORDER BY spent DESC, id DESC LIMIT $4`)

	get = db.Q(`SELECT ` + columns + ` FROM customer WHERE shop = $1 AND id = $2`)
)

// sorts are the orders in which customers are listed: the statement of the
// list, that of a search, and what a row is sorted by.
var sorts = map[string]struct {
	list, search *db.SQL
	key          func(Customer) int64
}{
	"last":   {byLast, findByLast, func(c Customer) int64 { return c.LastOrderAt.UnixMicro() }},
	"newest": {byCreated, findByCreated, func(c Customer) int64 { return c.CreatedAt.UnixMicro() }},
	"orders": {byOrders, findByOrders, func(c Customer) int64 { return c.Orders }},
	"spent":  {bySpent, findBySpent, func(c Customer) int64 { return c.Spent.Amount }},
}

func scan(c *Customer) []any {
	return []any{&c.ID, &c.Name, &c.Phone, &c.Email, &c.Orders, &c.Spent.Amount, &c.LastOrderAt, &c.CreatedAt}
}

func (d *Desk) list(ctx context.Context, r db.Reader, in Search) (op.List[Customer], error) {
	by := cmp.Or(in.Sort, "last")
	sort, known := sorts[by]
	if !known {
		return op.List[Customer]{}, fault.Invalid("/sort", "Customers are listed by last, newest, orders or spent.")
	}
	// The cursor says what it was sorted by: it leads nowhere in another order.
	cursor, before, last := by, int64(math.MaxInt64), id.Customer(bytes.Repeat([]byte{0xff}, 16))
	if _, err := in.After(&cursor, &before, &last); err != nil {
		return op.List[Customer]{}, err
	}
	if cursor != by {
		return op.List[Customer]{}, fault.Invalid("/cursor", "This cursor is of a list in another order.")
	}
	currency, err := d.currency(ctx, r)
	if err != nil {
		return op.List[Customer]{}, err
	}
	q, args := sort.list, []any{before, last, in.Size() + 1}
	if pattern := sought(in.Q); pattern != "" {
		q, args = sort.search, append(args, pattern)
	}
	rows, err := db.All(ctx, r, q, scan, args...)
	if err != nil {
		return op.List[Customer]{}, fmt.Errorf("list customers: %w", err)
	}
	for i := range rows {
		rows[i].Spent.Currency = currency
	}
	return op.Paged(rows, in.Size(), func(c Customer) string { return op.Next(by, sort.key(c), c.ID) }), nil
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
