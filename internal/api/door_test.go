package api_test

import (
	"net/http/httptest"
	"testing"

	"haat/internal/api"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

// A person has one allowance, however they write their number; in the next
// shop, and for the next person, there is another.
func TestAPersonIsLimitedHoweverTheyWriteTheirNumber(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{op.Schema, shop.Schema}, nil, func(t *testing.T, f *fleet.Fleet) {
		for slug, country := range map[string]string{"india": "IN", "spain": "ES"} {
			_, err := f.Create(t.Context(), id.NewShop(), slug, slug, func(tx *db.Tx) error {
				return shop.Write(t.Context(), tx, shop.Defaults(slug, country, ""))
			}, func(*db.ControlTx) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		d := api.NewDoor(f, nil, nil, api.Limits{PerIP: 1000, PerPerson: 3})
		admit := func(slug, person string) error {
			r := httptest.NewRequest("POST", "/api/v1/orders", nil)
			r.Host = slug + "." + fleettest.Domain
			return d.Admit(r, op.Info{Role: op.Shopper}, op.Caller{Session: id.Token(8)}, person)
		}
		for _, same := range [][]string{
			{"98765 43210", "+91 98765-43210", "0091 (98765) 43210", "098765 43210"},
			{"Asha@Example.com", " asha@example.com ", "asha@EXAMPLE.com", "ASHA@example.com"},
		} {
			for i, typed := range same {
				err := admit("india", typed)
				if limited := i == 3; fault.Is(err, fault.KindBusy) != limited || !limited && err != nil {
					t.Errorf("%q, order %d: %v", typed, i+1, err)
				}
			}
		}
		for _, free := range [][2]string{{"india", "98765 43211"}, {"spain", "+91 98765 43210"}, {"spain", "612 34 56 78"}, {"spain", "+34612345678"}, {"spain", "0034 612345678"}} {
			if err := admit(free[0], free[1]); err != nil {
				t.Errorf("%s at %s: %v", free[1], free[0], err)
			}
		}
		if err := admit("spain", "612345678"); !fault.Is(err, fault.KindBusy) {
			t.Errorf("a number of the shop's own country: %v", err)
		}
		if err := admit("nowhere", "98765 43210"); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("where there is no shop: %v", err)
		}
	})
}
