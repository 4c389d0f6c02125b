package event

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

const (
	relayWorkers = 48  // shops that are published at once; they mostly wait for acknowledgements
	relayBatch   = 128 // events of one shop in flight
	noteEvery    = 5 * time.Second
)

var (
	readPublished = db.Q(`SELECT seq FROM event_published WHERE shop = $1`)
	notePublished = db.Q(`
		INSERT INTO event_published (shop, seq, epoch) VALUES ($1, $2, $3)
		ON CONFLICT (shop) DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch
		WHERE event_published.seq < excluded.seq AND event_published.epoch <= excluded.epoch`)
)

// published gives up to which event a shop's outbox is known to be published:
// as noted, or because everybody has handled it.
func published(ctx context.Context, r db.Reader) (int64, error) {
	_, done, err := db.Stands(ctx, r)
	if err != nil {
		return 0, err
	}
	noted, _, err := db.One(ctx, r, readPublished, func(n *int64) []any { return []any{n} })
	return max(noted, done), err
}

// relay publishes the outboxes of one shard's shops, under its lease.
type relay struct {
	*Kafka
	shard string
	epoch int64
	ready chan *line

	mu    sync.Mutex
	lines map[id.Shop]*line
	full  bool // some shop found no line
}

// line is a shop with news, as its relay sees it.
type line struct {
	shop id.Shop

	// Guarded by relay.mu:
	queued bool // in the channel, at work, or waiting to try again
	again  bool // news came meanwhile
	look   bool // there may be news that is not among the recent
	anew   bool // how far it was published is to be read again
	recent []record
	since  time.Time // when the oldest event that is not acknowledged came; zero: none
	rested time.Time
	why    string // what it waits for

	// Guarded by whoever works on it; read under relay.mu when it is not queued:
	known bool
	acked int64 // published up to here
	noted int64 // and so the shop's rows say
	saved time.Time
	fails int
}

// Serve implements Carrier: it publishes until ctx ends.
func (k *Kafka) Serve(ctx context.Context, shard string, epoch int64) {
	r := &relay{Kafka: k, shard: shard, epoch: epoch, ready: make(chan *line, maxOutlets), lines: map[id.Shop]*line{}}
	k.mu.Lock()
	k.relays[shard] = r
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.relays[shard] == r {
			delete(k.relays, shard)
		}
	}()
	var all sync.WaitGroup
	all.Go(func() { r.keep(ctx) })
	if k.await(ctx) == nil {
		for range relayWorkers {
			all.Go(func() { r.work(ctx) })
		}
	}
	all.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	r.note(last, 0)
}

// written takes the events of a commit to the relay of its shard.
func (k *Kafka) written(c fleet.Commit) {
	k.mu.Lock()
	r := k.relays[c.Shard]
	k.mu.Unlock()
	if r != nil {
		r.news(c)
	}
}

// anew has a shard's relay read again how far everything was published: the
// shard has a new primary, which may give out the numbers of lost events again.
func (k *Kafka) anew(shard string) {
	k.mu.Lock()
	r := k.relays[shard]
	k.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		l.anew, l.recent = true, nil
		r.queue(l)
	}
}

// news takes note of what was committed in a shop, or may have been.
func (r *relay) news(c fleet.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lines[c.Shop]
	if l == nil {
		if len(r.lines) >= maxOutlets {
			r.full = true
			return
		}
		l = &line{shop: c.Shop, look: true}
		r.lines[c.Shop] = l
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	switch n := len(l.recent); {
	case c.Doubt || n >= 4*relayBatch || n > 0 && c.First != l.recent[n-1].seq+1:
		l.look = true
		if !c.Doubt && n > 0 && c.First > l.recent[n-1].seq {
			l.recent = nil
		}
	default:
		for i, e := range c.Events {
			l.recent = append(l.recent, record{seq: c.First + int64(i), event: e.ID, at: c.At, topic: e.Topic, key: e.Key, tags: e.Tags, payload: e.Payload, trace: e.Trace})
		}
	}
	r.queue(l)
}

// queue hands a line to the workers. The caller holds r.mu.
func (r *relay) queue(l *line) {
	if l.queued {
		l.again = true
		return
	}
	l.queued = true
	r.ready <- l // has room: a line is in it once
}

func (r *relay) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-r.ready:
			err := r.publish(ctx, l)
			if ctx.Err() != nil {
				return
			}
			r.rest(ctx, l, err)
		}
	}
}

