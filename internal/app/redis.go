package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/cache"
	"haat/internal/meter"
)

// openSecond opens the Redis that processes share pages through.
func (a *App) openSecond(key []byte) (err error) {
	if a.cfg.Redis == "" {
		return nil
	}
	program, err := programHash()
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	trust, err := trusting(a.cfg.RedisCA)
	if err != nil {
		return fmt.Errorf("--redis-ca: %w", err)
	}
	sum := sha256.Sum256(append([]byte("pages in redis\n"), key...))
	a.second, err = cache.OpenSecond(a.cfg.Redis, cache.SecondOptions{
		Key: sum[:], CA: trust.RootCAs, World: fmt.Sprintln(program, a.cfg.URL, a.cfg.Region, a.cfg.Dev),
	}, a.log)
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	s := a.second.Stats()
	for name, c := range map[string]struct {
		help string
		n    *atomic.Int64
	}{
		"haat_redis_hits_total":     {"Pages that another process had made, and that held.", &s.Hits},
		"haat_redis_misses_total":   {"Pages that were not in Redis.", &s.Misses},
		"haat_redis_outdated_total": {"Pages in Redis that did not hold any more.", &s.Outdated},
		"haat_redis_refused_total":  {"Values in Redis that this fleet has not written.", &s.Refused},
		"haat_redis_errors_total":   {"Questions that Redis did not answer in time, and writes that failed.", &s.Errors},
		"haat_redis_skipped_total":  {"Questions that were not asked, since Redis was lost.", &s.Skipped},
		"haat_redis_writes_total":   {"Pages written to Redis.", &s.Writes},
		"haat_redis_dropped_total":  {"Pages not written to Redis, since too many waited to be.", &s.Dropped},
	} {
		a.meter.Counter(name, c.help, func() float64 { return float64(c.n.Load()) })
	}
	a.meter.Gauge("haat_redis_up", "1 while Redis answers.", func() float64 {
		if since, _ := a.second.Lost(); since.IsZero() {
			return 1
		}
		return 0
	})
	return nil
}

// programHash tells this program from others: another may make other pages.
var programHash = sync.OnceValues(func() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
})

// answersWithin is how long Redis may be away before it is said.
const answersWithin = 3 * time.Second

// watchSecond tells of a Redis that does not answer.
func (a *App) watchSecond(context.Context) error {
	if a.second == nil {
		return nil
	}
	var lost []meter.Sighting
	if since, why := a.second.Lost(); !since.IsZero() && time.Since(since) >= answersWithin {
		lost = append(lost, meter.Sighting{Subject: a.second.Address(), Since: since, Detail: fmt.Sprintf("Redis at %s: %s.", a.second.Address(), why)})
	}
	a.incidents.See(cacheLost, lost)
	return nil
}

// secondFinding says what Redis was good for.
func (a *App) secondFinding() string {
	s := a.second.Stats()
	return fmt.Sprintf("Redis at %s answers; it had %d of %d pages asked for", a.second.Address(), s.Hits.Load(), s.Hits.Load()+s.Misses.Load()+s.Outdated.Load()+s.Refused.Load())
}
