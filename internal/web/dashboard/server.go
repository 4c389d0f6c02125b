package dashboard

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/web"
	"haat/internal/web/design"
	"haat/internal/web/storefront"
)

// Deps is what the dashboard stands on.
type Deps struct {
	Fleet       *fleet.Fleet
	Bus         *event.Bus
	Accounts    *shop.Accounts
	Office      *shop.Office
	Desk        *customer.Desk
	Finder      *search.Finder
	Visits      *insight.Visits // whose news open screens show
	Door        *api.Door
	Cookies     *web.Cookies
	Pictures    *media.Library
	Importer    *catalog.Importer
	Log         *slog.Logger
	URL         string                   // the platform's origin
	ShopURL     func(slug string) string // a shop's origin
	Region      string                   // country of phone numbers without one; empty: IN
	Stop        <-chan struct{}          // closed when live streams must end
	Dev         bool
	DevMessages func() []notify.Sent
	OpenAPI     func() ([]byte, error)
}

// sessionCookie holds the token of a signed-in device, on the platform's host
// only.
const sessionCookie = "haat_session"

const (
	sessionAge  = 90 * 24 * time.Hour
	flashCookie = "haat_flash"
	flashBytes  = 2000 // of a word with its undo, before it becomes a cookie
)

type server struct {
	Deps
	pages    web.Pages
	shops    http.Handler // shows a shop to its merchant
	previews *guard.Limiter

	routes []string // the patterns of a shop's own pages
}

// New makes the handler of the platform's host.
func New(d Deps) http.Handler {
	_, h := newServer(d)
	return h
}

