package order_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/pay"
	"haat/internal/shop"
	"haat/internal/stock"
)

var discard = slog.New(slog.DiscardHandler)

// listen hears of everything that happens to orders.
func listen(bus *event.Bus, h *heard) {
	event.On(bus, "test", func(_ context.Context, _ *db.Tx, _ event.Meta, e order.OrderPlaced) error {
		return h.note(e.Topic(), order.Change{Order: e.Order, Number: e.Number})
	})
	event.On(bus, "test", func(_ context.Context, _ *db.Tx, _ event.Meta, e order.OrderAccepted) error {
		return h.note(e.Topic(), e.Change)
	})
	event.On(bus, "test", func(_ context.Context, _ *db.Tx, _ event.Meta, e order.OrderFulfilled) error {
		return h.note(e.Topic(), e.Change)
	})
	event.On(bus, "test", func(_ context.Context, _ *db.Tx, _ event.Meta, e order.OrderPaid) error {
		return h.note(e.Topic(), e.Change)
	})
	event.On(bus, "test", func(_ context.Context, _ *db.Tx, _ event.Meta, e order.OrderCancelled) error {
		return h.note(e.Topic(), e.Change)
	})
}

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{
	event.Schema, op.Schema, shop.Schema, customer.Schema, stock.Schema, media.Schema, catalog.Schema, pay.Schema, order.Schema, insight.Schema,
}

// stand is a shop that sells, with the people around it.
type stand struct {
	t    *testing.T
	f    *fleet.Fleet
	bus  *event.Bus
	room *fleet.Room
	by   op.Caller // its merchant
}

func stands(t *testing.T, fn func(s *stand)) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &stand{t: t, f: f, bus: event.NewBus(f, discard), room: fleettest.NewShop(t, f, "test")}
		s.by = op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}
		order.Subscribe(s.bus)
		insight.Subscribe(s.bus)
		s.bus.Start(t.Context())
		t.Cleanup(s.bus.Close)
		s.settings(func(*shop.Settings) {})
		fn(s)
	})
}

