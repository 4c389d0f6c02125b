package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var kinds = []Kind{
	{Name: "disk-full", Severity: Critical, Means: "No room.", Next: "Make room."},
	{Name: "slow", Severity: Warning, Means: "Slow.", Next: "Wait.", Quiet: time.Minute, Grace: 10 * time.Minute},
}

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func register(t *testing.T) (*Incidents, *clock) {
	t.Helper()
	r, c := NewIncidents(slog.New(slog.DiscardHandler), kinds...), &clock{time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
	r.now, r.start = c.now, c.at
	return r, c
}

func said(all []Incident) string {
	var s []string
	for _, i := range all {
		s = append(s, i.Name+" "+i.Subject)
	}
	return strings.Join(s, ", ")
}

func TestWhatIsSeenIsOpenUntilItIsNot(t *testing.T) {
	r, c := register(t)
	began := c.at.Add(-time.Hour)
	r.See("slow", []Sighting{{Subject: "s2", Since: began}})
	for range 3 { // again and again is once
		c.at = c.at.Add(5 * time.Second)
		r.See("disk-full", []Sighting{{Subject: "s1", Detail: "0 bytes"}, {Subject: "s2"}})
		r.See("slow", []Sighting{{Subject: "s2"}})
	}
	open := r.Open()
	if said(open) != "disk-full s1, disk-full s2, slow s2" {
		t.Fatalf("open: %s", said(open))
	}
	if i := open[0]; i.Times != 1 || !i.Since.Equal(c.at.Add(-10*time.Second)) || !i.LastSeen.Equal(c.at) || i.Detail != "0 bytes" || i.Means != "No room." || i.Next != "Make room." || i.Severity != Critical {
		t.Errorf("%+v", i)
	}
	if !open[2].Since.Equal(began) {
		t.Errorf("it began at %v, not %v", open[2].Since, began)
	}
	r.See("disk-full", []Sighting{{Subject: "s2"}})
	r.See("slow", nil) // for less than its quiet time
	if said(r.Open()) != "disk-full s2, slow s2" || said(r.Past()) != "disk-full s1" {
		t.Errorf("open: %s; past: %s", said(r.Open()), said(r.Past()))
	}
	c.at = c.at.Add(time.Minute)
	r.See("slow", nil)
	r.Resolve("disk-full", "s2")
	r.Resolve("disk-full", "s2")
	r.Resolve("disk-full", "never was")
	if past := r.Past(); len(r.Open()) != 0 || said(past) != "disk-full s2, slow s2, disk-full s1" || !past[0].Resolved.Equal(c.at) {
		t.Errorf("open: %s; past: %s", said(r.Open()), said(past))
	}
}

// What comes back within minutes is the same incident; later it is a new one.
func TestWhatComesBackIsTheSame(t *testing.T) {
	r, c := register(t)
	first := c.at
	for range 3 {
		r.Raise("disk-full", Sighting{Subject: "s1"})
		c.at = c.at.Add(comesBack)
		r.Resolve("disk-full", "s1")
		c.at = c.at.Add(comesBack)
	}
	if past := r.Past(); len(past) != 1 || past[0].Times != 3 || !past[0].Since.Equal(first) {
		t.Errorf("%+v", past)
	}
	c.at = c.at.Add(time.Second)
	r.Raise("disk-full", Sighting{Subject: "s1"})
	if i := r.Open()[0]; i.Times != 1 || !i.Since.Equal(c.at) || len(r.Past()) != 1 {
		t.Errorf("%+v, and %s", i, said(r.Past()))
	}
}

func TestTheRegisterIsBounded(t *testing.T) {
	r, c := register(t)
	var many []Sighting
	for i := range 3 * mostOpen {
		many = append(many, Sighting{Subject: fmt.Sprintf("shop%03d", i)})
	}
	r.See("disk-full", many[2*mostOpen:2*mostOpen+10])
	r.See("disk-full", many)
	open := said(r.Open())
	if n := len(r.Open()); n != mostOpen+1 || !strings.Contains(open, "shop100") || !strings.Contains(open, "shop000") || !strings.Contains(open, "disk-full others") {
		t.Errorf("%d open: %s", n, open)
	}
	for i := range 3 * mostOpen {
		r.Raise("slow", Sighting{Subject: fmt.Sprint(i), Detail: strings.Repeat("ä", 5000)})
	}
	if n := r.count("slow"); n != mostOpen+1 {
		t.Errorf("%d of those raised one by one are told apart", n)
	}
	for _, i := range r.Open() {
		if len(i.Detail) > 610 || strings.ContainsRune(i.Detail, '�') {
			t.Fatalf("a detail of %d bytes: %q", len(i.Detail), i.Detail[590:])
		}
	}
	for i := range 2 * mostPast {
		r.Raise("disk-full", Sighting{Subject: fmt.Sprint("x", i)})
		r.Resolve("disk-full", fmt.Sprint("x", i))
		r.See("disk-full", nil)
		c.at = c.at.Add(time.Second)
	}
	if n := len(r.Past()); n != mostPast {
		t.Errorf("%d are remembered", n)
	}
}

// What is open is open after the program died, with the time when it began; a
// look that does not find it resolves it, once its absence means something.
func TestTheRegisterSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	r, c := register(t)
	if err := r.Remember(path); err != nil {
		t.Fatal(err)
	}
	began := c.at
	r.Raise("disk-full", Sighting{Subject: "s1"})
	r.Raise("slow", Sighting{Subject: "a"})
	r.Raise("slow", Sighting{Subject: "b"})
	r.Resolve("slow", "b")
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	again, c := register(t)
	c.at = c.at.Add(time.Hour)
	again.start = c.at
	if err := again.Remember(path); err != nil {
		t.Fatal(err)
	}
	if said(again.Open()) != "disk-full s1, slow a" || said(again.Past()) != "slow b" {
		t.Fatalf("open: %s; past: %s", said(again.Open()), said(again.Past()))
	}
	again.See("disk-full", []Sighting{{Subject: "s1"}})
	again.See("slow", nil)
	if i := again.Open(); said(i) != "disk-full s1, slow a" || !i[0].Since.Equal(began) || i[0].Times != 1 || !i[0].LastSeen.Equal(c.at) {
		t.Errorf("a moment after the start: %+v", i)
	}
	c.at = c.at.Add(11 * time.Minute)
	again.See("disk-full", nil)
	again.See("slow", nil)
	if said(again.Open()) != "" || said(again.Past()) != "slow a, disk-full s1, slow b" {
		t.Errorf("open: %s; past: %s", said(again.Open()), said(again.Past()))
	}
}

