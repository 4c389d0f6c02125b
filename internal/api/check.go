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

// Checker looks whether the stock of shops adds up, and their lists of products
// are right.
type Checker interface {
	// Check goes through all shops, or the one that slug names, and calls tell
	// with every discrepancy it finds and, now and then, with how far it is.
	Check(ctx context.Context, slug string, tell func(CheckStep)) (Checked, error)
	// Explain gives what is known of one variant's stock: by its id or, where
	// only one has it, its SKU.
	Explain(ctx context.Context, slug, variant string) (Account, error)
}

// Discrepancy is a number of a shop's stock that is not what it must be.
type Discrepancy struct {
	Shop       string `json:"shop"`
	ShopID     string `json:"shop_id"`
	Product    string `json:"product_id,omitempty"` // absent when the level is lost
	Variant    string `json:"variant_id,omitempty"` // absent when it concerns the product
	SKU        string `json:"sku,omitempty"`
	Title      string `json:"title,omitempty"`
	Aspect     string `json:"aspect"`     // units, sold, held, below-zero, lost, choices, sellable or lists
	Expected   int64  `json:"expected"`   // by the ledger, by what orders hold, by the variants
	Found      int64  `json:"found"`      // what stands
	Difference int64  `json:"difference"` // found less expected
	Reason     string `json:"reason"`
}

// Item names what the discrepancy is about, as well as is known.
func (d Discrepancy) Item() string {
	switch {
	case d.SKU != "" && d.Title != "":
		return d.SKU + " " + d.Title
	case d.SKU != "" || d.Title != "":
		return d.SKU + d.Title
	case d.Variant != "":
		return "variant " + d.Variant
	}
	return "product " + d.Product
}

// Checked is what a check has gone through.
type Checked struct {
	Shops      int64   `json:"shops"`
	SKUs       int64   `json:"skus"`
	WrongShops int64   `json:"wrong_shops"`
	Wrong      int64   `json:"wrong"` // SKUs, products and lists that do not add up
	Seconds    float64 `json:"seconds"`
}

// CheckStep is a discrepancy, or how far a check is.
type CheckStep struct {
	Found *Discrepancy `json:"found,omitempty"`
	Checked
	Of int64 `json:"of"` // shops there are
}

// Account is a variant's stock and everything it follows from.
type Account struct {
	Shop    string        `json:"shop"`
	ShopID  string        `json:"shop_id"`
	Product string        `json:"product_id,omitempty"`
	Variant string        `json:"variant_id"`
	SKU     string        `json:"sku,omitempty"`
	Title   string        `json:"title,omitempty"`
	Level   *Level        `json:"level,omitempty"` // absent when there is none
	Sums    []KindSum     `json:"sums"`            // of the whole ledger
	Holds   []Hold        `json:"holds"`
	Entries []Entry       `json:"entries"` // newest first
	Older   int64         `json:"older"`   // entries that are not shown
	Wrong   []Discrepancy `json:"wrong"`
}

// Level is what stands.
type Level struct {
	Tracked   bool  `json:"tracked"`
	Continue  bool  `json:"continue_selling"`
	Available int64 `json:"available"`
	Held      int64 `json:"held"`
	Sold      int64 `json:"sold"`
}

// KindSum is what a ledger's entries of one kind come to.
type KindSum struct {
	Kind    string `json:"kind"`
	Entries int64  `json:"entries"`
	Units   int64  `json:"units"`
}

// Hold is what an order holds.
type Hold struct {
	Order    string     `json:"order_id"`
	Quantity int64      `json:"quantity"`
	Counted  bool       `json:"counted"`              // false: nothing was taken, since it was not tracked
	Expires  *time.Time `json:"expires_at,omitempty"` // absent: run out and given back
}

// Entry is a line of a ledger.
type Entry struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Quantity  int64     `json:"quantity"`
	Available int64     `json:"available"` // after it
	Order     string    `json:"order_id,omitempty"`
	Note      string    `json:"note,omitempty"`
}

// checkLine is one line of the answer to a check: a step or, at the end, the
// whole or why there is none.
type checkLine struct {
	Step    *CheckStep `json:"step,omitempty"`
	Whole   *Checked   `json:"whole,omitempty"`
	Failure string     `json:"failure,omitempty"`
}

// serveCheck answers with a line for each step, as long as it takes.
func serveCheck(o Checker, w http.ResponseWriter, r *http.Request) (any, error) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	enc, begun := json.NewEncoder(w), false
	whole, err := o.Check(r.Context(), r.URL.Query().Get("shop"), func(s CheckStep) {
		begun = true
		_ = enc.Encode(checkLine{Step: &s})
		_ = c.Flush()
	})
	switch {
	case err != nil && begun:
		return checkLine{Failure: err.Error()}, nil
	case err != nil:
		return nil, err
	}
	return checkLine{Whole: &whole}, nil
}

// Check implements Operator.
func (c *OperatorClient) Check(ctx context.Context, slug string, tell func(CheckStep)) (all Checked, err error) {
	res, err := c.do(ctx, "POST", "/ops/v1/check?"+url.Values{"shop": {slug}}.Encode(), nil)
	if err != nil {
		return all, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var next checkLine
		if err := dec.Decode(&next); err != nil {
			return all, fmt.Errorf("the server stopped answering before everything was checked: %w", err)
		}
		switch {
		case next.Step != nil:
			tell(*next.Step)
		case next.Whole != nil:
			return *next.Whole, nil
		default:
			return all, errors.New(next.Failure)
		}
	}
}

// Explain implements Operator.
func (c *OperatorClient) Explain(ctx context.Context, slug, variant string) (out Account, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/shops/"+url.PathEscape(slug)+"/stock/"+url.PathEscape(variant), &out)
}
