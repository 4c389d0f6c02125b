package ship

import (
	"regexp"
	"slices"
	"strings"
)

// country is what an address of a country must have. The zero country takes
// anything.
type country struct {
	postal         *regexp.Regexp // without spaces and hyphens; nil: anything, or nothing
	postalForm     string         // in words, with an example
	postalOptional bool
	write          func(bare string) string // puts spaces and hyphens where the country has them
	states         []State                  // one of which is needed; nil: any text, or nothing
	stateWord      string
	stateCodes     bool // written by code, not by name
	noCity         bool // the country is the city
	pin            bool
}

func (c country) postalWord() string {
	if c.pin {
		return "PIN code"
	}
	return "postal code"
}

// State is a part of a country. Code is the second half of its ISO 3166-2 code.
type State struct {
	Code, Name string
	also       []string // other codes and spellings in use
}

// States lists the states of a country where an address needs one; nil where
// it does not, or where any text will do.
func States(country string) []State { return slices.Clone(rules[country].states) }

// state finds a state by its code, its name or another spelling, forgiving
// case, "and" or "&", and punctuation.
func (c country) state(text string) (State, bool) {
	text = bareName(text)
	i := slices.IndexFunc(c.states, func(s State) bool {
		return text == bareName(s.Code) || text == bareName(s.Name) ||
			slices.ContainsFunc(s.also, func(other string) bool { return text == bareName(other) })
	})
	if i < 0 {
		return State{}, false
	}
	return c.states[i], true
}

func bareName(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "&", " and ")
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' || r == '-' || r == '\'' || r == ',' {
			return -1
		}
		return r
	}, s)
}

func digits(n string, example string) country {
	words := map[string]string{"3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight"}
	return country{postal: regexp.MustCompile(`^\d{` + n + `}$`), postalForm: words[n] + " digits, such as " + example}
}

func (c country) written(fn func(string) string) country { c.write = fn; return c }
func (c country) optional() country                      { c.postalOptional = true; return c }

// split puts sep before the last n characters.
func split(n int, sep string) func(string) string {
	return func(bare string) string { return bare[:len(bare)-n] + sep + bare[len(bare)-n:] }
}

// after puts sep behind the first n characters.
func after(n int, sep string) func(string) string {
	return func(bare string) string { return bare[:n] + sep + bare[n:] }
}

var rules = map[string]country{
	"IN": {postal: regexp.MustCompile(`^[1-9]\d{5}$`), postalForm: "six digits, such as 560001", pin: true, states: india, stateWord: "state or union territory"},
	"US": {postal: regexp.MustCompile(`^\d{5}(\d{4})?$`), postalForm: "five digits, such as 94107", write: zip, states: unitedStates, stateWord: "state", stateCodes: true},
	"CA": {postal: regexp.MustCompile(`^[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z]\d[ABCEGHJ-NPRSTV-Z]\d$`), postalForm: "like K1A 0B1", write: split(3, " "), states: canada, stateWord: "province", stateCodes: true},
	"AU": {postal: regexp.MustCompile(`^\d{4}$`), postalForm: "four digits, such as 2000", states: australia, stateWord: "state", stateCodes: true},
	"GB": {postal: regexp.MustCompile(`^([A-Z]{1,2}\d[A-Z\d]?\d[ABD-HJLNP-UW-Z]{2}|GIR0AA)$`), postalForm: "like SW1A 1AA", write: split(3, " ")},
	"IE": country{postal: regexp.MustCompile(`^([AC-FHKNPRTV-Y]\d\d|D6W)[0-9AC-FHKNPRTV-Y]{4}$`), postalForm: "an Eircode, like D02 AF30", write: split(4, " ")}.optional(),
	"NL": {postal: regexp.MustCompile(`^[1-9]\d{3}[A-Z]{2}$`), postalForm: "like 1012 AB", write: split(2, " ")},
	"SG": {postal: regexp.MustCompile(`^\d{6}$`), postalForm: "six digits, such as 018956", noCity: true},
	"JP": digits("7", "100-0001").written(split(4, "-")),
	"BR": digits("8", "01310-100").written(split(3, "-")),
	"PL": digits("5", "00-001").written(split(3, "-")),
	"PT": digits("7", "1000-001").written(split(3, "-")),
	"SE": digits("5", "111 22").written(split(2, " ")),
	"CZ": digits("5", "110 00").written(split(2, " ")),
	"SK": digits("5", "811 01").written(split(2, " ")),
	"GR": digits("5", "105 57").written(split(2, " ")),
	"DE": digits("5", "10115"), "FR": digits("5", "75001"), "IT": digits("5", "00118"), "ES": digits("5", "28001"),
	"FI": digits("5", "00100"), "TR": digits("5", "34000"), "MX": digits("5", "01000"), "MY": digits("5", "50000"),
	"TH": digits("5", "10200"), "ID": digits("5", "10110"), "KR": digits("5", "03051"), "PK": digits("5", "44000"),
	"LK": digits("5", "10100"), "NP": digits("5", "44600"), "SA": digits("5", "11564"), "UA": digits("5", "01001"),
	"AT": digits("4", "1010"), "BE": digits("4", "1000"), "CH": digits("4", "8001"), "DK": digits("4", "1050"),
	"NO": digits("4", "0150"), "NZ": digits("4", "6011"), "ZA": digits("4", "8001"), "BD": digits("4", "1000"),
	"PH": digits("4", "1000"), "HU": digits("4", "1051"), "BG": digits("4", "1000"),
	"CN": digits("6", "100000"), "VN": digits("6", "100000").optional(), "RU": digits("6", "101000"), "RO": digits("6", "010011"),
	"HK": {noCity: true}, "MO": {noCity: true},
}

func zip(bare string) string {
	if len(bare) == 5 {
		return bare
	}
	return after(5, "-")(bare)
}
