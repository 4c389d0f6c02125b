package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/order"
	shops "haat/internal/shop"
)

var (
	loadedLocal = drill{
		id: "F-14-local-load", fault: "of two processes that deliver events the one that does is killed, a hundred times, under thousands of orders a second",
		without: "how far subscribers came is not kept",
		needs:   []need{postgres},
		within:  10 * time.Minute,
		run:     func(ctx context.Context, r *run) error { return deliverersDieLoaded(ctx, r, 2, false) },
	}
	loadedKafka = drill{
		id: "F-14-kafka-load", fault: "of three processes that publish to Kafka and deliver one is killed, a hundred times, under thousands of orders a second",
		without: "how far subscribers came is not kept",
		needs:   []need{postgres, java},
		within:  10 * time.Minute,
		run:     func(ctx context.Context, r *run) error { return deliverersDieLoaded(ctx, r, 3, true) },
	}
)

const (
	loadShops   = 100
	loadBatch   = 50   // orders of one shop in a transaction
	loadRate    = 5000 // orders a second
	loadWriters = 16
	loadApart   = 1500 * time.Millisecond // deaths, at most
)

// counted notes each order that is counted: in which turn, and when. The title
// of what was ordered is the number of the event.
const counted = `
CREATE SCHEMA drill;
CREATE UNLOGGED TABLE drill.effect (n BIGSERIAL, shop BIGINT NOT NULL, seq BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION drill.took_effect() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO drill.effect (shop, seq) VALUES (NEW.shop, NEW.title::bigint); RETURN NULL; END $$;
CREATE TRIGGER drill_effect AFTER INSERT ON insight_line FOR EACH ROW EXECUTE FUNCTION drill.took_effect();`

// orderFlood commits the events of orders, with no order around them, at a rate
// that no shop front of this machine has.
type orderFlood struct {
	rooms []*fleet.Room
	seq   []int64 // of each shop's last event
	late  atomic.Int64
	all   sync.WaitGroup
	stop  context.CancelFunc
	mu    sync.Mutex
	err   error
	made  int64
}

// flood opens the shops, and has so many orders a second come until end.
func (r *run) flood(ctx context.Context, f *fleet.Fleet, rate int) (*orderFlood, error) {
	o := &orderFlood{seq: make([]int64, loadShops)}
	for i := range loadShops {
		settings := shops.Defaults(fmt.Sprint("Shop ", i), "IN", "INR")
		room, err := f.Create(ctx, id.NewShop(), fmt.Sprint("shop-", i), settings.Name,
			func(tx *db.Tx) error { return shops.Write(ctx, tx, settings) }, func(*db.ControlTx) error { return nil })
		if err == nil {
			err = room.View(ctx, fleet.Newest, func(v db.Reader) (err error) {
				o.seq[i], err = db.Seq(ctx, v)
				return err
			})
		}
		if err != nil {
			return nil, err
		}
		o.rooms = append(o.rooms, room)
	}
	ctx, o.stop = context.WithCancel(ctx)
	begun, next := time.Now(), atomic.Int64{}
	for w := range loadWriters {
		o.all.Go(func() {
			for {
				// A shop has one writer, so that its events are numbered beforehand.
				n := next.Add(1) - 1
				due := begun.Add(time.Duration(n) * loadBatch * time.Second / time.Duration(rate))
				if pause(ctx, time.Until(due)) != nil {
					return
				}
				i := w + loadWriters*rand.IntN((loadShops-w+loadWriters-1)/loadWriters)
				err := o.commit(ctx, i)
				for fault.Is(err, fault.KindBusy) && pause(ctx, 50*time.Millisecond) == nil {
					err = o.commit(ctx, i)
				}
				if err != nil {
					if ctx.Err() == nil {
						o.mu.Lock()
						o.err = errors.Join(o.err, err)
						o.mu.Unlock()
					}
					return
				}
				o.late.Store(time.Since(due).Milliseconds())
			}
		})
	}
	return o, nil
}

