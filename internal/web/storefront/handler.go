package storefront

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/edge"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/web"
	"haat/internal/web/design"
)

// Deps is what the storefront stands on.
type Deps struct {
	Fleet   *fleet.Fleet
	Edge    *edge.Pages // nil keeps nothing
	Finder  *search.Finder
	Visits  *insight.Visits // nil counts none
	Door    *api.Door
	Cookies *web.Cookies
	Log     *slog.Logger
	URL     string                   // the platform's origin
	ShopURL func(slug string) string // a shop's origin
	HTTPS   bool
	// NoBudgets lets a shop's pages take all processors, whoever waits.
	NoBudgets bool
}

// Server answers on shops' own hosts.
type Server struct {
	Deps
	pages web.Pages
	turns *guard.Gate // of those that make pages
}

// New makes the handler of shops' own hosts, and of hosts that are no shop's.
func New(d Deps) http.Handler {
	s := &Server{Deps: d, turns: guard.NewGate(guard.GateOptions{Places: 2 * runtime.GOMAXPROCS(0), Apart: true, Off: d.NoBudgets})}
	s.pages = web.Pages{Log: d.Log, Error: s.fault}
	mux := http.NewServeMux()
	page := func(pattern string, h func(*visit) error) {
		mux.Handle(pattern, s.pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
			room, err := s.Door.Shop(r, op.Shopper, "")
			if err == nil {
				_, err = op.Seen(r, room)
			}
			if err != nil {
				return err
			}
			return h(&visit{Server: s, w: w, r: r, room: room, by: op.Caller{Session: s.Cookies.Get(r, api.ShopperCookie), IP: s.Door.IP(r)}})
		}))
	}
	mux.Handle("GET /{$}", s.shared((*visit).home))
	mux.Handle("GET /collections", s.shared((*visit).collections))
	mux.Handle("GET /collections/{handle}", s.shared((*visit).collection, FieldSort, FieldAvailable, FieldMin, FieldMax, FieldPage, PrefixOption))
	page("GET /collections/{collection}/products/{handle}", func(v *visit) error {
		http.Redirect(v.w, v.r, ProductPath(v.r.PathValue("handle"), ""), http.StatusMovedPermanently)
		return nil
	})
	page("GET /products", func(v *visit) error {
		http.Redirect(v.w, v.r, PathAll, http.StatusMovedPermanently)
		return nil
	})
	mux.Handle("GET /products/{handle}", s.shared((*visit).product, FieldVariant))
	page("GET /search", (*visit).search)
	page("GET /cart", (*visit).cart)
	page("POST /cart", (*visit).changeCart)
	page("POST /cart/add", (*visit).addToCart)
	page("GET /checkout", (*visit).checkout)
	page("POST /checkout", (*visit).place)
	page("GET /orders/{token}", (*visit).order)
	mux.Handle("GET /policies/{kind}", s.shared((*visit).policy))
	page("POST "+PathVisit, (*visit).begins)
	page("GET /robots.txt", (*visit).robots)
	mux.Handle("GET /sitemap.xml", s.shared((*visit).sitemap))
	mux.Handle("GET /{theme}", s.shared((*visit).theme))
	mux.HandleFunc("GET "+design.AssetPath, s.asset)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, Assets.URL("icon.svg"), http.StatusFound)
	})
	mux.Handle("/", s.pages.Handle(func(http.ResponseWriter, *http.Request) error { return fault.NotFound("There is no such page.") }))
	return mux
}

