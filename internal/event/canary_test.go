package event_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet/fleettest"
)

// standstill is a fault of a broker for which no record of an event is needed.
type standstill struct {
	name string
	want string
	do   func(fake *kfake.Cluster, off *atomic.Bool)
}

// answering has the broker give answers of ours to one kind of request, until
// off.
func answering(fake *kfake.Cluster, key kmsg.Key, off *atomic.Bool, answer func(kmsg.Request) kmsg.Response) {
	fake.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if off.Load() {
			return nil, nil, false
		}
		if resp := answer(req); resp != nil {
			return resp, nil, true
		}
		return nil, nil, false
	})
}

var standstills = []standstill{
	// The client owns its partitions and fetches; nothing ever comes.
	{"fetches come back empty", event.StuckIdle, func(fake *kfake.Cluster, off *atomic.Bool) {
		answering(fake, kmsg.Fetch, off, func(req kmsg.Request) kmsg.Response {
			fake.SleepControl(func() { <-time.After(100 * time.Millisecond) })
			r := req.(*kmsg.FetchRequest)
			resp := r.ResponseKind().(*kmsg.FetchResponse)
			for _, topic := range r.Topics {
				rt := kmsg.NewFetchResponseTopic()
				rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
				for _, p := range topic.Partitions {
					rp := kmsg.NewFetchResponseTopicPartition()
					rp.Partition = p.Partition
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp
		})
	}},
	// Nothing can be written, which nobody notices before there is an event.
	{"nothing can be written", event.StuckCanary, func(fake *kfake.Cluster, off *atomic.Bool) {
		answering(fake, kmsg.Produce, off, func(req kmsg.Request) kmsg.Response {
			r := req.(*kmsg.ProduceRequest)
			resp := r.ResponseKind().(*kmsg.ProduceResponse)
			for _, topic := range r.Topics {
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
				for _, p := range topic.Partitions {
					rp := kmsg.NewProduceResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp
		})
	}},
}

// What stands still while nothing happens in any shop only a canary can tell:
// without them, nobody sees it.
func TestOnlyACanarySees(t *testing.T) {
	defer event.Impatient(2 * time.Second)()
	defer event.Canaries(time.Second, 3*time.Second)()
	for _, c := range standstills {
		for _, canaries := range []bool{true, false} {
			t.Run(c.name+map[bool]string{true: "", false: " and there are none"}[canaries], func(t *testing.T) {
				f, fake := embedded(t), eventtest.Fake(t)
				room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, fake.ListenAddrs())
				d := deliverOn(t, f, deliveringBus(f), o)
				defer d.end()
				watch, stop := context.WithCancel(t.Context())
				d.all.Go(func() { d.kafka.Watch(watch) })
				defer stop()
				if canaries {
					d.all.Go(func() { d.kafka.Canary(watch) })
				}
				emit(t, room, happened{K: "a", N: 1})
				all := func() []event.PartitionState { all, _ := d.kafka.Partitions(); return all }
				well := func(p event.PartitionState) bool {
					return p.Stuck == "" && (canaries && p.Canary > 0 || !canaries && p.Canary == 0 && p.Lag() == 0)
				}
				await(t, "all of it goes on", func() bool {
					return len(all()) == 6 && !slices.ContainsFunc(all(), func(p event.PartitionState) bool { return !well(p) })
				})
				var off atomic.Bool
				defer off.Store(true)
				c.do(fake, &off)
				began := time.Now()
				if !canaries {
					await(t, "it would have been seen long since", func() bool {
						if i := slices.IndexFunc(all(), func(p event.PartitionState) bool { return p.Stuck != "" }); i >= 0 {
							t.Fatalf("without a canary it is seen all the same: %+v", all()[i])
						}
						return time.Since(began) > 6*time.Second
					})
					return
				}
				await(t, "every partition is named "+c.want, func() bool {
					return !slices.ContainsFunc(all(), func(p event.PartitionState) bool { return p.Stuck != c.want })
				})
				t.Logf("named after %v", time.Since(began).Round(100*time.Millisecond))
				off.Store(true)
				await(t, "none is named any more", func() bool {
					return !slices.ContainsFunc(all(), func(p event.PartitionState) bool { return p.Stuck != "" })
				})
			})
		}
	}
}

// Canaries among events change nothing about those: each takes effect once and
// in order, none is refused, and none is counted.
func TestCanariesDisturbNothing(t *testing.T) {
	defer event.Canaries(50*time.Millisecond, 15*time.Second)()
	f, fake := embedded(t), eventtest.Fake(t)
	room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, fake.ListenAddrs())
	var seen atomic.Int64
	reader := clientOf(t, o.Brokers, kgo.ConsumeTopics(o.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(250*time.Millisecond))
	d := deliverOn(t, f, deliveringBus(f), o)
	defer d.end()
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	d.all.Go(func() { d.kafka.Watch(ctx) })
	d.all.Go(func() { d.kafka.Canary(ctx) })
	reading.Go(func() {
		for ctx.Err() == nil {
			reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "canary" }) {
					seen.Add(1)
				}
			})
		}
	})
	const n = 60
	for i := range n {
		before := seen.Load()
		emit(t, room, happened{K: "a", N: i})
		if i%10 == 9 {
			await(t, "a canary has come by", func() bool { return seen.Load() > before })
		}
	}
	await(t, "all have taken effect", func() bool { return len(seqs(t, room, "one")) == n && len(seqs(t, room, "two")) == n })
	for _, name := range []string{"one", "two"} {
		if got := seqs(t, room, name); !slices.Equal(got, upTo(n)) {
			t.Errorf("%s saw %v", name, got)
		}
	}
	if s := d.kafka.Stats(); s.Published.Load() != n || s.Arrived.Load() != n || s.Refused.Load() != 0 || len(d.kafka.Refused()) != 0 {
		t.Errorf("published %d, arrived %d, refused %d of %d events", s.Published.Load(), s.Arrived.Load(), s.Refused.Load(), n)
	}
}

// A canary that lies in a partition is no event that waits: neither for the process
// that has sent it, nor for another.
func TestACanaryIsNoEventThatWaits(t *testing.T) {
	defer event.Impatient(time.Hour)() // nobody delivers, and that is all right
	defer event.Canaries(100*time.Millisecond, time.Hour)()
	f, fake := embedded(t), eventtest.Fake(t)
	room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, fake.ListenAddrs())
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	var both []*event.Kafka
	for range 2 {
		k, err := event.OverKafka(ctx, f, event.NewBus(f, quiet()), o, quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { stop(); all.Wait(); k.Close() }()
		all.Go(func() { k.Watch(ctx) })
		both = append(both, k)
	}
	sum := func(k *event.Kafka) (lag, waiting int64) {
		states, _ := k.Partitions()
		for _, p := range states {
			lag, waiting = lag+p.Lag(), waiting+p.Waiting()
		}
		return lag, waiting
	}
	all.Go(func() { both[0].Canary(ctx) })
	for i, k := range both {
		await(t, "a canary lies in each partition", func() bool { lag, _ := sum(k); return lag == 6 })
		await(t, "none of them is an event", func() bool { _, waiting := sum(k); return waiting == 0 })
		t.Logf("process %d knows canaries", i)
	}
	for _, name := range f.ShardNames() {
		all.Go(func() { both[0].Serve(ctx, name, time.Now().UnixMicro()) })
	}
	emit(t, room, happened{K: "a"})
	for _, k := range both {
		await(t, "the event waits", func() bool { lag, waiting := sum(k); return lag == 7 && waiting == 1 })
	}
}
