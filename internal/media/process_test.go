package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"

	xwebp "golang.org/x/image/webp"

	"haat/internal/fault"
)

// quarters paints red, green, blue and white: clockwise from the upper left.
func quarters(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 0, 0, 255}
			switch right, low := x >= w/2, y >= h/2; {
			case right && !low:
				c = color.RGBA{0, 160, 0, 255}
			case right && low:
				c = color.RGBA{0, 0, 255, 255}
			case low:
				c = color.RGBA{255, 255, 255, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const secret = "GPS 28.6139N 77.2090E Owner"

// tiff is an Exif block with the orientation and a secret in it.
func tiff(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	// Make (0x010f), ASCII, at the end.
	b = order.AppendUint16(b, 0x010f)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint32(b, uint32(len(secret)))
	b = order.AppendUint32(b, 38)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	b = order.AppendUint32(b, 0)
	return append(b, secret...)
}

func withExif(jpg, tiff []byte) []byte {
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, jpg[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	out = append(out, body...)
	// A comment and an XMP block too.
	out = append(out, 0xff, 0xfe, 0, byte(len(secret)+2))
	out = append(out, secret...)
	return append(out, jpg[2:]...)
}

func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	d := func(x, y uint32) bool { return max(x, y)-min(x, y) < 60<<8 }
	return d(ar, br) && d(ag, bg) && d(ab, bb)
}

func TestEveryOrientationStandsUpright(t *testing.T) {
	upright := quarters(200, 120)
	for o := 1; o <= 8; o++ {
		// Store the picture the way a camera held like that would: undo the turn.
		back := map[int]turn{6: 8, 8: 6}[o]
		if back == 0 {
			back = turn(o)
		}
		stored := back.upright(upright)
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			in := withExif(jpegOf(t, stored), tiff(order, uint16(o)))
			m, out, err := Process(context.Background(), in)
			if err != nil {
				t.Fatalf("orientation %d: %v", o, err)
			}
			if m.Width != 200 || m.Height != 120 || m.Fit(160) != 96 {
				t.Fatalf("orientation %d: %d × %d", o, m.Width, m.Height)
			}
			for _, r := range out {
				got, err := xwebp.Decode(bytes.NewReader(r.WebP))
				if err != nil || got.Bounds() != image.Rect(0, 0, r.Width, r.Height) {
					t.Fatalf("orientation %d: rendition %d is %v, %v", o, r.Width, got.Bounds(), err)
				}
				for _, p := range []image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
					a, b := got.At(p.X*r.Width/4, p.Y*r.Height/4), upright.At(p.X*200/4, p.Y*120/4)
					if !near(a, b) {
						t.Errorf("orientation %d, width %d, at %v: %v, want %v", o, r.Width, p, a, b)
					}
				}
			}
		}
	}
}

func TestTurnsAreRightPixelForPixel(t *testing.T) {
	// The definition in Exif 2.3: which corner the first row and column are.
	src := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		src.Pix[i*4] = byte(i + 1) // 1 2 3 / 4 5 6
	}
	for o, want := range map[turn]string{
		1: "123/456", 2: "321/654", 3: "654/321", 4: "456/123",
		5: "14/25/36", 6: "41/52/63", 7: "63/52/41", 8: "36/25/14",
	} {
		d := o.upright(src)
		var rows []string
		for y := range d.Rect.Dy() {
			row := ""
			for x := range d.Rect.Dx() {
				row += fmt.Sprint(d.RGBAAt(x, y).R)
			}
			rows = append(rows, row)
		}
		if got := strings.Join(rows, "/"); got != want {
			t.Errorf("orientation %d gives %s, want %s", o, got, want)
		}
	}
}

