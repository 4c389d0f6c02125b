package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Searcher writes anew what searches are answered from.
type Searcher interface {
	// RebuildSearch goes through all shops, or the one that slug names, and
	// calls tell now and then. It gives how far it came.
	RebuildSearch(ctx context.Context, slug string, tell func(SearchStep)) (SearchStep, error)
}

// SearchStep is how far a rebuilding of searches is.
type SearchStep struct {
	Shops    int64   `json:"shops"` // done
	Of       int64   `json:"of"`
	Shop     string  `json:"shop,omitempty"` // at work on
	Products int64   `json:"products"`       // written
	Seconds  float64 `json:"seconds"`
}

// searchLine is one line of the answer: a step or, at the end, the whole or why
// there is none.
type searchLine struct {
	Step    *SearchStep `json:"step,omitempty"`
	Whole   *SearchStep `json:"whole,omitempty"`
	Failure string      `json:"failure,omitempty"`
}

// serveSearch answers with a line for each step, as long as it takes.
func serveSearch(o Searcher, w http.ResponseWriter, r *http.Request) (any, error) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	enc, begun := json.NewEncoder(w), false
	whole, err := o.RebuildSearch(r.Context(), r.URL.Query().Get("shop"), func(s SearchStep) {
		begun = true
		_ = enc.Encode(searchLine{Step: &s})
		_ = c.Flush()
	})
	switch {
	case err != nil && begun:
		return searchLine{Failure: err.Error()}, nil
	case err != nil:
		return nil, err
	}
	return searchLine{Whole: &whole}, nil
}

// RebuildSearch implements Operator.
func (c *OperatorClient) RebuildSearch(ctx context.Context, slug string, tell func(SearchStep)) (all SearchStep, err error) {
	res, err := c.do(ctx, "POST", "/ops/v1/search/rebuild?"+url.Values{"shop": {slug}}.Encode(), nil)
	if err != nil {
		return all, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var next searchLine
		if err := dec.Decode(&next); err != nil {
			return all, fmt.Errorf("the server stopped answering before every search was rebuilt: %w", err)
		}
		switch {
		case next.Step != nil:
			all = *next.Step
			tell(all)
		case next.Whole != nil:
			return *next.Whole, nil
		default:
			return all, errors.New(next.Failure)
		}
	}
}
