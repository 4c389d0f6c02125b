package event

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Why a partition of the topic does not come on.
const (
	StuckUnassigned = "unassigned"       // nobody delivers it
	StuckRetention  = "behind retention" // records were deleted before they were read
	StuckRebalance  = "rebalance loop"   // it is handed around
	StuckPaused     = "paused"           // its deliverer does not fetch it, on purpose
	StuckFetch      = "fetch error"      // brokers refuse it
	StuckIdle       = "not fetched"      // its deliverer believes that there is nothing
	StuckHandler    = "handler"          // a subscriber does not come back
	StuckCommit     = "commit failing"   // it is delivered, and nobody can see it
	StuckElsewhere  = "deliverer silent" // another process has it, and says nothing here
	StuckCanary     = "not written to"   // what is published to it does not come there
)

const (
	watchPartitions = time.Second
	elsewhereAfter  = 2 * time.Second // more: its own process knows better why
	loopTurns       = 4               // partitions given anew within loopWithin
	loopWithin      = 20 * time.Second
)

// stuckAfter is how long a partition may have records left of which none is
// settled. A test does not wait that long.
var stuckAfter = 7 * time.Second

// PartitionState is how far the deliverers have come with a partition, as this
// process sees it at the brokers.
type PartitionState struct {
	Partition int32     `json:"partition"`
	Start     int64     `json:"start"`     // the first offset that there is
	End       int64     `json:"end"`       // one beyond the last
	Committed int64     `json:"committed"` // up to here all is settled; Start if nothing was
	Here      bool      `json:"here"`      // this process delivers it
	Holder    string    `json:"holder"`    // who does; empty: nobody
	Oldest    time.Time `json:"oldest"`    // of what is not settled here, when it was committed in its shop; zero: none
	Stuck     string    `json:"stuck"`     // why it does not come on; empty: it does
	Since     time.Time `json:"since"`     // since when it does not
	Detail    string    `json:"detail"`

	Canary     time.Duration `json:"canary"`      // that the last canary of this process took; 0: none came
	CanarySent time.Time     `json:"canary_sent"` // of the one that is under way; zero: none is
	canary     bool          // one is among the records that are not settled, whoever sent it
}

// Waiting is how many events are not settled: a canary is none.
func (p PartitionState) Waiting() int64 {
	if p.canary && p.Stuck == "" {
		return max(0, p.Lag()-1)
	}
	return p.Lag()
}

// Lag is how many records are not settled.
func (p PartitionState) Lag() int64 { return p.End - p.Committed }

// moved is when a partition was last seen to come on, or to have nothing left.
type moved struct {
	committed int64
	at        time.Time
}

// Watch looks once a second how far deliverers have come with each partition,
// until ctx ends. It stands beside those that deliver and asks the brokers. A
// partition with records left, of which none was settled for seven seconds, is
// stuck; one with nothing left never is. What may help is tried ([Remedies]).
func (k *Kafka) Watch(ctx context.Context) {
	last := map[int32]moved{}
	for n := 0; pause(ctx, watchPartitions) == nil; n++ {
		look, cancel := context.WithTimeout(ctx, 5*time.Second)
		if was := k.ready.Load(); n%10 == 9 || !was {
			if err := k.see(look); was && errors.As(err, new(*Misfit)) {
				k.log.Error("the topic of events has changed; they wait in the outboxes", "err", err)
			}
		}
		all, err := k.look(look, last)
		cancel()
		if ctx.Err() != nil {
			return
		}
		k.say(err)
		if err == nil {
			k.remedy(all, time.Now())
			k.mu.Lock()
			k.partitions, k.watched = all, time.Now()
			if n%sampleEvery == 0 {
				k.sample(all, k.watched)
			}
			k.mu.Unlock()
		}
	}
}

// Partitions gives what Watch saw last, and when.
func (k *Kafka) Partitions() ([]PartitionState, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.partitions), k.watched
}

