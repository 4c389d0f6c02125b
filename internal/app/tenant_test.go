package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"haat/internal/media/draw"
)

// tenant is a shop with something of everything, and whose texts all have its
// mark in them.
type tenant struct {
	*site
	mark  string // in every text
	phone string // of the merchant
	email string // the merchant's second contact
	token string
	slug  string
	base  string // of the API, for the merchant
	host  string
	has   map[string]string // an id of everything, by the name that a path has for it
}

// shop opens a shop and fills it, all through the API.
func (s *site) shop(mark string) *tenant {
	s.t.Helper()
	s.people++
	x := &tenant{site: s, mark: mark, phone: fmt.Sprintf("+9198765432%02d", s.people), email: strings.ToLower(mark) + "@owners.example", has: map[string]string{}}
	x.token = s.signIn(x.phone)
	s.post(domain+"/api/v1/account/contacts", x.token, map[string]any{"email": x.email}).want(202)
	s.post(domain+"/api/v1/account/contacts/confirm", x.token, map[string]any{"email": x.email, "code": s.code(x.email)}).want(200)
	x.slug = s.post(domain+"/api/v1/shops", x.token, map[string]any{"name": mark + " Goods"}).want(201).text("slug")
	x.base, x.host = domain+"/api/v1/shops/"+x.slug, x.slug+"."+domain
	x.has["slug"], x.has["address"] = x.slug, x.email

	s.send(call{method: "PATCH", url: x.base + "/settings", token: x.token, body: map[string]any{
		"upi": map[string]any{"vpa": strings.ToLower(mark) + "@okbank", "payee": mark}, "address": mark + " Street", "theme": map[string]any{"tagline": mark + " forever"},
		"policies": map[string]any{"returns": mark + " takes nothing back."},
	}}).want(200)
	x.has["image"] = s.post(x.base+"/images", x.token, form{field: "file", name: "a.png", content: picture(s, s.people)}).want(201).text("hash")
	p := s.post(x.base+"/products", x.token, map[string]any{
		"title": mark + " Bowl", "description": "<p>" + mark + "</p>", "vendor": mark, "tags": []string{mark}, "status": "active",
		"options": []any{map[string]any{"name": "Size", "values": []string{mark + " S", mark + " L"}}},
		"variants": []any{
			map[string]any{"options": []string{mark + " S"}, "sku": mark + "-S", "price": inRupees(450), "available": 500},
			map[string]any{"options": []string{mark + " L"}, "sku": mark + "-L", "price": inRupees(650), "available": 500},
		},
		"images": []any{map[string]any{"hash": x.has["image"], "alt": mark}},
	}).want(201)
	x.has["product"], x.has["variant"], x.has["product handle"] = p.text("id"), p.text("variants", 0, "id"), p.text("handle")
	c := s.post(x.base+"/collections", x.token, map[string]any{"title": mark + " Kitchen", "products": []string{x.has["product"]}}).want(201)
	x.has["collection"], x.has["collection handle"] = c.text("id"), c.text("handle")
	x.has["import"] = s.post(x.base+"/imports", x.token, form{field: "file", name: mark + ".csv",
		content: "Handle,Title,Variant Price\n" + strings.ToLower(mark) + "-cup," + mark + " Cup,390\n"}).want(202).text("id")
	s.until("the import is done", func() bool {
		return s.get(x.base+"/imports/"+x.has["import"], x.token).want(200).at("status") == "done"
	})

	cart := s.post(x.host+"/api/v1/carts", "", map[string]any{"lines": x.lines()}).want(201)
	x.has["cart"] = cart.text("id")
	s.send(call{method: "PATCH", url: x.host + "/api/v1/carts/" + x.has["cart"], body: map[string]any{"contact": x.contact(), "shipping_address": x.address()}}).want(200)
	x.order("upi")
	x.order("cod")
	x.has["customer"] = s.get(x.base+"/customers", x.token).want(200).text("items", 0, "id")
	x.hook()
	sessions := s.get(domain+"/api/v1/auth/sessions", x.token).want(200)
	x.has["session"] = sessions.text("items", 0, "id")
	return x
}

// hook makes a webhook, which then is the tenant's, with a delivery.
func (x *tenant) hook() {
	x.t.Helper()
	body := map[string]any{"url": "https://" + strings.ToLower(x.mark) + ".invalid/haat", "topics": []string{"order.placed", "product.saved"}}
	x.has["webhook"] = x.post(x.base+"/webhooks", x.token, body).want(201).text("id")
	x.told()
}

