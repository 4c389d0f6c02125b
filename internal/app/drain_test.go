package app_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/app"
	"haat/internal/db/dbtest"
)

// TestDrain takes one of two processes out of service behind a balancer that
// asks /readyz and never tries anything twice: no request fails.
func TestDrain(t *testing.T) {
	control, shard := dbtest.Postgres(t), dbtest.Postgres(t)
	change := func(c *app.Config) { c.Control, c.FirstShard, c.DrainWait = control, shard, 5*time.Second }
	both := []*served{serve(t, t.TempDir(), change), serve(t, t.TempDir(), change)}
	_, slug := both[0].merchant(t, "owner@example.org", "North")

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	ask := func(s *served, path, host string) (int, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.cfg.Listen+path, nil)
		if err != nil {
			return 0, "", err
		}
		if host != "" {
			r.Host = host
		}
		res, err := client.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	ready := [2]atomic.Bool{}
	ended := make(chan struct{})
	var work sync.WaitGroup
	for i, s := range both {
		ready[i].Store(true)
		work.Go(func() { // the balancer's look at each process
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				status, _, err := ask(s, "/readyz", "")
				ready[i].Store(err == nil && status == 200)
				select {
				case <-ended:
					return
				case <-tick.C:
				}
			}
		})
	}
	var asked, failed, last atomic.Int64 // last: answers of the one that drains, once it says so
	for n := range 4 {
		work.Go(func() {
			for turn := n; ; turn++ {
				select {
				case <-ended:
					return
				default:
				}
				i := turn % 2
				if !ready[i].Load() {
					i = 1 - i
				}
				path := []string{"/", "/cart"}[turn/2%2]
				status, body, err := ask(both[i], path, slug+".haat.test")
				if asked.Add(1); err != nil || status != 200 {
					failed.Add(1)
					t.Errorf("process %d: %d %v %.200s", i, status, err, body)
				}
				if i == 0 {
					last.Add(1)
				}
			}
		})
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		late := time.After(time.Minute)
		for !is() {
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("waited for a minute until %s", what)
			}
		}
	}
	wait("both answer", func() bool { return asked.Load() > 40 && last.Load() > 10 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); both[0].stop() }()
	wait("it says that it drains", func() bool {
		status, body, err := ask(both[0], "/readyz", "")
		return err == nil && status == 503 && strings.Contains(body, "draining")
	})
	if status, _, err := ask(both[0], "/", slug+".haat.test"); err != nil || status != 200 {
		t.Errorf("while it drains it answers %d, %v", status, err)
	}
	<-stopped
	before := asked.Load()
	wait("the other goes on", func() bool { return asked.Load() > before+40 })
	close(ended)
	work.Wait()
	t.Logf("%d requests, %d failed", asked.Load(), failed.Load())

	all, err := both[1].Processes(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("still listed: %v, %v", all, err)
	}
	wait("the other has all leases", func() bool {
		all, err := both[1].Processes(t.Context())
		return err == nil && len(all) == 1 && len(all[0].Leases) == 5
	})
}
