package event

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"haat/internal/id"
)

// An event on the topic is a record: the key is the shop, the value what the
// event says, and headers say the rest. Of one whose value is too large only
// the headers are published, with "left" saying where the value is.
const (
	wireVersion = "1"
	wireMost    = 512 << 10 // bytes of a value

	headVersion = "haat"
	headShop    = "shop"
	headSeq     = "seq"
	headEvent   = "event"
	headEpoch   = "epoch" // of the relay's lease
	headTopic   = "topic"
	headKey     = "key"
	headTags    = "tags"
	headAt      = "at"   // in microseconds
	headLeft    = "left" // "outbox": the value is there
	headTrace   = "traceparent"
)

// traceOf begins a trace with an event that is part of nothing that is known, as
// W3C Trace Context writes it. The trace has the event's id, so that it is the same
// however often the event is published.
func traceOf(e id.Event) string { return fmt.Sprintf("00-%x-%x-00", e[:], e[8:]) }

// pack makes a record of an event.
func pack(topic string, shop id.Shop, epoch int64, r record) *kgo.Record {
	left := len(r.payload)+len(r.key)+len(r.tags) > wireMost
	if left {
		r.payload, r.key, r.tags = nil, "", ""
	}
	out := &kgo.Record{Topic: topic, Key: []byte(shop.String()), Value: r.payload, Timestamp: r.at}
	head := func(name, value string) {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	head(headVersion, wireVersion)
	head(headShop, shop.String())
	head(headSeq, strconv.FormatInt(r.seq, 10))
	head(headEvent, r.event.String())
	head(headEpoch, strconv.FormatInt(epoch, 10))
	head(headTopic, r.topic)
	head(headKey, r.key)
	head(headTags, r.tags)
	head(headAt, strconv.FormatInt(r.at.UnixMicro(), 10))
	head(headTrace, cmp.Or(r.trace, traceOf(r.event)))
	if left {
		head(headLeft, "outbox")
	}
	return out
}

// arrival is a record of the topic as far as it can be understood.
type arrival struct {
	shop id.Shop
	seq  int64
	left bool // what it says is to be read from the outbox
	record
}

// unpack reads a record. One that says which event it stands for, and else
// cannot be understood, is given with left and an error.
func unpack(in *kgo.Record) (a arrival, err error) {
	heads := make(map[string]string, len(in.Headers))
	for _, h := range in.Headers {
		heads[h.Key] = string(h.Value)
	}
	version, ok := heads[headVersion]
	if !ok {
		return a, errors.New("it has no header that says that haat wrote it")
	}
	if a.shop, err = id.ParseShop(heads[headShop]); err != nil {
		return a, fmt.Errorf("its header %q: %w", headShop, err)
	}
	if string(in.Key) != heads[headShop] {
		return a, fmt.Errorf("its key %.40q is not its shop %s", in.Key, heads[headShop])
	}
	a.record.seq, err = strconv.ParseInt(heads[headSeq], 10, 64)
	if a.seq = a.record.seq; err != nil || a.seq < 1 {
		return a, fmt.Errorf("its header %q is %.40q, not a number", headSeq, heads[headSeq])
	}
	a.left = true
	if version != wireVersion {
		return a, fmt.Errorf("its version is %.40q; this program knows %s", version, wireVersion)
	}
	if heads[headLeft] != "" {
		return a, nil
	}
	if err = a.event.UnmarshalText([]byte(heads[headEvent])); err == nil && a.event.Zero() {
		err = errors.New("it is empty")
	}
	if err != nil {
		return a, fmt.Errorf("its header %q: %w", headEvent, err)
	}
	at, err := strconv.ParseInt(heads[headAt], 10, 64)
	if err != nil {
		return a, fmt.Errorf("its header %q is %.40q, not a time", headAt, heads[headAt])
	}
	if !json.Valid(in.Value) {
		return a, errors.New("its value is no JSON")
	}
	if heads[headTopic] == "" {
		return a, fmt.Errorf("it has no header %q", headTopic)
	}
	a.at, a.topic, a.key, a.tags, a.payload = time.UnixMicro(at).UTC(), heads[headTopic], heads[headKey], heads[headTags], in.Value
	if _, ok := id.ParseTrace(heads[headTrace]); ok {
		a.trace = heads[headTrace]
	}
	a.left = false
	return a, nil
}

// byKey chooses the partition of a record by its key alone, as Kafka's own
// clients do.
var byKey = kgo.StickyKeyPartitioner(nil)

var ofKey = byKey.ForTopic("")

// partitionOf gives the partition of a key, as the relay's client chooses it.
func partitionOf(key string, partitions int32) int32 {
	return int32(ofKey.Partition(&kgo.Record{Key: []byte(key)}, int(partitions)))
}
