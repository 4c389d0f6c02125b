package hook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/guard"
	"haat/internal/hook"
	"haat/internal/hook/post"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
	"haat/internal/stock"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{event.Schema, op.Schema, shop.Schema, stock.Schema, media.Schema, catalog.Schema, order.Schema, hook.Schema}

const address = "https://example.com/haat"

// call is a request that the receiver got.
type call struct {
	id, signature, at string
	trace             string
	body              []byte
	Type              string `json:"type"`
	Data              struct {
		ID string `json:"id"`
	} `json:"data"`
}

// scene is a shop whose webhooks lead to a server of the test's own, as if it
// were on the public internet.
type scene struct {
	t      *testing.T
	room   *fleet.Room
	bus    *event.Bus
	sender *hook.Sender
	by     op.Caller

	now  atomic.Int64 // what the sender's clock is ahead, in nanoseconds
	mu   sync.Mutex
	got  []call
	mood func(call) int // gives the status to answer with
}

func play(t *testing.T, fn func(t *testing.T, s *scene)) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		s := &scene{t: t, room: fleettest.NewShop(t, f, "chai"), bus: event.NewBus(f, slog.New(slog.DiscardHandler)), mood: func(call) int { return 200 }}
		s.by = op.Caller{Account: id.Account(id.New[struct{}]()), Shop: s.room.Shop()}
		srv := httptest.NewTLSServer(http.HandlerFunc(s.receive))
		t.Cleanup(srv.Close)
		roots := x509.NewCertPool()
		roots.AddCert(srv.Certificate())
		client := post.New(post.Options{Timeout: 20 * time.Second, TLS: &tls.Config{RootCAs: roots}, Outside: guard.Outside{
			Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
				if host == "inside.example" {
					return []netip.Addr{netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("10.0.0.7")}, nil
				}
				return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
			},
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
			},
		}})
		t.Cleanup(client.Close)
		s.sender = hook.NewSender(client.Send, slog.New(slog.DiscardHandler))
		s.sender.At(func() time.Time { return time.Now().Add(time.Duration(s.now.Load())) })
		s.sender.Subscribe(s.bus)
		s.bus.Start(t.Context())
		defer s.sender.Close()
		defer s.bus.Close()
		s.change(func(tx *db.Tx) error { return shop.Write(t.Context(), tx, shop.Defaults("Chai House", "IN", "INR")) })
		fn(t, s)
	})
}

func (s *scene) receive(w http.ResponseWriter, r *http.Request) {
	c := call{id: r.Header.Get("Webhook-Id"), signature: r.Header.Get("Webhook-Signature"), at: r.Header.Get("Webhook-Timestamp"), trace: r.Header.Get("Traceparent")}
	c.body, _ = io.ReadAll(r.Body)
	if err := json.Unmarshal(c.body, &c); err != nil || r.Method != "POST" || r.URL.Path != "/haat" {
		s.t.Errorf("%s %s: %s, %v", r.Method, r.URL, c.body, err)
	}
	s.mu.Lock()
	status := s.mood(c)
	if status < 300 {
		s.got = append(s.got, c)
	}
	s.mu.Unlock()
	w.WriteHeader(status)
}

func (s *scene) feel(mood func(call) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = mood
}

