// Command screenshots takes the pictures of the README from a demo shop of
// its own, at phone and desktop size.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/chromedp/chromedp"

	"haat/e2e"
)

func main() {
	out := flag.String("out", "docs/screenshots", "folder to write to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	dir, err := os.MkdirTemp("", "haat-screenshots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin, err := e2e.Binary(ctx, dir)
	if err != nil {
		return err
	}
	haat, err := e2e.Start(ctx, bin, "demo", filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer haat.Close()
	browser, err := e2e.Open(ctx)
	if err != nil {
		return err
	}
	defer browser.Close()

	var goods struct {
		Items []struct {
			Handle string `json:"handle"`
		} `json:"items"`
	}
	shop := haat.Shop("demo")
	err = haat.Until(ctx, func() error { // its shelves fill after the start
		if err := haat.Get(ctx, shop+"/api/v1/products", &goods); err != nil {
			return err
		}
		if n := len(goods.Items); n < 18 {
			return fmt.Errorf("the demo shop at %s has only %d products", shop, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := haat.Message(ctx, "+919830099001", func(e2e.Message) bool { return true }); err != nil { // the last of its first orders
		return err
	}
	pictures := []struct{ name, address string }{
		{"storefront-home", shop + "/"},
		{"dashboard-today", haat.URL + "/shops/demo"},
		{"dashboard-products", haat.URL + "/shops/demo/products"},
		{"storefront-product", shop + "/products/block-print-cushion"},
		{"storefront-collection", shop + "/collections/handmade"},
	}
	for _, device := range []e2e.Device{e2e.Phone, e2e.Desktop} {
		tab, err := browser.Tab(device)
		if err != nil {
			return err
		}
		if err := signIn(ctx, haat, tab); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		for _, p := range pictures {
			if err := tab.Do(chromedp.Navigate(p.address)); err != nil {
				return fmt.Errorf("open %s: %w", p.address, err)
			}
			if err := tab.Screenshot(filepath.Join(out, p.name+"-"+device.Name+".png")); err != nil {
				return err
			}
		}
		if err := buy(tab, shop, func(name string) error {
			return tab.Screenshot(filepath.Join(out, name+"-"+device.Name+".png"))
		}); err != nil {
			return fmt.Errorf("buy something: %w", err)
		}
		tab.Close()
	}
	return nil
}

// buy orders a mug, with a picture of the checkout and of the order.
func buy(tab *e2e.Tab, shop string, picture func(name string) error) error {
	err := tab.Do(chromedp.Navigate(shop+"/products/terracotta-mug"), chromedp.Click(chromedp.CSS(`.buy-add`)), chromedp.WaitVisible(chromedp.CSS(`#cart`)),
		chromedp.Navigate(shop+"/checkout"), chromedp.WaitVisible(chromedp.CSS(`#checkout`)))
	if err != nil {
		return err
	}
	for field, text := range map[string]string{"name": "Meera Iyer", "phone": "98450 11224", "line1": "22 2nd Cross, Indiranagar", "city": "Bengaluru", "postal_code": "560038", "state": "KA"} {
		if err := tab.Do(chromedp.SetValue(chromedp.CSS(`[name="`+field+`"]`), text)); err != nil {
			return err
		}
	}
	if err := picture("storefront-checkout"); err != nil {
		return err
	}
	if err := tab.Do(chromedp.Click(chromedp.CSS(`[name="payment"][value="upi"]`)), chromedp.Click(chromedp.CSS(`.pay-go button`)), chromedp.WaitVisible(chromedp.CSS(`.upi`))); err != nil {
		return err
	}
	return picture("storefront-order")
}

// signIn lets a tab into the demo shop's dashboard.
func signIn(ctx context.Context, haat *e2e.Haat, tab *e2e.Tab) error {
	const who = "demo@example.com"
	err := tab.Do(chromedp.Navigate(haat.URL+"/signin?next=/shops/demo"), chromedp.SetValue(chromedp.CSS(`[name="contact"]`), who),
		chromedp.Submit(chromedp.CSS(`[name="contact"]`)), chromedp.WaitVisible(chromedp.CSS(`[name="code"]`)))
	if err != nil {
		return err
	}
	code, err := haat.Code(ctx, who)
	if err != nil {
		return err
	}
	return tab.Do(chromedp.SendKeys(chromedp.CSS(`[name="code"]`), code), chromedp.WaitVisible(chromedp.CSS(`#today-numbers`)))
}
