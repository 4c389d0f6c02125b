package fleet

import (
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// known remembers, of shops that were written of late, the newest mark that
// this process has acknowledged or was told of. A replica in rotation has all
// that is older.
type known struct {
	parts [16]struct {
		sync.Mutex
		young, old map[id.Shop]db.Mark
		turned     time.Time
	}
}

// knownFor is how long a mark is remembered at least: much longer than a
// replica in rotation can lag.
const knownFor = 30 * time.Second

func (k *known) note(m db.Mark) {
	p := &k.parts[uint64(m.Shop)%uint64(len(k.parts))]
	now := time.Now()
	p.Lock()
	defer p.Unlock()
	if p.young == nil || now.Sub(p.turned) > knownFor {
		p.old, p.young, p.turned = p.young, map[id.Shop]db.Mark{}, now
	}
	if was, ok := p.young[m.Shop]; !ok || was.Compare(m) < 0 {
		p.young[m.Shop] = m
	}
}

func (k *known) of(shop id.Shop) db.Mark {
	p := &k.parts[uint64(shop)%uint64(len(k.parts))]
	p.Lock()
	defer p.Unlock()
	m, ok := p.young[shop]
	if old, was := p.old[shop]; was && (!ok || m.Compare(old) < 0) {
		return old
	}
	return m
}

// forget lets a mark go that was lost, unless a newer one is known.
func (k *known) forget(m db.Mark) {
	p := &k.parts[uint64(m.Shop)%uint64(len(k.parts))]
	p.Lock()
	defer p.Unlock()
	for _, of := range []map[id.Shop]db.Mark{p.young, p.old} {
		if was, ok := of[m.Shop]; ok && was.Compare(m) <= 0 {
			delete(of, m.Shop)
		}
	}
}
