package event

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A canary is a record that is no event: it goes the way of one, and is settled
// when all that came before it in its partition is. So what stands still is seen
// where nothing else happens, too.
const headCanary = "canary" // when it was sent, in microseconds

const canarySlices = 10 // of a round, so that not all are sent at once

// A partition is sent a canary every canaryEvery, which is there within
// canaryWithin. A test does not wait that long.
var (
	canaryEvery  = 4 * time.Second
	canaryWithin = 8 * time.Second
)

// canary is the last one of a partition.
type canary struct {
	sent   time.Time // zero: it is settled, and the next is not sent yet
	offset int64     // where it stands; -1: no broker has said that it has it
	why    string    // what came of trying to send it
	took   time.Duration
}

// Canary sends each partition a record every four seconds, until ctx ends, which
// Watch of this process then expects to be settled. One process of a fleet is
// enough. It has a client of its own, and holds up no event.
func (k *Kafka) Canary(ctx context.Context) {
	client, err := kgo.NewClient(append(k.common(),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DisableIdempotentWrite(), // a canary that is sent twice is as good as one
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(10*time.Second),
	)...)
	if err != nil {
		k.say(err)
		k.log.Error("cannot look whether partitions come on", "err", err)
		return
	}
	defer closeWithin(client)
	k.mu.Lock()
	k.canaries = map[int32]canary{}
	k.mu.Unlock()
	there := make(chan lies, 1000) // beyond, others count a canary as an event for once
	var telling sync.WaitGroup
	defer telling.Wait()
	defer close(there)
	telling.Go(func() { k.tellCanaries(there) })
	defer func() {
		k.mu.Lock()
		k.canaries = nil
		k.mu.Unlock()
	}()
	for n := int32(0); pause(ctx, canaryEvery/canarySlices) == nil; n++ {
		if !k.ready.Load() {
			continue // what is wrong with the topic has a name of its own
		}
		for p := n % canarySlices; p < k.bus.topic.count.Load(); p += canarySlices {
			k.sendCanary(ctx, client, p, there)
		}
	}
}

// sendCanary sends a partition one, unless the last is under way or lies there.
func (k *Kafka) sendCanary(ctx context.Context, client *kgo.Client, partition int32, there chan<- lies) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.canaries[partition]
	switch {
	case c.sent.IsZero():
		c.sent = now
	case c.why == "": // it is under way, or waits to be settled
		return
	}
	c.offset, c.why = -1, "" // it was sent when the first try began
	k.canaries[partition] = c
	r := &kgo.Record{Topic: k.o.Topic, Partition: partition, Timestamp: now, Headers: []kgo.RecordHeader{
		{Key: headVersion, Value: []byte(wireVersion)}, {Key: headCanary, Value: strconv.AppendInt(nil, now.UnixMicro(), 10)},
	}}
	client.TryProduce(ctx, r, func(r *kgo.Record, err error) {
		if err == nil {
			select {
			case there <- lies{partition, r.Offset}:
			default:
			}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		c, is := k.canaries[partition]
		if !is || errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			c.why = err.Error()
		} else {
			c.offset = r.Offset
		}
		k.canaries[partition] = c
	})
}

// lies is where a partition's last canary is.
type lies struct {
	partition int32
	offset    int64
}

// canaryGroup is a group of nobody, whose offsets are those of the last canaries:
// so that each process can tell them from events.
func (k *Kafka) canaryGroup() string { return k.o.Topic + ".canaries" }

// tellCanaries writes down where canaries lie, until there are no more.
func (k *Kafka) tellCanaries(there <-chan lies) {
	for l := range there {
		at := kadm.Offsets{}
		at.AddOffset(k.o.Topic, l.partition, l.offset, -1)
		for more := true; more; {
			select {
			case l, open := <-there:
				if more = open; open {
					at.AddOffset(k.o.Topic, l.partition, l.offset, -1)
				}
			default:
				more = false
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := k.admin.CommitAllOffsets(ctx, k.canaryGroup(), at); err != nil {
			k.say(err)
		}
		cancel()
	}
}

func isCanary(r *kgo.Record) bool {
	for _, h := range r.Headers {
		if h.Key == headCanary {
			return true
		}
	}
	return false
}

// heed takes a canary into what was seen of a partition: where it stands, there
// is the end at least, whatever the brokers say.
func (k *Kafka) heed(p *PartitionState, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, there := k.canaries[p.Partition]
	if !there {
		return
	}
	if !c.sent.IsZero() && c.offset >= 0 {
		if p.Committed > c.offset {
			c.took, c.sent = now.Sub(c.sent), time.Time{}
			k.canaries[p.Partition] = c
		} else {
			p.End, p.canary = max(p.End, c.offset+1), true
		}
	}
	p.Canary, p.CanarySent = c.took, c.sent
}

// judgeCanary names a partition whose canary does not come to it, for which
// nothing else has a name.
func (k *Kafka) judgeCanary(p *PartitionState, now time.Time) {
	if p.Stuck != "" || p.CanarySent.IsZero() || now.Sub(p.CanarySent) < canaryWithin {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.canaries[p.Partition]; c.offset < 0 {
		p.Stuck, p.Since, p.Detail = StuckCanary, c.sent, "What is written to it does not come there"
		if c.why != "" {
			p.Detail += ": " + c.why
		}
	}
}
