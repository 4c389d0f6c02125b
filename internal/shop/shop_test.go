package shop_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/op"
	"haat/internal/shop"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

// platform is accounts over a fleet, with a clock that stands until it is
// moved and a letter box in place of phones.
type platform struct {
	*shop.Accounts
	t     *testing.T
	fleet *fleet.Fleet

	mu  sync.Mutex
	now time.Time
	box []shop.Message
}

var (
	schemas = []*db.SchemaSet{op.Schema, event.Schema, shop.Schema}
	control = []*db.SchemaSet{op.ControlSchema, shop.ControlSchema}
)

func each(t *testing.T, fn func(t *testing.T, p *platform)) {
	t.Helper()
	fleettest.EachFleet(t, schemas, control, func(t *testing.T, f *fleet.Fleet) { fn(t, newPlatform(t, f)) })
}

func newPlatform(t *testing.T, f *fleet.Fleet) *platform {
	p := &platform{t: t, fleet: f, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	p.Accounts = p.restart()
	return p
}

// restart gives the accounts of a new process over the same databases.
func (p *platform) restart() *shop.Accounts {
	return shop.NewAccounts(p.fleet.Control(), p.fleet, []byte("secret"), p.send, p.clock, shop.DefaultLimits(),
		func(slug string) string { return "https://" + slug + ".haat.test" })
}

func (p *platform) send(_ context.Context, m shop.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.box = append(p.box, m)
	return nil
}

func (p *platform) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *platform) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

// last is the newest message to an address.
func (p *platform) last(to string) shop.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.box) - 1; i >= 0; i-- {
		if p.box[i].To == to {
			return p.box[i]
		}
	}
	p.t.Errorf("no message to %s", to)
	return shop.Message{}
}

func address(text string) shop.Address {
	if strings.Contains(text, "@") {
		return shop.Address{Email: text}
	}
	return shop.Address{Phone: text}
}

func (p *platform) ask(to, ip string) error {
	in := shop.CodeRequest{}
	in.Body.Address = address(to)
	_, err := p.SendCode.Do(p.t.Context(), op.Caller{IP: ip}, in)
	return err
}

func (p *platform) try(to, code, ip string) (shop.SignedIn, error) {
	in := shop.Proof{Agent: "test"}
	in.Body.Address, in.Body.Code = address(to), code
	return p.SignIn.Do(p.t.Context(), op.Caller{IP: ip}, in)
}

// enter signs in, from an IP address that nobody else has.
func (p *platform) enter(to string) (shop.SignedIn, op.Caller) {
	p.t.Helper()
	if err := p.ask(to, ""); err != nil {
		p.t.Fatalf("ask for a code to %s: %v", to, err)
	}
	in, err := p.try(to, p.last(to).Code, "")
	if err != nil {
		p.t.Fatalf("sign in as %s: %v", to, err)
	}
	return in, p.caller(in.Token)
}

// caller is what the door makes of a token.
func (p *platform) caller(token string) op.Caller {
	p.t.Helper()
	s, err := p.Authenticate(p.t.Context(), token)
	if err != nil {
		p.t.Fatalf("authenticate: %v", err)
	}
	return op.Caller{Account: s.Account, Session: s.ID.String()}
}

func (p *platform) openAs(by op.Caller, name string) (shop.Opened, error) {
	in := shop.Opening{}
	in.Body.Name = name
	return p.OpenShop.Do(p.t.Context(), by, in)
}

func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func refused(t *testing.T, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Kind != kind || f.Code != code {
		t.Errorf("%s: %v, want a fault of kind %d, %q", what, err, kind, code)
	}
}

const (
	ravi  = "+919876543210"
	mail  = "ravi@example.com"
	other = "+4915112345678"
)

func TestACodeIsGoodOnceAndForFiveMinutes(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		first, _ := p.enter(ravi)
		if !first.New || first.Token == "" || !first.ExpiresAt.After(p.clock().Add(89*24*time.Hour)) {
			t.Errorf("first sign-in: %+v", first)
		}
		m := p.last(ravi)
		if len(m.Code) != 6 || m.Channel != "sms" || m.Kind != "sign-in-code" || !strings.Contains(m.Text, m.Code) || !strings.HasSuffix(m.Text, "@haat.test #"+m.Code) {
			t.Errorf("message: %+v", m)
		}
		_, err := p.try(ravi, m.Code, "")
		refused(t, "a code again", err, fault.KindInvalid, "wrong-code")

		if err := p.ask(ravi, ""); err != nil {
			t.Fatal(err)
		}
		old := p.last(ravi).Code
		if err := p.ask(ravi, ""); err != nil {
			t.Fatal(err)
		}
		if code := p.last(ravi).Code; code != old {
			_, err := p.try(ravi, old, "")
			refused(t, "the code before the newest", err, fault.KindInvalid, "wrong-code")
		}
		p.pass(5*time.Minute + time.Second)
		_, err = p.try(ravi, p.last(ravi).Code, "")
		refused(t, "an old code", err, fault.KindInvalid, "wrong-code")
		_, err = p.try(other, "123456", "")
		refused(t, "an address that never asked", err, fault.KindInvalid, "wrong-code")

		second, _ := p.enter(ravi)
		if second.New || second.Account != first.Account || second.Token == first.Token {
			t.Errorf("second sign-in: %+v after %+v", second, first)
		}
		if err := p.Sweep(t.Context()); err != nil {
			t.Errorf("sweep: %v", err)
		}
		p.caller(second.Token)
	})
}