func newServer(d Deps) (*server, http.Handler) {
	if d.Region == "" {
		d.Region = "IN"
	}
	s := &server{Deps: d}
	s.previews = guard.NewLimiter(120, time.Minute, "You type faster than we can look. Try again in a moment.")
	s.pages = web.Pages{Log: d.Log, Error: s.failure}
	s.shops = storefront.New(storefront.Deps{Fleet: d.Fleet, Finder: d.Finder, Door: d.Door, Cookies: d.Cookies, Log: d.Log, URL: d.URL, ShopURL: d.ShopURL})
	mux := http.NewServeMux()
	s.publicRoutes(mux)
	s.shopRoutes(mux)
	mux.HandleFunc("GET "+design.AssetPath, func(w http.ResponseWriter, r *http.Request) {
		f, ok := Files.File(r.URL.Path)
		if !ok {
			f, ok = storefront.Assets.File(r.URL.Path) // of a theme's preview
		}
		if !ok {
			s.pages.Fail(w, r, fault.NotFound("There is no such file."))
			return
		}
		f.Serve(w, r)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/", s.pages.Handle(func(http.ResponseWriter, *http.Request) error { return fault.NotFound("There is no such page.") }))
	return s, mux
}

// failure is the page of an error.
func (s *server) failure(r *http.Request, status int, f *fault.Fault) templ.Component {
	p := Failure{Public: s.public(r, http.StatusText(status)), Status: status, Heading: "That did not work", Text: f.Message, ActionURL: "/", ActionLabel: "To the start"}
	switch status {
	case http.StatusNotFound:
		p.Heading = "There is nothing here"
	case http.StatusTooManyRequests:
		p.Heading = "A little slower, please"
	case http.StatusForbidden:
		p.Heading = "You may not do that"
	case http.StatusServiceUnavailable:
		p.Heading = "We cannot do that just now"
	case http.StatusInternalServerError:
		p.Heading = "Something went wrong"
	}
	return p.Page()
}

func (s *server) public(r *http.Request, title string) Public {
	return Public{Title: title, SignedIn: s.Cookies.Get(r, sessionCookie) != "", Now: time.Now(), Dev: s.Dev}
}

// flash keeps a word for the next page.
func (s *server) flash(w http.ResponseWriter, r *http.Request, f Flash) {
	b, err := json.Marshal(f)
	if err == nil && len(b) < flashBytes {
		s.Cookies.Set(w, r, flashCookie, url.QueryEscape(string(b)), time.Minute)
	}
}

func (s *server) takeFlash(w http.ResponseWriter, r *http.Request) (f Flash) {
	text, err := url.QueryUnescape(s.Cookies.Get(r, flashCookie))
	if err != nil || text == "" {
		return f
	}
	s.Cookies.Clear(w, flashCookie)
	_ = json.Unmarshal([]byte(text), &f) // signed by us
	return f
}

// caller gives who is signed in. The error sends the browser to sign in.
func (s *server) caller(r *http.Request, room *fleet.Room) (op.Caller, error) {
	token := s.Cookies.Get(r, sessionCookie)
	if token == "" {
		return op.Caller{IP: s.Door.IP(r)}, fault.Anonymous("Sign in first.")
	}
	return s.Door.Known(r, token, room)
}

func (s *server) toSignIn(w http.ResponseWriter, r *http.Request) error {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = "/shops"
	}
	return web.Back(w, r, "/signin?"+url.Values{"next": {next}}.Encode())
}

// desk is one request of a merchant in one of their shops.
type desk struct {
	*server
	w    http.ResponseWriter
	r    *http.Request
	room *fleet.Room
	by   op.Caller
	base string
}

func (d *desk) ctx() context.Context { return d.r.Context() }

// shopRoutes adds the pages of one shop. Every one of them asks first who is
// there and whether the shop is theirs.
func (s *server) shopRoutes(mux *http.ServeMux) {
	page := func(pattern string, h func(*desk) error) {
		method, path, _ := strings.Cut(pattern, " ")
		s.routes = append(s.routes, pattern)
		mux.Handle(method+" /shops/{slug}"+path, s.pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
			if _, err := s.caller(r, nil); fault.Is(err, fault.KindDenied) {
				return s.toSignIn(w, r)
			} else if err != nil {
				return err
			}
			room, err := s.Fleet.BySlug(r.Context(), r.PathValue("slug"))
			if err != nil {
				return err
			}
			by, err := s.caller(r, room)
			if err != nil {
				return err
			}
			return h(&desk{server: s, w: w, r: r, room: room, by: by, base: "/shops/" + room.Slug()})
		}))
	}
	page("GET ", (*desk).today)
	page("GET /live", (*desk).live)
	page("GET /orders", (*desk).orders)
	page("GET /orders/{order}", (*desk).order)
	page("POST /orders/{order}/accept", (*desk).accept)
	page("POST /orders/{order}/fulfil", (*desk).fulfil)
	page("POST /orders/{order}/paid", (*desk).paid)
	page("POST /orders/{order}/cancel", (*desk).cancel)
	page("POST /orders/{order}/note", (*desk).note)
	page("GET /products", (*desk).products)
	page("GET /products/new", (*desk).newProduct)
	page("POST /products/new", (*desk).saveProduct)
	page("GET /products/bulk", (*desk).bulk)
	page("POST /products/bulk", (*desk).saveBulk)
	page("GET /products/{product}", (*desk).editProduct)
	page("POST /products/{product}", (*desk).saveProduct)
	page("POST /products/{product}/archive", (*desk).archive)
	page("POST /products/{product}/images", (*desk).uploadImage)
	page("POST /images", (*desk).uploadImage)
	page("GET /quick", (*desk).quick)
	page("POST /quick", (*desk).saveQuick)
	page("GET /collections", (*desk).collections)
	page("GET /collections/new", (*desk).collection)
	page("POST /collections/new", (*desk).saveCollection)
	page("GET /collections/{collection}", (*desk).collection)
	page("POST /collections/{collection}", (*desk).saveCollection)
	page("POST /collections/{collection}/remove", (*desk).removeCollection)
	page("GET /customers", (*desk).customers)
	page("GET /customers/{customer}", (*desk).customer)
	page("GET /search", (*desk).searched)
	page("POST /search", (*desk).saveSynonyms)
	page("GET /share", (*desk).share)
	page("GET /share/poster", (*desk).poster)
	page("GET /import", (*desk).importStart)
	page("POST /import", (*desk).startImport)
	page("GET /imports/{import}", (*desk).showImport)
	page("POST /imports/{import}/apply", (*desk).applyImport)
	page("GET /imports/{import}/live", (*desk).liveImport)
	page("GET /imports/{import}/errors.csv", (*desk).importErrors)
	page("GET /export", (*desk).export)
	page("GET /export/products.csv", (*desk).exportProducts)
	page("GET /export/orders.csv", (*desk).exportOrders)
	page("GET /export/customers.csv", (*desk).exportCustomers)
	page("GET /settings", (*desk).settings)
	page("POST /settings", (*desk).saveSettings)
	page("GET /settings/theme", (*desk).theme)
	page("POST /settings/theme", (*desk).saveTheme)
	page("GET /settings/theme/preview", (*desk).preview)
	page("GET /settings/theme/preview.css", (*desk).previewCSS)
	page("GET /settings/delivery", (*desk).delivery)
	page("POST /settings/delivery", (*desk).saveDelivery)
	page("GET /settings/payments", (*desk).payments)
	page("POST /settings/payments", (*desk).savePayments)
	page("GET /settings/messages", (*desk).messages)
	page("POST /settings/messages", (*desk).changeMessage)
	page("GET /settings/webhooks", (*desk).webhooks)
	page("POST /settings/webhooks", (*desk).addWebhook)
	page("GET /settings/webhooks/{webhook}", (*desk).webhook)
	page("POST /settings/webhooks/{webhook}", (*desk).changeWebhook)
	page("POST /settings/webhooks/{webhook}/deliveries/{delivery}", (*desk).redeliver)
	page("GET /settings/account", (*desk).account)
	page("POST /settings/account/second", (*desk).second)
	page("POST /settings/account/signout", (*desk).endSession)
	page("GET /more", (*desk).more)
}

