package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"haat/internal/cache"
)

// Front is a listener of cleartext HTTP/1.1 that answers requests for kept
// pages itself. A connection stays with it while it asks for such pages; with
// the first request for anything else it goes, no byte of that request read,
// to whoever calls Accept, and does not come back.
type Front struct {
	inner  net.Listener
	pages  *Pages
	o      FrontOptions
	fixed  []byte
	routes *otter.Cache[string, *route]
	next   chan net.Conn
	closed chan struct{}
	once   sync.Once
	err    error // of the inner listener

	mu    sync.Mutex
	conns map[net.Conn]struct{} // that the front has now
	date  atomic.Pointer[stamp]
	drain atomic.Bool
	served,
	handed atomic.Int64
}

// FrontOptions bound what the front does.
type FrontOptions struct {
	Head    time.Duration // to send a request's head in; 0 means 10 s
	Idle    time.Duration // between requests, and to take an answer in; 0 means 2 min
	Routes  int           // addresses that are known; 0 means 100,000
	Observe func(status int, took time.Duration)
	// State is told when a connection of the front begins and ends to be idle,
	// as http.Server.ConnState is.
	State func(net.Conn, http.ConnState)
}

// route is where an address leads.
type route struct {
	key  cache.Key
	fill func(context.Context) (cache.Filled[*kept], error)
}

type stamp struct {
	second int64
	text   []byte // "Date: …\r\n"
}

// NewFront puts a front before a listener. Serve what it accepts with
// net/http, by a handler that answers kept pages with p.
func NewFront(inner net.Listener, p *Pages, o FrontOptions) *Front {
	if o.Head == 0 {
		o.Head = 10 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Minute
	}
	if o.Routes == 0 {
		o.Routes = 100_000
	}
	if o.Observe == nil {
		o.Observe = func(int, time.Duration) {}
	}
	if o.State == nil {
		o.State = func(net.Conn, http.ConnState) {}
	}
	f := &Front{
		inner: inner, pages: p, o: o, next: make(chan net.Conn), closed: make(chan struct{}), conns: map[net.Conn]struct{}{},
		routes: otter.Must(&otter.Options[string, *route]{MaximumSize: o.Routes}),
	}
	for _, name := range sortedNames(p.o.Fixed) {
		for _, v := range p.o.Fixed[name] {
			f.fixed = append(f.fixed, name+": "+v+"\r\n"...)
		}
	}
	p.front = f
	go f.accept()
	return f
}

func sortedNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// learn notes that a request as it was sent is for a kept page.
func (f *Front) learn(r *http.Request, key cache.Key, fill Fill) {
	if len(r.Host)+len(r.RequestURI) > 1024 {
		return
	}
	at := r.Host + "\x00" + r.RequestURI
	if _, known := f.routes.GetIfPresent(at); !known {
		f.routes.Set(at, &route{key, filling(brotli, fill)})
	}
}

// Served gives how many requests the front has answered, and how many
// connections it has handed on.
func (f *Front) Served() (requests, handed int64) { return f.served.Load(), f.handed.Load() }

// Addr is the inner listener's.
func (f *Front) Addr() net.Addr { return f.inner.Addr() }

// Accept gives a connection that the front has handed on.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case c := <-f.next:
		return c, nil
	case <-f.closed:
		if f.err != nil {
			return nil, f.err
		}
		return nil, net.ErrClosed
	}
}

// Drain has every connection close after its next answer, as it says there.
func (f *Front) Drain() { f.drain.Store(true) }

// Close stops accepting, ends the connections that are idle, and lets answers
// that are under way be sent.
func (f *Front) Close() error {
	err := f.inner.Close()
	f.end(nil)
	return err
}

func (f *Front) end(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.closed)
		f.mu.Lock()
		defer f.mu.Unlock()
		for c := range f.conns {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	})
}

func (f *Front) accept() {
	for {
		c, err := f.inner.Accept()
		if err != nil {
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() { // such as too many open files
				select {
				case <-f.closed:
				case <-time.After(50 * time.Millisecond):
					continue
				}
			}
			f.end(err)
			return
		}
		go f.serve(c)
	}
}

