package design

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/maypok86/otter/v2"
)

// Theme is what a shop may choose: colours as "#rrggbb" and one of four
// faces. Empty values mean ours.
type Theme struct {
	Accent     string // buttons and links
	Background string
	Text       string
	Font       string // "system", "serif", "rounded", "mono"
}

// fonts are the faces a shop may choose; all of them are on the device.
var fonts = map[string]string{
	"system":  "var(--font-system)",
	"serif":   `"Iowan Old Style","Palatino Linotype",Palatino,"Noto Serif","Noto Serif Devanagari",Georgia,serif`,
	"rounded": `ui-rounded,"SF Pro Rounded","Hiragino Maru Gothic ProN",Quicksand,Nunito,Comfortaa,var(--font-system)`,
	"mono":    "var(--font-mono)",
}

// Fonts lists the faces in the order to offer them.
func Fonts() []string { return []string{"system", "serif", "rounded", "mono"} }

// BadTheme says which value of a theme cannot be used. Field is "accent",
// "background", "text" or "font".
type BadTheme struct{ Field, Value string }

func (e *BadTheme) Error() string {
	if e.Field == "font" {
		return fmt.Sprintf("%q is not one of the fonts: %s", e.Value, strings.Join(Fonts(), ", "))
	}
	return fmt.Sprintf("%q is not a colour such as #3a3aa8", e.Value)
}

// Check reports the first value that is not a colour or a known font, as a
// *[BadTheme].
func (t Theme) Check() error {
	for _, f := range []BadTheme{{"accent", t.Accent}, {"background", t.Background}, {"text", t.Text}} {
		if f.Value == "" {
			continue
		}
		if _, ok := parseColour(f.Value); !ok {
			return &f
		}
	}
	if _, ok := fonts[t.Font]; t.Font != "" && !ok {
		return &BadTheme{"font", t.Font}
	}
	return nil
}

// ThemeCSS writes the stylesheet of a theme. Colours are kept where they can
// be read and moved in lightness, hue unchanged, where they cannot: text
// keeps 7:1 on the background (a middling grey background is moved for it), quiet text, links and text on the accent
// 4.5:1, edges of controls 3:1; a fill need only be seen, so that a yellow stays one. A light background gets a dark counterpart
// for people who prefer dark; a dark one is dark for everybody. It fails
// with *[BadTheme]. The sheets of the themes asked for last are kept, and not
// to be written to.
func ThemeCSS(t Theme) ([]byte, error) {
	if sheet, ok := sheets.GetIfPresent(t); ok {
		return sheet, nil
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	sheet := t.sheet()
	sheets.Set(t, sheet)
	return sheet, nil
}

var sheets = otter.Must(&otter.Options[Theme, []byte]{MaximumSize: 1_000}) // of some 2 KB

func (t Theme) sheet() []byte {
	bg, text, accent := colourOr(t.Background, "#ffffff").ground(), colourOr(t.Text, "#171614"), colourOr(t.Accent, "#3a3aa8")
	var b strings.Builder
	if bg.luminance() < 0.18 {
		b.WriteString(":root{color-scheme:dark;" + derive(bg, text, accent).css() + "}")
		writeFont(&b, t.Font)
		return []byte(b.String())
	}
	b.WriteString(":root{" + derive(bg, text, accent).css() + "}")
	night := bg.polar()
	night.l, night.c = 0.185, min(night.c, 0.02)
	paper := text.polar()
	paper.l, paper.c = 0.95, min(paper.c, 0.015)
	glow := accent.polar()
	glow.l = max(glow.l, 0.72)
	b.WriteString("@media (prefers-color-scheme:dark){:root{" + derive(night.colour(), paper.colour(), glow.colour()).css() + "}}")
	writeFont(&b, t.Font)
	return []byte(b.String())
}

// ThemePath is the address of a theme's stylesheet on the shop's own host:
// "/theme-<hash>.css". It changes when the theme or this package does.
func ThemePath(css []byte) string {
	sum := sha256.Sum256(css)
	return "/theme-" + hex.EncodeToString(sum[:6]) + ".css"
}

func writeFont(b *strings.Builder, font string) {
	if font == "" || font == "system" {
		return
	}
	b.WriteString(":root{--font-head:" + fonts[font])
	if font != "serif" {
		b.WriteString(";--font:" + fonts[font])
	}
	b.WriteString("}")
}

// palette is every colour token that depends on the shop's three colours.
type palette []struct {
	token string
	value colour
}

func (p palette) css() string {
	parts := make([]string, len(p))
	for i, e := range p {
		parts[i] = "--" + e.token + ":" + e.value.hex()
	}
	return strings.Join(parts, ";")
}

// derive makes the tokens from a background, a text and an accent colour.
func derive(bg, text, accent colour) palette {
	light := bg.luminance() >= 0.18
	text = text.readable(8.5, bg)
	sunken := mix(bg, text, 0.06)
	surface := bg
	if !light {
		surface = mix(bg, text, 0.04)
	}
	fill := accent.readable(1.25, bg) // the words on it name a button, not its edge
	onAccent := colour{1, 1, 1}
	if contrast(onAccent, fill) < 4.5 {
		onAccent = fill.inkOn()
	}
	soft := mix(bg, fill, 0.1)
	link := accent.readable(4.5, bg, sunken, soft)
	p := palette{
		{"bg", bg}, {"surface", surface}, {"sunken", sunken}, {"canvas", mix(bg, text, 0.025)},
		{"line", mix(bg, text, 0.14)}, {"edge", mix(bg, text, 0.45).readable(3, bg, surface)},
		{"text", text}, {"muted", mix(bg, text, 0.62).readable(4.5, bg, surface, sunken, soft)},
		{"accent", fill}, {"accent-hover", mix(fill, onAccent.opposite(), 0.16)}, {"on-accent", onAccent},
		{"accent-text", link}, {"accent-soft", soft}, {"focus", link},
		{"n0", bg}, {"n9", text},
	}
	for _, s := range []struct{ name, day, night string }{
		{"good", "#17693c", "#6bd398"}, {"warn", "#855000", "#f0b95f"}, {"bad", "#b3261e", "#ff968c"}, {"info", "#0b5c99", "#7fc0f5"},
	} {
		c := colourOr(s.day, "")
		if !light {
			c = colourOr(s.night, "")
		}
		soft := mix(bg, c, 0.12)
		p = append(p, palette{{s.name, c.readable(4.5, bg, surface, soft)}, {s.name + "-soft", soft}}...)
	}
	return p
}
