package hook_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

// Receivers that never answer, of more shops than anything has workers, hold up
// neither the bus nor another shop's receiver; what came of them is noted, also
// when they are called by the rounds; and the end waits for none of them.
func TestReceiversThatHangHoldUpNobody(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		let := make(chan struct{})
		var taken atomic.Int64
		var ahead atomic.Int64
		sender := hook.NewSender(func(ctx context.Context, c hook.Call) hook.Answer {
			if !strings.Contains(c.URL, "hangs") {
				taken.Add(1)
				return hook.Answer{Status: 200}
			}
			select {
			case <-let:
			case <-ctx.Done():
			}
			return hook.Answer{Why: "It took too long to answer."}
		}, slog.New(slog.DiscardHandler))
		sender.At(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
		bus := event.NewBus(f, slog.New(slog.DiscardHandler))
		sender.Subscribe(bus)
		bus.Start(t.Context())
		defer bus.Close()
		of := func(room *fleet.Room) op.Caller {
			return op.Caller{Account: id.Account(id.New[struct{}]()), Shop: room.Shop()}
		}
		deleted := func(room *fleet.Room) {
			t.Helper()
			_, err := room.Change(t.Context(), func(tx *db.Tx) error {
				return event.Emit(t.Context(), tx, catalog.ProductDeleted{Product: id.Product(id.New[struct{}]())})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		shopFor := func(slug, url string) *fleet.Room {
			t.Helper()
			room := fleettest.NewShop(t, f, slug)
			_, err := room.Change(t.Context(), func(tx *db.Tx) error { return shop.Write(t.Context(), tx, shop.Defaults("X", "IN", "INR")) })
			if err != nil {
				t.Fatal(err)
			}
			var in hook.CreateIn
			in.Body.URL, in.Body.Topics = url, []string{"product.deleted"}
			if _, err := hook.Create.Do(t.Context(), room, of(room), in); err != nil {
				t.Fatal(err)
			}
			return room
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		await := func(what string, holds func() bool) {
			t.Helper()
			for !holds() {
				select {
				case <-ctx.Done():
					t.Fatal("not within a minute: " + what)
				case <-time.After(5 * time.Millisecond):
				}
			}
		}
		settle := func() {
			t.Helper()
			if err := bus.Settle(ctx); err != nil {
				t.Fatalf("the bus waits for receivers: %v", err)
			}
		}
		var hung []*fleet.Room
		for i := range 12 {
			hung = append(hung, shopFor(fmt.Sprint("hung", i), "https://hangs.example/haat"))
			deleted(hung[i])
		}
		settle()
		await("all hang", func() bool { under, _ := sender.Calls(); return under == len(hung) })
		well := shopFor("well", "https://well.example/haat")
		deleted(well)
		settle()
		await("another shop's receiver is told", func() bool { return taken.Load() == 1 })
		close(let)
		sender.Idle(ctx)
		for _, room := range hung {
			all, err := hook.List.Do(ctx, room, of(room), op.Page{})
			if err != nil || len(all.Items) != 1 || all.Items[0].Failing == nil || all.Items[0].Waiting != 1 {
				t.Fatalf("what came of it: %+v, %v", all.Items, err)
			}
		}
		let = make(chan struct{}) // they hang again, and are called by the rounds
		ahead.Store(int64(hook.GiveUp + time.Hour))
		round, end := context.WithTimeout(ctx, 10*time.Second)
		if n, err := sender.Wake(round, hung[0]); n != 1 || err != nil {
			t.Fatalf("%d lines are due, %v", n, err)
		}
		end() // the round is over before the receiver has answered
		await("it is called", func() bool { under, _ := sender.Calls(); return under == 1 })
		close(let)
		sender.Idle(ctx)
		all, err := hook.List.Do(ctx, hung[0], of(hung[0]), op.Page{})
		if err != nil || all.Items[0].State != hook.Off {
			t.Errorf("it has hung for three days, and is %+v, %v", all.Items, err)
		}
		let = make(chan struct{}) // and once more, to the end
		if _, err := sender.Wake(ctx, hung[1]); err != nil {
			t.Fatal(err)
		}
		await("it is called", func() bool { under, _ := sender.Calls(); return under == 1 })
		sender.Close()
	})
}
