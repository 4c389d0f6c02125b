package order

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/pay"
	"haat/internal/stock"
)

// act takes an order through the table in rules.go: the order's row first (so
// that of two people at once one wins, and the other is told), then, with the
// row locked, what follows from it.
func act(ctx context.Context, tx *db.Tx, name string, action Action, by id.Account, text string, then func(o *Order, was state) error) (Order, error) {
	order, err := parseOrder(name)
	if err != nil {
		return Order{}, err
	}
	for {
		o, found, err := load(ctx, tx, orderByID, order)
		if err != nil {
			return Order{}, err
		}
		if !found {
			return Order{}, noOrder()
		}
		was := o.state()
		now, err := was.after(action)
		if err != nil {
			return Order{}, err
		}
		kind := kinds[action]
		moved, err := tx.Exec(ctx, moveOrder, order, was.status, was.payment, now.status, now.payment, kind, tx.Now())
		if err != nil {
			return Order{}, err
		}
		if moved == 0 { // somebody was quicker: look again
			continue
		}
		o.move(now, kind, tx.Now())
		if err := o.happened(ctx, tx); err != nil {
			return Order{}, err
		}
		if err := then(&o, was); err != nil {
			return Order{}, err
		}
		return o, o.enter(ctx, tx, kind, by, text)
	}
}

var kinds = map[Action]Kind{
	ActAccept: KindAccepted, ActFulfil: KindFulfilled, ActCancel: KindCancelled, ActPay: KindPaid, ActNote: KindNote,
}

// move brings the order in memory to where its row is.
func (o *Order) move(now state, kind Kind, at time.Time) {
	o.Status, o.Payment.Status = now.status, now.payment
	o.Actions = now.allowed()
	switch kind {
	case KindAccepted:
		o.AcceptedAt = &at
	case KindFulfilled:
		o.FulfilledAt = &at
	case KindCancelled:
		o.CancelledAt = &at
	case KindPaid:
		o.Payment.PaidAt = &at
	}
	if now.payment != PaymentPending {
		o.Payment.Until = nil
	}
}

func (o *Order) state() state {
	return state{o.Status, o.Payment.Method, o.Payment.Status}
}

func (o *Order) change(at time.Time) Change {
	return Change{
		Order: o.ID, Number: o.Number, Token: o.Token, Total: o.Total.Amount, Currency: o.Total.Currency, Items: o.Items,
		Customer: o.Customer, Name: o.Contact.Name, Phone: o.Contact.Phone, Email: o.Contact.Email,
		Method: o.Payment.Method, Payment: o.Payment.Status, PlacedAt: o.PlacedAt, At: at,
	}
}

func accept(ctx context.Context, tx *db.Tx, in OrderIn) (Order, error) {
	return act(ctx, tx, in.Order, ActAccept, in.Caller.Account, "", func(o *Order, _ state) error {
		return event.Emit(ctx, tx, OrderAccepted{o.change(tx.Now())})
	})
}

func fulfil(ctx context.Context, tx *db.Tx, in FulfilIn) (Order, error) {
	t, err := in.Body.tracking()
	if err != nil {
		return Order{}, err
	}
	return act(ctx, tx, in.Order, ActFulfil, in.Caller.Account, t.text(), func(o *Order, _ state) error {
		if t != (Tracking{}) {
			b, err := json.Marshal(t)
			if err != nil {
				return fmt.Errorf("encode the tracking: %w", err)
			}
			if _, err := tx.Exec(ctx, setTracking, o.ID, b); err != nil {
				return err
			}
			o.Tracking = &t
		}
		return event.Emit(ctx, tx, OrderFulfilled{o.change(tx.Now()), t})
	})
}

