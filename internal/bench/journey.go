package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	if _, err := srv.rested(ctx); err != nil {
		return err
	}
	idle := srv.resident()
	const host = "bench." + domain
	best := map[string]float64{}
	for _, shoppers := range []int{8, 16, 64} {
		b.say("%d shoppers", shoppers)
		client := &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: shoppers, DisableCompression: true, DialContext: dial,
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
			best[x.label] = max(best[x.label], got.rate)
		}
		client.CloseIdleConnections()
	}
	v := visitor{plainClient, "http://" + srv.addr + "/api/v1", host, &s}
	each := map[string]float64{}
	for _, x := range []struct {
		label string
		run   func(context.Context, int64) error
	}{
		{"add to a new cart", func(ctx context.Context, n int64) error {
			_, err := v.cart(ctx, n)
			return err
		}},
		{"whole order, 3 calls", v.three},
		{"whole order, 1 call", v.one},
	} {
		b.say("statements: %s", x.label)
		if each[x.label], err = srv.statements(ctx, x.run); err != nil {
			return fmt.Errorf("%s: %w", x.label, err)
		}
		r.note("%s: %.1f statements, those of the events' handlers included, one after the other", x.label, each[x.label])
	}
	r.note("memory of the server: %.0f MB idle, %.0f MB after the load", idle, srv.resident())
	r.least("whole orders a second", max(best["whole order, 3 calls"], best["whole order, 1 call"]), 2_000, "")
	r.least("carts a second", best["add to a new cart"], 10_000, "")
	r.most("memory idle", idle, 60, "MB")
	r.most("statements of an order in one call", each["whole order, 1 call"], 12, "")
	r.most("statements of an order in three calls", each["whole order, 3 calls"], 12, "")
	return nil
}

// statements counts what one thing costs the shop's database, until its events
// have been handled.
func (s *server) statements(ctx context.Context, run func(context.Context, int64) error) (float64, error) {
	const times = 100
	before, err := s.rested(ctx)
	if err != nil {
		return 0, err
	}
	for n := range int64(times) {
		if err := run(ctx, n); err != nil {
			return 0, err
		}
	}
	after, err := s.rested(ctx)
	return (after - before) / times, err
}

// rested waits until the server has nothing to do, and gives the statements
// that it has run.
func (s *server) rested(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	last, still := -1.0, 0
	for {
		busy, err := s.metric(ctx, "haat_event_units_busy")
		if err != nil {
			return 0, err
		}
		now, err := s.metric(ctx, "haat_statements_total")
		if err != nil {
			return 0, err
		}
		if still++; busy > 0 || now != last {
			still = 0
		}
		if last = now; still == 5 {
			return now, nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("the server does not come to rest: %w", ctx.Err())
		}
	}
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
