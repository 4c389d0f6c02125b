package e2e

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowser proves the means: devices, colours, cookies of one's own, names
// below localhost, complaints and screenshots, on a page made for it.
func TestBrowser(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("seen")
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		fmt.Fprintf(w, `<!doctype html><meta name=viewport content="width=device-width">
			<style>@media (prefers-color-scheme: dark) { #dark { display: block } } #dark { display: none }</style>
			<p id=host>%s</p><p id=again>%t</p><p id=script>off</p>
			<script>document.querySelector("#script").textContent = "on " + innerWidth + " " + matchMedia("(prefers-color-scheme: dark)").matches</script>
			<script>if (location.search == "?bad") throw new Error("made up")</script>`, r.Host, err == nil)
	}))
	t.Cleanup(server.Close)
	browser, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(browser.Close)
	address := strings.Replace(server.URL, "127.0.0.1", "some-shop.localhost", 1)

	tab := func(d Device) *Tab {
		one, err := browser.Tab(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(one.Close)
		return one
	}
	read := func(one *Tab, address, css string) string {
		t.Helper()
		if err := one.Do(chromedp.Navigate(address)); err != nil {
			t.Fatal(err)
		}
		text, err := one.Text(css)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("the page shows %q, not %q", got, want)
		}
	}

	phone := tab(Phone)
	want(read(phone, address, "#host"), strings.TrimPrefix(address, "http://"))
	want(read(phone, address, "#again"), "true")
	want(read(phone, address, "#script"), "on 390 false")
	want(read(tab(Desktop), address, "#again"), "false")
	want(read(tab(Device{Name: "dark", Width: 800, Height: 600, Scale: 1, Dark: true}), address, "#script"), "on 800 true")
	want(read(tab(Device{Name: "plain", Width: 800, Height: 600, Scale: 1, NoScript: true}), address, "#script"), "off")

	if err := phone.Complaints(); err != nil {
		t.Errorf("a good page complains: %v", err)
	}
	read(phone, address+"?bad", "#host")
	if err := phone.Complaints(); err == nil || !strings.Contains(err.Error(), "made up") {
		t.Errorf("a bad page complains: %v", err)
	}

	file := filepath.Join(t.TempDir(), "phone.png")
	if err := phone.Screenshot(file); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if config, err := png.DecodeConfig(f); err != nil || config.Width != 780 || config.Height != 1688 {
		t.Errorf("the screenshot is %d×%d: %v", config.Width, config.Height, err)
	}
}
