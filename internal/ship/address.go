package ship

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"haat/internal/fault"
)

// Address is where a parcel goes. A struct with the same fields converts.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	State      string `json:"state"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// Normalise gives the address as we keep it: white space put right, the
// country as its alpha-2 code, the state as it is written on letters (by name
// in India, by code in the United States) whether code or name was given, the
// postal code as the country writes it. It says what is wrong, in the order
// of the fields, at /shipping_address/<field>. A whole address must have all
// that a parcel needs; one that is still being written may lack it, and only
// what is there is judged.
func Normalise(a Address, whole bool) (Address, []fault.Field) {
	var wrong []fault.Field
	say := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Field{Pointer: "/shipping_address/" + field, Message: fmt.Sprintf(format, args...)})
	}
	text := func(field string, s *string, most int, missing string) {
		*s = cleaned(*s)
		switch {
		case *s == "" && missing != "" && whole:
			say(field, "%s", missing)
		case len([]rune(*s)) > most:
			say(field, "This has %d characters at most.", most)
		}
	}
	a.Country = strings.ToUpper(cleaned(a.Country))
	c := rules[a.Country]
	text("name", &a.Name, 120, "Write who receives the parcel.")
	text("line1", &a.Line1, 200, "Write the house and the street.")
	text("line2", &a.Line2, 200, "")
	missing := "Write the town or city."
	if c.noCity {
		missing = ""
	}
	text("city", &a.City, 100, missing)
	a.normaliseState(c, whole, say)
	a.normalisePostalCode(c, whole, say)
	if names[a.Country] == "" && (whole || a.Country != "") {
		say("country", "Choose the country, as two letters such as IN.")
	}
	return a, wrong
}

// Validate is Normalise of a whole address, with what is wrong as one
// fault.Invalid.
func Validate(a Address) (Address, error) {
	a, wrong := Normalise(a, true)
	if len(wrong) == 0 {
		return a, nil
	}
	f := fault.Invalid(wrong[0].Pointer, "%s", wrong[0].Message)
	f.More = wrong[1:]
	return a, f
}

func (a *Address) normaliseState(c country, whole bool, say func(string, string, ...any)) {
	a.State = cleaned(a.State)
	if len(c.states) == 0 {
		if len([]rune(a.State)) > 100 {
			say("state", "This has 100 characters at most.")
		}
		return
	}
	if a.State == "" {
		if whole {
			say("state", "Choose the %s.", c.stateWord)
		}
		return
	}
	s, ok := c.state(a.State)
	if !ok {
		say("state", "This is no %s of %s.", c.stateWord, names[a.Country])
		return
	}
	a.State = s.Name
	if c.stateCodes {
		a.State = s.Code
	}
}

func (a *Address) normalisePostalCode(c country, whole bool, say func(string, string, ...any)) {
	a.PostalCode = strings.ToUpper(cleaned(a.PostalCode))
	if c.postal == nil {
		if !anyPostal.MatchString(a.PostalCode) {
			say("postal_code", "This does not look like a postal code.")
		}
		return
	}
	bare := strings.NewReplacer(" ", "", "-", "").Replace(a.PostalCode)
	switch {
	case a.PostalCode == "":
		if whole && !c.postalOptional {
			say("postal_code", "Write the %s: %s.", c.postalWord(), c.postalForm)
		}
	case !c.postal.MatchString(bare):
		say("postal_code", "The %s is %s.", c.postalWord(), c.postalForm)
	case c.write != nil:
		a.PostalCode = c.write(bare)
	default:
		a.PostalCode = bare
	}
}

// anyPostal is what we take where we know no better; it may be empty.
var anyPostal = regexp.MustCompile(`^(|[A-Z0-9][A-Z0-9 -]{1,11})$`)

// cleaned makes one space of any white space and drops what cannot be printed.
func cleaned(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsGraphic(r) && r != '\u200c' && r != '\u200d': // Indic scripts need the joiners
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