// rest puts a line to rest, or has it tried again after a while.
func (r *relay) rest(ctx context.Context, l *line, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		l.fails++
		l.why, l.look, l.again = err.Error(), true, false
		r.stats.Failed.Add(1)
		if l.fails&(l.fails-1) == 0 {
			r.log.Warn("a shop's events could not be published; it will be tried again", "shop", l.shop, "failures", l.fails, "err", err)
		}
		time.AfterFunc(backoff(l.fails), func() {
			if ctx.Err() == nil {
				r.ready <- l
			}
		})
		return
	}
	l.fails, l.why = 0, ""
	if l.again {
		l.again = false
		r.ready <- l
		return
	}
	l.queued, l.since, l.rested = false, time.Time{}, time.Now()
}

// publish brings to the topic what a shop's outbox has beyond what is there,
// strictly in order: a batch is acknowledged before the next is sent.
func (r *relay) publish(ctx context.Context, l *line) error {
	room, err := r.fleet.ByID(ctx, l.shop)
	if fault.Is(err, fault.KindNotFound) {
		return nil // an unfinished sign-up, which wakes us again
	}
	if err != nil || room.Shard() != r.shard {
		return err // on another shard another relay publishes it
	}
	r.mu.Lock()
	if l.anew {
		l.anew, l.look, l.known = false, true, false
	}
	r.mu.Unlock()
	if !l.known {
		err := room.View(ctx, fleet.Newest, func(v db.Reader) (err error) {
			l.acked, err = published(ctx, v)
			return err
		})
		if err != nil {
			return err
		}
		l.known, l.noted = true, l.acked
		l.saved = time.Now().Add(-rand.N(noteEvery)) // not all shops in the same moment
	}
	for {
		batch, err := r.next(ctx, room, l)
		if err != nil || len(batch) == 0 {
			return err
		}
		for i, e := range batch {
			if want := l.acked + 1 + int64(i); e.seq != want {
				return fmt.Errorf("shop %v: the event after %d is %d: the outbox is damaged", l.shop, want-1, e.seq)
			}
		}
		if err := r.send(ctx, l, batch); err != nil {
			return err
		}
		if time.Since(l.saved) > noteEvery { // it may never rest
			if err := r.noteLine(ctx, l); err != nil {
				return err
			}
		}
		r.mu.Lock()
		if l.since = time.Now(); len(l.recent) > 0 && l.recent[len(l.recent)-1].seq > l.acked {
			l.since = l.recent[max(0, l.acked+1-l.recent[0].seq)].at
		}
		r.mu.Unlock()
	}
}

