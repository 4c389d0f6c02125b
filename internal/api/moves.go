package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Moves is what the operator can do about where shops live. A move goes on in
// the background; shops are named by slug.
type Moves interface {
	// Move begins to move a shop to a shard, or back to where it came from.
	Move(ctx context.Context, slug, to string, reverse bool) (Move, error)
	// EndMove gives up a move that has not been decided, or the old copy that is
	// kept after one.
	EndMove(ctx context.Context, slug string, copy bool) error
	// MoveOf gives how far a move is.
	MoveOf(ctx context.Context, n int64) (Move, error)
	// Moves lists moves that are not over, and the latest that are.
	Moves(ctx context.Context) (MoveList, error)
}

// Move is one move of a shop between shards.
type Move struct {
	ID       int64      `json:"id"`
	Shop     string     `json:"shop"` // its slug
	Name     string     `json:"name"`
	From     string     `json:"from"`
	To       string     `json:"to"`
	Phase    string     `json:"phase"`
	Arrived  bool       `json:"arrived"` // the shop lives at the destination
	Over     bool       `json:"over"`    // nothing more is done about it
	Rows     int64      `json:"rows"`
	Copied   int64      `json:"rows_copied"`
	Checked  int64      `json:"rows_checked"`
	Aborts   int64      `json:"aborts"`
	Pause    float64    `json:"pause_ms"` // that the shop took no writes
	Failures int64      `json:"failures"` // in a row
	Error    string     `json:"error,omitempty"`
	Started  time.Time  `json:"started_at"`
	Stepped  time.Time  `json:"step_at"`
	Moved    *time.Time `json:"moved_at,omitempty"`
	Kept     *time.Time `json:"kept_until,omitempty"` // the old copy
	Ended    *time.Time `json:"ended_at,omitempty"`
}

// Done is how much of a move's work is done, of 100.
func (m Move) Done() int64 {
	switch {
	case m.Arrived:
		return 100
	case m.Phase == "copying":
		return min(m.Copied, m.Rows) * 60 / max(1, m.Rows)
	case m.Phase == "checking":
		return 60 + min(m.Checked, m.Rows)*38/max(1, m.Rows)
	case m.Phase == "closing", m.Phase == "aborted", m.Phase == "committed":
		return 98
	}
	return 0
}

// MoveList is moves that are not over, oldest first, and the latest that are.
type MoveList struct {
	Open  []Move `json:"open"`
	Ended []Move `json:"ended"`
}

func serveMoves(o Moves, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("GET /ops/v1/moves", func(_ http.ResponseWriter, r *http.Request) (any, error) { return o.Moves(r.Context()) })
	handle("GET /ops/v1/moves/{n}", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		n, _ := strconv.ParseInt(r.PathValue("n"), 10, 64)
		return o.MoveOf(r.Context(), n)
	})
	handle("POST /ops/v1/shops/{slug}/move", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		q := r.URL.Query()
		return o.Move(r.Context(), r.PathValue("slug"), q.Get("to"), q.Get("reverse") == "true")
	})
	handle("DELETE /ops/v1/shops/{slug}/move", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return struct{}{}, o.EndMove(r.Context(), r.PathValue("slug"), r.URL.Query().Get("copy") == "true")
	})
}

func movePath(slug string, q url.Values) string {
	return "/ops/v1/shops/" + url.PathEscape(slug) + "/move?" + q.Encode()
}

// Move implements Operator.
func (c *OperatorClient) Move(ctx context.Context, slug, to string, reverse bool) (out Move, err error) {
	return out, c.get(ctx, "POST", movePath(slug, url.Values{"to": {to}, "reverse": {strconv.FormatBool(reverse)}}), &out)
}

// EndMove implements Operator.
func (c *OperatorClient) EndMove(ctx context.Context, slug string, copy bool) error {
	return c.get(ctx, "DELETE", movePath(slug, url.Values{"copy": {strconv.FormatBool(copy)}}), &struct{}{})
}

// MoveOf implements Operator.
func (c *OperatorClient) MoveOf(ctx context.Context, n int64) (out Move, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/moves/"+strconv.FormatInt(n, 10), &out)
}

// Moves implements Operator.
func (c *OperatorClient) Moves(ctx context.Context) (out MoveList, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/moves", &out)
}
