package design

import "bytes"

// Minify takes comments and needless white space out of a stylesheet. It
// touches nothing inside strings and keeps the spaces that mean something
// (descendants, calc, lists of values). A zero before a decimal point goes
// too, as in 0.5rem.
func Minify(src []byte) []byte {
	out := make([]byte, 0, len(src))
	space := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '/' && i+1 < len(src) && src[i+1] == '*':
			end := bytes.Index(src[i+2:], []byte("*/"))
			if end < 0 {
				return out
			}
			i += end + 3
			space = true
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			space = true
		case c == '"' || c == '\'':
			out = append(spaced(out, c, &space), c)
			for i++; i < len(src) && src[i] != c; i++ {
				if src[i] == '\\' {
					out = append(out, src[i])
					i++
				}
				out = append(out, src[i])
			}
			out = append(out, c)
		case c == '0' && i+1 < len(src) && src[i+1] == '.' && (space || len(out) > 0 && bytes.IndexByte([]byte(":,(-"), out[len(out)-1]) >= 0):
			out = spaced(out, '.', &space)
		default:
			if c == '}' && len(out) > 0 && out[len(out)-1] == ';' {
				out = out[:len(out)-1]
			}
			out = append(spaced(out, c, &space), c)
		}
	}
	return out
}

// spaced writes the white space pending before c, if it means anything there.
func spaced(out []byte, c byte, pending *bool) []byte {
	if !*pending {
		return out
	}
	*pending = false
	if len(out) == 0 || bytes.IndexByte([]byte("{};,>"), c) >= 0 || bytes.IndexByte([]byte("{};,>:"), out[len(out)-1]) >= 0 {
		return out
	}
	return append(out, ' ')
}
