// Package money counts money in whole minor units: paise, cents, yen.
//
// It leans on CLDR data (bojanz/currency) for the number of digits of a
// currency and for writing an amount the way a country writes it; nothing
// else in the tree may format or parse money.
package money

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bojanz/currency"
)

// Money is an amount in minor units of a currency: {1250, "INR"} is ₹12.50.
type Money struct {
	Amount   int64  `json:"amount" doc:"Minor units: 1250 INR is ₹12.50" example:"49900"`
	Currency string `json:"currency" doc:"ISO 4217 code" example:"INR" minLength:"3" maxLength:"3"`
}

// Max is the largest amount accepted for one price: a million crores of
// paise still multiplies by any quantity we accept without overflow.
const Max = 1_000_000_000_000

// Digits gives the number of digits after the point in a currency.
func Digits(code string) int {
	d, ok := currency.GetDigits(code)
	if !ok {
		return 2
	}
	return int(d)
}

// Valid reports whether code is a known ISO 4217 currency.
func Valid(code string) bool { return currency.IsValid(code) }

// ForCountry gives the currency of a country (ISO 3166 alpha-2).
func ForCountry(country string) (string, bool) { return currency.ForCountryCode(country) }

// grouped is a whole number with thousands, or lakhs and crores, set apart.
var grouped = regexp.MustCompile(`^\d{1,3}(,\d{2,3})*,\d{3}$`)

// Parse reads a decimal such as "1,249.50" or "50" as minor units of a
// currency. It refuses more digits than the currency has, unless they are
// zeros, and amounts beyond Max.
func Parse(text, code string) (int64, error) {
	s := strings.TrimSpace(text)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, frac, _ := strings.Cut(s, ".")
	if strings.Contains(whole, ",") {
		if !grouped.MatchString(whole) { // "9,99" is not nine hundred and ninety-nine
			return 0, fmt.Errorf("%q is not an amount: write the fraction after a point", text)
		}
		whole = strings.ReplaceAll(whole, ",", "")
	}
	digits := Digits(code)
	for len(frac) > digits {
		if frac[len(frac)-1] != '0' {
			return 0, fmt.Errorf("%q has more than %d digits after the point, which is all %s has", text, digits, code)
		}
		frac = frac[:len(frac)-1]
	}
	if whole == "" && frac == "" || len(whole) > 14 {
		return 0, fmt.Errorf("%q is not an amount", text)
	}
	var v int64
	for _, c := range whole + frac + strings.Repeat("0", digits-len(frac)) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not an amount", text)
		}
		v = v*10 + int64(c-'0')
		if v > Max {
			return 0, fmt.Errorf("%q is too large", text)
		}
	}
	if neg {
		v = -v
	}
	return v, nil
}

// Decimal writes the amount as a plain decimal such as "1249.50", for CSV,
// JSON-LD and form fields.
func (m Money) Decimal() string {
	d := Digits(m.Currency)
	sign, v := "", m.Amount
	if v < 0 {
		sign, v = "-", -v
	}
	if d == 0 {
		return fmt.Sprintf("%s%d", sign, v)
	}
	p := int64(1)
	for range d {
		p *= 10
	}
	return fmt.Sprintf("%s%d.%0*d", sign, v/p, d, v%p)
}

// Format writes the amount as a person in locale ("en-IN", "hi-IN", "de-DE")
// expects it: ₹1,24,800.00. Amounts without a fraction drop the zeros when
// short is wanted: ₹1,24,800.
func (m Money) Format(locale string, short bool) string {
	a, err := currency.NewAmount(m.Decimal(), m.Currency)
	if err != nil {
		return m.Decimal() + " " + m.Currency
	}
	f := currency.NewFormatter(currency.NewLocale(locale))
	f.CurrencyDisplay = currency.DisplaySymbol
	if short {
		p := int64(1)
		for range Digits(m.Currency) {
			p *= 10
		}
		if m.Amount%p == 0 {
			f.MinDigits, f.MaxDigits = 0, 0
		}
	}
	return f.Format(a)
}

func (m Money) String() string { return m.Decimal() + " " + m.Currency }
