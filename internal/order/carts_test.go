package order_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

func (s *stand) newCart(lines ...order.Wanted) (order.Cart, error) {
	var in order.NewCartIn
	in.Body.Lines = lines
	return order.NewCart.Do(s.t.Context(), s.room, op.Caller{}, in)
}

func (s *stand) changeCart(c order.Cart, lines []order.Wanted, contact *order.Contact, address *order.Address) (order.Cart, error) {
	in := order.ChangeCartIn{Cart: c.ID.String()}
	if lines != nil {
		in.Body.Lines = &lines
	}
	in.Body.Contact, in.Body.ShippingAddress = contact, address
	return order.ChangeCart.Do(s.t.Context(), s.room, op.Caller{}, in)
}

func (s *stand) addToCart(c order.Cart, lines ...order.Wanted) (order.Cart, error) {
	in := order.AddToCartIn{Cart: c.ID.String()}
	in.Body.Lines = lines
	return order.AddToCart.Do(s.t.Context(), s.room, op.Caller{}, in)
}

func (s *stand) cart(name string) (order.Cart, error) {
	return order.GetCart.Do(s.t.Context(), s.room, op.Caller{}, order.CartIn{Cart: name})
}

func want(v id.Variant, n int64) order.Wanted { return order.Wanted{Variant: v.String(), Quantity: n} }

func (s *stand) archive(v id.Variant) {
	s.t.Helper()
	c, err := s.newCart(want(v, 1))
	if err != nil {
		s.t.Fatal(err)
	}
	status := catalog.Status("archived")
	in := catalog.UpdateIn{Product: c.Lines[0].Product.String()}
	in.Body.Status = &status
	if _, err := catalog.UpdateProduct.Do(s.t.Context(), s.room, s.by, in); err != nil {
		s.t.Fatal(err)
	}
}

func at(err error) string {
	if f := fault.Of(err); f != nil {
		return fmt.Sprintf("%d %s %s", f.Kind, f.Code, f.Field)
	}
	return fmt.Sprint(err)
}

