package stock

import (
	"context"
	"fmt"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
)

// Operations lists what merchants can do with stock.
func Operations() []op.Operation {
	return []op.Operation{&SetStock, &SetStocks, &AdjustStock, &GetStock}
}

// SetStock sets a variant's level and turns tracking on.
var SetStock = op.Write[SetIn, Level]{
	Name: "stock.set", Route: "PUT /variants/{variant}/stock", Role: op.Merchant,
	Summary: "Set how many units of a variant there are",
	Run: func(ctx context.Context, tx *db.Tx, in SetIn) (Level, error) {
		v, err := parse(in.Variant)
		if err != nil {
			return Level{}, err
		}
		return Set(ctx, tx, v, in.Body.Available)
	},
}

// SetIn is the input of SetStock.
type SetIn struct {
	Variant string `path:"variant" doc:"The variant"`
	Body    struct {
		Available int64 `json:"available" minimum:"0" maximum:"1000000000" doc:"Units that can be sold, those held for orders not among them"`
	}
}

// SetStocks sets many variants' levels, all or none.
var SetStocks = op.Write[SetManyIn, SetManyOut]{
	Name: "stock.set-many", Route: "POST /variants/stock", Role: op.Merchant,
	Summary: "Set how many units of many variants there are",
	Run:     setMany,
}

// SetManyIn is the input of SetStocks.
type SetManyIn struct {
	Body struct {
		Levels []SetOne `json:"levels" nullable:"false" minItems:"1" maxItems:"250"`
	}
}

// SetOne is one variant's new level.
type SetOne struct {
	Variant   string `json:"variant"`
	Available int64  `json:"available" minimum:"0" maximum:"1000000000"`
}

// SetManyOut is the answer of SetStocks, in the order of the input.
type SetManyOut struct {
	Items []Level `json:"items" nullable:"false"`
}

func setMany(ctx context.Context, tx *db.Tx, in SetManyIn) (SetManyOut, error) {
	at := make(map[id.Variant]int, len(in.Body.Levels))
	for i, l := range in.Body.Levels {
		v, err := parse(l.Variant)
		if err != nil {
			return SetManyOut{}, err
		}
		if _, twice := at[v]; twice {
			return SetManyOut{}, fault.Invalid(fmt.Sprintf("/levels/%d/variant", i), "This variant is in the list twice.")
		}
		at[v] = i
	}
	out := SetManyOut{Items: make([]Level, len(at))}
	for _, v := range sorted(at) {
		l, err := Set(ctx, tx, v, in.Body.Levels[at[v]].Available)
		if err != nil {
			return SetManyOut{}, err
		}
		out.Items[at[v]] = l
	}
	return out, nil
}

// AdjustStock corrects a level or takes in what arrived.
var AdjustStock = op.Write[AdjustIn, Level]{
	Name: "stock.adjust", Route: "POST /variants/{variant}/stock/adjustments", Role: op.Merchant, Created: true,
	Summary: "Correct a variant's stock, or add what arrived",
	Run: func(ctx context.Context, tx *db.Tx, in AdjustIn) (Level, error) {
		v, err := parse(in.Variant)
		if err != nil {
			return Level{}, err
		}
		if in.Body.Kind == Received {
			return Receive(ctx, tx, v, in.Body.Quantity, in.Body.Note)
		}
		return Adjust(ctx, tx, v, in.Body.Quantity, in.Body.Note)
	},
}

// AdjustIn is the input of AdjustStock.
type AdjustIn struct {
	Variant string `path:"variant" doc:"The variant"`
	Body    struct {
		Quantity int64  `json:"quantity" minimum:"-1000000000" maximum:"1000000000" doc:"Units; fewer than zero take away"`
		Kind     Kind   `json:"kind,omitempty" enum:"adjusted,received" default:"adjusted"`
		Note     string `json:"note,omitempty" maxLength:"500"`
	}
}

// GetStock reads a variant's level with its ledger.
var GetStock = op.Read[GetIn, WithHistory]{
	Name: "stock.get", Route: "GET /variants/{variant}/stock", Role: op.Merchant, Fresh: fleet.Newest,
	Summary: "A variant's stock and why it is so",
	Run:     getStock,
}

// GetIn is the input of GetStock.
type GetIn struct {
	op.Page
	Variant string `path:"variant" doc:"The variant"`
}

// WithHistory is a level and its ledger, newest first.
type WithHistory struct {
	Level
	History []Entry `json:"history" nullable:"false"`
	Next    string  `json:"next,omitempty" doc:"The cursor of older history; absent when there is none"`
}

func getStock(ctx context.Context, r db.Reader, in GetIn) (WithHistory, error) {
	var out WithHistory
	v, err := parse(in.Variant)
	if err != nil {
		return out, err
	}
	var before id.Entry
	if _, err := in.After(&before); err != nil {
		return out, err
	}
	if out.Level, err = Of(ctx, r, v); err != nil {
		return out, err
	}
	rows, err := History(ctx, r, v, before, in.Size()+1)
	if err != nil {
		return out, err
	}
	page := op.Paged(rows, in.Size(), func(last Entry) string { return op.Next(last.ID) })
	out.History, out.Next = page.Items, page.Next
	return out, nil
}

// parse reads a variant's id. One that is malformed is as unknown as another shop's.
func parse(text string) (id.Variant, error) {
	var v id.Variant
	if err := v.UnmarshalText([]byte(text)); err != nil || v.Zero() {
		return v, unknown()
	}
	return v, nil
}
