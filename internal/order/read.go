package order

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/pay"
	"haat/internal/shop"
)

func parseOrder(text string) (id.Order, error) {
	o, err := id.Parse[struct{}](text)
	if err != nil {
		return id.Order{}, noOrder()
	}
	return id.Order(o), nil
}

func noOrder() error { return fault.NotFound("There is no such order.") }

// row is an order's rows as they are read.
type row struct {
	Order
	currency                                                string
	total, subtotal, delivery                               int64
	name, phone, email, city                                string
	heldUntil, paidAt, acceptedAt, fulfilledAt, cancelledAt time.Time
	lines, address, tracking                                []byte
}

func (r *row) head() []any {
	return []any{&r.ID, &r.Number, &r.Token, &r.Status, &r.Payment.Method, &r.Payment.Status, &r.currency, &r.total, &r.Items,
		&r.name, &r.phone, &r.email, &r.city, &r.PlacedAt, &r.heldUntil, &r.paidAt}
}

func (r *row) whole() []any {
	return append(r.head(), &r.subtotal, &r.delivery, &r.Customer, &r.acceptedAt, &r.fulfilledAt, &r.cancelledAt,
		&r.lines, &r.address, &r.tracking, &r.CancelReason, &r.note)
}

func (r *row) money(amount int64) money.Money {
	return money.Money{Amount: amount, Currency: r.currency}
}

func (r *row) payment() Payment {
	p := r.Payment
	p.PaidAt = moment(r.paidAt)
	if p.Status == PaymentPending {
		p.Until = moment(r.heldUntil)
	}
	return p
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *row) summary() Summary {
	return Summary{
		ID: r.ID, Number: r.Number, Status: r.Status, Payment: r.payment(), Name: r.name, Phone: r.phone, Email: r.email,
		City: r.city, Items: r.Items, Total: r.money(r.total), PlacedAt: r.PlacedAt, StatusURL: statusURL(r.Token),
	}
}

func (r *row) order() (Order, error) {
	o := r.Order
	o.StatusURL, o.Payment = statusURL(o.Token), r.payment()
	o.Subtotal, o.Delivery, o.Total = r.money(r.subtotal), r.money(r.delivery), r.money(r.total)
	o.Contact = Contact{Name: r.name, Phone: r.phone, Email: r.email}
	o.AcceptedAt, o.FulfilledAt, o.CancelledAt = moment(r.acceptedAt), moment(r.fulfilledAt), moment(r.cancelledAt)
	o.Timeline, o.Actions = []Entry{}, o.state().allowed()
	for _, part := range []struct {
		from []byte
		into any
	}{{r.lines, &o.Lines}, {r.address, &o.ShippingAddress}, {r.tracking, &o.Tracking}} {
		if part.from == nil {
			continue
		}
		if err := json.Unmarshal(part.from, part.into); err != nil {
			return o, fmt.Errorf("read order %d: %w", o.Number, err)
		}
	}
	return o, nil
}

func load(ctx context.Context, r db.Reader, q *db.SQL, key any) (Order, bool, error) {
	found, ok, err := db.One(ctx, r, q, (*row).whole, key)
	if err != nil || !ok {
		return Order{}, false, err
	}
	o, err := found.order()
	return o, true, err
}

func (e *Entry) scan() []any { return []any{&e.ID, &e.At, &e.Kind, &e.Account, &e.Text} }

// happened reads the timeline. It begins with what the order's own row says;
// orders of older programs have a row of it for that too.
func (o *Order) happened(ctx context.Context, r db.Reader) error {
	entries, err := db.All(ctx, r, entriesOf, (*Entry).scan, o.ID)
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[0].Kind != KindPlaced {
		o.Timeline = append(o.Timeline, Entry{ID: id.Entry(o.ID), At: o.PlacedAt, Kind: KindPlaced, Text: o.note})
	}
	o.Timeline = append(o.Timeline, entries...)
	return nil
}

func get(ctx context.Context, r db.Reader, in OrderIn) (Order, error) {
	order, err := parseOrder(in.Order)
	if err != nil {
		return Order{}, err
	}
	return Read(ctx, r, order)
}

