package order

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/pay"
	"haat/internal/shop"
	"haat/internal/stock"
)

// PriceChanged says that an order would cost something else than the shopper
// has seen. It unwraps to fault.Conflict "price-changed".
type PriceChanged struct {
	Total money.Money // now
	fault *fault.Fault
}

func (p *PriceChanged) Error() string { return p.fault.Error() }
func (p *PriceChanged) Unwrap() error { return p.fault }

// place makes an order. What is read comes first, and what many orders want
// at the same time last: the customer, the order's own rows, stock, and at the
// very end the shop's counter, so that its row is locked for two statements.
func place(ctx context.Context, tx *db.Tx, in PlaceIn) (Placed, error) {
	b := in.Body
	o := Order{ID: id.Order(id.New[struct{}]()), Token: id.Token(16), Status: StatusPlaced, PlacedAt: tx.Now(),
		Payment: Payment{Method: b.Payment, Status: PaymentPending}}
	o.StatusURL = statusURL(o.Token)

	tx.WantDoc()
	items, goods, err := ordered(ctx, tx, &b, o.Token)
	if err != nil {
		return Placed{}, err
	}
	settings, err := shop.Of(ctx, tx)
	if err != nil {
		return Placed{}, err
	}
	if err := o.address(b, settings); err != nil {
		return Placed{}, err
	}
	if err := o.price(items, goods, settings); err != nil {
		return Placed{}, err
	}
	if want := b.ExpectedTotal; want != nil && *want != o.Total {
		return Placed{}, &PriceChanged{o.Total, fault.Conflict("price-changed", "The total is now %s. Look it over and order again.", o.Total.Format(settings.Locale, false))}
	}
	if o.Customer, err = customer.Record(ctx, tx, customer.Person{Name: o.Contact.Name, Phone: o.Contact.Phone, Email: o.Contact.Email}, o.Total.Amount, o.PlacedAt); err != nil {
		return Placed{}, err
	}
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return Placed{}, fmt.Errorf("encode the lines: %w", err)
	}
	address, err := json.Marshal(o.ShippingAddress)
	if err != nil {
		return Placed{}, fmt.Errorf("encode the address: %w", err)
	}
	if err := tx.Later(ctx, insertBody, o.ID, lines, address, o.note); err != nil {
		return Placed{}, err
	}
	if _, err := pay.Open(ctx, tx, o.ID, b.Payment, o.Total.Amount); err != nil {
		return Placed{}, err
	}
	if err := o.take(ctx, tx, items, settings); err != nil {
		return Placed{}, err
	}
	if o.Number, _, err = db.One(ctx, tx, nextNumber, func(n *int64) []any { return []any{n} }); err != nil {
		return Placed{}, err
	}
	if err := o.insert(ctx, tx); err != nil {
		return Placed{}, err
	}
	if err := event.Emit(ctx, tx, o.placed()); err != nil {
		return Placed{}, err
	}
	receipt, err := o.receipt(settings)
	return Placed{ID: o.ID, Receipt: receipt}, err
}

// ordered gives what is to be ordered and what it is now: the lines of the
// request, or those of a cart, which is closed with the order's token and
// lends the request its contact and address where it has none.
func ordered(ctx context.Context, tx *db.Tx, b *PlaceBody, token string) (items []item, goods map[id.Variant]catalog.Sellable, err error) {
	switch {
	case b.Cart == "" && len(b.Lines) == 0:
		return nil, nil, fault.Invalid("/lines", "There is nothing to order: give cart_id or lines.")
	case b.Cart != "" && len(b.Lines) > 0:
		return nil, nil, fault.Invalid("/lines", "Give cart_id or lines, not both.")
	case b.Cart == "":
		if items, err = read(b.Lines, 1); err != nil {
			return nil, nil, err
		}
		if goods, err = sellables(ctx, tx, items); err != nil {
			return nil, nil, err
		}
		return items, goods, mayEnter(items, goods)
	}
	cart, err := parseCart(b.Cart)
	if err != nil {
		return nil, nil, err
	}
	closed, err := tx.Exec(ctx, closeCart, cart, token, tx.Now(), tx.Now().Add(-CartAge))
	if err != nil {
		return nil, nil, err
	}
	c, goods, err := fetch(ctx, tx, cart)
	switch {
	case err != nil:
		return nil, nil, err
	case closed == 0:
		return nil, nil, cartOrdered(c.token)
	case len(c.items) == 0:
		return nil, nil, fault.Invalid("/cart_id", "This cart is empty.")
	}
	contact, address, err := c.said()
	b.Contact, b.ShippingAddress = cmp.Or(b.Contact, contact), cmp.Or(b.ShippingAddress, address)
	return c.items, goods, err
}

