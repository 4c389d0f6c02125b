package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What stands between the marks is written by [refresh].
const (
	tablesBegin = "<!-- figures: written by haat bench from the JSON files -->"
	tablesEnd   = "<!-- end of figures -->"
)

// refresh writes a document's tables again, and the charts, from the JSON files
// of a folder.
func refresh(doc, dir string) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return fmt.Errorf("--doc: %w", err)
	}
	head, rest, begins := strings.Cut(string(text), tablesBegin)
	_, tail, ends := strings.Cut(rest, tablesEnd)
	if !begins || !ends {
		return fmt.Errorf("--doc %s: there is no line %q followed by %q", doc, tablesBegin, tablesEnd)
	}
	var results []Result
	for _, x := range all {
		b, err := os.ReadFile(filepath.Join(dir, x.name+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var r Result
		if err = errors.Join(err, json.Unmarshal(b, &r)); err != nil {
			return fmt.Errorf("%s.json: %w", x.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, x.name+".svg"), []byte(r.chart()), 0o644); err != nil {
			return err
		}
		results = append(results, r)
	}
	charts, err := filepath.Rel(filepath.Dir(doc), dir)
	if err != nil {
		return err
	}
	return os.WriteFile(doc, []byte(head+tablesBegin+"\n"+tables(results, filepath.ToSlash(charts))+tablesEnd+tail), 0o644)
}

// tables is everything that was found, as Markdown: where, the goals, and each
// benchmark with its rows and chart.
func tables(results []Result, charts string) string {
	var s strings.Builder
	said := ""
	for _, r := range results {
		if m := r.Machine.String(); m != said {
			fmt.Fprintf(&s, "\n%s, %s: %s.\n", r.At.Format("2 January 2006"), r.Name, m)
			said = m
		}
	}
	s.WriteString("\n| benchmark | what | seen | target | |\n|---|---|---|---|---|\n")
	for _, r := range results {
		for _, g := range r.Goals {
			noisy := ""
			if r.Noisy {
				noisy = ", noisy"
			}
			fmt.Fprintf(&s, "| %s | %s | %s | %s | %s%s |\n", r.Name, cell(g.What), g.seen(), g.target(), g.word(), noisy)
		}
	}
	for _, r := range results {
		noisy := ""
		if r.Noisy {
			noisy = ": **noisy**, others had the processors too"
		}
		fmt.Fprintf(&s, "\n### %s\n\n%s. %s, load average %s before and %s after%s.\n", r.Name, r.What, r.At.Format("2 January 2006 15:04 UTC"), r.Load[0], r.Load[1], noisy)
		s.WriteString("\n| | a second | p50 ms | p99 ms | ratio | CPU µs | |\n|---|--:|--:|--:|---|--:|---|\n")
		bars := 0
		for _, x := range r.Rows {
			ratio := ""
			if x.Of != "" {
				ratio = figure(x.Ratio) + " of " + x.Of
			}
			if x.Rate > 0 {
				bars++
			}
			fmt.Fprintf(&s, "| %s | %s | %s | %s | %s | %s | %s |\n", cell(x.Label), figure(x.Rate), figure(x.P50), figure(x.P99), ratio, figure(x.CPU), cell(x.note()))
		}
		s.WriteString("\n")
		for _, n := range r.Notes {
			fmt.Fprintf(&s, "- %s\n", n)
		}
		if bars > 1 {
			fmt.Fprintf(&s, "\n![%s](%s/%s.svg)\n", r.Name, charts, r.Name)
		}
	}
	s.WriteString("\n")
	return s.String()
}

// cell is a text that does not end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
