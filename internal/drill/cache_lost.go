package drill

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"haat/internal/cache/redis"
)

var cacheLost = drill{
	id: "F-25", fault: "Redis stands still, dies and comes back empty, and a process starts cold meanwhile",
	without: "searches are asked for instead of pages: they are never kept",
	needs:   []need{postgres, {"Redis", []string{"redis-server"}, "redis-server"}},
	run:     redisGone,
}

const (
	goneViews = 200
	heardIn   = 2 * time.Second // a change is seen everywhere
)

// redisGone has shoppers look at pages of which one changes, in two processes.
func redisGone(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("SIGSTOP of Redis, kill -9 of it, an empty one in its place; %d views a second of %d pages of two processes on PostgreSQL, one of them started anew with Redis and without; a page changes every second", goneViews, products)
	_, flags, err := r.fleet()
	if err != nil {
		return err
	}
	shared, err := redis.Start(r.dir)
	if err != nil {
		return err
	}
	r.atEnd(shared.Stop)
	flags = append(flags, "--redis", shared.URL())
	warm, err := r.serve(ctx, "warm", flags...)
	if err != nil {
		return err
	}
	cold, err := r.serve(ctx, "cold", flags...)
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, warm.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	paths := []string{"/products/" + shop.handle}
	for i := range products - 1 {
		var p struct{ Handle string }
		if _, err := shop.desk(warm.addr, "POST", "/products", object{"title": fmt.Sprintf("Lamp %d", i), "status": "active",
			"variants": []any{object{"price": rupees(100 + i), "available": 5}}}).do(ctx, &p); err != nil {
			return err
		}
		paths = append(paths, "/products/"+p.Handle)
	}
	if r.without {
		for i := range paths {
			paths[i] = "/search?q=" + url.QueryEscape(fmt.Sprintf("lamp %d", i))
		}
		paths[0] = "/search?q=bowl"
	}
	look := func(ctx context.Context, s *server, path string) (string, error) {
		status, body, err := get(ctx, s.addr, shop.host, path)
		if err == nil && status != 200 {
			err = &refused{status: status}
		}
		return body, err
	}
	both := func(name string) (sum float64, err error) {
		for _, s := range []*server{warm, cold} {
			n, err := s.metric(ctx, name)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}
	// starts starts the second process anew and has it asked for every page.
	starts := func(how string, up float64) (made float64, err error) {
		cold.kill()
		if err := cold.begin(ctx); err != nil {
			return 0, err
		}
		if _, err := cold.until(ctx, "haat_redis_up", up, 10*time.Second); err != nil {
			return 0, err
		}
		var all []fate
		for n, path := range paths[1:] {
			at := time.Now()
			_, err := look(ctx, cold, path)
			all = append(all, fate{n, at, time.Since(at), err})
		}
		if made, err = cold.metric(ctx, "haat_page_fills_total"); err != nil {
			return 0, err
		}
		r.saw(len(failed(all)) == 0, "started %s, it made %.0f of %d pages itself, p50 %v", how, made, len(all), round(slow(all, 0.5)))
		return made, nil
	}
	for _, path := range paths {
		if _, err := look(ctx, warm, path); err != nil {
			return err
		}
	}
	if err := warm.quiet(ctx, warm.token); err != nil {
		return err
	}
	made, err := starts("with Redis", 1)
	if err != nil {
		return err
	}
	if made > products/4 { // a slow answer counts as none
		r.saw(r.without, "%.0f pages made that were there", made)
	}

	var second atomic.Bool // whether the second process may be asked
	second.Store(true)
	var newest, settled, old atomic.Int64
	merchant := arrive(ctx, 1, func(ctx context.Context, n int) error {
		price := 1000 + n
		if _, err := shop.desk(warm.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(price)}).do(ctx, nil); err != nil {
			return err
		}
		newest.Store(max(newest.Load(), int64(price)))
		go func() {
			if pause(ctx, heardIn) == nil {
				settled.Store(max(settled.Load(), int64(price)))
			}
		}()
		return nil
	})
	before, err := both("haat_statements_total")
	if err != nil {
		return err
	}
	begun := time.Now()
	shoppers := arrive(ctx, goneViews, func(ctx context.Context, n int) error {
		at := warm
		if n%2 == 1 && second.Load() {
			at = cold
		}
		path, least := paths[n/2%len(paths)], int64(0)
		if n/2%4 == 0 {
			path, least = paths[0], settled.Load()
		}
		body, err := look(ctx, at, path)
		if err == nil && least > 0 && !r.without && int64(dearest(body)) < least {
			old.Add(1)
		}
		return err
	})
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	r.say("Redis stands still")
	fault := time.Now()
	if err := shared.Halt(); err != nil {
		return err
	}
	if err := r.named(ctx, warm, warm.token, "cache-lost", "it does not answer in time", fault); err != nil {
		return err
	}
	r.say("Redis is killed, and a process starts without it")
	shared.Stop()
	second.Store(false)
	if err := pause(ctx, time.Second); err != nil { // those under way are answered
		return err
	}
	counted, err := cold.metric(ctx, "haat_statements_total")
	if err != nil {
		return err
	}
	before -= counted // a new process counts from the beginning
	if _, err := starts("without", 0); err != nil {
		return err
	}
	second.Store(true)
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	r.say("an empty Redis takes its place")
	if err := shared.Again(); err != nil {
		return err
	}
	back, err := warm.until(ctx, "haat_redis_up", 1, 30*time.Second)
	if err != nil && ctx.Err() != nil {
		return err
	}
	r.saw(err == nil, "used again %v after it is back", round(back))
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	views, saves := shoppers.end(), merchant.end()
	after, err := both("haat_statements_total")
	if err != nil {
		return err
	}
	for _, why := range reasons(append(failed(views), failed(saves)...)) {
		r.say("%s", why)
	}
	r.saw(len(failed(views))+len(failed(saves)) == 0, "%d of %d views and %d of %d changes failed", len(failed(views)), len(views), len(failed(saves)), len(saves))
	each := (after - before) / float64(len(views))
	r.saw(each < 0.5, "%.2f statements a view, those of the changes included", each)
	r.saw(old.Load() == 0 || r.without, "%d views saw a price more than %v old", old.Load(), heardIn)
	usual, lost := between(views, begun, fault), between(views, fault, time.Now())
	r.saw(slow(lost, 0.5) < 100*time.Millisecond, "p50 of views %v with Redis, %v without; p99 %v and %v", round(slow(usual, 0.5)), round(slow(lost, 0.5)), round(slow(usual, 0.99)), round(slow(lost, 0.99)))
	if newest.Load() == 0 {
		return errors.New("no price was changed")
	}
	return nil
}
