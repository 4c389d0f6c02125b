package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/stock"
)

// Operations lists the room's operations.
func Operations() []op.Operation {
	return []op.Operation{
		&ShopProducts, &ShopProduct, &ShopCollections, &ShopCollection,
		&ListProducts, &GetProduct, &CreateProduct, &UpdateProduct, &DeleteProduct, &SetPrice, &BulkEdit, &ListVariants,
		&GetImport, &ListImports,
		&ListCollections, &GetCollection, &CreateCollection, &UpdateCollection, &RemoveCollection,
	}
}

// The shop's own people.
var (
	ListProducts = op.Read[ListIn, op.List[Summary]]{Name: "catalog.list-products", Route: "GET /products", Role: op.Merchant,
		Summary: "List products, newest first", Run: listProducts}
	GetProduct = op.Read[ProductIn, Details]{Name: "catalog.get-product", Route: "GET /products/{product}", Role: op.Merchant,
		Summary: "Get a product with its variants, stock and images", Run: getProduct}
	CreateProduct = op.Write[CreateIn, Details]{Name: "catalog.create-product", Route: "POST /products", Role: op.Merchant, Created: true,
		Summary: "Create a product", Run: addProduct}
	UpdateProduct = op.Write[UpdateIn, Details]{Name: "catalog.update-product", Route: "PATCH /products/{product}", Role: op.Merchant,
		Summary: "Change a product: only what is given", Run: changeProduct}
	DeleteProduct = op.Write[ProductIn, op.Empty]{Name: "catalog.delete-product", Route: "DELETE /products/{product}", Role: op.Merchant,
		Summary: "Delete a product", Run: func(ctx context.Context, tx *db.Tx, in ProductIn) (op.Empty, error) {
			p, err := productID(in.Product)
			if err != nil {
				return op.Empty{}, err
			}
			return op.Empty{}, Delete(ctx, tx, p)
		}}
	SetPrice = op.Write[PriceChange, VariantPrice]{Name: "catalog.set-price", Route: "PUT /variants/{variant}/price", Role: op.Merchant,
		Summary: "Set a variant's price", Run: setPrice}
	BulkEdit = op.Write[BulkIn, BulkOut]{Name: "catalog.bulk-edit", Route: "POST /variants/bulk", Role: op.Merchant,
		Summary: "Set price and stock of many variants, all or none", Run: bulkEdit}
	ListVariants = op.Read[VariantsIn, op.List[VariantRow]]{Name: "catalog.list-variants", Route: "GET /variants", Role: op.Merchant,
		Summary: "List variants with price and stock, for editing in bulk", Run: listVariants}
)

