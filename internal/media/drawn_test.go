package media

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"haat/internal/fault"
	"haat/internal/id"
)

// drawings makes a library with n drawn pictures, 700 pixels wide, which shops
// 7 and 8 have. Each drawing takes until it may pass the gate.
func drawings(t *testing.T, n int, gate func()) (l *Library, hashes []string, dir string, drawn, most *atomic.Int64) {
	d, dir := disk(t)
	l, drawn, most = NewLibrary(d, 2), new(atomic.Int64), new(atomic.Int64)
	var now atomic.Int64
	known := map[string]bool{}
	for i := range n {
		hashes = append(hashes, Hash(fmt.Append(nil, "drawn", i)))
		known[hashes[i]] = true
	}
	l.Draw(Drawing{
		ByHash: func(hash string) (Image, func(int) image.Image, bool) {
			m := Image{Hash: hash, Width: 700, Height: 350, Placeholder: "#aabbcc"}
			return m, func(w int) image.Image {
				drawn.Add(1)
				k := now.Add(1)
				defer now.Add(-1)
				for m := most.Load(); k > m && !most.CompareAndSwap(m, k); m = most.Load() {
				}
				gate()
				return quarters(w, m.Fit(w))
			}, known[hash]
		},
		Has: func(_ context.Context, shop id.Shop, _ string) (bool, error) { return shop == 7 || shop == 8, nil },
	})
	return l, hashes, dir, drawn, most
}

func read(t *testing.T, l *Library, shop id.Shop, hash string, width int) string {
	t.Helper()
	r, _, err := l.Open(t.Context(), shop, hash, width)
	if err != nil {
		t.Errorf("width %d of shop %v: %v", width, shop, err)
		return ""
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// However many ask for a picture, in however many shops, it is drawn once: for
// those who wait, and after that it is there, also for the next process.
func TestAPictureIsDrawnOnceForAllWhoAsk(t *testing.T) {
	gate := make(chan struct{})
	l, hashes, dir, drawn, _ := drawings(t, 1, func() { <-gate })
	got := make([]string, 400)
	var wg, asked sync.WaitGroup
	asked.Add(len(got))
	for i := range got {
		wg.Go(func() {
			asked.Done()
			got[i] = read(t, l, id.Shop(7+i%2), hashes[0], 320)
		})
	}
	asked.Wait()
	close(gate)
	wg.Wait()
	for i := range got {
		if got[i] == "" || got[i] != got[0] {
			t.Fatalf("asker %d got %d bytes, the first %d", i, len(got[i]), len(got[0]))
		}
	}
	again, _, _, _, _ := drawings(t, 1, func() {})
	again.drawing = l.drawing
	d, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	again.drawing.Keep = d
	if read(t, again, 8, hashes[0], 320) != got[0] || drawn.Load() != 1 {
		t.Errorf("drawn %d times", drawn.Load())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "drawn", "*", "*"))
	if len(files) != 1 {
		t.Errorf("kept as %v", files)
	}
}

// Strangers cannot have pictures drawn: not those of another shop, not in
// other widths than there are, not under addresses that nobody drew.
func TestOnlyAShopsOwnPicturesAreDrawn(t *testing.T) {
	l, hashes, _, drawn, _ := drawings(t, 1, func() {})
	for _, c := range []struct {
		shop  id.Shop
		hash  string
		width int
	}{{9, hashes[0], 320}, {7, hashes[0], 321}, {7, hashes[0], 1439}, {7, Hash([]byte("drawn elsewhere")), 320}} {
		if _, _, err := l.Open(t.Context(), c.shop, c.hash, c.width); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if drawn.Load() != 0 {
		t.Errorf("%d were drawn", drawn.Load())
	}
	if m, ok, err := l.Find(t.Context(), 7, hashes[0]); err != nil || !ok || m.Width != 700 {
		t.Errorf("a shop does not find its own: %+v, %v, %v", m, ok, err)
	}
	if _, ok, _ := l.Find(t.Context(), 9, hashes[0]); ok {
		t.Error("another shop finds it")
	}
	// Beyond its own width it is given in that, and drawn once for both.
	if read(t, l, 7, hashes[0], 1440) != read(t, l, 7, hashes[0], 700) || drawn.Load() != 1 {
		t.Errorf("drawn %d times", drawn.Load())
	}
}

// Two are drawn at once and few wait; whoever leaves takes nothing from the
// others.
func TestFewPicturesAreDrawnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		l, hashes, _, drawn, most := drawings(t, maxDrawings+3, func() { <-gate })
		ctx, cancel := context.WithCancel(t.Context())
		var busy, left atomic.Int64
		var wg sync.WaitGroup
		for i, h := range hashes {
			wg.Go(func() {
				mine := t.Context()
				if i == 0 {
					mine = ctx
				}
				r, _, err := l.Open(mine, 7, h, 160)
				switch {
				case err == nil:
					r.Close()
				case fault.Is(err, fault.KindBusy):
					busy.Add(1)
				case errors.Is(err, context.Canceled):
					left.Add(1)
				default:
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if busy.Load() != 3 || drawn.Load() != 2 {
			t.Errorf("%d were told to come back and %d begun", busy.Load(), drawn.Load())
		}
		stays := make(chan string)
		go func() { stays <- read(t, l, 8, hashes[0], 160) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		if got := <-stays; got == "" || left.Load() != 1 || most.Load() != 2 || drawn.Load() != maxDrawings {
			t.Errorf("%d bytes; %d left, %d at once, %d drawn", len(got), left.Load(), most.Load(), drawn.Load())
		}
	})
}

// What goes wrong with one drawing ends neither the program nor the next try;
// what cannot be kept is shown all the same.
func TestADrawingThatFails(t *testing.T) {
	bad := true
	l, hashes, dir, drawn, _ := drawings(t, 1, func() {
		if bad {
			panic("a slip of the pen")
		}
	})
	if _, _, err := l.Open(t.Context(), 7, hashes[0], 160); err == nil {
		t.Error("a picture came of a panic")
	}
	bad = false
	l.While(func() error { return errors.New("the disk is full") })
	for range 2 {
		if read(t, l, 7, hashes[0], 160) == "" {
			t.Error("no picture")
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "drawn")); err == nil || drawn.Load() != 3 {
		t.Errorf("kept where there is no room, or drawn %d times", drawn.Load())
	}
}