// heads is where requests are read to, and answers put together.
var heads = sync.Pool{New: func() any { b := make([]byte, maxHead); return &b }}
var answers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

func (f *Front) serve(c net.Conn) {
	f.mu.Lock()
	f.conns[c] = struct{}{}
	f.mu.Unlock()
	s := &session{Front: f, c: c}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	keep := s.run()
	f.mu.Lock()
	delete(f.conns, c)
	f.mu.Unlock()
	if !keep {
		s.release()
		_ = c.Close()
		return
	}
	unread := append([]byte(nil), s.bytes()...)
	s.release()
	_ = c.SetDeadline(time.Time{})
	f.handed.Add(1)
	select {
	case f.next <- &handed{Conn: c, unread: unread}:
	case <-f.closed:
		_ = c.Close()
	}
}

// session is one connection while the front has it. It holds no buffer while
// it waits for a request.
type session struct {
	*Front
	c        net.Conn
	raw      syscall.RawConn
	buf      *[]byte
	from, to int       // what of buf was read and not yet used
	until    time.Time // the deadline that is set
	at       []byte    // the key of a route
	answered bool
}

func (s *session) bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return (*s.buf)[s.from:s.to]
}

func (s *session) release() {
	if s.buf != nil {
		heads.Put(s.buf)
		s.buf, s.from, s.to = nil, 0, 0
	}
}

// run answers requests until the connection ends (false) or must be handed on
// (true).
func (s *session) run() (handOn bool) {
	for {
		r, v := request{}, incomplete
		if len(s.bytes()) > 0 {
			r, v = parse(s.bytes())
		}
		// After an answer, less than four bytes are no request yet: net/http
		// drops them without a word when no more come, and so must the front.
		begun := len(s.bytes()) >= 4 || len(s.bytes()) > 0 && !s.answered
		switch {
		case v == foreign && begun:
			return true
		case v != simple:
			if err := s.read(); err != nil {
				return begun // what was begun and not ended is net/http's to answer
			}
			continue
		}
		began := time.Now()
		r.close = r.close || s.drain.Load()
		status, err := s.answer(r)
		if err != nil {
			return false
		}
		if status == 0 {
			return true
		}
		s.answered = true
		s.served.Add(1)
		s.o.Observe(status, time.Since(began))
		if r.close {
			return false
		}
		if s.from += r.length; s.from == s.to {
			s.release()
		}
	}
}

// read waits for more bytes. Between requests it may take long; within a head
// it may not.
func (s *session) read() error {
	now := time.Now()
	if len(s.bytes()) > 0 {
		s.until = now.Add(s.o.Head)
		if err := s.c.SetDeadline(s.until); err != nil {
			return err
		}
	} else if s.until.Sub(now) < s.o.Idle { // set anew now and then, not each time
		s.until = now.Add(s.o.Idle + s.o.Idle/4)
		if err := s.c.SetDeadline(s.until); err != nil {
			return err
		}
	}
	select {
	case <-s.closed: // after the deadline was set: Close sets it after closing
		return net.ErrClosed
	default:
	}
	if s.buf == nil {
		s.o.State(s.c, http.StateIdle)
		defer s.o.State(s.c, http.StateActive)
	}
	if s.buf == nil && s.raw != nil {
		return s.wait()
	}
	if s.buf == nil {
		s.buf = heads.Get().(*[]byte)
	} else if s.from > 0 {
		s.to = copy(*s.buf, s.bytes())
		s.from = 0
	}
	n, err := s.c.Read((*s.buf)[s.to:])
	if s.to += n; n > 0 {
		return nil
	}
	return err
}

// wait reads the first bytes of a request, taking a buffer only to try.
func (s *session) wait() error {
	var n int
	var failed error
	err := s.raw.Read(func(fd uintptr) bool {
		b := heads.Get().(*[]byte)
		for {
			n, failed = syscall.Read(int(fd), *b)
			if failed != syscall.EINTR {
				break
			}
		}
		if n <= 0 {
			heads.Put(b)
			return failed != syscall.EAGAIN
		}
		s.buf, s.from, s.to = b, 0, n
		return true
	})
	switch {
	case err != nil:
		return err
	case n > 0:
		return nil
	case failed != nil:
		return failed
	}
	return io.EOF
}

