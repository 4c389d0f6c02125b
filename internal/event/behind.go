package event

import (
	"cmp"
	"slices"
	"time"
)

// Behind is how far this process is behind with a place whose events it delivers:
// a shard or, over a topic, a partition.
type Behind struct {
	Place  string
	Shops  int       // with events that are not handled, or wait for their next try
	Oldest time.Time // when the oldest of these was committed, or was found; zero: none
}

// Age is how long the oldest event has not been handled.
func (b Behind) Age(now time.Time) time.Duration {
	if b.Oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(b.Oldest))
}

// Moment is how far this process was behind at a time.
type Moment struct {
	At     time.Time
	Places []Behind
}

// Behind tells how far this process is behind with each place that it delivers.
func (b *Bus) Behind() []Behind {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.behind()
}

// behind is Behind for a caller that holds b.mu.
func (b *Bus) behind() []Behind {
	all := map[string]Behind{}
	for place := range b.turns {
		all[place] = Behind{Place: place}
	}
	if b.turns == nil {
		for _, name := range b.fleet.ShardNames() {
			all[name] = Behind{Place: name}
		}
	}
	for _, o := range b.outlets {
		var oldest time.Time
		for _, u := range o.units {
			if !u.queued {
				continue
			}
			at := u.since
			if i := slices.IndexFunc(o.recent, func(r record) bool { return r.seq > u.from }); i >= 0 && (i > 0 || o.recent[0].seq == u.from+1) {
				at = o.recent[i].at
			}
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
		}
		if oldest.IsZero() {
			continue
		}
		is := all[o.place]
		is.Place = o.place
		if is.Shops++; is.Oldest.IsZero() || oldest.Before(is.Oldest) {
			is.Oldest = oldest
		}
		all[o.place] = is
	}
	out := make([]Behind, 0, len(all))
	for _, is := range all {
		out = append(out, is)
	}
	slices.SortFunc(out, func(a, b Behind) int { return cmp.Compare(a.Place, b.Place) })
	return out
}

// Past tells how far this process was behind in the last quarter of an hour, the
// oldest first.
func (b *Bus) Past() []Moment {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.past)
}

// remember notes how far it is behind.
func (b *Bus) remember(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.past = append(b.past, Moment{now, b.behind()}); len(b.past) > samplesKept {
		b.past = slices.Clone(b.past[len(b.past)-samplesKept:])
	}
}
