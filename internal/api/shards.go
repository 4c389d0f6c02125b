package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"haat/internal/fault"
)

// Sharder is what the operator can do about shards. Refusals are one line
// each, and change nothing.
type Sharder interface {
	// Shards lists the shards, in the order of their names.
	Shards(ctx context.Context) ([]ShardSummary, error)
	// AddShard lists a database as a shard that takes new shops.
	AddShard(ctx context.Context, s NewShard) error
	// SetShard changes what is listed of a shard.
	SetShard(ctx context.Context, name string, c ShardChange) error
	// OpenShard lets a shard take new shops again.
	OpenShard(ctx context.Context, name string) error
	// DrainShard has a shard take no new shops and moves those that it has to
	// others, and tells how many it still holds.
	DrainShard(ctx context.Context, name string, tell func(Drained)) (Drained, error)
	// PromoteShard has a standby take the place of a shard's primary.
	PromoteShard(ctx context.Context, name string, p Promotion) (Promoted, error)
	// SettleShard says that what promotions of a shard have left was looked at,
	// and gives what that was. Shops are named by their slugs.
	SettleShard(ctx context.Context, name string) (Settled, error)
	// RemoveShard forgets a shard that holds no shops. With copies, it first
	// deletes what is kept there of shops that were moved away: they cannot be
	// moved back then.
	RemoveShard(ctx context.Context, name string, copies bool) error
}

// ShardSummary is a shard as the operator sees it.
type ShardSummary struct {
	Name     string           `json:"name"`
	Engine   string           `json:"engine"` // sqlite or postgres
	Address  string           `json:"address"`
	State    string           `json:"state"` // open or draining
	Problem  string           `json:"problem,omitempty"`
	Shops    int64            `json:"shops"`
	Capacity int64            `json:"capacity"` // 0 for no limit
	Term     int64            `json:"term"`
	Created  time.Time        `json:"created_at"`
	Replicas []ReplicaSummary `json:"replicas,omitempty"`
	Load     *ShardLoad       `json:"load,omitempty"` // of this process; none where the shard is not open
}

