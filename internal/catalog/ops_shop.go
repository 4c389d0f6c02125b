package catalog

import (
	"context"

	"haat/internal/db"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

// Anyone, on the shop's own host.
var (
	ShopProducts = op.Read[ShopListIn, op.List[ShopCard]]{Name: "catalog.shop-products", Route: "GET /products", Role: op.Shopper,
		Summary: "List the shop's products", Run: func(ctx context.Context, r db.Reader, in ShopListIn) (op.List[ShopCard], error) {
			return shopList(ctx, r, AllProducts, in)
		}}
	ShopCollection = op.Read[ShopCollectionIn, op.List[ShopCard]]{Name: "catalog.shop-collection", Route: "GET /collections/{handle}/products", Role: op.Shopper,
		Summary: "List the products of a collection", Run: func(ctx context.Context, r db.Reader, in ShopCollectionIn) (op.List[ShopCard], error) {
			return shopList(ctx, r, in.Handle, in.ShopListIn)
		}}
	ShopCollections = op.Read[op.Page, op.List[ShopTile]]{Name: "catalog.shop-collections", Route: "GET /collections", Role: op.Shopper,
		Summary: "List the shop's collections", Run: shopCollections}
	ShopProduct = op.Read[ShopProductIn, ShopDetails]{Name: "catalog.shop-product", Route: "GET /products/{handle}", Role: op.Shopper,
		Summary: "Get a product with its variants", Run: shopProduct}
)

// ShopListIn narrows and orders a list for shoppers.
type ShopListIn struct {
	op.Page
	Sort      string `query:"sort" enum:"manual,newest,price-asc,price-desc,title," doc:"The collection's own order when absent"`
	Available bool   `query:"available" doc:"Only what can be bought"`
	Min       int64  `query:"price_min" minimum:"0" doc:"Minor units"`
	Max       int64  `query:"price_max" minimum:"0" doc:"Minor units"`
}

// ShopCollectionIn names a collection.
type ShopCollectionIn struct {
	ShopListIn
	Handle string `path:"handle"`
}

// ShopProductIn names a product.
type ShopProductIn struct {
	Handle string `path:"handle"`
}

// ShopCard is a product in a list.
type ShopCard struct {
	ID        id.Product   `json:"id"`
	Handle    string       `json:"handle"`
	URL       string       `json:"url"`
	Title     string       `json:"title"`
	Vendor    string       `json:"vendor"`
	Price     money.Money  `json:"price" doc:"The lowest"`
	PriceMax  money.Money  `json:"price_max"`
	CompareAt *money.Money `json:"compare_at_price,omitempty"`
	Available bool         `json:"available"`
	Variants  int64        `json:"variants_count"`
	VariantID id.Variant   `json:"variant_id" doc:"The first variant"`
	Image     *Picture     `json:"image,omitempty"`
}

// NewShopCard makes a card for shoppers' programs.
func NewShopCard(s id.Shop, c Card, currency string) ShopCard {
	out := ShopCard{
		ID: c.Product, Handle: c.Handle, URL: "/products/" + c.Handle, Title: c.Title, Vendor: c.Vendor, Price: money.Money{Amount: c.Price, Currency: currency},
		PriceMax: money.Money{Amount: c.PriceMax, Currency: currency}, Available: c.Sellable, Variants: c.Variants, VariantID: c.Variant,
	}
	if c.CompareAt > c.Price {
		out.CompareAt = &money.Money{Amount: c.CompareAt, Currency: currency}
	}
	if c.Image.Hash != "" {
		p := picture(s, c.Image)
		out.Image = &p
	}
	return out
}

func shopList(ctx context.Context, r db.Reader, handle string, in ShopListIn) (out op.List[ShopCard], err error) {
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return out, err
	}
	var offset int
	if _, err := in.After(&offset); err != nil {
		return out, err
	}
	p, err := ReadCollectionPage(ctx, r, handle, Filter{
		Sort: Sort(in.Sort), Available: in.Available, Min: in.Min, Max: in.Max, Offset: max(0, offset), PerPage: in.Size(),
	})
	if err != nil {
		return out, err
	}
	out.Items = make([]ShopCard, len(p.Cards))
	for i, c := range p.Cards {
		out.Items[i] = NewShopCard(r.Shop(), c, currency)
	}
	if seen := max(0, offset) + len(p.Cards); int64(seen) < p.Total && len(p.Cards) > 0 {
		out.Next = op.Next(seen)
	}
	return out, nil
}

