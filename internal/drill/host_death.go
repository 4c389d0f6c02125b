package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

var hostDeath = drill{
	id: "F-14", fault: "the one process is killed (kill -9) under orders, again and again",
	without: "something between acknowledges orders before haat has written them",
	run:     hostDies,
}

const (
	deaths     = 5
	orderRate  = 60 // a second
	backWithin = 10 * time.Second
)

// hostDies kills the only process, and starts it again as a supervisor does.
func hostDies(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("kill -9, %d times, one process on SQLite, %d orders a second", deaths, orderRate)
	s, err := r.serve(ctx, "data")
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, s.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	if err := s.quiet(ctx, s.token); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	people := arrive(ctx, orderRate, func(ctx context.Context, n int) error {
		if r.without {
			go func() { _, _ = shop.order(s.addr, name(n), "cod").do(ctx, nil) }() // nobody hears how it went
			return nil
		}
		return shop.place(ctx, s.addr, name(n), "cod")
	})
	var away []time.Duration
	var fault time.Time
	for i := range deaths {
		r.say("death %d of %d", i+1, deaths)
		if err := pause(ctx, time.Second+rand.N(time.Second)); err != nil {
			return err
		}
		died := time.Now()
		if s.kill(); fault.IsZero() {
			fault = died
		}
		if err := s.begin(ctx); err != nil {
			r.saw(false, "it does not come back: %v", err)
			return nil
		}
		away = append(away, time.Since(died))
		if i == 0 {
			if err := r.named(ctx, s, s.token, "process-killed", "without saying so", fault); err != nil {
				return err
			}
		}
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	r.say("counting")
	fates := people.end()
	orders, err := shop.orders(ctx, s.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(fates, name, orders)
	r.saw(lost == 0, "%d of %d acknowledged orders lost", lost, acknowledged)
	r.saw(doubled == 0, "%d doubled", doubled)
	refused := failed(fates)
	r.saw(len(refused) == 0, "%d shoppers gave up", len(refused))
	for _, why := range reasons(refused) {
		r.say("%s", why)
	}
	level, err := shop.stock(ctx, s.addr)
	if err != nil {
		return err
	}
	count := 0
	for _, n := range orders {
		count += n
	}
	r.saw(level.Sold == count && level.Available == plenty-count, "%d units sold in %d orders", level.Sold, count)
	longest := slices.Max(away)
	r.saw(longest <= backWithin, "back after %v at most", round(longest))
	return nil
}
