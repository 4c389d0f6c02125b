package app

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"haat/internal/web"
)

// TestHosts sees that a request goes where its host leads, however that is
// written, and that other hosts lead nowhere.
func TestHosts(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	get := func(host, path string) *answer {
		return s.send(call{method: "GET", url: "ignored.test" + path}.with("Host", host))
	}
	for _, host := range []string{x.host, x.host + ":8080", x.host + ":1", strings.ToUpper(x.host), x.host + ".", strings.ToUpper(x.host) + ".:443"} {
		get(host, "/api/v1/products").want(200).is(x.has["product handle"], "items", 1, "handle")
		if a := get(host, "/"); a.status != 200 || !strings.Contains(a.body, "Aalto Goods") {
			t.Errorf("%s: %d", host, a.status)
		}
	}
	for _, host := range []string{domain, domain + ":8080", strings.ToUpper(domain), domain + ".", "127.0.0.1:9999", "[::1]:80"} {
		get(host, "/api/v1/account").problem(401, "")
		get(host, "/signin").want(200)
	}
	for _, host := range []string{"nobody." + domain, "x." + x.host, x.host + ".evil.example", "evil.example", "localhost", "-." + domain, "." + domain, "a_b." + domain, "xn--." + domain, strings.Repeat("a", 64) + "." + domain} {
		for _, path := range []string{"/", "/signin", "/products/" + x.has["product handle"], "/shops/" + x.slug, "/dev/messages"} {
			if a := get(host, path); a.status != 404 || strings.Contains(a.body, "Aalto Goods") {
				t.Errorf("%s%s: %d", host, path, a.status)
			}
		}
		get(host, "/api/v1/account").problem(404, "")
		get(host, "/api/v1/products").problem(404, "")
	}
}

