package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSigningIn goes by the text: phone of any country or e-mail, a code of
// six digits that is good once, tries limited, sign-out here and everywhere,
// and recovery by a second contact.
func TestSigningIn(t *testing.T) {
	s := open(t, nil)
	for _, x := range []struct{ phone, email, to, country, currency string }{
		{"+91 98765 43210", "", "+919876543210", "IN", "INR"}, {"+49 1512 3456789", "", "+4915123456789", "DE", "EUR"}, {"+1 (415) 555-2671", "", "+14155552671", "US", "USD"},
		{"+81 90-1234-5678", "", "+819012345678", "JP", "JPY"}, {"", "  Ravi@Example.COM ", "ravi@example.com", "IN", "INR"},
	} {
		who := map[string]any{"phone": x.phone}
		if x.phone == "" {
			who = map[string]any{"email": x.email}
		}
		s.post(domain+"/api/v1/auth/codes", "", who).want(202).is(x.to, "to")
		who["code"] = s.code(x.to)
		token := s.post(domain+"/api/v1/auth/sessions", "", who).want(201).text("token")
		s.post(domain+"/api/v1/auth/sessions", "", who).problem(422, "/code") // good once
		s.post(domain+"/api/v1/shops", token, map[string]any{"name": "Shop of " + x.country}).want(201).is(x.country, "country").is(x.currency, "currency")
		s.post(domain+"/api/v1/shops", token, map[string]any{"name": "Given", "country": "GB", "currency": "CHF"}).want(201).is("GB", "country").is("CHF", "currency")
	}
	for _, body := range []any{map[string]any{}, map[string]any{"phone": "12"}, map[string]any{"email": "nobody"}, map[string]any{"phone": "+919876543210", "email": "a@b.example"}, map[string]any{"phone": 5}, "{", ""} {
		s.post(domain+"/api/v1/auth/codes", "", body).problem(422, "")
	}

	// Tries are limited: after five wrong ones the right code is none any more.
	const to = "+919876500001"
	s.post(domain+"/api/v1/auth/codes", "", map[string]any{"phone": to}).want(202)
	code := s.code(to)
	for range 5 {
		s.post(domain+"/api/v1/auth/sessions", "", map[string]any{"phone": to, "code": wrong(code)}).problem(422, "/code")
	}
	s.post(domain+"/api/v1/auth/sessions", "", map[string]any{"phone": to, "code": code}).problem(422, "/code")

	// A key makes no difference to signing in.
	for range 2 {
		s.send(call{method: "POST", url: domain + "/api/v1/auth/codes", body: map[string]any{"phone": "+919876500002"}}.with("Idempotency-Key", "k")).want(202)
	}
	sent := strings.Count(s.get(domain+"/dev/messages", "").body, `"to":"+919876500002"`)
	if sent != 2 {
		t.Errorf("%d codes were sent for one key", sent)
	}
	proof := map[string]any{"phone": "+919876500002", "code": s.code("+919876500002")}
	s.send(call{method: "POST", url: domain + "/api/v1/auth/sessions", body: proof}.with("Idempotency-Key", "k")).want(201)
	s.send(call{method: "POST", url: domain + "/api/v1/auth/sessions", body: proof}.with("Idempotency-Key", "k")).problem(422, "/code")

	// Sign-out here, of one device, and everywhere.
	one, two, three := s.signIn("+919876543210"), s.signIn("+919876543210"), s.signIn("+919876543210")
	remove := func(path, token string) *answer {
		return s.send(call{method: "DELETE", url: domain + "/api/v1" + path, token: token})
	}
	remove("/auth/sessions/current", one).want(204)
	s.get(domain+"/api/v1/account", one).problem(401, "")
	list := s.get(domain+"/api/v1/auth/sessions", two).want(200)
	for i := range list.count("items") {
		if list.at("items", i, "current") == false && list.at("items", i, "id") != "" {
			remove("/auth/sessions/"+list.text("items", i, "id"), two).want(204)
		}
	}
	s.get(domain+"/api/v1/account", three).problem(401, "")
	s.get(domain+"/api/v1/account", two).want(200)
	four := s.signIn("+919876543210")
	remove("/auth/sessions", two).want(204)
	for _, token := range []string{two, four} {
		a := s.get(domain+"/api/v1/account", token).problem(401, "")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("401 does not say how to sign in")
		}
	}

	// The phone is lost: the e-mail address, added before, signs in.
	phone := s.signIn("+919876543210")
	s.post(domain+"/api/v1/account/contacts", phone, map[string]any{"email": "second@example.com"}).want(202)
	s.post(domain+"/api/v1/account/contacts/confirm", phone, map[string]any{"email": "second@example.com", "code": wrong(s.code("second@example.com"))}).problem(422, "/code")
	s.post(domain+"/api/v1/account/contacts/confirm", phone, map[string]any{"email": "second@example.com", "code": s.code("second@example.com")}).want(200)
	mail := s.signIn("second@example.com")
	me := s.get(domain+"/api/v1/account", mail).want(200)
	if me.text("id") != s.get(domain+"/api/v1/account", phone).text("id") || me.count("contacts") != 2 {
		t.Errorf("the second contact leads elsewhere: %s", me.body)
	}
	if n := s.get(domain+"/api/v1/shops", mail).count("items"); n != 2 {
		t.Errorf("%d shops by the second contact", n)
	}
	s.send(call{method: "GET", url: domain + "/api/v1/account"}.with("Authorization", "bearer "+mail)).want(200) // a scheme has no case
}

func wrong(code string) string {
	if code[0] == '1' {
		return "2" + code[1:]
	}
	return "1" + code[1:]
}

