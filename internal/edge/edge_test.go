package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"haat/internal/cache"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// site is a handler with pages that are kept and others that are not.
type site struct {
	pages *Pages
	fills atomic.Int64
	n     atomic.Int64 // the clock, and what pages say
	fail  atomic.Bool
}

const theShop = id.Shop(5)

func newSite(o Options) *site {
	if o.Bytes == 0 {
		o.Bytes = 8 << 20
	}
	o.Fixed = http.Header{"X-Content-Type-Options": {"nosniff"}}
	s := &site{pages: New(new(fleet.Fleet), o)}
	s.n.Store(1)
	return s
}

func (s *site) change(tags ...string) {
	n := s.n.Add(1)
	s.pages.cache.Commit(fleet.Commit{Shop: theShop, Mark: db.Mark{Shop: theShop, Epoch: 1, Term: 1, N: n}, Tags: tags})
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r = r.WithContext(context.WithoutCancel(r.Context())) // a client that half-closes still wants its answer
	path := r.URL.Path
	if !strings.HasPrefix(path, "/kept/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.RequestURI(), len(b))
		return
	}
	var seen db.Mark // unsigned, as nobody lies here
	if text := r.Header.Get("Haat-Mark"); text != "" {
		seen, _ = db.ParseMark(theShop, text)
	} else if k, err := r.Cookie("haat_mark"); err == nil {
		seen, _ = db.ParseMark(theShop, k.Value)
	}
	err := s.pages.Serve(w, r, theShop, path, seen, func(context.Context) (Page, error) {
		s.fills.Add(1)
		if s.fail.Load() {
			return Page{}, errors.New("the database is away")
		}
		if strings.HasSuffix(path, "/gone") {
			return Page{}, fault.NotFound("gone")
		}
		n := s.n.Load()
		body := fmt.Sprintf("<h1>%s as of %d</h1>%s", path, n, strings.Repeat("<p>Stoneware, thrown by hand.</p>", len(path)%7*40))
		h := http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"public, max-age=0, must-revalidate"}}
		return Page{Header: h, Body: []byte(body), Mark: db.Mark{Shop: theShop, Epoch: 1, Term: 1, N: n}, Tags: []string{"shop", path}}, nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
}

// serve starts a server of a site, with a front or without.
func serve(t testing.TB, s *site, front bool) (addr string, f *Front) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	if front {
		f = NewFront(l, s.pages, FrontOptions{})
		l = f
	}
	srv := &http.Server{Handler: s, MaxHeaderBytes: 32 << 10}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return addr, f
}

func get(t testing.TB, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", "http://a.test"+path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, res *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAPageInEveryCoding(t *testing.T) {
	s := newSite(Options{})
	want := body(t, get(t, s, "/kept/plain"))
	for header, name := range map[string]string{
		"": "", "identity": "", "gzip": "gzip", "gzip, deflate, br": "br", "gzip, deflate, br, zstd": "br", "zstd, gzip": "zstd", "*": "gzip",
		"br;q=0, gzip;q=0.5": "gzip", "gzip;q=0": "", "BR": "br", "gzip;q=x": "",
	} {
		res := get(t, s, "/kept/plain", "Accept-Encoding", header)
		if got := res.Header.Get("Content-Encoding"); got != name {
			t.Errorf("Accept-Encoding %q is answered with %q, not %q", header, got, name)
			continue
		}
		c := plain
		for i, n := range codingNames {
			if n == name {
				c = coding(i)
			}
		}
		got, err := expand(c, body(t, res), len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %v, %d bytes of %d", header, err, len(got), len(want))
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary is %q", header, res.Header.Get("Vary"))
		}
	}
	if n := s.fills.Load(); n != 1 {
		t.Errorf("%d fills for one page", n)
	}
}

func TestNotModified(t *testing.T) {
	s := newSite(Options{})
	tag := get(t, s, "/kept/a", "Accept-Encoding", "br").Header.Get("ETag")
	for _, sent := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		res := get(t, s, "/kept/a", "Accept-Encoding", "br", "If-None-Match", sent)
		if res.StatusCode != http.StatusNotModified || len(body(t, res)) > 0 || res.Header.Get("ETag") != tag || res.Header.Get("Cache-Control") == "" {
			t.Errorf("If-None-Match %s: %d %v", sent, res.StatusCode, res.Header)
		}
	}
	s.change("/kept/a")
	res := get(t, s, "/kept/a", "Accept-Encoding", "br", "If-None-Match", tag)
	if res.StatusCode != http.StatusOK || res.Header.Get("ETag") == tag {
		t.Errorf("after a change: %d, the tag is still %s", res.StatusCode, res.Header.Get("ETag"))
	}
}

