package hook

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Call is one request to a webhook.
type Call struct {
	URL    string
	Header map[string]string
	Body   []byte
}

// Answer is what came of a Call.
type Answer struct {
	Status     int           // HTTP; 0 if there was no answer
	RetryAfter time.Duration // what the receiver asked for; 0 if it did not
	Why        string        // it was not taken, safe to show; empty if it was
}

// Sender sends what webhooks are to be told. Close it before the fleet.
type Sender struct {
	post  func(context.Context, Call) Answer
	log   *slog.Logger
	now   func() time.Time
	calls *calls
}

// NewSender makes a Sender that calls out by post, which gives up by itself
// or when its context ends.
func NewSender(post func(context.Context, Call) Answer, log *slog.Logger) *Sender {
	return &Sender{post: post, log: log, now: time.Now, calls: newCalls()}
}

// line is what goes one after the other: a topic for a webhook.
type line struct {
	hook  id.Hook
	topic string
}

// delivery is one that is being sent.
type delivery struct {
	id       id.Message
	topic    string
	body     []byte
	attempts int64
	due, at  time.Time
	trace    string // a header traceparent; empty: part of nothing that is known
	hook     Hook
}

const (
	claim   = 30 * time.Second // for which a delivery under way is nobody else's: twice as long as a call takes
	inARow  = 20               // deliveries of a line, before others have their turn
	longest = 6 * time.Hour    // between two tries
)

var (
	// Due gives shops with deliveries whose time has come, and the instant:
	// after the instant $1 and shop $2, up to the instant $3, at most $4.
	Due = db.Across(`
		SELECT shop, due_at FROM hook_delivery WHERE state = 'waiting' AND (due_at, shop) > ($1, $2) AND due_at <= $3
		ORDER BY due_at, shop LIMIT $4`)
	// Old gives shops with deliveries that have been kept for long enough, in
	// the same way.
	Old = db.Across(`
		SELECT shop, done_at FROM hook_delivery WHERE state <> 'waiting' AND (done_at, shop) > ($1, $2) AND done_at <= $3 - 1209600000000
		ORDER BY done_at, shop LIMIT $4`)

	dueLines = db.Q(`
		SELECT hook, topic FROM hook_delivery WHERE shop = $1 AND state = 'waiting' AND due_at <= $2
		GROUP BY hook, topic ORDER BY MIN(due_at) LIMIT 20`)
	first = db.Q(`
		SELECT id, body, attempts, due_at, at, trace FROM hook_delivery
		WHERE shop = $1 AND hook = $2 AND topic = $3 AND state = 'waiting' ORDER BY seq LIMIT 1`)
	take   = db.Q(`UPDATE hook_delivery SET attempts = attempts + 1, due_at = $3 WHERE shop = $1 AND id = $2 AND state = 'waiting'`)
	again  = db.Q(`UPDATE hook_delivery SET due_at = $3, status = $4, error = $5 WHERE shop = $1 AND id = $2 AND state = 'waiting'`)
	settle = db.Q(`UPDATE hook_delivery SET state = $3, status = $4, error = $5, done_at = $6 WHERE shop = $1 AND id = $2 AND state = 'waiting'`)
	hold   = db.Q(`UPDATE hook_delivery SET due_at = $3 WHERE shop = $1 AND hook = $2 AND state = 'waiting'`)
	forget = db.Q(`
		DELETE FROM hook_delivery WHERE shop = $1 AND id IN (
			SELECT id FROM hook_delivery WHERE shop = $1 AND state <> 'waiting' AND done_at <= $2 LIMIT 1000)`)
)

// never is when what waits for its webhook to be turned on is due.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Sweep sends what is due in a shop, a bounded piece of it, and waits for it. It
// gives how many deliveries were taken.
func (s *Sender) Sweep(ctx context.Context, room *fleet.Room) (sent int, err error) {
	lines, err := s.due(ctx, room)
	for _, l := range lines {
		n, bad := s.line(ctx, room, l)
		sent, err = sent+n, errors.Join(err, bad)
	}
	return sent, err
}

// Forget deletes what has been kept for long enough, a bounded piece of it.
func (s *Sender) Forget(ctx context.Context, room *fleet.Room) (n int, err error) {
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		rows, err := tx.Exec(ctx, forget, tx.Now().Add(-Kept))
		n = int(rows)
		return err
	})
	return n, err
}

