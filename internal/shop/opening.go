package shop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
)

// Opening asks for a shop.
type Opening struct {
	op.By
	Body struct {
		Name     string `json:"name" doc:"1 to 80 characters" example:"Ravi's Store"`
		Currency string `json:"currency,omitempty" doc:"ISO 4217; the country's unless given" example:"INR"`
		Country  string `json:"country,omitempty" doc:"ISO 3166 alpha-2; the phone number's unless given" example:"IN"`
	}
}

// Opened is a shop that sells.
type Opened struct {
	ID       id.Shop `json:"id"`
	Slug     string  `json:"slug"`
	URL      string  `json:"url"`
	Name     string  `json:"name"`
	Country  string  `json:"country"`
	Currency string  `json:"currency"`
}

// Mine is one of an account's shops.
type Mine struct {
	ID        id.Shop   `json:"id"`
	Slug      string    `json:"slug"`
	URL       string    `json:"url"`
	Name      string    `json:"name"`
	Role      string    `json:"role" enum:"owner"`
	Suspended bool      `json:"suspended" doc:"The platform's operator has closed it"`
	CreatedAt time.Time `json:"created_at"`
}

// Owner is the role of an account in the shops that it opened.
const Owner = "owner"

var (
	addMember  = db.C(`INSERT INTO account_shop (account, shop, role, created_at) VALUES ($1, $2, $3, $4)`)
	readMember = db.C(`SELECT role FROM account_shop WHERE account = $1 AND shop = $2`)
	shopsOf    = db.C(`SELECT shop, role, created_at FROM account_shop WHERE account = $1 ORDER BY created_at DESC, shop DESC LIMIT 1000`)
)

func (a *Accounts) openShop(ctx context.Context, in Opening) (Opened, error) {
	account := in.Caller.Account
	s, err := a.newSettings(ctx, account, in.Body.Name, in.Body.Country, in.Body.Currency)
	if err != nil {
		return Opened{}, err
	}
	var out Opened
	answered := false
	err = a.control.Change(ctx, func(t *db.ControlTx) (err error) {
		if out, answered, err = op.AnsweredControl[Opened](ctx, t, in.By); err != nil || answered {
			return err
		}
		return a.count(ctx, t, "shops of", account.String(), a.limits.Shops, a.clock())
	})
	if err != nil || answered {
		return out, err
	}
	shop := id.NewShop()
	for slug := range candidates(slugOf(s.Name)) {
		out, err = a.open(ctx, shop, slug, s, account, in.By)
		if f := fault.Of(err); f == nil || f.Code != "slug-taken" {
			return out, err
		}
		// Taken; or a request with the same key was answered meanwhile.
		answer := false
		var kept Opened
		look := a.control.View(ctx, func(t *db.ControlTx) (err error) {
			kept, answer, err = op.AnsweredControl[Opened](ctx, t, in.By)
			return err
		})
		if look != nil || answer {
			return kept, look
		}
	}
	return Opened{}, err
}

// Suggestion is the address that a shop would get if it was opened now.
type Suggestion struct {
	Slug string `json:"slug"` // empty while there is no name
	Free bool   `json:"free"` // the plain name's own address is free
	Note string `json:"note"` // in words, what was added to the plain name, and why; empty: nothing
}

// Suggest tells which address a name would get, by the rules that opening a
// shop goes by. Somebody else may take it meanwhile.
func (a *Accounts) Suggest(ctx context.Context, name string) (Suggestion, error) {
	name, err := cleanName(name)
	if err != nil {
		return Suggestion{}, nil // nothing to suggest before there is a name
	}
	plain, tried := slugOf(name), 0
	for slug := range candidates(plain) {
		if tried++; plain == "" {
			return Suggestion{Slug: slug, Note: "We cannot write this name in an address, so it gets a few letters. They may be others than these."}, nil
		} else if tried > numbered {
			return Suggestion{Slug: slug, Note: "The plain name is taken, so a few letters are added. They may be others than these."}, nil
		}
		_, err := a.fleet.BySlug(ctx, slug)
		switch {
		case err == nil:
			continue
		case !fault.Is(err, fault.KindNotFound):
			return Suggestion{}, err
		case tried > 1:
			return Suggestion{Slug: slug, Note: "The plain name is taken, so a number is added."}, nil
		case slug != plain:
			return Suggestion{Slug: slug, Note: "An address of this word alone is not given, so “-shop” is added."}, nil
		}
		return Suggestion{Slug: slug, Free: true}, nil
	}
	return Suggestion{}, nil
}

