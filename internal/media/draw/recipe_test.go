package draw

import (
	"bytes"
	"image"
	"testing"

	"haat/internal/media"
)

// Every recipe has an address of its own, at which it is found again, and is
// drawn in the shape that it says, the same each time.
func TestRecipesAreFoundByTheirAddress(t *testing.T) {
	if n := len(recipes()); n != 4*len(things)*len(palettes) {
		t.Fatalf("%d addresses", n)
	}
	pictures := map[string]Recipe{}
	for hash, r := range recipes() {
		m, draw, ok := ByHash(hash)
		if !ok || m != r.Image() || m.Hash != hash || !media.IsHash(hash) || len(m.Placeholder) != 7 {
			t.Fatalf("%+v: %+v, %v", r, m, ok)
		}
		img := draw(160)
		if img.Bounds().Size() != image.Pt(160, m.Fit(160)) || !img.(*image.RGBA).Opaque() {
			t.Errorf("%+v is drawn %v", r, img.Bounds())
		}
		if !bytes.Equal(img.(*image.RGBA).Pix, r.Draw(160).(*image.RGBA).Pix) {
			t.Errorf("%+v differs from one drawing to the next", r)
		}
		if other, twice := pictures[string(img.(*image.RGBA).Pix)]; twice {
			t.Errorf("%+v looks like %+v", r, other)
		}
		pictures[string(img.(*image.RGBA).Pix)] = r
	}
	if _, _, ok := ByHash(media.Hash([]byte("an upload"))); ok {
		t.Error("an upload's address is taken for a recipe's")
	}
}

// Shops keep addresses: they must not change while what is drawn does not.
func TestAddressesStay(t *testing.T) {
	for hash, r := range map[string]Recipe{
		"4ewjtz9b4t690s54ynfn5d186wwtjw30": {Alone, "mug", 0},
		"k436gn99f8ke1rff8fneb8acmxkshzca": {Row, "stool", 5},
	} {
		if got := r.Image().Hash; got != hash {
			t.Errorf("%+v moved from %s to %s", r, hash, got)
		}
	}
}