// ShopTile is a collection in a list.
type ShopTile struct {
	Handle   string   `json:"handle"`
	Title    string   `json:"title"`
	URL      string   `json:"url"`
	Products int64    `json:"products_count"`
	Image    *Picture `json:"image,omitempty"`
}

func shopCollections(ctx context.Context, r db.Reader, in op.Page) (out op.List[ShopTile], err error) {
	h, err := ReadHomePage(ctx, r, nil)
	if err != nil {
		return out, err
	}
	all := make([]ShopTile, len(h.Tiles))
	for i, t := range h.Tiles {
		all[i] = ShopTile{Handle: t.Handle, Title: t.Title, URL: "/collections/" + t.Handle, Products: t.Products}
		if t.Image.Hash != "" {
			p := picture(r.Shop(), t.Image)
			all[i].Image = &p
		}
	}
	return op.Slice(all, in)
}

// ShopDetails is a product as shoppers see it.
type ShopDetails struct {
	ID          id.Product    `json:"id"`
	Handle      string        `json:"handle"`
	URL         string        `json:"url"`
	Title       string        `json:"title"`
	Vendor      string        `json:"vendor"`
	Type        string        `json:"type"`
	Description string        `json:"description" doc:"HTML, sanitised"`
	Tags        []string      `json:"tags" nullable:"false"`
	Options     []Option      `json:"options" nullable:"false"`
	Available   bool          `json:"available"`
	Variants    []ShopVariant `json:"variants" nullable:"false"`
	Images      []Picture     `json:"images" nullable:"false"`
}

// ShopVariant is a variant as shoppers see it.
type ShopVariant struct {
	ID          id.Variant   `json:"id"`
	Title       string       `json:"title"`
	SKU         string       `json:"sku"`
	Barcode     string       `json:"barcode"`
	Options     []string     `json:"options" nullable:"false"`
	Price       money.Money  `json:"price"`
	CompareAt   *money.Money `json:"compare_at_price,omitempty"`
	Available   bool         `json:"available" doc:"Can be bought now"`
	WeightGrams int64        `json:"weight_grams"`
	Image       string       `json:"image,omitempty" doc:"Hash of its image"`
}

func shopProduct(ctx context.Context, r db.Reader, in ShopProductIn) (out ShopDetails, err error) {
	currency, err := shop.Currency(ctx, r)
	if err != nil {
		return out, err
	}
	p, err := ReadProductPage(ctx, r, in.Handle)
	if err != nil {
		return out, err
	}
	out = ShopDetails{ID: p.ID, Handle: p.Handle, URL: "/products/" + p.Handle, Title: p.Title, Vendor: p.Vendor, Type: p.Type, Description: p.DescriptionHTML,
		Tags: p.Tags, Options: p.Options, Variants: []ShopVariant{}, Images: []Picture{}}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	if out.Options == nil {
		out.Options = []Option{}
	}
	for _, v := range p.Variants {
		sv := ShopVariant{ID: v.ID, Title: joinOptions(v.Options), SKU: v.SKU, Barcode: v.Barcode, Options: v.Options,
			Price: money.Money{Amount: v.Price, Currency: currency}, Available: v.Sellable, WeightGrams: v.WeightGrams, Image: v.Image}
		if v.CompareAt > v.Price {
			sv.CompareAt = &money.Money{Amount: v.CompareAt, Currency: currency}
		}
		out.Available = out.Available || v.Sellable
		out.Variants = append(out.Variants, sv)
	}
	for _, m := range p.Images {
		out.Images = append(out.Images, picture(r.Shop(), media.Image(m)))
	}
	return out, nil
}
