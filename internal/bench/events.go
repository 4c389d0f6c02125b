package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/db/cluster"
	"haat/internal/event"
	"haat/internal/event/broker"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/money"
	"haat/internal/op"
)

const (
	eventShops   = 100
	eventsBatch  = 20  // in one transaction
	eventRate    = 200 // transactions a second, of one event each, for latencies
	deliverWait  = 2 * time.Minute
	priceChanges = 20 // at least
)

// eventsEach is how many events of a shop wait when delivery begins.
func (b *bench) eventsEach() int64 {
	return int64(min(max(b.For.Seconds()*60, eventsBatch), 500)) / eventsBatch * eventsBatch
}

// happened is an event of no other meaning.
type happened struct {
	N int64 `json:"n"`
}

func (happened) Topic() string  { return "bench.happened" }
func (h happened) Key() string  { return fmt.Sprint(h.N % 8) }
func (happened) Tags() []string { return []string{"bench"} }

// events brings events to their effects on every road, and a changed price to
// another process's page.
func (b *bench) events(ctx context.Context, r *Result) error {
	if err := b.road(ctx, r, "local bus", nil); err != nil {
		return fmt.Errorf("local bus: %w", err)
	}
	fake, err := broker.Fake()
	if err != nil {
		return err
	}
	err = b.road(ctx, r, "broker in this process", fake.ListenAddrs())
	fake.Close()
	if err != nil {
		return fmt.Errorf("broker in this process: %w", err)
	}
	dir, err := b.folder("kafka")
	if err != nil {
		return err
	}
	b.say("starting Kafka")
	if kafka, err := broker.NewKafka(dir); err != nil {
		r.note("Kafka was not measured: %v", err)
	} else {
		err = b.road(ctx, r, "Kafka "+broker.Version, []string{kafka.Addr})
		kafka.Kill()
		if err != nil {
			return fmt.Errorf("over Kafka: %w", err)
		}
	}
	r.note("in process, on one embedded database: %s events of %d shops that wait when delivery begins, each of which writes one row, exactly once; p50 and p99 from the commit of an event to that of its effect, at %d events a second",
		whole(int(eventShops*b.eventsEach())), eventShops, eventRate)
	return b.elsewhere(ctx, r)
}

// delivery is a bus that writes a row for each event, and when.
type delivery struct {
	fleet *fleet.Fleet
	rooms []*fleet.Room
	done  atomic.Int64
	mu    sync.Mutex
	when  map[spot]time.Time // effects, if somebody asks
}

// spot names an event.
type spot struct {
	shop id.Shop
	seq  int64
}

func (d *delivery) effect(ctx context.Context, tx *db.Tx, m event.Meta, _ happened) error {
	if _, err := tx.Exec(ctx, insertRow, m.Seq, 0, "x"); err != nil { // a second time would fail
		return err
	}
	tx.After(func() {
		d.mu.Lock()
		if d.when != nil {
			d.when[spot{m.Shop, m.Seq}] = time.Now()
		}
		d.mu.Unlock()
		d.done.Add(1)
	})
	return nil
}

// await waits until so many effects are there.
func (d *delivery) await(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, deliverWait)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for d.done.Load() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events have had their effect after %v", d.done.Load(), n, deliverWait)
		}
	}
	return nil
}

