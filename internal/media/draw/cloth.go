package draw

import (
	"fmt"
	"image/color"
	"math"
)

type nrgba = color.NRGBA

// glow is warm light around a point.
func glow(cx, cy, r, strength float64) paint {
	return func(x, y float64) color.NRGBA {
		f := max(0, 1-math.Hypot(x-cx, y-cy)/r)
		return alpha(hex(0xfff0c4), strength*f*f*2)
	}
}

func cushion(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 78.6, 30, 5)
	body := "M 23 27 C 36 31 64 31 77 27 C 80 26 81.4 28 80.4 31 C 77 44 77 62 80.4 74 C 81.4 78 80 80 76 79.4 C 62 76.6 38 76.6 24 79.4 C 20 80 18.6 78 19.6 74 C 23 62 23 44 19.6 31 C 18.6 28 20 26 23 27 Z"
	p.fill(body, ball(c, 50, 54, 40))
	p.inside(parse(body), func() {
		for i := range 3 {
			x := 30 + float64(i)*20
			for j := range 3 {
				y := 36.5 + float64(j)*17
				k := second
				if (i+j)%2 == 1 {
					k = p.pal.accent
				}
				for n := range 8 {
					p.shape(parse(fmt.Sprintf("M %g %g C %g %g %g %g %g %g C %g %g %g %g %g %g Z", x, y, x+2.4, y-2.6, x+1.6, y-5.4, x, y-6.6, x-1.6, y-5.4, x-2.4, y-2.6, x, y)).turned(float64(n)*45, x, y), solid(alpha(k, 0.92)))
				}
				p.fillf(solid(c), "E %g %g 1.3 1.3", x, y)
			}
		}
		p.fill("E 50 84 46 16", glowDark(p, 50, 88, 46))
		p.line("M 24 30 C 28 38 29 44 28.6 48", 0.9, solid(alpha(p.pal.dark, 0.16)))
		p.line("M 76 30 C 72 38 71 44 71.4 48", 0.9, solid(alpha(p.pal.dark, 0.16)))
		p.line("M 24 77 C 30 71 32 66 32 62", 0.9, solid(alpha(p.pal.dark, 0.16)))
		p.line("M 76 77 C 70 71 68 66 68 62", 0.9, solid(alpha(p.pal.dark, 0.16)))
	})
	for _, at := range []point{{20.4, 28}, {79.6, 28}, {20.4, 78.4}, {79.6, 78.4}} {
		p.fillf(ball(second, at.x, at.y, 3), "E %g %g 2.5 2.5", at.x, at.y)
	}
}

// glowDark is a soft shade around a point.
func glowDark(p *pen, cx, cy, r float64) paint {
	return func(x, y float64) color.NRGBA {
		f := max(0, 1-math.Hypot(x-cx, (y-cy)*2)/r)
		return alpha(p.pal.dark, 0.4*f)
	}
}

