package event

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
)

const (
	commitEvery = time.Second
	fetchMost   = 2000 // records at once
)

// problem is the latest thing that went wrong.
type problem struct {
	why  string
	at   time.Time
	last time.Time
}

func (p *problem) note(err error, now time.Time) {
	if p.why == "" || now.Sub(p.last) > 30*time.Second {
		p.at = now
	}
	p.why, p.last = err.Error(), now
}

// groupState is what this process knows of its part in the consumer group.
type groupState struct {
	mu        sync.Mutex
	client    *kgo.Client
	broker    problem           // with any broker
	fetching  map[int32]problem // by partition
	commits   problem
	committed map[int32]int64
	turns     []time.Time // when partitions were given to this process
	refused   []Refused   // the latest

	orders   orders
	wake     func() // has whoever reads look at orders
	rejoined time.Time
}

func (g *groupState) init() {
	g.fetching, g.committed, g.wake = map[int32]problem{}, map[int32]int64{}, func() {}
}

// Refused is a record of the topic that could not be understood. It stays where
// it is; the event that it may have stood for is read from the outbox.
type Refused struct {
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Why       string    `json:"why"`
	At        time.Time `json:"at"`
}

const mostRefused = 50

// Refused gives the latest records that were refused here.
func (k *Kafka) Refused() []Refused {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	return slices.Clone(k.group.refused)
}

// say keeps what a broker, or the way to it, had to say.
func (k *Kafka) say(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	k.group.broker.note(k.o.Access.plain(err), time.Now())
}

// consumer is this process's part in the group.
type consumer struct {
	*Kafka
	gone *atomic.Bool // its client has left: what that still says is of no partition of ours
}

// groupName is the consumer group of those that deliver.
func (k *Kafka) groupName() string { return k.o.Topic + ".subscribers" }

// Run implements Carrier: it takes its share of the partitions and hands what
// arrives to the bus, until ctx ends.
func (k *Kafka) Run(ctx context.Context) {
	if k.await(ctx) != nil {
		return
	}
	for c := (consumer{Kafka: k}); c.member(ctx); {
		k.log.Warn("left the group of those that deliver, and joins it anew")
	}
}