// A register that is damaged, or knows what this program does not, fails no
// start.
func TestAStrangeRegister(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	if err := os.WriteFile(path, []byte(`{"open":[{"name":"of-old","subject":"x","since":"2026-01-01T00:00:00Z"}],"past":[{"name":"slow"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := register(t)
	if err := r.Remember(path); err != nil || said(r.Open()) != "" || said(r.Past()) != "of-old x" {
		t.Errorf("%v; open: %s; past: %s", err, said(r.Open()), said(r.Past()))
	}
	if err := os.WriteFile(path, []byte(`{"open":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ = register(t)
	if err := r.Remember(path); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || string(kept) != `{"open":[` {
		t.Errorf("the damaged file: %q, %v", kept, err)
	}
	r.Raise("disk-full", Sighting{Subject: "s1"})
	if err := r.Save(); err != nil {
		t.Errorf("writing anew: %v", err)
	}
}

// Changes are written down by themselves, also once a disk that took nothing
// takes something again.
func TestChangesAreWrittenDown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not yet")
	r, _ := register(t)
	if err := r.Remember(filepath.Join(dir, "incidents.json")); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("without a folder: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { r.Keep(ctx) })
	r.Raise("disk-full", Sighting{Subject: "s1"})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if b, err := os.ReadFile(filepath.Join(dir, "incidents.json")); err == nil && strings.Contains(string(b), "disk-full") {
			break
		}
	}
	cancel()
	done.Wait()
}

// Many watch, look and write at once; what is seen in the end is what stands,
// and every coming and going was counted.
func TestManyUseTheRegister(t *testing.T) {
	r, _ := register(t)
	if err := r.Remember(filepath.Join(t.TempDir(), "incidents.json")); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 8, 200
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			subject := fmt.Sprint("shard", w)
			for range rounds {
				r.Raise("disk-full", Sighting{Subject: subject})
				r.Raise("disk-full", Sighting{Subject: subject})
				r.Resolve("disk-full", subject)
				r.Resolve("disk-full", subject)
			}
			r.Raise("disk-full", Sighting{Subject: subject})
		})
	}
	for range 2 {
		all.Go(func() {
			for range 20 {
				if err := r.Save(); err != nil {
					t.Error(err)
				}
				r.Past()
			}
		})
	}
	all.Wait()
	if n := len(r.Open()); n != writers || r.total["disk-full"] != writers*(rounds+1) {
		t.Errorf("%d are open, and %d were counted", n, r.total["disk-full"])
	}
	for _, i := range r.Open() {
		if i.Times != rounds+1 {
			t.Errorf("%s came up %d times", i.Subject, i.Times)
		}
	}
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	again, _ := register(t)
	if err := again.Remember(r.file.path); err != nil || said(again.Open()) != said(r.Open()) {
		t.Errorf("written down: %s, %v", said(again.Open()), err)
	}
}

func TestIncidentMetrics(t *testing.T) {
	m := New()
	r, _ := register(t)
	m.Incidents(r)
	says := func(lines ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for _, line := range lines {
			if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
				t.Errorf("the metrics do not say %s", line)
			}
		}
		if strings.Contains(w.Body.String(), "s1") {
			t.Error("a subject is a label")
		}
	}
	says(`haat_incident_open{name="disk-full"} 0`, `haat_incident_open{name="slow"} 0`, `haat_incidents_total{name="slow"} 0`)
	r.See("disk-full", []Sighting{{Subject: "s1"}, {Subject: "s2"}})
	says(`haat_incident_open{name="disk-full"} 2`, `haat_incidents_total{name="disk-full"} 2`, `haat_incident_since_seconds{name="disk-full"} 1.7954892e+09`)
	r.See("disk-full", nil)
	says(`haat_incident_open{name="disk-full"} 0`, `haat_incidents_total{name="disk-full"} 2`)
}
