package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"haat/internal/op"
	"haat/internal/shop"
)

func TestSigningUpOpensAShopThatSells(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b := p.browser(t)
		b.get("/").status(200).has(`action="/signin"`, `name="contact"`)
		b.post("/signin", "contact", "not a phone", "next", "/new").status(422).has("not a phone", `action="/signin"`)

		at := b.post("/signin", "contact", "98765 43210", "next", "/new").to()
		b.get(at).status(200).has("+91 98765 43210", `name="code"`)
		b.post("/code", "contact", "98765 43210", "next", "/new", "code", "000000x").status(422).has("+91 98765 43210", `value="98765 43210"`)

		in := b.post("/code", "contact", "98765 43210", "next", "/new", "code", p.code(t, "+919876543210"))
		if to := in.to(); to != "/new" {
			t.Fatalf("a new account goes to %s", to)
		}
		session := cookie(in, sessionCookie)
		if session == nil {
			t.Fatal("signing in sets no cookie")
		}
		if session.Domain != "" || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.MaxAge <= 0 {
			t.Errorf("the session's cookie is not host-only, HttpOnly and Lax: %+v", session)
		}

		b.get("/new?name=Ravi%27s+Store").status(200).has("ravis-store", "INR")
		b.post("/new", "name", " ", "country", "IN").status(422).has(`id="name-error"`)
		home := b.post("/new", "name", "Ravi's Store", "country", "IN").to()
		if home != "/shops/ravis-store" {
			t.Fatalf("the shop is at %s", home)
		}
		b.get(home).status(200).has("Ravi&#39;s Store is open at", "Add your first product", "ravis-store.haat.test")
		b.get(home).status(200).lacks("is open at") // said once

		room, err := p.Fleet.BySlug(t.Context(), "ravis-store")
		if err != nil {
			t.Fatal(err)
		}
		s, err := shop.ForPage.Do(t.Context(), room, owner(room), shop.PageIn{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Currency != "INR" || !s.COD || s.Delivery.Charge != 0 || !slices.Equal(s.Delivery.Countries, []string{"IN"}) {
			t.Errorf("a new shop does not sell at once: %+v", s)
		}
		b.get("/shops").status(200).has("Ravi&#39;s Store")
		if to := b.post("/signout").to(); to != "/" {
			t.Errorf("signing out goes to %s", to)
		}
		if to := b.get(home).to(); to != "/signin?next="+url.QueryEscape(home) {
			t.Errorf("signed out, the shop goes to %s", to)
		}
	})
}

func cookie(p *page, name string) *http.Cookie {
	for _, c := range p.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestNextIsAlwaysAPathOfOurs(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		p.merchant(t, "a@haat.test", "A")
		for _, next := range []string{"https://evil.test/", "//evil.test", `/\evil.test`, "evil", "javascript:alert(1)", "/\r\nx"} {
			b := p.browser(t)
			b.post("/signin", "contact", "a@haat.test", "next", next).status(http.StatusSeeOther)
			if to := b.post("/code", "contact", "a@haat.test", "next", next, "code", p.code(t, "a@haat.test")).to(); to != "/shops" {
				t.Errorf("next=%q leads to %s", next, to)
			}
			if len(p.outbox.Recent()) >= 5 {
				break // codes to one address are limited
			}
		}
	})
}

func TestTooManyCodesAreRefusedWhereTheyWereAskedFor(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b := p.browser(t)
		for range 5 {
			b.post("/code/resend", "contact", "b@haat.test", "next", "/new").status(http.StatusSeeOther)
		}
		b.post("/code/resend", "contact", "b@haat.test", "next", "/new").status(422).has("too often", `name="code"`)
		b.post("/signin", "contact", "b@haat.test", "next", "/new").status(422).has("too often", "b@haat.test")
	})
}

