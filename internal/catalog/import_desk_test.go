package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
)

// withImages is a file of one product with n images of a host.
func withImages(host string, n int) []byte {
	var b strings.Builder
	b.WriteString("Handle,Title,Price,Image Src\nmug,Mug,1,\n")
	for i := range n {
		fmt.Fprintf(&b, "mug,,,https://%s.example/%d.jpg\n", host, i)
	}
	return []byte(b.String())
}

// A host that never answers holds up neither other shops' images nor anybody's
// rows, and no shop has more than its share of the slots.
func TestASlowHostHoldsUpNobody(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		second, secondBy := open(t, f, "second")
		third, thirdBy := open(t, f, "third")
		let, begun := make(chan struct{}), make(chan string, 100)
		var mu sync.Mutex
		now, most, all := map[id.Shop]int{}, map[id.Shop]int{}, 0
		m := importer(t, f, func(c *catalog.ImporterConfig) {
			c.Fetch = func(ctx context.Context, s id.Shop, url string) (media.Image, error) {
				count := func(d int) {
					mu.Lock()
					defer mu.Unlock()
					now[s] += d
					sum := 0
					for _, n := range now {
						sum += n
					}
					most[s], all = max(most[s], now[s]), max(all, sum)
				}
				count(1)
				defer count(-1)
				begun <- url
				if strings.Contains(url, "//slow.") {
					select {
					case <-let:
					case <-ctx.Done():
						return media.Image{}, ctx.Err()
					}
				}
				return drawn(url), nil
			}
		})
		slow := begin(t, m, room, by, withImages("slow", 20), false)
		for range 3 { // its share is stuck
			<-begun
		}
		if got := until(t, second, begin(t, m, second, secondBy, withImages("quick", 7), false), fetched); got.Images.Done != 7 {
			t.Errorf("beside a slow host: %+v", got)
		}
		if got := runImport(t, m, room, by, []byte("Handle,Title,Price\npen,Pen,1\n"), false); got.Products.Created != 1 {
			t.Errorf("rows of the same shop: %+v", got)
		}
		if got := until(t, third, begin(t, m, third, thirdBy, withImages("quick", 5), false), fetched); got.Images.Done != 5 {
			t.Errorf("the third: %+v", got)
		}
		close(let)
		if got := until(t, room, slow, fetched); got.Images.Done != 20 {
			t.Errorf("when the host answers: %+v", got)
		}
		mu.Lock()
		defer mu.Unlock()
		for s, n := range most {
			if n > 3 {
				t.Errorf("shop %v had %d images under way at once", s, n)
			}
		}
		if all > 6 {
			t.Errorf("%d images under way at once", all)
		}
	})
}

// A shop that cannot be reached is tried again; the others go on meanwhile.
func TestABadRoomStopsNobody(t *testing.T) {
	for name, trouble := range map[string]error{
		"broken": errors.New("the disk is on fire"),
		"moving": fault.Busy(time.Second, "The shop is being moved. Try again in a moment.").With("moving"),
	} {
		t.Run(name, func(t *testing.T) {
			opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
				other, them := open(t, f, "other")
				var bad atomic.Bool
				var tries atomic.Int64
				bad.Store(true)
				m := importer(t, f, func(c *catalog.ImporterConfig) {
					c.Fetch = func(_ context.Context, _ id.Shop, url string) (media.Image, error) { return drawn(url), nil }
					c.Rooms = func(ctx context.Context, s id.Shop) (*fleet.Room, error) {
						if s == room.Shop() && bad.Load() {
							tries.Add(1)
							return nil, trouble
						}
						return f.ByID(ctx, s)
					}
				})
				imp := begin(t, m, room, by, withImages("x", 2), false)
				for i := range 3 {
					got := until(t, other, begin(t, m, other, them, withImages("x", i+1), false), fetched)
					if got.Status != catalog.ImportDone || got.Images.Failed != 0 {
						t.Errorf("%+v", got)
					}
				}
				if got := until(t, room, imp, func(catalog.Import) bool { return tries.Load() > 2 }); got.Status != catalog.ImportQueued {
					t.Errorf("%+v", got)
				}
				until(t, room, imp, func(catalog.Import) bool {
					all := m.Failing()
					return len(all) == 1 && all[0].Shop == room.Shop() && all[0].Failures > 2 && errors.Is(all[0].Err, trouble) && time.Since(all[0].Since) < time.Minute
				})
				bad.Store(false)
				if got := until(t, room, imp, fetched); got.Status != catalog.ImportDone || got.Images.Done != 2 {
					t.Errorf("after %d tries: %+v", tries.Load(), got)
				}
				until(t, room, imp, func(catalog.Import) bool { return len(m.Failing()) == 0 })
			})
		})
	}
}

// A shop that begins to move in the middle of an import leaves it running and
// its file where it is; afterwards the import ends as if nothing had been.
func TestAnImportWaitsWhileItsShopMoves(t *testing.T) {
	onFences(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller, fence func(open bool)) {
		var pauses atomic.Int64
		m := newImporter(t, f, t.TempDir(), func(c *catalog.ImporterConfig) {
			c.ShopPause = func(int) time.Duration { pauses.Add(1); return time.Millisecond }
		})
		const products = 600
		var file strings.Builder
		file.WriteString("Handle,Title,Price\n")
		for i := range products {
			fmt.Fprintf(&file, "p-%d,Product %d,1\n", i, i)
		}
		imp := begin(t, m, room, by, []byte(file.String()), false)
		work(t, m)
		until(t, room, imp, func(i catalog.Import) bool { return i.RowsDone > 0 })
		fence(false)
		got := until(t, room, imp, func(catalog.Import) bool { return pauses.Load() > 1 })
		if got.Status != catalog.ImportRunning || got.Failure != "" || got.RowsDone >= got.Rows {
			t.Fatalf("while it moves: %+v", got)
		}
		fence(true)
		if got := until(t, room, imp, ended); got.Status != catalog.ImportDone || got.Products.Created != products || got.RowsDone != products || got.Errors != 0 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

var (
	setState = db.C(`UPDATE shop_clock SET state = $1`)
	// On PostgreSQL nobody sees a shop's rows without it, however connected.
	enterShop = db.C(`SELECT set_config('haat.shop', $1::bigint::text, true)`)
)

// onFences runs fn on each engine with a way to close the shop, as a move
// does, and to open it again.
func onFences(t *testing.T, fn func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller, fence func(open bool))) {
	run := func(t *testing.T, f *fleet.Fleet, shard func(*fleet.Room) string) {
		room, by := open(t, f, "test")
		side, err := db.OpenControl(t.Context(), shard(room), db.SQLiteOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { side.Close() })
		fn(t, f, room, by, func(open bool) {
			t.Helper()
			state := map[bool]string{true: "open", false: "moving"}[open]
			if err := side.Change(t.Context(), func(tx *db.ControlTx) error {
				if f.Shard(room.Shard()).Engine() == "postgres" {
					if _, err := tx.Exec(t.Context(), enterShop, int64(room.Entry().Shop)); err != nil {
						return err
					}
				}
				_, err := tx.Exec(t.Context(), setState, state)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		f := fleettest.OpenFleet(t, dir, filepath.Join(dir, "control.db"), "", schemas, nil)
		run(t, f, func(r *fleet.Room) string { return filepath.Join(dir, r.Shard()+".db") })
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := dbtest.Postgres(t)
		f := fleettest.OpenFleet(t, t.TempDir(), dbtest.Postgres(t), dsn, schemas, nil)
		run(t, f, func(*fleet.Room) string { return dsn })
	})
}
