// Package quote says what a cart costs. It is arithmetic only: the same input
// gives the same totals anywhere, in whole minor units, and a sum that does
// not fit is an error, never a wrong number.
//
// Prices include tax. What a line costs is its price times its quantity;
// delivery is added once, if anything has to be delivered.
package quote

import (
	"fmt"
	"math"

	"haat/internal/fault"
	"haat/internal/money"
)

// Line is so many of one thing, at a price each.
type Line struct {
	Price            int64 // minor units, 0 or more
	Quantity         int64 // 1 or more
	RequiresShipping bool
}

// Input is what totals are made of.
type Input struct {
	Currency string // ISO 4217, of every amount
	Lines    []Line
	Delivery int64 // what delivery costs, if anything is delivered
}

// Totals are what a cart costs, in minor units.
type Totals struct {
	Currency string
	Lines    []int64 // of each line, in the order of the input
	Items    int64   // how many things
	Ships    bool    // whether anything has to be delivered
	Subtotal int64   // of the lines
	Delivery int64
	Total    int64
}

// Money gives an amount of these totals with its currency.
func (t Totals) Money(amount int64) money.Money {
	return money.Money{Amount: amount, Currency: t.Currency}
}

// Max is the largest total: JSON readers keep whole numbers up to 2^53.
const Max = 1 << 53

// Total adds up a cart. An amount below zero, a quantity below one, or a
// total above Max is fault.Invalid at /lines or /lines/<n>.
func Total(in Input) (Totals, error) {
	t := Totals{Currency: in.Currency, Lines: make([]int64, len(in.Lines))}
	for i, l := range in.Lines {
		if l.Price < 0 {
			return Totals{}, fault.Invalid(fmt.Sprintf("/lines/%d", i), "A price cannot be below zero.")
		}
		if l.Quantity < 1 {
			return Totals{}, fault.Invalid(fmt.Sprintf("/lines/%d/quantity", i), "Order at least one.")
		}
		if l.Price > 0 && l.Quantity > math.MaxInt64/l.Price || l.Price*l.Quantity > Max-t.Subtotal || l.Quantity > Max-t.Items {
			return Totals{}, tooMuch()
		}
		t.Lines[i] = l.Price * l.Quantity
		t.Subtotal += t.Lines[i]
		t.Items += l.Quantity
		t.Ships = t.Ships || l.RequiresShipping
	}
	if t.Ships {
		if in.Delivery < 0 {
			return Totals{}, fmt.Errorf("delivery costs %d", in.Delivery)
		}
		if in.Delivery > Max-t.Subtotal {
			return Totals{}, tooMuch()
		}
		t.Delivery = in.Delivery
	}
	t.Total = t.Subtotal + t.Delivery
	return t, nil
}

func tooMuch() error {
	return fault.Invalid("/lines", "This order is too large. Order fewer at a time.")
}
