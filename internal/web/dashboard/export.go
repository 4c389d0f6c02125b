package dashboard

import (
	"net/http"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/sheet"
)

func (d *desk) export() error {
	f, _, err := d.frame("Export", SectionImport)
	if err != nil {
		return err
	}
	n, err := catalog.CountProducts(d.ctx(), d.room)
	if err != nil {
		return err
	}
	counts, err := order.CountOrders.Do(d.ctx(), d.room, d.by, op.Empty{})
	if err != nil {
		return err
	}
	people, err := d.Desk.List.Do(d.ctx(), d.room, d.by, customer.Search{Page: op.Page{Limit: 1}})
	if err != nil {
		return err
	}
	p := Export{Frame: f, Products: plural(n, "product"), ProductsURL: d.base + "/export/products.csv", Orders: plural(counts.All, "order")}
	if counts.All > 0 {
		p.OrdersURL = d.base + "/export/orders.csv"
	}
	if len(people.Items) > 0 {
		p.PeopleURL = d.base + "/export/customers.csv"
	}
	return d.show(http.StatusOK, p.Page())
}

func (d *desk) exportProducts() error {
	return api.SendCatalogue(d.w, d.r, op.Call{Room: d.room, By: d.by}, d.Importer)
}

// These two are for a person with a spreadsheet, which is told that the file
// is UTF-8; programs read the API's, which are plain.
func (d *desk) exportOrders() error {
	return api.SendOrders(d.w, d.r, op.Call{Room: d.room, By: d.by}, sheet.ByteOrderMark)
}

func (d *desk) exportCustomers() error {
	return api.SendCustomers(d.w, d.r, op.Call{Room: d.room, By: d.by}, d.Desk, sheet.ByteOrderMark)
}
