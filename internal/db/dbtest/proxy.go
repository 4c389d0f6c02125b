package dbtest

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Proxy stands between a program and a PostgreSQL server: it counts round
// trips, makes each take longer, and loses what it is told to lose.
type Proxy struct {
	DSN string // of the same database, through the proxy

	socket string
	delay  time.Duration
	trips  atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	lose  []byte
	lost  chan struct{}
	still chan struct{} // while it is frozen, closed by Thaw
}

// NewProxy listens for the database at dsn, which [Postgres] gave, and holds
// every answer back by delay.
func NewProxy(tb testing.TB, dsn string, delay time.Duration) *Proxy {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	p := &Proxy{socket: filepath.Join(q.Get("host"), ".s.PGSQL.5432"), delay: delay, conns: map[net.Conn]bool{}}
	q.Set("host", "127.0.0.1")
	q.Set("port", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	u.RawQuery = q.Encode()
	p.DSN = u.String()
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { p.serve(client) })
		}
	})
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
		p.Thaw()
		p.Cut()
		wait.Wait()
	})
	return p
}

// Redirect has new connections go to another server's database.
func (p *Proxy) Redirect(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socket = filepath.Join(s.Host(), ".s.PGSQL.5432")
}

// Trips is how often something was sent after an answer.
func (p *Proxy) Trips() int64 { return p.trips.Load() }

// Cut closes every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Lose closes the first connection whose server answers with text, instead of
// passing the answer on. The channel is closed when that has happened.
func (p *Proxy) Lose(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.lost = []byte(text), make(chan struct{})
	return p.lost
}

// Freeze keeps every answer back, and connections open, until Thaw: as a
// server does that hangs, or whose cable was pulled.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.still == nil {
		p.still = make(chan struct{})
	}
}

// Thaw ends Freeze.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.still != nil {
		close(p.still)
		p.still = nil
	}
}

func (p *Proxy) frozen() {
	p.mu.Lock()
	still := p.still
	p.mu.Unlock()
	if still != nil {
		<-still
	}
}

func (p *Proxy) loses(answer []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose == nil || !bytes.Contains(answer, p.lose) {
		return false
	}
	p.lose = nil
	close(p.lost)
	return true
}

func (p *Proxy) keep(c net.Conn, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] = on; !on {
		delete(p.conns, c)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	socket := p.socket
	p.mu.Unlock()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	p.keep(client, true)
	defer p.keep(client, false)
	var answered atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if n > 0 {
				if p.loses(b[:n]) {
					break
				}
				answered.Store(true)
				p.hold()
				p.frozen()
				if _, err := client.Write(b[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		client.Close()
		server.Close()
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if n > 0 {
			if answered.Swap(false) {
				p.trips.Add(1)
			}
			if _, err := server.Write(b[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	client.Close()
	server.Close()
	<-done
}

// hold lets the delay pass, which is too short for the runtime's timers.
func (p *Proxy) hold() {
	left := syscall.NsecToTimespec(int64(p.delay))
	for p.delay > 0 && errors.Is(syscall.Nanosleep(&left, &left), syscall.EINTR) {
	}
}
