package draw

import (
	"fmt"
	"math"
)

func leaf(p *pen, x, y, length, degrees float64, from, to float64) {
	c := mix(hex(0x6f8f62), p.pal.main, 0.15)
	o := parse(fmt.Sprintf("M %[1]g %[2]g C %[3]g %[4]g %[3]g %[5]g %[1]g %[6]g C %[7]g %[5]g %[7]g %[4]g %[1]g %[2]g Z",
		x, y, x+length*0.3, y-length*0.3, y-length*0.75, y-length, x-length*0.3)).turned(degrees, x, y)
	p.shape(o, slant(light(c, from), dark(c, to), x-length*0.5, y-length, x+length*0.5, y))
	p.shape(parse(fmt.Sprintf("M %g %g L %g %g", x, y, x, y-length*0.86)).turned(degrees, x, y).stroked(0.4), solid(alpha(white, 0.35)))
}

func vase(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 18, 4.6)
	stem := dark(hex(0x8a7a52), 0.1)
	for _, s := range []struct{ x, y, bend float64 }{{34, 20, 40}, {50, 10, 49}, {65, 18, 58}, {42, 13, 45}, {58, 12, 54}} {
		p.line(fmt.Sprintf("M 50 46 C 50 38 %g 32 %g %g", s.bend, s.x, s.y), 0.7, solid(stem))
		// Dried grass: a plume of grains.
		for i := range 7 {
			t := float64(i)
			for _, side := range []float64{-1, 1} {
				x, y := s.x+side*(0.8+t*0.16)+(50-s.x)*t*0.02, s.y-3+t*2.2
				k := mix(p.pal.accent, hex(0xe2c48e), 0.6)
				p.shape(parse(fmt.Sprintf("E %g %g 1 1.9", x, y)).turned(side*24, x, y), solid(light(k, 0.25-t*0.045)))
			}
		}
		p.fillf(solid(light(mix(p.pal.accent, hex(0xe2c48e), 0.6), 0.3)), "E %g %g 0.9 2", s.x, s.y-5)
	}
	body := "M 44 42 C 45 48 43 50 38 54 C 31 59 30 66 33 73 C 35 78 38 80 42 80 L 58 80 C 62 80 65 78 67 73 C 70 66 69 59 62 54 C 57 50 55 48 56 42 Z"
	p.fill(body, round(c, 31, 69))
	p.inside(parse(body), func() {
		p.fill("M 26 66 Q 50 73 74 66 L 74 84 L 26 84 Z", round(second, 31, 69))
		p.line("M 26 66 Q 50 73 74 66", 0.9, solid(alpha(p.pal.dark, 0.25)))
	})
	rim(p, 50, 42, 6.4, 1.8, c, p.pal.dark)
}

func planter(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 18, 4.6)
	for i, l := range []struct{ length, degrees float64 }{{30, -52}, {30, 52}, {37, -34}, {37, 35}, {26, -70}, {26, 70}, {43, -16}, {42, 17}, {45, 1}} {
		far := 0.3 - float64(i)*0.03 // behind, and so darker
		leaf(p, 50, 56, l.length, l.degrees, 0.3-far, 0.08+far)
	}
	body := "M 32 53 L 36 76 C 36.6 79 38.6 80 41 80 L 59 80 C 61.4 80 63.4 79 64 76 L 68 53 Z"
	p.fill(body, round(c, 32, 68))
	p.inside(parse(body), func() {
		for i := range 9 {
			x := 30 + float64(i)*5
			p.fillf(round(second, 30, 70), "M %g 71 L %g 63.4 L %g 71 Z", x-2.5, x, x+2.5)
		}
		p.line("M 30 73 L 70 73", 0.8, round(second, 30, 70))
		p.line("M 30 61.4 L 70 61.4", 0.8, round(second, 30, 70))
	})
	p.fill("R 30 50 40 6.4 1.6", round(light(c, 0.06), 30, 70))
	p.line("M 32 57 L 68 57", 0.8, solid(alpha(p.pal.dark, 0.28)))
}

func candle(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(50, 79, 18, 4.6)
	flame := hex(0xf6b23c)
	p.fill("E 50 32 20 22", ballGlow(p))
	p.line("M 50 45 C 50 42 50.6 41 50.2 38", 0.9, solid(night))
	p.fill("M 50 24 C 54.6 31 55.4 34 54 37.4 C 53 40 47 40 46 37.4 C 44.6 34 46.6 30 50 24 Z", fall(hex(0xfbd46a), flame, 24, 40))
	p.fill("M 50 31 C 52 34.6 52.4 36 51.8 37.8 C 51.2 39.2 48.8 39.2 48.2 37.8 C 47.6 36 48.6 34 50 31 Z", solid(hex(0xfff3cf)))
	body := "M 32 44 L 32 75 C 32 78.6 35 80 38 80 L 62 80 C 65 80 68 78.6 68 75 L 68 44 Z"
	p.fill(body, round(c, 32, 68))
	rim(p, 50, 44, 18, 4.2, c, light(second, 0.3))
	p.line("M 50 44.4 L 50.1 40.4", 0.9, solid(night))
	p.fill("R 38.4 55 23.2 16 1", slant(light(second, 0.4), dark(second, 0.06), 38, 55, 62, 71))
	p.line("M 42 60 L 58 60", 0.9, solid(dark(c, 0.3)))
	p.line("M 45 63.4 L 55 63.4", 0.6, solid(alpha(p.pal.dark, 0.5)))
	p.line("M 46.6 66.4 L 53.4 66.4", 0.6, solid(alpha(p.pal.dark, 0.5)))
}

