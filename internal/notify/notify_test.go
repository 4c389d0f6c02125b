package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, notify.Schema}

// carrier takes messages unless its mood is against it, and remembers what it
// was asked and what it took, by key, as a gateway does.
type carrier struct {
	mu    sync.Mutex
	mood  func(notify.Message) error
	tries map[id.Message]int
	took  []notify.Message
	tried chan struct{}
}

func newCarrier() *carrier {
	return &carrier{tries: map[id.Message]int{}, tried: make(chan struct{}, 1000)}
}

func (c *carrier) Send(_ context.Context, m notify.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries[m.ID]++
	c.tried <- struct{}{}
	if c.mood != nil {
		if err := c.mood(m); err != nil {
			return err
		}
	}
	c.took = append(c.took, m)
	return nil
}

func (c *carrier) feel(mood func(notify.Message) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood = mood
}

func (c *carrier) got() []notify.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]notify.Message(nil), c.took...)
}

type scene struct {
	t    *testing.T
	room *fleet.Room
	bus  *event.Bus
}

// play runs fn in a shop on each engine whose messages go out by config.
func play(t *testing.T, config func() notify.Config, fn func(s *scene, c notify.Config)) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		c := config()
		c.ShopURL = func(slug string) string { return "https://" + slug + ".haat.test" }
		c.PlatformURL, c.Log = "https://haat.test", slog.New(slog.DiscardHandler)
		s := &scene{t: t, room: fleettest.NewShop(t, f, "chai"), bus: event.NewBus(f, c.Log)}
		notify.NewPost(c).Subscribe(s.bus)
		s.bus.Start(t.Context())
		defer s.bus.Close()
		s.change(func(tx *db.Tx) error {
			d := shop.Defaults("Chai House", "IN", "INR")
			d.Phone, d.Email = "+919800000001", "owner@chai.example"
			return shop.Write(t.Context(), tx, d)
		})
		fn(s, c)
	})
}

