package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"haat/internal/fleet"
	"haat/internal/id"
)

// Platform is a platform opened in this process, to be measured or filled.
type Platform struct {
	Fleet *fleet.Fleet
	Demo  func(context.Context) error // makes the demo shop
	Quiet func(context.Context) error // waits until every event has been handled
	Close func() error
	Token string // the operator's, where this opening made it
}

// Host is what the program lends to the benchmarks.
type Host struct {
	// Open opens the platform of a data folder in this process.
	Open func(ctx context.Context, dir string) (*Platform, error)
	// OpenOn opens one whose control database and first shard are on PostgreSQL,
	// with a data folder of its own.
	OpenOn func(ctx context.Context, dir, control, shard string) (*Platform, error)
	// Seed fills a data folder that nobody serves with so many shops, and tells
	// how many there are.
	Seed func(ctx context.Context, dir string, shops int, tell func(shops int64)) error
	// ShopAt gives the id of the folder's shop i, from 0.
	ShopAt func(i int) id.Shop
	// Program is the file of the program; empty: this process's own.
	Program string
}

// Options are what haat bench can be told.
type Options struct {
	Names      []string      `arg:"" optional:"" name:"benchmark" help:"Which: page-hit, page-miss, mix, create, order, hot-sku, spike, import, big-shop, search, events, fleet, journey. All, unless given; 'table' measures nothing, and writes --doc and the charts again."`
	Out        string        `default:"docs/benchmarks" help:"Folder that gets a JSON file and a chart of each." type:"path"`
	For        time.Duration `default:"3s" help:"How long each measurement lasts."`
	Rounds     int           `default:"3" help:"How often those that are compared take turns."`
	Shops      int           `default:"1000" help:"Shops that orders are spread over."`
	Seeded     int           `default:"20000" help:"Made-up shops that page-miss, mix and spike look at."`
	Data       string        `help:"A folder that haat seed has filled with --seeded shops, instead of one made for the run; mix writes to it." type:"path"`
	Crowd      int           `default:"20000" help:"Connections that spike opens at one shop."`
	Rise       time.Duration `default:"60s" help:"Time in which spike opens them."`
	Rows       int           `default:"100000" help:"Rows of the CSV file that is imported."`
	Large      int           `default:"5000" help:"Products of the large shop of big-shop and search."`
	Full       bool          `help:"1,000,000 made-up shops, 10,000 that orders are spread over, 10 s a measurement, 5 rounds."`
	Doc        string        `help:"Markdown file whose tables, between two marks, are written again from the JSON files." type:"path"`
	Visit      []string      `hidden:"" help:"Be a crowd: address, host, path."`
	CPUProfile string        `name:"cpuprofile" help:"Write a CPU profile of what runs in this process." type:"path"`
}

// bench is one run of everything.
type bench struct {
	Options
	Host
	out  io.Writer
	dir  string // a temporary folder
	made *town  // the made-up shops, once some benchmark wanted them
}

// Result is what one benchmark found.
type Result struct {
	Name    string    `json:"name"`
	What    string    `json:"what"`
	Target  string    `json:"target"`
	At      time.Time `json:"at"`
	Took    float64   `json:"took_seconds"`
	Machine Machine   `json:"machine"`
	Load    [2]string `json:"load_average"` // before and after
	Noisy   bool      `json:"noisy"`        // others had the processors too
	Rows    []Row     `json:"rows"`
	Goals   []Goal    `json:"goals"`
	Notes   []string  `json:"notes,omitempty"`
}

// Goal is one figure that was to be reached, and whether it was.
type Goal struct {
	What   string  `json:"what"`
	Least  bool    `json:"at_least"` // else at most
	Target float64 `json:"target"`
	Unit   string  `json:"unit"`
	Seen   float64 `json:"seen"`
	Met    bool    `json:"met"`
}

// least and most hold what was seen against a target.
func (r *Result) least(what string, seen, target float64, unit string) {
	r.Goals = append(r.Goals, Goal{what, true, target, unit, seen, seen >= target})
}

func (r *Result) most(what string, seen, target float64, unit string) {
	r.Goals = append(r.Goals, Goal{what, false, target, unit, seen, seen <= target})
}

