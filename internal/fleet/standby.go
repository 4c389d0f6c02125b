package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/guard"
	"haat/internal/id"
)

// Replicas are looked at every beatEvery, in the background and never for a
// request. One that twice lags more than outAbove, or twice does not answer
// within lookWait, goes out of rotation; it comes back once it has lagged less
// than inBelow five times in a row.
const (
	beatEvery = 250 * time.Millisecond
	lookWait  = 100 * time.Millisecond
	outAbove  = 1500 * time.Millisecond
	inBelow   = 500 * time.Millisecond
	outAfter  = 2
	inAfter   = 5

	keptLags  = 120 // seconds
	openWait  = 5 * time.Second
	openEvery = 2 * time.Second // after it could not be opened
	// A lag says nothing of a replica while its primary does not beat.
	beatsAgo = time.Second
)

// What a replica may be.
const (
	ReplicaJoining     = "joining"     // it is being looked at, before it is read from
	ReplicaServing     = "serving"     // in rotation
	ReplicaLate        = "late"        // it lags, and is read from for want of a better
	ReplicaUnreachable = "unreachable" // it does not answer
	ReplicaRefused     = "refused"     // it is no standby of this shard
)

// ReplicaHealth is how a replica was when it was looked at last.
type ReplicaHealth struct {
	Shard string
	Name  string
	State string
	Since time.Time       // of State
	Lag   time.Duration   // what is read there is at most so old; unknown, and negative, unless it answers
	Lags  []time.Duration // the most of each second, two minutes of them, the oldest first; not to be changed
	Why   string          // of a state other than serving, in one line
	Reads int64           // that it has answered
	Past  int64           // reads that went past it, since it was behind or away
}

// standby is a replica that the control database lists.
type standby struct {
	shard string
	Replica
	pulse *pulse
	log   *slog.Logger
	open  func(ctx context.Context, doubt func()) (*link, error)

	link    atomic.Pointer[link] // nil unless it is open
	health  atomic.Pointer[ReplicaHealth]
	reads   atomic.Int64
	past    atomic.Int64
	doubt   chan struct{}
	doubted atomic.Bool
	cancel  context.CancelFunc
	gone    chan struct{}

	lates, fails, goods int       // in a row
	judged              time.Time // when they were counted last
	second              int64     // of the newest of the lags
}

// pulse is what is known of a primary's time.
type pulse struct {
	ahead  atomic.Int64 // of our clock, in nanoseconds
	beaten atomic.Int64 // when it last beat, by our clock
	last   atomic.Int64 // the newest beat, in microseconds of the primary's clock
	term   atomic.Int64 // of the primary
	cancel context.CancelFunc
	gone   chan struct{}
}

// now is the primary's time.
func (p *pulse) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

func (p *pulse) alive() bool { return time.Since(time.Unix(0, p.beaten.Load())) < beatsAgo }

func startPulse(s *db.Shard, name string, log *slog.Logger) (*pulse, error) {
	ctx, cancel := context.WithCancel(context.Background())
	beats, err := s.Pulse(ctx)
	if err != nil || beats == nil {
		cancel()
		return nil, err
	}
	p := &pulse{cancel: cancel, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		defer beats.Close()
		failed := false
		for every(ctx, beatEvery, nil) {
			bound, done := context.WithTimeout(ctx, time.Second)
			before := time.Now()
			at, term, err := beats.Beat(bound)
			done()
			if err == nil {
				now := time.Now()
				p.ahead.Store(int64(at.Sub(before.Add(now.Sub(before) / 2))))
				p.beaten.Store(now.UnixNano())
				p.last.Store(max(at.UnixMicro(), p.last.Load()))
				p.term.Store(term)
			} else if !failed && ctx.Err() == nil {
				log.Warn("the primary takes no beat: how far its replicas lag is not known", "shard", name, "err", err)
			}
			failed = err != nil
		}
	}()
	return p, nil
}

