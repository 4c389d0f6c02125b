package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"haat/internal/api"
)

func (s *server) moves(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Moves", "moves")
	if err != nil {
		return err
	}
	all, err := s.Operator.Moves(r.Context())
	if err != nil {
		return err
	}
	if len(all.Open) > 0 {
		w.Header().Set("Refresh", "5")
	}
	return s.show(w, r, movesPage(f, all).Page())
}

// endMove gives a move up, or the old copy that is kept after one.
func (s *server) endMove(copy bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		slug := r.PathValue("slug")
		if err := s.Operator.EndMove(r.Context(), slug, copy); err != nil {
			return err
		}
		text := "The move of " + slug + " is given up; it stays where it is."
		if copy {
			text = "The old copy of " + slug + " is being deleted."
		}
		return s.back(w, r, "/moves", text)
	}
}

// moveBack moves a shop back to where it came from.
func (s *server) moveBack(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Operator.Move(r.Context(), r.PathValue("slug"), "", true)
	if err != nil {
		return err
	}
	return s.back(w, r, "/moves", m.Shop+" goes back to "+m.To+".")
}

func movesPage(f Frame, all api.MoveList) Moves {
	v := Moves{Frame: f}
	for _, m := range all.Open {
		row := moveRow(m)
		if m.Arrived {
			v.Kept = append(v.Kept, row)
		} else {
			v.Open = append(v.Open, row)
		}
	}
	for _, m := range all.Ended {
		v.Past = append(v.Past, moveRow(m))
	}
	return v
}

var phases = map[string]string{
	"waiting": "Waits for its turn", "copying": "Rows are copied", "checking": "Every row is compared", "closing": "About to be switched",
	"committed": "Being switched", "aborted": "Stays for now", "kept": "Moved", "clearing": "The old copy is deleted", "undoing": "Given up; the copy is deleted",
	"done": "Moved", "reversed": "Moved, and went back", "failed": "Given up",
}

func moveRow(m api.Move) MoveRow {
	row := MoveRow{
		Shop: m.Shop, Name: m.Name, URL: "/shops/" + m.Shop, From: m.From, To: m.To, Phase: phases[m.Phase], Done: m.Done(), Rows: thousands(m.Rows),
		Problem: m.Error, Failed: m.Phase == "failed" || m.Failures > 0, Started: m.Started, Undecided: !m.Arrived && !m.Over && m.Phase != "undoing",
	}
	if row.Name == "" {
		row.Name = m.Shop
	}
	if m.Arrived {
		row.Pause = fmt.Sprintf("%.1f ms", m.Pause)
	}
	if m.Aborts > 0 {
		row.Tries = plural(int(m.Aborts), "switch") + " given up"
		row.Tries = strings.Replace(row.Tries, "switchs", "switches", 1)
	}
	switch took := time.Since(m.Started).Seconds(); {
	case m.Phase == "copying":
		row.Far = fmt.Sprintf("%s of %s rows copied", thousands(m.Copied), row.Rows)
		if took > 1 && m.Copied > 0 {
			row.Rate = fmt.Sprintf("%.0f a second", float64(m.Copied)/took)
		}
	case m.Phase == "checking":
		row.Far = fmt.Sprintf("%s of %s rows compared", thousands(m.Checked), row.Rows)
	case m.Rows > 0:
		row.Far = row.Rows + " rows, all compared"
	case m.Arrived: // onto the copy that was kept
		row.Far = "what had changed since, and all rows compared"
	}
	if m.Kept != nil {
		row.Kept = *m.Kept
	}
	if m.Ended != nil {
		row.Ended = *m.Ended
	}
	return row
}

// thousands writes a count with a space between thousands.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// Moves is GET /moves: shops on their way between shards, and those that were;
// POST /moves/<slug>/cancel, /reverse and /forget.
type Moves struct {
	Frame
	Open []MoveRow
	Kept []MoveRow // that can go back
	Past []MoveRow
}

// MoveRow is one move.
type MoveRow struct {
	Shop, Name, URL, From, To string
	Phase, Far, Rate, Tries   string // Far is how far it is, in rows
	Rows, Pause, Problem      string
	Done                      int64 // of 100
	Failed, Undecided         bool
	Started, Kept, Ended      time.Time
}
