package drill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

var nginx = need{"nginx", []string{"/usr/sbin/nginx", "nginx"}, "nginx-light"}

var nodeDies = drill{
	id: "F-20", fault: "one of three processes behind nginx is killed, and every failed request counted",
	without: "nginx knows only the process that is killed",
	needs:   []need{postgres, nginx},
	run:     func(ctx context.Context, r *run) error { return oneOfThree(ctx, r, 150, false) },
}

// viral is the same drill: one shop's pages are what most ask for.
var viral = drill{
	id: "F-3", fault: "a link goes viral and a process is killed under it, then the load balancer",
	without: "nginx knows only the process that is killed",
	needs:   []need{postgres, nginx},
	run:     func(ctx context.Context, r *run) error { return oneOfThree(ctx, r, 400, true) },
}

// placeRate is how many order a second.
const placeRate = 25

// balance starts nginx before processes. It tries another process when one
// cannot be reached, and sends nothing twice that may have been done.
func (r *run) balance(ctx context.Context, to ...*server) (*balancer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	var upstream strings.Builder
	for _, s := range to {
		fmt.Fprintf(&upstream, "    server %s max_fails=1 fail_timeout=2s;\n", s.addr)
	}
	conf := filepath.Join(r.dir, "nginx.conf")
	as := ""
	if os.Getuid() == 0 {
		as = "user root;\n" // the folder is ours alone
	}
	err = os.WriteFile(conf, fmt.Appendf(nil, `daemon off;
%[4]sworker_processes 1;
error_log stderr crit;
pid %[1]s/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  upstream haat {
%[2]s    keepalive 64;
  }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://haat;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 1s;
      proxy_next_upstream error timeout;
    }
  }
}
`, r.dir, upstream.String(), addr, as), 0o600)
	if err != nil {
		return nil, err
	}
	program := "/usr/sbin/nginx"
	if _, err := os.Stat(program); err != nil {
		program = "nginx"
	}
	p := &balancer{r: r, addr: addr, args: []string{program, "-p", r.dir, "-c", conf}}
	return p, p.begin(ctx)
}

// balancer is nginx.
type balancer struct {
	*process
	r    *run
	addr string
	args []string
}

func (b *balancer) begin(ctx context.Context) (err error) {
	if b.process, err = b.r.start(nil, b.args[0], b.args[1:]...); err != nil {
		return err
	}
	return b.ready(ctx, b.addr, "/healthz")
}

// died ends nginx as when its machine dies: its workers too.
func (b *balancer) died() {
	_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	<-b.ended
}

// oneOfThree kills one of three processes under load and, if it is to, the
// balancer before them.
func oneOfThree(ctx context.Context, r *run, pageRate int, balancer bool) error {
	r.Injected = fmt.Sprintf("kill -9 of one of three processes behind nginx on PostgreSQL, %d pages and %d orders a second", pageRate, placeRate)
	if balancer {
		r.Injected += "; then kill -9 of nginx"
	}
	_, flags, err := r.fleet()
	if err != nil {
		return err
	}
	var three []*server
	for _, name := range []string{"a", "b", "c"} {
		s, err := r.serve(ctx, name, flags...)
		if err != nil {
			return err
		}
		three = append(three, s)
	}
	token, victim, other := three[0].token, three[1], three[2]
	behind := three
	if r.without {
		behind = three[1:2]
	}
	front, err := r.balance(ctx, behind...)
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, other.addr, "North Goods", plenty)
	if err != nil {
		return err
	}
	if err := other.quiet(ctx, token); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("Shopper %d", n) }
	pages := arrive(ctx, pageRate, func(ctx context.Context, n int) error {
		status, _, err := get(ctx, front.addr, shop.host, "/products/"+shop.handle)
		if err == nil && status != 200 {
			err = &refused{status: status}
		}
		return err
	})
	// Each attempt at an order counts by itself, whatever comes of the order.
	var mu sync.Mutex
	var attempts []fate
	shoppers := arrive(ctx, placeRate, func(ctx context.Context, n int) error {
		return again(ctx, func() error {
			begun := time.Now()
			_, err := shop.order(front.addr, name(n), "cod").do(ctx, nil)
			mu.Lock()
			attempts = append(attempts, fate{n, begun, time.Since(begun), err})
			mu.Unlock()
			return err
		})
	})
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	r.say("one process is killed")
	fault := time.Now()
	victim.kill()
	gone := time.Now()
	if err := r.named(ctx, other, token, "process-lost", "It was seen", fault); err != nil {
		return err
	}
	r.say("it is started again")
	if err := victim.begin(ctx); err != nil {
		return err
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	end := time.Now()
	var away time.Duration
	if balancer {
		r.say("nginx is killed, and started again")
		front.died()
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		if err := front.begin(ctx); err != nil {
			return err
		}
		away = time.Since(end)
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
	seen, placed := pages.end(), shoppers.end()
	orders, err := shop.orders(ctx, other.addr)
	if err != nil {
		return err
	}
	acknowledged, lost, doubled := compare(placed, name, orders)
	// Those in flight had come before the process was gone.
	asked := between(append(slices.Clone(seen), attempts...), time.Time{}, end)
	in, after := failed(between(asked, time.Time{}, gone)), failed(between(asked, gone, end))
	for _, why := range reasons(after) {
		r.say("%s", why)
	}
	r.saw(len(after) == 0, "of %d requests, %d in flight failed and %d that came later", len(asked), len(in), len(after))
	r.saw(lost == 0 && doubled == 0, "%d of %d acknowledged orders lost, %d doubled", lost, acknowledged, doubled)
	gaveUp := failed(placed)
	for _, why := range reasons(gaveUp) {
		r.say("%s", why)
	}
	r.saw(len(gaveUp) == 0, "%d shoppers gave up", len(gaveUp))
	r.saw(true, "p99 of pages %v", round(slow(seen, 0.99)))
	if balancer {
		r.saw(true, "without nginx for %v, which failed %d requests", round(away), len(failed(seen))+len(failed(attempts))-len(in)-len(after))
	}
	return nil
}