// line sends what is due of a line, one after the other, until one is not
// taken. An error is of ours, not of the webhook's.
func (s *Sender) line(ctx context.Context, room *fleet.Room, l line) (sent int, err error) {
	for range inARow {
		d, err := s.claim(ctx, room, l)
		if err != nil || d == nil {
			return sent, err
		}
		answer := s.post(ctx, s.call(d))
		if ctx.Err() != nil {
			return sent, ctx.Err() // it is tried again when the claim has run out
		}
		if err := s.settle(ctx, room, d, answer); err != nil || answer.Why != "" {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// claim takes the first delivery of a line if its time has come; else nil.
func (s *Sender) claim(ctx context.Context, room *fleet.Room, l line) (d *delivery, err error) {
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		d = nil
		got, found, err := db.One(ctx, tx, first, func(d *delivery) []any { return []any{&d.id, &d.body, &d.attempts, &d.due, &d.at, &d.trace} }, l.hook, l.topic)
		if err != nil || !found || got.due.After(s.now()) {
			return cmp.Or(err, errNothing)
		}
		got.hook, err = load(ctx, tx, l.hook)
		if fault.Is(err, fault.KindNotFound) {
			return errNothing
		}
		if err != nil {
			return err
		}
		if got.hook.State != On {
			_, err = tx.Exec(ctx, hold, l.hook, never)
			return err
		}
		if _, err = tx.Exec(ctx, take, got.id, s.now().Add(claim)); err != nil {
			return err
		}
		got.attempts, got.topic = got.attempts+1, l.topic
		d = &got
		return nil
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	return d, err
}

// errNothing ends a transaction that has nothing to write.
var errNothing = errors.New("nothing is due")

// call is a delivery as it is sent, signed as Standard Webhooks 1.0 says. It is part
// of the request that caused the event it tells of, at each try.
func (s *Sender) call(d *delivery) Call {
	at := strconv.FormatInt(s.now().Unix(), 10)
	mac := hmac.New(sha256.New, d.hook.secret)
	fmt.Fprintf(mac, "msg_%s.%s.", d.id, at)
	mac.Write(d.body)
	c := Call{URL: d.hook.URL, Body: d.body, Header: map[string]string{
		"Content-Type": "application/json", "User-Agent": "haat (webhook)",
		"Webhook-Id": "msg_" + d.id.String(), "Webhook-Timestamp": at,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}}
	if _, ok := id.ParseTrace(d.trace); ok {
		c.Header["Traceparent"] = d.trace
	}
	return c
}

// settle writes down what came of a delivery, and turns a webhook off that has
// taken nothing for too long.
func (s *Sender) settle(ctx context.Context, room *fleet.Room, d *delivery, a Answer) error {
	a.Why = strings.ToValidUTF8(a.Why[:min(len(a.Why), 300)], "")
	_, err := room.Change(ctx, func(tx *db.Tx) error {
		h, err := load(ctx, tx, d.hook.ID)
		if fault.Is(err, fault.KindNotFound) {
			return errNothing // deleted meanwhile, with its deliveries
		}
		if err != nil {
			return err
		}
		if a.Why == "" {
			if h.Failing != nil {
				h.Failing = nil
				if err := store(ctx, tx, h); err != nil {
					return err
				}
			}
			_, err = tx.Exec(ctx, settle, d.id, "sent", a.Status, "", s.now())
			return err
		}
		now := s.now()
		if h.Failing == nil {
			h.Failing = &now
		}
		due := now.Add(s.pause(d.attempts, a.RetryAfter))
		switch {
		case h.State != On:
			due = never
		case a.Status == 410:
			h.State, h.Why = Off, "It answered 410 Gone: it wants nothing more."
		case now.Sub(*h.Failing) >= GiveUp:
			h.State, h.Why = Off, fmt.Sprintf("It has taken nothing for %d hours. The last time: %s", int(GiveUp.Hours()), a.Why)
		case now.Sub(d.at) >= GiveUp: // it takes others, so that it will never take this one
			if _, err := tx.Exec(ctx, settle, d.id, "failed", a.Status, a.Why, now); err != nil {
				return err
			}
			return event.Emit(ctx, tx, Queued{h.ID, d.topic})
		}
		if _, err := tx.Exec(ctx, again, d.id, due, a.Status, a.Why); err != nil {
			return err
		}
		if err := store(ctx, tx, h); err != nil || h.State == On {
			return err
		}
		if _, err := tx.Exec(ctx, hold, h.ID, never); err != nil || d.hook.State == h.State {
			return err
		}
		s.log.Warn("a webhook was turned off", "shop", room.Shop(), "webhook", h.ID, "why", h.Why)
		return event.Emit(ctx, tx, TurnedOff{Hook: h.ID, URL: h.URL, Why: h.Why, At: now})
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// pause is how long to wait after so many tries: 5 seconds, then three times
// as long each time, up to [longest], or what the receiver asked for if that
// is longer; and up to a quarter more, so that not all come back at once.
func (s *Sender) pause(attempts int64, asked time.Duration) time.Duration {
	wait := longest
	if attempts <= 8 {
		wait = 5 * time.Second
		for range attempts - 1 {
			wait *= 3
		}
	}
	wait = min(max(wait, asked), longest)
	return wait + time.Duration(rand.Int64N(int64(wait)/4))
}