// Read gives an order as the merchant sees it. One that there is not is
// NotFound.
func Read(ctx context.Context, r db.Reader, order id.Order) (Order, error) {
	o, found, err := load(ctx, r, orderByID, order)
	if err != nil {
		return Order{}, err
	}
	if !found {
		return Order{}, noOrder()
	}
	return o, o.happened(ctx, r)
}

func follow(ctx context.Context, r db.Reader, in FollowIn) (Receipt, error) {
	settings, err := shop.Of(ctx, r)
	if err != nil {
		return Receipt{}, err
	}
	o, found, err := load(ctx, r, orderByToken, in.Token)
	if err != nil {
		return Receipt{}, err
	}
	if !found {
		return Receipt{}, noOrder()
	}
	return o.receipt(settings)
}

// receipt is what the shopper may see of the order.
func (o *Order) receipt(settings shop.Settings) (Receipt, error) {
	out := Receipt{
		Number: o.Number, Token: o.Token, StatusURL: o.StatusURL, Status: o.Status,
		Payment: Due{Method: o.Payment.Method, Status: o.Payment.Status}, Lines: o.Lines, Items: o.Items,
		Subtotal: o.Subtotal, Delivery: o.Delivery, Total: o.Total, ShippingAddress: o.ShippingAddress,
		Steps: o.steps(), Tracking: o.Tracking, CancelReason: o.CancelReason, PlacedAt: o.PlacedAt,
	}
	if o.Payment.Method == UPI && o.Payment.Status == PaymentPending && o.Payment.Until != nil && settings.UPI.VPA != "" {
		out.Payment.UPI = &UPIRequest{
			VPA: settings.UPI.VPA, Payee: payee(settings), Until: *o.Payment.Until,
			Link: pay.UPILink(settings.UPI.VPA, payee(settings), o.Total.Amount, o.Total.Currency, strconv.FormatInt(o.Number, 10), ""),
		}
	}
	return out, nil
}

func payee(s shop.Settings) string {
	if s.UPI.Payee != "" {
		return s.UPI.Payee
	}
	return s.Name
}

// steps are the stages of the order's way, done and to come.
func (o *Order) steps() []Step {
	out := []Step{{KindPlaced, true, &o.PlacedAt}}
	step := func(k Kind, at *time.Time) {
		if at != nil || o.Status != StatusCancelled {
			out = append(out, Step{k, at != nil, at})
		}
	}
	if o.Payment.Method == UPI {
		step(KindPaid, o.Payment.PaidAt)
	}
	if o.AcceptedAt != nil || o.FulfilledAt == nil { // sent without being accepted first: no gap to show
		step(KindAccepted, o.AcceptedAt)
	}
	step(KindFulfilled, o.FulfilledAt)
	if o.Status == StatusCancelled {
		out = append(out, Step{KindCancelled, true, o.CancelledAt})
	}
	return out
}

func list(ctx context.Context, r db.Reader, in ListIn) (op.List[Summary], error) {
	before := int64(math.MaxInt64)
	if _, err := in.After(&before); err != nil {
		return op.List[Summary]{}, err
	}
	args := []any{before, pattern(in.Query), in.Size() + 1}
	q := listAll
	switch in.State {
	case "", "all":
	case "open":
		q = listOpen
	case "unpaid":
		q, args = listByPayment, append(args, PaymentPending)
	case string(PaymentRefundDue):
		q, args = listByPayment, append(args, PaymentRefundDue)
	case string(StatusPlaced), string(StatusAccepted), string(StatusFulfilled), string(StatusCancelled):
		q, args = listByStatus, append(args, in.State)
	default:
		return op.List[Summary]{}, fault.Invalid("/state", "There is no such state.")
	}
	if in.Customer != "" {
		c, err := id.Parse[struct{}](in.Customer)
		if err != nil {
			return op.List[Summary]{}, fault.NotFound("There is no such customer.")
		}
		if q != listAll {
			return op.List[Summary]{}, fault.Invalid("/state", "Ask for a customer's orders in all states.")
		}
		q, args = listByCustomer, append(args, id.Customer(c))
	}
	rows, err := summaries(ctx, r, q, args...)
	return op.Paged(rows, in.Size(), func(last Summary) string { return op.Next(last.Number) }), err
}

