package app

import (
	"testing"

	"haat/internal/db"
	"haat/internal/fleet"
)

// What a request causes is part of what the request is part of, or of a whole of
// its own if it says nothing that can be understood.
func TestARequestsTraceIsKept(t *testing.T) {
	s := open(t, nil)
	shop := s.shop("Aalto")
	room, err := s.app.fleet.BySlug(t.Context(), shop.slug)
	if err != nil {
		t.Fatal(err)
	}
	last := func() (trace string) {
		t.Helper()
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
			q := db.Q(`SELECT trace FROM shop_outbox WHERE shop = $1 AND topic = 'catalog.product-saved' ORDER BY seq DESC LIMIT 1`)
			trace, _, err = db.One(t.Context(), r, q, func(s *string) []any { return []any{s} })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return trace
	}
	save := func(title, parent string) string {
		t.Helper()
		s.send(call{method: "PATCH", url: shop.base + "/products/" + shop.has["product"], token: shop.token, body: map[string]any{"title": title}}.with("Traceparent", parent)).want(200)
		return last()
	}
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if got := save("One", given); len(got) != len(given) || got[:36] != given[:36] || got == given || got[53:] != "01" {
		t.Errorf("it is part of %q", got)
	}
	a, b := save("Two", "nonsense"), save("Three", "nonsense")
	if len(a) != len(given) || a[:36] == b[:36] || a[:36] == given[:36] {
		t.Errorf("they are part of %q and %q", a, b)
	}
}
