package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"haat/internal/event/broker"
)

var (
	killedLocal = drill{
		id: "F-14-local", fault: "of two processes that deliver events the one that does is killed, a hundred times, under orders",
		without: "how far subscribers came is not kept",
		needs:   []need{postgres},
		within:  8 * time.Minute,
		run:     func(ctx context.Context, r *run) error { return deliverersDie(ctx, r, 2, false) },
	}
	killedKafka = drill{
		id: "F-14-kafka", fault: "of three processes that publish to Kafka and deliver one is killed, a hundred times, under orders",
		without: "how far subscribers came is not kept",
		needs:   []need{postgres, java},
		within:  8 * time.Minute,
		run:     func(ctx context.Context, r *run) error { return deliverersDie(ctx, r, 3, true) },
	}
)

const (
	killings   = 100
	fewer      = 10                      // without: it shows soon
	killedRate = 40                      // orders a second
	apart      = 2500 * time.Millisecond // deaths, at most
	// settled is how long after the last death all must have had their effect. A
	// group of consumers waits for each that died until its session runs out.
	settled = 90 * time.Second
)

// forgetful has the database keep nothing of how far subscribers came but the
// first of it.
const forgetful = `
CREATE FUNCTION drill.forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER drill_forget BEFORE UPDATE ON event_cursor FOR EACH ROW EXECUTE FUNCTION drill.forget();`

// deliverersDie kills, again and again, the process that has the lease to
// deliver or to publish, or, over Kafka, now and then one that only delivers.
func deliverersDie(ctx context.Context, r *run, processes int, kafka bool) error {
	f, deaths := &topicFleet{r: r}, killings
	if r.without {
		deaths = fewer
	}
	r.Injected = fmt.Sprintf("kill -9, %d times, of one of %d processes that deliver on the local bus, mostly of the one that does; %d orders a second in %d shops", deaths, processes, killedRate, topicShops)
	own := []string{"--roles", "relay"}
	if kafka {
		r.Injected = fmt.Sprintf("kill -9, %d times, of one of %d processes that publish to Kafka and deliver; %d orders a second in %d shops", deaths, processes, killedRate, topicShops)
		if err := f.startKafka(); err != nil {
			return err
		}
		own = append(own, "--kafka", f.kafka.Addr)
	}
	if err := f.open(ctx, "--lease", "1s"); err != nil {
		return err
	}
	if r.without {
		if _, err := f.shard.sql("%s", forgetful); err != nil {
			return err
		}
	}
	all, err := f.deliverers(ctx, processes, own)
	if err != nil {
		return err
	}
	if err := f.sell(ctx, killedRate); err != nil {
		return err
	}
	if _, err := f.caughtUp(ctx, 30*time.Second); err != nil {
		return err
	}
	begun, events, err := f.emitted()
	if err != nil {
		return err
	}
	holders, err := f.die(ctx, all, deaths, kafka, apart, func() string { return "" })
	if err != nil {
		return err
	}
	ended, more, err := f.emitted()
	if err != nil {
		return err
	}
	took := ended.Sub(begun)
	r.saw(true, "%d kills within %v, %d of them of the one with the lease to carry events; %.0f events a second meanwhile", deaths, round(took), holders, float64(more-events)/took.Seconds())
	when := time.Now()
	if err := f.settleWithin(ctx, settled); err != nil {
		return err
	}
	r.saw(true, "all had their effect %v after the last death", round(time.Since(when)))
	answer, err := f.shard.sql(`SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) || ' ms p50, ' || round(percentile_cont(0.99) WITHIN GROUP (ORDER BY took)) || ' ms p99'
		FROM (SELECT extract(epoch FROM e.at) * 1000 - o.placed_at / 1000.0 AS took FROM drill.effect e JOIN orders o ON o.shop = e.shop AND o.id = e.order_
			WHERE o.placed_at BETWEEN %d AND %d) x`, begun.UnixMicro(), ended.UnixMicro())
	if err != nil {
		return err
	}
	r.saw(true, "from order to effect %s, deaths included", answer)
	r.Noticed = "not asked"
	return nil
}

// die kills so many of the processes, one after the other, each of which comes
// back; it gives how many of them had the lease to carry events.
func (f *topicFleet) die(ctx context.Context, all map[string]*server, deaths int, kafka bool, apart time.Duration, how func() string) (holders int, err error) {
	for n := range deaths {
		if n%20 == 0 {
			f.r.say("death %d of %d%s", n+1, deaths, how())
		}
		if err := pause(ctx, rand.N(apart)); err != nil {
			return holders, err
		}
		holder, err := f.holder(ctx)
		if err != nil {
			return holders, err
		}
		victim := all[holder]
		if kafka && n%3 > 0 {
			for name, s := range all { // in no order
				if name != holder {
					victim = s
				}
			}
		} else {
			holders++
		}
		if victim == nil {
			return holders, fmt.Errorf("nobody is known as %s, who has the lease", holder)
		}
		victim.kill()
		if err := victim.begin(ctx); err != nil {
			return holders, fmt.Errorf("it does not come back: %w", err)
		}
	}
	return holders, nil
}

// startKafka starts a broker.
func (f *topicFleet) startKafka() (err error) {
	f.r.say("starting Kafka")
	dir := filepath.Join(f.r.dir, "kafka")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if f.kafka, err = broker.NewKafka(dir); err != nil {
		return err
	}
	f.r.atEnd(f.kafka.Kill)
	return nil
}

// emitted gives how many events there were up to now.
func (f *topicFleet) emitted() (time.Time, int, error) {
	n, err := f.count(`SELECT SUM(seq) FROM shop_clock`)
	return time.Now(), n, err
}

// holder waits until a process has the lease to carry events, and gives what it
// advertises.
func (f *topicFleet) holder(ctx context.Context) (string, error) {
	for {
		name, err := f.r.control.sql(`SELECT p.address FROM lease l JOIN process p ON p.id = l.holder AND p.run = l.run
			WHERE l.name LIKE 'events of %%' AND l.expires > extract(epoch FROM clock_timestamp()) * 1000000`)
		if err != nil || name != "" {
			return name, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}
