package bench

import (
	"fmt"
	"html"
	"strings"
)

// chart draws the rates as bars, with the latencies in words: an SVG that
// stands alone and is read in light and dark.
func (r *Result) chart() string {
	const (
		bars, right = 320, 190
		row, head   = 30, 62
		letter      = 7 // wide, about
	)
	var rows []Row
	most, left := 0.0, 150
	for _, x := range r.Rows {
		if x.Rate > 0 {
			rows = append(rows, x)
			most, left = max(most, x.Rate), max(left, letter*len([]rune(x.Label))+26)
		}
	}
	width := left + bars + right
	height := head + row*len(rows) + 26
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&s, "<title id=\"t\">%s</title>\n<desc id=\"d\">", html.EscapeString(r.Name))
	for _, x := range rows {
		fmt.Fprintf(&s, "%s: %s a second. ", html.EscapeString(x.Label), figure(x.Rate))
	}
	s.WriteString("</desc>\n<style>.i{fill:#1f2328}.m{fill:#656d76}.b{fill:#9a3f22}.o{fill:#8c959f}.p{fill:#fff}@media(prefers-color-scheme:dark){.i{fill:#e6edf3}.m{fill:#9198a1}.b{fill:#e0805f}.o{fill:#6e7681}.p{fill:#0d1117}}</style>\n")
	fmt.Fprintf(&s, `<rect class="p" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(&s, `<text class="i" x="16" y="26" font-size="16" font-weight="600">%s, a second</text>`+"\n", html.EscapeString(r.Name))
	var goals []string
	for _, g := range r.Goals {
		goals = append(goals, g.What+" "+g.target()+" ("+g.word()+")")
	}
	fmt.Fprintf(&s, `<text class="m" x="16" y="46">%s</text>`+"\n", html.EscapeString(clip(strings.Join(goals, "; "), width/letter-4)))
	for i, x := range rows {
		y, w := head+row*i, x.Rate/most*bars
		class := "o"
		if strings.HasPrefix(x.Label, "haat") || r.Name != "page-hit" {
			class = "b"
		}
		fmt.Fprintf(&s, `<text class="i" x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+18, html.EscapeString(x.Label))
		fmt.Fprintf(&s, `<rect class="%s" x="%d" y="%d" width="%.1f" height="18" rx="2"/>`, class, left, y+5, max(w, 1))
		words := figure(x.Rate)
		if x.P99 > 0 {
			words += ", p99 " + figure(x.P99) + " ms"
		}
		fmt.Fprintf(&s, `<text class="i" x="%.1f" y="%d">%s</text>`+"\n", float64(left)+max(w, 1)+8, y+18, words)
	}
	noisy := ""
	if r.Noisy {
		noisy = " (noisy)"
	}
	fmt.Fprintf(&s, `<text class="m" x="16" y="%d" font-size="11">%s, %d cores; %s; load average %s%s</text>`+"\n</svg>\n",
		height-10, html.EscapeString(r.Machine.CPU), r.Machine.Cores, r.At.Format("2006-01-02"), r.Load[0], noisy)
	return s.String()
}

// clip keeps a line within so many letters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
