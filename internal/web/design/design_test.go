package design

import (
	"bytes"
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// tokens reads the colour tokens of tokens.css, following var().
func tokens(t *testing.T, dark bool) map[string]string {
	t.Helper()
	src := string(must(css.ReadFile("css/tokens.css")))
	day, night, _ := strings.Cut(src, "@media (prefers-color-scheme: dark)")
	all := map[string]string{}
	texts := []string{day}
	if dark {
		texts = append(texts, night)
	}
	for _, s := range texts {
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): ([^;]+);`).FindAllStringSubmatch(s, -1) {
			all[m[1]] = m[2]
		}
	}
	for k, v := range all {
		for strings.HasPrefix(v, "var(--") {
			v = all[strings.TrimSuffix(strings.TrimPrefix(v, "var(--"), ")")]
		}
		all[k] = v
	}
	return all
}

// pairs are the texts and grounds that meet on pages, with the ratio each
// needs.
var pairs = []struct {
	ink, ground string
	ratio       float64
}{
	{"text", "bg", 7}, {"text", "surface", 7}, {"text", "sunken", 7}, {"muted", "bg", 4.5}, {"muted", "sunken", 4.5}, {"muted", "surface", 4.5},
	{"on-accent", "accent", 4.5}, {"on-accent", "accent-hover", 4.5}, {"accent-text", "bg", 4.5}, {"accent-text", "accent-soft", 4.5},
	{"good", "bg", 4.5}, {"warn", "bg", 4.5}, {"bad", "bg", 4.5}, {"info", "bg", 4.5},
	{"good", "good-soft", 4.5}, {"warn", "warn-soft", 4.5}, {"bad", "bad-soft", 4.5}, {"info", "info-soft", 4.5},
	{"text", "bad-soft", 4.5}, {"text", "warn-soft", 4.5}, {"edge", "bg", 3}, {"edge", "surface", 3}, {"accent", "bg", 1.25}, {"focus", "bg", 3},
}

func TestOurColoursCanBeRead(t *testing.T) {
	for _, dark := range []bool{false, true} {
		all := tokens(t, dark)
		for _, p := range append(pairs, struct {
			ink, ground string
			ratio       float64
		}{"on-bad", "bad", 4.5}) {
			a, ok1 := parseColour(all[p.ink])
			b, ok2 := parseColour(all[p.ground])
			if !ok1 || !ok2 {
				t.Fatalf("%s is %q, %s is %q", p.ink, all[p.ink], p.ground, all[p.ground])
			}
			if got := contrast(a, b); got < p.ratio {
				t.Errorf("dark %v: %s on %s is %.2f, wants %.1f", dark, p.ink, p.ground, got, p.ratio)
			}
		}
	}
}

func TestThemesCanBeRead(t *testing.T) {
	values := []string{"#000000", "#ffffff", "#ffff00", "#ff0000", "#00ff00", "#0000ff", "#808080", "#777777", "#f5e9d8", "#123456", "#ffc0cb", "#8a2be2", "#2f2f2f", "#6b6b6b"}
	for _, bg := range values {
		for _, ink := range values {
			for _, accent := range values {
				checkTheme(t, Theme{Accent: accent, Background: bg, Text: ink})
			}
		}
	}
}

func checkTheme(t *testing.T, theme Theme) {
	t.Helper()
	sheet, err := ThemeCSS(theme)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(sheet), "@media") {
		got := map[string]colour{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+):(#[0-9a-f]{6})`).FindAllStringSubmatch(block, -1) {
			got[m[1]], _ = parseColour(m[2])
		}
		for _, p := range pairs {
			if c := contrast(got[p.ink], got[p.ground]); c < p.ratio {
				t.Fatalf("%+v: %s %s on %s %s is %.2f, wants %.1f", theme, p.ink, got[p.ink].hex(), p.ground, got[p.ground].hex(), c, p.ratio)
			}
		}
	}
}

