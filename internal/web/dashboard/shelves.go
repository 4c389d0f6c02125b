package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	qrcode "rsc.io/qr"

	"haat/internal/catalog"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

var (
	ruleFields = []Choice{{Value: "title", Label: "Title"}, {Value: "tag", Label: "Tag"}, {Value: "type", Label: "Type"}, {Value: "vendor", Label: "Vendor"}, {Value: "price", Label: "Price"}, {Value: "compare_at_price", Label: "Compare-at price"}}
	ruleWords  = []Choice{{Value: "equals", Label: "is"}, {Value: "not_equals", Label: "is not"}, {Value: "contains", Label: "contains"}, {Value: "starts_with", Label: "begins with"}, {Value: "ends_with", Label: "ends with"}, {Value: "greater", Label: "is above"}, {Value: "less", Label: "is below"}}
)

func labelOf(list []Choice, value string) string {
	for _, c := range list {
		if c.Value == value {
			return c.Label
		}
	}
	return value
}

func (d *desk) collections() error {
	f, s, err := d.frame("Collections", SectionCollections)
	if err != nil {
		return err
	}
	list, err := catalog.ListCollections.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	if err != nil {
		return err
	}
	q := strings.ToLower(d.form("q"))
	p := Collections{Frame: f, Query: d.form("q"), Empty: len(list.Items) == 0}
	for _, c := range list.Items {
		if !strings.Contains(strings.ToLower(c.Title), q) {
			continue
		}
		row := CollectionRow{URL: d.base + "/collections/" + c.ID.String(), Title: c.Title, Products: plural(c.Products, "product")}
		if c.Rule != nil {
			var words []string
			for _, x := range c.Rule.Conditions {
				words = append(words, labelOf(ruleFields, x.Field)+" "+labelOf(ruleWords, x.Is)+" "+d.ruleValue(s, x))
			}
			row.Rule = strings.Join(words, map[bool]string{true: " or ", false: " and "}[c.Rule.Any])
		}
		p.Rows = append(p.Rows, row)
	}
	return d.show(http.StatusOK, p.Page())
}

func priced(field string) bool { return field == "price" || field == "compare_at_price" }

// ruleValue writes what a condition compares with as people write it.
func (d *desk) ruleValue(s shop.Settings, c catalog.Condition) string {
	var n int64
	if priced(c.Field) {
		if _, err := fmt.Sscanf(c.Value, "%d", &n); err == nil {
			return money.Money{Amount: n, Currency: s.Currency}.Decimal()
		}
	}
	return c.Value
}

func (d *desk) collection() error {
	v := Collection{Kind: "manual", All: true}
	if cid := d.r.PathValue("collection"); cid != "" {
		c, err := catalog.GetCollection.Do(d.ctx(), d.room, d.by, catalog.CollectionIn{Collection: cid})
		if err != nil {
			return err
		}
		s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
		if err != nil {
			return err
		}
		v.Heading, v.Title, v.Description, v.Handle = c.Title, c.Title, c.Description, c.Handle
		if c.Rule != nil {
			v.Kind, v.All = "rule", !c.Rule.Any
			for _, x := range c.Rule.Conditions {
				v.Conditions = append(v.Conditions, Condition{x.Field, x.Is, d.ruleValue(s, x)})
			}
		}
		if v.Picked, err = d.picked(s, c.Members); err != nil {
			return err
		}
		v.Matches = plural(c.Products, "product")
	}
	return d.showCollection(http.StatusOK, v)
}

// picked gives what is shown of products, in order.
func (d *desk) picked(s shop.Settings, ids []id.Product) ([]PickedProduct, error) {
	var out []PickedProduct
	for _, pid := range ids[:min(len(ids), 200)] {
		p, err := catalog.GetProduct.Do(d.ctx(), d.room, d.by, catalog.ProductIn{Product: pid.String()})
		if err != nil {
			return nil, err
		}
		x := PickedProduct{ID: p.ID.String(), Title: p.Title, In: true}
		if len(p.Variants) > 0 {
			x.Price = p.Variants[0].Price.Format(s.Locale, true)
		}
		if len(p.Images) > 0 {
			x.Image = d.image(&p.Images[0])
		}
		out = append(out, x)
	}
	return out, nil
}