// every waits; false when ctx has ended.
func every(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (p *pulse) stop() { p.cancel(); <-p.gone }

func (s *standby) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.doubt, s.cancel, s.gone = make(chan struct{}, 1), cancel, make(chan struct{})
	s.health.Store(&ReplicaHealth{Shard: s.shard, Name: s.Name, State: ReplicaJoining, Since: time.Now(), Lag: -1})
	go func() {
		defer close(s.gone)
		for wait := time.Duration(0); every(ctx, wait, s.doubt); {
			if s.doubted.Swap(false) { // a read waits, or has given up: that counts
				s.fails = max(s.fails, 1)
			}
			wait = s.look(ctx)
		}
		if link := s.link.Swap(nil); link != nil {
			if err := link.Close(); err != nil {
				s.log.Error("a replica cannot be closed", "shard", s.shard, "replica", s.Name, "err", err)
			}
		}
	}()
}

func (s *standby) stop() { s.cancel(); <-s.gone }

// look sees how the replica is, and gives when to look again.
func (s *standby) look(ctx context.Context) time.Duration {
	link := s.link.Load()
	if link == nil {
		bound, cancel := context.WithTimeout(ctx, openWait)
		defer cancel()
		link, err := s.open(bound, func() {
			s.doubted.Store(true)
			select {
			case s.doubt <- struct{}{}:
			default:
			}
		})
		if err != nil {
			s.becomes(stateOf(err), -1, err)
			return openEvery
		}
		s.lates, s.fails, s.goods = 0, 0, 0
		s.link.Store(link)
		return 0
	}
	bound, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	beat, term, err := link.Look(bound)
	if ctx.Err() != nil {
		return 0
	}
	lag := max(0, s.pulse.now().Sub(beat))
	switch {
	case errors.Is(err, db.ErrNoStandby):
		s.link.Store(nil)
		s.becomes(ReplicaRefused, -1, err)
		go func() { _ = link.Close() }() // which waits for those who read
		return openEvery
	case err != nil:
		s.goods, s.fails = 0, s.fails+1
		if s.fails >= outAfter {
			if bound.Err() != nil {
				err = fmt.Errorf("it does not answer within %v", lookWait)
			}
			link.Away(err)
			s.becomes(ReplicaUnreachable, -1, err)
		}
		return beatEvery
	case !s.pulse.alive():
		s.fails = 0
		link.Back()
		s.becomes(s.health.Load().State, lag, nil)
		return beatEvery
	}
	s.fails = 0
	link.Back()
	if time.Since(s.judged) < beatEvery/2 { // somebody doubted it, in between
		s.becomes(s.health.Load().State, lag, nil)
		return beatEvery
	}
	s.judged = time.Now()
	s.goods, s.lates = s.goods+1, s.lates+1
	left := term < s.pulse.term.Load() // it may follow a primary that was
	if lag >= inBelow || left {
		s.goods = 0
	}
	if left {
		s.lates = outAfter
	} else if lag <= outAbove {
		s.lates = 0
	}
	state := s.health.Load().State
	switch {
	case s.lates >= outAfter:
		state = ReplicaLate
	case s.goods >= inAfter:
		state = ReplicaServing
	case state == ReplicaUnreachable || state == ReplicaRefused:
		state = ReplicaJoining
	}
	s.becomes(state, lag, nil)
	return beatEvery
}

func stateOf(err error) string {
	if errors.Is(err, db.ErrNoStandby) {
		return ReplicaRefused
	}
	return ReplicaUnreachable
}

// becomes keeps what was seen, and says what is new in it.
func (s *standby) becomes(state string, lag time.Duration, err error) {
	was := s.health.Load()
	h := *was
	h.State, h.Lag, h.Why = state, lag, ""
	if now := time.Now().Unix(); now != s.second {
		s.second, h.Lags = now, append(slices.Clone(was.Lags[max(0, len(was.Lags)-keptLags+1):]), max(lag, 0))
	} else if n := len(was.Lags); n > 0 && lag > was.Lags[n-1] {
		h.Lags = append(slices.Clone(was.Lags[:n-1]), lag)
	}
	if err != nil {
		h.Why = err.Error()
	} else if state == ReplicaLate {
		h.Why = fmt.Sprintf("what is read there is up to %v old", lag.Round(100*time.Millisecond))
	}
	if state != was.State {
		h.Since = time.Now()
		level := slog.LevelWarn
		if state == ReplicaServing || state == ReplicaJoining {
			level = slog.LevelInfo
		}
		s.log.Log(context.Background(), level, "a replica is "+state, "shard", s.shard, "replica", s.Name, "why", h.Why)
	}
	s.health.Store(&h)
}

