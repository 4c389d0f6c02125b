package order

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/sheet"
	"haat/internal/shop"
)

// exportPage is how many orders of an export are in memory at a time.
const exportPage = 200

var (
	exportOrders = db.Q(selectOrder + ` WHERE o.shop = $1 AND o.number > $2 AND o.number <= $3 ORDER BY o.number LIMIT $4`)

	exportColumns = []string{
		"Order", "Placed at", "Status", "Payment method", "Payment status", "Paid at", "Sent at", "Cancelled at", "Cancel reason",
		"Currency", "Subtotal", "Delivery", "Total", "Name", "Phone", "E-mail",
		"Ship to", "Address line 1", "Address line 2", "City", "State", "Postal code", "Country", "Carrier", "Tracking number",
		"Product", "Variant", "SKU", "Quantity", "Price", "Line total", "Order ID", "Customer ID", "Variant ID",
	}
)

// Export writes all orders that there are when it begins, the oldest first, as
// a CSV with a row for each line of an order. What is said of the order stands
// in each of its rows, but its subtotal, delivery and total in the first only,
// so that a column adds up. Amounts are decimals in the row's currency, times
// are in the shop's zone, with its offset.
//
// Each page of orders is read in a snapshot of its own: however long the other
// side takes, nothing is held for it. An order is written as it stands when its
// page is read.
func Export(ctx context.Context, room *fleet.Room, w io.Writer) error {
	out, err := sheet.NewWriter(w, exportColumns...)
	if err != nil {
		return err
	}
	last, zone := int64(-1), time.UTC
	for after := int64(0); last < 0 || after < last; {
		var page []Order
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			page = page[:0]
			if last < 0 {
				s, err := shop.Of(ctx, r)
				if err != nil {
					return err
				}
				zone = s.Zone()
				if last, _, err = db.One(ctx, r, lastNumber, func(n *int64) []any { return []any{n} }); err != nil {
					return err
				}
			}
			return db.Each(ctx, r, exportOrders, (*row).whole, func(row row) error {
				o, err := row.order()
				page = append(page, o)
				return err
			}, after, last, exportPage)
		})
		if err != nil {
			return fmt.Errorf("read orders to export: %w", err)
		}
		for _, o := range page {
			if err := o.export(out, zone); err != nil {
				return err
			}
			after = o.Number
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if len(page) < exportPage {
			break
		}
	}
	return out.Flush()
}

// export writes the rows of one order.
func (o *Order) export(out *sheet.Writer, zone *time.Location) error {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return sheet.Time(t.In(zone))
	}
	track := Tracking{}
	if o.Tracking != nil {
		track = *o.Tracking
	}
	a, sums := o.ShippingAddress, []string{o.Subtotal.Decimal(), o.Delivery.Decimal(), o.Total.Decimal()}
	for _, l := range o.Lines {
		err := out.Row(
			strconv.FormatInt(o.Number, 10), at(&o.PlacedAt), string(o.Status), string(o.Payment.Method), string(o.Payment.Status), at(o.Payment.PaidAt), at(o.FulfilledAt), at(o.CancelledAt), o.CancelReason,
			o.Total.Currency, sums[0], sums[1], sums[2], o.Contact.Name, o.Contact.Phone, o.Contact.Email,
			a.Name, a.Line1, a.Line2, a.City, a.State, a.PostalCode, a.Country, track.Carrier, track.Number,
			l.Title, l.VariantTitle, l.SKU, strconv.FormatInt(l.Quantity, 10), l.Price.Decimal(), l.Total.Decimal(), o.ID.String(), o.Customer.String(), l.Variant.String(),
		)
		if err != nil {
			return err
		}
		sums = []string{"", "", ""}
	}
	return nil
}
