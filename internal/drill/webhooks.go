package drill

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

var unheard = drill{
	id: "F-9", fault: "of those who are told by webhooks one fails, one hangs, one takes and does not say so; the process that tells is killed; and one is away for days",
	without: "what is not taken at once is not told again",
	needs:   []need{postgres},
	run:     webhooksFail,
}

const (
	toldRate   = 8                // orders a second, over all shops
	deafFor    = 20 * time.Second // in which three of four shops' receivers are out of order
	allHeard   = 90 * time.Second // after that: the third try comes a minute after the second
	toldWithin = 5 * time.Second  // of the order, to who takes everything
)

// tellOnce has a delivery that was not taken never come again.
const tellOnce = `
CREATE SCHEMA drill;
CREATE FUNCTION drill.once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.state := 'dropped'; RETURN NEW; END $$;
CREATE TRIGGER drill_once BEFORE UPDATE ON hook_delivery FOR EACH ROW WHEN (NEW.state = 'waiting' AND NEW.error <> '') EXECUTE FUNCTION drill.once();`

// What a receiver does with what it is told.
const (
	takes   = iota
	fails   // answers 503
	hangs   // says nothing until the sender gives up
	mumbles // takes it and closes the connection instead of saying so
)

// ears are receivers of webhooks, one for each shop.
type ears struct {
	port string
	http *http.Server

	mu     sync.Mutex
	does   []int
	secret []string
	heard  []told
	forged int // whose signature does not hold
}

// told is what a receiver took.
type told struct {
	shop   int
	id     string
	number int
	body   [32]byte
	at     time.Time
}

const earsHost = "erp.drill.example"

