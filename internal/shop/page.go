package shop

import (
	"context"

	"haat/internal/db"
	"haat/internal/op"
)

// What the storefront's pages need of the settings alone. These have no route
// of their own.
var (
	ForPage = op.Read[PageIn, Settings]{Name: "shop.page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, _ PageIn) (Settings, error) { return Of(ctx, r) }}
	ForPolicy = op.Read[PolicyIn, Policy]{Name: "shop.policy-page", Role: op.Shopper,
		Run: func(ctx context.Context, r db.Reader, in PolicyIn) (out Policy, err error) {
			out.Mark = r.Mark()
			if out.Shop, err = Of(ctx, r); err != nil {
				return out, err
			}
			out.Text, err = PolicyText(ctx, r, in.Kind)
			return out, err
		}}
)

// PageIn is a page that needs nothing but the settings.
type PageIn struct{}

// PolicyIn names a policy.
type PolicyIn struct{ Kind string }

// Policy is a policy's text and the shop around it, as of a mark.
type Policy struct {
	Shop Settings
	Text string
	Mark db.Mark
}
