package event

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"haat/internal/fleet"
)

// KafkaOptions is where the topic is, and what it must be like.
type KafkaOptions struct {
	Brokers    []string // host:port
	Topic      string
	Partitions int           // at least; as many are made
	Retention  time.Duration // at least; so long is kept
	Session    time.Duration // so long may a deliverer be silent before others take over; 0: 6 s, the least that brokers allow by default
	// Instance names this process among those that deliver. One that is started
	// again under its name has its partitions back at once. Empty: each start is
	// a new deliverer.
	Instance string
	Access   Access
	// Epoch gives numbers that rise over all processes; see [fleet.Member.Epoch].
	Epoch func(context.Context) (int64, error)
	// Restart ends this process, which is started again by whoever keeps it: the
	// last remedy for a partition that it has and does not come on with. Nil: it
	// does other things that must go on.
	Restart func(why string)
}

// Kafka is the carrier of a fleet. For each shard that it serves, a relay
// publishes the outboxes of the shard's shops to a topic: in the order of each
// shop's clock, without gaps, at least once. The processes that deliver share
// the topic's partitions as a consumer group; a shop is in one partition, so it
// has one deliverer, and the epoch that this one takes with the partition fences
// off all earlier ones. While no broker answers, events wait in the outboxes.
type Kafka struct {
	fleet *fleet.Fleet
	bus   *Bus
	log   *slog.Logger
	o     KafkaOptions

	client *kgo.Client  // publishes, and asks what there is
	admin  *kadm.Client // over client
	ready  atomic.Bool  // the topic was looked at, and is as it must be
	refuse atomic.Pointer[Misfit]

	deserts atomic.Bool // in a test: it ends as if it were killed

	mu     sync.Mutex
	relays map[string]*relay // by shard
	group  groupState
	stats  KafkaStats

	partitions []PartitionState // as they were watched
	watched    time.Time
	samples    []Sample
	canaries   map[int32]canary // while they are sent from here

	began    time.Time
	share    float64           // of the time by which remedies of one partition at many processes are spread
	climbs   map[int32][]tried // what Watch has tried with partitions that are stuck
	unhelped bool              // in a test: nothing is tried
}

// KafkaStats counts since the start.
type KafkaStats struct {
	Published atomic.Int64 // events that brokers acknowledged
	Failed    atomic.Int64 // tries to publish that failed
	Arrived   atomic.Int64 // records of the topic, those that repeat included
	Refused   atomic.Int64 // records that could not be understood
	Left      atomic.Int64 // events too large for the topic, read from the outbox instead

	remedies map[string]int64 // guarded by groupState.mu
}

// Misfit says in what a topic is not as it must be.
type Misfit struct{ Topic, Why string }

func (m *Misfit) Error() string { return fmt.Sprintf("the Kafka topic %s: %s", m.Topic, m.Why) }

// OverKafka has a bus that was not started yet deliver what arrives from a
// topic. It fails if the topic can be seen and is not as it must be; brokers
// that do not answer are waited for later. Close it after the bus.
func OverKafka(ctx context.Context, f *fleet.Fleet, b *Bus, o KafkaOptions, log *slog.Logger) (*Kafka, error) {
	o.Session = cmp.Or(o.Session, 6*time.Second)
	if err := o.Access.check(); err != nil {
		return nil, err
	}
	k := &Kafka{fleet: f, bus: b, log: log, o: o, relays: map[string]*relay{}, began: time.Now(), share: rand.Float64(), climbs: map[int32][]tried{}}
	k.group.init()
	var err error
	k.client, err = kgo.NewClient(append(k.common(),
		kgo.RequiredAcks(kgo.AllISRAcks()), // and idempotent, as is the default
		kgo.ProducerLinger(2*time.Millisecond),
		kgo.RecordPartitioner(byKey),
		kgo.ProducerBatchMaxBytes(1<<20),
	)...)
	if err != nil {
		return nil, err
	}
	k.admin = kadm.NewClient(k.client)
	k.admin.SetTimeoutMillis(5000)
	b.mu.Lock()
	b.turns = map[string]int64{}
	b.topic = &intake{bus: b, open: map[string]*partition{}}
	b.mu.Unlock()
	look, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := k.see(look); err != nil {
		if errors.As(err, new(*Misfit)) {
			k.Close()
			return nil, err
		}
		log.Warn("Kafka cannot be used; events wait in the outboxes until it can", "brokers", o.Brokers, "err", o.Access.plain(err))
	}
	f.OnWrite(k.written)
	f.OnTerm(k.anew)
	return k, nil
}

