package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// journey lets shoppers do one thing at a time over HTTP, 8, 16 and 64 of them
// at once, at one shop of a server of its own.
func (b *bench) journey(ctx context.Context, r *Result) error {
	dir, err := b.folder("journey")
	if err != nil {
		return err
	}
	var s stall
	if err := b.with(ctx, dir, func(p *Platform) (err error) {
		s, err = openStall(ctx, p.Fleet, "bench", 40, plenty)
		return errors.Join(err, p.Quiet(ctx))
	}); err != nil {
		return err
	}
	srv, err := b.serve(ctx, -1, dir)
	if err != nil {
		return err
	}
	defer srv.stop()
	idle := srv.resident()
	const host = "bench." + domain
	for _, shoppers := range []int{8, 16, 64} {
		client := &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: shoppers, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		}}
		v := visitor{client, "http://" + srv.addr + "/api/v1", host, &s}
		for _, x := range []struct {
			label string
			run   func(context.Context, int64) error
		}{
			{"product list", func(ctx context.Context, _ int64) error { return v.call(ctx, "GET", "/products?limit=20", nil, nil) }},
			{"product", func(ctx context.Context, n int64) error {
				return v.call(ctx, "GET", "/products/"+s.handles[n%int64(len(s.handles))], nil, nil)
			}},
			{"add to a new cart", func(ctx context.Context, n int64) error {
				_, err := v.cart(ctx, n)
				return err
			}},
			{"whole order, 3 calls", v.three},
			{"whole order, 1 call", v.one},
		} {
			before := srv.cpu()
			got, err := closed(ctx, shoppers, b.For, func(ctx context.Context, _ int, n int64) error { return x.run(ctx, n) })
			if err != nil {
				return fmt.Errorf("%s: %w", x.label, err)
			}
			row := got.row(fmt.Sprintf("%s, %d shoppers", x.label, shoppers), seen{}, "")
			row.CPU = float64((srv.cpu() - before).Microseconds()) / float64(max(got.n, 1))
			r.Rows = append(r.Rows, row)
		}
		client.CloseIdleConnections()
	}
	r.note("memory of the server: %.0f MB idle, %.0f MB after the load", idle, srv.resident())
	return nil
}

// visitor is a shopper's app.
type visitor struct {
	client     *http.Client
	base, host string
	*stall
}

// call sends JSON and reads JSON; any answer but a success is an error.
func (v *visitor) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, body)
	if err != nil {
		return err
	}
	r.Host = v.host
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s answers %d: %s", method, path, res.StatusCode, b)
	}
	if out != nil {
		return json.Unmarshal(b, out)
	}
	return nil
}

type object = map[string]any

func (v *visitor) lines(n int64) []object {
	return []object{{"variant_id": v.variants[n%int64(len(v.variants))], "quantity": 1}}
}

func (v *visitor) cart(ctx context.Context, n int64) (string, error) {
	var cart struct{ ID string }
	err := v.call(ctx, "POST", "/carts", object{"lines": v.lines(n)}, &cart)
	return cart.ID, err
}

func person(n int64) (contact, address object) {
	return object{"name": "Asha Rao", "phone": phone(n)},
		object{"line1": "14 Church Street", "city": "Bengaluru", "state": "KA", "postal_code": "560001", "country": "IN"}
}

// three is cart, address, order.
func (v *visitor) three(ctx context.Context, n int64) error {
	cart, err := v.cart(ctx, n)
	if err != nil {
		return err
	}
	contact, address := person(n)
	if err := v.call(ctx, "PATCH", "/carts/"+cart, object{"contact": contact, "shipping_address": address}, nil); err != nil {
		return err
	}
	return v.call(ctx, "POST", "/orders", object{"cart_id": cart, "payment": "cod"}, nil)
}

// one is the same order in one call.
func (v *visitor) one(ctx context.Context, n int64) error {
	contact, address := person(n)
	return v.call(ctx, "POST", "/orders", object{"lines": v.lines(n), "contact": contact, "shipping_address": address, "payment": "cod"}, nil)
}
