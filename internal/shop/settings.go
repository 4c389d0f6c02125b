package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"haat/internal/db"
	"haat/internal/id"
)

// Settings is how a shop presents itself and sells. What [Of] gives is shared
// between requests: do not write to its slices.
type Settings struct {
	Name             string   `json:"name"`
	Country          string   `json:"country"`  // ISO 3166 alpha-2, where the shop is
	Currency         string   `json:"currency"` // ISO 4217, of every amount in the shop
	Locale           string   `json:"locale"`   // BCP 47, how amounts and dates are written: "en-IN"
	Timezone         string   `json:"timezone"` // IANA, in which its days begin: "Asia/Kolkata"
	Phone            string   `json:"phone"`    // E.164, shown to shoppers; may be empty
	Email            string   `json:"email"`    // shown to shoppers; may be empty
	WhatsApp         string   `json:"whatsapp"` // E.164; may be empty
	Address          string   `json:"address"`  // as on a letter, lines broken by \n; may be empty
	UPI              UPI      `json:"upi"`
	COD              bool     `json:"cod"` // cash on delivery is offered
	Delivery         Delivery `json:"delivery"`
	HoldHours        int      `json:"hold_hours"` // how long an unpaid order keeps its stock
	PricesIncludeTax bool     `json:"prices_include_tax"`
	Theme            Theme    `json:"theme"`
	Policies         []string `json:"policies"`        // the kinds that have a text, in the order of PolicyKinds
	Hooks            []string `json:"hooks,omitempty"` // the topics that the shop's webhooks want; package hook keeps it
	Reach            Reach    `json:"reach,omitzero"`  // never shown
	// Notices tells whose words order notices have: NoticesOurs, NoticesOwn if some
	// may have the shop's own, or nothing in a shop that was written before this
	// was noted. Package notify keeps it.
	Notices string `json:"notices,omitempty"`
}

// Whose words order notices have.
const (
	NoticesOurs = "ours"
	NoticesOwn  = "own"
)

// Reach is how whoever opened the shop is told of orders while the shop has no
// phone or e-mail of its own. Either may be empty.
type Reach struct {
	Phone string `json:"phone,omitempty"` // E.164
	Email string `json:"email,omitempty"`
}

func reachOf(contacts []PersonContact) (o Reach) {
	for _, c := range contacts {
		switch {
		case c.Kind == Phone && o.Phone == "":
			o.Phone = c.Address
		case c.Kind != Phone && o.Email == "":
			o.Email = c.Address
		}
	}
	return o
}

// UPI is where shoppers pay by UPI. Without a VPA it is not offered.
type UPI struct {
	VPA   string `json:"vpa" doc:"name@bank; empty turns UPI off" example:"ravi@okbank"`
	Payee string `json:"payee" doc:"The name that payment apps show; empty means the shop's"`
}

// Delivery is what delivery costs and where it goes, in minor units.
type Delivery struct {
	Charge    int64    `json:"charge"`     // for one order; 0 is free
	FreeAbove int64    `json:"free_above"` // a subtotal from which delivery is free; 0: there is none
	Countries []string `json:"countries"`  // ISO 3166 alpha-2; never empty
}

// Theme is how a storefront looks. Empty colours mean ours.
type Theme struct {
	Accent     string    `json:"accent" doc:"#rrggbb; empty means ours" example:"#b3261e"`
	Background string    `json:"background" doc:"#rrggbb; empty means ours"`
	Text       string    `json:"text" doc:"#rrggbb; empty means ours"`
	Font       string    `json:"font" enum:"system,serif,rounded,mono"`
	Logo       string    `json:"logo" doc:"Hash of an image in the shop's media"`
	Banner     string    `json:"banner" doc:"Hash of an image in the shop's media"`
	Tagline    string    `json:"tagline" maxLength:"160"`
	Sections   []Section `json:"sections" nullable:"false" maxItems:"20" doc:"The home page, from the top"`
}

// Section is a part of the home page.
type Section struct {
	Kind       string `json:"kind" enum:"banner,featured,collections,text"`
	Title      string `json:"title,omitempty" maxLength:"120"`
	Text       string `json:"text,omitempty" maxLength:"2000"`
	Collection string `json:"collection,omitempty" doc:"Handle of the collection that a featured section or a banner's link shows"`
}

// Fonts lists the faces that a theme may have.
var Fonts = []string{"system", "serif", "rounded", "mono"}

// SectionKinds lists the kinds of sections.
var SectionKinds = []string{"banner", "featured", "collections", "text"}

// DefaultTheme is the theme of a new shop.
func DefaultTheme() Theme {
	return Theme{Font: "system", Sections: []Section{{Kind: "banner"}, {Kind: "featured"}, {Kind: "collections"}}}
}

// Sells reports whether the shop delivers to a country.
func (d Delivery) Sells(country string) bool {
	for _, c := range d.Countries {
		if c == country {
			return true
		}
	}
	return false
}

// parsed remembers, for each shop, the document last parsed and what it said:
// comparing bytes is a tenth of the cost of parsing them.
var parsed = otter.Must(&otter.Options[id.Shop, reading]{MaximumSize: 10_000})

type reading struct {
	doc      []byte
	settings Settings
}

// Of gives the shop's settings as of the snapshot. It costs no statement in a
// View, and one in a Tx. A shop that was made without settings has defaults.
func Of(ctx context.Context, r db.Reader) (Settings, error) {
	doc, err := r.Doc(ctx)
	if err != nil {
		return Settings{}, fmt.Errorf("read the settings: %w", err)
	}
	if got, ok := parsed.GetIfPresent(r.Shop()); ok && bytes.Equal(got.doc, doc) {
		return got.settings, nil
	}
	if len(doc) == 0 {
		return Defaults("Shop", "IN", ""), nil
	}
	var s Settings
	if err := json.Unmarshal(doc, &s); err != nil {
		return Settings{}, fmt.Errorf("read the settings: %w", err)
	}
	parsed.Set(r.Shop(), reading{bytes.Clone(doc), s})
	return s, nil
}

// Lately gives the settings that this process has read last of a shop; false if
// it has read none. They may be old.
func Lately(s id.Shop) (Settings, bool) {
	got, ok := parsed.GetIfPresent(s)
	return got.settings, ok
}

// ToChange gives a shop's settings to a transaction that is going to write them
// back: until it ends, no other that asked so changes them.
func ToChange(ctx context.Context, tx *db.Tx) (Settings, error) {
	if err := tx.Alone(ctx, subject); err != nil {
		return Settings{}, err
	}
	return Of(ctx, tx)
}

// ToRelyOn gives a shop's settings to a transaction that writes what is true
// only while they stay: until it ends, they do.
func ToRelyOn(ctx context.Context, tx *db.Tx) (Settings, error) {
	if err := tx.Beside(ctx, subject); err != nil {
		return Settings{}, err
	}
	return Of(ctx, tx)
}

const subject = "settings"

// Currency gives the shop's currency.
func Currency(ctx context.Context, r db.Reader) (string, error) {
	s, err := Of(ctx, r)
	return s.Currency, err
}

// Zone gives the time zone in which the shop's days begin.
func (s Settings) Zone() *time.Location {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Write stores settings that are known to be good, such as a new shop's.
// Merchants change theirs through [Office].
func Write(ctx context.Context, tx *db.Tx, s Settings) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return tx.SetDoc(ctx, doc)
}
