package event

import (
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

const (
	sampleEvery = 5   // looks of Watch
	samplesKept = 180 // a quarter of an hour
)

// Sample is how far deliverers were behind at a time, as this process saw it.
type Sample struct {
	At     time.Time
	Lag    []int64                 // records that were not settled, of each partition in order
	Oldest time.Duration           // age of the oldest that this process delivers
	Ages   map[int32]time.Duration // the same of each partition that has one
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
			age := now.Sub(p.Oldest)
			s.Oldest = max(s.Oldest, age)
			if s.Ages == nil {
				s.Ages = map[int32]time.Duration{}
			}
			s.Ages[p.Partition] = age
		}
	}
	if k.samples = append(k.samples, s); len(k.samples) > samplesKept {
		k.samples = slices.Clone(k.samples[len(k.samples)-samplesKept:])
	}
}

// ParkedMoment is how many events were parked at a time, of each shop that had some.
type ParkedMoment struct {
	At     time.Time
	Counts []db.Count
}

// ParkedPast gives what was counted in the last quarter of an hour, the oldest
// first: by the watcher of incidents, for the metrics, or for a page.
func (b *Bus) ParkedPast() []ParkedMoment {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.parkedPast)
}

// noteParked remembers a count, one in five seconds.
func (b *Bus) noteParked(counts []db.Count, now time.Time) {
	const every, kept = 5 * time.Second, 15 * time.Minute
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.parkedPast); n > 0 && now.Sub(b.parkedPast[n-1].At) < every {
		return
	}
	b.parkedPast = append(b.parkedPast, ParkedMoment{now, counts})
	if i := slices.IndexFunc(b.parkedPast, func(m ParkedMoment) bool { return now.Sub(m.At) <= kept }); i > 0 {
		b.parkedPast = slices.Clone(b.parkedPast[i:])
	}
}
