package shopify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"haat/internal/fault"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const sampleSize = 64 << 10

// kinds of file that people send in place of a CSV, by their first bytes.
var kinds = []struct{ magic, name string }{
	{"PK\x03\x04", "an Excel workbook or a zip file"}, {"PK\x05\x06", "an empty zip file"},
	{"\xd0\xcf\x11\xe0", "an old Excel workbook"}, {"\x89PNG", "a picture"}, {"\xff\xd8\xff", "a picture"},
	{"GIF8", "a picture"}, {"RIFF", "a picture or a recording"}, {"%PDF", "a PDF"}, {"\x1f\x8b", "a compressed file"},
	{"{\\rtf", "a word processor document"},
}

func notCSV(format string, args ...any) error {
	return fault.Invalid("/file", format, args...).With("not-shopify-csv")
}

// decode finds out how a file is encoded and gives it as UTF-8 with LF or CRLF
// lines. Bytes that are not UTF-8 are taken for Windows-1252 one by one, so a
// stray one late in a long file is understood too.
func decode(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, sampleSize)
	sample, err := in.Peek(sampleSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	if len(bytes.TrimSpace(sample)) == 0 {
		return nil, notCSV("The file is empty.")
	}
	for _, k := range kinds {
		if strings.HasPrefix(string(sample), k.magic) {
			return nil, notCSV("This is %s, not a CSV file. In your spreadsheet choose “Save as” and “CSV UTF-8”.", k.name)
		}
	}
	var t transform.Transformer
	switch {
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		in.Discard(3)
		t = mender{}
	case bytes.HasPrefix(sample, []byte("\xff\xfe")), looksUTF16(sample, 1):
		t = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
	case bytes.HasPrefix(sample, []byte("\xfe\xff")), looksUTF16(sample, 0):
		t = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()
	case bytes.IndexByte(sample, 0) >= 0:
		return nil, notCSV("This is not a text file. Export your products as CSV and choose that file.")
	default:
		t = mender{}
	}
	out := bufio.NewReaderSize(transform.NewReader(in, t), sampleSize)
	text, err := out.Peek(sampleSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	if bytes.IndexByte(text, '\r') >= 0 && bytes.IndexByte(text, '\n') < 0 {
		out = bufio.NewReaderSize(oldMac{out}, sampleSize)
	}
	return out, nil
}

// looksUTF16 reports whether, without a mark, about every second byte is zero:
// those at odd places (1, little-endian) or even ones (0).
func looksUTF16(b []byte, odd int) bool {
	b = b[:min(len(b), 1024)&^1]
	zeros, others := 0, 0
	for i, c := range b {
		if c == 0 && i&1 == odd {
			zeros++
		} else if c == 0 {
			others++
		}
	}
	return len(b) >= 8 && zeros > len(b)/5 && others == 0
}

// mender passes UTF-8 through and reads other bytes as Windows-1252.
type mender struct{ transform.NopResetter }

func (mender) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		c, size := rune(src[nSrc]), 1
		if c >= utf8.RuneSelf {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if c, size = utf8.DecodeRune(src[nSrc:]); c == utf8.RuneError && size == 1 {
				c = charmap.Windows1252.DecodeByte(src[nSrc])
			}
		}
		if nDst+utf8.RuneLen(c) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], c)
		nSrc += size
	}
	return nDst, nSrc, nil
}

// oldMac turns lines that end in CR alone into LF.
type oldMac struct{ r io.Reader }

func (o oldMac) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}
