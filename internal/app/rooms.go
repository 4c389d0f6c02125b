package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/mail"
	"os"
	"time"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/fault"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/media/fetch"
	"haat/internal/meter"
	"haat/internal/notify"
	"haat/internal/notify/gateway"
	"haat/internal/notify/smtp"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/stock"
	"haat/internal/web"
	"haat/internal/web/console"
	"haat/internal/web/dashboard"
	"haat/internal/web/storefront"
)

// openRooms wires the domain: who sends, who listens, which operations there
// are.
func (a *App) openRooms(key []byte) error {
	if err := a.openPost(); err != nil {
		return err
	}
	limits := shop.DefaultLimits()
	limits.CodesPerAddress[0].N = int64(a.cfg.Codes.PerAddress)
	limits.CodesPerAddress[1].N = max(limits.CodesPerAddress[1].N, 2*limits.CodesPerAddress[0].N)
	limits.CodesPerIP[0].N = int64(a.cfg.Codes.PerIP)
	a.accounts = shop.NewAccounts(a.control, a.fleet, key, a.sendCode, time.Now, limits, a.cfg.ShopURL)
	a.office = shop.NewOffice(order.Traded)
	a.desk = customer.NewDesk(shop.Currency)
	a.cookies = web.NewCookies(key, a.cfg.HTTPS())
	a.door = api.NewDoor(a.fleet, a.accounts, a.cookies, api.Limits{PerIP: a.cfg.MaxPerIP, PerPerson: a.cfg.MaxPerPerson, TrustProxy: a.cfg.TrustProxy})
	if err := a.openImporter(); err != nil {
		return err
	}

	shop.Subscribe(a.bus, a.fleet)
	order.Subscribe(a.bus)
	search.Subscribe(a.bus)
	insight.Subscribe(a.bus)
	a.hooks.Subscribe(a.bus)
	a.post.Subscribe(a.bus)

	a.registry = Operations(a.accounts, a.office, a.desk, a.finder, a.cfg.URL, a.door, a)
	return nil
}

// Operations lists every operation of every room.
func Operations(accounts *shop.Accounts, office *shop.Office, desk *customer.Desk, finder *search.Finder, url string, door op.Door, a *App) *op.Registry {
	g := op.NewRegistry("haat", "1", url, door, a.meter, a.log)
	g.Add(accounts.Operations()...)
	g.Add(office.Operations()...)
	g.Add(desk.Operations()...)
	g.Add(catalog.Operations()...)
	g.Add(stock.Operations()...)
	g.Add(order.Operations()...)
	g.Add(finder.Operations()...)
	g.Add(insight.Operations()...)
	g.Add(hook.Operations()...)
	g.Add(notify.Operations()...)
	api.AddTransfer(g, a.importer)
	api.AddExports(g, a.importer, desk)
	api.AddImages(g, a.pictures)
	api.AddEvents(g, a.bus, a.stopping)
	return g
}

func (a *App) openImporter() (err error) {
	a.importer, err = catalog.NewImporter(catalog.ImporterConfig{
		Rooms: a.fleet.ByID, Across: a.fleet.Across, Dir: a.cfg.Data + "/imports", Place: a.member.Self().ID,
		Fetch: func(ctx context.Context, shop id.Shop, url string) (media.Image, error) {
			b, err := a.fetcher.Fetch(ctx, url)
			if err != nil {
				return media.Image{}, err
			}
			return a.pictures.Add(ctx, shop, b)
		},
		Lasting: fetch.Permanent,
		ShopURL: a.cfg.ShopURL,
		Room:    a.uploads,
		Log:     a.log,
	})
	return err
}

// openPost picks who carries messages: what is configured and, with --dev, a
// console that shows what would have been sent.
func (a *App) openPost() error {
	c := notify.Config{ShopURL: a.cfg.ShopURL, PlatformURL: a.cfg.URL, Log: a.log}
	if a.cfg.SMTP.Host != "" {
		s, err := smtp.New(smtp.Config{
			Host: a.cfg.SMTP.Host, Port: a.cfg.SMTP.Port, User: a.cfg.SMTP.User, Password: a.cfg.SMTP.Password, From: a.cfg.SMTP.From,
		})
		if err != nil {
			return err
		}
		c.Email = s
	}
	if a.cfg.Gateway.URL != "" {
		g, err := gateway.New(gateway.Config{URL: a.cfg.Gateway.URL, Token: a.cfg.Gateway.Token})
		if err != nil {
			return err
		}
		c.SMS, c.WhatsApp = g, g
	}
	if a.cfg.Dev {
		a.outbox = notify.NewOutbox()
		for _, s := range []*notify.Sender{&c.SMS, &c.Email, &c.WhatsApp} {
			if *s == nil {
				*s = codes{notify.Console(os.Stdout)}
			}
			*s = a.outbox.Over(*s)
		}
	}
	for channel, s := range map[string]*notify.Sender{"SMS": &c.SMS, "e-mail": &c.Email, "WhatsApp": &c.WhatsApp} {
		if *s != nil {
			*s = watched{*s, a.incidents, channel}
		}
	}
	a.post = notify.NewPost(c)
	return nil
}

func (a *App) sendCode(ctx context.Context, m shop.Message) error {
	return a.post.Send(ctx, platformMail(m, a.cfg.SMTP.From))
}

