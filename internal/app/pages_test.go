package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// page is a route of a surface, as its source declares it.
type page struct {
	method, path string
	owned        bool // below /shops/{slug} of the dashboard
}

var routeText = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) (/.*)?$`)

// pages reads from a surface's source every text that is a route, so that a
// new one is tried by itself.
func pages(t *testing.T, surface string) (out []page) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "web", surface, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the source of %s: %v", surface, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, _ := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				value, err := strconv.Unquote(lit.Value)
				if m := routeText.FindStringSubmatch(value); err == nil && m != nil {
					p := page{method: m[1], path: strings.TrimSuffix(m[2], "{$}")}
					if fn != nil && fn.Name.Name == "shopRoutes" {
						p.owned, p.path = true, "/shops/{slug}"+p.path
					}
					if p.path != "" {
						out = append(out, p)
					}
				}
				return true
			})
		}
	}
	return out
}

// fill puts what x has into a path.
func (p page) fill(t *testing.T, slug string, x *tenant) string {
	t.Helper()
	return regexp.MustCompile(`\{(\w+)\}`).ReplaceAllStringFunc(p.path, func(m string) string {
		name := strings.Trim(m, "{}")
		value := x.has[name]
		switch {
		case name == "slug":
			value = slug
		case name == "handle" && strings.HasPrefix(p.path, "/collections/{handle}"):
			value = x.has["collection handle"]
		case name == "handle":
			value = x.has["product handle"]
		case name == "collection" && !p.owned:
			value = x.has["collection handle"]
		case name == "kind":
			value = "shipping" // which no tenant has
		case name == "theme":
			value = "theme-none.css"
		case name == "id":
			value = slug + "~nobody~nothing"
		}
		if value == "" {
			t.Errorf("%s %s: say in pages_test.go what fills {%s}", p.method, p.path, name)
		}
		return value
	})
}

// browse signs in by the pages, and gives the cookie.
func (s *site) browse(to string) string {
	s.t.Helper()
	at := domain + ":8080"
	s.post(at+"/signin", "", url.Values{"contact": {to}}).want(http.StatusSeeOther)
	in := s.post(at+"/code", "", url.Values{"contact": {to}, "code": {s.code(to)}}).want(http.StatusSeeOther)
	return cookieOf(in, "haat_session")
}

func cookieOf(a *answer, name string) string {
	a.t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name && c.Value != "" {
			return c.Name + "=" + c.Value
		}
	}
	a.t.Fatalf("%s: there is no cookie %s: %v", a.asked, name, a.header)
	return ""
}

// TestNobodySeesAnothersPages tries every page and form of the dashboard as
// nobody, as another merchant and by cookies that are not good here, and every
// page of a shop's own host with another shop's things.
func TestNobodySeesAnothersPages(t *testing.T) {
	s := open(t, nil)
	a, b := s.shop("Aalto"), s.shop("Zanzibar")
	mine, theirs := s.browse(a.phone), s.browse(b.phone)
	gone := s.browse(b.phone)
	s.send(call{method: "POST", url: domain + "/signout"}.with("Cookie", gone)).want(http.StatusSeeOther)
	s.still(a.slug, b.slug)
	s.send(call{method: "GET", url: domain + "/shops/" + b.slug + "/products"}.with("Cookie", theirs)).want(200)
	still, tried := b.writes(b.slug), 0
	try := func(what, method, url, cookie string, status ...int) {
		t.Helper()
		tried++
		c := call{method: method, url: url}
		if method == "POST" {
			c.body = map[string][]string{"title": {"x"}, "name": {"x"}, "note": {"x"}, "price": {"1"}}
			c.body = asForm(c.body)
		}
		if cookie != "" {
			c = c.with("Cookie", cookie)
		}
		got := s.send(c)
		if !slices.Contains(status, got.status) {
			t.Errorf("%s %s, %s: %d, not %v: %.200s", method, url, what, got.status, status, got.body)
		}
		if got.status == http.StatusSeeOther && strings.Contains(what, "dashboard") && !strings.HasPrefix(got.header.Get("Location"), "/signin") {
			t.Errorf("%s %s, %s: to %s", method, url, what, got.header.Get("Location"))
		}
		// The address that was asked for may come back, and a shop's own host tells of itself.
		text, secret := strings.ToLower(got.body), "zanzibar"
		for _, known := range []string{b.has["product handle"], b.has["collection handle"], b.slug} {
			text = strings.ReplaceAll(text, known, "")
		}
		if strings.HasPrefix(url, b.host) {
			secret = "zanzibar person"
		}
		if strings.Contains(text, secret) {
			t.Errorf("%s %s, %s: tells of another's", method, url, what)
		}
		if n := b.writes(b.slug); n != still {
			t.Errorf("%s %s, %s: changed another's shop", method, url, what)
			still = n
		}
	}
	owned := 0
	for _, p := range pages(t, "dashboard") {
		if !p.owned {
			continue
		}
		owned++
		path := p.fill(t, b.slug, b)
		try("dashboard, nobody", p.method, domain+path, "", http.StatusSeeOther)
		try("dashboard, forged", p.method, domain+path, theirs[:len(theirs)-3]+"xyz", http.StatusSeeOther)
		try("dashboard, signed out", p.method, domain+path, gone, http.StatusSeeOther)
		try("another merchant", p.method, domain+path, mine, 404)
		try("on a shop's host", p.method, b.host+path, theirs, 404, 405)
		if strings.Count(p.path, "{") > 1 {
			try("another's ids in one's own shop", p.method, domain+p.fill(t, a.slug, b), mine, 404)
		}
	}
	if owned < 45 {
		t.Fatalf("only %d pages of the dashboard were found", owned)
	}
	cart := cookieOf(s.post(b.host+"/cart/add", "", url.Values{"variant": {b.has["variant"]}, "id": {b.has["variant"]}, "quantity": {"1"}}), "haat_cart")
	s.still(b.slug)
	still = b.writes(b.slug)
	for _, p := range pages(t, "storefront") {
		path := p.fill(t, a.slug, b)
		if strings.Contains(p.path, "{") {
			try("another shop's things", p.method, a.host+path, "", 404, http.StatusMovedPermanently, map[bool]int{true: 200}[p.path == "/{theme}"]) // an old stylesheet's address gives this shop's
		}
		try("another shop's cart", p.method, a.host+path, cart, 200, 301, 302, 303, 404, 422)
		try("no shop", p.method, "nobody."+domain+path, cart, 404, 302) // the icon is the same everywhere
	}
	stolen := s.post(a.host+"/cart/add", "", url.Values{"variant": {b.has["variant"]}, "quantity": {"1"}})
	if stolen.status < 400 {
		t.Errorf("another shop's variant went into a cart: %d", stolen.status)
	}
	t.Logf("%d requests", tried)
}

func asForm(v any) url.Values {
	m, _ := v.(map[string][]string)
	return m
}

// TestTheOperatorsFence tries every page and operation of the operator's
// address without the token, by a merchant's, and on the public address.
func TestTheOperatorsFence(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Zanzibar")
	merchant := s.browse(x.phone)
	s.still(x.slug)
	list := pages(t, "console")
	var commands []page
	var text []byte
	for _, name := range []string{"operator.go", "shards.go", "control.go"} {
		b, err := os.ReadFile(filepath.Join("..", "api", name))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	for _, m := range regexp.MustCompile(`handle\("(\w+) (/ops/[^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		commands = append(commands, page{method: m[1], path: m[2]})
	}
	if len(list) < 10 || len(commands) < 12 {
		t.Fatalf("only %d pages and %d commands", len(list), len(commands))
	}
	// The token signs in to the console, and to nothing else.
	s.post("ops.test/signin", "", url.Values{"token": {"haat-ops-wrong"}}).want(401)
	operator := cookieOf(s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}}).want(http.StatusSeeOther), "haat_operator")
	s.send(call{method: "GET", url: "ops.test/shops"}.with("Cookie", operator)).want(200)
	still := s.writes(x.slug)
	refused := func(c call, status ...int) {
		t.Helper()
		got := s.send(c)
		if !slices.Contains(status, got.status) || strings.Contains(got.body, "Zanzibar Person") || got.status == http.StatusSeeOther && !strings.HasPrefix(got.header.Get("Location"), "/signin") {
			t.Errorf("%s %s: %d %s: %.200s", c.method, c.url, got.status, got.header.Get("Location"), got.body)
		}
	}
	for _, p := range list {
		if p.path == "/signin" || strings.HasPrefix(p.path, "/favicon") {
			continue
		}
		path := strings.ReplaceAll(strings.ReplaceAll(p.path, "{slug}", x.slug), "{id}", x.slug+"~a~b")
		c := call{method: p.method, url: "ops.test" + path}
		refused(c, http.StatusSeeOther)
		refused(c.with("Cookie", merchant), http.StatusSeeOther)
		refused(c.with("Cookie", strings.Replace(merchant, "haat_session", "haat_operator", 1)), http.StatusSeeOther)
		refused(c.with("Cookie", operator[:len(operator)-2]+"xx"), http.StatusSeeOther)
		refused(c.with("X-Forwarded-For", "127.0.0.1"), http.StatusSeeOther)
		if p.path != "/" && p.path != "/signout" { // the platform has a sign-out of its own
			c.url = domain + path
			refused(c.with("Cookie", operator), http.StatusSeeOther, 404, 405)
		}
		c.url = "ops.test" + path
		c.token = x.token
		refused(c, http.StatusSeeOther)
	}
	for _, p := range commands {
		path := strings.NewReplacer("{slug}", x.slug, "{state}", "suspended", "{shard}", "s1").Replace(p.path)
		for _, token := range []string{"", x.token, "haat-ops-" + strings.Repeat("a", 32), s.opsToken + "x", s.opsToken[:20]} {
			refused(call{method: p.method, url: "ops.test" + path, token: token}, 401)
		}
		refused(call{method: p.method, url: domain + path, token: s.opsToken}, 404)
		refused(call{method: p.method, url: x.host + path, token: s.opsToken}, 404)
	}
	if room, err := s.app.fleet.BySlug(t.Context(), x.slug); err != nil || room.Suspended() || s.writes(x.slug) != still {
		t.Error("somebody did what only the operator may")
	}
	// Health is told on both addresses, numbers on the operator's only.
	for _, host := range []string{domain, x.host, "nobody.example", "ops.test"} {
		s.get(host+"/healthz", "").want(200)
		s.get(host+"/readyz", "").want(200)
	}
	if m := s.get("ops.test/metrics", "").want(200); !strings.Contains(m.body, "haat_shops 1") || !strings.Contains(m.body, "# TYPE") {
		t.Errorf("the metrics: %.300s", m.body)
	}
	for _, host := range []string{domain, x.host} {
		s.get(host+"/metrics", "").want(404)
	}
	// The real one may.
	s.get("ops.test/ops/v1/shops", s.opsToken).want(200).is(x.slug, "items", 0, "slug").is(2, "items", 0, "products").is(2, "items", 0, "orders")
}