// Picture is an image in an answer.
type Picture struct {
	Hash   string `json:"hash"`
	URL    string `json:"url"`
	Alt    string `json:"alt"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Source string `json:"source,omitempty" doc:"Address that it was imported from"`
}

func picture(shop id.Shop, m media.Image) Picture {
	p := Picture{Hash: m.Hash, Alt: m.Alt, Width: m.Width, Height: m.Height}
	if m.Hash != "" {
		p.URL = media.URL(shop, m.Hash, media.Nearest(m.Width, 960))
	}
	return p
}

// Details is a product as its merchant sees it.
type Details struct {
	ID          id.Product        `json:"id"`
	Handle      string            `json:"handle"`
	Title       string            `json:"title"`
	Description string            `json:"description" doc:"HTML, sanitised"`
	Status      Status            `json:"status"`
	Vendor      string            `json:"vendor"`
	Type        string            `json:"type"`
	Category    string            `json:"category,omitempty"`
	Tags        []string          `json:"tags" nullable:"false"`
	Options     []Option          `json:"options" nullable:"false"`
	Variants    []VariantDetails  `json:"variants" nullable:"false"`
	Images      []Picture         `json:"images" nullable:"false"`
	SEO         SEO               `json:"seo"`
	Extra       map[string]string `json:"extra,omitempty" doc:"Columns of an import that have no field here"`
	Collections []id.Collection   `json:"collections" nullable:"false"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

// VariantDetails is a variant as its merchant sees it.
type VariantDetails struct {
	ID               id.Variant   `json:"id"`
	Title            string       `json:"title"`
	SKU              string       `json:"sku"`
	Barcode          string       `json:"barcode"`
	Options          []string     `json:"options" nullable:"false"`
	Price            money.Money  `json:"price"`
	CompareAt        *money.Money `json:"compare_at_price,omitempty"`
	Cost             *money.Money `json:"cost,omitempty"`
	WeightGrams      int64        `json:"weight_grams"`
	TaxClass         string       `json:"tax_class"`
	RequiresShipping bool         `json:"requires_shipping"`
	Image            string       `json:"image,omitempty" doc:"Hash of its image"`
	Available        int64        `json:"available" doc:"Units; means something when tracked"`
	Held             int64        `json:"held" doc:"Units set aside for orders not yet paid"`
	Tracked          bool         `json:"tracked"`
	Continue         bool         `json:"continue_selling" doc:"Goes on selling when there are none left"`
}

// ProductIn names a product.
type ProductIn struct {
	Product string `path:"product"`
}

func productID(text string) (id.Product, error) {
	var p id.Product
	if err := p.UnmarshalText([]byte(text)); err != nil || p.Zero() {
		return p, fault.NotFound("There is no such product.")
	}
	return p, nil
}

func variantID(text string) (id.Variant, error) {
	var v id.Variant
	if err := v.UnmarshalText([]byte(text)); err != nil || v.Zero() {
		return v, fault.NotFound("There is no such variant.")
	}
	return v, nil
}

func getProduct(ctx context.Context, r db.Reader, in ProductIn) (Details, error) {
	pid, err := productID(in.Product)
	if err != nil {
		return Details{}, err
	}
	return Detailed(ctx, r, pid)
}

// Detailed gives a product as its merchant sees it. One that there is not is
// NotFound.
func Detailed(ctx context.Context, r db.Reader, product id.Product) (Details, error) {
	p, err := Read(ctx, r, product)
	if err != nil {
		return Details{}, err
	}
	return details(ctx, r, p)
}

func details(ctx context.Context, r db.Reader, p Product) (Details, error) {
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return Details{}, err
	}
	d := Details{
		ID: p.ID, Handle: p.Handle, Title: p.Title, Description: p.DescriptionHTML, Status: p.Status, Vendor: p.Vendor, Type: p.Type,
		Category: p.Category, Tags: p.Tags, Options: p.Options, SEO: p.SEO, Extra: p.Extra, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		Variants: []VariantDetails{}, Images: []Picture{}, Collections: []id.Collection{},
	}
	if d.Tags == nil {
		d.Tags = []string{}
	}
	if d.Options == nil {
		d.Options = []Option{}
	}
	ids := make([]id.Variant, len(p.Variants))
	for i, v := range p.Variants {
		ids[i] = v.ID
	}
	levels, err := stock.Levels(ctx, r, ids)
	if err != nil {
		return d, err
	}
	optional := func(amount int64) *money.Money {
		if amount == 0 {
			return nil
		}
		return &money.Money{Amount: amount, Currency: currency}
	}
	for _, v := range p.Variants {
		l := levels[v.ID]
		o := v.Options
		if o == nil {
			o = []string{}
		}
		d.Variants = append(d.Variants, VariantDetails{
			ID: v.ID, Title: v.Title(), SKU: v.SKU, Barcode: v.Barcode, Options: o, Price: money.Money{Amount: v.Price, Currency: currency},
			CompareAt: optional(v.CompareAt), Cost: optional(v.Cost), WeightGrams: v.WeightGrams, TaxClass: v.TaxClass, RequiresShipping: v.RequiresShipping,
			Image: v.Image, Available: l.Available, Held: l.Held, Tracked: l.Tracked, Continue: l.Continue,
		})
	}
	for _, i := range p.Images {
		pic := picture(r.Shop(), i.Image)
		pic.Source = i.Source
		d.Images = append(d.Images, pic)
	}
	in, err := db.All(ctx, r, collectionsOf, func(c *id.Collection) []any { return []any{c} }, p.ID)
	if in != nil {
		d.Collections = in
	}
	return d, err
}

