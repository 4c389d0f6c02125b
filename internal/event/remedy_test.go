package event_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// nothingNew has a broker say of each partition that nothing is new, until off.
func nothingNew(fake *kfake.Cluster, off *atomic.Bool) {
	answering(fake, kmsg.Fetch, off, func(req kmsg.Request) kmsg.Response {
		fake.SleepControl(func() { <-time.After(50 * time.Millisecond) })
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
}

// A deliverer whose client is wrong about its partitions stands still, whatever
// it is wrong about: that they are paused, that all of them was read, or what a
// member of the group is told. One remedy after the other is tried, until one
// helps, and what was tried is said. With no remedies nothing helps.
func TestRemedies(t *testing.T) {
	t.Cleanup(event.Impatient(time.Second))
	t.Cleanup(event.Remedy(3*time.Second, time.Hour)) // to leave and to come back takes more than one
	for _, c := range []struct {
		name string
		want []string // the remedies, of which the last helps
		do   func(t *testing.T, d *deliverer, fake *kfake.Cluster, o event.KafkaOptions, some func()) (undo func())
	}{
		{"paused", []string{event.RemedyResume}, func(_ *testing.T, d *deliverer, _ *kfake.Cluster, _ event.KafkaOptions, some func()) func() {
			d.kafka.PauseAll()
			some()
			return nil
		}},
		{"passed over", []string{event.RemedyRefetch}, func(t *testing.T, d *deliverer, fake *kfake.Cluster, o event.KafkaOptions, some func()) func() {
			var off atomic.Bool
			nothingNew(fake, &off)
			before := d.kafka.Stats().Published.Load()
			some()
			await(t, "all is published", func() bool { return d.kafka.Stats().Published.Load() >= before+4 })
			ends, err := kadm.NewClient(clientOf(t, o.Brokers)).ListEndOffsets(t.Context(), o.Topic)
			if err != nil {
				t.Fatal(err)
			}
			to := map[int32]int64{}
			ends.Each(func(end kadm.ListedOffset) { to[end.Partition] = end.Offset })
			d.kafka.PassOver(to)
			off.Store(true)
			return nil
		}},
		{"told nothing as long as it stays", []string{event.RemedyRefetch, event.RemedyRejoin}, func(_ *testing.T, _ *deliverer, fake *kfake.Cluster, _ event.KafkaOptions, some func()) func() {
			var off atomic.Bool
			nothingNew(fake, &off)
			answering(fake, kmsg.LeaveGroup, &off, func(kmsg.Request) kmsg.Response { off.Store(true); return nil })
			some()
			return func() { off.Store(true) }
		}},
		{"told nothing at all", []string{event.RemedyRefetch, event.RemedyRejoin, event.RemedyRestart, event.RemedyPage}, func(_ *testing.T, _ *deliverer, fake *kfake.Cluster, _ event.KafkaOptions, some func()) func() {
			var off atomic.Bool
			nothingNew(fake, &off)
			some()
			return func() { off.Store(true) }
		}},
	} {
		for _, helped := range []bool{true, false} {
			t.Run(c.name+map[bool]string{true: "", false: " and nothing is tried"}[helped], func(t *testing.T) {
				t.Parallel()
				f, fake := embedded(t), eventtest.Fake(t)
				o := topicOptions(t, fake.ListenAddrs())
				var restarts atomic.Int64
				o.Restart = func(string) { restarts.Add(1) }
				var rooms []*fleet.Room
				for i := range 4 {
					rooms = append(rooms, fleettest.NewShop(t, f, shopOf(i)))
				}
				round := 0
				some := func() {
					round++
					for _, room := range rooms {
						emit(t, room, happened{K: "a", N: round})
					}
				}
				d := deliverOn(t, f, deliveringBus(f), o)
				defer d.end()
				d.kafka.Ran(time.Hour)
				if !helped {
					d.kafka.Unhelped()
				}
				watch, stop := context.WithCancel(t.Context())
				defer stop()
				d.all.Go(func() { d.kafka.Watch(watch) })
				done := func() bool {
					return !slices.ContainsFunc(rooms, func(r *fleet.Room) bool { return len(seqs(t, r, "one")) < round })
				}
				states := func() []event.PartitionState { all, _ := d.kafka.Partitions(); return all }
				stuck := func() bool {
					return slices.ContainsFunc(states(), func(p event.PartitionState) bool { return p.Stuck != "" })
				}
				some()
				await(t, "all of it goes on", func() bool {
					return done() && len(states()) == 6 && !slices.ContainsFunc(states(), func(p event.PartitionState) bool { return p.Lag() > 0 })
				})
				undo := c.do(t, d, fake, o, some)
				if undo != nil {
					defer undo()
				}
				began := time.Now()
				told := ""
				is := func() bool {
					for _, p := range states() {
						if i := strings.Index(p.Detail, "Tried: "); p.Stuck != "" && i >= 0 && len(p.Detail)-i > len(told) {
							told = p.Detail[i:]
						}
					}
					return done() && !stuck()
				}
				if !helped {
					await(t, "all remedies would have been tried", func() bool {
						if is() {
							t.Fatal("with no remedies it comes on all the same")
						}
						return time.Since(began) > 12*time.Second
					})
					for r, n := range d.kafka.Remedied() {
						if n != 0 {
							t.Errorf("%s was tried %d times", r, n)
						}
					}
					return
				}
				last := c.want[len(c.want)-1]
				if last == event.RemedyPage {
					await(t, "somebody is asked for", func() bool { is(); return d.kafka.Remedied()[last] > 0 && strings.Contains(told, "nothing has helped") })
					if n := restarts.Load(); n == 0 {
						t.Error("the process was not to be started again")
					}
					if n := d.kafka.Remedied()[event.RemedyRejoin]; n != 1 {
						t.Errorf("it left its group %d times", n)
					}
				} else {
					await(t, "it comes on", is)
				}
				for r, n := range d.kafka.Remedied() {
					if slices.Contains(c.want, r) != (n > 0) {
						t.Errorf("%s was tried %d times; %v should have helped", r, n, c.want)
					}
					if n > 4 {
						t.Errorf("%s was tried %d times with at most 4 partitions", r, n)
					}
					if n > 0 && r != event.RemedyPage && !strings.Contains(told, r+" at ") {
						t.Errorf("it is not told that %s was tried: %q", r, told)
					}
				}
				if undo != nil {
					undo()
				}
				some()
				await(t, "all have had their effect", done)
				for _, room := range rooms {
					if got := seqs(t, room, "one"); !slices.Equal(got, upTo(round)) {
						t.Errorf("the effects are those of %v", got)
					}
				}
			})
		}
	}
}

// A process that has just begun does not end itself, and one that has other
// things to do never does.
func TestARestartIsNoLoop(t *testing.T) {
	defer event.Impatient(time.Second)()
	defer event.Remedy(time.Second, time.Hour)()
	f, fake := embedded(t), eventtest.Fake(t)
	room, o := fleettest.NewShop(t, f, "a"), topicOptions(t, fake.ListenAddrs())
	o.Restart = func(string) { t.Error("it ends itself at once") }
	d := deliverOn(t, f, deliveringBus(f), o)
	defer d.end()
	watch, stop := context.WithCancel(t.Context())
	defer stop()
	d.all.Go(func() { d.kafka.Watch(watch) })
	emit(t, room, happened{K: "a"})
	await(t, "it has taken effect", func() bool { return len(seqs(t, room, "one")) == 1 })
	var off atomic.Bool
	defer off.Store(true)
	nothingNew(fake, &off)
	emit(t, room, happened{K: "a"})
	await(t, "somebody is asked for", func() bool { return d.kafka.Remedied()[event.RemedyPage] > 0 })
}
