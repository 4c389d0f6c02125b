package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/event/broker"
)

var java = need{"Java", []string{"java"}, "default-jre-headless"}

// topicFleet is processes on PostgreSQL whose events go through Kafka, and what
// a superuser sees of their effects: each order's is that it is counted.
type topicFleet struct {
	r      *run
	shard  *database
	flags  []string
	kafka  *broker.Kafka
	link   *link // to Kafka, for those who are far from it
	front  *server
	shops  []*shop
	orders *load
}

// observed notes the order in which orders were counted, and has deliveries of
// one shop hang while drill.stuck names it. It is apart from the tables that
// haat keeps.
const observed = `
CREATE SCHEMA drill;
CREATE TABLE drill.effect (n BIGSERIAL, shop BIGINT NOT NULL, order_ BYTEA NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());
CREATE TABLE drill.stuck (shop BIGINT NOT NULL);
CREATE FUNCTION drill.took_effect() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO drill.effect (shop, order_) VALUES (NEW.shop, NEW.order_); RETURN NULL; END $$;
CREATE TRIGGER drill_effect AFTER INSERT ON insight_line FOR EACH ROW EXECUTE FUNCTION drill.took_effect();
CREATE FUNCTION drill.hang() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	FOR i IN 1..250 LOOP
		EXIT WHEN NOT EXISTS (SELECT 1 FROM drill.stuck s WHERE s.shop = NEW.shop);
		PERFORM pg_sleep(0.1);
	END LOOP;
	RETURN NEW;
END $$;
CREATE TRIGGER drill_hang BEFORE UPDATE ON event_turn FOR EACH ROW EXECUTE FUNCTION drill.hang();`

const topicShops, topicRate = 8, 10 // orders a second, over all shops

// overTopic starts Kafka, the databases, and a process that serves people and
// delivers nothing.
func (r *run) overTopic(ctx context.Context) (*topicFleet, error) {
	f := &topicFleet{r: r}
	var err error
	if f.link, err = r.newLink(); err != nil {
		return nil, err
	}
	r.say("starting Kafka")
	dir := filepath.Join(r.dir, "kafka")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if f.kafka, err = broker.NewKafkaFrom(dir, f.link.addr); err != nil {
		return nil, err
	}
	r.atEnd(f.kafka.Kill)
	f.link.to(f.kafka.Far)
	return f, f.open(ctx)
}

// open starts the databases, and the process that serves people.
func (f *topicFleet) open(ctx context.Context, flags ...string) (err error) {
	if f.shard, f.flags, err = f.r.fleet(); err != nil {
		return err
	}
	f.flags = slices.Concat(f.flags, flags)
	f.front, err = f.r.serve(ctx, "front", slices.Concat(f.flags, []string{"--roles", "web,api,worker"})...)
	if err != nil {
		return err
	}
	_, err = f.shard.sql("%s", observed)
	return err
}

// deliverer starts a process that publishes and delivers, near Kafka or far from
// it, and waits until it does the first, if it is to.
func (f *topicFleet) deliverer(ctx context.Context, name string, far, publishes bool) (*server, error) {
	at := f.kafka.Addr
	if far {
		at = f.link.addr
	}
	s, err := f.r.serve(ctx, name, slices.Concat(f.flags, []string{"--roles", "relay", "--kafka", at})...)
	if err != nil || !publishes {
		return s, err
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, err := s.metric(wait, "haat_relay_oldest_seconds"); err == nil {
			return s, nil
		}
		if pause(wait, 100*time.Millisecond) != nil {
			return nil, fmt.Errorf("%s does not begin to publish", name)
		}
	}
}

// sell opens the shops, and has so many shoppers a second come until settle.
func (f *topicFleet) sell(ctx context.Context, rate int) error {
	for i := range topicShops {
		s, err := f.r.open(ctx, f.front.addr, fmt.Sprintf("Shop %d", i), plenty)
		if err != nil {
			return err
		}
		f.shops = append(f.shops, s)
	}
	f.orders = arrive(ctx, rate, func(ctx context.Context, n int) error {
		return f.shops[n%topicShops].place(ctx, f.front.addr, fmt.Sprintf("Shopper %d", n), "cod")
	})
	return pause(ctx, 3*time.Second)
}

// count asks for a number.
func (f *topicFleet) count(text string, args ...any) (int, error) {
	answer, err := f.shard.sql(text, args...)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(answer)
}

// uncounted gives how many of the orders placed so long ago have had no effect.
func (f *topicFleet) uncounted(age time.Duration) (int, error) {
	return f.count(`SELECT count(*) FROM orders o WHERE o.placed_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - %d
		AND NOT EXISTS (SELECT 1 FROM insight_line l WHERE l.shop = o.shop AND l.order_ = o.id)`, age.Microseconds())
}

// caughtUp waits until all orders that were placed more than a second ago have
// had their effect, and gives how long that took.
func (f *topicFleet) caughtUp(ctx context.Context, within time.Duration) (took time.Duration, err error) {
	begun := time.Now()
	for {
		n, err := f.uncounted(time.Second)
		took = time.Since(begun)
		if err != nil || n == 0 {
			return took, err
		}
		if took > within {
			return took, fmt.Errorf("%w: %d orders have had no effect after %v", errLate, n, within)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return took, err
		}
	}
}

var errLate = errors.New("late")

// sawCatchUp notes whether what waited was caught up with.
func (f *topicFleet) sawCatchUp(ctx context.Context, when string, within time.Duration) error {
	took, err := f.caughtUp(ctx, within)
	if errors.Is(err, errLate) {
		f.r.saw(false, "%s, %s", when, strings.TrimPrefix(err.Error(), errLate.Error()+": "))
		return nil
	}
	if err == nil {
		f.r.saw(true, "%s, all orders have had their effect %v later", when, round(took))
	}
	return err
}

// settle lets the shoppers go, and holds what they were told against the effects.
func (f *topicFleet) settle(ctx context.Context) error { return f.settleWithin(ctx, 15*time.Second) }

// settleWithin is settle where effects may take longer.
func (f *topicFleet) settleWithin(ctx context.Context, within time.Duration) error {
	placed := f.orders.end()
	for _, why := range reasons(placed) {
		f.r.say("%s", why)
	}
	if err := pause(ctx, 1100*time.Millisecond); err != nil {
		return err
	}
	if _, err := f.caughtUp(ctx, within); err != nil && !errors.Is(err, errLate) {
		return err
	}
	f.r.saw(len(failed(placed)) == 0, "%d of %d orders failed", len(failed(placed)), len(placed))
	skipped, err := f.uncounted(0)
	if err != nil {
		return err
	}
	noted, err := f.count(`SELECT count(*) FROM drill.effect`)
	if err != nil {
		return err
	}
	counted, err := f.count(`SELECT COALESCE(SUM(orders), 0) FROM insight_slot`)
	if err != nil {
		return err
	}
	all, err := f.count(`SELECT count(*) FROM orders`)
	if err != nil {
		return err
	}
	doubled := max(noted, counted) - (all - skipped)
	disorder, err := f.count(`SELECT count(*) FROM (
		SELECT o.number, lag(o.number) OVER (PARTITION BY o.shop ORDER BY e.n) AS before
		FROM drill.effect e JOIN orders o ON o.shop = e.shop AND o.id = e.order_) x WHERE before > number`)
	if err != nil {
		return err
	}
	f.r.saw(skipped == 0 && noted == all && doubled == 0 && disorder == 0, "of the effects of %d orders %d are missing, %d doubled, %d out of order in their shop", all, skipped, doubled, disorder)
	return nil
}
