package app

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTheJourney goes from a phone number to a fulfilled order over HTTP
// alone, by the text that binds the names of API version 1.
func TestTheJourney(t *testing.T) {
	s := open(t, nil)
	// Sign up.
	sent := s.post(domain+"/api/v1/auth/codes", "", map[string]any{"phone": "+91 98765 43210"}).want(202)
	sent.is("+919876543210", "to").is("sms", "channel")
	messages := s.get(domain+"/dev/messages", "").want(200)
	messages.is("+919876543210", "items", 0, "to").is("sms", "items", 0, "channel")
	code := messages.text("items", 0, "code")
	if len(code) != 6 || strings.Trim(code, "0123456789") != "" || !strings.Contains(messages.text("items", 0, "text"), code) || messages.text("items", 0, "sent_at") == "" {
		t.Errorf("the message: %s", messages.body)
	}
	token := s.post(domain+"/api/v1/auth/sessions", "", map[string]any{"phone": "+919876543210", "code": code}).want(201).text("token")
	opened := s.post(domain+"/api/v1/shops", token, map[string]any{"name": "Ravi's Store"}).want(201)
	opened.is("ravis-store", "slug").is("http://ravis-store."+domain+":8080", "url")
	base, host := domain+"/api/v1/shops/ravis-store", "ravis-store."+domain
	// It is live at once, and sells by its defaults.
	s.get(host+"/", "").want(200)
	set := s.get(base+"/settings", token).want(200)
	set.is("IN", "country").is("INR", "currency").is(true, "cod").is("", "upi", "vpa").is(true, "prices_include_tax").is(0, "delivery", "charge", "amount").is("[IN]", "delivery", "countries")

	// Goods.
	p := s.post(base+"/products", token, map[string]any{
		"title": "Steel Tiffin", "description": `<p onclick="x()">Three tiers<script>alert(1)</script></p>`, "status": "active", "vendor": "Annapurna", "tags": []string{"steel"},
		"options":  []any{map[string]any{"name": "Tiers", "values": []string{"2", "3"}}},
		"variants": []any{map[string]any{"options": []string{"2"}, "sku": "T2", "barcode": "890", "price": inRupees(599), "compare_at_price": inRupees(799), "cost": inRupees(300), "weight_grams": 400, "tax_class": "standard"}, map[string]any{"options": []string{"3"}, "sku": "T3", "price": inRupees(799)}},
	}).want(201)
	p.is("steel-tiffin", "handle").is("<p>Three tiers</p>", "description").is(59900, "variants", 0, "price", "amount").is("INR", "variants", 0, "price", "currency").is(false, "variants", 0, "tracked")
	product, two, three := p.text("id"), p.text("variants", 0, "id"), p.text("variants", 1, "id")
	s.send(call{method: "PUT", url: base + "/variants/" + two + "/price", token: token, body: map[string]any{"price": inRupees(649)}}).want(200).is(64900, "price", "amount")
	s.send(call{method: "PUT", url: base + "/variants/" + two + "/stock", token: token, body: map[string]any{"available": 3}}).want(200).is(3, "available").is(true, "tracked")
	s.get(base+"/products/"+product, token).want(200).is(3, "variants", 0, "available").is(true, "variants", 0, "tracked").is(64900, "variants", 0, "price", "amount")
	s.post(base+"/collections", token, map[string]any{"title": "By hand", "products": []string{product}}).want(201).is("by-hand", "handle").is(product, "product_ids", 0)
	s.post(base+"/collections", token, map[string]any{"title": "Steel", "rule": map[string]any{"any": false, "conditions": []any{map[string]any{"field": "tag", "is": "equals", "value": "steel"}}}}).want(201).is(product, "product_ids", 0)
	s.send(call{method: "PATCH", url: base + "/products/" + product, token: token, body: map[string]any{"title": "Steel Tiffin Box"}}).want(200).is("Steel Tiffin Box", "title").is("steel-tiffin", "handle")

	// Browsing.
	shown := s.get(host+"/api/v1/products/steel-tiffin", "").want(200)
	shown.is(product, "id").is(two, "variants", 0, "id").is("T2", "variants", 0, "sku").is(true, "variants", 0, "available").is(64900, "variants", 0, "price", "amount")
	s.get(host+"/api/v1/products", "").want(200).is(product, "items", 0, "id").is(nil, "next")
	s.get(host+"/api/v1/collections/steel/products", "").want(200).is(product, "items", 0, "id")
	for _, q := range []string{"TIFFIN", "tif", "box+steel", "steel+box"} {
		s.until("search finds "+q, func() bool { // it listens: what it knows comes a moment later
			return s.get(host+"/api/v1/search?q="+q, "").want(200).at("items", 0, "id") == product
		})
	}
	if n := s.get(host+"/api/v1/search?q=nothing", "").want(200).count("items"); n != 0 {
		t.Errorf("%d things are found for nothing", n)
	}
	s.get(host+"/api/v1/products/none", "").problem(404, "")
	s.get(host+"/api/v1/collections/none/products", "").problem(404, "")

	// A cart, and its order.
	cart := s.post(host+"/api/v1/carts", "", map[string]any{"lines": []any{map[string]any{"variant_id": two, "quantity": 1}}}).want(201)
	at := host + "/api/v1/carts/" + cart.text("id")
	cart.is(64900, "total", "amount")
	patch := func(body map[string]any) *answer { return s.send(call{method: "PATCH", url: at, body: body}) }
	patch(map[string]any{"lines": []any{map[string]any{"variant_id": two, "quantity": 2}}}).want(200).is(129800, "total", "amount")
	contact := map[string]any{"name": "Meera Iyer", "phone": "098450 11223", "email": "Meera@Example.com"}
	address := map[string]any{"name": "Meera Iyer", "line1": "22 2nd Cross", "line2": "", "city": "Bengaluru", "state": "Karnataka", "postal_code": "560 001", "country": "IN"}
	patch(map[string]any{"contact": contact}).want(200).is("Meera Iyer", "contact", "name").is(2, "items")
	patch(map[string]any{"shipping_address": address}).want(200).is(0, "delivery", "amount").is(true, "ready")
	s.post(host+"/api/v1/orders", "", map[string]any{"cart_id": cart.text("id"), "payment": "upi"}).problem(422, "/payment")
	byCart := s.post(host+"/api/v1/orders", "", map[string]any{"cart_id": cart.text("id"), "payment": "cod"}).want(201)
	byCart.is(129800, "total", "amount").is("INR", "total", "currency").is("cod", "payment", "method").is("placed", "status")
	if number, _ := byCart.at("number").(float64); number < 1 {
		t.Errorf("the order has no number: %s", byCart.body)
	}
	s.post(host+"/api/v1/orders", "", map[string]any{"cart_id": cart.text("id"), "payment": "cod"}).problem(409, "")
	status := s.get(host+byCart.text("status_url"), "").want(200)
	if !strings.Contains(status.body, "Steel Tiffin Box") {
		t.Error("the status page does not show the order")
	}
	s.get(host+"/orders/"+strings.Repeat("a", len(byCart.text("token"))), "").want(404)
	s.until("the shopper has the link", func() bool {
		m := s.get(domain+"/dev/messages", "").want(200)
		return strings.Contains(m.body, byCart.text("status_url")) && strings.Contains(m.body, `"to":"+919845011223"`)
	})
	wish := map[string]any{"lines": []any{map[string]any{"variant_id": two, "quantity": 2}}, "contact": contact, "shipping_address": address, "payment": "cod"}
	s.post(host+"/api/v1/orders", "", wish).problem(409, "/lines/0").is("out-of-stock", "code")
	wish["lines"] = []any{map[string]any{"variant_id": two, "quantity": 1}, map[string]any{"variant_id": three, "quantity": 1}}
	address["state"] = "KA"
	byLines := s.post(host+"/api/v1/orders", "", wish).want(201)
	byLines.is(64900+79900, "total", "amount").is("Karnataka", "shipping_address", "state")
	s.get(host+"/api/v1/products/steel-tiffin", "").want(200).is(false, "variants", 0, "available")

	// UPI, once there is where to pay.
	s.send(call{method: "PATCH", url: base + "/settings", token: token, body: map[string]any{"upi": map[string]any{"vpa": "ravi@okbank"}}}).want(200)
	wish["lines"], wish["payment"] = []any{map[string]any{"variant_id": three, "quantity": 1}}, "upi"
	upi := s.post(host+"/api/v1/orders", "", wish).want(201)
	if link := upi.text("payment", "upi", "link"); !strings.HasPrefix(link, "upi://pay?") || !strings.Contains(link, "ravi%40okbank") && !strings.Contains(link, "ravi@okbank") {
		t.Errorf("the link to pay is %s", link)
	}

	// The merchant's side.
	orders := s.get(base+"/orders", token).want(200)
	if orders.count("items") != 3 || orders.at("items", 0, "id") != upi.at("id") {
		t.Errorf("orders: %s", orders.body)
	}
	act := func(id, what string, body any) *answer { return s.post(base+"/orders/"+id+"/"+what, token, body) }
	first, second := byCart.text("id"), byLines.text("id")
	act(first, "accept", nil).want(200).is("accepted", "status")
	act(first, "note", map[string]any{"text": "Ring twice"}).want(200)
	act(first, "fulfil", map[string]any{"carrier": "Delhivery", "number": "DL42", "url": "https://track.example/DL42"}).want(200).is("fulfilled", "status").is("DL42", "tracking", "number")
	act(first, "pay", nil).want(200).is("paid", "payment", "status")
	act(second, "cancel", map[string]any{"reason": "Out of steel", "restock": true}).want(200).is("cancelled", "status")
	act(upi.text("id"), "pay", nil).want(200).is("paid", "payment", "status")
	act(second, "accept", nil).problem(409, "")
	one := s.get(base+"/orders/"+first, token).want(200)
	var kinds []string
	for i := range one.count("timeline") {
		kinds = append(kinds, one.text("timeline", i, "kind"))
	}
	slices.Sort(kinds)
	if got := strings.Join(slices.Compact(kinds), " "); !strings.Contains(got, "accepted") || !strings.Contains(got, "note") || !strings.Contains(got, "fulfilled") || !strings.Contains(got, "paid") {
		t.Errorf("the timeline: %s", got)
	}
	s.get(base+"/products/"+product, token).want(200).is(1, "variants", 0, "available") // put back on the shelf
	s.get(base+"/customers", token).want(200).is("Meera Iyer", "items", 0, "name").is(nil, "items", 1)
	s.until("the messages are listed", func() bool { return s.get(base+"/messages", token).want(200).count("items") > 4 })
	s.until("the sales are counted", func() bool {
		return fmt.Sprint(s.get(base+"/insight/today", token).want(200).at("orders")) == "2"
	})

	// What trades keeps its currency.
	s.send(call{method: "PATCH", url: base + "/settings", token: token, body: map[string]any{"currency": "USD"}}).problem(409, "")

	// Out, and in again elsewhere to the same catalogue.
	out := s.get(base+"/exports", token).want(200)
	if kind := out.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") {
		t.Errorf("an export is %s", kind)
	}
	rows, err := csv.NewReader(strings.NewReader(out.body)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Errorf("the export has %d rows, %v", len(rows), err)
	}
	again := s.post(domain+"/api/v1/shops", token, map[string]any{"name": "Second", "country": "DE", "currency": "INR"}).want(201)
	again.is("DE", "country").is("INR", "currency")
	second = domain + "/api/v1/shops/" + again.text("slug")
	begun := s.post(second+"/imports", token, form{field: "file", name: "out.csv", content: out.body, fields: [][2]string{{"format", "shopify"}}}).want(202)
	begun.is("queued", "status")
	s.until("it is imported", func() bool {
		return s.get(second+"/imports/"+begun.text("id"), token).want(200).at("status") == "done"
	})
	if got := s.get(second+"/exports", token).want(200).body; got != out.body {
		t.Errorf("exported:\n%s\nand after an import again:\n%s", out.body, got)
	}
}

