package move

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
)

// filled is a shop with some rows, and where it is not.
func filled(t *testing.T, f *fleet.Fleet) (room *fleet.Room, other string) {
	t.Helper()
	room = newShop(t, f)
	for i := range 20 {
		put(t, room, i)
	}
	return room, map[string]string{"s1": "s2", "s2": "s1"}[room.Shard()]
}

func put(t *testing.T, room *fleet.Room, n int) {
	t.Helper()
	_, err := room.Change(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), addOp, "one", n, nil, []byte{}, true)
		return err
	})
	if err != nil {
		t.Fatalf("write %d: %v", n, err)
	}
}

func rowsOf(t *testing.T, room *fleet.Room) (n int64) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
		all, err := db.All(t.Context(), r, ops, scanCounted)
		for _, c := range all {
			n += c.n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// There, back while the copy is kept, there again, and nothing is left behind.
func TestThereAndBack(t *testing.T) {
	f := yard(t, 1)
	room, other := filled(t, f)
	home := room.Shard()
	m := works(t, f, func(*Mover) {})
	mv, err := m.Start(t.Context(), room.Shop(), other)
	if err != nil {
		t.Fatal(err)
	}
	if mv = await(t, m, mv.ID, arrived); mv.Pause <= 0 || mv.Checked == 0 {
		t.Errorf("it moved without a pause or without being compared: %+v", mv)
	}
	put(t, room, 20) // a room from before finds its shop
	if now, _ := f.ByID(t.Context(), room.Shop()); now.Shard() != other || now.Entry().Epoch != 2 {
		t.Errorf("it lives on %s at epoch %d", now.Shard(), now.Entry().Epoch)
	}
	back, err := m.Reverse(t.Context(), room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	if back = await(t, m, back.ID, arrived); back.RowsDone != 0 {
		t.Errorf("%d rows were copied to go back", back.RowsDone)
	}
	if n := rowsOf(t, room); n != 21 {
		t.Errorf("%d rows instead of 21", n)
	}
	if now, _ := f.ByID(t.Context(), room.Shop()); now.Shard() != home {
		t.Errorf("it lives on %s", now.Shard())
	}
	if err := m.Forget(t.Context(), room.Shop()); err != nil {
		t.Fatal(err)
	}
	await(t, m, back.ID, Move.Over)
	h, err := f.Shard(other).Haul(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = h.Read(t.Context(), room.Shop(), func(r *db.Hauled) error {
		for i, table := range h.Tables() {
			if n, err := r.Counts([]int{i}); err != nil || n[0] > 0 {
				t.Errorf("%d rows of %s were left behind: %v", n, table, err)
			}
		}
		_, there, _, err := r.Noted()
		if there {
			t.Error("a clock was left behind")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ to, says string }{{home, "already"}, {"s9", "no shard"}} {
		if _, err := m.Start(t.Context(), room.Shop(), bad.to); fault.Of(err) == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("to %s: %v", bad.to, err)
		}
	}
}

// What was begun before the shop was open where it moves to, and ended after, is
// on the old copy as well: to go back needs no copying.
func TestAWriteThatBeganBeforeTheShopWasOpen(t *testing.T) {
	f := yard(t, 2)
	room, _ := filled(t, f)
	var armed atomic.Bool
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	m := works(t, f, func(m *Mover) {
		m.at = func(stage string) error {
			if stage == "decided" && armed.CompareAndSwap(true, false) {
				now, err := f.ByID(context.WithoutCancel(t.Context()), room.Shop())
				if err != nil {
					return err
				}
				go func() {
					_, err := now.Change(context.WithoutCancel(t.Context()), func(tx *db.Tx) error {
						_, err := tx.Exec(context.WithoutCancel(t.Context()), addOp, "one", 20, nil, []byte{}, true)
						close(begun)
						<-end
						return err
					})
					ended <- err
				}()
				<-begun
			}
			return nil
		}
	})
	goTo(t, m, room, "s2") // a database: a file has one writer, the mover included
	at, err := f.ByID(t.Context(), room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	goTo(t, m, at, "s3")
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	back, err := m.Reverse(t.Context(), room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	if back = await(t, m, back.ID, arrived); back.Phase != Kept || back.RowsDone != 0 {
		t.Errorf("to go back, %d rows were copied: %+v", back.RowsDone, back)
	}
	if n := rowsOf(t, room); n != 21 {
		t.Errorf("%d rows instead of 21", n)
	}
}

// A mover that slept while another finished its work writes nothing any more.
func TestAMoverThatSlept(t *testing.T) {
	f := yard(t, 1)
	room, other := filled(t, f)
	asleep, wake, woke := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var first atomic.Bool
	old := New(Config{Fleet: f, Log: discard, Lease: time.Nanosecond})
	old.at = func(stage string) error {
		if stage == "copying" && first.CompareAndSwap(false, true) {
			close(asleep)
			<-wake
		}
		return nil
	}
	mv, err := old.Start(t.Context(), room.Shop(), other)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(m *Mover, lease time.Duration) *run {
		all, err := m.list(t.Context(), readMove, mv.ID)
		if err != nil {
			t.Fatal(err)
		}
		r := &run{Mover: m, Move: all[0]}
		claim := max(r.Claim+1, time.Now().UnixMicro())
		if ok, err := m.change(t.Context(), takeMove, mv.ID, r.Claim, claim, "x", time.Now().Add(lease), time.Now()); err != nil || !ok {
			t.Fatal("not claimed", err)
		}
		r.Claim = claim
		return r
	}
	sleeper := claim(old, 0)
	go func() { woke <- sleeper.drive(context.WithoutCancel(t.Context())) }()
	<-asleep
	young := New(Config{Fleet: f, Log: discard})
	next := claim(young, time.Minute)
	var rest errRest
	if err := next.drive(t.Context()); !errors.As(err, &rest) || next.Phase != Kept {
		t.Fatal(next.Phase, err)
	}
	put(t, room, 20)
	close(wake)
	if err := <-woke; !errors.Is(err, db.ErrClaim) {
		t.Errorf("the mover that slept: %v", err)
	}
	if n := rowsOf(t, room); n != 21 {
		t.Errorf("%d rows instead of 21", n)
	}
}

// A move that fails again and again is said to be stuck, until it comes on.
// Given up in the middle of the switch, the shop stays, and is open.
func TestAMoveThatIsStuck(t *testing.T) {
	f := yard(t, 1)
	room, other := filled(t, f)
	var broken atomic.Bool
	broken.Store(true)
	var m *Mover
	var cancelled atomic.Bool
	m = works(t, f, func(m *Mover) {
		m.at = func(stage string) error {
			if broken.Load() && stage == "checking" {
				return errors.New("the network is down")
			}
			if stage == "carried" && cancelled.CompareAndSwap(false, true) {
				return m.Cancel(context.WithoutCancel(t.Context()), room.Shop())
			}
			return nil
		}
	})
	mv, err := m.Start(t.Context(), room.Shop(), other)
	if err != nil {
		t.Fatal(err)
	}
	await(t, m, mv.ID, func(mv Move) bool { return mv.Failures >= stuckTries })
	if all, err := m.Stuck(t.Context()); err != nil || len(all) != 1 || !strings.Contains(all[0].Why, "the network is down") {
		t.Errorf("stuck: %+v, %v", all, err)
	}
	put(t, room, 20)
	broken.Store(false)
	if mv = await(t, m, mv.ID, Move.Over); mv.Phase != Failed {
		t.Errorf("it ended as %+v", mv)
	}
	if all, err := m.Stuck(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("still stuck: %+v, %v", all, err)
	}
	put(t, room, 21)
	if n := rowsOf(t, room); n != 22 {
		t.Errorf("%d rows instead of 22", n)
	}
	cancelled.Store(true)
	if mv, err = m.Start(t.Context(), room.Shop(), other); err != nil {
		t.Fatal(err)
	}
	await(t, m, mv.ID, arrived)
	if err := m.Drain(t.Context(), other, func(int64, []Move) {}); err != nil {
		t.Errorf("drain: %v", err)
	}
	if n := rowsOf(t, room); n != 22 {
		t.Errorf("%d rows after the drain instead of 22", n)
	}
	if n, err := f.CountOn(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d shops after the drain, %v", n, err)
	}
}

// A delivery that was in the middle while its shop moved has no effect there,
// where the event has been handled meanwhile.
func TestADeliveryThatSleptThroughAMove(t *testing.T) {
	f := yard(t, 2)
	room, _ := filled(t, f)
	m := works(t, f, func(*Mover) {})
	goTo(t, m, room, "s2") // a database: in a file the writer would wait for the delivery
	inside, wake := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	bus := event.NewBus(f, discard)
	event.On(bus, "seer", func(ctx context.Context, tx *db.Tx, e event.Meta, _ thing) error {
		if first.CompareAndSwap(false, true) {
			close(inside)
			<-wake
		}
		_, err := tx.Exec(ctx, see, e.Seq)
		return err
	})
	bus.Start(t.Context())
	defer bus.Close()
	var once sync.Once
	defer once.Do(func() { close(wake) })
	_, err := room.Change(t.Context(), func(tx *db.Tx) error { return event.Emit(t.Context(), tx, thing{}) })
	if err != nil {
		t.Fatal(err)
	}
	<-inside
	at, err := f.ByID(t.Context(), room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	goTo(t, m, at, "s3")
	if _, handled, _ := awaitSeen(t, room); handled != 1 {
		t.Fatalf("%d events were handled where the shop lives now", handled)
	}
	once.Do(func() { close(wake) })
	if err := bus.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, times := awaitSeen(t, room); times != 1 {
		t.Errorf("an event was handled %d times", times)
	}
}
