package bench

import (
	"encoding/json"
	"errors"
	"fmt"
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
	fmt.Fprintf(&s, "%s: %s\n  target: %s; load average %s before, %s after, %.0f s%s\n", r.Name, r.What, r.Target, r.Load[0], r.Load[1], r.Took, noisy)
	t := tabwriter.NewWriter(&s, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\ta second\tp50 ms\tp99 ms\tratio\tCPU µs\t")
	for _, x := range r.Rows {
		ratio := figure(x.Ratio)
		if x.Of != "" {
			ratio += " of " + x.Of
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t  %s\n", x.Label, figure(x.Rate), figure(x.P50), figure(x.P99), ratio, figure(x.CPU), x.Note)
	}
	t.Flush()
	for _, n := range r.Notes {
		fmt.Fprintf(&s, "  %s\n", n)
	}
	return s.String()
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
