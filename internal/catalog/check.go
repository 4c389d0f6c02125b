package catalog

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

	"haat/internal/fault"
	"haat/internal/money"
)

var handlePattern = regexp.MustCompile(`^[\p{L}\p{M}\p{N}]+([-_][\p{L}\p{M}\p{N}]+)*$`)

// rich is what a description may hold: text, lists, tables, links and
// pictures, and nothing that runs, frames or styles.
var rich = func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(true)
	p.AllowURLSchemes("https", "http", "mailto", "tel")
	return p
}()

// Sanitise gives the harmless part of a rich description.
func Sanitise(html string) string { return strings.TrimSpace(rich.Sanitize(html)) }

// Check tidies a product and says what is wrong with it, naming the field by
// JSON pointer. It sanitises the description, which is work for outside a
// transaction.
func (p *Product) Check() error {
	if len(p.DescriptionHTML) <= maxDescription {
		p.DescriptionHTML = Sanitise(p.DescriptionHTML)
	}
	return p.check()
}

// check is Check of a product whose description is sanitised.
func (p *Product) check() error {
	p.Title, p.Handle, p.Vendor, p.Type = tidy(p.Title), strings.ToLower(tidy(p.Handle)), tidy(p.Vendor), tidy(p.Type)
	if p.Title == "" {
		return fault.Invalid("/title", "Give the product a title.")
	}
	for field, text := range map[string]string{"/title": p.Title, "/handle": p.Handle, "/vendor": p.Vendor, "/type": p.Type} {
		if utf8.RuneCountInString(text) > maxTitle {
			return fault.Invalid(field, "This is longer than %d characters.", maxTitle)
		}
	}
	if p.Handle != "" && !handlePattern.MatchString(p.Handle) {
		return fault.Invalid("/handle", "An address is letters and digits, with single hyphens between them.")
	}
	if len(p.DescriptionHTML) > maxDescription {
		return fault.TooLarge("/description", "The description is longer than %d kB.", maxDescription>>10)
	}
	switch p.Status {
	case "":
		p.Status = Active
	case Draft, Active, Archived:
	default:
		return fault.Invalid("/status", "A product is draft, active or archived, not %q.", p.Status)
	}
	if len(p.Images) > MaxImages {
		return fault.Invalid("/images", "A product has %d images at most.", MaxImages)
	}
	var tags []string
	seen := map[string]bool{}
	for i, t := range p.Tags {
		t = tidy(t)
		if utf8.RuneCountInString(t) > maxTitle {
			return fault.Invalid(fmt.Sprintf("/tags/%d", i), "A tag has %d characters at most.", maxTitle)
		}
		if t != "" && !seen[strings.ToLower(t)] {
			seen[strings.ToLower(t)] = true
			tags = append(tags, t)
		}
	}
	if p.Tags = tags; len(tags) > MaxTags {
		return fault.Invalid("/tags", "A product has %d tags at most.", MaxTags)
	}
	if err := p.checkOptions(); err != nil {
		return err
	}
	return p.checkVariants()
}

// tidy puts text on one line, without what cannot be seen.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func (p *Product) checkOptions() error {
	if len(p.Options) > MaxOptions {
		return fault.Invalid("/options", "A product has %d options at most.", MaxOptions)
	}
	names := map[string]bool{}
	for i := range p.Options {
		o := &p.Options[i]
		at := fmt.Sprintf("/options/%d/name", i)
		o.Name = tidy(o.Name)
		switch {
		case o.Name == "":
			return fault.Invalid(at, "Give the option a name, such as Size.")
		case utf8.RuneCountInString(o.Name) > maxTitle:
			return fault.Invalid(at, "This is longer than %d characters.", maxTitle)
		case names[strings.ToLower(o.Name)]:
			return fault.Invalid(at, "Two options are called %s.", o.Name)
		}
		names[strings.ToLower(o.Name)] = true
		for j := range o.Values {
			o.Values[j] = tidy(o.Values[j])
		}
	}
	return nil
}

func (p *Product) checkVariants() error {
	if len(p.Variants) == 0 {
		return fault.Invalid("/variants", "A product has at least one variant, with a price.")
	}
	if len(p.Variants) > MaxVariants {
		return fault.Invalid("/variants", "A product has %d variants at most.", MaxVariants)
	}
	if len(p.Options) == 0 && len(p.Variants) > 1 {
		return fault.Invalid("/variants", "A product without options has one variant.")
	}
	seen := map[string]int{}
	for i := range p.Variants {
		v := &p.Variants[i]
		at := fmt.Sprintf("/variants/%d", i)
		v.SKU, v.Barcode, v.TaxClass = tidy(v.SKU), tidy(v.Barcode), tidy(v.TaxClass)
		if len(v.Options) != len(p.Options) {
			return fault.Invalid(at+"/options", "Give one value for each of the %d options.", len(p.Options))
		}
		for j := range v.Options {
			v.Options[j] = tidy(v.Options[j])
			if v.Options[j] == "" {
				return fault.Invalid(fmt.Sprintf("%s/options/%d", at, j), "Choose a value for %s.", p.Options[j].Name)
			}
			if utf8.RuneCountInString(v.Options[j]) > maxTitle {
				return fault.Invalid(fmt.Sprintf("%s/options/%d", at, j), "This is longer than %d characters.", maxTitle)
			}
		}
		if first, twice := seen[optionsKey(v.Options)]; twice {
			return fault.Invalid(at+"/options", "Variants %d and %d have the same values.", first+1, i+1)
		}
		seen[optionsKey(v.Options)] = i
		for field, text := range map[string]string{"/sku": v.SKU, "/barcode": v.Barcode, "/tax_class": v.TaxClass} {
			if utf8.RuneCountInString(text) > maxTitle {
				return fault.Invalid(at+field, "This is longer than %d characters.", maxTitle)
			}
		}
		for field, amount := range map[string]int64{"/price": v.Price, "/compare_at_price": v.CompareAt, "/cost": v.Cost} {
			if amount < 0 || amount > money.Max {
				return fault.Invalid(at+field, "An amount is between 0 and %d minor units.", int64(money.Max))
			}
		}
		if v.WeightGrams < 0 || v.WeightGrams > 10_000_000 {
			return fault.Invalid(at+"/weight_grams", "A weight is between 0 and 10,000 kg.")
		}
		if s := v.Stock; s != nil && s.SetAvailable && (s.Available < 0 && !s.Continue || s.Available > 1_000_000_000) {
			return fault.Invalid(at+"/available", "Stock is between 0 and 1,000,000,000.")
		}
	}
	return nil
}
