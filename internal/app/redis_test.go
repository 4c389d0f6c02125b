package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"haat/internal/cache/redis"
	"haat/internal/db/dbtest"
)

func TestRedisSettings(t *testing.T) {
	for _, bad := range []string{"localhost:6379", "http://r", "redis://u:secret@:1", "redis://u:secret@h/x"} {
		cfg := settings(t, t.TempDir())
		cfg.Redis = bad
		if err := cfg.Finish(); err == nil || !strings.HasPrefix(err.Error(), "--redis: ") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Processes share their pages through a Redis: one that has just started reads
// nothing from the shops, and shows no price that was changed, whoever changed
// it. Without Redis all of it goes on.
func TestProcessesSharePages(t *testing.T) {
	server, err := redis.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	control, shard := dbtest.Postgres(t), dbtest.Postgres(t)
	another := func() *site {
		return open(t, func(c *Config) { c.Control, c.FirstShard, c.Redis = control, shard, server.URL() })
	}
	a := another()
	x := a.shop("east")
	page := x.host + "/products/" + x.has["product handle"]
	price := func(n int) string {
		a.send(call{method: "PATCH", url: x.base + "/products/" + x.has["product"], token: x.token, body: map[string]any{
			"variants": []any{map[string]any{"id": x.has["variant"], "options": []string{x.mark + " S"}, "price": inRupees(n)}},
			"options":  []any{map[string]any{"name": "Size", "values": []string{x.mark + " S"}}},
		}}).want(200)
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	there := func(s *site) {
		t.Helper()
		s.until("Redis answers", func() bool { since, _ := s.app.second.Lost(); return since.IsZero() })
	}
	status := func(r *answer) string { return r.header.Get("Cache-Status") }
	there(a)
	var b *site
	for i := range 2 {
		says := price(2000 + i)
		writes := a.app.second.Stats().Writes.Load()
		first := a.get(page, "").want(200)
		a.until("the page is in Redis", func() bool { return a.app.second.Stats().Writes.Load() > writes })
		b = another()
		there(b)
		fills := b.app.pages.Stats().Fills.Load()
		got := x.at(b).get(page, "").want(200)
		if got.body != first.body || !strings.Contains(got.body, says) || !strings.Contains(status(got), "detail=shared") || b.app.pages.Stats().Fills.Load() != fills {
			t.Errorf("a process that has just started answers by %q, with a page that is the same: %v", status(got), got.body == first.body)
		}
		if got := x.at(b).get(page, "").want(200); !strings.Contains(status(got), "hit") || strings.Contains(status(got), "shared") {
			t.Errorf("then it answers by %q", status(got))
		}
		says = price(3000 + i) // what is in Redis does not hold any more
		c := another()
		there(c)
		if got := x.at(c).get(page, "").want(200); !strings.Contains(got.body, says) || strings.Contains(status(got), "shared") {
			t.Errorf("a process that started after the change shows another price, by %q", status(got))
		}
		b.until("the other process has heard of the change", func() bool { return strings.Contains(x.at(b).get(page, "").want(200).body, says) })
	}
	findings := func() string {
		all, err := b.app.Health(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(all)
	}
	if f := findings(); !strings.Contains(f, "shared pages") || strings.Contains(f, cacheLost) {
		t.Errorf("doctor: %s", f)
	}
	server.Stop()
	says := price(5000)
	b.until("without Redis the price is right", func() bool { return strings.Contains(x.at(b).get(page, "").want(200).body, says) })
	x.at(b).order("cod")
	tick, late := time.NewTicker(100*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for len(openOf(b.app.incidents, cacheLost)) == 0 {
		select {
		case <-tick.C:
			b.app.lookNow(t.Context())
		case <-late:
			t.Fatal("a minute after Redis had gone, nobody knows")
		}
	}
	if f := findings(); !strings.Contains(f, cacheLost) || strings.Contains(f, "shared pages") {
		t.Errorf("doctor: %s", f)
	}
	if err := server.Again(); err != nil {
		t.Fatal(err)
	}
	there(b)
}
