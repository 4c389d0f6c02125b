// Package mediatest holds what every store of media must pass.
package mediatest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/media"
)

// Conform holds a store against the contract of media.Store. open gives one
// that is empty, or the same one once more, as another process opens it.
func Conform(t *testing.T, open func(t *testing.T) (s media.Store, again func(t *testing.T) media.Store)) {
	for name, check := range map[string]func(t *testing.T, s media.Store, again func(t *testing.T) media.Store){
		"blobs": blobs, "seeking": seeking, "keys": keys, "walking": walking, "one of many writers": writers, "leaving": leaving,
	} {
		t.Run(name, func(t *testing.T) {
			s, again := open(t)
			check(t, s, again)
		})
	}
}

func put(t *testing.T, s media.Store, key string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, data); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t *testing.T, s media.Store, key string) ([]byte, time.Time) {
	t.Helper()
	r, at, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return b, at
}

// blobs: what is put is there for every process, is replaced whole, and is
// gone when it is deleted.
func blobs(t *testing.T, s media.Store, again func(t *testing.T) media.Store) {
	large := make([]byte, 3<<20)
	rand.Read(large)
	for i, data := range [][]byte{[]byte("first"), []byte("second, which is longer"), large, {}} {
		for _, key := range []string{"shop/abcdef.json", "shop/ab-160.webp", "drawn/x-y_z.0"} {
			put(t, s, key, data)
			for who, s := range map[string]media.Store{"its writer": s, "another process": again(t)} {
				if got, at := get(t, s, key); !bytes.Equal(got, data) || time.Since(at).Abs() > time.Hour {
					t.Errorf("%d: %s reads %d bytes of %s at %v, not %d", i, who, len(got), key, at, len(data))
				}
				if n, err := s.Size(t.Context(), key); n != int64(len(data)) || err != nil {
					t.Errorf("%s has %d bytes (%v), not %d", key, n, err, len(data))
				}
			}
		}
	}
	for range 2 {
		if err := s.Delete(t.Context(), "shop/ab-160.webp"); err != nil {
			t.Error("delete:", err)
		}
		gone(t, s, "shop/ab-160.webp")
		gone(t, again(t), "shop/ab-160.webp")
	}
	get(t, s, "shop/abcdef.json")
}

func gone(t *testing.T, s media.Store, key string) {
	t.Helper()
	if r, _, err := s.Open(t.Context(), key); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("open %q: %v", key, err)
		if err == nil {
			r.Close()
		}
	}
	if _, err := s.Size(t.Context(), key); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("size of %q: %v", key, err)
	}
}

// seeking: a blob can be read from anywhere, as HTTP ranges want.
func seeking(t *testing.T, s media.Store, _ func(t *testing.T) media.Store) {
	data := make([]byte, 300_000)
	rand.Read(data)
	for _, key := range []string{"shop/abc-320.webp", "shop/abc.json"} {
		put(t, s, key, data)
		r, _, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if n, err := r.Seek(0, io.SeekEnd); n != int64(len(data)) || err != nil {
			t.Errorf("the end is at %d, %v", n, err)
		}
		for _, from := range []int64{0, 100, 299_999, 5, 150_000} {
			if n, err := r.Seek(from, io.SeekStart); n != from || err != nil {
				t.Fatalf("seek %d: %d, %v", from, n, err)
			}
			want := data[from:min(from+1000, int64(len(data)))]
			got, err := io.ReadAll(io.LimitReader(r, 1000))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("from %d: %d bytes, %v", from, len(got), err)
			}
			if n, err := r.Seek(0, io.SeekCurrent); n != from+int64(len(want)) || err != nil {
				t.Errorf("after reading from %d: at %d, %v", from, n, err)
			}
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("it went before its beginning")
		}
	}
}

// keys: what is no key is nowhere.
func keys(t *testing.T, s media.Store, _ func(t *testing.T) media.Store) {
	for _, key := range []string{"", ".", "..", "../secret", "/etc/passwd", "a/../../secret", "a//b", "shop/", "shop/.x", "x", "a\\b", "a\x00b", "A/B", "..%2fsecret", ".haat", ".drafts/ab", strings.Repeat("a", 300)} {
		if err := s.Put(t.Context(), key, []byte("x")); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("put %q: %v", key, err)
		}
		gone(t, s, key)
	}
	err := s.Walk(t.Context(), func(key string, _ int64) error { return fmt.Errorf("there is %q", key) })
	if err != nil {
		t.Error(err)
	}
}

// walking: every blob once, with its size, those of one folder in order.
func walking(t *testing.T, s media.Store, again func(t *testing.T) media.Store) {
	want := map[string]int64{}
	for i := range 40 {
		for j, name := range []string{"%c%02d-160.webp", "%c%02d-320.webp", "%c%02d.json"} {
			key := fmt.Sprintf("shop%d/"+name, i%3, 'a'+i%7, i)
			want[key] = int64(i*10 + j)
			put(t, s, key, make([]byte, want[key]))
		}
	}
	for _, s := range []media.Store{s, again(t)} {
		got, last := map[string]int64{}, map[string]string{}
		err := s.Walk(t.Context(), func(key string, size int64) error {
			if _, twice := got[key]; twice {
				t.Errorf("%s came twice", key)
			}
			folder, name, _ := strings.Cut(key, "/")
			if name < last[folder] {
				t.Errorf("%s came after %s", name, last[folder])
			}
			got[key], last[folder] = size, name
			return nil
		})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%d blobs, %v, not %d: %v", len(got), err, len(want), slices.Sorted(maps.Keys(got)))
		}
	}
	enough, n := errors.New("enough"), 0
	if err := s.Walk(t.Context(), func(string, int64) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("a walk that was ended went on: %d, %v", n, err)
	}
}

// writers: whoever reads while many write one key reads what one of them has
// written, whole.
func writers(t *testing.T, s media.Store, again func(t *testing.T) media.Store) {
	const key = "shop/abc.json"
	put(t, s, key, bytes.Repeat([]byte{255}, 40_000))
	other := again(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if err := s.Put(t.Context(), key, bytes.Repeat([]byte{byte(i)}, 40_000+i)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				b, _ := get(t, other, key)
				if len(b) < 40_000 || !bytes.Equal(b, bytes.Repeat(b[:1], len(b))) || b[0] != 255 && len(b) != 40_000+int(b[0]) {
					t.Errorf("%d bytes, mixed or torn", len(b))
				}
			}
		})
	}
	wg.Wait()
}

// leaving: a caller that has left is not worked for.
func leaving(t *testing.T, s media.Store, _ func(t *testing.T) media.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "shop/abc.json", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	gone(t, s, "shop/abc.json")
	put(t, s, "shop/abc.json", []byte("x"))
	if err := s.Walk(ctx, func(string, int64) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("walk: %v", err)
	}
}
