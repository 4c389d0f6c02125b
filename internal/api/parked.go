package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"haat/internal/event"
)

// Parker looks after events that were set aside, and what comes after them
// with the same key.
type Parker interface {
	// Parked lists the events of all shops that are set aside now.
	Parked(ctx context.Context) ([]ParkedEvent, error)
	// Settled gives what became of those of one shop, the latest first.
	Settled(ctx context.Context, slug string) ([]event.Settled, error)
	// EditParked changes what one says to its subscriber.
	EditParked(ctx context.Context, slug string, at ParkedKey, seq int64, payload json.RawMessage) error
	// Unpark tries a key's events again in order, up to the first that fails, or
	// drops them all; it gives how many.
	Unpark(ctx context.Context, slug string, at ParkedKey, drop bool) (events int64, err error)
}

// ParkedEvent is one that is set aside for a subscriber.
type ParkedEvent struct {
	Shop string `json:"shop"` // its address
	event.Parked
}

// ParkedKey is what waits together.
type ParkedKey struct {
	Subscriber string `json:"subscriber"`
	Key        string `json:"key"`
}

type unpark struct {
	ParkedKey
	Drop    bool            `json:"drop,omitempty"`
	Seq     int64           `json:"seq,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

type unparked struct {
	Events int64 `json:"events"`
}

func serveParked(o Parker, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("GET /ops/v1/parked", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Parked(r.Context())
	})
	handle("GET /ops/v1/parked/{slug}/settled", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Settled(r.Context(), r.PathValue("slug"))
	})
	handle("PUT /ops/v1/parked/{slug}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var in unpark
		if err := readJSON(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, o.EditParked(r.Context(), r.PathValue("slug"), in.ParkedKey, in.Seq, in.Payload)
	})
	handle("POST /ops/v1/parked/{slug}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var in unpark
		if err := readJSON(r, &in); err != nil {
			return nil, err
		}
		n, err := o.Unpark(r.Context(), r.PathValue("slug"), in.ParkedKey, in.Drop)
		return unparked{n}, err
	})
}

// Parked implements Operator.
func (c *OperatorClient) Parked(ctx context.Context) (out []ParkedEvent, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/parked", &out)
}

// Settled implements Operator.
func (c *OperatorClient) Settled(ctx context.Context, slug string) (out []event.Settled, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/parked/"+url.PathEscape(slug)+"/settled", &out)
}

// EditParked implements Operator.
func (c *OperatorClient) EditParked(ctx context.Context, slug string, at ParkedKey, seq int64, payload json.RawMessage) error {
	return c.send(ctx, "PUT", "/ops/v1/parked/"+url.PathEscape(slug), unpark{ParkedKey: at, Seq: seq, Payload: payload})
}

// Unpark implements Operator.
func (c *OperatorClient) Unpark(ctx context.Context, slug string, at ParkedKey, drop bool) (int64, error) {
	res, err := c.post(ctx, "/ops/v1/parked/"+url.PathEscape(slug), unpark{ParkedKey: at, Drop: drop})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var out unparked
	err = json.NewDecoder(res.Body).Decode(&out)
	return out.Events, err
}