func (k *Kafka) common() []kgo.Opt {
	return append(k.o.Access.options(),
		kgo.SeedBrokers(k.o.Brokers...),
		kgo.ClientID("haat"),
		kgo.RetryTimeout(10*time.Second),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.MetadataMaxAge(30*time.Second),
		kgo.WithLogger(kafkaLog{k.log}),
	)
}

// Close lets go of the brokers.
func (k *Kafka) Close() { closeWithin(k.client) }

// closeWithin closes a client, and does not wait long for brokers that are gone.
func closeWithin(client *kgo.Client) {
	closed := make(chan struct{})
	go func() {
		client.Close()
		close(closed)
	}()
	t := time.NewTimer(3 * time.Second)
	defer t.Stop()
	select {
	case <-closed:
	case <-t.C:
	}
}

// Stats gives the counters.
func (k *Kafka) Stats() *KafkaStats { return &k.stats }

// see makes the topic if there is none, and refuses one that would lose events.
func (k *Kafka) see(ctx context.Context) error {
	topics, err := k.admin.ListTopics(ctx, k.o.Topic)
	if err != nil {
		return err
	}
	detail := topics[k.o.Topic]
	if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) || len(detail.Partitions) == 0 {
		if err := k.make(ctx); err != nil {
			return err
		}
		if topics, err = k.admin.ListTopics(ctx, k.o.Topic); err != nil {
			return err
		}
		detail = topics[k.o.Topic]
	}
	if detail.Err != nil {
		return fmt.Errorf("look at the topic: %w", detail.Err)
	}
	all, err := k.admin.DescribeTopicConfigs(ctx, k.o.Topic)
	if err != nil {
		return err
	}
	found, err := all.On(k.o.Topic, nil)
	if err == nil {
		err = found.Err
	}
	if err != nil {
		return fmt.Errorf("look at the topic's settings: %w", err)
	}
	misfit := &Misfit{Topic: k.o.Topic}
	n := len(detail.Partitions)
	if n < k.o.Partitions {
		misfit.Why = fmt.Sprintf("it has %d partitions, fewer than the %d that are asked for: add some, or ask for fewer with --kafka-partitions", n, k.o.Partitions)
	}
	for _, c := range found.Configs {
		switch value := c.MaybeValue(); c.Key {
		case "cleanup.policy":
			if value != "delete" {
				misfit.Why = fmt.Sprintf("its cleanup.policy is %q: it must be delete, since each record is an event of its own and compaction drops all but a shop's last", value)
			}
		case "retention.ms":
			ms, err := strconv.ParseInt(value, 10, 64)
			if err == nil && ms >= 0 && ms < k.o.Retention.Milliseconds() {
				misfit.Why = fmt.Sprintf("its retention.ms is %s, that is %v: less than the %v that are asked for with --kafka-retention", value, time.Duration(ms)*time.Millisecond, k.o.Retention)
			}
		}
	}
	if misfit.Why != "" {
		k.refuse.Store(misfit)
		k.ready.Store(false)
		return misfit
	}
	k.bus.topic.count.Store(int32(n))
	k.refuse.Store(nil)
	k.ready.Store(true)
	return nil
}

// make makes the topic.
func (k *Kafka) make(ctx context.Context) error {
	retention := strconv.FormatInt(k.o.Retention.Milliseconds(), 10)
	policy, most := "delete", strconv.Itoa(2*wireMost+64<<10)
	configs := map[string]*string{"retention.ms": &retention, "cleanup.policy": &policy, "max.message.bytes": &most}
	if _, err := k.admin.CreateTopic(ctx, int32(k.o.Partitions), -1, configs, k.o.Topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("make the topic: %w", err)
	}
	return nil
}

// await waits until the topic can be used, or ctx ends.
func (k *Kafka) await(ctx context.Context) error {
	for fails := 0; !k.ready.Load(); fails++ {
		look, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := k.see(look)
		cancel()
		if err == nil {
			return nil
		}
		k.say(err)
		if fails == 3 {
			k.log.Error("the topic of events cannot be used; they wait in the outboxes", "err", k.o.Access.plain(err))
		}
		if err := pause(ctx, min(time.Duration(fails+1)*500*time.Millisecond, 3*time.Second)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// kafkaLog passes on what the client has to say.
type kafkaLog struct{ log *slog.Logger }

// Level implements kgo.Logger.
func (kafkaLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	at := slog.LevelDebug // the client complains a lot while a broker restarts
	if level == kgo.LogLevelError {
		at = slog.LevelWarn
	}
	l.log.Log(context.Background(), at, "kafka: "+msg, slices.Clone(keyvals)...)
}
