package media

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"haat/internal/id"
)

// Image is a picture in a shop's media. Width and Height are those of the
// upright original, in pixels, whatever the largest rendition is.
type Image struct {
	Hash        string `json:"hash"`        // content address of the uploaded bytes: 32 characters of a-z, 0-9
	Width       int    `json:"width"`       // pixels
	Height      int    `json:"height"`      // pixels
	Alt         string `json:"alt"`         // what it shows, in the words of whoever uses it; Add leaves it empty
	Placeholder string `json:"placeholder"` // the colour to show until it has loaded, such as "#e8ddd0"
	Bytes       int    `json:"bytes"`       // of the upload
}

// Widths lists the renditions of the picture, smallest first; never empty.
func (m Image) Widths() []int { return Widths(m.Width) }

// Fit gives the height, in pixels, of the picture's rendition of that width.
func (m Image) Fit(width int) int { return fit(m.Width, m.Height, width) }

// standard are the widths that renditions are made at. 1440 fills a phone of
// 480 points at three pixels a point, and half of a large desktop window.
var standard = []int{160, 320, 640, 960, 1440}

// Largest is the width that no rendition exceeds.
const Largest = 1440

// Widths lists the widths, smallest first, at which an original of the given
// width is kept: the standard ones below it, and its own up to [Largest].
func Widths(original int) []int {
	own := min(max(original, 1), Largest)
	var out []int
	for _, w := range standard {
		if w < own {
			out = append(out, w)
		}
	}
	return append(out, own)
}

func fit(w, h, width int) int {
	if w <= 0 {
		return 1
	}
	return max(1, (h*width+w/2)/w)
}

// Prefix begins the path of every picture.
const Prefix = "/media/"

// URL gives the path of the rendition of that width. The width must be one of
// the picture's [Image.Widths]; use [Nearest] to choose one.
func URL(shop id.Shop, hash string, width int) string {
	return Prefix + shop.String() + "/" + hash + "-" + strconv.Itoa(width) + ".webp"
}

// Nearest gives the smallest rendition that is at least want pixels wide, or
// the largest there is.
func Nearest(original, want int) int {
	widths := Widths(original)
	for _, w := range widths {
		if w >= want {
			return w
		}
	}
	return widths[len(widths)-1]
}

// SrcSet lists every rendition for the srcset attribute of an <img>.
func SrcSet(shop id.Shop, m Image) string {
	var b strings.Builder
	for i, w := range m.Widths() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %dw", URL(shop, m.Hash, w), w)
	}
	return b.String()
}

// ParseURL takes a path apart that [URL] made. It is strict, so that one
// picture has one address: anything else is not ok.
func ParseURL(path string) (shop id.Shop, hash string, width int, ok bool) {
	rest, ok := strings.CutPrefix(path, Prefix)
	if !ok || len(path) > 100 {
		return 0, "", 0, false
	}
	first, file, ok := strings.Cut(rest, "/")
	if !ok {
		return 0, "", 0, false
	}
	name, ok := strings.CutSuffix(file, ".webp")
	if !ok {
		return 0, "", 0, false
	}
	hash, digits, _ := strings.Cut(name, "-")
	width, err := strconv.Atoi(digits)
	if err != nil || width < 1 || width > Largest || !IsHash(hash) {
		return 0, "", 0, false
	}
	shop, err = id.ParseShop(first)
	if err != nil || URL(shop, hash, width) != path {
		return 0, "", 0, false
	}
	return shop, hash, width, true
}

var base = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Hash gives the content address of an upload: 160 bits of its SHA-256 in 32
// characters.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return base.EncodeToString(sum[:20])
}

// IsHash reports whether the text could have come from [Hash].
func IsHash(text string) bool {
	if len(text) != 32 {
		return false
	}
	return !slices.ContainsFunc([]byte(text), func(c byte) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z') || c == 'i' || c == 'l' || c == 'o' || c == 'u'
	})
}
