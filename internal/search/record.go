package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

const (
	keptDays    = 31
	mostQueries = 500 // different ones of a shop and day that are kept; the rest is counted together
	queryBytes  = 80

	// Of what waits in memory to be written.
	waitingShops   = 2_000
	waitingQueries = 20_000
	waitingOfShop  = 200
)

// recorder counts what is searched for until it is written.
type recorder struct {
	mu    sync.Mutex
	shops map[id.Shop]map[asking]counts
	size  int
}

type asking struct{ day, query string }

type counts struct{ times, nothing int64 }

// note counts a search. What may be a person's number or address, and what
// there is no room for, is counted without its words.
func (a *recorder) note(r db.Reader, s shop.Settings, query string, found bool, stats *Stats) {
	words := strings.Join(Words(cut(query, maxQuery)), " ")
	if words == "" {
		return
	}
	stats.Searches.Add(1)
	c := counts{times: 1}
	if !found {
		c.nothing = 1
		stats.Nothing.Add(1)
	}
	if strings.Contains(query, "@") || digits(words) >= 7 {
		words = ""
	}
	if len(words) > queryBytes {
		words = strings.ToValidUTF8(words[:queryBytes], "")
	}
	if !a.add(r.Shop(), asking{today(s, r.Now()), words}, c) {
		stats.Lost.Add(1)
	}
}

func (a *recorder) add(s id.Shop, q asking, c counts) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.shops == nil {
		a.shops = map[id.Shop]map[asking]counts{}
	}
	of := a.shops[s]
	if of == nil {
		if len(a.shops) >= waitingShops {
			return false
		}
		of = map[asking]counts{}
		a.shops[s] = of
	}
	if _, there := of[q]; !there {
		if len(of) >= waitingOfShop || a.size >= waitingQueries {
			q.query = ""
		}
		if _, there := of[q]; !there {
			a.size++
		}
	}
	was := of[q]
	of[q] = counts{was.times + c.times, was.nothing + c.nothing}
	return true
}

func (a *recorder) take() map[id.Shop]map[asking]counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.shops
	a.shops, a.size = nil, 0
	return all
}

func digits(s string) (n int) {
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// today is the date in the shop's time zone.
func today(s shop.Settings, now time.Time) string {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return now.In(zone).Format(time.DateOnly)
}

var (
	countQueries = db.Q(`SELECT COUNT(*) FROM search_query WHERE shop = $1 AND day = $2`)
	addQuery     = db.Q(`UPDATE search_query SET times = times + $4, missed = missed + $5 WHERE shop = $1 AND day = $2 AND query = $3`)
	putQuery     = db.Q(`
		INSERT INTO search_query (shop, day, query, times, missed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (shop, day, query) DO UPDATE SET times = search_query.times + excluded.times, missed = search_query.missed + excluded.missed`)
	dropQueries = db.Q(`DELETE FROM search_query WHERE shop = $1 AND day < $2`)

	readDays = db.Q(`
		SELECT day, CAST(SUM(times) AS BIGINT), CAST(SUM(missed) AS BIGINT) FROM search_query WHERE shop = $1 AND day >= $2
		GROUP BY day ORDER BY day`)
	readQueries = db.Q(`
		SELECT query, CAST(SUM(times) AS BIGINT) AS times, CAST(SUM(missed) AS BIGINT) FROM search_query WHERE shop = $1 AND day >= $2 AND query <> ''
		GROUP BY query ORDER BY 2 DESC, 1 LIMIT 50`)
	readMissed = db.Q(`
		SELECT query, CAST(SUM(times) AS BIGINT), CAST(SUM(missed) AS BIGINT) AS missed FROM search_query
		WHERE shop = $1 AND day >= $2 AND query <> '' AND missed > 0
		GROUP BY query ORDER BY 3 DESC, 1 LIMIT 50`)
)

// Flush writes what was counted, one change for each shop that was searched.
// What cannot be written now waits for the next time.
func (f *Finder) Flush(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error)) error {
	var failed error
	for s, of := range f.asked.take() {
		if err := write(ctx, rooms, s, of); err != nil && !fault.Is(err, fault.KindNotFound) {
			failed = err
			for q, c := range of {
				if !f.asked.add(s, q, c) {
					f.Stats.Lost.Add(c.times)
				}
			}
		}
	}
	return failed
}

