// Package fetch brings pictures from other people's hosts, for imports, and
// is the one place in media that calls out.
//
// An address to fetch comes from a merchant's file, so it may be meant to make
// this machine talk to its own network. The [Fetcher] therefore connects to
// the public internet only (guard.Outside), and every redirect goes the same
// way. No proxy, no cookies, no credentials.
//
// Every failure is an [Error], which says whether trying again can help.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"haat/internal/guard"
)

// Options are the bounds of a Fetcher; the zero value has sensible ones.
type Options struct {
	MaxBytes int64         // of a body; 25 MB if zero
	Timeout  time.Duration // of a whole fetch with its redirects; 30 seconds if zero

	// Lookup finds the addresses of a host; the system's resolver if nil.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that has been checked: a literal IP and
	// port. The system's dialer if nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const maxRedirects = 3

// Reason says why a fetch failed.
type Reason string

const (
	BadURL      Reason = "bad-url"     // not an http or https address
	Refused     Reason = "refused"     // leads to an address that is not public
	Gone        Reason = "gone"        // the host says that it is not there, or not for us
	Redirects   Reason = "redirects"   // too many, or to nowhere
	TooLarge    Reason = "too-large"   // more than MaxBytes
	NotImage    Reason = "not-image"   // something was there, but it is text or nothing
	Unreachable Reason = "unreachable" // no such host, or it does not answer
	Failing     Reason = "failing"     // the host is in trouble, or asks us to wait
	Timeout     Reason = "timeout"     // it took too long
)

// Error is a failed fetch. Its text is safe to show.
type Error struct {
	Reason     Reason
	Status     int           // of the answer, if there was one
	RetryAfter time.Duration // what the host asked for, at most an hour; zero if it did not
	message    string
	cause      error
}

func (e *Error) Error() string { return e.message }

// Unwrap gives the cause, for the log.
func (e *Error) Unwrap() error { return e.cause }

// Permanent reports whether trying the same address again is useless.
func (e *Error) Permanent() bool {
	return e.Reason != Unreachable && e.Reason != Failing && e.Reason != Timeout
}

// Permanent reports whether err is a fetch that need not be tried again.
func Permanent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Permanent()
}

func fail(r Reason, cause error, format string, args ...any) *Error {
	return &Error{Reason: r, message: fmt.Sprintf(format, args...), cause: cause}
}

// Fetcher fetches pictures. It is safe for use by many goroutines.
type Fetcher struct {
	o       Options
	outside guard.Outside
	client  *http.Client
}

// New makes a Fetcher.
func New(o Options) *Fetcher {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 25 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	f := &Fetcher{o: o, outside: guard.Outside{Lookup: o.Lookup, Dial: o.Dial}}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            f.dial,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // pictures are; a small body must not swell
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  15 * time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxConnsPerHost:        4,
			MaxIdleConns:           32,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fail(Redirects, nil, "The address leads on and on: more than %d redirects.", maxRedirects)
			}
			r.Header.Del("Referer")
			return checkURL(r.URL)
		},
	}
	return f
}

// Close lets go of idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// Fetch gives the body at the address. Whether it is a picture that we take
// is for media to say; text and nothing at all are refused here. A failure is
// an [*Error], except that the end of ctx is ctx's own error.
func (f *Fetcher) Fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return nil, fail(BadURL, err, "This is not a web address.")
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	body, err := f.get(limited, u)
	if err == nil {
		return body, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return nil, fail(Timeout, err, "The host took too long to answer.")
	}
	return nil, fail(Unreachable, err, "The host could not be reached.")
}

func (f *Fetcher) get(ctx context.Context, u *url.URL) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail(BadURL, err, "This is not a web address.")
	}
	r.Header.Set("User-Agent", "haat (image import)")
	r.Header.Set("Accept", "image/webp, image/jpeg, image/png, image/gif;q=0.8, */*;q=0.1")
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, status(resp)
	}
	large := fail(TooLarge, nil, "What is at the address is larger than %d MB.", f.o.MaxBytes>>20)
	if resp.ContentLength > f.o.MaxBytes {
		return nil, large
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.o.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > f.o.MaxBytes {
		return nil, large
	}
	if len(body) == 0 || strings.HasPrefix(http.DetectContentType(body), "text/") {
		return nil, fail(NotImage, nil, "There is no picture at the address.")
	}
	return body, nil
}

func status(resp *http.Response) *Error {
	e := fail(Gone, nil, "The host answered %d (%s).", resp.StatusCode, strings.ToLower(http.StatusText(resp.StatusCode)))
	e.Status = resp.StatusCode
	switch s := resp.StatusCode; {
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		e.Reason = Failing
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			e.RetryAfter = time.Duration(min(n, 3600)) * time.Second
		}
	case s >= 300 && s < 400:
		e.Reason = Redirects
	}
	return e
}

// checkURL refuses what is not plainly a web address.
func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return fail(BadURL, nil, "Only http and https addresses can be fetched.")
	}
	if u.User != nil {
		return fail(BadURL, nil, "Addresses with a name and password in them are not fetched.")
	}
	if p := u.Port(); p != "" && p != "80" && p != "443" {
		// Low ports speak other protocols: mail, shells, databases.
		if n, err := strconv.Atoi(p); err != nil || n < 1024 || n > 65535 {
			return fail(Refused, nil, "Port %s is not one that pictures are fetched from.", p)
		}
	}
	return nil
}

func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := f.outside.DialContext(ctx, network, address)
	if inside, ok := errors.AsType[*guard.NotPublic](err); ok {
		return nil, fail(Refused, inside, "The address is inside a private network and is not fetched.")
	}
	return c, err
}
