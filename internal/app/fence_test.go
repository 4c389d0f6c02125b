package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"haat/internal/db"
	"haat/internal/op"
)

// unfenced are the operations that anyone may call, and why.
var unfenced = map[string]string{
	"account.send-code": "it is how one begins to sign in",
	"account.sign-in":   "it asks for the code",
}

// ways are the requests that somebody of shop a, or nobody, makes at what is
// b's, with the status that the issue demands.
func ways(r route, a, b *tenant, out string) (all []struct {
	what   string
	status int
	call
}) {
	add := func(what string, status int, c call, token string) {
		c.token = token
		all = append(all, struct {
			what   string
			status int
			call
		}{what, status, c})
	}
	theirs := r.call(b, b, b, b)
	// Ids in a body are refused wherever the body has some.
	inBody := r.body && fmt.Sprint(bodies[r.name](a)) != fmt.Sprint(bodies[r.name](b)) && !strings.HasPrefix(r.name, "account.")
	switch {
	case r.shopper:
		if len(r.params) > 0 {
			add("with another shop's ids", 404, r.call(a, b, a, a), "")
			add("with another shop's ids and its merchant's token", 404, r.call(a, b, a, a), b.token)
		}
		if inBody {
			add("with another shop's ids in the body", 404, r.call(a, a, b, a), "")
		}
		elsewhere := theirs
		elsewhere.url = strings.Replace(theirs.url, b.host, domain, 1)
		add("on the platform's host", 404, elsewhere, "")
		elsewhere.url = strings.Replace(theirs.url, b.host, "nobody."+domain, 1)
		add("on the host of no shop", 404, elsewhere, "")
		return all
	case unfenced[r.name] != "":
		return nil
	}
	add("without a token", 401, theirs, "")
	add("with a forged token", 401, theirs, strings.Repeat("x", len(b.token)))
	add("with half a token", 401, theirs, b.token[:len(b.token)/2])
	add("signed out", 401, theirs, out)
	elsewhere := theirs
	elsewhere.url = strings.Replace(theirs.url, domain, b.host, 1)
	add("on the shop's own host", 404, elsewhere, b.token)
	if slices.Contains(r.params, "slug") {
		add("in another's shop", 404, theirs, a.token)
	}
	if len(r.params) > 1 || len(r.params) == 1 && r.params[0] != "slug" {
		add("with another's ids", 404, r.call(a, b, a, a), a.token)
	}
	if inBody && slices.Contains(r.params, "slug") {
		add("with another's ids in the body", 404, r.call(a, a, b, a), a.token)
	}
	if len(r.query) > 0 {
		add("with another's ids in the query", 200, // and nothing in the list: see fences
			r.call(a, a, a, b), a.token)
	}
	return all
}

// fences tries every way into b, and says what gives. do makes a request.
func fences(do func(call) *answer, all []route, a, b *tenant, out string) (findings []string, tried int) {
	still := b.writes(b.slug)
	for _, r := range all {
		list := ways(r, a, b, out)
		for _, w := range list {
			tried++
			got := do(w.call)
			where := fmt.Sprintf("%s %s (%s), %s:", r.method, r.path, r.name, w.what)
			if got.status != w.status {
				findings = append(findings, fmt.Sprintf("%s %d, not %d: %.200s", where, got.status, w.status, got.body))
			}
			if w.status == 200 && got.body != `{"items":[],"next":null}`+"\n" {
				findings = append(findings, fmt.Sprintf("%s %.200s, not an empty list", where, got.body))
			}
			if strings.Contains(strings.ToLower(got.body), strings.ToLower(b.mark)) {
				findings = append(findings, fmt.Sprintf("%s tells of another's: %.300s", where, got.body))
			}
			if n := b.writes(b.slug); n != still {
				findings = append(findings, fmt.Sprintf("%s changed another's shop", where))
				still = n
			}
		}
		if len(list) == 0 && unfenced[r.name] == "" {
			findings = append(findings, fmt.Sprintf("%s is tried in no way", r.name))
		}
	}
	return findings, tried
}

