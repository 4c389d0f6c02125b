package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// web is how everybody in a drill asks: on connections that are kept, and with
// the patience of a browser's user.
var web = &http.Client{
	Timeout: 10 * time.Second,
	Transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 256,
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request is one thing asked of a host at an address.
type request struct {
	addr, host, method, path string
	token, key               string // who asks, and the Idempotency-Key
	mark                     string // Haat-Mark
	consistency              string // Haat-Consistency
	in                       any    // sent as JSON
}

// refused is an answer that is no success.
type refused struct {
	status int
	body   string
}

func (e *refused) Error() string { return fmt.Sprintf("answered %d: %.200s", e.status, e.body) }

// statusOf gives the status of an answer that was none; 0 when nobody answered.
func statusOf(err error) int {
	var no *refused
	if errors.As(err, &no) {
		return no.status
	}
	return 0
}

// do asks, and reads JSON into out. Any answer but a success is a [refused].
func (q request) do(ctx context.Context, out any) (http.Header, error) {
	var body io.Reader
	if q.in != nil {
		b, err := json.Marshal(q.in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, "http://"+q.addr+q.path, body)
	if err != nil {
		return nil, err
	}
	r.Host = q.host
	if q.in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": q.key, "Haat-Mark": q.mark, "Haat-Consistency": q.consistency} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	res, err := web.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return res.Header, &refused{res.StatusCode, string(b)}
	}
	switch out := out.(type) {
	case nil:
	case *string:
		*out = string(b)
	default:
		if err := json.Unmarshal(b, out); err != nil {
			return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
		}
	}
	return res.Header, nil
}

// get asks for a page, as a browser does.
func get(ctx context.Context, addr, host, path string) (status int, body string, err error) {
	_, err = request{addr: addr, host: host, method: "GET", path: path}.do(ctx, &body)
	if status = statusOf(err); status != 0 {
		return status, "", nil
	}
	return http.StatusOK, body, err
}

type object = map[string]any

// merchant signs somebody new in, and gives their token.
func (r *run) merchant(ctx context.Context, addr string) (string, error) {
	r.people++
	ask := request{addr: addr, host: domain, method: "POST", path: "/api/v1/auth/codes"}
	who := object{"phone": fmt.Sprintf("+9198765%05d", r.people)}
	ask.in = who
	if _, err := ask.do(ctx, nil); err != nil {
		return "", fmt.Errorf("ask for a sign-in code: %w", err)
	}
	var sent struct {
		Items []struct{ To, Code string }
	}
	if _, err := (request{addr: addr, host: domain, method: "GET", path: "/dev/messages"}).do(ctx, &sent); err != nil {
		return "", fmt.Errorf("read a sign-in code: %w", err)
	}
	for _, m := range sent.Items {
		if m.To == who["phone"] && m.Code != "" {
			who["code"] = m.Code
			break
		}
	}
	var session struct{ Token string }
	ask.path = "/api/v1/auth/sessions"
	if _, err := ask.do(ctx, &session); err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	return session.Token, nil
}

// shop is a shop with one product, and its merchant.
type shop struct {
	slug, host, token string
	product, handle   string
	variant           string
}

// plenty is stock that no drill sells out.
const plenty = 1_000_000_000

// open opens a shop that sells so many of one product.
func (r *run) open(ctx context.Context, addr, name string, available int) (*shop, error) {
	token, err := r.merchant(ctx, addr)
	if err != nil {
		return nil, err
	}
	return openFor(ctx, addr, token, name, available)
}

// openFor opens one more shop for a merchant who is signed in.
func openFor(ctx context.Context, addr, token, name string, available int) (*shop, error) {
	s := &shop{token: token}
	var made struct{ Slug string }
	q := request{addr: addr, host: domain, method: "POST", path: "/api/v1/shops", token: token, in: object{"name": name}}
	if _, err := q.do(ctx, &made); err != nil {
		return nil, fmt.Errorf("open a shop: %w", err)
	}
	s.slug, s.host = made.Slug, made.Slug+"."+domain
	if _, err := s.desk(addr, "PATCH", "/settings", object{"upi": object{"vpa": "drill@okbank", "payee": name}}).do(ctx, nil); err != nil {
		return nil, fmt.Errorf("set up a shop: %w", err)
	}
	var p struct {
		ID, Handle string
		Variants   []struct{ ID string }
	}
	if _, err := s.desk(addr, "POST", "/products", object{
		"title": "Clay Bowl", "description": "<p>Thrown by hand.</p>", "status": "active",
		"variants": []any{object{"sku": "BOWL", "price": rupees(450), "available": available}},
	}).do(ctx, &p); err != nil {
		return nil, fmt.Errorf("put up a product: %w", err)
	}
	s.product, s.handle, s.variant = p.ID, p.Handle, p.Variants[0].ID
	return s, nil
}

func rupees(n int) object { return object{"amount": n * 100, "currency": "INR"} }

// desk is a request of the shop's merchant.
func (s *shop) desk(addr, method, path string, in any) request {
	return request{addr: addr, host: domain, method: method, path: "/api/v1/shops/" + s.slug + path, token: s.token, in: in}
}

// order is a shopper's order of one unit, whose name tells it from all others.
func (s *shop) order(addr, name, payment string) request {
	return request{addr: addr, host: s.host, method: "POST", path: "/api/v1/orders", key: name, in: object{
		"lines": []any{object{"variant_id": s.variant, "quantity": 1}}, "payment": payment,
		"contact":          object{"name": name, "phone": "+919812345678"},
		"shipping_address": object{"line1": "14 Church Street", "city": "Bengaluru", "state": "KA", "postal_code": "560001", "country": "IN"},
	}}
}

// stock reads what can be sold of the shop's product, what is held and what
// was sold.
func (s *shop) stock(ctx context.Context, addr string) (level struct{ Available, Held, Sold int }, err error) {
	_, err = s.desk(addr, "GET", "/variants/"+s.variant+"/stock", nil).do(ctx, &level)
	return level, err
}

// metric reads a figure of a server: the sum over its labels, when the name
// has none.
func (s *server) metric(ctx context.Context, name string) (sum float64, err error) {
	_, body, err := get(ctx, s.ops, domain, "/metrics")
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("the server has no metric %s", name)
	}
	return sum, nil
}
