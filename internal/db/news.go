package db

import (
	"context"
	"strings"

	"haat/internal/id"
)

var (
	setDone  = Q(`UPDATE shop_clock SET done = $2 WHERE shop = $1 AND done < $2 AND seq >= $2`)
	stands   = Q(`SELECT seq, done FROM shop_clock WHERE shop = $1`)
	spoiling = Q(`
		SELECT seq, tags FROM shop_outbox
		WHERE shop = $1 AND seq > $2 AND (tags <> '' OR seq = $2 + 1) ORDER BY seq DESC LIMIT $3`)
	news = Across(`SELECT shop, seq - done FROM shop_clock WHERE news AND shop > $1 ORDER BY shop LIMIT $2`)
)

// SetDone notes on the shop's clock that nobody needs to be told of its events
// up to seq any more. It never goes back, nor beyond what was emitted.
func SetDone(ctx context.Context, tx *Tx, seq int64) error {
	_, err := tx.Exec(ctx, setDone, seq)
	return err
}

// Stands gives how many events the shop has emitted, and up to which of them
// nobody needs to be told any more.
func Stands(ctx context.Context, r Reader) (seq, done int64, err error) {
	type at struct{ seq, done int64 }
	got, _, err := One(ctx, r, stands, func(a *at) []any { return []any{&a.seq, &a.done} })
	return got.seq, got.done, err
}

// Spoilt gives the tags that the shop's newest events have named, each with the
// number of the newest that did. It looks at most far events back and stops at
// so many tags; what it gives is all that events after from have named.
func Spoilt(ctx context.Context, r Reader, far int64, most int) (tags map[string]int64, from int64, err error) {
	type event struct {
		seq  int64
		tags string
	}
	upTo := r.Mark().Seq
	from = max(0, upTo-far)
	events, err := All(ctx, r, spoiling, func(e *event) []any { return []any{&e.seq, &e.tags} }, from, far)
	if err != nil {
		return nil, 0, err
	}
	tags = map[string]int64{}
	if n := len(events); upTo > from && (n == 0 || events[n-1].seq != from+1) {
		return tags, upTo, nil // they are not all there any more
	}
	for _, e := range events {
		for tag := range strings.FieldsSeq(e.tags) {
			if tags[tag] < e.seq {
				tags[tag] = e.seq
			}
		}
		if len(tags) > most {
			return tags, e.seq - 1, nil
		}
	}
	return tags, from, nil
}

// News gives, in order of their ids, the shops after one that have emitted
// events beyond what SetDone noted, and how many. It takes as long as there
// are such shops, however many others there are.
func (s *Shard) News(ctx context.Context, after id.Shop, limit int) ([]Count, error) {
	return s.Across(ctx, news, after, limit)
}
