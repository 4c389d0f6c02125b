package event_test

import (
	"slices"
	"testing"
	"time"

	"haat/internal/event"
	"haat/internal/event/eventtest"
	"haat/internal/fleet/fleettest"
)

// A process that was killed and is started again under its name has its
// partitions at once, and delivers what came meanwhile. Under another name it
// has none before the brokers have missed the dead one for a session. One that
// ends as it should leaves them to the others without delay.
func TestWhoComesBackHasItsPartitionsAtOnce(t *testing.T) {
	k := eventtest.NewKafka(t)
	for _, c := range []struct{ name, again string }{{"the same name", "a"}, {"another name", "c"}} {
		t.Run(c.name, func(t *testing.T) {
			f, o := embedded(t), topicOptions(t, []string{k.Addr})
			o.Session = 12 * time.Second
			room := fleettest.NewShop(t, f, "a")
			join := func(name string) *deliverer {
				o := o
				o.Instance = name
				return deliverOn(t, f, deliveringBus(f), o)
			}
			a, b := join("a"), join("b")
			defer func() { a.end(); b.end() }()
			await(t, "both have partitions", func() bool { return a.kafka.Holds() == 3 && b.kafka.Holds() == 3 })
			emit(t, room, happened{K: "a", N: 1})
			a.kafka.Desert()
			a.end()
			began := time.Now()
			a = join(c.again)
			await(t, "it has partitions", func() bool { return a.kafka.Holds() > 0 })
			took := time.Since(began)
			if same := c.again == "a"; same != (took < o.Session-4*time.Second) {
				t.Errorf("it had partitions after %v; a session is %v", took, o.Session)
			}
			emit(t, room, happened{K: "a", N: 2})
			await(t, "both events have had their effect", func() bool { return len(seqs(t, room, "one")) == 2 })
			if got := seqs(t, room, "one"); !slices.Equal(got, upTo(2)) {
				t.Errorf("the effects are those of %v", got)
			}
			if c.again != "a" {
				return
			}
			began = time.Now()
			b.end()
			await(t, "the other has all", func() bool { return a.kafka.Holds() == 6 })
			if left := time.Since(began); left > o.Session-2*time.Second {
				t.Errorf("the partitions of one that ended were taken after %v", left)
			}
			b = join("b")
		})
	}
}

// A partition in which nothing happens and whose deliverer is dead is named
// within 15 s, as things are set: when nobody has it, and when who has it is
// alive to the brokers and does nothing.
func TestAnIdlePartitionOfADeadDelivererIsNamed(t *testing.T) {
	if event.NamedWithin > 15*time.Second {
		t.Errorf("it takes %v", event.NamedWithin)
	}
	for want, member := range map[string]bool{event.StuckUnassigned: false, event.StuckElsewhere: true} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			f, o := embedded(t), topicOptions(t, eventtest.Fake(t).ListenAddrs())
			d := deliverOn(t, f, deliveringBus(f), o)
			watcher, err := event.OverKafka(t.Context(), f, event.NewBus(f, quiet()), o, quiet())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.all.Wait(); watcher.Close() })
			d.all.Go(func() { watcher.Watch(t.Context()) })
			d.all.Go(func() { watcher.Canary(t.Context()) })
			states := func(is func(event.PartitionState) bool) bool {
				all, _ := watcher.Partitions()
				return len(all) == 6 && !slices.ContainsFunc(all, func(p event.PartitionState) bool { return !is(p) })
			}
			await(t, "all of it goes on", func() bool {
				return states(func(p event.PartitionState) bool { return p.Canary > 0 && p.Stuck == "" })
			})
			died := time.Now()
			d.stop()
			d.bus.Close()
			if member {
				got := make(chan struct{}, 10)
				defer memberOf(t, o, func() { got <- struct{}{} }).Close()
				<-got
			}
			await(t, "each partition is named "+want, func() bool {
				return states(func(p event.PartitionState) bool { return p.Stuck == want })
			})
			took := time.Since(died)
			t.Logf("named after %v", took.Round(100*time.Millisecond))
			if took > event.NamedWithin+10*time.Second { // the machine may be busy
				t.Errorf("named after %v", took)
			}
		})
	}
}
