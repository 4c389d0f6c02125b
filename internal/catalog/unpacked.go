package catalog

import (
	"math"

	"github.com/maypok86/otter/v2"

	"haat/internal/id"
)

// unpacked is what the blocks of a large shop say, ready to be looked through.
// It is true wherever the shop's lists have its version.
type unpacked struct {
	version int64 // 0: there is nothing
	entries []entry
	bytes   int
}

// entry is an entry of a block with what decides whether and where it is shown.
type entry struct {
	raw                           []byte
	title, places, card           []byte
	price, high, created, choices int64
}

const entrySize = 5*24 + 4*8

// kept are the lists of the large shops that were looked at last.
var kept = otter.Must(&otter.Options[id.Shop, *unpacked]{
	MaximumWeight: 16 << 20,
	Weigher:       func(_ id.Shop, u *unpacked) uint32 { return uint32(min(u.bytes, math.MaxInt32)) },
})

// KeepLists bounds how many bytes of large shops' lists the process keeps.
func KeepLists(bytes int64) { kept.SetMaximum(uint64(max(bytes, 0))) }

func keptLists(shop id.Shop) *unpacked {
	if u, ok := kept.GetIfPresent(shop); ok {
		return u
	}
	return &unpacked{}
}

// unpack reads the blocks that a list's statement gave, and keeps them if their
// version is known.
func unpack(shop id.Shop, version int64, all []tagged) (*unpacked, error) {
	u := &unpacked{version: version}
	for _, row := range all {
		if row.tag != rowBlock {
			continue
		}
		damaged := false
		err := entries(row.other, func(raw []byte) {
			rest := unread{b: raw[atSort:]}
			e := entry{
				raw: raw, title: rest.text(), price: int64(le.Uint64(raw[atPrice:])), high: int64(le.Uint64(raw[atMax:])),
				created: int64(le.Uint64(raw[atCreated:])), choices: int64(le.Uint64(raw[atChoices:])),
			}
			e.places = rest.b
			rest.place(id.Collection{})
			e.places, e.card = e.places[:len(e.places)-len(rest.b)], rest.b
			damaged = damaged || rest.bad
			u.entries = append(u.entries, e)
		})
		if err != nil || damaged {
			return nil, errBlock
		}
		u.bytes += len(row.other)
	}
	u.bytes += cap(u.entries) * entrySize
	if version > 0 {
		kept.Set(shop, u)
	}
	return u, nil
}

// place gives where the entry stands in a collection; false if it is not there.
func (e *entry) place(c id.Collection) (position int64, in bool) {
	u := unread{b: e.places}
	return u.place(c)
}

func (e *entry) product() id.Product { return id.Product(e.raw[4:atPrice]) }

// read gives the entry's card, its availability aside.
func (e *entry) read() (Card, error) {
	u := unread{b: e.card}
	c := u.card(e.raw)
	if u.bad {
		return c, errBlock
	}
	return c, nil
}
