package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/op"
)

// most is how many contacts an account may have.
const most = 10

// Person is an account as its owner sees it.
type Person struct {
	ID        id.Account      `json:"id"`
	Contacts  []PersonContact `json:"contacts" nullable:"false" doc:"Any of them signs in"`
	CreatedAt time.Time       `json:"created_at"`
}

// PersonContact is a contact of an account.
type PersonContact struct {
	Kind       string    `json:"kind" enum:"phone,email"`
	Address    string    `json:"address"`
	VerifiedAt time.Time `json:"verified_at"`
	country    string
}

// Contact gives the contact, to be shown.
func (c PersonContact) Contact() Contact { return Contact{c.Kind, c.Address, c.country} }

// ContactRequest asks for a code to another contact.
type ContactRequest struct {
	op.By
	Body struct {
		Address
	}
}

// ContactProof is the code that was sent to another contact.
type ContactProof struct {
	op.By
	Body struct {
		Address
		Code string `json:"code" maxLength:"20" doc:"The six digits" example:"123456"`
	}
}

// OneContact names a contact of the account.
type OneContact struct {
	op.By
	Address string `path:"address" maxLength:"254"`
}

var (
	accountMade   = db.C(`SELECT created_at FROM account WHERE id = $1`)
	contactsOf    = db.C(`SELECT kind, address, country, verified_at FROM account_contact WHERE account = $1 ORDER BY verified_at, address`)
	removeContact = db.C(`DELETE FROM account_contact WHERE account = $1 AND address = $2`)
)

func scanContact(c *PersonContact) []any {
	return []any{&c.Kind, &c.Address, &c.country, &c.VerifiedAt}
}

func (a *Accounts) show(ctx context.Context, in Myself) (p Person, err error) {
	err = a.control.View(ctx, func(t *db.ControlTx) (err error) {
		p, err = a.person(ctx, t, in.Caller.Account)
		return err
	})
	return p, err
}

func (a *Accounts) person(ctx context.Context, t *db.ControlTx, account id.Account) (Person, error) {
	p := Person{ID: account, Contacts: []PersonContact{}}
	made, found, err := db.ControlOne(ctx, t, accountMade, func(t *time.Time) []any { return []any{t} }, account)
	if err != nil {
		return p, fmt.Errorf("read an account: %w", err)
	}
	if !found {
		return p, fault.Anonymous("Sign in first.")
	}
	p.CreatedAt = made
	contacts, err := db.ControlAll(ctx, t, contactsOf, scanContact, account)
	p.Contacts = append(p.Contacts, contacts...)
	return p, err
}

func forContact(account id.Account) string { return "contact " + account.String() }

// Whether the contact is somebody else's is told only to who can read the
// code, so that nobody learns who has an account.
func (a *Accounts) addContact(ctx context.Context, in ContactRequest) (CodeSent, error) {
	c, err := in.Body.Contact()
	if err != nil {
		return CodeSent{}, err
	}
	return a.sendCodeFor(ctx, c, forContact(in.Caller.Account), "contact-code",
		"%s is the code to add this contact to an account, which can then be signed in to with it. It is good for 5 minutes. If you did not ask for it, tell it to nobody.", in.By)
}

