package guard

import (
	"testing"
	"time"

	"haat/internal/fault"
)

func TestLimiter(t *testing.T) {
	l := NewLimiter(3, time.Hour, "Slow down.")
	for i := range 3 {
		if err := l.Allow("a"); err != nil {
			t.Fatalf("action %d: %v", i, err)
		}
	}
	err := l.Allow("a")
	f := fault.Of(err)
	if f == nil || !f.Limited || f.RetryAfter < 15*time.Minute || f.RetryAfter > 20*time.Minute {
		t.Errorf("the fourth: %+v", f)
	}
	if l.Allow("b") != nil || l.Allow("") != nil {
		t.Error("another key, and none, are not limited")
	}
}
