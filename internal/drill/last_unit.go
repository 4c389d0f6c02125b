package drill

import (
	"context"
	"fmt"
	"strings"
	"time"
)

var lastUnit = drill{
	id: "F-28", fault: "thousands race for the last units, by cash and by UPI, and a process dies in the middle",
	without: "the product goes on selling when there are none left",
	needs:   []need{postgres},
	run:     lastUnits,
}

const (
	units     = 200
	racers    = 2000
	raceRate  = 200 // a second
	heldUntil = time.Minute
)

// lastUnits lets two processes sell what there is to ten times as many people.
func lastUnits(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%d shoppers within %d s for %d units, two processes on PostgreSQL; kill -9 of one; every hold runs out", racers, racers/raceRate, units)
	db, flags, err := r.fleet()
	if err != nil {
		return err
	}
	a, err := r.serve(ctx, "a", flags...)
	if err != nil {
		return err
	}
	b, err := r.serve(ctx, "b", flags...)
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, a.addr, "North Goods", units)
	if err != nil {
		return err
	}
	if r.without {
		if _, err := shop.desk(a.addr, "PATCH", "/products/"+shop.product, object{"variants": []any{
			object{"id": shop.variant, "sku": "BOWL", "price": rupees(450), "available": units, "continue_selling": true}}}).do(ctx, nil); err != nil {
			return err
		}
	}
	if err := b.quiet(ctx, a.token); err != nil {
		return err
	}
	r.say("the race")
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	people := arrive(ctx, raceRate, func(ctx context.Context, n int) error {
		how := []string{"cod", "upi"}[n%2]
		return shop.anywhere(ctx, []string{a.addr, b.addr}, n, name(n), how)
	})
	least := plenty
	looked := make(chan error, 1)
	look, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for pause(look, 50*time.Millisecond) == nil {
			level, err := shop.stock(ctx, b.addr)
			if err != nil {
				looked <- err
				return
			}
			least = min(least, level.Available)
		}
		looked <- nil
	}()
	if err := pause(ctx, time.Second/2); err != nil {
		return err
	}
	fault := time.Now()
	a.kill()
	if err := pause(ctx, time.Duration(racers/raceRate)*time.Second-time.Since(fault)); err != nil {
		return err
	}
	people.close()
	r.say("waiting until the dead process is named")
	if err := r.named(ctx, b, a.token, "process-lost", "It was seen", fault); err != nil {
		return err
	}
	fates := people.end()
	if stop(); <-looked != nil {
		return fmt.Errorf("the stock could not be looked at")
	}
	var sold, none int
	var others []fate
	for _, f := range fates {
		switch {
		case f.err == nil:
			sold++
		case strings.Contains(f.err.Error(), "out-of-stock"):
			none++
		default:
			others = append(others, f)
		}
	}
	orders, err := shop.orders(ctx, b.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(fates, name, orders)
	level, err := shop.stock(ctx, b.addr)
	if err != nil {
		return err
	}
	r.saw(sold <= units && level.Sold+level.Held <= units, "%d of %d units sold or held, to %d who were told so, of %d who came", level.Sold+level.Held, units, acknowledged, len(fates))
	r.saw(sold == units, "%d sold out", none)
	r.saw(least >= 0 && level.Available >= 0, "never fewer than %d left", least)
	r.saw(lost == 0 && doubled == 0, "%d orders lost, %d doubled", lost, doubled)
	for _, why := range reasons(others) {
		r.say("%s", why)
	}
	r.saw(len(others) == 0, "%d shoppers were answered otherwise", len(others))

	r.say("every hold runs out")
	if _, err := db.sql("UPDATE stock_hold SET expires_at = %d WHERE expires_at IS NOT NULL", time.Now().Add(-time.Second).UnixMicro()); err != nil {
		return err
	}
	held, ran := level.Held, time.Now()
	for level.Held > 0 && time.Since(ran) < heldUntil {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if level, err = shop.stock(ctx, b.addr); err != nil {
			return err
		}
	}
	r.saw(level.Held == 0 && level.Available+level.Sold == units, "%d held units came back within %v", held-level.Held, round(time.Since(ran)))
	if level.Available > 0 {
		r.saw(shop.place(ctx, b.addr, "Late Shopper", "cod") == nil, "one of them was sold again")
	}
	return nil
}
