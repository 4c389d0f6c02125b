package draw

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"

	"haat/internal/media"
)

// palette is the colours of one picture. The wall and table are quiet, main
// and second belong together, and accent is for small things.
type palette struct {
	wall, arch, table          color.NRGBA
	main, second, accent, dark color.NRGBA
}

func hex(v uint32) color.NRGBA {
	return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}

var palettes = []palette{
	// clay, sage, indigo, marigold, rose, slate
	{hex(0xf5e9de), hex(0xecd3bf), hex(0xe6d2c0), hex(0xbf6a45), hex(0xf3e6d3), hex(0x2f5650), hex(0x4a2c20)},
	{hex(0xebefe3), hex(0xd2ddc6), hex(0xd5dcc8), hex(0x6e8c66), hex(0xf1ead6), hex(0xc77b4a), hex(0x28362a)},
	{hex(0xe8ecf4), hex(0xccd6e8), hex(0xd2d9e6), hex(0x3a5795), hex(0xf0ece2), hex(0xe0a545), hex(0x1e2743)},
	{hex(0xfcf1d9), hex(0xf6dda3), hex(0xf0dcb0), hex(0xdb942a), hex(0xfaf0dc), hex(0x9c3f38), hex(0x52351a)},
	{hex(0xf9eaea), hex(0xf0cfd0), hex(0xeed6d4), hex(0xb85a70), hex(0xf7e9df), hex(0x4d7266), hex(0x4a2430)},
	{hex(0xeeecea), hex(0xdad6d0), hex(0xd9d4ce), hex(0x596269), hex(0xf2ede4), hex(0xc5875a), hex(0x2b2a2c)},
}

// Palettes is how many palettes there are; they are numbered from 0, and a
// number beyond them starts again.
func Palettes() int { return len(palettes) }

func choose(n int) palette { return palettes[((n%len(palettes))+len(palettes))%len(palettes)] }

type thing struct {
	name string
	draw func(*pen)
	size float64 // of its square beside others, relative to a shelf's height
}

var things = []thing{
	{"mug", mug, 0.48}, {"teapot", teapot, 0.72}, {"bowl", bowl, 0.56}, {"plate", plate, 0.58}, {"carafe", carafe, 0.76},
	{"vase", vase, 0.92}, {"planter", planter, 0.66}, {"candle", candle, 0.5}, {"lamp", lamp, 1.02}, {"clock", clock, 0.6},
	{"print", framed, 0.84}, {"basket", basket, 0.78}, {"cushion", cushion, 0.58}, {"shawl", shawl, 0.9}, {"tote", tote, 0.8},
	{"notebook", notebook, 0.58}, {"soap", soap, 0.44}, {"stool", stool, 0.88},
}

// Names lists what [Product] can draw.
func Names() []string {
	var out []string
	for _, t := range things {
		out = append(out, t.name)
	}
	return out
}

// Product draws one thing, by a name of [Names], on a square of size pixels.
// It panics on another name.
func Product(name string, palette, size int) image.Image {
	img := newPicture(size, size)
	p := &pen{img: img, s: float64(size) / 100, pal: choose(palette)}
	alcove(p)
	find(name).draw(p)
	return img
}

// Detail draws the same from so near that it fills the square.
func Detail(name string, palette, size int) image.Image {
	img := newPicture(size, size)
	s := float64(size) / 100
	p := &pen{img: img, s: s * 1.75, ox: -32 * s, oy: -48 * s, pal: choose(palette)}
	alcove(p)
	find(name).draw(p)
	return img
}

