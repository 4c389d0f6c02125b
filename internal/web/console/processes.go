package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"haat/internal/fleet"
)

// Processes is GET /processes: who serves, and who does what alone.
type Processes struct {
	Frame
	Rows  []ProcessRow
	Topic bool // events go through Kafka, whose partitions have a page
}

// ProcessRow is one process.
type ProcessRow struct {
	Name, Address string
	State         string // "good", "warn" or "bad"
	Word          string // the same in a word
	Roles         string
	Version       string
	Other         bool // than most
	Leases        []string
	Since, Seen   time.Time
	Here          bool // the one that shows this page
}

func (s *server) processes(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Processes", "processes")
	if err != nil {
		return err
	}
	all, err := s.Operator.Processes(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Refresh", "15")
	v := processesPage(f, all, s.Self)
	v.Topic = s.Kafka != nil
	return s.show(w, r, v.Page())
}

func processesPage(f Frame, all []fleet.Process, self string) Processes {
	v := Processes{Frame: f}
	versions := map[string]int{}
	for _, p := range all {
		versions[p.Version]++
	}
	for _, p := range all {
		row := ProcessRow{
			Name: p.Host, Address: p.Address, State: "good", Word: "Serving", Roles: strings.ReplaceAll(p.Roles, ",", ", "),
			Version: p.Version, Leases: p.Leases, Since: p.Since, Seen: p.Seen, Here: p.ID == self,
		}
		for _, n := range versions {
			row.Other = row.Other || n > versions[p.Version]
		}
		switch {
		case p.Lost:
			row.State, row.Word = "bad", "Lost"
		case p.State == fleet.Draining:
			row.State, row.Word = "warn", "Draining"
		}
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b ProcessRow) int { return worse(b.State) - worse(a.State) })
	return v
}

// worse orders states, the worst highest.
func worse(state string) int { return slices.Index([]string{"good", "warn", "bad"}, state) }
