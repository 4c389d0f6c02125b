package app

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/api"
	"haat/internal/backup"
	"haat/internal/db"
	"haat/internal/edge"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/notify"
	"haat/internal/stock"
)

// openOf gives the open incidents of a name.
func openOf(r *meter.Incidents, name string) (all []meter.Incident) {
	for _, i := range r.Open() {
		if i.Name == name {
			all = append(all, i)
		}
	}
	return all
}

// reported expects exactly these subjects to be open under a name, each with the
// words of the list.
func reported(t *testing.T, r *meter.Incidents, name, says string, subjects ...string) {
	t.Helper()
	open := openOf(r, name)
	if len(open) != len(subjects) {
		t.Fatalf("%s: open is %+v, want %v", name, open, subjects)
	}
	for n, i := range open {
		if i.Subject != subjects[n] || !strings.Contains(i.Detail, says) || i.Next == "" || i.Means == "" || i.Since.IsZero() {
			t.Errorf("%s: %+v, want %s to say %q", name, i, subjects[n], says)
		}
	}
}

// bare is as much of the program as a fleet of a test allows.
func bare(f *fleet.Fleet) *App {
	log := slog.New(slog.DiscardHandler)
	return &App{fleet: f, log: log, incidents: meter.NewIncidents(log, incidentKinds...), bus: event.NewBus(f, log)}
}

// The operator's guide has every incident, in the words of the program.
func TestTheGuideNamesEveryIncident(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range incidentKinds {
		if row := "\n| `" + k.Name + "` | " + string(k.Severity) + " | " + k.Means + " | " + k.Next + " |\n"; !strings.Contains(string(guide), row) {
			t.Errorf("docs/operating.md lacks%s", row)
		}
	}
}