// TestFormsFromElsewhere sends every form of every surface, by somebody who is
// signed in, as a browser does for another site's page.
func TestFormsFromElsewhere(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	cookies := map[string]string{"dashboard": s.browse(x.phone), "console": cookieOf(s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}}), "haat_operator"),
		"storefront": cookieOf(s.post(x.host+"/cart/add", "", url.Values{"variant": {x.has["variant"]}, "quantity": {"1"}}), "haat_cart")}
	hosts := map[string]string{"dashboard": domain, "console": "ops.test", "storefront": x.host}
	s.still(x.slug)
	still, forms := s.writes(x.slug), 0
	for surface, cookie := range cookies {
		for _, p := range pages(t, surface) {
			if p.method == "GET" {
				continue
			}
			forms++
			for _, from := range [][]string{
				{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "Origin", "http://" + hosts[surface]}, {"Origin", "https://evil.example"},
				{"Origin", "http://" + x.slug + ".evil.example"}, {"Origin", "null"}, {"Origin", "http://other." + domain},
			} {
				c := call{method: p.method, url: hosts[surface] + p.fill(t, x.slug, x), body: url.Values{"token": {s.opsToken}, "cod": {""}}}
				if got := s.send(c.with(append(from, "Cookie", cookie)...)); got.status != 403 {
					t.Errorf("%s %s %s from %v: %d", surface, p.method, p.path, from, got.status)
				}
			}
		}
	}
	if forms < 35 || s.writes(x.slug) != still {
		t.Errorf("%d forms; %d writes", forms, s.writes(x.slug)-still)
	}
	// From here they are taken.
	ok := call{method: "POST", url: domain + "/shops/" + x.slug + "/orders/" + x.has["order"] + "/note", body: url.Values{"note": {"Ring"}}}
	s.send(ok.with("Cookie", cookies["dashboard"], "Sec-Fetch-Site", "same-origin", "Origin", "http://"+domain)).want(http.StatusSeeOther)
	if s.writes(x.slug) == still {
		t.Error("a form from here is not taken either")
	}
	s.send(call{method: "POST", url: x.base + "/orders/" + x.has["order"] + "/accept", token: x.token}.with("Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")).problem(403, "")
	t.Logf("%d forms", forms)
}
