package customer

import (
	"testing"

	"github.com/nyaruka/phonenumbers"
	"strconv"
)

func TestNationalIsWhatTheLibraryReads(t *testing.T) {
	for region := range phonenumbers.GetSupportedRegions() {
		n := phonenumbers.GetExampleNumber(region)
		if n == nil {
			continue
		}
		e164, want := phonenumbers.Format(n, phonenumbers.E164), strconv.FormatUint(n.GetNationalNumber(), 10)
		if got := national(e164); got != want {
			t.Errorf("%s is %q in its country, not %q", e164, got, want)
		}
	}
	for _, bad := range []string{"", "+", "+9", "98765", "+0123456", "+999"} {
		if n, err := phonenumbers.Parse(bad, ""); err == nil {
			t.Errorf("%q is a number: %v", bad, n)
		}
	}
}
