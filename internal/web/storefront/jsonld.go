package storefront

import (
	"context"
	"encoding/json"
	"io"

	"github.com/a-h/templ"

	"haat/internal/web/design"
)

// jsonLD writes a block of structured data. encoding/json writes <, > and &
// as \u003c and so on, so that no value can end the element.
func jsonLD(data any) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		if data == nil {
			return nil
		}
		body, err := json.Marshal(data)
		if err != nil {
			return err
		}
		for _, part := range [][]byte{[]byte(`<script type="application/ld+json">`), body, []byte(`</script>`)} {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
}

type node map[string]any

// kind is the Open Graph type of a page, told from its structured data.
func (p Page) kind(data []any) string {
	for _, d := range data {
		if n, ok := d.(node); ok && n["@type"] == "Product" {
			return "product"
		}
	}
	return "website"
}

// siteLD tells of the shop: who it is, and how to search it.
func siteLD(p Page) any {
	home := p.Shop.URL + "/"
	seller := node{"@type": "OnlineStore", "@id": home + "#shop", "name": p.Shop.Name, "url": home}
	for name, value := range map[string]string{"description": p.Shop.Tagline, "telephone": dial(p.Shop.Phone), "email": p.Shop.Email, "address": p.Shop.Address} {
		if value != "" {
			seller[name] = value
		}
	}
	if p.Shop.Logo != nil {
		seller["logo"] = p.absolute(p.Shop.Logo.Src)
	}
	if p.Image != nil {
		seller["image"] = p.absolute(p.Image.Src)
	}
	return node{"@context": "https://schema.org", "@graph": []node{seller, {
		"@type": "WebSite", "name": p.Shop.Name, "url": home, "publisher": node{"@id": home + "#shop"},
		"potentialAction": node{
			"@type":       "SearchAction",
			"target":      node{"@type": "EntryPoint", "urlTemplate": p.Shop.URL + PathSearch + "?" + FieldQuery + "={search_term_string}"},
			"query-input": "required name=search_term_string",
		},
	}}}
}

func trailLD(p Page, trail []design.Crumb) any {
	if len(trail) == 0 {
		return nil
	}
	items := make([]node, len(trail))
	for i, c := range trail {
		items[i] = node{"@type": "ListItem", "position": i + 1, "name": c.Label}
		if c.Href != "" {
			items[i]["item"] = p.absolute(c.Href)
		}
	}
	return node{"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": items}
}

// mostOffers is how many variants are told one by one: beyond that a page
// would grow by more than its own size, and the range of prices has to do.
const mostOffers = 30

func (v Product) ld() any {
	n := node{"@context": "https://schema.org", "@type": "Product", "name": v.Name, "url": v.Shop.URL + v.Canonical, "offers": v.offersLD()}
	if v.Description != "" {
		n["description"] = v.Description
	}
	if v.SKU != "" {
		n["sku"] = v.SKU
	}
	if v.Vendor != "" {
		n["brand"] = node{"@type": "Brand", "name": v.Vendor}
	}
	if len(v.Images) > 0 {
		images := make([]string, len(v.Images))
		for i, img := range v.Images {
			images[i] = v.absolute(img.largest())
		}
		n["image"] = images
	}
	return n
}

func (v Product) offersLD() any {
	offers := v.Offers
	if len(offers) == 0 {
		offers = []Offer{{SKU: v.SKU, Price: v.Price.Now, Available: v.canBuy()}}
	}
	if len(offers) > mostOffers {
		low, high, some := offers[0].Price, offers[0].Price, false
		for _, o := range offers {
			if o.Price.Amount < low.Amount {
				low = o.Price
			}
			if o.Price.Amount > high.Amount {
				high = o.Price
			}
			some = some || o.Available
		}
		return node{
			"@type": "AggregateOffer", "lowPrice": low.Decimal(), "highPrice": high.Decimal(), "priceCurrency": low.Currency,
			"offerCount": len(offers), "availability": stockLD(some), "url": v.Shop.URL + v.Canonical,
		}
	}
	list := make([]node, len(offers))
	for i, o := range offers {
		list[i] = node{
			"@type": "Offer", "price": o.Price.Decimal(), "priceCurrency": o.Price.Currency, "availability": stockLD(o.Available),
			"url": v.Shop.URL + v.Canonical,
		}
		if len(offers) > 1 {
			list[i]["url"] = v.Shop.URL + ProductPath(v.Handle, o.Variant)
		}
		for name, value := range map[string]string{"name": o.Name, "sku": o.SKU, "gtin": o.GTIN} {
			if value != "" {
				list[i][name] = value
			}
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func stockLD(available bool) string {
	if available {
		return "https://schema.org/InStock"
	}
	return "https://schema.org/OutOfStock"
}

// priced is the page with what previews say of a product.
func (v Product) priced() Page {
	p := v.Page
	there := "out of stock"
	if v.canBuy() {
		there = "in stock"
	}
	p.meta = []Pair{{"product:price:amount", v.Price.Now.Decimal()}, {"product:price:currency", v.Price.Now.Currency}, {"product:availability", there}}
	if v.Vendor != "" {
		p.meta = append(p.meta, Pair{"product:brand", v.Vendor})
	}
	return p
}
