package backup

import (
	"os"
	"path/filepath"
	"testing"

	"haat/internal/fleet/fleettest"
)

// Once the pictures of a platform are in a bucket, a backup names it, holds
// none of them, and leaves what an earlier one has copied; back in files, all
// is as it was.
func TestPicturesInABucketStayThere(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	fleettest.NewShop(t, p.Fleet, "shop")
	write(t, filepath.Join(p.data, "media", "0shop", "aa", "aa-320.webp"), "picture")
	dir := filepath.Join(t.TempDir(), "backup")
	earlier := filepath.Join(dir, "media", "0shop", "aa", "aa-320.webp")
	const address = "s3://pictures?endpoint=https://s3.example.com"
	for _, c := range []struct {
		place string
		files int64
	}{{"", 6}, {address, 6}, {"", 7}} { // the second has media-at, the third that and the picture
		if c.place != "" || c.files == 7 {
			if err := SetPlace(p.data, c.place); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Take(ctx, p.source(t), dir, silent)
		if err != nil {
			t.Fatal(err)
		}
		if m.Media != c.place || m.Files != c.files {
			t.Errorf("at %q: %q, %d files, want %d", c.place, m.Media, m.Files, c.files)
		}
		if b, err := os.ReadFile(earlier); err != nil || string(b) != "picture" {
			t.Errorf("at %q: the earlier copy: %q, %v", c.place, b, err)
		}
		data := filepath.Join(t.TempDir(), "restored")
		if m, err = Restore(ctx, dir, data, known(t), silent); err != nil || m.Media != c.place {
			t.Fatalf("restore: %q, %v", m.Media, err)
		}
		if place, err := Place(data); err != nil || place != c.place {
			t.Errorf("restored, the pictures are at %q, %v, not %q", place, err, c.place)
		}
		_, err = os.Stat(filepath.Join(data, "media", "0shop", "aa", "aa-320.webp"))
		if restored := err == nil; restored != (c.place == "") {
			t.Errorf("at %q: restored a picture: %v", c.place, restored)
		}
	}
}