// Demo opens a shop at a slug of our choosing, for the program itself; it
// gives the shop that is there already, whoever has it.
func (a *Accounts) Demo(ctx context.Context, account id.Account, slug string, s Settings) (*fleet.Room, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if !fault.Is(err, fault.KindNotFound) {
		return room, err
	}
	if _, err := a.open(ctx, id.NewShop(), slug, s, account, op.By{}); err != nil {
		return nil, err
	}
	return a.fleet.BySlug(ctx, slug)
}

// open writes the shop to its shard, then the directory, membership and the
// answer in one go. What a crash leaves on the shard is swept as an orphan.
func (a *Accounts) open(ctx context.Context, shop id.Shop, slug string, s Settings, account id.Account, by op.By) (Opened, error) {
	out := Opened{ID: shop, Slug: slug, URL: a.url(slug), Name: s.Name, Country: s.Country, Currency: s.Currency}
	_, err := a.fleet.Create(ctx, shop, slug, s.Name,
		func(tx *db.Tx) error { return Write(ctx, tx, s) },
		func(t *db.ControlTx) error {
			if _, err := t.Exec(ctx, addMember, account, shop, Owner, a.clock()); err != nil {
				return err
			}
			return op.KeepControl(ctx, t, by, out)
		})
	if err != nil {
		return Opened{}, fmt.Errorf("open a shop: %w", err)
	}
	return out, nil
}

// newSettings makes the settings of a new shop: in the country given, else
// that of the owner's oldest phone number.
func (a *Accounts) newSettings(ctx context.Context, account id.Account, name, country, currency string) (Settings, error) {
	name, err := cleanName(name)
	if err != nil {
		return Settings{}, err
	}
	country, currency = strings.ToUpper(strings.TrimSpace(country)), strings.ToUpper(strings.TrimSpace(currency))
	if country != "" && !ValidCountry(country) {
		return Settings{}, fault.Invalid("/country", "%q is not the two-letter code of a country.", country)
	}
	if currency != "" && !money.Valid(currency) {
		return Settings{}, fault.Invalid("/currency", "%q is not the three-letter code of a currency.", currency)
	}
	var contacts []PersonContact
	err = a.control.View(ctx, func(t *db.ControlTx) (err error) {
		contacts, err = db.ControlAll(ctx, t, contactsOf, scanContact, account)
		return err
	})
	if err != nil {
		return Settings{}, fmt.Errorf("read the owner's contacts: %w", err)
	}
	for _, c := range contacts {
		if country == "" {
			country = c.country
		}
	}
	s := Defaults(name, country, currency)
	s.Reach = reachOf(contacts)
	return s, nil
}

// cleanName checks a shop's name.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(norm.NFC.String(name))
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", fault.Invalid("/name", "The name has characters that cannot be shown.")
	case n == 0:
		return "", fault.Invalid("/name", "Give the shop a name.")
	case n > 80:
		return "", fault.Invalid("/name", "The name has %d characters; 80 are allowed.", n)
	}
	return name, nil
}

func scanMine(m *Mine) []any { return []any{(*int64)(&m.ID), &m.Role, &m.CreatedAt} }

func (a *Accounts) listShops(ctx context.Context, in MyList) (op.List[Mine], error) {
	var rows []Mine
	err := a.control.View(ctx, func(t *db.ControlTx) (err error) {
		rows, err = db.ControlAll(ctx, t, shopsOf, scanMine, in.Caller.Account)
		return err
	})
	if err != nil {
		return op.List[Mine]{}, fmt.Errorf("list shops: %w", err)
	}
	out, err := op.Slice(rows, in.Page)
	if err != nil {
		return out, err
	}
	for i := range out.Items {
		m := &out.Items[i]
		room, err := a.fleet.ByID(ctx, m.ID)
		if err != nil {
			return out, err
		}
		m.Slug, m.URL, m.Name, m.Suspended = room.Slug(), a.url(room.Slug()), room.Name(), room.Suspended()
	}
	return out, nil
}

var errNotMember = errors.New("not a member")

// Member reports whether the shop is the account's.
func (a *Accounts) Member(ctx context.Context, account id.Account, shop id.Shop) (bool, error) {
	signOuts := a.signOuts.Load()
	if k, ok := a.members.GetIfPresent(membership{account, shop}); ok && k.signOuts == signOuts {
		return true, nil
	}
	err := a.control.View(ctx, func(t *db.ControlTx) error {
		_, found, err := db.ControlOne(ctx, t, readMember, func(s *string) []any { return []any{s} }, account, shop)
		if err == nil && !found {
			err = errNotMember
		}
		return err
	})
	switch {
	case errors.Is(err, errNotMember):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up whose shop it is: %w", err)
	}
	a.members.Set(membership{account, shop}, known[bool]{true, signOuts})
	return true, nil
}