func ownDoc(t *testing.T, g *op.Registry) []route {
	t.Helper()
	doc, err := g.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	all, findings := routes(doc)
	for _, f := range findings {
		t.Error(f)
	}
	slices.SortFunc(all, func(x, y route) int { return strings.Compare(x.path+x.method, y.path+y.method) })
	return all
}

// asOf is when figures were asked for.
var asOf = regexp.MustCompile(`"as_of":"[^"]*",?`)

// holding is everything that a merchant can see of the shop.
func (x *tenant) holding(all []route) string {
	var b strings.Builder
	for _, r := range all {
		if r.method == "GET" && slices.Contains(r.params, "slug") && r.name != "event.follow" {
			c := r.call(x, x, x, nil)
			c.token = x.token
			got := x.send(c)
			fmt.Fprintln(&b, got.want(200).asked, asOf.ReplaceAllString(got.body, ""))
		}
	}
	return b.String()
}

// TestTenancy tries every operation there is with nobody's, a forger's and
// another merchant's token, in the wrong shop, with another shop's ids in path,
// query and body, and on the wrong host.
func TestTenancy(t *testing.T) {
	s := open(t, nil)
	a, b := s.shop("Aalto"), s.shop("Zanzibar")
	out := s.signIn(b.phone)
	s.get(domain+"/api/v1/account", out).want(200)
	s.send(call{method: "DELETE", url: domain + "/api/v1/auth/sessions/current", token: out}).want(204)
	s.still(a.slug, b.slug)
	all := ownDoc(t, s.app.registry)
	if len(all) != len(s.app.registry.Infos()) || len(all) < 60 {
		t.Fatalf("the document has %d operations, the registry %d", len(all), len(s.app.registry.Infos()))
	}
	before := b.holding(all)
	findings, tried := fences(s.send, all, a, b, out)
	for _, f := range findings {
		t.Error(f)
	}
	if after := b.holding(all); after != before {
		was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
		n := 0
		for n < min(len(was), len(is))-1 && was[n] == is[n] {
			n++
		}
		t.Errorf("something of the other shop has changed, at first\n%s\nto\n%s", was[n], is[n])
	}
	for _, id := range []string{b.has["product"], b.has["order"], b.has["customer"], b.has["import"], b.has["collection"], b.mark} {
		if !strings.Contains(before, id) {
			t.Errorf("%s is not in what was compared", id)
		}
	}
	me := s.get(domain+"/api/v1/account", b.token).want(200)
	if me.count("contacts") != 2 {
		t.Errorf("contacts: %s", me.body)
	}
	t.Logf("%d requests at %d operations", tried, len(all))
	ownThings(t, s, all, a, b)
}

// ownThings sees that the same requests for one's own things are answered:
// what was refused above was refused for whose it was.
func ownThings(t *testing.T, s *site, all []route, a, b *tenant) {
	late := map[string]int{"DELETE": 1}
	slices.SortStableFunc(all, func(x, y route) int { return late[x.method] - late[y.method] })
	for _, r := range all {
		switch r.name {
		case "event.follow": // its answer does not end; TestEvents follows it
			continue
		case "account.sign-in", "account.confirm-contact": // asks for a code that was not sent
			continue
		case "order.accept", "order.fulfil", "order.cancel", "order.pay":
			a.order("cod")
		case "catalog.apply-import":
			a.dryRun()
		case "account.end-session":
			s.signIn(a.phone)
			sessions := s.get(domain+"/api/v1/auth/sessions", a.token)
			for i := range sessions.count("items") {
				if sessions.at("items", i, "current") == false {
					a.has["session"] = sessions.text("items", i, "id")
				}
			}
		}
		if strings.HasPrefix(r.name, "account.sign-out") {
			continue // TestSigningIn does
		}
		c := r.call(a, a, a, a)
		if !r.shopper {
			c.token = a.token
		}
		got := s.send(c)
		if got.status/100 != 2 {
			t.Errorf("%s %s (%s) of one's own: %d %.300s", r.method, r.path, r.name, got.status, got.body)
		}
		if strings.Contains(got.body, b.mark) {
			t.Errorf("%s %s tells of another's: %.300s", r.method, r.path, got.body)
		}
	}
}

