package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

const (
	spikeFirst = 100              // connections before
	spikePause = 10 * time.Second // of a connection between two pages
	spikeOther = 200              // arrivals a second at other shops
	spare      = 400              // files that a process needs beside the crowd's
)

// spike opens ever more connections to one shop, each of which asks for a page
// at once and now and then, while other shops are asked at a fixed rate.
func (b *bench) spike(ctx context.Context, r *Result) error {
	if runtime.NumCPU() < 2 {
		return errTwoCPUs
	}
	t, err := b.seeded(ctx, r)
	if err != nil {
		return err
	}
	most, err := raiseFiles()
	if err != nil {
		return err
	}
	crowd := min(b.Crowd, most-spare)
	if crowd < b.Crowd {
		r.note("%d connections instead of %d: this machine lets a process have %d open files, and nobody may raise it", crowd, b.Crowd, most)
	}
	r.Load[0] = loadAverage()
	srv, err := b.serve(ctx, serverCPU, t.dir, "--max-connections", fmt.Sprint(crowd+spare/2))
	if err != nil {
		return err
	}
	defer srv.stop()
	others := min(500, len(t.sites)-1)
	var n atomic.Int64
	next := func() ask {
		s := t.sites[1+n.Add(1)%int64(others)]
		return ask{host: s.host, path: "/products/" + s.handle}
	}
	for range others { // their pages are kept
		a := next()
		if _, err := fetch(ctx, srv.addr, a.host, a.path); err != nil {
			return err
		}
	}
	shop := t.sites[0]
	crowdOf := func(n int, rise time.Duration) (*process, error) {
		return b.send(ctx, visitors{srv.addr, shop.host, "/products/" + shop.handle, n, rise})
	}
	b.say("%d connections, for %v", spikeFirst, b.For*2)
	few, err := crowdOf(spikeFirst, time.Second)
	if err != nil {
		return err
	}
	defer few.stop()
	if _, err := srv.crowded(ctx, spikeFirst, few); err != nil {
		return err
	}
	var before, during seen
	var many *process
	err = pinned(loadCPU, func() error {
		before = open(spikeOther, b.For*2, 64, next, srv.addr)
		b.say("rising to %d within %v", crowd, b.Rise)
		if many, err = crowdOf(crowd-spikeFirst, b.Rise); err != nil {
			return err
		}
		during = open(spikeOther, b.Rise, 64, next, srv.addr)
		return nil
	})
	if err != nil {
		return err
	}
	defer many.stop()
	after, err := srv.crowded(ctx, crowd, many)
	if err != nil {
		return err
	}
	resident := srv.resident()
	own, err := told(few, many)
	if err != nil {
		return err
	}
	r.Rows = append(r.Rows, before.row(fmt.Sprintf("others, beside %d connections", spikeFirst), seen{}, ""))
	row := during.row(fmt.Sprintf("others, while they rise to %s", whole(crowd)), seen{}, "")
	row.Ratio, row.Of = during.p99/before.p99, "p99 before"
	own.rate = float64(own.n) / b.Rise.Seconds()
	r.Rows = append(r.Rows, row, own.row("the shop itself, from connect to answer", seen{}, ""))
	for _, s := range []seen{before, during, own} {
		if s.first != "" {
			r.note("first error: %s", s.first)
		}
	}
	r.note("the crowd is processes of their own, which leave the processor to who measures the others (nice 10)")
	r.note("each connection asks for a page when it is open and every %v; %d kept pages of other shops at %d a second; connections from %d loopback addresses", spikePause, others, spikeOther, sources)
	r.note("server's memory with %.0f connections: %.0f MB", after, resident)
	r.least("connections open at the end", after, float64(crowd), "")
	r.most("errors", float64(before.bad+during.bad+own.bad), 0, "")
	r.most("others' p99 meanwhile", row.Ratio, 1.2, "of that before")
	return nil
}

// raiseFiles lets this process, and those it starts, open as many files as it
// may, and gives how many.
func raiseFiles() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	// With the privilege to, the bound itself is raised.
	const want = 1 << 17
	if l.Max < want {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: want, Max: want}); err == nil {
			return want, nil
		}
	}
	l.Cur = l.Max
	return int(min(l.Max, 1<<20)), unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

// people are connections that stay.
type people struct {
	addr    string
	request []byte
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu   sync.Mutex
	took *hdrhistogram.Histogram
	bad  int64
	why  string // of the first of them
}

func newPeople(ctx context.Context, v visitors) *people {
	p := &people{addr: v.addr, took: histogram()}
	p.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", v.path, v.host)
	for k, v := range browser {
		p.request = fmt.Appendf(p.request, "%s: %s\r\n", k, v[0])
	}
	p.request = append(p.request, "\r\n"...)
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// come lets n people come, evenly within d, and returns when the last has been
// answered once.
func (p *people) come(n int, d time.Duration) {
	var first sync.WaitGroup
	begin := time.Now()
	for i := range n {
		if wait := time.Until(begin.Add(d * time.Duration(i) / time.Duration(n))); wait > time.Millisecond {
			select {
			case <-time.After(wait):
			case <-p.ctx.Done():
				return
			}
		}
		first.Add(1)
		p.all.Go(func() { p.visit(sync.OnceFunc(first.Done)) })
	}
	first.Wait()
}

func (p *people) leave() {
	p.cancel()
	p.all.Wait()
}

// visit is one connection, until everybody leaves.
func (p *people) visit(answered func()) {
	defer answered()
	start := time.Now()
	c, err := dial(p.ctx, "tcp", p.addr)
	if err != nil {
		p.failed(err)
		return
	}
	defer c.Close()
	defer context.AfterFunc(p.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	t := time.NewTimer(spikePause)
	defer t.Stop()
	for {
		if err := p.ask(c); err != nil {
			p.failed(err)
			return
		}
		p.mu.Lock()
		_ = p.took.RecordValue(time.Since(start).Microseconds())
		p.mu.Unlock()
		answered()
		t.Reset(spikePause)
		select {
		case <-t.C:
			start = time.Now()
		case <-p.ctx.Done():
			return
		}
	}
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// ask asks for the page and reads it.
func (p *people) ask(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(p.request); err != nil {
		return err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the shop answers %d", res.StatusCode)
	}
	return nil
}

func (p *people) failed(err error) {
	if p.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bad++; p.why == "" {
		p.why = err.Error()
	}
}
