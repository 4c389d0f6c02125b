package dashboard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/meter"
	"haat/internal/money"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/pay"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/stock"
	"haat/internal/web"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

// platform is a served dashboard over real rooms, with a letter box in place
// of phones.
type platform struct {
	*server
	bus    *event.Bus
	visits insight.Visits
	t      *testing.T
	url    string
	outbox *notify.Outbox
}

func onPlatform(t *testing.T, fn func(t *testing.T, p *platform)) {
	t.Helper()
	schemas := []*db.SchemaSet{
		event.Schema, op.Schema, shop.Schema, customer.Schema, stock.Schema, media.Schema, catalog.Schema, pay.Schema, order.Schema, search.Schema, insight.Schema, hook.Schema, notify.Schema,
	}
	fleettest.EachFleet(t, schemas, []*db.SchemaSet{op.ControlSchema, shop.ControlSchema}, func(t *testing.T, f *fleet.Fleet) { fn(t, newPlatform(t, f)) })
}

func newPlatform(t *testing.T, f *fleet.Fleet) *platform {
	log, key, dir := slog.New(slog.DiscardHandler), []byte("the key of a test"), t.TempDir()
	shopURL := func(slug string) string { return "http://" + slug + "." + fleettest.Domain }
	p := &platform{t: t, outbox: notify.NewOutbox()}
	letters := p.outbox.Over(nil)
	send := func(ctx context.Context, m shop.Message) error {
		return letters.Send(ctx, notify.Message{To: m.To, Channel: notify.Channel(m.Channel), Code: m.Code, Text: m.Text})
	}
	accounts := shop.NewAccounts(f.Control(), f, key, send, time.Now, shop.DefaultLimits(), shopURL)
	cookies := web.NewCookies(key, false)
	disk, err := media.OpenDisk(filepath.Join(dir, "media"))
	if err != nil {
		t.Fatal(err)
	}
	importer, err := catalog.NewImporter(catalog.ImporterConfig{
		Rooms: f.ByID, Across: f.Across, Dir: filepath.Join(dir, "imports"), Log: log,
		Fetch: func(context.Context, id.Shop, string) (media.Image, error) {
			return media.Image{}, errors.New("there are no pictures here")
		},
		ShopURL: shopURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	bus := event.NewBus(f, log)
	p.bus = bus
	shop.Subscribe(bus, f)
	order.Subscribe(bus)
	insight.Subscribe(bus)
	bus.Start(t.Context())
	work, end := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { importer.Work(work) })
	stop := make(chan struct{})
	var pages http.Handler
	p.server, pages = newServer(Deps{
		Fleet: f, Bus: bus, Accounts: accounts, Office: shop.NewOffice(order.Traded), Desk: customer.NewDesk(shop.Currency), Finder: search.NewFinder(search.Options{}), Visits: &p.visits,
		Door:    api.NewDoor(f, accounts, cookies, api.Limits{PerIP: 10000, PerPerson: 10000}),
		Cookies: cookies, Pictures: media.NewLibrary(disk, 1), Importer: importer, Log: log, URL: "http://" + fleettest.Domain, ShopURL: shopURL, Stop: stop,
		Dev: true, DevMessages: p.outbox.Recent, OpenAPI: func() ([]byte, error) { return os.ReadFile("testdata/openapi.json") },
	})
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "from elsewhere", http.StatusForbidden) })
	g := op.NewRegistry("haat", "1", "http://"+fleettest.Domain, p.Door, meter.New(), log)
	g.Add(accounts.Operations()...)
	g.Add(p.Office.Operations()...)
	g.Add(p.Desk.Operations()...)
	g.Add(order.Operations()...)
	api.AddExports(g, importer, p.Desk)
	both := http.NewServeMux()
	both.Handle("/", pages)
	both.Handle("/api/", g)
	site := httptest.NewServer(web.Safe(both, 0, 1<<20, func(r *http.Request) int64 {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
			return 64 << 20
		}
		return 0
	}, refuse))
	p.url = site.URL
	t.Cleanup(func() {
		close(stop)
		site.Close()
		end()
		working.Wait()
		bus.Close()
		if err := errors.Join(importer.Close(), disk.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// browser is one person's, which follows no redirect by itself.
type browser struct {
	t   *testing.T
	p   *platform
	c   *http.Client
	jar *cookiejar.Jar
}

func (p *platform) browser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, p, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, jar}
}

// page is what came back.
type page struct {
	*http.Response
	t    *testing.T
	body string
	was  string
}

func (b *browser) do(method, path string, body io.Reader, kind string, headers ...string) *page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.p.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return &page{res, b.t, string(text), method + " " + path}
}

