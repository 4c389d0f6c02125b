package event

import (
	"slices"
	"time"

	"haat/internal/id"
)

const (
	sampleEvery = 5   // looks of Watch
	samplesKept = 180 // a quarter of an hour
)

// Sample is how far deliverers were behind at a time, as this process saw it.
type Sample struct {
	At     time.Time
	Lag    []int64       // records that were not settled, of each partition in order
	Oldest time.Duration // age of the oldest that this process delivers
}

// Sum is how many records of all partitions were not settled.
func (s Sample) Sum() (n int64) {
	for _, lag := range s.Lag {
		n += lag
	}
	return n
}

// Past gives what Watch saw in the last quarter of an hour, the oldest first.
func (k *Kafka) Past() []Sample {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.samples)
}

// Topic is the name of the topic.
func (k *Kafka) Topic() string { return k.o.Topic }

// PartitionOf gives the partition that a shop's events go to, as far as is
// known how many there are.
func (k *Kafka) PartitionOf(shop id.Shop) (partition int32, known bool) {
	k.mu.Lock()
	n := len(k.partitions)
	k.mu.Unlock()
	if n == 0 {
		return 0, false
	}
	return partitionOf(shop.String(), int32(n)), true
}

// sample notes what was seen. The caller holds k.mu.
func (k *Kafka) sample(all []PartitionState, now time.Time) {
	s := Sample{At: now}
	for _, p := range all {
		s.Lag = append(s.Lag, p.Waiting())
		if p.Here && !p.Oldest.IsZero() {
			s.Oldest = max(s.Oldest, now.Sub(p.Oldest))
		}
	}
	if k.samples = append(k.samples, s); len(k.samples) > samplesKept {
		k.samples = slices.Clone(k.samples[len(k.samples)-samplesKept:])
	}
}