// TestLimits sees that codes are limited by address and by IP address, carts
// and orders by phone and IP address, and pages and reads not at all.
func TestLimits(t *testing.T) {
	s := open(t, func(c *Config) { c.Codes.PerAddress, c.Codes.PerIP, c.MaxPerIP, c.MaxPerPerson = 3, 6, 20, 8 })
	from := func(ip string, c call) *answer { return s.send(c.with("X-Forwarded-For", "198.51.100.9, "+ip)) }
	ask := func(ip, phone string) *answer {
		return from(ip, call{method: "POST", url: domain + "/api/v1/auth/codes", body: map[string]any{"phone": phone}})
	}
	for range 3 {
		ask("203.0.113.1", "+919876543210").want(202)
	}
	late := ask("203.0.113.2", "+91 98765-43210").problem(429, "")
	if late.header.Get("Retry-After") == "" {
		t.Error("429 does not say when to try again")
	}
	ask("203.0.113.2", "+919876543211").want(202)
	for i := range 3 {
		ask("203.0.113.1", fmt.Sprint("+91987654322", i)).want(202)
	}
	ask("203.0.113.1", "+919876543230").problem(429, "")
	// What somebody writes into the header themselves is not where they are.
	s.send(call{method: "POST", url: domain + "/api/v1/auth/codes", body: map[string]any{"phone": "+919876543231"}, header: http.Header{"X-Forwarded-For": {"192.0.2.1", "203.0.113.1"}}}).problem(429, "")

	token := func() string {
		who := map[string]any{"phone": "+919876543211", "code": s.code("+919876543211")}
		return from(another, call{method: "POST", url: domain + "/api/v1/auth/sessions", body: who}).want(201).text("token")
	}()
	s.post(domain+"/api/v1/shops", token, map[string]any{"name": "Limits"}).want(201)
	p := s.post(domain+"/api/v1/shops/limits/products", token, map[string]any{"title": "Cup", "status": "active", "variants": []any{map[string]any{"price": inRupees(1)}}}).want(201)
	lines := []any{map[string]any{"variant_id": p.text("variants", 0, "id"), "quantity": 1}}
	order := func(ip, host, phone string) *answer {
		return from(ip, call{method: "POST", url: "limits." + domain + "/api/v1/orders", body: map[string]any{"lines": lines, "payment": "cod",
			"contact": map[string]any{"name": "M", "phone": phone}, "shipping_address": map[string]any{"line1": "1 Road", "city": "Bengaluru", "state": "KA", "postal_code": "560001", "country": "IN"}}}.with("Host", host))
	}
	for i := range 8 {
		order(fmt.Sprint("198.51.100.", i), "limits."+domain, "+919845011223").want(201)
	}
	for i, host := range []string{"limits." + domain, "LIMITS." + domain + ":81", "limits." + domain + "."} {
		order(fmt.Sprint("198.51.100.", 20+i), host, "098450 11223").problem(429, "") // however phone and host are written
	}
	cart := func(ip string) *answer {
		return from(ip, call{method: "POST", url: "limits." + domain + "/api/v1/carts", body: map[string]any{"lines": lines}})
	}
	for range 20 {
		cart("203.0.113.50").want(201)
	}
	cart("203.0.113.50").problem(429, "")
	cart("203.0.113.51").want(201)
	for range 40 {
		from("203.0.113.50", call{method: "GET", url: "limits." + domain + "/api/v1/products"}).want(200)
		from("203.0.113.50", call{method: "GET", url: "limits." + domain + "/"}).want(200)
	}
}

// sse follows a stream of events until it has seen n, or time is up.
func (s *site) sse(url, token string, n int, pairs ...string) (out []map[string]any) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 || kind != "text/event-stream" {
		s.t.Fatalf("%s: %d %s", url, res.StatusCode, kind)
	}
	lines := bufio.NewScanner(res.Body)
	id := ""
	for len(out) < n && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "data":
			var e map[string]any
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				s.t.Fatal(err)
			}
			if fmt.Sprint(e["seq"]) != id {
				s.t.Errorf("an event of id %s says it is %v", id, e["seq"])
			}
			out = append(out, e)
		}
	}
	if len(out) < n {
		s.t.Fatalf("%s: only %d events: %v", url, len(out), lines.Err())
	}
	return out
}

// TestEvents follows a shop, loses the connection, and misses nothing.
func TestEvents(t *testing.T) {
	s := open(t, nil)
	x, other := s.shop("Aalto"), s.shop("Zanzibar")
	s.still(x.slug, other.slug)
	all := s.sse(x.base+"/events?after=0", x.token, 5)
	for i, e := range all {
		if e["seq"] != float64(i+1) || e["topic"] == "" || e["id"] == "" {
			t.Errorf("event %d is %v", i, e)
		}
	}
	room, err := s.app.fleet.BySlug(t.Context(), x.slug)
	if err != nil {
		t.Fatal(err)
	}
	other.order("cod")
	for range 3 {
		s.still(x.slug)
		size, err := room.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x.order("cod")
		e := s.sse(x.base+"/events", x.token, 1, "Last-Event-ID", fmt.Sprint(size.Events))[0]
		data, _ := json.Marshal(e)
		if e["topic"] != "order.placed" || !strings.Contains(string(data), x.has["order"]) || e["seq"] != float64(size.Events+1) {
			t.Errorf("after the order %s: %s", x.has["order"], data)
		}
	}
	for _, bad := range []string{"x", "-1", "99999999999999999999"} {
		s.send(call{method: "GET", url: x.base + "/events", token: x.token}.with("Last-Event-ID", bad)).problem(422, "")
	}
}
