package console

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/id"
)

// behind is a topic of which one partition is stuck, and another's shops have
// parked events.
func behind() Partitions {
	var all []event.PartitionState
	for i := range int32(6) {
		all = append(all, event.PartitionState{Partition: i, End: 100, Committed: 100, Holder: "haat-7f2 at /10.0.0.4", Here: i < 3, Canary: time.Duration(i) * 640 * time.Millisecond})
	}
	all[4].Committed, all[4].Stuck, all[4].Detail, all[4].Since = 20, event.StuckHandler, "notify.order-placed does not come back from an event of shop meeras-pottery", night.Add(-time.Minute)
	all[4].CanarySent, all[5].CanarySent = night.Add(-59*time.Second), night.Add(-2*time.Second)
	all[2].Committed, all[2].Oldest = 98, night.Add(-1300*time.Millisecond)
	var past []event.Sample
	for i := range 60 {
		past = append(past, event.Sample{At: night.Add(time.Duration(i-60) * 5 * time.Second), Lag: []int64{0, 0, int64(i % 7), 0, int64(max(0, 2*i-40)), 0}, Oldest: time.Duration(i%7) * 100 * time.Millisecond,
			Ages: map[int32]time.Duration{2: time.Duration(i%7) * 100 * time.Millisecond}})
	}
	v := partitionsPage(frame("processes", "Partitions"), "haat.events", all, night.Add(-time.Second), past, map[string]int{"1": 3})
	var parked []event.ParkedMoment
	for i := range 60 {
		parked = append(parked, event.ParkedMoment{At: past[i].At, Counts: []db.Count{{Shop: 1, N: int64(i / 20)}}})
	}
	v.setAside(parked, func(id.Shop) string { return "1" })
	return v
}

// Without Kafka the shards of this process are there instead.
func TestShardsThatAreBehindAreFirst(t *testing.T) {
	now := []event.Behind{{Place: "s1"}, {Place: "s2", Shops: 3, Oldest: night.Add(-12 * time.Second)}, {Place: "s3", Shops: 1, Oldest: night.Add(-time.Second)}}
	var past []event.Moment
	for i := range 60 {
		at := night.Add(time.Duration(i-60) * 5 * time.Second)
		past = append(past, event.Moment{At: at, Places: []event.Behind{{Place: "s1"}, {Place: "s2", Shops: i % 4, Oldest: at.Add(-time.Duration(i) * time.Second)}}})
	}
	v := shardsBehind(frame("processes", "Partitions"), now, past, map[string]int{"s3": 2})
	if v.State != "bad" || v.Verdict != "Events of 4 shops wait in the 3 shards that this process delivers. 2 events are parked." {
		t.Errorf("%s: %s", v.State, v.Verdict)
	}
	var rows []string
	for _, r := range v.Rows {
		rows = append(rows, fmt.Sprintf("%s %s %s %s %s %d", r.Number, r.State, r.Word, r.Waiting, r.Oldest, r.Parked))
	}
	if want := []string{"s2 bad Behind 3 12s 0", "s3 warn Events parked 1 1s 2", "s1 good Up to date 0  0"}; !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
	if len(v.Labels) != 60 || v.Waiting[59] != 3 || v.Oldest[59] != 59 || v.Rows[0].Lately[58] != 2 || v.Rows[0].Ages[59] != 59 {
		t.Errorf("%+v", v)
	}
	if none := shardsBehind(frame("", ""), nil, nil, nil); none.Verdict != "This process delivers no shard's events: see Processes for who does." {
		t.Errorf("%+v", none)
	}
}

// How many events were parked is drawn, in all and of each row, as long as some were.
func TestParkedEventsAreDrawn(t *testing.T) {
	v := behind()
	past := []event.ParkedMoment{{At: night.Add(-10 * time.Second)}, {At: night.Add(-5 * time.Second), Counts: []db.Count{{Shop: 1, N: 2}, {Shop: 2, N: 5}}}, {At: night, Counts: []db.Count{{Shop: 1, N: 3}}}}
	v.setAside(past, func(s id.Shop) string { return map[id.Shop]string{1: "1", 2: "7"}[s] })
	if !slices.Equal(v.Set, []float64{0, 7, 3}) || len(v.Sets) != 3 {
		t.Errorf("%v at %v", v.Set, v.Sets)
	}
	for _, r := range v.Rows {
		if want := []float64{0, 2, 3}; r.Number == "1" != slices.Equal(r.Sets, want) {
			t.Errorf("of partition %s %v", r.Number, r.Sets)
		}
	}
}

func TestPartitionsThatDoNotComeOnAreFirst(t *testing.T) {
	v := behind()
	if v.State != "bad" || v.Verdict != "1 of 6 partitions do not come on; 82 records wait." {
		t.Errorf("%s: %s", v.State, v.Verdict)
	}
	var order []string
	for _, r := range v.Rows {
		order = append(order, r.Number+" "+r.State)
	}
	if want := []string{"4 bad", "1 warn", "0 good", "2 good", "3 good", "5 good"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
	if r := v.Rows[0]; r.Waiting != "80" || r.Word != "Stuck: handler" || r.Detail == "" || r.Lately[59] != 78 {
		t.Errorf("%+v", r)
	}
	if r := v.Rows[3]; r.Oldest != "1.3s" || r.Waiting != "2" || r.Word != "At work" || r.Ages[55] != 0.6 || r.Aged != "the oldest was 0.6 s old at most in the last quarter of an hour" {
		t.Errorf("%+v", r)
	}
	if r := v.Rows[1]; r.Parked != 3 {
		t.Errorf("%+v", r)
	}
	var canaries []string
	for _, r := range v.Rows {
		canaries = append(canaries, r.Canary)
	}
	if want := []string{"waits 59s", "600ms", "", "1.3s", "1.9s", "3.2s"}; !slices.Equal(canaries, want) {
		t.Errorf("canaries %q, want %q", canaries, want)
	}
	if len(v.Labels) != 60 || v.Waiting[59] != 78+float64(59%7) {
		t.Errorf("%v", v.Waiting)
	}
	old := partitionsPage(frame("", ""), "t", nil, night.Add(-time.Minute), nil, nil)
	if old.State != "bad" || old.Verdict != "Kafka does not say how far events were handled." {
		t.Errorf("unseen for a minute: %s: %s", old.State, fmt.Sprint(old.Verdict))
	}
}