// TestImports goes by the text: multipart, dry run, counts, errors of rows,
// images counted and never in the way.
func TestImports(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	at := x.base + "/imports"
	file := "Handle,Title,Variant Price,Image Src\nmug,Mug,390,http://127.0.0.1:1/mug.png\nbad,Bad,not a price,\nbowl,Bowl,490,\n"
	run := func(fields [][2]string, before bool) *answer {
		begun := s.post(at, x.token, form{field: "file", name: "goods.csv", content: file, fields: fields, before: before}).want(202)
		at := at + "/" + begun.text("id")
		s.until("the import is done", func() bool { return s.get(at, x.token).want(200).at("status") == "done" })
		return s.get(at, x.token)
	}
	products := s.get(x.base+"/products", x.token).want(200).count("items")
	for _, before := range []bool{true, false} { // the file may come first or last in the form
		dry := run([][2]string{{"format", "shopify"}, {"dry_run", "true"}}, before)
		dry.is(true, "dry_run").is(3, "rows").is(2, "products", "created").is(3, "row_errors", 0, "line").is(0, "images", "queued")
		if n := s.get(x.base+"/products", x.token).count("items"); n != products {
			t.Errorf("a dry run made products: %d, before %d", n, products)
		}
	}
	done := run([][2]string{{"format", "shopify"}}, false)
	done.is(3, "rows").is(3, "rows_done").is(1, "errors").is("goods.csv", "name")
	if done.text("row_errors", 0, "message") == "" || done.at("images", "done") == nil || done.at("images", "queued") == nil {
		t.Errorf("the import: %s", done.body)
	}
	s.until("the image that may not be fetched has failed", func() bool {
		a := s.get(at+"/"+done.text("id"), x.token).want(200)
		return fmt.Sprint(a.at("images")) == "map[done:0 failed:1 queued:0]" && a.count("failed_images") == 1
	})
	s.get(x.host+"/api/v1/products/mug", "").want(200)
	s.get(x.host+"/api/v1/products/bowl", "").want(200)
	s.post(at, x.token, form{field: "file", name: "x.csv", content: "nothing,of,ours\n1,2,3\n"}).problem(422, "/file")
	s.post(at, x.token, form{fields: [][2]string{{"format", "shopify"}}}).problem(422, "/file")
	s.post(at, x.token, form{field: "file", name: "x.csv", content: file, fields: [][2]string{{"format", "magento"}}}).problem(422, "/format")
	s.post(at, x.token, map[string]any{"file": "text"}).problem(422, "/file")
	if list := s.get(at, x.token).want(200); list.count("items") != 4 || list.at("items", 0, "id") != done.at("id") {
		t.Errorf("imports: %s", list.body)
	}
}