// ProductInput is what may be given of a product. What is absent stays.
type ProductInput struct {
	Title       *string          `json:"title,omitempty" maxLength:"255"`
	Handle      *string          `json:"handle,omitempty" maxLength:"255" doc:"Its part of the address; made from the title when absent"`
	Description *string          `json:"description,omitempty" doc:"HTML; what could do harm is removed"`
	Status      *Status          `json:"status,omitempty" enum:"draft,active,archived"`
	Vendor      *string          `json:"vendor,omitempty"`
	Type        *string          `json:"type,omitempty"`
	Tags        *[]string        `json:"tags,omitempty" maxItems:"250"`
	Options     *[]Option        `json:"options,omitempty" maxItems:"3"`
	Variants    *[]VariantInput  `json:"variants,omitempty" maxItems:"2048" doc:"All of them; those that are missing are deleted"`
	Images      *[]ImageInput    `json:"images,omitempty" maxItems:"250" doc:"All of them, in order"`
	SEO         *SEO             `json:"seo,omitempty"`
	Collections *[]id.Collection `json:"collections,omitempty" maxItems:"500" doc:"The lists by hand that it is in"`
}

// VariantInput is what may be given of a variant.
type VariantInput struct {
	ID               string       `json:"id,omitempty" doc:"Of a variant that there is; absent for a new one"`
	SKU              string       `json:"sku,omitempty"`
	Barcode          string       `json:"barcode,omitempty"`
	Options          []string     `json:"options,omitempty" nullable:"false" maxItems:"3"`
	Price            money.Money  `json:"price"`
	CompareAt        *money.Money `json:"compare_at_price,omitempty"`
	Cost             *money.Money `json:"cost,omitempty"`
	WeightGrams      int64        `json:"weight_grams,omitempty"`
	TaxClass         string       `json:"tax_class,omitempty"`
	RequiresShipping *bool        `json:"requires_shipping,omitempty" doc:"True when absent"`
	Image            string       `json:"image,omitempty" doc:"Hash of one of the product's images"`
	Available        *int64       `json:"available,omitempty" doc:"Units; turns tracking on"`
	Tracked          *bool        `json:"tracked,omitempty"`
	Continue         *bool        `json:"continue_selling,omitempty"`
}

// ImageInput names a picture that was uploaded.
type ImageInput struct {
	Hash string `json:"hash" minLength:"32" maxLength:"32"`
	Alt  string `json:"alt,omitempty" maxLength:"500"`
}

// CreateIn is a new product.
type CreateIn struct {
	op.By
	Body ProductInput
}

// UpdateIn changes a product.
type UpdateIn struct {
	op.By
	Product string `path:"product"`
	Body    ProductInput
}

func addProduct(ctx context.Context, tx *db.Tx, in CreateIn) (Details, error) {
	if in.Body.Title == nil {
		return Details{}, fault.Invalid("/title", "Give the product a title.")
	}
	// The first price fixes the currency that it is in.
	if _, err := shop.ToRelyOn(ctx, tx); err != nil {
		return Details{}, err
	}
	var p Product
	if err := in.Body.onto(ctx, tx, &p); err != nil {
		return Details{}, err
	}
	if err := create(ctx, tx, &p); err != nil {
		return Details{}, err
	}
	if err := in.Body.join(ctx, tx, p.ID); err != nil {
		return Details{}, err
	}
	if err := repack(ctx, tx, p.ID); err != nil {
		return Details{}, err
	}
	return details(ctx, tx, p)
}