func write(ctx context.Context, rooms func(context.Context, id.Shop) (*fleet.Room, error), s id.Shop, of map[asking]counts) error {
	room, err := rooms(ctx, s)
	if err != nil {
		return err
	}
	queries := make([]asking, 0, len(of))
	for q := range of {
		queries = append(queries, q)
	}
	slices.SortFunc(queries, func(a, b asking) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.query, b.query)) })
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		day, room := "", int64(0)
		for _, q := range queries {
			if q.day != day {
				day = q.day
				n, _, err := db.One(ctx, tx, countQueries, func(n *int64) []any { return []any{n} }, day)
				if err != nil {
					return err
				}
				room = mostQueries - n
			}
			c := of[q]
			n, err := tx.Exec(ctx, addQuery, q.day, q.query, c.times, c.nothing)
			if err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			if room--; room < 0 {
				q.query = ""
			}
			if err := tx.Later(ctx, putQuery, q.day, q.query, c.times, c.nothing); err != nil {
				return err
			}
		}
		return tx.Later(ctx, dropQueries, tx.Now().AddDate(0, 0, -keptDays-1).Format(time.DateOnly))
	})
	return err
}

// Report is what was searched for.
var Report = op.Read[ReportIn, Asked]{Name: "search.report", Route: "GET /search/report", Role: op.Merchant,
	Summary: "What shoppers searched for, and what they did not find", Run: report}

// ReportIn asks for the last so many days, today included.
type ReportIn struct {
	Days int `query:"days" minimum:"1" maximum:"31" default:"7"`
}

// Asked is what was searched for in some days.
type Asked struct {
	Searches int64        `json:"searches"`
	Nothing  int64        `json:"nothing" doc:"Searches that found nothing"`
	Days     []AskedDay   `json:"days" nullable:"false" doc:"Every day, the oldest first, in the shop's time zone"`
	Queries  []AskedQuery `json:"queries" nullable:"false" doc:"The fifty that came most often. Those with an e-mail address or a long number in them are only counted."`
	Missed   []AskedQuery `json:"missed" nullable:"false" doc:"The fifty that found nothing most often"`
}

// AskedDay is one day.
type AskedDay struct {
	Date     string `json:"date" example:"2026-11-24"`
	Searches int64  `json:"searches"`
	Nothing  int64  `json:"nothing"`
}

// AskedQuery is one query.
type AskedQuery struct {
	Query   string `json:"query" doc:"Its words, in lower case"`
	Times   int64  `json:"times"`
	Nothing int64  `json:"nothing" doc:"How many of these found nothing"`
}

func report(ctx context.Context, r db.Reader, in ReportIn) (out Asked, err error) {
	s, err := shop.Of(ctx, r)
	if err != nil {
		return out, err
	}
	n := max(1, min(in.Days, keptDays))
	at := map[string]int{}
	for i := range n {
		date := today(s, r.Now().AddDate(0, 0, i-n+1))
		at[date] = i
		out.Days = append(out.Days, AskedDay{Date: date})
	}
	from := out.Days[0].Date
	err = db.Each(ctx, r, readDays, func(d *AskedDay) []any { return []any{&d.Date, &d.Searches, &d.Nothing} }, func(d AskedDay) error {
		if i, there := at[d.Date]; there {
			out.Days[i] = d
			out.Searches, out.Nothing = out.Searches+d.Searches, out.Nothing+d.Nothing
		}
		return nil
	}, from)
	if err != nil {
		return out, err
	}
	scan := func(q *AskedQuery) []any { return []any{&q.Query, &q.Times, &q.Nothing} }
	if out.Queries, err = db.All(ctx, r, readQueries, scan, from); err != nil {
		return out, err
	}
	out.Missed, err = db.All(ctx, r, readMissed, scan, from)
	out.Queries, out.Missed = append([]AskedQuery{}, out.Queries...), append([]AskedQuery{}, out.Missed...)
	return out, err
}
