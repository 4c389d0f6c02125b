package dashboard

import (
	"embed"
	"slices"
	"strconv"
	"strings"

	"haat/internal/web/design"
)

//go:embed css/*.css
var styles embed.FS

//go:embed js/*.js
var scripts embed.FS

// Files are the stylesheet and the modules of these pages, to be served below
// design.AssetPath of the platform's host.
var Files = design.NewAssets().
	Add("dashboard.css", slices.Concat(design.PanelCSS(), style("shell"), style("pages"), style("public"))).
	Add("paper-a4.css", style("paper-a4")).
	Add("paper-a6.css", style("paper-a6")).
	AddFS(scripts, "js")

func style(name string) []byte {
	b, err := styles.ReadFile("css/" + name + ".css")
	if err != nil {
		panic(err)
	}
	return b
}

// A place is one item of the navigation.
type place struct{ Section, Label, Icon, Path string }

// rail is the navigation at the side of a wide screen.
var rail = []place{
	{SectionToday, "Today", "home", ""},
	{SectionOrders, "Orders", "receipt", "/orders"},
	{SectionProducts, "Products", "tag", "/products"},
	{SectionCollections, "Collections", "folder", "/collections"},
	{SectionCustomers, "Customers", "users", "/customers"},
	{SectionSearch, "Search", "search", "/search"},
	{SectionShare, "Share", "share", "/share"},
	{SectionImport, "Import and export", "upload", "/import"},
	{SectionSettings, "Settings", "settings", "/settings"},
}

// thumb is the navigation at the bottom of a phone; what does not fit is
// under More.
var thumb = []place{
	{SectionToday, "Today", "home", ""},
	{SectionOrders, "Orders", "receipt", "/orders"},
	{SectionAdd, "Add", "plus", "/quick"},
	{SectionProducts, "Products", "tag", "/products"},
	{SectionMore, "More", "menu", "/more"},
}

// inThumb tells which item of the phone's navigation a section belongs to.
func inThumb(section string) string {
	if slices.ContainsFunc(thumb, func(p place) bool { return p.Section == section }) {
		return section
	}
	return SectionMore
}

func lang(s string) string {
	if s == "" {
		return "en"
	}
	return s
}

func (p Public) name() string {
	if p.Platform == "" {
		return "haat"
	}
	return p.Platform
}

// initial is the first letter of a name, for a shop without a logo.
func initial(name string) string {
	for _, r := range strings.TrimSpace(name) {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// list gives the problems for the summary at the top of a form.
func (p Problems) list() []design.FieldError {
	keys := make([]string, 0, len(p))
	for k := range p {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]design.FieldError, 0, len(keys))
	for _, k := range keys {
		out = append(out, design.FieldError{ID: k, Text: p[k]})
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }

func flashIcon(kind string) string {
	if kind == "bad" {
		return "error"
	}
	return "check"
}

// path draws the dark squares of a code, joined along each row.
func (q QR) path() string {
	var b strings.Builder
	for y, row := range q.Modules {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			n := 1
			for x+n < len(row) && row[x+n] {
				n++
			}
			b.WriteString("M" + itoa(x) + " " + itoa(y) + "h" + itoa(n) + "v1h-" + itoa(n) + "z")
			x += n
		}
	}
	return b.String()
}

func (q QR) box() string {
	n := itoa(len(q.Modules) + 4)
	return "-2 -2 " + n + " " + n
}
