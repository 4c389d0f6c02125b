package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

// quick is the form, and above it what was published with it a moment ago.
func (d *desk) quick() error {
	made := d.form("made")
	if made == "" {
		return d.showQuick(http.StatusOK, Quick{})
	}
	p, err := catalog.GetProduct.Do(d.ctx(), d.room, d.by, catalog.ProductIn{Product: made})
	if err != nil {
		return err
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	sold := catalog.Summary{Handle: p.Handle, Title: p.Title}
	if len(p.Variants) > 0 {
		sold.Price = p.Variants[0].Price
	}
	if len(p.Images) > 0 {
		sold.Image = &p.Images[0]
	}
	last := d.shareProduct(s, sold)
	return d.showQuick(http.StatusOK, Quick{Last: &last})
}

func (d *desk) showQuick(status int, q Quick) error {
	f, s, err := d.frame("Quick add", SectionAdd)
	if err != nil {
		return err
	}
	q.Frame, q.Currency = f, sign(s)
	return d.show(status, q.Page())
}

// saveQuick makes a product of a photo, a title and a price.
func (d *desk) saveQuick() error {
	sent, err := d.read("photo")
	if err != nil {
		return err
	}
	q := Quick{Title: d.form("title"), Price: d.form("price"), Stock: d.form("stock"), Problems: sent.problems}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	form := ProductForm{Title: q.Title, Status: "active", Variants: []VariantForm{{Price: q.Price, Stock: q.Stock}}}
	kept := sent.pictures["photo"]
	if hash := d.form("photo_hash"); len(kept) == 0 && media.IsHash(hash) {
		m, found, err := d.Pictures.Find(d.ctx(), d.room.Shop(), hash)
		if err != nil {
			return err
		}
		if found {
			kept = append(kept, m)
		}
	}
	for _, m := range kept {
		m.Alt = q.Title
		form.Images = append(form.Images, d.shown(m))
	}
	if len(form.Images) > 0 {
		q.Photo = &form.Images[0]
	}
	if d.form("draft") != "" {
		form.Status = "draft"
	}
	in, problems := form.input(s.Currency, catalog.Details{})
	for from, to := range map[string]string{"variant-0-price": "price", "variant-0-stock": "stock"} {
		if problems[from] != "" {
			q.Problems[to] = problems[from]
		}
	}
	if q.Title == "" {
		q.Problems["title"] = "Say what it is."
	}
	if len(q.Problems) > 0 {
		return d.showQuick(http.StatusUnprocessableEntity, q)
	}
	made, err := catalog.CreateProduct.Do(d.ctx(), d.room, d.by, catalog.CreateIn{Body: in})
	if f := wrong(err); f != nil {
		q.Problems = beside(f, map[string]string{"/title": "title", "/variants/0/price": "price", "/variants/0/available": "stock"})
		return d.showQuick(http.StatusUnprocessableEntity, q)
	}
	if err != nil {
		return err
	}
	if made.Status != catalog.Active {
		return d.back("/products/"+made.ID.String(), Flash{Text: made.Title + " is kept as a draft."})
	}
	return d.back("/quick?made="+made.ID.String(), Flash{})
}

func (d *desk) bulk() error { return d.showBulk(http.StatusOK, nil) }

func (d *desk) showBulk(status int, problems Problems) error {
	f, s, err := d.frame("Price and stock", SectionProducts)
	if err != nil {
		return err
	}
	list, err := catalog.ListVariants.Do(d.ctx(), d.room, d.by, catalog.VariantsIn{Query: d.form("q"), Page: op.Page{Limit: 100, Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	b := Bulk{Frame: f, Query: d.form("q"), After: d.form("after"), Currency: sign(s), Problems: problems, BackURL: d.base + "/products", Pager: d.pager("/products/bulk", list.Next)}
	last := ""
	for _, v := range list.Items {
		key := v.ID.String()
		row := BulkRow{Variant: key, Product: v.Title, Name: v.Variant, SKU: v.SKU, First: v.Product.String() != last, WasPrice: v.Price.Decimal()}
		last = v.Product.String()
		if v.CompareAt != nil {
			row.WasComp = v.CompareAt.Decimal()
		}
		if v.Tracked {
			row.WasStock = strconv.FormatInt(v.Available, 10)
		}
		row.Price, row.Compare, row.Stock = row.WasPrice, row.WasComp, row.WasStock
		if status != http.StatusOK {
			row.Price, row.Compare, row.Stock = d.form("price-"+key), d.form("compare-"+key), d.form("stock-"+key)
		}
		b.Rows = append(b.Rows, row)
	}
	return d.show(status, b.Page())
}

// saveBulk writes what differs from what was shown.
func (d *desk) saveBulk() error {
	if err := d.r.ParseForm(); err != nil {
		return unread(err)
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	problems, rows := Problems{}, []catalog.BulkRow{}
	for _, vid := range d.sheetRows() {
		row, changed, wrong := d.sheetRow(vid, s.Currency)
		for field, text := range wrong {
			problems[field+"-"+vid] = text
		}
		if changed {
			rows = append(rows, row)
		}
	}
	if len(problems) > 0 {
		return d.showBulk(http.StatusUnprocessableEntity, problems)
	}
	if len(rows) > 0 {
		var in catalog.BulkIn
		in.Body.Variants = rows
		_, err = catalog.BulkEdit.Do(d.ctx(), d.room, d.by, in)
		if f := wrong(err); f != nil {
			names := map[string]string{}
			for i, row := range rows {
				for pointer, field := range map[string]string{"price": "price-", "compare_at_price": "compare-", "available": "stock-", "id": "price-"} {
					names[fmt.Sprintf("/variants/%d/%s", i, pointer)] = field + row.ID
				}
			}
			return d.showBulk(http.StatusUnprocessableEntity, beside(f, names))
		}
		if err != nil {
			return err
		}
	}
	q := url.Values{}
	for _, name := range []string{"q", "after"} {
		if v := d.form(name); v != "" {
			q.Set(name, v)
		}
	}
	said := "Nothing was changed."
	if len(rows) > 0 {
		said = plural(int64(len(rows)), "row") + " changed."
	}
	return d.back("/products/bulk?"+q.Encode(), Flash{Text: said})
}

// sheetRows are the variants of the sheet that was sent, in a steady order.
func (d *desk) sheetRows() []string {
	var out []string
	for name := range d.r.PostForm {
		if vid, ok := strings.CutPrefix(name, "price-"); ok {
			out = append(out, vid)
		}
	}
	slices.Sort(out)
	return out
}

// sheetRow reads what was changed in one row.
func (d *desk) sheetRow(vid, currency string) (row catalog.BulkRow, changed bool, problems Problems) {
	row.ID, problems = vid, Problems{}
	differs := func(field string) (string, bool) {
		text := d.form(field + "-" + vid)
		return text, text != d.form("was-"+field+"-"+vid)
	}
	amount := func(field string, text string) *money.Money {
		n, err := money.Parse(text, currency)
		if err != nil || n < 0 {
			problems[field] = "Write an amount, such as 499."
		}
		changed = true
		return &money.Money{Amount: n, Currency: currency}
	}
	if text, is := differs("price"); is {
		row.Price = amount("price", text)
	}
	if text, is := differs("compare"); is && text != "" {
		row.CompareAt = amount("compare", text)
	} else if is {
		row.CompareAt, changed = &money.Money{Currency: currency}, true
	}
	if text, is := differs("stock"); is {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case text == "":
			problems["stock"] = "To stop counting it, open the product."
		case err != nil || n < 0:
			problems["stock"] = "Write a whole number."
		}
		row.Available, changed = &n, true
	}
	return row, changed, problems
}
