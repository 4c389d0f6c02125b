// Package ship says where a shop delivers, what it charges for that, and what
// an address must have in each country.
//
// It is pure: no rows, no calls. [Charge] goes by a shop's [Rules];
// [Normalise] gives an address the form in which it is kept, and says what is
// wrong with it, field by field, for every country that has rules of its own
// here, leniently for the others.
package ship

import (
	"slices"
	"strings"

	"github.com/biter777/countries"

	"haat/internal/fault"
)

// Rules are a shop's delivery, in minor units of its currency.
type Rules struct {
	Charge    int64    // for one order; 0 is free
	FreeAbove int64    // a subtotal from which delivery is free; 0: there is none
	Countries []string // ISO 3166 alpha-2, where it delivers
}

// Charge gives what delivery of a subtotal costs. A country that the shop
// does not deliver to is fault.Invalid at /shipping_address/country.
func Charge(r Rules, subtotal int64, country string) (int64, error) {
	if !slices.Contains(r.Countries, country) {
		where := CountryName(country)
		if where == "" {
			where = "this country"
		}
		return 0, fault.Invalid("/shipping_address/country", "This shop does not deliver to %s.", where)
	}
	if r.FreeAbove > 0 && subtotal >= r.FreeAbove {
		return 0, nil
	}
	return r.Charge, nil
}

// Country is a country's code and English name.
type Country struct{ Code, Name string }

// former are codes that the library knows and no parcel goes to any more.
var former = []string{"AN", "YU", "CS", "XX"}

var list = func() []Country {
	var out []Country
	for _, c := range countries.All() {
		if code := c.Alpha2(); len(code) == 2 && !slices.Contains(former, code) {
			name, _, _ := strings.Cut(c.String(), " (")
			out = append(out, Country{code, name})
		}
	}
	slices.SortFunc(out, func(a, b Country) int { return strings.Compare(a.Name, b.Name) })
	return out
}()

var names = func() map[string]string {
	out := make(map[string]string, len(list))
	for _, c := range list {
		out[c.Code] = c.Name
	}
	return out
}()

// Countries lists the world's countries by name.
func Countries() []Country { return slices.Clone(list) }

// CountryName gives the English name of a country's alpha-2 code; empty if
// there is none.
func CountryName(code string) string { return names[code] }
