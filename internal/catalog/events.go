package catalog

import (
	"hash/fnv"
	"html"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"

	"haat/internal/id"
)

// ProductSaved says that a product was made or changed. It carries what a
// search needs to find the product.
type ProductSaved struct {
	Product     id.Product `json:"product"`
	Handle      string     `json:"handle"`
	Title       string     `json:"title"`
	Status      Status     `json:"status"`
	Vendor      string     `json:"vendor,omitempty"`
	Type        string     `json:"type,omitempty"`
	Labels      []string   `json:"labels,omitempty"` // the product's tags
	SKUs        []string   `json:"skus,omitempty"`
	Choices     []Option   `json:"choices,omitempty"`     // the options, each with its first fifty values
	Description string     `json:"description,omitempty"` // its words, without markup, the first 4 kB
	Price       int64      `json:"price"`                 // the lowest, in minor units
	PriceMax    int64      `json:"price_max"`             // the highest
	Joined      bool       `json:"joined,omitempty"`      // it is for sale among its type now, and was not before
}

// What pages of the catalogue depend on. What a tag names is spoilt by the
// events that carry it.
const (
	TagCatalog = "catalog" // any product or collection
	TagMenu    = "menu"    // the collections, by name and place
)

// TagProduct is what shows one product.
func TagProduct(p id.Product) string { return "product:" + p.String() }

// TagType is what shows others of a product's type; new ones spoil it.
func TagType(kind string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind))
	return "type:" + strconv.FormatUint(h.Sum64(), 36)
}

func (ProductSaved) Topic() string { return "catalog.product-saved" }
func (e ProductSaved) Key() string { return e.Product.String() }
func (e ProductSaved) Tags() []string {
	tags := []string{TagProduct(e.Product), TagCatalog}
	if e.Joined {
		tags = append(tags, TagType(e.Type))
	}
	return tags
}

// ProductDeleted says that a product is gone.
type ProductDeleted struct {
	Product id.Product `json:"product"`
	Handle  string     `json:"handle"`
}

func (ProductDeleted) Topic() string    { return "catalog.product-deleted" }
func (e ProductDeleted) Key() string    { return e.Product.String() }
func (e ProductDeleted) Tags() []string { return []string{TagProduct(e.Product), TagCatalog} }

// CollectionSaved says that a collection, or what is in it by hand, changed.
type CollectionSaved struct {
	Collection id.Collection `json:"collection"`
	Handle     string        `json:"handle"`
}

func (CollectionSaved) Topic() string { return "catalog.collection-saved" }
func (e CollectionSaved) Key() string { return e.Collection.String() }
func (e CollectionSaved) Tags() []string {
	return []string{"collection:" + e.Collection.String(), TagCatalog, TagMenu}
}

// CollectionDeleted says that a collection is gone.
type CollectionDeleted struct {
	Collection id.Collection `json:"collection"`
	Handle     string        `json:"handle"`
}

func (CollectionDeleted) Topic() string { return "catalog.collection-deleted" }
func (e CollectionDeleted) Key() string { return e.Collection.String() }
func (e CollectionDeleted) Tags() []string {
	return []string{"collection:" + e.Collection.String(), TagCatalog, TagMenu}
}

var plain = bluemonday.StrictPolicy()

// Saved gives the event that says that p was saved.
func Saved(p *Product) ProductSaved {
	e := ProductSaved{Product: p.ID, Handle: p.Handle, Title: p.Title, Status: p.Status, Vendor: p.Vendor, Type: p.Type, Labels: p.Tags, Price: p.Variants[0].Price}
	for _, v := range p.Variants {
		if v.SKU != "" && len(e.SKUs) < 100 {
			e.SKUs = append(e.SKUs, v.SKU)
		}
		e.Price, e.PriceMax = min(e.Price, v.Price), max(e.PriceMax, v.Price)
	}
	for _, o := range p.Options {
		e.Choices = append(e.Choices, Option{Name: o.Name, Values: o.Values[:min(len(o.Values), 50)]})
	}
	text := p.DescriptionHTML
	if len(text) > 8000 {
		text = strings.ToValidUTF8(text[:8000], "")
	}
	text = Plain(text)
	if len(text) > 4000 {
		text = strings.ToValidUTF8(text[:4000], "")
	}
	e.Description = text
	return e
}

// Plain gives the words of a rich description.
func Plain(text string) string {
	return html.UnescapeString(strings.Join(strings.Fields(plain.Sanitize(strings.ReplaceAll(text, "<", " <"))), " "))
}
