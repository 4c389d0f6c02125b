package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/db/cluster"
	"haat/internal/fleet"
)

const (
	fleetConns  = 32 // to the primary, of haat and of pgbench
	fleetShops  = 100
	replicasMax = 2
	inRotation  = 30 * time.Second // until a replica is
	routedReads = 2000             // in turns with as many that are not routed
)

// fleet measures a shard on PostgreSQL: orders beside the server's own
// benchmark, reads with replicas, and what it takes to choose a server.
func (b *bench) fleet(ctx context.Context, r *Result) (err error) {
	server, err := cluster.StartDurable()
	if err != nil {
		r.note("nothing was measured: %v", err)
		return nil
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	var names [3]string
	for i := range names {
		if names[i], err = server.Create(); err != nil {
			return err
		}
	}
	b.say("filling pgbench's tables")
	if out, err := server.Program("pgbench", "-i", "-q", "-s", "10", names[2]).CombinedOutput(); err != nil {
		return fmt.Errorf("pgbench -i: %w: %s", err, out)
	}
	replicas := make([]fleet.Replica, replicasMax)
	dir, err := b.folder("fleet")
	if err != nil {
		return err
	}
	p, err := b.OpenOn(ctx, dir, server.DSN(names[0], "haat"), server.DSN(names[1], "haat")+fmt.Sprintf("&pool_max_conns=%d", fleetConns))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	stalls := make([]stall, min(b.Shops, fleetShops))
	b.say("making %d shops", len(stalls))
	if _, err := times(ctx, writers, int64(len(stalls)), func(ctx context.Context, _ int, n int64) (err error) {
		stalls[n], err = openStall(ctx, p.Fleet, fmt.Sprintf("bench-%d", n), 1, plenty)
		return err
	}); err != nil {
		return err
	}
	for i := range replicas {
		b.say("making replica %d", i+1)
		standby, err := server.Replica()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, standby.Close()) }()
		replicas[i] = fleet.Replica{Name: fmt.Sprintf("r%d", i+1), DSN: standby.DSN(names[1], "haat") + fmt.Sprintf("&pool_max_conns=%d", fleetConns)}
	}
	if err := p.Quiet(ctx); err != nil {
		return err
	}
	r.Load[0] = loadAverage()
	var orders, own []seen
	reads := make([][]seen, replicasMax+1)
	for round := range b.Rounds {
		b.say("round %d of %d", round+1, b.Rounds)
		s, err := closed(ctx, writers, b.For, func(ctx context.Context, _ int, n int64) error { return stalls[n%int64(len(stalls))].order(ctx, n) })
		if err != nil {
			return err
		}
		orders = append(orders, s)
		if err := p.Quiet(ctx); err != nil {
			return err
		}
		if s, err = pgbench(server, names[2], b.For); err != nil {
			return err
		}
		own = append(own, s)
		for n := range reads {
			if err := withReplicas(ctx, p.Fleet, stalls[0].room.Shard(), replicas[:n]); err != nil {
				return err
			}
			s, err := closed(ctx, fleetConns, max(b.For*2/3, time.Second/10), func(ctx context.Context, _ int, i int64) error {
				at := stalls[i%int64(len(stalls))]
				return at.room.View(ctx, fleet.AnyAge, func(v db.Reader) error {
					_, err := catalog.ReadProductPage(ctx, v, at.handles[0])
					return err
				})
			})
			if err != nil {
				return err
			}
			reads[n] = append(reads[n], s)
		}
	}
	routing, err := routing(ctx, p.Fleet, stalls[0].room)
	if err != nil {
		return err
	}
	limit := best(own)
	r.Rows = append(r.Rows, best(orders).row(fmt.Sprintf("whole orders, over %d shops", len(stalls)), limit, "pgbench -N"), limit.row("pgbench -N", seen{}, ""))
	none := best(reads[0])
	for n, all := range reads {
		r.Rows = append(r.Rows, best(all).row("product pages read, "+[]string{"no replica", "1 replica", "2 replicas"}[n], none, "no replica"))
	}
	r.least("whole orders beside pgbench -N", best(orders).rate/max(limit.rate, 1), 0.5, "of its transactions")
	r.most("what routing adds to a read", routing, 20, "µs")
	r.note("in process; haat, PostgreSQL %d, its %d replicas and pgbench share the processors, so that a replica adds servers and no processor: what it adds elsewhere is not seen here", server.Release(), replicasMax)
	r.note("every commit is on the disk of the primary (fsync and synchronous_commit as PostgreSQL has them); orders by %d clients on %d connections, the handlers of their events at the same time; pgbench -N with %d clients, scale 10, whose latency is its average; pages are read by %d clients, on any replica that is there", writers, fleetConns, fleetConns, fleetConns)
	r.note("routing: the middle of %d reads of nothing by a shop's room, less that of as many straight from its shard, in turns, with %d replicas in rotation", routedReads, replicasMax)
	return nil
}

