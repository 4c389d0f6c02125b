// Package insight tells a merchant how the shop is doing.
//
// It listens to orders and keeps sums by the quarter of an hour in which they
// were placed; a cancelled order is taken out where it was put in. The sums
// are exact: recomputed from the orders they agree to the last paisa, since
// each event changes them once, in the transaction that notes it. Visits, which
// browsers tell of, are counted in memory and written within a second ([Visits]).
// Days and hours are those of the shop's own time zone.
package insight

import (
	"context"
	"embed"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the table of sums.
var Schema = db.Schema("insight", schemaFiles)

const slot = 15 * time.Minute

var (
	addSlot = db.Q(`
		INSERT INTO insight_slot (shop, slot, orders, units, sales) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (shop, slot) DO UPDATE SET orders = insight_slot.orders + excluded.orders, units = insight_slot.units + excluded.units,
			sales = insight_slot.sales + excluded.sales`)
	addLine = db.Q(`
		INSERT INTO insight_line (shop, order_, product, slot, title, units, sales) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (shop, order_, product) DO UPDATE SET units = insight_line.units + excluded.units, sales = insight_line.sales + excluded.sales`)
	dropLines = db.Q(`DELETE FROM insight_line WHERE shop = $1 AND order_ = $2`)
	readSlots = db.Q(`SELECT slot, orders, units, sales, visits FROM insight_slot WHERE shop = $1 AND slot >= $2 AND slot < $3 ORDER BY slot`)
	topLines  = db.Q(`
		SELECT product, MAX(title), SUM(units), SUM(sales) FROM insight_line WHERE shop = $1 AND slot >= $2
		GROUP BY product ORDER BY 4 DESC, product LIMIT $3`).
		Postgres(`
		SELECT product, MAX(title), CAST(SUM(units) AS BIGINT), CAST(SUM(sales) AS BIGINT) FROM insight_line WHERE shop = $1 AND slot >= $2
		GROUP BY product ORDER BY 4 DESC, product LIMIT $3`, "a sum of BIGINT is NUMERIC there")
)

// Subscribe keeps the sums.
func Subscribe(b *event.Bus) {
	event.On(b, "insight", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderPlaced) error {
		at := e.At.Truncate(slot)
		if err := tx.Sum(ctx, addSlot, 3, at, 1, e.Items, e.Total); err != nil {
			return err
		}
		for _, l := range e.Lines {
			if err := tx.Later(ctx, addLine, e.Order, l.Product, at, l.Title, l.Quantity, l.Total); err != nil {
				return err
			}
		}
		return nil
	})
	event.On(b, "insight", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderCancelled) error {
		if err := tx.Sum(ctx, addSlot, 3, e.PlacedAt.Truncate(slot), -1, -e.Items, -e.Total); err != nil {
			return err
		}
		return tx.Later(ctx, dropLines, e.Order)
	})
}

// Operations lists the room's operations.
func Operations() []op.Operation { return []op.Operation{&Today, &Days, &Products} }

var (
	// Today is today's sales beside yesterday's and last week's.
	Today = op.Read[TodayIn, Day]{Name: "insight.today", Route: "GET /insight/today", Role: op.Merchant,
		Summary: "Today's sales, by the hour, with what they are compared to", Run: today}
	// Days is sales by day.
	Days = op.Read[DaysIn, op.List[DaySum]]{Name: "insight.days", Route: "GET /insight/days", Role: op.Merchant,
		Summary: "Sales by day, the oldest first", Run: days}
	// Products is what sold best.
	Products = op.Read[DaysIn, op.List[ProductSum]]{Name: "insight.products", Route: "GET /insight/products", Role: op.Merchant,
		Summary: "What sold best", Run: products}
)

// TodayIn asks for today.
type TodayIn struct{}

// DaysIn asks for the last so many days, today included.
type DaysIn struct {
	Days int `query:"days" minimum:"1" maximum:"366" default:"30"`
}

// Day is a day so far.
type Day struct {
	Date      string      `json:"date" doc:"In the shop's time zone" example:"2026-11-24"`
	AsOf      time.Time   `json:"as_of" doc:"The moment that these are the figures of"`
	Orders    int64       `json:"orders"`
	Units     int64       `json:"units"`
	Sales     money.Money `json:"sales"`
	Visits    int64       `json:"visits" doc:"A visit is somebody who looks at pages, with pauses of less than half an hour"`
	LastWeek  money.Money `json:"last_week" doc:"Sales of the same weekday a week ago, until the same time"`
	Yesterday money.Money `json:"yesterday" doc:"Sales of yesterday, until the same time"`
	Hours     []int64     `json:"hours" nullable:"false" doc:"Sales of each hour of today, in minor units"`
	Before    []int64     `json:"hours_yesterday" nullable:"false" doc:"Sales of each hour of yesterday, in minor units"`
	Ordered   []int64     `json:"hours_orders" nullable:"false" doc:"Orders of each hour of today"`
	Visited   []int64     `json:"hours_visits" nullable:"false" doc:"Visits of each hour of today"`
	VisitedBy []int64     `json:"hours_visits_yesterday" nullable:"false" doc:"Visits of each hour of yesterday"`
}

