package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"haat/internal/catalog"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

// figures is what the top of Today shows, and is told anew while it is open.
type figures struct {
	Numbers TodayNumbers
	Hours   DayChart
	waiting []order.Summary // those to accept, newest first; 50 at most
}

func (d *desk) figures(f Frame, s shop.Settings) (figures, error) {
	t, err := insight.Today.Do(d.ctx(), d.room, d.by, insight.TodayIn{})
	if err != nil {
		return figures{}, err
	}
	counts, err := order.CountOrders.Do(d.ctx(), d.room, d.by, op.Empty{})
	if err != nil {
		return figures{}, err
	}
	waiting, err := order.ListOrders.Do(d.ctx(), d.room, d.by, order.ListIn{State: "placed"})
	if err != nil {
		return figures{}, err
	}
	now := t.AsOf.In(f.zone())
	n := TodayNumbers{
		Sales: t.Sales.Format(s.Locale, true), Orders: strconv.FormatInt(t.Orders, 10), Waiting: int(counts.Placed),
		Visits: strconv.FormatInt(t.Visits, 10), Conversion: conversion(t.Orders, t.Visits),
		WaitingURL: d.base + "/orders?state=placed", UpdatedAt: now,
	}
	if t.Orders > 0 {
		n.Average = money.Money{Amount: t.Sales.Amount / t.Orders, Currency: s.Currency}.Format(s.Locale, true)
	}
	n.SalesMore, n.SalesTrend = against(t.Sales.Amount, t.LastWeek.Amount, now.Weekday().String())
	if list := waiting.Items; len(list) > 0 && waiting.Next == "" {
		n.OldestWait = "oldest " + ago(now.Sub(list[len(list)-1].PlacedAt))
	}
	c := DayChart{Format: amounts(s), Summary: fmt.Sprintf("%s today, %s yesterday by this time.", n.Sales, t.Yesterday.Format(s.Locale, true))}
	for h := range 24 {
		c.Labels = append(c.Labels, time.Date(2000, 1, 1, h, 0, 0, 0, time.UTC).Format("3 pm"))
		c.Yesterday = append(c.Yesterday, major(s, t.Before[h]))
		c.VisitsYesterday = append(c.VisitsYesterday, float64(t.VisitedBy[h]))
		if h <= now.Hour() {
			c.Today = append(c.Today, major(s, t.Hours[h]))
			c.Visits = append(c.Visits, float64(t.Visited[h]))
		}
	}
	c.VisitsSummary = plural(t.Visits, "visit") + " today."
	return figures{n, c, waiting.Items}, nil
}

// against compares today's sales with those of the same weekday a week ago.
func against(today, before int64, weekday string) (words, trend string) {
	switch {
	case before == 0 && today > 0:
		return "nothing yet by this time last " + weekday, ""
	case before == 0:
		return "", ""
	case today > before:
		return fmt.Sprintf("%d %% above last %s by now", (today-before)*100/before, weekday), "up"
	case today < before:
		return fmt.Sprintf("%d %% below last %s by now", (before-today)*100/before, weekday), "down"
	}
	return fmt.Sprintf("as last %s by now", weekday), ""
}

// ago says how long something has waited, as roughly as people do.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func major(s shop.Settings, minor int64) float64 {
	v := float64(minor)
	for range money.Digits(s.Currency) {
		v /= 10
	}
	return v
}

// amounts writes the numbers of a chart as money.
func amounts(s shop.Settings) func(float64) string {
	return func(v float64) string {
		for range money.Digits(s.Currency) {
			v *= 10
		}
		return money.Money{Amount: int64(v + 0.5), Currency: s.Currency}.Format(s.Locale, true)
	}
}