func (s *scene) taken() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func (s *scene) change(fn func(*db.Tx) error) {
	s.t.Helper()
	if _, err := s.room.Change(s.t.Context(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) settle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for sent := -1; ; { // what is sent may be told of, and that be sent
		if err := s.bus.Settle(ctx); err != nil {
			s.t.Fatal(err)
		}
		if was := sent; s.sender.Idle(ctx) == was {
			return
		}
		sent = s.sender.Idle(ctx)
	}
}

// later has the time go on, and sends what is due then.
func (s *scene) later(d time.Duration) {
	s.t.Helper()
	s.now.Add(int64(d))
	if _, err := s.sender.Sweep(s.t.Context(), s.room); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
}

func (s *scene) create(topics ...string) hook.Created {
	s.t.Helper()
	var in hook.CreateIn
	in.Body.URL, in.Body.Topics = address, topics
	h, err := hook.Create.Do(s.t.Context(), s.room, s.by, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

func (s *scene) hook() hook.Hook {
	s.t.Helper()
	all, err := hook.List.Do(s.t.Context(), s.room, s.by, op.Page{})
	if err != nil || len(all.Items) != 1 {
		s.t.Fatalf("%v, %v", all.Items, err)
	}
	return all.Items[0]
}

func (s *scene) deliveries(h id.Hook, state string) []hook.Delivery {
	s.t.Helper()
	all, err := hook.ListDeliveries.Do(s.t.Context(), s.room, s.by, hook.DeliveriesIn{Hook: h.String(), State: state, Page: op.Page{Limit: 250}})
	if err != nil {
		s.t.Fatal(err)
	}
	return all.Items
}

func (s *scene) turn(h id.Hook, state hook.State) {
	s.t.Helper()
	in := hook.ChangeIn{Hook: h.String()}
	in.Body.State = &state
	if _, err := hook.Change.Do(s.t.Context(), s.room, s.by, in); err != nil {
		s.t.Fatal(err)
	}
}

// deleted says that n products were deleted, and gives their ids in order.
func (s *scene) deleted(n int) (ids []string) {
	s.t.Helper()
	for range n {
		p := id.Product(id.New[struct{}]())
		s.change(func(tx *db.Tx) error { return event.Emit(s.t.Context(), tx, catalog.ProductDeleted{Product: p}) })
		ids = append(ids, p.String())
	}
	return ids
}

func idsOf(calls []call) (out []string) {
	for _, c := range calls {
		out = append(out, c.Data.ID)
	}
	return out
}

// What happens reaches the webhooks that want it, signed so that the receiver
// can tell that it is ours; what nobody wants reaches nobody.
func TestADelivery(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.deleted(1) // nobody wants it yet
		s.settle()
		h := s.create("product.saved", "order.placed")
		var p catalog.Product
		s.change(func(tx *db.Tx) error {
			p = catalog.Product{Handle: "cup", Title: "Blue cup", Status: "active", Variants: []catalog.Variant{{SKU: "c", Price: 19900}}}
			if err := p.Check(); err != nil {
				return err
			}
			return catalog.Create(s.t.Context(), tx, &p)
		})
		s.deleted(1)
		s.settle()
		got := s.taken()
		if len(got) != 1 || got[0].Type != "product.saved" || got[0].Data.ID != p.ID.String() || !strings.Contains(string(got[0].body), `"title":"Blue cup"`) {
			t.Fatalf("taken: %+v", got)
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", got[0].id, got[0].at, got[0].body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); got[0].signature != want {
			t.Errorf("signed %s, want %s", got[0].signature, want)
		}
		d := s.deliveries(h.ID, "all")
		if len(d) != 1 || d[0].State != "sent" || d[0].Status != 200 || d[0].Attempts != 1 || d[0].DoneAt == nil || "msg_"+d[0].ID.String() != got[0].id {
			t.Errorf("deliveries: %+v", d)
		}
		again, err := hook.Replay.Do(t.Context(), s.room, s.by, hook.DeliveryIn{Hook: h.ID.String(), Delivery: d[0].ID.String()})
		if err != nil || again.State != "waiting" {
			t.Errorf("replayed: %+v, %v", again, err)
		}
		s.settle()
		if got := s.taken(); len(got) != 2 || got[1].id != got[0].id {
			t.Errorf("the replay: %+v", got)
		}
		if _, err := hook.Delete.Do(t.Context(), s.room, s.by, hook.HookIn{Hook: h.ID.String()}); err != nil {
			t.Error(err)
		}
		s.change(func(tx *db.Tx) error {
			if settings, err := shop.Of(t.Context(), tx); err != nil || len(settings.Hooks) != 0 {
				t.Errorf("wanted: %v, %v", settings.Hooks, err)
			}
			return nil
		})
	})
}

// A receiver that fails at random gets everything in the end, each topic in
// the order in which it happened, however often it is tried and by however
// many at once.
func TestTheOrderHolds(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		h := s.create("product.deleted", "product.saved")
		rng := rand.New(rand.NewPCG(1, 2))
		s.feel(func(call) int {
			if rng.IntN(10) < 4 {
				return 500 + rng.IntN(4)
			}
			return 200
		})
		var saved []string
		deleted := s.deleted(30)
		for range 30 {
			p := id.Product(id.New[struct{}]())
			s.change(func(tx *db.Tx) error { return event.Emit(t.Context(), tx, catalog.ProductSaved{Product: p}) })
			saved = append(saved, p.String())
		}
		s.settle()
		for round := 0; s.hook().Waiting > 0; round++ {
			if round == 500 {
				t.Fatalf("%d still wait", s.hook().Waiting)
			}
			var both sync.WaitGroup
			for range 2 { // as two processes do while a lease changes hands
				both.Go(func() {
					if _, err := s.sender.Sweep(t.Context(), s.room); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			s.later(20 * time.Second)
			s.feelBetter(round)
		}
		got := map[string][]string{}
		for _, c := range s.taken() {
			got[c.Type] = append(got[c.Type], c.Data.ID)
		}
		if !slices.Equal(got["product.deleted"], deleted) || !slices.Equal(got["product.saved"], saved) {
			t.Errorf("taken:\n%v\n%v\nwant:\n%v\n%v", got["product.deleted"], got["product.saved"], deleted, saved)
		}
		if got := s.hook(); got.State != hook.On || got.Failing != nil {
			t.Errorf("%+v", got)
		}
		if n := len(s.deliveries(h.ID, "sent")); n != 60 {
			t.Errorf("%d are said to be sent", n)
		}
	})
}

// feelBetter ends the receiver's trouble after some time.
func (s *scene) feelBetter(round int) {
	if round == 40 {
		s.feel(func(call) int { return 204 })
	}
}

// A webhook that takes nothing is turned off after three days, and says why;
// turned on again, it is told what has waited. One that says that it is gone
// is turned off at once.
func TestTurnedOff(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		var mu sync.Mutex
		var told []hook.TurnedOff
		event.On(s.bus, "told", func(_ context.Context, _ *db.Tx, _ event.Meta, e hook.TurnedOff) error {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
			return nil
		})
		s.feel(func(call) int { return 500 })
		h := s.create("product.deleted")
		want := s.deleted(3)
		s.settle()
		tries := 0
		for ; s.hook().State == hook.On; tries++ {
			if tries == 40 {
				t.Fatal("still on")
			}
			s.later(5 * time.Hour)
		}
		if at := time.Duration(s.now.Load()); at < hook.GiveUp || at > hook.GiveUp+12*time.Hour {
			t.Errorf("turned off after %v", at)
		}
		now := s.hook()
		if !strings.Contains(now.Why, "72 hours") || !strings.Contains(now.Why, "500") || now.Waiting != 3 {
			t.Errorf("%+v", now)
		}
		s.deleted(1) // nobody wants it
		s.settle()
		s.feel(func(call) int { return 200 })
		s.later(time.Hour)
		if got := s.taken(); len(got) != 0 {
			t.Errorf("told while off: %v", got)
		}
		s.turn(h.ID, hook.On)
		s.settle()
		if got := idsOf(s.taken()); !slices.Equal(got, want) {
			t.Errorf("taken %v, want %v", got, want)
		}
		s.feel(func(call) int { return http.StatusGone })
		s.deleted(1)
		s.settle()
		if now := s.hook(); now.State != hook.Off || !strings.Contains(now.Why, "410") {
			t.Errorf("%+v", now)
		}
	})
}