func (d *desk) showCollection(status int, v Collection) error {
	cid := d.r.PathValue("collection")
	title := v.Heading
	v.New, v.URL = cid == "", d.base+"/collections/new"
	if v.New {
		title = "New collection"
	} else {
		v.URL = d.base + "/collections/" + cid
		v.ViewURL = d.ShopURL(d.room.Slug()) + "/collections/" + v.Handle
	}
	f, _, err := d.frame(title, SectionCollections)
	if err != nil {
		return err
	}
	v.Frame, v.Fields, v.Relations = f, ruleFields, ruleWords
	if len(v.Conditions) == 0 {
		v.Conditions = []Condition{{Field: "tag", Relation: "equals"}}
	}
	return d.show(status, v.Page())
}

func (d *desk) saveCollection() error {
	if err := d.r.ParseForm(); err != nil {
		return unread(err)
	}
	cid, heading := d.r.PathValue("collection"), ""
	if cid != "" {
		c, err := catalog.GetCollection.Do(d.ctx(), d.room, d.by, catalog.CollectionIn{Collection: cid})
		if err != nil {
			return err
		}
		heading = c.Title
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	v := Collection{Title: d.form("title"), Heading: heading, Description: d.form("description"), Handle: d.form("handle"), Kind: d.form("kind"), All: d.form("match") != "any", Find: d.form("find"), Problems: Problems{}}
	for n := range 20 {
		field, there := d.r.PostForm[fmt.Sprintf("field-%d", n)]
		if !there {
			break
		}
		if c := (Condition{field[0], d.form(fmt.Sprintf("relation-%d", n)), d.form(fmt.Sprintf("value-%d", n))}); c.Value != "" {
			v.Conditions = append(v.Conditions, c)
		}
	}
	var members []id.Product
	for _, text := range strings.Fields(strings.Join(append(slices.Clone(d.r.PostForm["keep"]), d.r.PostForm["add"]...), " ")) {
		var p id.Product
		if p.UnmarshalText([]byte(text)) == nil && !p.Zero() && !slices.Contains(members, p) {
			members = append(members, p)
		}
	}
	again := func(status int) error {
		if v.Picked, err = d.picked(s, members); err != nil {
			return err
		}
		return d.showCollection(status, v)
	}
	switch {
	case d.form("more_conditions") != "":
		v.Conditions = append(v.Conditions, Condition{Field: "tag", Relation: "equals"})
		return again(http.StatusOK)
	case d.form("search") != "":
		found, err := catalog.ListProducts.Do(d.ctx(), d.room, d.by, catalog.ListIn{Query: v.Find, Page: op.Page{Limit: 20}})
		if err != nil {
			return err
		}
		for _, x := range found.Items {
			v.Found = append(v.Found, PickedProduct{ID: x.ID.String(), Title: x.Title, Price: x.Price.Format(s.Locale, true), Image: d.image(x.Image), In: slices.Contains(members, x.ID)})
		}
		return again(http.StatusOK)
	}
	in := catalog.CollectionInput{Title: &v.Title, Description: &v.Description}
	if v.Handle != "" {
		in.Handle = &v.Handle
	}
	if v.Kind == "rule" {
		in.Rule = &catalog.Rule{Any: !v.All}
		for i, c := range v.Conditions {
			if priced(c.Field) {
				n, err := money.Parse(c.Value, s.Currency)
				if err != nil {
					v.Problems[fmt.Sprintf("value-%d", i)] = "Write an amount."
				}
				c.Value = fmt.Sprint(n)
			}
			in.Rule.Conditions = append(in.Rule.Conditions, catalog.Condition{Field: c.Field, Is: c.Relation, Value: c.Value})
		}
	} else {
		if members == nil {
			members = []id.Product{}
		}
		in.Products = &members
	}
	if v.Title == "" {
		v.Problems["title"] = "Give the collection a title."
	}
	if len(v.Problems) > 0 {
		return again(http.StatusUnprocessableEntity)
	}
	var saved catalog.CollectionDetails
	if cid == "" {
		saved, err = catalog.CreateCollection.Do(d.ctx(), d.room, d.by, catalog.NewCollection{Body: in})
	} else {
		saved, err = catalog.UpdateCollection.Do(d.ctx(), d.room, d.by, catalog.CollectionChange{Collection: cid, Body: in})
	}
	if f := wrong(err); f != nil {
		v.Problems = beside(f, map[string]string{"/title": "title", "/handle": "handle"})
		return again(http.StatusUnprocessableEntity)
	}
	if err != nil {
		return err
	}
	return d.back("/collections/"+saved.ID.String(), Flash{Text: saved.Title + " is saved: " + plural(saved.Products, "product") + "."})
}

func (d *desk) removeCollection() error {
	in := catalog.CollectionIn{Collection: d.r.PathValue("collection")}
	c, err := catalog.GetCollection.Do(d.ctx(), d.room, d.by, in)
	if err != nil {
		return err
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	if _, err := catalog.RemoveCollection.Do(d.ctx(), d.room, d.by, in); err != nil {
		return err
	}
	f := Flash{Text: "The collection is gone. Its products stay.", Undo: d.again(s, c)}
	if b, err := json.Marshal(f); err != nil || len(b) >= flashBytes { // too many products for a cookie
		f.Undo = nil
	}
	return d.back("/collections", f)
}

// again is the form that makes a collection as c was.
func (d *desk) again(s shop.Settings, c catalog.CollectionDetails) *Undo {
	fields := map[string]string{"title": c.Title, "description": c.Description, "handle": c.Handle, "kind": "manual"}
	if c.Rule != nil {
		fields["kind"] = "rule"
		if c.Rule.Any {
			fields["match"] = "any"
		}
		for i, x := range c.Rule.Conditions {
			n := strconv.Itoa(i)
			fields["field-"+n], fields["relation-"+n], fields["value-"+n] = x.Field, x.Is, d.ruleValue(s, x)
		}
	} else {
		ids := make([]string, len(c.Members))
		for i, p := range c.Members {
			ids[i] = p.String()
		}
		fields["keep"] = strings.Join(ids, " ")
	}
	return &Undo{Action: d.base + "/collections/new", Fields: fields}
}

// code draws text as a QR code's squares.
func qrCode(text string) (QR, error) {
	c, err := qrcode.Encode(text, qrcode.M)
	if err != nil {
		return QR{}, err
	}
	q := QR{Modules: make([][]bool, c.Size)}
	for y := range q.Modules {
		q.Modules[y] = make([]bool, c.Size)
		for x := range q.Modules[y] {
			q.Modules[y][x] = c.Black(x, y)
		}
	}
	return q, nil
}

func (d *desk) share() error {
	f, s, err := d.frame("Share", SectionShare)
	if err != nil {
		return err
	}
	p := Share{Frame: f, Link: d.link(s)}
	if p.QR, err = qrCode(p.Link.URL); err != nil {
		return err
	}
	list, err := catalog.ListProducts.Do(d.ctx(), d.room, d.by, catalog.ListIn{Status: "active", Page: op.Page{Limit: 6}})
	if err != nil {
		return err
	}
	for _, x := range list.Items {
		p.Products = append(p.Products, d.shareProduct(s, x))
	}
	return d.show(http.StatusOK, p.Page())
}

func (d *desk) shareProduct(s shop.Settings, x catalog.Summary) ShareProduct {
	u, price := d.ShopURL(d.room.Slug())+"/products/"+x.Handle, x.Price.Format(s.Locale, true)
	return ShareProduct{Image: d.image(x.Image), Title: x.Title, Price: price, URL: u, WhatsAppURL: "https://wa.me/?text=" + url.QueryEscape(x.Title+", "+price+": "+u)}
}

func (d *desk) poster() error {
	f, s, err := d.frame("Poster", SectionShare)
	if err != nil {
		return err
	}
	p := Poster{Frame: f, Size: "a4", Heading: s.Name, Text: "Scan to see everything and order from your phone.", Link: d.link(s)}
	if d.form("size") == "a6" {
		p.Size = "a6"
	}
	if p.QR, err = qrCode(p.Link.URL); err != nil {
		return err
	}
	if s.COD {
		p.Accepts = append(p.Accepts, "Cash on delivery")
	}
	if s.UPI.VPA != "" {
		p.Accepts = append(p.Accepts, "UPI")
	}
	return d.show(http.StatusOK, p.Page())
}

func (d *desk) picture(hash string) *Image {
	if hash == "" {
		return nil
	}
	m, ok, err := d.Pictures.Find(d.ctx(), d.room.Shop(), hash)
	if err != nil || !ok {
		return nil
	}
	i := d.image(&catalog.Picture{Hash: hash, Width: m.Width, Height: m.Height})
	return &i
}
