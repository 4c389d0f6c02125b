package drill

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

var silentDeath = drill{
	id: "F-10", fault: "a deliverer's connection is cut in silence, one partition hangs, and a deliverer is paused for good",
	without: "the deliverer that is cut off is the only one",
	needs:   []need{postgres, java},
	run:     diesInSilence,
}

var cutOff = drill{
	id: "F-21", fault: "the process that delivers is cut off from the topic for more than a minute",
	without: "the link stays cut",
	needs:   []need{postgres, java},
	run:     cutForMinutes,
}

const (
	takenOver = 25 * time.Second // of a cut: a session runs out after six
	awayFor   = 70 * time.Second
)

// diesInSilence has two processes deliver, of which one is cut off and, later,
// stopped; in between a shop's deliveries hang.
func diesInSilence(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("of two processes that deliver over Kafka one is cut off from it in silence; then deliveries of one of %d shops hang in the database; then SIGSTOP of the process; %d orders a second", topicShops, topicRate)
	f, err := r.overTopic(ctx)
	if err != nil {
		return err
	}
	token := f.front.token
	near := f.front
	if !r.without {
		if near, err = f.deliverer(ctx, "near", false, true); err != nil {
			return err
		}
	}
	far, err := f.deliverer(ctx, "far", true, r.without)
	if err != nil {
		return err
	}
	if err := f.sell(ctx, topicRate); err != nil {
		return err
	}
	for n := 0.0; n == 0; { // some partitions are its own
		if n, err = far.metric(ctx, "haat_events_arrived_total"); err != nil {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	for _, s := range []*server{f.front, far} {
		if err := s.quiet(ctx, token); err != nil {
			return err
		}
	}
	r.say("the connection is cut")
	fault := time.Now()
	f.link.cut()
	if err := r.named(ctx, far, token, "topic-unseen", "Kafka has not said", fault); err != nil {
		return err
	}
	named := r.Noticed
	if err := pause(ctx, time.Until(fault.Add(takenOver))); err != nil {
		return err
	}
	if err := f.sawCatchUp(ctx, fmt.Sprintf("cut off for %v", takenOver), 5*time.Second); err != nil {
		return err
	}
	r.say("it is mended")
	f.link.mend()
	if r.without {
		return f.settle(ctx)
	}
	for _, s := range []*server{near, far} {
		if err := s.quiet(ctx, token); err != nil {
			return err
		}
	}
	r.say("deliveries of one shop hang")
	stuck, err := f.shard.sql(`INSERT INTO drill.stuck SELECT shop FROM orders GROUP BY shop ORDER BY shop LIMIT 1 RETURNING shop`)
	if err != nil {
		return err
	}
	fault = time.Now()
	if err := r.named(ctx, near, token, "partition-stuck", "records wait", fault); err != nil {
		return err
	}
	named += ", " + r.Noticed
	others, err := f.count(`SELECT count(*) FROM orders o WHERE o.shop <> %s AND o.placed_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 5000000
		AND NOT EXISTS (SELECT 1 FROM insight_line l WHERE l.shop = o.shop AND l.order_ = o.id)`, stuck)
	if err != nil {
		return err
	}
	r.saw(others == 0, "%d orders of other shops have had no effect for 5s meanwhile", others)
	if _, err := f.shard.sql(`DELETE FROM drill.stuck`); err != nil {
		return err
	}
	if err := f.sawCatchUp(ctx, "when it hangs no more", 10*time.Second); err != nil {
		return err
	}
	for _, s := range []*server{near, far} {
		if err := s.quiet(ctx, token); err != nil {
			return err
		}
	}
	r.say("the process is paused, and never goes on")
	fault = time.Now()
	far.signal(syscall.SIGSTOP)
	if err := r.named(ctx, f.front, token, "process-lost", "It was seen", fault); err != nil {
		return err
	}
	r.Noticed = named + ", " + r.Noticed
	if err := pause(ctx, time.Until(fault.Add(takenOver))); err != nil {
		return err
	}
	if err := f.sawCatchUp(ctx, fmt.Sprintf("paused for %v", takenOver), 5*time.Second); err != nil {
		return err
	}
	return f.settle(ctx)
}

// cutForMinutes cuts the only process that publishes and delivers off from Kafka.
func cutForMinutes(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("the only process that publishes and delivers is cut off from Kafka, in silence, for %v; %d orders a second in %d shops", awayFor, topicRate, topicShops)
	f, err := r.overTopic(ctx)
	if err != nil {
		return err
	}
	far, err := f.deliverer(ctx, "far", true, true)
	if err != nil {
		return err
	}
	if err := f.sell(ctx, topicRate); err != nil {
		return err
	}
	for _, s := range []*server{f.front, far} {
		if err := s.quiet(ctx, f.front.token); err != nil {
			return err
		}
	}
	if _, err := f.caughtUp(ctx, 10*time.Second); err != nil {
		return err
	}
	r.say("the link is cut")
	fault := time.Now()
	f.link.cut()
	if err := r.named(ctx, far, f.front.token, "relay-stalled", "wait to be published", fault); err != nil {
		return err
	}
	if err := pause(ctx, time.Until(fault.Add(awayFor))); err != nil {
		return err
	}
	waiting, err := f.uncounted(time.Second)
	if err != nil {
		return err
	}
	r.saw(true, "%d orders wait for their effect", waiting)
	if !r.without {
		r.say("it is mended")
		f.link.mend()
	}
	if err := f.sawCatchUp(ctx, "with the link there again", 30*time.Second); err != nil {
		return err
	}
	return f.settle(ctx)
}
