package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"haat/internal/event"
	"haat/internal/fault"
)

// Parker looks after events that were set aside, and what comes after them
// with the same key.
type Parker interface {
	// Parked lists events that are set aside now, in all shops or in one of them,
	// after one of them.
	Parked(ctx context.Context, only string, after ParkedPlace) (ParkedPage, error)
	// Settled gives what became of those of one shop, the latest first.
	Settled(ctx context.Context, slug string) ([]event.Settled, error)
	// EditParked changes what one says to its subscriber.
	EditParked(ctx context.Context, slug string, at ParkedKey, seq int64, payload json.RawMessage) error
	// Unpark tries a key's events again in order, up to the first that fails, or
	// drops them. It means those up to the event upTo, which is the last that was
	// seen: what was parked later stays. To try again, 0 means all that is parked
	// when it begins.
	Unpark(ctx context.Context, slug string, at ParkedKey, upTo int64, drop bool) (event.Unparked, error)
}

// ParkedAPage is how many parked events are listed at once.
const ParkedAPage = 1000

// ParkedPage is a piece of the list of parked events.
type ParkedPage struct {
	Items []ParkedEvent `json:"items"`
	Next  *ParkedPlace  `json:"next,omitempty"` // after which there is more; nil: that is all
}

// ParkedPlace is a place in the list; the zero one is before the first.
type ParkedPlace struct {
	Shop string `json:"shop"` // its id: it may get another address meanwhile
	ParkedKey
	Seq int64 `json:"seq"`
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
	UpTo    int64           `json:"up_to,omitempty"`
	Seq     int64           `json:"seq,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func serveParked(o Parker, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("GET /ops/v1/parked", func(w http.ResponseWriter, r *http.Request) (any, error) {
		q := r.URL.Query()
		after := ParkedPlace{Shop: q.Get("after"), ParkedKey: ParkedKey{q.Get("subscriber"), q.Get("key")}}
		if seq := q.Get("seq"); seq != "" {
			var err error
			if after.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
				return nil, fault.Invalid("seq", "This is the number of no event.")
			}
		}
		return o.Parked(r.Context(), q.Get("shop"), after)
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
		return o.Unpark(r.Context(), r.PathValue("slug"), in.ParkedKey, in.UpTo, in.Drop)
	})
}

// Parked implements Operator.
func (c *OperatorClient) Parked(ctx context.Context, only string, after ParkedPlace) (out ParkedPage, err error) {
	q := url.Values{"shop": {only}, "after": {after.Shop}, "subscriber": {after.Subscriber}, "key": {after.Key}, "seq": {strconv.FormatInt(after.Seq, 10)}}
	return out, c.get(ctx, "GET", "/ops/v1/parked?"+q.Encode(), &out)
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
func (c *OperatorClient) Unpark(ctx context.Context, slug string, at ParkedKey, upTo int64, drop bool) (out event.Unparked, err error) {
	res, err := c.post(ctx, "/ops/v1/parked/"+url.PathEscape(slug), unpark{ParkedKey: at, UpTo: upTo, Drop: drop})
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	return out, json.NewDecoder(res.Body).Decode(&out)
}
