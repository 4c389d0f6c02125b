package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"haat/internal/fault"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/ship"
	"haat/internal/shop"
	"haat/internal/web"
)

// publicRoutes adds the platform's own pages.
func (s *server) publicRoutes(mux *http.ServeMux) {
	page := func(pattern string, h web.Handler) { mux.Handle(pattern, s.pages.Handle(h)) }
	page("GET /{$}", s.landing)
	page("GET /signin", s.signIn)
	page("POST /signin", s.sendCode)
	page("GET /code", s.code)
	page("POST /code", s.useCode)
	page("POST /code/resend", s.sendCode)
	page("GET /new", s.nameShop)
	page("POST /new", s.openShop)
	page("GET /new/address", s.address)
	page("GET /shops", s.myShops)
	page("GET /shops/{$}", s.myShops)
	page("POST /signout", s.signOut)
	page("GET /recover", s.recovery)
	page("POST /recover", s.recover)
	page("GET /recover/contact", s.newContact)
	page("POST /recover/contact", s.sendNewContact)
	page("GET /docs/api", s.apiDocs)
	if s.Dev {
		page("GET /dev/messages", s.devMessages)
	}
}

const landingTitle = "Open a shop in thirty seconds"

func (s *server) landing(w http.ResponseWriter, r *http.Request) error {
	p := Landing{Public: s.public(r, landingTitle), DemoURL: s.demo(r)}
	p.Flash = s.takeFlash(w, r)
	return web.Render(w, r, http.StatusOK, p.Page())
}

// demo is the address of the shop to look at, if there is one.
func (s *server) demo(r *http.Request) string {
	if room, err := s.Fleet.BySlug(r.Context(), "demo"); err == nil && !room.Suspended() {
		return s.ShopURL(room.Slug())
	}
	return ""
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	p := SignIn{Public: s.public(r, "Sign in"), Next: local(r.FormValue("next")), Contact: r.FormValue("contact")}
	p.Flash = s.takeFlash(w, r)
	return web.Render(w, r, http.StatusOK, p.Page())
}

// local is a path of this host; anything else is nothing.
func local(path string) string {
	if !web.Local(path) {
		return ""
	}
	return path
}

// reach reads a phone number or e-mail address as people type them.
func (s *server) reach(text string) (shop.Address, error) {
	c, err := shop.GuessContact(text, s.Region)
	if err != nil {
		return shop.Address{}, err
	}
	if c.Channel() == "email" {
		return shop.Address{Email: c.Address}, nil
	}
	return shop.Address{Phone: c.Address}, nil
}

func (s *server) sendCode(w http.ResponseWriter, r *http.Request) error {
	contact, next, purpose := strings.TrimSpace(r.FormValue("contact")), local(r.FormValue("next")), r.FormValue("purpose")
	to, err := s.reach(contact)
	if err == nil {
		err = s.send(r, to, purpose)
	}
	if f := refusal(err); f != nil {
		switch {
		case r.URL.Path == "/code/resend":
			return s.showCode(w, r, http.StatusUnprocessableEntity, Problems{"": f.Message})
		case next == "/new":
			p := Landing{Public: s.public(r, landingTitle), Contact: contact, Problems: Problems{"contact": f.Message}, DemoURL: s.demo(r)}
			return web.Render(w, r, http.StatusUnprocessableEntity, p.Page())
		}
		p := SignIn{Public: s.public(r, "Sign in"), Next: next, Contact: contact, Problems: Problems{"contact": f.Message}}
		return web.Render(w, r, http.StatusUnprocessableEntity, p.Page())
	}
	if err != nil {
		return err
	}
	return toCode(w, r, contact, purpose, next)
}

func toCode(w http.ResponseWriter, r *http.Request, contact, purpose, next string) error {
	return web.Back(w, r, "/code?"+url.Values{"contact": {contact}, "next": {next}, "purpose": {purpose}}.Encode())
}

// refusal gives the fault that is shown beside a contact: that it is none, or
// that nothing can be sent there now.
func refusal(err error) *fault.Fault {
	if f := fault.Of(err); f != nil && f.Code == "cannot-send" {
		return f
	}
	return wrong(err)
}

// send sends a code to sign in with or, to who is signed in, one that adds a
// contact to the account.
func (s *server) send(r *http.Request, to shop.Address, purpose string) error {
	if purpose == forContact {
		by, err := s.caller(r, nil)
		if err != nil {
			return err
		}
		var in shop.ContactRequest
		in.Body.Address = to
		_, err = s.Accounts.AddContact.Do(r.Context(), by, in)
		return err
	}
	var in shop.CodeRequest
	in.Body.Address = to
	_, err := s.Accounts.SendCode.Do(r.Context(), op.Caller{IP: s.Door.IP(r)}, in)
	return err
}

