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
)

// Platform is a platform opened in this process, to be measured or filled.
type Platform struct {
	Fleet *fleet.Fleet
	Demo  func(context.Context) error // makes the demo shop
	Quiet func(context.Context) error // waits until every event has been handled
	Close func() error
}

// Opener opens the platform of a data folder.
type Opener func(ctx context.Context, dir string) (*Platform, error)

// Options are what haat bench can be told.
type Options struct {
	Names      []string      `arg:"" optional:"" name:"benchmark" help:"Which: page-hit, order, hot-sku, create, journey. All, unless given."`
	Out        string        `default:"docs/benchmarks" help:"Folder that gets a JSON file and a chart of each." type:"path"`
	For        time.Duration `default:"3s" help:"How long each measurement lasts."`
	Rounds     int           `default:"3" help:"How often those that are compared take turns."`
	Shops      int           `default:"1000" help:"Shops that orders are spread over."`
	Full       bool          `help:"10,000 shops, 10 s a measurement, 5 rounds."`
	CPUProfile string        `name:"cpuprofile" help:"Write a CPU profile of what runs in this process." type:"path"`
}

// bench is one run of everything.
type bench struct {
	Options
	open    Opener
	out     io.Writer
	program string // this program's file
	dir     string // a temporary folder
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
	Notes   []string  `json:"notes,omitempty"`
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
	Note  string  `json:"note,omitempty"`
}

// note adds a line below the table.
func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

var all = []struct {
	name, what, target string
	run                func(*bench, context.Context, *Result) error
}{
	{"page-hit", "A kept product page over HTTP/1.1, keep-alive, with a browser's headers; server on CPU 0, load on CPU 1", "at least 0.9 of nginx's rate, p99 no worse", (*bench).pageHit},
	{"order", "Whole durable orders: priced, stock taken, written, event; 64 clients, in process", "5,000/s over shops and 4,000/s on one, p99 50 ms", (*bench).orders},
	{"hot-sku", "Holds on one variant, durable, in process", "20,000/s, p99 50 ms, nothing oversold", (*bench).hotSKU},
	{"create", "From asking for a code to a shop that sells, durable, 64 clients, in process", "1,500 shops/s", (*bench).create},
	{"journey", "Shoppers over HTTP, closed loop, on the embedded engine; load and server share the processors", "2,000 whole orders/s, 10,000 carts/s, 60 MB idle, 12 statements an order", (*bench).journey},
}

// Run runs the benchmarks that were asked for.
func Run(ctx context.Context, o Options, open Opener, out io.Writer) (err error) {
	if o.Full {
		o.Shops, o.For, o.Rounds = 10_000, 10*time.Second, 5
	}
	if o.For < 100*time.Millisecond || o.For > time.Minute || o.Rounds < 1 || o.Rounds > 20 || o.Shops < 1 || o.Shops > 20_000 {
		return errors.New("--for: 100 ms to 1 min; --rounds: 1 to 20; --shops: 1 to 20,000")
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
	b := &bench{Options: o, open: open, out: out}
	if b.program, err = os.Executable(); err != nil {
		return err
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
		r := Result{Name: x.name, What: x.what, Target: x.target, At: time.Now().UTC().Truncate(time.Second), Machine: m}
		r.Load[0] = loadAverage()
		start := time.Now()
		if err := x.run(b, ctx, &r); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		r.Took = time.Since(start).Round(time.Second / 10).Seconds()
		r.Load[1] = loadAverage()
		r.Noisy = busy(r.Load[0])
		fmt.Fprintf(out, "\n%s", r.table())
		if err := r.write(o.Out); err != nil {
			return err
		}
	}
	return nil
}

// folder makes an empty folder for one benchmark.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// with opens a platform for as long as fn runs.
func (b *bench) with(ctx context.Context, dir string, fn func(*Platform) error) error {
	p, err := b.open(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(fn(p), p.Close())
}
