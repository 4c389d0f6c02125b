package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table is the result for a terminal.
func (r *Result) table() string {
	var s strings.Builder
	noisy := ""
	if r.Noisy {
		noisy = "; NOISY: others had the processors too"
	}
	fmt.Fprintf(&s, "%s: %s\n  load average %s before, %s after, %.0f s%s\n", r.Name, r.What, r.Load[0], r.Load[1], r.Took, noisy)
	t := tabwriter.NewWriter(&s, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\ta second\tp50 ms\tp99 ms\tratio\tCPU µs\t")
	for _, x := range r.Rows {
		ratio := figure(x.Ratio)
		if x.Of != "" {
			ratio += " of " + x.Of
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t  %s\n", x.Label, figure(x.Rate), figure(x.P50), figure(x.P99), ratio, figure(x.CPU), x.note())
	}
	t.Flush()
	for _, g := range r.Goals {
		fmt.Fprintf(&s, "  %s: %s: %s, target %s\n", g.word(), g.What, g.seen(), g.target())
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&s, "  %s\n", n)
	}
	return s.String()
}

// note is what is to be said of a row beside its figures.
func (x Row) note() string {
	if x.Bad == 0 {
		return x.Note
	}
	return strings.TrimPrefix(fmt.Sprintf("%s; %d errors", x.Note, x.Bad), "; ")
}

func (g Goal) word() string {
	if g.Met {
		return "met"
	}
	return "MISSED"
}

func (g Goal) seen() string { return strings.TrimSpace(number(g.Seen) + " " + g.Unit) }

func (g Goal) target() string {
	how := "at most "
	if g.Least {
		how = "at least "
	}
	return strings.TrimSpace(how + number(g.Target) + " " + g.Unit)
}

// number is a figure, of which zero is one, without decimals that say nothing.
func number(v float64) string {
	if v == math.Trunc(v) && v < 1000 {
		return strconv.Itoa(int(v))
	}
	return figure(v)
}

// whole writes a number of things.
func whole(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return figure(float64(n))
}

// figure writes a number with the digits that mean something.
func figure(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 1000:
		n := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(n) - 3; i > 0; i -= 3 {
			n = n[:i] + "," + n[i:]
		}
		return n
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// write leaves the result as JSON and as a chart.
func (r *Result) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, r.Name)
	return errors.Join(
		os.WriteFile(path+".json", append(b, '\n'), 0o644),
		os.WriteFile(path+".svg", []byte(r.chart()), 0o644))
}