// TestTheFencesAreSeenToBeMissing is the negative control: operations that
// forget their fence in one way or another are found by the same checker.
func TestTheFencesAreSeenToBeMissing(t *testing.T) {
	s := open(t, nil)
	a, b := s.shop("Aalto"), s.shop("Zanzibar")
	s.still(a.slug, b.slug)
	g := op.NewRegistry("holes", "1", "http://"+domain, s.app.door, s.app.meter, slog.New(slog.DiscardHandler))
	type named struct {
		Slug string `path:"slug"`
	}
	type written struct {
		Slug string `path:"slug"`
		Body struct{}
	}
	name := func(ctx context.Context, slug string) (map[string]string, error) {
		room, err := s.app.fleet.BySlug(ctx, slug)
		if err != nil {
			return nil, err
		}
		return map[string]string{"name": room.Name()}, nil
	}
	g.Add(
		&op.Platform[named, map[string]string]{Name: "test.forgetful-read", Route: "GET /shops/{slug}/peek", Role: op.Public, Summary: "No fence",
			Run: func(ctx context.Context, in named) (map[string]string, error) { return name(ctx, in.Slug) }},
		&op.Platform[written, op.Empty]{Name: "test.forgetful-write", Route: "POST /shops/{slug}/poke", Role: op.Account, Summary: "Who is signed in is let into any shop",
			Run: func(ctx context.Context, in written) (op.Empty, error) {
				room, err := s.app.fleet.BySlug(ctx, in.Slug)
				if err == nil {
					_, err = room.Change(ctx, func(tx *db.Tx) error { return nil })
				}
				return op.Empty{}, err
			}},
	)
	g.Handle(op.Info{Name: "test.by-id", Method: "GET", Path: "/orders/{order}/stolen", Summary: "The shop of whatever id", Role: op.Merchant, Kind: "read"}, &huma.Operation{
		Parameters: []*huma.Param{{Name: "order", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}}},
		func(w http.ResponseWriter, r *http.Request, c op.Call) error {
			_, err := io.WriteString(w, `{"name": "`+b.mark+`"}`)
			return err
		})
	all := ownDoc(t, g)
	do := func(c call) *answer {
		text, _ := json.Marshal(c.body)
		r := httptest.NewRequestWithContext(t.Context(), c.method, "http://"+c.url, strings.NewReader(string(text)))
		r.Header.Set("Content-Type", "application/json")
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return &answer{t, c.method + " " + c.url, w.Code, w.Header(), w.Body.String()}
	}
	findings, _ := fences(do, all, a, b, "gone")
	found := strings.Join(findings, "\n")
	for _, want := range []string{
		"(test.forgetful-read), without a token: 200, not 401", "(test.forgetful-read), in another's shop: tells of another's",
		"(test.forgetful-write), in another's shop: 200, not 404", "(test.forgetful-write), in another's shop: changed another's shop",
		"(test.by-id), with another's ids: 200, not 404", "(test.by-id), with another's ids: tells of another's",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("the checker does not see %q in\n%s", want, found)
		}
	}
	doc := `{"paths": {"/api/v1/x/{novelty}": {"post": {"operationId": "x.y", "requestBody": {}, "parameters": [{"name": "novelty", "in": "path"}, {"name": "invoice", "in": "query"}]}}}}`
	if _, findings := routes([]byte(doc)); len(findings) != 3 {
		t.Errorf("a route that nobody can fill in: %q", findings)
	}
}
