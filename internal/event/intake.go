package event

import (
	"fmt"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"haat/internal/fleet"
	"haat/internal/id"
)

// intake is how events arrive from a topic. A partition is delivered by one
// process, at an epoch, as a shard is without a topic. What arrives wakes its
// shop's outlet; that each event takes effect once and in order is up to the
// cursors in the shop's rows, and what the topic lacks is read from the outbox.
// So the topic may repeat and may lose, and nobody notices but by a delay.
//
// The fields and methods are guarded by Bus.mu, but for count.
type intake struct {
	bus   *Bus
	count atomic.Int32 // partitions of the topic
	open  map[string]*partition
	due   int // what arrived and is not settled yet
}

// mostDue is how much may have arrived and not be settled: then no more is
// fetched for a while.
const mostDue = 20_000

// partition is one that is delivered here. An offset is settled once no
// subscriber needs it any more: each has handled the event, has set it aside, or
// waits with its shop for something, which the shop's rows say too.
type partition struct {
	number  int32
	place   string
	slots   []slot // what is not settled, and what is behind it
	next    int64  // up to here all is settled; -1: nothing has arrived yet
	arrived int64  // the offset of what arrived last, and one
	last    time.Time
}

type slot struct {
	offset  int64
	settled bool
	at      time.Time // of the event
}

// due is an event that has arrived for an outlet.
type due struct {
	p      *partition
	offset int64
	seq    int64
}

func placeOf(partition int32) string { return fmt.Sprint("partition ", partition) }

// place gives the partition of a shop.
func (t *intake) place(shop id.Shop) string {
	n := t.count.Load()
	if n == 0 {
		return "" // nobody has seen the topic yet
	}
	return placeOf(partitionOf(shop.String(), n))
}

// begin takes in a partition.
func (t *intake) begin(number int32) *partition {
	p := &partition{number: number, place: placeOf(number), next: -1, last: time.Now()}
	t.open[p.place] = p
	return p
}

// end lets go of one.
func (t *intake) end(number int32) {
	if p := t.open[placeOf(number)]; p != nil {
		t.due -= len(p.slots)
		delete(t.open, p.place)
		p.slots = nil
	}
}

// took notes that something has arrived.
func (t *intake) took(p *partition, offset int64, at time.Time) {
	if p.next < 0 {
		p.next = offset
	}
	p.slots = append(p.slots, slot{offset: offset, at: at})
	p.arrived = offset + 1
	t.due++
}

// done settles an offset.
func (t *intake) done(p *partition, offset int64) {
	i := sort.Search(len(p.slots), func(i int) bool { return p.slots[i].offset >= offset })
	if i == len(p.slots) || p.slots[i].offset != offset {
		return // of a partition that was let go
	}
	p.slots[i].settled = true
	n := 0
	for n < len(p.slots) && p.slots[n].settled {
		p.next = p.slots[n].offset + 1
		n++
	}
	if n > 0 {
		p.slots, p.last = p.slots[n:], time.Now()
		t.due -= n
	}
}

// take hands an event to its shop's outlet.
func (t *intake) take(p *partition, offset int64, c fleet.Commit, seq int64, at time.Time) {
	t.took(p, offset, at)
	o := t.bus.arrive(c)
	if o == nil || o.place != p.place {
		t.done(p, offset) // the shop's rows say that it is left
		return
	}
	o.upTo = max(o.upTo, seq)
	o.due = append(o.due, due{p, offset, seq})
	t.settle(o)
}

// settle settles what no unit of an outlet holds up any more.
func (t *intake) settle(o *outlet) {
	if len(o.due) == 0 {
		return
	}
	passed := o.units[0].passed
	for _, u := range o.units {
		passed = min(passed, u.passed)
	}
	o.due = slices.DeleteFunc(o.due, func(d due) bool {
		if d.seq <= passed {
			t.done(d.p, d.offset)
			return true
		}
		return false
	})
}