func (d *desk) today() error {
	f, s, err := d.frame("Today", SectionToday)
	if err != nil {
		return err
	}
	now, err := d.figures(f, s)
	if err != nil {
		return err
	}
	p := Today{Frame: f, Numbers: now.Numbers, Hours: now.Hours, LiveURL: d.base + "/live", Link: d.link(s)}
	oldest := now.waiting[max(0, len(now.waiting)-5):]
	slices.Reverse(oldest)
	p.Waiting = d.rows(s, oldest)
	if p.Days, err = d.days(s); err != nil {
		return err
	}
	if p.Sold, err = d.sold(s, p.Days.Range); err != nil {
		return err
	}
	recent, err := order.RecentOrders.Do(d.ctx(), d.room, d.by, order.RecentIn{Limit: 8})
	if err != nil {
		return err
	}
	p.Recent = d.rows(s, recent.Items)
	if len(p.Recent) == 0 {
		if p.Steps, err = d.steps(s); err != nil {
			return err
		}
	}
	// The session lasts as long as it is used, and so does its cookie.
	d.Cookies.Set(d.w, d.r, sessionCookie, d.Cookies.Get(d.r, sessionCookie), sessionAge)
	return d.show(http.StatusOK, p.Page())
}

// days is the chart of the last 7 or 30 days.
func (d *desk) days(s shop.Settings) (DaysChart, error) {
	c := DaysChart{Range: 7, Format: amounts(s)}
	if d.form("days") == "30" {
		c.Range = 30
	}
	days, err := insight.Days.Do(d.ctx(), d.room, d.by, insight.DaysIn{Days: c.Range})
	if err != nil {
		return c, err
	}
	var total, orders, seen int64
	for _, day := range days.Items {
		at, err := time.Parse(time.DateOnly, day.Date)
		if err != nil {
			return c, err
		}
		c.Labels = append(c.Labels, at.Format("2 Jan"))
		c.Values = append(c.Values, major(s, day.Sales.Amount))
		c.Visits = append(c.Visits, float64(day.Visits))
		total, orders, seen = total+day.Sales.Amount, orders+day.Orders, seen+day.Visits
	}
	c.VisitsSum, c.Conversion = plural(seen, "visit"), conversion(orders, seen)
	c.Total = money.Money{Amount: total, Currency: s.Currency}.Format(s.Locale, true)
	c.More = money.Money{Amount: total / int64(c.Range), Currency: s.Currency}.Format(s.Locale, true) + " a day"
	c.Summary = fmt.Sprintf("%s in the last %d days.", c.Total, c.Range)
	return c, nil
}

// mostSold is how many products the list of those that sold best has.
const mostSold = 5

// sold is what sold best in so many days.
func (d *desk) sold(s shop.Settings, days int) (out []SoldRow, err error) {
	list, err := insight.Products.Do(d.ctx(), d.room, d.by, insight.DaysIn{Days: days})
	if err != nil {
		return nil, err
	}
	best := list.Items[:min(mostSold, len(list.Items))]
	var which []id.Product
	for _, p := range best {
		which = append(which, p.Product)
	}
	there, err := catalog.StillThere(d.ctx(), d.room, which)
	for _, p := range best {
		row := SoldRow{Title: p.Title, Units: plural(p.Units, "unit"), Sales: p.Sales.Format(s.Locale, true)}
		if there[p.Product] {
			row.URL = d.base + "/products/" + p.Product.String()
		}
		out = append(out, row)
	}
	return out, err
}

// steps are what a shop without orders still has to do.
func (d *desk) steps(s shop.Settings) ([]Step, error) {
	n, err := catalog.CountProducts(d.ctx(), d.room)
	if err != nil {
		return nil, err
	}
	steps := []Step{{
		Title: "Add your first product", Text: "A photo and a price are enough.", URL: d.base + "/quick", Action: "Add a product", Icon: "plus", Done: n > 0,
	}}
	if s.Currency == "INR" { // UPI moves rupees only
		steps = append(steps, Step{
			Title: "Take UPI payments", Text: "Cash on delivery is on already. Give your UPI address to be paid at once.", URL: d.base + "/settings/payments", Action: "Set up UPI", Icon: "cash", Done: s.UPI.VPA != "",
		})
	}
	return append(steps, Step{Title: "Share your shop", Text: "Send the link to ten people you know.", URL: d.base + "/share", Action: "Share", Icon: "share"}), nil
}
