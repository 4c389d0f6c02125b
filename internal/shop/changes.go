package shop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"haat/internal/fault"
	"haat/internal/money"
)

var (
	colour = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	vpa    = regexp.MustCompile(`^[a-zA-Z0-9._-]{2,256}@[a-zA-Z][a-zA-Z0-9.-]{1,63}$`)
	hash   = regexp.MustCompile(`^[0-9a-z]{32}$`) // of an image
)

// isHandle reports whether the text may be the handle of a collection: up to
// 255 letters, marks and digits of any script, and _ and -. As a regular
// expression it would take ten megabytes for as long as the program runs.
func isHandle(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= 255 && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.In(r, unicode.L, unicode.M, unicode.N)
	})
}

// apply gives old with the changes, checked, and the texts of the policies
// that change, by kind.
func (c Changes) apply(old Settings) (s Settings, texts map[string]string, err error) {
	s = old
	if c.Name != nil {
		if s.Name, err = cleanName(*c.Name); err != nil {
			return s, nil, err
		}
	}
	for _, step := range []func(*Settings) error{c.place, c.reach, c.selling} {
		if err := step(&s); err != nil {
			return s, nil, err
		}
	}
	if c.Theme != nil {
		if s.Theme, err = c.Theme.apply(s.Theme); err != nil {
			return s, nil, err
		}
	}
	if c.Policies != nil {
		texts, err = c.Policies.clean()
	}
	return s, texts, err
}

func (c Changes) place(s *Settings) error {
	was := s.Currency
	if c.Country != nil {
		if s.Country = strings.ToUpper(strings.TrimSpace(*c.Country)); !ValidCountry(s.Country) {
			return fault.Invalid("/country", "%q is not the two-letter code of a country.", *c.Country)
		}
	}
	if c.Currency != nil {
		if s.Currency = strings.ToUpper(strings.TrimSpace(*c.Currency)); !money.Valid(s.Currency) {
			return fault.Invalid("/currency", "%q is not the three-letter code of a currency.", *c.Currency)
		}
		if s.Currency != was {
			s.Delivery.Charge, s.Delivery.FreeAbove = 0, 0 // they were amounts of the other
		}
	}
	if c.Locale != nil {
		tag, err := language.Parse(*c.Locale)
		if err != nil || tag == language.Und {
			return fault.Invalid("/locale", "%q is not a locale such as en-IN.", *c.Locale)
		}
		s.Locale = tag.String()
	}
	if c.Timezone != nil {
		if s.Timezone = *c.Timezone; !validTimezone(s.Timezone) {
			return fault.Invalid("/timezone", "%q is not a timezone such as Asia/Kolkata.", s.Timezone)
		}
	}
	return nil
}

func (c Changes) reach(s *Settings) (err error) {
	for _, f := range []struct {
		pointer string
		given   *string
		place   *string
	}{{"/phone", c.Phone, &s.Phone}, {"/whatsapp", c.WhatsApp, &s.WhatsApp}} {
		if f.given == nil {
			continue
		}
		*f.place = ""
		if strings.TrimSpace(*f.given) != "" {
			if *f.place, _, err = ParsePhone(*f.given, s.Country); err != nil {
				return at(f.pointer, err)
			}
		}
	}
	if c.Email != nil {
		s.Email = ""
		if strings.TrimSpace(*c.Email) != "" {
			if s.Email, err = ParseEmail(*c.Email); err != nil {
				return at("/email", err)
			}
		}
	}
	if c.Address != nil {
		s.Address, err = plain("/address", *c.Address, 500, true)
	}
	return err
}

func (c Changes) selling(s *Settings) (err error) {
	if u := c.UPI; u != nil {
		if u.VPA != nil {
			if s.UPI.VPA = strings.TrimSpace(*u.VPA); s.UPI.VPA != "" && !vpa.MatchString(s.UPI.VPA) {
				return fault.Invalid("/upi/vpa", "%q is not a UPI address such as ravi@okbank.", s.UPI.VPA)
			}
		}
		if u.Payee != nil {
			if s.UPI.Payee, err = plain("/upi/payee", *u.Payee, 80, false); err != nil {
				return err
			}
		}
	}
	if c.COD != nil {
		s.COD = *c.COD
	}
	if c.PricesIncludeTax != nil {
		s.PricesIncludeTax = *c.PricesIncludeTax
	}
	if c.HoldHours != nil {
		if s.HoldHours = *c.HoldHours; s.HoldHours < 1 || s.HoldHours > 720 {
			return fault.Invalid("/hold_hours", "An unpaid order keeps its stock for 1 to 720 hours.")
		}
	}
	if c.Delivery == nil {
		return nil
	}
	for _, f := range []struct {
		pointer string
		given   *money.Money
		place   *int64
	}{{"/delivery/charge", c.Delivery.Charge, &s.Delivery.Charge}, {"/delivery/free_above", c.Delivery.FreeAbove, &s.Delivery.FreeAbove}} {
		switch {
		case f.given == nil:
			continue
		case f.given.Currency != s.Currency:
			return fault.Invalid(f.pointer+"/currency", "The shop's currency is %s.", s.Currency)
		case f.given.Amount < 0 || f.given.Amount > money.Max:
			return fault.Invalid(f.pointer+"/amount", "The amount cannot be negative, nor as large as this.")
		}
		*f.place = f.given.Amount
	}
	if c.Delivery.Countries != nil {
		return s.Delivery.deliverTo(*c.Delivery.Countries)
	}
	return nil
}

