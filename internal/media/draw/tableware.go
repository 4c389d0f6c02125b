package draw

import (
	"fmt"
	"image/color"
)

func mug(p *pen) {
	c, glaze := p.pal.main, p.pal.second
	p.shadow(52, 79, 21, 5)
	p.line("M 67 46 C 83 42 84 69 66 68", 5, round(dark(c, 0.12), 62, 84))
	p.line("M 67 45.4 C 81.5 41.5 82.5 67 66 66.8", 1.4, solid(alpha(white, 0.22)))
	body := "M 31 36 L 31.6 68 C 31.8 76 36 80 43 80 L 57 80 C 64 80 68.2 76 68.4 68 L 69 36 Z"
	p.fill(body, round(c, 31, 69))
	p.inside(parse(body), func() {
		p.fill("M 28 30 L 72 30 L 72 55 C 66 53 64 61 58 59 C 53 57 51 54 46 57 C 41 60 38 54 28 57 Z", round(glaze, 31, 69))
	})
	rim(p, 50, 36, 19, 4.6, glaze, hex(0x5a3523))
}

// rim is an open mouth with something in it.
func rim(p *pen, cx, cy, rx, ry float64, c, content color.NRGBA) {
	p.fillf(round(light(c, 0.25), cx-rx, cx+rx), "E %g %g %g %g", cx, cy, rx, ry)
	p.fillf(slant(dark(c, 0.34), dark(c, 0.12), cx-rx, cy, cx+rx, cy), "E %g %g %g %g", cx, cy+0.2, rx-1.6, ry-0.9)
	p.inside(parse(fmt.Sprintf("E %g %g %g %g", cx, cy+0.2, rx-1.6, ry-0.9)), func() {
		p.fillf(slant(light(content, 0.16), content, cx-rx, cy, cx+rx, cy), "E %g %g %g %g", cx, cy+1.5, rx-2, ry-0.9)
	})
}

func teapot(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 28, 5)
	p.line("M 30 48 C 12 40 10 70 31 70", 4.6, round(dark(c, 0.1), 12, 34))
	p.fill("M 68 66 C 78 64 78 50 86 42 L 91.5 44 C 86 54 84 72 70 76 Z", round(dark(c, 0.06), 66, 92))
	p.fill("M 85.6 42.4 L 88 40.8 L 92.2 42.6 L 91.4 44.6 Z", solid(dark(c, 0.28)))
	body := "M 50 42 C 66 42 76 51 76 62 C 76 73 67 80 58 80 L 42 80 C 33 80 24 73 24 62 C 24 51 34 42 50 42 Z"
	p.fill(body, ball(c, 50, 62, 27))
	p.inside(parse(body), func() {
		p.line("M 22 60 Q 50 67 78 60", 1.3, solid(alpha(second, 0.85)))
		p.line("M 22 63.4 Q 50 70.4 78 63.4", 0.7, solid(alpha(second, 0.85)))
	})
	p.fill("M 37 46 C 37 38 63 38 63 46 C 60 49 40 49 37 46 Z", round(light(c, 0.08), 36, 64))
	p.line("M 36.6 46 Q 50 50.6 63.4 46", 0.8, solid(dark(c, 0.3)))
	p.fill("E 50 37.4 3.6 3.4", ball(p.pal.accent, 50, 37.4, 4))
	p.fill("M 33 55 C 35 50 39 48 41 48 C 37 51 35 55 34.6 60 Z", solid(alpha(white, 0.3)))
}

