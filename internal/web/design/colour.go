package design

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// colour is sRGB, each part from 0 to 1.
type colour struct{ r, g, b float64 }

// polar is OKLCH: lightness, chroma and hue as the eye orders them, so that
// a colour can be made lighter without becoming another one.
type polar struct{ l, c, h float64 }

func parseColour(s string) (colour, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "#")
	if len(s) == 3 {
		s = string([]byte{s[0], s[0], s[1], s[1], s[2], s[2]})
	}
	if len(s) != 6 {
		return colour{}, false
	}
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return colour{}, false
	}
	return colour{float64(v>>16) / 255, float64(v>>8&255) / 255, float64(v&255) / 255}, true
}

func colourOr(s, fallback string) colour {
	if c, ok := parseColour(s); ok {
		return c
	}
	c, _ := parseColour(fallback)
	return c
}

func (c colour) hex() string {
	part := func(v float64) int { return int(math.Round(min(max(v, 0), 1) * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c.r), part(c.g), part(c.b))
}

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func gamma(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func (c colour) luminance() float64 {
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is the WCAG ratio of two colours, 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func mix(a, b colour, share float64) colour {
	f := func(x, y float64) float64 { return x + (y-x)*share }
	return colour{f(a.r, b.r), f(a.g, b.g), f(a.b, b.b)}
}

func (c colour) opposite() colour { return colour{1 - c.r, 1 - c.g, 1 - c.b} }

// readable moves the lightness away from the grounds, which are all light or
// all dark, until the ratio is reached on each of them; the hue is kept.
func (c colour) readable(ratio float64, grounds ...colour) colour {
	rounded := func(c colour) colour { return colourOr(c.hex(), "") }
	enough := func(c colour) bool {
		for _, g := range grounds {
			if contrast(rounded(c), rounded(g)) < ratio {
				return false
			}
		}
		return true
	}
	step := -0.01
	if grounds[0].luminance() < 0.18 {
		step = 0.01
	}
	p := c.polar()
	for range 101 {
		if enough(c) {
			break
		}
		p.l = min(max(p.l+step, 0), 1)
		c = p.colour()
	}
	return c
}

// ground moves a background of middling lightness, on which neither white
// nor black can be read well, to the nearer one that leaves them 9:1.
func (c colour) ground() colour {
	p, light := c.polar(), c.luminance() >= 0.18
	for range 100 {
		ink := colour{}
		step := 0.01
		if !light {
			ink, step = colour{1, 1, 1}, -0.01
		}
		if contrast(ink, c) >= 9 {
			return c
		}
		p.l += step
		c = p.colour()
	}
	return c
}

// inkOn is the text colour for a bright fill: nearly black, with its hue.
func (c colour) inkOn() colour {
	p := c.polar()
	p.l, p.c = 0.24, min(p.c, 0.05)
	return p.colour().readable(4.5, c)
}

func (c colour) polar() polar {
	r, g, b := linear(c.r), linear(c.g), linear(c.b)
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	x := 1.9779984951*l - 2.4285922050*m + 0.4505937099*s
	y := 0.0259040371*l + 0.7827717662*m - 0.8086757660*s
	return polar{0.2104542553*l + 0.7936177850*m - 0.0040720468*s, math.Hypot(x, y), math.Atan2(y, x)}
}

// colour gives back sRGB, with less chroma where the screen has no such
// colour.
func (p polar) colour() colour {
	for c := p.c; ; c -= 0.005 {
		got, inside := polar{p.l, max(c, 0), p.h}.exact()
		if inside || c <= 0 {
			return got
		}
	}
}

func (p polar) exact() (colour, bool) {
	x, y := p.c*math.Cos(p.h), p.c*math.Sin(p.h)
	cube := func(v float64) float64 { return v * v * v }
	l := cube(p.l + 0.3963377774*x + 0.2158037573*y)
	m := cube(p.l - 0.1055613458*x - 0.0638541728*y)
	s := cube(p.l - 0.0894841775*x - 1.2914855480*y)
	lin := [3]float64{
		4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
		-1.2684380046*l + 2.6097574011*m - 0.3413193965*s,
		-0.0041960863*l - 0.7034186147*m + 1.7076147010*s,
	}
	inside := true
	for i, v := range lin {
		if v < -0.0005 || v > 1.0005 {
			inside = false
		}
		lin[i] = min(max(v, 0), 1)
	}
	return colour{gamma(lin[0]), gamma(lin[1]), gamma(lin[2])}, inside
}
