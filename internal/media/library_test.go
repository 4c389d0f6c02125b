package media

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"haat/internal/fault"
	"haat/internal/id"
)

func disk(t *testing.T) (*Disk, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "media")
	d, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, dir
}

func TestAddingTwiceWorksOnce(t *testing.T) {
	ctx := context.Background()
	d, _ := disk(t)
	l := NewLibrary(d, 2)
	worked := 0
	l.process = func(ctx context.Context, f facts, data []byte) (Image, []Rendition, error) {
		worked++
		return f.process(ctx, data)
	}
	shop, other := id.NewShop(), id.NewShop()
	in := jpegOf(t, quarters(700, 300))
	a, err := l.Add(ctx, shop, in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewLibrary(d, 1).Add(ctx, shop, in) // as after a restart
	if err != nil || a != b {
		t.Fatalf("%+v, then %+v, %v", a, b, err)
	}
	if b, err = l.Add(ctx, shop, in); err != nil || a != b || worked != 1 {
		t.Fatalf("worked %d times, %v", worked, err)
	}
	for _, w := range a.Widths() {
		r, at, err := l.Open(ctx, shop, a.Hash, w)
		if err != nil || at.IsZero() {
			t.Fatalf("width %d: %v", w, err)
		}
		body, _ := io.ReadAll(r)
		r.Close()
		if !bytes.HasPrefix(body, []byte("RIFF")) {
			t.Errorf("width %d is no WebP", w)
		}
	}
	for _, c := range []struct {
		shop  id.Shop
		hash  string
		width int
	}{{other, a.Hash, 160}, {shop, a.Hash, 161}, {other, a.Hash, 960}, {shop, "../" + a.Hash[3:], 160}, {shop, strings.ToUpper(a.Hash), 160}} {
		if _, _, err := l.Open(ctx, c.shop, c.hash, c.width); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	// It is 700 pixels wide: what is asked for beyond that is its widest.
	size := func(width int) int64 {
		r, _, err := l.Open(ctx, shop, a.Hash, width)
		if err != nil {
			t.Fatalf("width %d: %v", width, err)
		}
		defer r.Close()
		n, _ := r.Seek(0, io.SeekEnd)
		return n
	}
	if size(1440) != size(700) || size(960) == size(640) {
		t.Error("a width beyond the picture's is not its widest")
	}
	if _, ok, _ := l.Find(ctx, other, a.Hash); ok {
		t.Error("another shop found the picture")
	}
	if err := l.Remove(ctx, shop, a.Hash); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Open(ctx, shop, a.Hash, 160); !fault.Is(err, fault.KindNotFound) {
		t.Error("removed, and still there")
	}
}

func TestAtMostTwoAreWorkedOnAtOnce(t *testing.T) {
	in := make([][]byte, 20)
	for i := range in {
		in[i] = pngOf(t, quarters(20+i, 20))
	}
	d, _ := disk(t)
	synctest.Test(t, func(t *testing.T) {
		l := NewLibrary(d, 0)
		gate := make(chan struct{})
		var now, most atomic.Int64
		l.process = func(ctx context.Context, f facts, data []byte) (Image, []Rendition, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-gate
			return Image{Hash: Hash(data), Width: f.width, Height: f.height}, nil, nil
		}
		var wg sync.WaitGroup
		for i := range in {
			wg.Go(func() {
				if _, err := l.Add(t.Context(), 7, in[i]); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if now.Load() != 2 {
			t.Errorf("%d at work, want 2", now.Load())
		}
		// One that waits leaves when its caller does.
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := l.Add(ctx, 8, in[0])
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; err == nil {
			t.Error("a cancelled upload went on waiting")
		}
		// Too many bytes waiting: come back later.
		l.pending.Add(maxPending)
		if _, err := l.Add(t.Context(), 9, in[0]); !fault.Is(err, fault.KindBusy) {
			t.Errorf("flooded: %v", err)
		}
		l.pending.Add(-maxPending)
		close(gate)
		wg.Wait()
		if most.Load() != 2 || l.pending.Load() != 0 {
			t.Errorf("%d at once, %d bytes still counted", most.Load(), l.pending.Load())
		}
	})
}

func TestKeysStayInside(t *testing.T) {
	ctx := context.Background()
	d, dir := disk(t)
	outside := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(dir, "se")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", ".", "..", "../secret", "/etc/passwd", "a/../../secret", "a//b", "shop/", "shop/.x", "x", "a\\b", "a\x00b", "A/B", "..%2fsecret", ".drafts/ab", "secret", strings.Repeat("a", 300)} {
		if err := d.Put(ctx, key, []byte("x")); err == nil {
			t.Errorf("Put took %q", key)
		}
		if r, _, err := d.Open(ctx, key); err == nil {
			r.Close()
			t.Errorf("Open took %q", key)
		}
		d.Delete(ctx, key)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "secret" {
		t.Errorf("the file outside is now %q, %v", b, err)
	}
}

func TestDiskPutsWholeBlobs(t *testing.T) {
	ctx := context.Background()
	d, dir := disk(t)
	const key = "shop/abcdef-160.webp"
	for _, body := range []string{"first", "second, longer"} {
		if err := d.Put(ctx, key, []byte(body)); err != nil {
			t.Fatal(err)
		}
		r, _, err := d.Open(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(r)
		r.Close()
		if string(got) != body {
			t.Errorf("%q, want %q", got, body)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, drafts)); len(left) != 0 {
		t.Errorf("%d drafts left behind", len(left))
	}
	if err := d.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, key); err != nil {
		t.Error("deleting twice:", err)
	}
	if _, err := d.Size(ctx, key); !fault.Is(err, fault.KindNotFound) {
		t.Error("deleted, and still there")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Put(cancelled, key, nil); err == nil {
		t.Error("Put went on after its caller had left")
	}
}

func TestAddressesReadBack(t *testing.T) {
	shop := id.NewShop()
	m := Image{Hash: Hash([]byte("x")), Width: 700, Height: 350}
	for _, w := range m.Widths() {
		s, h, got, ok := ParseURL(URL(shop, m.Hash, w))
		if !ok || s != shop || h != m.Hash || got != w {
			t.Errorf("width %d read back as %v %v %d %v", w, s, h, got, ok)
		}
	}
	set := SrcSet(shop, m)
	if strings.Count(set, ".webp ") != 4 || !strings.HasSuffix(set, "-700.webp 700w") {
		t.Error(set)
	}
	if Nearest(700, 300) != 320 || Nearest(700, 5000) != 700 || Nearest(3000, 5000) != 1440 {
		t.Error("Nearest is off")
	}
	good := URL(shop, m.Hash, 160)
	for _, bad := range []string{"", "/media/", good + "/", good + "?x", strings.ToUpper(good), strings.Replace(good, "-160", "-0160", 1),
		strings.Replace(good, "-160", "-0", 1), strings.Replace(good, "-160", "-99999", 1), strings.Replace(good, "-160", "--160", 1), strings.Replace(good, "-160", "-160-160", 1), strings.Replace(good, shop.String(), "..", 1), strings.Replace(good, m.Hash, "../../../../../../../../etc/passw", 1), strings.Replace(good, ".webp", ".png", 1)} {
		if _, _, _, ok := ParseURL(bad); ok {
			t.Errorf("%q was taken for a picture's address", bad)
		}
	}
}
