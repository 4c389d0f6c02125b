package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/api"
	"haat/internal/app"
)

// pair makes a certificate that signs itself, and its key.
func pair(t *testing.T, from, until time.Time, names ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// withTLS gives the settings of a platform with this pair.
func withTLS(t *testing.T, cert, key []byte) (c, k string, change func(*app.Config)) {
	t.Helper()
	dir := t.TempDir()
	c, k = filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	put(t, c, cert)
	put(t, k, key)
	at := freePort(t)
	return c, k, func(cfg *app.Config) {
		_, port, _ := net.SplitHostPort(at)
		cfg.TLS.Cert, cfg.TLS.Key, cfg.TLS.Listen, cfg.URL = c, k, at, "https://haat.test:"+port
	}
}

// put replaces a file at once, as whatever renews certificates does.
func put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// browser trusts a certificate, and every name leads to one address.
func browser(t *testing.T, to string, cert []byte, http2 bool) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	speaks := new(http.Protocols)
	speaks.SetHTTP1(!http2)
	speaks.SetHTTP2(http2)
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: speaks,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(t *testing.T, c *http.Client, method, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// Over TLS the platform speaks HTTP/1.1 and HTTP/2, kept pages among the rest,
// and whoever comes without is sent there.
func TestTLS(t *testing.T) {
	now := time.Now()
	cert, key := pair(t, now.Add(-time.Hour), now.Add(90*24*time.Hour), "haat.test", "*.haat.test")
	_, _, change := withTLS(t, cert, key)
	s := serve(t, filepath.Join(t.TempDir(), "data"), change)
	for _, http2 := range []bool{false, true} {
		c := browser(t, s.cfg.TLS.Listen, cert, http2)
		res, _ := ask(t, c, "GET", s.cfg.URL+"/")
		if res.StatusCode >= 400 || (res.ProtoMajor == 2) != http2 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
			t.Errorf("HTTP/2 %v: %s %d %q", http2, res.Proto, res.StatusCode, res.Header)
		}
	}
	plain := browser(t, s.cfg.Listen, cert, false)
	_, port, _ := net.SplitHostPort(s.cfg.TLS.Listen)
	for _, c := range []struct {
		method, host, path, to string
		status                 int
	}{
		{"GET", "haat.test", "/a?b=c", "https://haat.test:" + port + "/a?b=c", 301},
		{"GET", "some.haat.test:80", "/products/x", "https://some.haat.test:" + port + "/products/x", 301},
		{"POST", "some.haat.test", "/cart", "https://some.haat.test:" + port + "/cart", 308},
		{"GET", "elsewhere.example", "/", "https://haat.test:" + port + "/", 301},
		{"GET", "haat.test", "//elsewhere.example/", "https://haat.test:" + port + "//elsewhere.example/", 301},
		{"GET", "haat.test", "/healthz", "", 200},
		{"GET", "haat.test", "/readyz", "", 200},
	} {
		if res, _ := ask(t, plain, c.method, "http://"+c.host+c.path); res.StatusCode != c.status || res.Header.Get("Location") != c.to {
			t.Errorf("%s %s%s: %d to %q, want %d to %q", c.method, c.host, c.path, res.StatusCode, res.Header.Get("Location"), c.status, c.to)
		}
	}
	if v := s.metric(t, "haat_connections"); v == "0" {
		t.Error("connections over TLS are not counted")
	}
}

// A page that was kept over TLS is not given away without it, unless both are
// to be served.
func TestKeptPagesOverTLS(t *testing.T) {
	now := time.Now()
	cert, key := pair(t, now.Add(-time.Hour), now.Add(90*24*time.Hour), "haat.test", "*.haat.test")
	for _, redirect := range []bool{true, false} {
		t.Run(fmt.Sprint("redirect ", redirect), func(t *testing.T) {
			_, _, change := withTLS(t, cert, key)
			s := serve(t, filepath.Join(t.TempDir(), "data"), change, func(c *app.Config) { c.TLS.Redirect = redirect })
			slug := openShop(t, s, cert)
			_, port, _ := net.SplitHostPort(s.cfg.TLS.Listen)
			c := browser(t, s.cfg.TLS.Listen, cert, true)
			kept := ""
			for range 3 {
				res, _ := ask(t, c, "GET", "https://"+slug+".haat.test:"+port+"/collections/all")
				kept = res.Header.Get("Cache-Status")
			}
			if !strings.Contains(kept, "hit") {
				t.Fatalf("over TLS: %q", kept)
			}
			// The same address as the front knows it, with the port.
			conn := dial(t, s.cfg.Listen)
			fmt.Fprintf(conn, "GET /collections/all HTTP/1.1\r\nHost: %s.haat.test:%s\r\n\r\n", slug, port)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if want := map[bool]int{true: 301, false: 200}[redirect]; res.StatusCode != want {
				t.Errorf("without TLS: %d, want %d", res.StatusCode, want)
			}
		})
	}
}

// openShop signs a merchant up over TLS and gives the shop's address.
func openShop(t *testing.T, s *served, cert []byte) string {
	t.Helper()
	old := http.DefaultClient.Transport
	http.DefaultClient.Transport = toTLS{browser(t, s.cfg.TLS.Listen, cert, true).Transport}
	defer func() { http.DefaultClient.Transport = old }()
	_, slug := s.merchant(t, "asha@example.com", "Aalto")
	return slug
}

// toTLS sends requests over TLS by the name of their host.
type toTLS struct{ http.RoundTripper }

func (x toTLS) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "https", r.Host
	return x.RoundTripper.RoundTrip(r)
}

