package console

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"haat/internal/event"
)

// Partitions is GET /partitions: how far deliverers have come with the topic of
// events, now and in the last quarter of an hour; without Kafka, how far this
// process has with the shards that it delivers.
type Partitions struct {
	Frame
	Topic   string // empty: events do not go through Kafka
	What    string // of what there are rows: "Partition" or "Shard"
	Of      string // of what the charts are: "records" or "shops with events"
	State   string // "good", "warn" or "bad"
	Verdict string
	Labels  []string
	Waiting []float64 // records of all partitions that were not handled
	Oldest  []float64 // age in seconds of the oldest that this process delivers
	Rows    []PartitionRow
}

// PartitionRow is one partition; the stuck ones come first.
type PartitionRow struct {
	Number  string
	State   string // "good", "warn" or "bad"
	Word    string
	Detail  string // why it is stuck
	Holder  string // who delivers it
	Waiting string
	Oldest  string // of what this process delivers; empty: nothing, or another does
	Parked  int    // events of its shops that are parked
	Canary  string // how long the last one took, or how late it is; empty: this process sends none
	Lately  []float64
	Read    string // of Lately, in words
}

func (s *server) partitions(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Partitions", "processes")
	if err != nil {
		return err
	}
	counts, err := s.Bus.ParkedCounts(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Refresh", "5")
	if s.Kafka == nil {
		parked := map[string]int{}
		for _, c := range counts {
			if room, err := s.Fleet.ByID(r.Context(), c.Shop); err == nil {
				parked[room.Shard()] += int(c.N)
			}
		}
		return s.show(w, r, shardsBehind(f, s.Bus.Behind(), s.Bus.Past(), parked).Page())
	}
	parked := map[int32]int{}
	for _, c := range counts {
		if p, known := s.Kafka.PartitionOf(c.Shop); known {
			parked[p] += int(c.N)
		}
	}
	all, at := s.Kafka.Partitions()
	return s.show(w, r, partitionsPage(f, s.Kafka.Topic(), all, at, s.Kafka.Past(), parked).Page())
}

// unseenFor is after how long what was seen says nothing of now.
const unseenFor = 10 * time.Second

func partitionsPage(f Frame, topic string, all []event.PartitionState, at time.Time, past []event.Sample, parked map[int32]int) Partitions {
	v := Partitions{Frame: f, Topic: topic, What: "Partition", Of: "records", State: "good"}
	for _, s := range past {
		v.Labels = append(v.Labels, s.At.In(f.zone()).Format("15:04"))
		v.Waiting = append(v.Waiting, float64(s.Sum()))
		v.Oldest = append(v.Oldest, s.Oldest.Seconds())
	}
	var waiting int64
	stuck, set := 0, 0
	for _, p := range all {
		row := PartitionRow{Number: strconv.Itoa(int(p.Partition)), State: "good", Word: "Up to date", Holder: p.Holder, Waiting: thousands(p.Waiting()), Parked: parked[p.Partition]}
		waiting += p.Waiting()
		set += row.Parked
		if p.Waiting() > 0 {
			row.Word = "At work"
		}
		if row.Parked > 0 {
			row.State, row.Word = "warn", "Events parked"
		}
		if p.Stuck != "" {
			row.State, row.Word, row.Detail = "bad", "Stuck: "+p.Stuck, p.Detail
			stuck++
		}
		if p.Here && !p.Oldest.IsZero() {
			row.Oldest = f.Now.Sub(p.Oldest).Round(100 * time.Millisecond).String()
		}
		row.Canary = canaryOf(p, f.Now)
		most := int64(0)
		for _, s := range past {
			lag := int64(0)
			if int(p.Partition) < len(s.Lag) {
				lag = s.Lag[p.Partition]
			}
			row.Lately = append(row.Lately, float64(lag))
			most = max(most, lag)
		}
		row.Read = fmt.Sprintf("%s waited at most in the last quarter of an hour", thousands(most))
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b PartitionRow) int { return worse(b.State) - worse(a.State) })
	v.Verdict = fmt.Sprintf("%s records wait in %d partitions.", thousands(waiting), len(all))
	if waiting == 0 {
		v.Verdict = fmt.Sprintf("Nothing waits in %d partitions.", len(all))
	}
	if set > 0 {
		v.State, v.Verdict = "warn", v.Verdict+fmt.Sprintf(" %s events are parked.", thousands(int64(set)))
	}
	if stuck > 0 {
		v.State, v.Verdict = "bad", fmt.Sprintf("%d of %d partitions do not come on; %s records wait.", stuck, len(all), thousands(waiting))
	}
	if at.IsZero() || f.Now.Sub(at) > unseenFor {
		v.State, v.Verdict = "bad", "Kafka does not say how far events were handled."
	}
	return v
}

