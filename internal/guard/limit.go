// Package guard keeps one caller from taking what belongs to all: limits by
// key, with a bounded memory however many keys there are, and a way out that
// leads to the public internet only.
package guard

import (
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"haat/internal/fault"
)

// Limiter lets each key do so much in a time, in bursts of as much. It forgets
// keys that have been quiet for long enough to be full again.
type Limiter struct {
	rate    rate.Limit
	burst   int
	message string
	keys    *otter.Cache[string, *rate.Limiter]
}

// NewLimiter allows n actions in per for each key. The message tells a person
// who exceeds it.
func NewLimiter(n int, per time.Duration, message string) *Limiter {
	return &Limiter{
		rate: rate.Limit(float64(n) / per.Seconds()), burst: n, message: message,
		keys: otter.Must(&otter.Options[string, *rate.Limiter]{
			MaximumSize: 100_000, ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](per),
		}),
	}
}

// Allow counts one action of a key; fault.Limited says when to try again. An
// empty key is not limited.
func (l *Limiter) Allow(key string) error {
	if key == "" {
		return nil
	}
	b, _ := l.keys.GetIfPresent(key)
	if b == nil {
		b, _ = l.keys.SetIfAbsent(key, rate.NewLimiter(l.rate, l.burst))
	}
	r := b.Reserve()
	if wait := r.Delay(); wait > 0 {
		r.Cancel()
		return fault.Limited(wait, "%s", l.message).With("too-many-requests")
	}
	return nil
}
