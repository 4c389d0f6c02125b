package console

import (
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"haat/internal/api"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/web"
	"haat/internal/web/design"
)

// Deps is what the console stands on.
type Deps struct {
	Operator api.Operator
	Bus      *event.Bus
	Fleet    *fleet.Fleet
	Kafka    *event.Kafka // nil: events do not go through a topic
	Cookies  *web.Cookies
	Door     *api.Door
	Check    func(token string) bool // whether a token is the operator's
	Log      *slog.Logger
	Started  time.Time
	Version  string
	Self     string // the id of this process
}

const (
	cookie      = "haat_operator"
	flashCookie = "haat_ops_flash"
	sessionAge  = 12 * time.Hour
	perPage     = 50
)

type server struct {
	Deps
	pages web.Pages
	tries *guard.Limiter
}

// New makes the handler of the operator's address. Everything but the sign-in
// asks for the token first, wherever the request comes from.
func New(d Deps) http.Handler {
	s := &server{Deps: d, tries: guard.NewLimiter(10, time.Minute, "Too many tokens were tried. Wait a minute.")}
	s.pages = web.Pages{Log: d.Log, Error: s.failure}
	mux := http.NewServeMux()
	page := func(pattern string, h web.Handler) {
		mux.Handle(pattern, s.pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
			if !s.signedIn(r) {
				next := "/"
				if r.Method == http.MethodGet {
					next = r.URL.RequestURI()
				}
				return web.Back(w, r, "/signin?"+url.Values{"next": {next}}.Encode())
			}
			return h(w, r)
		}))
	}
	mux.Handle("GET /signin", s.pages.Handle(s.signIn))
	mux.Handle("POST /signin", s.pages.Handle(s.useToken))
	page("POST /signout", func(w http.ResponseWriter, r *http.Request) error {
		s.Cookies.Clear(w, cookie)
		return web.Back(w, r, "/signin")
	})
	page("GET /{$}", s.overview)
	page("GET /shops", s.shops)
	page("GET /shops/{slug}", s.shop)
	page("POST /shops/{slug}/suspend", s.setState(fleet.Suspended, " is suspended."))
	page("POST /shops/{slug}/resume", s.setState(fleet.Open, " is open again."))
	page("GET /incidents", s.incidents)
	page("GET /processes", s.processes)
	page("GET /partitions", s.partitions)
	page("GET /shards", s.shards)
	page("GET /moves", s.moves)
	page("POST /moves/{slug}/cancel", s.endMove(false))
	page("POST /moves/{slug}/forget", s.endMove(true))
	page("POST /moves/{slug}/reverse", s.moveBack)
	page("GET /parked", s.parked)
	page("GET /parked/settled", s.settled)
	page("GET /parked/{id}", s.parkedKey)
	page("POST /parked/{id}/edit", s.editParked)
	page("POST /parked/{id}/retry", s.retryParked)
	page("GET /parked/{id}/drop", s.askDrop)
	page("POST /parked/{id}/drop", s.dropParked)
	mux.HandleFunc("GET "+design.AssetPath, func(w http.ResponseWriter, r *http.Request) {
		f, ok := Files.File(r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.Serve(w, r)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/", s.pages.Handle(func(http.ResponseWriter, *http.Request) error { return fault.NotFound("There is no such page.") }))
	return mux
}

func (s *server) failure(r *http.Request, status int, f *fault.Fault) templ.Component {
	return Failure{Now: time.Now(), Status: status, Heading: http.StatusText(status), Text: f.Message}.Page()
}

// signedIn reads the cookie, whose value is when it ends: it is signed.
func (s *server) signedIn(r *http.Request) bool {
	until, err := strconv.ParseInt(s.Cookies.Get(r, cookie), 10, 64)
	return err == nil && time.Now().Unix() < until
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, SignIn{Now: time.Now(), Next: r.FormValue("next")}.Page())
}

func (s *server) useToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.tries.Allow(s.Door.IP(r)); err != nil {
		f := fault.Of(err)
		w.Header().Set("Retry-After", "60")
		return web.Render(w, r, http.StatusTooManyRequests, SignIn{Now: time.Now(), Next: r.FormValue("next"), Problem: f.Message}.Page())
	}
	if !s.Check(strings.TrimSpace(r.PostFormValue("token"))) {
		return web.Render(w, r, http.StatusUnauthorized, SignIn{Now: time.Now(), Next: r.FormValue("next"), Problem: "This is not the operator's token."}.Page())
	}
	s.Cookies.Set(w, r, cookie, strconv.FormatInt(time.Now().Add(sessionAge).Unix(), 10), sessionAge)
	return web.Back(w, r, r.FormValue("next"))
}

// frame is what stands around a page: the last form's word, and how many
// checks find something.
func (s *server) frame(w http.ResponseWriter, r *http.Request, title, section string) (Frame, []api.Finding, error) {
	f := Frame{Title: title, Section: section, Now: time.Now(), Version: s.Version, Flash: s.Cookies.Get(r, flashCookie)}
	if f.Flash != "" {
		s.Cookies.Clear(w, flashCookie)
		text, err := url.QueryUnescape(f.Flash)
		if err != nil {
			return f, nil, err
		}
		f.Flash = text
	}
	findings, err := s.Operator.Health(r.Context())
	for _, x := range findings {
		if !x.OK {
			f.Alarms++
		}
	}
	return f, findings, err
}

