package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	serverCPU, loadCPU = 0, 1
	hitConnections     = 64
	hitRate            = 4000 // a second, for latencies: what all of them can do
)

// contender is a server that sends the page, and what was seen of it.
type contender struct {
	label string
	*process
	addr string
	tls  version // spoken over TLS; empty: without

	rates, p99s, cpus  []float64
	fixed50s, fixed99s []float64
	bad                int64
}

// pageHit compares haat with and without its front to nginx and Varnish, all
// sending the same bytes under the same headers.
func (b *bench) pageHit(ctx context.Context, r *Result) (err error) {
	if runtime.NumCPU() < 2 {
		return errors.New("one CPU is for the server and one for the load: two are needed")
	}
	const host = "demo." + domain
	dir, err := b.folder("page-hit")
	if err != nil {
		return err
	}
	var all []*contender
	defer func() {
		for _, c := range all {
			c.stop()
		}
	}()
	page, bytesOf := "", answer{}
	made := filepath.Join(dir, "data")
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if err := b.with(ctx, made, func(p *Platform) error { return errors.Join(p.Demo(ctx), p.Quiet(ctx)) }); err != nil {
		return err
	}
	for _, x := range []struct{ label, flag string }{{"haat", "--front"}, {"haat --no-front", "--no-front"}} {
		data := filepath.Join(dir, strings.TrimPrefix(x.flag, "--"))
		if err := os.CopyFS(data, os.DirFS(made)); err != nil {
			return err
		}
		s, err := b.serve(ctx, serverCPU, data, x.flag)
		if err != nil {
			return err
		}
		all = append(all, &contender{label: x.label, process: s.process, addr: s.addr})
		if page, err = firstProduct(ctx, s.addr, host); err != nil {
			return err
		}
		for range 3 { // the first fills; the front has learnt the second
			if bytesOf, err = fetch(ctx, s.addr, host, page); err != nil || bytesOf.status != http.StatusOK {
				return fmt.Errorf("%s answers %d: %w", page, bytesOf.status, err)
			}
		}
	}
	pair, err := makePair(dir)
	if err != nil {
		return err
	}
	tlsAddr, err := freeAddr()
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "tls")
	if err := os.CopyFS(data, os.DirFS(made)); err != nil {
		return err
	}
	s, err := b.serve(ctx, serverCPU, data, pair.flags(tlsAddr)...)
	if err != nil {
		return err
	}
	over := []*contender{{label: "haat, TLS, HTTP/1.1", process: s.process, addr: tlsAddr, tls: http1}, {label: "haat, TLS, HTTP/2", process: s.process, addr: tlsAddr, tls: http2}}
	defer s.stop()
	if err := over[0].warm(ctx, host, page); err != nil {
		return err
	}
	nginxTLS, err := freeAddr()
	if err != nil {
		return err
	}
	n, err := startNginx(ctx, dir, bytesOf, nginxTLS, pair)
	if err != nil {
		r.note("nginx was not measured: %v", err)
	} else {
		all = append(all, n)
		over = append(over, &contender{label: "nginx, TLS, HTTP/1.1", process: n.process, addr: nginxTLS, tls: http1}, &contender{label: "nginx, TLS, HTTP/2", process: n.process, addr: nginxTLS, tls: http2})
		if err := n.ready(ctx, n.addr, host, page); err != nil {
			return err
		}
		v, err := startVarnish(ctx, dir, n.addr)
		if err != nil {
			r.note("Varnish was not measured: %v", err)
		} else {
			all = append(all, v)
			if err := v.ready(ctx, v.addr, host, page); err != nil {
				return err
			}
		}
	}
	for _, c := range all {
		a, err := fetch(ctx, c.addr, host, page)
		if err != nil || !bytes.Equal(a.body, bytesOf.body) && !strings.HasPrefix(c.label, "haat") {
			return fmt.Errorf("%s sends %d other bytes: %w", c.label, len(a.body), err)
		}
		if a.header.Get("Content-Encoding") != bytesOf.header.Get("Content-Encoding") {
			return fmt.Errorf("%s sends it in %q", c.label, a.header.Get("Content-Encoding"))
		}
	}
	for round := range b.Rounds {
		b.say("round %d of %d: %d servers, %v each twice", round+1, b.Rounds, len(all), b.For)
		for i := range all {
			if err := all[(i+round)%len(all)].measure(ctx, b.For, host, page); err != nil {
				return err
			}
		}
	}
	if err := b.overTLS(ctx, r, over, host, page); err != nil {
		return err
	}
	reference := 0.0
	for _, c := range all {
		if c.label == "nginx" {
			reference = middle(c.rates)
		}
	}
	for _, c := range append(slices.Clone(all), over...) {
		if len(c.rates) == 0 {
			continue
		}
		row := Row{Label: c.label, Rate: middle(c.rates), P50: middle(c.fixed50s), P99: middle(c.fixed99s), CPU: middle(c.cpus),
			Note: fmt.Sprintf("p99 at full rate %s ms", figure(middle(c.p99s)))}
		if reference > 0 && c.tls == "" {
			row.Ratio, row.Of = row.Rate/reference, "nginx"
		}
		for _, o := range over {
			if c.tls != "" && o.tls == c.tls && strings.HasPrefix(o.label, "nginx") {
				row.Ratio, row.Of = row.Rate/middle(o.rates), o.label
			}
		}
		if c.tls != "" {
			row.Note = ""
		}
		row.Bad = c.bad
		r.Rows = append(r.Rows, row)
	}
	if reference > 0 {
		r.least("requests a second beside nginx", r.Rows[0].Ratio, 0.9, "of nginx's")
		for i, c := range all {
			if c.label == "nginx" {
				r.most("p99 beside nginx", r.Rows[0].P99/r.Rows[i].P99, 1, "of nginx's")
			}
		}
	}
	loader := "wrk"
	if _, err := exec.LookPath(loader); err != nil {
		loader = "this program, which is slower than wrk (Debian: apt-get install wrk)"
	}
	r.note("%d bytes of %s; rates: %s, %d connections, as fast as answered; p50 and p99: vegeta, %d arrivals a second from %d loopback addresses; medians of %d rounds in turns",
		len(bytesOf.body), bytesOf.header.Get("Content-Encoding"), loader, hitConnections, hitRate, sources, b.Rounds)
	return nil
}

