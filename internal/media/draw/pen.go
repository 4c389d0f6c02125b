package draw

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/vector"
)

// pen draws in units of its own on a picture: x, y lands at ox + s·x, oy + s·y.
type pen struct {
	img       *image.RGBA
	ox, oy, s float64
	clip      *image.Alpha // what may be painted on; all if nil
	pal       palette
}

type point struct{ x, y float64 }

// outline is closed polygons, flattened from a text like that of SVG's path:
// absolute M, L, C, Q and Z, with E cx cy rx ry for an ellipse and
// R x y w h r for a rectangle with round corners. Outlines are written in this
// package, so a bad one is a mistake of ours and panics.
type outline [][]point

func parse(text string) outline {
	var out outline
	var cur []point
	f := strings.Fields(text)
	num := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			x, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				panic(fmt.Sprintf("draw: %q: %v", text, err))
			}
			v[i] = x
		}
		f = f[n:]
		return v
	}
	end := func() {
		if len(cur) > 1 {
			out = append(out, cur)
		}
		cur = nil
	}
	const steps = 72
	for len(f) > 0 {
		op := f[0]
		f = f[1:]
		switch op {
		case "M":
			end()
			v := num(2)
			cur = []point{{v[0], v[1]}}
		case "L":
			v := num(2)
			cur = append(cur, point{v[0], v[1]})
		case "Q":
			v, p := num(4), cur[len(cur)-1]
			for i := 1; i <= steps; i++ {
				t := float64(i) / steps
				u := 1 - t
				cur = append(cur, point{u*u*p.x + 2*u*t*v[0] + t*t*v[2], u*u*p.y + 2*u*t*v[1] + t*t*v[3]})
			}
		case "C":
			v, p := num(6), cur[len(cur)-1]
			for i := 1; i <= steps; i++ {
				t := float64(i) / steps
				u := 1 - t
				cur = append(cur, point{
					u*u*u*p.x + 3*u*u*t*v[0] + 3*u*t*t*v[2] + t*t*t*v[4],
					u*u*u*p.y + 3*u*u*t*v[1] + 3*u*t*t*v[3] + t*t*t*v[5],
				})
			}
		case "Z":
			if len(cur) > 0 {
				cur = append(cur, cur[0])
			}
			end()
		case "E":
			v := num(4)
			end()
			out = append(out, arc(v[0], v[1], v[2], v[3], 0, 2*math.Pi))
		case "R":
			v := num(5)
			end()
			x, y, w, h, r := v[0], v[1], v[2], v[3], v[4]
			var c []point
			for i, at := range []point{{x + w - r, y + r}, {x + w - r, y + h - r}, {x + r, y + h - r}, {x + r, y + r}} {
				from := float64(i-1) * math.Pi / 2
				c = append(c, arc(at.x, at.y, r, r, from, from+math.Pi/2)...)
			}
			out = append(out, c)
		default:
			panic(fmt.Sprintf("draw: %q: what is %s?", text, op))
		}
	}
	end()
	return out
}

func arc(cx, cy, rx, ry, from, to float64) []point {
	const steps = 64
	out := make([]point, 0, steps+1)
	for i := range steps + 1 {
		a := from + (to-from)*float64(i)/steps
		out = append(out, point{cx + rx*math.Cos(a), cy + ry*math.Sin(a)})
	}
	return out
}

// turned rotates the outline by degrees about a point, clockwise.
func (o outline) turned(degrees, cx, cy float64) outline {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	var out outline
	for _, c := range o {
		var n []point
		for _, p := range c {
			x, y := p.x-cx, p.y-cy
			n = append(n, point{cx + x*cos - y*sin, cy + x*sin + y*cos})
		}
		out = append(out, n)
	}
	return out
}

