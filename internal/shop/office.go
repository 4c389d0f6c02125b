package shop

import (
	"context"
	"fmt"
	"slices"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
)

// SettingsChanged says that the shop presents itself differently.
type SettingsChanged struct {
	Name string `json:"name"`
}

// TagShop is spoilt when the settings change.
const TagShop = "shop"

func (SettingsChanged) Topic() string  { return "shop.settings-changed" }
func (SettingsChanged) Key() string    { return "settings" }
func (SettingsChanged) Tags() []string { return []string{TagShop} }

// Office is where the shop's people see and change its settings. Its
// operations are the fields.
type Office struct {
	Show   op.Read[op.Empty, Shown]
	Change op.Write[Change, Shown]

	traded func(context.Context, db.Reader) (bool, error)
}

// NewOffice wires the office. traded reports whether the shop has orders or
// prices, so that its currency can no longer change; nil means never.
func NewOffice(traded func(context.Context, db.Reader) (bool, error)) *Office {
	o := &Office{traded: traded}
	o.Show = op.Read[op.Empty, Shown]{Name: "shop.settings", Route: "GET /settings", Role: op.Merchant,
		Summary: "Show the shop's settings", Run: o.show}
	o.Change = op.Write[Change, Shown]{Name: "shop.change-settings", Route: "PATCH /settings", Role: op.Merchant,
		Summary: "Change the settings that are given", Run: o.change}
	return o
}

// Operations lists the operations of the office.
func (o *Office) Operations() []op.Operation { return []op.Operation{&o.Show, &o.Change} }

// Subscribe keeps the directory's copy of the shop's name.
func Subscribe(bus *event.Bus, f *fleet.Fleet) {
	event.OnFlow(bus, "shop.directory", func(ctx context.Context, room *fleet.Room, _ event.Meta, e SettingsChanged) (event.Then, error) {
		return nil, f.Rename(ctx, room.Shop(), e.Name)
	})
}

// Shown is the settings as the API writes them.
type Shown struct {
	ID               id.Shop           `json:"id"`
	Name             string            `json:"name"`
	Country          string            `json:"country"`
	Currency         string            `json:"currency"`
	CurrencyFixed    bool              `json:"currency_fixed" doc:"There are prices or orders in this currency: it cannot change any more"`
	Locale           string            `json:"locale"`
	Timezone         string            `json:"timezone"`
	Phone            string            `json:"phone"`
	Email            string            `json:"email"`
	WhatsApp         string            `json:"whatsapp"`
	Address          string            `json:"address"`
	UPI              UPI               `json:"upi"`
	COD              bool              `json:"cod"`
	Delivery         ShownDelivery     `json:"delivery"`
	HoldHours        int               `json:"hold_hours"`
	PricesIncludeTax bool              `json:"prices_include_tax"`
	Theme            Theme             `json:"theme"`
	Policies         map[string]string `json:"policies" doc:"Plain texts by kind: returns, shipping, privacy, terms"`
}

// ShownDelivery is Delivery with its amounts as money.
type ShownDelivery struct {
	Charge    money.Money `json:"charge"`
	FreeAbove money.Money `json:"free_above" doc:"A subtotal from which delivery is free; 0: there is none"`
	Countries []string    `json:"countries" nullable:"false"`
}

// Change is the settings to change. What is absent stays as it is.
type Change struct {
	op.By
	Body Changes
}

// Changes is the body of Change. Lists are replaced as a whole.
type Changes struct {
	Name             *string          `json:"name,omitempty" doc:"1 to 80 characters"`
	Country          *string          `json:"country,omitempty"`
	Currency         *string          `json:"currency,omitempty"`
	Locale           *string          `json:"locale,omitempty" example:"en-IN"`
	Timezone         *string          `json:"timezone,omitempty" example:"Asia/Kolkata"`
	Phone            *string          `json:"phone,omitempty" doc:"Empty removes it"`
	Email            *string          `json:"email,omitempty" doc:"Empty removes it"`
	WhatsApp         *string          `json:"whatsapp,omitempty" doc:"A phone number; empty removes it"`
	Address          *string          `json:"address,omitempty" doc:"At most 500 characters"`
	UPI              *UPIChanges      `json:"upi,omitempty"`
	COD              *bool            `json:"cod,omitempty"`
	Delivery         *DeliveryChanges `json:"delivery,omitempty"`
	HoldHours        *int             `json:"hold_hours,omitempty" minimum:"1" maximum:"720"`
	PricesIncludeTax *bool            `json:"prices_include_tax,omitempty"`
	Theme            *ThemeChanges    `json:"theme,omitempty"`
	Policies         *PolicyChanges   `json:"policies,omitempty"`
}

// UPIChanges changes UPI.
type UPIChanges struct {
	VPA   *string `json:"vpa,omitempty"`
	Payee *string `json:"payee,omitempty"`
}

// DeliveryChanges changes Delivery. Amounts are in the shop's currency.
type DeliveryChanges struct {
	Charge    *money.Money `json:"charge,omitempty"`
	FreeAbove *money.Money `json:"free_above,omitempty"`
	Countries *[]string    `json:"countries,omitempty"`
}

