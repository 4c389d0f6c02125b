package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"haat/internal/api"
	"haat/internal/web/design"
)

// Shards is GET /shards: the databases that hold shops, their replicas, and the
// shops that ask most of them.
type Shards struct {
	Frame
	Rows []ShardRow
}

// ShardRow is one shard.
type ShardRow struct {
	Name, Engine, Address string
	State, Word           string // "good", "warn" or "bad", and the same in a word
	Problem               string
	Size                  string // in shops
	Shops, Capacity       int64
	Load                  string // empty where it is not open
	Taken, Places         int64
	Replicas              []ReplicaRow
	Hottest               []HotRow
}

// ReplicaRow is one replica and its lag of late.
type ReplicaRow struct {
	Name, Address, State, Word, Why, Lag, Most string
	Since                                      time.Time
	Lags                                       design.Spark
}

// HotRow is a shop that asks much of its shard.
type HotRow struct {
	Name, URL, Share, Asked, Waited, Refused string
	Over                                     bool
}

func (s *server) shards(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Shards", "shards")
	if err != nil {
		return err
	}
	all, err := s.Operator.Shards(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Refresh", "5")
	return s.show(w, r, shardsPage(f, all).Page())
}

func shardsPage(f Frame, all []api.ShardSummary) Shards {
	v := Shards{Frame: f}
	for _, s := range all {
		row := ShardRow{
			Name: s.Name, Engine: map[string]string{"postgres": "PostgreSQL", "sqlite": "SQLite"}[s.Engine], Address: s.Address, State: "good", Word: "Open", Problem: s.Problem,
			Size: thousands(s.Shops) + " shops", Shops: s.Shops, Capacity: s.Capacity,
		}
		if s.Shops == 1 {
			row.Size = "1 shop"
		}
		if s.Capacity > 0 {
			row.Size += " of " + thousands(s.Capacity)
		}
		switch {
		case s.Problem != "":
			row.State, row.Word = "bad", "Not open here"
		case s.State == "draining":
			row.State, row.Word = "warn", "Draining"
		}
		if l := s.Load; l != nil {
			row.Taken, row.Places = int64(l.Taken), int64(l.Places)
			row.Load = fmt.Sprintf("%d of %d places taken", l.Taken, l.Places)
			if l.Waiting > 0 {
				row.Load += ", " + thousands(int64(l.Waiting)) + " wait"
			}
			if l.Refused > 0 {
				row.Load += ", " + thousands(l.Refused) + " refused since the start"
			}
			for _, u := range l.Hottest[:min(len(l.Hottest), 5)] {
				hot := HotRow{Name: u.Name, URL: "/shops/" + u.Shop, Share: fmt.Sprintf("%d %%", u.Share), Asked: thousands(u.Asked), Waited: thousands(u.Waited), Refused: thousands(u.Refused), Over: u.Over}
				if hot.Name == "" {
					hot.Name = u.Shop
				}
				row.Hottest = append(row.Hottest, hot)
			}
		}
		for _, r := range s.Replicas {
			row.Replicas = append(row.Replicas, replicaRow(r))
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func replicaRow(r api.ReplicaSummary) ReplicaRow {
	row := ReplicaRow{Name: r.Name, Address: r.Address, State: "bad", Word: "Not open here", Why: r.Why, Lag: "unknown", Since: r.Since}
	if r.State != "" {
		row.Word = strings.ToUpper(r.State[:1]) + r.State[1:]
	}
	switch r.State {
	case "serving":
		row.State = "good"
	case "joining", "late":
		row.State = "warn"
	}
	if r.Lag != nil {
		row.Lag = lag(*r.Lag)
	}
	most := 0.0
	for _, ms := range r.Lags {
		most = max(most, ms)
	}
	if len(r.Lags) > 1 {
		row.Most = lag(most)
		row.Lags = design.Spark{Values: r.Lags, Desc: fmt.Sprintf("Lag of %s in the last %d seconds, at most %s", r.Name, len(r.Lags), row.Most)}
	}
	return row
}

func lag(ms float64) string {
	if ms >= 10_000 {
		return fmt.Sprintf("%.0f s", ms/1000)
	}
	if ms >= 1000 {
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
