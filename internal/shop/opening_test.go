package shop_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

func settingsOf(t *testing.T, room *fleet.Room) (s shop.Settings) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		s, err = shop.Of(t.Context(), r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestANewShopSellsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		_, by := p.enter(other)
		got, err := p.openAs(by, "  Ravi’s Störe ")
		if err != nil || got.Slug != "ravis-store" || got.URL != "https://ravis-store.haat.test" || got.Name != "Ravi’s Störe" || got.Currency != "EUR" || got.Country != "DE" {
			t.Fatalf("%+v, %v", got, err)
		}
		room, err := p.fleet.ByHost(ctx, "ravis-store.haat.test")
		if err != nil || room.Shop() != got.ID || room.Name() != "Ravi’s Störe" {
			t.Fatalf("the shop is not live: %v", err)
		}
		s := settingsOf(t, room)
		if !s.COD || s.UPI.VPA != "" || s.Delivery.Charge != 0 || !s.Delivery.Sells("DE") || s.Delivery.Sells("FR") || s.HoldHours != 24 ||
			!s.PricesIncludeTax || s.Timezone != "Europe/Berlin" || s.Locale != "de-DE" || s.Theme.Font != "system" {
			t.Errorf("settings: %+v", s)
		}
		if mine, err := p.Shops.Do(ctx, by, shop.MyList{}); err != nil || len(mine.Items) != 1 || mine.Items[0].Slug != "ravis-store" || mine.Items[0].Role != shop.Owner {
			t.Errorf("my shops: %+v, %v", mine, err)
		}

		in := shop.Opening{}
		in.Body.Name, in.Body.Country, in.Body.Currency = "Ravi's Store", "in", "usd"
		got, err = p.OpenShop.Do(ctx, by, in)
		if err != nil || got.Slug != "ravis-store-2" || got.Country != "IN" || got.Currency != "USD" {
			t.Errorf("%+v, %v", got, err)
		}
		_, byMail := p.enter(mail)
		if got, err = p.openAs(byMail, "Mail"); err != nil || got.Slug != "mail-shop" || got.Country != "IN" || got.Currency != "INR" {
			t.Errorf("without a phone, by a reserved name: %+v, %v", got, err)
		}
		for pointer, change := range map[string]func(){
			"/name":     func() { in.Body.Name = " \u0007" },
			"/country":  func() { in.Body.Country = "XX" },
			"/currency": func() { in.Body.Currency = "RUPEE" },
		} {
			in = shop.Opening{}
			in.Body.Name = "x"
			change()
			if _, err := p.OpenShop.Do(ctx, by, in); fault.Of(err) == nil || fault.Of(err).Field != pointer {
				t.Errorf("%s: %v", pointer, err)
			}
		}
		for _, name := range []string{"", "   ", strings.Repeat("न", 81)} {
			if _, err := p.openAs(by, name); !fault.Is(err, fault.KindInvalid) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		if got, err := p.openAs(by, strings.Repeat("न", 80)); err != nil || len(got.Slug) > 63 {
			t.Errorf("a name of 80 characters: %+v, %v", got, err)
		}
	})
}

func TestAHundredShopsOfOneName(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		_, by := p.enter(ravi)
		slugs := make([]string, 100)
		var wg sync.WaitGroup
		for i := range slugs {
			wg.Go(func() {
				got, err := p.openAs(by, "Ravi")
				if err != nil {
					t.Errorf("shop %d: %v", i, err)
				}
				slugs[i] = got.Slug
			})
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, s := range slugs {
			if seen[s] || !strings.HasPrefix(s, "ravi") {
				t.Errorf("the slug %q was given twice, or is odd", s)
			}
			seen[s] = true
		}
		mine, err := p.Shops.Do(t.Context(), by, shop.MyList{Page: op.Page{Limit: 250}})
		if n, _ := p.fleet.Count(t.Context()); err != nil || len(mine.Items) != 100 || n != 100 {
			t.Errorf("%d shops are mine, of %d; %v", len(mine.Items), n, err)
		}
	})
}

