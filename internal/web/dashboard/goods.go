package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"haat/internal/catalog"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

var productWords = map[catalog.Status]Status{catalog.Active: {"Active", "good"}, catalog.Draft: {"Draft", "warn"}, catalog.Archived: {"Archived", ""}}

func sign(s shop.Settings) string {
	text := (money.Money{Currency: s.Currency}).Format(s.Locale, true)
	return strings.TrimSpace(strings.Trim(text, "0.,\u00a0 "))
}

func (d *desk) image(p *catalog.Picture) Image {
	if p == nil || p.Hash == "" {
		return Image{}
	}
	return Image{Hash: p.Hash, Src: media.URL(d.room.Shop(), p.Hash, media.Nearest(p.Width, 160)), Large: media.URL(d.room.Shop(), p.Hash, media.Nearest(p.Width, 640)), Alt: p.Alt, Width: p.Width, Height: p.Height}
}

func (d *desk) products() error {
	f, s, err := d.frame("Products", SectionProducts)
	if err != nil {
		return err
	}
	status, stock, q := d.form("status"), d.form("stock"), d.form("q")
	list, err := catalog.ListProducts.Do(d.ctx(), d.room, d.by, catalog.ListIn{Status: status, Stock: stock, Query: q, Page: op.Page{Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	n, err := catalog.CountProducts(d.ctx(), d.room)
	if err != nil {
		return err
	}
	p := Products{Frame: f, Status: status, Stock: stock, Query: q, Total: plural(n, "product"), Empty: n == 0, BulkURL: d.base + "/products/bulk?" + url.Values{"q": {q}}.Encode(), Pager: d.pager("/products", list.Next)}
	for _, t := range []struct{ status, stock, label string }{{"", "", "All"}, {"active", "", "Active"}, {"", "sold-out", "Sold out"}, {"draft", "", "Draft"}, {"archived", "", "Archived"}} {
		p.Tabs = append(p.Tabs, Tab{Label: t.label, URL: d.listed("/products", "status", t.status, "stock", t.stock, "q", q), On: t.status == status && t.stock == stock})
	}
	for _, x := range list.Items {
		row := ProductRow{ID: x.ID.String(), URL: d.base + "/products/" + x.ID.String(), Image: d.image(x.Image), Title: x.Title, Note: x.Vendor, Price: x.Price.Format(s.Locale, true), State: productWords[x.Status]}
		if x.PriceMax.Amount > x.Price.Amount {
			row.Price += " – " + x.PriceMax.Format(s.Locale, true)
		}
		if x.Variants > 1 {
			row.Note = strings.TrimSuffix(plural(x.Variants, "variant")+" · "+x.Vendor, " · ")
		}
		switch {
		case !x.Tracked:
			row.Stock = "Always available"
		case x.Available <= 0:
			row.Stock, row.StockBad = "Sold out", true
		default:
			row.Stock, row.StockBad = fmt.Sprintf("%d in stock", x.Available), x.Available <= 2
		}
		p.Rows = append(p.Rows, row)
	}
	return d.show(http.StatusOK, p.Page())
}

// archive takes a product out of the shop or, undoing that, gives it the
// status back that it had.
func (d *desk) archive() error {
	in := catalog.ProductIn{Product: d.r.PathValue("product")}
	old, err := catalog.GetProduct.Do(d.ctx(), d.room, d.by, in)
	if err != nil {
		return err
	}
	status := catalog.Archived
	switch s := catalog.Status(d.form("status")); s {
	case catalog.Active, catalog.Draft:
		status = s
	}
	p, err := catalog.UpdateProduct.Do(d.ctx(), d.room, d.by, catalog.UpdateIn{Product: in.Product, Body: catalog.ProductInput{Status: &status}})
	if err != nil {
		return err
	}
	if status != catalog.Archived {
		return d.back("/products/"+in.Product, Flash{Text: p.Title + " is back."})
	}
	return d.back("/products", Flash{Text: p.Title + " is archived. Shoppers no longer see it.", Undo: &Undo{
		Action: d.base + "/products/" + in.Product + "/archive", Fields: map[string]string{"status": string(old.Status)},
	}})
}
