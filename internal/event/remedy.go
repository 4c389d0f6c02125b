package event

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What is done about a partition that stands still, the least first. Each is done
// once, and is given remedyAfter to help; then comes the next.
const (
	RemedyResume  = "resume"  // it is fetched again, if it was paused
	RemedyRefetch = "refetch" // what the client believes of it is thrown away, and it is read from where it stands
	RemedyRejoin  = "rejoin"  // this process leaves the group, and comes back with a new client
	RemedyRestart = "restart" // this process ends, to be started again
	RemedyPage    = "page"    // nothing has helped: somebody has to look
)

// Remedies are all of them, in their order.
var Remedies = []string{RemedyResume, RemedyRefetch, RemedyRejoin, RemedyRestart, RemedyPage}

// helps gives what may help, by what is wrong. A group that hands its partitions
// around is not given one more who comes and goes, and what another process has
// that process mends.
var helps = map[string][]string{
	StuckPaused:     {RemedyResume, RemedyRefetch, RemedyRejoin, RemedyRestart, RemedyPage},
	StuckIdle:       {RemedyRefetch, RemedyRejoin, RemedyRestart, RemedyPage},
	StuckFetch:      {RemedyRefetch, RemedyRejoin, RemedyRestart, RemedyPage},
	StuckRetention:  {RemedyResume, RemedyRefetch, RemedyRejoin, RemedyRestart, RemedyPage},
	StuckCommit:     {RemedyRejoin, RemedyRestart, RemedyPage},
	StuckUnassigned: {RemedyRejoin, RemedyPage},
	StuckHandler:    {RemedyRestart, RemedyPage},
	StuckRebalance:  {RemedyPage},
	StuckElsewhere:  {RemedyPage},
	StuckCanary:     {RemedyPage},
}

// remedyAfter leaves time to say that something is stuck before it is mended, and
// to each remedy to help. rejoinEvery is how often this process may leave its
// group: what it delivers well stops for a moment, too. A test does not wait that
// long.
var (
	remedyAfter = 20 * time.Second
	rejoinEvery = 5 * time.Minute
)

// handlerAfter is how long a handler may take before this process ends for its
// sake: longer than one that is only slow is let, so that who is called and does not
// answer ends nobody.
const handlerAfter = 2*flowTime + 10*time.Second

// restartAfter is how long a process has run before it may end itself. So one
// that a restart does not help is not started again and again.
const restartAfter = 15 * time.Minute

// tried is a remedy, and when it was done.
type tried struct {
	remedy string
	at     time.Time
}

// orders is what whoever reads from the topic is to do before it reads on.
type orders struct {
	refetch map[int32]bool
	rejoin  bool
}

// remedy does what can be done from here about partitions that are stuck, and
// notes with each what was tried.
func (k *Kafka) remedy(all []PartitionState, now time.Time) {
	for i := range all {
		p := &all[i]
		was := k.climbs[p.Partition]
		if p.Stuck == "" {
			if len(was) > 0 {
				k.log.Warn("a partition of the topic of events comes on again", "partition", p.Partition, "tried", spell(was))
				delete(k.climbs, p.Partition)
			}
			continue
		}
		since := p.Since
		if len(was) > 0 {
			since = was[len(was)-1].at
		}
		wait := remedyAfter
		switch p.Stuck {
		case StuckHandler:
			wait = max(wait, handlerAfter)
		case StuckUnassigned: // every process sees it at once, and one that comes and goes is enough
			wait += time.Duration(k.share * float64(remedyAfter))
		}
		if now.Sub(since) >= wait && !k.unhelped {
			for _, r := range helps[p.Stuck] {
				if slices.ContainsFunc(was, func(t tried) bool { return t.remedy == r }) || !k.try(r, p, now) {
					continue
				}
				was = append(was, tried{r, now})
				k.climbs[p.Partition] = was
				k.log.Warn("a partition of the topic of events stands still, and something is tried", "partition", p.Partition, "stuck", p.Stuck, "remedy", r)
				break
			}
		}
		if len(was) > 0 {
			p.Detail += ". " + spell(was)
		}
	}
}

