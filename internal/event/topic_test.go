package event_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

func embedded(t *testing.T) *fleet.Fleet {
	t.Helper()
	dir := t.TempDir()
	return fleettest.OpenFleet(t, dir, dir+"/control.db", "", []*db.SchemaSet{event.Schema, effectSchema}, nil)
}

func clientOf(t *testing.T, brokers []string, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(more, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestTopicsThatWouldLoseEventsAreRefused(t *testing.T) {
	f, brokers := embedded(t), eventtest.Fake(t).ListenAddrs()
	admin := kadm.NewClient(clientOf(t, brokers))
	for name, c := range map[string]struct {
		partitions int32
		configs    map[string]string
		want       string
	}{
		"few":     {3, nil, "it has 3 partitions, fewer than the 6"},
		"compact": {6, map[string]string{"cleanup.policy": "compact"}, `its cleanup.policy is "compact": it must be delete`},
		"short":   {6, map[string]string{"retention.ms": "60000"}, "its retention.ms is 60000, that is 1m0s: less than the 1h0m0s"},
		"more":    {12, map[string]string{"retention.ms": "-1", "cleanup.policy": "delete"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			configs := map[string]*string{}
			for k, v := range c.configs {
				configs[k] = &v
			}
			o := topicOptions(t, brokers)
			if _, err := admin.CreateTopic(t.Context(), c.partitions, 1, configs, o.Topic); err != nil {
				t.Fatal(err)
			}
			k, err := event.OverKafka(t.Context(), f, event.NewBus(f, quiet()), o, quiet())
			if err == nil {
				k.Close()
			}
			if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) && c.want != "" {
				t.Errorf("refused with %v, want %q", err, c.want)
			}
		})
	}
}

// Kafka's own clients put a key into the same partition.
func TestPartitionsOfKeys(t *testing.T) {
	for i := range 2000 {
		key := strings.Repeat("k", i%17) + fmt.Sprint(i)
		of := kgo.StickyKeyPartitioner(nil).ForTopic("t").Partition(&kgo.Record{Key: []byte(key)}, 24)
		if got := event.PartitionOf(key, 24); got != int32(of) {
			t.Fatalf("%q is in partition %d, want %d", key, got, of)
		}
	}
}

// What others put on the topic, what a newer haat wrote, what is too large for
// it and what never came to it: each event takes effect once, and what was
// passed over is told with its reason.
func TestStrangeRecords(t *testing.T) {
	f, brokers := embedded(t), eventtest.Fake(t).ListenAddrs()
	room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, brokers)
	undo := event.Lose(func(seq int64) bool { return seq == 4 || seq == 7 })
	defer undo()
	d := deliverOn(t, f, deliveringBus(f), o)
	defer d.end()
	shop := room.Shop().String()
	client := clientOf(t, brokers)
	put := func(key, value string, heads ...string) {
		t.Helper()
		r := &kgo.Record{Topic: o.Topic, Key: []byte(key), Value: []byte(value)}
		for i := 0; i < len(heads); i += 2 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: heads[i], Value: []byte(heads[i+1])})
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	emit(t, room, happened{K: "a", N: 1})
	put(shop, "\xff\x00garbage")
	put(shop, `{}`, "haat", "1", "shop", "nonsense", "seq", "2")
	put("another", `{}`, "haat", "1", "shop", shop, "seq", "2")
	put(shop, `{}`, "haat", "1", "shop", shop, "seq", "two")
	put(shop, `{}`, "haat", "9", "shop", shop, "seq", "1")
	put(shop, "\xff\x00garbage", "haat", "1", "shop", shop, "seq", "1", "event", id.Event(id.New[struct{}]()).String(), "at", "1", "topic", "test.happened")
	emit(t, room, happened{K: strings.Repeat("very-large-", 60_000), N: 2})
	for n := range 7 {
		emit(t, room, happened{K: "a", N: n})
		await(t, "it has arrived or was lost", func() bool { return d.kafka.Stats().Published.Load() >= int64(n) })
	}
	await(t, "all have taken effect", func() bool { return len(seqs(t, room, "one")) == 9 && len(seqs(t, room, "two")) == 9 })
	for _, name := range []string{"one", "two"} {
		if got := seqs(t, room, name); !slices.Equal(got, upTo(9)) {
			t.Errorf("%s saw %v", name, got)
		}
	}
	if d.kafka.Stats().Left.Load() == 0 {
		t.Error("the large event was published whole")
	}
	await(t, "all strange records were told", func() bool { return len(d.kafka.Refused()) >= 6 })
	var why []string
	for _, r := range d.kafka.Refused() {
		why = append(why, r.Why)
	}
	for _, want := range []string{"no header that says that haat wrote it", `header "shop"`, "is not its shop", `header "seq" is "two"`, `version is "9"`, "its value is no JSON"} {
		if !slices.ContainsFunc(why, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("nothing was refused for %q: %q", want, why)
		}
	}
	// The look at the topic that other tests rely on does see what was lost.
	if gaps := publishedOn(t, o, map[string]int64{shop: 9}); len(gaps) == 0 {
		t.Error("two events never came to the topic, and nobody noticed")
	}
}