func TestACartIsPricedWhenItIsRead(t *testing.T) {
	stands(t, func(s *stand) {
		s.settings(func(v *shop.Settings) {
			v.Delivery = shop.Delivery{Charge: 40_00, FreeAbove: 1000_00, Countries: []string{"IN", "NP"}}
		})
		mug, bowl := s.product("Mug", 100_00, 3), s.product("Bowl", 250_00, 50)
		c, err := s.newCart(want(mug, 2), want(bowl, 1), want(mug, 1))
		if err != nil || len(c.Lines) != 2 || c.Items != 4 || c.Subtotal.Amount != 550_00 || c.Delivery != nil || !c.Ready {
			t.Fatalf("%+v, %v", c, err)
		}
		if c, err = s.changeCart(c, nil, nil, &order.Address{Country: "in"}); err != nil || c.Delivery == nil || c.Delivery.Amount != 40_00 || c.Total.Amount != 590_00 {
			t.Errorf("delivered at home: %+v, %v", c, err)
		}
		if c, err = s.changeCart(c, nil, nil, &order.Address{Country: "FR"}); err != nil || c.Delivery != nil || c.Problem == "" || c.Total.Amount != 550_00 {
			t.Errorf("delivered where the shop does not: %+v, %v", c, err)
		}
		if c, err = s.changeCart(c, nil, &order.Contact{Phone: "98765 43210"}, &order.Address{Country: "IN", PostalCode: "560 001"}); err != nil || c.Contact.Phone != "+919876543210" || c.ShippingAddress.PostalCode != "560001" {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err = s.addToCart(c, want(mug, 2)); err != nil || c.Lines[0].Problem != order.TooFew || c.Lines[0].Most != 3 || c.Lines[0].Available || c.Ready || c.Subtotal.Amount != 250_00 {
			t.Errorf("five of three: %+v, %v", c, err)
		}
		if c, err = s.changeCart(c, []order.Wanted{want(bowl, 4), want(mug, 0)}, nil, nil); err != nil || len(c.Lines) != 1 || c.Delivery.Amount != 0 || c.Total.Amount != 1000_00 || c.Contact == nil {
			t.Errorf("free from a thousand on: %+v, %v", c, err)
		}
		s.archive(bowl)
		read, err := s.cart(c.ID.String())
		if err != nil || read.Lines[0].Problem != order.Gone || read.Ready || read.Total.Amount != 0 || read.Contact.Phone != "+919876543210" {
			t.Errorf("%+v, %v", read, err)
		}
		if c, err = s.changeCart(c, []order.Wanted{want(bowl, 1), want(mug, 1)}, nil, nil); err != nil || len(c.Lines) != 2 {
			t.Errorf("what is in the cart already may stay: %+v, %v", c, err)
		}
		in := wants(mug, 1)
		in.Body.Lines, in.Body.Cart = nil, c.ID.String()
		if _, err := s.place(in, ""); at(err) != "3 out-of-stock " || fault.Of(err).More[0].Pointer != "/lines/0" {
			t.Errorf("what is gone was ordered: %v", err)
		}
		if c, err = s.changeCart(c, []order.Wanted{}, nil, nil); err != nil || len(c.Lines) != 0 || c.Ready {
			t.Errorf("an empty cart: %+v, %v", c, err)
		}
		if _, err := s.place(in, ""); at(err) != "1  /cart_id" {
			t.Errorf("an empty cart was ordered: %v", err)
		}
	})
}

func TestWhatACartRefuses(t *testing.T) {
	stands(t, func(s *stand) {
		mug, old := s.product("Mug", 100_00, 3), s.product("Old", 100_00, 3)
		s.archive(old)
		other := fleettest.NewShop(t, s.f, "other")
		foreign := (&stand{t: t, f: s.f, room: other, by: op.Caller{Account: id.Account{2}, Shop: other.Shop()}}).product("Theirs", 1_00, 1)
		many := make([]order.Wanted, order.MaxLines+1)
		for i := range many {
			many[i] = want(mug, 1)
		}
		c, err := s.newCart()
		if err != nil || len(c.Lines) != 0 {
			t.Fatal(c, err)
		}
		for _, bad := range []struct {
			lines []order.Wanted
			err   string
		}{
			{[]order.Wanted{want(mug, 1), want(id.Variant(id.New[struct{}]()), 1)}, "2  /lines/1/variant_id"},
			{[]order.Wanted{want(foreign, 1)}, "2  /lines/0/variant_id"},
			{[]order.Wanted{{Variant: "nonsense", Quantity: 1}}, "2  /lines/0/variant_id"},
			{[]order.Wanted{{Variant: "", Quantity: 1}}, "2  /lines/0/variant_id"},
			{[]order.Wanted{want(old, 1)}, "1  /lines/0/variant_id"},
			{[]order.Wanted{want(mug, -1)}, "1  /lines/0/quantity"},
			{[]order.Wanted{want(mug, 1000)}, "1  /lines/0/quantity"},
			{[]order.Wanted{want(mug, 999), want(mug, 1)}, "1  /lines/1/quantity"},
			{many, "1  /lines"},
		} {
			if _, err := s.newCart(bad.lines...); at(err) != bad.err {
				t.Errorf("a new cart of %v: %v", bad.lines[0], at(err))
			}
			if _, err := s.addToCart(c, bad.lines...); at(err) != bad.err {
				t.Errorf("more: %v: %v", bad.lines[0], at(err))
			}
			if _, err := s.changeCart(c, bad.lines, nil, nil); at(err) != bad.err {
				t.Errorf("instead: %v: %v", bad.lines[0], at(err))
			}
			in := wants(mug, 1)
			in.Body.Lines = bad.lines
			if _, err := s.place(in, ""); at(err) != bad.err {
				t.Errorf("ordered: %v: %v", bad.lines[0], at(err))
			}
		}
		if _, err := s.newCart(want(mug, 0)); at(err) != "1  /lines/0/quantity" {
			t.Errorf("none of something: %v", err)
		}
		if c, err = s.cart(c.ID.String()); err != nil || len(c.Lines) != 0 {
			t.Errorf("refused lines are in the cart: %+v, %v", c, err)
		}
		for _, name := range []string{"", "x", mug.String()} {
			if _, err := s.cart(name); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("cart %q: %v", name, err)
			}
		}
		if _, err := order.GetCart.Do(t.Context(), other, op.Caller{}, order.CartIn{Cart: c.ID.String()}); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("a cart is seen in another shop: %v", err)
		}
		in := order.ChangeCartIn{Cart: c.ID.String()}
		if _, err := order.ChangeCart.Do(t.Context(), other, op.Caller{}, in); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("a cart is changed in another shop: %v", err)
		}
		place := wants(mug, 1)
		place.Body.Lines, place.Body.Cart = nil, c.ID.String()
		if _, err := order.Place.Do(t.Context(), other, op.Caller{}, place); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("a cart is ordered in another shop: %v", err)
		}
	})
}