// DaySum is one day.
type DaySum struct {
	Date   string      `json:"date"`
	Orders int64       `json:"orders"`
	Units  int64       `json:"units"`
	Sales  money.Money `json:"sales"`
	Visits int64       `json:"visits"`
}

// ProductSum is what one product sold.
type ProductSum struct {
	Product id.Product  `json:"product_id"`
	Title   string      `json:"title"`
	Units   int64       `json:"units"`
	Sales   money.Money `json:"sales"`
}

type sum struct {
	at                           time.Time
	orders, units, sales, visits int64
}

func sums(ctx context.Context, r db.Reader, from, to time.Time) ([]sum, error) {
	return db.All(ctx, r, readSlots, func(s *sum) []any { return []any{&s.at, &s.orders, &s.units, &s.sales, &s.visits} }, from, to)
}

// midnight is when the day of now, n days ago, began in the shop's zone: the
// first moment of that date, also where clocks are changed at midnight, so that
// there is no 00:00 or there are two.
func midnight(now time.Time, n int) time.Time {
	noon := time.Date(now.Year(), now.Month(), now.Day()-n, 12, 0, 0, 0, now.Location())
	y, m, d := noon.Date()
	begin := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	if begin.Day() != d { // the clocks went from 00:00 to 01:00
		_, begin = begin.ZoneBounds()
	}
	if first := begin.Add(-time.Hour); first.Day() == d { // they went from 01:00 back to 00:00
		begin = first
	}
	return begin
}

func settled(ctx context.Context, r db.Reader) (shop.Settings, time.Time, error) {
	s, err := shop.Of(ctx, r)
	if err != nil {
		return s, time.Time{}, err
	}
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return s, r.Now().In(zone), nil
}

func today(ctx context.Context, r db.Reader, _ TodayIn) (d Day, err error) {
	s, now, err := settled(ctx, r)
	if err != nil {
		return d, err
	}
	all, err := sums(ctx, r, midnight(now, 7), now.Add(slot))
	if err != nil {
		return d, err
	}
	return dayOf(now, s.Currency, all), nil
}

// dayOf adds up the week before now into today and what it is compared to.
// Hours are those on the clock: where it is set back, one of them is twice as
// long, and where it is set forward, one stays empty.
func dayOf(now time.Time, currency string, all []sum) Day {
	d := Day{Date: now.Format(time.DateOnly), AsOf: now, Hours: make([]int64, 24), Before: make([]int64, 24), Ordered: make([]int64, 24), Visited: make([]int64, 24), VisitedBy: make([]int64, 24)}
	begin, yesterday := midnight(now, 0), midnight(now, 1)
	dayAgo, weekAgo := now.AddDate(0, 0, -1), now.AddDate(0, 0, -7)
	for _, q := range all {
		at := q.at.In(now.Location())
		switch {
		case !at.Before(begin):
			d.Orders, d.Units, d.Sales.Amount, d.Visits = d.Orders+q.orders, d.Units+q.units, d.Sales.Amount+q.sales, d.Visits+q.visits
			d.Hours[at.Hour()] += q.sales
			d.Ordered[at.Hour()] += q.orders
			d.Visited[at.Hour()] += q.visits
		case !at.Before(yesterday):
			d.Before[at.Hour()] += q.sales
			d.VisitedBy[at.Hour()] += q.visits
			if at.Before(dayAgo) {
				d.Yesterday.Amount += q.sales
			}
		case !at.Before(midnight(now, 7)) && at.Before(weekAgo):
			d.LastWeek.Amount += q.sales
		}
	}
	d.Sales.Currency, d.LastWeek.Currency, d.Yesterday.Currency = currency, currency, currency
	return d
}

func days(ctx context.Context, r db.Reader, in DaysIn) (out op.List[DaySum], err error) {
	s, now, err := settled(ctx, r)
	if err != nil {
		return out, err
	}
	n := max(1, min(in.Days, 366))
	out.Items = make([]DaySum, n)
	at := map[string]*DaySum{}
	for i := range n {
		d := &out.Items[i]
		d.Date, d.Sales.Currency = midnight(now, n-1-i).Format(time.DateOnly), s.Currency
		at[d.Date] = d
	}
	all, err := sums(ctx, r, midnight(now, n-1), now.Add(slot))
	for _, q := range all {
		if d := at[q.at.In(now.Location()).Format(time.DateOnly)]; d != nil {
			d.Orders, d.Units, d.Sales.Amount, d.Visits = d.Orders+q.orders, d.Units+q.units, d.Sales.Amount+q.sales, d.Visits+q.visits
		}
	}
	return out, err
}

func products(ctx context.Context, r db.Reader, in DaysIn) (out op.List[ProductSum], err error) {
	s, now, err := settled(ctx, r)
	if err != nil {
		return out, err
	}
	out.Items, err = db.All(ctx, r, topLines, func(p *ProductSum) []any {
		p.Sales.Currency = s.Currency
		return []any{&p.Product, &p.Title, &p.Units, &p.Sales.Amount}
	}, midnight(now, max(1, in.Days)-1), 20)
	if out.Items == nil {
		out.Items = []ProductSum{}
	}
	return out, err
}