func ballGlow(*pen) paint { return glow(50, 32, 22, 0.55) }

func lamp(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.fill("E 50 44 40 40", glow(50, 44, 40, 0.4))
	p.shadow(50, 79, 17, 4.4)
	p.fill("E 50 77.4 13 3", round(dark(c, 0.1), 37, 63))
	p.fill("M 37 77.4 L 37 78.4 C 38 82.4 62 82.4 63 78.4 L 63 77.4 C 60 80.8 40 80.8 37 77.4 Z", round(dark(c, 0.3), 37, 63))
	p.fill("M 48.8 44 L 51.2 44 L 51.2 77.4 L 48.8 77.4 Z", round(hex(0xb98f4f), 48.8, 51.2))
	for i, y := range []float64{70.5, 62.6, 55.6} {
		r := 6.6 - float64(i)*0.9
		p.fillf(ball(c, 50, y, r+0.5), "E 50 %g %g %g", y, r, r*0.72)
	}
	shade := "M 38 16 L 62 16 L 74 46 Q 50 51.4 26 46 Z"
	warm := mix(second, hex(0xffd98a), 0.35)
	p.fill(shade, func(x, y float64) (k nrgba) {
		k = mix(light(warm, 0.35), mix(warm, p.pal.main, 0.1), math.Abs(x-48)/26)
		return mix(k, hex(0xfff4d2), max(0, (y-30)/40))
	})
	p.inside(parse(shade), func() {
		p.line("M 24 44.4 Q 50 49.8 76 44.4", 1.5, solid(c))
		p.line("M 36 17.4 L 64 17.4", 1.5, solid(c))
	})
}

func clock(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(51, 79, 20, 4.4)
	p.shape(parse("R 35 72 4.4 9 2").turned(18, 37, 74), round(dark(c, 0.2), 34, 40))
	p.shape(parse("R 60.6 72 4.4 9 2").turned(-18, 63, 74), round(dark(c, 0.3), 60, 66))
	p.fill("E 36 24.6 7 5.6", ball(dark(c, 0.08), 36, 24.6, 8))
	p.fill("E 64 24.6 7 5.6", ball(dark(c, 0.16), 64, 24.6, 8))
	p.line("M 43 20 Q 50 12 57 20", 1.6, solid(dark(c, 0.25)))
	p.fill("E 50 50 28 28", ball(c, 50, 50, 32))
	p.fill("E 50 50 23.4 23.4", solid(dark(c, 0.32)))
	p.fill("E 50.4 50.4 22.8 22.8", slant(light(second, 0.25), light(second, 0.6), 34, 34, 66, 66))
	for i := range 12 {
		w, from := 0.9, 31.4
		if i%3 == 0 {
			w, from = 1.7, 32.4
		}
		p.shape(parse(fmt.Sprintf("M 50 30 L 50 %g", from)).turned(float64(i)*30, 50, 50).stroked(w), solid(p.pal.dark))
	}
	p.shape(parse("M 50 53 L 50 38").turned(-60, 50, 50).stroked(2.2), solid(p.pal.dark))
	p.shape(parse("M 50 54 L 50 33.6").turned(54, 50, 50).stroked(1.5), solid(p.pal.dark))
	p.shape(parse("M 50 55 L 50 32").turned(180, 50, 50).stroked(0.6), solid(p.pal.accent))
	p.fill("E 50 50 2 2", solid(p.pal.accent))
}

