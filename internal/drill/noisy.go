package drill

import (
	"context"
	"fmt"
	"time"

	"haat/internal/api"
)

var noisy = drill{
	id: "F-17", fault: "one shop has 20 times the orders of all others together, more than its shard can take",
	without: "no shop has a share of its shard (--no-budgets)",
	needs:   []need{postgres},
	run:     noisyNeighbour,
}

const (
	othersRate = 3               // orders a second, of all other shops together
	whaleRate  = 20 * othersRate // of the one
	slowerSold = 1.2
)

// noisyNeighbour has everybody order, then one shop's people far more, and then
// moves that shop away while it sells.
func noisyNeighbour(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%d orders a second in one shop beside %d in three others, on a shard with 8 connections that is %v away; then that shop is moved to a database of its own", whaleRate, othersRate, farAway)
	db, s, err := r.farFleet(ctx, 8)
	if err != nil {
		return err
	}
	var shops []*shop
	for range 4 {
		shop, err := r.open(ctx, s.addr, "North Goods", plenty)
		if err != nil {
			return err
		}
		shops = append(shops, shop)
	}
	whale, others := shops[0], shops[1:]
	own, err := newDatabase(db.Server)
	if err != nil {
		return err
	}
	if err := s.operator(s.token).AddShard(ctx, api.NewShard{Name: "s2", DSN: own.dsn()}); err != nil {
		return err
	}
	for _, shop := range shops { // what is made at the first order is made
		if err := shop.place(ctx, s.addr, "The first", "cod"); err != nil {
			return err
		}
	}
	if err := s.quiet(ctx, s.token); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	neighbours := arrive(ctx, othersRate, func(ctx context.Context, n int) error {
		_, err := others[n%len(others)].order(s.addr, name(n), "cod").do(ctx, nil)
		return err
	})
	if err := pause(ctx, quietFor); err != nil {
		return err
	}
	r.say("the crowd comes")
	fault := time.Now()
	crowd := arrive(ctx, whaleRate, func(ctx context.Context, n int) error {
		_, err := whale.order(s.addr, name(n), "cod").do(ctx, nil)
		return err
	})
	if err := r.named(ctx, s, s.token, "shop-over-share", whale.slug, fault); err != nil {
		return err
	}
	if err := pause(ctx, crowdedFor-time.Since(fault)); err != nil {
		return err
	}
	r.say("the shop moves while it sells")
	moving := time.Now()
	m, err := s.moves(ctx, whale.slug, "s2", moveWithin)
	if err != nil {
		return err
	}
	there := time.Now()
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	bought, sold := neighbours.end(), crowd.end()
	if m.Arrived {
		r.saw(true, "moved to a database of its own in %v while it sells, its writes paused for %v", round(there.Sub(moving)), round(writesPaused(m)))
	} else {
		r.saw(false, "not moved to a database of its own within %v: %s, %d of %d rows copied, %d compared, given up %d times, %s", moveWithin, m.Phase, m.Copied, m.Rows, m.Checked, m.Aborts, m.Error)
	}
	settled := fault.Add(2 * time.Second)
	r.compare("the others' orders", between(bought, time.Time{}, fault), between(bought, settled, moving), slowerSold)
	for _, why := range reasons(bought) {
		r.say("theirs: %s", why)
	}
	for _, why := range reasons(sold) {
		r.say("its own: %s", why)
	}
	r.saw(len(failed(bought)) == 0, "%d of their %d orders failed", len(failed(bought)), len(bought))
	orders, err := whale.orders(ctx, s.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(sold, name, orders)
	r.saw(lost == 0 && doubled == 0, "%d of the one's %d acknowledged orders lost, %d doubled", lost, acknowledged, doubled)
	r.saw(true, "%d of its own were told to come later", len(failed(sold)))
	r.saw(true, "p99 of its own orders %v before the move, %v after it", round(slow(between(sold, fault, moving), 0.99)), round(slow(between(sold, there, time.Now()), 0.99)))
	return nil
}