// member takes part in the group until ctx ends, or until it is to come back as
// somebody new, which it reports.
func (c consumer) member(ctx context.Context) (anew bool) {
	k := c.Kafka
	c.gone = new(atomic.Bool)
	options := append(k.common(),
		kgo.ConsumerGroup(k.groupName()),
		kgo.ConsumeTopics(k.o.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(k.o.Session),
		kgo.HeartbeatInterval(k.o.Session/10),
		kgo.RebalanceTimeout(max(2*k.o.Session, 5*time.Second)), // so long is waited for one who died meanwhile
		kgo.FetchMaxWait(time.Second),
		kgo.DisableAutoCommit(),
		kgo.KeepRetryableFetchErrors(),
		kgo.OnPartitionsAssigned(c.assigned),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	)
	if k.o.Instance != "" {
		options = append(options, kgo.InstanceID(k.o.Instance))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		k.say(err)
		k.log.Error("cannot take part in delivering events", "err", err)
		return false
	}
	commits, done := context.WithCancel(ctx)
	defer done()
	var all sync.WaitGroup
	all.Go(func() { c.commitAll(commits, client) })
	for ctx.Err() == nil && !anew {
		poll, stop := context.WithCancel(ctx)
		k.group.mu.Lock()
		k.group.client, k.group.wake = client, stop
		k.group.mu.Unlock()
		anew = c.told(ctx, client)
		for poll.Err() == nil && !anew {
			if !c.hasRoom() {
				_ = pause(poll, 10*time.Millisecond)
				continue
			}
			fetches := client.PollRecords(poll, fetchMost)
			fetches.EachError(func(_ string, partition int32, err error) { c.failed(partition, err) })
			fetches.EachRecord(func(r *kgo.Record) { c.take(ctx, r) })
		}
		stop()
	}
	done()
	all.Wait()
	if k.deserts.Load() {
		closeWithin(client)
		return false
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	c.leave(leave, client) // else it is found lost
	c.gone.Store(true)
	c.letGo(slices.Collect(maps.Keys(c.holds())))
	closeWithin(client)
	return anew && ctx.Err() == nil
}

// leave gives this process's partitions to the others. A member that has a name
// is taken out by it, since its client would stay in, for the next start.
func (c consumer) leave(ctx context.Context, client *kgo.Client) {
	if c.o.Instance == "" {
		_ = client.LeaveGroupContext(ctx)
		return
	}
	c.commit(ctx, client)
	c.letGo(slices.Collect(maps.Keys(c.holds())))
	_, _ = c.admin.LeaveGroup(ctx, kadm.LeaveGroup(c.groupName()).Reason("it ends").InstanceIDs(c.o.Instance))
}

// holds gives the partitions that are delivered here.
func (c consumer) holds() map[int32]bool {
	all := map[int32]bool{}
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	for _, p := range c.bus.topic.open {
		all[p.number] = true
	}
	return all
}

// hasRoom reports whether more may be fetched.
func (c consumer) hasRoom() bool {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	return c.bus.topic.due < mostDue
}

// assigned takes partitions, each at an epoch above all earlier ones. Without
// an epoch nothing can be delivered, so that it is asked for until it comes.
func (c consumer) assigned(ctx context.Context, _ *kgo.Client, all map[string][]int32) {
	numbers := all[c.o.Topic]
	if len(numbers) == 0 || c.gone.Load() {
		return
	}
	epoch := int64(0)
	for fails := 1; ; fails++ {
		var err error
		if epoch, err = c.o.Epoch(ctx); err == nil {
			break
		}
		c.log.Warn("cannot take partitions of the topic of events; it will be tried again", "err", err)
		if pause(ctx, backoff(fails+4)) != nil {
			return
		}
	}
	if c.gone.Load() {
		return
	}
	c.group.mu.Lock()
	c.group.turns = append(c.group.turns[max(0, len(c.group.turns)-100):], time.Now())
	c.group.mu.Unlock()
	for _, n := range numbers {
		c.bus.mu.Lock()
		c.bus.topic.end(n)
		p := c.bus.topic.begin(n)
		c.bus.mu.Unlock()
		c.bus.Take(p.place, epoch)
	}
	c.log.Debug("took partitions", "partitions", numbers, "epoch", epoch)
}

// revoked gives partitions to somebody else.
func (c consumer) revoked(ctx context.Context, client *kgo.Client, all map[string][]int32) {
	if c.gone.Load() {
		return
	}
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	c.commit(commit, client)
	c.lost(ctx, client, all)
}

// lost lets go of partitions that somebody else may have by now.
func (c consumer) lost(_ context.Context, _ *kgo.Client, all map[string][]int32) {
	if !c.gone.Load() {
		c.letGo(all[c.o.Topic])
	}
}

func (c consumer) letGo(partitions []int32) {
	for _, n := range partitions {
		c.bus.Yield(placeOf(n))
		c.bus.mu.Lock()
		c.bus.topic.end(n)
		c.bus.mu.Unlock()
		c.group.mu.Lock()
		delete(c.group.committed, n)
		delete(c.group.fetching, n)
		c.group.mu.Unlock()
	}
}

func (c consumer) failed(partition int32, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	c.say(err)
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	p := c.group.fetching[partition]
	p.note(err, time.Now())
	c.group.fetching[partition] = p
}

// take hands a record to the bus.
func (c consumer) take(ctx context.Context, r *kgo.Record) {
	if isCanary(r) {
		c.skip(r)
		return
	}
	c.stats.Arrived.Add(1)
	a, err := unpack(r)
	if err != nil {
		c.refuse(r, err)
		if a.seq == 0 {
			c.skip(r)
			return
		}
	}
	room, look := c.fleet.ByID(ctx, a.shop)
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	p := c.bus.topic.open[placeOf(r.Partition)]
	if p == nil {
		return // it was given away
	}
	if look != nil {
		if !fault.Is(look, fault.KindNotFound) {
			c.bus.full = true // it is looked for again, from the shards
		}
		c.bus.topic.took(p, r.Offset, r.Timestamp)
		c.bus.topic.done(p, r.Offset)
		return
	}
	commit := fleet.Commit{Shop: a.shop, Shard: room.Shard(), Doubt: true}
	if !a.left {
		commit.Doubt, commit.First, commit.At = false, a.seq, a.at
		commit.Events = []db.Outgoing{{ID: a.event, Topic: a.topic, Key: a.key, Tags: a.tags, Trace: a.trace, Payload: a.payload}}
	}
	c.bus.topic.take(p, r.Offset, commit, a.seq, r.Timestamp)
}

// skip settles a record that is no event, once what came before it is settled.
func (c consumer) skip(r *kgo.Record) {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	if p := c.bus.topic.open[placeOf(r.Partition)]; p != nil {
		c.bus.topic.took(p, r.Offset, r.Timestamp)
		c.bus.topic.done(p, r.Offset)
	}
}

func (c consumer) refuse(r *kgo.Record, err error) {
	c.stats.Refused.Add(1)
	c.log.Error("a record of the topic of events cannot be understood, and is passed over; what it stood for is read from the outbox", "partition", r.Partition, "offset", r.Offset, "err", err)
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	all := append(c.group.refused, Refused{r.Partition, r.Offset, err.Error(), time.Now()})
	c.group.refused = all[max(0, len(all)-mostRefused):]
}

// commitAll says every so often how far this process has come.
func (c consumer) commitAll(ctx context.Context, client *kgo.Client) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		c.commit(once, client)
		cancel()
	}
}

// commit commits what is settled. It is where the next deliverer begins to read;
// what counts are the cursors.
func (c consumer) commit(ctx context.Context, client *kgo.Client) {
	settled := map[int32]int64{}
	c.bus.mu.Lock()
	for _, p := range c.bus.topic.open {
		if p.next >= 0 {
			settled[p.number] = p.next
		}
	}
	c.bus.mu.Unlock()
	c.group.mu.Lock()
	maps.DeleteFunc(settled, func(n int32, at int64) bool { was, ok := c.group.committed[n]; return ok && was == at })
	c.group.mu.Unlock()
	if len(settled) == 0 {
		return
	}
	offsets := map[string]map[int32]kgo.EpochOffset{c.o.Topic: {}}
	for n, at := range settled {
		offsets[c.o.Topic][n] = kgo.EpochOffset{Epoch: -1, Offset: at}
	}
	var failed error
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err == nil {
			for _, topic := range answer.Topics {
				for _, p := range topic.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
				}
			}
		}
	})
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	if failed != nil {
		if !errors.Is(failed, context.Canceled) {
			c.group.commits.note(failed, time.Now())
		}
		return
	}
	c.group.commits = problem{}
	for n, at := range settled {
		c.group.committed[n] = at
	}
}
