package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/pay"
	"haat/internal/ship"
	"haat/internal/shop"
	"haat/internal/web/design"
)

// change writes settings and ends the form: back to its page, or the page
// again with what was wrong.
func (d *desk) change(c shop.Changes, path string, names map[string]string, again func(Problems) error) error {
	_, err := d.Office.Change.Do(d.ctx(), d.room, d.by, shop.Change{Body: c})
	if f := wrong(err); f != nil {
		return again(beside(f, names))
	}
	if err != nil {
		return err
	}
	return d.back(path, Flash{Text: "Saved."})
}

func (d *desk) typed(name, stored string) string {
	if d.r.Method == http.MethodPost {
		return d.form(name)
	}
	return stored
}

func (d *desk) settings() error { return d.showSettings(http.StatusOK, nil) }

func (d *desk) showSettings(status int, problems Problems) error {
	f, s, err := d.frame("Settings", SectionSettings)
	if err != nil {
		return err
	}
	_, host, _ := strings.Cut(d.URL, "://")
	v := Settings{
		Frame: f, Name: d.typed("name", s.Name), Slug: d.room.Slug(), Tagline: d.typed("tagline", s.Theme.Tagline), Phone: d.typed("phone", showPhone(s.Phone)), Email: d.typed("email", s.Email),
		WhatsApp: d.typed("whatsapp", showPhone(s.WhatsApp)), AddressLine: d.typed("address", s.Address), Country: d.typed("country", s.Country), Currency: d.typed("currency", s.Currency),
		Locale: d.typed("locale", s.Locale), Timezone: d.typed("timezone", s.Timezone), Host: host, Problems: problems,
		Locales:   choices(s.Locale, locales),
		Timezones: choices(s.Timezone, timezones),
	}
	now, err := d.Office.Show.Do(d.ctx(), d.room, d.by, op.Empty{})
	if err != nil {
		return err
	}
	v.CurrencyFixed = now.CurrencyFixed
	if v.Currencies = []Choice{{Value: s.Currency, Label: s.Currency}}; !v.CurrencyFixed {
		v.Currencies = currencies
	}
	for _, c := range ship.Countries() {
		v.Countries = append(v.Countries, Choice{Value: c.Code, Label: c.Name})
	}
	for kind, to := range map[string]*string{"returns": &v.Returns, "privacy": &v.Privacy, "shipping": &v.Shipping, "terms": &v.Terms} {
		*to = d.typed(kind+"_policy", now.Policies[kind])
	}
	return d.show(status, v.Page())
}

// choices is a list to choose from that has the present value in any case.
func choices(present string, list []Choice) []Choice {
	if slices.ContainsFunc(list, func(c Choice) bool { return c.Value == present }) {
		return list
	}
	return append([]Choice{{Value: present, Label: present}}, list...)
}

func (d *desk) saveSettings() error {
	given := func(name string) *string {
		if _, there := d.r.Form[name]; !there {
			return nil
		}
		v := d.form(name)
		return &v
	}
	if err := d.r.ParseForm(); err != nil {
		return unread(err)
	}
	c := shop.Changes{
		Name: given("name"), Currency: given("currency"), Country: given("country"), Locale: given("locale"), Timezone: given("timezone"), Phone: given("phone"), Email: given("email"), WhatsApp: given("whatsapp"), Address: given("address"),
		Theme:    &shop.ThemeChanges{Tagline: given("tagline")},
		Policies: &shop.PolicyChanges{Returns: given("returns_policy"), Privacy: given("privacy_policy"), Shipping: given("shipping_policy"), Terms: given("terms_policy")},
	}
	return d.change(c, "/settings", map[string]string{"/name": "name", "/currency": "currency", "/country": "country", "/locale": "locale", "/timezone": "timezone", "/phone": "phone", "/email": "email", "/whatsapp": "whatsapp", "/address": "address",
		"/theme/tagline": "tagline", "/policies/returns": "returns_policy", "/policies/privacy": "privacy_policy", "/policies/shipping": "shipping_policy", "/policies/terms": "terms_policy"},
		func(p Problems) error { return d.showSettings(http.StatusUnprocessableEntity, p) })
}