var ageCarts = db.Q(`UPDATE order_cart SET updated_at = updated_at - $2 WHERE shop = $1`)

func TestOldCartsAreForgotten(t *testing.T) {
	stands(t, func(s *stand) {
		mug := s.product("Mug", 100_00, 3)
		var old order.Cart
		for range 205 { // more than one batch
			var err error
			if old, err = s.newCart(want(mug, 1)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.room.Change(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), ageCarts, order.CartAge.Microseconds())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := s.newCart(want(mug, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.cart(old.ID.String()); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an old cart: %v", err)
		}
		if _, err := s.addToCart(old, want(mug, 1)); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an old cart is added to: %v", err)
		}
		found, err := s.f.Across(t.Context(), order.OldCarts, 0, 0, time.Now(), 1000)
		if err != nil || len(found) != 205 || found[0].Shop != s.room.Shop() {
			t.Errorf("old carts: %v, %v", found, err)
		}
		if n, err := order.SweepCarts(t.Context(), s.room); n != 205 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		if c, err := s.cart(fresh.ID.String()); err != nil || len(c.Lines) != 1 {
			t.Errorf("the fresh cart: %+v, %v", c, err)
		}
	})
}

// TestStatements counts what an order and a page cost on a shop that nobody
// listens to. The tick and the outbox are not counted.
func TestStatements(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &stand{t: t, f: f, room: fleettest.NewShop(t, f, "test")}
		s.by = op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}
		s.settings(func(v *shop.Settings) { v.UPI.VPA = "ravi@okbank" })
		mug := s.product("Mug", 100_00, 50)
		cost := func(most int64, what string, fn func(context.Context) error) {
			t.Helper()
			before := f.Shard(s.room.Shard()).Statements()
			if err := fn(t.Context()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if n := f.Shard(s.room.Shard()).Statements() - before; n > most {
				t.Errorf("%s took %d statements, more than %d", what, n, most)
			}
		}
		var placed order.Placed
		cost(12, "a new customer's order", func(context.Context) (err error) {
			placed, err = s.place(wants(mug, 1), "")
			return err
		})
		cost(12, "an order by UPI", func(context.Context) error {
			in := wants(mug, 1)
			in.Body.Payment = order.UPI
			_, err := s.place(in, "")
			return err
		})
		cart, err := s.newCart(want(mug, 1))
		if err != nil {
			t.Fatal(err)
		}
		cost(2, "a cart's page", func(ctx context.Context) error {
			_, err := order.ForCart.Do(ctx, s.room, op.Caller{}, order.CartIn{Cart: cart.ID.String()})
			return err
		})
		cost(12, "a cart's order", func(context.Context) error {
			in := wants(mug, 1)
			in.Body.Lines, in.Body.Cart = nil, cart.ID.String()
			_, err := s.place(in, "")
			return err
		})
		cost(2, "a status page", func(ctx context.Context) error {
			got, err := order.ForStatus.Do(ctx, s.room, op.Caller{}, order.FollowIn{Token: placed.Token})
			if err == nil && got.Page.Number != placed.Number {
				err = fmt.Errorf("order %d", got.Page.Number)
			}
			return err
		})
		cost(2, "a list", func(ctx context.Context) error {
			_, err := order.ListOrders.Do(ctx, s.room, s.by, order.ListIn{State: "open"})
			return err
		})
	})
}
