package dashboard

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/id"
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
	status, q := d.form("status"), d.form("q")
	list, err := catalog.ListProducts.Do(d.ctx(), d.room, d.by, catalog.ListIn{Status: status, Query: q, Page: op.Page{Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	n, err := catalog.CountProducts(d.ctx(), d.room)
	if err != nil {
		return err
	}
	p := Products{Frame: f, Status: status, Query: q, Total: plural(n, "product"), Empty: n == 0, BulkURL: d.base + "/products/bulk?q=" + q, Pager: d.pager("/products", list.Next)}
	for _, t := range []struct{ status, label string }{{"", "All"}, {"active", "Active"}, {"draft", "Draft"}, {"archived", "Archived"}} {
		p.Tabs = append(p.Tabs, Tab{Label: t.label, URL: d.base + "/products?status=" + t.status, On: t.status == status})
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
func (d *desk) readProductForm() (f ProductForm, err error) {
	if err := d.multipart(); err != nil {
		return f, err
	}
	f = ProductForm{Title: d.form("title"), Description: d.form("description"), Status: d.form("status"), Vendor: d.form("vendor"), Type: d.form("type"), Tags: d.form("tags"),
		Handle: d.form("handle"), SEOTitle: d.form("seo_title"), SEOText: d.form("seo_description"), Collections: d.r.Form["collection"]}
	for i := range catalog.MaxOptions {
		o := OptionForm{d.form(fmt.Sprintf("option%d_name", i+1)), d.form(fmt.Sprintf("option%d_values", i+1))}
		if o.Name != "" || o.Values != "" {
			f.Options = append(f.Options, o)
		}
	}
	for n := 0; n < catalog.MaxVariants; n++ {
		at := func(field string) string { return d.form(fmt.Sprintf("variant-%d-%s", n, field)) }
		if _, there := d.r.Form[fmt.Sprintf("variant-%d-price", n)]; !there {
			break
		}
		v := VariantForm{ID: at("id"), SKU: at("sku"), Barcode: at("barcode"), Price: at("price"), Compare: at("compare"), Cost: at("cost"), Stock: at("stock"), Weight: at("weight"), TaxClass: at("tax"), Tracked: at("stock") != "", Continue: at("continue") != ""}
		for i := range f.Options {
			v.Options = append(v.Options, at(fmt.Sprintf("option%d", i+1)))
		}
		v.Title = strings.Join(v.Options, " / ")
		f.Variants = append(f.Variants, v)
	}
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
			return f, err
		}
		if !ok {
			continue
		}
		p := placed{d.image(&catalog.Picture{Hash: h, Width: m.Width, Height: m.Height, Alt: d.form("image_alt_" + h)}), i}
		if n, err := strconv.Atoi(d.form("image_position_" + h)); err == nil {
			p.position = n
		}
		images = append(images, p)
	}
	slices.SortStableFunc(images, func(a, b placed) int { return a.position - b.position })
	for _, p := range images {
		f.Images = append(f.Images, p.Image)
	}
	uploads, err := d.upload("upload")
	for _, m := range uploads {
		f.Images = append(f.Images, d.image(&catalog.Picture{Hash: m.Hash, Width: m.Width, Height: m.Height}))
	}
	return f, err
}

// multipart reads the whole form, files beyond 8 MB to disk.
func (d *desk) multipart() error {
	err := d.r.ParseMultipartForm(8 << 20)
	if errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.TooLarge("", "The files are larger than %d MB together.", large.Limit>>20)
	}
	if err != nil {
		return fault.Invalid("", "We could not read this form.").Because(err)
	}
	return nil
}

// upload keeps the files of a field as pictures of the shop.
func (d *desk) upload(field string) ([]media.Image, error) {
	if d.r.MultipartForm == nil {
		return nil, nil
	}
	var out []media.Image
	for _, h := range d.r.MultipartForm.File[field] {
		if h.Size == 0 {
			continue
		}
		m, err := d.keepPicture(h)
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (d *desk) keepPicture(h *multipart.FileHeader) (media.Image, error) {
	if h.Size > media.MaxBytes {
		return media.Image{}, fault.TooLarge("/image", "%s is larger than %d MB.", h.Filename, media.MaxBytes>>20)
	}
	file, err := h.Open()
	if err != nil {
		return media.Image{}, err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	if err != nil {
		return media.Image{}, err
	}
	m, err := d.Pictures.Add(d.ctx(), d.room.Shop(), b)
	if err != nil {
		return m, err
	}
	return media.Keep.Do(d.ctx(), d.room, d.by, media.KeepIn{Image: m})
}

// input turns the form into what the operation takes, or says what is wrong.
func (f ProductForm) input(currency string) (in catalog.ProductInput, problems Problems) {
	problems = Problems{}
	status := catalog.Status(f.Status)
	tags, images := listed(f.Tags), []catalog.ImageInput{}
	seo := catalog.SEO{Title: f.SEOTitle, Description: f.SEOText}
	in = catalog.ProductInput{Title: &f.Title, Description: &f.Description, Status: &status, Vendor: &f.Vendor, Type: &f.Type, Tags: &tags, SEO: &seo, Images: &images}
	if f.Handle != "" {
		in.Handle = &f.Handle
	}
	for _, m := range f.Images {
		images = append(images, catalog.ImageInput{Hash: m.Hash, Alt: m.Alt})
	}
	options, variants, colls := []catalog.Option{}, []catalog.VariantInput{}, []id.Collection{}
	for _, o := range f.Options {
		options = append(options, catalog.Option{Name: o.Name, Values: listed(o.Values)})
	}
	for i, v := range f.Variants {
		at := func(field string) string { return fmt.Sprintf("variant-%d-%s", i, field) }
		out := catalog.VariantInput{ID: v.ID, SKU: v.SKU, Barcode: v.Barcode, Options: v.Options, TaxClass: v.TaxClass, Continue: &v.Continue}
		amount := func(field, text string, need bool) *money.Money {
			if text == "" && !need {
				return nil
			}
			n, err := money.Parse(text, currency)
			if err != nil || n < 0 {
				problems[at(field)] = "Write an amount, such as 499 or 499.50."
			}
			return &money.Money{Amount: n, Currency: currency}
		}
		out.Price, out.CompareAt, out.Cost = *amount("price", v.Price, true), amount("compare", v.Compare, false), amount("cost", v.Cost, false)
		tracked := v.Stock != ""
		out.Tracked = &tracked
		if tracked {
			n, err := strconv.ParseInt(v.Stock, 10, 64)
			if err != nil || n < 0 {
				problems[at("stock")] = "Write a whole number, or nothing to not count."
			}
			out.Available = &n
		}
		if v.Weight != "" {
			n, err := strconv.ParseInt(v.Weight, 10, 64)
			if err != nil || n < 0 {
				problems[at("weight")] = "Write the grams as a whole number."
			}
			out.WeightGrams = n
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

// combine makes a row for each combination of the options' values, keeping
// what was typed for those there are.
func (f *ProductForm) combine() {
	combos := [][]string{{}}
	for _, o := range f.Options {
		var next [][]string
		for _, c := range combos {
			for _, v := range listed(o.Values) {
				next = append(next, append(slices.Clone(c), v))
			}
		}
		combos = next
	}
	old := f.Variants
	f.Variants = nil
	for _, c := range combos[:min(len(combos), catalog.MaxVariants)] {
		v := VariantForm{Options: c, Title: strings.Join(c, " / ")}
		if i := slices.IndexFunc(old, func(o VariantForm) bool {
			return strings.EqualFold(strings.Join(o.Options, "\x1f"), strings.Join(c, "\x1f"))
		}); i >= 0 {
			v = old[i]
			v.Options = c
		} else if len(old) > 0 {
			v.Price, v.Compare, v.Weight, v.TaxClass = old[0].Price, old[0].Compare, old[0].Weight, old[0].TaxClass
		}
		f.Variants = append(f.Variants, v)
	}
	if len(f.Variants) == 0 {
		f.Variants = []VariantForm{{}}
	}
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
	form, err := d.readProductForm()
	if f := wrong(err); f != nil {
		return d.showProduct(http.StatusUnprocessableEntity, old, form, Problems{"upload": f.Message})
	}
	if err != nil {
		return err
	}
	if d.form("make_variants") != "" {
		form.combine()
		return d.showProduct(http.StatusOK, old, form, nil)
	}
	if len(form.Variants) == 0 {
		form.Variants = []VariantForm{{}}
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	in, problems := form.input(s.Currency)
	if form.Title == "" {
		problems["title"] = "Give the product a title."
	}
	if len(problems) > 0 {
		return d.showProduct(http.StatusUnprocessableEntity, old, form, problems)
	}
	var saved catalog.Details
	if pid == "" {
		saved, err = catalog.CreateProduct.Do(d.ctx(), d.room, d.by, catalog.CreateIn{Body: in})
	} else {
		saved, err = catalog.UpdateProduct.Do(d.ctx(), d.room, d.by, catalog.UpdateIn{Product: pid, Body: in})
	}
	if f := wrong(err); f != nil {
		return d.showProduct(http.StatusUnprocessableEntity, old, form, beside(f, productFields(len(form.Variants))))
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
		for pointer, field := range map[string]string{"price": "price", "compare_at_price": "compare", "cost": "cost", "available": "stock", "sku": "sku", "weight_grams": "weight", "options": "option1", "options/0": "option1", "options/1": "option2", "options/2": "option3"} {
			out[fmt.Sprintf("/variants/%d/%s", i, pointer)] = fmt.Sprintf("variant-%d-%s", i, field)
		}
	}
	return out
}

func (d *desk) archive() error {
	status := catalog.Archived
	p, err := catalog.UpdateProduct.Do(d.ctx(), d.room, d.by, catalog.UpdateIn{Product: d.r.PathValue("product"), Body: catalog.ProductInput{Status: &status}})
	if err != nil {
		return err
	}
	return d.back("/products", Flash{Text: p.Title + " is archived. Shoppers no longer see it."})
}

// uploadImage takes one picture while the editor is open, and answers with
// its place in the list.
func (d *desk) uploadImage() error {
	if err := d.multipart(); err != nil {
		return err
	}
	kept, err := d.upload("image")
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return fault.Invalid("/image", "There is no picture in this form.")
	}
	n, _ := strconv.Atoi(d.form("position"))
	m := d.image(&catalog.Picture{Hash: kept[0].Hash, Width: kept[0].Width, Height: kept[0].Height})
	return d.show(http.StatusCreated, m.Edit(n))
}
