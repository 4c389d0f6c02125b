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
	if err := haat.Get(ctx, shop+"/api/v1/products?limit=1", &goods); err != nil {
		return err
	}
	if len(goods.Items) == 0 {
		return fmt.Errorf("the demo shop at %s sells nothing", shop)
	}
	pictures := []struct{ name, address string }{
		{"storefront-home", shop + "/"},
		{"storefront-product", shop + "/products/" + goods.Items[0].Handle},
	}
	for _, device := range []e2e.Device{e2e.Phone, e2e.Desktop} {
		tab, err := browser.Tab(device)
		if err != nil {
			return err
		}
		for _, p := range pictures {
			if err := tab.Do(chromedp.Navigate(p.address)); err != nil {
				return fmt.Errorf("open %s: %w", p.address, err)
			}
			if err := tab.Screenshot(filepath.Join(out, p.name+"-"+device.Name+".png")); err != nil {
				return err
			}
		}
		tab.Close()
	}
	return nil
}
