package shop

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/op"
)

const (
	sessionLife  = 90 * 24 * time.Hour // since it was last seen
	seenInterval = time.Hour           // how exactly that is known
	tokenBytes   = 32
	tokenLength  = 52
)

// Session is one signed-in device.
type Session struct {
	ID      id.Session
	Account id.Account
	Created time.Time
	Seen    time.Time // within an hour
	Agent   string
	IP      string // that it was opened from
}

// Proof is a code and the address it was sent to.
type Proof struct {
	op.By
	Agent string `header:"User-Agent" hidden:"true" json:"-"`
	Body  struct {
		Address
		Code string `json:"code" maxLength:"20" doc:"The six digits" example:"123456"`
	}
}

// SignedIn is a new session. The token is given this once.
type SignedIn struct {
	Token     string     `json:"token" doc:"To be sent as Authorization: Bearer"`
	Session   id.Session `json:"session"`
	ExpiresAt time.Time  `json:"expires_at" doc:"Unless it is used before, which puts it off"`
	Account   id.Account `json:"account"`
	New       bool       `json:"new" doc:"The account was made by this sign-in"`
}

// Device is a session in a list.
type Device struct {
	ID        id.Session `json:"id"`
	Agent     string     `json:"agent"`
	IP        string     `json:"ip"`
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    time.Time  `json:"seen_at"`
	Current   bool       `json:"current"`
}

// OneSession names a session.
type OneSession struct {
	op.By
	Session string `path:"session"`
}

var (
	sessionColumns   = `id, account, created_at, seen_at, agent, ip`
	addSession       = db.C(`INSERT INTO account_session (hash, id, account, created_at, seen_at, agent, ip) VALUES ($1, $2, $3, $4, $4, $5, $6)`)
	readSession      = db.C(`SELECT ` + sessionColumns + ` FROM account_session WHERE hash = $1 AND seen_at > $2`)
	sessionsOf       = db.C(`SELECT ` + sessionColumns + ` FROM account_session WHERE account = $1 AND seen_at > $2 ORDER BY seen_at DESC, id DESC LIMIT 250`)
	touchSession     = db.C(`UPDATE account_session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2`)
	dropSession      = db.C(`DELETE FROM account_session WHERE account = $1 AND id = $2`)
	dropSessions     = db.C(`DELETE FROM account_session WHERE account = $1`)
	addAccount       = db.C(`INSERT INTO account (id, created_at) VALUES ($1, $2)`)
	accountOfAddress = db.C(`SELECT account FROM account_contact WHERE address = $1`)
	addContact       = db.C(`INSERT INTO account_contact (address, account, kind, country, verified_at) VALUES ($1, $2, $3, $4, $5)`)
)

func scanSession(s *Session) []any {
	return []any{&s.ID, &s.Account, &s.Created, &s.Seen, &s.Agent, &s.IP}
}

func scanAccount(a *id.Account) []any { return []any{a} }

func (a *Accounts) signIn(ctx context.Context, in Proof) (out SignedIn, err error) {
	c, err := in.Body.Contact()
	if err != nil {
		return out, err
	}
	hash, now := a.typedHash(forSignIn, c.Address, in.Body.Code), a.clock()
	token := id.Token(tokenBytes)
	s := Session{ID: id.Session(id.New[struct{}]()), Agent: in.Agent, IP: in.Caller.IP, Created: now, Seen: now}
	right, made := false, false
	err = a.change(ctx, func(t *db.ControlTx) (err error) {
		if err := a.count(ctx, t, "tries from", network(in.Caller.IP), a.limits.TriesPerIP, now); err != nil {
			return err
		}
		if right, err = a.try(ctx, t, forSignIn, c.Address, hash, now); err != nil || !right {
			return err
		}
		if s.Account, made, err = a.accountOf(ctx, t, c, now); err != nil {
			return err
		}
		return a.keepSession(ctx, t, token, s)
	})
	if err != nil {
		return out, fmt.Errorf("sign in: %w", err)
	}
	if !right {
		return out, wrongCode()
	}
	return SignedIn{Token: token, Session: s.ID, ExpiresAt: now.Add(sessionLife), Account: s.Account, New: made}, nil
}

// accountOf finds the account of a contact that was just proved, or makes it.
func (a *Accounts) accountOf(ctx context.Context, t *db.ControlTx, c Contact, now time.Time) (account id.Account, made bool, err error) {
	account, found, err := db.ControlOne(ctx, t, accountOfAddress, scanAccount, c.Address)
	if err != nil || found {
		return account, false, err
	}
	account = id.Account(id.New[struct{}]())
	return account, true, putAccount(ctx, t, account, c, now)
}