// platformMail is a message of the platform's own: it comes from the name that
// the operator has given with the address, else from ours.
func platformMail(m shop.Message, from string) notify.Message {
	name := "haat"
	if a, err := mail.ParseAddress(from); err == nil && a.Name != "" {
		name = a.Name
	}
	return notify.Message{To: m.To, Channel: notify.Channel(m.Channel), Kind: notify.Kind(m.Kind), Code: m.Code, Subject: m.Subject, Text: m.Text, From: name}
}

// handlers gives what is served to everyone and what to the operator.
func (a *App) handlers() (public, ops http.Handler, err error) {
	doc, err := a.registry.OpenAPI()
	if err != nil {
		return nil, nil, err
	}
	shops := storefront.New(storefront.Deps{
		Fleet: a.fleet, Edge: a.pages, Finder: a.finder, Visits: &a.visits, Door: a.door, Cookies: a.cookies, Log: a.log, URL: a.cfg.URL, ShopURL: a.cfg.ShopURL, HTTPS: a.cfg.HTTPS(), NoBudgets: !a.cfg.Budgets,
	})
	board := dashboard.New(dashboard.Deps{
		Fleet: a.fleet, Bus: a.bus, Accounts: a.accounts, Office: a.office, Desk: a.desk, Finder: a.finder, Visits: &a.visits, Door: a.door, Cookies: a.cookies,
		Pictures: a.pictures, Importer: a.importer, Log: a.log, URL: a.cfg.URL, ShopURL: a.cfg.ShopURL, Stop: a.stopping,
		Dev: a.cfg.Dev, Region: a.cfg.Region, DevMessages: a.recent, OpenAPI: func() ([]byte, error) { return doc, nil },
	})
	desk := console.New(console.Deps{
		Operator: a, Bus: a.bus, Kafka: a.kafka, Fleet: a.fleet, Cookies: a.cookies, Check: a.ops.Check, Log: a.log, Started: a.started, Version: Version, Self: a.member.Self().ID, Door: a.door,
	})
	common := func(pages http.Handler) http.Handler {
		mux := http.NewServeMux()
		if !a.cfg.does(roleWeb) {
			pages = elsewhere("pages", a.log)
		}
		mux.Handle("/", pages)
		mux.Handle("GET "+media.Prefix, pictures(a.pictures))
		if !a.cfg.does(roleAPI) {
			mux.Handle("/api/", elsewhere("API", a.log))
			return mux
		}
		mux.Handle("/api/", a.registry)
		mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(doc)
		})
		return mux
	}
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op.ProblemOf(fault.Denied("This form was sent from another site, so we did not take it.").With("cross-origin"), a.log, "cross-origin").Write(w)
	})
	safe := func(surface string, h http.Handler) http.Handler {
		return outermost(surface, a.meter, a.log, web.Safe(h, a.cfg.strict(), pageBody, larger, refuse))
	}
	nobodys := http.NewServeMux()
	nobodys.Handle("/", shops)
	nobodys.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		op.ProblemOf(fault.NotFound("There is no shop at this address."), a.log, "unknown host").Write(w)
	})
	public = health(a.Ready, hosts{
		fleet: a.fleet, platform: safe("platform", common(board)), shops: safe("shop", common(shops)), unknown: safe("unknown", nobodys),
	})
	if a.owner != "" {
		public = a.newPassing().Handler(public)
	}
	public = a.passedOn(public, public)
	mux := http.NewServeMux()
	mux.Handle("/", desk)
	mux.Handle("/ops/", api.OperatorHandler(a, a.ops.Check, a.log))
	mux.Handle("GET /metrics", a.meter.Handler())
	ops = health(a.Ready, outermost("ops", a.meter, a.log, web.Safe(mux, 0, pageBody, func(r *http.Request) int64 {
		if r.Method == http.MethodPost && len(r.URL.Path) > 5 && r.URL.Path[:5] == "/ops/" {
			return importBody
		}
		return 0
	}, refuse)))
	return public, ops, nil
}

// elsewhere answers for what this process does not do.
func elsewhere(what string, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := fault.Busy(5*time.Second, "This process serves no %s; others do.", what).With("role")
		op.ProblemOf(f, log, "role").Write(w)
	})
}

func (a *App) recent() []notify.Sent {
	if a.outbox == nil {
		return nil
	}
	return a.outbox.Recent()
}

// watched tells the register whether messages go out. One that an address
// refuses has gone out as far as that goes.
type watched struct {
	notify.Sender
	incidents *meter.Incidents
	channel   string
}

func (s watched) Send(ctx context.Context, m notify.Message) error {
	err := s.Sender.Send(ctx, m)
	switch {
	case err == nil || notify.IsRefused(err) || notify.IsPostponed(err):
		s.incidents.Resolve(deliveryFailing, s.channel)
	case !errors.Is(err, context.Canceled):
		s.incidents.Raise(deliveryFailing, meter.Sighting{Subject: s.channel, Detail: "The last message did not go out: " + sentence(err)})
	}
	return err
}

// codes prints the messages that carry a code, and keeps quiet about others.
type codes struct{ notify.Sender }

func (c codes) Send(ctx context.Context, m notify.Message) error {
	if m.Code == "" {
		return nil
	}
	return c.Sender.Send(ctx, m)
}