// lateAfter is how old an event may be before its shard is behind.
const lateAfter = 10 * time.Second

func shardsBehind(f Frame, all []event.Behind, past []event.Moment, parked map[string]int) Partitions {
	v := Partitions{Frame: f, What: "Shard", Of: "shops", State: "good"}
	lately := map[string][]float64{}
	for n, m := range past {
		v.Labels = append(v.Labels, m.At.In(f.zone()).Format("15:04"))
		shops, oldest := 0, time.Duration(0)
		for _, p := range m.Places {
			shops, oldest = shops+p.Shops, max(oldest, p.Age(m.At))
			if lately[p.Place] == nil {
				lately[p.Place] = make([]float64, len(past))
			}
			lately[p.Place][n] = float64(p.Shops)
		}
		v.Waiting, v.Oldest = append(v.Waiting, float64(shops)), append(v.Oldest, oldest.Seconds())
	}
	waiting, late, set := 0, 0, 0
	for _, p := range all {
		row := PartitionRow{Number: p.Place, State: "good", Word: "Up to date", Holder: "this process", Waiting: thousands(int64(p.Shops)), Parked: parked[p.Place], Lately: lately[p.Place]}
		waiting, set = waiting+p.Shops, set+row.Parked
		if p.Shops > 0 {
			row.Word, row.Oldest = "At work", p.Age(f.Now).Round(100*time.Millisecond).String()
		}
		if row.Parked > 0 {
			row.State, row.Word = "warn", "Events parked"
		}
		if p.Age(f.Now) >= lateAfter {
			row.State, row.Word, row.Detail = "bad", "Behind", "Incidents say what its events wait for."
			late++
		}
		most := 0.0
		for _, n := range row.Lately {
			most = max(most, n)
		}
		row.Read = fmt.Sprintf("%s waited at most in the last quarter of an hour", thousands(int64(most)))
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b PartitionRow) int { return worse(b.State) - worse(a.State) })
	switch {
	case len(all) == 0:
		v.Verdict = "This process delivers no shard's events: see Processes for who does."
	case waiting == 0:
		v.Verdict = fmt.Sprintf("Nothing waits in the %d shards that this process delivers.", len(all))
	default:
		v.Verdict = fmt.Sprintf("Events of %s shops wait in the %d shards that this process delivers.", thousands(int64(waiting)), len(all))
	}
	if set > 0 {
		v.State, v.Verdict = "warn", v.Verdict+fmt.Sprintf(" %s events are parked.", thousands(int64(set)))
	}
	if late > 0 {
		v.State = "bad"
	}
	return v
}

// canaryLate is after how long a canary that is not there yet is told instead of
// the one before.
const canaryLate = 5 * time.Second

func canaryOf(p event.PartitionState, now time.Time) string {
	if !p.CanarySent.IsZero() && (p.Canary == 0 || now.Sub(p.CanarySent) > canaryLate) {
		return "waits " + now.Sub(p.CanarySent).Round(time.Second).String()
	}
	if p.Canary == 0 {
		return ""
	}
	return p.Canary.Round(100 * time.Millisecond).String()
}

func records(v float64) string { return thousands(int64(v)) }
func seconds(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + " s" }
