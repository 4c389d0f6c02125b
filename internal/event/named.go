package event

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

// ErrUntold says that a shop's outbox does not tell what is asked.
var ErrUntold = errors.New("the outbox does not tell")

// namedFar is how many events after a mark are looked at.
const namedFar = 5_000

var readNamed = db.Q(`
	SELECT seq, at, tags FROM shop_outbox
	WHERE shop = $1 AND seq > $2 AND (tags <> '' OR seq = $2 + 1) ORDER BY seq LIMIT $3`)

// FirstNamed gives when the first event after a mark was emitted that names one
// of the tags, as the primary has it; zero if there is none. It is [ErrUntold] if
// the mark is of another life of the shop, or too long ago.
func FirstNamed(ctx context.Context, room *fleet.Room, m db.Mark, tags []string) (at time.Time, err error) {
	type row struct {
		seq  int64
		at   time.Time
		tags string
	}
	var rows []row
	var now db.Mark
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		now = r.Mark()
		rows, err = db.All(ctx, r, readNamed, func(x *row) []any { return []any{&x.seq, &x.at, &x.tags} }, m.Seq, namedFar)
		return err
	})
	switch {
	case err != nil:
		return at, err
	case m.Shop != now.Shop || m.Epoch != now.Epoch || m.Term != now.Term:
		return at, ErrUntold
	case now.Seq > m.Seq && (len(rows) == 0 || rows[0].seq != m.Seq+1):
		return at, ErrUntold // they are not all there any more
	}
	for _, x := range rows {
		for tag := range strings.FieldsSeq(x.tags) {
			if slices.Contains(tags, tag) {
				return x.at, nil
			}
		}
	}
	if len(rows) == namedFar {
		return at, ErrUntold
	}
	return at, nil
}