func (s *stand) settings(set func(*shop.Settings)) {
	s.t.Helper()
	_, err := s.room.Change(s.t.Context(), func(tx *db.Tx) error {
		v := shop.Defaults("Test", "IN", "INR")
		set(&v)
		return shop.Write(s.t.Context(), tx, v)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) product(title string, price, available int64) id.Variant {
	s.t.Helper()
	var in catalog.CreateIn
	in.Body = catalog.ProductInput{Title: &title, Variants: &[]catalog.VariantInput{{Price: money.Money{Amount: price, Currency: "INR"}, Available: &available}}}
	d, err := catalog.CreateProduct.Do(s.t.Context(), s.room, s.by, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Variants[0].ID
}

func wants(v id.Variant, n int64) order.PlaceIn {
	return order.PlaceIn{Body: order.PlaceBody{
		Lines: []order.Wanted{{Variant: v.String(), Quantity: n}}, Payment: order.CashOnDelivery,
		Contact:         &order.Contact{Name: "Asha Rao", Phone: "98765 43210"},
		ShippingAddress: &order.Address{Name: "Asha Rao", Line1: "12 MG Road", City: "Bengaluru", State: "Karnataka", PostalCode: "560001", Country: "IN"},
	}}
}

func (s *stand) place(in order.PlaceIn, key string) (order.Placed, error) {
	return order.Place.Do(s.t.Context(), s.room, op.Caller{Session: "shopper", Key: key}, in)
}

func (s *stand) level(v id.Variant) stock.Level {
	s.t.Helper()
	var l stock.Level
	err := s.room.View(s.t.Context(), fleet.Newest, func(r db.Reader) error {
		found, err := stock.Levels(s.t.Context(), r, []id.Variant{v})
		l = found[v]
		if bad, err := stock.Check(s.t.Context(), r); err != nil || len(bad) > 0 {
			s.t.Errorf("stock does not add up: %+v, %v", bad, err)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func TestFromPlacedToFulfilled(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		v := s.product("Mug", 449_00, 3)
		placed, err := s.place(wants(v, 2), "")
		if err != nil {
			t.Fatal(err)
		}
		if placed.Number != 1001 || placed.Total.Amount != 898_00 || placed.Delivery.Amount != 0 || len(placed.Token) < 20 || placed.Payment.Status != order.PaymentPending {
			t.Errorf("placed %+v", placed)
		}
		if l := s.level(v); l.Available != 1 || l.Sold != 2 {
			t.Errorf("level %+v", l)
		}
		in := order.OrderIn{Order: placed.ID.String()}
		if _, err := order.Accept.Do(ctx, s.room, s.by, in); err != nil {
			t.Fatal(err)
		}
		if _, err := order.Accept.Do(ctx, s.room, s.by, in); !fault.Is(err, fault.KindConflict) {
			t.Errorf("accepted twice: %v", err)
		}
		if _, err := order.Fulfil.Do(ctx, s.room, s.by, order.FulfilIn{Order: in.Order, Body: &order.FulfilBody{Carrier: "Post", Number: "X1", URL: "http://plain"}}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("a plain http link: %v", err)
		}
		if _, err := order.Fulfil.Do(ctx, s.room, s.by, order.FulfilIn{Order: in.Order, Body: &order.FulfilBody{Carrier: "Post", Number: "X1", URL: "https://post.example/X1"}}); err != nil {
			t.Fatal(err)
		}
		o, err := order.Pay.Do(ctx, s.room, s.by, in)
		if err != nil || o.Payment.Status != order.PaymentPaid || o.Status != order.StatusFulfilled || len(o.Timeline) != 4 {
			t.Errorf("%+v, %v", o, err)
		}
		if _, err := order.Cancel.Do(ctx, s.room, s.by, order.CancelIn{Order: in.Order}); !fault.Is(err, fault.KindConflict) {
			t.Errorf("cancelled what has left: %v", err)
		}
		r, err := order.Follow.Do(ctx, s.room, op.Caller{}, order.FollowIn{Token: placed.Token})
		if err != nil || r.Tracking == nil || r.Tracking.Number != "X1" || r.Lines[0].Title != "Mug" {
			t.Errorf("the shopper sees %+v, %v", r, err)
		}
		for _, token := range []string{"", "x", placed.Token + "x", strings.ToUpper(placed.Token), placed.ID.String()} {
			if _, err := order.Follow.Do(ctx, s.room, op.Caller{}, order.FollowIn{Token: token}); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("token %q: %v", token, err)
			}
		}
	})
}

func TestCancellingGivesBack(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		v := s.product("Mug", 100_00, 5)
		var keep order.Placed
		for i := range 3 {
			placed, err := s.place(wants(v, 1), "")
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				keep = placed
				continue
			}
			restock := i == 1
			if _, err := order.Cancel.Do(ctx, s.room, s.by, order.CancelIn{Order: placed.ID.String(), Body: &order.CancelBody{Restock: &restock}}); err != nil {
				t.Fatal(err)
			}
		}
		if l := s.level(v); l.Available != 3 {
			t.Errorf("level %+v: one sold, one given back, one gone", l)
		}
		if err := s.bus.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		today, err := insight.Today.Do(ctx, s.room, s.by, insight.TodayIn{})
		if err != nil || today.Orders != 1 || today.Sales != keep.Total {
			t.Errorf("today: %+v, %v", today, err)
		}
		var hours int64
		for _, h := range today.Hours {
			hours += h
		}
		days, err := insight.Days.Do(ctx, s.room, s.by, insight.DaysIn{Days: 7})
		if err != nil || hours != keep.Total.Amount || len(days.Items) != 7 || days.Items[6].Sales != keep.Total {
			t.Errorf("hours add up to %d, days %+v, %v", hours, days, err)
		}
		top, err := insight.Products.Do(ctx, s.room, s.by, insight.DaysIn{Days: 7})
		if err != nil || len(top.Items) != 1 || top.Items[0].Units != 1 || top.Items[0].Title != "Mug" {
			t.Errorf("top: %+v, %v", top, err)
		}
	})
}

func TestUPIHoldsUntilPaid(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		v := s.product("Mug", 100_00, 1)
		in := wants(v, 1)
		in.Body.Payment = order.UPI
		if _, err := s.place(in, ""); fault.Of(err) == nil || fault.Of(err).Field != "/payment" || fault.Of(err).Kind != fault.KindInvalid {
			t.Errorf("UPI without a VPA: %v", err)
		}
		s.settings(func(v *shop.Settings) { v.UPI.VPA = "ravi@okbank" })
		placed, err := s.place(in, "")
		if err != nil || placed.Payment.UPI == nil || !strings.HasPrefix(placed.Payment.UPI.Link, "upi://pay?pa=ravi@okbank") || !strings.Contains(placed.Payment.UPI.Link, "am=100.00") {
			t.Fatalf("%+v, %v", placed.Payment, err)
		}
		if l := s.level(v); l.Held != 1 || l.Available != 0 {
			t.Errorf("level %+v", l)
		}
		if _, err := s.place(wants(v, 1), ""); !fault.Is(err, fault.KindConflict) || fault.Of(err).Code != "out-of-stock" {
			t.Errorf("what is held was sold: %v", err)
		}
		if _, err := order.Accept.Do(ctx, s.room, s.by, order.OrderIn{Order: placed.ID.String()}); !fault.Is(err, fault.KindConflict) {
			t.Errorf("accepted before it was paid: %v", err)
		}
		if _, err := order.Pay.Do(ctx, s.room, s.by, order.OrderIn{Order: placed.ID.String()}); err != nil {
			t.Fatal(err)
		}
		if l := s.level(v); l.Held != 0 || l.Sold != 1 {
			t.Errorf("level %+v", l)
		}
	})
}