// measure takes one turn.
func (c *contender) measure(ctx context.Context, d time.Duration, host, path string) error {
	before := c.cpu()
	s, err := wrk(ctx, loadCPU, hitConnections, d, c.addr, host, path)
	if errors.Is(err, exec.ErrNotFound) {
		err = pinned(loadCPU, func() (err error) {
			s, err = closed(ctx, hitConnections, d, func(ctx context.Context, _ int, _ int64) error {
				a, err := fetch(ctx, c.addr, host, path)
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("%s answers %d", path, a.status)
				}
				return err
			})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.label, err)
	}
	c.cpus = append(c.cpus, float64((c.cpu()-before).Microseconds())/float64(s.n))
	c.rates, c.p99s = append(c.rates, s.rate), append(c.p99s, s.p99)
	return pinned(loadCPU, func() error {
		s := open(hitRate, d, hitConnections, func() ask { return ask{host: host, path: path} }, c.addr)
		c.fixed50s, c.fixed99s = append(c.fixed50s, s.p50), append(c.fixed99s, s.p99)
		c.bad += s.bad
		return nil
	})
}

func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// firstProduct finds a product's page in a shop's list of products.
func firstProduct(ctx context.Context, addr, host string) (string, error) {
	list, err := products(ctx, addr, host)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", fmt.Errorf("%s has no products", host)
	}
	return "/products/" + list[0].Handle, nil
}

// startNginx serves an answer's bytes from a file, with all of its headers.
func startNginx(ctx context.Context, dir string, a answer, tlsAddr string, pair pair) (*contender, error) {
	name, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: apt-get install nginx-light)", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "nginx")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	var headers strings.Builder
	for k, v := range a.header {
		if slices.Contains([]string{"Date", "Content-Length", "Content-Type", "Connection", "Age"}, k) {
			continue
		}
		fmt.Fprintf(&headers, "add_header %s \"%s\";\n", k, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v[0]))
	}
	conf := fmt.Sprintf(`daemon off;
worker_processes 1;
user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 100000000;
	open_file_cache max=100 inactive=1h;
	open_file_cache_valid 1h;
	etag off;
	if_modified_since off;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s backlog=4096;
		listen %[5]s ssl http2 backlog=4096;
		ssl_certificate %[6]s;
		ssl_certificate_key %[7]s;
		location / {
			root %[1]s;
			try_files /page =404;
			default_type "%[3]s";
			%[4]s
		}
	}
}
`, root, addr, a.header.Get("Content-Type"), headers.String(), tlsAddr, pair.cert, pair.key)
	file := filepath.Join(root, "nginx.conf")
	if err := errors.Join(os.WriteFile(filepath.Join(root, "page"), a.body, 0o644), os.WriteFile(file, []byte(conf), 0o644)); err != nil {
		return nil, err
	}
	p, err := start(ctx, serverCPU, nil, name, "-p", root, "-c", file, "-e", filepath.Join(root, "error.log"))
	if err != nil {
		return nil, err
	}
	return &contender{label: "nginx", process: p, addr: addr}, nil
}

// startVarnish serves what another server sends, from memory.
func startVarnish(ctx context.Context, dir, behind string) (*contender, error) {
	name, err := exec.LookPath("varnishd")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: apt-get install varnish)", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "varnish")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(behind, ":")
	vcl := fmt.Sprintf(`vcl 4.1;
backend default { .host = "%s"; .port = "%s"; }
sub vcl_backend_response { set beresp.ttl = 1h; set beresp.uncacheable = false; return (deliver); }
`, host, port)
	file := filepath.Join(root, "haat.vcl")
	if err := os.WriteFile(file, []byte(vcl), 0o644); err != nil {
		return nil, err
	}
	// http_gzip_support off: the backend compresses, and Varnish keeps the
	// browser's Accept-Encoding as it is.
	p, err := start(ctx, serverCPU, nil, name, "-F", "-j", "none", "-n", filepath.Join(root, "work"), "-a", addr, "-f", file,
		"-s", "malloc,64m", "-p", "http_gzip_support=off")
	if err != nil {
		return nil, err
	}
	return &contender{label: "Varnish", process: p, addr: addr}, nil
}
