package op

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/meter"
)

// Operation is a declared operation, to be listed by its room.
type Operation interface {
	Info() Info
	register(*Registry)
}

// Info says what an operation is, for routes, commands and documents.
type Info struct {
	Name    string // "catalog.set-price"
	Method  string
	Path    string // as declared, below the role's root
	Summary string
	Role    Role
	Kind    string // read, write, flow or platform
}

// URL is the path on the role's host.
func (i Info) URL() string {
	if i.Role == Merchant {
		return "/api/v1/shops/{slug}" + strings.TrimSuffix(i.Path, "/")
	}
	return "/api/v1" + i.Path
}

func info(name, route, summary string, role Role, kind string) Info {
	method, path, _ := strings.Cut(route, " ")
	return Info{name, method, path, summary, role, kind}
}

func (o *Read[In, Out]) Info() Info     { return info(o.Name, o.Route, o.Summary, o.Role, "read") }
func (o *Write[In, Out]) Info() Info    { return info(o.Name, o.Route, o.Summary, o.Role, "write") }
func (o *Flow[In, Out]) Info() Info     { return info(o.Name, o.Route, o.Summary, o.Role, "flow") }
func (o *Platform[In, Out]) Info() Info { return info(o.Name, o.Route, o.Summary, o.Role, "platform") }

// Door lets requests in: who is asking, and which shop they mean.
type Door interface {
	// Shop finds the room of a merchant's slug or, for a shopper, of the host.
	Shop(r *http.Request, role Role, slug string) (*fleet.Room, error)
	// Caller finds who is asking. For role Merchant it has checked that they
	// belong to the room; for Account that they are signed in.
	Caller(r *http.Request, role Role, room *fleet.Room) (Caller, error)
	// Admit refuses callers who ask too often. It is asked before the input is
	// read, with no person, and again for an In that is [Personal].
	Admit(r *http.Request, i Info, by Caller, person string) error
}

// Personal is an In that names a person, by a phone number or an e-mail address
// as typed, who may only do so much in a time.
type Personal interface{ Person() string }

// Registry is the API: its routes on one mux, and the document of them all.
type Registry struct {
	door  Door
	log   *slog.Logger
	meter *meter.Meter
	https bool
	mux   *http.ServeMux
	api   huma.API
	infos []Info
}

// NewRegistry makes an empty API.
func NewRegistry(title, version, url string, door Door, m *meter.Meter, log *slog.Logger) *Registry {
	c := huma.DefaultConfig(title, version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks, c.Transformers = nil, nil
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Servers = []*huma.Server{{URL: url}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	r := &Registry{door: door, log: log, meter: m, https: strings.HasPrefix(url, "https:"), mux: http.NewServeMux()}
	r.api = humago.New(r.mux, c)
	return r
}

var typePath = regexp.MustCompile(`[\w./-]*?(\w+)\.(\w+)`)

// schemaName names a type in the document after its room and itself, since
// two rooms may each have a Summary: op.List[catalog.Summary] is
// OpListCatalogSummary.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.String()
	if t.Name() == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	name = typePath.ReplaceAllStringFunc(name, func(m string) string {
		parts := typePath.FindStringSubmatch(m)
		return title(parts[1]) + title(parts[2])
	})
	return strings.NewReplacer("[", "", "]", "", ",", "And", " ", "", "/", "", "*", "").Replace(name)
}

// Add registers operations.
func (g *Registry) Add(ops ...Operation) {
	for _, o := range ops {
		g.infos = append(g.infos, o.Info())
		o.register(g)
	}
}

// Infos lists what was registered.
func (g *Registry) Infos() []Info { return g.infos }

// OpenAPI gives the document of all operations, as JSON.
func (g *Registry) OpenAPI() ([]byte, error) { return g.api.OpenAPI().MarshalJSON() }

// Schema describes the type of v in the document, for a route that Handle adds.
func (g *Registry) Schema(v any) *huma.Schema {
	t := reflect.TypeOf(v)
	return g.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// Handle adds a route that reads its body itself (an upload, a stream) and
// documents it. It gets the call, admitted like any other.
//
// An error that fn returns is sent as a problem: it must not have written yet.
func (g *Registry) Handle(i Info, doc *huma.Operation, fn func(http.ResponseWriter, *http.Request, Call) error) {
	g.infos = append(g.infos, i)
	describe(doc, i)
	if doc.Responses == nil {
		doc.Responses = map[string]*huma.Response{}
	}
	for _, status := range refusals(i) {
		doc.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status),
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: g.Schema(Problem{})}}}
	}
	g.api.OpenAPI().AddOperation(doc)
	g.mux.HandleFunc(i.Method+" "+i.URL(), func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c, err := g.enter(r, i, r.PathValue("slug"))
		if err == nil {
			err = fn(w, r, c)
		}
		if err != nil {
			ProblemOf(err, g.log, i.Name).Write(w)
		}
		g.meter.Operation(i.Name, outcome(err), time.Since(start))
	})
}

