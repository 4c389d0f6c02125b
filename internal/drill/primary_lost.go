package drill

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"haat/internal/db/cluster"
)

var primaryLost = drill{
	id: "F-24", fault: "the primary's machine dies under Patroni, comes back and hands over; then a standby is promoted that lacks what was acknowledged",
	without: "Patroni elects nobody (patronictl pause)",
	needs:   []need{postgres, patroni, etcd},
	run:     losePrimary,
}

var (
	patroni = need{"Patroni", []string{"patroni"}, "patroni python3-etcd python3-psycopg2"}
	etcd    = need{"etcd", []string{"etcd"}, "etcd-server"}
)

const (
	electedWithin = 25 * time.Second // of the death: Patroni waits for ten seconds until it believes it
	writesWithin  = 5 * time.Second  // of the election
	handedWithin  = 5 * time.Second  // without an order, when the primary hands over
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

// losePrimary kills the machine of a primary that waits for a standby at each
// commit, and then loses another whose standby had stopped receiving.
func losePrimary(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("PostgreSQL and its Patroni killed on the one of three nodes that leads, under 100 pages and %d orders a second; started again; a planned switchover; then a standby promoted by hand that had stopped receiving", placeRate)
	r.say("three servers under Patroni and etcd")
	servers, err := cluster.StartElected(3)
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = servers.Close() })
	if err := servers.Create("shard"); err != nil {
		return err
	}
	s, err := r.serve(ctx, "a", "--first-shard", servers.DSN("shard", "haat"))
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
	old := servers.Leader()
	if old == nil {
		return errors.New("nobody leads")
	}
	if r.without {
		if err := servers.Paused(true); err != nil {
			return err
		}
	}
	fault := time.Now()
	if err := old.Kill(); err != nil {
		return err
	}
	if err = r.named(ctx, s, s.token, "database-unreachable", "shard s1", fault); err != nil {
		return err
	}
	r.say("waiting until another is elected, and until an order is taken")
	var elected, back time.Duration
	for n := 0; back == 0 && time.Since(fault) < electedWithin+writesWithin; n++ {
		if elected == 0 && servers.Leader() != nil {
			elected = time.Since(fault)
		}
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := shop.order(s.addr, fmt.Sprintf("Probe %d", n), "cod").do(try, nil)
		if cancel(); err == nil {
			back = time.Since(fault)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	if back == 0 {
		r.saw(false, "no order is taken within %v", electedWithin+writesWithin)
		people.close()
		pages.close()
		return nil
	}
	if elected == 0 {
		elected = back
	}
	r.saw(back-elected <= writesWithin, "another was elected %v after the death, and orders are taken again by themselves %v after it", round(elected), round(back))
	if err := r.handOver(ctx, servers, old, people); err != nil {
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

// handOver has the node that died come back as a standby, and then the leader
// hand over by plan.
func (r *run) handOver(ctx context.Context, servers *cluster.Elected, old *cluster.Node, people *load) error {
	r.say("the dead node comes back")
	again := time.Now()
	if err := old.Start(); err != nil {
		return err
	}
	for !old.Follows() {
		if time.Since(again) > 30*time.Second {
			r.saw(false, "the node that died is no standby after 30s")
			return nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(true, "it is a standby %v after its start", round(time.Since(again)))
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	r.say("the leader hands over")
	from := servers.Leader()
	if from == nil {
		return errors.New("nobody leads")
	}
	before := time.Now()
	if err := servers.Hand(from); err != nil {
		r.saw(false, "the switchover is refused: %v", err)
		return nil
	}
	if err := pause(ctx, handedWithin+3*time.Second); err != nil {
		return err
	}
	gap := people.gap(before)
	r.saw(gap <= handedWithin, "handed over by plan, no order was taken for %v", round(gap))
	return nil
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
