package shop

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"haat/internal/id"
)

// reserved are host labels that are ours, or that would pass for ours.
var reserved = strings.Fields(`
	www api app apps admin administrator root assets static media cdn img images files demo test dev staging preview
	mail email smtp imap pop mx ns ns1 ns2 dns ftp ssh vpn localhost host server status health healthz readyz metrics
	account accounts auth login signin signup signout oauth sso security support help docs blog news about contact
	legal terms privacy billing pay payments checkout order orders cart shop shops store stores dashboard console ops
	operator platform haat official system internal edge node cluster webmaster postmaster hostmaster abuse noreply
	autoconfig autodiscover wpad mta-sts imprint`)

const longestSlug = 40

// slugOf makes a host label of a shop's name, as people would write it on a
// keyboard: "Ravi's Store" is ravis-store, "रवि स्टोर" ravi-stor. It is empty
// if nothing in the name can be written so.
func slugOf(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range latin(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		case r == '\'' || r == '’' || r == 'ʼ' || r == '`':
		default:
			gap = true
		}
	}
	slug := b.String()
	if len(slug) > longestSlug {
		slug = slug[:longestSlug]
		if i := strings.LastIndexByte(slug, '-'); i > longestSlug/2 {
			slug = slug[:i]
		}
	}
	return strings.Trim(slug, "-")
}

// numbered is how many candidates there are before letters are drawn by lot.
const numbered = 4

// candidates gives slugs to try, the nicest first.
func candidates(base string) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch {
		case base == "":
			base = "shop"
		case len(base) < 2 || slices.Contains(reserved, base):
			base += "-shop"
			fallthrough
		default:
			if !yield(base) {
				return
			}
			for n := 2; n <= numbered; n++ {
				if !yield(fmt.Sprintf("%s-%d", base, n)) {
					return
				}
			}
		}
		for range 5 {
			if !yield(base + "-" + id.Token(3)) {
				return
			}
		}
	}
}

// latin writes text in lower-case letters without marks, as far as it knows
// how; other characters stay as they are.
func latin(text string) string {
	var b strings.Builder
	runes := slices.DeleteFunc([]rune(strings.ToLower(norm.NFKC.String(text))), indicNukta)
	for i, r := range runes {
		next := rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if s, ok := letters[r]; ok {
			b.WriteString(s)
		} else if r >= 0x0900 && r < 0x0d80 {
			b.WriteString(indic(r, next))
		} else {
			for _, d := range norm.NFD.String(string(r)) {
				if !unicode.Is(unicode.Mn, d) {
					b.WriteRune(d)
				}
			}
		}
	}
	return b.String()
}

// letters are those that taking the marks off does not turn into a to z.
var letters = func() map[rune]string {
	m := map[rune]string{'&': " and ", '+': " plus ", '@': " at ", 'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŋ': "n"}
	pairs := strings.Fields(`а a б b в v г g ґ g д d е e ё e є ye ж zh з z и i і i ї yi й y к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч ch ш sh щ shch ы y э e ю yu я ya
		α a β v γ g δ d ε e ζ z η i θ th ι i κ k λ l μ m ν n ξ x ο o π p ρ r σ s ς s τ t υ y φ f χ ch ψ ps ω o ά a έ e ή i ί i ό o ύ y ώ o`)
	for i := 0; i < len(pairs); i += 2 {
		m[[]rune(pairs[i])[0]] = pairs[i+1]
	}
	m['ъ'], m['ь'] = "", ""
	return m
}()

// The nine scripts from Devanagari to Malayalam have the same letters at the
// same places of their blocks of 128, after the Indian standard ISCII.
var indicLetters = func() map[rune]string {
	m := map[rune]string{}
	fill := func(at rune, words string) {
		for _, w := range strings.Fields(words) {
			m[at] = w
			at++
		}
	}
	fill(0x01, "n n h")
	fill(0x05, "a aa i ee u oo ri l e e e ai o o o au") // vowels that stand alone
	fill(0x15, "k kh g gh n ch chh j jh n t th d dh n t th d dh n n p ph b bh m y r r l l l v sh sh s h")
	fill(0x3e, "a i i u u ri ri e e e ai o o o au") // vowel signs
	fill(0x58, "q kh g z r rh f y")
	fill(0x66, "0 1 2 3 4 5 6 7 8 9")
	return m
}()

// indic writes one letter of a name. A consonant carries an a, unless a vowel
// sign, a virama or the end of the word follows.
func indic(r, next rune) string {
	s := indicLetters[r&0x7f]
	if !indicConsonant(r) {
		return s
	}
	switch {
	case next < 0x0900 || next >= 0x0d80: // the end of the word
		if r >= 0x0b80 { // the southern scripts write what is spoken
			return s + "a"
		}
		return s
	case indicSign(next):
		return s
	}
	return s + "a"
}

func indicConsonant(r rune) bool {
	r &= 0x7f
	return r >= 0x15 && r <= 0x39 || r >= 0x58 && r <= 0x5f
}

// indicSign tells vowel signs and the virama.
func indicSign(r rune) bool {
	r &= 0x7f
	return r >= 0x3e && r <= 0x4d
}

// indicNukta tells the dot that turns a letter into a sound from elsewhere.
func indicNukta(r rune) bool { return r >= 0x0900 && r < 0x0d80 && r&0x7f == 0x3c }
