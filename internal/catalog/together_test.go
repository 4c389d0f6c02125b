package catalog_test

import (
	"fmt"
	"sync"
	"testing"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/op"
	"haat/internal/shop"
)

// together runs all at once and waits for them.
func together(all ...func()) {
	var wg sync.WaitGroup
	for _, fn := range all {
		wg.Go(fn)
	}
	wg.Wait()
}

// Of what several people save of one product at once, nothing that was
// acknowledged is overwritten.
func TestSeveralEditOneProduct(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		made, ctx := create(t, room, by, shirt()), t.Context()
		const rounds = 15
		saves := []func(){
			func() {
				for n := range rounds {
					var in catalog.UpdateIn
					in.Product, in.Body.Title = made.ID.String(), ptr(fmt.Sprintf("Title %d", n))
					if _, err := catalog.UpdateProduct.Do(ctx, room, by, in); err != nil {
						t.Error(err)
					}
				}
			},
			func() {
				for n := range rounds {
					var in catalog.BulkIn
					in.Body.Variants = []catalog.BulkRow{{ID: made.Variants[3].ID.String(), Price: ptr(inr(int64(n + 1)))}}
					if _, err := catalog.BulkEdit.Do(ctx, room, by, in); err != nil {
						t.Error(err)
					}
				}
			},
		}
		for _, v := range made.Variants[:3] {
			saves = append(saves, func() {
				for n := range rounds {
					var in catalog.PriceChange
					in.Variant, in.Body.Price = v.ID.String(), inr(int64(n+1))
					if _, err := catalog.SetPrice.Do(ctx, room, by, in); err != nil {
						t.Error(err)
					}
				}
			})
		}
		together(saves...)
		got, err := catalog.GetProduct.Do(ctx, room, by, catalog.ProductIn{Product: made.ID.String()})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("Title %d", rounds-1); got.Title != want {
			t.Errorf("the title is %q, saved last was %q", got.Title, want)
		}
		for _, v := range got.Variants {
			if v.Price.Amount != rounds {
				t.Errorf("%s costs %d, saved last was %d", v.Title, v.Price.Amount, rounds)
			}
		}
	})
}

// A product that is saved while a collection by rule is, is in it.
func TestACollectionAndItsProductAtOnce(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		ctx := t.Context()
		for n := range 10 {
			tag := fmt.Sprintf("tag-%d", n)
			var in catalog.NewCollection
			in.Body = catalog.CollectionInput{Title: &tag, Rule: &catalog.Rule{Any: true, Conditions: []catalog.Condition{{Field: "tag", Is: "equals", Value: tag}}}}
			goods := simple("Cup "+tag, 100, 1)
			goods.Body.Tags = &[]string{tag}
			var made catalog.CollectionDetails
			together(
				func() {
					var err error
					if made, err = catalog.CreateCollection.Do(ctx, room, by, in); err != nil {
						t.Error(err)
					}
				},
				func() { create(t, room, by, goods) },
			)
			got, err := catalog.GetCollection.Do(ctx, room, by, catalog.CollectionIn{Collection: made.ID.String()})
			if err != nil || len(got.Members) != 1 {
				t.Errorf("round %d: %d products, %v", n, len(got.Members), err)
			}
		}
	})
}

// The currency does not change under the first price.
func TestTheFirstPriceAndTheCurrencyAtOnce(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx, office := t.Context(), shop.NewOffice(catalog.Priced)
		for n := range 10 {
			room, by := open(t, f, fmt.Sprintf("cup-%d", n))
			var priced, changed error
			together(
				func() { _, priced = catalog.CreateProduct.Do(ctx, room, by, simple("Cup", 100, 1)) },
				func() {
					var in shop.Change
					in.Body.Currency = ptr("USD")
					_, changed = office.Change.Do(ctx, room, by, in)
				},
			)
			if (priced == nil) == (changed == nil) {
				t.Errorf("round %d: a price in INR: %v; then USD: %v", n, priced, changed)
			}
			for _, err := range []error{priced, changed} {
				if err != nil && !fault.Is(err, fault.KindInvalid) && !fault.Is(err, fault.KindConflict) {
					t.Error(err)
				}
			}
		}
	})
}
