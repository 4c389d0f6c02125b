package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"haat/internal/fleet"
)

// Options are what haat drill can be told.
type Options struct {
	IDs     []string `arg:"" optional:"" name:"id" help:"Which, such as F-14, or all; without any, they are listed."`
	Without bool     `help:"Turn the protection off: the drill must then fall short." xor:"how"`
	Both    bool     `help:"Run each with its protection and then without." xor:"how"`
	Full    bool     `help:"Run what takes longer than minutes instead: F-5, F-5-reads and F-18 have that."`
	Part    int      `default:"1" placeholder:"N" help:"With --full, one part of so many."`
	Doc     string   `help:"Markdown file that gets the results, with the date and the machine; those of other drills stay." type:"path"`
}

// What the program exits with.
const (
	Held        = 0
	FellShort   = 1
	CouldNotRun = 2
)

const (
	longest = 3 * time.Minute  // a drill, unless it says otherwise
	noticed = 15 * time.Second // until the right incident is open
)

// drill is one fault and what must hold while it lasts.
type drill struct {
	id, fault string
	without   string // what --without turns off
	needs     []need
	within    time.Duration // if it takes more than longest
	run       func(context.Context, *run) error

	full       string        // the fault with --full; empty: there is no such form
	fullWithin time.Duration // that it takes then
}

var all = []drill{
	chatty, viral, readsStarve, lateReplica, ownReads, repeated, staleCache, unheard, silentDeath, poisoned, quietSearch, hostDeath, killedLocal, killedKafka, loadedLocal, loadedKafka, noisy, movingHouse, nodeDies, cutOff, primaryLost, cacheLost, lastUnit,
}

// Result is what one drill found.
type Result struct {
	ID       string
	Without  bool
	Full     bool
	Injected string
	Noticed  string
	Hurt     []string // what was seen
	Short    []string // of that, what is not allowed
	At       time.Time
	Took     time.Duration
	Load     string // load average when it began
}

func (r *Result) name() string {
	name := r.ID
	if r.Full {
		name += " --full"
	}
	if r.Without {
		name += " without"
	}
	return name
}

func (r *Result) verdict() string {
	if len(r.Short) > 0 {
		return "fell short"
	}
	return "held"
}

// Host is what drills break.
type Host struct {
	Program string // this program's file
	// Fleet opens a process in this one that serves nobody and delivers nothing:
	// only its fleet is used.
	Fleet func(ctx context.Context, dir, control, shard string) (*fleet.Fleet, func() error, error)
}

// Run runs the drills that were asked for and gives what to exit with.
func Run(ctx context.Context, o Options, h Host, out io.Writer) (code int, err error) {
	if len(o.IDs) == 0 {
		return Held, list(out)
	}
	var chosen []drill
	for _, id := range o.IDs {
		n := slices.IndexFunc(all, func(d drill) bool { return strings.EqualFold(d.id, id) })
		switch {
		case strings.EqualFold(id, "all"):
			chosen = append(chosen, slices.DeleteFunc(slices.Clone(all), func(d drill) bool { return o.Full && d.full == "" })...)
		case n < 0:
			return CouldNotRun, fmt.Errorf("no drill is called %q; haat drill lists them", id)
		case o.Full && all[n].full == "":
			return CouldNotRun, fmt.Errorf("%s has nothing that takes longer: run it without --full", all[n].id)
		default:
			chosen = append(chosen, all[n])
		}
	}
	var results []*Result
	var failed []error
	for _, d := range chosen {
		for _, without := range []bool{false, true} {
			if !o.Both && without != o.Without {
				continue
			}
			r, err := d.once(ctx, h, o, without, out)
			if ctx.Err() != nil {
				return CouldNotRun, ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(out, "%s could not run: %v\n", d.id, err)
				failed = append(failed, fmt.Errorf("%s: %w", d.id, err))
				continue
			}
			fmt.Fprintln(out, r.line())
			if results = append(results, r); len(r.Short) > 0 {
				code = FellShort
			}
		}
	}
	if len(results)+len(failed) > 1 {
		fmt.Fprint(out, "\n"+table(results))
	}
	if o.Doc != "" && len(results) > 0 {
		failed = append(failed, write(o.Doc, results, machine()))
	}
	if err := errors.Join(failed...); err != nil {
		return CouldNotRun, err
	}
	if o.Both { // what was turned off had to fall short
		code = Held
		for _, r := range results {
			if r.Without != (len(r.Short) > 0) {
				code = FellShort
			}
		}
	}
	return code, nil
}

func list(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DRILL\tFAULT\t--without\tNEEDS")
	for _, d := range all {
		var needs []string
		for _, n := range d.needs {
			needs = append(needs, n.name)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.id, d.fault, d.without, strings.Join(needs, ", "))
		if d.full != "" {
			fmt.Fprintf(t, "%s --full\t%s\t%s\t%s\n", d.id, d.full, d.without, strings.Join(needs, ", "))
		}
	}
	return t.Flush()
}

// once runs the drill in a temporary folder, and leaves nothing behind.
func (d drill) once(ctx context.Context, h Host, o Options, without bool, out io.Writer) (_ *Result, err error) {
	fault, within, how := d.fault, cmp.Or(d.within, longest), ""
	if o.Full {
		fault, within = d.full, d.fullWithin
	}
	if without {
		how = ", without: " + d.without
	}
	fmt.Fprintf(out, "%s: %s%s\n", d.id, fault, how)
	for _, n := range d.needs {
		if err := n.have(ctx, out); err != nil {
			return nil, err
		}
	}
	r := &run{host: h, program: h.Program, without: without, out: out, parts: max(1, o.Part), Result: Result{ID: d.id, Without: without, Full: o.Full, At: time.Now().UTC(), Load: loadAverage()}}
	if r.dir, err = os.MkdirTemp("", "haat-drill-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	defer r.end()
	bound, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err = d.run(bound, r)
	if bound.Err() == context.DeadlineExceeded {
		r.saw(false, "not through after %v", within)
		err = nil
	}
	r.Took = time.Since(r.At).Round(100 * time.Millisecond)
	return &r.Result, err
}

// run is one drill while it runs.
type run struct {
	Result
	host    Host
	program string
	without bool
	parts   int // with --full, one of so many is done
	dir     string
	out     io.Writer
	ends    []func()
	env     []string // of its processes
	people  int
	control *database // of the fleet, where it is on PostgreSQL
}

// say tells whoever waits what is being done.
func (r *run) say(format string, args ...any) { fmt.Fprintf(r.out, "  … "+format+"\n", args...) }

// saw notes a figure, and whether it is allowed.
func (r *run) saw(allowed bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.Hurt = append(r.Hurt, text); !allowed {
		r.Short = append(r.Short, text)
	}
}

// atEnd has fn called when the drill is over, the last first.
func (r *run) atEnd(fn func()) { r.ends = append(r.ends, fn) }

func (r *run) end() {
	for _, fn := range slices.Backward(r.ends) {
		fn()
	}
}

// round shows a duration as people say it.
func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// machine says what the drills ran on.
func machine() string {
	field := func(file, name string) string {
		b, _ := os.ReadFile(file)
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
				return strings.TrimSpace(v)
			}
		}
		return "unknown"
	}
	return fmt.Sprintf("%s, %d cores, %s of memory", field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"))
}