func (a *Accounts) keepSession(ctx context.Context, t *db.ControlTx, token string, s Session) error {
	hash := sha256.Sum256([]byte(token))
	_, err := t.Exec(ctx, addSession, hash[:], s.ID, s.Account, s.Created, cut(s.Agent, 300), cut(s.IP, 64))
	return err
}

func cut(text string, n int) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), n)], "\x00", ""), "")
}

// Ensure gives the account of a contact, making it if there is none, without
// proof: it is for the program itself, which makes a shop to look around in.
func (a *Accounts) Ensure(ctx context.Context, c Contact) (account id.Account, err error) {
	err = a.change(ctx, func(t *db.ControlTx) (err error) {
		account, _, err = a.accountOf(ctx, t, c, a.clock())
		return err
	})
	return account, err
}

// OpenSession signs an account in without a code, for the program itself.
func (a *Accounts) OpenSession(ctx context.Context, account id.Account, agent, ip string) (token string, err error) {
	now := a.clock()
	token = id.Token(tokenBytes)
	s := Session{ID: id.Session(id.New[struct{}]()), Account: account, Agent: agent, IP: ip, Created: now, Seen: now}
	err = a.control.Change(ctx, func(t *db.ControlTx) error { return a.keepSession(ctx, t, token, s) })
	return token, err
}

// Authenticate finds the session of a token; fault.Anonymous if there is none
// or it has run out. A sign-out in this process takes effect at once, one in
// another within ten seconds.
func (a *Accounts) Authenticate(ctx context.Context, token string) (Session, error) {
	none := fault.Anonymous("Sign in first.")
	if len(token) != tokenLength {
		return Session{}, none
	}
	hash, now, signOuts := sha256.Sum256([]byte(token)), a.clock(), a.signOuts.Load()
	if k, ok := a.sessions.GetIfPresent(hash); ok && k.signOuts == signOuts && k.value.Seen.After(now.Add(-seenInterval)) {
		return k.value, nil
	}
	var s Session
	found := false
	err := a.control.View(ctx, func(t *db.ControlTx) (err error) {
		s, found, err = db.ControlOne(ctx, t, readSession, scanSession, hash[:], now.Add(-sessionLife))
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("look up a session: %w", err)
	}
	if !found {
		return Session{}, none
	}
	if !s.Seen.After(now.Add(-seenInterval)) {
		s.Seen = now
		err := a.control.Change(ctx, func(t *db.ControlTx) error {
			_, err := t.Exec(ctx, touchSession, hash[:], now)
			return err
		})
		if err != nil {
			return Session{}, fmt.Errorf("keep a session: %w", err)
		}
	}
	a.sessions.Set(hash, known[Session]{s, signOuts})
	return s, nil
}

// current reads which session is asking.
func current(by op.By) (id.Session, error) {
	s, err := id.Parse[struct{}](by.Caller.Session)
	if err != nil {
		return id.Session{}, fault.Anonymous("Sign in first.").Because(err)
	}
	return id.Session(s), nil
}

func (a *Accounts) signOut(ctx context.Context, in Myself) (op.Empty, error) {
	s, err := current(in.By)
	if err != nil {
		return op.Empty{}, err
	}
	_, err = a.end(ctx, dropSession, in.Caller.Account, s)
	return op.Empty{}, err
}

func (a *Accounts) signOutEverywhere(ctx context.Context, in Myself) (op.Empty, error) {
	_, err := a.end(ctx, dropSessions, in.Caller.Account)
	return op.Empty{}, err
}

func (a *Accounts) endSession(ctx context.Context, in OneSession) (op.Empty, error) {
	missing := fault.NotFound("There is no such session.")
	s, err := id.Parse[struct{}](in.Session)
	if err != nil {
		return op.Empty{}, missing
	}
	n, err := a.end(ctx, dropSession, in.Caller.Account, s)
	if err == nil && n == 0 {
		err = missing
	}
	return op.Empty{}, err
}

func (a *Accounts) end(ctx context.Context, q *db.ControlSQL, args ...any) (n int64, err error) {
	err = a.control.Change(ctx, func(t *db.ControlTx) (err error) {
		n, err = t.Exec(ctx, q, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sign out: %w", err)
	}
	a.signOuts.Add(1)
	return n, nil
}

func (a *Accounts) listSessions(ctx context.Context, in MyList) (op.List[Device], error) {
	var rows []Session
	err := a.control.View(ctx, func(t *db.ControlTx) (err error) {
		rows, err = db.ControlAll(ctx, t, sessionsOf, scanSession, in.Caller.Account, a.clock().Add(-sessionLife))
		return err
	})
	if err != nil {
		return op.List[Device]{}, err
	}
	all := make([]Device, len(rows))
	for i, s := range rows {
		all[i] = Device{s.ID, s.Agent, s.IP, s.Created, s.Seen, s.ID.String() == in.Caller.Session}
	}
	return op.Slice(all, in.Page)
}
