package move

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
)

// wide is as many tables as the rooms of the platform have.
var wide = func() *db.SchemaSet {
	var s strings.Builder
	for n := range 100 {
		fmt.Fprintf(&s, "-- narrow\nCREATE TABLE wide_%02d (\n\tshop BIGINT NOT NULL,\n\tn BIGINT NOT NULL,\n\tPRIMARY KEY (shop, n)\n);\n", n)
	}
	return db.Schema("wide", fstest.MapFS{"schema/0001_wide.sql": {Data: []byte(s.String())}})
}()

// A shop that sells as fast as it can, on a shard that is 25 ms away and has
// few connections, all of which it takes, moves away all the same: the mover
// asks about all tables at once, and on connections of its own.
func TestAWhaleMovesOverALongLink(t *testing.T) {
	f := yardOf(t, []string{"s1.db", dbtest.NewProxy(t, dbtest.Postgres(t), 25*time.Millisecond).DSN + "&pool_max_conns=2"}, wide)
	room := newShop(t, f)
	m := works(t, f, func(m *Mover) { m.Lease = 10 * time.Second })
	if room.Shard() != "s2" {
		goTo(t, m, room, "s2")
		moved, _, err := m.Open(t.Context(), room.Shop())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Forget(t.Context(), room.Shop()); err != nil {
			t.Fatal(err)
		}
		await(t, m, moved.ID, Move.Over)
	}
	w := &writers{room: room}
	w.write = func(ctx context.Context, fn func(*db.Tx) error) error {
		_, err := room.Change(ctx, fn)
		return err
	}
	w.begin(t)
	mv, err := m.Start(t.Context(), room.Shop(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	mv = await(t, m, mv.ID, arrived)
	there := w.total()
	w.end()
	if mv.Phase != Kept {
		t.Fatalf("it did not arrive: %+v", mv)
	}
	took := mv.Moved.Sub(mv.Started)
	lost, wrong := w.lost(t)
	t.Logf("moved in %v under %d writes, given up %d times, paused %v", took, there, mv.Aborts, mv.Pause)
	if took > 15*time.Second {
		t.Errorf("it took %v to arrive", took)
	}
	if lost > 0 || wrong > 0 {
		t.Errorf("%d acknowledged writes lost, %d wrong", lost, wrong)
	}
}
