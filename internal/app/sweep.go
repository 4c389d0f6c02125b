package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

const (
	sweepRows  = 1_000 // rows of what is due that are read at a time
	sweepPages = 20    // times that rows are read on one shard in one round
	sweepShops = 1_000 // shops after which a round ends on a shard, give or take a page
	sweepHands = 4     // shops at once
	sweepTime  = 10 * time.Second
	longRest   = 10 * time.Minute
)

// sweep does what is due in shops, round by round. A round reads a bounded
// number of rows, in the order in which they came due, and does a bounded
// piece of work in each shop that they name; the next goes on where it ended,
// and from the oldest once there are no more. So a shop with much to do has a
// piece done at a time, and one that fails rests for longer and longer, while
// all others have their turn.
type sweep struct {
	what  string
	fleet *fleet.Fleet
	log   *slog.Logger
	// due gives shops and instants: after the instant $1 and shop $2, up to the
	// instant $3, at most $4.
	due  *db.AcrossSQL
	tidy func(context.Context, *fleet.Room) (int, error) // one piece

	failures atomic.Int64 // shops' pieces that failed
	from     map[string]db.Count

	mu    sync.Mutex
	rests map[id.Shop]sweepRest
}

type sweepRest struct {
	failed int // in a row
	until  time.Time
	since  time.Time // of the first of them
	why    string    // the last of them
}

func newSweep(what string, f *fleet.Fleet, log *slog.Logger, due *db.AcrossSQL, tidy func(context.Context, *fleet.Room) (int, error)) *sweep {
	return &sweep{what: what, fleet: f, log: log, due: due, tidy: tidy, from: map[string]db.Count{}, rests: map[id.Shop]sweepRest{}}
}

// round does one round. Its error says that a shard could not be looked at;
// what fails in a shop is logged and counted.
func (s *sweep) round(ctx context.Context, now time.Time) (err error) {
	s.wake(now)
	var hands errgroup.Group
	hands.SetLimit(sweepHands)
	for name, shard := range s.fleet.Shards {
		from, seen := s.from[name], map[id.Shop]bool{}
		for range sweepPages {
			rows, look := shard.Across(ctx, s.due, from.N, from.Shop, now, sweepRows)
			if look != nil {
				err = fmt.Errorf("shard %s: %w", name, look)
				break
			}
			for _, from = range rows {
				if shop := from.Shop; !seen[shop] && ctx.Err() == nil && !s.resting(shop, now) {
					seen[shop] = true
					hands.Go(func() error { s.one(ctx, shop, name, now); return nil })
				}
			}
			if len(rows) < sweepRows {
				from = db.Count{}
				break
			}
			if len(seen) >= sweepShops {
				break
			}
		}
		s.from[name] = from
	}
	_ = hands.Wait() // no hand returns an error
	return err
}

// one does a piece of work in one shop that a shard has named.
func (s *sweep) one(ctx context.Context, shop id.Shop, shard string, now time.Time) {
	piece, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	room, err := s.fleet.ByID(piece, shop)
	if fault.Is(err, fault.KindNotFound) {
		return // an unfinished sign-up, which is erased in its time
	}
	if err == nil && room.Shard() != shard {
		return // a copy of a shop that has moved: what is due there is found there
	}
	if err == nil {
		_, err = s.tidy(piece, room)
	}
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.rests, shop)
		return
	}
	s.failures.Add(1)
	r := s.rests[shop]
	if r.failed++; r.failed == 1 {
		r.since = now
	}
	r.why = err.Error()
	pause := min(5*time.Second<<min(r.failed, 10), longRest)
	r.until = now.Add(pause)
	s.rests[shop] = r
	s.log.Error("a background task failed in one shop; it will be tried again", "task", s.what, "shop", shop, "failures", r.failed, "pause", pause, "err", err)
}

func (s *sweep) resting(shop id.Shop, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.rests[shop].until)
}

// failing gives the shops in which it failed several times in a row.
func (s *sweep) failing() map[id.Shop]sweepRest {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[id.Shop]sweepRest{}
	for shop, r := range s.rests {
		if r.failed >= failingAfter {
			out[shop] = r
		}
	}
	return out
}

// wake forgets shops that have rested and were not heard of again.
func (s *sweep) wake(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for shop, r := range s.rests {
		if now.Sub(r.until) > 2*longRest {
			delete(s.rests, shop)
		}
	}
}
