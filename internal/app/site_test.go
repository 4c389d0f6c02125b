package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"haat/internal/edge"
	"haat/internal/fleet/fleettest"
)

// TestMain lets a child of a test do its work instead.
func TestMain(m *testing.M) {
	runAsProgram()
	signUpUntilKilled()
	seedUntilKilled()
	commandAsAProcess()
	weighIdle()
	fleettest.Main(m)
}

const (
	domain  = "haat.test"
	another = "203.0.113.77" // the address of somebody else
)

// site is the whole program on two ports of this machine, over a folder of the
// test's own. Every name leads to it.
type site struct {
	t        *testing.T
	app      *App
	client   *http.Client
	public   string // host:port
	ops      string
	opsToken string
	people   int
	promises *contract // which every answer of the API must keep
}

func open(t *testing.T, change func(*Config)) *site {
	t.Helper()
	s := &site{t: t}
	cfg := settings(t, t.TempDir())
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.app, err = quietly(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))); err != nil {
		t.Fatal(err)
	}
	s.opsToken = s.app.opsMade
	doc, err := s.app.registry.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	s.promises = readContract(t, doc)
	public, ops, err := s.app.handlers()
	if err != nil {
		t.Fatal(err)
	}
	serve := func(h http.Handler, front bool) (string, *http.Server) {
		srv, l, err := listen("127.0.0.1:0", 1000, h, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var on net.Listener = l
		if front {
			on = edge.NewFront(l, s.app.pages, edge.FrontOptions{State: l.state})
		}
		go srv.Serve(on)
		return l.Addr().String(), srv
	}
	var servers [2]*http.Server
	s.public, servers[0] = serve(public, true)
	s.ops, servers[1] = serve(ops, false)
	s.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression: true, MaxIdleConnsPerHost: 4,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				to := s.public
				if strings.HasPrefix(address, "ops.test:") {
					to = s.ops
				}
				return (&net.Dialer{}).DialContext(ctx, network, to)
			},
		},
	}
	t.Cleanup(func() {
		close(s.app.stopping)
		s.client.CloseIdleConnections()
		err := errors.Join(servers[0].Close(), servers[1].Close(), s.app.Close())
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

// settings are those of serve --dev, in a folder of the test's own.
func settings(t *testing.T, dir string) Config {
	t.Helper()
	var c Config
	if err := Defaults(&c); err != nil {
		t.Fatal(err)
	}
	c.Data, c.Listen, c.OpsListen, c.URL, c.Dev, c.TrustProxy = dir, "127.0.0.1:0", "127.0.0.1:0", "http://"+domain+":8080", true, true
	c.Codes.PerIP, c.Codes.PerAddress = 1000, 1000
	return c
}

// quietly opens the program without the codes that --dev prints.
func quietly(ctx context.Context, cfg Config, log *slog.Logger) (*App, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	stdout := os.Stdout
	os.Stdout = null
	defer func() { os.Stdout = stdout }()
	return Open(ctx, cfg, log)
}

// answer is what came back.
type answer struct {
	t      *testing.T
	asked  string
	status int
	header http.Header
	body   string
}

// call is a request; a body that is neither text nor a reader is sent as JSON.
type call struct {
	method, url string // the URL without its scheme: host and path
	token       string
	body        any
	header      http.Header
}

// with adds headers, given as name and value in turn.
func (c call) with(pairs ...string) call {
	c.header = c.header.Clone()
	if c.header == nil {
		c.header = http.Header{}
	}
	for i := 0; i < len(pairs); i += 2 {
		c.header.Set(pairs[i], pairs[i+1])
	}
	return c
}

func (s *site) send(c call) *answer {
	s.t.Helper()
	var body io.Reader
	kind := ""
	switch b := c.body.(type) {
	case nil:
	case form:
		body, kind = b.reader(s.t)
	case url.Values:
		body, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case string:
		body, kind = strings.NewReader(b), "application/json"
	case io.Reader:
		body = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		body, kind = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequestWithContext(s.t.Context(), c.method, "http://"+c.url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	if h := c.header.Get("Host"); h != "" {
		r.Host = h
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", c.method, c.url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", c.method, c.url, err)
	}
	if path := r.URL.Path; strings.HasPrefix(path, "/api/v1/") && path != "/api/v1/openapi.json" {
		if err := s.promises.check(c.method, path, res.StatusCode, res.Header.Get("Content-Type"), string(text)); err != nil {
			s.t.Errorf("%s %s: %d: %v\n%.400s", c.method, c.url, res.StatusCode, err, text)
		}
	}
	return &answer{s.t, c.method + " " + c.url, res.StatusCode, res.Header, string(text)}
}

func (s *site) get(url, token string) *answer {
	s.t.Helper()
	return s.send(call{method: "GET", url: url, token: token})
}

func (s *site) post(url, token string, body any) *answer {
	s.t.Helper()
	return s.send(call{method: "POST", url: url, token: token, body: body})
}

// want demands a status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %.600s", a.asked, a.status, status, a.body)
	}
	return a
}

// problem demands an error as RFC 9457 has it, with that pointer; "" for any.
func (a *answer) problem(status int, pointer string) *answer {
	a.t.Helper()
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
		Errors                    []struct{ Pointer, Detail string }
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Status != status || p.Title == "" || p.Type == "" || p.Detail == "" ||
		a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: %d %s, want a problem %d: %.400s (%v)", a.asked, a.status, a.header.Get("Content-Type"), status, a.body, err)
		return a
	}
	for _, e := range p.Errors {
		if e.Pointer == pointer && e.Detail != "" {
			return a
		}
	}
	if pointer != "" {
		a.t.Errorf("%s: nothing points to %s: %s", a.asked, pointer, a.body)
	}
	return a
}