// TestHostileBodies sends what nobody in their right mind would. Everything
// is refused as invalid, with a pointer where there is a place to point to.
func TestHostileBodies(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	products, orders := x.base+"/products", x.host+"/api/v1/orders"
	product := func(more string) string { return `{"title": "T", ` + more + `}` }
	price := func(p string) string { return product(`"variants": [{"price": ` + p + `}]`) }
	lines := func(l string) string { return `{"lines": [` + l + `]}` }
	id := `"variant_id": "` + x.has["variant"] + `"`
	carts := x.host + "/api/v1/carts"
	s.still(x.slug)
	still := s.writes(x.slug)
	for _, c := range []struct{ url, body, pointer string }{
		{products, ``, ""}, {products, `{`, ""}, {products, `null`, ""}, {products, `[]`, ""}, {products, `"x"`, ""}, {products, `{"title": "T"} {"title": "U"}`, ""},
		{products, strings.Repeat(`[`, 100_000), ""}, {products, strings.Repeat(`{"a":`, 100_000), ""}, {products, product(`"seo": ` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000)), "/seo"},
		{products, product(`"colour": "red"`), "/colour"}, {products, `{"title": 5}`, "/title"}, {products, `{"title": null, "vendor": {}}`, "/vendor"}, {products, `{}`, "/title"}, {products, `{"title": ""}`, "/title"}, {products, `{"title": "  \u0000 "}`, "/title"},
		{products, `{"title": "` + strings.Repeat("x", 256) + `"}`, "/title"}, {products, product(`"status": "gone"`), "/status"}, {products, product(`"options": [{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]`), "/options"},
		{products, price(`{"amount": -1, "currency": "INR"}`), "/variants/0/price/amount"}, {products, price(`{"amount": 9223372036854775807, "currency": "INR"}`), "/variants/0/price/amount"},
		{products, price(`{"amount": 9223372036854775808, "currency": "INR"}`), ""}, {products, price(`{"amount": 1e400, "currency": "INR"}`), ""}, {products, price(`{"amount": 1.5, "currency": "INR"}`), "/variants/0/price/amount"}, {products, price(`{"amount": "5", "currency": "INR"}`), "/variants/0/price/amount"},
		{products, price(`{"amount": 1, "currency": "USD"}`), "/variants/0/price/currency"}, {products, price(`5`), "/variants/0/price"}, {products, product(`"variants": [{}]`), "/variants/0/price"},
		{products, product(`"variants": [{"price": {"amount": 1, "currency": "INR"}, "available": -1}]`), ""}, {products, product(`"variants": [{"price": {"amount": 1, "currency": "INR"}, "available": 99999999999999999}]`), ""}, {products, product(`"variants": [{"price": {"amount": 1, "currency": "INR"}, "weight_grams": -5}]`), ""},
		{products, product(`"images": [{"hash": "` + strings.Repeat("../", 10) + `ab"}]`), "/images/0/hash"},
		{carts, lines(`{` + id + `, "quantity": 0}`), "/lines/0/quantity"}, {carts, lines(`{` + id + `, "quantity": -1}`), "/lines/0/quantity"}, {carts, lines(`{` + id + `, "quantity": 1000}`), "/lines/0/quantity"}, {carts, lines(`{` + id + `, "quantity": 1.5}`), "/lines/0/quantity"},
		{carts, lines(`{` + id + `, "quantity": 18446744073709551617}`), ""}, {carts, lines(`{` + id + `}`), "/lines/0/quantity"}, {carts, lines(`{` + id + `, "quantity": 600}, {` + id + `, "quantity": 600}`), "/lines/1/quantity"},
		{carts, lines(strings.TrimSuffix(strings.Repeat(`{`+id+`, "quantity": 1},`, 10_000), ",")), "/lines"},
		{orders, `{"payment": "cod"}`, "/lines"}, {orders, `{"payment": "barter", ` + lines(`{` + id + `, "quantity": 1}`)[1:], "/payment"}, {orders, lines(`{` + id + `, "quantity": 1}`), "/payment"},
		{orders, `{"payment": "cod", "cart_id": "x", ` + lines(`{` + id + `, "quantity": 1}`)[1:], "/lines"},
		{orders, `{"payment": "cod", "contact": {"name": "A", "phone": "12"}, "shipping_address": {}, ` + lines(`{` + id + `, "quantity": 1}`)[1:], "/contact/phone"},
		{orders, `{"payment": "cod", "contact": {"name": "A", "phone": "+919845011223"}, "shipping_address": {"country": "FR"}, ` + lines(`{` + id + `, "quantity": 1}`)[1:], "/shipping_address/line1"},
		{domain + "/api/v1/shops", `{}`, "/name"}, {domain + "/api/v1/shops", `{"name": "x", "currency": "XXXX"}`, "/currency"}, {domain + "/api/v1/shops", `{"name": "x", "country": "ZZ"}`, "/country"},
	} {
		token := x.token
		if strings.HasPrefix(c.url, x.host) {
			token = ""
		}
		a := s.post(c.url, token, c.body)
		a.asked += " " + c.body[:min(len(c.body), 160)]
		a.problem(422, c.pointer)
	}
	if n := s.writes(x.slug); n != still {
		t.Errorf("what was refused wrote %d times", n-still)
	}
	s.post(products, x.token, `{"title": "bad `+"\xff\xfe"+`", "variants": [{"price": {"amount": 1, "currency": "INR"}}]}`).want(201) // as encoding/json has it: replaced, not kept
	// Of two keys the last is meant, everywhere.
	s.post(products, x.token, `{"title": "One", "title": "Two", "variants": [{"price": {"amount": 1, "currency": "INR"}}]}`).want(201).is("Two", "title")
	// The dearest thing, as many as there can be: the total is right or refused, never turned round.
	dear := s.post(products, x.token, product(`"status": "active", "variants": [{"price": {"amount": 999999999999, "currency": "INR"}}]`))
	if dear.status == 201 {
		cart := s.post(carts, "", fmt.Sprintf(`{"lines": [{"variant_id": %q, "quantity": 999}]}`, dear.text("variants", 0, "id")))
		if total, _ := cart.at("total", "amount").(float64); cart.status == 201 && total != 999999999999*999 {
			t.Errorf("the total of very much is %s", cart.body)
		}
	}
	// Other kinds of content.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "nonsense;;;"} {
		a := s.send(call{method: "POST", url: carts, body: `{"lines": []}`}.with("Content-Type", kind))
		if a.status != 415 && a.status != 422 && a.status != 400 {
			t.Errorf("%s: %d %s", kind, a.status, a.body)
		}
	}
	// Too much of it, said beforehand or not.
	big := strings.Repeat("x", 2<<20)
	for _, c := range []call{
		{method: "POST", url: carts, body: `{"x": "` + big + `"}`}, {method: "POST", url: carts, body: io.MultiReader(strings.NewReader(`{"x": "` + big + `"}`))}, {method: "POST", url: x.host + "/cart/add", body: url.Values{"variant": {big}}},
		{method: "POST", url: domain + "/signin", body: url.Values{"contact": {big}}}, {method: "PATCH", url: x.base + "/settings", token: x.token, body: `{"address": "` + big + `"}`},
	} {
		if a := s.send(c.with("Content-Type", "application/json")); a.status != 413 {
			t.Errorf("%s %s with %d bytes: %d %.200s", c.method, c.url, len(big), a.status, a.body)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "DELETE"} {
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://"+s.public+"/api/v1/carts", nil)
		r.Host = x.host
		res, err := http.DefaultClient.Do(r)
		if err != nil || res.StatusCode != 405 && res.StatusCode != 404 {
			t.Errorf("%s: %v, %v", method, res, err)
			continue
		}
		res.Body.Close()
	}
	if a := s.send(call{method: "DELETE", url: carts}); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("the wrong method: %d, allowed is %q", a.status, a.header.Get("Allow"))
	}
}

