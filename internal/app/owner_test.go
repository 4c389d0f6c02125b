package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/api"
	"haat/internal/db/dbtest"
	"haat/internal/fault"
)

// gate is an address that leads to another, until it is shut.
type gate struct {
	l  net.Listener
	mu sync.Mutex
	to string
	in []net.Conn
}

func newGate(t *testing.T) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{l: l}
	t.Cleanup(g.shut)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			d, err := net.Dial("tcp", g.to)
			if err != nil {
				c.Close()
				g.mu.Unlock()
				continue
			}
			g.in = append(g.in, c, d)
			g.mu.Unlock()
			for _, pair := range [][2]net.Conn{{c, d}, {d, c}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				}()
			}
		}
	}()
	return g
}

func (g *gate) shut() {
	_ = g.l.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.in {
		_ = c.Close()
	}
}

// Shops in a file of one process are sold from at another, which serves those
// on PostgreSQL itself, whatever becomes of the owner of the file.
func TestBesideTheOwnerOfAFile(t *testing.T) {
	control, server := dbtest.Postgres(t), dbtest.Postgres(t)
	way := newGate(t)
	a := open(t, func(c *Config) { c.Control, c.Advertise = control, way.l.Addr().String() })
	way.mu.Lock()
	way.to = a.public
	way.mu.Unlock()
	b := open(t, func(c *Config) { c.Control = control })
	if names := b.app.fleet.ShardNames(); len(names) > 0 {
		t.Fatalf("the other process has opened %v", names)
	}
	x := a.shop("north")
	y := x.at(b)
	page := x.host + "/products/" + x.has["product handle"]

	y.get(page, "").want(200)
	if n := b.app.pages.Stats().Fills.Load(); n != 0 {
		t.Errorf("the other process has made %d pages of a shop that it cannot reach", n)
	}
	y.order("cod")
	y.get(domain+"/api/v1/auth/sessions", x.token).want(200)
	y.get(x.base+"/orders", x.token).want(200)
	b.get("nowhere."+domain+"/", "").want(404)
	south := b.shop("south") // signed up there
	if room, err := a.app.fleet.BySlug(t.Context(), south.slug); err != nil || room.Entry().Shard != "s1" {
		t.Errorf("the new shop is at %v, %v", room, err)
	}
	if roles := b.app.member.Self().Roles; roles != "web,api" {
		t.Errorf("the other process says that it does %q", roles)
	}
	t.Run("a live screen", func(t *testing.T) { x.screenAt(t, b) })
	t.Run("no shop goes into a file", func(t *testing.T) {
		if err := a.app.AddShard(t.Context(), api.NewShard{Name: "s9", DSN: "s9.db"}); !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), "cannot open a file") {
			t.Errorf("a file is added with %v", err)
		}
	})
	t.Run("on PostgreSQL", func(t *testing.T) {
		if err := a.app.AddShard(t.Context(), api.NewShard{Name: "s2", DSN: server}); err != nil {
			t.Fatal(err)
		}
		b.until("the other process has opened the shard", func() bool { return len(b.app.fleet.ShardNames()) == 1 })
		if _, err := a.app.Move(t.Context(), x.slug, "s2", false); err != nil {
			t.Fatal(err)
		}
		b.until("the shop is there", func() bool {
			e, err := b.app.fleet.Find(t.Context(), x.slug)
			if err == nil && e.Shard != "s2" {
				b.app.fleet.Relocated(e.Shop, "s1")
			}
			return err == nil && e.Shard == "s2"
		})
		b.until("the other process makes its pages", func() bool {
			y.get(page, "").want(200)
			return b.app.pages.Stats().Fills.Load() > 0
		})
		if _, err := a.app.Move(t.Context(), x.slug, "s1", false); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("back into the file: %v", err)
		}
	})
	t.Run("the owner is away", func(t *testing.T) {
		way.shut()
		y.get(page, "").want(200)
		y.order("cod")
		for _, url := range []string{south.host + "/", domain + "/"} {
			if got := b.get(url, ""); got.status != 503 || got.header.Get("Retry-After") == "" {
				t.Errorf("%s answers %d %v", url, got.status, got.header)
			}
		}
	})
}

// Files without an address to their owner, and files of two processes, are said
// at the start.
func TestNoWayToTheOwner(t *testing.T) {
	control := dbtest.Postgres(t)
	open(t, func(c *Config) { c.Control = control })
	cfg := settings(t, t.TempDir())
	cfg.Control = control
	refused := func(why string) {
		t.Helper()
		app, err := quietly(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("a process starts that should be told of %s: %v", why, err)
		}
		if app != nil {
			app.Close()
		}
	}
	refused("--advertise")
	file := filepath.Join(cfg.Data, "shards", "s1.db") // of a platform of its own, before
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("shops"), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused(file + " is another of that name")
	if b, err := os.ReadFile(file); err != nil || string(b) != "shops" {
		t.Errorf("its file says %q, %v", b, err)
	}
}

func TestWhoIsPassedOn(t *testing.T) {
	key, other, now := []byte("a key of this fleet"), []byte("another"), time.Now()
	good := signPassed(key, "2001:db8::7", now)
	for header, ok := range map[string]bool{
		good:                                   true,
		signPassed(other, "2001:db8::7", now):  false,
		strings.Replace(good, "::7", "::8", 1): false,
		signPassed(key, "2001:db8::7", now.Add(-2*time.Minute)): false,
		signPassed(key, "nobody", now):                          false,
		"":                                                      false, "a b c": false, good + " x": false,
	} {
		if ip, is := readPassed(key, header, now); is != ok || ok && ip != "2001:db8::7" {
			t.Errorf("%q: %q, %v", header, ip, is)
		}
	}
	a := &App{passKey: key}
	seen := ""
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr + " " + r.Header.Get(passedOnHeader) })
	for header, want := range map[string]string{good: "[2001:db8::7]:0 " + good, "203.0.113.1 1 x": "192.0.2.1:1 ", "": "192.0.2.1:1 "} {
		r := &http.Request{Method: "GET", RemoteAddr: "192.0.2.1:1", Header: http.Header{}}
		if header != "" {
			r.Header.Set(passedOnHeader, header)
		}
		a.passedOn(h, h).ServeHTTP(nil, r)
		if seen != want {
			t.Errorf("%q is taken for %q", header, seen)
		}
	}
}
