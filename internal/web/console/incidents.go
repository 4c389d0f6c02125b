package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/api"
	"haat/internal/meter"
	"haat/internal/web/design"
)

const (
	timelineDays  = 7
	timelineWidth = 1000 // of the picture, in its own units
	leastSpan     = 6    // so that a short incident can be seen
)

func (s *server) incidents(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Incidents", "incidents")
	if err != nil {
		return err
	}
	all, err := s.Operator.Incidents(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Refresh", "15")
	return s.show(w, r, incidentsPage(f, all).Page())
}

func incidentsPage(f Frame, all api.Incidents) Incidents {
	v := Incidents{Frame: f, Timeline: timeline(f, all)}
	for _, i := range all.Open {
		v.Open = append(v.Open, alarmOf(api.Finding{
			Name: i.Name, Subject: i.Subject, Severity: i.Severity, Detail: i.Detail, Means: i.Means, Next: i.Next, Shop: i.Shop, Since: &i.Since,
		}))
		v.Open[len(v.Open)-1].Times = i.Times
	}
	for _, i := range all.Past {
		p := PastIncident{Title: headline(i.Name, i.Subject), Name: i.Name, Text: i.Detail, Critical: i.Severity == meter.Critical, Since: i.Since, Resolved: *i.Resolved, Times: i.Times}
		if i.Shop != "" {
			p.URL = "/shops/" + i.Shop
		}
		v.Past = append(v.Past, p)
	}
	return v
}

// alarmOf makes of what was found what is shown of it.
func alarmOf(x api.Finding) Alarm {
	a := Alarm{Kind: "bad", Title: x.Name, Name: x.Name, Text: x.Detail, Means: x.Means, Next: x.Next}
	if x.Subject != "" {
		a.Title = headline(x.Name, x.Subject)
	}
	if x.Severity == meter.Warning {
		a.Kind = "warn"
	}
	if x.Since != nil {
		a.Since = *x.Since
	}
	switch {
	case x.Name == "poison-event" || x.Name == "parking-stopped":
		a.URL = "/parked"
	case x.Name == "process-lost" || x.Name == "version-skew" || x.Name == "pictures-not-shared":
		a.URL = "/processes"
	case x.Name == "partition-stuck" || x.Name == "topic-unseen" || x.Name == "relay-stalled" || x.Name == "topic-misconfigured" || x.Name == "record-refused":
		a.URL = "/partitions"
	case x.Shop != "":
		a.URL = "/shops/" + x.Shop
	}
	return a
}

// headline says an incident as people would: "Disk full: /data".
func headline(name, subject string) string {
	words := strings.ReplaceAll(name, "-", " ")
	return strings.ToUpper(words[:1]) + words[1:] + ": " + subject
}

// verdict says in a sentence how things are.
func verdict(findings []api.Finding) (state, text string) {
	var critical, warnings int
	for _, x := range findings {
		switch {
		case x.OK:
		case x.Severity == meter.Warning:
			warnings++
		default:
			critical++
		}
	}
	switch {
	case critical > 0 && warnings > 0:
		return "bad", fmt.Sprintf("%s, %s.", plural(critical, "incident"), plural(warnings, "warning"))
	case critical > 0:
		return "bad", plural(critical, "incident") + " open."
	case warnings > 0:
		return "warn", fmt.Sprintf("%s. Nobody is hurt yet.", plural(warnings, "warning"))
	}
	return "good", "Everything is well."
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// lasted says how long something took, as people do.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		h := fmt.Sprintf("%d h", int(d.Hours()))
		if m := int(d.Minutes()) % 60; m > 0 {
			h += fmt.Sprintf(" %d min", m)
		}
		return h
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// before stands before the time when something began: for how long it has been
// so, unless that time says it.
func before(d time.Duration) string {
	if d < time.Hour {
		return "began "
	}
	return "for " + lasted(d) + ", began "
}

// timeline draws the last days, what is critical first.
func timeline(f Frame, all api.Incidents) Timeline {
	zone := f.zone()
	today := f.Now.In(zone)
	t := Timeline{From: time.Date(today.Year(), today.Month(), today.Day()-timelineDays+1, 0, 0, 0, 0, zone), To: time.Date(today.Year(), today.Month(), today.Day()+1, 0, 0, 0, 0, zone)}
	rows := map[string]*TimelineRow{}
	for _, i := range slices.Concat(all.Past, all.Open) {
		end := f.Now
		if i.Resolved != nil {
			end = *i.Resolved
		}
		if end.Before(t.From) {
			continue
		}
		from, to := t.at(i.Since), t.at(end)
		label := fmt.Sprintf("%s, from %s, %s", headline(i.Name, i.Subject), design.Exact(i.Since, zone), lasted(end.Sub(i.Since)))
		if i.Resolved == nil {
			label += ", still open"
		}
		row := rows[i.Name]
		if row == nil {
			row = &TimelineRow{Name: i.Name, Critical: i.Severity == meter.Critical}
			rows[i.Name] = row
		}
		width := max(leastSpan, to-from)
		row.Spans = append(row.Spans, Span{X: min(from, timelineWidth-width), Width: width, Open: i.Resolved == nil, Label: label})
	}
	for _, row := range rows {
		t.Rows = append(t.Rows, *row)
	}
	slices.SortFunc(t.Rows, func(a, b TimelineRow) int {
		if a.Critical != b.Critical {
			if a.Critical {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return t
}

// at gives where in the picture an instant is.
func (t Timeline) at(when time.Time) int {
	x := float64(when.Sub(t.From)) / float64(t.To.Sub(t.From)) * timelineWidth
	return int(min(timelineWidth, max(0, x)))
}

// days are the names of the days that the picture spans.
func (t Timeline) days() (names []string) {
	for i := range timelineDays {
		names = append(names, t.From.AddDate(0, 0, i).Format("Mon 2"))
	}
	return names
}

func (r TimelineRow) class() string {
	if r.Critical {
		return "is-critical"
	}
	return "is-warning"
}

// top and height draw a warning lower than what is critical, so that colour is
// not needed to tell them apart.
func (r TimelineRow) top() string {
	if r.Critical {
		return "0"
	}
	return "8"
}

func (r TimelineRow) height() string {
	if r.Critical {
		return "16"
	}
	return "8"
}
