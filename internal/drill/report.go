package drill

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// line is the drill's one line.
func (r *Result) line() string {
	s := fmt.Sprintf("%s | %s | noticed: %s | %s | %s", r.name(), r.Injected, r.Noticed, strings.Join(r.Hurt, "; "), r.verdict())
	if len(r.Short) > 0 {
		s += ": " + strings.Join(r.Short, "; ")
	}
	return s
}

// table is the summary for a terminal.
func table(results []*Result) string {
	var s strings.Builder
	t := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DRILL\tNOTICED\tVERDICT\tTOOK")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\n", r.name(), r.Noticed, r.verdict(), r.Took)
	}
	t.Flush()
	return s.String()
}

const (
	docHead = `# Faults

Written by ` + "`haat drill --doc`" + `; each row is the drill's last run, in which it started
the program as processes of its own, broke something, and looked. *Noticed* is
how long it took until the register of incidents named the fault, *hurt* what
shoppers and merchants saw. A row *without* ran with the protection turned off,
and has to fall short: a drill that cannot fail proves nothing. A row *--full* is
what takes longer than minutes. ` + "`haat drill`" + ` lists the drills and what each turns
off.

| drill | injected | noticed | hurt | verdict | run |
|---|---|---|---|---|---|
`
	docWithout = "\n## What is turned off\n\n"
)

// write puts results into a document; rows of drills that did not run stay.
func write(path string, results []*Result, machine string) error {
	rows := map[string]string{}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(old)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(name, "F-") {
			rows[name] = strings.TrimSuffix(line, "\n")
		}
	}
	for _, r := range results {
		rows[r.name()] = r.row(machine)
	}
	var s strings.Builder
	s.WriteString(docHead)
	for _, d := range all {
		for _, name := range []string{d.id, d.id + " without", d.id + " --full", d.id + " --full without"} {
			if row := rows[name]; row != "" {
				s.WriteString(row + "\n")
			}
		}
	}
	s.WriteString(docWithout)
	for _, d := range all {
		fault := d.fault
		if d.full != "" {
			fault += "; with --full, " + d.full
		}
		fmt.Fprintf(&s, "- **%s**, %s: %s.\n", d.id, fault, d.without)
	}
	return os.WriteFile(path, []byte(s.String()), 0o644)
}

func (r *Result) row(machine string) string {
	verdict := r.verdict()
	if len(r.Short) > 0 {
		verdict = "**fell short**: " + strings.Join(r.Short, "; ")
	}
	hurt := slices.DeleteFunc(slices.Clone(r.Hurt), func(s string) bool { return slices.Contains(r.Short, s) })
	cells := []string{r.name(), r.Injected, r.Noticed, strings.Join(hurt, "; "), verdict,
		fmt.Sprintf("%s, %v, load average %s; %s", r.At.Format(time.DateOnly), r.Took.Round(time.Second), r.Load, machine)}
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", "\\|")
	}
	return "| " + strings.Join(cells, " | ") + " |"
}
