package draw

import (
	"fmt"
	"image"
	"slices"
	"sync"

	"haat/internal/media"
)

// A View is how a [Recipe] looks at its thing.
type View string

// The views.
const (
	Alone View = "alone" // as by Product
	Near  View = "near"  // as by Detail
	Home  View = "home"  // as by Pair, beside what goes with it
	Row   View = "row"   // as by Shelf, among those that follow it in Names
)

// Recipe is a picture that is drawn when somebody asks for it. There are a few
// hundred of them, and each has an address of its own like an upload's: a shop
// that shows one keeps its [media.Image] and no file.
type Recipe struct {
	View    View
	Thing   string // of Names
	Palette int
}

// edition is part of every address: a picture that is drawn in another way is
// another picture.
const edition = 1

// Image describes the picture. It panics if nobody has drawn the thing.
func (r Recipe) Image() media.Image {
	find(r.Thing)
	w := choose(r.Palette).wall
	m := media.Image{
		Hash:  media.Hash(fmt.Appendf(nil, "haat drawing %d: %s %s %d", edition, r.View, r.Thing, r.Palette%len(palettes))),
		Width: 960, Height: 960, Placeholder: fmt.Sprintf("#%02x%02x%02x", w.R, w.G, w.B),
	}
	if r.View == Row {
		m.Width, m.Height = 1440, 600
	}
	return m
}

// Draw draws the picture, so many pixels wide.
func (r Recipe) Draw(width int) image.Image {
	i := slices.IndexFunc(things, func(t thing) bool { return t.name == r.Thing })
	after := func(n int) string { return things[(i+n)%len(things)].name }
	switch r.View {
	case Near:
		return Detail(r.Thing, r.Palette, width)
	case Home:
		return Pair(r.Thing, after(1), r.Palette, width)
	case Row:
		return Shelf([5]string{r.Thing, after(1), after(2), after(3), after(4)}, r.Palette, width, r.Image().Fit(width))
	}
	return Product(r.Thing, r.Palette, width)
}

var recipes = sync.OnceValue(func() map[string]Recipe {
	out := map[string]Recipe{}
	for _, view := range []View{Alone, Near, Home, Row} {
		for _, t := range things {
			for p := range palettes {
				r := Recipe{view, t.name, p}
				out[r.Image().Hash] = r
			}
		}
	}
	return out
})

// ByHash finds the recipe of a picture, for [media.Drawing].
func ByHash(hash string) (m media.Image, draw func(width int) image.Image, ok bool) {
	r, ok := recipes()[hash]
	if !ok {
		return m, nil, false
	}
	return r.Image(), r.Draw, true
}
