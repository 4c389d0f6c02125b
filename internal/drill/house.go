package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"haat/internal/api"
)

var movingHouse = drill{
	id: "F-18", fault: "a shop moves between a file and two PostgreSQL servers while it sells, and the process that moves it is killed",
	without: "both servers let writes of a shop that is closed pass",
	needs:   []need{postgres},
	run: func(ctx context.Context, r *run) error {
		if r.Full {
			return movesMany(ctx, r)
		}
		return movesHouse(ctx, r)
	},

	full: "many shops move between a file and two PostgreSQL servers, ten thousand times, while they sell, and the process that moves them is killed", fullWithin: 75 * time.Minute,
}

const (
	houseRate = 20 // orders a second
	movingFor = 75 * time.Second
	pauseP95  = 100 * time.Millisecond
	pauseMost = 500 * time.Millisecond // else the switch is given up
)

// noFence has a clock tick for whoever wants to write, also while the shop is
// closed to be switched, and after it has gone.
const noFence = `
CREATE OR REPLACE FUNCTION haat_tick(p_shop BIGINT, p_epoch BIGINT, p_at BIGINT,
	p_events BYTEA[], p_topics TEXT[], p_keys TEXT[], p_tags TEXT[], p_payloads BYTEA[], p_traces TEXT[],
	OUT o_n BIGINT, OUT o_seq BIGINT, OUT o_term BIGINT) AS $$
DECLARE
	emits BIGINT := COALESCE(array_length(p_events, 1), 0);
BEGIN
	UPDATE shop_clock SET n = n + 1, seq = seq + emits WHERE shop = p_shop RETURNING n, seq INTO o_n, o_seq;
	SELECT term INTO o_term FROM shard_term;
	FOR k IN 1..emits LOOP
		INSERT INTO shop_outbox (shop, seq, i, event, at, topic, key, tags, payload)
		VALUES (p_shop, o_seq - emits + k, k - 1, p_events[k], p_at, p_topics[k], p_keys[k], p_tags[k], p_payloads[k]);
	END LOOP;
END
$$ LANGUAGE plpgsql`

// houses starts a process with a file, s1, and two PostgreSQL servers, and gives
// where shops are to go, one after the other.
func (r *run) houses(ctx context.Context) (s *server, route []string, err error) {
	if s, err = r.serve(ctx, "data"); err != nil {
		return nil, nil, err
	}
	route = []string{"s2", "s3", "s1"}
	for _, name := range route[:2] {
		server, err := r.startServer(true)
		if err != nil {
			return nil, nil, err
		}
		d, err := newDatabase(server)
		if err != nil {
			return nil, nil, err
		}
		if err := s.operator(s.token).AddShard(ctx, api.NewShard{Name: name, DSN: d.dsn() + "&pool_max_conns=16"}); err != nil {
			return nil, nil, err
		}
		if r.without {
			if _, err := d.sql("%s", noFence); err != nil {
				return nil, nil, err
			}
		}
	}
	if r.without {
		route = route[:2]
	}
	return s, route, nil
}