// Pair draws a thing with another behind it, smaller, as it may stand at
// home.
func Pair(name, with string, palette, size int) image.Image {
	img := newPicture(size, size)
	p := &pen{img: img, s: float64(size) / 100, pal: choose(palette)}
	backdrop(p, 100, 100, 64)
	for _, r := range []struct {
		name        string
		x, y, scale float64
		pal         int
	}{{with, 72, 78, 0.68, palette + 2}, {name, 38, 92, 0.92, palette}} {
		q := *p
		q.s = p.s * r.scale
		q.ox, q.oy = p.s*r.x-50*q.s, p.s*r.y-80*q.s
		q.pal = choose(r.pal)
		q.pal.wall, q.pal.table, q.pal.dark = p.pal.wall, p.pal.table, p.pal.dark
		find(r.name).draw(&q)
	}
	return img
}

func find(name string) thing {
	for _, t := range things {
		if t.name == name {
			return t
		}
	}
	panic(fmt.Sprintf("draw: nobody has drawn a %q yet", name))
}

// alcove is the arch on a wall that a thing stands before.
func alcove(p *pen) {
	backdrop(p, 100, 100, 72)
	p.fill("M 21 72 L 21 44 C 21 5 79 5 79 44 L 79 72 Z", fall(light(p.pal.arch, 0.12), p.pal.arch, 15, 72))
}

// backdrop is a wall and a table that begins at y.
func backdrop(p *pen, w, h, y float64) {
	wall, table := p.pal.wall, p.pal.table
	p.fillf(func(x, y float64) color.NRGBA {
		d := math.Hypot(x-w*0.3, (y-h*0.2)*1.2) / (w * 0.9)
		return mix(light(wall, 0.5), dark(wall, 0.035), d)
	}, "M 0 0 L %g 0 L %g %g L 0 %g Z", w, w, h, h)
	p.fillf(fall(dark(table, 0.035), light(table, 0.3), y, h), "M 0 %g L %g %g L %g %g L 0 %g Z", y, w, y, w, h, h)
}

// Banner draws a shelf of things, w by h pixels, calm on its left, where a
// shop's name and a line may stand.
func Banner(palette, w, h int) image.Image {
	return Shelf([5]string{"mug", "teapot", "vase", "lamp", "planter"}, palette, w, h)
}

// Shelf is a banner with things by names of [Names], the smaller ones at its
// ends. It panics on another name.
func Shelf(names [5]string, palette, w, h int) image.Image {
	img := newPicture(w, h)
	pal := choose(palette)
	u := float64(h) / 100
	wide := float64(w) / u
	p := &pen{img: img, s: u, pal: pal}
	const table = 80
	backdrop(p, wide, 100, table)
	// A low sun behind the things, and more of them where there is room.
	sun := wide - 88
	if wide < 180 {
		sun = wide / 2
	}
	p.fillf(fall(light(pal.arch, 0.15), pal.arch, 20, table), "M %g %d C %g %d %g %d %g %d Z", sun-62, table, sun-60, -4, sun+60, -4, sun+62, table)
	var row [len(names)]thing
	for i, name := range names {
		row[i] = find(name)
	}
	slices.SortStableFunc(row[:], func(a, b thing) int { return cmp.Compare(b.size, a.size) })
	for i, place := range [len(row)]struct {
		at          float64 // middle, from the sun's
		pal         int
		atLeastWide float64
	}{{36, 0, 90}, {-2, 0, 0}, {-37, 1, 140}, {68, 4, 180}, {-66, 2, 180}} {
		if wide < place.atLeastWide {
			continue
		}
		x := sun + place.at
		if wide < 90 {
			x = wide / 2
		} else if wide < 120 {
			x -= 16
		}
		q := *p
		q.s = u * row[i].size * min(1, wide/70)
		q.ox = u*x - 50*q.s
		q.oy = u*(table+7) - 80*q.s
		if place.pal > 0 {
			q.pal = choose(palette + place.pal)
			q.pal.wall, q.pal.dark = pal.wall, pal.dark
		}
		row[i].draw(&q)
	}
	return img
}

// PNG encodes a picture without loss.
func PNG(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// WebP encodes a picture as the renditions in media are.
func WebP(img image.Image) ([]byte, error) { return media.WebP(img) }