func (s *server) code(w http.ResponseWriter, r *http.Request) error {
	return s.showCode(w, r, http.StatusOK, nil)
}

func (s *server) showCode(w http.ResponseWriter, r *http.Request, status int, problems Problems) error {
	contact := strings.TrimSpace(r.FormValue("contact"))
	c, err := shop.GuessContact(contact, s.Region)
	if err != nil {
		return web.Back(w, r, "/signin")
	}
	channel := "SMS"
	if c.Channel() == "email" {
		channel = "e-mail"
	}
	next := local(r.FormValue("next"))
	p := Code{
		Public: s.public(r, "Your code"), Contact: contact, SentTo: c.Show(), Channel: channel, Next: next, Purpose: r.FormValue("purpose"),
		ResendAt: time.Now().Add(30 * time.Second), ResendAfter: 30, Problems: problems, BackURL: "/signin?" + url.Values{"next": {next}, "contact": {contact}}.Encode(),
	}
	return web.Render(w, r, status, p.Page())
}

func (s *server) useCode(w http.ResponseWriter, r *http.Request) error {
	to, err := s.reach(r.FormValue("contact"))
	if err != nil {
		return web.Back(w, r, "/signin")
	}
	code, next := strings.Join(strings.Fields(r.FormValue("code")), ""), local(r.FormValue("next"))
	if r.FormValue("purpose") == forContact {
		return s.addContact(w, r, to, code, next)
	}
	in := shop.Proof{Agent: r.UserAgent()}
	in.Body.Address, in.Body.Code = to, code
	done, err := s.Accounts.SignIn.Do(r.Context(), op.Caller{IP: s.Door.IP(r)}, in)
	if f := wrong(err); f != nil {
		return s.showCode(w, r, http.StatusUnprocessableEntity, Problems{"code": f.Message})
	}
	if err != nil {
		return err
	}
	s.Cookies.Set(w, r, sessionCookie, done.Token, sessionAge)
	switch {
	case done.New:
		next = "/new"
	case r.FormValue("purpose") == forRecovery:
		if err := s.onlyHere(r, done); err != nil {
			return err
		}
	}
	if next == "" || next == "/new" && !done.New {
		next = "/shops"
	}
	return web.Back(w, r, next)
}

func (s *server) nameShop(w http.ResponseWriter, r *http.Request) error {
	return s.showName(w, r, http.StatusOK, nil)
}

func (s *server) showName(w http.ResponseWriter, r *http.Request, status int, problems Problems) error {
	by, err := s.caller(r, nil)
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if err != nil {
		return err
	}
	p := NameShop{Public: s.public(r, "Name your shop"), Name: strings.TrimSpace(r.FormValue("name")), Country: r.FormValue("country"), Problems: problems}
	if p.Country == "" {
		p.Country = s.countryOf(r, by)
	}
	_, p.Host, _ = strings.Cut(s.URL, "://")
	if cur, ok := money.ForCountry(p.Country); ok {
		p.Currency = cur
	}
	for _, c := range ship.Countries() {
		p.Countries = append(p.Countries, Choice{Value: c.Code, Label: c.Name})
	}
	if p.Name != "" {
		would, err := s.Accounts.Suggest(r.Context(), p.Name)
		if err != nil {
			return err
		}
		p.Slug, p.Note = would.Slug, would.Note
	}
	return web.Render(w, r, status, p.Page())
}

// countryOf is the country of the account's phone, else India.
func (s *server) countryOf(r *http.Request, by op.Caller) string {
	me, err := s.Accounts.Show.Do(r.Context(), by, shop.Myself{})
	if err == nil {
		for _, c := range me.Contacts {
			if got, err := shop.GuessContact(c.Address, s.Region); err == nil && got.Country != "" {
				return got.Country
			}
		}
	}
	return "IN"
}

