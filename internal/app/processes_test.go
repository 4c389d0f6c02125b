package app

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/db/dbtest"
)

// pair opens two processes, each with a data folder of its own, on the same
// PostgreSQL databases.
func pair(t *testing.T) (a, b *site) {
	control, shard := dbtest.Postgres(t), dbtest.Postgres(t)
	here := func(c *Config) { c.Control, c.FirstShard = control, shard }
	return open(t, here), open(t, here)
}

// at gives a tenant as it is seen from another process.
func (x *tenant) at(s *site) *tenant {
	y := *x
	y.site = s
	return &y
}

// screenAt has a live screen of the shop at another process be told of an order.
func (x *tenant) screenAt(t *testing.T, b *site) {
	x.still(x.slug) // what came before has been told
	room, err := x.app.fleet.BySlug(t.Context(), x.slug)
	if err != nil {
		t.Fatal(err)
	}
	size, err := room.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	placed := make(chan struct{})
	go func() {
		defer close(placed)
		x.order("cod")
	}()
	for _, e := range b.sse(x.base+"/events", x.token, 1, "Last-Event-ID", fmt.Sprint(size.Events)) {
		if e["topic"] != "order.placed" {
			t.Errorf("the screen was told of %v", e["topic"])
		}
	}
	<-placed
}

// TestTwoProcesses uses one platform through two processes: what is done at one
// is so at the other.
func TestTwoProcesses(t *testing.T) {
	a, b := pair(t)
	x := a.shop("north")
	y := x.at(b)

	t.Run("sessions", func(t *testing.T) {
		b.get(domain+"/api/v1/auth/sessions", x.token).want(200)
	})
	t.Run("carts", func(t *testing.T) {
		cart := a.post(x.host+"/api/v1/carts", "", map[string]any{"lines": x.lines()}).want(201)
		seen := b.get(x.host+"/api/v1/carts/"+cart.text("id"), "").want(200)
		if seen.text("id") != cart.text("id") {
			t.Errorf("the cart is %s there", seen.body)
		}
		here, w := httptest.NewRequest("GET", "http://"+x.host+"/", nil), httptest.NewRecorder()
		a.app.cookies.Set(w, here, "haat_shopper", "somebody", 0)
		there := httptest.NewRequest("GET", "http://"+x.host+"/cart", nil)
		there.AddCookie(w.Result().Cookies()[0])
		if got := b.app.cookies.Get(there, "haat_shopper"); got != "somebody" {
			t.Errorf("a shopper's cookie says %q there", got)
		}
	})
	t.Run("the operator's token", func(t *testing.T) {
		if b.opsToken != "" {
			t.Error("the second process has made a token of its own")
		}
		if !b.app.ops.Check(a.opsToken) {
			t.Error("the second process does not take the token of the first")
		}
	})
	t.Run("kept pages", func(t *testing.T) {
		var took []time.Duration
		for i := range 25 {
			price := 1000 + i
			y.get(x.host+"/products/"+x.has["product handle"], "").want(200)
			a.send(call{method: "PATCH", url: x.base + "/products/" + x.has["product"], token: x.token, body: map[string]any{
				"variants": []any{map[string]any{"id": x.has["variant"], "options": []string{x.mark + " S"}, "price": inRupees(price)}},
				"options":  []any{map[string]any{"name": "Size", "values": []string{x.mark + " S"}}},
			}}).want(200)
			began, says := time.Now(), fmt.Sprintf("%d,%03d", price/1000, price%1000)
			b.until("the other process shows the price "+says, func() bool {
				return strings.Contains(y.get(x.host+"/products/"+x.has["product handle"], "").want(200).body, says)
			})
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("from commit to seen elsewhere: p50 %v, p99 %v", took[len(took)/2], took[len(took)-1])
		if hit := y.get(x.host+"/products/"+x.has["product handle"], "").want(200).header.Get("Cache-Status"); !strings.Contains(hit, "hit") {
			t.Errorf("the page is not kept there: %q", hit)
		}
	})
	t.Run("live screens", func(t *testing.T) {
		b.still(x.slug) // what came before has been told there
		x.screenAt(t, b)
	})
	t.Run("one delivers", func(t *testing.T) {
		all, err := a.app.member.Processes(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("processes %v, %v", all, err)
		}
		holds := map[string]int{}
		for _, p := range all {
			for _, name := range p.Leases {
				holds[name]++
			}
		}
		for _, name := range []string{"events of s1", "tidying", "stock", "pictures of imports"} {
			if holds[name] != 1 {
				t.Errorf("%d processes hold %q", holds[name], name)
			}
		}
	})
}