// visit is one request to one shop.
type visit struct {
	*Server
	w    http.ResponseWriter
	r    *http.Request
	room *fleet.Room
	by   op.Caller

	// of a shared page
	mark fleet.Mark
	tags []string
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// prefetchRules name the shared pages as ones to fetch when a pointer rests on
// their link or a finger comes down on it, in browsers that know how.
var prefetchRules = `"` + Assets.URL("prefetch.speculationrules") + `"`

// show sends a page. One that is the same for everybody may be kept by
// caches, which ask again before they show it.
func (v *visit) show(status int, c templ.Component, shared bool) error {
	v.w.Header().Set("Speculation-Rules", prefetchRules)
	if shared && status == http.StatusOK {
		v.w.Header().Set("Cache-Control", "public, max-age=0, must-revalidate")
	} else {
		v.w.Header().Set("Cache-Control", "private, no-store")
	}
	return web.Render(v.w, v.r, status, fairly{c, v.turns, v.room.Shop()})
}

// fairly makes a page when it is its shop's turn, so that one of whose pages
// very many are to be made leaves processors to others.
type fairly struct {
	templ.Component
	turns *guard.Gate
	shop  id.Shop
}

// Render implements templ.Component. It is a Busy fault when too many of the
// shop wait.
func (f fairly) Render(ctx context.Context, w io.Writer) error {
	pass, err := f.turns.Enter(ctx, f.shop, guard.Read)
	if err != nil {
		return err
	}
	return pass.Use(func() error { return f.Component.Render(ctx, w) })
}

// frame is what stands around every page of a shop.
func (v *visit) frame(s shop.Settings, menu []catalog.Tile) Shop {
	return v.Server.frame(v.room, s, menu)
}

func (s *Server) frame(room *fleet.Room, set shop.Settings, menu []catalog.Tile) Shop {
	f := Shop{
		Name: set.Name, Tagline: set.Theme.Tagline, URL: s.ShopURL(room.Slug()), Lang: "en", Locale: set.Locale, Phone: shop.ShowPhone(set.Phone),
		Email: set.Email, Address: set.Address, ThemeColor: set.Theme.Background,
	}
	if f.Name == "" {
		f.Name = room.Name()
	}
	if css, err := themeCSS(set.Theme); err == nil && css != nil {
		f.ThemeCSS = design.ThemePath(css)
	}
	if set.Theme.Logo != "" {
		f.Logo = &Image{Src: media.URL(room.Shop(), set.Theme.Logo, 160), Width: 160, Height: 160, Alt: f.Name}
	}
	for _, t := range menu {
		f.Nav = append(f.Nav, Link{t.Title, CollectionPath(t.Handle)})
	}
	for _, kind := range set.Policies {
		f.Policies = append(f.Policies, Link{policyTitle(kind), PolicyPath(kind)})
	}
	if set.WhatsApp != "" {
		f.WhatsApp = "https://wa.me/" + strings.TrimPrefix(set.WhatsApp, "+")
	}
	f.Promises = promised(set, f.WhatsApp)
	return f
}

// promised says what is true of buying here: how it comes, how it is paid,
// how it goes back and whom to ask.
func promised(set shop.Settings, whatsApp string) (out []Promise) {
	truck := Promise{Icon: "truck", Text: "Free delivery"}
	if set.Delivery.Charge > 0 {
		truck.Text = "Delivery " + cash(set, set.Delivery.Charge).Format(set.Locale, true)
		if set.Delivery.FreeAbove > 0 {
			truck.Text += ", free above " + cash(set, set.Delivery.FreeAbove).Format(set.Locale, true)
		}
	}
	if slices.Contains(set.Policies, "shipping") {
		truck.Href = PolicyPath("shipping")
	}
	out = append(out, truck)
	switch {
	case set.COD && set.UPI.VPA != "":
		out = append(out, Promise{Icon: "cash", Text: "Cash on delivery or UPI"})
	case set.COD:
		out = append(out, Promise{Icon: "cash", Text: "Cash on delivery"})
	case set.UPI.VPA != "":
		out = append(out, Promise{Icon: "qr", Text: "Pay from any UPI app"})
	}
	if slices.Contains(set.Policies, "returns") {
		out = append(out, Promise{"return", "How returns work", PolicyPath("returns")})
	}
	if whatsApp != "" {
		out = append(out, Promise{"whatsapp", "Questions? Ask on WhatsApp", whatsApp})
	}
	return out
}

func themeCSS(t shop.Theme) ([]byte, error) {
	if t.Accent == "" && t.Background == "" && t.Text == "" && (t.Font == "" || t.Font == "system") {
		return nil, nil
	}
	return design.ThemeCSS(design.Theme{Accent: t.Accent, Background: t.Background, Text: t.Text, Font: t.Font})
}

func policyTitle(kind string) string {
	switch kind {
	case "returns":
		return "Returns"
	case "shipping":
		return "Shipping"
	case "privacy":
		return "Privacy"
	case "terms":
		return "Terms"
	}
	return kind
}

func cash(s shop.Settings, amount int64) money.Money {
	return money.Money{Amount: amount, Currency: s.Currency}
}

func imageOf(room *fleet.Room, m media.Image) *Image {
	if m.Hash == "" || m.Width == 0 {
		return nil
	}
	return &Image{
		Src: media.URL(room.Shop(), m.Hash, media.Nearest(m.Width, 640)), SrcSet: media.SrcSet(room.Shop(), m),
		Width: m.Width, Height: m.Height, Alt: m.Alt, Placeholder: m.Placeholder,
	}
}

func (v *visit) card(s shop.Settings, c catalog.Card) Card {
	out := Card{Href: ProductPath(c.Handle, ""), Title: c.Title, Vendor: c.Vendor, Image: imageOf(v.room, c.Image), Available: c.Sellable,
		Price: Price{Now: cash(s, c.Price), Varies: c.PriceMax > c.Price}}
	if c.CompareAt > c.Price {
		was := cash(s, c.CompareAt)
		out.Price.Was = &was
	}
	if out.Image != nil && out.Image.Alt == "" {
		out.Image.Alt = c.Title
	}
	return out
}

func (v *visit) cards(s shop.Settings, cs []catalog.Card) []Card {
	out := make([]Card, len(cs))
	for i, c := range cs {
		out[i] = v.card(s, c)
	}
	return out
}

func (v *visit) tiles(ts []catalog.Tile) []Tile {
	out := make([]Tile, len(ts))
	for i, t := range ts {
		out[i] = Tile{Href: CollectionPath(t.Handle), Title: t.Title, Image: imageOf(v.room, t.Image), Count: int(t.Products)}
	}
	return out
}

// fault is the page of an error, in the shop's frame when there is one.
func (s *Server) fault(r *http.Request, status int, f *fault.Fault) templ.Component {
	page := Fault{Kind: "broken", Detail: f.Message, Platform: s.URL}
	page.NoIndex = true
	switch {
	case status == http.StatusNotFound:
		page.Kind = "missing"
	case status == http.StatusTooManyRequests:
		page.Kind = "slow-down"
	case status == http.StatusServiceUnavailable:
		page.Kind = "busy"
	}
	room, err := s.Fleet.ByHost(r.Context(), r.Host)
	switch {
	case fault.Is(err, fault.KindNotFound):
		page.Kind, page.Host, page.Detail = "unknown-host", web.Host(r), ""
		return page.Draw()
	case err != nil:
		return page.Draw()
	case room.Suspended():
		page.Kind, page.Detail = "closed", ""
		return page.Draw()
	}
	if shown, err := catalog.ForMenu.Do(r.Context(), room, op.Caller{}, catalog.HomeIn{}); err == nil {
		page.Shop = s.frame(room, shown.Shop, shown.Page)
	}
	if page.Kind == "missing" {
		page.Detail = ""
	}
	return page.Draw()
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := Assets.File(r.URL.Path)
	if !ok {
		s.pages.Fail(w, r, fault.NotFound("There is no such file."))
		return
	}
	a.Serve(w, r)
}

// theme serves the shop's stylesheet, under an address that names its
// content. An old address is answered too, but not kept.
func (v *visit) theme() error {
	name := "/" + v.r.PathValue("theme")
	if !strings.HasPrefix(name, "/theme-") || !strings.HasSuffix(name, ".css") {
		return fault.NotFound("There is no such page.")
	}
	shown, err := catalog.ForMenu.Do(v.ctx(), v.room, v.by, catalog.HomeIn{})
	if err != nil {
		return err
	}
	v.depends(shown.Mark, shop.TagShop)
	css, err := themeCSS(shown.Shop.Theme)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	if css != nil && design.ThemePath(css) == name {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = v.w.Write(css)
	return nil
}

// policy is a page of the merchant's own text.
func (v *visit) policy() error {
	kind := v.r.PathValue("kind")
	shown, err := shop.ForPolicy.Do(v.ctx(), v.room, v.by, shop.PolicyIn{Kind: kind})
	if err != nil {
		return err
	}
	v.depends(shown.Mark, shop.TagShop)
	page := Text{Heading: policyTitle(kind), Plain: shown.Text}
	page.Page = Page{Shop: v.frame(shown.Shop, nil), Title: policyTitle(kind), Canonical: PolicyPath(kind)}
	return v.show(http.StatusOK, page.Draw(), true)
}

// begins is what a page's script says of a visit that begins. Nothing of the
// visitor is kept.
func (v *visit) begins() error {
	if v.Visits != nil {
		v.Visits.Count(v.room.Shop(), time.Now())
	}
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

// remember gives the shopper a session when they have none.
func (v *visit) remember() {
	if v.by.Session == "" {
		v.by.Session = newSession()
		v.Cookies.Set(v.w, v.r, api.ShopperCookie, v.by.Session, 90*24*time.Hour)
	}
}

// admit keeps a form within the shopper's limits.
func (v *visit) admit(person string) error {
	return v.Door.Admit(v.r, op.Info{Role: op.Shopper}, v.by, person)
}

func query(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

var errNoCart = errors.New("there is no cart")
