package fleet_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// BenchmarkByHost looks hosts up that are drawn evenly from all there are:
// those of the data folder that HAAT_FOLDER names, which no server has open,
// or of a directory of 20,000. Kept are as many as the first draw found;
// forgotten are those that are looked up in the control database.
func BenchmarkByHost(b *testing.B) {
	for _, cached := range []int{100_000, 1_000} {
		b.Run(fmt.Sprintf("cache of %d", cached), func(b *testing.B) {
			f, slugs := directory(b, cached)
			hosts := make([]string, 200_000)
			for i := range hosts {
				hosts[i] = slugs[rand.IntN(len(slugs))] + "." + f.Domain() + ":8080"
			}
			look := func(host string) {
				if _, err := f.ByHost(b.Context(), host); err != nil {
					b.Fatal(err)
				}
			}
			for _, h := range hosts {
				look(h)
			}
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				look(hosts[rand.IntN(len(hosts))])
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			slices.Sort(took)
			at := func(q float64) float64 {
				return float64(took[min(len(took)-1, int(q*float64(len(took))))].Nanoseconds()) / 1000
			}
			b.ReportMetric(float64(len(slugs)), "shops")
			b.ReportMetric(at(0.5), "p50-µs")
			b.ReportMetric(at(0.99), "p99-µs")
			b.ReportMetric(at(0.999), "p99.9-µs")
		})
	}
}

func directory(b *testing.B, cached int) (*fleet.Fleet, []string) {
	b.Helper()
	ctx := b.Context()
	dir := os.Getenv("HAAT_FOLDER")
	fresh := dir == ""
	if fresh {
		dir = b.TempDir()
	}
	control, err := db.OpenControl(ctx, filepath.Join(dir, "control.db"), db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		b.Fatal(err)
	}
	shards := filepath.Join(dir, "shards")
	f, err := fleet.OpenFleet(ctx, fleet.Config{Control: control, Dir: shards, Cached: cached, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := f.Close(); err != nil {
			b.Error(err)
		}
		if err := control.Close(); err != nil {
			b.Error(err)
		}
	})
	for from := 0; fresh && from < 20_000; from += 1000 {
		if _, err := f.Load(ctx, plainShops(from, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	var slugs []string
	for before := id.Shop(0); ; {
		page, err := f.List(ctx, before, "", 1000)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range page {
			slugs, before = append(slugs, e.Slug), e.Shop
		}
		if len(page) < 1000 {
			return f, slugs
		}
	}
}

// plainShops are shops that have nothing but a name.
func plainShops(from, n int) (out []fleet.Filling) {
	for i := from; i < from+n; i++ {
		at := time.Unix(1_750_000_000+int64(i), 0)
		out = append(out, fleet.Filling{
			Filling: db.Filling{Shop: id.ShopAt(at, uint32(i)), Made: at, Fill: func(*db.Tx) error { return nil }},
			Slug:    fmt.Sprint("shop-", i), Name: "x", Own: func(*db.ControlTx) error { return nil },
		})
	}
	return out
}
