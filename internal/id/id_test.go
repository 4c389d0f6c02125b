package id

import (
	"slices"
	"testing"
)

func TestIDsSortAndReadBack(t *testing.T) {
	var ids []string
	for range 10_000 {
		i := New[product]()
		got, err := Parse[product](i.String())
		if err != nil || got != i {
			t.Fatalf("%v read back as %v, %v", i, got, err)
		}
		ids = append(ids, i.String())
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != 10_000 {
		t.Fatal("ids must rise and never repeat")
	}
	last := Shop(0)
	for range 10_000 {
		s := NewShop()
		got, err := ParseShop(s.String())
		if err != nil || got != s || s <= last {
			t.Fatalf("%v after %v read back as %v, %v", s, last, got, err)
		}
		last = s
	}
}

func TestBadIDsAreRefused(t *testing.T) {
	for _, bad := range []string{"", "x", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "01234567890123456789012345678", "0000000000000000000000000u"} {
		if _, err := Parse[product](bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
	if _, err := ParseShop("0000000000000"); err == nil {
		t.Error("zero is no shop")
	}
}

func TestTokensDoNotRepeat(t *testing.T) {
	if a, b := Token(16), Token(16); a == b || len(a) != 26 {
		t.Fatalf("%q and %q", a, b)
	}
}
