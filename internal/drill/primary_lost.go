package drill

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"haat/internal/db/cluster"
)

var primaryLost = drill{
	id: "F-24", fault: "the primary is killed and its standby promoted, once with all that was acknowledged and once without",
	without: "nobody promotes the standby",
	needs:   []need{postgres},
	run:     losePrimary,
}

const (
	electedAfter = 10 * time.Second // of the death: as an engine that elects a primary takes
	writesWithin = 15 * time.Second // of the promotion
)

// twoHosts starts a primary and its standby, and a process that knows both.
func (r *run) twoHosts(ctx context.Context, name string) (primary *database, standby *cluster.Server, s *server, err error) {
	p, err := r.newServer()
	if err != nil {
		return nil, nil, nil, err
	}
	if primary, err = newDatabase(p); err != nil {
		return nil, nil, nil, err
	}
	if standby, err = p.Replica(); err != nil {
		return nil, nil, nil, err
	}
	r.atEnd(func() { _ = standby.Close() })
	both := "host=" + url.QueryEscape(p.Host()+","+standby.Host())
	dsn := strings.Replace(primary.dsn(), "host="+url.QueryEscape(p.Host()), both, 1) + "&target_session_attrs=read-write"
	s, err = r.serve(ctx, name, "--first-shard", dsn)
	return primary, standby, s, err
}

// losePrimary kills a primary that has waited for its standby at each commit,
// and then another that had lost its standby long before.
func losePrimary(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("the primary killed under 100 pages and %d orders a second, pg_promote %v later; then again with a standby that had stopped receiving", placeRate, electedAfter)
	r.say("a standby that has everything")
	primary, standby, s, err := r.twoHosts(ctx, "a")
	if err != nil {
		return err
	}
	for _, text := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := primary.Exec(text); err != nil {
			return err
		}
	}
	shop, err := r.open(ctx, s.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	if err := s.quiet(ctx, s.token); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	pages := arrive(ctx, 100, func(ctx context.Context, n int) error {
		status, _, err := get(ctx, s.addr, shop.host, "/products/"+shop.handle)
		if err == nil && status != 200 {
			err = &refused{status: status}
		}
		return err
	})
	people := arrive(ctx, placeRate, func(ctx context.Context, n int) error { return shop.place(ctx, s.addr, name(n), "cod") })
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	fault := time.Now()
	if err := primary.Kill(); err != nil {
		return err
	}
	err = r.named(ctx, s, s.token, "database-unreachable", "shard s1", fault)
	if err != nil {
		return err
	}
	if err := pause(ctx, electedAfter-time.Since(fault)); err != nil {
		return err
	}
	if !r.without {
		r.say("the standby is promoted")
		if err := standby.Promote(); err != nil {
			return err
		}
	}
	promoted := time.Now()
	r.say("waiting until an order is taken")
	var back time.Duration
	for n := 0; back == 0 && time.Since(promoted) < writesWithin; n++ {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := shop.order(s.addr, fmt.Sprintf("Probe %d", n), "cod").do(try, nil)
		if cancel(); err == nil {
			back = time.Since(promoted)
		} else if n%20 == 0 {
			r.say("%v", err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	if back == 0 {
		r.saw(false, "no order is taken within %v", writesWithin)
		people.close()
		pages.close()
		return nil
	}
	r.saw(true, "orders are taken again by themselves, %v after the promotion", round(back))
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	seen, placed := pages.end(), people.end()
	orders, err := shop.orders(ctx, s.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(placed, name, orders)
	r.saw(lost == 0 && doubled == 0, "%d of %d acknowledged orders lost, %d doubled", lost, acknowledged, doubled)
	noPage := failed(seen)
	for _, why := range append(reasons(noPage), reasons(failed(placed))...) {
		r.say("%s", why)
	}
	r.saw(len(noPage) == 0, "%d of %d pages failed", len(noPage), len(seen))
	r.saw(len(failed(placed)) == 0, "%d shoppers gave up", len(failed(placed)))
	s.stop()
	return r.loseSome(ctx)
}

// loseSome promotes a standby that lacks what was acknowledged.
func (r *run) loseSome(ctx context.Context) error {
	r.say("a standby that lacks the last orders")
	primary, standby, s, err := r.twoHosts(ctx, "b")
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, s.addr, "South Goods", plenty)
	if err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	if err := standby.Orphan(); err != nil {
		return err
	}
	const n = 20
	var mark string
	for i := range n {
		h, err := shop.order(s.addr, fmt.Sprintf("Shopper %d", i), "cod").do(ctx, nil)
		if err != nil {
			return err
		}
		mark = h.Get("Haat-Mark")
	}
	if err := primary.Kill(); err != nil {
		return err
	}
	if err := standby.Promote(); err != nil {
		return err
	}
	promoted := time.Now()
	r.say("%d acknowledged orders are gone; waiting until that is said", n)
	look := request{addr: s.addr, host: shop.host, method: "GET", path: "/api/v1/products/" + shop.handle, mark: mark}
	said := time.Duration(0)
	for said == 0 && time.Since(promoted) < 2*noticed {
		if open, err := s.metric(ctx, `haat_incident_open{name="acknowledged-data-lost"}`); err == nil && open > 0 {
			said = time.Since(promoted)
		}
		if _, err := look.do(ctx, nil); err == nil {
			r.saw(false, "a shopper who has seen a lost order is answered as if nothing were")
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(said > 0 && said <= noticed, "%d lost orders are said to be lost %v after the promotion (acknowledged-data-lost)", n, round(said))
	return nil
}
