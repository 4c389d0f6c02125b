package meter

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Severity says whether somebody must be woken.
type Severity string

const (
	Critical Severity = "critical" // people are hurt, or data is at stake
	Warning  Severity = "warning"  // they will be, if nobody does anything
)

// Kind is a sort of incident that the platform can name.
type Kind struct {
	Name     string // stable, kebab-case
	Severity Severity
	Means    string // in one sentence
	Next     string // what to do, in one sentence
	// Grace is for how long after a start [Incidents.See] does not resolve one
	// that an earlier run left: so long does it take until its absence means
	// something.
	Grace time.Duration
	// Quiet is for how long it must not have been seen before See resolves it.
	Quiet time.Duration
}

// Sighting is one thing that is wrong, as somebody sees it now.
type Sighting struct {
	Subject string    // of what: a shard, a shop's address, a subscriber
	Detail  string    // what is known, with numbers
	Shop    string    // the address of the shop to look at, if one is
	Since   time.Time // when it began; zero: now, if it was not seen before
}

// Incident is one thing that is or was wrong.
type Incident struct {
	Name     string     `json:"name"`
	Subject  string     `json:"subject"`
	Severity Severity   `json:"severity"`
	Means    string     `json:"means"`
	Detail   string     `json:"detail"`
	Next     string     `json:"next"`
	Shop     string     `json:"shop,omitempty"`
	Since    time.Time  `json:"since"`
	LastSeen time.Time  `json:"last_seen"`
	Times    int64      `json:"times"` // it came up, having come back soon after it was resolved
	Resolved *time.Time `json:"resolved_at,omitempty"`
}

const (
	mostOpen  = 50               // incidents of one kind that are told apart; the others are one together
	mostPast  = 200              // resolved ones that are remembered
	comesBack = 10 * time.Minute // within which one that was resolved is the same again
	others    = "others"         // the subject of those beyond mostOpen
)

type incidentKey struct{ name, subject string }

// Incidents is the register of what is wrong now, and of what was lately. It
// is bounded, and safe for use by many. Raising what is open and resolving what
// is not change nothing, so whoever watches says what it sees, as often as it
// looks. Nothing here waits for a disk.
type Incidents struct {
	kinds map[string]Kind
	names []string
	log   *slog.Logger
	now   func() time.Time
	start time.Time

	mu    sync.Mutex
	open  map[incidentKey]*openIncident
	past  []Incident // oldest first
	total map[string]int64

	file  incidentFile
	dirty chan struct{} // something to write down
}

type openIncident struct {
	Incident
	left bool // by an earlier run, and not seen since
}

// NewIncidents makes an empty register of these kinds.
func NewIncidents(log *slog.Logger, kinds ...Kind) *Incidents {
	r := &Incidents{kinds: map[string]Kind{}, log: log, now: time.Now, open: map[incidentKey]*openIncident{}, total: map[string]int64{}, dirty: make(chan struct{}, 1)}
	for _, k := range kinds {
		r.kinds[k.Name], r.names = k, append(r.names, k.Name)
	}
	r.start = r.now()
	return r
}

// See says all that is wrong of one kind now: what is not among it is resolved.
// Whoever could not look must not call it.
func (r *Incidents) See(name string, all []Sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, now := r.kind(name), r.now()
	seen := map[string]bool{}
	for _, s := range r.bounded(name, all) {
		s.Subject = cut(s.Subject, 200)
		seen[s.Subject] = true
		r.raise(k, s, now)
	}
	for key, i := range r.open {
		if key.name != name || seen[key.subject] || now.Sub(i.LastSeen) < k.Quiet || i.left && now.Sub(r.start) < k.Grace {
			continue
		}
		r.resolve(key, now)
	}
}

// bounded gives no more sightings than are told apart, those that are known
// first, and the rest as one.
func (r *Incidents) bounded(name string, all []Sighting) []Sighting {
	if len(all) <= mostOpen {
		return all
	}
	known := func(s Sighting) int {
		if r.open[incidentKey{name, cut(s.Subject, 200)}] != nil {
			return 0
		}
		return 1
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Sighting) int {
		return cmp.Or(cmp.Compare(known(a), known(b)), cmp.Compare(a.Subject, b.Subject))
	})
	rest := Sighting{Subject: others, Detail: fmt.Sprintf("%d more of the same.", len(all)-mostOpen)}
	return append(all[:mostOpen], rest)
}

// Raise says that one thing is wrong.
func (r *Incidents) Raise(name string, s Sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kind(name)
	s.Subject = cut(s.Subject, 200)
	if r.open[incidentKey{name, s.Subject}] == nil && r.count(name) >= mostOpen {
		s = Sighting{Subject: others, Detail: "Others are not told apart: there are too many."}
	}
	r.raise(k, s, r.now())
}

// Resolve says that one thing is well.
func (r *Incidents) Resolve(name, subject string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolve(incidentKey{name, cut(subject, 200)}, r.now())
}