// Who waits for a page to be made gets it compressed quickly, who asks next
// well, and both have what the next tag names.
func TestTheSecondToAskHasItCompressedWell(t *testing.T) {
	for _, front := range []bool{false, true} {
		s := newSite(Options{})
		addr, f := serve(t, s, front)
		client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}} // each connection begins at the front
		ask := func(tag string) *http.Response {
			r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/kept/plain", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", "br")
			if tag != "" {
				r.Header.Set("If-None-Match", tag)
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		first := ask("")
		quick, before := body(t, first), first.Header.Get("ETag")
		if res := ask(before); res.StatusCode != http.StatusNotModified || len(body(t, res)) > 0 {
			t.Errorf("front %v: the first tag is answered with %d", front, res.StatusCode)
		}
		second := ask("")
		well, after := body(t, second), second.Header.Get("ETag")
		if len(well) >= len(quick) || before == after {
			t.Errorf("front %v: %d bytes with %s, then %d with %s", front, len(quick), before, len(well), after)
		}
		plainly := body(t, get(t, s, "/kept/plain"))
		for _, b := range [][]byte{quick, well} {
			if got, err := expand(brotli, b, len(plainly)); err != nil || !bytes.Equal(got, plainly) {
				t.Errorf("front %v: %v, %d bytes of %d", front, err, len(got), len(plainly))
			}
		}
		for _, tag := range []string{before, after} {
			if res := ask(tag); res.StatusCode != http.StatusNotModified || res.Header.Get("ETag") != tag || len(body(t, res)) > 0 {
				t.Errorf("front %v: tag %s is answered with %d and %s", front, tag, res.StatusCode, res.Header.Get("ETag"))
			}
		}
		if n := s.fills.Load(); n != 1 {
			t.Errorf("front %v: %d fills for one page", front, n)
		}
		if front && f.served.Load() == 0 {
			t.Error("the front has served nothing")
		}
	}
}

func TestStaleIsSaid(t *testing.T) {
	s := newSite(Options{SharedFor: time.Minute})
	res := get(t, s, "/kept/a")
	if res.Header.Get("Surrogate-Key") != "shop /kept/a" || !strings.HasPrefix(res.Header.Get("Surrogate-Control"), "max-age=60") {
		t.Errorf("for a CDN: %v", res.Header)
	}
	s.fail.Store(true)
	s.change("shop")
	for range 3 {
		res = get(t, s, "/kept/a")
		if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Status") != "haat; hit; detail=stale" || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Surrogate-Control") != "" {
			t.Errorf("with the database away: %d %v", res.StatusCode, res.Header)
		}
	}
}

// A page is made anew for who brings a mark that it is older than, by header or
// cookie, although nobody here has heard of the change; with the front too.
func TestWhoBringsAMarkGetsNoOlderPage(t *testing.T) {
	s := newSite(Options{})
	addr, f := serve(t, s, true)
	warm(t, addr)
	ask := func(header string) string {
		return fmt.Sprint(exchange(t, addr, []byte("GET /kept/a HTTP/1.1\r\nHost: a.test\r\n"+header+"\r\n"), 0))
	}
	ask("")
	before, _ := f.Served()
	for i, header := range []string{"Haat-Mark: 1.1.2\r\n", "Cookie: x=y; haat_mark=1.1.3; z=1\r\n"} {
		s.n.Add(1) // nobody says so
		old, now := fmt.Sprintf("as of %d<", i+1), fmt.Sprintf("as of %d<", i+2)
		if got := ask(""); !strings.Contains(got, old) {
			t.Errorf("without a mark: %.300s", got)
		}
		if got := ask(header); !strings.Contains(got, now) {
			t.Errorf("with %q: %.300s", header, got)
		}
		if got := ask(""); !strings.Contains(got, now) {
			t.Errorf("afterwards: %.300s", got)
		}
	}
	if n, _ := f.Served(); n != before+4 {
		t.Errorf("the front has answered %d requests, not 4", n-before)
	}
}

// exchange sends raw bytes, half-closes, and reads all that comes back, as
// responses.
func exchange(t testing.TB, addr string, raw []byte, piece int) (answers []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	var sending sync.WaitGroup
	sending.Go(func() {
		for rest := raw; len(rest) > 0; {
			n := len(rest)
			if piece > 0 {
				n = min(n, piece)
			}
			if _, err := c.Write(rest[:n]); err != nil {
				return // refused already
			}
			rest = rest[n:]
		}
		_ = c.(*net.TCPConn).CloseWrite()
	})
	defer sending.Wait()
	r := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				answers = append(answers, "ended by "+err.Error())
			}
			return answers
		}
		b, err := io.ReadAll(res.Body)
		if errors.Is(err, syscall.ECONNRESET) {
			err = nil // what was sent in vain makes the kernel say so
		}
		text := fmt.Sprintf("%d close=%t %v", res.StatusCode, res.Close, err)
		for _, h := range []string{"Content-Type", "Content-Encoding", "Cache-Control", "Etag", "Vary", "Haat-Read-At", "X-Content-Type-Options", "Connection"} {
			text += "\n" + h + ": " + strings.Join(res.Header[h], "|")
		}
		answers = append(answers, text+"\n\n"+string(b))
	}
}

