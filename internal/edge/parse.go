package edge

import "bytes"

// request is the head of a request that the front may answer.
type request struct {
	target    []byte
	host      []byte
	encoding  []byte // Accept-Encoding
	noneMatch []byte // If-None-Match
	close     bool   // the client will send no more
	length    int    // bytes of the head, with its empty line
}

// verdict is what parse made of the bytes so far.
type verdict uint8

const (
	incomplete verdict = iota // more bytes are needed to say
	simple                    // a request that the front understands whole
	foreign                   // anything else: net/http decides
)

// maxHead is the longest head that the front reads. Longer ones are foreign.
const maxHead = 8 << 10

// parse reads a request's head. It understands only what leaves no doubt: a
// GET of a path, HTTP/1.1, one Host, no body, lines that end in CR LF, no
// folded lines, no octets that do not belong. Whatever is otherwise (also what
// is wrong) is foreign, so that one program alone decides what odd bytes mean.
func parse(b []byte) (r request, v verdict) {
	const method, version = "GET /", " HTTP/1.1"
	if n := min(len(b), len(method)); string(b[:n]) != method[:n] {
		return r, foreign
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= maxHead {
			return r, foreign
		}
		return r, incomplete
	}
	r.length = end + 4
	if r.length > maxHead {
		return r, foreign
	}
	head := b[:end+2] // every line ends in CR LF
	line, head := cutLine(head)
	if !bytes.HasSuffix(line, []byte(version)) {
		return r, foreign
	}
	r.target = line[len("GET ") : len(line)-len(version)]
	for _, c := range r.target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return r, foreign
		}
	}
	for len(head) > 0 {
		line, head = cutLine(head)
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return r, foreign
		}
		name, value := line[:colon], trim(line[colon+1:])
		for _, c := range name {
			if !tokens[c] {
				return r, foreign
			}
		}
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return r, foreign
			}
		}
		if !r.header(name, value) {
			return r, foreign
		}
	}
	if len(r.host) == 0 {
		return r, foreign
	}
	return r, simple
}

// header takes one header in, and reports whether the request is still simple.
func (r *request) header(name, value []byte) bool {
	switch len(name) {
	case 4: // Host
		if is(name, "host") {
			if r.host != nil || len(value) == 0 {
				return false
			}
			for _, c := range value {
				if c <= ' ' || c >= 0x7f {
					return false
				}
			}
			r.host = value
		}
	case 5:
		return !is(name, "range")
	case 6:
		if is(name, "cookie") {
			return !bytes.Contains(value, markCookie)
		}
		return !is(name, "expect")
	case 7:
		return !is(name, "upgrade")
	case 8:
		return !is(name, "if-match")
	case 9:
		return !is(name, "haat-mark")
	case 10:
		if is(name, "connection") {
			switch {
			case is(value, "close"):
				r.close = true
			case !is(value, "keep-alive"):
				return false
			}
		}
	case 13:
		if is(name, "if-none-match") {
			if r.noneMatch != nil {
				return false
			}
			r.noneMatch = value
		}
		return !is(name, "authorization")
	case 14:
		return !is(name, "content-length")
	case 15:
		if is(name, "accept-encoding") {
			if r.encoding != nil {
				return false
			}
			r.encoding = value
		}
	case 16:
		return !is(name, "haat-consistency")
	case 17:
		return !is(name, "transfer-encoding")
	}
	return true
}

// markCookie is who brings a mark in a cookie: what is kept may be older.
var markCookie = []byte("haat_mark=")

// cutLine takes the first line off b, all of whose lines end in CR LF. A CR or
// LF that stands alone stays in the line, where no rule allows it.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.Index(b, []byte("\r\n"))
	return b[:i], b[i+2:]
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

// is compares with a name in lower case.
func is(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// tokens are the octets of a header's name (RFC 9110, 5.6.2).
var tokens = func() (t [256]bool) {
	for c := range 256 {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return t
}()