func shawl(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(52, 82, 22, 2.4)
	// It hangs over a rail that hangs from the wall.
	p.line("M 26 21 L 50 9 L 74 21", 0.7, solid(hex(0xa98455)))
	p.fill("E 50 8.6 1.5 1.5", solid(hex(0x8d6b3f)))
	folds := func(k nrgba, deep float64) paint {
		return func(x, y float64) nrgba {
			f := math.Sin((x-50)*0.62+math.Sin(y*0.06)*0.9)*0.5 + 0.5
			over := max(0, 1-(y-18)/5) // the cloth turns over the rail
			return light(mix(dark(k, deep+(x-30)*0.002), light(k, 0.14), f), over*0.12)
		}
	}
	fringe := func(x0, x1, y float64, deep float64) {
		n := int((x1 - x0) / 1.5)
		for i := range n + 1 {
			x := x0 + (x1-x0)*float64(i)/float64(n)
			k := c
			if i%2 == 1 {
				k = mix(c, second, 0.7)
			}
			p.line(fmt.Sprintf("M %g %g L %g %g", x, y-0.6, x+0.5*math.Sin(float64(i)*2), y+4.6+math.Sin(float64(i)*1.7)*0.5), 0.7, solid(dark(k, deep)))
		}
	}
	fringe(37, 74.4, 73, 0.3)
	p.fill("M 36 20 L 72 20 C 74 40 75 56 75.4 73 Q 56 75 37 73 Z", folds(dark(c, 0.26), 0.2))
	p.line("M 20 20.4 L 80 20.4", 2.6, fall(hex(0xcb9d68), hex(0x94703f), 19, 22))
	fringe(27.6, 66.4, 67, 0)
	body := "M 30 20 C 30 17.6 31 17.4 33 17.4 L 64 17.4 C 66 17.4 67 17.6 67 20 C 66 38 66.6 52 67 67 Q 47 69.4 27 67 C 28.4 50 30 36 30 20 Z"
	p.fill(body, folds(c, 0.24))
	p.inside(parse(body), func() {
		band := func(y, w float64, k nrgba) {
			p.shape(parse(fmt.Sprintf("M 24 %g Q 47 %g 70 %g", y, y+2.2, y)).stroked(w), folds(k, 0.18))
		}
		band(61.4, 2.6, second)
		band(57.4, 0.8, second)
		band(55, 0.8, p.pal.accent)
		for i := range 14 {
			x := 29.4 + float64(i)*2.8
			y := 50.4 + 1.1*(1-math.Pow((x-47)/22, 2))
			p.fillf(folds(second, 0.18), "M %g %g L %g %g L %g %g L %g %g Z", x, y-2.2, x+1.25, y, x, y+2.2, x-1.25, y)
		}
		band(45.6, 0.8, p.pal.accent)
		band(43.2, 0.8, second)
		band(29, 0.6, second)
		band(27.2, 0.6, second)
	})
}

func tote(p *pen) {
	cloth, c := light(p.pal.second, 0.1), p.pal.main
	p.shadow(50, 79, 27, 4.6)
	p.line("M 38 42 C 38 12 62 12 62 42", 2.6, solid(dark(cloth, 0.26)))
	body := "M 27 38 L 73 38 C 74 52 75.4 66 76 78 C 76 79.6 75 80 74 80 L 26 80 C 25 80 24 79.6 24 78 C 24.6 66 26 52 27 38 Z"
	p.fill(body, slant(light(cloth, 0.3), dark(cloth, 0.15), 28, 38, 74, 80))
	p.inside(parse(body), func() {
		p.line("M 24 41.4 L 76 41.4", 0.35, solid(alpha(p.pal.dark, 0.4)))
		p.line("M 32 38 C 34 50 31 66 33 82", 1.6, solid(alpha(p.pal.dark, 0.05)))
		p.line("M 67 38 C 65 52 69 66 66 82", 2.2, solid(alpha(p.pal.dark, 0.07)))
		// A printed sprig.
		p.line("M 50 74 C 50 66 49.4 60 50.4 49", 1, solid(c))
		for i := range 4 {
			y := 70 - float64(i)*5
			for _, side := range []float64{-1, 1} {
				o := parse(fmt.Sprintf("M 50 %g C 53 %g 53 %g 50 %g C 47 %g 47 %g 50 %g Z", y, y-2.6, y-6, y-8.4, y-6, y-2.6, y))
				p.shape(o.turned(side*52, 50, y), solid(c))
			}
		}
		p.fill("M 50.2 50 C 53 48 53 45 50.4 42.6 C 47.8 45 47.8 48 50.2 50 Z", solid(p.pal.accent))
	})
	p.line("M 36 43 C 36 10 64 10 64 43", 2.8, slant(light(cloth, 0.2), dark(cloth, 0.14), 36, 20, 64, 40))
	for _, x := range []float64{36, 64} {
		p.fillf(solid(dark(cloth, 0.12)), "R %g 40.4 4.4 5.4 0.4", x-2.2)
		p.line(fmt.Sprintf("M %g 41.6 L %g 44.6 M %g 41.6 L %g 44.6", x-1.2, x+1.2, x+1.2, x-1.2), 0.35, solid(c))
	}
}

