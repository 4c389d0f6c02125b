package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"

	"haat/internal/fault"
)

// The bounds of what is taken, all checked before a picture is decoded.
const (
	MaxBytes  = 25 << 20   // of the upload
	MaxPixels = 50_000_000 // width × height
	maxTall   = 10         // heights per width; beyond, a rendition exceeds what WebP can hold
	maxSide   = 65_500     // pixels; no camera reaches it
	maxScans  = 100        // of a progressive JPEG; cameras and tools write about ten
)

type kind uint8

const (
	jpegKind kind = iota + 1
	pngKind
	gifKind
	webpKind
)

// facts is what the headers of an upload say.
type facts struct {
	kind          kind
	width, height int    // as stored, before turning upright
	exif          []byte // a TIFF structure, or nothing
	memory        int64  // bytes that decoding may take
}

func invalid(format string, args ...any) *fault.Fault {
	return fault.Invalid("/image", format, args...)
}

func damaged(err error) *fault.Fault {
	return invalid("This picture is cut off or damaged. Upload the original again.").With("image-damaged").Because(err)
}

// inspect finds out what the bytes are and refuses what we do not take. It
// reads headers only.
func inspect(data []byte) (facts, error) {
	if len(data) == 0 {
		return facts{}, invalid("The file is empty. Choose a JPEG, PNG, WebP or GIF picture.").With("image-empty")
	}
	if len(data) > MaxBytes {
		return facts{}, fault.TooLarge("/image", "The picture is larger than %d MB. Save it smaller and upload it again.", MaxBytes>>20).With("image-bytes")
	}
	k, other := sniff(data)
	if other != nil {
		return facts{}, other
	}
	f := facts{kind: k}
	var c image.Config
	var err error
	each := int64(4) // bytes a pixel while decoding
	guard(&err, func() {
		switch k {
		case jpegKind:
			var progressive bool
			if f.exif, progressive, err = walkJPEG(data); err != nil {
				return
			}
			if progressive {
				each = 15
			}
			c, err = jpeg.DecodeConfig(bytes.NewReader(data))
		case pngKind:
			f.exif, each = pngExif(data), 8
			c, err = png.DecodeConfig(bytes.NewReader(data))
		case gifKind:
			each = 1
			c, err = gif.DecodeConfig(bytes.NewReader(data))
		case webpKind:
			var frame image.Point
			if f.exif, frame, err = walkWebP(data); err != nil {
				return
			}
			c, err = webp.DecodeConfig(bytes.NewReader(data))
			if frame.X > c.Width || frame.Y > c.Height {
				err = errors.New("webp: the frame is larger than its canvas")
			}
			each = 8
		}
	})
	if err != nil {
		if fault.Of(err) != nil {
			return facts{}, err
		}
		return facts{}, damaged(err)
	}
	f.width, f.height = c.Width, c.Height
	f.memory = int64(c.Width) * int64(c.Height) * each
	return f, f.bounds()
}

func (f facts) bounds() error {
	w, h := f.width, f.height
	if w <= 0 || h <= 0 {
		return damaged(errors.New("no pixels"))
	}
	if w > maxSide || h > maxSide || int64(w)*int64(h) > MaxPixels {
		return fault.TooLarge("/image", "The picture has %d × %d pixels; at most %d million fit. Save it smaller and upload it again.", w, h, MaxPixels/1_000_000).With("image-pixels")
	}
	if orientation(f.exif).swaps() {
		w, h = h, w
	}
	if h > w*maxTall {
		return invalid("The picture is more than %d times as tall as it is wide. Cut it into several pictures.", maxTall).With("image-shape")
	}
	return nil
}

// sniff tells the kind from the first bytes, or says what they are instead
// and what to do about it.
func sniff(data []byte) (kind, error) {
	has := func(at int, magic string) bool {
		return len(data) >= at+len(magic) && string(data[at:at+len(magic)]) == magic
	}
	switch {
	case has(0, "\xff\xd8\xff"):
		return jpegKind, nil
	case has(0, "\x89PNG\r\n\x1a\n"):
		return pngKind, nil
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return gifKind, nil
	case has(0, "RIFF") && has(8, "WEBP"):
		return webpKind, nil
	}
	name, advice := "file", "Upload a JPEG, PNG, WebP or GIF picture."
	switch {
	case has(4, "ftyp"):
		name, advice = brand(data)
	case has(0, "\xff\x0a"), has(4, "JXL \r\n"):
		name, advice = "JPEG XL picture", "Save it as a JPEG and upload that."
	case has(0, "BM"):
		name, advice = "BMP picture", "Save it as a PNG or JPEG and upload that."
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		name, advice = "TIFF or raw camera picture", "Save it as a JPEG and upload that."
	case has(0, "8BPS"):
		name, advice = "Photoshop file", "Export it as a JPEG or PNG and upload that."
	case has(0, "%PDF"):
		name, advice = "PDF", "Upload a picture of the page instead, as a JPEG or PNG."
	case has(0, "PK\x03\x04"):
		name, advice = "ZIP archive", "Unpack it and upload the pictures in it."
	case has(0, "\x00\x00\x01\x00"):
		name, advice = "icon file", "Upload it as a PNG."
	case has(0, "\x1aE\xdf\xa3"), has(0, "RIFF") && has(8, "AVI "):
		name, advice = "video", "Upload a still picture: a JPEG, PNG, WebP or GIF."
	case isMarkup(data, "<svg"):
		name, advice = "SVG drawing", "Drawings can carry scripts. Export it as a PNG and upload that."
	case isMarkup(data, "<"):
		name, advice = "web page", "Save the picture itself, not the page it is on, and upload that."
	}
	return 0, invalid("This is a %s, which cannot be used here. %s", name, advice).With("image-kind")
}

