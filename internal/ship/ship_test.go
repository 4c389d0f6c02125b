package ship

import (
	"slices"
	"strings"
	"testing"

	"haat/internal/fault"
)

func TestCharge(t *testing.T) {
	r := Rules{Charge: 4900, FreeAbove: 49900, Countries: []string{"IN", "NP"}}
	for _, c := range []struct {
		rules          Rules
		subtotal, want int64
	}{
		{r, 0, 4900}, {r, 49899, 4900}, {r, 49900, 0}, {r, 50000, 0},
		{Rules{Charge: 4900, Countries: r.Countries}, 1 << 40, 4900},
		{Rules{Countries: r.Countries}, 100, 0},
	} {
		if got, err := Charge(c.rules, c.subtotal, "IN"); got != c.want || err != nil {
			t.Errorf("%+v of %d: %d, %v", c.rules, c.subtotal, got, err)
		}
	}
	for _, country := range []string{"US", "", "in", "ZZ"} {
		_, err := Charge(r, 100, country)
		if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || f.Field != "/shipping_address/country" {
			t.Errorf("to %q: %v", country, err)
		}
	}
}

var bengaluru = Address{Name: "Asha Rao", Line1: "12, 4th Cross", City: "Bengaluru", State: "Karnataka", PostalCode: "560001", Country: "IN"}

func TestNormalise(t *testing.T) {
	with := func(country, state, postal string) Address {
		a := bengaluru
		a.Country, a.State, a.PostalCode = country, state, postal
		return a
	}
	for _, c := range []struct{ country, state, postal, wantState, wantPostal string }{
		{"in", "KA", "560 001", "Karnataka", "560001"},
		{"IN", " karnataka ", "560-001", "Karnataka", "560001"},
		{"IN", "jammu & kashmir", "190001", "Jammu and Kashmir", "190001"},
		{"IN", "OR", "751001", "Odisha", "751001"},
		{"IN", "TG", "500001", "Telangana", "500001"},
		{"IN", "Daman and Diu", "396210", "Dadra and Nagar Haveli and Daman and Diu", "396210"},
		{"US", "california", "94107", "CA", "94107"},
		{"US", "D.C.", "200011234", "DC", "20001-1234"},
		{"CA", "Québec", "h2y1c6", "QC", "H2Y 1C6"},
		{"GB", "", "sw1a1aa", "", "SW1A 1AA"},
		{"AU", "vic", "3000", "VIC", "3000"},
		{"JP", "Tokyo", "1000001", "Tokyo", "100-0001"},
		{"NL", "", "1012ab", "", "1012 AB"},
		{"DE", "", "10115", "", "10115"},
		{"AE", "Dubai", "", "Dubai", ""},
		{"KE", "", "00100", "", "00100"},
	} {
		got, wrong := Normalise(with(c.country, c.state, c.postal), true)
		if len(wrong) > 0 || got.State != c.wantState || got.PostalCode != c.wantPostal || got.Country != strings.ToUpper(c.country) {
			t.Errorf("%+v: %+v, %v", c, got, wrong)
		}
	}
}

func TestEveryFaultAtItsField(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name   string
		change func(*Address)
		want   []string
	}{
		{"nothing", func(a *Address) {}, nil},
		{"empty", func(a *Address) { *a = Address{} }, []string{"name", "line1", "city", "country"}},
		{"empty but for India", func(a *Address) { *a = Address{Country: "IN"} }, []string{"name", "line1", "city", "state", "postal_code"}},
		{"blank", func(a *Address) { a.Line1, a.City = " \t\n", "\u200b\x00" }, []string{"line1", "city"}},
		{"PIN of five", func(a *Address) { a.PostalCode = "56000" }, []string{"postal_code"}},
		{"PIN from 0", func(a *Address) { a.PostalCode = "056001" }, []string{"postal_code"}},
		{"PIN in other digits", func(a *Address) { a.PostalCode = "५६०००१" }, []string{"postal_code"}},
		{"state of elsewhere", func(a *Address) { a.State = "Texas" }, []string{"state"}},
		{"too long", func(a *Address) { a.Name, a.Line1, a.Line2, a.City = long, long, long, long }, []string{"name", "line1", "line2", "city"}},
		{"no such country", func(a *Address) { a.Country = "ZZ" }, []string{"country"}},
		{"a former country", func(a *Address) { a.Country = "YU" }, []string{"country"}},
		{"a country by name", func(a *Address) { a.Country = "India" }, []string{"country"}},
		{"Singapore needs no city", func(a *Address) { a.Country, a.City, a.State, a.PostalCode = "SG", "", "", "018956" }, nil},
		{"markup for a postal code", func(a *Address) { a.Country, a.PostalCode = "KE", "<b>" }, []string{"postal_code"}},
	} {
		a := bengaluru
		c.change(&a)
		_, wrong := Normalise(a, true)
		var got []string
		for _, f := range wrong {
			got = append(got, strings.TrimPrefix(f.Pointer, "/shipping_address/"))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: wrong at %v, want %v", c.name, got, c.want)
		}
		_, err := Validate(a)
		if f := fault.Of(err); (f == nil) != (len(c.want) == 0) || f != nil && (len(f.More) != len(c.want)-1 || f.Kind != fault.KindInvalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnAddressBeingWritten(t *testing.T) {
	if a, wrong := Normalise(Address{Country: "in", PostalCode: "560 001"}, false); len(wrong) > 0 || a.PostalCode != "560001" {
		t.Errorf("%+v, %v", a, wrong)
	}
	if _, wrong := Normalise(Address{Country: "IN", PostalCode: "12", State: "Texas"}, false); len(wrong) != 2 {
		t.Errorf("what is there is not judged: %v", wrong)
	}
}

func TestNormaliseTwiceIsOnce(t *testing.T) {
	for code, c := range rules {
		for _, s := range append(c.states, State{}) {
			a := bengaluru
			a.Country, a.State = code, s.Name
			if _, example, ok := strings.Cut(c.postalForm, "such as "); ok {
				a.PostalCode = example
			} else if _, example, ok := strings.Cut(c.postalForm, "like "); ok {
				a.PostalCode = example
			}
			if s.Name == "" && len(c.states) > 0 {
				continue
			}
			once, wrong := Normalise(a, true)
			twice, _ := Normalise(once, true)
			if len(wrong) > 0 || once != twice {
				t.Errorf("%s: %+v, then %+v; %v", code, once, twice, wrong)
			}
			if c.postalForm != "" && once.PostalCode != a.PostalCode {
				t.Errorf("%s: the example %q is written %q", code, a.PostalCode, once.PostalCode)
			}
		}
	}
}

func TestTables(t *testing.T) {
	if len(india) != 36 {
		t.Errorf("India has 36 states and union territories, not %d", len(india))
	}
	for code, c := range rules {
		if CountryName(code) == "" {
			t.Errorf("%s is no country", code)
		}
		seen := map[string]string{}
		for _, s := range c.states {
			for _, text := range append([]string{s.Code, s.Name}, s.also...) {
				if other := seen[bareName(text)]; other != "" && other != s.Code {
					t.Errorf("%s: %q means %s and %s", code, text, other, s.Code)
				}
				seen[bareName(text)] = s.Code
			}
		}
	}
	if n := len(Countries()); n < 240 || n > 252 {
		t.Errorf("%d countries", n)
	}
	if CountryName("IN") != "India" || CountryName("TW") != "Taiwan" || CountryName("YU") != "" || CountryName("") != "" {
		t.Error("countries have other names")
	}
}
