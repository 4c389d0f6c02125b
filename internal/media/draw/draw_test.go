package draw

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEveryThingIsDrawnTheSameEachTime(t *testing.T) {
	names := Names()
	if len(names) < 14 {
		t.Errorf("only %d things", len(names))
	}
	seen := map[string]string{}
	for _, name := range names {
		for pal := range Palettes() {
			a, err := PNG(Product(name, pal, 64))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := PNG(Product(name, pal, 64))
			if !bytes.Equal(a, b) {
				t.Errorf("%s differs from one drawing to the next", name)
			}
			if other := seen[string(a)]; other != "" {
				t.Errorf("%s in palette %d looks exactly like %s", name, pal, other)
			}
			seen[string(a)] = name
		}
	}
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
		t.Error("two things have one name")
	}
}

// The pictures of one product are told apart, and fill their square.
func TestDetailsAndPairsAreOtherPicturesOfTheSame(t *testing.T) {
	for _, name := range Names() {
		seen := map[string]bool{}
		for _, img := range []image.Image{Product(name, 0, 64), Detail(name, 0, 64), Pair(name, "vase", 0, 64), Detail(name, 1, 64)} {
			if img.Bounds().Size() != image.Pt(64, 64) || !img.(*image.RGBA).Opaque() {
				t.Errorf("%s: %v, or something shines through", name, img.Bounds())
			}
			b, err := PNG(img)
			if err != nil {
				t.Fatal(err)
			}
			if seen[string(b)] {
				t.Errorf("%s looks the same twice", name)
			}
			seen[string(b)] = true
		}
	}
}

func TestAThingStandsOutFromItsBackdrop(t *testing.T) {
	for _, name := range Names() {
		img := Product(name, 0, 100).(*image.RGBA)
		empty := newPicture(100, 100)
		p := &pen{img: empty, s: 1, pal: choose(0)}
		backdrop(p, 100, 100, 72)
		changed := 0
		for i := range img.Pix {
			if max(img.Pix[i], empty.Pix[i])-min(img.Pix[i], empty.Pix[i]) > 40 {
				changed++
			}
		}
		if !img.Opaque() || changed < 1000 {
			t.Errorf("%s: only %d samples differ from the bare backdrop", name, changed)
		}
	}
}

func TestBannersFitAnyShape(t *testing.T) {
	for _, size := range []image.Point{{1440, 480}, {390, 390}, {200, 600}, {2000, 300}} {
		img := Banner(1, size.X, size.Y)
		if img.Bounds().Size() != size || !img.(*image.RGBA).Opaque() {
			t.Errorf("%v became %v", size, img.Bounds())
		}
	}
	if b, err := WebP(Banner(0, 300, 100)); err != nil || string(b[:4]) != "RIFF" {
		t.Error(err)
	}
}

// TestSheet writes contact sheets to look at when HAAT_DRAW_SHEET names a
// folder: everything in every palette, and the banners.
func TestSheet(t *testing.T) {
	dir := os.Getenv("HAAT_DRAW_SHEET")
	if dir == "" {
		return
	}
	const cell = 300
	names := Names()
	for pal := range Palettes() {
		sheet := newPicture(cell*6, cell*((len(names)+5)/6))
		for i, name := range names {
			put(sheet, Product(name, (pal+i)%Palettes(), cell), i%6*cell, i/6*cell)
		}
		save(t, filepath.Join(dir, "sheet"+string(rune('0'+pal))+".png"), sheet)
		save(t, filepath.Join(dir, "banner"+string(rune('0'+pal))+".png"), Banner(pal, 1440, 480))
		save(t, filepath.Join(dir, "phone"+string(rune('0'+pal))+".png"), Banner(pal, 780, 624))
	}
}

func put(dst *image.RGBA, src image.Image, x, y int) {
	for sy := range src.Bounds().Dy() {
		for sx := range src.Bounds().Dx() {
			dst.Set(x+sx, y+sy, src.At(sx, sy))
		}
	}
}

func save(t *testing.T, name string, img image.Image) {
	b, err := PNG(img)
	if err == nil {
		err = os.WriteFile(name, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
