package media

import (
	"encoding/binary"
	"image"
)

// turn is how a stored picture must be turned to stand upright: the Exif
// values 1 to 8.
type turn uint16

// swaps reports whether width and height change places.
func (t turn) swaps() bool { return t >= 5 && t <= 8 }

// orientation reads the one tag we want from a TIFF structure, and takes
// anything odd for upright. The library for Exif at large would read offsets
// and counts from the file and allocate by them; this reads twelve bytes.
func orientation(tiff []byte) turn {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	n := int64(order.Uint16(tiff[at:]))
	for e := at + 2; n > 0 && e+12 <= int64(len(tiff)); e, n = e+12, n-1 {
		const tag, short = 0x0112, 3
		if order.Uint16(tiff[e:]) != tag {
			continue
		}
		v := turn(order.Uint16(tiff[e+8:]))
		if order.Uint16(tiff[e+2:]) != short || v < 1 || v > 8 {
			return 1
		}
		return v
	}
	return 1
}

// upright turns a picture that starts at 0, 0.
func (t turn) upright(src *image.RGBA) *image.RGBA {
	if t < 2 || t > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if t.swaps() {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range dh {
		for x := range dw {
			var sx, sy int
			switch t {
			case 2:
				sx, sy = w-1-x, y
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sx, sy = x, h-1-y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(dst.Pix[y*dst.Stride+x*4:][:4], src.Pix[sy*src.Stride+sx*4:][:4])
		}
	}
	return dst
}
