package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// version is what is spoken over TLS.
type version string

const (
	http1 version = "HTTP/1.1"
	http2 version = "HTTP/2"
)

const tlsRate = 1000 // arrivals a second over TLS, for latencies

// pair is a certificate that signs itself, and its key: two files.
type pair struct{ cert, key string }

func makePair(dir string) (p pair, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return p, err
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{domain, "*." + domain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, &k.PublicKey, k)
	if err != nil {
		return p, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return p, err
	}
	p = pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	return p, errors.Join(
		os.WriteFile(p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// flags has haat speak TLS at an address.
func (p pair) flags(addr string) []string {
	return []string{"--tls-cert", p.cert, "--tls-key", p.key, "--tls-listen", addr, "--url", "https://" + domain}
}

// transport asks one server over TLS, whatever its certificate.
func (c *contender) transport() *http.Transport {
	speaks := new(http.Protocols)
	speaks.SetHTTP1(c.tls == http1)
	speaks.SetHTTP2(c.tls == http2)
	return &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: hitConnections, MaxConnsPerHost: hitConnections, Protocols: speaks,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // our own, of a moment ago
		DialContext:     func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, c.addr) },
	}
}

// warm asks for the page until it is kept.
func (c *contender) warm(ctx context.Context, host, path string) error {
	t := c.transport()
	defer t.CloseIdleConnections()
	for range 3 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
		if err != nil {
			return err
		}
		r.Header = browser.Clone()
		res, err := t.RoundTrip(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %d: %w", path, res.StatusCode, err)
		}
	}
	return nil
}

// overTLS has them take turns, connections open all the time.
func (b *bench) overTLS(ctx context.Context, r *Result, all []*contender, host, path string) error {
	if _, err := exec.LookPath("h2load"); err != nil {
		r.note("TLS was not measured: %v (Debian: apt-get install nghttp2-client)", err)
		return nil
	}
	for round := range b.Rounds {
		b.say("TLS, round %d of %d: %d servers, %v each twice", round+1, b.Rounds, len(all), b.For)
		for i := range all {
			c := all[(i+round)%len(all)]
			before := c.cpu()
			s, err := h2load(ctx, loadCPU, hitConnections, b.For, c.addr, host, path, c.tls)
			if err != nil {
				return fmt.Errorf("%s: %w", c.label, err)
			}
			c.cpus = append(c.cpus, float64((c.cpu()-before).Microseconds())/float64(s.n))
			c.rates = append(c.rates, s.rate)
			if err := pinned(loadCPU, func() error {
				t := c.transport()
				defer t.CloseIdleConnections()
				s, _ := openOver(t, "https", tlsRate, b.For, hitConnections, func() ask { return ask{host: host, path: path} }, host)
				c.fixed50s, c.fixed99s = append(c.fixed50s, s.p50), append(c.fixed99s, s.p99)
				c.bad += s.bad
				return nil
			}); err != nil {
				return err
			}
		}
	}
	r.note("over TLS 1.3, a P-256 certificate, the connections made once: rates by h2load, %d connections with one request at a time each; p50 and p99 at %d arrivals a second, where HTTP/2 sends all over one connection; haat's front does not speak TLS",
		hitConnections, tlsRate)
	return nil
}

var (
	h2loadRate = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	h2loadAll  = regexp.MustCompile(`requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed`)
)

// h2load is loadOverTLS, begun again when it does not end: now and then h2load
// goes on asking when its time is over.
func h2load(ctx context.Context, cpu, connections int, d time.Duration, addr, host, path string, v version) (out seen, err error) {
	for range 3 {
		bounded, cancel := context.WithTimeout(ctx, d+20*time.Second)
		out, err = loadOverTLS(bounded, cpu, connections, d, addr, host, path, v)
		endless := bounded.Err() != nil && ctx.Err() == nil
		cancel()
		if !endless {
			break
		}
	}
	return out, err
}

// loadOverTLS loads one page over TLS as fast as it is answered, from one CPU.
func loadOverTLS(ctx context.Context, cpu, connections int, d time.Duration, addr, host, path string, v version) (out seen, err error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return out, err
	}
	args := []string{"-t1", "-m1", "-c", strconv.Itoa(connections), "-D", fmt.Sprintf("%.0f", max(1, d.Seconds())), "--connect-to", addr}
	if v == http1 {
		args = append(args, "--h1")
	}
	for k, v := range browser {
		args = append(args, "-H", k+": "+v[0])
	}
	p, err := start(ctx, cpu, nil, "h2load", append(args, "https://"+net.JoinHostPort(host, port)+path)...)
	if err != nil {
		return out, err
	}
	<-p.ended
	said := p.said.String()
	rate, all := h2loadRate.FindStringSubmatch(said), h2loadAll.FindStringSubmatch(said)
	if p.err != nil || rate == nil || all == nil || all[3] != "0" {
		return out, fmt.Errorf("h2load: %v: %s", p.err, said)
	}
	out.rate, _ = strconv.ParseFloat(rate[1], 64)
	out.n, _ = strconv.ParseInt(all[2], 10, 64)
	if out.n == 0 {
		return out, fmt.Errorf("h2load: no answer: %s", said)
	}
	return out, nil
}
