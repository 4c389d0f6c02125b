package storefront

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/a-h/templ"
)

type component interface{ Draw() templ.Component }

func rendered(t *testing.T, v component) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Draw().Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	tag    = regexp.MustCompile(`<[a-zA-Z][^>]*>`)
	inline = regexp.MustCompile(`\s(style|on[a-z]+)=`)
	script = regexp.MustCompile(`<script([^>]*)>`)
	ident  = regexp.MustCompile(`\sid="([^"]*)"`)
	refers = regexp.MustCompile(`\s(?:for|aria-labelledby|aria-describedby)="([^"]*)"`)
)

// TestEveryPage checks what must hold on all of them: nothing that the
// content security policy refuses, one heading, ids that are unique and
// exist, pictures and controls with names, and a size that a poor network
// carries. With HAAT_GALLERY=<folder> it writes them to look at.
func TestEveryPage(t *testing.T) {
	folder := os.Getenv("HAAT_GALLERY")
	for name, v := range pages() {
		t.Run(name, func(t *testing.T) {
			html := rendered(t, v)
			if folder != "" {
				write(t, folder, name+".html", []byte(html))
			}
			if len(html) > 60_000 {
				t.Errorf("%d bytes", len(html))
			}
			for _, tag := range tag.FindAllString(html, -1) {
				if inline.MatchString(tag) {
					t.Errorf("the policy refuses %s", tag)
				}
				if strings.HasPrefix(tag, "<img") && !strings.Contains(tag, " alt") {
					t.Errorf("a picture without words: %s", tag)
				}
				if strings.HasPrefix(tag, "<img") && !strings.Contains(tag, " width=") {
					t.Errorf("a picture without its size: %s", tag)
				}
			}
			for _, m := range script.FindAllStringSubmatch(html, -1) {
				if !strings.Contains(m[1], "src=") && m[1] != ` type="application/ld+json"` {
					t.Errorf("the policy refuses <script%s>", m[1])
				}
			}
			if n := strings.Count(html, "<h1"); n != 1 {
				t.Errorf("%d main headings", n)
			}
			ids := map[string]bool{}
			for _, m := range ident.FindAllStringSubmatch(html, -1) {
				if ids[m[1]] {
					t.Errorf("id %q twice", m[1])
				}
				ids[m[1]] = true
			}
			for _, m := range refers.FindAllStringSubmatch(html, -1) {
				for _, id := range strings.Fields(m[1]) {
					if !ids[id] {
						t.Errorf("nothing has id %q", id)
					}
				}
			}
		})
	}
	if folder == "" {
		return
	}
	for _, name := range []string{"storefront.css", "buy.css", "storefront.js", "icon.svg"} {
		f, _ := Assets.File(Assets.URL(name))
		write(t, folder, f.Path, f.Body)
	}
	for path, css := range themes() {
		write(t, folder, path, css)
	}
	for n := range 40 {
		write(t, folder, strings.SplitN(drawn(n, "", 1, 1).Src, "?", 2)[0], []byte(drawing(n)))
	}
}

func write(t *testing.T, folder, name string, body []byte) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestStylesheetIsSmall(t *testing.T) {
	// What the first pages need, and what the cart and the checkout need beside it.
	for name, most := range map[string]int{"storefront.css": 30_000, "buy.css": 8_000} {
		f, ok := Assets.File(Assets.URL(name))
		if !ok || len(f.Body) > most || len(f.Gzip()) > most/4 {
			t.Errorf("%s has %d bytes, %d compressed", name, len(f.Body), len(f.Gzip()))
		}
	}
}

func TestNoNameEndsTheStructuredData(t *testing.T) {
	p := product()
	p.Name = `</script><script>alert(1)</script>`
	p.Title = p.Name
	if html := rendered(t, p); strings.Contains(html, "<script>") {
		t.Error("a name broke out")
	}
}