// at digs a value out of a JSON answer: at("items", 0, "id"). What is not
// there is nil.
func (a *answer) at(path ...any) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s: %v: %.300s", a.asked, err, a.body)
	}
	return dig(v, path...)
}

func dig(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step < 0 || step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// text is at for what must be a text that is not empty.
func (a *answer) text(path ...any) string {
	a.t.Helper()
	s, _ := a.at(path...).(string)
	if s == "" {
		a.t.Fatalf("%s: there is no %v in %.400s", a.asked, path, a.body)
	}
	return s
}

// is demands a value of a JSON answer.
func (a *answer) is(want any, path ...any) *answer {
	a.t.Helper()
	if got := a.at(path...); fmt.Sprint(got) != fmt.Sprint(want) {
		a.t.Errorf("%s: %v is %v, want %v: %.500s", a.asked, path, got, want, a.body)
	}
	return a
}

func (a *answer) count(path ...any) int {
	a.t.Helper()
	l, _ := a.at(path...).([]any)
	return len(l)
}

// form is a multipart form: its fields, and a file in the field of that name.
type form struct {
	fields      [][2]string
	field, name string
	content     string
	before      bool // the file comes before the fields
}

func (f form) reader(t *testing.T) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err := error(nil)
	file := func() {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, f.field, f.name))
		h.Set("Content-Type", "application/octet-stream")
		p, e := w.CreatePart(h)
		if e == nil {
			_, e = io.WriteString(p, f.content)
		}
		err = errors.Join(err, e)
	}
	if f.before {
		file()
	}
	for _, kv := range f.fields {
		err = errors.Join(err, w.WriteField(kv[0], kv[1]))
	}
	if !f.before && f.field != "" {
		file()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

// code gives the newest code sent to an address.
func (s *site) code(to string) string {
	s.t.Helper()
	a := s.get(domain+"/dev/messages", "").want(200)
	for i := range a.count("items") {
		if code, _ := a.at("items", i, "code").(string); a.at("items", i, "to") == to && code != "" {
			return code
		}
	}
	s.t.Fatalf("nothing was sent to %s: %s", to, a.body)
	return ""
}

// signIn gives the token of somebody with that phone number or e-mail address.
func (s *site) signIn(to string) string {
	s.t.Helper()
	who := map[string]string{"phone": to}
	if strings.Contains(to, "@") {
		who = map[string]string{"email": to}
	}
	s.post(domain+"/api/v1/auth/codes", "", who).want(202)
	who["code"] = s.code(to)
	return s.post(domain+"/api/v1/auth/sessions", "", who).want(201).text("token")
}

// until waits until a condition holds.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatalf("waited too long until %s", what)
		}
	}
}

// still waits until everything that follows from what was done has been done:
// no event is under way, how far they were handled has been stored (which the
// bus does a moment later, and which moves the clock too), and no import is.
func (s *site) still(slugs ...string) {
	s.t.Helper()
	for _, slug := range slugs {
		room, err := s.app.fleet.BySlug(s.t.Context(), slug)
		if err != nil {
			s.t.Fatal(err)
		}
		var last int64 = -1
		quiet := 0
		s.until("shop "+slug+" is still", func() bool {
			n := s.writes(slug)
			if !s.app.bus.Resting(room.Shop()) || n != last {
				last, quiet = n, 0
				return false
			}
			quiet++
			return quiet > 20 // of ten milliseconds
		})
	}
}

// writes is n of a shop's clock, which every write of the shop moves.
func (s *site) writes(slug string) int64 {
	s.t.Helper()
	room, err := s.app.fleet.BySlug(s.t.Context(), slug)
	if err != nil {
		s.t.Fatal(err)
	}
	size, err := room.Size(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return size.Writes
}