var presets = []Preset{
	{"Terracotta", "#9a3f22", "#fffdf9", "#241b16"}, {"Ocean", "#0f5c8c", "#ffffff", "#13202b"}, {"Leaf", "#2f6b3c", "#fbfdf8", "#1a2118"},
	{"Plum", "#7a2e5d", "#fffafc", "#241a20"}, {"Ink", "#1d1d1f", "#ffffff", "#1d1d1f"}, {"Night", "#f0b429", "#15171c", "#f2f2f0"},
}

func (d *desk) theme() error {
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	return d.showTheme(http.StatusOK, s.Theme, nil)
}

func (d *desk) showTheme(status int, t shop.Theme, problems Problems) error {
	f, _, err := d.frame("Theme", SectionSettings)
	if err != nil {
		return err
	}
	orElse := func(v, fallback string) string {
		if v == "" {
			return fallback
		}
		return v
	}
	v := ThemeEditor{
		Frame: f, Accent: orElse(t.Accent, "#3a3aa8"), Background: orElse(t.Background, "#ffffff"), Text: orElse(t.Text, "#171614"), Font: orElse(t.Font, "system"), LogoHash: t.Logo, BannerHash: t.Banner,
		LogoImage: d.picture(t.Logo), BannerImage: d.picture(t.Banner), Tagline: t.Tagline, Presets: presets, PreviewURL: d.base + "/settings/theme/preview", UploadURL: d.base + "/images", Problems: problems,
		Kinds: []Choice{{Value: "banner", Label: "Banner"}, {Value: "featured", Label: "Products of a collection"}, {Value: "collections", Label: "All collections"}, {Value: "text", Label: "Text"}},
	}
	for _, sec := range t.Sections {
		v.Sections = append(v.Sections, SectionForm{sec.Kind, sec.Title, sec.Text, sec.Collection})
	}
	list, err := catalog.ListCollections.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	if err != nil {
		return err
	}
	for _, c := range list.Items {
		v.Collections = append(v.Collections, Choice{Value: c.Handle, Label: c.Title})
	}
	if err := (design.Theme{Accent: v.Accent, Background: v.Background, Text: v.Text, Font: v.Font}).Check(); err != nil {
		v.Contrast = err.Error()
	}
	d.w.Header().Set("Content-Security-Policy", framing)
	return d.show(status, v.Page())
}

func (d *desk) saveTheme() error {
	in, err := d.read("logo", "banner")
	if err != nil {
		return err
	}
	t := shop.Theme{Accent: d.form("accent"), Background: d.form("background"), Text: d.form("text"), Font: d.form("font"), Tagline: d.form("tagline"), Logo: d.form("logo_hash"), Banner: d.form("banner_hash")}
	type placed struct {
		shop.Section
		position int
	}
	var sections []placed
	for n := range 30 {
		at := func(field string) string { return d.form(fmt.Sprintf("section-%d-%s", n, field)) }
		if kind := at("kind"); kind != "" {
			p := placed{shop.Section{Kind: kind, Title: at("title"), Text: at("text"), Collection: at("collection")}, n}
			if pos, err := strconv.Atoi(at("position")); err == nil {
				p.position = pos
			}
			sections = append(sections, p)
		}
	}
	slices.SortStableFunc(sections, func(a, b placed) int { return a.position - b.position })
	t.Sections = []shop.Section{}
	for _, p := range sections {
		t.Sections = append(t.Sections, p.Section)
	}
	for field, to := range map[string]*string{"logo": &t.Logo, "banner": &t.Banner} {
		if kept := in.pictures[field]; len(kept) > 0 {
			*to = kept[0].Hash
		}
		if d.form(field+"_remove") != "" || *to != "" && !media.IsHash(*to) {
			*to = ""
		}
	}
	for _, p := range presets {
		if d.form("preset") == p.Name {
			t.Accent, t.Background, t.Text = p.Accent, p.Background, p.Text
			return d.showTheme(http.StatusOK, t, nil)
		}
	}
	if len(in.problems) > 0 {
		return d.showTheme(http.StatusUnprocessableEntity, t, in.problems)
	}
	c := shop.Changes{Theme: &shop.ThemeChanges{Accent: &t.Accent, Background: &t.Background, Text: &t.Text, Font: &t.Font, Logo: &t.Logo, Banner: &t.Banner, Tagline: &t.Tagline, Sections: &t.Sections}}
	names := map[string]string{"/theme/accent": "accent", "/theme/background": "background", "/theme/text": "text", "/theme/font": "font", "/theme/logo": "logo", "/theme/banner": "banner", "/theme/tagline": "tagline"}
	for i := range t.Sections {
		for _, f := range []string{"kind", "title", "text", "collection"} {
			names[fmt.Sprintf("/theme/sections/%d/%s", i, f)] = fmt.Sprintf("section-%d-%s", i, f)
		}
	}
	return d.change(c, "/settings/theme", names, func(p Problems) error { return d.showTheme(http.StatusUnprocessableEntity, t, p) })
}

