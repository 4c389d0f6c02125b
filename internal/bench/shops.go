package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/shop"
)

// plenty is stock that no benchmark sells out.
const plenty = 1_000_000_000

// stall is a shop with what can be ordered in it.
type stall struct {
	room     *fleet.Room
	variants []id.Variant
	handles  []string
}

// openStall makes a shop by the rooms' own rules, with so many products of two
// variants.
func openStall(ctx context.Context, f *fleet.Fleet, slug string, products int, available int64) (s stall, err error) {
	settings := shop.Defaults("Shop "+slug, "IN", "INR")
	s.room, err = f.Create(ctx, id.NewShop(), slug, settings.Name,
		func(tx *db.Tx) error { return shop.Write(ctx, tx, settings) }, func(*db.ControlTx) error { return nil })
	if err != nil {
		return s, err
	}
	const batch = 100
	for from := 0; from < products; from += batch {
		_, err = s.room.Change(ctx, func(tx *db.Tx) error {
			for i := from; i < min(from+batch, products); i++ {
				p := product(i, available)
				if err := p.Check(); err != nil {
					return err
				}
				if err := catalog.Create(ctx, tx, &p); err != nil {
					return err
				}
				s.handles = append(s.handles, p.Handle)
				for _, v := range p.Variants {
					s.variants = append(s.variants, v.ID)
				}
			}
			return nil
		})
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func product(i int, available int64) catalog.Product {
	what := []string{"Mug", "Shawl", "Lamp", "Basket", "Bowl", "Cushion", "Stool", "Print"}[i%8]
	how := []string{"Indigo", "Plain", "Woven", "Carved", "Painted", "Glazed", "Block-printed"}[i%7]
	p := catalog.Product{
		Handle: fmt.Sprintf("goods-%d", i), Title: fmt.Sprintf("%s %s %d", how, what, i), Status: "active", Vendor: "Ujala Works", Type: what,
		DescriptionHTML: "<p>Thrown, cut and glazed by hand in a workshop of four, each piece a little different and meant to be.</p><p>Keep it dry and out of the sun. It washes well, in cold water, and lasts for years.</p>",
		Tags:            []string{"home", how}, Options: []catalog.Option{{Name: "Size", Values: []string{"Small", "Large"}}},
	}
	for n, size := range p.Options[0].Values {
		p.Variants = append(p.Variants, catalog.Variant{
			SKU: fmt.Sprintf("G-%d-%d", i, n), Options: []string{size}, Price: int64(199_00 + i%50*10_00 + n*50_00), RequiresShipping: true, Taxable: true,
			Stock: &catalog.Stock{Tracked: true, Available: available, SetAvailable: true},
		})
	}
	return p
}

type listed struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
}

// products reads a shop's list as an app does.
func products(ctx context.Context, addr, host string) ([]listed, error) {
	a, err := fetchJSON(ctx, addr, host, "/api/v1/products?limit=20")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []listed }
	if err := json.Unmarshal(a.body, &list); err != nil {
		return nil, fmt.Errorf("a list of products: %w", err)
	}
	return list.Items, nil
}
