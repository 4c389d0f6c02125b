package design

import (
	"math"
	"strconv"
	"strings"
)

// Series is one row of numbers of a chart.
type Series struct {
	Name   string
	Values []float64 // NaN where there is nothing to draw
}

// Bars is a bar chart with, behind it, the numbers to compare with: sales by
// hour with yesterday's. It brings its numbers as a table too.
type Bars struct {
	Title  string // read out first: "Sales by hour"
	Desc   string // the finding in words: "₹12,480 so far, 18 % above yesterday"
	Labels []string
	Now    Series
	Before Series               // may be empty
	Format func(float64) string // a number with its unit
	Every  int                  // write every n-th label under the chart; 0 chooses
	Table  string               // words of the link that opens the table: "Show as a table"
	ID     string               // for live updates: the figure's id
	Short  bool                 // less tall
}

// Lines is a line chart; its first series is filled below.
type Lines struct {
	Title, Desc string
	Labels      []string
	Series      []Series // up to three
	Format      func(float64) string
	Table       string
	ID          string
	Short       bool
	Top         float64 // upper end of the scale; 0 chooses
}

// Part is a piece of a stacked bar or a cell of a strip. State is for strips:
// "good", "warn", "bad" or "idle".
type Part struct {
	Label string
	Value float64
	State string
}

// Stack is one bar in parts, up to four, with a legend that carries the
// numbers.
type Stack struct {
	Title  string
	Parts  []Part
	Format func(float64) string
}

// Strip is a row of equal cells in a state each: partitions, shards, hours.
type Strip struct {
	Title, Desc string
	Cells       []Part
}

// Spark is a small line without axes, for a row of a table. Desc is read out
// in its place.
type Spark struct {
	Desc   string
	Values []float64
}

const (
	plotWidth  = 1000.0
	plotHeight = 100.0
)

// scale gives a round number at or above every value. Of whole numbers, which
// may be counts, it is even, so that its half is one too.
func scale(rows ...[]float64) float64 {
	top, whole := 0.0, true
	for _, r := range rows {
		for _, v := range r {
			if !math.IsNaN(v) {
				top = max(top, v)
				whole = whole && v == math.Trunc(v)
			}
		}
	}
	if !whole {
		return round(top)
	}
	return 2 * math.Ceil(round(top)/2)
}

// round gives the first round number at or above v, and 1 for none.
func round(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 3, 4, 5, 6, 8} {
		if v <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}

func at(values []float64, i int) float64 {
	if i >= len(values) || math.IsNaN(values[i]) {
		return 0
	}
	return values[i]
}

func num(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// slot is one bar with its neighbour behind, in drawing units.
type slot struct {
	X, Y, W, H             string
	BehindX, BehindY       string
	BehindW, BehindH, Hint string
	HasBefore              bool
}

func (b Bars) slots() []slot {
	top := scale(b.Now.Values, b.Before.Values)
	n := float64(max(1, len(b.Labels)))
	step := plotWidth / n
	out := make([]slot, len(b.Labels))
	for i := range b.Labels {
		now, before := at(b.Now.Values, i)/top*plotHeight, at(b.Before.Values, i)/top*plotHeight
		left := float64(i) * step
		hint := b.Labels[i] + ": " + b.Format(at(b.Now.Values, i))
		if len(b.Before.Values) > 0 {
			hint += " (" + b.Before.Name + " " + b.Format(at(b.Before.Values, i)) + ")"
		}
		out[i] = slot{
			X: num(left + step*0.28), Y: num(plotHeight - now), W: num(step * 0.44), H: num(now),
			BehindX: num(left + step*0.1), BehindY: num(plotHeight - before), BehindW: num(step * 0.8), BehindH: num(before),
			HasBefore: before > 0, Hint: hint,
		}
	}
	return out
}

// ticks are the labels under the chart, evenly apart.
func ticks(labels []string, every int) []string {
	if every == 0 {
		every = max(1, (len(labels)+5)/6)
	}
	var out []string
	for i := 0; i < len(labels); i += every {
		out = append(out, labels[i])
	}
	return out
}

func (l Lines) top() float64 {
	if l.Top > 0 {
		return l.Top
	}
	rows := make([][]float64, len(l.Series))
	for i, s := range l.Series {
		rows[i] = s.Values
	}
	return scale(rows...)
}

// pathOf draws a series; gaps in the numbers are gaps in the line. Filled, it
// closes each piece along the bottom.
func pathOf(values []float64, top float64, filled bool) string {
	var b strings.Builder
	step := plotWidth / float64(max(1, len(values)-1))
	open, start := false, 0.0
	end := func(x float64) {
		if open && filled {
			b.WriteString("L" + num(x) + " 100L" + num(start) + " 100Z")
		}
		open = false
	}
	for i, v := range values {
		x := float64(i) * step
		if math.IsNaN(v) {
			end(x - step)
			continue
		}
		cmd := "L"
		if !open {
			cmd, open, start = "M", true, x
		}
		b.WriteString(cmd + num(x) + " " + num(plotHeight-min(v, top)/top*plotHeight))
	}
	end(plotWidth)
	return b.String()
}

// widths gives each part's left edge and width of a thousand.
func (s Stack) widths() [][2]string {
	total := 0.0
	for _, p := range s.Parts {
		total += p.Value
	}
	out, left := make([][2]string, len(s.Parts)), 0.0
	for i, p := range s.Parts {
		w := 0.0
		if total > 0 {
			w = p.Value / total * plotWidth
		}
		out[i] = [2]string{num(left), num(w)}
		left += w
	}
	return out
}

func key(i int) string { return "key-" + strconv.Itoa(min(i, 3)+1) }