func summaries(ctx context.Context, r db.Reader, q *db.SQL, args ...any) ([]Summary, error) {
	var out []Summary
	err := db.Each(ctx, r, q, (*row).head, func(row row) error {
		out = append(out, row.summary())
		return nil
	}, args...)
	return out, err
}

var wildcards = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// pattern turns what was typed into a LIKE pattern; empty if nothing was.
func pattern(query string) string {
	q := strings.ToLower(strings.TrimPrefix(cleaned(query), "#"))
	if q == "" {
		return ""
	}
	if digits := phoneDigits(q); digits != "" {
		q = digits
	}
	return "%" + wildcards.Replace(q) + "%"
}

// phoneDigits gives the digits of what looks like part of a phone number, as
// numbers are kept: without spaces, and without the zero of national calls.
func phoneDigits(q string) string {
	out := []byte{}
	for _, c := range []byte(q) {
		switch {
		case c >= '0' && c <= '9':
			out = append(out, c)
		case !strings.ContainsRune("+ -()", rune(c)):
			return ""
		}
	}
	return strings.TrimLeft(string(out), "0")
}

// Recent gives the newest orders, 250 at most.
func Recent(ctx context.Context, r db.Reader, limit int) ([]Summary, error) {
	return summaries(ctx, r, listAll, int64(math.MaxInt64), "", max(1, min(limit, 250)))
}

func recent(ctx context.Context, r db.Reader, in RecentIn) (op.List[Summary], error) {
	rows, err := Recent(ctx, r, in.Limit)
	return op.Paged(rows, 250, func(Summary) string { return "" }), err
}

// Counts says how many orders wait for what.
type Counts struct {
	Placed    int64 `json:"placed" doc:"Not accepted yet"`
	Accepted  int64 `json:"accepted" doc:"Not sent yet"`
	Open      int64 `json:"open" doc:"Placed or accepted"`
	Unpaid    int64 `json:"unpaid" doc:"The money has not come; sent ones too"`
	RefundDue int64 `json:"refund_due" doc:"Cancelled, and the money to be given back"`
	All       int64 `json:"all" doc:"Ever placed"`
}

// CountByState counts orders in one statement.
func CountByState(ctx context.Context, r db.Reader) (Counts, error) {
	var c Counts
	type counted struct {
		state string
		n     int64
	}
	err := db.Each(ctx, r, countOrders, func(c *counted) []any { return []any{&c.state, &c.n} }, func(row counted) error {
		switch row.state {
		case string(StatusPlaced):
			c.Placed = row.n
		case string(StatusAccepted):
			c.Accepted = row.n
		case string(PaymentPending):
			c.Unpaid = row.n
		case string(PaymentRefundDue):
			c.RefundDue = row.n
		default:
			c.All = row.n
		}
		return nil
	})
	c.Open = c.Placed + c.Accepted
	return c, err
}

// Traded reports whether the shop has prices or has had orders, so that its
// currency can no longer change: another one would change what they are worth.
func Traded(ctx context.Context, r db.Reader) (bool, error) {
	priced, err := catalog.Priced(ctx, r)
	if err != nil || priced {
		return priced, err
	}
	_, any, err := db.One(ctx, r, lastNumber, func(n *int64) []any { return []any{n} })
	return any, err
}

// Activity says how busy a shop is.
type Activity struct {
	All  int64 // orders ever placed
	Day  int64 // in the 24 hours before
	Week int64 // in the seven days before
}

// ReadActivity counts a shop's orders up to now, for the operator.
func ReadActivity(ctx context.Context, room *fleet.Room, now time.Time) (a Activity, err error) {
	err = room.View(ctx, fleet.AnyAge, func(r db.Reader) error {
		a, _, err = db.One(ctx, r, countSince, func(a *Activity) []any { return []any{&a.Day, &a.Week, &a.All} },
			firstID(now.Add(-24*time.Hour)), firstID(now.Add(-7*24*time.Hour)))
		return err
	})
	return a, err
}

// firstID sorts before the ids of the orders that were placed from t on.
func firstID(t time.Time) (o id.Order) {
	binary.BigEndian.PutUint64(o[:], uint64(t.UnixMilli())<<16)
	return o
}
