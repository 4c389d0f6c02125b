package app

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/meter"
	"haat/internal/op"
	"haat/internal/web"
)

const (
	pageBody   = 1 << 20   // bytes of a form or a JSON document
	imageBody  = 160 << 20 // several photos of a phone at once
	importBody = 512 << 20 // a catalogue

	opsConnections = 256 // of the operator, whatever shoppers do

	answerTime = 60 * time.Second // for a whole answer; streams and uploads set their own
	uploadTime = 30 * time.Minute
)

// larger gives the bound of requests that carry files.
func larger(r *http.Request) int64 {
	switch {
	case r.Method != http.MethodPost:
		return 0
	case strings.HasSuffix(r.URL.Path, "/imports") || strings.HasSuffix(r.URL.Path, "/import"):
		return importBody
	case strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") && (strings.HasPrefix(r.URL.Path, "/shops/") || strings.HasSuffix(r.URL.Path, "/images")):
		return imageBody
	}
	return 0
}

// hosts sends each request to the platform or to the shop whose host it names.
type hosts struct {
	fleet    *fleet.Fleet
	platform http.Handler
	shops    http.Handler
	unknown  http.Handler
}

func (h hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := web.Host(r)
	switch _, ok := h.fleet.SlugOfHost(host); {
	case ok:
		h.shops.ServeHTTP(w, r)
	case host == h.fleet.Domain() || net.ParseIP(strings.Trim(host, "[]")) != nil:
		h.platform.ServeHTTP(w, r)
	default:
		h.unknown.ServeHTTP(w, r)
	}
}

// hasPicture reports whether a picture is one of a shop's.
func (a *App) hasPicture(ctx context.Context, shop id.Shop, hash string) (has bool, err error) {
	room, err := a.fleet.ByID(ctx, shop)
	if fault.Is(err, fault.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
		m, err := media.Get(ctx, r, hash)
		has = len(m) > 0
		return err
	})
	return has, err
}

// pictures serves renditions of images, under addresses that never change
// what they mean.
func pictures(l *media.Library) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shop, hash, width, ok := media.ParseURL(r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		f, at, err := l.Open(r.Context(), shop, hash, width)
		if fault.Is(err, fault.KindNotFound) {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			http.Error(w, "The picture cannot be read just now.", http.StatusServiceUnavailable)
			return
		}
		defer f.Close()
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("Content-Type", "image/webp")
		w.Header().Set("ETag", `"`+hash+"-"+strconv.Itoa(width)+`"`)
		http.ServeContent(w, r, "", at, f)
	})
}

// health answers a load balancer: alive at all, and ready to serve.
func health(ready func(context.Context) error, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			w.Header().Set("Cache-Control", "no-store")
			io.WriteString(w, "ok\n")
		case "/readyz":
			w.Header().Set("Cache-Control", "no-store")
			ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
			defer cancel()
			if err := ready(ctx); err != nil {
				http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
				return
			}
			io.WriteString(w, "ready\n")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// outermost puts deadlines on a request, counts it, and survives its panics.
func outermost(surface string, m *meter.Meter, log *slog.Logger, next http.Handler) http.Handler {
	zip, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(gzip.DefaultCompression), gzhttp.ExceptContentTypes([]string{"text/event-stream", "image/webp", "image/png", "application/zip"}))
	if err != nil {
		panic(err) // the options above are constants
	}
	plain := next
	next = zip(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &status{ResponseWriter: w}
		trace := id.Trace{}
		if r.Method != http.MethodGet && r.Method != http.MethodHead { // what changes something, and so is told of
			var ok bool
			if trace, ok = id.ParseTrace(r.Header.Get("Traceparent")); ok {
				trace = trace.Next()
			} else {
				trace = id.NewTrace()
			}
			r = r.WithContext(trace.In(r.Context()))
		}
		c := http.NewResponseController(w)
		limit := answerTime
		if larger(r) > 0 {
			limit = uploadTime
		}
		_ = c.SetReadDeadline(start.Add(limit))
		_ = c.SetWriteDeadline(start.Add(limit))
		defer func() {
			p := recover()
			if p == http.ErrAbortHandler { // the answer breaks off, so that nobody takes it for whole
				defer panic(p)
			} else if p != nil {
				log.Error("a handler panicked", "method", r.Method, "host", r.Host, "path", r.URL.Path, "panic", p, "trace", trace.String(), "stack", string(debug.Stack()))
				if seen.code == 0 {
					op.ProblemOf(errors.New("panic"), slog.New(slog.DiscardHandler), "").Write(seen)
				}
			}
			m.Request(surface, max(seen.code, 200), time.Since(start))
			log.Debug("request", "surface", surface, "method", r.Method, "host", r.Host, "path", r.URL.Path, "status", seen.code, "trace", trace.String(), "took", time.Since(start))
		}()
		if r.Method == http.MethodGet && (strings.HasSuffix(r.URL.Path, "/live") || strings.HasSuffix(r.URL.Path, "/events")) {
			plain.ServeHTTP(seen, r) // a stream is not compressed: each event goes out at once
			return
		}
		next.ServeHTTP(seen, r)
	})
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// listen opens an address and serves it until ctx ends, then lets running
// requests finish.
func listen(addr string, most int, h http.Handler, log *slog.Logger) (*http.Server, *crowd, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	c := newCrowd(l, most)
	return server(h, c, log), c, nil
}

// server is what speaks HTTP/1.1 and HTTP/2, over TLS and without.
func server(h http.Handler, c *crowd, log *slog.Logger) *http.Server {
	speaks := new(http.Protocols)
	speaks.SetHTTP1(true)
	speaks.SetHTTP2(true)
	speaks.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		ConnState:         c.state,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		Protocols:         speaks,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