// Row is one line of a table. What was not measured is zero.
type Row struct {
	Label string  `json:"label"`
	Rate  float64 `json:"per_second,omitempty"`
	P50   float64 `json:"p50_ms,omitempty"`
	P99   float64 `json:"p99_ms,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	Of    string  `json:"ratio_of,omitempty"`
	CPU   float64 `json:"cpu_us,omitempty"` // of the server, per request
	Bad   int64   `json:"errors,omitempty"`
	Note  string  `json:"note,omitempty"`
}

// note adds a line below the table.
func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

var all = []struct {
	name, what string
	run        func(*bench, context.Context, *Result) error
}{
	{"page-hit", "A kept product page over HTTP/1.1, keep-alive, with a browser's headers; server on CPU 0, load on CPU 1", (*bench).pageHit},
	{"page-miss", "A product page of a shop that nobody asked for before, uniform over made-up shops; server on CPU 0, load on CPU 1", (*bench).pageMiss},
	{"mix", "95 % reads and 5 % writes, Zipf over made-up shops, within 512 MiB on CPU 0, load on CPU 1; arrivals at fixed rates, stepped up", (*bench).mix},
	{"create", "From asking for a code to a shop that sells, durable, 64 clients, in process", (*bench).create},
	{"order", "Whole durable orders: priced, stock taken, written, event; 64 clients, in process", (*bench).orders},
	{"hot-sku", "Holds on one variant, durable, in process", (*bench).hotSKU},
	{"spike", "One shop's open connections rise; other shops are asked at a fixed rate before and meanwhile", (*bench).spike},
	{"import", "A Shopify CSV file by the operator's command, to a server that looks on", (*bench).imports},
	{"big-shop", "A collection's page, sorted and filtered, of a small and a large shop in turns, none of them kept", (*bench).bigShop},
	{"search", "A search page, in process, of shops of several sizes: the first search, which builds the index, and further ones of every kind", (*bench).searches},
	{"events", "Events from their commit to their effect, on every road; and from a price's change to another process's page", (*bench).events},
	{"fleet", "A shard on PostgreSQL: whole durable orders beside pgbench -N on the same server, product pages with 0, 1 and 2 replicas, and what routing adds; in turns, in process", (*bench).fleet},
	{"journey", "Shoppers over HTTP, closed loop, on the embedded engine; load and server share the processors", (*bench).journey},
}

// Run runs the benchmarks that were asked for.
func Run(ctx context.Context, o Options, host Host, out io.Writer) (err error) {
	if o.Visit != nil {
		return visit(ctx, o, out)
	}
	if o.Full {
		o.Shops, o.Seeded, o.For, o.Rounds = 10_000, 1_000_000, 10*time.Second, 5
	}
	if o.For < 100*time.Millisecond || o.For > time.Minute || o.Rounds < 1 || o.Rounds > 20 || o.Shops < 1 || o.Shops > 20_000 {
		return errors.New("--for: 100 ms to 1 min; --rounds: 1 to 20; --shops: 1 to 20,000")
	}
	if o.Seeded < 10 || o.Crowd < 200 || o.Rise < time.Second || o.Rise > 10*time.Minute || o.Rows < 10 || o.Large < 20 {
		return errors.New("--seeded: at least 10; --crowd: at least 200; --rise: 1 s to 10 min; --rows: at least 10; --large: at least 20")
	}
	if slices.Equal(o.Names, []string{"table"}) {
		return refresh(o.Doc, o.Out)
	}
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = b.name
	}
	for _, n := range o.Names {
		if !slices.Contains(names, n) {
			return fmt.Errorf("no benchmark is called %q; there are %s", n, strings.Join(names, ", "))
		}
	}
	b := &bench{Options: o, Host: host, out: out}
	if b.Program == "" {
		if b.Program, err = os.Executable(); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp("", "haat-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return err
	}
	if o.CPUProfile != "" {
		f, err := os.Create(o.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	m, err := machine(b.dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", m)
	for _, x := range all {
		if len(o.Names) > 0 && !slices.Contains(o.Names, x.name) {
			continue
		}
		runtime.GC()
		fmt.Fprintf(out, "\n%s\n", x.name)
		r := Result{Name: x.name, What: x.what, At: time.Now().UTC().Truncate(time.Second), Machine: m}
		r.Noisy = disturbed(ctx)
		r.Load[0] = loadAverage()
		start := time.Now()
		if err := x.run(b, ctx, &r); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		r.Took = time.Since(start).Round(time.Second / 10).Seconds()
		r.Load[1] = loadAverage()
		fmt.Fprintf(out, "\n%s", r.table())
		if err := r.write(o.Out); err != nil {
			return err
		}
	}
	if o.Doc == "" {
		return nil
	}
	return refresh(o.Doc, o.Out)
}

// say tells whoever waits what is being done.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, "  … "+format+"\n", args...) }

// folder makes an empty folder for one benchmark.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// with opens a platform for as long as fn runs.
func (b *bench) with(ctx context.Context, dir string, fn func(*Platform) error) error {
	p, err := b.Open(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(fn(p), p.Close())
}
