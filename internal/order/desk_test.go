package order_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/pay"
	"haat/internal/shop"
	"haat/internal/stock"
)

func (s *stand) upi() { s.settings(func(v *shop.Settings) { v.UPI.VPA = "ravi@okbank" }) }

func (s *stand) mustPlace(in order.PlaceIn) order.Placed {
	s.t.Helper()
	p, err := s.place(in, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stand) get(o id.Order) order.Order {
	s.t.Helper()
	got, err := order.GetOrder.Do(s.t.Context(), s.room, s.by, order.OrderIn{Order: o.String()})
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.room.View(s.t.Context(), fleet.Newest, func(r db.Reader) error {
		p, err := pay.Of(s.t.Context(), r, o)
		if p.Status != got.Payment.Status || p.Method != got.Payment.Method || p.Amount != got.Total.Amount {
			s.t.Errorf("order %d says %+v, its payment %+v", got.Number, got.Payment, p)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	return got
}

func (s *stand) settle() {
	s.t.Helper()
	if err := s.bus.Settle(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// heard counts what is said of orders, by topic.
type heard struct {
	mu sync.Mutex
	by map[string][]order.Change
}

func (h *heard) note(topic string, c order.Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[topic] = append(h.by[topic], c)
	return nil
}

func TestEveryActionIsToldAndWrittenDown(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &stand{t: t, f: f, bus: event.NewBus(f, discard), room: fleettest.NewShop(t, f, "test")}
		s.by = op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}
		said := heard{by: map[string][]order.Change{}}
		listen(s.bus, &said)
		s.bus.Start(t.Context())
		defer s.bus.Close()
		s.upi()
		mug := s.product("Mug", 100_00, 9)
		in := wants(mug, 2)
		in.Body.Payment, in.Body.Note = order.UPI, "Ring twice"
		first := s.mustPlace(in)
		name := first.ID.String()
		do := func(what string, _ order.Order, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(what, err)
			}
		}
		o, err := order.Pay.Do(t.Context(), s.room, s.by, order.OrderIn{Order: name})
		do("pay", o, err)
		o, err = order.Accept.Do(t.Context(), s.room, s.by, order.OrderIn{Order: name})
		do("accept", o, err)
		note := order.NoteIn{Order: name}
		note.Body.Text = "Gift wrap"
		o, err = order.Note.Do(t.Context(), s.room, s.by, note)
		do("note", o, err)
		o, err = order.Cancel.Do(t.Context(), s.room, s.by, order.CancelIn{Order: name, Body: &order.CancelBody{Reason: "Broken"}})
		do("cancel", o, err)
		got := s.get(first.ID)
		if fmt.Sprint(got.Timeline) != fmt.Sprint(o.Timeline) || got.Status != o.Status || fmt.Sprint(got.Actions) != fmt.Sprint(o.Actions) || got.Payment.Status != order.PaymentRefundDue {
			t.Errorf("the answer %+v\nis not what is kept %+v", o, got)
		}
		var kinds, notes []string
		for i, e := range got.Timeline {
			kinds, notes = append(kinds, string(e.Kind)), append(notes, e.Text)
			if who := e.Account; (i == 0) != who.Zero() || i > 0 && who != s.by.Account {
				t.Errorf("%s by %v", e.Kind, who)
			}
		}
		if k, n := strings.Join(kinds, " "), strings.Join(notes, "|"); k != "placed paid accepted note cancelled" || n != "Ring twice|||Gift wrap|Broken" {
			t.Errorf("timeline %s: %s", k, n)
		}
		if l := s.level(mug); l.Available != 9 || l.Held != 0 {
			t.Errorf("level %+v", l)
		}
		second := s.mustPlace(wants(mug, 1))
		if _, err := order.Fulfil.Do(t.Context(), s.room, s.by, order.FulfilIn{Order: second.ID.String()}); err != nil {
			t.Fatal(err)
		}
		s.settle()
		for topic, n := range map[string]int{"order.placed": 2, "order.paid": 1, "order.accepted": 1, "order.fulfilled": 1, "order.cancelled": 1} {
			if len(said.by[topic]) != n {
				t.Errorf("%s was said %d times", topic, len(said.by[topic]))
			}
		}
		if c := said.by["order.cancelled"][0]; c.Order != first.ID || c.Number != 1001 || c.Phone != "+919876543210" || c.Payment != order.PaymentRefundDue || c.Total != 200_00 {
			t.Errorf("cancelled: %+v", c)
		}
		desk := customer.NewDesk(shop.Currency)
		who, err := desk.Get.Do(t.Context(), s.room, s.by, customer.One{Customer: got.Customer.String()})
		if err != nil || who.Orders != 2 || who.Spent.Amount != 100_00 {
			t.Errorf("the customer %+v, %v", who, err)
		}
	})
}

var expireHolds = db.Q(`UPDATE stock_hold SET expires_at = $2 WHERE shop = $1`)

func (s *stand) runOut() {
	s.t.Helper()
	_, err := s.room.Change(s.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(s.t.Context(), expireHolds, tx.Now().Add(-time.Minute))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := stock.Sweep(s.t.Context(), s.room); n == 0 || err != nil {
		s.t.Fatalf("swept %d, %v", n, err)
	}
}

func TestAnUnpaidOrderEndsWithItsHold(t *testing.T) {
	stands(t, func(s *stand) {
		s.upi()
		mug := s.product("Mug", 100_00, 2)
		in := wants(mug, 2)
		in.Body.Payment = order.UPI
		p := s.mustPlace(in)
		s.runOut()
		s.settle()
		o := s.get(p.ID)
		if o.Status != order.StatusCancelled || o.Payment.Status != order.PaymentVoid || o.CancelReason == "" || !o.Timeline[1].Account.Zero() {
			t.Errorf("%+v", o)
		}
		if l := s.level(mug); l.Available != 2 || l.Held != 0 {
			t.Errorf("level %+v", l)
		}
		if _, err := order.Pay.Do(t.Context(), s.room, s.by, order.OrderIn{Order: p.ID.String()}); at(err) != "3 cancelled " {
			t.Errorf("paid after all: %v", err)
		}
		r, err := order.Follow.Do(t.Context(), s.room, op.Caller{}, order.FollowIn{Token: p.Token})
		if err != nil || r.Payment.UPI != nil || r.Steps[len(r.Steps)-1].Kind != order.KindCancelled || len(r.Steps) != 2 {
			t.Errorf("the shopper sees %+v, %v", r, err)
		}
	})
}

// A merchant may confirm a payment between the hold's end and the news of it.
func TestAPaymentThatComesLate(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &stand{t: t, f: f, bus: event.NewBus(f, discard), room: fleettest.NewShop(t, f, "test")}
		s.by = op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}
		order.Subscribe(s.bus)
		s.upi()
		mug := s.product("Mug", 100_00, 2)
		in := wants(mug, 1)
		in.Body.Payment = order.UPI
		kept, lost := s.mustPlace(in), s.mustPlace(in)
		s.runOut()
		if o, err := order.Pay.Do(t.Context(), s.room, s.by, order.OrderIn{Order: kept.ID.String()}); err != nil || o.Payment.Status != order.PaymentPaid {
			t.Errorf("%+v, %v", o, err)
		}
		s.mustPlace(wants(mug, 1)) // takes what lost no longer holds
		if _, err := order.Pay.Do(t.Context(), s.room, s.by, order.OrderIn{Order: lost.ID.String()}); at(err) != "3 out-of-stock " || fault.Of(err).More[0].Pointer != "/lines/0" {
			t.Errorf("paid for what is sold: %v", err)
		}
		if o := s.get(lost.ID); o.Status != order.StatusPlaced || o.Payment.Status != order.PaymentPending || len(o.Timeline) != 1 {
			t.Errorf("a refused payment left %+v", o)
		}
		s.bus.Start(t.Context())
		defer s.bus.Close()
		s.mustPlace(wants(s.product("Bowl", 1_00, 1), 1)) // news that the bus has to come to after the old
		s.settle()
		if o := s.get(kept.ID); o.Status != order.StatusPlaced || o.Payment.Status != order.PaymentPaid {
			t.Errorf("the order that was paid for: %+v", o)
		}
		if o := s.get(lost.ID); o.Status != order.StatusCancelled {
			t.Errorf("the order that was not: %+v", o)
		}
		if l := s.level(mug); l.Available != 0 || l.Held != 0 || l.Sold != 2 {
			t.Errorf("level %+v", l)
		}
	})
}

