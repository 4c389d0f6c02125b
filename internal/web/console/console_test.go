package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/api"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/web"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

const token = "haat-ops-of-a-test"

// hands are an operator's over a fleet of a test. What they do not do, the
// console does not ask for.
type hands struct {
	api.Operator
	fleet *fleet.Fleet
	bus   *event.Bus

	register api.Incidents
}

func (h *hands) Shops(ctx context.Context, search, cursor string, limit int) ([]api.ShopSummary, string, error) {
	var before id.Shop
	if cursor != "" {
		var err error
		if before, err = id.ParseShop(cursor); err != nil {
			return nil, "", err
		}
	}
	list, err := h.fleet.List(ctx, before, search, limit)
	if err != nil || len(list) == 0 {
		return nil, "", err
	}
	var out []api.ShopSummary
	for _, e := range list {
		out = append(out, summary(e))
	}
	next := ""
	if len(list) == limit {
		next = list[limit-1].Shop.String()
	}
	return out, next, nil
}

func summary(e fleet.Entry) api.ShopSummary {
	return api.ShopSummary{ID: e.Shop.String(), Slug: e.Slug, Name: e.Name, Shard: e.Shard, State: e.State, Created: e.Created, Products: 12, Today: 3, Week: 41, Parked: 1}
}

func (h *hands) Shop(ctx context.Context, slug string) (api.ShopSummary, error) {
	room, err := h.fleet.BySlug(ctx, slug)
	if err != nil {
		return api.ShopSummary{}, err
	}
	s := summary(room.Entry())
	if slug == "beta" {
		s.Stock = []api.Discrepancy{{Variant: "01v", SKU: "CUP-1", Title: "A <cup>", Reason: "5 entered, but 6 stand"}, {Product: "01p", Title: "A bowl", Reason: "it says 2"}}
	}
	return s, nil
}

func (h *hands) SetState(ctx context.Context, slug, state string) error {
	room, err := h.fleet.BySlug(ctx, slug)
	if err != nil {
		return err
	}
	return h.fleet.SetState(ctx, room.Shop(), state)
}

func (h *hands) Health(ctx context.Context) ([]api.Finding, error) {
	parked, err := h.bus.ParkedCounts(ctx)
	return []api.Finding{
		{Name: "disk", OK: true, Detail: "214 GiB free"},
		{Name: "parked events", OK: len(parked) == 0, Detail: "some are parked", Next: "look at them", Shop: "alpha"},
	}, err
}

func (h *hands) Incidents(context.Context) (api.Incidents, error) { return h.register, nil }

func (h *hands) Processes(context.Context) ([]fleet.Process, error) { return processes(), nil }

// sent is what a shop tells; taken is how a listener reads it, which fails
// until it is mended.
type (
	sent struct {
		N int `json:"n"`
	}
	taken struct {
		N int `json:"n"`
	}
)

func (sent) Topic() string     { return "test.told" }
func (sent) Key() string       { return "a/b key" }
func (sent) Tags() []string    { return nil }
func (taken) Topic() string    { return "test.told" }
func (t taken) Key() string    { return "a/b key" }
func (t taken) Tags() []string { return nil }

var mended atomic.Bool

func (t *taken) UnmarshalJSON(b []byte) error {
	if !mended.Load() {
		return errors.New("cannot read this")
	}
	var s sent
	err := json.Unmarshal(b, &s)
	t.N = s.N
	return err
}

