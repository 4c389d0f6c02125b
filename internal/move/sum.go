package move

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"haat/internal/db"
)

// sum is what rows add up to, in whatever order: equal sums, equal rows. It is
// the sum, modulo 2^128, of a hash of each row in one form for both engines.
type sum struct{ high, low uint64 }

func (s *sum) add(r db.Row) {
	h := sha256.Sum256(encode(r))
	var carry uint64
	s.low, carry = bits.Add64(s.low, binary.BigEndian.Uint64(h[8:16]), 0)
	s.high, _ = bits.Add64(s.high, binary.BigEndian.Uint64(h[:8]), carry)
}

func total(rows []db.Row) (s sum) {
	for _, r := range rows {
		s.add(r)
	}
	return s
}

// encode writes a row so that no two rows are written alike.
func encode(r db.Row) []byte {
	var b []byte
	text := func(kind byte, v string) {
		b = binary.AppendUvarint(append(b, kind), uint64(len(v)))
		b = append(b, v...)
	}
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case bool:
			b = append(b, 'b', map[bool]byte{true: 1}[v])
		case int64:
			b = binary.AppendVarint(append(b, 'i'), v)
		case string:
			text('t', v)
		case []byte:
			text('x', string(v))
		default:
			panic("a value that no column holds")
		}
	}
	return b
}