func (s *scene) change(fn func(*db.Tx) error) {
	s.t.Helper()
	if _, err := s.room.Change(s.t.Context(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) emit(e event.Event) {
	s.t.Helper()
	s.change(func(tx *db.Tx) error { return event.Emit(s.t.Context(), tx, e) })
}

func (s *scene) settle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	if err := s.bus.Settle(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) list(in notify.ListIn) op.List[notify.Entry] {
	s.t.Helper()
	out, err := notify.ListMessages.Do(s.t.Context(), s.room, op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func placed(number int64, phone, email string) order.OrderPlaced {
	return order.OrderPlaced{
		Order: id.Order(id.New[struct{}]()), Number: number, Token: fmt.Sprintf("tok%d", number), Total: 124800, Delivery: 4800, Currency: "INR", Items: 3,
		Name: "Asha Rao", Phone: phone, Email: email, Method: order.CashOnDelivery, At: time.Now(),
		Lines: []order.PlacedLine{{Title: "Masala Chai", Quantity: 3, Total: 120000}},
	}
}

func changed(e order.OrderPlaced) order.Change {
	return order.Change{Order: e.Order, Number: e.Number, Token: e.Token, Total: e.Total, Currency: e.Currency, Items: e.Items, Name: e.Name, Phone: e.Phone, Email: e.Email, Method: e.Method, Payment: order.PaymentPending, PlacedAt: e.At, At: e.At}
}

func TestShopperAndMerchantAreTold(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		e := placed(1001, "+919876543210", "asha@example.com")
		s.emit(e)
		s.settle()
		ch := changed(e)
		s.emit(order.OrderFulfilled{Change: ch, Tracking: order.Tracking{Carrier: "India Post", Number: "EE123"}})
		paid := ch
		paid.Payment = order.PaymentPaid
		s.emit(order.OrderPaid{Change: paid})
		refund := ch
		refund.Payment = order.PaymentRefundDue
		s.emit(order.OrderCancelled{Change: refund, Reason: "Out of\nmilk."})
		late := placed(1002, "", "late@example.com")
		s.emit(order.OrderCancelled{Change: changed(late), Expired: true})
		s.settle()

		link := "https://chai.haat.test/orders/tok1001"
		want := map[string][]string{
			"+919876543210": {
				"Chai House: we have your order 1001, ₹1,248, cash on delivery. " + link,
				"Chai House: your order 1001 is on its way with India Post, number EE123. Please have ₹1,248 ready. " + link,
				"Chai House: we have your payment of ₹1,248 for order 1001. Thank you. " + link,
				"Chai House: your order 1001 has been cancelled: Out of milk. Your ₹1,248 will be given back. " + link,
			},
			"+919800000001": {"New order 1001: ₹1,248, 3 items, cash on delivery, from Asha Rao. https://haat.test/shops/chai/orders/" + e.Order.String()},
		}
		got := map[string][]string{}
		for _, m := range c.SMS.(*carrier).got() {
			got[m.To] = append(got[m.To], m.Text)
		}
		for to, texts := range want {
			if strings.Join(got[to], "\n") != strings.Join(texts, "\n") {
				t := strings.Join(got[to], "\n")
				s.t.Errorf("%s was told\n%s\nwant\n%s", to, t, strings.Join(texts, "\n"))
			}
		}
		mails := map[string][]notify.Message{}
		for _, m := range c.Email.(*carrier).got() {
			mails[m.To] = append(mails[m.To], m)
			if m.From != "Chai House" || m.Channel != notify.Email || m.ID.Zero() {
				s.t.Errorf("%+v", m)
			}
		}
		if m := mails["asha@example.com"]; len(m) != 4 || m[0].Subject != "Your order 1001 at Chai House" || m[0].ReplyTo != "owner@chai.example" ||
			m[0].Text != "Hello Asha,\n\nThank you for your order 1001 at Chai House.\n\n3 × Masala Chai: ₹1,200\nDelivery: ₹48\nTotal: ₹1,248, cash on delivery\n\nFollow it here:\n"+link+"\n" {
			s.t.Errorf("mails: %+v", m)
		}
		if m := mails["late@example.com"]; len(m) != 1 || !strings.Contains(m[0].Text, "because its payment did not arrive in time") {
			s.t.Errorf("mails: %+v", m)
		}
		if m := mails["owner@chai.example"]; len(m) != 1 || m[0].ReplyTo != "" || !strings.HasSuffix(m[0].Text, "/shops/chai/orders/"+e.Order.String()+"\n") {
			s.t.Errorf("mails: %+v", m)
		}
		for _, m := range s.list(notify.ListIn{}).Items {
			if m.State != notify.Delivered || m.DoneAt == nil || m.Error != "" {
				s.t.Errorf("%+v", m)
			}
		}
	})
}

// A shop without a phone or e-mail of its own has who opened it told; one with
// an e-mail has nobody else told.
func TestTheOwnerIsToldWhereTheShopHasNoContact(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		as := func(d shop.Settings) (sms, mails []string) {
			s.change(func(tx *db.Tx) error { return shop.Write(s.t.Context(), tx, d) })
			before := [2]int{len(c.SMS.(*carrier).got()), len(c.Email.(*carrier).got())}
			s.emit(placed(1001, "", ""))
			s.emit(hook.TurnedOff{Hook: id.Hook(id.New[struct{}]()), URL: "https://books.example/in", Why: "It has taken nothing for 72 hours.", At: time.Now()})
			s.settle()
			for _, m := range c.SMS.(*carrier).got()[before[0]:] {
				sms = append(sms, m.To+" "+string(m.Kind))
			}
			for _, m := range c.Email.(*carrier).got()[before[1]:] {
				mails = append(mails, m.To+" "+string(m.Kind))
			}
			return sms, mails
		}
		d := shop.Defaults("Chai House", "IN", "INR")
		d.Reach.Phone = "+919800000009"
		if sms, mails := as(d); len(sms) != 2 || sms[0] != "+919800000009 "+string(notify.Received) || sms[1] != "+919800000009 "+string(notify.WebhookOff) || len(mails) != 0 {
			s.t.Errorf("told %v, %v", sms, mails)
		}
		d.Email = "owner@chai.example"
		if sms, mails := as(d); len(sms) != 0 || len(mails) != 2 {
			s.t.Errorf("with an e-mail: told %v, %v", sms, mails)
		}
	})
}

