package event_test

import (
	"context"
	"testing"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

// A process that believes itself alone, since the list of processes does not
// have the new one yet, calls from when that one has greeted it.
func TestANewProcessIsCalledAtOnce(t *testing.T) {
	server, controlDSN, dir := dbtest.NewServer(t), dbtest.Postgres(t), t.TempDir()
	schemas := []*db.SchemaSet{event.Schema, effectSchema}
	hears := func(name string) (*fleet.Fleet, *event.Feed) {
		f := fleettest.OpenFleet(t, dir, controlDSN, server.DSN(), schemas, nil)
		feed := event.NewFeed(f, name, event.FeedOptions{
			Keeps: func(id.Shop) bool { return true }, Unsure: func(bool) {}, Missed: func() {}, Alone: func() bool { return true },
		}, quiet())
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); feed.Run(ctx) }()
		t.Cleanup(func() { stop(); <-ended })
		return f, feed
	}
	first, calls := hears("first")
	await(t, "it listens", func() bool {
		return server.Ask(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'`) == "1"
	})
	room := fleettest.NewShop(t, first, "shop")
	change := func() {
		t.Helper()
		if _, err := room.Change(t.Context(), func(tx *db.Tx) error { return event.Emit(t.Context(), tx, happened{K: "k"}) }); err != nil {
			t.Fatal(err)
		}
	}
	change()
	if n := calls.Stats().Called.Load(); n != 0 {
		t.Errorf("it has called %d times, for nobody", n)
	}
	_, heard := hears("second")
	await(t, "the new process is called, and hears", func() bool {
		change()
		return calls.Stats().Called.Load() > 0 && heard.Stats().Heard.Load() > 0
	})
}