// address fills in whom the order belongs to, where it goes and how it is
// paid, or says everything that is wrong with them.
func (o *Order) address(b PlaceBody, settings shop.Settings) error {
	var f faults
	contact, address := cmp.Or(b.Contact, &Contact{}), cmp.Or(b.ShippingAddress, &Address{})
	if cleaned(contact.Name) == "" { // one name is enough
		contact = &Contact{Name: address.Name, Phone: contact.Phone, Email: contact.Email}
	}
	o.Contact = contact.normalised(settings.Country, true, &f)
	o.ShippingAddress = normalisedAddress(*address, o.Contact.Name, settings.Country, true, &f)
	offer := pay.Config{COD: settings.COD, VPA: settings.UPI.VPA, Payee: payee(settings), Currency: settings.Currency}
	if _, err := pay.Choose(offer, string(b.Payment)); err != nil {
		f.add("/payment", "%s", fault.Of(err).Message)
	}
	if o.note = strings.TrimSpace(b.Note); tooLong(o.note, 500) {
		f.add("/note", "A note has 500 characters at most.")
	}
	return f.err()
}

// price fills in lines and totals from the catalogue as it is now.
func (o *Order) price(items []item, goods map[id.Variant]catalog.Sellable, settings shop.Settings) error {
	for _, i := range items {
		g := goods[i.variant]
		o.Items += i.quantity
		o.Lines = append(o.Lines, Line{
			Variant: i.variant, Product: g.Product, Handle: g.Handle, Title: g.Title, VariantTitle: g.VariantTitle, SKU: g.SKU,
			Image: g.Image, ImageAlt: g.ImageAlt, Quantity: i.quantity,
			Price: money.Money{Amount: g.Price, Currency: settings.Currency},
			Total: money.Money{Amount: g.Price * i.quantity, Currency: settings.Currency},
		})
	}
	if err := lacking(items, goods); err != nil { // stock decides below; this spares it those that cannot win
		return err
	}
	t, err := totals(items, goods, settings, o.ShippingAddress.Country)
	if err != nil {
		return err
	}
	o.Subtotal = money.Money{Amount: t.Subtotal, Currency: settings.Currency}
	o.Delivery = money.Money{Amount: t.Delivery, Currency: settings.Currency}
	o.Total = money.Money{Amount: t.Total, Currency: settings.Currency}
	return nil
}

// lacking is fault.Conflict "out-of-stock" if some of the items cannot be had.
func lacking(items []item, goods map[id.Variant]catalog.Sellable) error {
	var short []fault.Field
	for _, i := range items {
		g := goods[i.variant]
		if why, most := problem(g, i.quantity); why == Gone {
			short = append(short, fault.Field{Pointer: i.pointer, Message: cmp.Or(g.Title, "An item") + " is no longer sold."})
		} else if why != "" {
			short = append(short, shortage(i.pointer, g.Title, most))
		}
	}
	if len(short) == 0 {
		return nil
	}
	return outOfStock(short)
}

// soldOut refuses an order for what is not there any more, before it waits for
// its turn to be placed. Whatever else is wrong with it, place says.
func soldOut(ctx context.Context, r db.Reader, in PlaceIn) error {
	var items []item
	var goods map[id.Variant]catalog.Sellable
	if in.Body.Cart == "" {
		var err error
		if items, err = read(in.Body.Lines, 1); err != nil {
			return nil
		}
		if goods, err = sellables(ctx, r, items); err != nil {
			return err
		}
	} else {
		cart, err := parseCart(in.Body.Cart)
		if err != nil {
			return nil
		}
		c, there, err := fetch(ctx, r, cart)
		if err != nil || c.token != "" {
			return nil
		}
		items, goods = c.items, there
	}
	if mayEnter(items, goods) != nil {
		return nil
	}
	return lacking(items, goods)
}

