package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Second is a Redis that all processes of a fleet share, as the level below
// their memories. It is never needed: whoever asks while it does not answer
// waits for Timeout at most, a few times, and then nobody asks any more until
// it has answered to Run.
//
// What comes out of it is believed only as far as its seal goes, which nobody
// without the fleet's key can make; whether it still holds is for [Cache] to
// find out.
type Second struct {
	o       SecondOptions
	redis   rueidis.ClientOption
	address string
	prefix  string
	log     *slog.Logger

	client atomic.Pointer[rueidis.Client]
	up     atomic.Bool
	misses atomic.Int64 // questions without an answer, one after the other
	asking chan struct{}
	wake   chan struct{} // Run must look
	queue  chan outgoing
	stats  SecondStats

	mu    sync.Mutex
	since time.Time // when it was lost
	why   string
}

// SecondOptions say how long a Redis is waited for, and who shares what is in
// it.
type SecondOptions struct {
	Key   []byte         // seals what is kept; that of the fleet
	World string         // what pages depend on beside the shops: program and settings
	CA    *x509.CertPool // who has signed the certificate of one at rediss://; nil: whom the system trusts

	Timeout time.Duration // of a question; 0 means 5 ms
	Beat    time.Duration // between looks whether it is there; 0 means 500 ms
	Fresh   time.Duration // after which what was made is made anew, though nothing has changed; 0 means 10 min
	Keep    time.Duration // after which it is gone; 0 means a day
}

// SecondStats counts since the start.
type SecondStats struct {
	Hits     atomic.Int64 // entries that hold
	Misses   atomic.Int64 // entries that are not there
	Outdated atomic.Int64 // entries that are there and do not hold
	Refused  atomic.Int64 // values without our seal
	Errors   atomic.Int64 // questions without an answer, and writes that failed
	Skipped  atomic.Int64 // questions that were not asked, since it was lost
	Writes   atomic.Int64 // entries written
	Dropped  atomic.Int64 // entries not written, since others waited to be
}

const (
	patience    = 5       // questions without an answer, after which nobody asks
	mostAsking  = 256     // questions at once
	mostWaiting = 1024    // entries that wait to be written
	mostValue   = 512_000 // bytes of an entry
	sealBytes   = 16
	// late is how long Redis may take to answer to Run, and to take an entry.
	late = time.Second
)

type outgoing struct {
	key   string
	value func() []byte
}

// CheckSecond says what is wrong with the address of a Redis, in a line
// without the password that may be in it.
func CheckSecond(address string) error {
	_, err := parseRedis(address)
	return err
}

func parseRedis(address string) (rueidis.ClientOption, error) {
	u, err := url.Parse(address)
	if err != nil {
		return rueidis.ClientOption{}, errors.New("not a URL: write redis://user:password@host:port/0")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
		return rueidis.ClientOption{}, errors.New("write it as redis://user:password@host:port/0, rediss:// for TLS, or unix:///path")
	}
	if u.Scheme != "unix" && u.Hostname() == "" || u.Scheme == "unix" && u.Path == "" {
		return rueidis.ClientOption{}, fmt.Errorf("%s:// names no host", u.Scheme)
	}
	o, err := rueidis.ParseURL(address)
	if err != nil {
		return o, errors.New(strings.TrimPrefix(err.Error(), "redis: "))
	}
	return o, nil
}