func changeProduct(ctx context.Context, tx *db.Tx, in UpdateIn) (Details, error) {
	pid, err := productID(in.Product)
	if err != nil {
		return Details{}, err
	}
	p, err := ToChange(ctx, tx, pid)
	if err != nil {
		return Details{}, err
	}
	if err := in.Body.onto(ctx, tx, &p); err != nil {
		return Details{}, err
	}
	if err := save(ctx, tx, &p); err != nil {
		return Details{}, err
	}
	if err := in.Body.join(ctx, tx, p.ID); err != nil {
		return Details{}, err
	}
	if err := repack(ctx, tx, p.ID); err != nil {
		return Details{}, err
	}
	return details(ctx, tx, p)
}

// onto puts what is given onto a product and checks the whole.
func (in *ProductInput) onto(ctx context.Context, tx *db.Tx, p *Product) error {
	currency, err := shop.Currency(ctx, tx)
	if err != nil {
		return err
	}
	set(&p.Title, in.Title)
	set(&p.Handle, in.Handle)
	set(&p.DescriptionHTML, in.Description)
	set(&p.Status, in.Status)
	set(&p.Vendor, in.Vendor)
	set(&p.Type, in.Type)
	set(&p.Tags, in.Tags)
	set(&p.Options, in.Options)
	set(&p.SEO, in.SEO)
	if in.Variants != nil {
		p.Variants = make([]Variant, len(*in.Variants))
		for i, v := range *in.Variants {
			if p.Variants[i], err = v.variant(currency, fmt.Sprintf("/variants/%d", i)); err != nil {
				return err
			}
		}
	} else if in.Options != nil && len(p.Variants) > 0 && len(p.Variants[0].Options) != len(p.Options) {
		return fault.Invalid("/variants", "When the options change, give the variants too.")
	}
	if in.Images != nil {
		if err := in.pictures(ctx, tx, p); err != nil {
			return err
		}
	}
	for i, v := range p.Variants {
		if v.Image != "" && !hasImage(p, v.Image) {
			if in.Images == nil && in.Variants != nil {
				return fault.Invalid(fmt.Sprintf("/variants/%d/image", i), "The product has no such image.")
			}
			p.Variants[i].Image = "" // its image was taken away
		}
	}
	return p.Check()
}

func hasImage(p *Product, hash string) bool {
	for _, i := range p.Images {
		if i.Hash == hash {
			return true
		}
	}
	return false
}