func (k *Kafka) look(ctx context.Context, last map[int32]moved) (all []PartitionState, err error) {
	ends, err := k.admin.ListEndOffsets(ctx, k.o.Topic)
	if err != nil {
		return nil, err
	}
	starts, err := k.admin.ListStartOffsets(ctx, k.o.Topic)
	if err != nil {
		return nil, err
	}
	committed, err := k.admin.FetchOffsets(ctx, k.groupName())
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has been in it yet
		return nil, err
	}
	groups, err := k.admin.DescribeGroups(ctx, k.groupName())
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, err
	}
	canaries, err := k.admin.FetchOffsets(ctx, k.canaryGroup()) // after the ends, so that what lies there is known
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		k.say(err) // canaries look like events; all else is seen
		canaries = nil
	}
	group := groups[k.groupName()]
	holders := map[int32]string{}
	for _, m := range group.Members {
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				for _, p := range topic.Partitions {
					holders[p] = fmt.Sprintf("%s at %s", m.MemberID, m.ClientHost)
				}
			}
		}
	}
	err = nil
	now := time.Now()
	ends.Each(func(end kadm.ListedOffset) {
		p := PartitionState{Partition: end.Partition, End: end.Offset, Holder: holders[end.Partition]}
		if start, ok := starts.Lookup(k.o.Topic, end.Partition); ok && start.Err == nil {
			p.Start = max(0, start.Offset)
		}
		at, known := committed.Lookup(k.o.Topic, end.Partition)
		if p.Committed = p.Start; known && at.Err == nil && at.At >= 0 {
			p.Committed = at.At
		}
		if end.Err != nil {
			p.Detail = end.Err.Error()
			err = errors.Join(err, fmt.Errorf("partition %d: %w", end.Partition, end.Err))
		}
		if c, known := canaries.Lookup(k.o.Topic, end.Partition); known && c.Err == nil {
			p.canary = c.At >= p.Committed && c.At < p.End
		}
		k.heed(&p, now)
		was, seen := last[p.Partition]
		if !seen || was.committed != p.Committed || p.Lag() <= 0 {
			was = moved{p.Committed, now}
			last[p.Partition] = was
		}
		k.judge(&p, group.State, was.at, now)
		k.judgeCanary(&p, now)
		all = append(all, p)
	})
	slices.SortFunc(all, func(a, b PartitionState) int { return cmp.Compare(a.Partition, b.Partition) })
	return all, err
}

// judge says whether a partition is stuck, and why.
func (k *Kafka) judge(p *PartitionState, group string, since, now time.Time) {
	var handling bool
	var arrived int64
	k.bus.mu.Lock()
	mine := k.bus.topic.open[placeOf(p.Partition)]
	if p.Here = mine != nil; p.Here {
		arrived = mine.arrived
		if len(mine.slots) > 0 {
			p.Oldest = mine.slots[0].at
			handling = !mine.slots[0].settled
		}
	}
	k.bus.mu.Unlock()
	stuck := now.Sub(since)
	if stuck < stuckAfter {
		return
	}
	set := func(why, detail string, args ...any) {
		p.Stuck, p.Since, p.Detail = why, since, fmt.Sprintf(detail, args...)
	}
	g := &k.group
	g.mu.Lock()
	defer g.mu.Unlock()
	turns := 0
	for _, t := range g.turns {
		if now.Sub(t) < loopWithin {
			turns++
		}
	}
	fetch, recent := g.fetching[p.Partition], func(p problem) bool { return p.why != "" && now.Sub(p.last) < stuckAfter }
	paused := false
	if g.client != nil {
		paused = slices.Contains(g.client.PauseFetchPartitions(nil)[k.o.Topic], p.Partition)
	}
	switch {
	case p.Committed < p.Start:
		set(StuckRetention, "The topic begins at %d, and %d was to be read next; the missing events are read from the databases", p.Start, p.Committed)
	case turns >= loopTurns || group == "PreparingRebalance" || group == "CompletingRebalance":
		set(StuckRebalance, "Partitions were given to this process %d times within %v; the group is %s", turns, loopWithin, group)
	case p.Holder == "" && !p.Here:
		set(StuckUnassigned, "No process has it; the group is %s", cmp.Or(group, "unknown"))
	case p.Here && paused:
		set(StuckPaused, "This process has stopped to fetch it")
	case p.Here && recent(g.commits):
		set(StuckCommit, "%s", g.commits.why)
	case p.Here && handling:
		set(StuckHandler, "What was committed at %s is not handled", p.Oldest.Format(time.TimeOnly))
	case p.Here && recent(fetch):
		set(StuckFetch, "%s", fetch.why)
	case p.Here && arrived < p.End:
		set(StuckIdle, "%d records are there, and none comes", p.Lag())
	case p.Here:
		set(StuckCommit, "All of it was handled, and that is not written down")
	case stuck >= stuckAfter+elsewhereAfter:
		set(StuckElsewhere, "%s has it, and does not come on", p.Holder)
	}
}