// TestTheRestIsNotARequest sends bodies that are refused half read, with what
// looks like a request in the rest: behind a proxy, its answer would be given
// to somebody else.
func TestTheRestIsNotARequest(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	smuggled := "GET /healthz HTTP/1.1\r\nHost: " + domain + "\r\n\r\n"
	rest := strings.Repeat(smuggled, 40_000)
	for _, path := range []string{"/api/v1/carts", "/cart/add", "/api/v1/nothing", "/nothing", "/api/v1/products"} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
			for _, head := range []string{fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(rest)), fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rest)), "Content-Length: 900000\r\n\r\n"} {
				c, err := net.Dial("tcp", s.public)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n%s", path, x.host, kind, head)
					io.WriteString(c, rest[:900_000])
					if !strings.Contains(head, "900000") {
						io.WriteString(c, rest[900_000:]) // nothing may be there to read it
					}
					c.(*net.TCPConn).CloseWrite()
				}()
				if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(c) // a reset ends it too
				c.Close()
				if n := strings.Count(string(b), "HTTP/1.1 "); n > 1 || strings.Contains(string(b), "\r\n\r\nok\n") {
					t.Errorf("POST %s as %s with %.30q: %d answers: %.600s", path, kind, head, n, b)
				}
			}
		}
	}
}

