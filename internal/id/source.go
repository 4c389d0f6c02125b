package id

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Source makes the same ids again when it begins at the same place: for rows
// that must come out the same each time. Its ids look and sort as any others,
// but can be guessed. It is not for use by several goroutines.
type Source struct {
	random *rand.PCG
	ms     int64
	seq    uint16
}

// NewSource begins at a seed and a thing of that seed. Its ids say that they
// were made from at on.
func NewSource(seed, thing uint64, at time.Time) *Source {
	return &Source{random: rand.NewPCG(seed, thing), ms: at.UnixMilli()}
}

// From gives the source's next id, or one as [New] makes it if there is no
// source.
func From[K any](s *Source) ID[K] {
	if s == nil {
		return New[K]()
	}
	var u ID[K]
	binary.BigEndian.PutUint64(u[:8], uint64(s.ms)<<16|0x7000|uint64(s.seq))
	binary.BigEndian.PutUint64(u[8:], s.random.Uint64()&(1<<62-1)|1<<63)
	if s.seq++; s.seq > 0xfff {
		s.ms, s.seq = s.ms+1, 0
	}
	return u
}

// ShopAt gives the shop id that is made at a time with so much of chance in
// its lower 22 bits.
func ShopAt(at time.Time, chance uint32) Shop {
	return ShopsBefore(at) | Shop(chance&(1<<22-1))
}