// road measures one way on which events come to those who deliver them.
func (b *bench) road(ctx context.Context, r *Result, label string, brokers []string) (err error) {
	wait := eventShops * b.eventsEach()
	b.say("%s: %d events are made", label, wait)
	dir, err := b.folder("events of " + label)
	if err != nil {
		return err
	}
	control, err := db.OpenControl(ctx, filepath.Join(dir, "control.db"), db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	d := &delivery{}
	d.fleet, err = fleet.OpenFleet(ctx, fleet.Config{
		Control: control, Dir: filepath.Join(dir, "shards"), Shards: 1, Schemas: []*db.SchemaSet{event.Schema, Schema}, Domain: domain, Log: quiet,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.fleet.Close()) }()
	bus := event.NewBus(d.fleet, quiet)
	bus.Leased()
	event.On(bus, "bench", d.effect)
	var carrier event.Carrier = event.Local{Bus: bus}
	if brokers != nil {
		k, err := event.OverKafka(ctx, d.fleet, bus, event.KafkaOptions{
			Brokers: brokers, Topic: "haat.bench", Partitions: 12, Retention: time.Hour,
			Epoch: func(context.Context) (int64, error) { return time.Now().UnixMicro(), nil },
		}, quiet)
		if err != nil {
			return err
		}
		defer k.Close()
		carrier = k
	}
	for i := range eventShops {
		slug := fmt.Sprint("shop-", i)
		room, err := d.fleet.Create(ctx, id.NewShop(), slug, slug, func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return nil })
		if err != nil {
			return err
		}
		d.rooms = append(d.rooms, room)
	}
	if _, err := times(ctx, writers, wait/eventsBatch, func(ctx context.Context, _ int, n int64) error {
		_, err := d.rooms[n%eventShops].Change(ctx, func(tx *db.Tx) error {
			for i := range int64(eventsBatch) {
				if err := event.Emit(ctx, tx, happened{n*eventsBatch + i}); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	}); err != nil {
		return err
	}
	b.say("%s: they are delivered", label)
	at, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer func() {
		stop()
		all.Wait()
		bus.Close()
	}()
	begun := time.Now()
	bus.Start(at)
	all.Go(func() { carrier.Run(at) })
	for _, name := range d.fleet.ShardNames() {
		all.Go(func() { carrier.Serve(at, name, time.Now().UnixMicro()) })
	}
	if err := d.await(ctx, wait); err != nil {
		return err
	}
	rate := float64(wait) / time.Since(begun).Seconds()
	late, err := d.latency(ctx, 2*b.For, wait)
	if err != nil {
		return err
	}
	row := Row{Label: label, Rate: rate, P50: float64(late.ValueAtQuantile(50)) / 1e3, P99: float64(late.ValueAtQuantile(99)) / 1e3}
	r.Rows = append(r.Rows, row)
	r.least("events a second, "+label, rate, 5000, "")
	r.most("p99 from commit to effect, "+label, row.P99, 100, "ms")
	return nil
}

// latency emits events at a fixed rate, and gives how long after its commit
// each had its effect, in microseconds.
func (d *delivery) latency(ctx context.Context, lasts time.Duration, before int64) (*hdrhistogram.Histogram, error) {
	d.mu.Lock()
	d.when = map[spot]time.Time{}
	d.mu.Unlock()
	committed := map[spot]time.Time{}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	total := int64(lasts.Seconds() * eventRate)
	begun := time.Now()
	for n := range total {
		t := time.NewTimer(time.Until(begun.Add(time.Duration(n) * time.Second / eventRate)))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		all.Go(func() {
			room := d.rooms[n%eventShops]
			mark, err := room.Change(ctx, func(tx *db.Tx) error { return event.Emit(ctx, tx, happened{n}) })
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			committed[spot{room.Shop(), mark.Seq}] = now
			failed = errors.Join(failed, err)
		})
	}
	all.Wait()
	if failed == nil {
		failed = d.await(ctx, before+total)
	}
	if failed != nil {
		return nil, failed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := histogram()
	for at, since := range committed {
		done, ok := d.when[at]
		if !ok {
			return nil, fmt.Errorf("event %d of shop %v has had no effect", at.seq, at.shop)
		}
		// What took effect before its emitter was told that it stands took no time.
		_ = h.RecordValue(max(1, done.Sub(since).Microseconds()))
	}
	return h, nil
}

// elsewhere changes a price in one process, again and again, and looks at
// another's page until it shows it.
func (b *bench) elsewhere(ctx context.Context, r *Result) error {
	b.say("a price that changes, seen in another process")
	server, err := cluster.Start(false)
	if err != nil {
		r.note("pages of another process were not measured: %v", err)
		return nil
	}
	defer server.Close()
	var dsn [2]string
	for i := range dsn {
		name, err := server.Create()
		if err != nil {
			return err
		}
		dsn[i] = server.DSN(name, "haat")
	}
	here, err := b.folder("here")
	if err != nil {
		return err
	}
	p, err := b.OpenOn(ctx, here, dsn[0], dsn[1])
	if err != nil {
		return err
	}
	err = b.pagesElsewhere(ctx, r, p, dsn)
	return errors.Join(err, p.Close())
}

func (b *bench) pagesElsewhere(ctx context.Context, r *Result, p *Platform, dsn [2]string) error {
	s, err := openStall(ctx, p.Fleet, "elsewhere", 1, plenty)
	if err != nil {
		return err
	}
	if err := p.Quiet(ctx); err != nil {
		return err
	}
	srv, err := b.serve(ctx, -1, filepath.Join(b.dir, "elsewhere"), "--control", dsn[0], "--first-shard", dsn[1])
	if err != nil {
		return err
	}
	defer srv.stop()
	host, path := s.room.Slug()+"."+domain, "/products/"+s.handles[0]
	h := histogram()
	begun, spent := time.Now(), time.Duration(0)
	for n := 0; n < priceChanges || time.Since(begun) < 4*b.For; n++ {
		if _, err := fetchJSON(ctx, srv.addr, host, path); err != nil {
			return err
		}
		price := 1000 + n%9000
		in := catalog.PriceChange{Variant: s.variants[0].String()}
		in.Body.Price = money.Money{Amount: int64(price) * 100, Currency: "INR"}
		if _, err := catalog.SetPrice.Do(ctx, s.room, op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}, in); err != nil {
			return err
		}
		changed, shown := time.Now(), fmt.Sprintf("%d,%03d", price/1000, price%1000)
		for {
			page, err := fetchJSON(ctx, srv.addr, host, path)
			if err != nil {
				return err
			}
			if strings.Contains(string(page.body), shown) {
				break
			}
			if time.Since(changed) > deliverWait {
				return fmt.Errorf("another process shows no price of %s after %v", shown, deliverWait)
			}
		}
		took := time.Since(changed)
		spent += took
		_ = h.RecordValue(took.Microseconds())
		t := time.NewTimer(rand.N(50 * time.Millisecond)) // not in step with what looks every so often
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
	row := Row{Label: "a price's change, on a page of another process", Rate: float64(h.TotalCount()) / spent.Seconds(), P50: float64(h.ValueAtQuantile(50)) / 1e3, P99: float64(h.ValueAtQuantile(99)) / 1e3}
	row.Note = fmt.Sprintf("%d changes, one after the other, PostgreSQL, over HTTP", h.TotalCount())
	r.Rows = append(r.Rows, row)
	r.most("p99 from a price's change to the page elsewhere", row.P99, 150, "ms")
	return nil
}
