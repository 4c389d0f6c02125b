package event_test

import (
	"context"
	"slices"
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
	"haat/internal/id"
)

// told is what a subscriber emits about an event.
type told struct {
	About int64 `json:"about"`
}

func (told) Topic() string  { return "test.told" }
func (told) Key() string    { return "k" }
func (told) Tags() []string { return nil }

// traces notes what handlers were part of, by subscriber, in order.
type traces struct {
	mu  sync.Mutex
	saw map[string][]string
}

func (s *traces) note(ctx context.Context, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saw[name] = append(s.saw[name], id.TraceOf(ctx).String())
}

func (s *traces) of(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saw[name])
}

func tracedBus(f *fleet.Fleet) (*event.Bus, *traces) {
	s := &traces{saw: map[string][]string{}}
	b := event.NewBus(f, quiet())
	event.On(b, "writes", func(ctx context.Context, tx *db.Tx, m event.Meta, _ happened) error {
		s.note(ctx, "writes")
		return event.Emit(ctx, tx, told{m.Seq})
	})
	event.OnFlow(b, "calls", func(ctx context.Context, _ *fleet.Room, _ event.Meta, _ told) (event.Then, error) {
		s.note(ctx, "calls")
		return nil, nil
	})
	return b, s
}

func emitIn(t *testing.T, room *fleet.Room, trace id.Trace) {
	t.Helper()
	ctx := trace.In(t.Context())
	if _, err := room.Change(ctx, func(tx *db.Tx) error { return event.Emit(ctx, tx, happened{K: "k"}) }); err != nil {
		t.Fatal(err)
	}
}

// What subscribers do about an event, and what they emit about it, is part of the
// request that caused it: told in memory or read from the outbox later.
func TestATraceGoesOnFromTheRequest(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		first, second := id.NewTrace(), id.NewTrace()
		emitIn(t, room, first) // nobody listens yet
		b, saw := tracedBus(f)
		b.Start(t.Context())
		defer b.Close()
		settle(t, b)
		emitIn(t, room, second)
		emit(t, room, happened{K: "k"}) // of no request
		settle(t, b)
		want := []string{first.String(), second.String(), ""}
		for _, name := range []string{"writes", "calls"} {
			if got := saw.of(name); !slices.Equal(got, want) {
				t.Errorf("%s was part of %q, want %q", name, got, want)
			}
		}
	})
}

// What is done about an event that was parked, when it is tried again at last, is
// part of the request that caused it.
func TestATraceGoesOnAfterAReplay(t *testing.T) {
	each(t, func(t *testing.T, f *fleet.Fleet) {
		room := fleettest.NewShop(t, f, "a")
		s := &traces{saw: map[string][]string{}}
		b := event.NewBus(f, quiet())
		var mended atomic.Bool
		event.On(b, "writes", func(ctx context.Context, tx *db.Tx, m event.Meta, _ happened) error {
			if !mended.Load() {
				panic("no")
			}
			s.note(ctx, "writes")
			return event.Emit(ctx, tx, told{m.Seq})
		})
		event.OnFlow(b, "calls", func(ctx context.Context, _ *fleet.Room, _ event.Meta, _ happened) (event.Then, error) {
			if !mended.Load() {
				panic("no")
			}
			s.note(ctx, "calls")
			return nil, nil
		})
		event.OnFlow(b, "after", func(ctx context.Context, _ *fleet.Room, _ event.Meta, _ told) (event.Then, error) {
			s.note(ctx, "after")
			return nil, nil
		})
		b.Start(t.Context())
		defer b.Close()
		first, second := id.NewTrace(), id.NewTrace()
		emitIn(t, room, first)
		emitIn(t, room, second)
		emit(t, room, happened{K: "k"}) // of no request
		settle(t, b)
		mended.Store(true)
		operators := id.NewTrace().In(t.Context()) // asks for it, and did not cause it
		for _, name := range []string{"writes", "calls"} {
			if done, err := b.Replay(operators, room, name, "k", 100); err != nil || done.Events != 3 {
				t.Fatalf("replayed %+v, %v", done, err)
			}
		}
		settle(t, b)
		for _, name := range []string{"writes", "calls", "after"} {
			got := s.of(name)
			if len(got) != 3 || got[0] != first.String() || got[1] != second.String() {
				t.Errorf("%s was part of %q, want %q and %q first", name, got, first, second)
			}
		}
	})
}

// Over a topic it goes on too, and others who read the topic see it.
func TestATraceIsOnTheTopic(t *testing.T) {
	f, o := embedded(t), topicOptions(t, eventtest.Fake(t).ListenAddrs())
	room := fleettest.NewShop(t, f, "a")
	b, saw := tracedBus(f)
	d := deliverOn(t, f, b, o)
	defer d.end()
	trace := id.NewTrace()
	emitIn(t, room, trace)
	emit(t, room, happened{K: "k"})
	await(t, "both have taken effect", func() bool { return len(saw.of("calls")) == 2 })
	if got := saw.of("calls")[0]; got != trace.String() {
		t.Errorf("what it caused is part of %q, want %q", got, trace)
	}
	client := clientOf(t, o.Brokers, kgo.ConsumeTopics(o.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	heads := map[string][]string{}
	for n := 0; n < 4; {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("on the topic is %v", heads)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			var topic, parent string
			for _, h := range r.Headers {
				switch h.Key {
				case "topic":
					topic = string(h.Value)
				case "traceparent":
					parent = string(h.Value)
				}
			}
			heads[topic] = append(heads[topic], parent)
		})
	}
	for _, topic := range []string{"test.happened", "test.told"} {
		got := heads[topic]
		if len(got) != 2 || got[0] != trace.String() {
			t.Errorf("%s has %q, want the first to be %q", topic, got, trace)
			continue
		}
		if _, ok := id.ParseTrace(got[1]); !ok || got[1] == got[0] {
			t.Errorf("%s of no request has %q", topic, got[1])
		}
	}
}