func (d *desk) delivery() error { return d.showDelivery(http.StatusOK, nil) }

func (d *desk) showDelivery(status int, problems Problems) error {
	f, s, err := d.frame("Delivery", SectionSettings)
	if err != nil {
		return err
	}
	v := Delivery{Frame: f, Currency: sign(s), Problems: problems, Charge: d.typed("charge", money.Money{Amount: s.Delivery.Charge, Currency: s.Currency}.Decimal())}
	free := ""
	if s.Delivery.FreeAbove > 0 {
		free = money.Money{Amount: s.Delivery.FreeAbove, Currency: s.Currency}.Decimal()
	}
	v.FreeAbove = d.typed("free_above", free)
	on := s.Delivery.Countries
	if d.r.Method == http.MethodPost {
		on = d.r.Form["country"]
	}
	for _, c := range ship.Countries() {
		v.Countries = append(v.Countries, CountryChoice{c.Code, c.Name, slices.Contains(on, c.Code)})
	}
	slices.SortStableFunc(v.Countries, func(a, b CountryChoice) int { // those chosen first
		switch {
		case a.On == b.On:
			return 0
		case a.On:
			return -1
		}
		return 1
	})
	return d.show(status, v.Page())
}

func (d *desk) saveDelivery() error {
	if err := d.r.ParseForm(); err != nil {
		return unread(err)
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	problems := Problems{}
	amount := func(field string) *money.Money {
		var n int64
		if text := d.form(field); text != "" {
			if n, err = money.Parse(text, s.Currency); err != nil || n < 0 {
				problems[field] = "Write an amount, such as 60."
			}
		}
		return &money.Money{Amount: n, Currency: s.Currency}
	}
	codes := d.r.Form["country"]
	c := shop.Changes{Delivery: &shop.DeliveryChanges{Charge: amount("charge"), FreeAbove: amount("free_above"), Countries: &codes}}
	if len(problems) > 0 {
		return d.showDelivery(http.StatusUnprocessableEntity, problems)
	}
	return d.change(c, "/settings/delivery", map[string]string{"/delivery/charge": "charge", "/delivery/free_above": "free_above", "/delivery/countries": "countries"},
		func(p Problems) error { return d.showDelivery(http.StatusUnprocessableEntity, p) })
}

func (d *desk) payments() error { return d.showPayments(http.StatusOK, nil) }

func (d *desk) showPayments(status int, problems Problems) error {
	f, s, err := d.frame("Payments", SectionSettings)
	if err != nil {
		return err
	}
	v := Payments{Frame: f, COD: s.COD, VPA: d.typed("vpa", s.UPI.VPA), Payee: d.typed("payee", s.UPI.Payee), HoldHours: d.typed("hold_hours", strconv.Itoa(s.HoldHours)), UPIOn: s.UPI.VPA != "", Problems: problems}
	if d.r.Method == http.MethodPost {
		v.COD = d.form("cod") != ""
	}
	if s.UPI.VPA != "" {
		q, err := qrCode(pay.UPILink(s.UPI.VPA, cmp.Or(s.UPI.Payee, s.Name), 100, s.Currency, "TEST", "Test"))
		if err != nil {
			return err
		}
		v.QR = &q
	}
	return d.show(status, v.Page())
}

func (d *desk) savePayments() error {
	cod, vpa, payee := d.form("cod") != "", d.form("vpa"), d.form("payee")
	problems, hold := Problems{}, (*int)(nil)
	if text := d.form("hold_hours"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 720 {
			problems["hold_hours"] = "Between 1 and 720 hours."
		}
		hold = &n
	}
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	if len(pay.Methods(pay.Config{COD: cod, VPA: vpa, Payee: payee, Currency: s.Currency})) == 0 {
		problems["cod"] = "Keep one way to pay, or nobody can order."
	}
	if len(problems) > 0 {
		return d.showPayments(http.StatusUnprocessableEntity, problems)
	}
	c := shop.Changes{COD: &cod, UPI: &shop.UPIChanges{VPA: &vpa, Payee: &payee}, HoldHours: hold}
	return d.change(c, "/settings/payments", map[string]string{"/upi/vpa": "vpa", "/upi/payee": "payee", "/hold_hours": "hold_hours", "/cod": "cod"},
		func(p Problems) error { return d.showPayments(http.StatusUnprocessableEntity, p) })
}

func (d *desk) account() error { return d.showAccount(http.StatusOK, "", false, nil) }

func (d *desk) showAccount(status int, typedSecond string, awaiting bool, problems Problems) error {
	f, _, err := d.frame("Account", SectionSettings)
	if err != nil {
		return err
	}
	me, err := d.Accounts.Show.Do(d.ctx(), d.by, shop.Myself{})
	if err != nil {
		return err
	}
	v := Account{Frame: f, SecondTyped: typedSecond, Code: awaiting, Problems: problems}
	for i, c := range me.Contacts {
		shown := c.Address
		if c.Kind == "phone" {
			shown = shop.ShowPhone(c.Address)
		}
		if i == 0 {
			v.Contact = shown
		} else {
			v.Second = strings.TrimPrefix(v.Second+", "+shown, ", ")
		}
	}
	devices, err := d.Accounts.Sessions.Do(d.ctx(), d.by, shop.MyList{Page: op.Page{Limit: 250}})
	if err != nil {
		return err
	}
	for _, x := range devices.Items {
		v.Sessions = append(v.Sessions, Session{ID: x.ID.String(), Device: device(x.Agent), Place: x.IP, Since: x.CreatedAt, Seen: x.SeenAt, Current: x.Current})
	}
	return d.show(status, v.Page())
}

// device names a browser the way people do.
func device(agent string) string {
	for _, known := range []string{"iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux"} {
		if strings.Contains(agent, known) {
			return strings.Replace(known, "Macintosh", "Mac", 1)
		}
	}
	return "Another device"
}

// second names another contact: first where to send a code, then the code.
func (d *desk) second() error {
	to, err := d.reach(d.form("second"))
	if err == nil && d.form("code") == "" {
		var in shop.ContactRequest
		in.Body.Address = to
		_, err = d.Accounts.AddContact.Do(d.ctx(), d.by, in)
		if err == nil {
			return d.showAccount(http.StatusOK, d.form("second"), true, nil)
		}
	} else if err == nil {
		var in shop.ContactProof
		in.Body.Address, in.Body.Code = to, d.form("code")
		_, err = d.Accounts.ConfirmContact.Do(d.ctx(), d.by, in)
		if f := wrong(err); f != nil {
			return d.showAccount(http.StatusUnprocessableEntity, d.form("second"), true, Problems{"code": f.Message})
		}
	}
	if f := wrong(err); f != nil {
		return d.showAccount(http.StatusUnprocessableEntity, d.form("second"), false, Problems{"second": f.Message})
	}
	if err != nil {
		return err
	}
	return d.back("/settings/account", Flash{Text: "Saved. A code sent there lets you in when your first contact is lost."})
}

func (d *desk) endSession() error {
	_, err := d.Accounts.EndSession.Do(d.ctx(), d.by, shop.OneSession{Session: d.form("session")})
	if err != nil {
		return err
	}
	return d.back("/settings/account", Flash{Text: "That device is signed out."})
}