func shortage(pointer, title string, most int64) fault.Field {
	if most == 0 {
		return fault.Field{Pointer: pointer, Message: title + " is sold out."}
	}
	return fault.Field{Pointer: pointer, Message: fmt.Sprintf("There are only %d of %s.", most, title)}
}

// outOfStock is fault.Conflict "out-of-stock" about the lines.
func outOfStock(lines []fault.Field) *fault.Fault {
	f := fault.Conflict("out-of-stock", "%s", lines[0].Message)
	if len(lines) > 1 {
		f.Message = fmt.Sprintf("%d of these items are sold out, or there are too few.", len(lines))
	}
	f.More = lines
	return f
}

// take sells the goods, or holds them for a payment to come.
func (o *Order) take(ctx context.Context, tx *db.Tx, items []item, settings shop.Settings) error {
	lines := make([]stock.Line, len(items))
	for n, i := range items {
		lines[n] = stock.Line{Variant: i.variant, Quantity: i.quantity}
	}
	var err error
	if o.Payment.Method == UPI {
		until := tx.Now().Add(time.Duration(max(1, settings.HoldHours)) * time.Hour)
		o.Payment.Until = &until
		err = stock.Hold(ctx, tx, o.ID, lines, until)
	} else {
		err = stock.Sell(ctx, tx, o.ID, lines)
	}
	short, ok := asShort(err)
	if !ok {
		return err
	}
	var fields []fault.Field
	for _, s := range short.Lines {
		fields = append(fields, shortage(items[s.Index].pointer, o.Lines[s.Index].Title, s.Available))
	}
	return outOfStock(fields).Because(err)
}

func asShort(err error) (*stock.Short, bool) {
	var short *stock.Short
	return short, errors.As(err, &short)
}

func (o *Order) insert(ctx context.Context, tx *db.Tx) error {
	find := strings.ToLower(strings.Join([]string{fmt.Sprint(o.Number), o.Contact.Name, o.Contact.Phone, o.Contact.Email}, " "))
	var until time.Time
	if o.Payment.Until != nil {
		until = *o.Payment.Until
	}
	return tx.Later(ctx, insertOrder, o.ID, o.Number, o.Token, o.Payment.Method, o.Total.Currency,
		o.Subtotal.Amount, o.Delivery.Amount, o.Total.Amount, o.Items, o.Customer,
		o.Contact.Name, o.Contact.Phone, o.Contact.Email, o.ShippingAddress.City, find, o.PlacedAt, until)
}

// enter writes a row of the timeline. That the order was placed is the row of
// the order itself.
func (o *Order) enter(ctx context.Context, tx *db.Tx, kind Kind, by id.Account, text string) error {
	e := Entry{ID: id.Entry(id.New[struct{}]()), At: tx.Now(), Kind: kind, Account: by, Text: text}
	if _, err := tx.Exec(ctx, insertEntry, o.ID, e.ID, e.At, e.Kind, e.Account, e.Text); err != nil {
		return err
	}
	o.Timeline = append(o.Timeline, e)
	return nil
}

func (o *Order) placed() OrderPlaced {
	return OrderPlaced{
		Order: o.ID, Number: o.Number, Token: o.Token, Subtotal: o.Subtotal.Amount, Delivery: o.Delivery.Amount, Total: o.Total.Amount,
		Currency: o.Total.Currency, Items: o.Items, Customer: o.Customer, Name: o.Contact.Name, Phone: o.Contact.Phone,
		Email: o.Contact.Email, Method: o.Payment.Method, At: o.PlacedAt, Lines: o.placedLines(),
	}
}

func (o *Order) placedLines() []PlacedLine {
	out := make([]PlacedLine, len(o.Lines))
	for i, l := range o.Lines {
		out[i] = PlacedLine{Product: l.Product, Variant: l.Variant, Title: l.Title, Quantity: l.Quantity, Total: l.Total.Amount}
	}
	return slices.Clip(out)
}