func notebook(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(52, 79, 25, 4)
	tilt := func(text string) outline { return parse(text).turned(-5, 50, 50) }
	p.shape(tilt("R 32 21.4 44 58 1.6"), solid(dark(c, 0.4)))
	p.shape(tilt("R 31.6 20.8 43 57.4 0.6"), slant(hex(0xfffaf0), hex(0xe6dccb), 70, 20, 76, 78))
	for i := range 3 {
		p.shape(tilt(fmt.Sprintf("M %g 22 L %g 77", 72.4+float64(i)*0.7, 72.4+float64(i)*0.7)).stroked(0.2), solid(hex(0xcdbfa8)))
	}
	cover := tilt("R 28 19.4 43.6 58.4 1.8")
	p.shape(cover, slant(light(c, 0.18), dark(c, 0.14), 30, 20, 70, 78))
	p.inside(cover, func() {
		p.shape(tilt("M 28 18 L 34.4 18 L 34.4 80 L 28 80 Z"), solid(alpha(p.pal.dark, 0.24)))
		for row := range 9 {
			for col := range 6 {
				x, y := 39.4+float64(col)*6, 24+float64(row)*6.2+float64(col%2)*3.1
				p.shape(tilt(fmt.Sprintf("M %g %g Q %g %g %g %g", x-2.2, y+1, x, y-2.6, x+2.2, y+1)).stroked(0.7), solid(alpha(second, 0.6)))
			}
		}
	})
	p.shape(tilt("R 41 36 24 14 0.8"), slant(light(second, 0.4), second, 41, 36, 65, 50))
	p.shape(tilt("M 45 41 L 61 41").stroked(0.8), solid(dark(c, 0.2)))
	p.shape(tilt("M 48 45 L 58 45").stroked(0.5), solid(alpha(p.pal.dark, 0.5)))
	p.shape(tilt("M 66.6 19 L 66.6 78.2").stroked(1.2), solid(p.pal.accent))
	p.shape(tilt("M 50 77.6 L 50 84 L 51.5 82.6 L 53 84 L 53 77.6 Z"), solid(p.pal.accent))
}

func soap(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 29, 5)
	bar := func(x, y float64, k nrgba, fleck nrgba) {
		p.fillf(slant(dark(k, 0.05), dark(k, 0.3), x, y, x+44, y+15), "R %g %g 44 16 4", x, y+4)
		top := fmt.Sprintf("R %g %g 44 12 4", x, y)
		p.fill(top, slant(light(k, 0.35), k, x, y, x+44, y+12))
		p.inside(parse(top), func() {
			for i := range 16 {
				fx, fy := x+3+math.Mod(float64(i)*17.3, 39), y+1.6+math.Mod(float64(i)*5.7, 9)
				p.shape(parse(fmt.Sprintf("E %g %g 0.9 0.45", fx, fy)).turned(float64(i)*40, fx, fy), solid(alpha(fleck, 0.7)))
			}
		})
	}
	bar(28, 61, light(c, 0.1), second)
	p.fill("R 37 60.8 26 19.4 0.4", slant(light(second, 0.3), dark(second, 0.16), 37, 60, 60, 80))
	p.line("M 42 72 L 58 72", 0.8, solid(dark(c, 0.2)))
	p.line("M 45 75 L 55 75", 0.5, solid(alpha(p.pal.dark, 0.45)))
	bar(26, 42.6, light(second, 0.1), c)
	// Tied with string, and a sprig under the knot.
	p.line("M 48 42.6 L 48 62.4", 0.8, solid(hex(0xa98455)))
	p.line("M 26.4 50.2 L 69.6 50.2", 0.8, solid(hex(0xa98455)))
	leaf(p, 48, 50, 15, 38, 0.15, 0.1)
	leaf(p, 48, 50, 13, 78, 0.1, 0.15)
	leaf(p, 48, 50, 12, -2, 0.2, 0.1)
	p.line("M 48 50 C 42 44 40 50 48 50 C 54 45 57 50 48 50", 0.8, solid(hex(0x94703f)))
	for _, b := range []struct{ x, y, r float64 }{{74, 74, 3.4}, {79, 68, 2}, {75.6, 64, 1.3}, {24, 76, 2.2}} {
		p.fillf(solid(alpha(white, 0.5)), "E %g %g %g %g", b.x, b.y, b.r, b.r)
		p.line(fmt.Sprintf("M %g %g Q %g %g %g %g", b.x-b.r*0.6, b.y, b.x-b.r*0.5, b.y-b.r*0.5, b.x, b.y-b.r*0.6), 0.5, solid(white))
	}
}