// tracking checks what the merchant says of the parcel; all of it is optional.
func (b *FulfilBody) tracking() (Tracking, error) {
	if b == nil {
		return Tracking{}, nil
	}
	t := Tracking{Carrier: cleaned(b.Carrier), Number: cleaned(b.Number), URL: strings.TrimSpace(b.URL)}
	var f faults
	if tooLong(t.Carrier, 80) {
		f.add("/carrier", "This has 80 characters at most.")
	}
	if tooLong(t.Number, 80) {
		f.add("/number", "This has 80 characters at most.")
	}
	if t.URL != "" {
		u, err := url.Parse(t.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(t.URL) > 500 {
			f.add("/url", "Write an address that begins with https://")
		} else {
			t.URL = u.String()
		}
	}
	return t, f.err()
}

func (t Tracking) text() string {
	return strings.TrimSpace(t.Carrier + " " + t.Number)
}

func cancel(ctx context.Context, tx *db.Tx, in CancelIn) (Order, error) {
	reason, restock := "", true
	if in.Body != nil {
		reason = strings.TrimSpace(in.Body.Reason)
		restock = in.Body.Restock == nil || *in.Body.Restock
	}
	if tooLong(reason, 500) {
		return Order{}, fault.Invalid("/reason", "A reason has 500 characters at most.")
	}
	return callOff(ctx, tx, in.Order, in.Caller.Account, reason, restock, false)
}

// callOff cancels an order. What is only held is released in any case.
func callOff(ctx context.Context, tx *db.Tx, name string, by id.Account, reason string, restock, expired bool) (Order, error) {
	return act(ctx, tx, name, ActCancel, by, reason, func(o *Order, was state) error {
		if reason != "" {
			if _, err := tx.Exec(ctx, setReason, o.ID, reason); err != nil {
				return err
			}
			o.CancelReason = reason
		}
		if _, err := pay.Void(ctx, tx, o.ID); err != nil {
			return err
		}
		if err := customer.Cancelled(ctx, tx, o.Customer, o.Total.Amount); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, OrderCancelled{o.change(tx.Now()), reason, expired, o.placedLines()}); err != nil {
			return err
		}
		switch {
		case was.method == UPI && was.payment == PaymentPending:
			return stock.Release(ctx, tx, o.ID)
		case restock:
			return stock.Restock(ctx, tx, o.ID, o.stockLines())
		}
		return nil
	})
}

func (o *Order) stockLines() []stock.Line {
	out := make([]stock.Line, len(o.Lines))
	for i, l := range o.Lines {
		out[i] = stock.Line{Variant: l.Variant, Quantity: l.Quantity}
	}
	return out
}

func markPaid(ctx context.Context, tx *db.Tx, in OrderIn) (Order, error) {
	return act(ctx, tx, in.Order, ActPay, in.Caller.Account, "", func(o *Order, _ state) error {
		if _, err := pay.MarkPaid(ctx, tx, o.ID); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, OrderPaid{o.change(tx.Now())}); err != nil {
			return err
		}
		if o.Payment.Method == UPI {
			return o.nameShort(stock.SellHeld(ctx, tx, o.ID))
		}
		return nil
	})
}

// nameShort says which lines there is too little of, if that is what err says.
func (o *Order) nameShort(err error) error {
	short, ok := asShort(err)
	if !ok {
		return err
	}
	var fields []fault.Field
	for _, s := range short.Lines {
		for n, l := range o.Lines {
			if l.Variant == s.Variant {
				fields = append(fields, shortage(fmt.Sprintf("/lines/%d", n), l.Title, s.Available))
			}
		}
	}
	return outOfStock(fields).Because(err)
}

func note(ctx context.Context, tx *db.Tx, in NoteIn) (Order, error) {
	text := strings.TrimSpace(in.Body.Text)
	if text == "" || tooLong(text, 2000) {
		return Order{}, fault.Invalid("/text", "Write a note of 2,000 characters at most.")
	}
	return act(ctx, tx, in.Order, ActNote, in.Caller.Account, text, func(*Order, state) error { return nil })
}

// Subscribe has UPI orders cancelled whose goods are no longer held because
// the payment did not come in time.
func Subscribe(bus *event.Bus) {
	event.On(bus, "order.hold-expired", func(ctx context.Context, tx *db.Tx, _ event.Meta, e stock.HoldExpired) error {
		o, found, err := load(ctx, tx, orderByID, e.Order)
		if err != nil || !found || o.Payment.Method != UPI || o.Payment.Status != PaymentPending {
			return err // paid late, or cancelled, before the news came
		}
		_, err = callOff(ctx, tx, e.Order.String(), id.Account{}, "The payment did not come in time.", true, true)
		return err
	})
}