// address tells, while a name is typed, which address it would get.
func (s *server) address(w http.ResponseWriter, r *http.Request) error {
	by, err := s.caller(r, nil)
	if err != nil {
		return err
	}
	if err := s.previews.Allow(by.Account.String()); err != nil {
		return err
	}
	would, err := s.Accounts.Suggest(r.Context(), r.FormValue("name"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(would)
}

func (s *server) openShop(w http.ResponseWriter, r *http.Request) error {
	by, err := s.caller(r, nil)
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if err != nil {
		return err
	}
	var in shop.Opening
	in.Body.Name, in.Body.Country = r.FormValue("name"), r.FormValue("country")
	made, err := s.Accounts.OpenShop.Do(r.Context(), by, in)
	if f := wrong(err); f != nil {
		return s.showName(w, r, http.StatusUnprocessableEntity, beside(f, map[string]string{"/name": "name", "/country": "country"}))
	}
	if err != nil {
		return err
	}
	s.flash(w, r, Flash{Text: made.Name + " is open at " + strings.TrimPrefix(strings.TrimPrefix(made.URL, "https://"), "http://")})
	return web.Back(w, r, "/shops/"+made.Slug)
}

func (s *server) myShops(w http.ResponseWriter, r *http.Request) error {
	by, err := s.caller(r, nil)
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if err != nil {
		return err
	}
	mine, err := s.Accounts.Shops.Do(r.Context(), by, shop.MyList{Page: op.Page{Limit: 250}})
	if err != nil {
		return err
	}
	if len(mine.Items) == 0 {
		return web.Back(w, r, "/new")
	}
	p := MyShops{Public: s.public(r, "Your shops")}
	p.Flash = s.takeFlash(w, r)
	me, err := s.Accounts.Show.Do(r.Context(), by, shop.Myself{})
	if err != nil {
		return err
	}
	if len(me.Contacts) > 0 {
		p.Contact = me.Contacts[0].Contact().Show()
	}
	for i, m := range mine.Items {
		row := MyShop{Name: m.Name, URL: "/shops/" + m.Slug, ShopURL: s.ShopURL(m.Slug), Host: bareHost(s.ShopURL(m.Slug)), Suspended: m.Suspended}
		if i < 20 { // more would take too long to look at
			if err := s.lookInto(r, by, m, &row); err != nil {
				return err
			}
		}
		p.Rows = append(p.Rows, row)
	}
	return web.Render(w, r, http.StatusOK, p.Page())
}

// lookInto adds what happens in one of the caller's shops today.
func (s *server) lookInto(r *http.Request, by op.Caller, m shop.Mine, row *MyShop) error {
	room, err := s.Fleet.BySlug(r.Context(), m.Slug)
	if err != nil {
		return err
	}
	by.Shop = m.ID
	set, err := shop.ForPage.Do(r.Context(), room, by, shop.PageIn{})
	if err != nil {
		return err
	}
	if set.Theme.Logo != "" {
		row.Logo = media.URL(m.ID, set.Theme.Logo, 160)
	}
	day, err := insight.Today.Do(r.Context(), room, by, insight.TodayIn{})
	if err != nil {
		return err
	}
	if day.Orders > 0 {
		row.Today = day.Sales.Format(set.Locale, true) + " today · " + plural(day.Orders, "order")
	}
	counts, err := order.CountOrders.Do(r.Context(), room, by, op.Empty{})
	row.Waiting = int(counts.Placed)
	return err
}

func bareHost(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request) error {
	by, err := s.caller(r, nil)
	if err == nil {
		if r.FormValue("everywhere") != "" {
			_, err = s.Accounts.SignOutEverywhere.Do(r.Context(), by, shop.Myself{By: op.By{Caller: by}})
		} else {
			_, err = s.Accounts.SignOut.Do(r.Context(), by, shop.Myself{By: op.By{Caller: by}})
		}
	}
	if err != nil && !fault.Is(err, fault.KindDenied) {
		return err
	}
	s.Cookies.Clear(w, sessionCookie)
	s.flash(w, r, Flash{Text: "You are signed out."})
	return web.Back(w, r, "/")
}

func (s *server) apiDocs(w http.ResponseWriter, r *http.Request) error {
	doc, err := s.OpenAPI()
	if err != nil {
		return err
	}
	a, err := ReadOpenAPI(doc, s.URL)
	if err != nil {
		return fmt.Errorf("read our own document: %w", err)
	}
	p := APIDocs{Public: s.public(r, "API"), API: a, SpecURL: "/api/v1/openapi.json"}
	return web.Render(w, r, http.StatusOK, p.Page())
}

// devMessages shows what would have been sent, as JSON unless a browser asks.
func (s *server) devMessages(w http.ResponseWriter, r *http.Request) error {
	sent := s.DevMessages()
	w.Header().Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		if sent == nil {
			sent = []notify.Sent{}
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(map[string]any{"items": sent})
	}
	p := DevMessages{Public: s.public(r, "Messages")}
	for _, m := range sent {
		p.Items = append(p.Items, DevMessage{To: m.To, Channel: string(m.Channel), Text: m.Text, Code: m.Code, SentAt: m.SentAt})
	}
	return web.Render(w, r, http.StatusOK, p.Page())
}