func TestMetadataIsGone(t *testing.T) {
	chunk := func(kind string, body []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		b = append(append(b, kind...), body...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	p := pngOf(t, quarters(300, 300))
	p = slices.Concat(p[:33], chunk("tEXt", []byte("Comment\x00"+secret)), chunk("eXIf", tiff(binary.BigEndian, 6)), p[33:])
	for name, in := range map[string][]byte{"jpeg": withExif(jpegOf(t, quarters(300, 300)), tiff(binary.LittleEndian, 6)), "png": p} {
		if !bytes.Contains(in, []byte(secret)) {
			t.Fatal("the input has no secret to lose")
		}
		_, out, err := Process(context.Background(), in)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, r := range out {
			if bytes.Contains(r.WebP, []byte("GPS")) || bytes.Contains(r.WebP, []byte("EXIF")) || bytes.Contains(r.WebP, []byte("XMP ")) || bytes.Contains(r.WebP, []byte("ICCP")) {
				t.Errorf("%s, width %d still carries metadata", name, r.Width)
			}
			// Turned right by 90°, red is at the upper right.
			got, _ := xwebp.Decode(bytes.NewReader(r.WebP))
			if !near(got.At(r.Width*3/4, r.Height/4), color.RGBA{255, 0, 0, 255}) {
				t.Errorf("%s, width %d is not upright", name, r.Width)
			}
		}
	}
}

func TestWidthsNeverExceedTheOriginal(t *testing.T) {
	for own, want := range map[int][]int{
		1: {1}, 100: {100}, 160: {160}, 161: {160, 161}, 700: {160, 320, 640, 700},
		1440: {160, 320, 640, 960, 1440}, 6000: {160, 320, 640, 960, 1440},
	} {
		if got := Widths(own); !slices.Equal(got, want) {
			t.Errorf("Widths(%d) = %v, want %v", own, got, want)
		}
	}
	m, out, err := Process(context.Background(), jpegOf(t, quarters(3100, 2000)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Width != 3100 || m.Height != 2000 || len(out) != 5 || out[4].Height != 929 {
		t.Errorf("%+v, %d renditions, largest %d × %d", m, len(out), out[4].Width, out[4].Height)
	}
}

func TestTransparencyIsKept(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 400, 400))
	for y := 100; y < 300; y++ {
		for x := 100; x < 300; x++ {
			m.SetNRGBA(x, y, color.NRGBA{200, 30, 30, 255})
		}
	}
	img, out, err := Process(context.Background(), pngOf(t, m))
	if err != nil {
		t.Fatal(err)
	}
	got, err := xwebp.Decode(bytes.NewReader(out[0].WebP))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, a := got.At(5, 5).RGBA(); a != 0 {
		t.Errorf("the corner has alpha %d", a)
	}
	if !near(got.At(80, 80), color.RGBA{200, 30, 30, 255}) {
		t.Errorf("the middle is %v", got.At(80, 80))
	}
	if img.Placeholder != "#ffffff" {
		t.Errorf("transparent pictures stand on white, not %s", img.Placeholder)
	}
}

func TestEveryKindIsRead(t *testing.T) {
	pic := quarters(200, 100)
	var g bytes.Buffer
	pal := image.NewPaletted(image.Rect(0, 0, 200, 100), color.Palette{color.RGBA{255, 0, 0, 255}, color.White})
	small := image.NewPaletted(image.Rect(50, 20, 100, 60), pal.Palette)
	if err := gif.EncodeAll(&g, &gif.GIF{Image: []*image.Paletted{small, pal}, Delay: []int{1, 1}, Config: image.Config{Width: 200, Height: 100, ColorModel: pal.Palette}}); err != nil {
		t.Fatal(err)
	}
	w, err := WebP(pic)
	if err != nil {
		t.Fatal(err)
	}
	gray := image.NewGray16(image.Rect(0, 0, 200, 100))
	for name, in := range map[string][]byte{"jpeg": jpegOf(t, pic), "png": pngOf(t, pic), "gif": g.Bytes(), "webp": w, "gray16": pngOf(t, gray), "gray": jpegOf(t, image.NewGray(pic.Rect))} {
		m, out, err := Process(context.Background(), in)
		if err != nil || m.Width != 200 || m.Height != 100 || len(out) != 2 || len(m.Placeholder) != 7 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestWhatWeDoNotTakeIsNamed(t *testing.T) {
	anim := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00\x09\x00\x00ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for in, want := range map[string]string{
		"": "empty",
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic":                            "HEIC photo",
		"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif":                            "HEIC photo",
		"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1miaf":                            "AVIF picture",
		"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42":                            "video",
		"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>": "SVG drawing",
		"\xef\xbb\xbf  <SVG></SVG>":                                                   "SVG drawing",
		"<!doctype html><html><body>Not found</body></html>":                          "web page",
		"%PDF-1.7":            "PDF",
		"PK\x03\x04":          "ZIP",
		"II*\x00\x08":         "TIFF",
		"BM\x00\x00":          "BMP",
		"#!/bin/sh\nrm -rf /": "file",
		string(anim):          "animated WebP",
	} {
		_, _, err := Process(context.Background(), []byte(in))
		f := fault.Of(err)
		if f == nil || f.Kind != fault.KindInvalid || !strings.Contains(f.Message, want) || f.Field != "/image" {
			t.Errorf("%.20q: %v, want it to be called %q", in, err, want)
		}
	}
}

// pngHeader claims any size without holding any pixels.
func pngHeader(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 6, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

func TestBombsAreRefusedUnopened(t *testing.T) {
	jpg := jpegOf(t, quarters(64, 64))
	wide := slices.Clone(jpg)
	sof := bytes.Index(wide, []byte{0xff, 0xc0})
	copy(wide[sof+5:], []byte{0xff, 0x00, 0xff, 0x00}) // 65280 × 65280
	sos := bytes.Index(jpg, []byte{0xff, 0xda})
	scans := slices.Concat(jpg[:sos], bytes.Repeat(jpg[sos:len(jpg)-2], maxScans+1), jpg[len(jpg)-2:])
	// A canvas of 1 × 1 around a lossless frame of 16,384 × 16,384.
	inner := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00VP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00")
	for name, c := range map[string]struct {
		in   []byte
		kind fault.Kind
	}{
		"bytes":       {append(slices.Clone(jpg), make([]byte, MaxBytes)...), fault.KindTooLarge},
		"png side":    {pngHeader(1<<30, 1), fault.KindTooLarge},
		"png area":    {pngHeader(8000, 8000), fault.KindTooLarge},
		"png tall":    {pngHeader(10, 20000), fault.KindInvalid},
		"png nothing": {pngHeader(0, 10), fault.KindInvalid},
		"jpeg area":   {wide, fault.KindTooLarge},
		"jpeg scans":  {scans, fault.KindInvalid},
		"webp frame":  {inner, fault.KindInvalid},
		"gif area":    {[]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), fault.KindTooLarge},
	} {
		used := testing.AllocsPerRun(1, func() {
			if _, _, err := Process(context.Background(), c.in); !fault.Is(err, c.kind) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if used > 10_000 {
			t.Errorf("%s: %.0f allocations", name, used)
		}
	}
}

func TestTruncatedFilesAreInvalid(t *testing.T) {
	w, _ := WebP(quarters(90, 90))
	for name, in := range map[string][]byte{"jpeg": jpegOf(t, quarters(90, 90)), "png": pngOf(t, quarters(90, 90)), "webp": w} {
		for n := 1; n < len(in)*9/10; n += max(1, len(in)/60) {
			if _, _, err := Process(context.Background(), in[:n]); !fault.Is(err, fault.KindInvalid) {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(in), err)
			}
		}
	}
}

func TestReduceAverages(t *testing.T) {
	src := image.NewYCbCr(image.Rect(7, 3, 7+90, 3+60), image.YCbCrSubsampleRatio444)
	for i := range src.Y {
		src.Y[i], src.Cb[i], src.Cr[i] = byte(100+i%2*100), 128, 128
	}
	got := reduce(src, 2)
	if got.Rect != image.Rect(0, 0, 45, 30) {
		t.Fatal(got.Rect)
	}
	if c := got.RGBAAt(20, 20); c != (color.RGBA{150, 150, 150, 255}) {
		t.Error(c)
	}
}

func TestACancelledUploadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Process(ctx, jpegOf(t, quarters(500, 500))); err != context.Canceled {
		t.Error(err)
	}
}

func FuzzProcess(f *testing.F) {
	small := quarters(24, 16)
	w, _ := WebP(small)
	jpg := jpegOf(f, small)
	for _, in := range [][]byte{jpg, pngOf(f, small), w, withExif(jpg, tiff(binary.BigEndian, 6)),
		withExif(jpg, []byte("II*\x00\xff\xff\xff\xff")), withExif(jpg, []byte("MM\x00*\x00\x00\x00\x08\xff\xff")),
		[]byte("GIF89a"), pngHeader(9, 9), []byte("\x00\x00\x00\xffftypheic"), []byte("RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff")} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		facts, err := inspect(in)
		if err == nil && facts.width*facts.height > 1<<20 {
			return // allowed, but too slow for fuzzing
		}
		m, out, err := Process(t.Context(), in)
		if err != nil {
			if fault.Of(err) == nil {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if len(out) != len(m.Widths()) || m.Width < 1 || m.Height < 1 {
			t.Fatalf("%+v with %d renditions", m, len(out))
		}
	})
}
