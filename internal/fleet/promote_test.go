package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

var noteNumbers = db.Q(`SELECT id FROM note WHERE shop = $1 ORDER BY id`)

var moveAway = db.C(`UPDATE shop SET shard = 's2', epoch = epoch + 1 WHERE slug = $1`)

// written writes a note, and tries again for a minute while the shard has no
// primary.
func written(t *testing.T, room *fleet.Room, n int) db.Mark {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		mark, err := room.Change(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, putNote, n, "x", false, nil, tx.Now())
			return err
		})
		cancel()
		if err == nil {
			return mark
		}
		if time.Now().After(end) {
			t.Fatalf("writes do not resume: %v", err)
		}
	}
}

// A primary dies, and a standby that had not been sent everything is promoted.
// Writes resume by themselves in a new term; what was lost is known by its
// mark; a shop that had moved away, which the standby did not know, takes no
// write there; and the old primary, which comes back, takes none at all.
func TestAPromotionThatLosesData(t *testing.T) {
	ctx := t.Context()
	f := fleettest.NewPair(t, []*db.SchemaSet{noteSchema}, nil)
	primary, standby := f.Primary, f.Standby
	stays, moves := fleettest.NewShop(t, f.Fleet, "stays"), fleettest.NewShop(t, f.Fleet, "moves")
	told := 0
	f.OnTerm(func(string) { told++ })
	written(t, stays, 1)
	written(t, moves, 1)
	kept := written(t, stays, 2)
	f.Cut(t)

	late := fleettest.NewShop(t, f.Fleet, "late") // which the standby does not hear of
	lost := written(t, stays, 3)
	if err := f.AddShard(ctx, fleet.Listing{Name: "s2", DSN: "s2.db"}); err != nil {
		t.Fatal(err)
	}
	// The shop moves away, as far as anybody but the standby knows.
	if err := f.Control().Change(ctx, func(tx *db.ControlTx) error {
		_, err := tx.Exec(ctx, moveAway, "moves")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.FailOver()

	again := written(t, stays, 4)
	if kept.Term != 1 || again.Term != 2 || again.N != kept.N+1 || lost.N != again.N {
		t.Errorf("%v was kept, %v lost, and %v written after the promotion", kept, lost, again)
	}
	if l, _ := f.Listing("s1"); told != 1 {
		t.Errorf("told %d times of a new term, now %d", told, l.Term)
	}
	see := func(mark db.Mark) (ns []int64, err error) {
		err = stays.View(ctx, fleet.After(mark), func(r db.Reader) (err error) {
			ns, err = db.All(ctx, r, noteNumbers, func(n *int64) []any { return []any{n} })
			return err
		})
		return ns, err
	}
	if _, err := see(lost); !errors.Is(err, fleet.ErrLost) {
		t.Errorf("a write that was lost is said to be %v", err)
	}
	for _, mark := range []db.Mark{kept, again} {
		if ns, err := see(mark); err != nil || !slices.Equal(ns, []int64{1, 2, 4}) {
			t.Errorf("after %v: %v, %v", mark, ns, err)
		}
	}
	// The shard takes no write of the shop that it had forgotten to be gone.
	_, err := f.Shard("s1").Change(ctx, moves.Shop(), 1, func(*db.Tx) error { return nil })
	if !errors.Is(err, db.ErrMoved) {
		t.Errorf("a shop that lives elsewhere was written: %v", err)
	}
	// What was found is kept until it is so no more, or somebody has looked.
	left := func(want ...fleet.Left) {
		t.Helper()
		got, err := f.Left(ctx, 10)
		for i := range got {
			got[i].Found = time.Time{}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("left are %+v, %v, not %+v", got, err, want)
		}
	}
	closed := fleet.Left{Shard: "s1", Shop: moves.Shop(), Term: 2}
	left(fleet.Left{Shard: "s1", Shop: late.Shop(), Missing: true, Term: 2}, closed)
	if err := f.SetState(ctx, late.Shop(), fleet.Suspended); err != nil {
		t.Error(err)
	}
	left(closed)
	if all, err := f.Settle(ctx, "s1"); err != nil || len(all) != 1 || all[0].Shop != moves.Shop() {
		t.Errorf("settled are %+v, %v", all, err)
	}
	left()
	// The old primary comes back, not knowing that it is none.
	primary.Start()
	standby.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'haat'")
	next := written(t, stays, 5)
	if next.N != again.N+1 || next.Term != 2 {
		t.Errorf("%v follows %v", next, again)
	}
	if n := primary.Ask("SELECT COUNT(*) FROM note WHERE id = 5"); n != "0" {
		t.Error("the old primary was written to")
	}
	// A program that starts anew is not deceived by it either.
	g, err := fleet.OpenFleet(ctx, fleet.Config{Control: f.Control(), Dir: f.Dir, Schemas: []*db.SchemaSet{noteSchema}, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	room, err := g.ByID(ctx, stays.Shop())
	if err != nil {
		t.Fatal(err)
	}
	if mark := written(t, room, 6); mark.N != next.N+1 {
		t.Errorf("%v follows %v", mark, next)
	}
	// With the standby gone, nobody is left who may write.
	standby.Stop()
	bound, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	_, err = stays.Change(bound, func(*db.Tx) error { return nil })
	if err == nil || !strings.Contains(fmt.Sprint(err), "busy") {
		t.Errorf("written to the old primary: %v", err)
	}
}

// Without a server that takes no write before its shops were held against the
// directory, a shop that has moved away is written in two places.
func TestAPromotionThatNobodyHolds(t *testing.T) {
	ctx := t.Context()
	f := fleettest.NewPair(t, []*db.SchemaSet{noteSchema}, nil)
	moves := fleettest.NewShop(t, f.Fleet, "moves")
	f.Primary.Ask(`CREATE OR REPLACE FUNCTION haat_hold(OUT o_term BIGINT) AS $$ SELECT term FROM shard_term $$ LANGUAGE sql`)
	written(t, moves, 1)
	f.Cut(t)
	if err := f.AddShard(ctx, fleet.Listing{Name: "s2", DSN: "s2.db"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Control().Change(ctx, func(tx *db.ControlTx) error {
		_, err := tx.Exec(ctx, moveAway, "moves")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.FailOver()
	var err error
	for end := time.Now().Add(time.Minute); ; {
		_, err = f.Shard("s1").Change(ctx, moves.Shop(), 1, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, putNote, 2, "x", false, nil, tx.Now())
			return err
		})
		if err == nil || errors.Is(err, db.ErrMoved) || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		t.Errorf("a shop that lives elsewhere was not written: %v. The test above tests nothing", err)
	}
}

// Of two standbys that are promoted the second lacks what the first has taken
// since: it is not the primary, though it is the later one, and no process is
// deceived by it, unless an operator says so. Without that, what was acknowledged
// is lost.
func TestASecondStandbyThatIsPromoted(t *testing.T) {
	for _, any := range []bool{false, true} {
		t.Run(map[bool]string{false: "held", true: "without"}[any], func(t *testing.T) {
			ctx := t.Context()
			first := dbtest.NewServer(t)
			led, second := first.Replica(), first.Replica()
			dir := t.TempDir()
			f := fleettest.OpenFleet(t, dir, dir+"/control.db", fleettest.Hosts(first, second, led), []*db.SchemaSet{noteSchema}, nil)
			if any {
				f.TakeAnyPrimary()
			}
			shop := fleettest.NewShop(t, f, "shop")
			written(t, shop, 1)
			for end := time.Now().Add(time.Minute); led.Ask("SELECT COUNT(*) FROM note") != "1" || second.Ask("SELECT COUNT(*) FROM note") != "1"; {
				if time.Now().After(end) {
					t.Fatal("the standbys do not follow")
				}
			}
			second.Orphan()
			first.Stop()
			led.Promote()
			kept := written(t, shop, 2)
			if err := f.Reload(ctx); err != nil {
				t.Error(err)
			}
			second.Promote()
			led.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'haat'")
			next := written(t, shop, 3)
			here := second.Ask("SELECT COUNT(*) FROM note WHERE id = 3") == "1"
			if any {
				if !here || next.Term != kept.Term+1 {
					t.Errorf("%v follows %v: the test above tests nothing", next, kept)
				}
				return
			}
			if here || next.Term != kept.Term || next.N != kept.N+1 {
				t.Errorf("%v follows %v", next, kept)
			}
			g, err := fleet.OpenFleet(ctx, fleet.Config{Control: f.Control(), Dir: dir, Schemas: []*db.SchemaSet{noteSchema}, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if all := g.Seconds(ctx); len(all) != 1 || !all[0].Promoted || !strings.Contains(all[0].Host, second.Host()) {
				t.Errorf("beside the primary are %+v", all)
			}
			room, err := g.ByID(ctx, shop.Shop())
			if err != nil {
				t.Fatal(err)
			}
			if mark := written(t, room, 4); mark.N != next.N+1 || mark.Term != next.Term {
				t.Errorf("%v follows %v", mark, next)
			}
			led.Stop()
			to := fleet.Takeover{To: second.DSN()}
			if _, err := f.Promote(ctx, "s1", to); fault.Of(err) == nil || !strings.Contains(err.Error(), "lacks all that") {
				t.Errorf("it is taken: %v", err)
			}
			to.Force = true
			is, err := f.Promote(ctx, "s1", to)
			if err != nil || is.Term != kept.Term+1 {
				t.Fatalf("by force: %+v, %v", is, err)
			}
			if mark := written(t, shop, 5); mark.Term != is.Term {
				t.Errorf("%v in term %d", mark, is.Term)
			}
		})
	}
}
