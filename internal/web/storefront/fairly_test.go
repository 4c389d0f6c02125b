package storefront

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/a-h/templ"

	"haat/internal/guard"
	"haat/internal/id"
)

// A shop of whose pages very many are made leaves turns to others.
func TestPagesOfOneShopLeaveTurnsToOthers(t *testing.T) {
	const places = 4
	made := func(off bool) (atOnce int64, others bool) {
		s := &Server{turns: guard.NewGate(guard.GateOptions{Places: places, Apart: true, Off: off})}
		page := func(shop id.Shop, fn func()) error {
			return fairly{templ.ComponentFunc(func(context.Context, io.Writer) error { fn(); return nil }), s.turns, shop}.Render(t.Context(), io.Discard)
		}
		const hot, calm = id.Shop(7), id.Shop(8)
		if err := page(calm, func() {}); err != nil {
			t.Fatal(err)
		}
		var in, most atomic.Int64
		let, full := make(chan struct{}), make(chan struct{}, 100)
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				err := page(hot, func() {
					n := in.Add(1)
					for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
					}
					full <- struct{}{}
					<-let
					in.Add(-1)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		for range places - 1 {
			<-full
		}
		if off {
			for range 40 - (places - 1) {
				<-full
			}
		}
		// While none of the hot shop's has ended, another's is made.
		if err := page(calm, func() { others = true }); err != nil {
			t.Error(err)
		}
		atOnce = in.Load()
		close(let)
		all.Wait()
		return max(atOnce, most.Load()), others
	}
	if n, others := made(false); n >= places || !others {
		t.Errorf("%d of %d turns were one shop's; the other's page was made: %v", n, places, others)
	}
	if n, _ := made(true); n != 40 {
		t.Errorf("without turns only %d were made at once: the test tests nothing", n)
	}
}
