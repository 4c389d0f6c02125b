package app

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// changed makes another body, as valid, of one in bodies.
var changed = map[string]func(x *tenant, b map[string]any){
	"account.add-contact":       func(x *tenant, b map[string]any) { b["email"] = "yet-" + x.email },
	"shop.open":                 func(_ *tenant, b map[string]any) { b["name"] = "Yet another" },
	"hook.create":               func(_ *tenant, b map[string]any) { b["url"] = "https://fresher.invalid/haat" },
	"catalog.create-product":    func(_ *tenant, b map[string]any) { b["title"] = "Fresher" },
	"catalog.create-collection": func(_ *tenant, b map[string]any) { b["title"] = "Fresher" },
	"catalog.bulk-edit": func(x *tenant, b map[string]any) {
		b["variants"] = []any{map[string]any{"id": x.has["variant"], "price": inRupees(5)}}
	},
	"stock.set-many": func(x *tenant, b map[string]any) {
		b["levels"] = []any{map[string]any{"variant": x.has["variant"], "available": 99}}
	},
	"stock.adjust": func(_ *tenant, b map[string]any) { b["quantity"] = 6 },
	"order.new-cart": func(x *tenant, b map[string]any) {
		b["lines"] = []any{map[string]any{"variant_id": x.has["variant"], "quantity": 2}}
	},
	"order.add-to-cart": func(x *tenant, b map[string]any) {
		b["lines"] = []any{map[string]any{"variant_id": x.has["variant"], "quantity": 2}}
	},
	"order.place":  func(_ *tenant, b map[string]any) { b["note"] = "Another word" },
	"order.fulfil": func(_ *tenant, b map[string]any) { b["number"] = "2" },
	"order.cancel": func(_ *tenant, b map[string]any) { b["reason"] = "Another" },
	"order.note":   func(_ *tenant, b map[string]any) { b["text"] = "Ring thrice" },
}

// TestIdempotencyKeys sends every POST that there is twice under one key: the
// second has the same answer and no effect, and with another body it is 409.
func TestIdempotencyKeys(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	tried := 0
	for _, r := range ownDoc(t, s.app.registry) {
		switch {
		case r.method != "POST" || strings.HasPrefix(r.name, "account.sen") || r.name == "account.sign-in": // TestSigningIn
			continue
		case r.name == "catalog.export-post": // changes nothing, so there is no effect to be repeated
			continue
		case r.name == "account.confirm-contact":
			s.post(domain+"/api/v1/account/contacts", x.token, map[string]any{"email": "third@owners.example"}).want(202)
		case r.name == "catalog.apply-import":
			x.dryRun()
		case strings.HasPrefix(r.name, "order.") && len(r.params) > 1:
			x.order("cod")
		}
		c := r.call(x, x, x, x).with("Idempotency-Key", "the key of "+r.name)
		if !r.shopper {
			c.token = x.token
		}
		if r.name == "account.confirm-contact" {
			c.body = map[string]any{"email": "third@owners.example", "code": s.code("third@owners.example")}
		}
		first := s.send(c)
		if first.status/100 != 2 {
			t.Errorf("%s: %d %s", r.name, first.status, first.body)
			continue
		}
		s.still(x.slug)
		tried++
		before, sent := s.writes(x.slug), strings.Count(s.get(domain+"/dev/messages", "").body, `"to":`)
		shops := s.get(domain+"/api/v1/shops", x.token).body
		again := s.send(c)
		if again.status != first.status || again.body != first.body {
			t.Errorf("%s: first %d %s, again %d %s", r.name, first.status, first.body, again.status, again.body)
		}
		s.still(x.slug)
		// The clock may tick for the transaction that looked the answer up; no event, row or message follows from it.
		if n := s.writes(x.slug); n > before+1 {
			t.Errorf("%s: %d writes for the second request", r.name, n-before)
		}
		if n := strings.Count(s.get(domain+"/dev/messages", "").body, `"to":`); n != sent {
			t.Errorf("%s: %d messages for the second request", r.name, n-sent)
		}
		if s.get(domain+"/api/v1/shops", x.token).body != shops {
			t.Errorf("%s: opened another shop", r.name)
		}
		// The same key with another body, or at another thing.
		switch b := c.body.(type) {
		case form:
			b.content = strings.Replace(b.content, "New", "Old", 1)
			if r.name == "media.upload" {
				b.content = picture(s, 2)
			}
			c.body = b
		case map[string]any:
			alter := changed[r.name]
			if r.name == "account.confirm-contact" {
				alter = func(_ *tenant, b map[string]any) { b["code"] = "000000" }
			}
			if alter == nil {
				t.Errorf("%s: say in idempotency_test.go how its body can be another", r.name)
				continue
			}
			b = maps.Clone(b)
			alter(x, b)
			c.body = b
		case nil:
			what, another := "order", func() { x.order("cod") }
			switch r.name {
			case "catalog.apply-import":
				what, another = "import", x.dryRun
			case "hook.test":
				what, another = "webhook", x.hook
			case "hook.replay", "hook.drop":
				what, another = "delivery", x.told
			}
			old := x.has[what]
			another()
			c.url = strings.Replace(c.url, old, x.has[what], 1)
		}
		s.send(c).problem(409, "").is("idempotency-key-reused", "code")
	}
	if tried < 17 {
		t.Errorf("only %d operations", tried)
	}
}

