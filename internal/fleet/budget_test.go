package fleet_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/guard"
)

const (
	crowd = 300 // that want the one shop at a time
	few   = 30  // that come to the other
)

// One shop is wanted by hundreds at a time, and another by one now and then,
// who reads and writes: its every request is served, after a few turns of
// others at most. Without budgets it waits behind the hundreds.
func TestAFlashSaleDoesNotStarveItsNeighbour(t *testing.T) {
	// Without budgets SQLite's readers are at times free for the other shop: there
	// is no control on it.
	t.Run("sqlite/budgets", func(t *testing.T) {
		dir := t.TempDir()
		starve(t, fleettest.Open(t, dir+"/control.db", fleet.Config{Dir: dir, Schemas: []*db.SchemaSet{noteSchema}}, nil), true)
	})
	for _, budgets := range []bool{true, false} {
		t.Run("postgres/"+map[bool]string{true: "budgets", false: "none"}[budgets], func(t *testing.T) {
			c := fleet.Config{Dir: t.TempDir(), FirstShard: dbtest.Postgres(t), NoBudgets: !budgets, Schemas: []*db.SchemaSet{noteSchema}}
			starve(t, fleettest.Open(t, dbtest.Postgres(t), c, nil), budgets)
		})
	}
}

func starve(t *testing.T, f *fleet.Fleet, budgets bool) {
	whale, other := fleettest.NewShop(t, f, "whale"), fleettest.NewShop(t, f, "other")
	_, apart := f.Shard(whale.Shard()).Conns()
	look := func(ctx context.Context, room *fleet.Room, in func()) error {
		return room.View(ctx, fleet.Newest, func(r db.Reader) error {
			in()
			_, err := db.All(ctx, r, getNotes, scanNote)
			return err
		})
	}
	save := func(ctx context.Context, room *fleet.Room, in func()) error {
		_, err := room.Change(ctx, func(tx *db.Tx) error { in(); return nil })
		return err
	}
	ctx, end := context.WithCancel(t.Context())
	var turns atomic.Int64
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	for i := range crowd {
		all.Go(func() {
			do := look
			if i%3 == 0 && !apart { // else the writer's queue has a test of its own
				do = save
			}
			for ctx.Err() == nil {
				_ = do(ctx, whale, func() { turns.Add(1) })
			}
		})
	}
	budget := func(room *fleet.Room) (u guard.Use) {
		for _, u := range f.Budgets(10)[whale.Shard()].Hottest {
			if u.Shop == room.Shop() {
				return u
			}
		}
		return u
	}
	for turns.Load() < 2*crowd { // the crowd is there
		if err := look(ctx, whale, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	var waited []int64
	most := int64(0)
	for i := range few {
		do := look
		if i%2 == 0 && !apart {
			do = save
		}
		before := turns.Load()
		err := do(ctx, other, func() { waited = append(waited, turns.Load()-before) })
		if err != nil {
			t.Fatalf("request %d of the other shop: %v", i, err)
		}
		most = max(most, budget(other).Turns)
	}
	slices.Sort(waited)
	middle := waited[len(waited)/2]
	t.Logf("turns that one of the other shop waited: %d in the middle, %d at most by the gate's count", middle, most)
	places := int64(f.Budgets(0)[whale.Shard()].Places)
	switch {
	case budgets && most > places:
		t.Errorf("one of the other shop waited for %d turns of the crowd", most)
	case budgets && middle > crowd/4:
		t.Errorf("the other shop's requests wait for %d turns in the middle", middle)
	case !budgets && middle < crowd/2:
		t.Errorf("without budgets they wait for %d turns only: the test shows nothing", middle)
	}
	if u := budget(whale); budgets && u.Waited == 0 || u.Took == 0 {
		t.Errorf("the crowd's use: %+v", u)
	}
}
