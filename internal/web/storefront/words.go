package storefront

import (
	"strconv"
	"strings"

	"haat/internal/money"
	"haat/internal/web/design"
)

func (s Shop) lang() string { return or(s.Lang, "en") }

func (p Page) title() string {
	switch {
	case p.Title == "" && p.Shop.Tagline != "":
		return p.Shop.Name + " – " + p.Shop.Tagline
	case p.Title == "":
		return p.Shop.Name
	}
	return p.Title + " – " + p.Shop.Name
}

// about describes the page, or the shop where a page has no words of its own.
func (p Page) about() string { return or(p.Description, p.Shop.Tagline) }

// forBuying is the page with the stylesheet of cart, checkout and order.
func (p Page) forBuying() Page {
	p.buying = true
	return p
}

func (p Page) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.Shop.URL + address
	}
	return address
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// things counts in words: "1 product", "2,400 products".
func things(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + " " + many
}

// dial keeps what a phone can dial.
func dial(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, phone)
}

func paragraphsOf(text string) []string {
	var out []string
	for _, p := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func whole(m *money.Money) string {
	if m == nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimRight(m.Decimal(), "0"), ".")
}

func limit(most int) int {
	if most <= 0 {
		return 99
	}
	return most
}

// hasHeading reports whether a section brings the page's h1.
func (v Home) hasHeading() bool { return len(v.Sections) > 0 && v.Sections[0].Kind == "banner" }

func (v Home) empty() bool {
	for _, s := range v.Sections {
		if len(s.Products) > 0 || len(s.Tiles) > 0 {
			return false
		}
	}
	return true
}

func (l Listing) hasFilters() bool {
	return len(l.Active) > 0 || len(l.Options) > 0 || l.High != nil
}

func (f Filter) open() bool {
	for _, v := range f.Values {
		if v.Checked {
			return true
		}
	}
	return len(f.Values) <= 6
}

// shape keeps tall and wide pictures from being cut much.
func (i Image) shape() string {
	switch {
	case i.Width*10 < i.Height*9:
		return "frame-portrait"
	case i.Width*10 > i.Height*13:
		return "frame-landscape"
	}
	return ""
}

// largest is the widest address of the picture.
func (i Image) largest() string {
	parts := strings.Split(i.SrcSet, ",")
	last := strings.Fields(parts[len(parts)-1])
	if len(last) == 0 {
		return i.Src
	}
	return last[0]
}

// ordered puts the chosen variant's picture first.
func (v Product) ordered() []Image {
	if v.Shown <= 0 || v.Shown >= len(v.Images) {
		return v.Images
	}
	out := append([]Image{v.Images[v.Shown]}, v.Images[:v.Shown]...)
	return append(out, v.Images[v.Shown+1:]...)
}

// shotSizes says how wide the pictures of a gallery are: one large, the rest
// small beside a desktop's, all of them large on a phone.
func shotSizes(i int) string {
	if i == 0 {
		return "(min-width: 64em) 46vw, (min-width: 48em) 50vw, 90vw"
	}
	return "(min-width: 48em) 12vw, 90vw"
}

func (v Product) canBuy() bool { return v.Available && v.Variant != "" }

func (v Product) cannot() string {
	if v.Variant == "" {
		return "Choose another combination"
	}
	return "Sold out"
}

// pictured reports whether every value can be shown as a picture of its own.
func (o Option) pictured() bool {
	seen := map[string]bool{}
	for _, v := range o.Values {
		if v.Image == nil || seen[v.Image.Src] {
			return false
		}
		seen[v.Image.Src] = true
	}
	return len(o.Values) > 1
}

func (v Cart) blocked() bool { return troubled(v.Lines) }

// troubled reports whether something stands in the way of ordering the lines.
func troubled(lines []Line) bool {
	for _, l := range lines {
		if l.Problem != "" {
			return true
		}
	}
	return false
}

// problems lists the errors in the order of the fields.
func (v Checkout) problems() []design.FieldError {
	var out []design.FieldError
	for _, name := range []string{"", FieldName, FieldPhone, FieldEmail, FieldLine1, FieldLine2, FieldPostalCode, FieldCity, FieldState, FieldCountry, FieldNote, FieldPayment} {
		if text := v.Errors[name]; text != "" {
			out = append(out, design.FieldError{ID: name, Text: text})
		}
	}
	return out
}

// count is the number of things being bought.
func (v Checkout) count() (n int) {
	for _, l := range v.Lines {
		n += l.Quantity
	}
	return n
}

func (v Checkout) filled(name, label string, f design.Field) design.Field {
	f.Name, f.Label, f.Value, f.Error = name, label, v.Values[name], v.Errors[name]
	return f
}

func (v Checkout) optionalEmail() string {
	if v.NeedEmail {
		return ""
	}
	return "(optional)"
}

// postMode brings up digits where a country's codes are digits.
func (v Checkout) postMode() string {
	if len(v.Countries) == 1 && v.Countries[0].Value == "IN" {
		return "numeric"
	}
	return ""
}

func (v Checkout) withNone(list []design.Choice) []design.Choice {
	return append([]design.Choice{{Value: "", Label: "Choose…"}}, list...)
}

func (v Checkout) payment() string {
	if chosen := v.Values[FieldPayment]; chosen != "" || len(v.Payments) == 0 {
		return chosen
	}
	return v.Payments[0].Value
}

type faultWords struct{ icon, title, text string }

func (v Fault) words() faultWords {
	switch v.Kind {
	case "missing":
		return faultWords{"search", "We could not find that page", "The address may be mistyped, or the product may have a new one."}
	case "gone":
		return faultWords{"archive", "This is no longer here", "It was taken down. Perhaps something else will please you."}
	case "closed":
		return faultWords{"lock", "This shop is closed for now", "Orders already placed are not lost. Please come back later."}
	case "busy":
		return faultWords{"clock", "Many people are here right now", "Your cart is safe. Please try again in a moment."}
	case "slow-down":
		return faultWords{"clock", "That was a little fast", "Please wait a moment and try again."}
	case "unknown-host":
		return faultWords{"shop", "There is no shop at this address", "Look at the spelling, or ask whoever sent you the link."}
	}
	return faultWords{"alert", "Something broke on our side", "Nothing was ordered or charged twice. We have been told; please try again."}
}

func (v Fault) framed() Page {
	p := v.Page
	p.Title, p.NoIndex = v.words().title, true
	return p
}