func TestThemeRefusesWhatIsNotAColour(t *testing.T) {
	for _, bad := range []Theme{{Accent: "red;}body{display:none"}, {Background: "#12345"}, {Text: "url(x)"}, {Font: "Comic Sans"}} {
		if _, err := ThemeCSS(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	a, b := must(ThemeCSS(Theme{Accent: "#abc"})), must(ThemeCSS(Theme{Accent: "#aabbcd"}))
	if ThemePath(a) == ThemePath(b) {
		t.Error("two themes share an address")
	}
}

func TestColoursSurviveThePolarForm(t *testing.T) {
	for _, s := range []string{"#000000", "#ffffff", "#3a3aa8", "#ff9933", "#138808", "#e91e63"} {
		c := colourOr(s, "")
		if got := c.polar().colour().hex(); got != s {
			t.Errorf("%s came back as %s", s, got)
		}
	}
}

func TestMinifyKeepsTheMeaning(t *testing.T) {
	in := `/* x */ .a > .b , .c .d { color : red; inline-size: calc(1px + 2px) ; content: "a  /* b */ \" c"; }
@media (min-width: 4em) and (max-width: 9em) { a:hover { margin: 0 auto -0.5rem 10.5px; translate: calc(1px - 0.5em) 0 } }`
	want := `.a>.b,.c .d{color :red;inline-size:calc(1px + 2px);content:"a  /* b */ \" c"}@media (min-width:4em) and (max-width:9em){a:hover{margin:0 auto -.5rem 10.5px;translate:calc(1px - .5em) 0}}`
	if got := string(Minify([]byte(in))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAssetsAreFoundByTheirHashedAddress(t *testing.T) {
	a := NewAssets().Add("x.css", []byte("a { b: c }")).Add("y.js", bytes.Repeat([]byte("export {};\n"), 100))
	f, ok := a.File(a.URL("y.js"))
	if !ok || f.Type != "text/javascript; charset=utf-8" || len(f.Gzip()) == 0 || len(f.Gzip()) >= len(f.Body) {
		t.Fatalf("%v %+v", ok, f)
	}
	if _, ok := a.File("/assets/x.css"); ok {
		t.Error("served without its hash")
	}
	if again := NewAssets().Add("x.css", []byte("a { b: d }")); again.URL("x.css") == a.URL("x.css") {
		t.Error("another content at the same address")
	}
}

func TestPagesWindow(t *testing.T) {
	for _, c := range []struct {
		page, last int
		want       []int
	}{
		{1, 1, []int{1}}, {1, 3, []int{1, 2, 3}}, {5, 9, []int{1, 0, 4, 5, 6, 0, 9}}, {1, 9, []int{1, 2, 0, 9}}, {4, 9, []int{1, 2, 3, 4, 5, 0, 9}},
	} {
		if got := (Pages{Page: c.page, Last: c.last}).Window(); !slices.Equal(got, c.want) {
			t.Errorf("page %d of %d: %v, want %v", c.page, c.last, got, c.want)
		}
	}
}

func TestRelativeTimes(t *testing.T) {
	zone := time.FixedZone("IST", 19800)
	now := time.Date(2026, 11, 24, 16, 0, 0, 0, zone)
	for want, at := range map[string]time.Time{
		"just now": now.Add(-20 * time.Second), "5 min ago": now.Add(-5*time.Minute - 10*time.Second), "today, 9:30 am": time.Date(2026, 11, 24, 9, 30, 0, 0, zone),
		"yesterday, 11:59 pm": time.Date(2026, 11, 23, 23, 59, 0, 0, zone), "Fri, 4:00 pm": now.AddDate(0, 0, -4), "12 Mar": time.Date(2026, 3, 12, 9, 0, 0, 0, zone),
		"1 Jan 2025": time.Date(2025, 1, 1, 0, 0, 0, 0, zone), "in 9 min": now.Add(9 * time.Minute),
	} {
		if got := Relative(at, now, zone); got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
}

func TestChartsCarryTheirNumbersInWords(t *testing.T) {
	var b bytes.Buffer
	err := Bars{
		Title: "Sales by hour", Desc: "₹30 so far", Labels: []string{"9", "10", "11"}, Table: "Show as a table",
		Now: Series{"Today", []float64{10, 20}}, Before: Series{"Yesterday", []float64{5, 40, 15}}, Format: num,
	}.Draw().Render(context.Background(), &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>Sales by hour</title>", "<desc>₹30 so far</desc>", "10: 20 (Yesterday 40)", `<th scope="row">11</th><td>0</td><td>15</td>`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "style=") {
		t.Error("inline style would be refused by the policy")
	}
}

func TestScalesOfCountsHaveWholeHalves(t *testing.T) {
	for _, c := range []struct {
		values []float64
		top    float64
	}{
		{nil, 2}, {[]float64{0}, 2}, {[]float64{1}, 2}, {[]float64{3}, 4}, {[]float64{5, math.NaN()}, 6},
		{[]float64{7}, 8}, {[]float64{9}, 10}, {[]float64{21}, 30}, {[]float64{1200}, 2000}, {[]float64{0.4}, 0.4}, {[]float64{2.5}, 3},
	} {
		if got := scale(c.values); math.Abs(got-c.top) > 1e-9 {
			t.Errorf("the scale of %v ends at %v, and not at %v", c.values, got, c.top)
		}
	}
}

func TestEveryIconIsDrawn(t *testing.T) {
	for _, n := range IconNames() {
		var b bytes.Buffer
		if err := Icon(n).Render(context.Background(), &b); err != nil || !strings.Contains(b.String(), "<path") && !strings.Contains(b.String(), "<circle") {
			t.Errorf("%s: %v", n, err)
		}
	}
}
