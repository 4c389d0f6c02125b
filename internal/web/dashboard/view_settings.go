package dashboard

import "time"

// Settings is GET and POST <base>/settings: the shop's details.
type Settings struct {
	Frame
	Name, Slug, Tagline        string
	Phone, Email, WhatsApp     string
	Country, Currency, Locale  string
	Timezone                   string
	Countries, Currencies      []Choice
	Locales, Timezones         []Choice
	CurrencyFixed              bool // there are prices or orders: it cannot change any more
	Host                       string
	AddressLine                string
	Returns, Privacy, Shipping string // the shop's policies, plain text
	Terms                      string
	Problems                   Problems
}

// ThemeEditor is GET and POST <base>/settings/theme.
type ThemeEditor struct {
	Frame
	Accent, Background, Text string // #rrggbb
	Font                     string // "system", "serif", "rounded", "mono"
	LogoHash, BannerHash     string
	LogoImage, BannerImage   *Image
	Tagline                  string
	Sections                 []SectionForm
	Kinds                    []Choice // of sections
	Collections              []Choice
	Presets                  []Preset
	Contrast                 string // what is hard to read with these colours; empty: nothing
	PreviewURL               string
	UploadURL                string
	Problems                 Problems
}

// SectionForm is one section of the storefront's home page.
type SectionForm struct{ Kind, Title, Text, Collection string }

// Preset is a set of colours to start from.
type Preset struct{ Name, Accent, Background, Text string }

// Delivery is GET and POST <base>/settings/delivery.
type Delivery struct {
	Frame
	Currency          string
	Charge, FreeAbove string
	Countries         []CountryChoice
	Problems          Problems
}

// CountryChoice is a country the shop may deliver to.
type CountryChoice struct {
	Code, Name string
	On         bool
}

// Payments is GET and POST <base>/settings/payments.
type Payments struct {
	Frame
	COD       bool
	VPA       string
	Payee     string
	HoldHours string // how long an unpaid order keeps its stock
	UPIOn     bool   // a VPA is stored
	QR        *QR    // of a payment of 1 to try it with
	Problems  Problems
}

// Account is GET <base>/settings/account: contacts and sessions.
type Account struct {
	Frame
	Contact     string // signed in with
	Second      string // for recovery; empty: none
	SecondTyped string
	Code        bool // a code was sent to SecondTyped and is awaited
	Sessions    []Session
	Problems    Problems
}

// Session is one device that is signed in.
type Session struct {
	ID, Device, Place string
	Since, Seen       time.Time
	Current           bool
}