// A delivery that only one receiver's bug keeps from being taken is given up
// after three days, and those behind it go on; the merchant may drop it before.
func TestOneThatIsNeverTaken(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		h := s.create("product.deleted", "product.saved")
		s.refuseNext()
		first := s.deleted(3)
		s.settle()
		for n := 0; len(s.taken()) < 2; n++ {
			if n == 40 {
				t.Fatal("nothing goes on")
			}
			s.later(5 * time.Hour)
			s.change(func(tx *db.Tx) error {
				return event.Emit(t.Context(), tx, catalog.ProductSaved{Product: id.Product(id.New[struct{}]())})
			})
			s.settle()
			s.mu.Lock()
			s.got = slices.DeleteFunc(s.got, func(c call) bool { return c.Type == "product.saved" })
			s.mu.Unlock()
		}
		if got := idsOf(s.taken()); !slices.Equal(got, first[1:]) {
			t.Errorf("taken %v, want %v", got, first[1:])
		}
		if d := s.deliveries(h.ID, "failed"); len(d) != 1 || !strings.Contains(string(d[0].Body), first[0]) || s.hook().State != hook.On {
			t.Errorf("failed: %+v", d)
		}

		s.now.Store(0)
		s.refuseNext()
		second := s.deleted(2)
		s.settle()
		waiting := s.deliveries(h.ID, "waiting")
		if len(waiting) != 2 {
			t.Fatalf("waiting: %+v", waiting)
		}
		if _, err := hook.Drop.Do(t.Context(), s.room, s.by, hook.DeliveryIn{Hook: h.ID.String(), Delivery: waiting[1].ID.String()}); err != nil {
			t.Fatal(err)
		}
		s.settle()
		if got := idsOf(s.taken()); got[len(got)-1] != second[1] || s.hook().Waiting != 0 {
			t.Errorf("after the drop: %v, want %s last", got, second[1])
		}
	})
}

