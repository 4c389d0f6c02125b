package api

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

// AddExports adds the routes by which a shop's data goes out.
func AddExports(g *op.Registry, m *catalog.Importer, d *customer.Desk) {
	for _, e := range []struct {
		name, method, path, summary, file string
		send                              func(http.ResponseWriter, *http.Request, op.Call) error
	}{
		{"catalog.export", "GET", "/exports", "Export the catalogue as a Shopify product CSV", "The CSV",
			func(w http.ResponseWriter, r *http.Request, c op.Call) error { return SendCatalogue(w, r, c, m) }},
		{"catalog.export-post", "POST", "/exports", "Export the catalogue as a Shopify product CSV", "The CSV",
			func(w http.ResponseWriter, r *http.Request, c op.Call) error { return SendCatalogue(w, r, c, m) }},
		{"order.export", "GET", "/exports/orders.csv", "Export all orders as a CSV",
			"A row for each line of an order, the oldest order first; an order's subtotal, delivery and total stand in the first of its rows only. Amounts are decimals in the row's currency; times are in the shop's zone. Text that a spreadsheet would take for a formula has an apostrophe before it.",
			func(w http.ResponseWriter, r *http.Request, c op.Call) error { return SendOrders(w, r, c, "") }},
		{"customer.export", "GET", "/exports/customers.csv", "Export all customers as a CSV",
			"A row for each customer, in the order in which they came, written like the orders.",
			func(w http.ResponseWriter, r *http.Request, c op.Call) error { return SendCustomers(w, r, c, d, "") }},
	} {
		i := op.Info{Name: e.name, Method: e.method, Path: e.path, Summary: e.summary, Role: op.Merchant, Kind: "read"}
		g.Handle(i, &huma.Operation{Responses: map[string]*huma.Response{"200": {Description: e.file, Content: map[string]*huma.MediaType{"text/csv": {}}}}}, e.send)
	}
}

// SendCatalogue streams a shop's catalogue as a file.
func SendCatalogue(w http.ResponseWriter, r *http.Request, c op.Call, m *catalog.Importer) error {
	return sendFile(w, c.Room.Slug()+"-products.csv", "", func(out io.Writer) error { return m.Export(r.Context(), c.Room, out) })
}

// SendOrders streams a shop's orders as a file that begins with head.
func SendOrders(w http.ResponseWriter, r *http.Request, c op.Call, head string) error {
	return sendFile(w, c.Room.Slug()+"-orders.csv", head, func(out io.Writer) error { return order.Export(r.Context(), c.Room, out) })
}

// SendCustomers streams a shop's customers as a file that begins with head.
func SendCustomers(w http.ResponseWriter, r *http.Request, c op.Call, d *customer.Desk, head string) error {
	s, err := shop.ForPage.Do(r.Context(), c.Room, c.By, shop.PageIn{})
	if err != nil {
		return err
	}
	return sendFile(w, c.Room.Slug()+"-customers.csv", head, func(out io.Writer) error { return d.Export(r.Context(), c.Room, s.Zone(), out) })
}

// download is a file on its way to somebody.
type download struct {
	w     http.ResponseWriter
	name  string
	head  string
	begun bool
}

// patience is how long the other side may take for each piece of a file.
const patience = 2 * time.Minute

func (d *download) Write(b []byte) (int, error) {
	if err := http.NewResponseController(d.w).SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, d.name))
		h.Set("Cache-Control", "private, no-store")
		if _, err := io.WriteString(d.w, d.head); err != nil {
			return 0, err
		}
	}
	return d.w.Write(b)
}

// sendFile has fn write a file. Its error is returned if nothing was sent yet;
// later it breaks the answer off, so that half a file is not taken for a whole
// one.
func sendFile(w http.ResponseWriter, name, head string, fn func(io.Writer) error) error {
	d := &download{w: w, name: name, head: head}
	err := fn(d)
	if err != nil && d.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}
