package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/a-h/templ"

	"haat/internal/fault"
	"haat/internal/op"
)

// Handler is a page that may fail.
type Handler func(http.ResponseWriter, *http.Request) error

// ErrorPage renders an error for people. f is never nil: an error that is not
// a fault comes as one that says nothing of it.
type ErrorPage func(r *http.Request, status int, f *fault.Fault) templ.Component

// Pages turns Handlers into http.Handlers with one way to show errors.
type Pages struct {
	Log   *slog.Logger
	Error ErrorPage
}

// Handle makes an http.Handler of a page.
func (p Pages) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.Fail(w, r, err)
		}
	})
}

// Fail shows an error.
func (p Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is there any more
	}
	f := fault.Of(err)
	status := http.StatusInternalServerError
	if f == nil {
		p.Log.Error("a page failed", "method", r.Method, "host", r.Host, "path", r.URL.Path, "err", err)
		f = &fault.Fault{Message: "Something went wrong on our side. It has been noted."}
	} else {
		status = op.StatusOf(f)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := Render(w, r, status, p.Error(r, status, f)); err != nil {
		p.Log.Error("an error page failed", "err", err)
	}
}

// Render sends a page. Nothing is sent when rendering fails.
func Render(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	var b bytes.Buffer
	if err := page.Render(r.Context(), &b); err != nil {
		return err
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
	return nil
}

// Local reports whether a path stays on this host, as browsers read it: they
// take a backslash for a slash, and leave out tabs and line breaks.
func Local(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.Contains(path, "\\") && !strings.ContainsFunc(path, unicode.IsControl)
}

// Back sends the browser to a page of this host after a form was taken, so
// that reloading does not send the form again.
func Back(w http.ResponseWriter, r *http.Request, path string) error {
	if !Local(path) {
		path = "/"
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// ContentSecurityPolicy allows nothing but what we serve: no inline script or
// style, nothing from other hosts.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self' upi:; frame-ancestors 'none'; base-uri 'none'"

// A body that is refused for its size is listened to for so long, and so many
// bytes.
const (
	refusedFor  = 2 * time.Second
	refusedRest = 8 << 20
)

// SafeHeaders are the headers of every answer that keep a browser safe. strict
// is how long it must come over TLS only; 0 does not say so.
func SafeHeaders(strict time.Duration) http.Header {
	h := http.Header{}
	h.Set("Content-Security-Policy", ContentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	if strict > 0 {
		h.Set("Strict-Transport-Security", "max-age="+strconv.FormatInt(int64(strict/time.Second), 10))
	}
	return h
}

// Safe puts SafeHeaders on every answer, refuses
// forms sent from other sites, and bounds the body: maxBody bytes, or what
// larger says for the request.
func Safe(next http.Handler, strict time.Duration, maxBody int64, larger func(*http.Request) int64, refuse http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(refuse)
	checked := cross.Handler(next)
	fixed := SafeHeaders(strict)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range fixed {
			h[name] = values[:1:1] // what a handler adds does not reach others
		}
		if r.Body != nil && r.Body != http.NoBody {
			n := maxBody
			if m := larger(r); m > 0 {
				n = m
			}
			if r.ContentLength > n {
				// Refused before a byte is read. A little of the rest is then read
				// for nothing, since most clients listen only when all is sent.
				h.Set("Connection", "close")
				p := op.ProblemOf(fault.TooLarge("", "A request to this address has %d bytes at most.", n), slog.Default(), "body")
				p.Write(w)
				c := http.NewResponseController(w)
				_ = c.Flush()
				_ = c.SetReadDeadline(time.Now().Add(refusedFor))
				_, _ = io.CopyN(io.Discard, r.Body, refusedRest)
				return
			}
			// The bound is put on a copy: the server must find its own body in
			// its own request, to see that some of it was not read. Else it takes
			// the rest for the connection's next request.
			r = r.WithContext(r.Context())
			r.Body = http.MaxBytesReader(w, r.Body, n)
			defer func() {
				if r.MultipartForm != nil {
					_ = r.MultipartForm.RemoveAll() // as the server does with its own
				}
			}()
		}
		checked.ServeHTTP(w, r)
	})
}