// A process whose brokers are gone ends all the same, soon.
func TestAStopWaitsForNoBroker(t *testing.T) {
	f, fake := embedded(t), eventtest.Fake(t)
	room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, fake.ListenAddrs())
	d := deliverOn(t, f, deliveringBus(f), o)
	emit(t, room, happened{K: "a"})
	await(t, "it has taken effect", func() bool { return len(seqs(t, room, "one")) == 1 })
	fake.Close()
	emit(t, room, happened{K: "a"})
	await(t, "the relays say that they wait", func() bool {
		return slices.ContainsFunc(d.kafka.Relays(), func(r event.RelayState) bool { return r.Shops == 1 && r.Age() > time.Second })
	})
	ended := make(chan struct{})
	go func() { d.end(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it waits for the brokers")
	}
}

// memberOf takes part in the group of those that deliver, and delivers nothing.
func memberOf(t *testing.T, o event.KafkaOptions, got func()) *kgo.Client {
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.ConsumerGroup(o.Topic+".subscribers"), kgo.ConsumeTopics(o.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(o.Session), kgo.HeartbeatInterval(o.Session/10), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, all map[string][]int32) {
			if len(all) > 0 {
				got()
			}
		}))
	if err != nil {
		t.Error(err)
	}
	return client
}

// Ten thousand partitions of which nothing happens in any are no stall, though
// nobody has them; once something waits in one, that one is.
func TestIdlePartitionsAreNoStall(t *testing.T) {
	defer event.Impatient(time.Second)()
	const many = 10_000
	f, o := embedded(t), topicOptions(t, eventtest.Fake(t).ListenAddrs())
	o.Partitions = many
	room := fleettest.NewShop(t, f, "a")
	k, err := event.OverKafka(t.Context(), f, event.NewBus(f, quiet()), o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { k.Watch(ctx) })
	looks, last := 0, time.Time{}
	stuck := func() (is []event.PartitionState) {
		partitions, at := k.Partitions()
		if at.After(last) && len(partitions) == many {
			looks, last = looks+1, at
		}
		for _, p := range partitions {
			if p.Stuck != "" {
				is = append(is, p)
			}
		}
		return is
	}
	await(t, "it was looked five times", func() bool {
		if is := stuck(); len(is) > 0 {
			t.Fatalf("%d partitions with nothing left are stuck, such as %+v", len(is), is[0])
		}
		return looks >= 5
	})
	for _, name := range f.ShardNames() {
		all.Go(func() { k.Serve(ctx, name, time.Now().UnixMicro()) })
	}
	emit(t, room, happened{K: "a"})
	await(t, "one is stuck", func() bool { return len(stuck()) > 0 })
	if is := stuck(); len(is) != 1 || is[0].Stuck != event.StuckUnassigned || is[0].Partition != event.PartitionOf(room.Shop().String(), many) {
		t.Errorf("stuck are %+v", is)
	}
}

