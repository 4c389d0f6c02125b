package dashboard

import (
	"strconv"
	"time"

	"haat/internal/search"
	"haat/internal/web/design"
)

// SearchReport is GET and POST <base>/search: what shoppers searched for, and
// the shop's own synonyms.
type SearchReport struct {
	Frame
	Days     int // of the report, today included
	Asked    search.Asked
	Synonyms string // a group to a line, as stored or as typed
	Problems Problems
}

func (v SearchReport) tabs() []Tab {
	at := func(n int) string { return v.Base + "/search?days=" + strconv.Itoa(n) }
	return []Tab{{Label: "7 days", URL: at(7), On: v.Days == 7}, {Label: "30 days", URL: at(30), On: v.Days == 30}}
}

// rate is a share of searches in percent.
func rate(some, all int64) string {
	switch {
	case all == 0:
		return "–"
	case some > 0 && some*100 < all:
		return "under 1 %"
	}
	return strconv.FormatInt((some*100+all/2)/all, 10) + " %"
}

// searches is a number of them in words.
func searches(n int64) string {
	if n == 1 {
		return "1 search"
	}
	return strconv.FormatInt(n, 10) + " searches"
}

// chart draws the days: those that found nothing before all.
func (v SearchReport) chart() design.Bars {
	a := v.Asked
	c := design.Bars{
		Title: "Searches by day", Desc: searches(a.Searches) + ", " + rate(a.Nothing, a.Searches) + " of them found nothing", Table: "Show as a table", Short: true,
		Now: design.Series{Name: "Found nothing"}, Before: design.Series{Name: "All searches"}, Format: func(n float64) string { return searches(int64(n)) },
	}
	for _, d := range a.Days {
		label := d.Date
		if at, err := time.Parse(time.DateOnly, d.Date); err == nil {
			label = at.Format("2 Jan")
		}
		c.Labels = append(c.Labels, label)
		c.Now.Values, c.Before.Values = append(c.Now.Values, float64(d.Nothing)), append(c.Before.Values, float64(d.Searches))
	}
	return c
}
