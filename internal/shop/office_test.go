package shop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/op"
	"haat/internal/shop"
)

func changes(t *testing.T, body string) (in shop.Change) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in.Body); err != nil && err != io.EOF {
		t.Fatalf("%s: %v", body, err)
	}
	return in
}

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		_, by := p.enter(ravi)
		opened, err := p.openAs(by, "Ravi")
		if err != nil {
			t.Fatal(err)
		}
		room, err := p.fleet.BySlug(ctx, opened.Slug)
		if err != nil {
			t.Fatal(err)
		}
		by.Shop = room.Shop()
		traded := false
		office := shop.NewOffice(func(context.Context, db.Reader) (bool, error) { return traded, nil })
		before := settingsOf(t, room)

		got, err := office.Change.Do(ctx, room, by, changes(t, `{"name": " Ravi & Sons ", "phone": "098765 43210", "upi": {"vpa": "ravi@okbank"},
			"delivery": {"charge": {"amount": 4900, "currency": "INR"}, "countries": ["in", "NP", "IN"]},
			"theme": {"accent": "#B3261E", "sections": [{"kind": "text", "title": "Hello\u0007", "text": "a\r\nb"}]},
			"policies": {"returns": "Seven days.\r\n\r\nUnworn. <b>", "terms": " "}}`))
		if err != nil {
			t.Fatal(err)
		}
		want := before
		want.Name, want.Phone, want.UPI.VPA = "Ravi & Sons", "+919876543210", "ravi@okbank"
		want.Delivery = shop.Delivery{Charge: 4900, Countries: []string{"IN", "NP"}}
		want.Theme.Accent, want.Theme.Sections = "#b3261e", []shop.Section{{Kind: "text", Title: "Hello", Text: "a\nb"}}
		want.Policies = []string{"returns"}
		if s := settingsOf(t, room); fmt.Sprintf("%+v", s) != fmt.Sprintf("%+v", want) {
			t.Errorf("settings:\n%+v, want\n%+v", s, want)
		}
		if got.Policies["returns"] != "Seven days.\n\nUnworn. <b>" || len(got.Policies) != 1 || got.Delivery.Charge.String() != "49.00 INR" {
			t.Errorf("shown: %+v", got)
		}
		shown, err := office.Show.Do(ctx, room, by, op.Empty{})
		if err != nil || fmt.Sprintf("%+v", shown) != fmt.Sprintf("%+v", got) {
			t.Errorf("shown again: %+v, %v", shown, err)
		}
		err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
			if text, err := shop.PolicyText(ctx, r, "returns"); err != nil || text != got.Policies["returns"] {
				t.Errorf("policy: %q, %v", text, err)
			}
			_, err := shop.PolicyText(ctx, r, "terms")
			refused(t, "a policy that is not there", err, fault.KindNotFound, "")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err = office.Change.Do(ctx, room, by, changes(t, `{"policies": {"returns": "", "privacy": "p"}, "phone": "", "upi": {"vpa": ""}}`)); err != nil || !slices.Equal(slices.Collect(maps.Keys(got.Policies)), []string{"privacy"}) || got.Phone != "" || got.UPI.VPA != "" || got.Name != "Ravi & Sons" {
			t.Errorf("emptied: %+v, %v", got, err)
		}

		kept := settingsOf(t, room)
		for body, pointer := range map[string]string{
			`{"name": ""}`: "/name", `{"name": "a\u0000b"}`: "/name", `{"country": "UK"}`: "/country", `{"currency": "XYZ"}`: "/currency",
			`{"locale": "?"}`: "/locale", `{"timezone": "India"}`: "/timezone", `{"timezone": "../etc/passwd"}`: "/timezone", `{"phone": "12"}`: "/phone",
			`{"whatsapp": "x"}`: "/whatsapp", `{"email": "x"}`: "/email", `{"upi": {"vpa": "ravi"}}`: "/upi/vpa", `{"upi": {"vpa": "a@b&am=1"}}`: "/upi/vpa",
			`{"hold_hours": 0}`: "/hold_hours", `{"delivery": {"countries": []}}`: "/delivery/countries", `{"delivery": {"countries": ["IN", "XX"]}}`: "/delivery/countries/1",
			`{"delivery": {"charge": {"amount": -1, "currency": "INR"}}}`:    "/delivery/charge/amount",
			`{"delivery": {"free_above": {"amount": 1, "currency": "USD"}}}`: "/delivery/free_above/currency",
			`{"theme": {"accent": "red;}"}}`:                                 "/theme/accent", `{"theme": {"font": "Comic Sans"}}`: "/theme/font", `{"theme": {"logo": "../x"}}`: "/theme/logo",
			`{"theme": {"sections": [{"kind": "banner"}, {"kind": "script"}]}}`: "/theme/sections/1/kind", `{"theme": {"sections": [{"kind": "featured", "collection": "a/b"}]}}`: "/theme/sections/0/collection",
			`{"theme": {"sections": [` + strings.Repeat(`{"kind": "text"},`, 20) + `{"kind": "text"}]}}`: "/theme/sections",
			`{"theme": {"tagline": "` + strings.Repeat("x", 161) + `"}}`:                                 "/theme/tagline",
		} {
			if _, err := office.Change.Do(ctx, room, by, changes(t, body)); fault.Of(err) == nil || fault.Of(err).Field != pointer {
				t.Errorf("%s: %v, want %s at fault", body, err, pointer)
			}
		}
		if s := settingsOf(t, room); fmt.Sprintf("%+v", s) != fmt.Sprintf("%+v", kept) {
			t.Errorf("refused changes changed the settings: %+v", s)
		}

		if got, err = office.Change.Do(ctx, room, by, changes(t, `{"currency": "USD"}`)); err != nil || got.Currency != "USD" || got.Delivery.Charge.String() != "0.00 USD" {
			t.Errorf("another currency: %+v, %v", got, err)
		}
		traded = true
		_, err = office.Change.Do(ctx, room, by, changes(t, `{"currency": "INR"}`))
		refused(t, "another currency once there are orders", err, fault.KindConflict, "currency-fixed")
		if got, err = office.Change.Do(ctx, room, by, changes(t, `{"currency": "USD", "cod": false}`)); err != nil || !got.CurrencyFixed || got.COD {
			t.Errorf("the same currency: %+v, %v", got, err)
		}
		stranger := op.Caller{Account: by.Account, Shop: by.Shop + 1}
		_, err = office.Show.Do(ctx, room, stranger, op.Empty{})
		refused(t, "a stranger", err, fault.KindNotFound, "")
	})
}