// told has the tenant's webhook told of a test, which then is its delivery.
func (x *tenant) told() {
	x.t.Helper()
	at := x.base + "/webhooks/" + x.has["webhook"]
	x.post(at+"/test", x.token, nil).want(200)
	x.has["delivery"] = x.get(at+"/deliveries", x.token).want(200).text("items", 0, "id")
}

// dryRun makes the import that is known one that can be applied.
func (x *tenant) dryRun() {
	x.t.Helper()
	x.has["import"] = x.post(x.base+"/imports", x.token, form{field: "file", name: "try.csv",
		content: "Handle,Title,Variant Price\nnew-cup,New Cup,390\n", fields: [][2]string{{"dry_run", "true"}}}).want(202).text("id")
	x.until("the dry run is done", func() bool {
		return x.get(x.base+"/imports/"+x.has["import"], x.token).want(200).at("status") == "done"
	})
}

func picture(s *site, palette int) string {
	s.t.Helper()
	b, err := draw.PNG(draw.Product("mug", palette, 160))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func inRupees(n int) map[string]any { return map[string]any{"amount": n * 100, "currency": "INR"} }

func (x *tenant) lines() []any {
	return []any{map[string]any{"variant_id": x.has["variant"], "quantity": 1}}
}

func (x *tenant) contact() map[string]any {
	return map[string]any{"name": x.mark + " Person", "phone": "+919845011223", "email": x.mark + "@people.example"}
}

func (x *tenant) address() map[string]any {
	return map[string]any{"name": x.mark + " Person", "line1": x.mark + " Road 1", "city": "Bengaluru", "state": "KA", "postal_code": "560001", "country": "IN"}
}

// order places an order, which then is the tenant's order.
func (x *tenant) order(payment string) {
	x.t.Helper()
	o := x.post(x.host+"/api/v1/orders", "", x.wish(payment)).want(201)
	x.has["order"], x.has["token"] = o.text("id"), o.text("token")
}

func (x *tenant) wish(payment string) map[string]any {
	return map[string]any{"lines": x.lines(), "contact": x.contact(), "shipping_address": x.address(), "payment": payment}
}

// bodies gives what each operation that takes a body is sent: what stands on
// its own, and ids, which are x's.
var bodies = map[string]func(x *tenant) any{
	"account.send-code":       func(x *tenant) any { return map[string]any{"email": x.email} },
	"account.sign-in":         func(x *tenant) any { return map[string]any{"email": x.email, "code": "000000"} },
	"account.add-contact":     func(x *tenant) any { return map[string]any{"email": "new-" + x.email} },
	"account.confirm-contact": func(x *tenant) any { return map[string]any{"email": x.email, "code": "000000"} },
	"shop.open":               func(x *tenant) any { return map[string]any{"name": "Another"} },
	"shop.change-settings":    func(x *tenant) any { return map[string]any{"hold_hours": 48} },
	"catalog.create-product": func(x *tenant) any {
		return map[string]any{"title": "Fresh", "collections": []string{x.has["collection"]}, "variants": []any{map[string]any{"price": inRupees(1)}}}
	},
	"catalog.update-product": func(x *tenant) any {
		return map[string]any{"variants": []any{
			map[string]any{"id": x.has["variant"], "options": []string{"S"}, "price": inRupees(2)}}, "options": []any{map[string]any{"name": "Size", "values": []string{"S"}}}}
	},
	"catalog.set-price": func(x *tenant) any { return map[string]any{"price": inRupees(3)} },
	"catalog.bulk-edit": func(x *tenant) any {
		return map[string]any{"variants": []any{map[string]any{"id": x.has["variant"], "price": inRupees(4)}}}
	},
	"catalog.create-collection": func(x *tenant) any {
		return map[string]any{"title": "Fresh", "products": []string{x.has["product"]}}
	},
	"catalog.update-collection": func(x *tenant) any { return map[string]any{"products": []string{x.has["product"]}} },
	"catalog.import": func(x *tenant) any {
		return form{field: "file", name: "a.csv", content: "Handle,Title,Variant Price\nnew,New,1\n", fields: [][2]string{{"dry_run", "true"}}}
	},
	"media.upload": func(x *tenant) any { return form{field: "file", name: "a.png", content: picture(x.site, 3)} },
	"stock.set":    func(x *tenant) any { return map[string]any{"available": 100} },
	"stock.set-many": func(x *tenant) any {
		return map[string]any{"levels": []any{map[string]any{"variant": x.has["variant"], "available": 100}}}
	},
	"stock.adjust":      func(x *tenant) any { return map[string]any{"quantity": 5} },
	"order.new-cart":    func(x *tenant) any { return map[string]any{"lines": x.lines()} },
	"order.add-to-cart": func(x *tenant) any { return map[string]any{"lines": x.lines()} },
	"order.change-cart": func(x *tenant) any { return map[string]any{"lines": x.lines()} },
	"order.place":       func(x *tenant) any { return x.wish("cod") },
	"order.fulfil":      func(x *tenant) any { return map[string]any{"carrier": "Post", "number": "1"} },
	"order.cancel":      func(x *tenant) any { return map[string]any{"reason": "None left"} },
	"hook.create": func(x *tenant) any {
		return map[string]any{"url": "https://fresh.invalid/haat", "topics": []string{"order.paid"}}
	},
	"hook.change": func(x *tenant) any { return map[string]any{"topics": []string{"order.paid"}} },
	"notify.set-text": func(*tenant) any {
		return map[string]any{"kind": "paid", "language": "en", "subject": "Thanks", "long": "We have {{.Total}}.", "short": "Thanks"}
	},
	"search.set-synonyms": func(*tenant) any {
		return map[string]any{"groups": []any{[]string{"slides", "floaters"}}}
	},
	"order.note":           func(x *tenant) any { return map[string]any{"text": "Ring twice"} },
	"test.by-id":           func(x *tenant) any { return map[string]any{} },
	"test.forgetful-write": func(x *tenant) any { return map[string]any{} },
}

// harmless are the parameters outside the path that name nothing of a shop's.
var harmless = strings.Fields("option limit cursor sort stock available price_min price_max q status state days after Idempotency-Key Last-Event-ID Haat-Consistency Haat-Mark")

// route is an operation as the document has it.
type route struct {
	name, method, path string
	params             []string // in the path
	query              []string // that name something of a shop's
	body               bool
	shopper            bool
	secured            bool // asks for a bearer token
}

// routes reads the document of all operations. It complains of what it cannot
// fill in.
func routes(doc []byte) (out []route, findings []string) {
	var d struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
			RequestBody *json.RawMessage
			Security    []any
			Servers     []struct{ URL string }
		}
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, []string{err.Error()}
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			r := route{name: o.OperationID, method: strings.ToUpper(method), path: path, body: o.RequestBody != nil, secured: len(o.Security) > 0, shopper: len(o.Servers) > 0}
			for _, p := range o.Parameters {
				switch {
				case p.In == "path":
					r.params = append(r.params, p.Name)
				case contains(harmless, p.Name):
				case contains([]string{"customer", "order"}, p.Name):
					r.query = append(r.query, p.Name)
				default:
					findings = append(findings, fmt.Sprintf("%s takes %s: say in tenant_test.go whether that names something of a shop's", r.name, p.Name))
				}
			}
			for _, p := range r.params {
				if !contains(strings.Fields("slug product variant collection order customer import cart token handle session address webhook delivery"), p) {
					findings = append(findings, fmt.Sprintf("%s has {%s} in its path: say in tenant_test.go what fills it", r.name, p))
				}
			}
			if r.body && bodies[r.name] == nil {
				findings = append(findings, fmt.Sprintf("%s takes a body: say in tenant_test.go what it is sent", r.name))
			}
			out = append(out, r)
		}
	}
	return out, findings
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// call makes a request of a route: in the shop of slug, of the things of
// whose; the body's ids are those of content.
func (r route) call(slug, whose, content, query *tenant) call {
	path := r.path
	for _, p := range r.params {
		value := whose.has[p]
		switch {
		case p == "slug":
			value = slug.slug
		case p == "handle":
			value = cmp.Or(map[bool]string{true: whose.has["collection handle"]}[strings.HasPrefix(r.path, "/api/v1/collections/")], whose.has["product handle"])
		}
		path = strings.ReplaceAll(path, "{"+p+"}", value)
	}
	for i, q := range r.query {
		if query != nil {
			path += map[bool]string{true: "?", false: "&"}[i == 0] + q + "=" + query.has[q]
		}
	}
	c := call{method: r.method, url: domain + path}
	if r.shopper {
		c.url = slug.host + path
	}
	if r.body {
		c.body = bodies[r.name](content)
	}
	return c
}
