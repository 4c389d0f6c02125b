package edge

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"

	"haat/internal/db"
)

// Page is a finished page, the same for everybody.
type Page struct {
	Header http.Header // at least Content-Type, and Cache-Control for browsers
	Body   []byte
	Mark   db.Mark  // of the snapshot that it was read in
	Tags   []string // what it depends on
}

// coding is a content coding, the best for a page first.
type coding uint8

const (
	brotli coding = iota
	zst
	gz
	plain
	codings
)

var codingNames = [codings]string{"br", "zstd", "gzip", ""}

// kept is a page as it is sent. It is compressed when first asked for in a
// coding: quickly by who waits for it to be made, since many pages are seen by
// nobody else before they change, and well by who asks next.
type kept struct {
	etag   string // without quotes and coding
	mark   string
	header http.Header
	tags   string // as a Surrogate-Key
	made   time.Time
	size   int // of the plain body

	mu     sync.Mutex
	bodies [codings]atomic.Pointer[variant]
}

// variant is the page in one coding.
type variant struct {
	body  []byte
	etag  string                 // with quotes
	quick bool                   // compressed quickly
	was   string                 // the tag of the quick one before it
	head  atomic.Pointer[[]byte] // status line and headers of the front, all but Age and Date
}

// minCompressed is the size under which compression does not pay.
const minCompressed = 512

func newKept(p Page, want coding) *kept {
	sum := sha256.Sum256(p.Body)
	k := &kept{
		etag: base64.RawURLEncoding.EncodeToString(sum[:12]), mark: p.Mark.String(), header: p.Header,
		tags: strings.Join(p.Tags, " "), made: time.Now(), size: len(p.Body),
	}
	if len(p.Body) < minCompressed {
		k.put(plain, append([]byte{}, p.Body...), false)
		return k
	}
	if want == plain {
		want = gz // to be unpacked for the few who take nothing else
	}
	k.put(want, compressQuickly(want, p.Body), true)
	return k
}

// weight reckons with room for all codings at once: what is compressed later
// comes to no more than this.
func (k *kept) weight() int {
	size := 0
	for c := range codings {
		if v := k.bodies[c].Load(); v != nil {
			size += len(v.body)
		}
	}
	if k.size >= minCompressed {
		size *= 3
	}
	return size + 1500
}

func (k *kept) put(c coding, body []byte, quick bool) *variant {
	v := &variant{body: body, etag: k.tag(c, quick), quick: quick}
	if before := k.bodies[c].Load(); before != nil {
		v.was = before.etag
	}
	k.bodies[c].Store(v)
	return v
}

func (k *kept) tag(c coding, quick bool) string {
	etag := `"` + k.etag
	if c != plain {
		etag += "-" + codingNames[c]
	}
	if quick {
		etag += "-q"
	}
	return etag + `"`
}

// has tells whether an If-None-Match names the page, and by which tag.
func (v *variant) has(noneMatch string) (etag string, ok bool) {
	switch {
	case noneMatch == "":
	case matches(noneMatch, v.etag):
		return v.etag, true
	case v.was != "" && matches(noneMatch, v.was):
		return v.was, true
	}
	return "", false
}

// well gives the page compressed well, in place of what was compressed
// quickly. Who comes while that is done is given the quick one.
func (k *kept) well(c coding, v *variant) *variant {
	if !v.quick || !k.mu.TryLock() {
		return v
	}
	defer k.mu.Unlock()
	if now := k.bodies[c].Load(); now != v {
		return now
	}
	body, err := expand(c, v.body, k.size)
	if err != nil {
		return v
	}
	return k.put(c, compress(c, body), false)
}

// in gives the page in a coding. A plain body is not kept beside compressed
// ones, since those who ask for it are few.
func (k *kept) in(c coding) (*variant, coding, error) {
	if v := k.bodies[plain].Load(); v != nil {
		return v, plain, nil // too small to be compressed
	}
	if v := k.bodies[c].Load(); v != nil {
		return v, c, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if v := k.bodies[c].Load(); v != nil {
		return v, c, nil
	}
	body, err := k.unpack()
	if err != nil {
		return nil, c, err
	}
	if c == plain {
		return &variant{body: body, etag: k.tag(plain, false)}, plain, nil
	}
	return k.put(c, compress(c, body), false), c, nil
}

func (k *kept) unpack() ([]byte, error) {
	for c := range codings {
		v := k.bodies[c].Load()
		if v == nil {
			continue
		}
		body, err := expand(c, v.body, k.size)
		if err != nil {
			return nil, fmt.Errorf("unpack a page from %s: %w", codingNames[c], err)
		}
		return body, nil
	}
	return nil, fmt.Errorf("a page has no body")
}

var (
	zstdReader = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)))
	thorough   = newPacker(zstd.SpeedDefault, 5, 5)
	quick      = newPacker(zstd.SpeedFastest, 1, 1)
)

// packer compresses at one level of each coding.
type packer struct {
	zstd         *zstd.Encoder
	brotli, gzip sync.Pool
}

func newPacker(z zstd.EncoderLevel, br, gz int) *packer {
	return &packer{
		zstd:   must(zstd.NewWriter(nil, zstd.WithEncoderLevel(z), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10))),
		brotli: sync.Pool{New: func() any { return must(brrr.NewWriter(nil, br)) }},
		gzip:   sync.Pool{New: func() any { return must(gzip.NewWriterLevel(nil, gz)) }},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

func compress(c coding, body []byte) []byte        { return thorough.pack(c, body) }
func compressQuickly(c coding, body []byte) []byte { return quick.pack(c, body) }

// pack compresses a body. Writing to memory does not fail.
func (p *packer) pack(c coding, body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(body) / 4)
	switch c {
	case brotli:
		w := p.brotli.Get().(*brrr.Writer)
		defer p.brotli.Put(w)
		w.Reset(&b)
		must(w.Write(body))
		must(0, w.Close())
	case zst:
		return bytes.Clone(p.zstd.EncodeAll(body, b.AvailableBuffer()))
	case gz:
		w := p.gzip.Get().(*gzip.Writer)
		defer p.gzip.Put(w)
		w.Reset(&b)
		must(w.Write(body))
		must(0, w.Close())
	}
	return bytes.Clone(b.Bytes())
}

func expand(c coding, body []byte, size int) ([]byte, error) {
	switch c {
	case brotli:
		return io.ReadAll(brrr.NewReader(bytes.NewReader(body)))
	case zst:
		return zstdReader.DecodeAll(body, make([]byte, 0, size))
	case gz:
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	return body, nil
}

// accepted reads Accept-Encoding and gives the best coding that it takes.
func accepted(header string) coding {
	best, any := plain, false
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if weightless(params) {
			continue
		}
		switch name = strings.TrimSpace(name); {
		case name == "*":
			any = true
		case strings.EqualFold(name, "br"):
			best = min(best, brotli)
		case strings.EqualFold(name, "zstd"):
			best = min(best, zst)
		case strings.EqualFold(name, "gzip") || strings.EqualFold(name, "x-gzip"):
			best = min(best, gz)
		}
	}
	if any && best == plain {
		best = gz
	}
	return best
}

// weightless reports whether a coding's parameters forbid it: q=0.
func weightless(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			return err != nil || q <= 0
		}
	}
	return false
}

// matches reports whether If-None-Match names the tag. Weak and strong
// validators compare alike here (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
