package event

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Settled is what became of an event that was set aside.
type Settled struct {
	How        string          `json:"how"` // replayed, dropped or edited
	At         time.Time       `json:"at"`
	Subscriber string          `json:"subscriber"`
	Key        string          `json:"key"`
	Seq        int64           `json:"seq"`
	Event      id.Event        `json:"event"`
	Topic      string          `json:"topic"`
	Payload    json.RawMessage `json:"payload"` // before it was edited, if it was
	Error      string          `json:"error"`   // why it was parked
}

var (
	settleOne = db.Q(`
		INSERT INTO event_settled (shop, name, seq, at, how, key, event, topic, payload, error)
		SELECT shop, name, seq, $5, $6, key, event, topic, payload, error FROM event_parked
		WHERE shop = $1 AND name = $2 AND key = $3 AND seq = $4`)
	settleKey = db.Q(`
		INSERT INTO event_settled (shop, name, seq, at, how, key, event, topic, payload, error)
		SELECT shop, name, seq, $4, $5, key, event, topic, payload, error FROM event_parked
		WHERE shop = $1 AND name = $2 AND key = $3 AND seq <= $6`)
	listSettled = db.Q(`
		SELECT how, at, name, key, seq, event, topic, payload, error FROM event_settled
		WHERE shop = $1 ORDER BY at DESC, name, seq DESC LIMIT 200`)
	lastSettled = db.Across(`SELECT shop, at FROM event_settled ORDER BY at DESC, shop LIMIT $1`)
	// SettledLongAgo gives shops with events that were settled KeptSettled before
	// the instant $3, and when: after the instant $1 and shop $2, at most $4.
	SettledLongAgo = db.Across(`
		SELECT shop, at FROM event_settled WHERE (at, shop) > ($1, $2) AND at <= $3 - 7776000000000
		ORDER BY at, shop LIMIT $4`)
	forgetSettled = db.Q(`
		DELETE FROM event_settled WHERE shop = $1 AND at <= $2 AND (name, seq, at) IN (
			SELECT name, seq, at FROM event_settled WHERE shop = $1 AND at <= $2 LIMIT 1000)`)
)

// KeptSettled is how long it is remembered what became of an event.
const KeptSettled = 90 * 24 * time.Hour

// ListSettled gives what became of a shop's events that were set aside, the
// latest first.
func ListSettled(ctx context.Context, room *fleet.Room) ([]Settled, error) {
	var out []Settled
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		out, err = db.All(ctx, r, listSettled, func(s *Settled) []any {
			return []any{&s.How, &s.At, &s.Subscriber, &s.Key, &s.Seq, &s.Event, &s.Topic, (*[]byte)(&s.Payload), &s.Error}
		})
		return err
	})
	return out, err
}

// LastSettled gives the shops of the last events that were settled anywhere, at
// most limit, the latest first.
func (b *Bus) LastSettled(ctx context.Context, limit int) ([]id.Shop, error) {
	rows, err := b.fleet.Across(ctx, lastSettled, limit)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b db.Count) int { return cmp.Compare(b.N, a.N) })
	var out []id.Shop
	for _, c := range rows[:min(limit, len(rows))] {
		if !slices.Contains(out, c.Shop) {
			out = append(out, c.Shop)
		}
	}
	return out, nil
}

// ForgetSettled deletes what was kept for long enough in a shop, a bounded piece
// of it. It gives how many.
func ForgetSettled(ctx context.Context, room *fleet.Room) (n int, err error) {
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		rows, err := tx.Exec(ctx, forgetSettled, tx.Now().Add(-KeptSettled))
		n = int(rows)
		return err
	})
	return n, err
}
