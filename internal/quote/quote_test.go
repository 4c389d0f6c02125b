package quote

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"haat/internal/fault"
)

func TestTotal(t *testing.T) {
	for _, c := range []struct {
		name                      string
		in                        Input
		subtotal, delivery, total int64
	}{
		{"nothing", Input{Delivery: 50}, 0, 0, 0},
		{"two lines and delivery", Input{Lines: []Line{{49900, 2, true}, {100, 3, true}}, Delivery: 4000}, 100100, 4000, 104100},
		{"nothing to deliver", Input{Lines: []Line{{49900, 1, false}}, Delivery: 4000}, 49900, 0, 49900},
		{"one of two is delivered", Input{Lines: []Line{{49900, 1, false}, {0, 1, true}}, Delivery: 4000}, 49900, 4000, 53900},
		{"the largest", Input{Lines: []Line{{Max - 1, 1, true}}, Delivery: 1}, Max - 1, 1, Max},
	} {
		got, err := Total(c.in)
		if err != nil || got.Subtotal != c.subtotal || got.Delivery != c.delivery || got.Total != c.total {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestWhatDoesNotAddUpIsRefused(t *testing.T) {
	for name, in := range map[string]Input{
		"product overflows":     {Lines: []Line{{math.MaxInt64, 2, true}}},
		"wraps to a small sum":  {Lines: []Line{{1 << 32, 1 << 32, true}}},
		"sum too large":         {Lines: []Line{{Max, 1, true}, {1, 1, true}}},
		"delivery too large":    {Lines: []Line{{Max, 1, true}}, Delivery: 1},
		"too many things":       {Lines: []Line{{0, math.MaxInt64, true}}},
		"price below zero":      {Lines: []Line{{-1, 1, true}}},
		"quantity of zero":      {Lines: []Line{{1, 0, true}}},
		"quantity below zero":   {Lines: []Line{{1, -1, true}}},
		"zero price, huge both": {Lines: []Line{{0, Max, true}, {0, 1, true}}},
	} {
		if got, err := Total(in); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestTotalAgreesWithBigNumbers compares with arithmetic that cannot overflow.
func TestTotalAgreesWithBigNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(0, 1_000_000), rapid.Int64Range(0, math.MaxInt64))
		in := Input{Delivery: amount.Draw(t, "delivery")}
		want := new(big.Int)
		items := new(big.Int)
		for range rapid.IntRange(0, 5).Draw(t, "lines") {
			l := Line{amount.Draw(t, "price"), max(1, amount.Draw(t, "quantity")), rapid.Bool().Draw(t, "ships")}
			in.Lines = append(in.Lines, l)
			want.Add(want, new(big.Int).Mul(big.NewInt(l.Price), big.NewInt(l.Quantity)))
			items.Add(items, big.NewInt(l.Quantity))
		}
		got, err := Total(in)
		ships := false
		for _, l := range in.Lines {
			ships = ships || l.RequiresShipping
		}
		if ships {
			want.Add(want, big.NewInt(in.Delivery))
		}
		largest := big.NewInt(Max)
		if fits := want.Cmp(largest) <= 0 && items.Cmp(largest) <= 0; fits != (err == nil) {
			t.Fatalf("%v fits: %t, but %v", want, fits, err)
		}
		if err == nil && (got.Total != want.Int64() || got.Items != items.Int64()) {
			t.Fatalf("%d of %d, want %v of %v", got.Total, got.Items, want, items)
		}
	})
}