// TestSlowClients sees that who never ends a request's head is hung up on, and
// that all deadlines are set.
func TestSlowClients(t *testing.T) {
	srv, l, err := listen("127.0.0.1:0", 100, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if srv.ReadHeaderTimeout <= 0 || srv.ReadHeaderTimeout > 15*time.Second || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes > 64<<10 {
		t.Errorf("the server waits %v for a head, %v for the next request, and reads heads of %d", srv.ReadHeaderTimeout, srv.IdleTimeout, srv.MaxHeaderBytes)
	}
	srv.ReadHeaderTimeout = 200 * time.Millisecond
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || strings.Contains(string(b), "200") {
		t.Errorf("a slow head: %q, %v", b, err)
	}
	// A head that is too large.
	d, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fmt.Fprintf(d, "GET / HTTP/1.1\r\nHost: a\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 40<<10))
	res, err := http.ReadResponse(bufio.NewReader(d), nil)
	if err == nil && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large head: %d", res.StatusCode)
	}
}

// TestFilesStayInside asks for what lies outside of pictures and assets.
func TestFilesStayInside(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	secret, err := os.ReadFile(filepath.Join(s.app.cfg.Data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	picture := s.get(x.host+"/api/v1/products/"+x.has["product handle"], "").want(200).text("images", 0, "url")
	got := s.get(x.host+picture, "").want(200)
	if got.header.Get("Content-Type") != "image/webp" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a picture: %v", got.header)
	}
	for _, path := range []string{
		"/media/../secret.key", "/media/..%2fsecret.key", "/media/%2e%2e/secret.key", "/media/%2e%2e%2fsecret.key", "/media/..\\secret.key", "/media//etc/passwd", "/media/x/../../../etc/passwd", "/media/" + strings.Repeat("../", 9) + "etc/passwd",
		picture + "/../../../secret.key", strings.Replace(picture, ".webp", ".webp%00.key", 1), strings.Replace(picture, "-", "-9", 1), "/assets/../secret.key", "/assets/%2e%2e/%2e%2e/secret.key", "/assets/", "/media/", "/assets/..%5c..%5csecret.key",
	} {
		for _, host := range []string{x.host, domain, "ops.test"} {
			c, err := net.Dial("tcp", map[bool]string{true: s.ops, false: s.public}[host == "ops.test"])
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
			b, _ := io.ReadAll(c)
			c.Close()
			if strings.HasPrefix(string(b), "HTTP/1.1 200") || strings.Contains(string(b), strings.TrimSpace(string(secret))) || strings.Contains(string(b), "root:") || len(b) == 0 {
				t.Errorf("%s%s: %.200s", host, path, b)
			}
		}
	}
}

// TestRedirectsStayHere tries to be sent elsewhere, or to write a header.
func TestRedirectsStayHere(t *testing.T) {
	s := open(t, nil)
	for i, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "/%0d%0aSet-Cookie:%20a=b", "/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "/\t/evil.example", "/ok"} {
		phone := fmt.Sprint("+91987654330", i)
		sent := s.post(domain+"/signin", "", url.Values{"contact": {phone}, "next": {next}}).want(http.StatusSeeOther)
		s.signIn(phone) // so that the next sign-in is not the first, which goes to open a shop
		s.post(domain+"/signin", "", url.Values{"contact": {phone}, "next": {next}}).want(http.StatusSeeOther)
		in := s.post(domain+"/code", "", url.Values{"contact": {phone}, "code": {s.code(phone)}, "next": {next}}).want(http.StatusSeeOther)
		ops := s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}, "next": {next}}).want(http.StatusSeeOther)
		for _, a := range []*answer{sent, in, ops} {
			to := a.header.Get("Location")
			u, err := url.Parse(to)
			if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.Contains(strings.Join(a.header.Values("Set-Cookie"), " "), "a=b") {
				t.Errorf("next=%q leads to %q", next, to)
			}
		}
		if next == "/ok" && in.header.Get("Location") != "/ok" {
			t.Errorf("a path of ours leads to %q", in.header.Get("Location"))
		}
	}
}

// TestCookies looks at every cookie that is set, by http and by https.
func TestCookies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := open(t, func(c *Config) {
			if secure {
				c.URL = "https://" + domain
			}
		})
		x := s.shop("Aalto")
		var seen []*answer
		post := func(url string, f url.Values) *answer {
			a := s.post(url, "", f)
			seen = append(seen, a)
			return a
		}
		post(domain+"/signin", url.Values{"contact": {x.phone}}).want(http.StatusSeeOther)
		in := post(domain+"/code", url.Values{"contact": {x.phone}, "code": {s.code(x.phone)}}).want(http.StatusSeeOther)
		cart := post(x.host+"/cart/add", url.Values{"variant": {x.has["variant"]}, "quantity": {"1"}})
		ops := post("ops.test/signin", url.Values{"token": {s.opsToken}})
		note := s.send(call{method: "POST", url: domain + "/shops/" + x.slug + "/orders/" + x.has["order"] + "/accept"}.with("Cookie", cookieOf(in, "haat_session")))
		out := s.send(call{method: "POST", url: domain + "/signout"}.with("Cookie", cookieOf(in, "haat_session")))
		names := map[string]bool{}
		for _, a := range append(seen, note, out) {
			for _, line := range a.header.Values("Set-Cookie") {
				c, err := http.ParseSetCookie(line)
				if err != nil {
					t.Fatal(err)
				}
				names[c.Name] = true
				script := c.Name == "haat_cart_count" || strings.Contains(c.Name, "count") // read by the page's script, and no secret
				if c.HttpOnly == script || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.Path != "/" || c.Secure != secure && !strings.Contains(a.asked, "ops.test") {
					t.Errorf("https %t: %s", secure, line)
				}
			}
			if h := a.header.Get("Strict-Transport-Security"); (h != "") != secure && !strings.Contains(a.asked, "ops.test") {
				t.Errorf("https %t: HSTS is %q", secure, h)
			}
		}
		if len(names) < 5 {
			t.Errorf("only the cookies %v", names)
		}
		cookieOf(cart, "haat_cart")
		cookieOf(ops, "haat_operator")
	}
}

