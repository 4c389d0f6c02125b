package pay

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"rsc.io/qr"

	"haat/internal/fault"
	"haat/internal/money"
)

// vpa is a virtual payment address, name@handle. A handle has no point, which
// tells it from an e-mail address.
var vpa = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,254}@[a-z][a-z0-9]{1,63}$`)

// ParseVPA reads a UPI address such as ravi@okbank, forgiving case and spaces
// around it. What is none is fault.Invalid at /upi/vpa.
func ParseVPA(text string) (string, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	if !vpa.MatchString(s) {
		return "", fault.Invalid("/upi/vpa", "A UPI address looks like name@bank.")
	}
	return s, nil
}

// UPILink gives the link that opens a payment app with everything filled in,
// as NPCI's linking specification has it; it is also the text of the QR code.
// reference, usually the order's number, comes back on the merchant's
// statement: only its letters and digits are kept, 35 at most. note is what
// the shopper sees. amount is in minor units of currency, which UPI wants to
// be INR.
func UPILink(vpa, payee string, amount int64, currency, reference, note string) string {
	var b strings.Builder
	b.WriteString("upi://pay?pa=" + escape(vpa))
	for _, p := range []struct{ name, value string }{
		{"pn", plain(payee, 99)},
		{"am", money.Money{Amount: amount, Currency: currency}.Decimal()},
		{"cu", currency},
		{"tn", plain(note, 50)},
		{"tr", letters(reference, 35)},
	} {
		if p.value != "" {
			b.WriteString("&" + p.name + "=" + escape(p.value))
		}
	}
	return b.String()
}

// escape writes all but unreserved characters and @ as %XX. A space is %20:
// payment apps show a + as it is.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '@':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plain keeps letters, marks, digits and a little punctuation, since banks
// refuse notes with more, and cuts at n characters.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.L, unicode.M, unicode.Nd), strings.ContainsRune(".-", r):
			return r
		case unicode.IsSpace(r), unicode.IsPunct(r), unicode.IsSymbol(r):
			return ' '
		}
		return -1
	}, s)
	return cut(strings.Join(strings.Fields(s), " "), n)
}

func letters(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, s)
	return cut(s, n)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		s = strings.TrimSpace(string(r[:n]))
	}
	return s
}

// quiet is the white margin that a scanner needs, in modules.
const quiet = 4

// QR draws text as a QR code: an SVG of one path on white, without size or
// style of its own, that stays crisp at any size. Text has about 2,300 bytes
// at most.
func QR(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw a QR code of %d bytes: %w", len(text), err)
	}
	var d strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if n := x - from; n > 0 {
				fmt.Fprintf(&d, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, n, n)
			}
		}
	}
	n := code.Size + 2*quiet
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<rect width="%d" height="%d" fill="#fff"/><path d="%s"/></svg>`, n, n, n, n, d.String()), nil
}