func TestTheDirectoryFollowsTheName(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		bus := event.NewBus(p.fleet, slog.New(slog.DiscardHandler))
		shop.Subscribe(bus, p.fleet)
		bus.Start(ctx)
		defer bus.Close()
		room := fleettest.NewShop(t, p.fleet, "ravi")
		_, by := p.enter(ravi)
		by.Shop = room.Shop()
		if _, err := shop.NewOffice(nil).Change.Do(ctx, room, by, changes(t, `{"name": "Another name"}`)); err != nil {
			t.Fatal(err)
		}
		if err := bus.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		if room, err := p.fleet.BySlug(ctx, "ravi"); err != nil || room.Name() != "Another name" {
			t.Errorf("the directory says %q, %v", room.Name(), err)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	f := fleettest.OpenFleet(b, b.TempDir(), b.TempDir()+"/control.db", "", schemas, control)
	room := fleettest.NewShop(b, f, "ravi")
	if _, err := room.Change(b.Context(), func(tx *db.Tx) error { return shop.Write(b.Context(), tx, shop.Defaults("Ravi", "IN", "")) }); err != nil {
		b.Fatal(err)
	}
	err := room.View(b.Context(), fleet.Newest, func(r db.Reader) error {
		for b.Loop() {
			if _, err := shop.Of(b.Context(), r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// Two who change different settings at once both keep what they saved.
func TestTwoChangeTheSettings(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		_, by := p.enter(ravi)
		opened, err := p.openAs(by, "Ravi")
		if err != nil {
			t.Fatal(err)
		}
		room, err := p.fleet.BySlug(ctx, opened.Slug)
		if err != nil {
			t.Fatal(err)
		}
		by.Shop = room.Shop()
		office := shop.NewOffice(func(context.Context, db.Reader) (bool, error) { return false, nil })
		const rounds = 20
		var wg sync.WaitGroup
		for _, setting := range []string{`{"name": "Shop %d"}`, `{"theme": {"tagline": "Line %d"}}`, `{"policies": {"returns": "%d days"}}`} {
			wg.Go(func() {
				for n := range rounds {
					if _, err := office.Change.Do(ctx, room, by, changes(t, fmt.Sprintf(setting, n+1))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		got, err := office.Show.Do(ctx, room, by, op.Empty{})
		if err != nil || got.Name != "Shop 20" || got.Theme.Tagline != "Line 20" || got.Policies["returns"] != "20 days" {
			t.Errorf("%q, %q, %q, %v", got.Name, got.Theme.Tagline, got.Policies["returns"], err)
		}
	})
}
