package dashboard

import (
	"fmt"
	"haat/internal/catalog"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (d *desk) newProduct() error {
	return d.showProduct(http.StatusOK, catalog.Details{}, ProductForm{Status: "active", Variants: []VariantForm{{}}}, nil)
}

func (d *desk) editProduct() error {
	p, err := catalog.GetProduct.Do(d.ctx(), d.room, d.by, catalog.ProductIn{Product: d.r.PathValue("product")})
	if err != nil {
		return err
	}
	return d.showProduct(http.StatusOK, p, d.productForm(p), nil)
}

func (d *desk) productForm(p catalog.Details) ProductForm {
	f := ProductForm{Title: p.Title, Description: p.Description, Status: string(p.Status), Vendor: p.Vendor, Type: p.Type, Tags: strings.Join(p.Tags, ", "), Handle: p.Handle, SEOTitle: p.SEO.Title, SEOText: p.SEO.Description}
	for _, o := range p.Options {
		f.Options = append(f.Options, OptionForm{o.Name, strings.Join(o.Values, ", ")})
	}
	for _, v := range p.Variants {
		row := VariantForm{ID: v.ID.String(), Title: v.Title, SKU: v.SKU, Barcode: v.Barcode, Price: v.Price.Decimal(), TaxClass: v.TaxClass, Tracked: v.Tracked, Continue: v.Continue, Options: v.Options}
		if v.CompareAt != nil {
			row.Compare = v.CompareAt.Decimal()
		}
		if v.Cost != nil {
			row.Cost = v.Cost.Decimal()
		}
		if v.Tracked {
			row.Stock = strconv.FormatInt(v.Available, 10)
			row.WasStock = row.Stock
		}
		if v.WeightGrams > 0 {
			row.Weight = strconv.FormatInt(v.WeightGrams, 10)
		}
		f.Variants = append(f.Variants, row)
	}
	for i := range p.Images {
		if p.Images[i].Hash != "" {
			f.Images = append(f.Images, d.image(&p.Images[i]))
		}
	}
	for _, c := range p.Collections {
		f.Collections = append(f.Collections, c.String())
	}
	return f
}

func (d *desk) showProduct(status int, p catalog.Details, form ProductForm, problems Problems) error {
	isNew := p.ID.Zero()
	title := p.Title
	if isNew {
		title = "New product"
	}
	f, s, err := d.frame(title, SectionProducts)
	if err != nil {
		return err
	}
	v := Product{Frame: f, New: isNew, URL: d.base + "/products/new", Heading: title, Form: form, Currency: sign(s), Problems: problems, UploadURL: d.base + "/images", Host: bareHost(f.ShopURL),
		TaxClasses: []Choice{{Value: "", Label: "Standard"}, {Value: "reduced", Label: "Reduced"}, {Value: "zero", Label: "Zero"}}}
	if !isNew {
		v.ID, v.URL, v.State, v.UpdatedAt = p.ID.String(), d.base+"/products/"+p.ID.String(), productWords[p.Status], p.UpdatedAt
		v.UploadURL = v.URL + "/images"
		if p.Status == catalog.Active {
			v.ViewURL = f.ShopURL + "/products/" + p.Handle
		}
	}
	colls, err := catalog.ListCollections.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	if err != nil {
		return err
	}
	for _, c := range colls.Items {
		ch := Choice{Value: c.ID.String(), Label: c.Title}
		if c.Rule != nil {
			ch.Note, ch.Disabled = "by rule", true
		}
		v.Collections = append(v.Collections, ch)
	}
	return d.show(status, v.Page())
}

func listed(text string) []string {
	var out []string
	for _, t := range strings.Split(text, ",") {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// readProductForm reads the editor, keeping what was typed as it was.
func (d *desk) readProductForm() (f ProductForm, problems Problems, err error) {
	in, err := d.read("upload")
	if err != nil {
		return f, nil, err
	}
	f = ProductForm{
		Title: d.form("title"), Description: d.form("description"), Status: d.form("status"), Vendor: d.form("vendor"), Type: d.form("type"), Tags: d.form("tags"),
		Handle: d.form("handle"), SEOTitle: d.form("seo_title"), SEOText: d.form("seo_description"), Collections: d.r.Form["collection"],
	}
	for i := range catalog.MaxOptions {
		o := OptionForm{d.form(fmt.Sprintf("option%d_name", i+1)), d.form(fmt.Sprintf("option%d_values", i+1))}
		if o.Name != "" || o.Values != "" {
			f.Options = append(f.Options, o)
		}
	}
	for n := range catalog.MaxVariants {
		if _, there := d.r.Form[fmt.Sprintf("variant-%d-price", n)]; !there {
			break
		}
		f.Variants = append(f.Variants, d.variantRow(n, len(f.Options)))
	}
	if len(f.Variants) == 0 {
		f.Variants = []VariantForm{{}}
	}
	if f.Images, err = d.placedImages(); err != nil {
		return f, nil, err
	}
	for _, m := range in.pictures["upload"] {
		f.Images = append(f.Images, d.shown(m))
	}
	return f, in.problems, nil
}

func (d *desk) variantRow(n, options int) VariantForm {
	at := func(field string) string { return d.form(fmt.Sprintf("variant-%d-%s", n, field)) }
	v := VariantForm{
		ID: at("id"), SKU: at("sku"), Barcode: at("barcode"), Price: at("price"), Compare: at("compare"), Cost: at("cost"), Stock: at("stock"), WasStock: at("was-stock"),
		Weight: at("weight"), TaxClass: at("tax"), Tracked: at("stock") != "", Continue: at("continue") != "",
	}
	for i := range options {
		v.Options = append(v.Options, at(fmt.Sprintf("option%d", i+1)))
	}
	v.Title = strings.Join(v.Options, " / ")
	return v
}

// placedImages gives the product's pictures in the order asked for, without
// those to take away.
func (d *desk) placedImages() ([]Image, error) {
	removed := d.r.Form["image_remove"]
	type placed struct {
		Image
		position int
	}
	var images []placed
	for i, h := range d.r.Form["image"] {
		if !media.IsHash(h) || slices.Contains(removed, h) {
			continue
		}
		m, ok, err := d.Pictures.Find(d.ctx(), d.room.Shop(), h)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		m.Alt = d.form("image_alt_" + h)
		p := placed{d.shown(m), i}
		if n, err := strconv.Atoi(d.form("image_position_" + h)); err == nil {
			p.position = n
		}
		images = append(images, p)
	}
	slices.SortStableFunc(images, func(a, b placed) int { return a.position - b.position })
	var out []Image
	for _, p := range images {
		out = append(out, p.Image)
	}
	return out, nil
}

// input turns the form into what the operation takes, or says what is wrong.
// old is the product as it is stored; of a new one, nothing.
func (f ProductForm) input(currency string, old catalog.Details) (in catalog.ProductInput, problems Problems) {
	problems = Problems{}
	status := catalog.Status(f.Status)
	about := paragraphs(f.Description)
	tags, images := listed(f.Tags), []catalog.ImageInput{}
	seo := catalog.SEO{Title: f.SEOTitle, Description: f.SEOText}
	in = catalog.ProductInput{Title: &f.Title, Description: &about, Status: &status, Vendor: &f.Vendor, Type: &f.Type, Tags: &tags, SEO: &seo, Images: &images}
	if f.Handle != "" {
		in.Handle = &f.Handle
	}
	for _, m := range f.Images {
		images = append(images, catalog.ImageInput{Hash: m.Hash, Alt: m.Alt})
	}
	options, variants, colls := []catalog.Option{}, []catalog.VariantInput{}, []id.Collection{}
	for i, o := range f.Options {
		options = append(options, catalog.Option{Name: o.Name, Values: o.values(i, old)})
	}
	for i, v := range f.Variants {
		out, wrong := v.input(currency)
		for field, text := range wrong {
			problems[fmt.Sprintf("variant-%d-%s", i, field)] = text
		}
		// What this form does not show stays as it is.
		for _, was := range old.Variants {
			if was.ID.String() == v.ID {
				out.RequiresShipping, out.Image = &was.RequiresShipping, was.Image
			}
		}
		variants = append(variants, out)
	}
	for _, c := range f.Collections {
		var cid id.Collection
		if cid.UnmarshalText([]byte(c)) == nil {
			colls = append(colls, cid)
		}
	}
	in.Options, in.Variants, in.Collections, in.Images = &options, &variants, &colls, &images
	return in, problems
}

// input reads one row. Stock is written only if it was changed here: it may
// have been sold meanwhile.
func (v VariantForm) input(currency string) (out catalog.VariantInput, problems Problems) {
	problems = Problems{}
	out = catalog.VariantInput{ID: v.ID, SKU: v.SKU, Barcode: v.Barcode, Options: v.Options, TaxClass: v.TaxClass, Continue: &v.Continue}
	amount := func(field, text string) money.Money {
		n, err := money.Parse(text, currency)
		if err != nil || n < 0 {
			problems[field] = "Write an amount, such as 499 or 499.50."
		}
		return money.Money{Amount: n, Currency: currency}
	}
	out.Price = amount("price", v.Price)
	if v.Compare != "" {
		m := amount("compare", v.Compare)
		out.CompareAt = &m
	}
	if v.Cost != "" {
		m := amount("cost", v.Cost)
		out.Cost = &m
	}
	tracked := v.Stock != ""
	out.Tracked = &tracked
	if tracked && (v.ID == "" || v.Stock != v.WasStock) {
		n, err := strconv.ParseInt(v.Stock, 10, 64)
		if err != nil || n < 0 {
			problems["stock"] = "Write a whole number, or nothing to not count."
		}
		out.Available = &n
	}
	if v.Weight != "" {
		n, err := strconv.ParseInt(v.Weight, 10, 64)
		if err != nil || n < 0 {
			problems["weight"] = "Write the grams as a whole number."
		}
		out.WeightGrams = n
	}
	return out, problems
}

// paragraphs makes HTML of a text that has none.
func paragraphs(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" || strings.Contains(text, "<") {
		return text
	}
	var b strings.Builder
	for _, p := range strings.Split(text, "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(html.UnescapeString(p)), "\n", "<br>") + "</p>")
		}
	}
	return b.String()
}

// values are those of an option as they were typed; the stored ones, in which
// there may be commas, if they were not touched.
func (o OptionForm) values(i int, old catalog.Details) []string {
	if i < len(old.Options) && strings.Join(old.Options[i].Values, ", ") == o.Values {
		return old.Options[i].Values
	}
	var out []string
	for _, v := range listed(o.Values) {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// unmade reports whether the rows are not those that the options ask for: an
// option is new or gone, or a value of it.
func (f ProductForm) unmade(old catalog.Details) bool {
	for i, o := range f.Options {
		values, seen := o.values(i, old), map[string]bool{}
		for _, v := range f.Variants {
			if i >= len(v.Options) || !slices.Contains(values, v.Options[i]) {
				return true
			}
			seen[v.Options[i]] = true
		}
		if len(seen) != len(values) {
			return true
		}
	}
	return len(f.Options) == 0 && len(f.Variants) > 1
}

// combine makes a row for each combination of the options' values, keeping
// what was typed for those there are. It reports whether there are not too many.
func (f *ProductForm) combine(old catalog.Details) bool {
	n, combos := 1, [][]string{{}}
	for i, o := range f.Options {
		values := o.values(i, old)
		if n *= len(values); n > catalog.MaxVariants {
			return false
		}
		var next [][]string
		for _, c := range combos {
			for _, v := range values {
				next = append(next, append(slices.Clone(c), v))
			}
		}
		combos = next
	}
	before, at := f.Variants, map[string]int{}
	for i, v := range before {
		at[strings.ToLower(strings.Join(v.Options, "\x1f"))] = i
	}
	f.Variants = nil
	for _, c := range combos {
		var v VariantForm
		if i, there := at[strings.ToLower(strings.Join(c, "\x1f"))]; there {
			v = before[i]
		} else if len(before) > 0 {
			v.Price, v.Compare, v.Weight, v.TaxClass = before[0].Price, before[0].Compare, before[0].Weight, before[0].TaxClass
		}
		v.Options, v.Title = c, strings.Join(c, " / ")
		f.Variants = append(f.Variants, v)
	}
	if len(f.Variants) == 0 {
		f.Variants = []VariantForm{{}}
	}
	return true
}

func (d *desk) saveProduct() error {
	var old catalog.Details
	var err error
	pid := d.r.PathValue("product")
	if pid != "" {
		if old, err = catalog.GetProduct.Do(d.ctx(), d.room, d.by, catalog.ProductIn{Product: pid}); err != nil {
			return err
		}
	}
	form, refused, err := d.readProductForm()
	if err != nil {
		return err
	}
	refuse := func(p Problems) error { return d.showProduct(http.StatusUnprocessableEntity, old, form, p) }
	if asked := d.form("make_variants") != ""; asked || form.unmade(old) {
		if !form.combine(old) {
			return refuse(Problems{"option1_values": fmt.Sprintf("These are more than %d variants.", catalog.MaxVariants)})
		}
		if !asked {
			refused[""] = "The options changed. Look at the price and the stock of each variant, then save."
			return refuse(refused)
		}
		return d.showProduct(http.StatusOK, old, form, refused)
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	in, problems := form.input(s.Currency, old)
	for field, text := range refused {
		problems[field] = text
	}
	if form.Title == "" {
		problems["title"] = "Give the product a title."
	}
	if len(problems) > 0 {
		return refuse(problems)
	}
	var saved catalog.Details
	if pid == "" {
		saved, err = catalog.CreateProduct.Do(d.ctx(), d.room, d.by, catalog.CreateIn{Body: in})
	} else {
		saved, err = catalog.UpdateProduct.Do(d.ctx(), d.room, d.by, catalog.UpdateIn{Product: pid, Body: in})
	}
	if f := wrong(err); f != nil {
		return refuse(beside(f, productFields(len(form.Variants))))
	}
	if err != nil {
		return err
	}
	return d.back("/products/"+saved.ID.String(), Flash{Text: saved.Title + " is saved."})
}

// productFields gives the form's field of each pointer into the operation.
func productFields(variants int) map[string]string {
	out := map[string]string{"/title": "title", "/handle": "handle", "/description": "description", "/vendor": "vendor", "/type": "type", "/tags": "tags", "/status": "status"}
	for i := range catalog.MaxOptions {
		out[fmt.Sprintf("/options/%d/name", i)] = fmt.Sprintf("option%d_name", i+1)
	}
	for i := range variants {
		for pointer, field := range map[string]string{"price": "price", "compare_at_price": "compare", "cost": "cost", "available": "stock", "sku": "sku", "weight_grams": "weight", "options": "option1", "options/0": "option1", "options/1": "option2", "options/2": "option3", "barcode": "barcode", "tax_class": "tax"} {
			out[fmt.Sprintf("/variants/%d/%s", i, pointer)] = fmt.Sprintf("variant-%d-%s", i, field)
		}
	}
	return out
}