func TestGuessingIsLimited(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		if err := p.ask(ravi, ""); err != nil {
			t.Fatal(err)
		}
		code := p.last(ravi).Code
		// All guesses at once, in several processes: no more than five count.
		elsewhere := p.restart()
		var wg sync.WaitGroup
		for i := range 8 {
			a := p.Accounts
			if i%2 == 0 {
				a = elsewhere
			}
			wg.Go(func() {
				in := shop.Proof{}
				in.Body.Address, in.Body.Code = address(ravi), wrong(code)
				_, err := a.SignIn.Do(t.Context(), op.Caller{}, in)
				refused(t, "a guess", err, fault.KindInvalid, "wrong-code")
			})
		}
		wg.Wait()
		_, err := p.try(ravi, code, "")
		refused(t, "the right code after five wrong ones", err, fault.KindInvalid, "wrong-code")

		if err := p.ask(ravi, ""); err != nil {
			t.Fatal(err)
		}
		code = p.last(ravi).Code
		for range 4 {
			_, err := p.try(ravi, wrong(code), "")
			refused(t, "a guess", err, fault.KindInvalid, "wrong-code")
		}
		if _, err := p.try(ravi, code[:3]+" "+code[3:], ""); err != nil {
			t.Errorf("the right code at the fifth try: %v", err)
		}
	})
}

func TestOneCodeOneSession(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		if err := p.ask(ravi, ""); err != nil {
			t.Fatal(err)
		}
		code := p.last(ravi).Code
		var mu sync.Mutex
		var wg sync.WaitGroup
		in := 0
		for range 5 {
			wg.Go(func() {
				if _, err := p.try(ravi, code, ""); err == nil {
					mu.Lock()
					in++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if in != 1 {
			t.Errorf("one code, tried by five at once, let %d in", in)
		}
	})
}

func TestAskingIsLimited(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		for range 5 {
			if err := p.ask(ravi, ""); err != nil {
				t.Fatal(err)
			}
		}
		err := p.ask("+91 98765 43210", "")
		refused(t, "a sixth code within a quarter of an hour", err, fault.KindBusy, "too-often")
		if f := fault.Of(err); f != nil && (!f.Limited || f.RetryAfter != 15*time.Minute) {
			t.Errorf("try again after %v", f.RetryAfter)
		}
		p.Accounts = p.restart()
		refused(t, "after a restart", p.ask(ravi, ""), fault.KindBusy, "too-often")
		p.pass(15 * time.Minute)
		for range 5 {
			if err := p.ask(ravi, ""); err != nil {
				t.Fatal(err)
			}
		}
		p.pass(15 * time.Minute)
		refused(t, "an eleventh code within a day", p.ask(ravi, ""), fault.KindBusy, "too-often")
		p.pass(24 * time.Hour)
		if err := p.ask(ravi, ""); err != nil {
			t.Errorf("the next day: %v", err)
		}

		limit := shop.DefaultLimits().CodesPerIP[0].N
		for i := range limit { // addresses of one /64 are one neighbour
			if err := p.ask("+91"+fmt.Sprint(9000000000+i), fmt.Sprint("2001:db8::", i)); err != nil {
				t.Fatalf("code %d from one network: %v", i, err)
			}
		}
		refused(t, "one more from that network", p.ask("+919000000999", "2001:db8::ffff"), fault.KindBusy, "too-often")
		if err := p.ask("+919000000999", "2001:db8:0:1::1"); err != nil {
			t.Errorf("from the network beside it: %v", err)
		}
		for range shop.DefaultLimits().TriesPerIP[0].N {
			_, err := p.try(other, "123456", "203.0.113.7")
			refused(t, "a guess", err, fault.KindInvalid, "wrong-code")
		}
		_, err = p.try(other, "123456", "203.0.113.7")
		refused(t, "too many guesses from one address", err, fault.KindBusy, "too-often")
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		phone, byPhone := p.enter(ravi)
		tablet, byTablet := p.enter(ravi)
		stranger, byStranger := p.enter(other)

		list, err := p.Sessions.Do(ctx, byPhone, shop.MyList{})
		if err != nil || len(list.Items) != 2 || list.Items[0].Current == list.Items[1].Current || list.Items[0].Agent != "test" {
			t.Errorf("sessions: %+v, %v", list, err)
		}
		_, err = p.EndSession.Do(ctx, byStranger, shop.OneSession{Session: tablet.Session.String()})
		refused(t, "somebody else's session", err, fault.KindNotFound, "")
		if _, err := p.SignOut.Do(ctx, byTablet, shop.Myself{}); err != nil {
			t.Fatal(err)
		}
		gone := func(token, what string) {
			t.Helper()
			if _, err := p.Authenticate(ctx, token); !fault.Is(err, fault.KindDenied) {
				t.Errorf("%s: %v", what, err)
			}
		}
		gone(tablet.Token, "signed out, but let in")
		gone("", "no token")
		gone(strings.Repeat("0", 52), "a token of nobody's")
		p.caller(phone.Token)

		again, _ := p.enter(ravi)
		if _, err := p.SignOutEverywhere.Do(ctx, byPhone, shop.Myself{}); err != nil {
			t.Fatal(err)
		}
		gone(phone.Token, "signed out everywhere, but let in here")
		gone(again.Token, "signed out everywhere, but let in there")
		p.caller(stranger.Token)

		p.pass(89 * 24 * time.Hour)
		p.caller(stranger.Token) // seen, which puts the end off
		p.pass(89 * 24 * time.Hour)
		p.caller(stranger.Token)
		p.pass(90*24*time.Hour + time.Second)
		p.Accounts = p.restart()
		gone(stranger.Token, "not seen for ninety days, but let in")
	})
}

