package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// person is somebody with a browser, who gives the test up at the first thing
// that does not work.
type person struct {
	t   *testing.T
	tab *Tab
}

func (p person) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := p.tab.Do(steps...); err != nil {
		shown, _ := p.tab.Text("body")
		p.t.Fatalf("%s: %v; the page shows %.600q; %v", what, err, shown, p.tab.Complaints())
	}
}

func (p person) open(address string) {
	p.t.Helper()
	p.do("open "+address, chromedp.Navigate(address), chromedp.WaitVisible(chromedp.CSS("main")))
}

func (p person) write(field, text string) {
	p.t.Helper()
	p.do("write "+text, chromedp.SetValue(chromedp.CSS(`[name="`+field+`"]`), text))
}

func (p person) sees(css, text string) {
	p.t.Helper()
	if err := p.tab.Shows(css, text); err != nil {
		p.t.Fatal(err)
	}
}

// From nothing to an order that is sent and paid: a merchant signs up, adds a
// product, imports a catalogue and waits; a shopper finds what there is and
// orders; the merchant sees it come, accepts it, sends it and takes the money.
// The program is killed in between, and nothing is gone.
func TestJourney(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	bin, err := Binary(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	haat, err := Start(ctx, bin, "serve", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer haat.Close()
	browser, err := Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer browser.Close()
	someone := func(d Device) person {
		tab, err := browser.Tab(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tab.Close)
		return person{t, tab}
	}

	merchant := someone(Phone)
	merchant.open(haat.URL + "/signin?next=/new")
	merchant.write("contact", "+919812345678")
	merchant.do("ask for a code", chromedp.Submit(chromedp.CSS(`[name="contact"]`)), chromedp.WaitVisible(chromedp.CSS(`[name="code"]`)))
	code, err := haat.Code(ctx, "+919812345678")
	if err != nil {
		t.Fatal(err)
	}
	merchant.do("sign in", chromedp.SendKeys(chromedp.CSS(`[name="code"]`), code), chromedp.WaitVisible(chromedp.CSS(`[name="name"]`)))
	merchant.write("name", "Ravi's Pots")
	merchant.do("open the shop", chromedp.Submit(chromedp.CSS(`[name="name"]`)), chromedp.WaitVisible(chromedp.CSS(`#today-numbers`)))

	const base = "/shops/ravis-pots"
	merchant.open(haat.URL + base + "/quick")
	merchant.write("title", "Blue Pot")
	merchant.write("price", "499.50")
	merchant.write("stock", "3")
	merchant.do("publish", chromedp.Submit(chromedp.CSS(`[name="title"]`)), chromedp.WaitVisible(chromedp.CSS(`section.just`)))

	catalogue, err := filepath.Abs("../internal/catalog/shopify/testdata/legacy.csv")
	if err != nil {
		t.Fatal(err)
	}
	merchant.open(haat.URL + base + "/import")
	merchant.do("check a catalogue", chromedp.SetUploadFiles(chromedp.CSS(`#file`), []string{catalogue}),
		chromedp.Click(chromedp.CSS(`button[value="1"]`)), chromedp.WaitVisible(chromedp.CSS(`form[action$="/apply"] button`)))
	merchant.do("import it, at once", chromedp.Click(chromedp.CSS(`form[action$="/apply"] button`)), chromedp.WaitVisible(chromedp.CSS(`#import a[href$="/products"]`)))
	merchant.open(haat.URL + base + "/share")
	merchant.sees("main", "ravis-pots")

	haat.Kill()
	if err := haat.Again(ctx); err != nil {
		t.Fatal(err)
	}
	merchant.open(haat.URL + base) // and stays there, watching

	shopper := someone(Desktop)
	shopper.open(haat.Shop("ravis-pots") + "/")
	shopper.sees("main", "Blue Pot")
	shopper.open(haat.Shop("ravis-pots") + "/search?q=POTS")
	shopper.sees("main", "Blue Pot")
	shopper.open(haat.Shop("ravis-pots") + "/search?q=coffee+sheesham")
	shopper.sees("main", "Sheesham Coffee Table")
	shopper.open(haat.Shop("ravis-pots") + "/products/blue-pot")
	shopper.sees("main", "499.50")
	shopper.do("add to the cart", chromedp.Submit(chromedp.CSS(`#buy`)), chromedp.WaitVisible(chromedp.CSS(`#cart`)))
	shopper.open(haat.Shop("ravis-pots") + "/checkout")
	shopper.do("order with nothing filled in", chromedp.Submit(chromedp.CSS(`#checkout`)), chromedp.WaitVisible(chromedp.CSS(`[name="phone"][aria-invalid="true"]`)))
	for field, text := range map[string]string{
		"name": "Asha Rao", "phone": "98765 43210", "line1": "12 MG Road", "city": "Bengaluru", "postal_code": "560001",
	} {
		shopper.write(field, text)
	}
	shopper.do("choose a state", chromedp.SetValue(chromedp.CSS(`[name="state"]`), "KA"))
	shopper.do("order", chromedp.Submit(chromedp.CSS(`#checkout`)), chromedp.WaitVisible(chromedp.CSS(`h1`)))
	shopper.sees("h1", "Thank you, Asha")
	shopper.sees("main", "1001")

	merchant.do("the order arrives by itself", chromedp.WaitVisible(chromedp.CSS(`a[href*="/orders/"]`)))
	merchant.sees("main", "Asha Rao")
	if _, err := haat.Message(ctx, "+919876543210", func(m Message) bool { return strings.Contains(m.Text, "/orders/") }); err != nil {
		t.Errorf("the shopper was not told: %v", err)
	}
	merchant.do("look at the order", chromedp.Click(chromedp.CSS(`a[href*="/orders/"]`)), chromedp.WaitVisible(chromedp.CSS(`form[action$="/accept"] button`)))
	merchant.do("accept it, at once", chromedp.Click(chromedp.CSS(`form[action$="/accept"] button`)), chromedp.WaitVisible(chromedp.CSS(`[name="tracking"]`)))
	merchant.write("tracking", "EE123456789IN")
	merchant.do("send it", chromedp.Click(chromedp.CSS(`form[action$="/fulfil"] button`)), chromedp.WaitVisible(chromedp.CSS(`.todo form[action$="/paid"] button`))) // what is left to do, on the next page
	merchant.do("take the money", chromedp.Click(chromedp.CSS(`form[action$="/paid"] button`)), chromedp.WaitNotPresent(chromedp.CSS(`form[action$="/paid"]`)))
	shopper.do("look again", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(`h1`)))
	shopper.sees("main", "EE123456789IN")
	merchant.open(haat.URL + base)
	merchant.sees("#today-numbers", "100 % ordered") // one visit, however many pages, and one order
	for name, p := range map[string]person{"merchant": merchant, "shopper": shopper} {
		// The order with nothing filled in was answered by 422, which Chromium notes.
		if err := p.tab.Complaints(); err != nil && !strings.Contains(err.Error(), "status of 422") {
			t.Errorf("the %s's browser complains: %v", name, err)
		}
		if wide, err := p.tab.Overflow(); err != nil || wide > 0 {
			t.Errorf("the %s's page is %d px too wide, %v", name, wide, err)
		}
	}
}