func (a *Accounts) confirmContact(ctx context.Context, in ContactProof) (Person, error) {
	c, err := in.Body.Contact()
	if err != nil {
		return Person{}, err
	}
	account := in.Caller.Account
	hash, now := a.typedHash(forContact(account), c.Address, in.Body.Code), a.clock()
	var before, p Person
	var right, added, others bool
	err = a.change(ctx, func(t *db.ControlTx) (err error) {
		added, others, right = false, false, false
		if kept, answered, err := op.AnsweredControl[Person](ctx, t, in.By); err != nil || answered {
			p, right = kept, answered
			return err
		}
		if err := a.count(ctx, t, "tries from", network(in.Caller.IP), a.limits.TriesPerIP, now); err != nil {
			return err
		}
		if right, err = a.try(ctx, t, forContact(account), c.Address, hash, now); err != nil || !right {
			return err
		}
		if before, err = a.person(ctx, t, account); err != nil {
			return err
		}
		owner, taken, err := db.ControlOne(ctx, t, accountOfAddress, scanAccount, c.Address)
		switch {
		case err != nil:
			return err
		case taken && owner != account:
			others = true
			return nil // the code is used up all the same
		case !taken:
			if len(before.Contacts) >= most {
				return fault.Conflict("too-many-contacts", "An account has %d contacts at most. Remove one first.", most)
			}
			if _, err := t.Exec(ctx, addContact, c.Address, account, c.Kind, c.Country, now); err != nil {
				return err
			}
			added = true
		}
		if p, err = a.person(ctx, t, account); err != nil {
			return err
		}
		return op.KeepControl(ctx, t, in.By, p)
	})
	switch {
	case err != nil:
		return Person{}, fmt.Errorf("add a contact: %w", err)
	case !right:
		return Person{}, wrongCode()
	case others:
		return Person{}, fault.Conflict("contact-taken", "Another account signs in with %s. Sign in there and remove it first.", c.Show())
	case added:
		a.tell(ctx, before.Contacts, "contact-added", fmt.Sprintf("%s can now sign in to your account. If that was not you, sign in, remove it, and sign out everywhere.", c.Show()))
	}
	return p, nil
}

func (a *Accounts) removeContact(ctx context.Context, in OneContact) (p Person, err error) {
	c, err := GuessContact(in.Address, "")
	if err != nil {
		return p, fault.NotFound("There is no such contact.")
	}
	var before Person
	err = a.control.Change(ctx, func(t *db.ControlTx) (err error) {
		if before, err = a.person(ctx, t, in.Caller.Account); err != nil {
			return err
		}
		n, err := t.Exec(ctx, removeContact, in.Caller.Account, c.Address)
		switch {
		case err != nil:
			return err
		case n == 0:
			return fault.NotFound("There is no such contact.")
		}
		if p, err = a.person(ctx, t, in.Caller.Account); err != nil {
			return err
		}
		if len(p.Contacts) == 0 {
			return fault.Conflict("last-contact", "This is the only way in to the account. Add another contact first.")
		}
		return nil
	})
	if err != nil {
		return Person{}, fmt.Errorf("remove a contact: %w", err)
	}
	a.tell(ctx, before.Contacts, "contact-removed", fmt.Sprintf("%s can no longer sign in to your account.", c.Show()))
	if err := a.unreach(ctx, in.Caller.Account, c.Address, reachOf(p.Contacts)); err != nil {
		return Person{}, fmt.Errorf("a contact is removed, and a shop still tells it of orders: %w", err)
	}
	return p, nil
}

// unreach has an account's shops tell nothing more to a contact that it had.
func (a *Accounts) unreach(ctx context.Context, account id.Account, address string, instead Reach) error {
	var mine []Mine
	err := a.control.View(ctx, func(t *db.ControlTx) (err error) {
		mine, err = db.ControlAll(ctx, t, shopsOf, scanMine, account)
		return err
	})
	for _, m := range mine {
		room, look := a.fleet.ByID(ctx, m.ID)
		if fault.Is(look, fault.KindNotFound) {
			continue
		}
		if look == nil {
			_, look = room.Change(ctx, func(tx *db.Tx) error {
				s, err := ToChange(ctx, tx)
				if err != nil || s.Reach.Phone != address && s.Reach.Email != address {
					return err
				}
				s.Reach = instead
				return Write(ctx, tx, s)
			})
		}
		err = errors.Join(err, look)
	}
	return err
}

// tell warns every contact of a change that a thief would make. The change
// stands even if a message cannot be sent, which send itself reports.
func (a *Accounts) tell(ctx context.Context, contacts []PersonContact, kind, text string) {
	for _, c := range contacts {
		_ = a.send(ctx, Message{To: c.Address, Channel: c.Contact().Channel(), Kind: kind, Subject: a.subject(kind), Text: text})
	}
}
