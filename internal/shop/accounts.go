package shop

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
)

//go:embed control/schema/*.sql
var controlFiles embed.FS

// ControlSchema is what the room keeps in the control database.
var ControlSchema = db.Schema("shop", below(controlFiles, "control"))

func below(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // dir is a constant that fs.ValidPath accepts
	}
	return sub
}

// Message is something to be sent to a person.
type Message struct {
	To      string // E.164 or an e-mail address
	Channel string // "sms" or "email"
	Kind    string // "sign-in-code", "contact-code", "contact-added" or "contact-removed"
	Code    string // the six digits, if it carries a code
	Subject string // of an e-mail; it does not give the code away to who only sees the list
	Text    string
}

// Limit is how often something may be done.
type Limit struct {
	N   int64
	Per time.Duration
}

// Limits is how often people may do what costs us, or lets them guess.
type Limits struct {
	CodesPerAddress []Limit // codes sent to one phone number or e-mail address
	CodesPerIP      []Limit // codes asked for from one IP address (IPv6: /64)
	TriesPerIP      []Limit // codes tried from one IP address
	Shops           []Limit // shops opened by one account
}

// DefaultLimits lets in a family behind one router and keeps a guesser's
// chance for one address below one in ten thousand a day.
func DefaultLimits() Limits {
	return Limits{
		CodesPerAddress: []Limit{{5, 15 * time.Minute}, {10, 24 * time.Hour}},
		CodesPerIP:      []Limit{{30, 15 * time.Minute}},
		TriesPerIP:      []Limit{{90, 15 * time.Minute}},
		Shops:           []Limit{{1000, 24 * time.Hour}},
	}
}

// Accounts is the people who have shops: how they sign in, and which shops
// are theirs. Its operations are the fields.
type Accounts struct {
	SendCode          op.Platform[CodeRequest, CodeSent]
	SignIn            op.Platform[Proof, SignedIn]
	SignOut           op.Platform[Myself, op.Empty]
	SignOutEverywhere op.Platform[Myself, op.Empty]
	EndSession        op.Platform[OneSession, op.Empty]
	Sessions          op.Platform[MyList, op.List[Device]]
	Show              op.Platform[Myself, Person]
	AddContact        op.Platform[ContactRequest, CodeSent]
	ConfirmContact    op.Platform[ContactProof, Person]
	RemoveContact     op.Platform[OneContact, Person]
	OpenShop          op.Platform[Opening, Opened]
	Shops             op.Platform[MyList, op.List[Mine]]

	control *db.Control
	fleet   *fleet.Fleet
	secret  []byte
	send    func(context.Context, Message) error
	clock   func() time.Time
	limits  Limits
	url     func(slug string) string

	// What was read of sessions and memberships is believed for a few
	// seconds, as long as nobody has signed out meanwhile: the number of
	// sign-outs so far is kept with it.
	signOuts atomic.Int64
	sessions *otter.Cache[[32]byte, known[Session]]
	members  *otter.Cache[membership, known[bool]]
}

type known[T any] struct {
	value    T
	signOuts int64
}

type membership struct {
	account id.Account
	shop    id.Shop
}

// believe is how long another process may take to notice a sign-out here.
const believe = 10 * time.Second

// NewAccounts wires accounts. secret keys the hashes of codes: with another
// one, codes under way are void. send is called after what it tells of was
// committed, and says itself when it fails to deliver later. url gives a
// shop's address.
func NewAccounts(control *db.Control, f *fleet.Fleet, secret []byte, send func(context.Context, Message) error, clock func() time.Time, limits Limits, url func(slug string) string) *Accounts {
	a := &Accounts{control: control, fleet: f, secret: secret, send: send, clock: clock, limits: limits, url: url}
	a.sessions = otter.Must(&otter.Options[[32]byte, known[Session]]{MaximumSize: 50_000, ExpiryCalculator: otter.ExpiryWriting[[32]byte, known[Session]](believe)})
	a.members = otter.Must(&otter.Options[membership, known[bool]]{MaximumSize: 50_000, ExpiryCalculator: otter.ExpiryWriting[membership, known[bool]](believe)})
	a.declare()
	return a
}

func (a *Accounts) declare() {
	a.SendCode = op.Platform[CodeRequest, CodeSent]{Name: "account.send-code", Route: "POST /auth/codes", Role: op.Public, Status: 202,
		Summary: "Send a sign-in code to a phone number or e-mail address", Run: a.sendCode}
	a.SignIn = op.Platform[Proof, SignedIn]{Name: "account.sign-in", Route: "POST /auth/sessions", Role: op.Public, Status: 201,
		Summary: "Sign in with a code; the first sign-in makes the account", Run: a.signIn}
	a.SignOut = op.Platform[Myself, op.Empty]{Name: "account.sign-out", Route: "DELETE /auth/sessions/current", Role: op.Account, Status: 204,
		Summary: "Sign out here", Run: a.signOut}
	a.SignOutEverywhere = op.Platform[Myself, op.Empty]{Name: "account.sign-out-everywhere", Route: "DELETE /auth/sessions", Role: op.Account, Status: 204,
		Summary: "Sign out on every device, this one included", Run: a.signOutEverywhere}
	a.EndSession = op.Platform[OneSession, op.Empty]{Name: "account.end-session", Route: "DELETE /auth/sessions/{session}", Role: op.Account, Status: 204,
		Summary: "Sign out one device", Run: a.endSession}
	a.Sessions = op.Platform[MyList, op.List[Device]]{Name: "account.sessions", Route: "GET /auth/sessions", Role: op.Account,
		Summary: "List the devices that are signed in", Run: a.listSessions}
	a.Show = op.Platform[Myself, Person]{Name: "account.show", Route: "GET /account", Role: op.Account,
		Summary: "Show the account and its contacts", Run: a.show}
	a.AddContact = op.Platform[ContactRequest, CodeSent]{Name: "account.add-contact", Route: "POST /account/contacts", Role: op.Account, Status: 202,
		Summary: "Send a code to another contact, to add it to the account", Run: a.addContact}
	a.ConfirmContact = op.Platform[ContactProof, Person]{Name: "account.confirm-contact", Route: "POST /account/contacts/confirm", Role: op.Account,
		Summary: "Add a contact with the code sent to it", Run: a.confirmContact}
	a.RemoveContact = op.Platform[OneContact, Person]{Name: "account.remove-contact", Route: "DELETE /account/contacts/{address}", Role: op.Account,
		Summary: "Remove a contact; the last one stays", Run: a.removeContact}
	a.OpenShop = op.Platform[Opening, Opened]{Name: "shop.open", Route: "POST /shops", Role: op.Account, Status: 201,
		Summary: "Open a shop, which sells at once", Run: a.openShop}
	a.Shops = op.Platform[MyList, op.List[Mine]]{Name: "shop.mine", Route: "GET /shops", Role: op.Account,
		Summary: "List my shops", Run: a.listShops}
}