// TestLists sees that every list answers {items, next}, takes a limit that is
// capped, and gives everything once by its cursor.
func TestLists(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Aalto")
	members := []string{x.has["product"]}
	for i := range 5 {
		p := s.post(x.base+"/products", x.token, map[string]any{"title": fmt.Sprint("Aalto cup ", i), "status": "active", "variants": []any{map[string]any{"price": inRupees(i + 1)}}}).want(201)
		members = append(members, p.text("id"))
		s.post(x.base+"/collections", x.token, map[string]any{"title": fmt.Sprint("Shelf ", i), "products": []string{x.has["product"]}}).want(201)
		o := x.wish("cod")
		o["contact"] = map[string]any{"name": fmt.Sprint("Person ", i), "phone": fmt.Sprint("+91984501122", i)}
		s.post(x.host+"/api/v1/orders", "", o).want(201)
		s.post(domain+"/api/v1/shops", x.token, map[string]any{"name": fmt.Sprint("More ", i)}).want(201)
		s.post(x.base+"/imports", x.token, form{field: "file", name: "a.csv", content: fmt.Sprintf("Handle,Title,Variant Price\nn%d,N,1\n", i)}).want(202)
		x.hook()
		s.signIn(x.phone)
	}
	for range 5 {
		x.told()
	}
	s.send(call{method: "PATCH", url: x.base + "/collections/" + x.has["collection"], token: x.token, body: map[string]any{"products": members}}).want(200)
	s.still(x.slug)
	tried := 0
	for _, r := range ownDoc(t, s.app.registry) {
		c := r.call(x, x, x, nil)
		c.token = x.token
		if r.name == "search.find" {
			c.url += "?q=Aalto"
		}
		if r.method != "GET" || r.name == "event.follow" || !strings.HasPrefix(s.send(c).body, `{"items":[`) || strings.HasPrefix(r.name, "insight.") || r.name == "order.recent" {
			continue
		}
		tried++
		join := map[bool]string{true: "&", false: "?"}[strings.Contains(c.url, "?")]
		ask := func(query string) *answer {
			c := c
			c.url += join + query
			return s.send(c)
		}
		whole := ask("limit=100000").want(200) // larger is capped
		want := whole.count("items")
		if want < 5 || whole.at("next") != nil {
			t.Errorf("%s: %d items, and next %v", r.name, want, whole.at("next"))
			continue
		}
		seen := map[string]bool{}
		for cursor, pages := "", 0; ; pages++ {
			page := ask("limit=2&cursor=" + cursor).want(200)
			if n := page.count("items"); n > 2 || n == 0 || pages > want {
				t.Errorf("%s: a page of %d", r.name, n)
				break
			}
			for i := range page.count("items") {
				seen[fmt.Sprint(page.at("items", i))] = true
			}
			next, more := page.at("next").(string)
			if !more {
				break
			}
			cursor = next
		}
		if len(seen) != want {
			t.Errorf("%s: %d of %d items by pages of two", r.name, len(seen), want)
		}
		ask("limit=0").problem(422, "/limit")
		ask("limit=-1").problem(422, "/limit")
		ask("limit=x").problem(422, "/limit")
		ask("cursor=%00junk").problem(422, "/cursor")
		ask("cursor=bm90IG91cnM").problem(422, "/cursor")
	}
	if tried < 12 {
		t.Errorf("only %d lists", tried)
	}
	// More than 250, and the default of 50.
	variants := make([]any, 300)
	for i := range variants {
		variants[i] = map[string]any{"options": []string{fmt.Sprint(i)}, "price": inRupees(1)}
	}
	s.post(x.base+"/products", x.token, map[string]any{"title": "Many", "options": []any{map[string]any{"name": "N", "values": []string{}}}, "variants": variants}).want(201)
	for query, n := range map[string]int{"": 50, "?limit=251": 250, "?limit=250": 250, "?limit=1": 1} {
		if got := s.get(x.base+"/variants"+query, x.token).want(200); got.count("items") != n || got.at("next") == nil {
			t.Errorf("%q: %d items, next %v", query, got.count("items"), got.at("next"))
		}
	}
}
