package db

import (
	"cmp"
	"fmt"

	"haat/internal/id"
)

// Mark is a point on a shop's clock: what a write returns, and what a read
// was read at. It survives failover (Term), moves (Epoch) and a change of
// engine.
type Mark struct {
	Shop  id.Shop
	Epoch int64 // +1 on every move
	Term  int64 // of the shard, +1 on every promotion
	N     int64 // +1 on every write
	Seq   int64 // events emitted until then; it orders nothing, and is 0 in a mark that was parsed
}

// Compare orders two marks of one shop: negative when m is the earlier.
func (m Mark) Compare(o Mark) int {
	return cmp.Or(cmp.Compare(m.Epoch, o.Epoch), cmp.Compare(m.Term, o.Term), cmp.Compare(m.N, o.N))
}

// String writes "epoch.term.n".
func (m Mark) String() string { return fmt.Sprintf("%d.%d.%d", m.Epoch, m.Term, m.N) }

// ParseMark reads "epoch.term.n" as a mark of a shop.
func ParseMark(shop id.Shop, text string) (Mark, error) {
	m := Mark{Shop: shop}
	var rest string
	n, _ := fmt.Sscanf(text, "%d.%d.%d%s", &m.Epoch, &m.Term, &m.N, &rest)
	if n != 3 || m.Epoch < 0 || m.Term < 0 || m.N < 0 {
		return Mark{}, fmt.Errorf("%q is not a mark", text)
	}
	return m, nil
}
