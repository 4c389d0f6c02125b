package bench

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A load at a fixed rate sees an answer that is late, and what waited behind it.
func TestOpenLoadSeesErrorsAndRate(t *testing.T) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if r.Host != "a.haat.test" {
			t.Errorf("host %q", r.Host)
		}
	}))
	defer s.Close()
	got := open(200, 500*time.Millisecond, 4, func() ask { return ask{host: "a.haat.test", path: "/"} }, strings.TrimPrefix(s.URL, "http://"))
	if got.n != 100 || got.bad != 10 || got.p50 <= 0 || got.p99 < got.p50 {
		t.Errorf("%+v", got)
	}
}

func TestClosedLoadCountsAndStopsAtAnError(t *testing.T) {
	var ran atomic.Int64
	s, err := times(t.Context(), 8, 1000, func(context.Context, int, int64) error { ran.Add(1); return nil })
	if err != nil || s.n != 1000 || ran.Load() != 1000 {
		t.Errorf("%+v of %d, %v", s, ran.Load(), err)
	}
	broken := errors.New("broken")
	if _, err := times(t.Context(), 8, 1<<40, func(_ context.Context, _ int, n int64) error {
		if n == 100 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
}

func TestResultAsTableAndChart(t *testing.T) {
	r := Result{Name: "page-hit", Target: "fast & good", Noisy: true, Rows: []Row{{Label: "haat <1>", Rate: 104587, P50: 0.08, P99: 1.5, Ratio: 1.21, Of: "nginx"}, {Label: "nginx", Rate: 86722}}}
	for _, want := range []string{"104,587", "1.21 of nginx", "NOISY", "86,722"} {
		if !strings.Contains(r.table(), want) {
			t.Errorf("no %q in\n%s", want, r.table())
		}
	}
	d, bars := xml.NewDecoder(strings.NewReader(r.chart())), 0
	for {
		x, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := x.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // the paper and two bars
		t.Errorf("%d rectangles", bars)
	}
}
