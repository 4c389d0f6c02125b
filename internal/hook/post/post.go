// Package post calls webhooks: an address that a merchant has written, on the
// public internet and nowhere else (guard.Outside). Redirects are not
// followed, no answer's body is kept.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"haat/internal/guard"
	"haat/internal/hook"
)

// Options are the bounds of a Client; the zero value has sensible ones.
type Options struct {
	Timeout time.Duration // of one call; 15 seconds if zero
	Outside guard.Outside
	TLS     *tls.Config // the system's roots if nil
}

// Client calls webhooks. It may be used by many at once.
type Client struct {
	timeout time.Duration
	client  *http.Client
}

// New makes a Client.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	return &Client{o.Timeout, &http.Client{
		Transport: &http.Transport{
			DialContext: o.Outside.DialContext, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout: 30 * time.Second, MaxConnsPerHost: 4, MaxIdleConns: 64, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// Send calls a webhook. It was taken if the answer is 2xx.
func (c *Client) Send(ctx context.Context, call hook.Call) hook.Answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return hook.Answer{Why: "This is not a web address."}
	}
	for k, v := range call.Header {
		r.Header.Set(k, v)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return hook.Answer{Why: why(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	a := hook.Answer{Status: resp.StatusCode}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		a.Why = fmt.Sprintf("It answered %d, which leads elsewhere: give the address that it leads to.", resp.StatusCode)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		a.Why = fmt.Sprintf("It answered %d (%s).", resp.StatusCode, strings.ToLower(http.StatusText(resp.StatusCode)))
	}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 && a.Why != "" {
		a.RetryAfter = time.Duration(min(n, 6*3600)) * time.Second
	}
	return a
}

// why says what went wrong, without the address, which the reader knows.
func why(err error) string {
	if _, inside := errors.AsType[*guard.NotPublic](err); inside {
		return "The address leads into a private network and is not called."
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "It took too long to answer."
	}
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return "Its certificate is not valid for this address."
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return "There is no host of this name."
	}
	return "It could not be reached."
}
