package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"haat/internal/app"
)

const opsToken = "haat-ops-test-token"

// served is a platform that serves on free ports.
type served struct {
	*app.App
	cfg  app.Config
	stop func()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve serves a data folder until stop or the end of the test.
func serve(t *testing.T, data string, change ...func(*app.Config)) *served {
	t.Helper()
	var cfg app.Config
	if err := app.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Data, cfg.Listen, cfg.OpsListen, cfg.URL, cfg.Dev = data, freePort(t), freePort(t), "http://haat.test", true
	for _, fn := range change {
		fn(&cfg)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(opsToken))
	if err := os.WriteFile(filepath.Join(data, "ops-token.sha256"), []byte(hex.EncodeToString(hash[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- errors.Join(a.Serve(ctx, func() { close(ready) }), a.Close()) }()
	s := &served{App: a, cfg: cfg}
	var once atomic.Bool
	s.stop = func() {
		if once.CompareAndSwap(false, true) {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the server ended: %v", err)
			}
		}
	}
	t.Cleanup(s.stop)
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return s
}

// call sends JSON to a host of the platform and reads JSON into out.
func (s *served) call(t *testing.T, method, host, path, token string, in, out any) int {
	t.Helper()
	status, body := s.raw(t, method, host, path, token, in)
	if out != nil && status < 300 {
		if err := json.Unmarshal(body, out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, body, err)
		}
	}
	return status
}

func (s *served) raw(t *testing.T, method, host, path, token string, in any) (int, []byte) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.cfg.Listen+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// merchant signs up and opens a shop.
func (s *served) merchant(t *testing.T, email, name string) (token, slug string) {
	t.Helper()
	if status := s.call(t, "POST", "haat.test", "/api/v1/auth/codes", "", map[string]string{"email": email}, nil); status != 202 {
		t.Fatalf("ask for a code: %d", status)
	}
	var sent struct {
		Items []struct{ To, Code string }
	}
	if status := s.call(t, "GET", "haat.test", "/dev/messages", "", nil, &sent); status != 200 {
		t.Fatalf("messages: %d", status)
	}
	code := ""
	for _, m := range sent.Items {
		if m.To == email && m.Code != "" {
			code = m.Code
			break
		}
	}
	var session struct{ Token string }
	if status := s.call(t, "POST", "haat.test", "/api/v1/auth/sessions", "", map[string]string{"email": email, "code": code}, &session); status >= 300 {
		t.Fatalf("sign in: %d", status)
	}
	var shop struct{ Slug string }
	if status := s.call(t, "POST", "haat.test", "/api/v1/shops", session.Token, map[string]string{"name": name, "country": "IN"}, &shop); status >= 300 {
		t.Fatalf("open a shop: %d", status)
	}
	return session.Token, shop.Slug
}

func haat(t *testing.T, args ...string) (out string, exit int) {
	t.Helper()
	var b bytes.Buffer
	exit = app.Main(args, &b, &b)
	return b.String(), exit
}

// The operator backs up a platform that is being served, loses the folder, and
// has it back: the merchant is still signed in and the shop is open.
func TestBackUpAndRestoreByCommand(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data)
	token, slug := s.merchant(t, "asha@example.com", "Asha Stores")
	dir := filepath.Join(t.TempDir(), "backup")
	ops := "http://" + s.cfg.OpsListen
	if out, exit := haat(t, "backup", dir, "--data", data); exit == 0 || !strings.Contains(out, "operator token") {
		t.Errorf("without a token while it is served: %s", out)
	}
	if out, exit := haat(t, "backup", dir, "--ops", ops, "--token", "wrong"); exit == 0 || !strings.Contains(out, "token") {
		t.Errorf("with a wrong token: %s", out)
	}
	out, exit := haat(t, "backup", dir, "--ops", ops, "--token", opsToken)
	if exit != 0 || !strings.Contains(out, "1 shops") || !strings.Contains(out, "read back and checked") {
		t.Fatalf("%d: %s", exit, out)
	}
	if out, exit := haat(t, "backup", data, "--ops", ops, "--token", opsToken); exit == 0 || !strings.Contains(out, "cannot lie in the data folder") {
		t.Errorf("into the data folder: %s", out)
	}
	if out, exit := haat(t, "restore", dir, "--data", data); exit == 0 || !strings.Contains(out, "in use") {
		t.Errorf("restored under a server: %s", out)
	}
	s.stop()
	if out, exit := haat(t, "restore", dir, "--data", data); exit == 0 || !strings.Contains(out, "not empty") {
		t.Errorf("restored over a platform: %s", out)
	}
	if out, exit := haat(t, "backup", filepath.Join(t.TempDir(), "stopped"), "--data", data); exit != 0 {
		t.Errorf("back up a stopped folder: %s", out)
	}
	again := filepath.Join(t.TempDir(), "again")
	if out, exit = haat(t, "restore", dir, "--data", again); exit != 0 {
		t.Fatalf("restore: %s", out)
	}
	r := serve(t, again)
	if status, body := r.raw(t, "GET", "haat.test", "/api/v1/shops/"+slug+"/settings", token, nil); status != 200 || !strings.Contains(string(body), "Asha Stores") {
		t.Errorf("the merchant's session: %d %s", status, body)
	}
	if status, body := r.raw(t, "GET", slug+".haat.test", "/", "", nil); status != 200 || !strings.Contains(string(body), "Asha Stores") {
		t.Errorf("the shop: %d", status)
	}
	found, err := r.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !f.OK {
			t.Errorf("doctor: %s: %s", f.Name, f.Detail)
		}
	}
}

// What a cut-off restore leaves is not served.
func TestHalfARestoreIsNotServed(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "restore-unfinished"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var cfg app.Config
	if err := app.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Data = data
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "a restore into it was cut off") {
		t.Error(fmt.Sprint("opened: ", a, err))
	}
}
