package media_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"haat/internal/fault"
	"haat/internal/media"
)

func openDisk(t *testing.T) *media.Disk {
	t.Helper()
	d, err := media.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// failing fails, or garbles, what is put into a store after so many blobs.
type failing struct {
	media.Store
	left   atomic.Int64
	garble bool
}

var errAway = errors.New("away")

func (f *failing) Put(ctx context.Context, key string, data []byte) error {
	if f.left.Add(-1) < 0 {
		if !f.garble {
			return errAway
		}
		data = append([]byte("x"), data[1:]...)
	}
	return f.Store.Put(ctx, key, data)
}

// A copy that is cut off leaves no card without its renditions, and goes on
// from where it was; what was written wrong is noticed.
func TestACopyGoesOnWhereItWas(t *testing.T) {
	from, to := openDisk(t), openDisk(t)
	const pictures = 50
	for i := range pictures {
		hash := media.Hash([]byte{byte(i)})
		for _, name := range []string{"-160.webp", "-320.webp", ".json"} {
			if err := from.Put(t.Context(), "shop/"+hash+name, fmt.Append(nil, hash, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := from.Put(t.Context(), "drawn/abc-160.webp", []byte("x")); err != nil {
		t.Fatal(err)
	}
	run := func(to media.Store, check bool) (media.Copied, error) {
		var told media.Copied
		done, err := media.Copy(t.Context(), from, to, check, func(c media.Copied) { told = c })
		if err == nil && told != done {
			t.Errorf("told %+v, done %+v", told, done)
		}
		return done, err
	}
	for _, after := range []int64{30, 85} {
		f := &failing{Store: to}
		f.left.Store(after)
		if _, err := run(f, false); !errors.Is(err, errAway) {
			t.Fatalf("cut off after %d: %v", after, err)
		}
		err := to.Walk(t.Context(), func(key string, _ int64) error {
			base, card := strings.CutSuffix(key, ".json")
			if !card {
				return nil
			}
			_, err := to.Size(t.Context(), base+"-320.webp")
			return err
		})
		if err != nil {
			t.Errorf("after %d: a card without its renditions: %v", after, err)
		}
	}
	done, err := run(to, false)
	if err != nil || done.Blobs != 3*pictures || done.New >= 3*pictures-80 || done.New == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := run(to, true); err != nil || done.New != 0 || done.Blobs != 3*pictures {
		t.Errorf("once more: %+v, %v", done, err)
	}
	if _, err := to.Size(t.Context(), "drawn/abc-160.webp"); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("a drawn picture was copied: %v", err)
	}
	// Of the same size, and not the same.
	key := "shop/" + media.Hash([]byte{7}) + "-160.webp"
	wrong := []byte(strings.Repeat("?", len(media.Hash(nil)+"-160.webp")))
	if err := to.Put(t.Context(), key, wrong); err != nil {
		t.Fatal(err)
	}
	if done, err := run(to, false); err != nil || done.New != 0 {
		t.Errorf("by size alone: %+v, %v", done, err)
	}
	if done, err := run(to, true); err != nil || done.New != 1 {
		t.Errorf("with --check: %+v, %v", done, err)
	}
	if _, err := run(&failing{Store: openDisk(t), garble: true}, false); err == nil || !strings.Contains(err.Error(), "not what was written") {
		t.Errorf("a store that garbles: %v", err)
	}
}
