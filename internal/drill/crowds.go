package drill

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

var readsStarve = drill{
	id: "F-4", fault: "a shard is saturated by reads while merchants save",
	without: "no shop has a share of its shard, and reads leave no room for writes (--no-budgets)",
	needs:   []need{postgres},
	run:     saturatedByReads,
}

const (
	farAway      = 20 * time.Millisecond // to the database and back: connections are what is short
	searchRate   = 200                   // a second
	merchantRate = 3                     // a second, in three shops
	slowerSave   = 2.0                   // p99 of a save, at most, times that of quiet

	quietFor   = 20 * time.Second // before anything is wrong
	crowdedFor = 30 * time.Second
)

// farFleet serves a shard that is far away, with so many connections to it.
func (r *run) farFleet(ctx context.Context, conns int) (*database, *server, error) {
	db, flags, err := r.fleet()
	if err != nil {
		return nil, nil, err
	}
	if flags[3], err = r.slowLink(db, farAway); err != nil {
		return nil, nil, err
	}
	flags[3] += fmt.Sprintf("&pool_max_conns=%d", conns)
	if r.without {
		flags = append(flags, "--no-budgets")
	}
	s, err := r.serve(ctx, "data", flags...)
	return db, s, err
}

// saturatedByReads has merchants save, at first in quiet.
func saturatedByReads(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%d searches a second in two shops, while their merchants and another save %d times a second, on a shard with 8 connections that is %v away", searchRate, merchantRate, farAway)
	_, s, err := r.farFleet(ctx, 8)
	if err != nil {
		return err
	}
	mine, err := r.open(ctx, s.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	theirs, err := r.open(ctx, s.addr, "South Goods", plenty)
	if err != nil {
		return err
	}
	search := func(ctx context.Context, n int) error {
		shop := []*shop{mine, theirs}[n%2]
		status, _, err := get(ctx, s.addr, shop.host, "/search?q="+url.QueryEscape(fmt.Sprintf("bowl %d", n%50)))
		if err == nil && status != 200 {
			err = &refused{status: status}
		}
		return err
	}
	for n := range 4 { // their indexes are made
		if err := search(ctx, n); err != nil {
			return err
		}
	}
	if err := s.quiet(ctx, s.token); err != nil {
		return err
	}
	calm, err := r.open(ctx, s.addr, "West Goods", plenty)
	if err != nil {
		return err
	}
	merchants := arrive(ctx, merchantRate, func(ctx context.Context, n int) error {
		shop := []*shop{mine, theirs, calm}[n%3]
		_, err := shop.desk(s.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(500 + n)}).do(ctx, nil)
		return err
	})
	if err := pause(ctx, quietFor); err != nil {
		return err
	}
	r.say("the crowd comes")
	fault := time.Now()
	crowd := arrive(ctx, searchRate, search)
	if err := r.named(ctx, s, s.token, "shop-over-share", "of shard s1", fault); err != nil {
		return err
	}
	if err := pause(ctx, crowdedFor-time.Since(fault)); err != nil {
		return err
	}
	over := time.Now()
	saves, searches := merchants.end(), crowd.end()
	settled := fault.Add(2 * time.Second)
	before, during := between(saves, time.Time{}, fault), between(saves, settled, over)
	r.compare("a save", before, during, slowerSave)
	for _, why := range reasons(saves) {
		r.say("%s", why)
	}
	r.saw(len(failed(saves)) == 0, "%d of %d saves failed", len(failed(saves)), len(saves))
	r.saw(true, "%d of %d searches were told to come later; p99 of the others %v", len(failed(searches)), len(searches), round(slow(searches, 0.99)))
	return nil
}

// compare holds how long something took against quiet.
func (r *run) compare(what string, quiet, now []fate, times float64) {
	was, is := slow(quiet, 0.99), slow(now, 0.99)
	r.saw(was > 0 && is > 0 && float64(is) <= times*float64(was), "p99 of %s %v, %.2f times that of quiet, %v (%d and %d of them)", what, round(is), float64(is)/float64(max(was, 1)), round(was), len(now), len(quiet))
}
