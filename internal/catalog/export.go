package catalog

import (
	"context"
	"fmt"
	"io"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/shop"
	"haat/internal/stock"
)

const exportPage = 100

var exportIDs = db.Q(`SELECT id FROM product WHERE shop = $1 AND id > $2 ORDER BY id LIMIT $3`)

// Export writes a shop's whole catalogue as a Shopify product CSV of the
// current generation, which imports again as the same catalogue. Products come
// in the order in which they were made.
func (m *Importer) Export(ctx context.Context, room *fleet.Room, w io.Writer) error {
	var extras shopify.Extras
	currency := ""
	if err := m.drafts(ctx, room, &currency, func(d *shopify.Draft) error { extras.Add(d); return nil }); err != nil {
		return err
	}
	out, err := shopify.NewWriter(w, shopify.WriterOptions{Currency: currency, Extra: extras.Columns()})
	if err != nil {
		return err
	}
	if err := m.drafts(ctx, room, &currency, out.Write); err != nil {
		return err
	}
	return out.Flush()
}

// drafts gives every product as the file describes it, a page of products for
// each snapshot.
func (m *Importer) drafts(ctx context.Context, room *fleet.Room, currency *string, fn func(*shopify.Draft) error) error {
	for after := (id.Product{}); ; {
		var page []*shopify.Draft
		var ids []id.Product
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			page = nil
			if *currency, err = shop.Currency(ctx, r); err != nil {
				return err
			}
			ids, err = db.All(ctx, r, exportIDs, func(p *id.Product) []any { return []any{p} }, after[:], exportPage)
			if err != nil {
				return err
			}
			for _, pid := range ids {
				p, err := Read(ctx, r, pid)
				if err != nil {
					return err
				}
				d, err := m.draft(ctx, r, room, &p)
				if err != nil {
					return err
				}
				page = append(page, d)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the catalogue: %w", err)
		}
		for _, d := range page {
			if err := fn(d); err != nil {
				return err
			}
		}
		if len(ids) < exportPage {
			return nil
		}
		after = ids[len(ids)-1]
	}
}

func (m *Importer) draft(ctx context.Context, r db.Reader, room *fleet.Room, p *Product) (*shopify.Draft, error) {
	some := shopify.Some[string]
	d := &shopify.Draft{
		Handle: p.Handle, Title: some(p.Title), DescriptionHTML: some(p.DescriptionHTML), Vendor: some(p.Vendor), Type: some(p.Type), Category: some(p.Category),
		Tags: shopify.Some(p.Tags), Status: shopify.Some(shopify.Status(p.Status)), Published: shopify.Some(p.Status == Active), GiftCard: shopify.Some(p.GiftCard),
		SEOTitle: some(p.SEO.Title), SEODescription: some(p.SEO.Description), Extra: p.Extra,
	}
	names := []string{}
	for _, o := range p.Options {
		names = append(names, o.Name)
	}
	d.Options = shopify.Some(names)
	ids := make([]id.Variant, len(p.Variants))
	for i, v := range p.Variants {
		ids[i] = v.ID
	}
	levels, err := stock.Levels(ctx, r, ids)
	if err != nil {
		return nil, err
	}
	address := map[string]string{} // of an image by its hash
	for i, img := range p.Images {
		u := img.Source
		if u == "" && img.Hash != "" {
			u = m.ShopURL(room.Slug()) + media.URL(room.Shop(), img.Hash, media.Nearest(img.Width, media.Largest))
		}
		if u == "" {
			continue
		}
		address[img.Hash] = u
		d.Images = append(d.Images, shopify.Image{URL: u, Position: i + 1, Alt: some(img.Alt)})
	}
	for _, v := range p.Variants {
		l := levels[v.ID]
		dv := shopify.Variant{
			Options: v.Options, SKU: some(v.SKU), Barcode: some(v.Barcode), Price: shopify.Some(v.Price), CompareAt: shopify.Some(v.CompareAt), Cost: shopify.Some(v.Cost),
			WeightGrams: shopify.Some(v.WeightGrams), Tracked: shopify.Some(l.Tracked), Quantity: shopify.Some(l.Available), Continue: shopify.Some(l.Continue),
			RequiresShipping: shopify.Some(v.RequiresShipping), Taxable: shopify.Some(v.Taxable), TaxCode: some(v.TaxClass), Extra: v.Extra,
		}
		switch {
		case v.ImageSource != "":
			dv.ImageURL = some(v.ImageSource)
		case v.Image != "":
			dv.ImageURL = some(address[v.Image])
		}
		d.Variants = append(d.Variants, dv)
	}
	return d, nil
}
