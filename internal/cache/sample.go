package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
)

// Sampler measures, while it is in use, how old what a [Cache] gives is: now and
// then it asks the database whether an entry that was just given still held. It
// looks at one entry at a time, and callers never wait for it.
type Sampler struct {
	o     SamplerOptions
	next  atomic.Int64 // when another is taken; in microseconds
	queue chan given
	stats SamplerStats

	mu    sync.Mutex
	worst Sampled // the last that was staler than the bound
}

// SamplerOptions say how often is looked, and where.
type SamplerOptions struct {
	Every time.Duration // between entries, at least; 0 means 1 s
	Bound time.Duration // of staleness, beyond which something is wrong; 0 means 5 s
	// Changed says when the first change after a mark was made that names one of
	// the tags, as the primary knows it; zero: there was none. It fails when it
	// cannot say.
	Changed func(context.Context, db.Mark, []string) (time.Time, error)
	Observe func(stale time.Duration) // told of each; nil: nobody is
}

// SamplerStats counts since the start.
type SamplerStats struct {
	Fresh   atomic.Int64 // entries that held
	Stale   atomic.Int64 // entries that did not, the too stale among them
	Beyond  atomic.Int64 // entries that were staler than the bound
	Unknown atomic.Int64 // entries of which the database could not say
}

// Sampled is an entry that was too stale.
type Sampled struct {
	Key   Key
	Stale time.Duration
	At    time.Time // when it was given
}

type given struct {
	key  Key
	mark db.Mark
	tags []string
	at   time.Time
}

// NewSampler makes a sampler, for the [Options] of a cache. It looks while Run
// does.
func NewSampler(o SamplerOptions) *Sampler {
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Bound == 0 {
		o.Bound = 5 * time.Second
	}
	return &Sampler{o: o, queue: make(chan given, 1)}
}

// Stats gives the counters.
func (s *Sampler) Stats() *SamplerStats { return &s.stats }

// Bound is the staleness beyond which something is wrong.
func (s *Sampler) Bound() time.Duration { return s.o.Bound }

// Worst gives the last entry that was too stale; zero if there was none.
func (s *Sampler) Worst() Sampled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worst
}

// offer takes an entry that was given as good, unless it is too soon.
func (s *Sampler) offer(k Key, m db.Mark, tags []string, now time.Time) {
	next := s.next.Load()
	if now.UnixMicro() < next || !s.next.CompareAndSwap(next, now.Add(s.o.Every).UnixMicro()) {
		return
	}
	select {
	case s.queue <- given{k, m, tags, now}:
	default: // the one before is not through
	}
}

// Run looks at what is taken, until ctx ends.
func (s *Sampler) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case g := <-s.queue:
			s.look(ctx, g)
		}
	}
}

func (s *Sampler) look(ctx context.Context, g given) {
	one, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	changed, err := s.o.Changed(one, g.mark, g.tags)
	if err != nil {
		if ctx.Err() == nil {
			s.stats.Unknown.Add(1)
		}
		return
	}
	stale := time.Duration(0)
	if !changed.IsZero() {
		stale = max(0, g.at.Sub(changed)) // what changed since it was given makes it no worse
	}
	if s.o.Observe != nil {
		s.o.Observe(stale)
	}
	if stale == 0 {
		s.stats.Fresh.Add(1)
		return
	}
	if stale > s.o.Bound {
		s.mu.Lock()
		s.worst = Sampled{g.key, stale, g.at}
		s.mu.Unlock()
		s.stats.Beyond.Add(1)
	}
	s.stats.Stale.Add(1)
}

// lookTime is how long the database is asked about one entry.
const lookTime = 2 * time.Second
