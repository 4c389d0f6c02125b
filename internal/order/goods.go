package order

import (
	"context"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/quote"
	"haat/internal/ship"
	"haat/internal/shop"
)

// sellables reads from the catalogue what the items are now. What is not in
// the answer is unknown to the shop.
func sellables(ctx context.Context, r db.Reader, items []item) (map[id.Variant]catalog.Sellable, error) {
	variants := make([]id.Variant, len(items))
	for n, i := range items {
		variants[n] = i.variant
	}
	return catalog.Sellables(ctx, r, variants)
}

// problem says why so many of g cannot be had, and how many can.
func problem(g catalog.Sellable, quantity int64) (Problem, int64) {
	switch {
	case !g.Active:
		return Gone, 0
	case !g.Sellable:
		return SoldOut, 0
	case g.Tracked && !g.Continue && g.Available < quantity:
		return TooFew, max(0, g.Available)
	}
	return "", quantity
}

// priced is a cart as the catalogue has it now.
func priced(ctx context.Context, r db.Reader, c storedCart, goods map[id.Variant]catalog.Sellable) (Cart, error) {
	settings, err := shop.Of(ctx, r)
	if err != nil {
		return Cart{}, err
	}
	out := Cart{ID: c.id, Lines: []CartLine{}, UpdatedAt: c.updated, Ordered: c.token != ""}
	if out.Ordered {
		out.StatusURL = statusURL(c.token)
	}
	if out.Contact, out.ShippingAddress, err = c.said(); err != nil {
		return Cart{}, err
	}
	in := func(amount int64) money.Money { return money.Money{Amount: amount, Currency: settings.Currency} }
	out.Ready = len(c.items) > 0
	var had []item
	for _, i := range c.items {
		g := goods[i.variant]
		why, most := problem(g, i.quantity)
		l := CartLine{
			Variant: i.variant, Product: g.Product, Handle: g.Handle, Title: g.Title, VariantTitle: g.VariantTitle, SKU: g.SKU,
			Image: g.Image, ImageAlt: g.ImageAlt, Quantity: i.quantity, Price: in(g.Price), CompareAt: in(g.CompareAt),
			Total: in(g.Price * i.quantity), Available: why == "", Problem: why, RequiresShipping: g.RequiresShipping,
		}
		if why == TooFew {
			l.Most = most
		}
		if why == Gone {
			l.Price, l.CompareAt, l.Total = in(0), in(0), in(0)
		}
		if l.Available {
			had = append(had, i)
		}
		out.Ready = out.Ready && l.Available
		out.Items += i.quantity
		out.Lines = append(out.Lines, l)
	}
	country := destination(out.ShippingAddress, settings)
	t, err := totals(had, goods, settings, country)
	if f := fault.Of(err); f != nil && f.Field == "/shipping_address/country" { // not delivered there
		out.Problem, country = f.Message, ""
		t, err = totals(had, goods, settings, "")
	}
	if err != nil {
		return Cart{}, err
	}
	out.Subtotal, out.Total = in(t.Subtotal), in(t.Total)
	if country != "" {
		delivery := in(t.Delivery)
		out.Delivery = &delivery
	}
	return out, nil
}

// destination is the country a cart goes to, as far as it is known: the
// address's, or the only one that the shop delivers to.
func destination(a *Address, settings shop.Settings) string {
	switch {
	case a != nil && a.Country != "":
		return a.Country
	case len(settings.Delivery.Countries) == 1:
		return settings.Delivery.Countries[0]
	}
	return ""
}

// totals adds up the items. Without a country there is no charge for delivery
// yet; one that the shop does not deliver to is fault.Invalid at
// /shipping_address/country.
func totals(items []item, goods map[id.Variant]catalog.Sellable, settings shop.Settings, country string) (quote.Totals, error) {
	in := quote.Input{Currency: settings.Currency}
	for _, i := range items {
		g := goods[i.variant]
		in.Lines = append(in.Lines, quote.Line{Price: g.Price, Quantity: i.quantity, RequiresShipping: g.RequiresShipping})
	}
	t, err := quote.Total(in)
	if err != nil || !t.Ships || country == "" {
		return t, err
	}
	d := settings.Delivery
	if in.Delivery, err = ship.Charge(ship.Rules{Charge: d.Charge, FreeAbove: d.FreeAbove, Countries: d.Countries}, t.Subtotal, country); err != nil {
		return t, err
	}
	return quote.Total(in)
}