// movesHouse moves one shop as often as it can, and kills every second mover.
func movesHouse(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("one shop moved from SQLite to PostgreSQL, to another server and back, for %v, under %d orders a second and saves; kill -9 of the process in every second move", movingFor, houseRate)
	s, route, err := r.houses(ctx)
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
	people := arrive(ctx, houseRate, func(ctx context.Context, n int) error { return shop.place(ctx, s.addr, name(n), "cod") })
	merchant := r.saves(ctx, s, shop)
	var pauses []time.Duration
	var killed []string
	var compared, aborts int64
	begun := time.Now()
	for n := 0; ; n++ {
		to := route[n%len(route)]
		m, err := s.operator(s.token).Move(ctx, shop.slug, to, false)
		if err != nil {
			return err
		}
		if n%2 == 1 {
			m, err = s.await(ctx, m, func(m api.Move) bool { return m.Phase != "waiting" }, 5*time.Second)
			if err == nil {
				err = pause(ctx, rand.N(200*time.Millisecond))
			}
			if err == nil {
				m, err = s.operator(s.token).MoveOf(ctx, m.ID)
			}
			if err != nil {
				return err
			}
			died := time.Now()
			s.kill()
			killed = append(killed, m.Phase)
			if err := s.begin(ctx); err != nil {
				return err
			}
			if len(killed) == 1 {
				if err := r.named(ctx, s, s.token, "process-killed", "without saying so", died); err != nil {
					return err
				}
			}
		}
		if m, err = s.arrives(ctx, m, moveWithin); err != nil {
			return err
		}
		if !m.Arrived {
			r.saw(false, "not moved to %s within %v: %s, given up %d times, %s", to, moveWithin, m.Phase, m.Aborts, m.Error)
			break
		}
		pauses, compared, aborts = append(pauses, writesPaused(m)), compared+m.Checked, aborts+m.Aborts
		if time.Since(begun) >= movingFor { // the last: its old copy is kept
			break
		}
		if err := s.operator(s.token).EndMove(ctx, shop.slug, true); err != nil {
			return err
		}
		if m, err = s.operator(s.token).MoveOf(ctx, m.ID); err == nil {
			m, err = s.await(ctx, m, func(m api.Move) bool { return m.Over }, moveWithin)
		}
		if err != nil {
			return err
		}
		if !m.Over {
			r.saw(false, "the old copy is still there after %v", moveWithin)
			break
		}
		r.say("move %d, to %s, %d of %d rows copied, paused for %v", len(pauses), to, m.Copied, m.Rows, round(writesPaused(m)))
	}
	back, err := s.operator(s.token).Move(ctx, shop.slug, "", true)
	if err == nil {
		back, err = s.arrives(ctx, back, moveWithin)
	}
	if err != nil {
		return err
	}
	r.say("counting")
	fates, saved := people.end(), merchant()
	orders, err := shop.orders(ctx, s.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(fates, name, orders)
	r.saw(lost == 0 && doubled == 0, "%d of %d acknowledged orders lost, %d doubled", lost, acknowledged, doubled)
	r.saw(saved.lost == 0, "%d of %d saves lost", saved.lost, saved.all)
	for _, why := range append(reasons(fates), saved.failed...) {
		r.say("%s", why)
	}
	r.saw(len(failed(fates)) == 0 && len(saved.failed) == 0, "%d people gave up", len(failed(fates))+len(saved.failed))
	slices.Sort(pauses)
	if len(pauses) > 0 {
		p50, p95, most := pauses[len(pauses)/2], pauses[len(pauses)*95/100], pauses[len(pauses)-1]
		r.saw(p95 <= pauseP95 && most <= pauseMost, "in %d moves writes paused for %v p50, %v p95, %v at most", len(pauses), round(p50), round(p95), round(most))
	}
	r.saw(compared > 0, "%d rows compared, and the same", compared)
	r.saw(true, "%d switches given up and tried again", aborts)
	r.saw(len(killed) > 0, "killed while %s, and went on", strings.Join(killed, ", "))
	r.saw(back.Arrived && back.Copied == 0, "moved back to %s with %d rows copied", back.To, back.Copied)
	r.saw(true, "p99 of an order %v, the kills included", round(slow(fates, 0.99)))
	return nil
}

// saves is what became of the merchant's saves.
type saves struct {
	all, lost int
	failed    []string
}

// saves has the shop's merchant save a price and look at it, over and over,
// until what is given back is called.
func (r *run) saves(ctx context.Context, s *server, shop *shop) func() saves {
	var stop atomic.Bool
	ended := make(chan saves)
	go func() {
		var out saves
		for n := 1000; !stop.Load() && ctx.Err() == nil; n++ {
			mark, seen := "", 0
			err := again(ctx, func() error {
				h, err := shop.desk(s.addr, "PUT", "/variants/"+shop.variant+"/price", object{"price": rupees(n)}).do(ctx, nil)
				mark = h.Get("Haat-Mark")
				return err
			})
			if err == nil {
				err = again(ctx, func() (err error) {
					seen, _, err = request{addr: s.addr, host: shop.host, method: "GET", path: "/api/v1/products/" + shop.handle, consistency: "session", mark: mark}.price(ctx)
					return err
				})
			}
			if out.all++; err != nil {
				out.failed = append(out.failed, err.Error())
			} else if seen != n {
				out.lost++
			}
			_ = pause(ctx, 200*time.Millisecond)
		}
		ended <- out
	}()
	return func() saves { stop.Store(true); return <-ended }
}