// ThemeChanges changes a Theme.
type ThemeChanges struct {
	Accent     *string    `json:"accent,omitempty"`
	Background *string    `json:"background,omitempty"`
	Text       *string    `json:"text,omitempty"`
	Font       *string    `json:"font,omitempty"`
	Logo       *string    `json:"logo,omitempty"`
	Banner     *string    `json:"banner,omitempty"`
	Tagline    *string    `json:"tagline,omitempty"`
	Sections   *[]Section `json:"sections,omitempty"`
}

// PolicyChanges changes the texts of policies; an empty text removes one.
type PolicyChanges struct {
	Returns  *string `json:"returns,omitempty"`
	Shipping *string `json:"shipping,omitempty"`
	Privacy  *string `json:"privacy,omitempty"`
	Terms    *string `json:"terms,omitempty"`
}

// PolicyKinds lists the policies that a shop may have.
var PolicyKinds = []string{"returns", "shipping", "privacy", "terms"}

var (
	readPolicy   = db.Q(`SELECT text FROM shop_policy WHERE shop = $1 AND kind = $2`)
	readPolicies = db.Q(`SELECT kind, text FROM shop_policy WHERE shop = $1`)
	putPolicy    = db.Q(`INSERT INTO shop_policy (shop, kind, text) VALUES ($1, $2, $3) ON CONFLICT (shop, kind) DO UPDATE SET text = excluded.text`)
	dropPolicy   = db.Q(`DELETE FROM shop_policy WHERE shop = $1 AND kind = $2`)
)

// PolicyText gives the plain text of a policy, its paragraphs parted by empty
// lines; fault.NotFound if the shop has none of that kind.
func PolicyText(ctx context.Context, r db.Reader, kind string) (string, error) {
	text, found, err := db.One(ctx, r, readPolicy, func(s *string) []any { return []any{s} }, kind)
	if err == nil && !found {
		err = fault.NotFound("The shop has no such policy.")
	}
	return text, err
}

func (o *Office) show(ctx context.Context, r db.Reader, _ op.Empty) (Shown, error) {
	s, err := Of(ctx, r)
	if err != nil {
		return Shown{}, err
	}
	return o.shown(ctx, r, s)
}

func (o *Office) shown(ctx context.Context, r db.Reader, s Settings) (Shown, error) {
	out := Shown{
		ID: r.Shop(), Name: s.Name, Country: s.Country, Currency: s.Currency, Locale: s.Locale, Timezone: s.Timezone,
		Phone: s.Phone, Email: s.Email, WhatsApp: s.WhatsApp, Address: s.Address, UPI: s.UPI, COD: s.COD,
		Delivery:  ShownDelivery{money.Money{Amount: s.Delivery.Charge, Currency: s.Currency}, money.Money{Amount: s.Delivery.FreeAbove, Currency: s.Currency}, s.Delivery.Countries},
		HoldHours: s.HoldHours, PricesIncludeTax: s.PricesIncludeTax, Theme: s.Theme, Policies: map[string]string{},
	}
	type policy struct{ kind, text string }
	err := db.Each(ctx, r, readPolicies, func(p *policy) []any { return []any{&p.kind, &p.text} },
		func(p policy) error { out.Policies[p.kind] = p.text; return nil })
	if err == nil && o.traded != nil {
		out.CurrencyFixed, err = o.traded(ctx, r)
	}
	if err != nil {
		return Shown{}, fmt.Errorf("show the settings: %w", err)
	}
	return out, nil
}

func (o *Office) change(ctx context.Context, tx *db.Tx, in Change) (Shown, error) {
	old, err := ToChange(ctx, tx)
	if err != nil {
		return Shown{}, err
	}
	s, texts, err := in.Body.apply(old)
	if err != nil {
		return Shown{}, err
	}
	if s.Currency != old.Currency && o.traded != nil {
		fixed, err := o.traded(ctx, tx)
		if err != nil {
			return Shown{}, err
		}
		if fixed {
			f := fault.Conflict("currency-fixed", "The shop has prices or orders in %s: its currency cannot change any more.", old.Currency)
			f.Field = "/currency"
			return Shown{}, f
		}
	}
	for kind, text := range texts {
		q, args := putPolicy, []any{kind, text}
		if text == "" {
			q, args = dropPolicy, []any{kind}
		}
		if _, err := tx.Exec(ctx, q, args...); err != nil {
			return Shown{}, fmt.Errorf("write the policy %s: %w", kind, err)
		}
	}
	s.Policies = slices.DeleteFunc(slices.Clone(PolicyKinds), func(kind string) bool {
		if text, changed := texts[kind]; changed {
			return text == ""
		}
		return !slices.Contains(old.Policies, kind)
	})
	if err := Write(ctx, tx, s); err != nil {
		return Shown{}, err
	}
	if err := event.Emit(ctx, tx, SettingsChanged{Name: s.Name}); err != nil {
		return Shown{}, err
	}
	return o.shown(ctx, tx, s)
}
