package drill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/cache/redis"
	"haat/internal/event/broker"
)

var staleCache = drill{
	id: "F-8", fault: "prices, stock, a category and the theme change while the replica lags, with Redis and Kafka, and hundreds ask at once",
	without: "events do not say in the outbox what they spoil",
	needs:   []need{postgres, java, {"Redis", []string{"redis-server"}, "redis-server"}},
	run:     pagesGoStale,
}

const (
	stampedes   = 10
	atOnce      = 200 // at each process
	staleViews  = 200 // a second
	changeEvery = 2500 * time.Millisecond
	lagFor      = 2500 * time.Millisecond // before the replica is out of rotation
	lags        = 5
)

// noTags has the outbox forget which tags events name.
const noTags = `
CREATE SCHEMA drill;
CREATE FUNCTION drill.no_tags() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.tags := ''; RETURN NEW; END $$;
CREATE TRIGGER drill_no_tags BEFORE INSERT ON shop_outbox FOR EACH ROW EXECUTE FUNCTION drill.no_tags();`

// pagesGoStale has hundreds ask for a page that has just changed, and then
// several things change while the replica lags.
func pagesGoStale(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("%d prices change, and %d ask each of two processes at once after each; then price, stock, category and theme change every %v, while pg_wal_replay_pause stops the only replica %d times for %v, and once until it is noticed; %d views a second; PostgreSQL, Redis and Kafka",
		stampedes, atOnce, changeEvery, lags, lagFor, staleViews)
	shared, err := redis.Start(r.dir)
	if err != nil {
		return err
	}
	r.atEnd(shared.Stop)
	r.say("starting Kafka")
	dir := filepath.Join(r.dir, "kafka")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	kafka, err := broker.NewKafka(dir)
	if err != nil {
		return err
	}
	r.atEnd(kafka.Kill)
	shard, replica, a, b, err := r.withReplica(ctx, "--redis", shared.URL(), "--kafka", kafka.Addr)
	if err != nil {
		return err
	}
	if r.without {
		if _, err := shard.sql("%s", noTags); err != nil {
			return err
		}
	}
	shop, err := r.open(ctx, a.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	var category struct{ ID, Handle string }
	if _, err := shop.desk(a.addr, "POST", "/collections", object{"title": "Pots 999", "products": []string{shop.product}}).do(ctx, &category); err != nil {
		return fmt.Errorf("make a category: %w", err)
	}
	var few struct {
		Handle   string
		Variants []struct{ ID string }
	}
	if _, err := shop.desk(a.addr, "POST", "/products", object{"title": "Lamp", "status": "active",
		"variants": []any{object{"price": rupees(100), "available": 1}}}).do(ctx, &few); err != nil {
		return err
	}
	kinds := []*changing{
		{what: "price", path: "/products/" + shop.handle, change: func(n int) (request, string) {
			return shop.desk(a.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(1000 + n)}), fmt.Sprintf("%d,%03d", (1000+n)/1000, n)
		}},
		{what: "stock", path: "/products/" + few.Handle, change: func(n int) (request, string) {
			left := n%4 + 1
			return shop.desk(a.addr, "PUT", "/variants/"+few.Variants[0].ID+"/stock", object{"available": left}), fmt.Sprintf("Only %d left", left)
		}},
		{what: "category", path: "/collections/" + category.Handle, change: func(n int) (request, string) {
			title := fmt.Sprint("Pots ", 1000+n)
			return shop.desk(a.addr, "PATCH", "/collections/"+category.ID, object{"title": title}), title
		}},
		{what: "theme", path: "/", change: func(n int) (request, string) {
			line := fmt.Sprint("Made by hand ", 1000+n)
			return shop.desk(a.addr, "PATCH", "/settings", object{"theme": object{"tagline": line}}), line
		}},
	}
	both := []*server{a, b}
	for _, s := range both {
		for _, c := range kinds {
			if _, err := shop.look(ctx, s, c.path); err != nil {
				return fmt.Errorf("%s: %w", c.path, err)
			}
		}
		if err := s.quiet(ctx, a.token); err != nil {
			return err
		}
	}
	if err := stampede(ctx, r, shop, kinds[0], both); err != nil {
		return err
	}

	r.say("four things change, and the replica lags")
	for _, c := range kinds {
		if err := c.next(ctx); err != nil {
			return err
		}
	}
	over, stop := context.WithCancel(ctx)
	defer stop()
	var changers sync.WaitGroup
	var changed atomic.Int64
	errs := make(chan error, len(kinds))
	for i, c := range kinds {
		changers.Go(func() {
			if pause(over, time.Duration(i)*changeEvery/4) != nil {
				return
			}
			for pause(over, changeEvery) == nil {
				if err := c.next(ctx); err != nil {
					errs <- fmt.Errorf("change the %s: %w", c.what, err)
					return
				}
				changed.Add(1)
			}
		})
	}
	views := arrive(ctx, staleViews, func(ctx context.Context, n int) error {
		return kinds[n/2%len(kinds)].see(ctx, shop, both[n%2], n%2)
	})
	for range lags {
		if err := replica.PauseReplay(); err != nil {
			return err
		}
		if err := pause(ctx, lagFor); err != nil {
			return err
		}
		if err := replica.ResumeReplay(); err != nil {
			return err
		}
		for _, s := range both {
			if _, err := s.until(ctx, "haat_replica_serving", 1, inWithin); err != nil {
				return err
			}
		}
	}
	if _, err := a.until(ctx, `haat_incident_open{name="replica-late"}`, 0, inWithin); err != nil { // of those that were short
		return err
	}
	fault := time.Now()
	if err := replica.PauseReplay(); err != nil {
		return err
	}
	if err := r.named(ctx, a, a.token, "replica-late", "s1/r1: Replica r1 of shard s1 lags: ", fault); err != nil {
		return err
	}
	if err := replica.ResumeReplay(); err != nil {
		return err
	}
	stop()
	changers.Wait()
	seen := views.end()
	select {
	case err := <-errs:
		return err
	default:
	}
	for _, why := range reasons(seen) {
		r.say("%s", why)
	}
	r.saw(len(failed(seen)) == 0, "%d of %d views failed, p99 %v", len(failed(seen)), len(seen), round(slow(seen, 0.99)))
	var here, there []time.Duration
	for _, c := range kinds {
		r.saw(c.back.Load() == 0, "%s: in %d of %d views the old came back after the new was seen in that process", c.what, c.back.Load(), c.judged.Load())
		r.saw(c.late.Load() == 0, "%d showed the old %v after the change", c.late.Load(), heardIn)
		here, there = append(here, c.took[0]...), append(there, c.took[1]...)
	}
	slices.Sort(here)
	slices.Sort(there)
	if len(here) > 0 && len(there) > 0 {
		r.saw(true, "of %d changes the new was first seen within %v p50, %v p99 where it was made, %v and %v in the other process", changed.Load(),
			round(here[len(here)/2]), round(here[len(here)*99/100]), round(there[len(there)/2]), round(there[len(there)*99/100]))
	}
	return nil
}

