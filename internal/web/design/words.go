package design

import (
	"fmt"
	"time"
)

// Exact writes a time in full in a zone: "Mon 24 Nov 2026, 4:05 pm".
func Exact(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Mon 2 Jan 2006, 3:04 pm")
}

// Relative writes a time the way a person would say it beside now: "just
// now", "5 min ago", "yesterday, 4:05 pm", "12 Mar". Times ahead of now are
// written as "in 5 min".
func Relative(t, now time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	t, now = t.In(zone), now.In(zone)
	d := now.Sub(t)
	switch {
	case d < 0 && d > -time.Minute, d >= 0 && d < 45*time.Second:
		return "just now"
	case d < 0 && d > -time.Hour:
		return fmt.Sprintf("in %d min", int(-d.Round(time.Minute)/time.Minute))
	case d >= 0 && d < time.Hour:
		return fmt.Sprintf("%d min ago", max(1, int(d/time.Minute)))
	}
	day := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	switch days := int(day(now).Sub(day(t)).Hours() / 24); {
	case days == 0:
		return "today, " + t.Format("3:04 pm")
	case days == 1:
		return "yesterday, " + t.Format("3:04 pm")
	case days == -1:
		return "tomorrow, " + t.Format("3:04 pm")
	case days > 1 && days < 7:
		return t.Format("Mon, 3:04 pm")
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// Window gives the page numbers to show, with 0 where some are left out: the
// first, the last and those beside the current one.
func (p Pages) Window() []int {
	var out []int
	last := 0
	for n := 1; n <= p.Last; n++ {
		if n != 1 && n != p.Last && (n < p.Page-1 || n > p.Page+1) {
			continue
		}
		switch {
		case n == last+2:
			out = append(out, n-1)
		case n > last+2:
			out = append(out, 0)
		}
		out = append(out, n)
		last = n
	}
	return out
}
