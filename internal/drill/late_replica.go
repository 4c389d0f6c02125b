package drill

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"haat/internal/api"
	"haat/internal/db/cluster"
)

var lateReplica = drill{
	id: "F-5", fault: "a replica stops replaying, for 5 s and for 90 s",
	without: "the merchant reads without the mark of the save, with Haat-Consistency: eventual",
	needs:   []need{postgres},
	run:     replicaLags,

	full: "a replica stops replaying for 10 minutes", fullWithin: 15 * time.Minute,
}

const (
	outWithin = 2 * time.Second  // of falling behind
	inWithin  = 30 * time.Second // of having caught up
	saveRate  = 5                // a second
	viewRate  = 40
)

// withReplica starts a shard with a streaming replica, r1, and two processes
// that serve it, with some flags more.
func (r *run) withReplica(ctx context.Context, more ...string) (shard *database, replica *cluster.Server, a, b *server, err error) {
	shard, flags, err := r.fleet()
	if err != nil {
		return nil, nil, nil, nil, err
	}
	flags = append(flags, more...)
	if a, err = r.serve(ctx, "a", flags...); err != nil {
		return nil, nil, nil, nil, err
	}
	if b, err = r.serve(ctx, "b", flags...); err != nil {
		return nil, nil, nil, nil, err
	}
	if replica, err = shard.Replica(); err != nil {
		return nil, nil, nil, nil, err
	}
	r.atEnd(func() { _ = replica.Close() })
	err = a.operator(a.token).SetShard(ctx, "s1", api.ShardChange{Replicas: []api.NewReplica{{Name: "r1", DSN: replica.DSN(shard.name, "haat")}}})
	for _, s := range []*server{a, b} {
		if err == nil {
			_, err = s.until(ctx, "haat_replica_serving", 1, time.Minute)
		}
	}
	return shard, replica, a, b, err
}

// until waits until a metric has a value, and gives how long that took.
func (s *server) until(ctx context.Context, name string, value float64, within time.Duration) (time.Duration, error) {
	begun := time.Now()
	for {
		v, err := s.metric(ctx, name)
		if err == nil && v == value {
			return time.Since(begun), nil
		}
		if time.Since(begun) > within {
			return within, errors.Join(fmt.Errorf("%s is %v for %v, not %v", name, v, within, value), err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// replicaLags has a merchant save and look, while shoppers read.
func replicaLags(ctx context.Context, r *run) error {
	long, said := []time.Duration{5 * time.Second, 90 * time.Second}, "5 s and for 90 s"
	if r.Full {
		long = []time.Duration{10 * time.Minute / time.Duration(r.parts)}
		said = long[0].String()
	}
	r.Injected = fmt.Sprintf("pg_wal_replay_pause on the only replica for %s; two processes, %d saves and %d reads a second", said, saveRate, viewRate)
	_, replica, a, b, err := r.withReplica(ctx)
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, a.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	if err := a.quiet(ctx, a.token); err != nil {
		return err
	}
	var newest, stale, labelled, unlabelled atomic.Int64
	newest.Store(450)
	merchant := arrive(ctx, saveRate, func(ctx context.Context, n int) error {
		price := 1000 + n
		h, err := shop.desk(a.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(price)}).do(ctx, nil)
		if err != nil {
			return err
		}
		newest.Store(max(newest.Load(), int64(price)))
		look := request{addr: b.addr, host: shop.host, method: "GET", path: "/api/v1/products/" + shop.handle, consistency: "session", mark: h.Get("Haat-Mark")}
		if r.without {
			look.consistency, look.mark = "eventual", ""
		}
		if shown, _, err := look.price(ctx); err != nil {
			return err
		} else if shown < price {
			stale.Add(1)
		}
		look.addr, look.path, look.consistency = a.addr, "/products/"+shop.handle, ""
		var page string
		if _, err := look.do(ctx, &page); err != nil {
			return fmt.Errorf("the page: %w", err)
		}
		if dearest(page) < price { // others may have saved meanwhile, and dearer
			stale.Add(1)
		}
		return nil
	})
	shoppers := arrive(ctx, viewRate, func(ctx context.Context, n int) error {
		at := []*server{a, b}[n%2]
		if n%4 < 2 {
			status, _, err := get(ctx, at.addr, shop.host, "/products/"+shop.handle)
			if err == nil && status != 200 {
				err = &refused{status: status}
			}
			return err
		}
		before := newest.Load()
		shown, served, err := request{addr: at.addr, host: shop.host, method: "GET", path: "/api/v1/products/" + shop.handle, consistency: "eventual"}.price(ctx)
		if err == nil && int64(shown) < before-2*saveRate { // by more than two seconds
			if strings.Contains(served, "stale") {
				labelled.Add(1)
			} else {
				unlabelled.Add(1)
			}
		}
		return err
	})
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	for i, d := range long {
		r.say("replay stands still for %v", d)
		if err := replica.PauseReplay(); err != nil {
			return err
		}
		fault := time.Now()
		out, err := a.until(ctx, "haat_replica_serving", 0, d)
		if err != nil && ctx.Err() != nil {
			return err
		}
		r.saw(out <= outWithin, "out of rotation %v after it stopped for %v", round(out), d)
		if i == 0 {
			if err := r.named(ctx, a, a.token, "replica-late", "s1/r1: Replica r1 of shard s1 lags: ", fault); err != nil {
				return err
			}
		}
		for next := fault.Add(d); time.Now().Before(next); {
			if err := pause(ctx, min(10*time.Second, max(time.Until(next), time.Millisecond))); err != nil {
				return err
			}
			r.say("%v to go, %d saves seen", time.Until(next).Round(time.Second), merchant.answered())
		}
		if err := replica.ResumeReplay(); err != nil {
			return err
		}
		back, err := a.until(ctx, "haat_replica_serving", 1, inWithin)
		if err != nil && ctx.Err() != nil {
			return err
		}
		r.saw(err == nil, "back in it %v after it went on", round(back))
	}
	saves, views := merchant.end(), shoppers.end()
	r.saw(stale.Load() == 0, "%d of %d saves not seen at once by the one who saved", stale.Load(), len(saves))
	refusals := append(failed(saves), failed(views)...)
	for _, why := range reasons(refusals) {
		r.say("%s", why)
	}
	r.saw(len(refusals) == 0, "%d of %d requests failed", len(refusals), len(saves)+len(views))
	r.saw(unlabelled.Load() <= int64(viewRate), "%d eventual reads more than 2 s old, labelled stale, and %d not labelled", labelled.Load(), unlabelled.Load())
	r.saw(true, "p99 of reads %v", round(slow(views, 0.99)))
	return nil
}

var shownPrice = regexp.MustCompile(`\b(\d),(\d{3})\b`)

// dearest gives the highest price of a thousand rupees and more that a page
// shows.
func dearest(page string) (most int) {
	for _, m := range shownPrice.FindAllStringSubmatch(page, -1) {
		n, _ := strconv.Atoi(m[1] + m[2])
		most = max(most, n)
	}
	return most
}

// price reads a product's price in rupees, and who says so.
func (q request) price(ctx context.Context) (rupees int, served string, err error) {
	var p struct {
		Variants []struct{ Price struct{ Amount int } }
	}
	h, err := q.do(ctx, &p)
	if err == nil && len(p.Variants) == 0 {
		err = errors.New("the product has no variants")
	}
	if err != nil {
		return 0, "", err
	}
	return p.Variants[0].Price.Amount / 100, h.Get("Haat-Served"), nil
}
