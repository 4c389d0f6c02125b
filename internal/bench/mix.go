package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

const (
	mixFirst  = 500 // arrivals a second
	mixStep   = 1.4
	mixLast   = 100_000
	mixLate   = 50 // ms, what p99 may be
	mixMemory = 512
	zipf      = 1.1 // exponent: the first of a million shops gets a tenth of the visits
)

// mix finds the highest rate of arrivals that a small machine holds.
func (b *bench) mix(ctx context.Context, r *Result) error {
	if runtime.NumCPU() < 2 {
		return errTwoCPUs
	}
	t, err := b.seeded(ctx, r)
	if err != nil {
		return err
	}
	r.Load[0] = loadAverage()
	srv, err := b.serve(ctx, serverCPU, t.dir, "--memory", fmt.Sprintf("%dMiB", mixMemory))
	if err != nil {
		return err
	}
	defer srv.stop()
	next := t.visits()
	try := func(rate int, d time.Duration) (all, writes seen, busy float64, err error) {
		before, begun := srv.cpu(), time.Now()
		err = pinned(loadCPU, func() error {
			all, writes = openMixed(rate, d, 128, next, srv.addr)
			return nil
		})
		return all, writes, float64(srv.cpu()-before) / float64(time.Since(begun)), err
	}
	b.say("warming up at %d a second", mixFirst)
	if _, _, _, err := try(mixFirst, b.For); err != nil {
		return err
	}
	var held struct {
		rate        int
		all, writes seen
	}
	broke := 0
	step := func(rate int) (bool, error) {
		all, writes, busy, err := try(rate, b.For)
		if err != nil {
			return false, err
		}
		why := ""
		switch {
		case all.bad > 0:
			why = "errors"
			r.note("at %d a second, first error: %s", rate, all.first)
		case all.p99 > mixLate:
			why = fmt.Sprintf("p99 over %d ms", mixLate)
		case all.rate < 0.97*float64(rate):
			why = fmt.Sprintf("only %s a second arrived", figure(all.rate))
		}
		row := all.row(fmt.Sprintf("%d arrivals a second", rate), seen{}, "")
		row.Note = fmt.Sprintf("writes p99 %s ms; server busy %.0f %%, %.0f MB", figure(writes.p99), busy*100, srv.resident())
		if why != "" {
			row.Note = "does not hold: " + why + "; " + row.Note
			if busy < 0.85 && all.bad == 0 {
				row.Note += ": the load, the disk or others on the machine are in the way, not the server's processor"
			}
		}
		r.Rows = append(r.Rows, row)
		b.say("%d a second: p99 %s ms %s", rate, figure(all.p99), why)
		if why == "" && rate > held.rate {
			held.rate, held.all, held.writes = rate, all, writes
		}
		return why == "", ctx.Err()
	}
	for rate := mixFirst; rate <= mixLast && broke == 0; rate = int(float64(rate)*mixStep) / 10 * 10 {
		holds, err := step(rate)
		if err == nil && !holds {
			if holds, err = step(rate); !holds { // once is chance, on a machine with others
				broke = rate
			}
		}
		if err != nil {
			return err
		}
	}
	if held.rate > 0 && broke > 0 {
		if _, err := step((held.rate + broke) / 20 * 10); err != nil {
			return err
		}
	}
	r.note("memory: --memory %dMiB, which sets GOMEMLIMIT and the caches' shares, and no control group; processor: sched_setaffinity to one CPU, GOMAXPROCS=1", mixMemory)
	r.note("reads: 70 %% product pages, 20 %% front pages, 10 %% of all products; writes: half new carts, half whole cash orders in one call, to %d of the shops; Zipf exponent %.1f over %d shops", t.ordered(), zipf, len(t.sites))
	if held.rate == 0 {
		r.least("rate that holds", 0, mixFirst, "a second")
		return nil
	}
	r.most(fmt.Sprintf("p99 at %s a second, the highest rate that holds", whole(held.rate)), held.all.p99, mixLate, "ms")
	r.most("errors at it", float64(held.all.bad), 0, "")
	r.most("peak resident memory", srv.peak(), mixMemory, "MiB")
	return nil
}

// visits deals out what shoppers ask for.
func (t *town) visits() func() ask {
	var mu sync.Mutex
	lots := rand.New(rand.NewPCG(11, 11))
	rank := rand.NewZipf(lots, zipf, 1, uint64(len(t.sites)-1))
	n := int64(0)
	return func() ask {
		mu.Lock()
		i, x, serial := int(rank.Uint64()), lots.IntN(200), n
		n++
		mu.Unlock()
		if x < 10 {
			i %= t.ordered()
		}
		s := &t.sites[i]
		a := ask{host: s.host}
		switch {
		case x < 5:
			a.path, a.body = "/api/v1/carts", s.order(-1)
		case x < 10:
			a.path, a.body = "/api/v1/orders", s.order(serial)
		case x < 143:
			a.path = "/products/" + s.handle
		case x < 181:
			a.path = "/"
		default:
			a.path = "/collections/all"
		}
		return a
	}
}

// order is a cash order of one unit or, for nobody (-1), a cart with it.
func (s *site) order(n int64) []byte {
	in := object{"lines": []object{{"variant_id": s.variant, "quantity": 1}}}
	if n >= 0 {
		contact, address := person(n)
		in["contact"], in["shipping_address"], in["payment"] = contact, address, "cod"
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}