// HTTP/2 is spoken without TLS too, to a proxy in front that asks for it.
func TestHTTP2WithoutTLS(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "data"))
	speaks := new(http.Protocols)
	speaks.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: speaks, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.cfg.Listen)
	}}
	defer tr.CloseIdleConnections()
	if res, _ := ask(t, &http.Client{Transport: tr}, "GET", "http://haat.test/"); res.ProtoMajor != 2 || res.StatusCode >= 400 {
		t.Errorf("%s %d", res.Proto, res.StatusCode)
	}
}

// A new pair is shown within seconds. One that cannot be taken is named, and
// the old one shown on.
func TestCertificatesAreReadAgain(t *testing.T) {
	now := time.Now()
	cert, key := pair(t, now.Add(-80*24*time.Hour), now.Add(10*24*time.Hour), "haat.test", "*.haat.test") // soon over
	certFile, keyFile, change := withTLS(t, cert, key)
	s := serve(t, filepath.Join(t.TempDir(), "data"), change)
	client := &api.OperatorClient{URL: "http://" + s.cfg.OpsListen, Token: opsToken}
	open := func(name string) (detail string) {
		t.Helper()
		all, err := client.Incidents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all.Open {
			if i.Name == name {
				detail += i.Detail
			}
		}
		return detail
	}
	shown := func() []byte {
		t.Helper()
		c, err := tls.Dial("tcp", s.cfg.TLS.Listen, &tls.Config{ServerName: "any.haat.test", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ConnectionState().PeerCertificates[0].Raw})
	}
	if !bytes.Equal(shown(), cert) {
		t.Fatal("another certificate is shown")
	}
	if d := open("certificate-expiring"); !strings.Contains(d, "It runs out on") {
		t.Errorf("expiring: %q", d)
	}
	next, nextKey := pair(t, now.Add(-time.Hour), now.Add(90*24*time.Hour), "haat.test", "*.haat.test")
	put(t, certFile, next) // its key is not there yet
	if d := open("certificate-failing"); !strings.Contains(d, "are no pair") {
		t.Errorf("failing: %q", d)
	}
	if !bytes.Equal(shown(), cert) {
		t.Error("half a pair was taken")
	}
	put(t, keyFile, nextKey)
	if d := open("certificate-failing") + open("certificate-expiring"); d != "" {
		t.Errorf("all is well, but: %s", d)
	}
	if !bytes.Equal(shown(), next) {
		t.Error("the new pair is not shown")
	}
	gone, goneKey := pair(t, now.Add(-48*time.Hour), now.Add(-24*time.Hour), "haat.test", "*.haat.test")
	put(t, certFile, gone)
	put(t, keyFile, goneKey)
	if d := open("certificate-failing"); !strings.Contains(d, "ran out on") {
		t.Errorf("failing: %q", d)
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if d := open("certificate-failing"); !strings.Contains(d, "no such file") {
		t.Errorf("failing: %q", d)
	}
	if !bytes.Equal(shown(), next) {
		t.Error("what was good is no longer shown")
	}
}

// What cannot be served is refused in one line, and no folder is made.
func TestBadCertificatesAreRefused(t *testing.T) {
	now := time.Now()
	good, key := pair(t, now.Add(-time.Hour), now.Add(time.Hour), "haat.test", "*.haat.test")
	_, other := pair(t, now.Add(-time.Hour), now.Add(time.Hour), "haat.test", "*.haat.test")
	over, overKey := pair(t, now.Add(-2*time.Hour), now.Add(-time.Hour), "haat.test", "*.haat.test")
	early, earlyKey := pair(t, now.Add(time.Hour), now.Add(2*time.Hour), "haat.test", "*.haat.test")
	alone, aloneKey := pair(t, now.Add(-time.Hour), now.Add(time.Hour), "haat.test")
	for _, c := range []struct {
		name      string
		cert, key []byte
		says      string
	}{
		{"of another key", good, other, "are no pair"},
		{"no PEM", []byte("hello"), key, "are no pair"},
		{"over", over, overKey, "ran out on"},
		{"early", early, earlyKey, "holds only from"},
		{"not for shops", alone, aloneKey, "is not for *.haat.test, only for haat.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			certFile, keyFile, _ := withTLS(t, c.cert, c.key)
			data := filepath.Join(t.TempDir(), "data")
			var out, errs bytes.Buffer
			code := app.Main([]string{"serve", "--data", data, "--url", "https://haat.test", "--tls-cert", certFile, "--tls-key", keyFile, "--tls-listen", freePort(t), "--listen", freePort(t), "--ops-listen", freePort(t)}, &out, &errs)
			if code == 0 || !strings.Contains(errs.String(), "haat: --tls-cert: ") || !strings.Contains(errs.String(), c.says) || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("%d: %s", code, errs.String())
			}
			if _, err := os.Stat(data); !os.IsNotExist(err) {
				t.Errorf("the data folder: %v", err)
			}
		})
	}
	for _, c := range []struct {
		change func(*app.Config)
		says   string
	}{
		{func(c *app.Config) { c.TLS.Cert = "x" }, "give both or neither"},
		{func(c *app.Config) { c.TLS.Cert, c.TLS.Key, c.URL = "x", "y", "http://haat.test" }, "must be sent to https"},
		{func(c *app.Config) { c.HSTS = -1 }, "--hsts"},
	} {
		var cfg app.Config
		if err := app.Defaults(&cfg); err != nil {
			t.Fatal(err)
		}
		cfg.Data = filepath.Join(t.TempDir(), "data")
		c.change(&cfg)
		if _, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
}
