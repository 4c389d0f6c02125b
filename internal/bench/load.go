package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// seen is what a load saw.
type seen struct {
	rate     float64 // answers a second
	p50, p99 float64 // ms
	n        int64
	bad      int64  // errors, and answers that are none
	first    string // what went wrong first
}

// closed has so many clients run fn, each again as soon as it has returned.
// The first error ends it.
func closed(ctx context.Context, clients int, d time.Duration, fn func(ctx context.Context, client int, nth int64) error) (seen, error) {
	return gather(ctx, clients, func(took time.Duration, _ int64) bool { return took < d }, fn)
}

// times has so many clients run fn n times in all.
func times(ctx context.Context, clients int, n int64, fn func(ctx context.Context, client int, nth int64) error) (seen, error) {
	return gather(ctx, clients, func(_ time.Duration, nth int64) bool { return nth < n }, fn)
}

func gather(ctx context.Context, clients int, more func(took time.Duration, nth int64) bool, fn func(ctx context.Context, client int, nth int64) error) (seen, error) {
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		whole  = histogram()
		failed error
		out    seen
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := time.Now()
	for c := range clients {
		wg.Go(func() {
			mine := histogram()
			for ctx.Err() == nil {
				nth := next.Add(1) - 1
				if !more(time.Since(begin), nth) {
					break
				}
				start := time.Now()
				if err := fn(ctx, c, nth); err != nil {
					mu.Lock()
					if failed == nil { // what others say later is that they were told to stop
						failed = err
					}
					mu.Unlock()
					cancel()
					break
				}
				_ = mine.RecordValue(time.Since(start).Microseconds()) // longer than a minute: bounded below
			}
			mu.Lock()
			defer mu.Unlock()
			whole.Merge(mine)
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if failed == nil {
		failed = context.Cause(ctx)
	}
	out.n = whole.TotalCount()
	out.rate = float64(out.n) / took.Seconds()
	out.p50, out.p99 = float64(whole.ValueAtQuantile(50))/1e3, float64(whole.ValueAtQuantile(99))/1e3
	return out, failed
}

// histogram holds microseconds up to a minute, to three digits.
func histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// ask is one request; with a body it is a POST of JSON.
type ask struct {
	host, path string
	body       []byte
}

// source deals the load's connections out to several loopback addresses, each
// of which has ports of its own.
var source atomic.Uint32

const sources = 8 // 127.0.0.2 and on

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+source.Add(1)%sources))}}
	return d.DialContext(ctx, network, addr)
}

// open asks at a fixed rate of arrivals, whatever the answers take: an answer
// that comes late is seen to be late by all that waited behind it.
func open(rate int, d time.Duration, connections int, next func() ask, addr string) seen {
	reads, _ := openMixed(rate, d, connections, next, addr)
	return reads
}

// openMixed tells what was read from what was written.
func openMixed(rate int, d time.Duration, connections int, next func() ask, addr string) (all, writes seen) {
	// Every answer is read whole and none is unpacked, as by wrk.
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DialContext: dial}
	defer transport.CloseIdleConnections()
	return openOver(transport, "http", rate, d, connections, next, addr)
}

// openOver is openMixed over a transport of the caller's.
func openOver(transport *http.Transport, scheme string, rate int, d time.Duration, connections int, next func() ask, addr string) (all, writes seen) {
	attack := vegeta.NewAttacker(vegeta.Client(&http.Client{
		Timeout: 10 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}), vegeta.Workers(uint64(connections)), vegeta.MaxWorkers(uint64(4*connections)), vegeta.MaxBody(200))
	targets := func(t *vegeta.Target) error {
		a := next()
		t.Method, t.URL, t.Body = http.MethodGet, scheme+"://"+addr+a.path, a.body
		t.Header = browser.Clone()
		t.Header.Set("Host", a.host)
		if a.body != nil {
			t.Method = http.MethodPost
			t.Header.Set("Content-Type", "application/json")
		}
		return nil
	}
	h, hw := histogram(), histogram()
	first, last := time.Time{}, time.Time{}
	for r := range attack.Attack(targets, vegeta.Rate{Freq: rate, Per: time.Second}, d, "") {
		took := min(r.Latency, time.Minute-1).Microseconds()
		_ = h.RecordValue(took)
		if r.Method == http.MethodPost {
			_ = hw.RecordValue(took)
		}
		if r.Error != "" || r.Code/100 != 2 {
			all.bad++
			if r.Method == http.MethodPost {
				writes.bad++
			}
			if all.first == "" {
				all.first = fmt.Sprintf("%s %s: %d %s %s", r.Method, r.URL, r.Code, r.Error, r.Body)
			}
		}
		if first.IsZero() || r.Timestamp.Before(first) {
			first = r.Timestamp
		}
		if end := r.End(); end.After(last) {
			last = end
		}
	}
	took := last.Sub(first).Seconds()
	for _, x := range []struct {
		into *seen
		h    *hdrhistogram.Histogram
	}{{&all, h}, {&writes, hw}} {
		x.into.n = x.h.TotalCount()
		x.into.rate = float64(x.into.n) / took
		x.into.p50, x.into.p99 = float64(x.h.ValueAtQuantile(50))/1e3, float64(x.h.ValueAtQuantile(99))/1e3
	}
	return all, writes
}

var (
	wrkRate = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkPart = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s)$`)
	wrkAll  = regexp.MustCompile(`(\d+) requests in`)
	wrkBad  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)`)
)

// wrk loads one page as fast as it is answered, from one CPU.
func wrk(ctx context.Context, cpu, connections int, d time.Duration, addr, host, path string) (out seen, err error) {
	name, err := exec.LookPath("wrk")
	if err != nil {
		return out, err
	}
	args := []string{"-t1", "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%.0fs", max(1, d.Seconds())), "--latency", "-H", "Host: " + host}
	for k, v := range browser {
		args = append(args, "-H", k+": "+v[0])
	}
	p, err := start(ctx, cpu, nil, name, append(args, "http://"+addr+path)...)
	if err != nil {
		return out, err
	}
	<-p.ended
	said := p.said.String()
	if p.err != nil {
		return out, fmt.Errorf("wrk: %w: %s", p.err, said)
	}
	if bad := wrkBad.FindString(said); bad != "" {
		return out, fmt.Errorf("wrk: %s", bad)
	}
	m, n := wrkRate.FindStringSubmatch(said), wrkAll.FindStringSubmatch(said)
	if m == nil || n == nil {
		return out, fmt.Errorf("wrk said: %s", said)
	}
	out.rate, _ = strconv.ParseFloat(m[1], 64)
	out.n, _ = strconv.ParseInt(n[1], 10, 64)
	for _, m := range wrkPart.FindAllStringSubmatch(said, -1) {
		v, _ := strconv.ParseFloat(m[2], 64)
		v *= map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[m[3]]
		if m[1] == "50" {
			out.p50 = v
		} else {
			out.p99 = v
		}
	}
	return out, nil
}
