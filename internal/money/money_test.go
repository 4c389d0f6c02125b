package money

import "testing"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, code string
		want       int64
		bad        bool
	}{
		{"50", "INR", 5000, false}, {"9.99", "INR", 999, false}, {"1,24,800.5", "INR", 12480050, false},
		{"9.990", "USD", 999, false}, {"9.999", "USD", 0, true}, {"100", "JPY", 100, false},
		{"1.5", "JPY", 0, true}, {"1.234", "KWD", 1234, false}, {"9,99", "INR", 0, true}, {"1,249.50", "INR", 124950, false}, {"", "INR", 0, true}, {"abc", "INR", 0, true},
		{"-5", "INR", -500, false}, {"99999999999999", "INR", 0, true},
	} {
		got, err := Parse(c.text, c.code)
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("Parse(%q, %s) = %d, %v", c.text, c.code, got, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for want, m := range map[string]Money{
		"₹1,24,800.00": {12480000, "INR"}, "₹0.05": {5, "INR"}, "-₹5.00": {-500, "INR"},
	} {
		if got := m.Format("en-IN", false); got != want {
			t.Errorf("%v: got %q, want %q", m, got, want)
		}
	}
	if got := (Money{12480000, "INR"}).Format("en-IN", true); got != "₹1,24,800" {
		t.Errorf("short: %q", got)
	}
	if got := (Money{1234, "KWD"}).Decimal(); got != "1.234" {
		t.Errorf("decimal: %q", got)
	}
}