var (
	pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+)`)
	pgbenchTime = regexp.MustCompile(`latency average = ([0-9.]+) ms`)
)

// pgbench has PostgreSQL measure itself: an update, a lookup and an insert, with
// as many connections as haat has.
func pgbench(server *cluster.Server, database string, lasts time.Duration) (s seen, err error) {
	seconds := int(math.Ceil(lasts.Seconds()))
	out, err := server.Program("pgbench", "-N", "-n", "-c", strconv.Itoa(fleetConns), "-j", "2", "-T", strconv.Itoa(seconds), database).CombinedOutput()
	if err != nil {
		return s, fmt.Errorf("pgbench -N: %w: %s", err, out)
	}
	rate, took := pgbenchRate.FindSubmatch(out), pgbenchTime.FindSubmatch(out)
	if rate == nil || took == nil {
		return s, fmt.Errorf("pgbench -N said: %s", out)
	}
	if s.rate, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return s, err
	}
	// It tells the average, and no percentiles.
	s.p50, err = strconv.ParseFloat(string(took[1]), 64)
	s.p99 = s.p50
	return s, err
}

// withReplicas has a shard have these replicas and no others, all in rotation.
func withReplicas(ctx context.Context, f *fleet.Fleet, shard string, replicas []fleet.Replica) error {
	now, _ := f.Listing(shard)
	change := fleet.ShardChange{Replicas: replicas}
	for _, was := range now.Replicas {
		if !slices.ContainsFunc(replicas, func(r fleet.Replica) bool { return r.Name == was.Name }) {
			change.Drop = append(change.Drop, was.Name)
		}
	}
	if err := f.SetShard(ctx, shard, change); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, inRotation)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		serving := 0
		for _, h := range f.Replicas() {
			if h.State == fleet.ReplicaServing {
				serving++
			}
		}
		if serving == len(replicas) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d replicas are in rotation after %v", serving, len(replicas), inRotation)
		}
	}
}

// routing gives how many microseconds longer a read of nothing takes by a
// shop's room than straight from its shard's primary.
func routing(ctx context.Context, f *fleet.Fleet, room *fleet.Room) (float64, error) {
	entry, shard := room.Entry(), f.Shard(room.Shard())
	routed, straight := make([]float64, routedReads), make([]float64, routedReads)
	for i := range routedReads {
		begun := time.Now()
		if err := room.View(ctx, fleet.Newest, func(db.Reader) error { return nil }); err != nil {
			return 0, err
		}
		between := time.Now()
		if err := shard.View(ctx, entry.Shop, entry.Epoch, func(*db.View) error { return nil }); err != nil {
			return 0, err
		}
		routed[i], straight[i] = float64(between.Sub(begun).Nanoseconds()), float64(time.Since(between).Nanoseconds())
	}
	return (middle(routed) - middle(straight)) / 1e3, nil
}