func (d *Delivery) deliverTo(countries []string) error {
	var out []string
	for i, code := range countries {
		code = strings.ToUpper(strings.TrimSpace(code))
		if !ValidCountry(code) {
			return fault.Invalid(fmt.Sprintf("/delivery/countries/%d", i), "%q is not the two-letter code of a country.", code)
		}
		if !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	if len(out) == 0 {
		return fault.Invalid("/delivery/countries", "Name at least one country to deliver to.")
	}
	d.Countries = out
	return nil
}

func (c ThemeChanges) apply(t Theme) (_ Theme, err error) {
	for _, f := range []struct {
		pointer string
		given   *string
		place   *string
	}{{"/theme/accent", c.Accent, &t.Accent}, {"/theme/background", c.Background, &t.Background}, {"/theme/text", c.Text, &t.Text}} {
		if f.given == nil {
			continue
		}
		if *f.place = strings.ToLower(strings.TrimSpace(*f.given)); *f.place != "" && !colour.MatchString(*f.place) {
			return t, fault.Invalid(f.pointer, "%q is not a colour such as #3a3aa8.", *f.given)
		}
	}
	for _, f := range []struct {
		pointer string
		given   *string
		place   *string
	}{{"/theme/logo", c.Logo, &t.Logo}, {"/theme/banner", c.Banner, &t.Banner}} {
		if f.given == nil {
			continue
		}
		if *f.place = *f.given; *f.place != "" && !hash.MatchString(*f.place) {
			return t, fault.Invalid(f.pointer, "%q is not the hash of an image.", *f.given)
		}
	}
	if c.Font != nil {
		if t.Font = *c.Font; !slices.Contains(Fonts, t.Font) {
			return t, fault.Invalid("/theme/font", "%q is not one of the fonts: %s.", t.Font, strings.Join(Fonts, ", "))
		}
	}
	if c.Tagline != nil {
		if t.Tagline, err = plain("/theme/tagline", *c.Tagline, 160, false); err != nil {
			return t, err
		}
	}
	if c.Sections != nil {
		t.Sections, err = cleanSections(*c.Sections)
	}
	return t, err
}

func cleanSections(given []Section) ([]Section, error) {
	if len(given) > 20 {
		return nil, fault.Invalid("/theme/sections", "A home page has 20 sections at most.")
	}
	out := make([]Section, len(given))
	for i, s := range given {
		pointer := fmt.Sprintf("/theme/sections/%d", i)
		var err error
		if !slices.Contains(SectionKinds, s.Kind) {
			return nil, fault.Invalid(pointer+"/kind", "%q is not one of the kinds: %s.", s.Kind, strings.Join(SectionKinds, ", "))
		}
		if s.Title, err = plain(pointer+"/title", s.Title, 120, false); err != nil {
			return nil, err
		}
		if s.Text, err = plain(pointer+"/text", s.Text, 2000, true); err != nil {
			return nil, err
		}
		if s.Collection != "" && !isHandle(s.Collection) {
			return nil, fault.Invalid(pointer+"/collection", "%q is not the handle of a collection.", s.Collection)
		}
		out[i] = s
	}
	return out, nil
}

func (c PolicyChanges) clean() (map[string]string, error) {
	out := map[string]string{}
	for i, given := range []*string{c.Returns, c.Shipping, c.Privacy, c.Terms} {
		if given == nil {
			continue
		}
		kind := PolicyKinds[i]
		text, err := plain("/policies/"+kind, *given, 50_000, true)
		if err != nil {
			return nil, err
		}
		out[kind] = text
	}
	return out, nil
}

// plain cleans a text that is shown as it is: trimmed, without control
// characters, and with line breaks only if lines.
func plain(pointer, text string, longest int, lines bool) (string, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ").Replace(strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case r == '\n':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, norm.NFC.String(text)))
	if n := utf8.RuneCountInString(text); n > longest {
		return "", fault.Invalid(pointer, "This has %d characters; %d are allowed.", n, longest)
	}
	return text, nil
}

// at moves a fault to another field.
func at(pointer string, err error) error {
	if f := fault.Of(err); f != nil {
		return fault.Invalid(pointer, "%s", f.Message)
	}
	return err
}