func TestAChannelThatIsDownLosesNothingAndHoldsUpNoOther(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		sms, mail := c.SMS.(*carrier), c.Email.(*carrier)
		sms.feel(func(notify.Message) error { return errors.New("connection refused") })
		for n := range int64(3) {
			s.emit(placed(1001+n, "+919876543210", "asha@example.com"))
		}
		for range 7 { // more tries than make an event poison
			<-sms.tried
		}
		for range 6 {
			<-mail.tried
		}
		if got := sms.got(); len(got) != 0 {
			s.t.Errorf("took %v while down", got)
		}
		if n := len(s.list(notify.ListIn{State: "queued"}).Items); n < 6 {
			s.t.Errorf("%d wait, not 6", n)
		}
		sms.feel(nil)
		s.settle()
		took := sms.got()
		seen := map[id.Message]bool{}
		var numbers []string
		for _, m := range took {
			seen[m.ID] = true
			if m.To == "+919876543210" {
				numbers = append(numbers, m.Text[len("Chai House: we have your order "):][:4])
			}
		}
		if len(took) != 6 || len(seen) != 6 || strings.Join(numbers, " ") != "1001 1002 1003" {
			s.t.Errorf("took %d messages under %d keys, orders %v", len(took), len(seen), numbers)
		}
		if len(sms.tries) != 6 {
			s.t.Errorf("%d keys were tried, not 6", len(sms.tries))
		}
		if parked, err := event.ListParked(s.t.Context(), s.room, event.ParkedAt{}, 10); err != nil || len(parked) != 0 {
			s.t.Errorf("parked %v, %v", parked, err)
		}
		if n := len(s.list(notify.ListIn{State: "sent"}).Items); n != 12 {
			s.t.Errorf("%d are sent, not 12", n)
		}
	})
}

func TestARefusedMessageFailsAndSaysWhy(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		sms := c.SMS.(*carrier)
		sms.feel(func(m notify.Message) error {
			if m.To == "+910000000000" {
				return notify.Refused(errors.New("no such\nnumber"))
			}
			return nil
		})
		bad, good := placed(1001, "+910000000000", ""), placed(1002, "+919876543210", "")
		s.emit(bad)
		s.emit(good)
		s.settle()
		failed := s.list(notify.ListIn{State: "failed"}).Items
		if len(failed) != 1 || failed[0].Error != "no such number" || failed[0].To != "+910000000000" || failed[0].Order != bad.Order || sms.tries[failed[0].ID] != 1 {
			s.t.Errorf("%+v", failed)
		}
		about := s.list(notify.ListIn{Order: good.Order.String(), State: "all"}).Items
		if len(about) != 3 {
			s.t.Errorf("about the good order: %+v", about)
		}
		for _, m := range about {
			if m.State != notify.Delivered {
				s.t.Errorf("%+v", m)
			}
		}
	})
}

func TestAMessageThatIsTooOldFails(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		mail := c.Email.(*carrier)
		mail.feel(func(m notify.Message) error {
			if m.To == "full@example.com" {
				return notify.Postponed(errors.New("the mailbox is full"))
			}
			return nil
		})
		s.emit(placed(1001, "", "full@example.com"))
		for range 3 {
			<-mail.tried
		}
		s.change(func(tx *db.Tx) error {
			_, err := tx.Exec(s.t.Context(), age, tx.Now().Add(-notify.GiveUpAddress-time.Minute))
			return err
		})
		s.settle()
		failed := s.list(notify.ListIn{State: "failed"}).Items
		if len(failed) != 1 || failed[0].Error != "Given up: the mailbox is full" {
			s.t.Errorf("%+v", failed)
		}
	})
}

var age = db.Q(`UPDATE notify_message SET at = $2 WHERE shop = $1`)

func TestWithoutSenderMessagesAreKept(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{} }, func(s *scene, c notify.Config) {
		s.emit(placed(1001, "+919876543210", "asha@example.com"))
		s.settle()
		page := s.list(notify.ListIn{Page: op.Page{Limit: 3}})
		rest := s.list(notify.ListIn{Page: op.Page{Limit: 3, Cursor: page.Next}})
		all := append(page.Items, rest.Items...)
		if len(page.Items) != 3 || len(all) != 4 || rest.Next != "" {
			s.t.Errorf("%d and %d messages", len(page.Items), len(rest.Items))
		}
		for _, m := range all {
			if m.State != notify.Kept || m.Error == "" || m.DoneAt == nil {
				s.t.Errorf("%+v", m)
			}
		}
	})
}