var streams = []string{
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip, br\r\n\r\nGET /kept/bb HTTP/1.1\r\nhost: a.test\r\nConnection: close\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /form HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhelloGET /kept/bb HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 30\r\n\r\nGET /kept/bb HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /kept/bb HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\n Transfer-Encoding: chunked\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\nHost: a.test\n\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\n\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nX: a\x00b\r\n\r\n",
	"GET /kept/a HTTP/1.0\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\n\r\n",
	"GET http://a.test/kept/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a#x HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/%61 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /kept/a?b=c HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/gone HTTP/1.1\r\nHost: a.test\r\n\r\nGET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"HEAD /kept/a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
	"\r\nGET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nCookie: a=b; haat_mark=1.1.1\r\n\r\nGET /kept/bb HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: *\r\n\r\nGET /kept/bb HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("y", 40000) + "\r\n\r\n",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\nGET /kept/bb HT",
	"GET /kept/a HTTP/1.1\r\nHost: a.test\r\nX",
	"GE",
	"",
}

// Whatever bytes are sent, who has a front answers as who has none.
func TestTheFrontAnswersAsNetHTTPDoes(t *testing.T) {
	s := newSite(Options{})
	with, f := serve(t, s, true)
	without, _ := serve(t, s, false)
	warm(t, with)
	for _, raw := range streams {
		for _, piece := range []int{0, 7, 1} {
			if piece == 1 && len(raw) > 1000 {
				continue
			}
			got, want := exchange(t, with, []byte(raw), piece), exchange(t, without, []byte(raw), 0)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("for %.200q in pieces of %d\n got %q\nwant %q", raw, piece, got, want)
			}
		}
	}
	if served, handed := f.Served(); served < 20 || handed < 20 {
		t.Errorf("the front answered %d and handed on %d: nothing was compared", served, handed)
	}
}

// warm has the front learn the addresses that the streams ask for.
func warm(t testing.TB, addr string) {
	for _, path := range []string{"/kept/a", "/kept/bb"} {
		for _, coding := range []string{"br", "gzip", "identity"} {
			exchange(t, addr, []byte("GET "+path+" HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: "+coding+"\r\nConnection: close\r\n\r\n"), 0)
		}
	}
}

func FuzzFront(f *testing.F) {
	s := newSite(Options{})
	with, _ := serve(f, s, true)
	without, _ := serve(f, s, false)
	warm(f, with)
	for _, raw := range streams {
		f.Add([]byte(raw), uint8(0))
		f.Add([]byte(raw), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece uint8) {
		if len(raw) > 4000 {
			return
		}
		got, want := exchange(t, with, raw, int(piece)), exchange(t, without, raw, 0)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("for %q in pieces of %d\n got %q\nwant %q", raw, piece, got, want)
		}
	})
}

// A page that changes is answered as it is now, on a connection that the front
// has had all along.
func TestTheFrontFollowsChanges(t *testing.T) {
	s := newSite(Options{})
	addr, f := serve(t, s, true)
	warm(t, addr)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for range 50 {
		s.change("/kept/a")
		fmt.Fprint(c, "GET /kept/a HTTP/1.1\r\nHost: a.test\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b := string(body(t, res)); !strings.Contains(b, fmt.Sprintf("as of %d<", s.n.Load())) {
			t.Fatalf("it says %.60s at %d", b, s.n.Load())
		}
	}
	if _, handed := f.Served(); handed > 6 {
		t.Errorf("%d connections were handed on", handed)
	}
}

// Slow and idle clients are cut off, each in its time, and closing lets nobody
// wait.
func TestTheFrontIsNotHeldUp(t *testing.T) {
	s := newSite(Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := NewFront(l, s.pages, FrontOptions{Head: 50 * time.Millisecond, Idle: 100 * time.Millisecond})
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 50 * time.Millisecond}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(f) }()
	for _, sent := range []string{"", "GET /kept/a HTTP/1.1\r\nHost: a.t"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, sent)
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("after %q: %v", sent, err)
		}
		_ = c.Close()
	}
	idle, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
	_ = idle.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, idle); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("an idle connection after closing: %v", err)
	}
}

func TestOneFillHoweverManyAsk(t *testing.T) {
	s := newSite(Options{Cache: cache.Options[*kept]{Waiters: 5000}})
	var all sync.WaitGroup
	for range 2000 {
		all.Go(func() {
			if res := get(t, s, "/kept/hot", "Accept-Encoding", "br"); res.StatusCode != http.StatusOK {
				t.Error(res.Status)
			}
		})
	}
	all.Wait()
	if n := s.fills.Load(); n != 1 {
		t.Errorf("%d fills", n)
	}
}