// TestKeysAreTheirCallers sees that a key means nothing to another shop or
// caller, and that what failed is not kept.
func TestKeysAreTheirCallers(t *testing.T) {
	s := open(t, nil)
	a, b := s.shop("Aalto"), s.shop("Zanzibar")
	second := s.post(domain+"/api/v1/shops", a.token, map[string]any{"name": "Second"}).want(201).text("slug")
	create := func(base, token string) *answer {
		return s.send(call{method: "POST", url: base + "/products", token: token, body: map[string]any{"title": "Same", "variants": []any{map[string]any{"price": inRupees(1)}}}}.with("Idempotency-Key", "k"))
	}
	one, two, three := create(a.base, a.token).want(201), create(b.base, b.token).want(201), create(domain+"/api/v1/shops/"+second, a.token).want(201)
	if one.text("id") == two.text("id") || one.text("id") == three.text("id") {
		t.Error("a key reaches into another shop")
	}
	open := func(token string) *answer {
		return s.send(call{method: "POST", url: domain + "/api/v1/shops", token: token, body: map[string]any{"name": "Keyed"}}.with("Idempotency-Key", "k"))
	}
	if mine, theirs := open(a.token).want(201), open(b.token).want(201); mine.text("id") == theirs.text("id") {
		t.Error("a key on the platform reaches another account")
	}
	// Sold out under a key; when there is stock again, the same key and body order.
	stock := func(n int) {
		s.send(call{method: "PUT", url: a.base + "/variants/" + a.has["variant"] + "/stock", token: a.token, body: map[string]any{"available": n}}).want(200)
	}
	stock(0)
	wish := call{method: "POST", url: a.host + "/api/v1/orders", body: a.wish("cod")}.with("Idempotency-Key", "the order")
	s.send(wish).problem(409, "/lines/0").is("out-of-stock", "code")
	bad := wish
	bad.body = map[string]any{"lines": a.lines(), "payment": "gold"}
	s.send(bad).problem(422, "")
	stock(5)
	placed := s.send(wish).want(201)
	if again := s.send(wish).want(201); again.body != placed.body {
		t.Errorf("ordered again under one key: %s", again.body)
	}
	s.get(a.base+"/products/"+a.has["product"], a.token).want(200).is(4, "variants", 0, "available")
	s.send(wish.with("Idempotency-Key", strings.Repeat("k", 256))).problem(422, "/Idempotency-Key")
	// Ten at once under one key are one order.
	wish = wish.with("Idempotency-Key", "the race")
	answers := tenAtOnce(func() *answer { return s.send(wish) })
	for _, got := range answers {
		if got.status != 201 || got.body != answers[0].body {
			t.Errorf("racing: %d %.300s", got.status, got.body)
		}
	}
	s.get(a.base+"/products/"+a.has["product"], a.token).want(200).is(3, "variants", 0, "available")
	// A multipart form is compared by its content, not by how it is sent.
	begin := func(name, content string, before bool) *answer {
		return s.send(call{method: "POST", url: a.base + "/imports", token: a.token, body: form{field: "file", name: name, content: content, before: before, fields: [][2]string{{"format", "shopify"}}}}.with("Idempotency-Key", "the import"))
	}
	first := begin("a.csv", "Handle,Title,Variant Price\nx,X,1\n", false).want(202)
	if again := begin("b.csv", "Handle,Title,Variant Price\nx,X,1\n", true).want(202); again.text("id") != first.text("id") {
		t.Error("the same content in another form began another import")
	}
	begin("a.csv", "Handle,Title,Variant Price\nx,X,2\n", false).problem(409, "")
	if fmt.Sprint(s.get(a.base+"/imports", a.token).want(200).count("items")) != "2" {
		t.Error("more imports than two")
	}
}

func tenAtOnce(fn func() *answer) (out [10]*answer) {
	done := make(chan struct{})
	for i := range out {
		go func() { out[i] = fn(); done <- struct{}{} }()
	}
	for range out {
		<-done
	}
	return out
}