// brand names what an ISO media file holds: pictures of phones, or videos.
func brand(data []byte) (name, advice string) {
	size := min(int(binary.BigEndian.Uint32(data)), len(data), 128)
	for at := 8; at+4 <= size; at += 4 {
		switch string(data[at : at+4]) {
		case "avif", "avis":
			return "AVIF picture", "Save it as a JPEG or PNG and upload that."
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			return "HEIC photo", "On an iPhone choose Settings, Camera, Formats, Most Compatible, or share the photo as a JPEG; then upload that."
		}
	}
	return "video", "Upload a still picture: a JPEG, PNG, WebP or GIF."
}

func isMarkup(data []byte, tag string) bool {
	head := bytes.ToLower(data[:min(len(data), 1024)])
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte(tag))
}

// walkJPEG reads the segments of a JPEG up to its end: where the Exif block
// is, and whether the file is progressive. It refuses a file of very many
// scans, each of which would cost a pass over the whole picture.
func walkJPEG(data []byte) (exif []byte, progressive bool, err error) {
	scans := 0
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			at++ // entropy-coded data, or rubbish that the decoder skips too
			continue
		}
		m := data[at+1]
		switch {
		case m == 0xff:
			at++
			continue
		case m == 0, m == 1, m >= 0xd0 && m <= 0xd8: // stuffing, restarts
			at += 2
			continue
		case m == 0xd9:
			return exif, progressive, nil
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		body := data[min(at+4, len(data)):min(at+2+size, len(data))]
		if size < 2 {
			return nil, false, errors.New("segment shorter than its length")
		}
		switch m {
		case 0xc2:
			progressive = true
		case 0xda:
			if scans++; scans > maxScans {
				return nil, false, invalid("This JPEG is built in an unusual way that cannot be used here. Save it again as an ordinary JPEG.").With("image-bomb")
			}
		case 0xe1:
			if t, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok && exif == nil {
				exif = t
			}
		}
		at += 2 + size
	}
	return exif, progressive, nil
}

// pngExif finds the eXIf chunk of a PNG.
func pngExif(data []byte) []byte {
	for at := 8; at+12 <= len(data); {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		end := int64(at) + 12 + size
		if end > int64(len(data)) {
			return nil
		}
		switch string(data[at+4 : at+8]) {
		case "eXIf":
			return data[at+8 : end-4]
		case "IEND":
			return nil
		}
		at = int(end)
	}
	return nil
}

// walkWebP finds the Exif chunk, refuses animations, and gives the size of the
// largest frame inside, which may differ from the canvas the header promises.
func walkWebP(data []byte) (exif []byte, frame image.Point, err error) {
	for at := 12; at+8 <= len(data); {
		size := int64(binary.LittleEndian.Uint32(data[at+4:]))
		end := min(int64(at)+8+size, int64(len(data)))
		body := data[at+8 : end]
		w, h := 0, 0
		switch string(data[at : at+4]) {
		case "ANIM", "ANMF":
			return nil, frame, invalid("This is an animated WebP, which cannot be used here. Save one frame as a JPEG or PNG and upload that.").With("image-kind")
		case "VP8 ":
			if len(body) >= 10 {
				w, h = int(binary.LittleEndian.Uint16(body[6:])&0x3fff), int(binary.LittleEndian.Uint16(body[8:])&0x3fff)
			}
		case "VP8L":
			if len(body) >= 5 {
				bits := binary.LittleEndian.Uint32(body[1:])
				w, h = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
			}
		case "EXIF":
			// Some writers keep the marker that a JPEG has.
			exif = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
		frame = image.Pt(max(frame.X, w), max(frame.Y, h))
		at = int(end + size&1)
	}
	return exif, frame, nil
}

// guard turns a decoder's panic into an error: hostile bytes must not end the
// program, whatever a decoder forgot to check.
func guard(err *error, fn func()) {
	defer func() {
		if p := recover(); p != nil {
			*err = errors.New("the decoder panicked")
		}
	}()
	fn()
}
