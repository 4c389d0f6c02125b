package app

import (
	"context"
	"fmt"
	"time"

	"haat/internal/guard"
	"haat/internal/id"
	"haat/internal/meter"
)

const (
	hottestSeen = 10 // shops of a shard that are looked at
	manyWaited  = 20 // transactions of a shop, in the last seconds, that it is said of
	manyWriting = 128
)

// watchBudgets says which shops take more than their share of a shard.
func (a *App) watchBudgets(ctx context.Context) error {
	var all []meter.Sighting
	for shard, l := range a.fleet.Budgets(hottestSeen) {
		for _, u := range l.Hottest {
			if !overShare(u, l) {
				continue
			}
			s := meter.Sighting{Subject: shard + "/" + u.Shop.String()}
			if room, err := a.fleet.ByID(ctx, u.Shop); err == nil {
				s.Subject, s.Shop = shard+"/"+room.Slug(), room.Slug()
			}
			s.Detail = fmt.Sprintf("It took %d %% of shard %s in the last seconds: of %d transactions %d waited and %d were refused; %s.",
				percent(u.Took, l.Took), shard, u.Asked, u.Waited, u.Refused, others(l.Shops-1))
			all = append(all, s)
		}
	}
	a.incidents.See(overBudget, all)
	return nil
}

// overShare reports whether a shop is why its shard is short: it took most of
// it and more than twice what each would have of an even split. Of two shops
// that are there one takes most, and that is no news. Where writes have a queue
// of their own, those that are under way tell of it.
func overShare(u guard.Use, l guard.Load) bool {
	waits := u.Waited >= manyWaited || u.In >= manyWriting
	return u.Refused > 0 || waits && 2*u.Took > l.Took && time.Duration(l.Shops)*u.Took > 2*l.Took
}

func percent(part, of time.Duration) int64 { return int64(100 * part / max(of, 1)) }

func others(n int) string {
	switch n {
	case 0:
		return "no other shop was there"
	case 1:
		return "one other shop was there"
	}
	return fmt.Sprintf("%d other shops were there", n)
}

// budgetGauges report on how each shard's connections are shared out. Shops
// are a label here: of a shard never more than fifty, and only those that were
// refused.
func (a *App) budgetGauges() {
	each := func(read func(guard.Load) float64) func(func(float64, ...string)) {
		return func(put func(float64, ...string)) {
			for shard, l := range a.fleet.Budgets(0) {
				put(read(l), shard)
			}
		}
	}
	label := []string{"shard"}
	a.meter.Gauges("haat_shard_places", "Transactions that a shard runs at a time; on SQLite those that read.", label, each(func(l guard.Load) float64 { return float64(l.Places) }))
	a.meter.Gauges("haat_shard_places_taken", "Of these, those that are taken.", label, each(func(l guard.Load) float64 { return float64(l.In) }))
	a.meter.Gauges("haat_shard_waiting", "Transactions that wait for a place.", label, each(func(l guard.Load) float64 { return float64(l.Waiting) }))
	a.meter.Counters("haat_shard_refused_total", "Transactions refused, since too many of their shop waited.", []string{"shard", "class"}, func(put func(float64, ...string)) {
		for shard, l := range a.fleet.Budgets(0) {
			for class, n := range l.Refused {
				put(float64(n), shard, class.String())
			}
		}
	})
	a.meter.Counters("haat_shop_refused_total", "The same by shop, for the first fifty of a shard; those beyond are others.", []string{"shard", "shop"}, func(put func(float64, ...string)) {
		for shard, l := range a.fleet.Budgets(0) {
			for shop, n := range l.Cut {
				put(float64(n), shard, a.slugOf(shop))
			}
		}
	})
}

// slugOf names a shop, from memory mostly.
func (a *App) slugOf(shop id.Shop) string {
	if shop == 0 {
		return "others"
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	room, err := a.fleet.ByID(ctx, shop)
	if err != nil {
		return shop.String()
	}
	return room.Slug()
}
