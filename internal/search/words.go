package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

const (
	maxTerm  = 48  // bytes of a word; what is beyond is cut off
	maxQuery = 400 // bytes of a query that are looked at
	maxWords = 8   // of a query
)

// Words takes text apart into the words that are compared: letters and digits
// of any script with their marks, in lower case, without Latin accents.
func Words(text string) []string {
	if !plain(text) {
		fold := transform.Chain(norm.NFKD, runes.Remove(runes.Predicate(latinMark)), norm.NFC)
		var err error
		if text, _, err = transform.String(fold, strings.ToValidUTF8(text, " ")); err != nil {
			return nil
		}
	}
	fields := strings.FieldsFunc(strings.ToLower(apostrophes.Replace(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	out := fields[:0]
	for _, f := range fields {
		if len(f) > maxTerm {
			f = strings.ToValidUTF8(f[:maxTerm], "")
		}
		if f != "" {
			out = append(out, f)
		}
	}
	return out
}

// apostrophes stand inside words: men's and mens are the same.
var apostrophes = strings.NewReplacer("'", "", "’", "")

// plain reports whether a text is ASCII, which folds to itself.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// latinMark is an accent, as opposed to the vowel signs that Indic scripts
// cannot be read without.
func latinMark(r rune) bool { return r >= 0x300 && r <= 0x36f }

// irregular words, and those that only look as if they had an ending.
var irregular = map[string]string{
	"men": "man", "mens": "man", "women": "woman", "womens": "woman", "children": "child", "childrens": "child", "kids": "kid",
	"knives": "knif", "knife": "knif", "shelves": "shelf", "scarves": "scarf", "leaves": "leaf", "wives": "wif", "feet": "foot", "teeth": "tooth",
	"tennis": "tennis", "iris": "iris", "earring": "earring", "earrings": "earring", "wedding": "wedding", "weddings": "wedding",
	"bedding": "bedding", "beddings": "bedding", "evening": "evening", "morning": "morning", "ceiling": "ceiling", "nothing": "nothing", "during": "during",
	"sterling": "sterling", "lightning": "lightning", "railing": "railing", "pudding": "pudding", "hundred": "hundred", "sacred": "sacred",
}

// stem gives a word without its English ending: what words that mean the same
// thing have in common. Words of other scripts, and those with digits, stay.
func stem(w string) string {
	if s, ok := irregular[w]; ok {
		return s
	}
	if len(w) < 4 {
		return w
	}
	for i := range len(w) {
		if w[i] < 'a' || w[i] > 'z' {
			return w
		}
	}
	w = singular(w)
	switch {
	case len(w) >= 6 && strings.HasSuffix(w, "ing") && vowel(w[:len(w)-3]):
		w = undouble(w[:len(w)-3])
	case len(w) >= 5 && strings.HasSuffix(w, "ed") && !strings.HasSuffix(w, "eed") && vowel(w[:len(w)-2]):
		w = undouble(w[:len(w)-2])
	}
	switch {
	case len(w) >= 5 && strings.HasSuffix(w, "ie"):
		return w[:len(w)-2] + "y"
	case len(w) >= 5 && strings.HasSuffix(w, "e") && !strings.HasSuffix(w, "ee"):
		return w[:len(w)-1]
	}
	return w
}

func singular(w string) string {
	switch {
	case len(w) < 4 || strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us"):
		return w
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "sses"):
		return w[:len(w)-2]
	}
	return strings.TrimSuffix(w, "s")
}

func vowel(w string) bool { return strings.ContainsAny(w, "aeiouy") }

func undouble(w string) string {
	n := len(w)
	if n > 3 && w[n-1] == w[n-2] && !strings.ContainsRune("lsz", rune(w[n-1])) {
		return w[:n-1]
	}
	return w
}

// empty words do not have to be found where others are asked for too.
var empty = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq("a an and at by for from in is of on or the to with under ka ke ki ko liye wala wali se aur") {
		m[w] = true
	}
	return m
}()

// asked takes a query apart: its first words, each once, without empty ones if
// there are others.
func asked(query string) (words []string) {
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	all := Words(query)
	seen := map[string]bool{}
	pick := func(skip bool) {
		for _, w := range all {
			if s := stem(w); !seen[s] && len(words) < maxWords && !(skip && empty[w]) {
				seen[s] = true
				words = append(words, w)
			}
		}
	}
	if pick(true); len(words) == 0 {
		pick(false)
	}
	return words
}