// listen starts receivers for so many shops, whom processes of the drill trust.
func (r *run) listen(n int) (*ears, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{earsHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(crand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(r.dir, "ears.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	r.env = append(r.env, "SSL_CERT_FILE="+file)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &ears{does: make([]int, n), secret: make([]string, n)}
	_, e.port, _ = net.SplitHostPort(l.Addr().String())
	e.http = &http.Server{Handler: http.HandlerFunc(e.hear), TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	go func() { _ = e.http.ServeTLS(l, "", "") }()
	r.atEnd(func() { _ = e.http.Close() })
	return e, nil
}

func (e *ears) url(shop int) string { return fmt.Sprintf("https://%s:%s/%d", earsHost, e.port, shop) }

func (e *ears) do(what ...int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	copy(e.does, what)
}

func (e *ears) hear(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var shop int
	if _, bad := fmt.Sscanf(r.URL.Path, "/%d", &shop); bad != nil || err != nil || shop >= len(e.does) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	e.mu.Lock()
	does, secret := e.does[shop], e.secret[shop]
	e.mu.Unlock()
	switch does {
	case fails:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case hangs:
		<-r.Context().Done()
		return
	}
	var said struct{ Data struct{ Number int } }
	_ = json.Unmarshal(body, &said)
	id := r.Header.Get("Webhook-Id")
	e.mu.Lock()
	e.heard = append(e.heard, told{shop, id, said.Data.Number, sha256.Sum256(body), time.Now()})
	if !signed(secret, id, r.Header.Get("Webhook-Timestamp"), body, r.Header.Get("Webhook-Signature")) {
		e.forged++
	}
	e.mu.Unlock()
	if does == mumbles {
		panic(http.ErrAbortHandler)
	}
}

// signed checks a signature as Standard Webhooks 1.0 says.
func signed(secret, id, at string, body []byte, signature string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return hmac.Equal([]byte("v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))), []byte(signature))
}

// of gives what a shop's receiver took, in that order.
func (e *ears) of(shop int) (out []told) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.heard {
		if t.shop == shop {
			out = append(out, t)
		}
	}
	return out
}

// listener is a shop with a webhook.
type listener struct {
	*shop
	hook string

	mu     sync.Mutex
	placed map[int]time.Time // acknowledged orders, by their number
}

func (l *listener) missing(heard []told) (missing []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.placed {
		if !slices.ContainsFunc(heard, func(t told) bool { return t.number == n }) {
			missing = append(missing, n)
		}
	}
	return missing
}

func (l *listener) sell(ctx context.Context, addr, name string) error {
	return again(ctx, func() error {
		var got struct{ Number int }
		_, err := l.order(addr, name, "cod").do(ctx, &got)
		if err == nil {
			l.mu.Lock()
			l.placed[got.Number] = time.Now()
			l.mu.Unlock()
		}
		return err
	})
}

// webhooksFail has shops sell whose receivers are out of order each in its way.
func webhooksFail(ctx context.Context, r *run) error {
	r.Noticed = "in the shop's list of webhooks"
	r.Injected = fmt.Sprintf("of four receivers one answers 503, one hangs and one takes what it is told and breaks the connection, for %v, and kill -9 of the process meanwhile; %d orders a second; then one has failed for 73 hours", deafFor, toldRate)
	shard, flags, err := r.fleet()
	if err != nil {
		return err
	}
	shops := make([]*listener, 4)
	e, err := r.listen(len(shops))
	if err != nil {
		return err
	}
	s, err := r.serve(ctx, "a", append(flags, "--webhook-inside", earsHost+"=127.0.0.1")...)
	if err != nil {
		return err
	}
	for i := range shops {
		made, err := r.open(ctx, s.addr, fmt.Sprintf("Goods %d", i+1), plenty)
		if err != nil {
			return err
		}
		if _, err := made.desk(s.addr, "PATCH", "/settings", object{"email": fmt.Sprintf("owner%d@example.com", i)}).do(ctx, nil); err != nil {
			return fmt.Errorf("set up a shop: %w", err)
		}
		var hook struct{ ID, Secret string }
		if _, err := made.desk(s.addr, "POST", "/webhooks", object{"url": e.url(i), "topics": []string{"order.placed"}}).do(ctx, &hook); err != nil {
			return fmt.Errorf("make a webhook: %w", err)
		}
		shops[i], e.secret[i] = &listener{shop: made, hook: hook.ID, placed: map[int]time.Time{}}, hook.Secret
	}
	if r.without {
		if _, err := shard.sql("%s", tellOnce); err != nil {
			return err
		}
	}
	people := arrive(ctx, toldRate, func(ctx context.Context, n int) error {
		return shops[n%len(shops)].sell(ctx, s.addr, fmt.Sprintf("Shopper %d", n))
	})
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	r.say("three receivers are out of order")
	e.do(fails, hangs, mumbles, takes)
	deaf := time.Now()
	if err := pause(ctx, deafFor/2); err != nil {
		return err
	}
	s.kill()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := pause(ctx, deafFor-time.Since(deaf)); err != nil {
		return err
	}
	r.say("they take everything again")
	e.do(takes, takes, takes, takes)
	well := time.Now()
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	gone := failed(people.end())
	r.saw(len(gone) == 0, "%d shoppers gave up", len(gone))
	lacking := func() (n int) {
		for i, l := range shops {
			n += len(l.missing(e.of(i)))
		}
		return n
	}
	for lacking() > 0 && time.Since(well) < allHeard {
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if n := lacking(); n > 0 {
		r.saw(false, "%d orders were never told of, %v after all is well", n, allHeard)
		return nil
	}
	r.saw(true, "all is told of %v after all is well", round(time.Since(well)))
	r.judgeHeard(e, shops, deaf)
	return r.awayForDays(ctx, s, shard, e, shops[0])
}

// judgeHeard looks at the order in which receivers were told, and at what they
// were told again.
func (r *run) judgeHeard(e *ears, shops []*listener, deaf time.Time) {
	all, repeated, changed, disordered := 0, 0, 0, 0
	var slowest time.Duration
	for i, l := range shops {
		last, seen := 0, map[int]told{}
		for _, t := range e.of(i) {
			if was, again := seen[t.number]; again {
				if repeated++; was.id != t.id || was.body != t.body {
					changed++
				}
				continue
			}
			if seen[t.number] = t; t.number < last {
				disordered++
			}
			last = max(last, t.number)
			if at, ok := l.placed[t.number]; ok && i == len(shops)-1 && at.After(deaf) {
				slowest = max(slowest, t.at.Sub(at))
			}
		}
		all += len(l.placed)
	}
	r.saw(disordered == 0, "of %d orders %d were told before one that came earlier in its shop", all, disordered)
	r.saw(repeated > 0 && changed == 0, "%d were told again, %d of them under another id or in other words", repeated, changed)
	r.saw(e.forged == 0, "%d signatures do not hold", e.forged)
	r.saw(slowest <= toldWithin, "who takes everything is told within %v meanwhile, the process's death included", round(slowest))
}

// awayForDays has a shop's receiver fail since days: it is turned off, the shop
// is told, and once it is on again it is told what has waited.
func (r *run) awayForDays(ctx context.Context, s *server, shard *database, e *ears, l *listener) error {
	r.say("one has taken nothing for 73 hours")
	e.do(fails)
	if err := l.sell(ctx, s.addr, "Late one"); err != nil {
		return err
	}
	type state struct {
		State, Why string
		Waiting    int
	}
	look := func() (out state, err error) {
		var all struct {
			Items []struct {
				ID string
				state
			}
		}
		_, err = l.desk(s.addr, "GET", "/webhooks", nil).do(ctx, &all)
		for _, h := range all.Items {
			if h.ID == l.hook {
				out = h.state
			}
		}
		return out, err
	}
	begun := time.Now()
	var now state
	for now.State != "off" && time.Since(begun) < 40*time.Second {
		_, err := shard.sql(`UPDATE hook SET failing = failing - 73 * 3600000000::bigint WHERE failing > 0 AND state = 'on' AND failing > (extract(epoch FROM now()) * 1000000)::bigint - 3600000000`)
		if err != nil {
			return err
		}
		if now, err = look(); err != nil {
			return err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(now.State == "off" && now.Waiting > 0, "it is turned %s, %d wait for it: %q", now.State, now.Waiting, now.Why)
	notices := "0"
	for said := time.Now(); notices == "0" && time.Since(said) < 10*time.Second; {
		var err error
		if notices, err = shard.sql(`SELECT count(*) FROM notify_message WHERE kind = 'webhook-off'`); err != nil {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(notices != "0", "its merchant is told so in %s messages", notices)
	e.do(takes)
	on := time.Now()
	if _, err := l.desk(s.addr, "PATCH", "/webhooks/"+l.hook, object{"state": "on"}).do(ctx, nil); err != nil {
		return err
	}
	for len(l.missing(e.of(0))) > 0 && time.Since(on) < 30*time.Second {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(len(l.missing(e.of(0))) == 0, "turned on again, it is told what has waited %v later", round(time.Since(on)))
	return r.tellAgain(ctx, s, e, l)
}

// tellAgain replays the newest delivery.
func (r *run) tellAgain(ctx context.Context, s *server, e *ears, l *listener) error {
	var all struct{ Items []struct{ ID string } }
	if _, err := l.desk(s.addr, "GET", "/webhooks/"+l.hook+"/deliveries?limit=1", nil).do(ctx, &all); err != nil {
		return err
	}
	if len(all.Items) == 0 {
		r.saw(false, "it has no deliveries to send again")
		return nil
	}
	times := func() (n int) {
		for _, t := range e.of(0) {
			if t.id == "msg_"+all.Items[0].ID {
				n++
			}
		}
		return n
	}
	before := times()
	if _, err := l.desk(s.addr, "POST", "/webhooks/"+l.hook+"/deliveries/"+all.Items[0].ID+"/replay", nil).do(ctx, nil); err != nil {
		return err
	}
	for begun := time.Now(); times() == before && time.Since(begun) < 20*time.Second; {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	r.saw(times() == before+1, "sent again by hand, it comes %d time more under the same id", times()-before)
	return nil
}