func TestAPhoneLostAndFoundAgain(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		first, by := p.enter(ravi)
		_, thief := p.enter(other)

		ask := shop.ContactRequest{}
		ask.Body.Address = address(mail)
		if _, err := p.AddContact.Do(ctx, by, ask); err != nil {
			t.Fatal(err)
		}
		code := p.last(mail).Code
		confirm := shop.ContactProof{}
		confirm.Body.Address, confirm.Body.Code = address("Ravi@Example.com"), wrong(code)
		_, err := p.ConfirmContact.Do(ctx, by, confirm)
		refused(t, "a wrong code", err, fault.KindInvalid, "wrong-code")
		confirm.Body.Code = code
		_, err = p.ConfirmContact.Do(ctx, thief, confirm)
		refused(t, "a code for another account", err, fault.KindInvalid, "wrong-code")
		_, err = p.try(mail, code, "")
		refused(t, "a contact's code to sign in", err, fault.KindInvalid, "wrong-code")
		me, err := p.ConfirmContact.Do(ctx, by, confirm)
		if err != nil || len(me.Contacts) != 2 {
			t.Fatalf("confirm: %+v, %v", me, err)
		}
		if m := p.last(ravi); m.Kind != "contact-added" || m.Code != "" {
			t.Errorf("the phone was not told: %+v", m)
		}

		// The phone is lost: the e-mail address leads to the same account.
		found, by := p.enter(mail)
		if found.New || found.Account != first.Account {
			t.Fatalf("by e-mail: %+v, want account %s", found, first.Account)
		}
		if _, err := p.SignOutEverywhere.Do(ctx, by, shop.Myself{}); err != nil {
			t.Fatal(err)
		}
		_, by = p.enter(mail)
		mine, err := p.openAs(by, "Lost And Found")
		if err != nil {
			t.Fatal(err)
		}
		room, err := p.fleet.ByID(ctx, mine.ID)
		if err != nil {
			t.Fatal(err)
		}
		if r := settingsOf(t, room).Reach; r.Phone != ravi || r.Email != mail {
			t.Errorf("of orders is told %+v", r)
		}
		if me, err = p.RemoveContact.Do(ctx, by, shop.OneContact{Address: ravi}); err != nil || len(me.Contacts) != 1 {
			t.Fatalf("remove: %+v, %v", me, err)
		}
		if r := settingsOf(t, room).Reach; r.Phone != "" || r.Email != mail {
			t.Errorf("with the phone lost, of orders is told %+v", r)
		}
		_, err = p.RemoveContact.Do(ctx, by, shop.OneContact{Address: mail})
		refused(t, "the last contact", err, fault.KindConflict, "last-contact")
		_, err = p.RemoveContact.Do(ctx, by, shop.OneContact{Address: other})
		refused(t, "somebody else's contact", err, fault.KindNotFound, "")
		if finder, _ := p.enter(ravi); finder.Account == first.Account {
			t.Error("the lost phone still leads to the account")
		}

		// Whose an address is, only its owner learns.
		ask.Body.Address = address(other)
		if _, err := p.AddContact.Do(ctx, by, ask); err != nil {
			t.Fatalf("asking for a contact of somebody else's: %v", err)
		}
		confirm.Body.Address, confirm.Body.Code = address(other), p.last(other).Code
		_, err = p.ConfirmContact.Do(ctx, by, confirm)
		refused(t, "a contact of somebody else's", err, fault.KindConflict, "contact-taken")
	})
}