// commit commits some orders of a shop together.
func (o *orderFlood) commit(ctx context.Context, i int) error {
	_, err := o.rooms[i].Change(ctx, func(tx *db.Tx) error {
		for n := range int64(loadBatch) {
			seq := o.seq[i] + 1 + n
			err := event.Emit(ctx, tx, order.OrderPlaced{
				Order: id.Order(id.New[struct{}]()), Number: seq, Token: "t", Total: 100_00, Subtotal: 100_00, Currency: "INR", Items: 1, Name: "A Shopper", Method: order.CashOnDelivery, At: tx.Now(),
				Lines: []order.PlacedLine{{Title: strconv.FormatInt(seq, 10), Quantity: 1, Total: 100_00}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		o.seq[i] += loadBatch
		o.mu.Lock()
		o.made += loadBatch
		o.mu.Unlock()
	}
	return err
}

// placed gives how many orders have been committed.
func (o *orderFlood) placed() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.made
}

func (o *orderFlood) end() error {
	o.stop()
	o.all.Wait()
	return o.err
}

// deliverersDieLoaded is deliverersDie where orders are events alone, of which
// there can be thousands a second.
func deliverersDieLoaded(ctx context.Context, r *run, processes int, kafka bool) error {
	deaths := killings
	if r.without {
		deaths = fewer
	}
	over := "on the local bus, mostly of the one that does"
	if kafka {
		over = "over Kafka"
	}
	r.Injected = fmt.Sprintf("kill -9, %d times, of one of %d processes that publish and deliver %s; %d orders a second in %d shops, which are committed as events, %d of a shop together", deaths, processes, over, loadRate, loadShops, loadBatch)
	f := &topicFleet{r: r}
	own := []string{"--roles", "relay"}
	if kafka {
		if err := f.startKafka(); err != nil {
			return err
		}
		own = append(own, "--kafka", f.kafka.Addr)
	}
	var err error
	if f.shard, f.flags, err = r.fleet(); err != nil {
		return err
	}
	f.flags = append(f.flags, "--lease", "1s")
	source, end, err := r.host.Fleet(ctx, filepath.Join(r.dir, "source"), r.control.dsn(), f.shard.dsn())
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = end() })
	if _, err := f.shard.sql("%s", counted); err != nil {
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
	flood, err := r.flood(ctx, source, loadRate)
	if err != nil {
		return err
	}
	defer flood.stop()
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	begun, before, busy := time.Now(), flood.placed(), spent()
	holders, err := f.die(ctx, all, deaths, kafka, loadApart, func() string {
		return fmt.Sprintf(", %.0f orders a second, %d ms behind", float64(flood.placed()-before)/time.Since(begun).Seconds(), flood.late.Load())
	})
	if err != nil {
		return err
	}
	took, placed := time.Since(begun), flood.placed()-before
	if err := flood.end(); err != nil {
		return err
	}
	died := time.Now()
	r.saw(true, "%d kills within %v, %d of them of the one with the lease to carry events; %.0f orders a second meanwhile", deaths, round(took), holders, float64(placed)/took.Seconds())
	if at := spent(); len(at) > 0 {
		cores := func(who string) float64 { return (at[who] - busy[who]).Seconds() / took.Seconds() }
		r.saw(true, "of %d cores PostgreSQL took %.1f, Kafka %.1f, deliverers %.1f, who commits %.1f", runtime.NumCPU(), cores("postgres"), cores("java"), cores("haat"), cores("self"))
	}
	for {
		n, err := f.count(`SELECT (SELECT count(*) FROM drill.effect) - %d`, flood.placed())
		if err != nil {
			return err
		}
		if n >= 0 {
			r.saw(true, "all had their effect %v after the last death", round(time.Since(died)))
			break
		}
		if time.Since(died) > settled {
			r.saw(false, "%d effects are not there %v after the last death", -n, settled)
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if err := pause(ctx, 2*time.Second); err != nil { // what is doubled comes yet
		return err
	}
	for _, s := range all {
		s.kill()
	}
	return f.countLoad(r, flood.placed(), begun, died)
}

// countLoad holds the effects against the events.
func (f *topicFleet) countLoad(r *run, placed int64, begun, ended time.Time) error {
	var n [5]int
	for i, text := range []string{
		`SELECT count(*) FROM shop_outbox WHERE topic = 'order.placed'`,
		`SELECT count(*) FROM shop_outbox o WHERE topic = 'order.placed' AND NOT EXISTS (SELECT 1 FROM drill.effect e WHERE e.shop = o.shop AND e.seq = o.seq)`,
		`SELECT count(*) FROM drill.effect`,
		`SELECT GREATEST((SELECT SUM(units) FROM insight_line), (SELECT SUM(orders) FROM insight_slot))`,
		`SELECT count(*) FROM (SELECT seq, lag(seq) OVER (PARTITION BY shop ORDER BY n) AS before FROM drill.effect) x WHERE before > seq`,
	} {
		var err error
		if n[i], err = f.count("%s", text); err != nil {
			return err
		}
	}
	events, missing, noted, sums, disorder := n[0], n[1], n[2], n[3], n[4]
	doubled := max(noted, sums) - (events - missing)
	r.saw(int64(events) >= placed, "%d orders are in the outboxes, of which %d were acknowledged", events, placed)
	r.saw(missing == 0 && doubled == 0 && disorder == 0, "of the effects of %d orders %d are missing, %d doubled, %d out of order in their shop", events, missing, doubled, disorder)
	answer, err := f.shard.sql(`SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) || ' ms p50, ' || round(percentile_cont(0.99) WITHIN GROUP (ORDER BY took)) || ' ms p99'
		FROM (SELECT extract(epoch FROM e.at) * 1000 - o.at / 1000.0 AS took FROM drill.effect e JOIN shop_outbox o ON o.shop = e.shop AND o.seq = e.seq WHERE o.at BETWEEN %d AND %d) x`, begun.UnixMicro(), ended.UnixMicro())
	if err != nil {
		return err
	}
	r.saw(true, "from commit to effect %s, deaths included", answer)
	r.Noticed = "not asked"
	return nil
}

// deliverers starts some processes, and gives them by what they advertise.
func (f *topicFleet) deliverers(ctx context.Context, n int, flags []string) (map[string]*server, error) {
	all := map[string]*server{}
	for i := range n {
		name := fmt.Sprintf("deliverer-%d", i)
		s, err := f.r.serve(ctx, name, slices.Concat(f.flags, flags, []string{"--advertise", name + ":1"})...)
		if err != nil {
			return nil, err
		}
		all[name+":1"] = s
	}
	return all, nil
}

// spent gives the time that cores were busy with programs of these names, and
// with this process itself; nothing where the system does not tell.
func spent() map[string]time.Duration {
	all := map[string]time.Duration{}
	const tick = 10 * time.Millisecond
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	program, _ := os.Executable()
	for _, name := range stats {
		b, err := os.ReadFile(name)
		head, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if err != nil || !ok || len(fields) < 15 {
			continue
		}
		n := func(i int) time.Duration { t, _ := strconv.Atoi(fields[i-3]); return time.Duration(t) * tick }
		pid, who, _ := strings.Cut(head, " (")
		switch {
		case pid == strconv.Itoa(os.Getpid()):
			all["self"] += n(14) + n(15)
			all["haat"] += n(16) + n(17) // of deliverers that have died
		case strings.HasPrefix(filepath.Base(program), who):
			all["haat"] += n(14) + n(15)
		case who == "postgres":
			all["postgres"] += n(14) + n(15) + n(16) + n(17)
		default:
			all[who] += n(14) + n(15)
		}
	}
	return all
}
