package console

import (
	"embed"
	"slices"
	"strconv"
	"time"

	"haat/internal/web/design"
)

//go:embed css/console.css
var styles embed.FS

// Files is the stylesheet of these pages, to be served below
// design.AssetPath of the operations listener.
var Files = design.NewAssets().Add("console.css", slices.Concat(design.PanelCSS(), style()))

func style() []byte {
	b, err := styles.ReadFile("css/console.css")
	if err != nil {
		panic(err)
	}
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }

func (f Frame) zone() *time.Location {
	if f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

// icon gives the sign of a state, so that colour is not needed to read it.
func icon(state string) string {
	switch state {
	case "bad":
		return "error"
	case "warn":
		return "alert"
	}
	return "check"
}

// word says a state.
func word(state string) string {
	switch state {
	case "bad":
		return "Failing"
	case "warn":
		return "Watch"
	}
	return "Well"
}

// allClear is what the browser's tab says before it is opened.
func (v Overview) allClear() string {
	if v.State == "bad" {
		return "✕ " + v.Title
	}
	return v.Title
}

var states = []design.Choice{
	{Value: "", Label: "All"}, {Value: "open", Label: "Open"}, {Value: "suspended", Label: "Suspended"},
}

// waitBehind says how many events wait behind the first of a key.
func waitBehind(n int64) string {
	if n == 0 {
		return "Nothing behind it"
	}
	return thousands(n) + " behind it"
}