// stroked gives the outline of a line along the curves, with round ends and
// mitred corners: one polygon a curve, up one side and back down the other, so
// that its edge is smooth.
func (o outline) stroked(width float64) outline {
	r := width / 2
	var out outline
	for _, c := range o {
		c = apart(c)
		last := len(c) - 1
		if last < 1 {
			continue
		}
		along := func(i, j int) point { // unit vector
			dx, dy := c[j].x-c[i].x, c[j].y-c[i].y
			n := math.Hypot(dx, dy)
			return point{dx / n, dy / n}
		}
		var up, down []point
		for i, p := range c {
			a, b := along(max(i-1, 0), max(i, 1)), along(min(i, last-1), min(i+1, last))
			nx, ny := -(a.y + b.y), a.x+b.x
			n := math.Hypot(nx, ny)
			if n < 1e-9 {
				nx, ny, n = -a.y, a.x, 1
			}
			nx, ny = nx/n, ny/n
			k := r / max(0.5, nx*-a.y+ny*a.x)
			up = append(up, point{p.x + nx*k, p.y + ny*k})
			down = append(down, point{p.x - nx*k, p.y - ny*k})
		}
		a, b := along(last-1, last), along(0, 1)
		turn := math.Atan2(a.x, -a.y)
		poly := append(up, arc(c[last].x, c[last].y, r, r, turn, turn-math.Pi)...)
		for i := last; i >= 0; i-- {
			poly = append(poly, down[i])
		}
		turn = math.Atan2(-b.x, b.y)
		out = append(out, append(poly, arc(c[0].x, c[0].y, r, r, turn, turn-math.Pi)...))
	}
	return out
}

// apart drops points that lie on the one before.
func apart(c []point) []point {
	var out []point
	for _, p := range c {
		if n := len(out); n == 0 || math.Hypot(p.x-out[n-1].x, p.y-out[n-1].y) > 1e-6 {
			out = append(out, p)
		}
	}
	return out
}

// mask rasterises the outline, with smooth edges, within the clip. It is no
// larger than it must be.
func (p *pen) mask(o outline) *image.Alpha {
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, c := range o {
		for _, q := range c {
			x, y := p.ox+q.x*p.s, p.oy+q.y*p.s
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
		}
	}
	if x0 > x1 {
		return image.NewAlpha(image.Rectangle{})
	}
	b := image.Rect(int(math.Floor(x0)), int(math.Floor(y0)), int(math.Ceil(x1)), int(math.Ceil(y1))).Intersect(p.img.Rect)
	m := image.NewAlpha(b)
	if b.Empty() {
		return m
	}
	z := vector.NewRasterizer(b.Dx(), b.Dy())
	at := func(q point) (float32, float32) {
		return float32(p.ox + q.x*p.s - float64(b.Min.X)), float32(p.oy + q.y*p.s - float64(b.Min.Y))
	}
	for _, c := range o {
		z.MoveTo(at(c[0]))
		for _, q := range c[1:] {
			z.LineTo(at(q))
		}
		z.ClosePath()
	}
	z.Draw(m, b, image.Opaque, image.Point{})
	if p.clip != nil {
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				a := &m.Pix[m.PixOffset(x, y)]
				*a = uint8(uint32(*a) * uint32(p.clip.AlphaAt(x, y).A) / 255)
			}
		}
	}
	return m
}

// paint gives the colour at a point of the pen's units.
type paint func(x, y float64) color.NRGBA

func (p *pen) shape(o outline, c paint) {
	m := p.mask(o)
	b := m.Rect
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			a := uint32(m.Pix[m.PixOffset(x, y)])
			if a == 0 {
				continue
			}
			k := c((float64(x)+0.5-p.ox)/p.s, (float64(y)+0.5-p.oy)/p.s)
			a = a * uint32(k.A) / 255
			d := p.img.Pix[p.img.PixOffset(x, y):][:4]
			d[0] = uint8((uint32(d[0])*(255-a) + uint32(k.R)*a + 127) / 255)
			d[1] = uint8((uint32(d[1])*(255-a) + uint32(k.G)*a + 127) / 255)
			d[2] = uint8((uint32(d[2])*(255-a) + uint32(k.B)*a + 127) / 255)
		}
	}
}

