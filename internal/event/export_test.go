package event

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Outlets sets how many shops' news is at hand at once. It is for tests.
func (b *Bus) Outlets(most int) { b.most = most }

// Unfence has deliverers write whatever turn it is, until undo.
func Unfence() (undo func()) {
	fenced = false
	return func() { fenced = true }
}

// Lose has relays leave out events, until undo.
func Lose(which func(seq int64) bool) (undo func()) {
	lose = which
	return func() { lose = nil }
}

// Impatient has partitions be stuck sooner, until undo.
func Impatient(after time.Duration) (undo func()) {
	was := stuckAfter
	stuckAfter = after
	return func() { stuckAfter = was }
}

// Hangs has a handler be said to hang sooner, until undo.
func Hangs(after time.Duration) (undo func()) {
	was := hangsAfter
	hangsAfter = after
	return func() { hangsAfter = was }
}

// Within has transactions be given up sooner, until undo.
func Within(d time.Duration) (undo func()) {
	was := txTime
	txTime = d
	return func() { txTime = was }
}

// Backoff gives the pause after so many failures in a row.
var Backoff = backoff

// ParkedPages has so many shops with parked events be asked for at a time, until
// undo.
func ParkedPages(shops int) (undo func()) {
	was := parkedPage
	parkedPage = shops
	return func() { parkedPage = was }
}

// Canaries has canaries be sent more often, and be missed sooner, until undo.
func Canaries(every, within time.Duration) (undo func()) {
	was, had := canaryEvery, canaryWithin
	canaryEvery, canaryWithin = every, within
	return func() { canaryEvery, canaryWithin = was, had }
}

// PauseAll stops to fetch every partition that is delivered here.
func (k *Kafka) PauseAll() {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	for n := range k.bus.topic.count.Load() {
		k.group.client.PauseFetchPartitions(map[string][]int32{k.o.Topic: {n}})
	}
}

// PassOver has the client believe that it has read all that is there.
func (k *Kafka) PassOver(ends map[int32]int64) {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	to := map[int32]kgo.EpochOffset{}
	for n, end := range ends {
		to[n] = kgo.EpochOffset{Epoch: -1, Offset: end}
	}
	k.group.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{k.o.Topic: to})
}

// Unhelped has nothing be tried about partitions that are stuck. Call it before
// Watch.
func (k *Kafka) Unhelped() { k.unhelped = true }

// Ran has the process have run for so long.
func (k *Kafka) Ran(d time.Duration) { k.began = time.Now().Add(-d) }

// Remedy has remedies follow each other sooner, until undo.
func Remedy(after, rejoins time.Duration) (undo func()) {
	was, had := remedyAfter, rejoinEvery
	remedyAfter, rejoinEvery = after, rejoins
	return func() { remedyAfter, rejoinEvery = was, had }
}

// NamedWithin is how long after a deliverer's death a partition in which nothing
// happens is named at the latest.
var NamedWithin = canaryEvery + stuckAfter + elsewhereAfter + watchPartitions

// Desert has it leave its group, when it ends, as one who is killed does: in
// silence. It must have a name there.
func (k *Kafka) Desert() { k.deserts.Store(true) }

// Holds gives how many partitions are delivered here.
func (k *Kafka) Holds() int {
	k.bus.mu.Lock()
	defer k.bus.mu.Unlock()
	return len(k.bus.topic.open)
}

// Rebalance has the partitions handed out anew.
func (k *Kafka) Rebalance() {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	k.group.client.ForceRebalance()
}

// PartitionOf gives the partition of a key.
var PartitionOf = partitionOf

// Parking sets how many keys of a subscriber may be parked.
func (b *Bus) Parking(most int64) { b.parking.most = most }

// MayPark has keys be parked one after the other until no more may be, at most
// so many, after so many events were handled. It gives how many were.
func (b *Bus) MayPark(ctx context.Context, name string, handled int64, most int) (parked int) {
	b.parking.handled(name, handled)
	for parked < most && b.mayPark(ctx, name) == nil {
		parked++
	}
	return parked
}
