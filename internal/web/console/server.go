package console

import (
	"fmt"
	"log/slog"
	"net/http"
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
	Cookies  *web.Cookies
	Door     *api.Door
	Check    func(token string) bool // whether a token is the operator's
	Log      *slog.Logger
	Started  time.Time
	Version  string
}

const (
	cookie     = "haat_operator"
	sessionAge = 12 * time.Hour
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
				return web.Back(w, r, "/signin?next="+r.URL.EscapedPath())
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
	page("POST /shops/{slug}/suspend", s.setState(fleet.Suspended))
	page("POST /shops/{slug}/resume", s.setState(fleet.Open))
	page("GET /parked", s.parked)
	page("POST /parked/{id}/retry", s.settle(true))
	page("POST /parked/{id}/skip", s.settle(false))
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
		return err
	}
	if !s.Check(strings.TrimSpace(r.PostFormValue("token"))) {
		return web.Render(w, r, http.StatusUnauthorized, SignIn{Now: time.Now(), Next: r.FormValue("next"), Problem: "This is not the operator's token."}.Page())
	}
	s.Cookies.Set(w, r, cookie, strconv.FormatInt(time.Now().Add(sessionAge).Unix(), 10), sessionAge)
	return web.Back(w, r, r.FormValue("next"))
}

func (s *server) frame(title, section string) Frame {
	return Frame{Title: title, Section: section, Now: time.Now(), Version: s.Version, Node: "this process"}
}

func (s *server) show(w http.ResponseWriter, r *http.Request, c templ.Component) error {
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, http.StatusOK, c)
}

func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	findings, err := s.Operator.Health(r.Context())
	if err != nil {
		return err
	}
	v := Overview{Frame: s.frame("Overview", "overview"), State: "good", Verdict: "Everything is well.", Started: s.Started}
	for _, f := range findings {
		if !f.OK {
			v.State = "bad"
			v.Alarms = append(v.Alarms, Alarm{Kind: "bad", Title: f.Name, Text: f.Detail, Next: f.Next, Since: time.Now()})
			continue
		}
		if name, ok := strings.CutPrefix(f.Name, "shard "); ok {
			v.Shards = append(v.Shards, Shard{Name: name, Engine: s.Fleet.Shard(name).Engine(), Note: f.Detail, State: "good"})
		}
	}
	if len(v.Alarms) > 0 {
		v.Verdict = fmt.Sprintf("%d of %d checks found something.", len(v.Alarms), len(findings))
	}
	v.Frame.Alarms = len(v.Alarms)
	n, err := s.Fleet.Count(r.Context())
	if err != nil {
		return err
	}
	busy, waiting := s.Bus.Backlog()
	v.Numbers = []Number{{Label: "Shops", Value: strconv.FormatInt(n, 10), URL: "/shops"}, {Label: "Subscribers at work", Value: strconv.Itoa(busy)}}
	v.Events.Backlog = strconv.Itoa(busy)
	for name, why := range waiting {
		v.Events.Consumers = append(v.Events.Consumers, Consumer{Name: name, Behind: why, State: "warn"})
	}
	rows, err := s.parkedKeys(r)
	if err != nil {
		return err
	}
	v.Events.Parked, v.Events.ParkedURL = len(rows), "/parked"
	v.Parked = rows[:min(len(rows), 5)]
	w.Header().Set("Refresh", "15")
	return s.show(w, r, v.Page())
}

func (s *server) shops(w http.ResponseWriter, r *http.Request) error {
	q, state := r.FormValue("q"), r.FormValue("state")
	page, next, err := s.Operator.Shops(r.Context(), q, r.FormValue("cursor"), 50)
	if err != nil {
		return err
	}
	v := Shops{Frame: s.frame("Shops", "shops"), Query: q, State: state}
	for _, x := range page {
		if state == "" || x.State == state {
			v.Rows = append(v.Rows, row(x))
		}
	}
	if next != "" {
		v.Next = "/shops?cursor=" + next + "&q=" + q + "&state=" + state
	}
	return s.show(w, r, v.Page())
}

func (s *server) shop(w http.ResponseWriter, r *http.Request) error {
	x, err := s.Operator.Shop(r.Context(), r.PathValue("slug"))
	if err != nil {
		return err
	}
	return s.show(w, r, detail(s.frame(x.Name, "shops"), x).Page())
}

func (s *server) setState(state string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		slug := r.PathValue("slug")
		if err := s.Operator.SetState(r.Context(), slug, state); err != nil {
			return err
		}
		return web.Back(w, r, "/shops/"+slug)
	}
}

func (s *server) parkedKeys(r *http.Request) ([]ParkedKey, error) {
	counts, err := s.Bus.ParkedCounts(r.Context())
	if err != nil {
		return nil, err
	}
	var out []ParkedKey
	for _, c := range counts {
		room, err := s.Fleet.ByID(r.Context(), c.Shop)
		if err != nil {
			return nil, err
		}
		events, err := event.ListParked(r.Context(), room)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if n := len(out); n > 0 && out[n-1].Shop == room.Slug() && out[n-1].Consumer == e.Subscriber && out[n-1].Key == e.Key {
				out[n-1].Behind++
				continue
			}
			out = append(out, ParkedKey{ID: room.Slug() + "~" + e.Subscriber + "~" + e.Key, Shop: room.Slug(), ShopURL: "/shops/" + room.Slug(), Consumer: e.Subscriber, Topic: e.Topic, Key: e.Key, Problem: e.Error, Since: e.ParkedAt})
		}
	}
	return out, nil
}

func (s *server) parked(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.parkedKeys(r)
	if err != nil {
		return err
	}
	return s.show(w, r, Parked{Frame: s.frame("Parked events", "parked"), Rows: rows}.Page())
}

// settle replays a parked key, or drops it.
func (s *server) settle(replay bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		parts := strings.SplitN(r.PathValue("id"), "~", 3)
		if len(parts) != 3 {
			return fault.NotFound("There is no such parked key.")
		}
		room, err := s.Fleet.BySlug(r.Context(), parts[0])
		if err != nil {
			return err
		}
		if replay {
			if _, err = s.Bus.Replay(r.Context(), room, parts[1], parts[2]); err != nil {
				err = fault.Conflict("still-failing", "It failed again: %v", err)
			}
		} else {
			_, err = s.Bus.Drop(r.Context(), room, parts[1], parts[2])
		}
		if err != nil {
			return err
		}
		return web.Back(w, r, "/parked")
	}
}

func row(x api.ShopSummary) ShopRow {
	return ShopRow{
		URL: "/shops/" + x.Slug, Name: x.Name, Slug: x.Slug, ShopURL: x.URL, Shard: x.Shard, Size: strconv.FormatInt(x.Products, 10) + " products",
		Today: strconv.FormatInt(x.Today, 10), Week: strconv.FormatInt(x.Week, 10), Active: x.LastActive, Suspended: x.State == fleet.Suspended,
	}
}

func detail(f Frame, x api.ShopSummary) Shop {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return Shop{
		Frame: f, Row: row(x), ID: x.ID, Created: x.Created,
		Numbers: []Number{{Label: "Orders today", Value: n(x.Today)}, {Label: "Orders in 7 days", Value: n(x.Week)}, {Label: "Orders", Value: n(x.Orders)}, {Label: "Products", Value: n(x.Products)}},
		Facts:   []Fact{{"Shard", x.Shard}, {"Writes", n(x.Writes)}, {"Events", n(x.Events)}, {"Parked events", n(x.Parked)}},
	}
}