// spell tells what was tried.
func spell(all []tried) string {
	var done []string
	last := ""
	for _, t := range all {
		if t.remedy == RemedyPage {
			last = "; nothing has helped, start this process again and look at the brokers"
			continue
		}
		done = append(done, t.remedy+" at "+t.at.UTC().Format(time.TimeOnly))
	}
	if len(done) == 0 {
		return "From here nothing can be done about it"
	}
	return "Tried: " + strings.Join(done, ", ") + last
}

// try does one remedy, if it can be done here and now.
func (k *Kafka) try(remedy string, p *PartitionState, now time.Time) bool {
	g := &k.group
	g.mu.Lock()
	defer g.mu.Unlock()
	switch mine := p.Here && g.client != nil; remedy {
	case RemedyResume:
		if !mine {
			return false
		}
		g.client.ResumeFetchPartitions(map[string][]int32{k.o.Topic: {p.Partition}})
	case RemedyRefetch:
		if !mine {
			return false
		}
		if g.orders.refetch == nil {
			g.orders.refetch = map[int32]bool{}
		}
		g.orders.refetch[p.Partition] = true
		g.wake()
	case RemedyRejoin:
		if g.client == nil || !p.Here && p.Stuck != StuckUnassigned {
			return false
		}
		if now.Equal(g.rejoined) {
			return true // for another partition, just now
		}
		if now.Sub(g.rejoined) < rejoinEvery {
			return false
		}
		g.rejoined, g.orders.rejoin = now, true
		g.wake()
	case RemedyRestart:
		if !mine || k.o.Restart == nil || now.Sub(k.began) < restartAfter {
			return false
		}
		k.o.Restart(fmt.Sprintf("partition %d of the topic of events stands still (%s: %s), and nothing else has helped", p.Partition, p.Stuck, p.Detail))
	}
	if k.stats.remedies == nil {
		k.stats.remedies = map[string]int64{}
	}
	k.stats.remedies[remedy]++
	return true
}

// Remedied counts the remedies that were tried since the start.
func (k *Kafka) Remedied() map[string]int64 {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	out := map[string]int64{}
	for _, r := range Remedies {
		out[r] = 0
	}
	maps.Copy(out, k.stats.remedies)
	return out
}

// told takes the orders that were given meanwhile, and does what can be done with
// this client. It reports whether another is needed. Nothing is read while it runs,
// so that nothing arrives twice.
func (c consumer) told(ctx context.Context, client *kgo.Client) (anew bool) {
	c.group.mu.Lock()
	o := c.group.orders
	c.group.orders = orders{}
	c.group.mu.Unlock()
	if o.rejoin || len(o.refetch) == 0 {
		return o.rejoin
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // all partitions wait for it
	defer cancel()
	committed, err := c.admin.FetchOffsets(ctx, c.groupName())
	if err != nil {
		c.say(err)
	}
	starts, err := c.admin.ListStartOffsets(ctx, c.o.Topic)
	if err != nil {
		c.say(err)
	}
	aside, at := map[int32]kgo.EpochOffset{}, map[int32]kgo.EpochOffset{}
	c.bus.mu.Lock()
	for n := range o.refetch {
		p := c.bus.topic.open[placeOf(n)]
		if p == nil {
			continue // it was given away
		}
		from := p.arrived
		if was, ok := committed.Lookup(c.o.Topic, n); ok && was.Err == nil {
			from = max(from, was.At)
		}
		if start, ok := starts.Lookup(c.o.Topic, n); ok && start.Err == nil {
			from = max(from, start.Offset)
		}
		at[n] = kgo.EpochOffset{Epoch: -1, Offset: from}
		aside[n] = kgo.EpochOffset{Epoch: -1, Offset: from + 1}
	}
	c.bus.mu.Unlock()
	// The client does nothing when it is told where it believes to be already.
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.o.Topic: aside})
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.o.Topic: at})
	return false
}
