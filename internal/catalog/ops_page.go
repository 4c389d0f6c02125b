package catalog

import (
	"context"
	"time"

	"haat/internal/db"
	"haat/internal/op"
	"haat/internal/shop"
)

// What the storefront's pages show, each with the shop's settings, which cost
// no statement. These have no route of their own.
var (
	ForHome = op.Read[HomeIn, Shown[HomePage]]{Name: "catalog.home-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in HomeIn) (out Shown[HomePage], err error) {
			out.Mark = r.Mark()
			if out.Shop, err = shop.Of(ctx, r); err != nil {
				return out, err
			}
			var featured []string
			for _, s := range out.Shop.Theme.Sections {
				if s.Kind == "featured" && s.Collection != "" {
					featured = append(featured, s.Collection)
				}
			}
			out.Page, err = ReadHomePage(ctx, r, featured)
			return out, err
		}}
	ForProduct = op.Read[ShopProductIn, Shown[ProductPage]]{Name: "catalog.product-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in ShopProductIn) (out Shown[ProductPage], err error) {
			out.Mark = r.Mark()
			if out.Shop, err = shop.Of(ctx, r); err != nil {
				return out, err
			}
			out.Page, err = ReadProductPage(ctx, r, in.Handle)
			return out, err
		}}
	ForCollection = op.Read[CollectionPageIn, Shown[CollectionPage]]{Name: "catalog.collection-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in CollectionPageIn) (out Shown[CollectionPage], err error) {
			out.Mark = r.Mark()
			if out.Shop, err = shop.Of(ctx, r); err != nil {
				return out, err
			}
			out.Page, err = ReadCollectionPage(ctx, r, in.Handle, in.Filter)
			return out, err
		}}
)

// Shown is a page's content and the shop around it, as of a mark.
type Shown[T any] struct {
	Shop shop.Settings
	Page T
	Mark db.Mark
}

// HomeIn is the front page, which needs nothing.
type HomeIn struct{}

// CollectionPageIn names a collection and narrows it.
type CollectionPageIn struct {
	Handle string
	Filter Filter
}

// ForMenu gives the first collections, for pages that have nothing else of
// the catalogue.
var ForMenu = op.Read[HomeIn, Shown[[]Tile]]{Name: "catalog.menu", Role: op.Shopper,
	Run: func(ctx context.Context, r db.Reader, _ HomeIn) (out Shown[[]Tile], err error) {
		out.Mark = r.Mark()
		if out.Shop, err = shop.Of(ctx, r); err != nil {
			return out, err
		}
		out.Page, err = db.All(ctx, r, menuOnly, func(t *Tile) []any { return []any{&t.Collection, &t.Handle, &t.Title} })
		return out, err
	}}

// SitemapEntry is a product or collection that search engines should know.
type SitemapEntry struct {
	Collection bool
	Handle     string
	UpdatedAt  time.Time
}

// ForSitemap lists collections and active products, the newest first.
var ForSitemap = op.Read[HomeIn, Shown[[]SitemapEntry]]{Name: "catalog.sitemap", Role: op.Shopper,
	Run: func(ctx context.Context, r db.Reader, _ HomeIn) (out Shown[[]SitemapEntry], err error) {
		out.Mark = r.Mark()
		out.Page, err = db.All(ctx, r, sitemap, func(e *SitemapEntry) []any { return []any{&e.Collection, &e.Handle, &e.UpdatedAt} })
		return out, err
	}}

var (
	menuOnly = db.Q(`SELECT c.id, c.handle, c.title FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.id LIMIT 8`)
	sitemap  = db.Q(`
		SELECT TRUE AS first, c.handle, c.updated_at FROM collection c WHERE c.shop = $1
		UNION ALL
		SELECT FALSE, p.handle, p.updated_at FROM product p WHERE p.shop = $1 AND p.status = 'active'
		ORDER BY 1 DESC, 3 DESC LIMIT 49000`)
)
