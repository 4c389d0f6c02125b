package move

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

// early is a schema under which the fence is looked at when a transaction
// begins, and no more when it ends.
var early = db.Schema("early", fstest.MapFS{"schema/0001_early.postgres.sql": {Data: []byte(`
CREATE OR REPLACE FUNCTION haat_tick(p_shop BIGINT, p_epoch BIGINT, p_at BIGINT,
	p_events BYTEA[], p_topics TEXT[], p_keys TEXT[], p_tags TEXT[], p_payloads BYTEA[], p_traces TEXT[],
	OUT o_n BIGINT, OUT o_seq BIGINT, OUT o_term BIGINT) AS $$
BEGIN
	UPDATE shop_clock SET n = n + 1 WHERE shop = p_shop RETURNING n, seq INTO o_n, o_seq;
	SELECT term INTO o_term FROM shard_term;
END
$$ LANGUAGE plpgsql;`)}})

var stands = db.Q(`SELECT epoch FROM shop_clock WHERE shop = $1 AND state = 'open'`)

// The control of TestNemesis: with the fence looked at when a transaction
// begins, instead of when it ends, moves lose acknowledged writes.
func TestAnEarlyFenceLosesWrites(t *testing.T) {
	f := yard(t, 2, early)
	room := newShop(t, f)
	m := works(t, f, func(*Mover) {})
	w := &writers{room: room, pace: 5 * time.Millisecond}
	w.write = func(ctx context.Context, fn func(*db.Tx) error) error {
		now, err := f.ByID(ctx, room.Shop())
		if err != nil {
			return err
		}
		_, err = now.Change(ctx, func(tx *db.Tx) error {
			epoch, ok, err := db.One(ctx, tx, stands, func(n *int64) []any { return []any{n} })
			if err != nil || !ok || epoch != now.Entry().Epoch {
				return fmt.Errorf("closed: %w", err)
			}
			<-time.After(30 * time.Millisecond) // as long as a transaction may take
			return fn(tx)
		})
		return err
	}
	for range 4 { // each loses some: who asks in between sees what is under way as lost
		now, err := f.ByID(t.Context(), room.Shop())
		if err != nil {
			t.Fatal(err)
		}
		to := map[string]string{"s1": "s2", "s2": "s3", "s3": "s2"}[now.Shard()]
		goTo(t, m, now, to)
		if w.stop == nil {
			w.begin(t) // on a database: files have one writer at a time
		}
	}
	w.end()
	lost, _ := w.lost(t)
	t.Logf("%d of %d acknowledged writes lost", lost, w.total())
	if lost == 0 {
		t.Error("nothing was lost: the test of moves cannot see what it is for")
	}
}

func goTo(t *testing.T, m *Mover, at *fleet.Room, to string) {
	t.Helper()
	mv, err := m.Start(t.Context(), at.Shop(), to)
	if err != nil {
		was, _, _ := m.Open(t.Context(), at.Shop())
		if e := m.Forget(t.Context(), at.Shop()); e != nil {
			t.Fatal(err, e)
		}
		await(t, m, was.ID, Move.Over)
		if mv, err = m.Start(t.Context(), at.Shop(), to); err != nil {
			t.Fatal(err)
		}
	}
	await(t, m, mv.ID, arrived)
}