// ServeHTTP answers API requests.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if _, pattern := g.mux.Handler(r); pattern == "" {
		status := http.StatusNotFound
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			other := r.Clone(r.Context())
			other.Method = m
			if _, p := g.mux.Handler(other); p != "" {
				status = http.StatusMethodNotAllowed
				w.Header().Add("Allow", m)
			}
		}
		p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "There is no such operation."}
		p.Write(w)
		return
	}
	g.mux.ServeHTTP(w, r)
}

// Call is one admitted request.
type Call struct {
	Room *fleet.Room // nil for platform operations
	By   Caller
	seen db.Mark // that the caller has seen; zero if none

	request *http.Request
	writer  http.ResponseWriter
}

// callKey carries the Call from the door to the handler below, inside this
// package only; what runs beyond is given it by name.
type callKey struct{}

func (g *Registry) enter(r *http.Request, i Info, slug string) (c Call, err error) {
	if i.Role == Merchant {
		// Who asks comes first: strangers learn nothing about which shops exist.
		if _, err := g.door.Caller(r, Account, nil); err != nil {
			return c, err
		}
	}
	if i.Role == Merchant || i.Role == Shopper {
		if c.Room, err = g.door.Shop(r, i.Role, slug); err != nil {
			return c, err
		}
	}
	if c.By, err = g.door.Caller(r, i.Role, c.Room); err != nil {
		return c, err
	}
	if r.Method == http.MethodPost {
		if c.By.Key = r.Header.Get("Idempotency-Key"); len(c.By.Key) > 255 {
			return c, fault.Invalid("/Idempotency-Key", "An Idempotency-Key has 255 characters at most.")
		}
	}
	if c.seen, err = seenBy(r, c.Room); err != nil {
		return c, err
	}
	return c, g.door.Admit(r, i, c.By, "")
}

// refusals lists the statuses, beside its own, that an operation may answer
// with, always as a [Problem].
func refusals(i Info) []int {
	out := []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if i.Role == Merchant || i.Role == Account {
		out = append(out, http.StatusUnauthorized)
	}
	if i.Method != http.MethodGet {
		out = append(out, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests)
	}
	return out
}