func (b *browser) get(path string, headers ...string) *page {
	b.t.Helper()
	return b.do("GET", path, nil, "", headers...)
}

func (b *browser) post(path string, pairs ...string) *page {
	b.t.Helper()
	return b.do("POST", path, strings.NewReader(fields(pairs...).Encode()), "application/x-www-form-urlencoded")
}

func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

type file struct {
	field, name string
	content     []byte
}

func (b *browser) upload(path string, form url.Values, files ...file) *page {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, values := range form {
		for _, v := range values {
			if err := w.WriteField(name, v); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	for _, f := range files {
		part, err := w.CreateFormFile(f.field, f.name)
		if err == nil {
			_, err = part.Write(f.content)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	return b.do("POST", path, &body, w.FormDataContentType())
}

func (p *page) status(want int) *page {
	p.t.Helper()
	if p.StatusCode != want {
		p.t.Fatalf("%s answers %d, not %d:\n%s", p.was, p.StatusCode, want, shown(p.body))
	}
	return p
}

func (p *page) has(want ...string) *page {
	p.t.Helper()
	for _, w := range want {
		if !strings.Contains(p.body, w) {
			p.t.Fatalf("%s does not say %q:\n%s", p.was, w, shown(p.body))
		}
	}
	return p
}

func (p *page) lacks(words ...string) *page {
	p.t.Helper()
	for _, w := range words {
		if strings.Contains(p.body, w) {
			p.t.Fatalf("%s says %q", p.was, w)
		}
	}
	return p
}

// to is where a form that was taken leads.
func (p *page) to() string {
	p.t.Helper()
	p.status(http.StatusSeeOther)
	return p.Header.Get("Location")
}

// shown is the end of a page, where its content is.
func shown(body string) string {
	if i := strings.Index(body, "<main"); i > 0 {
		body = body[i:]
	}
	return body[:min(len(body), 3000)]
}

// code is the newest code sent to an address.
func (p *platform) code(t *testing.T, to string) string {
	t.Helper()
	for _, m := range p.outbox.Recent() {
		if m.To == to && m.Code != "" {
			return m.Code
		}
	}
	t.Fatalf("no code was sent to %s", to)
	return ""
}

// api asks the API with the session of the browser's signed-in merchant.
func (b *browser) api(method, path, body string) *page {
	b.t.Helper()
	at, err := url.Parse(b.p.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(at) {
		if c.Name == sessionCookie {
			token := c.Value[:strings.LastIndexByte(c.Value, '.')]
			return b.do(method, "/api/v1"+path, strings.NewReader(body), "application/json", "Authorization", "Bearer "+token)
		}
	}
	b.t.Fatal("nobody is signed in")
	return nil
}

// merchant signs up by the forms, and gives the browser and the shop.
func (p *platform) merchant(t *testing.T, email, name string) (*browser, *fleet.Room) {
	t.Helper()
	b := p.browser(t)
	b.post("/signin", "contact", email, "next", "/new").status(http.StatusSeeOther)
	b.post("/code", "contact", email, "next", "/new", "code", p.code(t, email)).status(http.StatusSeeOther)
	at := b.post("/new", "name", name, "country", "IN").to()
	room, err := p.Fleet.BySlug(t.Context(), strings.TrimPrefix(at, "/shops/"))
	if err != nil {
		t.Fatal(err)
	}
	return b, room
}

// owner is who may do everything in a shop.
func owner(room *fleet.Room) op.Caller { return op.Caller{Account: id.Account{1}, Shop: room.Shop()} }

func newProduct(t *testing.T, room *fleet.Room, title string, price, stock int64) catalog.Details {
	t.Helper()
	in := catalog.CreateIn{Body: catalog.ProductInput{Title: &title, Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: price, Currency: "INR"}, Available: &stock}}}}
	d, err := catalog.CreateProduct.Do(t.Context(), room, owner(room), in)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func placed(t *testing.T, room *fleet.Room, d catalog.Details, n int64) order.Placed {
	t.Helper()
	o, err := order.Place.Do(t.Context(), room, op.Caller{Session: "shopper"}, order.PlaceIn{Body: order.PlaceBody{
		Lines: []order.Wanted{{Variant: d.Variants[0].ID.String(), Quantity: n}}, Payment: order.CashOnDelivery,
		Contact:         &order.Contact{Name: "Meera Iyer", Phone: "9845011223"},
		ShippingAddress: &order.Address{Name: "Meera Iyer", Line1: "22 2nd Cross", City: "Bengaluru", State: "Karnataka", PostalCode: "560038", Country: "IN"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
