package event_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// roads are the ways on which events come to a bus. Each has its own topic,
// if it has one.
func roads(t *testing.T, fn func(t *testing.T, brokers []string, real *eventtest.Kafka)) {
	t.Run("local", func(t *testing.T) { fn(t, nil, nil) })
	t.Run("in-process broker", func(t *testing.T) { fn(t, eventtest.Fake(t).ListenAddrs(), nil) })
	t.Run("kafka", func(t *testing.T) {
		k := eventtest.NewKafka(t)
		fn(t, []string{k.Addr}, k)
	})
}

var epochs atomic.Int64

func topicOptions(t *testing.T, brokers []string) event.KafkaOptions {
	return event.KafkaOptions{
		Brokers: brokers, Topic: "test." + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()), Partitions: 6, Retention: time.Hour, Session: 2 * time.Second,
		Epoch: func(context.Context) (int64, error) {
			return max(time.Now().UnixMicro(), epochs.Add(1)), nil
		},
	}
}

// deliverer is what a process has that serves shards and delivers.
type deliverer struct {
	bus   *event.Bus
	kafka *event.Kafka // nil: local
	stop  context.CancelFunc
	all   sync.WaitGroup
}

// deliverOn starts one. What it serves and delivers it has until end.
func deliverOn(t *testing.T, f *fleet.Fleet, bus *event.Bus, o event.KafkaOptions) *deliverer {
	t.Helper()
	return deliverFrom(t, f, bus, o, 0)
}

// deliverFrom starts one whose leases have an epoch; 0 is the present time.
func deliverFrom(t *testing.T, f *fleet.Fleet, bus *event.Bus, o event.KafkaOptions, epoch int64) *deliverer {
	t.Helper()
	d := &deliverer{bus: bus}
	var road event.Carrier = event.Local{Bus: bus}
	bus.Leased()
	if len(o.Brokers) > 0 {
		k, err := event.OverKafka(t.Context(), f, bus, o, quiet())
		if err != nil {
			t.Fatal(err)
		}
		d.kafka, road = k, k
	}
	ctx, stop := context.WithCancel(t.Context())
	d.stop = stop
	bus.Start(ctx)
	d.all.Go(func() { road.Run(ctx) })
	for _, name := range f.ShardNames() {
		d.all.Go(func() { road.Serve(ctx, name, cmp.Or(epoch, time.Now().UnixMicro())) })
	}
	return d
}

func (d *deliverer) end() {
	d.stop()
	d.all.Wait()
	d.bus.Close()
	if d.kafka != nil {
		d.kafka.Close()
	}
}

// publishedOn reads all that is on the topic, and says where an event does not
// follow the one before it in its shop, or repeat one.
func publishedOn(t *testing.T, o event.KafkaOptions, want map[string]int64) (gaps []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.ConsumeTopics(o.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at, repeated := map[string]int64{}, 0
	for {
		whole := true
		for shop, n := range want {
			whole = whole && at[shop] >= n
		}
		if whole {
			break
		}
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("on the topic are %v, want %v", at, want)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var seq int64
			for _, h := range r.Headers {
				if h.Key == "seq" {
					_, _ = fmt.Sscan(string(h.Value), &seq)
				}
			}
			switch shop := string(r.Key); {
			case seq == at[shop]+1:
				at[shop] = seq
			case seq > at[shop]:
				gaps = append(gaps, fmt.Sprintf("%d of shop %s comes after %d", seq, shop, at[shop]))
				at[shop] = seq
			case seq > 0:
				repeated++
			}
		})
	}
	t.Logf("%d records of the topic repeat others", repeated)
	return gaps
}

// Whatever the road, with deliverers that come and go: each event takes effect
// once and in order, and those on a topic are there in order and without gaps. The
// real broker is killed meanwhile: selling goes on, and its relays say what they
// wait for.
func TestEveryRoadBringsEachEventOnceAndInOrder(t *testing.T) {
	roads(t, func(t *testing.T, brokers []string, real *eventtest.Kafka) {
		dir := t.TempDir()
		f := fleettest.OpenFleet(t, dir, dir+"/control.db", "", []*db.SchemaSet{event.Schema, effectSchema}, nil)
		o := topicOptions(t, brokers)
		var rooms []*fleet.Room
		for i := range 6 {
			rooms = append(rooms, fleettest.NewShop(t, f, shopOf(i)))
		}
		newBus := func() *event.Bus {
			b := deliveringBus(f)
			event.OnFlow(b, "flow", func(_ context.Context, _ *fleet.Room, m event.Meta, _ happened) (event.Then, error) {
				if rand.N(20) == 0 {
					return nil, event.Unavailable(errors.New("bad luck"))
				}
				return func(ctx context.Context, tx *db.Tx) error {
					_, err := tx.Exec(ctx, addEffect, "flow", m.Seq)
					return err
				}, nil
			})
			return b
		}
		const rounds, each = 3, 20
		for round := range rounds {
			d := deliverOn(t, f, newBus(), o)
			if real != nil && round == 1 {
				real.Kill()
			}
			var all sync.WaitGroup
			for i, room := range rooms {
				all.Go(func() {
					for n := range each {
						emit(t, room, happened{K: fmt.Sprint(n % 3), N: i})
					}
				})
			}
			all.Wait()
			if real != nil && round == 1 {
				await(t, "the relays say that they wait", func() bool {
					return slices.ContainsFunc(d.kafka.Relays(), func(r event.RelayState) bool { return r.Shops > 0 && r.Age() > time.Second })
				})
				real.Start(t)
			}
			if round == rounds-1 {
				await(t, "everybody has had everything", func() bool {
					return !slices.ContainsFunc(rooms, func(r *fleet.Room) bool {
						return len(seqs(t, r, "one")) < rounds*each || len(seqs(t, r, "two")) < rounds*each || len(seqs(t, r, "flow")) < rounds*each
					})
				})
				await(t, "the shops' rows say so", func() bool { return len(newsOf(t, f)) == 0 })
			}
			d.end()
		}
		want := map[string]int64{}
		for _, r := range rooms {
			want[r.Shop().String()] = rounds * each
			for _, name := range []string{"one", "two", "flow"} {
				if got := seqs(t, r, name); !slices.Equal(got, upTo(rounds*each)) {
					t.Errorf("of %d events %s saw %v", rounds*each, name, got)
				}
			}
		}
		if len(brokers) > 0 {
			for _, gap := range publishedOn(t, o, want) {
				t.Error("on the topic, " + gap)
			}
		}
	})
}
