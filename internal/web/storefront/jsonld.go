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

func siteLD(p Page) any {
	return node{
		"@context": "https://schema.org", "@type": "WebSite", "name": p.Shop.Name, "url": p.Shop.URL + "/",
		"potentialAction": node{
			"@type": "SearchAction", "target": p.Shop.URL + PathSearch + "?" + FieldQuery + "={search_term_string}",
			"query-input": "required name=search_term_string",
		},
	}
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

func (v Product) ld() any {
	there := "https://schema.org/OutOfStock"
	if v.canBuy() {
		there = "https://schema.org/InStock"
	}
	n := node{
		"@context": "https://schema.org", "@type": "Product", "name": v.Name, "url": v.Shop.URL + v.Canonical,
		"offers": node{
			"@type": "Offer", "price": v.Price.Now.Decimal(), "priceCurrency": v.Price.Now.Currency,
			"availability": there, "url": v.Shop.URL + v.Canonical,
		},
	}
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