// Anybody can order with anybody's number under any name: the name must not
// become a message of its own.
func TestANameCannotCarryAMessage(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		names := []string{
			"http://evil.example", "evil.example", "Win 5000 now", "Call +1 555 0100", "mail me@evil.example",
			"A very long name that is in truth a message to somebody", strings.Repeat("x", 61), "Asha\r\nBcc: all@example.com",
		}
		for i, name := range names {
			e := placed(int64(2000+i), "+919876543210", "asha@example.com")
			e.Name = name
			s.emit(e)
		}
		s.settle()
		for _, m := range append(c.SMS.(*carrier).got(), c.Email.(*carrier).got()...) {
			text, _, _ := strings.Cut(m.Text, "https://")
			for _, bad := range []string{"evil.example", "http", "5000", "555", "Win", "xxxxx", "Bcc: ", "very long"} {
				if strings.Contains(text, bad) || strings.ContainsAny(m.Subject, "\r\n") {
					s.t.Errorf("%q in %q", bad, m.Text)
				}
			}
		}
		e := placed(3000, "", "asha@example.com")
		e.Name = "प्रिया A.K. O'Neil-सिंह"
		s.emit(e)
		s.settle()
		mails := c.Email.(*carrier).got()
		if got := mails[len(mails)-2:]; !strings.HasPrefix(got[0].Text+got[1].Text, "Hello प्रिया,\n") && !strings.Contains(got[1].Text, "Hello प्रिया,\n") {
			s.t.Errorf("an honest name is lost: %q", got)
		}
	})
}

func TestPlatformMessagesGoAtOnceOrSayWhyNot(t *testing.T) {
	sms := newCarrier()
	log := slog.New(slog.DiscardHandler)
	post := notify.NewPost(notify.Config{SMS: sms, Log: log})
	code := notify.Message{Channel: notify.SMS, To: "+919876543210", Kind: "sign-in-code", Code: "123456", Text: "Your code is 123456. It is good for 5 minutes."}
	if err := post.Send(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	if got := sms.got(); len(got) != 1 || got[0].ID.Zero() || got[0].Subject != "Your code is 123456" {
		t.Errorf("%+v", got)
	}
	mail := code
	mail.Channel, mail.To = notify.Email, "a@example.com"
	if f := fault.Of(post.Send(t.Context(), mail)); f == nil || f.Kind != fault.KindBusy || f.Code != "cannot-send" {
		t.Errorf("without sender: %v", f)
	}
	sms.feel(func(notify.Message) error { return notify.Refused(errors.New("secret detail")) })
	if f := fault.Of(post.Send(t.Context(), code)); f == nil || f.Kind != fault.KindInvalid || f.Field != "/phone" || strings.Contains(f.Message, "secret") {
		t.Errorf("refused: %v", f)
	}
	sms.feel(func(notify.Message) error { return errors.New("down") })
	if f := fault.Of(post.Send(t.Context(), code)); f == nil || f.Kind != fault.KindBusy || f.RetryAfter == 0 {
		t.Errorf("down: %v", f)
	}
	bounded := notify.NewPost(notify.Config{SMS: senderFunc(func(ctx context.Context, _ notify.Message) error {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > notify.SendTime {
			t.Error("nothing bounds the wait for a code")
		}
		return context.DeadlineExceeded
	}), Log: log})
	if f := fault.Of(bounded.Send(t.Context(), code)); f == nil || f.Code != "cannot-send" {
		t.Errorf("too slow: %v", f)
	}
}

type senderFunc func(context.Context, notify.Message) error

func (f senderFunc) Send(ctx context.Context, m notify.Message) error { return f(ctx, m) }

func TestOutboxRemembersTheLatest(t *testing.T) {
	out := notify.NewOutbox()
	if got := out.Recent(); got == nil || len(got) != 0 {
		t.Errorf("empty: %#v", got)
	}
	var printed bytes.Buffer
	s := out.Over(notify.Console(&printed))
	for i := range 1500 {
		m := notify.Message{Channel: notify.SMS, To: "+919876543210", Text: fmt.Sprintf("hello\n%d", i)}
		if i == 1499 {
			m.Code = "123456"
		}
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := out.Recent()
	if len(got) != 1000 || got[0].Text != "hello\n1499" || got[0].Code != "123456" || got[999].Text != "hello\n500" || got[0].SentAt.IsZero() {
		t.Errorf("%d remembered, from %+v to %+v", len(got), got[0], got[len(got)-1])
	}
	lines := strings.Split(strings.TrimRight(printed.String(), "\n"), "\n")
	if len(lines) != 1500 || lines[0] != "  sms to +919876543210: hello 0" || lines[1499] != "  code 123456  for +919876543210" {
		t.Errorf("%d lines, first %q, last %q", len(lines), lines[0], lines[len(lines)-1])
	}
	down := out.Over(senderFunc(func(context.Context, notify.Message) error { return errors.New("down") }))
	if err := down.Send(t.Context(), notify.Message{Text: "lost"}); err == nil || out.Recent()[0].Text == "lost" {
		t.Error("a message that was not sent is remembered as sent")
	}
}