func framed(p *pen) {
	c, second := p.pal.main, p.pal.second
	p.shadow(52, 78.6, 28, 4)
	wood := mix(hex(0xb98a5a), p.pal.dark, 0.1)
	p.fill("R 24.6 15 54 64.6 0.8", solid(alpha(p.pal.dark, 0.22)))
	p.fill("R 23 14 54 65 0.8", slant(light(wood, 0.25), dark(wood, 0.2), 23, 14, 77, 79))
	p.fill("R 26.4 17.4 47.2 58.2 0.3", solid(dark(wood, 0.42)))
	p.fill("R 27 18 46.6 57.6 0.3", slant(white, hex(0xf3eee6), 27, 18, 73, 75))
	art := "R 33 24 34 45 0.2"
	p.fill(art, fall(light(p.pal.arch, 0.4), p.pal.arch, 24, 69))
	p.inside(parse(art), func() {
		p.fill("E 56 36.6 7.4 7.4", solid(p.pal.accent))
		p.fill("M 30 54 C 38 42 44 42 50 50 C 54 55 62 48 70 52 L 70 72 L 30 72 Z", solid(light(c, 0.36)))
		p.fill("M 30 61 C 40 52 50 56 56 60 C 62 63 66 58 70 58 L 70 72 L 30 72 Z", solid(c))
		p.fill("M 30 68 C 40 60 48 66 58 66 C 64 66 67 64 70 65 L 70 72 L 30 72 Z", solid(dark(c, 0.3)))
		p.line("M 30 64.4 C 40 57 50 60 58 63.4", 0.5, solid(alpha(second, 0.7)))
	})
	p.fill("M 27 18 L 46 18 L 27 50 Z", solid(alpha(white, 0.16)))
}

func basket(p *pen) {
	straw := mix(hex(0xcfa46a), p.pal.main, 0.18)
	p.shadow(50, 79, 24, 5)
	p.line("M 31 48 C 31 14 69 14 69 48", 3.2, slant(light(straw, 0.2), dark(straw, 0.25), 30, 20, 70, 40))
	p.line("M 31 48 C 31 14 69 14 69 48", 0.6, solid(alpha(p.pal.dark, 0.25)))
	// A cloth hangs over the rim.
	p.fill("E 50 46 26 6", solid(dark(straw, 0.45)))
	p.fill("M 28 46 C 34 36 42 42 50 37 C 58 34 66 40 73 46 C 66 51 34 51 28 46 Z", slant(light(p.pal.second, 0.4), dark(p.pal.second, 0.12), 30, 36, 70, 50))
	body := "M 24 46 C 25 60 28 72 31 77 C 33 80 36 81 40 81 L 60 81 C 64 81 67 80 69 77 C 72 72 75 60 76 46 C 68 51.4 32 51.4 24 46 Z"
	p.fill(body, round(straw, 24, 76))
	p.inside(parse(body), func() {
		for row := range 9 {
			y := 49 + float64(row)*4
			for col := range 15 {
				x := 20 + float64(col)*4.4 + float64(row%2)*2.2
				sag := 3.6 * (1 - math.Pow((x-50)/28, 2))
				k := round(straw, 24, 76)(x, y)
				if row == 3 || row == 4 {
					k = round(p.pal.main, 24, 76)(x, y)
				}
				p.fillf(slant(light(k, 0.16), dark(k, 0.18), x-2, y, x+2, y+4), "R %g %g 4 3.3 1.5", x-2, y+sag-1.6)
			}
		}
	})
	p.line("M 24.4 46.6 Q 50 55 75.6 46.6", 2.6, round(light(straw, 0.1), 24, 76))
	p.fill("M 38 48 L 56 50.2 L 53 66 L 47 59 L 41 64 Z", slant(light(p.pal.second, 0.35), dark(p.pal.second, 0.1), 38, 48, 56, 64))
	p.line("M 40.6 60.4 L 47 55.6 L 53.4 62.4", 0.8, solid(p.pal.accent))
}

func stool(p *pen) {
	wood := mix(hex(0xb98756), p.pal.dark, 0.06)
	p.shadow(50, 79, 26, 5)
	p.shape(parse("M 41 44 L 45 44 L 43.6 76 L 41.6 76 Z"), solid(dark(wood, 0.42)))
	p.shape(parse("M 55 44 L 59 44 L 58.4 76 L 56.4 76 Z"), solid(dark(wood, 0.46)))
	p.line("M 33 63 L 67 63", 1.8, round(dark(wood, 0.2), 33, 67))
	p.fill("M 30 44 L 35 44 L 31.6 81 L 28.4 81 Z", slant(light(wood, 0.2), dark(wood, 0.1), 28, 50, 35, 50))
	p.fill("M 65 44 L 70 44 L 71.6 81 L 68.4 81 Z", slant(wood, dark(wood, 0.28), 65, 50, 72, 50))
	p.fill("M 22 37 L 22 42 C 24 50 76 50 78 42 L 78 37 Z", round(p.pal.main, 22, 78))
	p.fill("E 50 37 28 6.4", slant(light(p.pal.main, 0.3), p.pal.main, 28, 32, 72, 42))
	p.inside(parse("E 50 37 28 6.4"), func() {
		for i := range 9 {
			x := 18 + float64(i)*8
			p.line(fmt.Sprintf("M %g 29 L %g 45", x+6, x-6), 1.1, solid(alpha(p.pal.second, 0.75)))
		}
	})
	p.line("M 22.4 42 C 25 49.4 75 49.4 77.6 42", 0.7, solid(alpha(p.pal.second, 0.7)))
}