// answer sends the page that the request is for. Status 0 means that the front
// has no answer, and has sent nothing.
func (s *session) answer(r request) (status int, err error) {
	s.at = append(append(append(s.at[:0], r.host...), 0), r.target...)
	to, known := s.routes.GetIfPresent(unsafe.String(&s.at[0], len(s.at)))
	if !known {
		return 0, nil
	}
	k, ok := s.pages.cache.Get(to.key)
	how := cache.Hit
	if !ok {
		k, how, err = s.pages.cache.Fetch(context.Background(), to.key, to.fill)
		if err != nil || how == cache.Stale {
			return 0, nil // net/http says what is wrong
		}
	}
	v, c, err := k.in(accepted(unsafe.String(unsafe.SliceData(r.encoding), len(r.encoding))))
	if err != nil {
		return 0, nil
	}
	out := answers.Get().(*[]byte)
	defer answers.Put(out)
	b := (*out)[:0]
	status = http.StatusOK
	if etag, has := v.has(string(r.noneMatch)); has {
		status = http.StatusNotModified
		b = append(b, "HTTP/1.1 304 Not Modified\r\n"...)
		b = s.appendHead(b, k, etag, c, nil)
	} else {
		if how == cache.Hit {
			v = k.well(c, v)
		}
		head := v.head.Load()
		if head == nil {
			h := s.appendHead([]byte("HTTP/1.1 200 OK\r\n"), k, v.etag, c, v.body)
			head = &h
			v.head.Store(head)
		}
		b = append(b, *head...)
	}
	b = append(b, "Age: "...)
	b = strconv.AppendInt(b, int64(time.Since(k.made)/time.Second), 10)
	b = append(b, "\r\n"...)
	b = append(b, s.now()...)
	if r.close {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if status == http.StatusOK {
		if len(v.body) > cap(b)-len(b) {
			if _, err = s.c.Write(b); err == nil {
				_, err = s.c.Write(v.body)
			}
			return status, err
		}
		b = append(b, v.body...)
	}
	_, err = s.c.Write(b)
	return status, err
}

// appendHead writes the headers that do not change while the page is kept; of
// an answer without a body, if that is nil.
func (f *Front) appendHead(b []byte, k *kept, etag string, c coding, body []byte) []byte {
	b = append(b, f.fixed...)
	line := func(name, value string) {
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	for _, name := range sortedNames(k.header) {
		if body == nil && name == "Content-Type" {
			continue
		}
		for _, value := range k.header[name] {
			line(name, value)
		}
	}
	line("Vary", "Accept-Encoding")
	line("Etag", etag)
	line("Haat-Read-At", k.mark)
	line("Cache-Status", status(cache.Hit))
	if f.pages.o.SharedFor > 0 {
		line("Surrogate-Control", f.pages.surrogate())
		line("Surrogate-Key", k.tags)
	}
	if body != nil {
		if c != plain {
			line("Content-Encoding", codingNames[c])
		}
		line("Content-Length", strconv.Itoa(len(body)))
	}
	return b
}

// now gives the Date header, made once a second.
func (f *Front) now() []byte {
	t := time.Now()
	if d := f.date.Load(); d != nil && d.second == t.Unix() {
		return d.text
	}
	d := &stamp{t.Unix(), []byte("Date: " + t.UTC().Format(http.TimeFormat) + "\r\n")}
	f.date.Store(d)
	return d.text
}

// handed is a connection that the front has read from, given to another as if
// it had not.
type handed struct {
	net.Conn
	unread []byte
}

// NetConn is the connection below.
func (h *handed) NetConn() net.Conn { return h.Conn }

func (h *handed) Read(b []byte) (int, error) {
	if len(h.unread) > 0 {
		n := copy(b, h.unread)
		if h.unread = h.unread[n:]; len(h.unread) == 0 {
			h.unread = nil
		}
		return n, nil
	}
	return h.Conn.Read(b)
}

// CloseWrite lets net/http end an answer without cutting it off.
func (h *handed) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// ReadFrom keeps the kernel's copying of files to sockets.
func (h *handed) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := h.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{h.Conn}, r)
}
