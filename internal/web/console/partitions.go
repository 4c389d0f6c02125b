package console

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"haat/internal/event"
	"haat/internal/id"
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
	Sets    []string  // when parked events were counted
	Set     []float64 // how many there were
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
	Oldest  string    // of what this process delivers; empty: nothing, or another does
	Parked  int       // events of its shops that are parked
	Canary  string    // how long the last one took, or how late it is; empty: this process sends none
	Lately  []float64 // what waited, in the last quarter of an hour
	Read    string    // of Lately, in words
	Sets    []float64 // how many events were parked meanwhile
	Ages    []float64 // of the oldest meanwhile, in seconds
	Aged    string    // of Ages, in words
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
	of := func(shop id.Shop) string { // in which row a shop is; empty: not known
		if s.Kafka == nil {
			if room, err := s.Fleet.ByID(r.Context(), shop); err == nil {
				return room.Shard()
			}
		} else if p, known := s.Kafka.PartitionOf(shop); known {
			return strconv.Itoa(int(p))
		}
		return ""
	}
	parked := map[string]int{}
	for _, c := range counts {
		parked[of(c.Shop)] += int(c.N)
	}
	var v Partitions
	if s.Kafka == nil {
		v = shardsBehind(f, s.Bus.Behind(), s.Bus.Past(), parked)
	} else {
		all, at := s.Kafka.Partitions()
		v = partitionsPage(f, s.Kafka.Topic(), all, at, s.Kafka.Past(), parked)
	}
	v.setAside(s.Bus.ParkedPast(), of)
	return s.show(w, r, v.Page())
}

// setAside draws how many events were parked.
func (v *Partitions) setAside(past []event.ParkedMoment, of func(id.Shop) string) {
	v.Sets, v.Set = nil, nil
	rows := map[string]*PartitionRow{}
	for i := range v.Rows {
		v.Rows[i].Sets = make([]float64, len(past))
		rows[v.Rows[i].Number] = &v.Rows[i]
	}
	places := map[id.Shop]string{}
	for n, m := range past {
		v.Sets, v.Set = append(v.Sets, m.At.In(v.zone()).Format("15:04")), append(v.Set, 0)
		for _, c := range m.Counts {
			v.Set[n] += float64(c.N)
			place, known := places[c.Shop]
			if !known {
				place = of(c.Shop)
				places[c.Shop] = place
			}
			if row := rows[place]; row != nil {
				row.Sets[n] += float64(c.N)
			}
		}
	}
}

// unseenFor is after how long what was seen says nothing of now.
const unseenFor = 10 * time.Second

func partitionsPage(f Frame, topic string, all []event.PartitionState, at time.Time, past []event.Sample, parked map[string]int) Partitions {
	v := Partitions{Frame: f, Topic: topic, What: "Partition", Of: "records", State: "good"}
	for _, s := range past {
		v.Labels = append(v.Labels, s.At.In(f.zone()).Format("15:04"))
		v.Waiting = append(v.Waiting, float64(s.Sum()))
		v.Oldest = append(v.Oldest, s.Oldest.Seconds())
	}
	var waiting int64
	stuck, set := 0, 0
	for _, p := range all {
		row := PartitionRow{Number: strconv.Itoa(int(p.Partition)), State: "good", Word: "Up to date", Holder: p.Holder, Waiting: thousands(p.Waiting())}
		row.Parked = parked[row.Number]
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
		for _, s := range past {
			lag := int64(0)
			if int(p.Partition) < len(s.Lag) {
				lag = s.Lag[p.Partition]
			}
			row.Lately = append(row.Lately, float64(lag))
			row.Ages = append(row.Ages, s.Ages[p.Partition].Seconds())
		}
		row.Read, row.Aged = waited(most(row.Lately)), aged(row.Ages)
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
	lately, ages := map[string][]float64{}, map[string][]float64{}
	for n, m := range past {
		v.Labels = append(v.Labels, m.At.In(f.zone()).Format("15:04"))
		shops, oldest := 0, time.Duration(0)
		for _, p := range m.Places {
			shops, oldest = shops+p.Shops, max(oldest, p.Age(m.At))
			if lately[p.Place] == nil {
				lately[p.Place], ages[p.Place] = make([]float64, len(past)), make([]float64, len(past))
			}
			lately[p.Place][n], ages[p.Place][n] = float64(p.Shops), p.Age(m.At).Seconds()
		}
		v.Waiting, v.Oldest = append(v.Waiting, float64(shops)), append(v.Oldest, oldest.Seconds())
	}
	waiting, late, set := 0, 0, 0
	for _, p := range all {
		row := PartitionRow{Number: p.Place, State: "good", Word: "Up to date", Holder: "this process", Waiting: thousands(int64(p.Shops)), Parked: parked[p.Place], Lately: lately[p.Place], Ages: ages[p.Place]}
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
		row.Read, row.Aged = waited(most(row.Lately)), aged(row.Ages)
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

func waited(n float64) string {
	return fmt.Sprintf("%s waited at most in the last quarter of an hour", records(n))
}

func aged(ages []float64) string {
	return fmt.Sprintf("the oldest was %s old at most in the last quarter of an hour", seconds(most(ages)))
}

func most(values []float64) (n float64) {
	for _, v := range values {
		n = max(n, v)
	}
	return n
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
