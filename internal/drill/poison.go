package drill

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"haat/internal/api"
)

var poisoned = drill{
	id: "F-11", fault: "three events say nothing that a subscriber can read, and an operator edits, retries and drops them",
	without: "no event can be set aside: event_parked takes no rows",
	needs:   []need{postgres, java},
	run:     eventsArePoison,
}

const (
	poisonRate  = 40 // orders a second, over all shops
	comparedFor = 25 * time.Second
	// Of delays their median is judged: of those of one shop, 125 in a time that is
	// compared, the 99th percentile is the second worst and swings with what else
	// the machine does. The worst must show that nobody waits.
	slowerBy = 1.1
	noise    = 2 * time.Millisecond // by which medians of quiet times differ
	nobody   = 2 * time.Second      // waits so long
)

// spoils has what the next three orders of one shop say cut in half where it is
// written, and keeps it for who mends it.
const spoils = `
CREATE TABLE drill.spoilt (shop BIGINT NOT NULL, seq BIGINT NOT NULL, key TEXT NOT NULL, said BYTEA NOT NULL);
CREATE FUNCTION drill.cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF NEW.topic = 'order.placed' AND NEW.shop = %s AND (SELECT count(*) FROM drill.spoilt) < 3 THEN
		INSERT INTO drill.spoilt VALUES (NEW.shop, NEW.seq, NEW.key, NEW.payload);
		NEW.payload := substring(NEW.payload FOR length(NEW.payload) / 2);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER drill_cut BEFORE INSERT ON shop_outbox FOR EACH ROW EXECUTE FUNCTION drill.cut();`

const noParking = `
CREATE FUNCTION drill.no_parking() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'nothing is set aside'; END $$;
CREATE TRIGGER drill_no_parking BEFORE INSERT ON event_parked FOR EACH ROW EXECUTE FUNCTION drill.no_parking();`

// eventsArePoison spoils what three orders of one shop say, and compares how
// long the effects of all others take.
func eventsArePoison(ctx context.Context, r *run) error {
	r.Injected = fmt.Sprintf("what three orders of one of %d shops say is cut in half in the outbox, and one of the three is cancelled; over Kafka, %d orders a second", topicShops, poisonRate)
	f, err := r.overTopic(ctx)
	if err != nil {
		return err
	}
	p := &poison{topicFleet: f}
	if p.near, err = f.deliverer(ctx, "near", false, true); err != nil {
		return err
	}
	if err := f.sell(ctx, poisonRate); err != nil {
		return err
	}
	for _, s := range []*server{f.front, p.near} {
		if err := s.quiet(ctx, f.front.token); err != nil {
			return err
		}
	}
	if p.number, err = f.shard.sql(`SELECT shop FROM orders WHERE name = 'Shopper 0'`); err != nil {
		return err
	}
	setUp := fmt.Sprintf(spoils, p.number)
	if r.without {
		setUp += noParking
	}
	r.say("all is well, for %v", comparedFor)
	begun := time.Now()
	if err := pause(ctx, comparedFor); err != nil {
		return err
	}
	r.say("three events are spoilt")
	fault := time.Now()
	if _, err := f.shard.sql("%s", setUp); err != nil {
		return err
	}
	if err := p.spoilt(ctx); err != nil {
		return err
	}
	if _, err := f.shops[0].desk(f.front.addr, "POST", "/orders/"+p.keys[0]+"/cancel", object{"reason": "A change of mind"}).do(ctx, nil); err != nil {
		return err
	}
	if r.Noticed = "not asked"; !r.without {
		if err := r.named(ctx, p.near, f.front.token, "poison-event", "are parked", fault); err != nil {
			return err
		}
	}
	if err := pause(ctx, time.Until(fault.Add(comparedFor))); err != nil {
		return err
	}
	was := []span{{begun, fault}, {fault, time.Now()}}
	if r.without {
		if err := pause(ctx, nobody); err != nil {
			return err
		}
	} else {
		if err := p.operate(ctx); err != nil {
			return err
		}
		r.say("all is well, for %v", comparedFor)
		mended := time.Now()
		if err := pause(ctx, comparedFor+nobody); err != nil {
			return err
		}
		was = append(was, span{mended, mended.Add(comparedFor)})
	}
	for _, which := range []struct{ who, where string }{{"of the shop's other keys", "o.shop = " + p.number}, {"of other shops", "o.shop <> " + p.number}} {
		if err := p.compared(which.who, which.where, was); err != nil {
			return err
		}
	}
	return p.settle(ctx)
}

// poison is a fleet with three keys of one shop that nobody can read.
type poison struct {
	*topicFleet
	near   *server
	number string    // of the shop, as its rows have it
	keys   [3]string // orders
	said   [3]string // what their events said before
}