func TestOfManyHandsOneActs(t *testing.T) {
	stands(t, func(s *stand) {
		mug := s.product("Mug", 100_00, 5)
		p := s.mustPlace(wants(mug, 3))
		var done, refused atomic.Int64
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				_, err := order.Cancel.Do(t.Context(), s.room, s.by, order.CancelIn{Order: p.ID.String()})
				switch {
				case err == nil:
					done.Add(1)
				case at(err) == "3 already ":
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if o := s.get(p.ID); done.Load() != 1 || refused.Load() != 11 || len(o.Timeline) != 2 {
			t.Errorf("%d cancelled it, %d were refused, timeline %v", done.Load(), refused.Load(), o.Timeline)
		}
		if l := s.level(mug); l.Available != 5 {
			t.Errorf("level %+v: given back once", l)
		}
	})
}

func TestNobodyElsesOrderCanBeTouched(t *testing.T) {
	stands(t, func(s *stand) {
		mug := s.product("Mug", 100_00, 5)
		p := s.mustPlace(wants(mug, 1))
		other := fleettest.NewShop(t, s.f, "other")
		them := op.Caller{Account: id.Account{2}, Shop: other.Shop()}
		for _, in := range []struct {
			room *fleet.Room
			by   op.Caller
			name string
			want fault.Kind
		}{
			{other, them, p.ID.String(), fault.KindNotFound},
			{s.room, them, p.ID.String(), fault.KindNotFound},
			{s.room, op.Caller{}, p.ID.String(), fault.KindDenied},
			{s.room, s.by, "nonsense", fault.KindNotFound},
			{s.room, s.by, p.Token, fault.KindNotFound},
			{s.room, s.by, mug.String(), fault.KindNotFound},
		} {
			note := order.NoteIn{Order: in.name}
			note.Body.Text = "x"
			for what, do := range map[string]func() error{
				"get": func() error {
					_, err := order.GetOrder.Do(t.Context(), in.room, in.by, order.OrderIn{Order: in.name})
					return err
				},
				"accept": func() error {
					_, err := order.Accept.Do(t.Context(), in.room, in.by, order.OrderIn{Order: in.name})
					return err
				},
				"pay": func() error {
					_, err := order.Pay.Do(t.Context(), in.room, in.by, order.OrderIn{Order: in.name})
					return err
				},
				"fulfil": func() error {
					_, err := order.Fulfil.Do(t.Context(), in.room, in.by, order.FulfilIn{Order: in.name})
					return err
				},
				"cancel": func() error {
					_, err := order.Cancel.Do(t.Context(), in.room, in.by, order.CancelIn{Order: in.name})
					return err
				},
				"note": func() error { _, err := order.Note.Do(t.Context(), in.room, in.by, note); return err },
			} {
				if err := do(); !fault.Is(err, in.want) {
					t.Errorf("%s of %s: %v", what, in.name, err)
				}
			}
		}
		l, err := order.ListOrders.Do(t.Context(), other, them, order.ListIn{})
		if err != nil || len(l.Items) != 0 {
			t.Errorf("another shop lists %v, %v", l, err)
		}
		if o := s.get(p.ID); o.Status != order.StatusPlaced || len(o.Timeline) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

func TestListsFindAndPage(t *testing.T) {
	stands(t, func(s *stand) {
		s.upi()
		mug := s.product("Mug", 100_00, 500)
		var all []order.Placed
		for i := range 12 {
			in := wants(mug, 1)
			in.Body.Contact = &order.Contact{Name: fmt.Sprintf("Buyer %c_%d", 'A'+i, i), Phone: fmt.Sprintf("98765 432%02d", i), Email: fmt.Sprintf("b%d@Example.com", i)}
			if i%4 == 0 {
				in.Body.Payment = order.UPI
			}
			all = append(all, s.mustPlace(in))
		}
		act := func(o *op.Write[order.OrderIn, order.Order], i int) {
			if _, err := o.Do(t.Context(), s.room, s.by, order.OrderIn{Order: all[i].ID.String()}); err != nil {
				t.Fatal(err)
			}
		}
		act(&order.Pay, 0)
		act(&order.Accept, 0)
		act(&order.Accept, 1)
		for _, i := range []int{2, 0} { // one by cash, one that was paid for
			if _, err := order.Cancel.Do(t.Context(), s.room, s.by, order.CancelIn{Order: all[i].ID.String()}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := order.Fulfil.Do(t.Context(), s.room, s.by, order.FulfilIn{Order: all[3].ID.String()}); err != nil {
			t.Fatal(err)
		}
		list := func(in order.ListIn) string {
			t.Helper()
			var out []string
			for {
				in.Limit = 3
				page, err := order.ListOrders.Do(t.Context(), s.room, s.by, in)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page.Items {
					out = append(out, fmt.Sprint(o.Number-1001))
				}
				if in.Cursor = page.Next; in.Cursor == "" {
					return strings.Join(out, " ")
				}
			}
		}
		for _, c := range []struct{ state, query, want string }{
			{"", "", "11 10 9 8 7 6 5 4 3 2 1 0"},
			{"open", "", "11 10 9 8 7 6 5 4 1"},
			{"placed", "", "11 10 9 8 7 6 5 4"},
			{"accepted", "", "1"},
			{"fulfilled", "", "3"},
			{"cancelled", "", "2 0"},
			{"refund-due", "", "0"},
			{"unpaid", "", "11 10 9 8 7 6 5 4 3 1"},
			{"all", "#1005", "4"},
			{"all", "1011", "10"},
			{"all", "buyer c", "2"},
			{"open", "BUYER", "11 10 9 8 7 6 5 4 1"},
			{"all", "98765-43207", "7"},
			{"all", "+91 98765 43207", "7"},
			{"all", "098765 43207", "7"},
			{"all", "b7@example", "7"},
			{"all", "A_0", "0"},
			{"all", "_", "11 10 9 8 7 6 5 4 3 2 1 0"},
			{"all", "%", ""},
			{"all", "nobody", ""},
		} {
			if got := list(order.ListIn{State: c.state, Query: c.query}); got != c.want {
				t.Errorf("%q %q: %s, wanted %s", c.state, c.query, got, c.want)
			}
		}
		if got := list(order.ListIn{Customer: s.get(all[5].ID).Customer.String()}); got != "5" {
			t.Errorf("a customer's orders: %s", got)
		}
		for _, bad := range []order.ListIn{{State: "lost"}, {Page: op.Page{Cursor: "x"}}} {
			if _, err := order.ListOrders.Do(t.Context(), s.room, s.by, bad); !fault.Is(err, fault.KindInvalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		counts, err := order.CountOrders.Do(t.Context(), s.room, s.by, op.Empty{})
		if want := (order.Counts{Placed: 8, Accepted: 1, Open: 9, Unpaid: 10, RefundDue: 1, All: 12}); err != nil || counts != want {
			t.Errorf("%+v, %v", counts, err)
		}
		recent, err := order.RecentOrders.Do(t.Context(), s.room, s.by, order.RecentIn{Limit: 2})
		if err != nil || len(recent.Items) != 2 || recent.Items[0].Number != 1012 || recent.Items[0].Name != "Buyer L_11" {
			t.Errorf("%+v, %v", recent, err)
		}
		a, err := order.ReadActivity(t.Context(), s.room, time.Now())
		if err != nil || a != (order.Activity{All: 12, Day: 12, Week: 12}) {
			t.Errorf("%+v, %v", a, err)
		}
		a, err = order.ReadActivity(t.Context(), s.room, time.Now().Add(48*time.Hour))
		if err != nil || a != (order.Activity{All: 12, Day: 0, Week: 12}) {
			t.Errorf("two days later: %+v, %v", a, err)
		}
	})
}

// An order of an older program has a row that it was placed, and a note there.
func TestATimelineBeginsOnce(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &stand{t: t, f: f, bus: event.NewBus(f, discard), room: fleettest.NewShop(t, f, "test")}
		s.by = op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}
		s.settings(func(*shop.Settings) {})
		in := wants(s.product("Mug", 100_00, 2), 1)
		in.Body.Note = "Ring twice."
		placed := s.mustPlace(in)
		o := s.get(placed.ID)
		if len(o.Timeline) != 1 || o.Timeline[0].Kind != order.KindPlaced || o.Timeline[0].Text != "Ring twice." || !o.Timeline[0].At.Equal(o.PlacedAt) {
			t.Errorf("%+v", o.Timeline)
		}
		old := order.Entry{ID: id.Entry(id.New[struct{}]()), At: o.PlacedAt, Kind: order.KindPlaced, Text: "By the gate."}
		if _, err := s.room.Change(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), enteredBefore, placed.ID, old.ID, old.At, old.Kind, old.Account, old.Text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if o := s.get(placed.ID); len(o.Timeline) != 1 || o.Timeline[0] != old {
			t.Errorf("%+v", o.Timeline)
		}
	})
}

var enteredBefore = db.Q(`INSERT INTO order_entry (shop, ord, id, at, kind, account, note) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
