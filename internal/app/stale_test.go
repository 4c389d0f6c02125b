package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"haat/internal/cache"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/meter"
)

type repainted struct{ Thing string }

func (repainted) Topic() string    { return "test.repainted" }
func (r repainted) Key() string    { return r.Thing }
func (r repainted) Tags() []string { return []string{"other:" + r.Thing, "thing:" + r.Thing} }

// A page that is shown after what it shows was changed is found out, measured and
// named if the news of changes is kept away; if they come, none is.
func TestPagesThatAreTooOldAreFound(t *testing.T) {
	for _, told := range []bool{true, false} {
		t.Run(map[bool]string{true: "told", false: "deaf"}[told], func(t *testing.T) {
			fleettest.EachFleet(t, []*db.SchemaSet{event.Schema}, nil, func(t *testing.T, f *fleet.Fleet) {
				a := bare(f)
				a.meter = meter.New()
				a.sampler = a.newSampler(cache.SamplerOptions{Every: time.Microsecond, Bound: time.Microsecond})
				pages := cache.New[string](cache.Options[string]{Bytes: 1 << 20, TTL: time.Hour, Sample: a.sampler})
				if told {
					f.OnCommit(pages.Commit)
				}
				ctx, stop := context.WithCancel(t.Context())
				ran := make(chan struct{})
				go func() { defer close(ran); a.sampler.Run(ctx) }()
				defer func() { stop(); <-ran }()
				room := fleettest.NewShop(t, f, "aalto")
				stats := a.sampler.Stats()
				sampled := func() int64 { return stats.Fresh.Load() + stats.Stale.Load() + stats.Unknown.Load() }
				page := func() (how cache.Outcome) {
					t.Helper()
					_, how, err := pages.Fetch(t.Context(), cache.Key{Shop: room.Shop(), Name: "/"}, func(ctx context.Context) (got cache.Filled[string], err error) {
						err = room.View(ctx, fleet.Newest, func(r db.Reader) error { got.Mark = r.Mark(); return nil })
						got.Tags = []string{"thing:vase", "shop"}
						return got, err
					})
					if err != nil {
						t.Fatal(err)
					}
					return how
				}
				hit := func() {
					t.Helper()
					page()
					n := sampled()
					if how := page(); how != cache.Hit {
						t.Fatalf("a page that was just made is a %v", how)
					}
					until(t, "the page is looked at", func() bool { return sampled() > n })
				}
				repaint := func(thing string) {
					t.Helper()
					if _, err := room.Change(t.Context(), func(tx *db.Tx) error { return event.Emit(t.Context(), tx, repainted{thing}) }); err != nil {
						t.Fatal(err)
					}
				}
				repaint("bowl")
				hit()
				repaint("bowl") // which the page does not show
				hit()
				if n := stats.Fresh.Load(); n != sampled() || n < 2 {
					t.Fatalf("%d of %d pages were fresh before anything on them changed", n, sampled())
				}
				repaint("vase")
				hit()
				if err := a.watchStale(t.Context()); err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				a.meter.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				said, err := io.ReadAll(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if told {
					reported(t, a.incidents, pagesStale, "")
					if n := stats.Stale.Load() + stats.Unknown.Load(); n != 0 || !strings.Contains(string(said), `haat_cache_sampled_total{result="stale"} 0`) {
						t.Errorf("%d pages were stale or unknown though every change was told", n)
					}
					return
				}
				reported(t, a.incidents, pagesStale, "was shown", "pages")
				if stats.Stale.Load() == 0 || a.sampler.Worst().Stale <= 0 || a.sampler.Worst().Key.Name != "/" ||
					strings.Contains(string(said), `haat_cache_sampled_total{result="stale"} 0`) || !strings.Contains(string(said), `haat_cache_staleness_seconds_bucket{le="0.15"}`) {
					t.Errorf("nobody saw that the page is old: %d stale, %+v\n%s", stats.Stale.Load(), a.sampler.Worst(), said)
				}
			})
		})
	}
}

// until waits for something to be so, for a minute at most.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