// OpenSecond makes the level; it does not connect before Run. It fails only if
// the address is none.
func OpenSecond(address string, o SecondOptions, log *slog.Logger) (*Second, error) {
	redis, err := parseRedis(address)
	if err != nil {
		return nil, err
	}
	if redis.TLSConfig != nil {
		redis.TLSConfig.RootCAs = o.CA
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Timeout, 5*time.Millisecond)
	def(&o.Beat, 500*time.Millisecond)
	def(&o.Fresh, 10*time.Minute)
	def(&o.Keep, 24*time.Hour)
	redis.ForceSingleClient = len(redis.InitAddress) == 1 && redis.Sentinel.MasterSet == ""
	redis.DisableRetry = true
	// What is kept is in the first level already, which knows by itself when it
	// no longer holds: a copy of Redis's answers would be a second one.
	redis.DisableCache = true
	// A question that nobody waits for any more must not break the connection
	// of those that come after it.
	redis.AlwaysPipelining = true
	redis.Dialer.Timeout = late
	redis.Dialer.KeepAlive = late
	redis.ConnWriteTimeout = 2 * late
	redis.ReadBufferEachConn, redis.WriteBufferEachConn = 64<<10, 64<<10
	redis.ClientName = "haat"
	world := sha256.Sum256([]byte(o.World))
	return &Second{
		o: o, redis: redis, address: strings.Join(redis.InitAddress, ","), prefix: "haat:" + hex.EncodeToString(world[:6]) + ":", log: log,
		asking: make(chan struct{}, mostAsking), wake: make(chan struct{}, 1), queue: make(chan outgoing, mostWaiting),
		since: time.Now(), why: "it has not answered yet",
	}, nil
}

// Address is where it is, without a password.
func (s *Second) Address() string { return s.address }

// Stats gives the counters.
func (s *Second) Stats() *SecondStats { return &s.stats }

// Lost says since when it does not answer, and why; the time is zero while it
// does.
func (s *Second) Lost() (since time.Time, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.why
}

// Run connects, writes what is to be kept, and looks again and again whether
// Redis answers, until ctx ends.
func (s *Second) Run(ctx context.Context) {
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() { s.write(ctx) })
	}
	tick := time.NewTicker(s.o.Beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		err := s.look(ctx)
		if ctx.Err() != nil {
			break
		}
		s.judge(err)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.wake:
		}
	}
	writers.Wait()
	s.up.Store(false)
	if c := s.client.Swap(nil); c != nil {
		go (*c).Close() // it waits for questions under way, and may for long
	}
}

// look asks for a sign of life: that it takes and gives what is written.
func (s *Second) look(ctx context.Context) error {
	return within(ctx, late, func(ctx context.Context) error {
		c := s.client.Load()
		if c == nil {
			made, err := rueidis.NewClient(s.redis)
			if err != nil {
				return err
			}
			if ctx.Err() != nil || !s.client.CompareAndSwap(nil, &made) {
				made.Close()
				return ctx.Err()
			}
			c = &made
		}
		b := (*c).B()
		return (*c).Do(ctx, b.Set().Key(s.prefix+"alive").Value("1").Ex(time.Minute).Build()).Error()
	})
}

// judge takes note of whether it answered.
func (s *Second) judge(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.since.IsZero()
	if err == nil {
		s.misses.Store(0)
		s.since, s.why = time.Time{}, ""
		s.up.Store(true)
		if !was {
			s.log.Info("Redis answers: pages are shared with the other processes", "redis", s.address)
		}
		return
	}
	s.up.Store(false)
	s.why = reason(err)
	if was {
		s.since = time.Now()
		s.log.Warn("Redis does not answer; every process makes its pages itself until it does", "redis", s.address, "err", err)
	}
}

func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it does not answer in time"
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var said *rueidis.RedisError
	switch {
	case errors.As(err, &unknown):
		return "nobody whom haat trusts has signed its certificate: give theirs with --redis-ca (" + err.Error() + ")"
	case errors.As(err, &host):
		return "its certificate does not hold: " + err.Error()
	case errors.As(err, &said) && strings.HasPrefix(said.Error(), "WRONGPASS"):
		return "it refuses the user or the password in --redis (" + said.Error() + ")"
	case errors.As(err, &said) && strings.HasPrefix(said.Error(), "NOAUTH"):
		return "it wants a password, and --redis has none (" + said.Error() + ")"
	case errors.As(err, &said) && strings.HasPrefix(said.Error(), "NOPERM"):
		return "it does not let the user in --redis do that: SET, GET and their like on keys haat:* are needed (" + said.Error() + ")"
	}
	return err.Error()
}