func TestConsole(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{event.Schema, op.Schema, shop.Schema}, []*db.SchemaSet{op.ControlSchema, shop.ControlSchema}, func(t *testing.T, f *fleet.Fleet) {
		mended.Store(false)
		log := slog.New(slog.DiscardHandler)
		bus := event.NewBus(f, log)
		var heard atomic.Int64
		event.On(bus, "listener", func(_ context.Context, _ *db.Tx, _ event.Meta, e taken) error {
			heard.Add(int64(e.N))
			return nil
		})
		bus.Start(t.Context())
		defer bus.Close()
		cookies := web.NewCookies([]byte("the key of a test"), false)
		accounts := shop.NewAccounts(f.Control(), f, []byte("secret"), func(context.Context, shop.Message) error { return nil }, time.Now, shop.DefaultLimits(), func(slug string) string { return slug })
		operator := &hands{fleet: f, bus: bus}
		site := httptest.NewServer(New(Deps{
			Operator: operator, Bus: bus, Fleet: f, Cookies: cookies, Log: log, Started: time.Now(), Version: "0.0.1",
			Door: api.NewDoor(f, accounts, cookies, api.Limits{PerIP: 100, PerPerson: 100}), Check: func(text string) bool { return text == token },
		}))
		defer site.Close()
		a := visitor(t, site.URL)
		room := fleettest.NewShop(t, f, "alpha")
		fleettest.NewShop(t, f, "beta")

		// Nothing without the token.
		for _, path := range []string{"/", "/shops", "/shops/alpha", "/shops/none", "/parked", "/incidents"} {
			if code, to, body := a("GET", path); code != http.StatusSeeOther || to != "/signin?"+(url.Values{"next": {path}}).Encode() || strings.Contains(body, "alpha<") {
				t.Errorf("GET %s is %d %s without the token", path, code, to)
			}
		}
		for _, path := range []string{"/shops/alpha/suspend", "/shops/alpha/resume", "/parked/alpha~listener~x/drop", "/parked/alpha~listener~x/retry", "/signout"} {
			if code, to, _ := a("POST", path); code != http.StatusSeeOther || !strings.HasPrefix(to, "/signin") {
				t.Errorf("POST %s is %d without the token", path, code)
			}
		}
		if e := entry(t, f, "alpha"); e.State != fleet.Open {
			t.Fatalf("without the token the shop became %s", e.State)
		}
		forged := visitor(t, site.URL)
		if code, _, _ := forged("GET", "/", "Cookie", cookie+"=99999999999.forged"); code != http.StatusSeeOther {
			t.Errorf("a forged cookie gets %d", code)
		}

		if code, _, body := a("POST", "/signin", "token", "wrong", "next", "/shops"); code != 401 || !strings.Contains(body, "not the operator") || strings.Contains(body, "wrong\"") {
			t.Errorf("a wrong token gets %d", code)
		}
		if code, to, _ := a("POST", "/signin", "token", token, "next", "//evil.test"); code != http.StatusSeeOther || to != "/" {
			t.Errorf("the token gets %d and leads to %s", code, to)
		}

		says := func(path string, words ...string) string {
			t.Helper()
			code, _, body := a("GET", path)
			for _, w := range words {
				if code != 200 || !strings.Contains(body, w) {
					t.Fatalf("%s is %d and does not say %q:\n%s", path, code, w, body)
				}
			}
			return body
		}
		says("/", "Everything is well.", "214 GiB free")
		says("/shops", "alpha", "beta", "41")
		if body := says("/shops?q=alp", "alpha"); strings.Contains(body, "beta") {
			t.Error("a search for alpha finds beta")
		}
		if code, _, _ := a("GET", "/shops/none"); code != 404 {
			t.Errorf("a shop that is none is %d", code)
		}

		says("/incidents", "Nothing is wrong", "no incident yet")
		operator.register = api.Incidents{Open: register(time.Now()).Open}
		if body := says("/incidents", "Disk full: /var/lib/haat", "writes are refused", "Make room", "Database unreachable", `aria-label="disk-full: 1 time"`); strings.Contains(body, "Nothing is wrong") || strings.Contains(body, "Resolved") {
			t.Error("what is wrong is not shown as such")
		}
		operator.register = api.Incidents{Past: register(time.Now()).Past}
		says("/incidents", "Nothing is wrong", "The last incident ended", "Resolved", "Lasted 41 min", "came up 3 times", "&lt;b&gt;")

		if _, to, _ := a("POST", "/shops/alpha/suspend"); to != "/shops/alpha" {
			t.Errorf("suspending leads to %s", to)
		}
		says("/shops/alpha", "alpha is suspended.", "Open it again")
		if body := says("/shops?state=suspended", "alpha"); strings.Contains(body, "beta") {
			t.Error("beta is listed as suspended")
		}
		a("POST", "/shops/alpha/resume")
		if e := entry(t, f, "alpha"); e.State != fleet.Open {
			t.Errorf("opened again, the shop is %s", e.State)
		}

		// Parked keys: retried in vain, retried when mended, given up.
		tell := func() {
			t.Helper()
			if _, err := room.Change(t.Context(), func(tx *db.Tx) error { return event.Emit(t.Context(), tx, sent{7}) }); err != nil {
				t.Fatal(err)
			}
			if err := bus.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		tell()
		key := "/parked/" + url.PathEscape("alpha~listener~a/b key")
		says("/parked", "listener", "cannot read this", `action="`+key+`/retry"`)
		says("/", "1 incident open.", "some are parked", "look at them", `href="/shops/alpha">Look`)
		says("/shops/beta", "Stock of CUP-1 A &lt;cup&gt;", "5 entered, but 6 stand", "haat check --shop beta --explain 01v", "Stock of A bowl")
		if body := says("/shops/alpha", "alpha"); strings.Contains(body, "Stock of") {
			t.Error("what is wrong in beta is told of alpha")
		}
		says("/shops/alpha", "cannot read this")
		says(key, "cannot read this", `action="`+key+`/edit"`, "&#34;n&#34;: 7", "Nothing behind it")
		if code, _, body := a("POST", key+"/retry", "up_to", "1"); code != 409 || !strings.Contains(body, "It failed again: decode test.told: cannot read this") {
			t.Errorf("a retry in vain is %d", code)
		}

		if code, _, _ := a("POST", key+"/retry"); code != http.StatusUnprocessableEntity {
			t.Errorf("a retry of nobody knows what is %d", code)
		}

		// What is no JSON is kept beside what is wrong with it, and changes nothing.
		code, _, body := a("POST", key+"/edit", "seq", "1", "payload", "{\n\"n\": x<y\n}")
		if code != http.StatusUnprocessableEntity || !strings.Contains(body, "This is not JSON: line 2") || !strings.Contains(body, "&#34;n&#34;: x&lt;y") {
			t.Errorf("no JSON is %d\n%s", code, body)
		}
		if code, _, _ := a("POST", key+"/edit", "seq", "99", "payload", "{}"); code != http.StatusNotFound {
			t.Errorf("an event that is not parked is %d", code)
		}
		if code, to, _ := a("POST", key+"/edit", "seq", "1", "payload", "{\n\"n\": 9\n}"); code != http.StatusSeeOther || to != key {
			t.Errorf("an edit is %d %s", code, to)
		}
		says(key, "Event 1 says something else now", "&#34;n&#34;: 9")
		mended.Store(true)
		if code, to, _ := a("POST", key+"/retry", "up_to", "1"); code != http.StatusSeeOther || to != "/parked" || heard.Load() != 9 {
			t.Errorf("a retry is %d %s, and %d was heard", code, to, heard.Load())
		}
		says("/parked", "Nothing is parked", "Handled: 1 event.")
		mended.Store(false)
		tell()
		says(key+"/drop", "Give up 1 event?", `action="`+key+`/drop"`, `href="`+key+`">Keep`, `name="up_to" value="2"`)
		says("/parked", "cannot read this", `name="up_to" value="2"`) // asking gave nothing up
		tell()                                                        // after the question
		if _, to, _ := a("POST", key+"/drop", "up_to", "2"); to != key {
			t.Errorf("with one more parked, giving up leads to %s", to)
		}
		says(key, "Given up: 1 event. Parked meanwhile, and still there: 1 event.", "No. 3", `name="up_to" value="3"`)
		a("POST", key+"/drop", "up_to", "3")
		mended.Store(true)
		says("/parked", "Nothing is parked")
		if heard.Load() != 9 {
			t.Errorf("%d was heard of what was given up", heard.Load())
		}
		if code, _, _ := a("GET", key); code != http.StatusNotFound {
			t.Errorf("a key that is no longer parked is %d", code)
		}
		body = says("/parked/settled", "Edited", "Handled", "Given up", "What it said before", "cannot read this", `href="/shops/alpha"`)
		if given, handled, edited := strings.Index(body, ">Given up<"), strings.Index(body, ">Handled<"), strings.Index(body, ">Edited<"); given > handled || handled > edited {
			t.Errorf("the latest is not first: %d %d %d", given, handled, edited)
		}

		a("POST", "/signout")
		if code, _, _ := a("GET", "/"); code != http.StatusSeeOther {
			t.Errorf("signed out, the console is %d", code)
		}
		guesser, limited := visitor(t, site.URL), false
		for range 20 {
			code, _, _ := guesser("POST", "/signin", "token", "guess")
			limited = limited || code == 429
		}
		if code, _, _ := guesser("POST", "/signin", "token", token); !limited || code != 429 {
			t.Errorf("after twenty guesses a token gets %d", code)
		}
	})
}

func entry(t *testing.T, f *fleet.Fleet, slug string) fleet.Entry {
	t.Helper()
	room, err := f.BySlug(t.Context(), slug)
	if fault.Of(err) != nil || err != nil {
		t.Fatal(err)
	}
	return room.Entry()
}

// visitor is a browser that follows no redirect. Pairs are the form of a POST
// and the headers of a GET.
func visitor(t *testing.T, base string) func(method, path string, pairs ...string) (code int, to, body string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(method, path string, pairs ...string) (int, string, string) {
		t.Helper()
		form, headers := url.Values{}, http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			if method == http.MethodPost {
				form.Set(pairs[i], pairs[i+1])
			} else {
				headers.Set(pairs[i], pairs[i+1])
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = headers
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Location"), string(b)
	}
}