func (in *ProductInput) pictures(ctx context.Context, tx *db.Tx, p *Product) error {
	hashes := make([]string, len(*in.Images))
	for i, m := range *in.Images {
		hashes[i] = m.Hash
	}
	known, err := media.Get(ctx, tx, hashes...)
	if err != nil {
		return err
	}
	sources := map[string]string{}
	for _, i := range p.Images {
		sources[i.Hash] = i.Source
	}
	waiting := []Image{}
	for _, i := range p.Images {
		if i.Hash == "" { // still being fetched by an import
			waiting = append(waiting, i)
		}
	}
	p.Images = nil
	for i, m := range *in.Images {
		img, ok := known[m.Hash]
		if !ok {
			return fault.Invalid(fmt.Sprintf("/images/%d/hash", i), "There is no such picture: upload it first.")
		}
		img.Alt = tidy(m.Alt)
		p.Images = append(p.Images, Image{Image: img, Source: sources[m.Hash]})
	}
	p.Images = append(p.Images, waiting...)
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (v *VariantInput) variant(currency, at string) (out Variant, err error) {
	if v.ID != "" {
		if out.ID, err = variantID(v.ID); err != nil {
			return out, err
		}
	}
	out.SKU, out.Barcode, out.Options, out.WeightGrams, out.TaxClass, out.Image = v.SKU, v.Barcode, v.Options, v.WeightGrams, v.TaxClass, v.Image
	out.Taxable, out.RequiresShipping = true, v.RequiresShipping == nil || *v.RequiresShipping
	for _, a := range []struct {
		field string
		from  *money.Money
		to    *int64
	}{{"price", &v.Price, &out.Price}, {"compare_at_price", v.CompareAt, &out.CompareAt}, {"cost", v.Cost, &out.Cost}} {
		if a.from == nil {
			continue
		}
		if err := inCurrency(*a.from, currency, at+"/"+a.field); err != nil {
			return out, err
		}
		*a.to = a.from.Amount
	}
	if v.Available != nil || v.Tracked != nil || v.Continue != nil {
		out.Stock = &Stock{Tracked: v.Available != nil}
		if v.Available != nil {
			out.Stock.Available, out.Stock.SetAvailable = *v.Available, true
		}
		set(&out.Stock.Tracked, v.Tracked)
		set(&out.Stock.Continue, v.Continue)
	}
	return out, nil
}

func inCurrency(m money.Money, currency, at string) error {
	if m.Currency != "" && m.Currency != currency {
		return fault.Invalid(at+"/currency", "Prices of this shop are in %s.", currency)
	}
	if m.Amount < 0 || m.Amount > money.Max {
		return fault.Invalid(at+"/amount", "An amount is between 0 and %d minor units.", int64(money.Max))
	}
	return nil
}

// join puts a product into exactly those lists by hand that are given.
func (in *ProductInput) join(ctx context.Context, tx *db.Tx, p id.Product) error {
	if in.Collections == nil {
		return nil
	}
	all, err := Collections(ctx, tx)
	if err != nil {
		return err
	}
	want := map[id.Collection]int{}
	for i, c := range *in.Collections {
		want[c] = i
	}
	for _, c := range all {
		_, wanted := want[c.ID]
		delete(want, c.ID)
		switch {
		case c.Rule != nil:
		case wanted:
			_, err = tx.Exec(ctx, enterLast, c.ID, p)
		default:
			_, err = tx.Exec(ctx, leave, c.ID, p)
		}
		if err != nil {
			return err
		}
	}
	for _, i := range want {
		return fault.NotFound("There is no such collection.").At(fmt.Sprintf("/collections/%d", i))
	}
	return nil
}

// CountProducts gives the number of a shop's products.
func CountProducts(ctx context.Context, room *fleet.Room) (n int64, err error) {
	err = room.View(ctx, fleet.AnyAge, func(r db.Reader) error {
		n, _, err = db.One(ctx, r, countProducts, func(n *int64) []any { return []any{n} })
		return err
	})
	return n, err
}

// StillThere gives those of a few products that were not deleted.
func StillThere(ctx context.Context, room *fleet.Room, products []id.Product) (map[id.Product]bool, error) {
	there := map[id.Product]bool{}
	if len(products) == 0 {
		return there, nil
	}
	err := room.View(ctx, fleet.Fresh{}, func(r db.Reader) error {
		clear(there)
		for _, p := range products {
			_, found, err := db.One(ctx, r, productExists, func(p *id.Product) []any { return []any{p} }, p)
			if err != nil {
				return err
			}
			there[p] = found
		}
		return nil
	})
	return there, err
}

// Priced reports whether there is anything with a price in the shop's currency.
func Priced(ctx context.Context, r db.Reader) (bool, error) {
	_, found, err := db.One(ctx, r, anyProduct, func(p *id.Product) []any { return []any{p} })
	return found, err
}

var (
	anyProduct = db.Q(`SELECT id FROM product WHERE shop = $1 LIMIT 1`)
	enterLast  = db.Q(`
		INSERT INTO collection_product (shop, collection, product, position)
		VALUES ($1, $2, $3, (SELECT COALESCE(MAX(m.position), 0) + 1 FROM collection_product m WHERE m.shop = $1 AND m.collection = $2))
		ON CONFLICT (shop, collection, product) DO NOTHING`)
	countProducts = db.Q(`SELECT COUNT(*) FROM product WHERE shop = $1`)
)

func like(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(strings.TrimSpace(q))) + "%"
}
