package app

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd is a listener with a bound on its open connections. One more than that
// takes the place of the one that has been idle longest; when none is idle it
// is told to come back, in one packet, and closed.
type crowd struct {
	net.Listener
	most    int
	refused atomic.Int64

	mu   sync.Mutex
	open int
	// The idle ones, longest first; a ring with itself as both ends.
	ring guest
}

type guest struct {
	net.Conn
	crowd      *crowd
	once       sync.Once
	prev, next *guest // while idle
}

const busyAnswer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n\r\nToo many people are here. Try again in a moment\n"

func newCrowd(l net.Listener, most int) *crowd {
	c := &crowd{Listener: l, most: most}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) { return c.accept(c.Listener, true) }

// besides is another listener whose connections share the crowd's bound. They
// are not told why they are turned away: they speak TLS.
type besides struct {
	net.Listener
	crowd *crowd
}

// Accept implements net.Listener.
func (b besides) Accept() (net.Conn, error) { return b.crowd.accept(b.Listener, false) }

func (c *crowd) accept(l net.Listener, tell bool) (net.Conn, error) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		if c.room() {
			return &guest{Conn: conn, crowd: c}, nil
		}
		c.refused.Add(1)
		if !tell {
			conn.Close()
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, busyAnswer) // fits into the socket's buffer: does not wait
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.CloseWrite()
		}
		go func() { // a close with unread bytes would take the answer back
			_, _ = io.CopyN(io.Discard, conn, 16<<10)
			conn.Close()
		}()
	}
}

// room takes a place, that of an idle connection if need be.
func (c *crowd) room() bool {
	c.mu.Lock()
	if c.open < c.most {
		c.open++
		c.mu.Unlock()
		return true
	}
	g := c.ring.next
	if g == &c.ring {
		c.mu.Unlock()
		return false
	}
	g.rise()
	c.open++
	c.mu.Unlock()
	g.Close()
	return true
}

// state follows a server's connections; it is its ConnState.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	for {
		w, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = w.NetConn() // TLS, or one that the front has passed on
	}
	g, ok := conn.(*guest)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.rise()
	if s == http.StateIdle {
		last := c.ring.prev
		g.prev, g.next = last, &c.ring
		last.next, c.ring.prev = g, g
	}
}

// rise takes a guest out of the idle ones.
func (g *guest) rise() {
	if g.prev != nil {
		g.prev.next, g.next.prev = g.next, g.prev
		g.prev, g.next = nil, nil
	}
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.once.Do(func() {
		g.crowd.mu.Lock()
		g.rise()
		g.crowd.open--
		g.crowd.mu.Unlock()
	})
	return g.Conn.Close()
}

// CloseWrite lets an answer be ended without being cut off.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// ReadFrom keeps the kernel's copying of files to sockets.
func (g *guest) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := g.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{g.Conn}, r)
}

// SyscallConn lets the front wait without a buffer.
func (g *guest) SyscallConn() (syscall.RawConn, error) {
	if c, ok := g.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// now gives how many connections are open.
func (c *crowd) now() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}
