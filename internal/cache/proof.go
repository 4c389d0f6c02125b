package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// Share is how values of one kind are kept in a [Second].
type Share[V any] struct {
	Second *Second
	Write  func(V) []byte                          // nil: not this one
	Read   func([]byte) (v V, size int, err error) // of what Write gave
	// Past reads what the shop's events have spoilt lately.
	Past func(context.Context, id.Shop) (Past, error)
}

// Past is what the newest events of a shop have spoilt, as its database said.
type Past struct {
	Mark db.Mark          // at which it was read, with Seq
	Tags map[string]int64 // the newest event that named each
	From int64            // Tags has all that events after this one have named
}

// proof is a Past that a process has read while it already took note of
// changes: with its floors, it knows of every change since Past.From.
type proof struct {
	Past
	began time.Time // when it began to be read
}

// prover keeps a shop's proof. One reads it for all who ask.
type prover struct {
	sync.Mutex
	proof  *proof
	failed time.Time
}

// still gives the mark at which an entry with these tags, read at m, was still
// the same, as far as the past says. None is given if something has changed, or
// if the past does not reach back far enough.
func (p *Past) still(m db.Mark, tags []string) (db.Mark, bool) {
	if m.Shop != p.Mark.Shop || m.Epoch != p.Mark.Epoch || m.Term != p.Mark.Term {
		return db.Mark{}, false // another life of the shop: its numbers may mean other events
	}
	if m.Compare(p.Mark) >= 0 {
		return m, true // of what came after, the floors tell
	}
	if m.Seq < p.From {
		return db.Mark{}, false
	}
	for _, t := range tags {
		if p.Tags[t] > m.Seq {
			return db.Mark{}, false
		}
	}
	return p.Mark, true
}

// prove gives a proof that is good now, for an entry read at m. The shop's
// floors must be in use.
func (c *Cache[V]) prove(ctx context.Context, sf *shopFloors, m db.Mark) (*proof, error) {
	sf.prover.Lock()
	defer sf.prover.Unlock()
	sf.mu.RLock()
	trusted := sf.trusted
	sf.mu.RUnlock()
	now := c.now()
	if now.Before(trusted) {
		return nil, errUnproven // a lost commit may still come to pass
	}
	if p := sf.prover.proof; p != nil && p.began.After(trusted) && p.began.UnixMicro() > c.trusted.Load() &&
		(p.Mark.Epoch > m.Epoch || p.Mark.Epoch == m.Epoch && p.Mark.Term >= m.Term) {
		return p, nil
	}
	if now.Sub(sf.prover.failed) < c.o.Retry {
		return nil, errUnproven
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Patience)
	defer cancel()
	past, err := c.o.Share.Past(ctx, m.Shop)
	if err != nil {
		sf.prover.failed = c.now()
		return nil, err
	}
	sf.prover.proof = &proof{past, now}
	return sf.prover.proof, nil
}

var errUnproven = errors.New("nobody can say now whether it holds")

// fromSecond gives the entry that another process has made, if it holds; or,
// as unproven, one of which nobody can say.
func (c *Cache[V]) fromSecond(ctx context.Context, k Key, sf *shopFloors) (e *entry[V], holds bool) {
	s := c.o.Share.Second
	name := s.name(k)
	sealed, there := s.get(ctx, name)
	if !there {
		if s.up.Load() {
			s.stats.Misses.Add(1)
		}
		return nil, false
	}
	e, made, err := c.open(k, name, sealed)
	if err != nil {
		s.stats.Refused.Add(1)
		return nil, false
	}
	e.floors = sf
	e.again.Store(c.now().Add(c.o.TTL).UnixMicro())
	p, err := c.prove(ctx, sf, e.mark)
	if err != nil {
		e.unproven = true
		return e, false
	}
	at, still := p.still(e.mark, e.tags)
	if age := c.now().Sub(made); !still || age > s.o.Fresh || age < -s.o.Fresh {
		s.stats.Outdated.Add(1)
		return nil, false
	}
	e.mark, e.began = at, p.began
	if !c.holds(e) {
		s.stats.Outdated.Add(1)
		return nil, false
	}
	s.stats.Hits.Add(1)
	return e, true
}

// toSecond has an entry written for the other processes.
func (c *Cache[V]) toSecond(k Key, e *entry[V]) {
	if e.mark.Seq == 0 || !c.holds(e) {
		return
	}
	s := c.o.Share.Second
	name := s.name(k)
	s.put(name, func() []byte {
		value := c.o.Share.Write(e.value)
		if value == nil {
			return nil
		}
		b := make([]byte, 0, len(value)+256)
		for _, n := range []int64{e.began.UnixMicro(), e.mark.Epoch, e.mark.Term, e.mark.N, e.mark.Seq} {
			b = binary.AppendVarint(b, n)
		}
		tags := strings.Join(e.tags, " ")
		b = binary.AppendUvarint(b, uint64(len(tags)))
		b = append(b, tags...)
		return s.seal(name, append(b, value...))
	})
}

var errGarbage = errors.New("not an entry that we made")

// open reads what toSecond wrote.
func (c *Cache[V]) open(k Key, name string, sealed []byte) (e *entry[V], made time.Time, err error) {
	b, ok := c.o.Share.Second.unseal(name, sealed)
	if !ok {
		return nil, made, errGarbage
	}
	var numbers [5]int64
	for i := range numbers {
		n, size := binary.Varint(b)
		if size <= 0 {
			return nil, made, errGarbage
		}
		numbers[i], b = n, b[size:]
	}
	length, size := binary.Uvarint(b)
	if size <= 0 || length > uint64(len(b)-size) {
		return nil, made, errGarbage
	}
	tags := strings.Fields(string(b[size : size+int(length)]))
	value, bytes, err := c.o.Share.Read(b[size+int(length):])
	if err != nil {
		return nil, made, err
	}
	mark := db.Mark{Shop: k.Shop, Epoch: numbers[1], Term: numbers[2], N: numbers[3], Seq: numbers[4]}
	return &entry[V]{value: value, size: weigh(k, bytes), mark: mark, tags: tags}, time.UnixMicro(numbers[0]), nil
}