// A database whose readers are all taken answers nobody: it is named within one
// look, and no longer once it answers. The other database is not named.
func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	s := open(t, func(c *Config) { c.Shards = 2 })
	shop := s.shop("Aalto")
	s.still(shop.slug)
	room, err := s.app.fleet.BySlug(t.Context(), shop.slug)
	if err != nil {
		t.Fatal(err)
	}
	readers := s.app.cfg.Divide().Readers
	let, taken := make(chan struct{}), make(chan struct{}, readers)
	var held sync.WaitGroup
	for range readers {
		held.Go(func() {
			err := room.View(t.Context(), fleet.Newest, func(db.Reader) error { taken <- struct{}{}; <-let; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range readers {
		<-taken
	}
	began := time.Now()
	s.until("the shard is named", func() bool { return len(openOf(s.app.incidents, databaseDown)) > 0 })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("noticed after %v", took)
	}
	reported(t, s.app.incidents, databaseDown, "", "shard "+room.Shard())
	if m := s.get("ops.test/metrics", "").want(200); !strings.Contains(m.body, `haat_incident_open{name="database-unreachable"} 1`) {
		t.Error("the metrics do not say it")
	}
	close(let)
	held.Wait()
	s.app.lookNow(t.Context())
	reported(t, s.app.incidents, databaseDown, "")
}

// spoilt says what nobody who listens for placed orders can read.
type spoilt struct {
	Lines string `json:"lines"`
}

func (spoilt) Topic() string  { return "order.placed" }
func (spoilt) Key() string    { return "spoilt" }
func (spoilt) Tags() []string { return nil }

func TestAPoisonEventIsNamed(t *testing.T) {
	s := open(t, nil)
	shop := s.shop("Aalto")
	s.still(shop.slug)
	room, err := s.app.fleet.BySlug(t.Context(), shop.slug)
	if err != nil {
		t.Fatal(err)
	}
	change(t, room, func(ctx context.Context, tx *db.Tx) error { return event.Emit(ctx, tx, spoilt{"not a list"}) })
	if err := s.app.bus.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := []string{"doctor", "--ops", "http://" + s.ops, "--token", s.opsToken}
	code, out, _ := run(at...)
	if code != 1 || !strings.Contains(out, "BAD  poison-event ("+shop.slug+")") || !strings.Contains(out, "next: Look at them under Parked") || !strings.Contains(out, "since: ") {
		t.Errorf("doctor: %d %s", code, out)
	}
	reported(t, s.app.incidents, poisonEvent, "could not handle order.placed: decode order.placed", shop.slug)
	client := &api.OperatorClient{URL: "http://" + s.ops, Token: s.opsToken}
	if all, err := client.Incidents(t.Context()); err != nil || len(all.Open) != 1 || all.Open[0].Name != poisonEvent || all.Open[0].Shop != shop.slug {
		t.Errorf("GET incidents: %+v, %v", all, err)
	}
	there := []string{"--ops", "http://" + s.ops, "--token", s.opsToken}
	parked := func(args ...string) string {
		t.Helper()
		code, out, errs := run(append(append([]string{"parked"}, args...), there...)...)
		if code != 0 {
			t.Fatalf("parked %v: %d %s%s", args, code, out, errs)
		}
		return out
	}
	all, err := client.Parked(t.Context(), "", api.ParkedPlace{})
	if err != nil || len(all.Items) == 0 {
		t.Fatalf("GET parked: %+v, %v", all, err)
	}
	for n, p := range all.Items {
		if out := parked(shop.slug); !strings.Contains(out, p.Subscriber) || !strings.Contains(out, `{"lines":"not a list"}`) {
			t.Errorf("parked: %s", out)
		}
		key := []string{shop.slug, "--subscriber", p.Subscriber, "--key", p.Key}
		if n > 0 {
			if code, _, errs := run(append(append([]string{"parked"}, append(key, "--drop")...), there...)...); code == 0 || !strings.Contains(errs, "--up-to") {
				t.Errorf("dropped whatever there is: %d %s", code, errs)
			}
			parked(append(key, "--drop", "--up-to", fmt.Sprint(p.Seq))...)
			continue
		}
		mended := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(mended, []byte(`{"lines":[]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		parked(append(key, "--edit", mended, "--seq", fmt.Sprint(p.Seq))...)
		if out := parked(append(key, "--retry")...); out != "Handled: 1\n" {
			t.Errorf("tried again: %s", out)
		}
	}
	out = parked(shop.slug)
	for _, how := range []string{"edited", "replayed", "dropped"} {
		if !strings.Contains(out, how) {
			t.Errorf("no trace of what was %s: %s", how, out)
		}
	}
	if code, out, _ := run(at...); code != 0 || strings.Contains(out, "BAD") {
		t.Errorf("given up: %d %s", code, out)
	}
	if all, err := client.Incidents(t.Context()); err != nil || len(all.Open) != 0 || len(all.Past) != 1 || all.Past[0].Resolved == nil {
		t.Errorf("GET incidents, given up: %+v, %v", all, err)
	}
}

type asked struct{}

func (asked) Topic() string  { return "test.asked" }
func (asked) Key() string    { return "k" }
func (asked) Tags() []string { return nil }

// A subscriber whose dependency is down is named, in time and with the time
// since when it waits, and no longer once that is back.
func TestAStalledConsumerIsNamed(t *testing.T) {
	fleettest.EachFleet(t, Schemas(), nil, func(t *testing.T, f *fleet.Fleet) {
		a := bare(f)
		var down atomic.Bool
		down.Store(true)
		event.OnFlow(a.bus, "carrier", func(context.Context, *fleet.Room, event.Meta, asked) (event.Then, error) {
			if down.Load() {
				return nil, event.Unavailable(errors.New("no route to host"))
			}
			return nil, nil
		})
		a.bus.Start(t.Context())
		defer a.bus.Close()
		began := time.Now()
		for _, slug := range []string{"a", "b"} {
			change(t, fleettest.NewShop(t, f, slug), func(ctx context.Context, tx *db.Tx) error { return event.Emit(ctx, tx, asked{}) })
		}
		late, tick := time.After(15*time.Second), time.NewTicker(20*time.Millisecond)
		defer tick.Stop()
		look := func(open int) {
			t.Helper()
			for len(openOf(a.incidents, consumerStalled)) != open {
				select {
				case <-late:
					t.Fatal("not noticed in 15 s")
				case <-tick.C:
				}
				if err := a.watchSubscribers(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		look(1)
		reported(t, a.incidents, consumerStalled, "Events of 2 shops wait: no route to host", "carrier")
		if i := openOf(a.incidents, consumerStalled)[0]; i.Since.Sub(began).Abs() > 2*time.Second {
			t.Errorf("it waits since %v, not %v", i.Since, began)
		}
		down.Store(false)
		if err := a.bus.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, waiting := a.bus.Backlog(); len(waiting) != 0 {
			t.Errorf("all was handled, and waits: %v", waiting)
		}
		late = time.After(30 * time.Second)
		look(0)
	})
}

// A gateway that fails is named at the first message, and no longer when one
// goes through. An address that is refused says nothing of the gateway.
func TestMessagesThatCannotBeSent(t *testing.T) {
	var answer atomic.Int64
	answer.Store(503)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(int(answer.Load())) }))
	defer gateway.Close()
	s := open(t, func(c *Config) { c.Gateway.URL = gateway.URL })
	send := func() error {
		return s.app.post.Send(t.Context(), notify.Message{To: "+919876543210", Channel: notify.SMS, Text: "123456 is your code.", From: "haat"})
	}
	if err := send(); err == nil {
		t.Fatal("sent through a gateway that fails")
	}
	reported(t, s.app.incidents, deliveryFailing, "503", "SMS")
	answer.Store(200)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	reported(t, s.app.incidents, deliveryFailing, "")
	answer.Store(422)
	if err := send(); err == nil {
		t.Fatal("an address that is refused was sent to")
	}
	reported(t, s.app.incidents, deliveryFailing, "")
}

// A backup that failed is named until one succeeds, also by a program that is
// started on the folder as a crash leaves it.
func TestAFailedBackupIsNamedAcrossACrash(t *testing.T) {
	s := open(t, nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	quiet := func(backup.Progress) {}
	if _, err := s.app.Backup(t.Context(), file, quiet); err == nil {
		t.Fatal("backed up into a file")
	}
	reported(t, s.app.incidents, backupFailing, file, "backup")
	began := openOf(s.app.incidents, backupFailing)[0].Since
	copied := t.TempDir()
	copyFolder(t, s, copied)
	again, err := quietly(t.Context(), settings(t, copied), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}()
	again.lookNow(t.Context())
	reported(t, again.incidents, backupFailing, file, "backup")
	if i := openOf(again.incidents, backupFailing)[0]; !i.Since.Equal(began) {
		t.Errorf("after the crash it began at %v, not %v", i.Since, began)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := again.Backup(ended, filepath.Join(dir, "none"), quiet); err == nil {
		t.Fatal("a backup that nobody waits for was made")
	}
	reported(t, again.incidents, backupFailing, file, "backup")
	if _, err := again.Backup(t.Context(), filepath.Join(dir, "backup"), quiet); err != nil {
		t.Fatal(err)
	}
	reported(t, again.incidents, backupFailing, "")
}

// A shop in which tidying up fails is named the third time; so is a task.
func TestFailingJobsAreNamed(t *testing.T) {
	fleettest.EachFleet(t, Schemas(), nil, func(t *testing.T, f *fleet.Fleet) {
		a, now := bare(f), time.Now()
		failing := lapsedShop(t, f, "failing", 3, now.Add(-time.Minute))
		change(t, failing, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, bendLevel, 0); return err })
		s := newSweep("give back expired holds", f, a.log, stock.Expired, stock.Sweep)
		a.sweeps = []*sweep{s}
		look := func() {
			t.Helper()
			if err := a.watchSweeps(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for n := range failingAfter {
			look()
			if open := openOf(a.incidents, jobFailing); len(open) != 0 {
				t.Fatalf("after %d failures: %+v", n, open)
			}
			if err := s.round(t.Context(), now.Add(time.Duration(n)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		look()
		reported(t, a.incidents, jobFailing, "3 times in a row", "give back expired holds: failing")
		change(t, failing, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, bendLevel, 3); return err })
		if err := s.round(t.Context(), now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		look()
		reported(t, a.incidents, jobFailing, "")
		a.ran("forget old codes", errors.New("it is locked"))
		look()
		reported(t, a.incidents, jobFailing, "it is locked", "forget old codes")
		a.ran("forget old codes", nil)
		look()
		reported(t, a.incidents, jobFailing, "")
	})
}

// stuckSchema has rows that cannot be deleted until they are let go.
var stuckSchema = db.Schema("stuck", fstest.MapFS{"schema/0001_stuck.sql": {Data: []byte(`
CREATE TABLE stuck_row (shop BIGINT NOT NULL, held BOOLEAN NOT NULL, PRIMARY KEY (shop));`)},
	"schema/0002_stuck.sqlite.sql": {Data: []byte(`
CREATE TRIGGER stuck_held BEFORE DELETE ON stuck_row WHEN OLD.held BEGIN SELECT RAISE(ABORT, 'it is held'); END;`)},
	"schema/0002_stuck.postgres.sql": {Data: []byte(`
CREATE FUNCTION stuck_held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.held THEN RAISE EXCEPTION 'it is held'; END IF; RETURN OLD; END $$;
CREATE TRIGGER stuck_held BEFORE DELETE ON stuck_row FOR EACH ROW EXECUTE FUNCTION stuck_held();`)},
})

var (
	holdRow = db.Q(`INSERT INTO stuck_row (shop, held) VALUES ($1, TRUE)`)
	letRow  = db.Q(`UPDATE stuck_row SET held = FALSE WHERE shop = $1`)
)

// An orphan that cannot be erased is named at every sweep, not only at the one
// that passes it, until it is gone.
func TestAnOrphanThatStaysIsNamed(t *testing.T) {
	fleettest.EachFleet(t, append(Schemas(), stuckSchema), nil, func(t *testing.T, f *fleet.Fleet) {
		a, died := bare(f), errors.New("died")
		orphan := id.ShopAt(time.Now().Add(-3*time.Hour), 1)
		_, err := f.Create(t.Context(), orphan, "orphan", "x", func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), holdRow)
			return err
		}, func(*db.ControlTx) error { return died })
		if !errors.Is(err, died) {
			t.Fatal(err)
		}
		for range 3 {
			if err := a.sweepOrphans(t.Context(), 2*time.Hour); err != nil {
				t.Fatal(err)
			}
			reported(t, a.incidents, orphanLeft, "erase orphan "+orphan.String(), "unfinished sign-ups")
		}
		for _, name := range f.ShardNames() {
			_, err := f.Shard(name).Change(t.Context(), orphan, 1, func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), letRow); return err })
			if err != nil && !errors.Is(err, db.ErrMoved) {
				t.Fatal(err)
			}
		}
		if err := a.sweepOrphans(t.Context(), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		reported(t, a.incidents, orphanLeft, "")
	})
}

// People who are turned away for want of connections are told of.
func TestExhaustedConnectionsAreNamed(t *testing.T) {
	let, busy := make(chan struct{}), make(chan struct{})
	srv, l, err := listen("127.0.0.1:0", 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { close(busy); <-let }), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	a := &App{incidents: meter.NewIncidents(slog.New(slog.DiscardHandler), incidentKinds...)}
	a.cfg.Listen = l.Addr().String()
	a.crowd.Store(l)
	look := a.watchConnections()
	if err := look(t.Context()); err != nil {
		t.Fatal(err)
	}
	reported(t, a.incidents, connectionsShort, "")
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := io.WriteString(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-busy
	second, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	// The answer comes before any request, which Go's client takes amiss.
	res, err := http.ReadResponse(bufio.NewReader(second), nil)
	if err != nil || res.StatusCode != 503 {
		t.Fatalf("the second: %v, %v", res, err)
	}
	res.Body.Close()
	if err := look(t.Context()); err != nil {
		t.Fatal(err)
	}
	reported(t, a.incidents, connectionsShort, "1 connections were turned away", a.cfg.Listen)
	close(let)
}

// Stock that was found wrong stays named by a program that has just started,
// with the time when it was found, until a round has seen every shop.
func TestWrongStockStaysNamedAcrossARestart(t *testing.T) {
	seeded(t, 3, func(t *testing.T, f *fleet.Fleet, rooms []*fleet.Room) {
		log, path := slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "incidents.json")
		run := func() (*books, *meter.Incidents) {
			t.Helper()
			r := meter.NewIncidents(log, incidentKinds...)
			if err := r.Remember(path); err != nil {
				t.Fatal(err)
			}
			return newBooks(f, log), r
		}
		look := func(b *books, r *meter.Incidents, round bool) {
			t.Helper()
			if round {
				if err := b.round(t.Context(), newPace(1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.watch(r)(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := r.Save(); err != nil {
				t.Fatal(err)
			}
		}
		alter(t, rooms[1], adjustFirst)
		b, r := run()
		look(b, r, true)
		reported(t, r, stockWrong, "1 SKU does not add up", rooms[1].Slug())
		since := openOf(r, stockWrong)[0].Since
		b, r = run()
		look(b, r, false)
		reported(t, r, stockWrong, "1 SKU does not add up", rooms[1].Slug())
		if i := openOf(r, stockWrong)[0]; !i.Since.Equal(since) {
			t.Errorf("after the restart it began at %v, not %v", i.Since, since)
		}
		alter(t, rooms[1], adjustBack)
		look(b, r, true)
		reported(t, r, stockWrong, "")
	})
}

// A certificate is named before it runs out, and when it has.
func TestACertificateThatRunsOutIsNamed(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	key, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{incidents: meter.NewIncidents(slog.New(slog.DiscardHandler), incidentKinds...)}
	dir := t.TempDir()
	a.cfg.TLS.Cert, a.cfg.TLS.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{a.cfg.TLS.Cert: {Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}, a.cfg.TLS.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := edge.OpenCertificate(a.cfg.TLS.Cert, a.cfg.TLS.Key, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	end := srv.Certificate().NotAfter
	for _, at := range []struct {
		now               time.Time
		expiring, expired []string
	}{
		{end.Add(-15 * 24 * time.Hour), nil, nil},
		{end.Add(-13 * 24 * time.Hour), []string{a.cfg.TLS.Cert}, nil},
		{end.Add(time.Second), nil, []string{a.cfg.TLS.Cert}},
	} {
		a.seeCertificate(c, at.now)
		reported(t, a.incidents, certExpiring, "It runs out on", at.expiring...)
		reported(t, a.incidents, certExpired, "It ran out on", at.expired...)
	}
}
