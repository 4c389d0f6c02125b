// Package id makes the identifiers of the platform.
//
// Ids are made by us, never by a database: they sort by time of making, need
// no round trip, and survive a move between shards and engines. A shop's id
// is a 63-bit number, because it begins every primary key and should be
// small; everything inside a shop has a 128-bit UUIDv7 (RFC 9562), stored as
// 16 bytes and written as 26 characters of Crockford's base 32 in lower case.
// The type parameter keeps a product's id from being passed for an order's.
package id

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Shop names one shop on the whole platform: milliseconds since 2025 in the
// upper 41 bits, 22 random bits below. Zero is no shop.
type Shop int64

var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

var lastShop struct {
	sync.Mutex
	id Shop
}

// NewShop makes a shop id. Ids made in one process never repeat and rise;
// between processes a clash is as likely as two equal 22-bit numbers drawn in
// the same millisecond, and the directory's primary key refuses it.
func NewShop() Shop {
	var b [4]byte
	rand.Read(b[:])
	s := Shop(time.Since(epoch).Milliseconds()<<22 | int64(binary.BigEndian.Uint32(b[:])>>10))
	lastShop.Lock()
	defer lastShop.Unlock()
	if s <= lastShop.id {
		s = lastShop.id + 1
	}
	lastShop.id = s
	return s
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

func (s Shop) String() string {
	var b [13]byte
	v := uint64(s)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = alphabet[v&31]
		v >>= 5
	}
	return string(b[:])
}

// MarshalText writes the 13-character form.
func (s Shop) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the 13-character form.
func (s *Shop) UnmarshalText(b []byte) error {
	v, err := ParseShop(string(b))
	*s = v
	return err
}

// ParseShop reads the 13-character form.
func ParseShop(text string) (Shop, error) {
	if len(text) != 13 {
		return 0, fmt.Errorf("not a shop id")
	}
	var v uint64
	for _, c := range []byte(strings.ToLower(text)) {
		d := digit(c)
		if d < 0 {
			return 0, fmt.Errorf("not a shop id")
		}
		v = v<<5 | uint64(d)
	}
	if v == 0 || v > 1<<63-1 {
		return 0, fmt.Errorf("not a shop id")
	}
	return Shop(v), nil
}

// ID names one thing of kind K inside a shop.
type ID[K any] [16]byte

// New makes an id that sorts after those made before it in this process.
func New[K any]() ID[K] { return ID[K](newUUID()) }

// Zero reports whether the id names nothing.
func (i ID[K]) Zero() bool { return i == ID[K]{} }

func (i ID[K]) String() string {
	if i.Zero() {
		return ""
	}
	// 128 bits in 26 characters: the first carries three bits.
	var b [26]byte
	hi, lo := binary.BigEndian.Uint64(i[:8]), binary.BigEndian.Uint64(i[8:])
	for n := 25; n >= 0; n-- {
		b[n] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(b[:])
}

// Parse reads the 26-character form.
func Parse[K any](text string) (ID[K], error) {
	var out ID[K]
	if len(text) != 26 {
		return out, fmt.Errorf("not an id")
	}
	var hi, lo uint64
	for n := range 26 {
		d := digit(lower(text[n]))
		if d < 0 || n == 0 && d > 7 {
			return out, fmt.Errorf("not an id")
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	binary.BigEndian.PutUint64(out[:8], hi)
	binary.BigEndian.PutUint64(out[8:], lo)
	return out, nil
}

// MarshalText writes the 26-character form, or nothing for no id.
func (i ID[K]) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads the 26-character form; empty text is no id.
func (i *ID[K]) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*i = ID[K]{}
		return nil
	}
	v, err := Parse[K](string(b))
	*i = v
	return err
}

// Value gives the 16 bytes to a database; no id is an empty value, not NULL.
func (i ID[K]) Value() (driver.Value, error) {
	if i.Zero() {
		return []byte{}, nil
	}
	return i[:], nil
}

// Scan takes the 16 bytes from a database; NULL and empty are no id.
func (i *ID[K]) Scan(src any) error {
	switch b := src.(type) {
	case nil:
		*i = ID[K]{}
		return nil
	case []byte:
		if len(b) == 0 {
			*i = ID[K]{}
			return nil
		}
		if len(b) == 16 {
			copy(i[:], b)
			return nil
		}
	}
	return fmt.Errorf("not an id: %T", src)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func digit(c byte) int {
	for i := range len(alphabet) {
		if alphabet[i] == c {
			return i
		}
	}
	return -1
}

var last struct {
	sync.Mutex
	ms  int64
	seq uint16
}

// newUUID makes a version 7 UUID with the 12 bits after the time used as a
// counter within the millisecond (RFC 9562, section 6.2, method 1).
func newUUID() [16]byte {
	var u [16]byte
	rand.Read(u[8:])
	last.Lock()
	ms := time.Now().UnixMilli()
	if ms > last.ms {
		last.ms, last.seq = ms, 0
	} else if last.seq++; last.seq > 0xfff {
		last.ms, last.seq = last.ms+1, 0
	}
	ms, seq := last.ms, last.seq
	last.Unlock()
	binary.BigEndian.PutUint64(u[:8], uint64(ms)<<16|0x7000|uint64(seq))
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Token makes an unguessable word of n random bytes, such as the end of an
// order's status link: 16 bytes give 26 characters.
func Token(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	v := new(big.Int).SetBytes(b)
	out := make([]byte, (n*8+4)/5)
	mod, base := new(big.Int), big.NewInt(32)
	for i := len(out) - 1; i >= 0; i-- {
		v.DivMod(v, base, mod)
		out[i] = alphabet[mod.Int64()]
	}
	return string(out)
}

// ShopsBefore gives the smallest id that a shop made at t could have.
func ShopsBefore(t time.Time) Shop { return Shop(max(0, t.Sub(epoch).Milliseconds()) << 22) }
