package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/app"
)

// dial opens a connection of its own.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: haat.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// When all places are taken by connections at work, one more is told to come
// back; the operator's address is not affected; and an idle connection makes
// room.
func TestConnectionsAreBounded(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "data"), func(c *app.Config) { c.MaxConnections = 4 })
	var busy []net.Conn
	for range 4 { // each in the middle of a request
		c := dial(t, s.cfg.Listen)
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: haat.test\r\n"); err != nil {
			t.Fatal(err)
		}
		busy = append(busy, c)
	}
	until(t, "four connections", func() bool { return s.metric(t, "haat_connections") == "4" })
	more := dial(t, s.cfg.Listen)
	res, err := http.ReadResponse(bufio.NewReader(more), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(b), "Too many people") {
		t.Errorf("one too many: %d %q, %v", res.StatusCode, b, err)
	}
	if res := get(t, dial(t, s.cfg.OpsListen)); res.StatusCode != 200 {
		t.Errorf("the operator's address: %d", res.StatusCode)
	}
	if v := s.metric(t, "haat_connections_refused"); v != "1" {
		t.Errorf("%s refused", v)
	}
	// The first finishes its request and stays, idle; a new one takes its place.
	if _, err := io.WriteString(busy[0], "\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err = http.ReadResponse(bufio.NewReader(busy[0]), nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("one at work: %v", err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	until(t, "a place for one more", func() bool {
		c := dial(t, s.cfg.Listen)
		defer c.Close()
		return get(t, c).StatusCode == 200
	})
	if _, err := busy[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
	// The others were let be.
	if _, err := io.WriteString(busy[1], "\r\n"); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(busy[1]), nil); err != nil || res.StatusCode != 200 {
		t.Errorf("another at work: %v", err)
	}
}

// until waits for a condition that somebody else brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "data"))
	for _, addr := range []string{s.cfg.Listen, s.cfg.OpsListen} {
		c := dial(t, addr)
		go func() { // the server may stop reading
			_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: haat.test\r\nX-Long: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("64 KiB of headers at %s: %v, %v", addr, res, err)
		}
		if res := get(t, dial(t, addr)); res.StatusCode != 200 {
			t.Errorf("the next at %s: %d", addr, res.StatusCode)
		}
	}
}

// A shop has so many live screens, and another shop has its own.
func TestLiveScreensAreBounded(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "data"), func(c *app.Config) { c.MaxStreams = 3 })
	token, slug := s.merchant(t, "asha@example.com", "Asha Stores")
	otherToken, other := s.merchant(t, "ravi@example.com", "Ravi Stores")
	follow := func(slug, token string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/api/v1/shops/%s/events", s.cfg.Listen, slug), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "haat.test"
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	var open []*http.Response
	for range 3 {
		open = append(open, follow(slug, token))
		if res := open[len(open)-1]; res.StatusCode != 200 {
			t.Fatalf("a screen: %d", res.StatusCode)
		}
	}
	res := follow(slug, token)
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(b), "too-many-streams") {
		t.Errorf("one screen too many: %d %s, %v", res.StatusCode, b, err)
	}
	if res := follow(other, otherToken); res.StatusCode != 200 {
		t.Errorf("another shop's screen: %d", res.StatusCode)
	}
	open[0].Body.Close()
	until(t, "a place for one more", func() bool {
		res := follow(slug, token)
		defer res.Body.Close()
		return res.StatusCode == 200
	})
}