func (r *Incidents) kind(name string) Kind {
	k, ok := r.kinds[name]
	if !ok {
		panic("meter: nobody has said what " + name + " means")
	}
	return k
}

func (r *Incidents) count(name string) (n int) {
	for key := range r.open {
		if key.name == name {
			n++
		}
	}
	return n
}

// raise opens an incident, or takes note that it is still there. One that was
// resolved a moment ago is opened again as what it was. The caller holds r.mu.
func (r *Incidents) raise(k Kind, s Sighting, now time.Time) {
	key := incidentKey{k.Name, s.Subject}
	i := r.open[key]
	if i == nil {
		if i = r.again(key, now); i == nil {
			since := s.Since
			if since.IsZero() || since.After(now) {
				since = now
			}
			i = &openIncident{Incident: Incident{Name: k.Name, Subject: s.Subject, Since: since.UTC()}}
		}
		i.Times++
		r.open[key] = i
		r.total[k.Name]++
		r.log.Error("an incident is open", "incident", k.Name, "subject", s.Subject, "detail", s.Detail)
		r.changed()
	}
	i.left, i.LastSeen = false, now.UTC()
	i.Severity, i.Means, i.Next, i.Detail, i.Shop = k.Severity, k.Means, k.Next, cut(s.Detail, 600), s.Shop
}

// again takes the incident out of the past if it was resolved a moment ago.
func (r *Incidents) again(key incidentKey, now time.Time) *openIncident {
	for n, p := range slices.Backward(r.past) {
		if now.Sub(*p.Resolved) > comesBack {
			break
		}
		if p.Name == key.name && p.Subject == key.subject {
			r.past = slices.Delete(r.past, n, n+1)
			p.Resolved = nil
			return &openIncident{Incident: p}
		}
	}
	return nil
}

// resolve closes an incident, if it is open. The caller holds r.mu.
func (r *Incidents) resolve(key incidentKey, now time.Time) {
	i := r.open[key]
	if i == nil {
		return
	}
	delete(r.open, key)
	at := now.UTC()
	i.Resolved = &at
	r.past = append(r.past, i.Incident)
	if over := len(r.past) - mostPast; over > 0 {
		r.past = slices.Delete(r.past, 0, over)
	}
	r.log.Info("an incident is resolved", "incident", key.name, "subject", key.subject, "after", now.Sub(i.Since).Round(time.Second))
	r.changed()
}

func (r *Incidents) changed() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// Open gives what is wrong now: what is critical first, the oldest first.
func (r *Incidents) Open() []Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listOpen()
}

func (r *Incidents) listOpen() []Incident {
	out := make([]Incident, 0, len(r.open))
	for _, i := range r.open {
		out = append(out, i.Incident)
	}
	slices.SortFunc(out, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

// Past gives what was resolved lately, the newest first.
func (r *Incidents) Past() []Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Incident, 0, len(r.past))
	for _, p := range slices.Backward(r.past) {
		out = append(out, p)
	}
	return out
}

// Kinds lists what can be named.
func (r *Incidents) Kinds() []Kind {
	out := make([]Kind, len(r.names))
	for i, name := range r.names {
		out[i] = r.kinds[name]
	}
	return out
}

// cut shortens a text to so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

var (
	incidentOpen  = prometheus.NewDesc("haat_incident_open", "Incidents that are open now, by name. The console, haat doctor and GET /ops/v1/incidents say of what, and what to do.", []string{"name"}, nil)
	incidentSince = prometheus.NewDesc("haat_incident_since_seconds", "When the oldest open incident of this name began, in Unix time.", []string{"name"}, nil)
	incidentTotal = prometheus.NewDesc("haat_incidents_total", "Times that an incident of this name came up since the start.", []string{"name"}, nil)
)

// Incidents reports a register as metrics.
func (m *Meter) Incidents(r *Incidents) { m.registry.MustRegister(incidentMetrics{r}) }

type incidentMetrics struct{ r *Incidents }

// Describe implements prometheus.Collector.
func (incidentMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- incidentOpen
	ch <- incidentSince
	ch <- incidentTotal
}

// Collect implements prometheus.Collector.
func (c incidentMetrics) Collect(ch chan<- prometheus.Metric) {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.names {
		var n float64
		var oldest time.Time
		for key, i := range r.open {
			if key.name == name {
				if n++; oldest.IsZero() || i.Since.Before(oldest) {
					oldest = i.Since
				}
			}
		}
		ch <- prometheus.MustNewConstMetric(incidentOpen, prometheus.GaugeValue, n, name)
		ch <- prometheus.MustNewConstMetric(incidentTotal, prometheus.CounterValue, float64(r.total[name]), name)
		if n > 0 {
			ch <- prometheus.MustNewConstMetric(incidentSince, prometheus.GaugeValue, float64(oldest.Unix()), name)
		}
	}
}
