package event

import (
	"cmp"
	"slices"
	"time"
)

// RelayState is how a relay of this process is doing.
type RelayState struct {
	Shard  string
	Epoch  int64     // of its lease
	Shops  int       // whose events wait to be published
	Oldest time.Time // since when the oldest of them waits; zero: none
	Why    string    // what the relay has run into
}

// Age is how long the oldest event that is not published has waited.
func (r RelayState) Age() time.Duration {
	if r.Oldest.IsZero() {
		return 0
	}
	return time.Since(r.Oldest)
}

// Relays tells how the relays of this process are doing.
func (k *Kafka) Relays() (all []RelayState) {
	k.mu.Lock()
	relays := make([]*relay, 0, len(k.relays))
	for _, r := range k.relays {
		relays = append(relays, r)
	}
	k.mu.Unlock()
	k.group.mu.Lock()
	broker := k.group.broker
	k.group.mu.Unlock()
	for _, r := range relays {
		s := RelayState{Shard: r.shard, Epoch: r.epoch}
		r.mu.Lock()
		for _, l := range r.lines {
			if l.since.IsZero() {
				continue
			}
			s.Shops++
			if s.Oldest.IsZero() || l.since.Before(s.Oldest) {
				s.Oldest = l.since
			}
			s.Why = cmp.Or(l.why, s.Why)
		}
		r.mu.Unlock()
		if s.Why == "" && time.Since(broker.last) < time.Minute {
			s.Why = broker.why
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b RelayState) int { return cmp.Compare(a.Shard, b.Shard) })
	return all
}

// Misfit says in what the topic is not as it must be; nil if it is, as far as
// it was seen.
func (k *Kafka) Misfit() *Misfit { return k.refuse.Load() }

// Trouble says what brokers had to say last that was no good.
func (k *Kafka) Trouble() string {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	return cmp.Or(k.group.broker.why, "no broker has answered yet")
}
