package dashboard

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/web/design"
)

func (f Frame) zone() *time.Location {
	if f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

func (v Today) stepsDone() int {
	n := 0
	for _, s := range v.Steps {
		if s.Done {
			n++
		}
	}
	return n
}

// nextStep is the first one that is not done.
func (v Today) nextStep() int {
	for i, s := range v.Steps {
		if !s.Done {
			return i
		}
	}
	return -1
}

// anchor is the number without its sign, for an id.
func (r OrderRow) anchor() string { return strings.TrimLeft(r.Number, "#") }

func (r OrderRow) sub() string {
	parts := []string{}
	for _, p := range []string{r.Items, r.Place} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

func joined(lines []string) string { return strings.Join(lines, ", ") }

func (v Product) variantTitle(i int) string {
	if t := v.Form.Variants[i].Title; t != "" {
		return t
	}
	return "Price and stock"
}

// plain is true for a product that is sold in one form only.
func (v Product) plain() bool {
	for _, o := range v.Form.Options {
		if o.Name != "" {
			return false
		}
	}
	return true
}

func (r CustomerRow) reach() string {
	parts := []string{}
	for _, p := range []string{r.Phone, r.Email, r.Place} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

func (v Order) trackingWords() string {
	if v.Tracking.Number != "" {
		return v.Tracking.Number
	}
	return "Follow the parcel"
}

func (v Poster) paper() string {
	if v.Size == "a6" {
		return "a6"
	}
	return "a4"
}

func has(all []string, one string) bool { return slices.Contains(all, one) }

func (v Product) option(i int) OptionForm {
	if i < len(v.Form.Options) {
		return v.Form.Options[i]
	}
	return OptionForm{}
}

// lastOption is the row after the last one in use, which is shown empty.
func (v Product) lastOption() int {
	n := 0
	for i, o := range v.Form.Options {
		if o.Name != "" || o.Values != "" {
			n = i + 1
		}
	}
	return n
}

func optionHint(i int) string { return []string{"Size", "Colour", "Material"}[i] }

func valueHint(i int) string {
	return []string{"S, M, L", "Red, Blue", "Cotton, Silk"}[i]
}

func (v Product) wrong(i int, fields ...string) bool {
	for _, f := range fields {
		if v.Problems[v.cellName(i, f)] != "" {
			return true
		}
	}
	return false
}

func (v Product) variantDetailWrong(i int) bool {
	return v.wrong(i, "sku", "barcode", "cost", "weight")
}

func (v Product) variantWrong(i int) bool {
	return v.variantDetailWrong(i) || v.wrong(i, "price", "compare", "stock")
}

func (v Product) variantStock(i int) string {
	switch s := v.Form.Variants[i].Stock; s {
	case "":
		return "not counted"
	case "0":
		return "sold out"
	default:
		return s + " in stock"
	}
}

func (v Collection) heading() string {
	if v.New {
		return "New collection"
	}
	return v.Heading
}

func allWord(all bool) string {
	if all {
		return "all"
	}
	return "any"
}

// spare gives the conditions with one empty row to fill in.
func (v Collection) spare() []Condition {
	return append(slices.Clone(v.Conditions), Condition{})
}

func (v Import) heading() string {
	switch {
	case v.DryRun:
		return "Checking a file"
	case v.running():
		return "Import under way"
	}
	return "Import"
}

func (v Import) running() bool { return v.Status == "queued" || v.Status == "running" }

// liveURL is where to listen while anything is still under way.
func (v Import) liveURL() string {
	if v.running() || v.Images.Queued > 0 {
		return v.LiveURL
	}
	return ""
}

var fontChoices = []Choice{
	{Value: "system", Label: "Plain"}, {Value: "serif", Label: "Serif"},
	{Value: "rounded", Label: "Rounded"}, {Value: "mono", Label: "Typewriter"},
}

func (v Settings) currency() design.Field {
	f := design.Field{
		Name: "currency", Label: "Currency", Kind: "select", Choices: v.Currencies,
		Value: v.Currency, Error: v.Problems["currency"],
	}
	if v.CurrencyFixed {
		f.Hint, f.Disabled = "It stays, since there are amounts in it.", true
	}
	return f
}

// sections gives those of the home page with one empty one to fill in.
func (v ThemeEditor) sections() []SectionForm {
	return append(slices.Clone(v.Sections), SectionForm{})
}

func (v ThemeEditor) sectionWrong(i int) bool {
	return v.Problems["section-"+itoa(i)+"-title"] != ""
}

// name is how a section is called in the list: its kind, and its heading.
func (s SectionForm) name(kinds []Choice) string {
	if s.Kind == "" {
		return "Add a section"
	}
	name := s.Kind
	for _, k := range kinds {
		if k.Value == s.Kind {
			name = k.Label
		}
	}
	if s.Title != "" {
		name += ": " + s.Title
	}
	return name
}

func (v NameShop) countryName() string {
	for _, c := range v.Countries {
		if c.Value == v.Country {
			return c.Label
		}
	}
	return v.Country
}

func (c DayChart) any() bool { return anyAbove(c.Today) || anyAbove(c.Yesterday) || c.visited() }

func (c DayChart) visited() bool { return anyAbove(c.Visits) || anyAbove(c.VisitsYesterday) }

func (c DaysChart) any() bool { return anyAbove(c.Values) || anyAbove(c.Visits) }

// visits is a number of them in words.
func visits(n float64) string { return plural(int64(n), "visit") }

// conversion is how many of a hundred visits ordered. Orders that came without a
// visit, as from a program, would make it more than there are.
func conversion(orders, visits int64) string {
	if visits <= 0 || orders < 0 || orders > visits {
		return ""
	}
	return strconv.FormatFloat(float64(orders*1000/visits)/10, 'f', -1, 64) + " % ordered"
}

func anyAbove(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return v > 0 })
}

func (v NameShop) slugShown() string {
	if v.Slug == "" {
		return "your-shop"
	}
	return v.Slug
}

// nothing says that a list of products is empty, and why.
func (v Products) nothing() string {
	switch {
	case v.Query != "":
		return "Nothing matches"
	case v.Stock != "":
		return "Nothing is sold out"
	}
	return "There are none of these"
}

func (v Products) nothingMore() string {
	switch {
	case v.Query != "":
		return "No product in this list has these words in its title, SKU, vendor or tags."
	case v.Stock != "":
		return "Every product can be bought in at least one variant."
	}
	return ""
}

// capped is a count for where there is room for three digits.
func capped(n int) string {
	if n > 999 {
		return "999+"
	}
	return itoa(n)
}
