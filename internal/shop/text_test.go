package shop

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"haat/internal/fleet"
	"haat/internal/money"
)

func TestPhones(t *testing.T) {
	for _, c := range []struct{ text, region, want, country string }{
		{"+91 98765-43210", "", "+919876543210", "IN"}, {"098765 43210", "IN", "+919876543210", "IN"}, {"9876543210", "", "", ""},
		{"0044 20 7946 0018", "", "+442079460018", "GB"}, {"(415) 555-0100", "us", "+14155550100", "US"}, {"+1 604 555 0100", "", "+16045550100", "CA"},
		{"+4915112345678", "", "+4915112345678", "DE"}, {"+9715012345678901", "", "", ""}, {"+91 12", "", "", ""}, {"call me", "IN", "", ""}, {"", "IN", "", ""},
		{"+999123456789", "", "", ""}, {"+919876543210 ext. 5", "", "", ""}, {"+๙๑ 98765 43210", "", "", ""}, {strings.Repeat("9", 200), "IN", "", ""},
		{"+15550001234", "", "+15550001234", "US"}, {"+9779812345678", "", "+9779812345678", "NP"},
	} {
		got, country, err := ParsePhone(c.text, c.region)
		if got != c.want || country != c.country || (err == nil) != (c.want != "") {
			t.Errorf("ParsePhone(%q, %q) = %q, %q, %v", c.text, c.region, got, country, err)
		}
	}
	if got := ShowPhone("+919876543210"); got != "+91 98765 43210" {
		t.Errorf("shown as %q", got)
	}
}

func TestEmails(t *testing.T) {
	for text, want := range map[string]string{
		" Ravi.K+shop@Example.COM ": "ravi.k+shop@example.com", "ravi@bücher.example": "ravi@xn--bcher-kva.example",
		"ravi": "", "ravi@localhost": "", "@example.com": "", "a b@example.com": "", "Ravi <ravi@example.com>": "", "ravi@example.com\nBcc: x@example.com": "",
		"ravi@@example.com": "", "ravi@example..com": "", "ravi@-example.com": "", "ravi@[127.0.0.1]": "", strings.Repeat("a", 65) + "@example.com": "", "": "",
	} {
		got, err := ParseEmail(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseEmail(%q) = %q, %v", text, got, err)
		}
	}
}

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"Ravi's Store": "ravis-store", "Café & Crème": "cafe-and-creme", "Straße Łódź Ørsted": "strasse-lodz-orsted", "रवि स्टोर": "ravi-stor",
		"கமலா": "kamala", "ಕಮಲ": "kamala", "Кафе Москва": "kafe-moskva", "Αθήνα": "athina", "东京": "", "  --  ": "", "१२३": "123", "ﬁne Ｗｅａｒ": "fine-wear",
		"बड़ा बाज़ार": "bada-bajar", "🛍️ Shop 24x7": "shop-24x7", "مرحبا": "",
	} {
		if got := slugOf(name); got != want {
			t.Errorf("slugOf(%q) = %q, want %q", name, got, want)
		}
	}
	for _, base := range []string{"", "a", "www", "ravi", slugOf(strings.Repeat("Very Long ", 30))} {
		got := slices.Collect(candidates(base))
		for _, s := range got {
			if !fleet.ValidSlug(s) || slices.Contains(reserved, s) || len(s) > 63 {
				t.Errorf("candidate %q of %q", s, base)
			}
		}
		if len(got) < 5 {
			t.Errorf("%q has only the candidates %q", base, got)
		}
	}
}

// Every country has a currency, a locale and a timezone that exist.
func TestDefaultsOfEveryCountry(t *testing.T) {
	n, utc := 0, 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string([]rune{a, b})
			if !ValidCountry(code) {
				continue
			}
			n++
			s := Defaults("x", code, "")
			if _, err := language.Parse(s.Locale); err != nil || !money.Valid(s.Currency) || !validTimezone(s.Timezone) || !s.Delivery.Sells(code) {
				t.Errorf("%s: %+v", code, s)
			}
			if s.Timezone == "UTC" {
				utc++
			}
		}
	}
	if n < 240 || utc > 25 {
		t.Errorf("%d countries, %d of them without a timezone", n, utc)
	}
	for country, want := range map[string]string{"IN": "en-IN INR Asia/Kolkata", "US": "en-US USD America/New_York", "JP": "ja-JP JPY Asia/Tokyo", "BD": "en-BD BDT Asia/Dhaka", "BR": "pt-BR BRL America/Sao_Paulo", "": "en-IN INR Asia/Kolkata"} {
		s := Defaults("x", country, "")
		if got := s.Locale + " " + s.Currency + " " + s.Timezone; got != want {
			t.Errorf("%s: %s, want %s", country, got, want)
		}
	}
	for _, bad := range []string{"XX", "EU", "UK", "in", "ZZ", "001", ""} {
		if ValidCountry(bad) {
			t.Errorf("%q passes for a country", bad)
		}
	}
}

func TestHandlesOfCollections(t *testing.T) {
	for _, good := range []string{"a", "gifts", "new-in_2", "चाय-मसाला", "ручная-работа", strings.Repeat("क", 255)} {
		if !isHandle(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "a b", "a/b", "a.b", "<b>", "\xff", strings.Repeat("a", 256), "a\n"} {
		if isHandle(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
