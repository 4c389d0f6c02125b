package shop

import (
	"strings"
	_ "time/tzdata" // timezones are known on every machine

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"haat/internal/money"
)

// Home is the country of a shop that nothing says otherwise of.
const Home = "IN"

// Defaults gives the settings of a new shop: it sells at once, for cash on
// delivery, delivered free within its country. An empty country is Home, an
// empty currency the country's.
func Defaults(name, country, currency string) Settings {
	if country == "" {
		country = Home
	}
	if currency == "" {
		currency, _ = money.ForCountry(country)
	}
	if currency == "" {
		currency = "USD"
	}
	return Settings{
		Name: name, Country: country, Currency: currency, Locale: localeOf(country), Timezone: timezoneOf(country),
		COD: true, Delivery: Delivery{Countries: []string{country}}, HoldHours: 24, PricesIncludeTax: true,
		Theme: DefaultTheme(), Policies: []string{}, Notices: NoticesOurs,
	}
}

// ValidCountry reports whether code is the ISO 3166 alpha-2 code of a country
// where people live: one that has telephones.
func ValidCountry(code string) bool {
	if len(code) != 2 {
		return false
	}
	r, err := language.ParseRegion(code)
	return err == nil && r.IsCountry() && r.String() == code && phonenumbers.GetCountryCodeForRegion(code) != 0
}

// english are the countries that do business in English without its being
// the first language of most.
const english = " IN PK BD LK NG KE UG TZ GH ZA SG MY PH HK ZW ZM RW "

func localeOf(country string) string {
	base := "en"
	if !strings.Contains(english, " "+country+" ") {
		if tag, err := language.Parse("und-" + country); err == nil {
			if b, c := tag.Base(); c != language.No {
				base = b.String()
			}
		}
	}
	return base + "-" + country
}

// capitals has the timezone of countries that have several, or whose numbers
// do not tell it.
var capitals = map[string]string{
	"AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto",
	"CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai", "CY": "Asia/Nicosia", "DE": "Europe/Berlin",
	"EC": "America/Guayaquil", "ES": "Europe/Madrid", "FR": "Europe/Paris", "GB": "Europe/London", "ID": "Asia/Jakarta",
	"IN": "Asia/Kolkata", "IT": "Europe/Rome", "KZ": "Asia/Almaty", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
	"MY": "Asia/Kuala_Lumpur", "NO": "Europe/Oslo", "NP": "Asia/Kathmandu", "NZ": "Pacific/Auckland", "PG": "Pacific/Port_Moresby",
	"PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv", "US": "America/New_York", "UZ": "Asia/Tashkent", "VN": "Asia/Ho_Chi_Minh",
}

// timezoneOf gives the timezone of a country's capital, or one of its
// timezones.
func timezoneOf(country string) string {
	if zone := capitals[country]; zone != "" {
		return zone
	}
	if n := phonenumbers.GetExampleNumber(country); n != nil {
		zones, err := phonenumbers.GetTimezonesForNumber(n)
		if err == nil && len(zones) > 0 && validTimezone(zones[0]) {
			return zones[0]
		}
	}
	return "UTC"
}
