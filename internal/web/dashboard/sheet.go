package dashboard

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

func (d *desk) quick() error { return d.showQuick(http.StatusOK, Quick{}) }

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
	if err := d.multipart(); err != nil {
		return err
	}
	q := Quick{Title: d.form("title"), Price: d.form("price"), Stock: d.form("stock"), Problems: Problems{}}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	var images []Image
	kept, err := d.upload("photo")
	if f := wrong(err); f != nil {
		q.Problems["photo"] = f.Message
	} else if err != nil {
		return err
	}
	if len(kept) == 0 {
		if m, ok, err := d.Pictures.Find(d.ctx(), d.room.Shop(), d.form("photo_hash")); err == nil && ok {
			kept = append(kept, m)
		}
	}
	for _, m := range kept {
		images = append(images, d.image(&catalog.Picture{Hash: m.Hash, Width: m.Width, Height: m.Height, Alt: q.Title}))
	}
	if len(images) > 0 {
		q.Photo = &images[0]
	}
	form := ProductForm{Title: q.Title, Status: "active", Images: images, Variants: []VariantForm{{Price: q.Price, Stock: q.Stock}}}
	if d.form("draft") != "" {
		form.Status = "draft"
	}
	in, problems := form.input(s.Currency)
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
	return d.back("/products/"+made.ID.String(), Flash{Text: made.Title + " is in your shop."})
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
	b := Bulk{Frame: f, Query: d.form("q"), Currency: sign(s), Problems: problems, BackURL: d.base + "/products", Pager: d.pager("/products/bulk", list.Next)}
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
		return fault.Invalid("", "We could not read this form.").Because(err)
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	problems, edits, order := Problems{}, map[string]*catalog.BulkRow{}, []string{}
	for name := range d.r.PostForm {
		field, vid, ok := strings.Cut(name, "-")
		if !ok || field != "price" && field != "compare" && field != "stock" || d.form(name) == d.form("was-"+name) {
			continue
		}
		row := edits[vid]
		if row == nil {
			row = &catalog.BulkRow{ID: vid}
			edits[vid], order = row, append(order, vid)
		}
		text := d.form(name)
		if field == "stock" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				problems[name] = "Write a whole number."
			}
			row.Available = &n
			continue
		}
		n := int64(0)
		if text != "" || field == "price" {
			if n, err = money.Parse(text, s.Currency); err != nil || n < 0 {
				problems[name] = "Write an amount."
			}
		}
		m := &money.Money{Amount: n, Currency: s.Currency}
		if field == "price" {
			row.Price = m
		} else {
			row.CompareAt = m
		}
	}
	if len(problems) > 0 {
		return d.showBulk(http.StatusUnprocessableEntity, problems)
	}
	if len(edits) > 0 {
		var in catalog.BulkIn
		for _, vid := range order {
			in.Body.Variants = append(in.Body.Variants, *edits[vid])
		}
		_, err = catalog.BulkEdit.Do(d.ctx(), d.room, d.by, in)
		if f := wrong(err); f != nil {
			return d.showBulk(http.StatusUnprocessableEntity, Problems{"": f.Message})
		}
		if err != nil {
			return err
		}
	}
	return d.back("/products/bulk?q="+d.form("q"), Flash{Text: fmt.Sprintf("%s changed.", plural(int64(len(edits)), "variant"))})
}