func bowl(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 24, 5)
	p.fill("M 39 74 L 40.5 80 L 59.5 80 L 61 74 Z", round(dark(c, 0.18), 39, 61))
	body := "M 21 50 C 22 67 33 77 42 77 L 58 77 C 67 77 78 67 79 50 Z"
	p.fill(body, round(c, 21, 79))
	p.inside(parse(body), func() {
		for i := range 3 {
			y := 57 + float64(i)*4.4
			p.shape(parse(fmt.Sprintf("M 18 %g Q 50 %g 82 %g", y, y+9, y)).stroked(0.9), solid(alpha(second, 0.75)))
		}
	})
	p.fill("E 50 50 29 7", round(light(c, 0.3), 21, 79))
	p.fill("E 50 50.4 27 5.9", slant(dark(second, 0.3), light(second, 0.1), 24, 48, 76, 54))
	// Three lemons, the nearer over the farther.
	p.inside(parse("M 21 20 L 79 20 L 79 50.4 C 74 58 26 58 21 50.4 Z"), func() {
		fruit := mix(p.pal.accent, hex(0xe8b23a), 0.55)
		for _, at := range []point{{43, 45}, {59, 44.4}, {51, 49}} {
			p.shape(parse(fmt.Sprintf("E %g %g 9.4 8.2", at.x, at.y)).turned(-14, at.x, at.y), ball(fruit, at.x, at.y, 10))
			p.fillf(solid(alpha(white, 0.35)), "E %g %g 2.2 1.3", at.x-3.4, at.y-4)
		}
		p.fill("M 59 36.6 C 62 31 68 31 70 33 C 68 37 63 38.6 59 36.6 Z", solid(hex(0x64845a)))
	})
}

func plate(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(51, 76, 31, 6)
	// It leans on the wall, nearly facing us.
	p.fill("E 51.2 49.4 30.4 30.4", solid(dark(c, 0.36)))
	p.fill("E 50 49 30 30", slant(light(c, 0.2), dark(c, 0.12), 28, 26, 72, 74))
	p.fill("E 50 49 27.6 27.6", slant(light(second, 0.4), dark(second, 0.07), 28, 26, 72, 74))
	for i := range 24 {
		leaf := parse("M 50 25 C 51.6 27 51.6 29.4 50 31.6 C 48.4 29.4 48.4 27 50 25 Z").turned(float64(i)*15, 50, 49)
		k := c
		if i%2 == 1 {
			k = p.pal.accent
		}
		p.shape(leaf, solid(k))
	}
	p.fill("E 50 49 16.8 16.8", slant(dark(second, 0.12), light(second, 0.2), 36, 35, 64, 63))
	p.fill("E 50.3 49.3 16 16", slant(light(second, 0.15), light(second, 0.5), 36, 35, 64, 63))
	for i := range 6 {
		p.shape(parse("M 50 49 C 45.6 45 46 40.4 50 38.4 C 54 40.4 54.4 45 50 49 Z").turned(float64(i)*60, 50, 49), solid(alpha(c, 0.85)))
	}
	p.fill("E 50 49 2.3 2.3", solid(p.pal.accent))
}

func carafe(p *pen) {
	glass := mix(p.pal.main, white, 0.55)
	p.shadow(50, 79, 18, 4.6)
	body := "M 43 22 C 44 36 44 40 38 48 C 32 55 31 62 32 71 C 33 78 37 80 42 80 L 58 80 C 63 80 67 78 68 71 C 69 62 68 55 62 48 C 56 40 56 36 57 22 Z"
	p.fill(body, func(x, y float64) color.NRGBA { return alpha(round(glass, 32, 68)(x, y), 0.62) })
	p.inside(parse(body), func() {
		p.fill("M 28 56 Q 50 59.6 72 56 L 72 82 L 28 82 Z", func(x, y float64) color.NRGBA { return alpha(round(p.pal.main, 32, 68)(x, y), 0.6) })
		p.fill("E 50 56.2 17.4 2.6", solid(alpha(light(p.pal.main, 0.45), 0.8)))
		p.fill("M 33 76 Q 50 82 67 76 L 67 82 L 33 82 Z", solid(alpha(dark(p.pal.main, 0.3), 0.35)))
		p.line("M 37.6 54 C 35.4 59 35.2 66 36.4 71.6", 1.6, solid(alpha(white, 0.75)))
		p.line("M 46 25 C 46.6 34 46.4 39 43.6 44", 1.1, solid(alpha(white, 0.7)))
	})
	p.fill("E 50 22 7 1.8", solid(alpha(light(glass, 0.5), 0.95)))
	p.fill("M 45.4 14.6 L 54.6 14.6 L 53.8 25 L 46.2 25 Z", round(hex(0xc89b6a), 45, 55))
	p.fill("E 50 14.6 4.6 1.3", solid(hex(0xdcb78c)))
}