// look asks a process for one of the shop's pages.
func (s *shop) look(ctx context.Context, at *server, path string) (string, error) {
	status, body, err := get(ctx, at.addr, s.host, path)
	if err == nil && status != 200 {
		err = &refused{status: status}
	}
	return body, err
}

// stampede changes the price of a page, and has many ask each process for it at
// once, again and again.
func stampede(ctx context.Context, r *run, shop *shop, c *changing, both []*server) error {
	r.say("hundreds ask at once for a page that has just changed")
	var before [2]float64
	for i, s := range both {
		var err error
		if before[i], err = s.metric(ctx, "haat_page_fills_total"); err != nil {
			return err
		}
	}
	var gave atomic.Int64
	for range stampedes {
		if err := c.next(ctx); err != nil {
			return err
		}
		var all sync.WaitGroup
		for i, s := range both {
			for range atOnce {
				all.Go(func() {
					if c.see(ctx, shop, s, i) != nil {
						gave.Add(1)
					}
				})
			}
		}
		all.Wait()
		if err := pause(ctx, heardIn/4); err != nil { // the other process has heard of it
			return err
		}
	}
	r.saw(gave.Load() == 0, "%d of %d who asked at once failed", gave.Load(), 2*stampedes*atOnce)
	for i, s := range both {
		after, err := s.metric(ctx, "haat_page_fills_total")
		if err != nil {
			return err
		}
		r.saw(after-before[i] <= stampedes, "%s made it %.0f times for %d changes", []string{"the process that changed it", "the other"}[i], after-before[i], stampedes)
	}
	return nil
}

// changing is a thing that changes, and a page that shows it.
type changing struct {
	what, path string
	change     func(n int) (ask request, shows string)

	n    int
	is   atomic.Pointer[state] // nil while it changes
	mu   sync.Mutex
	took [2][]time.Duration // until the new was seen first, by process

	judged, back, late atomic.Int64
}

// state is what has held since a change was acknowledged.
type state struct {
	shows string
	since time.Time
	seen  [2]atomic.Bool // in the processes
}

// next changes it once more.
func (c *changing) next(ctx context.Context) error {
	c.is.Store(nil)
	c.n++
	ask, shows := c.change(c.n)
	if _, err := ask.do(ctx, nil); err != nil {
		return err
	}
	c.is.Store(&state{shows: shows, since: time.Now()})
	return nil
}

// see looks at the page, and judges it unless it changed meanwhile.
func (c *changing) see(ctx context.Context, shop *shop, at *server, process int) error {
	is, began := c.is.Load(), time.Now()
	known := is != nil && is.seen[process].Load()
	page, err := shop.look(ctx, at, c.path)
	if err != nil || is == nil || c.is.Load() != is {
		return err
	}
	c.judged.Add(1)
	switch shown := strings.Contains(page, is.shows); {
	case shown && is.seen[process].CompareAndSwap(false, true):
		c.mu.Lock()
		c.took[process] = append(c.took[process], time.Since(is.since))
		c.mu.Unlock()
	case !shown && known:
		c.back.Add(1)
	case !shown && began.Sub(is.since) > heardIn:
		c.late.Add(1)
	}
	return nil
}