// spoilt waits until three events are.
func (p *poison) spoilt(ctx context.Context) error {
	for {
		n, err := p.count(`SELECT count(*) FROM drill.spoilt`)
		if err != nil {
			return err
		}
		if n == len(p.keys) {
			break
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	for i := range p.keys {
		var err error
		row := fmt.Sprintf(`FROM drill.spoilt ORDER BY seq OFFSET %d LIMIT 1`, i)
		if p.keys[i], err = p.shard.sql(`SELECT key %s`, row); err != nil {
			return err
		}
		if p.said[i], err = p.shard.sql(`SELECT convert_from(said, 'UTF8') %s`, row); err != nil {
			return err
		}
	}
	return nil
}

// ofSpoilt says which orders are the three.
const ofSpoilt = `EXISTS (SELECT 1 FROM drill.spoilt s WHERE s.shop = o.shop AND (convert_from(s.said, 'UTF8')::json->>'number')::bigint = o.number)`

type delays struct {
	n              int
	p50, p99, most time.Duration
}

type span struct{ from, to time.Time }

// compared judges how long effects took in the second of some spans, while keys
// were parked, against the others: the slower of them, as what else the machine
// does comes and goes.
func (p *poison) compared(who, where string, was []span) error {
	var all []delays
	var p50, p99 []string
	for _, s := range was {
		d, err := p.delays(where, s.from, s.to)
		if err != nil {
			return err
		}
		all, p50, p99 = append(all, d), append(p50, round(d.p50).String()), append(p99, round(d.p99).String())
	}
	quiet, during := all[0].p50, all[1]
	if len(all) > 2 {
		quiet = max(quiet, all[2].p50)
	}
	held := during.p50 <= max(time.Duration(slowerBy*float64(quiet)), quiet+noise) && during.most < nobody
	p.r.saw(held, "%s, from order to effect before, during and after: p50 %s; p99 %s; %v at most while keys were parked (%d orders)", who,
		strings.Join(p50, ", "), strings.Join(p99, ", "), round(during.most), during.n)
	return nil
}

// delays gives how long after they were placed orders had their effect. Those
// that have had none wait until now.
func (p *poison) delays(where string, from, to time.Time) (d delays, err error) {
	answer, err := p.shard.sql(`SELECT count(*) || ' ' || COALESCE(percentile_cont(0.5) WITHIN GROUP (ORDER BY took), 0)::bigint || ' ' ||
		COALESCE(percentile_cont(0.99) WITHIN GROUP (ORDER BY took), 0)::bigint || ' ' || COALESCE(max(took), 0)::bigint FROM (
		SELECT extract(epoch FROM COALESCE(e.at, clock_timestamp())) * 1000000 - o.placed_at AS took
		FROM orders o LEFT JOIN drill.effect e ON e.shop = o.shop AND e.order_ = o.id
		WHERE %s AND o.placed_at BETWEEN %d AND %d AND NOT %s) x`, where, from.UnixMicro(), to.UnixMicro(), ofSpoilt)
	if err != nil {
		return d, err
	}
	var us [3]int64
	if _, err := fmt.Sscan(answer, &d.n, &us[0], &us[1], &us[2]); err != nil {
		return d, fmt.Errorf("read delays from %q: %w", answer, err)
	}
	d.p50, d.p99, d.most = time.Duration(us[0])*time.Microsecond, time.Duration(us[1])*time.Microsecond, time.Duration(us[2])*time.Microsecond
	return d, nil
}

// parked runs haat parked for the shop, as an operator does.
func (p *poison) parked(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.r.program, append([]string{"parked", p.shops[0].slug, "--ops", "http://" + p.near.ops}, args...)...)
	cmd.Env = append(os.Environ(), "HAAT_OPS_TOKEN="+p.front.token)
	cmd.Dir = p.r.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// operate looks at what is parked, mends the first two keys and gives the third
// up, for each subscriber.
func (p *poison) operate(ctx context.Context) error {
	r := p.r
	r.say("the operator looks")
	out, err := p.parked(ctx)
	if err != nil {
		return fmt.Errorf("haat parked: %w: %s", err, out)
	}
	seen := 0
	for i, key := range p.keys {
		if quoted := strconv.Quote(p.said[i][:len(p.said[i])/2]); strings.Contains(out, key) && strings.Contains(out, quoted) {
			seen++
		}
	}
	r.saw(seen == len(p.keys) && strings.Contains(out, "an earlier event of this key is parked"), "haat parked shows %d of 3 keys with what they say", seen)
	all, err := p.near.operator(p.front.token).Parked(ctx, "", api.ParkedPlace{})
	if err != nil {
		return err
	}
	subscribers, last := map[string]bool{}, int64(0)
	for _, e := range all.Items {
		subscribers[e.Subscriber], last = true, max(last, e.Seq)
	}
	handled, refused := 0, 0
	for i, key := range p.keys {
		file := filepath.Join(r.dir, fmt.Sprintf("event%d.json", i))
		if err := os.WriteFile(file, []byte(p.said[i]), 0o600); err != nil {
			return err
		}
		for name := range subscribers {
			which := []string{"--subscriber", name, "--key", key}
			if i == 2 {
				if out, err := p.parked(ctx, append(which, "--drop", "--up-to", strconv.FormatInt(last, 10))...); err != nil {
					return fmt.Errorf("haat parked --drop: %w: %s", err, out)
				}
				continue
			}
			if out, err := p.parked(ctx, append(which, "--retry")...); err != nil && strings.Contains(out, "It failed again") {
				refused++
			}
			seq, err := p.shard.sql(`SELECT seq FROM drill.spoilt WHERE key = '%s'`, key)
			if err != nil {
				return err
			}
			if out, err := p.parked(ctx, append(which, "--edit", file, "--seq", seq)...); err != nil {
				return fmt.Errorf("haat parked --edit: %w: %s", err, out)
			}
			out, err := p.parked(ctx, append(which, "--retry")...)
			if err != nil {
				return fmt.Errorf("haat parked --retry: %w: %s", err, out)
			}
			n := 0
			_, _ = fmt.Sscanf(out, "Handled: %d", &n)
			handled += n
		}
	}
	n := len(subscribers)
	r.saw(n > 1 && refused == 2*n, "of %d retries of what was not mended %d were told that it failed again", 2*n, refused)
	r.saw(handled == 3*n, "after edits %d of %d events were handled", handled, 3*n)
	// Of the second key there is more to come; it finds nothing in its way.
	if _, err := p.shops[0].desk(p.front.addr, "POST", "/orders/"+p.keys[1]+"/cancel", object{"reason": "A change of mind"}).do(ctx, nil); err != nil {
		return err
	}
	left, err := p.near.until(ctx, "haat_parked_events", 0, 15*time.Second)
	if err != nil && ctx.Err() != nil {
		return err
	}
	r.saw(err == nil, "nothing is parked %v later", round(left))
	trace, err := p.shard.sql(`SELECT string_agg(x, ', ' ORDER BY x) FROM (SELECT how || ' ' || count(*) AS x FROM event_settled GROUP BY how) y`)
	if err != nil {
		return err
	}
	r.saw(trace == fmt.Sprintf("dropped %d, edited %d, replayed %d", n, 2*n, 3*n), "what was done for %d subscribers, as it is kept: %s", n, trace)
	closed, err := p.near.until(ctx, `haat_incident_open{name="poison-event"}`, 0, 2*noticed)
	if err != nil && ctx.Err() != nil {
		return err
	}
	r.saw(err == nil, "the incident is over %v after that", round(closed))
	return nil
}

// settle lets the shoppers go, and holds the orders against their effects.
func (p *poison) settle(ctx context.Context) error {
	r, placed := p.r, p.orders.end()
	for _, why := range reasons(placed) {
		r.say("%s", why)
	}
	r.saw(len(failed(placed)) == 0, "%d of %d orders failed", len(failed(placed)), len(placed))
	if r.without {
		return nil
	}
	if err := pause(ctx, 2*nobody); err != nil {
		return err
	}
	missing, err := p.count(`SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM drill.effect e WHERE e.shop = o.shop AND e.order_ = o.id)`)
	if err != nil {
		return err
	}
	doubled, err := p.count(`SELECT count(*) - count(DISTINCT (shop, order_)) FROM drill.effect`)
	if err != nil {
		return err
	}
	disorder, err := p.count(`SELECT count(*) FROM (SELECT o.number, lag(o.number) OVER (PARTITION BY o.shop ORDER BY e.n) AS before
		FROM drill.effect e JOIN orders o ON o.shop = e.shop AND o.id = e.order_ WHERE NOT %s) x WHERE before > number`, ofSpoilt)
	if err != nil {
		return err
	}
	undone, err := p.count(`SELECT count(*) FROM orders o WHERE o.cancelled_at > 0 AND NOT EXISTS (SELECT 1 FROM insight_line l WHERE l.shop = o.shop AND l.order_ = o.id)`)
	if err != nil {
		return err
	}
	sum, err := p.count(`SELECT COALESCE(SUM(orders), 0) FROM insight_slot`)
	if err != nil {
		return err
	}
	all, err := p.count(`SELECT count(*) FROM orders`)
	if err != nil {
		return err
	}
	r.saw(missing == 1 && doubled == 0 && disorder == 0, "of the effects of %d orders %d is missing, that which was given up, %d doubled, %d out of order in their shop", all, missing, doubled, disorder)
	r.saw(undone == 2 && sum == all-3, "%d of 2 cancelled orders count no more, the one that waited behind its poison too", undone)
	return nil
}
