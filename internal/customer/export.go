package customer

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/sheet"
)

// exportPage is how many customers of an export are in memory at a time.
const exportPage = 500

var exportRows = db.Q(`SELECT ` + columns + ` FROM customer WHERE shop = $1 AND id > $2 ORDER BY id LIMIT $3`)

// Export writes all customers, in the order in which they came, as a CSV with
// a row for each. Amounts are decimals in the row's currency, times are in
// zone, with its offset. Each page of customers is read in a snapshot of its
// own; who comes while it is written may be in it.
func (d *Desk) Export(ctx context.Context, room *fleet.Room, zone *time.Location, w io.Writer) error {
	out, err := sheet.NewWriter(w, "Name", "Phone", "E-mail", "Orders", "Spent", "Currency", "First order at", "Last order at", "Customer ID")
	if err != nil {
		return err
	}
	for after := (id.Customer{}); ; {
		var page []Customer
		currency := ""
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			if currency, err = d.currency(ctx, r); err != nil {
				return err
			}
			page, err = db.All(ctx, r, exportRows, scan, after, exportPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("read customers to export: %w", err)
		}
		for _, c := range page {
			spent := money.Money{Amount: c.Spent.Amount, Currency: currency}
			err := out.Row(c.Name, c.Phone, c.Email, strconv.FormatInt(c.Orders, 10), spent.Decimal(), currency,
				sheet.Time(c.CreatedAt.In(zone)), sheet.Time(c.LastOrderAt.In(zone)), c.ID.String())
			if err != nil {
				return err
			}
			after = c.ID
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if len(page) < exportPage {
			return nil
		}
	}
}
