package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/op"
	"haat/internal/web"
)

// A shard that is a file is opened by one process, the one in whose data folder
// it is: its owner. The others serve the shops that they reach, those on
// PostgreSQL, and pass on what is for the others, or for the platform, to the
// owner, who reaches all. They do no work of the background.

// findOwner looks which shards are files in another process's data folder, and
// which process that is. There may be one such beside processes of no files.
func (a *App) findOwner(ctx context.Context, self string) error {
	all, err := fleet.Listings(ctx, a.control)
	if err != nil {
		return err
	}
	for i := 1; len(all) == 0 && a.cfg.FirstShard == "" && i <= a.cfg.Shards; i++ {
		all = append(all, fleet.Listing{Name: fmt.Sprintf("s%d", i), DSN: fmt.Sprintf("s%d.db", i)})
	}
	processes, err := fleet.Processes(ctx, a.control, a.cfg.Lease)
	if err != nil {
		return err
	}
	serves := map[string]fleet.Process{}
	for _, p := range processes {
		if !p.Lost && fleet.IsPostgres(a.cfg.Control) { // one in the data folder is of whoever has that
			serves[p.ID] = p
		}
	}
	a.elsewhere = map[string]bool{}
	own := ""
	for _, l := range all {
		if fleet.IsPostgres(l.DSN) {
			continue
		}
		path := l.DSN
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.cfg.Data, "shards", path)
		}
		_, missing := os.Stat(path)
		home, err := fleet.AgreeOn(ctx, a.control, "home of shard "+l.Name, []byte(self))
		if err != nil {
			return err
		}
		if p, there := serves[string(home)]; missing == nil && there && p.ID != self {
			return fmt.Errorf("shard %s is the file %s of process %s on %s, which serves; %s is another of that name: take it away, or start without --control", l.Name, l.DSN, p.ID, p.Host, path)
		}
		if missing == nil || string(home) == self { // a folder that was put back has another name
			own = l.Name
			continue
		}
		if a.owner != "" && a.owner != string(home) {
			return fmt.Errorf("shard %s is a file of process %s, and others are files of process %s: move the shops of one of them to PostgreSQL first", l.Name, home, a.owner)
		}
		a.owner, a.elsewhere[l.Name] = string(home), true
	}
	if a.owner == "" {
		return nil
	}
	if own != "" {
		return fmt.Errorf("shard %s is a file here, and others are files of process %s: move the shops of one of them to PostgreSQL first", own, a.owner)
	}
	if p, there := serves[a.owner]; there && p.Address == "" {
		return fmt.Errorf("there are shards that are files in the data folder of process %s on %s, which others cannot reach: start it with --advertise host:port", p.ID, p.Host)
	}
	var roles []string
	for role := range strings.SplitSeq(a.cfg.Roles, ",") {
		if role != roleWorker && role != roleRelay {
			roles = append(roles, role)
		}
	}
	if a.cfg.Roles = strings.Join(roles, ","); len(roles) == 0 {
		return fmt.Errorf("shards are files in the data folder of process %s, which does all work of the background: start this one with --roles web,api", a.owner)
	}
	a.log.Info("some shops live in files of another process: what is for them is passed on to it, and it does all work of the background", "process", a.owner)
	return nil
}

const (
	passedOnHeader = "Haat-Passed-On" // who asks, signed by the process that was asked
	passedOnFor    = time.Minute      // clocks may differ by so much
	ownerSeen      = time.Second      // for so long the owner is taken to be where it was
)

// passing sends requests to the owner of shards that are files.
type passing struct {
	app     *App
	key     []byte
	slots   chan struct{} // one for each request under way
	streams chan struct{} // one for each live screen, which stays for long
	proxy   httputil.ReverseProxy

	mu      sync.Mutex
	address string // empty while the owner is away
	looked  time.Time
}

func (a *App) newPassing() *passing {
	share := a.cfg.Divide()
	p := &passing{app: a, key: a.passKey, slots: make(chan struct{}, max(share.Connections/4, 16)), streams: make(chan struct{}, share.Streams)}
	p.proxy = httputil.ReverseProxy{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: r.In.Context().Value(passedTo{}).(string)})
			r.Out.Host = r.In.Host
			ip := a.door.IP(r.In)
			r.Out.Header.Set("X-Forwarded-For", ip)
			r.Out.Header.Set(passedOnHeader, signPassed(p.key, ip, time.Now()))
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // who asked has gone
			}
			p.refuse(w, err)
		},
	}
	return p
}