// Operations lists the operations of people and their shops.
func (a *Accounts) Operations() []op.Operation {
	return []op.Operation{&a.SendCode, &a.SignIn, &a.SignOut, &a.SignOutEverywhere, &a.EndSession, &a.Sessions,
		&a.Show, &a.AddContact, &a.ConfirmContact, &a.RemoveContact, &a.OpenShop, &a.Shops}
}

// Myself is the input of an operation that needs to know only who asks.
type Myself struct{ op.By }

// MyList is the input of an operation that lists what belongs to who asks.
type MyList struct {
	op.By
	op.Page
}

var (
	bump = db.C(`
		INSERT INTO account_limit (subject, since, n) VALUES ($1, $2, 1)
		ON CONFLICT (subject) DO UPDATE SET
			n = CASE WHEN account_limit.since <= $3 THEN 1 ELSE account_limit.n + 1 END,
			since = CASE WHEN account_limit.since <= $3 THEN excluded.since ELSE account_limit.since END
		RETURNING since, n`)
	oldLimits = db.C(`
		DELETE FROM account_limit WHERE subject IN (
			SELECT subject FROM account_limit WHERE since < $1 ORDER BY since LIMIT 1000)`)
	oldCodes = db.C(`
		DELETE FROM account_code WHERE (address, purpose) IN (
			SELECT address, purpose FROM account_code WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000)`)
	oldSessions = db.C(`
		DELETE FROM account_session WHERE hash IN (
			SELECT hash FROM account_session WHERE seen_at < $1 ORDER BY seen_at LIMIT 1000)`)
)

// count counts one more use of subject, and refuses it with fault.Limited if
// it is one too many. A refusal rolls the count back.
func (a *Accounts) count(ctx context.Context, t *db.ControlTx, what, subject string, limits []Limit, now time.Time) error {
	if subject == "" {
		return nil
	}
	type window struct {
		since time.Time
		n     int64
	}
	for _, l := range limits {
		key := fmt.Sprintf("%s %s %s", what, subject, l.Per)
		w, _, err := db.ControlOne(ctx, t, bump, func(w *window) []any { return []any{&w.since, &w.n} }, key, now, now.Add(-l.Per))
		if err != nil {
			return fmt.Errorf("count %s: %w", what, err)
		}
		if w.n > l.N {
			wait := max(time.Second, w.since.Add(l.Per).Sub(now)).Round(time.Second)
			return fault.Limited(wait, "That was too often. Try again in %s.", inWords(wait)).With("too-often")
		}
	}
	return nil
}

func inWords(d time.Duration) string {
	unit, n := "minute", int64((d+time.Minute-1)/time.Minute)
	if n > 90 {
		unit, n = "hour", (n+59)/60
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// network is what an IP address is counted by: an IPv6 customer has at least
// a /64 to themselves.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, err := a.Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return a.String()
}

// change runs fn in the control database, and once more if it lost a race for
// a row with a key.
func (a *Accounts) change(ctx context.Context, fn func(*db.ControlTx) error) error {
	err := a.control.Change(ctx, fn)
	if errors.Is(err, db.ErrUnique) {
		err = a.control.Change(ctx, fn)
	}
	return err
}

// sweepBatches is how many transactions of a thousand rows, at most, one call
// of Sweep spends on each kind.
const sweepBatches = 20

// Sweep deletes codes, counts and sessions that have run out, a bounded number
// at a time. Call it now and then; nothing depends on it but the size of the
// tables.
func (a *Accounts) Sweep(ctx context.Context) error {
	now := a.clock()
	longest := 24 * time.Hour
	for _, limits := range [][]Limit{a.limits.CodesPerAddress, a.limits.CodesPerIP, a.limits.TriesPerIP, a.limits.Shops} {
		for _, l := range limits {
			longest = max(longest, l.Per)
		}
	}
	var errs []error
	for _, old := range []struct {
		q   *db.ControlSQL
		age time.Duration
	}{{oldLimits, longest}, {oldCodes, codeLife}, {oldSessions, sessionLife}} {
		var err error
		n := int64(1)
		for i := 0; i < sweepBatches && n > 0 && err == nil; i++ {
			err = a.control.Change(ctx, func(t *db.ControlTx) (err error) {
				n, err = t.Exec(ctx, old.q, now.Add(-old.age))
				return err
			})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