// standbys are the replicas of one shard. They are replaced, never changed.
type standbys struct {
	all  []*standby
	next *atomic.Uint32
	// limit is of reads that no replica could serve, so that they leave the
	// primary room for writes.
	limit *guard.Gate
	pulse *pulse
}

// primaryWait is how long a read that no replica could serve waits for its
// turn at the primary, and replicaWait any read for its turn at a replica, before
// another server is asked.
const (
	primaryWait = time.Second
	replicaWait = 100 * time.Millisecond
)

// enter waits for the turn of a read that no replica could serve.
func (s *standbys) enter(ctx context.Context, shop id.Shop) (guard.Pass, error) {
	pass, err := s.limit.Enter(ctx, shop, guard.Read)
	if errors.Is(err, guard.ErrCrowded) {
		err = fault.Busy(time.Second, "The database is busy. Try again in a moment.").With("database-busy").
			Because(fmt.Errorf("the replicas are behind or away, and too many reads wait for the primary: %w", err))
	}
	return pass, err
}

// serving gives the replicas in rotation, beginning with another each time.
func (s *standbys) serving(yield func(*standby) bool) {
	n := uint32(len(s.all))
	first := s.next.Add(1)
	for i := range n {
		if r := s.all[(first+i)%n]; r.health.Load().State == ReplicaServing && !yield(r) {
			return
		}
	}
}

// late gives the replicas that answer and are not in rotation, the one that
// lags least first.
func (s *standbys) late() []*standby {
	var out []*standby
	lag := map[*standby]time.Duration{}
	for _, r := range s.all {
		if h := r.health.Load(); h.State == ReplicaLate || h.State == ReplicaJoining && h.Lag >= 0 {
			out, lag[r] = append(out, r), h.Lag
		}
	}
	slices.SortFunc(out, func(a, b *standby) int { return int(min(max(lag[a]-lag[b], math.MinInt32), math.MaxInt32)) })
	return out
}

// standbysOf opens the replicas of a shard that are listed and not open, and
// gives those that are no more. It waits for no server.
func (f *Fleet) standbysOf(l Listing, s *db.Shard, before *shards) (next *standbys, left []*standby, err error) {
	now := before.standbys[l.Name]
	if now != nil {
		left = slices.Clone(now.all)
	}
	if len(l.Replicas) == 0 {
		return nil, left, nil
	}
	if now == nil || before.open[l.Name] != s {
		p, err := startPulse(s, l.Name, f.log)
		if p == nil {
			return nil, left, err
		}
		conns, _ := s.Conns()
		now = &standbys{pulse: p, next: new(atomic.Uint32), limit: spill(max(1, conns/2))}
	}
	next = &standbys{pulse: now.pulse, next: now.next, limit: now.limit}
	for _, r := range l.Replicas {
		i := slices.IndexFunc(left, func(s *standby) bool { return s.Replica == r && s.pulse == next.pulse })
		if i >= 0 {
			next.all = append(next.all, left[i])
			left = slices.Delete(left, i, i+1)
			continue
		}
		one := &standby{shard: l.Name, Replica: r, pulse: next.pulse, log: f.log}
		one.open = func(ctx context.Context, doubt func()) (*link, error) {
			is, err := s.Identity(ctx)
			if err != nil {
				return nil, fmt.Errorf("the primary does not say which database it is: %w", err)
			}
			standby, err := db.OpenStandby(ctx, r.DSN, is, f.cfg.Schemas, doubt)
			if err != nil {
				return nil, err
			}
			return f.link(standby), nil
		}
		one.start()
		next.all = append(next.all, one)
	}
	return next, left, nil
}

func stopAll(left []*standby, p *pulse) {
	var all sync.WaitGroup
	for _, s := range left {
		all.Go(s.stop)
	}
	if p != nil {
		all.Go(p.stop)
	}
	all.Wait()
}

// Replicas gives how every replica of the shards that are open here is, in the
// order of shards and names. It asks nobody.
func (f *Fleet) Replicas() []ReplicaHealth {
	var out []ReplicaHealth
	now := f.shards.Load()
	for _, name := range now.names {
		if set := now.standbys[name]; set != nil {
			for _, s := range set.all {
				h := *s.health.Load()
				h.Reads, h.Past = s.reads.Load(), s.past.Load()
				out = append(out, h)
			}
		}
	}
	return out
}
