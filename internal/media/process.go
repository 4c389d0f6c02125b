package media

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"

	"github.com/gen2brain/webp"
	"golang.org/x/image/draw"
	xwebp "golang.org/x/image/webp"
)

// Rendition is one size of a picture, ready to be served.
type Rendition struct {
	Width, Height int // pixels
	WebP          []byte
}

// Process makes every rendition of an uploaded JPEG, PNG, GIF (its first
// frame) or WebP: upright, without metadata, no wider than the original. What
// cannot be taken is a fault of kind Invalid or TooLarge that says what it is
// and what to do. It may take several hundred megabytes for the largest
// pictures; [Library] bounds how many run at once.
func Process(ctx context.Context, data []byte) (Image, []Rendition, error) {
	f, err := inspect(data)
	if err != nil {
		return Image{}, nil, err
	}
	return f.process(ctx, data)
}

func (f facts) process(ctx context.Context, data []byte) (Image, []Rendition, error) {
	src, err := f.decode(data)
	if err != nil {
		return Image{}, nil, err
	}
	if err := ctx.Err(); err != nil {
		return Image{}, nil, err
	}
	t := orientation(f.exif)
	m := Image{Hash: Hash(data), Width: f.width, Height: f.height, Bytes: len(data)}
	if t.swaps() {
		m.Width, m.Height = m.Height, m.Width
	}
	widths := m.Widths()
	largest := widths[len(widths)-1]
	w, h := largest, m.Fit(largest)
	if t.swaps() {
		w, h = h, w
	}
	// Shrink first and turn afterwards: there is less to turn.
	pic := t.upright(shrink(reduce(src, min(f.width/w, f.height/h)), w, h))
	src = nil
	out := make([]Rendition, len(widths))
	for i := len(widths) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return Image{}, nil, err
		}
		r := Rendition{Width: widths[i], Height: m.Fit(widths[i])}
		pic = shrink(pic, r.Width, r.Height)
		if r.WebP, err = WebP(pic); err != nil {
			return Image{}, nil, err
		}
		out[i] = r
	}
	m.Placeholder = dominant(pic)
	return m, out, nil
}

// decode reads the pixels of what inspect has let through.
func (f facts) decode(data []byte) (img image.Image, err error) {
	r := bytes.NewReader(data)
	guard(&err, func() {
		switch f.kind {
		case jpegKind:
			img, err = jpeg.Decode(r)
		case pngKind:
			img, err = png.Decode(r)
		case gifKind:
			img, err = firstFrame(r, f.width, f.height)
		case webpKind:
			img, err = xwebp.Decode(r)
		}
		if err == nil && (img.Bounds().Dx() != f.width || img.Bounds().Dy() != f.height) {
			err = fmt.Errorf("decoded %v where the header said %d × %d", img.Bounds(), f.width, f.height)
		}
	})
	if err != nil {
		return nil, damaged(err)
	}
	return img, nil
}

// firstFrame lays a GIF's first frame on its canvas, which may be larger.
func firstFrame(r *bytes.Reader, w, h int) (image.Image, error) {
	frame, err := gif.Decode(r)
	if err != nil || frame.Bounds() == image.Rect(0, 0, w, h) {
		return frame, err
	}
	canvas := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
	return canvas, nil
}

// reduce averages squares of n × n pixels into one, a band of rows at a time,
// so that a large picture never exists a second time in full.
func reduce(src image.Image, n int) *image.RGBA {
	n = max(n, 1)
	b := src.Bounds()
	w, h := max(b.Dx()/n, 1), max(b.Dy()/n, 1)
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if n == 1 {
		draw.Draw(dst, dst.Rect, src, b.Min, draw.Src)
		return dst
	}
	band := image.NewRGBA(image.Rect(0, 0, w*n, n))
	area := uint32(n * n)
	for y := range h {
		draw.Draw(band, band.Rect, src, image.Pt(b.Min.X, b.Min.Y+y*n), draw.Src)
		row := dst.Pix[y*dst.Stride:]
		for x := range w {
			var sum [4]uint32
			for by := range n {
				p := band.Pix[by*band.Stride+x*n*4:][:n*4]
				for i := 0; i+3 < len(p); i += 4 {
					sum[0] += uint32(p[i])
					sum[1] += uint32(p[i+1])
					sum[2] += uint32(p[i+2])
					sum[3] += uint32(p[i+3])
				}
			}
			for c := range 4 {
				row[x*4+c] = uint8((sum[c] + area/2) / area)
			}
		}
	}
	return dst
}

func shrink(src *image.RGBA, w, h int) *image.RGBA {
	if src.Rect.Dx() == w && src.Rect.Dy() == h {
		return src
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(dst, dst.Rect, src, src.Rect, draw.Src, nil)
	return dst
}

// Quality is libwebp's, of 100; method 0 is fastest and 6 smallest. Method 4
// takes twice as long as 2 for a few hundredths fewer bytes.
const (
	quality = 80
	method  = 2
)

// WebP encodes a picture as a lossy WebP without metadata. No side may exceed
// 16,383 pixels.
func WebP(img image.Image) ([]byte, error) {
	// The encoder reads Pix as it lies, and wants colours not multiplied by
	// alpha: give it exactly that.
	b := img.Bounds()
	plain, ok := img.(*image.RGBA)
	if !ok || !plain.Opaque() || b.Min != (image.Point{}) || plain.Stride != b.Dx()*4 {
		n := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(n, n.Rect, img, b.Min, draw.Src)
		img = n
	}
	var out bytes.Buffer
	if err := webp.Encode(&out, img, webp.Options{Quality: quality, Method: method}); err != nil {
		return nil, fmt.Errorf("encode WebP: %w", err)
	}
	return out.Bytes(), nil
}

// dominant gives the colour that most of the picture has, on white where it is
// transparent: the mean of the fullest of 512 boxes of similar colours.
func dominant(img *image.RGBA) string {
	var boxes [512]struct{ n, r, g, b uint64 }
	best := 0
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride:][:img.Rect.Dx()*4]
		for i := 0; i+3 < len(row); i += 4 {
			white := 255 - row[i+3]
			r, g, b := row[i]+white, row[i+1]+white, row[i+2]+white
			k := int(r>>5)<<6 | int(g>>5)<<3 | int(b>>5)
			x := &boxes[k]
			x.n, x.r, x.g, x.b = x.n+1, x.r+uint64(r), x.g+uint64(g), x.b+uint64(b)
			if x.n > boxes[best].n {
				best = k
			}
		}
	}
	x := boxes[best]
	n := max(x.n, 1)
	return fmt.Sprintf("#%02x%02x%02x", (x.r+n/2)/n, (x.g+n/2)/n, (x.b+n/2)/n)
}