// refuseNext has the receiver refuse the next deleted product it hears of, for
// ever.
func (s *scene) refuseNext() {
	bad := ""
	s.feel(func(c call) int {
		if bad == "" && c.Type == "product.deleted" {
			bad = c.Data.ID
		}
		if c.Data.ID == bad {
			return http.StatusBadRequest
		}
		return 200
	})
}

// A process that dies between the call and the note of it calls again, under
// the same id, once the claim has run out: at least once, and recognisable.
func TestKilledInTheMiddle(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		h := s.create("product.deleted")
		stop, kill := context.WithCancel(t.Context())
		s.feel(func(call) int { return 503 })
		s.deleted(1)
		s.settle()
		s.feel(func(call) int { kill(); return 200 })
		s.now.Add(int64(time.Minute))
		if _, err := s.sender.Sweep(stop, s.room); err == nil {
			t.Error("the sender lived on")
		}
		s.feel(func(call) int { return 200 })
		s.later(time.Second)
		if n := s.hook().Waiting; n != 1 {
			t.Errorf("%d wait while it may be under way", n)
		}
		s.later(3 * time.Minute)
		got := s.taken()
		if len(got) != 2 || got[0].id != got[1].id || s.hook().Waiting != 0 {
			t.Errorf("taken: %+v, %+v", got, s.deliveries(h.ID, "all"))
		}
	})
}

// Addresses that lead into a private network are refused when that can be
// seen, and not called when their name leads there.
func TestPrivateAddresses(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		for _, bad := range []string{
			"", "example.com", "http://example.com", "https://", "https://user:pass@example.com", "https://localhost/", "https://a.localhost",
			"https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data", "https://intranet/",
			"https://example.com:22/", "https://example.com:0/", "https://example.com/#here", "https://example.com/" + strings.Repeat("a", 2000), "https://192.168.1.1.:443/",
		} {
			var in hook.CreateIn
			in.Body.URL, in.Body.Topics = bad, []string{"order.placed"}
			_, err := hook.Create.Do(t.Context(), s.room, s.by, in)
			if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || f.Field != "/url" {
				t.Errorf("%q: %v", bad, err)
			}
		}
		var in hook.CreateIn
		in.Body.URL, in.Body.Topics = address, []string{"order.placed", "order.eaten"}
		if _, err := hook.Create.Do(t.Context(), s.room, s.by, in); fault.Of(err) == nil || fault.Of(err).Field != "/topics/1" {
			t.Errorf("an unknown topic: %v", err)
		}
		in.Body.URL, in.Body.Topics = "https://inside.example/haat", []string{"product.deleted"}
		h, err := hook.Create.Do(t.Context(), s.room, s.by, in)
		if err != nil {
			t.Fatal(err)
		}
		s.deleted(1)
		s.settle()
		d := s.deliveries(h.ID, "waiting")
		if len(d) != 1 || !strings.Contains(d[0].Error, "private network") || d[0].Status != 0 || len(s.taken()) != 0 {
			t.Errorf("%+v", d)
		}
	})
}