// next gives what comes after what was acknowledged.
func (r *relay) next(ctx context.Context, room *fleet.Room, l *line) (batch []record, err error) {
	after := l.acked
	r.mu.Lock()
	l.recent = slices.DeleteFunc(l.recent, func(e record) bool { return e.seq <= after })
	if len(l.recent) > 0 && l.recent[0].seq == after+1 {
		batch = slices.Clone(l.recent[:min(relayBatch, len(l.recent))])
	}
	look := len(batch) == 0 && (l.look || len(l.recent) > 0)
	if look {
		l.look = false // before reading: what comes meanwhile says so again
	}
	r.mu.Unlock()
	if !look {
		return batch, nil
	}
	err = room.View(ctx, fleet.Newest, func(v db.Reader) (err error) {
		batch, err = db.All(ctx, v, readNews, scanRecord, after, relayBatch)
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || len(batch) == relayBatch {
		l.look = true
	}
	return batch, err
}

// send publishes a batch, and notes how much of it was acknowledged.
func (r *relay) send(ctx context.Context, l *line, batch []record) error {
	if unfit := r.Misfit(); unfit != nil {
		return unfit
	}
	if lose != nil && lose(batch[0].seq) {
		l.acked = batch[0].seq
		return nil
	}
	records := make([]*kgo.Record, len(batch))
	for i, e := range batch {
		records[i] = pack(r.o.Topic, l.shop, r.epoch, e)
		if records[i].Value == nil {
			r.stats.Left.Add(1)
		}
	}
	type answer struct {
		i   int
		err error
	}
	answers := make(chan answer, len(records))
	for i, rec := range records {
		r.client.Produce(ctx, rec, func(_ *kgo.Record, err error) { answers <- answer{i, err} })
	}
	errs := make([]error, len(records))
	for range records {
		select {
		case a := <-answers:
			errs[a.i] = a.err
		case <-ctx.Done(): // what is under way may be published yet, and is then repeated
			return ctx.Err()
		}
	}
	for i, err := range errs {
		if err != nil {
			r.say(err)
			return err
		}
		l.acked = batch[i].seq
		r.stats.Published.Add(1)
	}
	return nil
}

// lose says, in the test that shows what happens then, which events never come
// to the topic.
var lose func(seq int64) bool

// keep finds shops whose news nobody told of, and writes down how far those
// that rest were published.
func (r *relay) keep(ctx context.Context) {
	r.discover(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.note(ctx, rests)
		r.mu.Lock()
		room := r.full && len(r.lines) < maxOutlets/2
		if room {
			r.full = false
		}
		r.mu.Unlock()
		if room || n%60 == 0 {
			r.discover(ctx)
		}
	}
}

// discover looks for shops with news. What everybody has handled was published.
func (r *relay) discover(ctx context.Context) {
	for after := id.Shop(0); ctx.Err() == nil; {
		s := r.fleet.Shard(r.shard)
		if s == nil {
			return
		}
		page, err := s.News(ctx, after, 1000)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error("cannot look for events to publish", "shard", r.shard, "err", err)
			}
			r.mu.Lock()
			r.full = true
			r.mu.Unlock()
			return
		}
		for _, c := range page {
			after = c.Shop
			r.news(fleet.Commit{Shop: c.Shop, Shard: r.shard, Doubt: true})
		}
		if len(page) < 1000 {
			return
		}
	}
}

// note writes down how far shops were published that have rested for so long,
// and lets go of them.
func (r *relay) note(ctx context.Context, rests time.Duration) {
	now := time.Now()
	var resting []*line
	r.mu.Lock()
	for _, l := range r.lines {
		if (!l.queued || rests == 0) && now.Sub(l.rested) >= rests {
			l.queued = true // nobody else works on it
			resting = append(resting, l)
		}
	}
	r.mu.Unlock()
	for _, l := range resting {
		err := r.noteLine(ctx, l)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("cannot store how far events were published", "shop", l.shop, "err", err)
		}
		r.mu.Lock()
		if l.queued = false; l.again {
			l.again = false
			r.queue(l)
		} else if err == nil {
			delete(r.lines, l.shop)
		}
		r.mu.Unlock()
	}
}

func (r *relay) noteLine(ctx context.Context, l *line) error {
	l.saved = time.Now()
	if !l.known || l.acked == l.noted {
		return nil
	}
	room, err := r.fleet.ByID(ctx, l.shop)
	if err == nil && room.Shard() == r.shard {
		_, err = room.Change(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, notePublished, l.acked, r.epoch)
			return err
		})
	}
	if fault.Is(err, fault.KindNotFound) || errors.Is(err, db.ErrMoved) {
		err = nil
	}
	if err == nil {
		l.noted = l.acked
	}
	return err
}
