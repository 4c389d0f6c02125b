package fleet_test

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// A primary dies, and nobody elects another: an operator has the replica that
// received most take its place. It is held against the directory first; the
// processes that run write there without being started again, and to the old
// primary, which comes back, no more.
func TestAReplicaTakesOver(t *testing.T) {
	ctx := t.Context()
	c := fleettest.NewCluster(t, 2, []*db.SchemaSet{noteSchema}, nil, nil)
	stays, moves := fleettest.NewShop(t, c.Fleet, "stays"), fleettest.NewShop(t, c.Fleet, "moves")
	if err := db.Promote(ctx, c.Replicas[0].DSN()); err == nil || !strings.Contains(err.Error(), "GRANT EXECUTE") {
		t.Errorf("a role that may not promote: %v", err)
	}
	c.Primary.Ask("GRANT EXECUTE ON FUNCTION pg_promote TO haat")
	written(t, moves, 1)
	written(t, stays, 1)
	g, err := fleet.OpenFleet(ctx, fleet.Config{Control: c.Control(), Dir: t.TempDir(), Schemas: []*db.SchemaSet{noteSchema}, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	there, err := g.ByID(ctx, stays.Shop())
	if err != nil {
		t.Fatal(err)
	}
	c.Replicas[0].Orphan()
	kept := written(t, there, 2)
	c.Await(t, "r2 has all", func() bool {
		return c.Replicas[1].Ask("SELECT COUNT(*) FROM note WHERE id = 2") == "1"
	})
	c.Replicas[1].Orphan()
	if err := c.AddShard(ctx, fleet.Listing{Name: "s2", DSN: "s2.db"}); err != nil {
		t.Fatal(err)
	}
	err = c.Control().Change(ctx, func(tx *db.ControlTx) error {
		_, err := tx.Exec(ctx, moveAway, "moves")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	refuses := func(shard string, how fleet.Takeover, says string) {
		t.Helper()
		_, err := c.Promote(ctx, shard, how)
		if f := fault.Of(err); f == nil || !strings.Contains(f.Error(), says) || strings.Contains(f.Error(), "\n") {
			t.Errorf("%s by %+v: %v, which does not say %q", shard, how, err, says)
		}
	}
	refuses("s9", fleet.Takeover{}, "no shard s9")
	refuses("s2", fleet.Takeover{}, "is a file")
	refuses("s1", fleet.Takeover{To: "r9"}, "no replica r9")
	refuses("s1", fleet.Takeover{To: "postgres://%zz"}, "no address")
	refuses("s1", fleet.Takeover{To: fleettest.Hosts(c.Primary, c.Replicas...)}, "several servers")
	refuses("s1", fleet.Takeover{To: dbtest.Postgres(t)}, "holds no shops")
	refuses("s1", fleet.Takeover{To: c.Primary.DSN()}, "primary of shard s1 already")
	refuses("s1", fleet.Takeover{}, "answers as the primary")
	c.Primary.Stop()
	refuses("s1", fleet.Takeover{To: "r1"}, "Replica r2 has received")

	before := c.Shard("s1").Term()
	is, err := c.Promote(ctx, "s1", fleet.Takeover{})
	if err != nil {
		t.Fatal(err)
	}
	if is.Server != "r2" || is.Dropped != "r2" || is.Term != before+1 || is.Held != 1 || len(is.Closed) != 1 || is.Closed[0] != moves.Shop() || len(is.Missing) > 0 || !is.Heard {
		t.Errorf("it came to %+v", is)
	}
	l, _ := c.Listing("s1")
	if !strings.Contains(l.DSN, url.QueryEscape(c.Replicas[1].Host())) || len(l.Replicas) != 1 || l.Replicas[0].Name != "r1" || l.Term != is.Term {
		t.Errorf("it is listed as %+v", l)
	}
	here := written(t, stays, 3)
	if here.N != kept.N+1 || here.Term != is.Term {
		t.Errorf("%v follows %v", here, kept)
	}
	c.Primary.Start()
	if err := g.Reload(ctx); err != nil { // as every process does every two seconds
		t.Error(err)
	}
	if next := written(t, there, 4); next.N != here.N+1 || next.Term != here.Term {
		t.Errorf("%v follows %v", next, here)
	}
	if n := c.Primary.Ask("SELECT COUNT(*) FROM note WHERE id > 2"); n != "0" {
		t.Error("the old primary was written to")
	}
	refuses("s1", fleet.Takeover{To: "r1"}, "answers as the primary")
	if _, err := c.Shard("s1").Change(ctx, moves.Shop(), 1, func(*db.Tx) error { return nil }); !errors.Is(err, db.ErrMoved) {
		t.Errorf("a shop that lives elsewhere was written: %v", err)
	}
	// The old primary is no successor, whatever it has.
	refuses("s1", fleet.Takeover{To: c.Primary.DSN()}, "earlier primary")

	// A process that starts anew finds the shard.
	n, err := fleet.OpenFleet(ctx, fleet.Config{Control: c.Control(), Dir: t.TempDir(), Schemas: []*db.SchemaSet{noteSchema}, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	room, err := n.ByID(ctx, stays.Shop())
	if err != nil {
		t.Fatal(err)
	}
	if mark := written(t, room, 5); mark.Term != is.Term {
		t.Errorf("%v in term %d", mark, is.Term)
	}

	// One more time, with force, while the primary answers, and by hand.
	c.Replicas[0].Promote()
	is, err = c.Promote(ctx, "s1", fleet.Takeover{To: "r1", Force: true})
	if err != nil || len(is.Fenced) != 1 || is.Term != before+2 || is.Held != 1 {
		t.Fatalf("by force: %+v, %v", is, err)
	}
	last := written(t, stays, 6)
	if last.Term != before+2 || c.Replicas[1].Ask("SELECT COUNT(*) FROM note WHERE id = 6") != "0" {
		t.Errorf("%v is where it should not be", last)
	}
}