// Each way in which a partition can stand still is named, and one with nothing
// left is none.
func TestStalls(t *testing.T) {
	defer event.Impatient(2 * time.Second)()
	f, fake := embedded(t), eventtest.Fake(t)
	var rooms []*fleet.Room
	for i := range 4 {
		rooms = append(rooms, fleettest.NewShop(t, f, shopOf(i)))
	}
	some := func() {
		for i, room := range rooms {
			emit(t, room, happened{K: "a", N: i})
		}
	}
	var hang chan struct{}
	newBus := func() *event.Bus {
		b := event.NewBus(f, quiet())
		event.OnFlow(b, "hangs", func(ctx context.Context, _ *fleet.Room, _ event.Meta, _ happened) (event.Then, error) {
			if hang != nil {
				select {
				case <-hang:
				case <-ctx.Done():
				}
			}
			return nil, nil
		})
		return b
	}
	answer := func(key kmsg.Key, code int16) (stop func()) {
		var off atomic.Bool
		fake.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			fake.KeepControl()
			if off.Load() {
				return nil, nil, false
			}
			switch r := req.(type) {
			case *kmsg.OffsetCommitRequest:
				resp := r.ResponseKind().(*kmsg.OffsetCommitResponse)
				for _, topic := range r.Topics {
					rt := kmsg.NewOffsetCommitResponseTopic()
					rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
					for _, p := range topic.Partitions {
						rp := kmsg.NewOffsetCommitResponseTopicPartition()
						rp.Partition, rp.ErrorCode = p.Partition, code
						rt.Partitions = append(rt.Partitions, rp)
					}
					resp.Topics = append(resp.Topics, rt)
				}
				return resp, nil, true
			case *kmsg.FetchRequest:
				if code == 0 { // as brokers wait for what is new
					fake.SleepControl(func() {
						select {
						case <-time.After(100 * time.Millisecond):
						case <-t.Context().Done():
						}
					})
				}
				resp := r.ResponseKind().(*kmsg.FetchResponse)
				for _, topic := range r.Topics {
					rt := kmsg.NewFetchResponseTopic()
					rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
					for _, p := range topic.Partitions {
						rp := kmsg.NewFetchResponseTopicPartition()
						rp.Partition, rp.ErrorCode = p.Partition, code
						rt.Partitions = append(rt.Partitions, rp)
					}
					resp.Topics = append(resp.Topics, rt)
				}
				return resp, nil, true
			}
			return nil, nil, false
		})
		return func() { off.Store(true) }
	}
	for _, c := range []struct {
		want string
		do   func(t *testing.T, d *deliverer, o event.KafkaOptions) (undo func())
	}{
		{event.StuckPaused, func(_ *testing.T, d *deliverer, _ event.KafkaOptions) func() { d.kafka.PauseAll(); some(); return nil }},
		{event.StuckHandler, func(*testing.T, *deliverer, event.KafkaOptions) func() {
			hang = make(chan struct{})
			some()
			return func() { close(hang) }
		}},
		{event.StuckCommit, func(*testing.T, *deliverer, event.KafkaOptions) func() {
			stop := answer(kmsg.OffsetCommit, kerr.TopicAuthorizationFailed.Code)
			some()
			return stop
		}},
		{event.StuckFetch, func(*testing.T, *deliverer, event.KafkaOptions) func() {
			stop := answer(kmsg.Fetch, kerr.TopicAuthorizationFailed.Code)
			some()
			return stop
		}},
		{event.StuckIdle, func(t *testing.T, d *deliverer, _ event.KafkaOptions) func() {
			stop := answer(kmsg.Fetch, 0) // nothing is new, it says
			some()
			return stop
		}},
		{event.StuckRetention, func(t *testing.T, d *deliverer, o event.KafkaOptions) func() {
			d.kafka.PauseAll()
			before := d.kafka.Stats().Published.Load()
			some()
			await(t, "all is published", func() bool { return d.kafka.Stats().Published.Load() >= before+4 })
			admin := kadm.NewClient(clientOf(t, o.Brokers))
			ends, err := admin.ListEndOffsets(t.Context(), o.Topic)
			if err != nil {
				t.Fatal(err)
			}
			some() // and of these none
			if _, err := admin.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
				t.Fatal(err)
			}
			return nil
		}},
		{event.StuckRebalance, func(t *testing.T, d *deliverer, o event.KafkaOptions) func() {
			stop := answer(kmsg.OffsetCommit, kerr.TopicAuthorizationFailed.Code)
			some()
			over, end := context.WithTimeout(t.Context(), 2*time.Minute)
			d.all.Go(func() {
				for over.Err() == nil { // somebody comes and goes
					got := make(chan struct{}, 10)
					c := memberOf(t, o, func() { got <- struct{}{} })
					select {
					case <-got:
					case <-over.Done():
					}
					c.Close()
				}
			})
			return func() { end(); stop() }
		}},
		{event.StuckElsewhere, nil},
		{event.StuckUnassigned, nil},
	} {
		t.Run(c.want, func(t *testing.T) {
			hang = nil
			o := topicOptions(t, fake.ListenAddrs())
			d := &deliverer{}
			if c.do != nil {
				d = deliverOn(t, f, newBus(), o)
				defer d.end()
				some()
			} else { // published, and nobody delivers
				ctx, stop := context.WithCancel(t.Context())
				k, err := event.OverKafka(ctx, f, newBus(), o, quiet())
				if err != nil {
					t.Fatal(err)
				}
				d.kafka = k
				for _, name := range f.ShardNames() {
					d.all.Go(func() { k.Serve(ctx, name, time.Now().UnixMicro()) })
				}
				defer func() { stop(); d.all.Wait(); k.Close() }()
				if c.want == event.StuckElsewhere { // or somebody else has them, and does nothing
					got := make(chan struct{}, 10)
					defer memberOf(t, o, func() { got <- struct{}{} }).Close()
					<-got
				}
				some()
			}
			watch, stop := context.WithCancel(t.Context())
			defer stop()
			d.all.Go(func() { d.kafka.Watch(watch) })
			defer stop()
			kinds := func() (stuck []string, lag int64, seen bool) {
				all, at := d.kafka.Partitions()
				for _, p := range all {
					if lag += p.Lag(); p.Stuck != "" {
						stuck = append(stuck, p.Stuck)
					}
				}
				return stuck, lag, !at.IsZero()
			}
			undo := func() {}
			if c.do != nil {
				await(t, "all is handled", func() bool { _, lag, seen := kinds(); return seen && lag == 0 && d.kafka.Stats().Published.Load() >= 4 })
				idle := time.Now()
				await(t, "nothing happens for a while", func() bool {
					if stuck, _, _ := kinds(); len(stuck) > 0 {
						t.Fatalf("partitions with nothing left are stuck: %v", stuck)
					}
					return c.want != event.StuckPaused || time.Since(idle) > 3*time.Second
				})
				if u := c.do(t, d, o); u != nil {
					undo = u
				}
			}
			began := time.Now()
			await(t, "it is named "+c.want, func() bool {
				stuck, _, _ := kinds()
				return slices.Contains(stuck, c.want)
			})
			t.Logf("named after %v", time.Since(began).Round(100*time.Millisecond))
			for _, p := range func() []event.PartitionState { all, _ := d.kafka.Partitions(); return all }() {
				if p.Stuck != "" && p.Stuck != c.want {
					t.Errorf("partition %d is %s (%s), want %s", p.Partition, p.Stuck, p.Detail, c.want)
				}
			}
			undo()
		})
	}
}
