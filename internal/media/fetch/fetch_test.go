package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/guard"
)

const gif = "GIF89a\x01\x00\x01\x00\x00\x00\x00;"

// world is a public internet of one server, whatever the host's name; names
// maps those that lead elsewhere.
func world(t *testing.T, h http.HandlerFunc, names map[string]string) (*Fetcher, *atomic.Int64) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	var dialled atomic.Int64
	f := New(Options{
		MaxBytes: 1000, Timeout: 5 * time.Second,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			text := names[host]
			if text == "nowhere" {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			if text == "" {
				text = "93.184.215.14"
			}
			var out []netip.Addr
			for a := range strings.FieldsSeq(text) {
				out = append(out, netip.MustParseAddr(a))
			}
			return out, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Add(1)
			if a := netip.MustParseAddrPort(address).Addr(); !guard.Public(a) {
				t.Errorf("dialled %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
		},
	})
	t.Cleanup(f.Close)
	return f, &dialled
}

func TestPrivateAddressesAreNeverDialled(t *testing.T) {
	f, dialled := world(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, gif) }, map[string]string{
		"internal.test": "10.1.2.3", "loop.test": "127.0.0.1", "mixed.test": "93.184.215.14 192.168.0.1",
		"mapped.test": "::ffff:127.0.0.1", "2130706433": "127.0.0.1", "0x7f.1": "127.0.0.1", "017700000001": "127.0.0.1", "localhost": "::1",
	})
	for _, host := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
		"224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.0.1", "203.0.113.9",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
		"[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[100::1]", "[2001:db8::1]",
		"internal.test", "loop.test", "mixed.test", "mapped.test", "2130706433", "0x7f.1", "017700000001", "localhost",
	} {
		for _, url := range []string{"http://" + host + "/a.png", "http://" + host + ":8080/", "https://" + host + "/"} {
			_, err := f.Fetch(t.Context(), url)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Reason != Refused || !Permanent(err) {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d dialled", n)
	}
	for _, host := range []string{"93.184.215.14", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", "shop.test"} {
		if b, err := f.Fetch(t.Context(), "http://"+host+"/a.gif"); err != nil || string(b) != gif {
			t.Errorf("%s: %q, %v", host, b, err)
		}
	}
}

func TestTheSystemDialerRefusesAtTheLastMoment(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for _, a := range []string{s.Listener.Addr().String(), "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "[fe80::1%lo]:80", "nonsense"} {
		if e, ok := errors.AsType[*guard.NotPublic](guard.LastLook("tcp", a, nil)); !ok || e.Host == "" {
			t.Errorf("%s would be connected to", a)
		}
	}
	if err := guard.LastLook("tcp", "93.184.215.14:443", nil); err != nil {
		t.Error(err)
	}
	// A resolver that says one thing to us and another to the dialer gains
	// nothing: the real dialer is given the address that was checked, and
	// still looks for itself.
	f := New(Options{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}})
	if _, err := f.Fetch(t.Context(), strings.Replace(s.URL, "127.0.0.1", "rebind.test", 1)); !Permanent(err) {
		t.Error(err)
	}
}

func TestRedirectsAreCheckedAgain(t *testing.T) {
	f, _ := world(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/loopback": "http://127.0.0.1/secret", "/name": "http://internal.test/secret", "/metadata": "http://169.254.169.254/latest/meta-data",
			"/file": "file:///etc/passwd", "/user": "http://a:b@shop.test/", "/mail": "http://shop.test:25/",
			"/3": "/2", "/2": "/1", "/1": "/picture", "/4": "/3", "/round": "/round",
		}[r.URL.Path]
		if to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if r.URL.Path == "/secret" {
			t.Error("the secret was asked for")
		}
		fmt.Fprint(w, gif)
	}, map[string]string{"internal.test": "10.0.0.7"})
	for path, want := range map[string]Reason{
		"/loopback": Refused, "/name": Refused, "/metadata": Refused, "/file": BadURL, "/user": BadURL, "/mail": Refused,
		"/4": Redirects, "/round": Redirects, "/3": "", "/picture": "",
	} {
		_, err := f.Fetch(t.Context(), "http://shop.test"+path)
		e, _ := errors.AsType[*Error](err)
		if want == "" && err != nil || want != "" && (e == nil || e.Reason != want || !e.Permanent()) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestFailuresSayWhetherToTryAgain(t *testing.T) {
	f, _ := world(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404", "/410", "/403":
			w.WriteHeader(map[string]int{"/404": 404, "/410": 410, "/403": 403}[r.URL.Path])
		case "/500", "/503":
			w.WriteHeader(503)
		case "/429":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		case "/html":
			fmt.Fprint(w, "<!doctype html><title>Welcome</title>")
		case "/large":
			w.Header().Set("Content-Length", "1001")
			fmt.Fprint(w, strings.Repeat("\x00", 1001))
		case "/endless":
			for range 100 {
				fmt.Fprint(w, strings.Repeat("\x00", 100))
				w.(http.Flusher).Flush()
			}
		case "/cut":
			w.Header().Set("Content-Length", "900")
			fmt.Fprint(w, gif)
		case "/empty":
		default:
			fmt.Fprint(w, gif)
		}
	}, map[string]string{"typo.test": "nowhere"})
	for url, want := range map[string]struct {
		Reason
		permanent bool
	}{
		"http://shop.test/404": {Gone, true}, "http://shop.test/410": {Gone, true}, "http://shop.test/403": {Gone, true},
		"http://shop.test/503": {Failing, false}, "http://shop.test/429": {Failing, false},
		"http://shop.test/html": {NotImage, true}, "http://shop.test/empty": {NotImage, true},
		"http://shop.test/large": {TooLarge, true}, "http://shop.test/endless": {TooLarge, true},
		"http://shop.test/cut": {Unreachable, false}, "http://typo.test/": {Unreachable, false},
		"ftp://shop.test/a": {BadURL, true}, "file:///etc/passwd": {BadURL, true}, "gopher://shop.test": {BadURL, true}, "//shop.test/a": {BadURL, true},
		"http:///a": {BadURL, true}, "http:shop.test": {BadURL, true}, "": {BadURL, true}, "http://sh op/": {BadURL, true}, "http://u:p@shop.test/": {BadURL, true},
		"http://shop.test:22/": {Refused, true}, "http://shop.test:0/": {Refused, true},
	} {
		_, err := f.Fetch(t.Context(), url)
		e, _ := errors.AsType[*Error](err)
		if e == nil || e.Reason != want.Reason || Permanent(err) != want.permanent {
			t.Errorf("%s: %v (%+v), want %v", url, err, e, want)
		}
		if e != nil && e.Status == 429 && e.RetryAfter != 7*time.Second {
			t.Errorf("asked to wait %v", e.RetryAfter)
		}
	}
}

func TestSlowHostsTimeOutAndCallersMayLeave(t *testing.T) {
	release := make(chan struct{})
	f, _ := world(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-release
	}, nil)
	defer close(release)
	f.o.Timeout = 30 * time.Millisecond
	_, err := f.Fetch(t.Context(), "http://slow.test/")
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Timeout || e.Permanent() {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, "http://slow.test/"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	if f := New(Options{}); f.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would see, and could redirect, every fetch")
	}
}