// What search engines and previews are told of a product: every variant with
// its price while they are few, the range when they are many.
func TestEveryVariantIsOffered(t *testing.T) {
	type offer struct {
		Type                                    string `json:"@type"`
		Price, PriceCurrency, Availability, SKU string
		URL, LowPrice, HighPrice                string
		OfferCount                              int
	}
	told := func(p Product) (image []string, offers []offer) {
		t.Helper()
		html := rendered(t, p)
		_, rest, _ := strings.Cut(html, `<script type="application/ld+json">`)
		body, _, _ := strings.Cut(rest, "</script>")
		var ld struct {
			Type   string `json:"@type"`
			Image  []string
			Offers json.RawMessage
		}
		if err := json.Unmarshal([]byte(body), &ld); err != nil || ld.Type != "Product" {
			t.Fatalf("%v in %s", err, body)
		}
		if ld.Offers[0] != '[' {
			ld.Offers = append(append([]byte{'['}, ld.Offers...), ']')
		}
		if err := json.Unmarshal(ld.Offers, &offers); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		if !strings.Contains(html, `<meta property="product:price:amount" content="549.00">`) || !strings.Contains(html, `<meta property="og:image" content="https://`) {
			t.Error("a preview has no price or no picture")
		}
		return ld.Image, offers
	}
	p := product()
	if image, offers := told(p); len(image) != 5 || !strings.HasPrefix(image[0], "https://") || len(offers) != 1 || offers[0].SKU != "MD-CC-IND-45" {
		t.Errorf("%v, %+v", image, offers)
	}
	for i := range 3 {
		p.Offers = append(p.Offers, Offer{Variant: "v" + strconv.Itoa(i), SKU: "S" + strconv.Itoa(i), Price: inr(500 + int64(i)), Available: i > 0})
	}
	want := offer{Type: "Offer", Price: "502.00", PriceCurrency: "INR", Availability: "https://schema.org/InStock", SKU: "S2", URL: "https://mitti.example.com/products/cushion?variant=v2"}
	if _, offers := told(p); len(offers) != 3 || offers[2] != want || offers[0].Availability != "https://schema.org/OutOfStock" {
		t.Errorf("%+v", offers)
	}
	for i := range 997 {
		p.Offers = append(p.Offers, Offer{Price: inr(700 + int64(i))})
	}
	many := offer{Type: "AggregateOffer", LowPrice: "500.00", HighPrice: "1696.00", OfferCount: 1000, PriceCurrency: "INR", Availability: "https://schema.org/InStock", URL: "https://mitti.example.com/products/cushion"}
	if _, offers := told(p); len(offers) != 1 || offers[0] != many {
		t.Errorf("%+v", offers)
	}
}

func TestOptionsAreLinksAndTheFormCarriesTheVariant(t *testing.T) {
	html := rendered(t, product())
	for _, want := range []string{`name="variant" value="01J"`, `action="/cart/add"`, `href="?variant=2"`, `aria-current="true"`, "Only 3 left", "Save 26%", `"price":"549.00"`, `"availability":"https://schema.org/InStock"`} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s", want)
		}
	}
	out := product()
	out.Available = false
	if html := rendered(t, out); !strings.Contains(html, "disabled>Sold out") || !strings.Contains(html, "OutOfStock") {
		t.Error("a sold out product can be bought")
	}
}

func TestARefusedCheckoutKeepsWhatWasTyped(t *testing.T) {
	html := rendered(t, refused())
	for _, want := range []string{`value="Meera Deshpande"`, `value="98765"`, `href="#phone"`, `id="phone-error"`, `aria-invalid="true"`, `value="upi" checked`} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestAMerchantsLinksCannotRunScript(t *testing.T) {
	o := placed()
	o.Tracking.URL = "javascript:alert(1)"
	h := home()
	h.Sections[0].Href = "javascript:alert(1)"
	for _, v := range []component{o, h} {
		if strings.Contains(rendered(t, v), "javascript:") {
			t.Error("a link runs script")
		}
	}
}

func TestSavingsAreTrue(t *testing.T) {
	for _, c := range []struct {
		now, was int64
		want     int
	}{{75, 100, 25}, {100, 100, 0}, {120, 100, 0}, {549, 749, 26}} {
		if got := (Price{Now: inr(c.now), Was: inrp(c.was)}).Saving(); got != c.want {
			t.Errorf("%d from %d: %d%%, want %d%%", c.now, c.was, got, c.want)
		}
	}
}