// unanswered counts a question in vain.
func (s *Second) unanswered() {
	s.stats.Errors.Add(1)
	if s.misses.Add(1) >= patience && s.up.CompareAndSwap(true, false) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// get asks for a value, for Timeout at most.
func (s *Second) get(ctx context.Context, key string) (value []byte, there bool) {
	c := s.client.Load()
	if c == nil || !s.up.Load() {
		s.stats.Skipped.Add(1)
		return nil, false
	}
	select {
	case s.asking <- struct{}{}:
	default:
		s.stats.Skipped.Add(1)
		return nil, false
	}
	got := make(chan []byte, 1) // the question may outlive the caller's patience
	err := within(ctx, s.o.Timeout, func(ctx context.Context) error {
		defer func() { <-s.asking }()
		b := (*c).B()
		v, err := (*c).Do(ctx, b.Get().Key(key).Build()).AsBytes()
		if rueidis.IsRedisNil(err) {
			v, err = nil, nil
		}
		got <- v
		return err
	})
	switch {
	case err == nil:
		s.misses.Store(0)
		value = <-got
	case ctx.Err() == nil:
		s.unanswered()
	}
	return value, value != nil
}

// within runs fn on a goroutine of its own and waits for it no longer than d,
// whatever fn makes of its context.
func within(ctx context.Context, d time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- fn(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // it came just before the context ended, perhaps with it
		return err
	default:
		return ctx.Err()
	}
}

// put has a value written behind the caller's back, if there is room.
func (s *Second) put(key string, value func() []byte) {
	if !s.up.Load() {
		return
	}
	select {
	case s.queue <- outgoing{key, value}:
	default:
		s.stats.Dropped.Add(1)
	}
}

func (s *Second) write(ctx context.Context) {
	for {
		var out outgoing
		select {
		case <-ctx.Done():
			return
		case out = <-s.queue:
		}
		c := s.client.Load()
		if c == nil || !s.up.Load() {
			s.stats.Dropped.Add(1)
			continue
		}
		value := out.value()
		if len(value) == 0 || len(value) > mostValue {
			continue
		}
		err := within(ctx, late, func(ctx context.Context) error {
			b := (*c).B()
			return (*c).Do(ctx, b.Set().Key(out.key).Value(rueidis.BinaryString(value)).Ex(s.o.Keep).Build()).Error()
		})
		switch {
		case err == nil:
			s.stats.Writes.Add(1)
		case ctx.Err() == nil:
			s.unanswered()
		}
	}
}

// name is where an entry is in Redis: the same for all processes that make it
// the same.
func (s *Second) name(k Key) string {
	h := sha256.Sum256([]byte(k.Name))
	return fmt.Sprintf("%s%d:%s", s.prefix, int64(k.Shop), hex.EncodeToString(h[:16]))
}

// seal gives a value that only who has the key can make, and only for that
// name in that world.
func (s *Second) seal(name string, value []byte) []byte {
	return append(s.mac(name, value), value...)
}

// unseal gives what was sealed under a name.
func (s *Second) unseal(name string, sealed []byte) ([]byte, bool) {
	if len(sealed) < sealBytes || !hmac.Equal(sealed[:sealBytes], s.mac(name, sealed[sealBytes:])) {
		return nil, false
	}
	return sealed[sealBytes:], true
}

func (s *Second) mac(name string, value []byte) []byte {
	m := hmac.New(sha256.New, s.o.Key)
	m.Write(binary.AppendUvarint([]byte("cache"), uint64(len(s.o.World))))
	m.Write([]byte(s.o.World))
	m.Write(binary.AppendUvarint(nil, uint64(len(name))))
	m.Write([]byte(name))
	m.Write(value)
	return m.Sum(nil)[:sealBytes]
}
