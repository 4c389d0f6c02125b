package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// maxTags is how many floors of one shop are kept apart. Beyond it they are
// melted into one that stands for all tags.
const maxTags = 1024

// doubtFor is how long after its connection was lost a COMMIT may still take
// effect in the database.
const doubtFor = 5 * time.Second

// floors knows, for each shop with something to protect, how fresh an entry
// must be.
type floors struct {
	parts [64]struct {
		sync.Mutex
		shops map[id.Shop]*shopFloors
	}
}

// shopFloors are one shop's.
type shopFloors struct {
	users   int           // entries and fills, under the part's lock
	version atomic.Uint64 // +1 whenever a floor rises

	prover prover // of what another process has made

	mu    sync.RWMutex
	least db.Mark            // the floor of every tag
	top   db.Mark            // the highest floor that ever was
	tags  map[string]db.Mark // floors above least
	// trusted is when the last doubtful commit has come to pass or never will:
	// what was read before does not hold.
	trusted time.Time
}

func (f *floors) part(s id.Shop) *struct {
	sync.Mutex
	shops map[id.Shop]*shopFloors
} {
	return &f.parts[uint64(s)%uint64(len(f.parts))]
}

// use gives a shop's floors, which stay known until as many calls of drop.
func (f *floors) use(s id.Shop) *shopFloors {
	p := f.part(s)
	p.Lock()
	defer p.Unlock()
	if p.shops == nil {
		p.shops = map[id.Shop]*shopFloors{}
	}
	sf := p.shops[s]
	if sf == nil {
		sf = &shopFloors{}
		p.shops[s] = sf
	}
	sf.users++
	return sf
}

func (f *floors) drop(s id.Shop, sf *shopFloors) {
	p := f.part(s)
	p.Lock()
	defer p.Unlock()
	if sf.users--; sf.users == 0 {
		delete(p.shops, s)
	}
}

func (f *floors) find(s id.Shop) *shopFloors {
	p := f.part(s)
	p.Lock()
	defer p.Unlock()
	return p.shops[s]
}

// raise takes a commit in. A shop without entries and fills has nothing that
// could be wrong.
func (f *floors) raise(c fleet.Commit) {
	if len(c.Tags) == 0 && !c.Doubt {
		return
	}
	sf := f.find(c.Shop)
	if sf == nil {
		return
	}
	sf.mu.Lock()
	defer sf.mu.Unlock()
	if c.Doubt {
		sf.trusted = time.Now().Add(doubtFor)
	} else {
		sf.lift(c.Mark, c.Tags)
	}
	sf.version.Add(1)
}

func (sf *shopFloors) lift(m db.Mark, tags []string) {
	if m.Compare(sf.top) > 0 {
		sf.top = m
	}
	if len(sf.tags)+len(tags) > maxTags {
		sf.least, sf.tags = sf.top, nil
		return
	}
	if sf.tags == nil {
		sf.tags = map[string]db.Mark{}
	}
	for _, t := range tags {
		if m.Compare(sf.tags[t]) > 0 {
			sf.tags[t] = m
		}
	}
}

// holds reports whether what was read at m, by a fill that began at a time,
// still stands.
func (sf *shopFloors) holds(m db.Mark, began time.Time, tags []string) bool {
	sf.mu.RLock()
	defer sf.mu.RUnlock()
	if m.Compare(sf.least) < 0 || began.Before(sf.trusted) {
		return false
	}
	for _, t := range tags {
		if f, ok := sf.tags[t]; ok && m.Compare(f) < 0 {
			return false
		}
	}
	return true
}

// highest is the newest change that is known: what was read at or above it has
// seen everything acknowledged so far.
func (sf *shopFloors) highest() db.Mark {
	sf.mu.RLock()
	defer sf.mu.RUnlock()
	return sf.top
}