type passedTo struct{}

// refuse says that the owner does not answer.
func (p *passing) refuse(w http.ResponseWriter, why error) {
	f := fault.Busy(5*time.Second, "This cannot be reached just now. Try again in a moment.").With("shard-closed").Because(fmt.Errorf("pass a request on to process %s: %w", p.app.owner, why))
	op.ProblemOf(f, p.app.log, "owner").Write(w)
}

// Handler passes on what this process cannot answer.
func (p *passing) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.Header.Get(passedOnHeader) != "" || !p.app.isElsewhere(r) {
			next.ServeHTTP(w, r)
			return
		}
		to := p.owner(r.Context())
		if to == "" {
			next.ServeHTTP(w, r) // which answers for what is on PostgreSQL, and says of the rest that it is away
			return
		}
		stream := strings.Contains(r.Header.Get("Accept"), "text/event-stream")
		slots := p.slots
		if stream {
			slots = p.streams
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			p.refuse(w, errors.New("too many are under way"))
			return
		}
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), passedTo{}, to))
		defer cancel()
		go func() {
			select {
			case <-p.app.stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		limit := answerTime
		if larger(r) > 0 {
			limit = uploadTime
		}
		if !stream {
			c := http.NewResponseController(w)
			_ = c.SetReadDeadline(time.Now().Add(limit))
			_ = c.SetWriteDeadline(time.Now().Add(limit))
		}
		p.proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

// isElsewhere tells whether a request is for a shop that lives in another
// process's file, or for the platform, which has all shops.
func (a *App) isElsewhere(r *http.Request) bool {
	if !slices.ContainsFunc(a.fleet.Listed(), func(name string) bool { return a.elsewhere[name] }) {
		return false // they have been removed since
	}
	slug, ok := a.fleet.SlugOfHost(web.Host(r))
	if !ok {
		return true
	}
	e, err := a.fleet.Find(r.Context(), slug)
	return err == nil && a.elsewhere[e.Shard]
}

// owner gives the address of the process that has the files.
func (p *passing) owner(ctx context.Context) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) < ownerSeen {
		return p.address
	}
	ctx, cancel := context.WithTimeout(ctx, ownerSeen)
	defer cancel()
	all, err := p.app.member.Processes(ctx)
	p.looked = time.Now()
	if err != nil {
		return p.address // the control database is away, and the owner may not be
	}
	p.address = ""
	for _, o := range all {
		if o.ID == p.app.owner && !o.Lost {
			p.address = o.Address
		}
	}
	return p.address
}

// signPassed signs for whom a request is passed on.
func signPassed(key []byte, ip string, at time.Time) string {
	text := ip + " " + strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + " " + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// readPassed gives for whom a request was passed on by a process of this fleet.
func readPassed(key []byte, header string, now time.Time) (ip string, ok bool) {
	f := strings.Split(header, " ")
	if len(f) != 3 || net.ParseIP(f[0]) == nil {
		return "", false
	}
	at, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || now.Sub(time.Unix(at, 0)).Abs() > passedOnFor {
		return "", false
	}
	return f[0], hmac.Equal([]byte(header), []byte(signPassed(key, f[0], time.Unix(at, 0))))
}

// passedOn takes what other processes pass on, for those who asked them, over
// TLS or not: plainly is for everybody else.
func (a *App) passedOn(public, plainly http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Get(passedOnHeader)
		if header == "" {
			plainly.ServeHTTP(w, r)
			return
		}
		ip, ok := readPassed(a.passKey, header, time.Now())
		if !ok {
			r.Header.Del(passedOnHeader)
			plainly.ServeHTTP(w, r)
			return
		}
		r.RemoteAddr = net.JoinHostPort(ip, "0")
		r.Header.Set("X-Forwarded-For", ip)
		public.ServeHTTP(w, r)
	})
}
