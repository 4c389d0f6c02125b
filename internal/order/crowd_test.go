package order_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/order"
)

// While the shop's changes stand in line, an order for what is sold out is
// refused at once, without standing in it; one that was placed before is still
// answered under its key, and one that can succeed waits and does.
func TestSoldOutDoesNotStandInLine(t *testing.T) {
	stands(t, func(s *stand) {
		gone, there := s.product("Rare", 100_00, 1), s.product("Plenty", 100_00, 10)
		first, err := s.place(wants(gone, 1), "first")
		if err != nil {
			t.Fatal(err)
		}
		if s.f.Shard(s.room.Shard()).Engine() != "sqlite" {
			// There the changes run at the same time, and would leave no
			// connection to read by: what holds up the others is its own matter.
			manyWantOne(s, gone, first)
			return
		}
		let := make(chan struct{})
		inside := make(chan struct{}, 100)
		var line sync.WaitGroup
		for range 20 { // one of them holds up the only writer
			line.Go(func() {
				_, err := s.room.Change(context.WithoutCancel(t.Context()), func(*db.Tx) error {
					inside <- struct{}{}
					<-let
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		<-inside
		waited := func(n int) bool { return s.room.Writing() >= n }
		for end := time.Now().Add(20 * time.Second); !waited(20) && time.Now().Before(end); {
			<-time.After(time.Millisecond)
		}
		if _, err := s.place(wants(gone, 1), ""); fault.Of(err) == nil || fault.Of(err).Code != "out-of-stock" {
			t.Errorf("sold out: %v", err)
		}
		if _, err := s.place(wants(gone, 1), "second"); fault.Of(err) == nil || fault.Of(err).Code != "out-of-stock" {
			t.Errorf("sold out, under a new key: %v", err)
		}
		if _, err := s.place(wants(there, 11), ""); fault.Of(err) == nil || fault.Of(err).Code != "out-of-stock" {
			t.Errorf("too few: %v", err)
		}
		type answer struct {
			placed order.Placed
			err    error
		}
		again, other := make(chan answer, 1), make(chan answer, 1)
		go func() {
			p, err := s.place(wants(gone, 1), "first")
			again <- answer{p, err}
		}()
		go func() {
			p, err := s.place(wants(there, 1), "")
			other <- answer{p, err}
		}()
		for end := time.Now().Add(20 * time.Second); !waited(22) && time.Now().Before(end); {
			<-time.After(time.Millisecond)
		}
		close(let)
		line.Wait()
		if a := <-again; a.err != nil || a.placed.Token != first.Token {
			t.Errorf("the first again: %+v, %v", a.placed, a.err)
		}
		if a := <-other; a.err != nil {
			t.Errorf("what is there: %v", a.err)
		}
		if l := s.level(there); l.Sold != 1 {
			t.Errorf("level %+v", l)
		}
	})
}

// manyWantOne has a crowd ask for what is sold out, and one whose order was
// placed ask again.
func manyWantOne(s *stand, gone id.Variant, first order.Placed) {
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if i%10 == 0 {
				if p, err := s.place(wants(gone, 1), "first"); err != nil || p.Token != first.Token {
					s.t.Errorf("the first again: %+v, %v", p, err)
				}
				return
			}
			if _, err := s.place(wants(gone, 1), ""); fault.Of(err) == nil || fault.Of(err).Code != "out-of-stock" {
				s.t.Errorf("sold out: %v", err)
			}
		})
	}
	all.Wait()
}