func describe(o *huma.Operation, i Info) {
	room, _, _ := strings.Cut(i.Name, ".")
	o.OperationID, o.Method, o.Path, o.Summary, o.Tags = i.Name, i.Method, i.URL(), i.Summary, []string{room}
	if i.Role == Merchant {
		o.Parameters = append(o.Parameters, &huma.Param{Name: "slug", In: "path", Required: true, Description: "The shop", Schema: &huma.Schema{Type: "string"}})
	}
	if i.Role == Merchant || i.Role == Account {
		o.Security = []map[string][]string{{"bearer": {}}}
	}
	if i.Role == Shopper {
		o.Servers = []*huma.Server{{URL: "//{shop}", Description: "The shop's own host", Variables: map[string]*huma.ServerVariable{"shop": {Default: "demo.localhost:8080"}}}}
	}
	if i.Kind == "read" {
		o.Parameters = append(o.Parameters,
			&huma.Param{Name: "Haat-Consistency", In: "header", Description: "How fresh the answer must be: eventual, bounded=250ms, session or strong", Schema: &huma.Schema{Type: "string"}},
			&huma.Param{Name: "Haat-Mark", In: "header", Description: "What an answer gave within five minutes: this one sees at least that", Schema: &huma.Schema{Type: "string"}})
	}
	if i.Method == http.MethodPost {
		o.Parameters = append(o.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header", Description: "The same key and body within 24 hours give the same answer", Schema: &huma.Schema{Type: "string"}})
	}
}

type reply[Out any] struct {
	Status int
	Mark   string `header:"Haat-Mark" doc:"The point on the shop's clock that the answer stands at; a read that sends it back sees at least that"`
	Served string `header:"Haat-Served" doc:"How fresh the answer of a read is, which server gave it, and by how many milliseconds it may lag"`
	Body   Out
}

func add[In, Out any](g *Registry, i Info, status int, run func(context.Context, Call, In) (Out, fleet.Served, error)) {
	o := huma.Operation{DefaultStatus: status, Errors: refusals(i), MaxBodyBytes: 2 << 20, BodyReadTimeout: 15 * time.Second}
	describe(&o, i)
	o.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c, err := g.enter(r, i, r.PathValue("slug"))
		if err != nil {
			g.meter.Operation(i.Name, outcome(err), 0)
			ProblemOf(err, g.log, i.Name).Write(w)
			return
		}
		c.request, c.writer = r, w
		next(huma.WithValue(ctx, callKey{}, c))
	}}
	huma.Register(g.api, o, func(ctx context.Context, in *In) (*reply[Out], error) {
		start := time.Now()
		c := ctx.Value(callKey{}).(Call)
		if p, ok := any(*in).(Personal); ok {
			if err := g.door.Admit(c.request, i, c.By, p.Person()); err != nil {
				g.meter.Operation(i.Name, outcome(err), time.Since(start))
				return nil, ProblemOf(err, g.log, i.Name)
			}
		}
		out, served, err := run(ctx, c, *in)
		g.meter.Operation(i.Name, outcome(err), time.Since(start))
		if err != nil {
			return nil, ProblemOf(err, g.log, i.Name)
		}
		answer := &reply[Out]{Status: status, Body: out}
		g.say(c, i, served, &answer.Mark, &answer.Served)
		return answer, nil
	})
	if status == http.StatusNoContent && i.Method == http.MethodDelete {
		g.api.OpenAPI().Paths[o.Path].Delete.Responses["204"].Content = nil
	}
}

func outcome(err error) string {
	switch f := fault.Of(err); {
	case err == nil:
		return "ok"
	case f == nil && errors.Is(err, context.Canceled):
		return "gone"
	case f == nil:
		return "failed"
	case f.Kind == fault.KindBusy:
		return "busy"
	}
	return "refused"
}

func (o *Read[In, Out]) register(g *Registry) {
	add(g, o.Info(), http.StatusOK, func(ctx context.Context, c Call, in In) (Out, fleet.Served, error) {
		fresh, err := asked(c, o.fresh())
		if err != nil {
			var none Out
			return none, fleet.Served{}, err
		}
		return o.at(ctx, c.Room, c.By, fresh, in)
	})
}

func (o *Write[In, Out]) register(g *Registry) {
	status := http.StatusOK
	if o.Created {
		status = http.StatusCreated
	}
	add(g, o.Info(), status, func(ctx context.Context, c Call, in In) (Out, fleet.Served, error) {
		out, mark, err := o.do(ctx, c.Room, c.By, in)
		return out, fleet.Served{Mark: mark}, err
	})
}

func (o *Flow[In, Out]) register(g *Registry) {
	status := http.StatusOK
	switch {
	case o.Created:
		status = http.StatusCreated
	case o.Accepted:
		status = http.StatusAccepted
	}
	add(g, o.Info(), status, func(ctx context.Context, c Call, in In) (Out, fleet.Served, error) {
		out, err := o.Do(ctx, c.Room, c.By, in)
		return out, fleet.Served{Mark: c.Room.Known()}, err
	})
}

func (o *Platform[In, Out]) register(g *Registry) {
	status := o.Status
	if status == 0 {
		status = http.StatusOK
	}
	add(g, o.Info(), status, func(ctx context.Context, c Call, in In) (Out, fleet.Served, error) {
		out, err := o.Do(ctx, c.By, in)
		return out, fleet.Served{}, err
	})
}