func TestOpeningOnceForAKey(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		_, by := p.enter(ravi)
		by.Key = "k1"
		ids := make([]id.Shop, 10)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				got, err := p.openAs(by, "Ravi")
				if err != nil {
					t.Errorf("try %d: %v", i, err)
				}
				ids[i] = got.ID
			})
		}
		wg.Wait()
		for _, s := range ids {
			if s != ids[0] {
				t.Errorf("one key opened %v and %v", ids[0], s)
			}
		}
		_, err := p.openAs(by, "Another")
		refused(t, "the key for another name", err, fault.KindConflict, "idempotency-key-reused")
		if n, err := p.fleet.Count(t.Context()); n != 1 || err != nil {
			t.Errorf("%d shops, %v", n, err)
		}
		// What lost the race is nobody's, and swept.
		if _, err := p.fleet.SweepOrphans(t.Context(), -time.Minute); err != nil {
			t.Fatal(err)
		}
		room, err := p.fleet.BySlug(t.Context(), "ravi")
		if err != nil || settingsOf(t, room).Name != "Ravi" {
			t.Errorf("the shop after the sweep: %v", err)
		}
		_, by = p.enter(other)
		by.Key = "k1"
		if got, err := p.openAs(by, "Ravi"); err != nil || got.ID == ids[0] {
			t.Errorf("somebody else with the same key: %+v, %v", got, err)
		}
	})
}

// A sign-up that dies after the shard was written, before the directory, can
// be made again, and leaves nothing behind.
func TestASignUpThatDies(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		_, by := p.enter(ravi)
		_, err := p.fleet.Create(ctx, id.NewShop(), "ravi", "Ravi",
			func(tx *db.Tx) error { return shop.Write(ctx, tx, shop.Defaults("Ravi", "IN", "")) },
			func(*db.ControlTx) error { return errors.New("died") })
		if err == nil {
			t.Fatal("did not die")
		}
		if got, err := p.openAs(by, "Ravi"); err != nil || got.Slug != "ravi" {
			t.Errorf("again: %+v, %v", got, err)
		}
		if n, err := p.fleet.SweepOrphans(ctx, -time.Minute); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		if room, err := p.fleet.BySlug(ctx, "ravi"); err != nil || settingsOf(t, room).Name != "Ravi" {
			t.Errorf("the living shop: %v", err)
		}
	})
}

func TestMembers(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		ctx := t.Context()
		_, mine := p.enter(ravi)
		_, theirs := p.enter(other)
		a, err1 := p.openAs(mine, "A shop")
		b, err2 := p.openAs(theirs, "B shop")
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for range 2 { // looked up, then remembered
			for i, c := range []struct {
				by   op.Caller
				shop id.Shop
				want bool
			}{{mine, a.ID, true}, {mine, b.ID, false}, {theirs, b.ID, true}, {theirs, a.ID, false}, {mine, id.NewShop(), false}, {op.Caller{}, a.ID, false}} {
				if got, err := p.Member(ctx, c.by.Account, c.shop); got != c.want || err != nil {
					t.Errorf("case %d: %v, %v", i, got, err)
				}
			}
		}
		room, err := p.Demo(ctx, mine.Account, "demo", shop.Defaults("Demo", "IN", ""))
		if err != nil || room.Slug() != "demo" {
			t.Fatalf("demo: %v", err)
		}
		if again, err := p.Demo(ctx, mine.Account, "demo", shop.Defaults("Demo", "IN", "")); err != nil || again.Shop() != room.Shop() {
			t.Errorf("demo again: %v", err)
		}
		owner, err := p.Ensure(ctx, shop.Contact{Kind: shop.Phone, Address: ravi})
		if err != nil || owner != mine.Account {
			t.Errorf("ensure: %v, %v", owner, err)
		}
		token, err := p.OpenSession(ctx, owner, "program", "")
		if err != nil || p.caller(token).Account != owner {
			t.Errorf("open session: %v", err)
		}
	})
}

func TestManyPeopleAtOnce(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				to := fmt.Sprintf("merchant%d@example.com", i)
				_, by := p.enter(to)
				if _, err := p.openAs(by, "Shop"); err != nil {
					t.Errorf("%s: %v", to, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestMailsSayWhatTheyAreAbout(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		var in shop.CodeRequest
		in.Body.Address = address("asha@example.com")
		if _, err := p.SendCode.Do(t.Context(), op.Caller{IP: "192.0.2.1"}, in); err != nil {
			t.Fatal(err)
		}
		m := p.last("asha@example.com")
		if m.Subject != "Your sign-in code at haat.test" || strings.Contains(m.Subject, m.Code) || !strings.Contains(m.Text, m.Code) {
			t.Errorf("%+v", m)
		}
	})
}