func (p *pen) fill(text string, c paint)              { p.shape(parse(text), c) }
func (p *pen) line(text string, w float64, c paint)   { p.shape(parse(text).stroked(w), c) }
func (p *pen) fillf(c paint, format string, a ...any) { p.fill(fmt.Sprintf(format, a...), c) }

// inside runs do with painting confined to the outline.
func (p *pen) inside(o outline, do func()) {
	before := p.clip
	p.clip = p.mask(o)
	do()
	p.clip = before
}

// shadow is what a thing of that half-width casts on the table around x, y.
func (p *pen) shadow(x, y, rx, ry float64) {
	dark := p.pal.dark
	soft := func(cx, cy, rx, ry float64, strength float64) {
		p.fillf(func(x, y float64) color.NRGBA {
			d := math.Hypot((x-cx)/rx, (y-cy)/ry)
			f := max(0, 1-d)
			f = f * f * (3 - 2*f)
			return alpha(dark, strength*f)
		}, "E %g %g %g %g", cx, cy, rx, ry)
	}
	soft(x+rx*0.28, y+ry*0.1, rx*1.5, ry*1.7, 0.34)
	soft(x+rx*0.03, y-ry*0.1, rx*1.08, ry*0.75, 0.45)
}

func solid(c color.NRGBA) paint { return func(_, _ float64) color.NRGBA { return c } }

func alpha(c color.NRGBA, a float64) color.NRGBA {
	c.A = uint8(max(0, min(1, a)) * 255)
	return c
}

func mix(a, b color.NRGBA, t float64) color.NRGBA {
	t = max(0, min(1, t))
	f := func(x, y uint8) uint8 { return uint8(float64(x) + (float64(y)-float64(x))*t + 0.5) }
	return color.NRGBA{f(a.R, b.R), f(a.G, b.G), f(a.B, b.B), f(a.A, b.A)}
}

var (
	white = color.NRGBA{255, 252, 246, 255}
	night = color.NRGBA{38, 26, 32, 255}
)

func light(c color.NRGBA, t float64) color.NRGBA { return mix(c, white, t) }
func dark(c color.NRGBA, t float64) color.NRGBA  { return mix(c, night, t) }

// round shades a standing round body between x0 and x1: lit from the left.
func round(c color.NRGBA, x0, x1 float64) paint {
	return func(x, y float64) color.NRGBA {
		t := (x - x0) / (x1 - x0)
		switch {
		case t < 0.28:
			return mix(light(c, 0.02), light(c, 0.22), t/0.28)
		case t < 0.6:
			return mix(light(c, 0.22), c, (t-0.28)/0.32)
		default:
			return mix(c, dark(c, 0.26), (t-0.6)/0.4)
		}
	}
}

// ball shades a rounded body: brightest up and left of its middle.
func ball(c color.NRGBA, cx, cy, r float64) paint {
	return func(x, y float64) color.NRGBA {
		d := math.Hypot(x-(cx-r*0.35), y-(cy-r*0.4)) / r
		if d < 0.75 {
			return mix(light(c, 0.24), c, d/0.75)
		}
		return mix(c, dark(c, 0.3), (d-0.75)/0.8)
	}
}

// fall runs from one colour at y0 to another at y1.
func fall(a, b color.NRGBA, y0, y1 float64) paint {
	return func(_, y float64) color.NRGBA { return mix(a, b, (y-y0)/(y1-y0)) }
}

// slant runs from one colour to another along the line between two points.
func slant(a, b color.NRGBA, x0, y0, x1, y1 float64) paint {
	dx, dy := x1-x0, y1-y0
	return func(x, y float64) color.NRGBA {
		return mix(a, b, ((x-x0)*dx+(y-y0)*dy)/(dx*dx+dy*dy))
	}
}

func newPicture(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.Opaque, image.Point{}, draw.Src)
	return m
}