// Two hundred shoppers, some through carts, want ten things.
func TestTheLastTenAreSoldOnce(t *testing.T) {
	stands(t, func(s *stand) {
		v := s.product("Rare", 100_00, 10)
		var sold, refused atomic.Int64
		numbers := sync.Map{}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				in := wants(v, 1)
				if i%3 == 0 {
					var c order.NewCartIn
					c.Body.Lines = in.Body.Lines
					cart, err := order.NewCart.Do(t.Context(), s.room, op.Caller{}, c)
					if fault.Is(err, fault.KindConflict) || fault.Is(err, fault.KindInvalid) {
						refused.Add(1)
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					in.Body.Cart, in.Body.Lines = cart.ID.String(), nil
				}
				placed, err := s.place(in, "")
				switch {
				case err == nil:
					sold.Add(1)
					if _, twice := numbers.LoadOrStore(placed.Number, true); twice {
						t.Errorf("number %d twice", placed.Number)
					}
				case fault.Of(err) != nil && fault.Of(err).Code == "out-of-stock":
					refused.Add(1)
				default:
					t.Errorf("shopper %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if l := s.level(v); sold.Load() != 10 || refused.Load() != 190 || l.Available != 0 || l.Sold != 10 {
			t.Errorf("%d sold, %d refused, level %+v", sold.Load(), refused.Load(), l)
		}
	})
}

func TestAKeyOrdersOnce(t *testing.T) {
	stands(t, func(s *stand) {
		v := s.product("Mug", 100_00, 50)
		var wg sync.WaitGroup
		tokens := make([]string, 20)
		for i := range tokens {
			wg.Go(func() {
				placed, err := s.place(wants(v, 1), "k")
				if err != nil {
					t.Error(err)
				}
				tokens[i] = placed.Token
			})
		}
		wg.Wait()
		for _, token := range tokens {
			if token != tokens[0] {
				t.Errorf("one key gave %s and %s", token, tokens[0])
			}
		}
		if _, err := s.place(wants(v, 2), "k"); !fault.Is(err, fault.KindConflict) {
			t.Errorf("the key for another order: %v", err)
		}
		if l := s.level(v); l.Sold != 1 {
			t.Errorf("level %+v", l)
		}
	})
}

func TestCartsAreOrderedOnceAtTodaysPrice(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		v := s.product("Mug", 100_00, 50)
		var c order.NewCartIn
		c.Body.Lines = []order.Wanted{{Variant: v.String(), Quantity: 2}}
		cart, err := order.NewCart.Do(ctx, s.room, op.Caller{}, c)
		if err != nil || cart.Total.Amount != 200_00 {
			t.Fatalf("%+v, %v", cart, err)
		}
		set := catalog.PriceChange{Variant: v.String()}
		set.Body.Price = money.Money{Amount: 120_00, Currency: "INR"}
		if _, err := catalog.SetPrice.Do(ctx, s.room, s.by, set); err != nil {
			t.Fatal(err)
		}
		in := wants(v, 1)
		in.Body.Lines, in.Body.Cart, in.Body.ExpectedTotal = nil, cart.ID.String(), &cart.Total
		var changed *order.PriceChanged
		if _, err := s.place(in, ""); !errors.As(err, &changed) || changed.Total.Amount != 240_00 {
			t.Errorf("an old price: %v", err)
		}
		in.Body.ExpectedTotal = &money.Money{Amount: 240_00, Currency: "INR"}
		placed, err := s.place(in, "")
		if err != nil {
			t.Fatal(err)
		}
		var again *order.CartOrdered
		if _, err := s.place(in, ""); !errors.As(err, &again) || again.Token != placed.Token {
			t.Errorf("a cart twice: %v", err)
		}
	})
}

