package db

import (
	"context"

	"haat/internal/id"
)

var (
	setDone = Q(`UPDATE shop_clock SET done = $2 WHERE shop = $1 AND done < $2 AND seq >= $2`)
	stands  = Q(`SELECT seq, done FROM shop_clock WHERE shop = $1`)
	news    = Across(`SELECT shop, seq - done FROM shop_clock WHERE seq > done AND shop > $1 ORDER BY shop LIMIT $2`)
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

// News gives, in order of their ids, the shops after one that have emitted
// events beyond what SetDone noted, and how many. It takes as long as there
// are such shops, however many others there are.
func (s *Shard) News(ctx context.Context, after id.Shop, limit int) ([]Count, error) {
	return s.Across(ctx, news, after, limit)
}