// frame is what stands around a page of the shop, with the word that the last
// form left for it, and the settings it is made of.
func (d *desk) frame(title, section string) (Frame, shop.Settings, error) {
	f, s, err := d.around(title, section)
	if err == nil {
		f.Flash = d.takeFlash(d.w, d.r)
	}
	return f, s, err
}

func (d *desk) around(title, section string) (Frame, shop.Settings, error) {
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return Frame{}, s, err
	}
	f := Frame{Title: title, Section: section, Now: time.Now(), ShopName: s.Name, ShopURL: d.ShopURL(d.room.Slug()), Base: d.base}
	if f.Zone, err = time.LoadLocation(s.Timezone); err != nil {
		f.Zone = time.UTC
	}
	if s.Theme.Logo != "" {
		f.Logo = media.URL(d.room.Shop(), s.Theme.Logo, 160)
	}
	if d.room.Suspended() {
		f.Suspended = "The operator has closed this shop. Shoppers cannot see it."
	}
	mine, err := d.Accounts.Shops.Do(d.ctx(), d.by, shop.MyList{Page: op.Page{Limit: 250}})
	if err != nil {
		return f, s, err
	}
	f.Shops = len(mine.Items)
	counts, err := order.CountOrders.Do(d.ctx(), d.room, d.by, op.Empty{})
	f.Waiting = int(counts.Placed)
	return f, s, err
}

func (d *desk) show(status int, c templ.Component) error {
	d.w.Header().Set("Cache-Control", "private, no-store")
	return web.Render(d.w, d.r, status, c)
}

// back tells what was done and goes to a page of the shop.
func (d *desk) back(path string, f Flash) error {
	if f.Text != "" {
		d.flash(d.w, d.r, f)
	}
	return web.Back(d.w, d.r, d.base+path)
}

func (d *desk) form(name string) string { return strings.TrimSpace(d.r.FormValue(name)) }

func (d *desk) more() error {
	f, _, err := d.frame("More", SectionMore)
	if err != nil {
		return err
	}
	return d.show(http.StatusOK, f.More())
}

// wrong gives the fault if it is one that a form shows beside its fields.
func wrong(err error) *fault.Fault {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.KindInvalid && f.Kind != fault.KindConflict && f.Kind != fault.KindTooLarge && !(f.Kind == fault.KindBusy && f.Limited) {
		return nil
	}
	return f
}

// beside puts what is wrong beside the form's fields: names gives the field
// of each pointer; what it does not know is about the form as a whole.
func beside(f *fault.Fault, names map[string]string) Problems {
	p := Problems{}
	put := func(pointer, message string) {
		field, ok := names[pointer]
		if !ok {
			field = names[strings.TrimSuffix(pointer, "/amount")]
		}
		if p[field] == "" {
			p[field] = message
		}
	}
	put(f.Field, f.Message)
	for _, m := range f.More {
		put(m.Pointer, m.Message)
	}
	return p
}
