package shop

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math/big"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/op"
)

const (
	codeLife  = 5 * time.Minute
	codeTries = 5
)

// CodeRequest asks for a sign-in code.
type CodeRequest struct {
	op.By
	Body struct {
		Address
	}
}

// Address is a phone number or an e-mail address, as typed.
type Address struct {
	Phone   string `json:"phone,omitempty" maxLength:"40" doc:"A phone number of any country, with its country code" example:"+919876543210"`
	Email   string `json:"email,omitempty" maxLength:"254" doc:"An e-mail address, if there is no phone number"`
	Country string `json:"country,omitempty" maxLength:"2" doc:"The country whose national form the phone number may have" example:"IN"`
}

// Contact reads the address.
func (a Address) Contact() (Contact, error) { return ParseContact(a.Phone, a.Email, a.Country) }

// CodeSent says where a code went.
type CodeSent struct {
	To        string    `json:"to" doc:"The address as we understand it: E.164, or e-mail in lower case"`
	Channel   string    `json:"channel" enum:"sms,email"`
	ExpiresAt time.Time `json:"expires_at"`
}

var (
	putCode = db.C(`
		INSERT INTO account_code (address, purpose, hash, tries, expires_at) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (address, purpose) DO UPDATE SET hash = excluded.hash, tries = 0, expires_at = excluded.expires_at`)
	tryCode = db.C(`
		UPDATE account_code SET tries = tries + 1
		WHERE address = $1 AND purpose = $2 AND tries < $3 AND expires_at > $4
		RETURNING hash`)
	dropCode = db.C(`DELETE FROM account_code WHERE address = $1 AND purpose = $2`)
)

const forSignIn = "sign-in"

// The same is done for an address that has an account as for one that has
// not: it becomes one when the code is used.
func (a *Accounts) sendCode(ctx context.Context, in CodeRequest) (CodeSent, error) {
	c, err := in.Body.Contact()
	if err != nil {
		return CodeSent{}, err
	}
	by := in.By
	by.Caller.Key = "" // signing in keeps no answers
	return a.sendCodeFor(ctx, c, forSignIn, "sign-in-code", "%s is your code to sign in. It is good for 5 minutes. Tell it to nobody.", by)
}

func (a *Accounts) sendCodeFor(ctx context.Context, c Contact, purpose, kind, text string, by op.By) (CodeSent, error) {
	code, err := newCode()
	if err != nil {
		return CodeSent{}, err
	}
	hash, now := a.codeHash(purpose, c.Address, code), a.clock()
	out, answered := CodeSent{To: c.Address, Channel: c.Channel(), ExpiresAt: now.Add(codeLife)}, false
	err = a.change(ctx, func(t *db.ControlTx) error {
		var kept CodeSent
		if kept, answered, err = op.AnsweredControl[CodeSent](ctx, t, by); err != nil || answered {
			if answered {
				out = kept
			}
			return err
		}
		if err := a.count(ctx, t, "codes from", network(by.Caller.IP), a.limits.CodesPerIP, now); err != nil {
			return err
		}
		if err := a.count(ctx, t, "codes to", c.Address, a.limits.CodesPerAddress, now); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, putCode, c.Address, purpose, hash, now.Add(codeLife)); err != nil {
			return err
		}
		return op.KeepControl(ctx, t, by, out)
	})
	if err != nil {
		return CodeSent{}, err
	}
	if answered {
		return out, nil
	}
	m := Message{To: c.Address, Channel: c.Channel(), Kind: kind, Code: code, Subject: a.subject(kind), Text: fmt.Sprintf(text, code)}
	if c.Kind == Phone { // the form by which phones offer to fill the code in, on this site only
		m.Text += fmt.Sprintf("\n\n@%s #%s", a.fleet.Domain(), code)
	}
	if err := a.send(ctx, m); err != nil {
		return CodeSent{}, fault.Busy(30*time.Second, "We could not send the code. Try again in a moment.").With("not-sent").Because(err)
	}
	return out, nil
}

// subject is what an e-mail is about, and for which platform.
func (a *Accounts) subject(kind string) string {
	about := map[string]string{
		"sign-in-code": "Your sign-in code", "contact-code": "The code for your new contact",
		"contact-added": "A contact was added to your account", "contact-removed": "A contact was removed from your account",
	}[kind]
	return about + " at " + a.fleet.Domain()
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("draw a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

func (a *Accounts) codeHash(purpose, address, code string) []byte {
	m := hmac.New(sha256.New, a.secret)
	for _, part := range []string{purpose, address, code} {
		m.Write([]byte(part))
		m.Write([]byte{0})
	}
	return m.Sum(nil)
}

// typedHash is the hash of a code as typed: spaces and a hyphen in the middle
// do not matter.
func (a *Accounts) typedHash(purpose, address, code string) []byte {
	return a.codeHash(purpose, address, strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(code)))
}

// try counts a try and, if hash is right, uses the code up. It takes the
// code's row until the transaction ends, so that of two tries at once the
// second finds the code used. The count stays only if the transaction is
// committed: a wrong code must not be the transaction's error.
func (a *Accounts) try(ctx context.Context, t *db.ControlTx, purpose, address string, hash []byte, now time.Time) (bool, error) {
	kept, found, err := db.ControlOne(ctx, t, tryCode, func(b *[]byte) []any { return []any{b} }, address, purpose, codeTries, now)
	if err != nil || subtle.ConstantTimeCompare(kept, hash) != 1 || !found {
		return false, err
	}
	_, err = t.Exec(ctx, dropCode, address, purpose)
	return err == nil, err
}

func wrongCode() error {
	return fault.Invalid("/code", "The code is wrong or no longer good. Check it, or ask for a new one.").With("wrong-code")
}
