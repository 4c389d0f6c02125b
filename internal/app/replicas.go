package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/meter"
)

// losses are acknowledged writes that turned out to be lost, the last of each
// shop.
type losses struct {
	mu sync.Mutex
	of map[id.Shop]loss
}

type loss struct {
	meter.Sighting
	seen time.Time
}

const (
	lossSaid   = time.Hour // for how long a loss is an open incident after it was seen last
	mostLosses = 200       // shops
)

// lost takes note of a loss, and says it at once.
func (a *App) lost(l fleet.Loss) {
	s := meter.Sighting{
		Subject: l.Entry.Slug, Shop: l.Entry.Slug,
		Detail: fmt.Sprintf("A write was acknowledged at %v, and shard %s stands at %v: the difference is lost.", l.Mark, l.Entry.Shard, l.At),
	}
	a.losses.mu.Lock()
	if a.losses.of == nil {
		a.losses.of = map[id.Shop]loss{}
	}
	_, known := a.losses.of[l.Entry.Shop]
	if known || len(a.losses.of) < mostLosses {
		a.losses.of[l.Entry.Shop] = loss{s, time.Now()}
	}
	a.losses.mu.Unlock()
	if !known {
		a.incidents.Raise(dataLost, s)
	}
}

// watchReplicas says which replicas are not in rotation, and what was lost.
func (a *App) watchReplicas(context.Context) error {
	kinds := map[string][]meter.Sighting{replicaLate: nil, replicaUnreachable: nil, replicaRefused: nil}
	for _, h := range a.fleet.Replicas() {
		s := meter.Sighting{Subject: h.Shard + "/" + h.Name, Since: h.Since}
		said := fmt.Sprintf("Replica %s of shard %s ", h.Name, h.Shard)
		switch h.State {
		case fleet.ReplicaLate:
			s.Detail = said + "lags: " + h.Why + "."
			kinds[replicaLate] = append(kinds[replicaLate], s)
		case fleet.ReplicaUnreachable:
			s.Detail = said + "does not answer: " + h.Why + "."
			kinds[replicaUnreachable] = append(kinds[replicaUnreachable], s)
		case fleet.ReplicaRefused:
			s.Detail = said + "is refused: " + h.Why + "."
			kinds[replicaRefused] = append(kinds[replicaRefused], s)
		}
	}
	for name, all := range kinds {
		a.incidents.See(name, all)
	}
	var all []meter.Sighting
	a.losses.mu.Lock()
	for shop, l := range a.losses.of {
		if time.Since(l.seen) > lossSaid {
			delete(a.losses.of, shop)
			continue
		}
		all = append(all, l.Sighting)
	}
	a.losses.mu.Unlock()
	a.incidents.See(dataLost, all)
	return nil
}

// replicasFinding is what doctor says of replicas that are well; empty if there
// are none.
func (a *App) replicasFinding() string {
	all := a.fleet.Replicas()
	if len(all) == 0 {
		return ""
	}
	serving, worst := 0, time.Duration(0)
	for _, h := range all {
		if h.State == fleet.ReplicaServing {
			serving++
			worst = max(worst, h.Lag)
		}
	}
	return fmt.Sprintf("%d of %d in rotation, none more than %v behind", serving, len(all), worst.Round(time.Millisecond))
}

// replicaGauges reports on each replica.
func (a *App) replicaGauges() {
	each := func(read func(fleet.ReplicaHealth) (float64, bool)) func(func(float64, ...string)) {
		return func(put func(float64, ...string)) {
			for _, h := range a.fleet.Replicas() {
				if v, ok := read(h); ok {
					put(v, h.Shard, h.Name)
				}
			}
		}
	}
	labels := []string{"shard", "replica"}
	a.meter.Gauges("haat_replica_lag_seconds", "What is read from a replica is at most so old; missing while it does not answer.", labels, each(func(h fleet.ReplicaHealth) (float64, bool) {
		return h.Lag.Seconds(), h.Lag >= 0
	}))
	a.meter.Gauges("haat_replica_serving", "Whether a replica is in rotation: 1 or 0.", labels, each(func(h fleet.ReplicaHealth) (float64, bool) {
		if h.State == fleet.ReplicaServing {
			return 1, true
		}
		return 0, true
	}))
	a.meter.Counters("haat_replica_reads_total", "Reads that a replica has answered.", labels, each(func(h fleet.ReplicaHealth) (float64, bool) { return float64(h.Reads), true }))
	a.meter.Counters("haat_replica_passed_total", "Reads that went past a replica, since it was behind or away.", labels, each(func(h fleet.ReplicaHealth) (float64, bool) { return float64(h.Past), true }))
}
