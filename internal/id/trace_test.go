package id

import (
	"context"
	"strings"
	"testing"
)

func TestTraces(t *testing.T) {
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	is, ok := ParseTrace(given)
	if !ok || is.String() != given {
		t.Errorf("read as %q, %v", is, ok)
	}
	next := is.Next()
	if got := next.String(); got[:36] != given[:36] || got == given || got[53:] != "01" || len(got) != len(given) {
		t.Errorf("another part of it: %q", got)
	}
	if a, b := NewTrace(), NewTrace(); a.Zero() || a.whole == b.whole || a.part == b.part {
		t.Errorf("%q and %q", a, b)
	}
	if later, ok := ParseTrace("01" + given[2:] + "-more"); !ok || later != is {
		t.Error("a later version was not read")
	}
	for _, bad := range []string{
		"", "00", given[:54], given + "0", given + "-more", "ff" + given[2:], "0x" + given[2:], strings.ToUpper(given), strings.Replace(given, "-", "_", 1),
		"01" + given[2:] + "more", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e47g6-00f067aa0ba902b7-01", "0-" + given[1:],
	} {
		if got, ok := ParseTrace(bad); ok || !got.Zero() {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
	if got := TraceOf(context.Background()); !got.Zero() || got.String() != "" {
		t.Errorf("of nothing: %q", got)
	}
	if got := TraceOf(is.In(context.Background())); got != is {
		t.Errorf("of it: %q", got)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, text string) {
		if is, ok := ParseTrace(text); ok && !strings.HasPrefix(text[2:], is.String()[2:]) {
			t.Errorf("%q became %q", text, is)
		}
	})
}