func (s *server) show(w http.ResponseWriter, r *http.Request, c templ.Component) error {
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, http.StatusOK, c)
}

// back says what was done, on the page that comes next.
func (s *server) back(w http.ResponseWriter, r *http.Request, path, said string) error {
	s.Cookies.Set(w, r, flashCookie, url.QueryEscape(said), time.Minute)
	return web.Back(w, r, path)
}

func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	f, findings, err := s.frame(w, r, "Overview", "overview")
	if err != nil {
		return err
	}
	v := Overview{Frame: f, State: "good", Verdict: "Everything is well.", Started: s.Started}
	for _, x := range findings {
		if x.OK {
			v.Checks = append(v.Checks, Check{x.Name, x.Detail})
			continue
		}
		v.Alarms = append(v.Alarms, alarmOf(x))
	}
	v.State, v.Verdict = verdict(findings)
	n, err := s.Fleet.Count(r.Context())
	if err != nil {
		return err
	}
	waits, err := s.waitingEvents(r)
	if err != nil {
		return err
	}
	parked := Number{Label: "Parked events", Value: thousands(waits.events), URL: "/parked"}
	if waits.events > 0 {
		parked.State = "bad"
	}
	rows, _, err := s.parkedKeys(r, waits.shops, at{}, 5)
	if err != nil {
		return err
	}
	v.Numbers = []Number{{Label: "Shops", Value: strconv.FormatInt(n, 10), URL: "/shops"}, parked}
	busy, waiting := s.Bus.Backlog()
	v.Events = Events{Busy: strconv.Itoa(busy), Parked: int(waits.events), ParkedURL: "/parked"}
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		v.Events.Consumers = append(v.Events.Consumers, Consumer{Name: name, Waits: waiting[name].Why, State: "warn"})
	}
	v.Parked = rows
	w.Header().Set("Refresh", "15")
	return s.show(w, r, v.Page())
}

// shops lists shops, newest first. Of those in one state it looks through as
// many pages as it takes to fill one, within reason.
func (s *server) shops(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Shops", "shops")
	if err != nil {
		return err
	}
	v := Shops{Frame: f, Query: r.FormValue("q"), State: r.FormValue("state")}
	cursor := r.FormValue("cursor")
	q := url.Values{"q": {v.Query}, "state": {v.State}}
	if cursor != "" {
		v.First = "/shops?" + q.Encode()
	}
	for range 20 {
		page, next, err := s.Operator.Shops(r.Context(), v.Query, cursor, perPage)
		if err != nil {
			return err
		}
		for _, x := range page {
			if v.State == "" || x.State == v.State {
				v.Rows = append(v.Rows, row(x))
			}
		}
		if cursor = next; next == "" || len(v.Rows) >= perPage {
			break
		}
	}
	if cursor != "" {
		q.Set("cursor", cursor)
		v.Next = "/shops?" + q.Encode()
	}
	n, err := s.Fleet.Count(r.Context())
	if err != nil {
		return err
	}
	v.Total = strconv.FormatInt(n, 10)
	return s.show(w, r, v.Page())
}

func (s *server) shop(w http.ResponseWriter, r *http.Request) error {
	x, err := s.Operator.Shop(r.Context(), r.PathValue("slug"))
	if err != nil {
		return err
	}
	f, _, err := s.frame(w, r, x.Name, "shops")
	if err != nil {
		return err
	}
	v := detail(f, x)
	if x.Parked > 0 {
		room, err := s.Fleet.BySlug(r.Context(), x.Slug)
		if err != nil {
			return err
		}
		if v.Parked, err = parkedIn(r, room, at{}, keysAPage); err != nil {
			return err
		}
	}
	return s.show(w, r, v.Page())
}

func (s *server) setState(state, said string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		slug := r.PathValue("slug")
		if err := s.Operator.SetState(r.Context(), slug, state); err != nil {
			return err
		}
		return s.back(w, r, "/shops/"+slug, slug+said)
	}
}

func row(x api.ShopSummary) ShopRow {
	return ShopRow{
		URL: "/shops/" + x.Slug, Name: x.Name, Slug: x.Slug, ShopURL: x.URL, Shard: x.Shard, Products: strconv.FormatInt(x.Products, 10),
		Today: strconv.FormatInt(x.Today, 10), Week: strconv.FormatInt(x.Week, 10), Active: x.LastActive, Suspended: x.State == fleet.Suspended,
	}
}

func detail(f Frame, x api.ShopSummary) Shop {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	var alarms []Alarm
	for _, d := range x.Stock {
		explain := ""
		if d.Variant != "" {
			explain = " --explain " + d.Variant
		}
		alarms = append(alarms, Alarm{Kind: "bad", Title: "Stock of " + d.Item(), Text: d.Reason, Next: "Count it by hand before more of it is sold. How it came about: haat check --shop " + x.Slug + explain})
	}
	return Shop{
		Frame: f, Row: row(x), ID: x.ID, Created: x.Created, Alarms: alarms,
		Numbers: []Number{{Label: "Orders today", Value: n(x.Today)}, {Label: "Orders in 7 days", Value: n(x.Week)}, {Label: "Orders", Value: n(x.Orders)}, {Label: "Products", Value: n(x.Products)}},
		Facts:   []Fact{{"Shard", x.Shard}, {"Writes", n(x.Writes)}, {"Events", n(x.Events)}, {"Parked events", n(x.Parked)}},
	}
}
