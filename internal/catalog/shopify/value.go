package shopify

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"haat/internal/money"

	"golang.org/x/text/unicode/norm"
)

// Slug makes a handle from a title: lower case, letters and digits of any
// script, everything else a single hyphen; accents on Latin letters are
// dropped. It is empty if the title has no letter or digit.
func Slug(title string) string {
	var b strings.Builder
	latin := false
	for _, c := range norm.NFD.String(title) {
		if unicode.Is(unicode.Mn, c) && latin {
			continue
		}
		if c == '\'' || c == '’' {
			continue
		}
		latin = unicode.Is(unicode.Latin, c)
		b.WriteRune(c)
	}
	words := strings.FieldsFunc(cleanHandle(b.String()), func(c rune) bool { return c == '-' || c == '_' })
	return strings.Join(words, "-")
}

// cleanHandle makes a handle given by a file fit for a path. A handle as
// Shopify makes them comes back unchanged, so that its links go on working.
func cleanHandle(s string) string {
	var b strings.Builder
	gap := false
	for _, c := range norm.NFC.String(strings.ToLower(strings.TrimSpace(s))) {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), unicode.IsMark(c) && b.Len() > 0, c == '_', c == '-':
			if gap && b.Len() > 0 && c != '-' {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(c)
		case c == '\u200c' || c == '\u200d': // joiners within Indic words
		default:
			gap = true
		}
	}
	return strings.Trim(b.String(), "-")
}

// grouped is an amount with thousands set off the Western or the Indian way.
var grouped = regexp.MustCompile(`^\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?$`)

func parseAmount(s, currency string) (int64, error) {
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("“%s” is below zero", s)
	}
	if strings.Contains(s, ",") && !grouped.MatchString(s) {
		return 0, fmt.Errorf("“%s” has a comma where we cannot tell what it means; write amounts such as 1249.50", s)
	}
	v, err := money.Parse(s, currency)
	if err == nil {
		return v, nil
	}
	if _, e := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64); e == nil {
		return 0, fmt.Errorf("“%s” is too large or has more decimals than %s has", s, currency)
	}
	return 0, fmt.Errorf("“%s” is not an amount; write digits only, such as 1249.50", s)
}

// parseCount reads a whole number; decimals must be zeros.
func parseCount(s string) (int64, error) {
	t := s
	if strings.Contains(t, ",") && grouped.MatchString(strings.TrimPrefix(t, "-")) {
		t = strings.ReplaceAll(t, ",", "")
	}
	if whole, frac, ok := strings.Cut(t, "."); ok && strings.Trim(frac, "0") == "" {
		t = whole
	}
	v, err := strconv.ParseInt(t, 10, 64)
	if err != nil || v > 1_000_000_000 || v < -1_000_000_000 {
		return 0, fmt.Errorf("“%s” is not a whole number we can keep", s)
	}
	return v, nil
}

func parseGrams(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f > 1e9 {
		return 0, fmt.Errorf("“%s” is not a weight in grams", s)
	}
	if f < 0 {
		return 0, fmt.Errorf("“%s” is below zero", s)
	}
	return int64(math.Round(f)), nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "y", "1", "t":
		return true, nil
	case "false", "no", "n", "0", "f":
		return false, nil
	}
	return false, fmt.Errorf("“%s” is neither TRUE nor FALSE", s)
}

func parsePolicy(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "continue":
		return true, nil
	case "deny":
		return false, nil
	}
	v, err := parseBool(s)
	if err != nil {
		return false, fmt.Errorf("“%s” is neither DENY nor CONTINUE", s)
	}
	return v, nil
}

func parseTags(s string) []string {
	var out []string
	seen := map[string]bool{}
	for t := range strings.SplitSeq(s, ",") {
		t = strings.TrimSpace(t)
		if k := strings.ToLower(t); t != "" && !seen[k] {
			seen[k] = true
			out = append(out, t)
		}
	}
	return out
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(s) > 2048 {
		return fmt.Errorf("“%s” is not a web address beginning with https://", clip(s))
	}
	return nil
}

// clip shortens a value for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