const attack = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{7*7}}</title></textarea></style><svg onload=alert(1)>`

// TestNothingRuns writes markup that runs script into every text there is, and
// reads every page of every surface: nothing of it is markup there, there is
// no inline script or style at all, and the headers forbid what would be.
func TestNothingRuns(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	short := attack[:60]
	must := func(c call) *answer {
		c.token = x.token
		a := s.send(c)
		if a.status/100 != 2 {
			t.Errorf("%s %s: %d %.300s", c.method, c.url, a.status, a.body)
		}
		return a
	}
	must(call{method: "PATCH", url: x.base + "/settings", body: map[string]any{"name": short, "address": attack, "upi": map[string]any{"payee": "Aalto"},
		"theme":    map[string]any{"tagline": attack, "sections": []any{map[string]any{"kind": "banner", "title": attack, "text": attack}, map[string]any{"kind": "text", "title": attack, "text": attack + "\n\njavascript:alert(1)"}, map[string]any{"kind": "featured", "title": attack}}},
		"policies": map[string]any{"shipping": attack}}})
	p := must(call{method: "POST", url: x.base + "/products", body: map[string]any{"title": attack, "description": attack + `<a href="javascript:alert(1)" style="x:expression(1)" onclick=alert(1)>a</a><iframe src=//evil></iframe>`, "vendor": short, "type": short, "tags": []string{short}, "status": "active",
		"options": []any{map[string]any{"name": short, "values": []string{short}}}, "variants": []any{map[string]any{"options": []string{short}, "sku": short, "barcode": short, "price": inRupees(5), "available": 50}},
		"images": []any{map[string]any{"hash": x.has["image"], "alt": attack}}, "seo": map[string]any{"title": short, "description": attack}}})
	c := must(call{method: "POST", url: x.base + "/collections", body: map[string]any{"title": attack, "description": attack, "products": []string{p.text("id")}}})
	x.has["product"], x.has["variant"], x.has["product handle"] = p.text("id"), p.text("variants", 0, "id"), p.text("handle")
	x.has["collection"], x.has["collection handle"] = c.text("id"), c.text("handle")
	placed := s.post(x.host+"/api/v1/orders", "", map[string]any{"lines": x.lines(), "payment": "cod", "note": attack, "contact": map[string]any{"name": short, "phone": "+919845011299", "email": `"><script>alert(1)</script>"@evil.example`},
		"shipping_address": map[string]any{"name": short, "line1": attack, "line2": attack, "city": short, "state": "KA", "postal_code": "560001", "country": "IN"}})
	if placed.status == 422 { // such an e-mail address is none
		placed = s.post(x.host+"/api/v1/orders", "", map[string]any{"lines": x.lines(), "payment": "cod", "note": attack, "contact": map[string]any{"name": short, "phone": "+919845011299"},
			"shipping_address": map[string]any{"name": short, "line1": attack, "line2": attack, "city": short, "state": "KA", "postal_code": "560001", "country": "IN"}})
	}
	x.has["order"], x.has["token"] = placed.want(201).text("id"), placed.text("token")
	must(call{method: "POST", url: x.base + "/orders/" + x.has["order"] + "/note", body: map[string]any{"text": attack}})
	must(call{method: "POST", url: x.base + "/orders/" + x.has["order"] + "/accept"})
	must(call{method: "POST", url: x.base + "/orders/" + x.has["order"] + "/fulfil", body: map[string]any{"carrier": short, "number": short, "url": "https://track.example/<script>"}})
	s.post(x.base+"/orders/"+x.has["order"]+"/fulfil", x.token, map[string]any{"url": "javascript:alert(1)"}).problem(422, "/url")
	begun := must(call{method: "POST", url: x.base + "/imports", body: form{field: "file", name: attack[:40] + ".csv", content: "Handle,Title,Variant Price\n\"" + strings.ReplaceAll(attack, `"`, `""`) + "\",T,not a price\n"}})
	x.has["import"] = begun.text("id")
	s.until("the import is done", func() bool { return s.get(x.base+"/imports/"+x.has["import"], x.token).at("status") == "done" })
	s.still(x.slug)
	s.until("the console knows the name", func() bool { return strings.Contains(s.get("ops.test/ops/v1/shops", s.opsToken).body, "alert(1)") })

	cookies := map[string]string{"dashboard": s.browse(x.phone), "console": cookieOf(s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}}), "haat_operator"),
		"storefront": cookieOf(s.post(x.host+"/cart/add", "", url.Values{"variant": {x.has["variant"]}, "quantity": {"1"}}), "haat_cart")}
	hosts := map[string]string{"dashboard": domain, "console": "ops.test", "storefront": x.host}
	read, attacked := 0, 0
	for surface, cookie := range cookies {
		for _, p := range pages(t, surface) {
			path := p.fill(t, x.slug, x)
			if p.method != "GET" || strings.HasSuffix(path, "/live") {
				continue
			}
			for _, q := range []string{"", "?q=" + url.QueryEscape(attack) + "&state=" + url.QueryEscape(attack) + "&next=" + url.QueryEscape(attack) + "&contact=" + url.QueryEscape(attack) + "&name=" + url.QueryEscape(short) + "&option=" + url.QueryEscape(attack) + "&sort=" + url.QueryEscape(attack)} {
				a := s.send(call{method: "GET", url: hosts[surface] + path + q}.with("Cookie", cookie, "Accept", "text/html"))
				if a.status >= 500 {
					t.Errorf("%s: %d", a.asked, a.status)
				}
				if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					continue
				}
				read++
				if strings.Contains(a.body, "alert(1)") {
					attacked++
				}
				for _, finding := range runs(a.body) {
					t.Errorf("%s: %s", a.asked, finding)
				}
				if strings.HasSuffix(path, "/settings/theme") || strings.HasSuffix(path, "/settings/theme/preview") {
					// The one frames the other, which may be framed by this host and runs nothing at all.
					if p := a.header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || strings.HasSuffix(path, "preview") && (strings.Contains(p, "script-src") || !strings.Contains(p, "frame-ancestors 'self'")) {
						t.Errorf("%s: the policy is %s", a.asked, p)
					}
					continue
				}
				for name, want := range map[string]string{"Content-Security-Policy": web.ContentSecurityPolicy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin"} {
					if a.header.Get(name) != want {
						t.Errorf("%s: %s is %q", a.asked, name, a.header.Get(name))
					}
				}
			}
		}
	}
	if read < 100 || attacked < 60 {
		t.Errorf("%d pages, %d with the attack in it", read, attacked)
	}
	t.Logf("%d pages, %d with the attack in it", read, attacked)
	for _, part := range []string{"unsafe", "*", "http:", "https:"} {
		if strings.Contains(web.ContentSecurityPolicy, part) {
			t.Errorf("the policy allows %s", part)
		}
	}
	// The checker sees what it is for.
	for _, bad := range []string{"<script>x</script>", "<p onclick=x>", `<a href="javascript:x">`, `<p style="x">`, "<style>x</style>", `<script src="https://evil.example/x.js"></script>`, "<iframe></iframe>"} {
		if len(runs(bad)) == 0 {
			t.Errorf("%s is not seen", bad)
		}
	}
}

// runs says what in a page could run, or come from elsewhere.
func runs(text string) (findings []string) {
	z := html.NewTokenizer(strings.NewReader(text))
	for z.Next() != html.ErrorToken {
		n := z.Token()
		if n.Type != html.StartTagToken && n.Type != html.SelfClosingTagToken {
			continue
		}
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			value := strings.ToLower(strings.TrimSpace(a.Val))
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:text") || a.Key == "src" && n.Data != "img" && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "data:image/") {
				findings = append(findings, fmt.Sprintf("<%s %s=%q>", n.Data, a.Key, a.Val))
			}
		}
		switch {
		case n.Data == "script" && attr["src"] == "" && attr["type"] != "application/ld+json", slices.Contains([]string{"style", "iframe", "object", "embed", "base"}, n.Data) && !strings.HasSuffix(attr["src"], "/settings/theme/preview"):
			findings = append(findings, n.String())
		}
	}
	return findings
}
