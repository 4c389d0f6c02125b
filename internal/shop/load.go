package shop

import (
	"context"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Loading is a shop with its owner, both new, for [Load].
type Loading struct {
	ID       id.Shop
	Slug     string
	Made     time.Time
	Settings Settings
	Account  id.Account
	Contact  Contact // the owner's, taken as proved
	IDs      *id.Source
	Fill     func(context.Context, *db.Tx) error // writes what the shop sells; see [db.Filling]
}

// Slug is the host label that a shop of this name gets when nobody has it; it
// is empty if nothing in the name can be written so.
func Slug(name string) string { return slugOf(name) }

// Load opens many shops at once, as signing up and opening a shop would, in a
// fleet that serves nobody: see [fleet.Fleet.Load]. It gives how many were
// new.
func Load(ctx context.Context, f *fleet.Fleet, shops []Loading) (int, error) {
	out := make([]fleet.Filling, len(shops))
	for i, s := range shops {
		out[i] = fleet.Filling{Slug: s.Slug, Name: s.Settings.Name, Filling: db.Filling{Shop: s.ID, Made: s.Made, IDs: s.IDs,
			Fill: func(tx *db.Tx) error {
				if err := Write(ctx, tx, s.Settings); err != nil {
					return err
				}
				return s.Fill(ctx, tx)
			}},
			Own: func(t *db.ControlTx) error {
				if err := putAccount(ctx, t, s.Account, s.Contact, s.Made); err != nil {
					return err
				}
				_, err := t.Exec(ctx, addMember, s.Account, s.ID, Owner, s.Made)
				return err
			}}
	}
	return f.Load(ctx, out)
}

// putAccount writes an account that is new, with its first contact.
func putAccount(ctx context.Context, t *db.ControlTx, account id.Account, c Contact, at time.Time) error {
	if _, err := t.Exec(ctx, addAccount, account, at); err != nil {
		return err
	}
	_, err := t.Exec(ctx, addContact, c.Address, account, c.Kind, c.Country, at)
	return err
}