// ReplicaSummary is a standby that shops are read from, and how it is, as the
// process that answers sees it.
type ReplicaSummary struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	State   string    `json:"state,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Why     string    `json:"why,omitempty"`     // of a state other than serving
	Lag     *float64  `json:"lag_ms,omitempty"`  // none while it does not answer
	Lags    []float64 `json:"lags_ms,omitempty"` // at most of each second, up to two minutes, the oldest first
}

// ShardLoad is how much one process asks of a shard, in the last seconds.
type ShardLoad struct {
	Places  int       `json:"places"` // transactions at a time; on SQLite reads
	Taken   int       `json:"taken"`
	Waiting int       `json:"waiting"`
	Refused int64     `json:"refused"` // since the start
	Shops   int       `json:"shops"`   // that were here
	Hottest []ShopUse `json:"hottest"` // that took most
}

// ShopUse is what a shop took of its shard, in the last seconds.
type ShopUse struct {
	Shop    string `json:"shop"` // its slug
	Name    string `json:"name"`
	Share   int64  `json:"share"` // percent of all that was taken
	Asked   int64  `json:"asked"` // transactions
	Waited  int64  `json:"waited"`
	Refused int64  `json:"refused"`
	Over    bool   `json:"over"` // more than its share
}

// NewShard is a database that is to be a shard.
type NewShard struct {
	Name     string       `json:"name"`
	DSN      string       `json:"dsn"`
	Capacity int64        `json:"capacity,omitempty"`
	Replicas []NewReplica `json:"replicas,omitempty"`
}

// NewReplica is a standby that is to be read from.
type NewReplica struct {
	Name string `json:"name"`
	DSN  string `json:"dsn"`
}

// ShardChange is what is to be different about a shard.
type ShardChange struct {
	Capacity *int64       `json:"capacity,omitempty"`
	Replicas []NewReplica `json:"replicas,omitempty"` // added, or with another DSN
	Drop     []string     `json:"drop,omitempty"`     // replicas that are forgotten
}

// Promotion says which standby is to be a shard's primary.
type Promotion struct {
	To    string `json:"to,omitempty"`    // a replica's name or a standby's address; empty for the replica that has received most
	Force bool   `json:"force,omitempty"` // although the primary answers, or a replica has received more
}

// Promoted is what a promotion came to. Shops are named by their slugs.
type Promoted struct {
	Server  string   `json:"server"` // the replica's name, or its host
	Address string   `json:"address"`
	Dropped string   `json:"dropped,omitempty"` // the replica that is none any more
	Term    int64    `json:"term"`
	Held    *int64   `json:"held,omitempty"`   // shops that were held against the directory; none if another process did that
	Opened  []string `json:"opened,omitempty"` // that had arrived, and were not open yet
	Closed  []string `json:"closed,omitempty"` // that live on other shards
	Missing []string `json:"missing,omitempty"`
	Behind  *float64 `json:"behind_ms,omitempty"` // of the writes that may be lost; none if nobody knows
	Fenced  []string `json:"fenced,omitempty"`    // servers that answered as the primary
	Silent  []string `json:"silent,omitempty"`    // replicas that were no help, and why
}

// Settled is what promotions had left to be looked at.
type Settled struct {
	Closed  []string `json:"closed,omitempty"` // that live on other shards
	Missing []string `json:"missing,omitempty"`
}

// Drained is how far the draining of a shard has come.
type Drained struct {
	Left    int64  `json:"left"`              // shops that the shard still holds
	Moving  int64  `json:"moving,omitempty"`  // those of them that are on their way
	Far     int64  `json:"far,omitempty"`     // how far these are, 100 for each that has arrived
	Trouble string `json:"trouble,omitempty"` // why one of them does not come on
	Done    bool   `json:"done,omitempty"`
	Failure string `json:"failure,omitempty"`
}

func sharderRoutes(o Sharder, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("GET /ops/v1/shards", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Shards(r.Context())
	})
	handle("POST /ops/v1/shards", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var s NewShard
		if err := readJSON(r, &s); err != nil {
			return nil, err
		}
		return struct{}{}, o.AddShard(r.Context(), s)
	})
	handle("PATCH /ops/v1/shards/{shard}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var c ShardChange
		if err := readJSON(r, &c); err != nil {
			return nil, err
		}
		return struct{}{}, o.SetShard(r.Context(), r.PathValue("shard"), c)
	})
	handle("POST /ops/v1/shards/{shard}/open", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return struct{}{}, o.OpenShard(r.Context(), r.PathValue("shard"))
	})
	handle("POST /ops/v1/shards/{shard}/promote", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var p Promotion
		if err := readJSON(r, &p); err != nil {
			return nil, err
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		return o.PromoteShard(context.WithoutCancel(r.Context()), r.PathValue("shard"), p)
	})
	handle("POST /ops/v1/shards/{shard}/settle", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.SettleShard(r.Context(), r.PathValue("shard"))
	})
	handle("POST /ops/v1/shards/{shard}/drain", func(w http.ResponseWriter, r *http.Request) (any, error) {
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Time{})
		enc, begun := json.NewEncoder(w), false
		last, err := o.DrainShard(r.Context(), r.PathValue("shard"), func(d Drained) {
			begun = true
			_ = enc.Encode(d)
			_ = c.Flush()
		})
		if err != nil && begun {
			last.Failure, err = err.Error(), nil
		}
		last.Done = true
		return last, err
	})
	handle("DELETE /ops/v1/shards/{shard}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return struct{}{}, o.RemoveShard(r.Context(), r.PathValue("shard"), r.URL.Query().Get("copies") == "true")
	})
}

func readJSON(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fault.Invalid("", "The request cannot be read: %v.", err)
	}
	return nil
}

// Shards implements Operator.
func (c *OperatorClient) Shards(ctx context.Context) (out []ShardSummary, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/shards", &out)
}

func (c *OperatorClient) send(ctx context.Context, method, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, method, path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c *OperatorClient) post(ctx context.Context, path string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, "POST", path, bytes.NewReader(b))
}

// AddShard implements Operator.
func (c *OperatorClient) AddShard(ctx context.Context, s NewShard) error {
	return c.send(ctx, "POST", "/ops/v1/shards", s)
}

// SetShard implements Operator.
func (c *OperatorClient) SetShard(ctx context.Context, name string, x ShardChange) error {
	return c.send(ctx, "PATCH", "/ops/v1/shards/"+url.PathEscape(name), x)
}

// OpenShard implements Operator.
func (c *OperatorClient) OpenShard(ctx context.Context, name string) error {
	return c.send(ctx, "POST", "/ops/v1/shards/"+url.PathEscape(name)+"/open", nil)
}

// PromoteShard implements Operator.
func (c *OperatorClient) PromoteShard(ctx context.Context, name string, p Promotion) (out Promoted, err error) {
	res, err := c.post(ctx, "/ops/v1/shards/"+url.PathEscape(name)+"/promote", p)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	return out, json.NewDecoder(res.Body).Decode(&out)
}

// SettleShard implements Operator.
func (c *OperatorClient) SettleShard(ctx context.Context, name string) (out Settled, err error) {
	res, err := c.post(ctx, "/ops/v1/shards/"+url.PathEscape(name)+"/settle", struct{}{})
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	return out, json.NewDecoder(res.Body).Decode(&out)
}

// RemoveShard implements Operator.
func (c *OperatorClient) RemoveShard(ctx context.Context, name string, copies bool) error {
	return c.send(ctx, "DELETE", "/ops/v1/shards/"+url.PathEscape(name)+"?copies="+strconv.FormatBool(copies), nil)
}

// DrainShard implements Operator.
func (c *OperatorClient) DrainShard(ctx context.Context, name string, tell func(Drained)) (d Drained, err error) {
	res, err := c.do(ctx, "POST", "/ops/v1/shards/"+url.PathEscape(name)+"/drain", nil)
	if err != nil {
		return d, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		d = Drained{}
		if err := dec.Decode(&d); err != nil {
			return d, fmt.Errorf("the server stopped answering before the shard was drained; the same command goes on: %w", err)
		}
		switch {
		case !d.Done:
			tell(d)
		case d.Failure != "":
			return d, errors.New(d.Failure)
		default:
			return d, nil
		}
	}
}