func TestMistakesAndStrangersAreRefused(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		v := s.product("Mug", 100_00, 5)
		for want, spoil := range map[string]func(*order.PlaceBody){
			"/lines":                        func(b *order.PlaceBody) { b.Lines = nil },
			"/lines/0/quantity":             func(b *order.PlaceBody) { b.Lines[0].Quantity = 0 },
			"/contact/phone":                func(b *order.PlaceBody) { b.Contact.Phone = "12" },
			"/contact/email":                func(b *order.PlaceBody) { b.Contact.Email = "nobody" },
			"/shipping_address/postal_code": func(b *order.PlaceBody) { b.ShippingAddress.PostalCode = "56" },
			"/shipping_address/city":        func(b *order.PlaceBody) { b.ShippingAddress.City = "" },
			"/payment":                      func(b *order.PlaceBody) { b.Payment = "gold" },
		} {
			in := wants(v, 1)
			spoil(&in.Body)
			_, err := s.place(in, "")
			if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || !strings.Contains(fmt.Sprint(f.Field, f.More), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		if _, err := s.place(wants(id.Variant(id.New[struct{}]()), 1), ""); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an unknown variant: %v", err)
		}
		placed, err := s.place(wants(v, 1), "")
		if err != nil {
			t.Fatal(err)
		}
		other := fleettest.NewShop(t, s.f, "other")
		them := op.Caller{Account: id.Account{2}, Shop: other.Shop()}
		for _, by := range []struct {
			room *fleet.Room
			by   op.Caller
		}{{other, them}, {s.room, them}} {
			if _, err := order.GetOrder.Do(ctx, by.room, by.by, order.OrderIn{Order: placed.ID.String()}); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("a stranger reads an order: %v", err)
			}
			if _, err := order.Cancel.Do(ctx, by.room, by.by, order.CancelIn{Order: placed.ID.String()}); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("a stranger cancels an order: %v", err)
			}
		}
		if _, err := order.Follow.Do(ctx, other, op.Caller{}, order.FollowIn{Token: placed.Token}); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an order is seen in another shop: %v", err)
		}
	})
}

func TestWhomAnOrderBelongsTo(t *testing.T) {
	stands(t, func(s *stand) {
		v := s.product("Mug", 100_00, 9)
		in := wants(v, 1)
		in.Body.Contact = &order.Contact{Email: " Asha@Example.com "}
		in.Body.ShippingAddress = &order.Address{Name: "Asha  Rao", Line1: "12 MG Road", City: "Bengaluru", State: "KA", PostalCode: "560 001"}
		o := s.get(s.mustPlace(in).ID)
		if o.Contact != (order.Contact{Name: "Asha Rao", Email: "asha@example.com"}) || o.ShippingAddress.State != "Karnataka" || o.ShippingAddress.Country != "IN" || o.ShippingAddress.PostalCode != "560001" {
			t.Errorf("%+v, %+v", o.Contact, o.ShippingAddress)
		}
		in.Body.Contact, in.Body.ShippingAddress, in.Body.Payment = nil, nil, "gold"
		_, err := s.place(in, "")
		var wrong []string
		if f := fault.Of(err); f != nil && f.Kind == fault.KindInvalid {
			wrong = append(wrong, f.Field)
			for _, m := range f.More {
				wrong = append(wrong, m.Pointer)
			}
		}
		for _, field := range []string{"/contact/name", "/contact/phone", "/shipping_address/line1", "/shipping_address/city", "/shipping_address/postal_code", "/payment"} {
			if !slices.Contains(wrong, field) {
				t.Errorf("%s is not said to be wrong: %v", field, wrong)
			}
		}
		in = wants(v, 1)
		in.Body.ShippingAddress.Country, in.Body.ShippingAddress.State, in.Body.ShippingAddress.PostalCode = "FR", "", "75001"
		if _, err := s.place(in, ""); at(err) != "1  /shipping_address/country" {
			t.Errorf("delivered to France: %v", err)
		}
		if l := s.level(v); l.Sold != 1 {
			t.Errorf("level %+v", l)
		}
	})
}