// The phone is lost: the second contact lets its owner in, signs everybody
// else out, and a new contact takes the lost one's place.
func TestRecovery(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		thief, room := p.merchant(t, "old@haat.test", "Lost and Found")
		base := "/shops/" + room.Slug()
		thief.post(base+"/settings/account/second", "second", "98765 43210").status(200).has(`name="code"`)
		thief.post(base+"/settings/account/second", "second", "98765 43210", "code", "wrong").status(422).has("98765 43210")
		thief.post(base+"/settings/account/second", "second", "98765 43210", "code", p.code(t, "+919876543210")).status(http.StatusSeeOther)
		thief.get(base+"/settings/account").status(200).has("old@haat.test", "+91 98765 43210")

		b := p.browser(t)
		b.get("/recover").status(200)
		b.post("/recover", "contact", "old@haat.test", "second", "nothing").status(422).has(`id="second-error"`, "old@haat.test")
		at, err := url.Parse(b.post("/recover", "contact", "old@haat.test", "second", "98765 43210").to())
		if err != nil {
			t.Fatal(err)
		}
		q := at.Query()
		next := b.post("/code", "contact", q.Get("contact"), "purpose", q.Get("purpose"), "next", q.Get("next"), "code", p.code(t, "+919876543210")).to()
		thief.get(base).status(http.StatusSeeOther)

		b.get(next).status(200).has("old@haat.test")
		b.post("/recover/contact", "old", "old@haat.test", "contact", "nobody").status(422).has("nobody", "old@haat.test")
		if at, err = url.Parse(b.post("/recover/contact", "old", "old@haat.test", "contact", "new@haat.test").to()); err != nil {
			t.Fatal(err)
		}
		q = at.Query()
		send := []string{"contact", q.Get("contact"), "purpose", q.Get("purpose"), "next", q.Get("next"), "code"}
		b.post("/code", append(send, "123")...).status(422).has("new@haat.test")
		if to := b.post("/code", append(send, p.code(t, "new@haat.test"))...).to(); to != "/shops" {
			t.Errorf("afterwards it goes to %s", to)
		}
		me, err := p.Accounts.Show.Do(t.Context(), op.Caller{Account: account(t, p, b)}, shop.Myself{})
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, c := range me.Contacts {
			have = append(have, c.Address)
		}
		if !slices.Equal(have, []string{"+919876543210", "new@haat.test"}) {
			t.Errorf("the account has %v", have)
		}
	})
}

// account is who is signed in.
func account(t *testing.T, p *platform, b *browser) (out [16]byte) {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		if c.Name == sessionCookie {
			token, _, _ := strings.Cut(c.Value, ".")
			s, err := p.Accounts.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return s.Account
		}
	}
	t.Fatal("nobody is signed in")
	return out
}

func TestDevMessagesAndDocs(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b := p.browser(t)
		b.post("/signin", "contact", "c@haat.test").status(http.StatusSeeOther)
		var got struct {
			Items []struct {
				To, Channel, Text, Code string
				SentAt                  string `json:"sent_at"`
			}
		}
		res := b.get("/dev/messages").status(200)
		if err := json.Unmarshal([]byte(res.body), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Items) != 1 || got.Items[0].To != "c@haat.test" || got.Items[0].Channel != "email" || len(got.Items[0].Code) != 6 || got.Items[0].SentAt == "" {
			t.Errorf("messages: %s", res.body)
		}
		b.get("/dev/messages", "Accept", "text/html,*/*").status(200).has("c@haat.test", got.Items[0].Code, "<!doctype html>")
		b.get("/docs/api").status(200).has("/api/v1/openapi.json")
		b.get("/nowhere").status(404).has("There is nothing here")
	})
}

// While a name is typed, and on the page without JavaScript, the address shown
// is the one that the shop then gets.
func TestTheAddressShownIsTheAddressGiven(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, _ := p.merchant(t, "a@haat.test", "Meera's Pottery")
		for _, c := range []struct{ name, slug, note string }{
			{"Ravi's Store", "ravis-store", ""}, {"रवि स्टोर", "ravi-stor", ""}, {"Meera's Pottery", "meeras-pottery-2", "number"},
			{"Meera’s  pottery!", "meeras-pottery-3", "number"}, {"Admin", "admin-shop", "-shop"}, {"Admin", "admin-shop-2", "number"}, {"X", "x-shop", "-shop"},
		} {
			var would struct {
				Slug, Note string
				Free       bool
			}
			answer := b.get("/new/address?" + fields("name", c.name).Encode()).status(200)
			if err := json.Unmarshal([]byte(answer.body), &would); err != nil {
				t.Fatal(err)
			}
			if would.Slug != c.slug || !strings.Contains(would.Note, c.note) || (c.note == "") != would.Free {
				t.Errorf("%q would be %+v, want %s", c.name, would, c.slug)
			}
			b.get("/new?"+fields("name", c.name).Encode()).status(200).has("data-slug", ">"+c.slug+"<")
			if at := b.post("/new", "name", c.name, "country", "IN").to(); at != "/shops/"+c.slug {
				t.Errorf("%q became %s, but %s was shown", c.name, at, c.slug)
			}
		}
		b.get("/new/address?"+fields("name", "店").Encode()).status(200).has(`"slug":"shop-`, "few letters")
		b.get("/new/address?name=").status(200).has(`"slug":""`)
		p.browser(t).get("/new/address?name=Ravi").status(401)
		limited := 0
		for range 150 {
			if b.get("/new/address?name=Ravi").StatusCode == 429 {
				limited++
			}
		}
		if limited == 0 {
			t.Error("addresses are tried without limit")
		}
	})
}
