package id

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// Trace says what something is part of, as W3C Trace Context has it: the id of
// the whole, and that of the part which caused it. Zero is part of nothing.
type Trace struct {
	whole [16]byte
	part  [8]byte
	flags byte
}

// NewTrace begins a whole.
func NewTrace() (t Trace) {
	rand.Read(t.whole[:])
	return t.Next()
}

// Next gives another part of the same whole.
func (t Trace) Next() Trace {
	for t.part = [8]byte{}; t.part == [8]byte{}; {
		rand.Read(t.part[:])
	}
	return t
}

// ParseTrace reads a header traceparent. What is none is not ok.
func ParseTrace(text string) (t Trace, ok bool) {
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if len(text) < length || text[2] != '-' || text[35] != '-' || text[52] != '-' || text[:2] == "ff" ||
		text[:2] == "00" && len(text) != length || len(text) > length && text[length] != '-' {
		return Trace{}, false
	}
	for _, c := range []byte(text[:length]) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Trace{}, false
		}
	}
	var version, flags [1]byte
	for _, x := range []struct {
		to   []byte
		from string
	}{{version[:], text[:2]}, {t.whole[:], text[3:35]}, {t.part[:], text[36:52]}, {flags[:], text[53:55]}} {
		if n, err := hex.Decode(x.to, []byte(x.from)); err != nil || n != len(x.to) {
			return Trace{}, false
		}
	}
	if t.flags = flags[0]; t.whole == [16]byte{} || t.part == [8]byte{} {
		return Trace{}, false
	}
	return t, true
}

// Zero reports whether t is part of nothing.
func (t Trace) Zero() bool { return t == Trace{} }

// String writes a header traceparent; empty if t is part of nothing.
func (t Trace) String() string {
	if t.Zero() {
		return ""
	}
	return "00-" + hex.EncodeToString(t.whole[:]) + "-" + hex.EncodeToString(t.part[:]) + "-" + hex.EncodeToString([]byte{t.flags})
}

type traceKey struct{}

// In has what is done with ctx be part of t.
func (t Trace) In(ctx context.Context) context.Context { return context.WithValue(ctx, traceKey{}, t) }

// TraceOf gives what ctx is part of.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}
