package catalog

import (
	"context"

	"haat/internal/db"
	"haat/internal/op"
	"haat/internal/shop"
)

// What the storefront's pages show, each with the shop's settings, which cost
// no statement. These have no route of their own.
var (
	ForHome = op.Read[HomeIn, Shown[HomePage]]{Name: "catalog.home-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in HomeIn) (out Shown[HomePage], err error) {
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
			if out.Shop, err = shop.Of(ctx, r); err != nil {
				return out, err
			}
			out.Page, err = ReadProductPage(ctx, r, in.Handle)
			return out, err
		}}
	ForCollection = op.Read[CollectionPageIn, Shown[CollectionPage]]{Name: "catalog.collection-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in CollectionPageIn) (out Shown[CollectionPage], err error) {
			if out.Shop, err = shop.Of(ctx, r); err != nil {
				return out, err
			}
			out.Page, err = ReadCollectionPage(ctx, r, in.Handle, in.Filter)
			return out, err
		}}
)

// Shown is a page's content and the shop around it.
type Shown[T any] struct {
	Shop shop.Settings
	Page T
}

// HomeIn is the front page, which needs nothing.
type HomeIn struct{}

// CollectionPageIn names a collection and narrows it.
type CollectionPageIn struct {
	Handle string
	Filter Filter
}
