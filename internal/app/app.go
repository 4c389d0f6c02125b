package app

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/api"
	"haat/internal/backup"
	"haat/internal/cache"
	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/edge"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/hook"
	"haat/internal/hook/post"
	"haat/internal/insight"
	"haat/internal/media"
	"haat/internal/media/draw"
	"haat/internal/media/fetch"
	"haat/internal/meter"
	"haat/internal/move"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/pay"
	"haat/internal/search"
	"haat/internal/shop"
	"haat/internal/stock"
	"haat/internal/web"
)

// Version is the program's version.
const Version = "0.1.0"

// App is the whole program, opened and not yet serving.
type App struct {
	cfg     Config
	log     *slog.Logger
	started time.Time

	lock     *os.File
	control  *db.Control
	member   *fleet.Member
	fleet    *fleet.Fleet
	books    *books
	mover    *move.Mover
	bus      *event.Bus
	carrier  event.Carrier // brings events to the bus
	kafka    *event.Kafka  // the carrier, with --kafka
	feed     *event.Feed
	store    media.Store // where pictures are
	disk     *media.Disk // the data folder's own media/
	pictures *media.Library
	pages    *edge.Pages
	second   *cache.Second // with --redis
	sampler  *cache.Sampler
	fetcher  *fetch.Fetcher
	meter    *meter.Meter
	accounts *shop.Accounts
	office   *shop.Office
	desk     *customer.Desk
	post     *notify.Post
	caller   *post.Client // of webhooks
	hooks    *hook.Sender
	finder   *search.Finder
	visits   insight.Visits
	outbox   *notify.Outbox // with --dev
	cookies  *web.Cookies
	door     *api.Door
	registry *op.Registry
	importer *catalog.Importer
	ops      *OpsToken
	opsMade  string // the operator's token, at the start that made it

	incidents *meter.Incidents
	watchers  []*watcher
	sweeps    []*sweep
	jobs      sync.Map    // by name: the meter.Sighting of what failed when it ran last
	lowOnDisk atomic.Bool // what is free was found too little
	losses    losses

	backingUp  sync.Mutex
	rebuilding sync.Mutex                       // of searches
	unwritten  sync.Map                         // by shop: its searches are being written anew
	crowd      atomic.Pointer[crowd]            // the public address's connections, once served
	cert       atomic.Pointer[edge.Certificate] // that is shown over TLS, once served

	idleSince map[string]time.Time       // shards whose events nobody carries; by watchProcesses
	owner     string                     // the process whose files some shards are, if it is another
	elsewhere map[string]bool            // those shards
	passKey   []byte                     // what one process passes on to another is signed with it
	draining  atomic.Bool                // soon no more requests will be taken
	stopping  chan struct{}              // closed when live streams must end
	ended     chan error                 // why this process is to end by itself
	hanging   atomic.Pointer[time.Timer] // ends it if it does not
	exit      func(int)
	workers   sync.WaitGroup
	ctx       context.Context // of the workers
	cancel    context.CancelFunc
}

// Schemas lists what the rooms keep on shards.
func Schemas() []*db.SchemaSet {
	return []*db.SchemaSet{
		event.Schema, op.Schema, shop.Schema, customer.Schema, stock.Schema, media.Schema, catalog.Schema,
		pay.Schema, order.Schema, search.Schema, insight.Schema, hook.Schema, notify.Schema,
	}
}

// ControlSchemas lists what the rooms keep in the control database.
func ControlSchemas() []*db.SchemaSet {
	return []*db.SchemaSet{fleet.Schema, op.ControlSchema, shop.ControlSchema, move.Schema}
}

// Open opens everything under the data folder and starts the workers. What it
// opened so far is closed again when it fails.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (a *App, err error) {
	if err := cfg.Finish(); err != nil {
		return nil, err
	}
	a = &App{cfg: cfg, log: log, started: time.Now(), meter: meter.New(), stopping: make(chan struct{}), ended: make(chan error, 1), exit: os.Exit}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.ctx = ctx
	share := cfg.Divide()
	share.limitRuntime()
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
			a = nil
		}
	}()
	if a.lock, err = lockData(cfg.Data); err != nil {
		return a, err
	}
	if err = backup.Unfinished(cfg.Data); err != nil {
		return a, err
	}
	if err = a.openIncidents(); err != nil {
		return a, err
	}
	key, err := secretKey(cfg.Data)
	if err != nil {
		return a, err
	}
	if a.ops, a.opsMade, err = opsToken(cfg.Data); err != nil {
		return a, err
	}
	name, err := processID(cfg.Data)
	if err != nil {
		return a, err
	}
	if a.control, err = db.OpenControl(ctx, cmp.Or(cfg.Control, filepath.Join(cfg.Data, "control.db")), share.sqlite(), ControlSchemas()); err != nil {
		return a, err
	}
	if key, err = agreedKey(ctx, a.control, key, log); err != nil {
		return a, err
	}
	if a.passKey, err = hkdf.Key(sha256.New, key, nil, "passed on", sha256.Size); err != nil {
		return a, err
	}
	if a.opsMade, err = a.ops.agree(ctx, a.control, cfg.Data, name, a.opsMade); err != nil {
		return a, err
	}
	if err = a.findOwner(ctx, name); err != nil {
		return a, err
	}
	if err = a.join(ctx, name); err != nil {
		return a, err
	}
	a.fleet, err = fleet.OpenFleet(ctx, fleet.Config{
		Control: a.control, SQLite: share.sqlite(), Cached: share.Shops, Dir: filepath.Join(cfg.Data, "shards"), Shards: cfg.Shards, FirstShard: cfg.FirstShard, Schemas: Schemas(), Domain: cfg.Domain(), Key: key, Log: log, NoBudgets: !cfg.Budgets, Elsewhere: a.elsewhere,
	})
	if err != nil {
		return a, err
	}
	if err = a.openMedia(ctx); err != nil {
		return a, err
	}
	a.pictures = media.NewLibrary(a.store, 2)
	a.pictures.Within(share.Pictures)
	a.pictures.While(a.uploads)
	a.pictures.Draw(media.Drawing{ByHash: draw.ByHash, Has: a.hasPicture, Keep: a.disk})
	a.fetcher = fetch.New(fetch.Options{})
	inside, err := cfg.inside()
	if err != nil {
		return a, err
	}
	a.caller = post.New(post.Options{Outside: guard.Outside{Inside: inside}})
	a.hooks = hook.NewSender(a.caller.Send, log)
	catalog.KeepLists(share.Lists)
	a.finder = search.NewFinder(search.Options{Bytes: share.Search, Log: log, Unwritten: a.writeSearch})
	if err = a.openSecond(key); err != nil {
		return a, err
	}
	a.sampler = a.newSampler(cache.SamplerOptions{})
	a.pages = edge.New(a.fleet, edge.Options{Bytes: share.Pages, Second: a.second, Sample: a.sampler, SharedFor: cfg.SharedFor, Fixed: web.SafeHeaders(cfg.strict())})
	a.mover = move.New(move.Config{Fleet: a.fleet, Log: log, Files: func(ctx context.Context) error { return a.reached(ctx, "/to") }})
	a.books = newBooks(a.fleet, log)
	a.fleet.OnCommit(a.books.wrote)
	a.fleet.OnLoss(a.lost)
	a.bus = event.NewBus(a.fleet, log)
	a.bus.Leased()
	if err = a.openCarrier(ctx); err != nil {
		return a, err
	}
	a.feed = a.hear()
	a.bus.Seats(cfg.MaxStreams, share.Streams)
	if err := a.openRooms(key); err != nil {
		return a, err
	}
	a.gauges()
	a.bus.Start(ctx)
	a.workers.Go(func() { a.member.Keep(ctx) })
	a.workers.Go(func() { a.feed.Run(ctx) })
	a.workers.Go(func() { a.sampler.Run(ctx) })
	if a.second != nil {
		a.workers.Go(func() { a.second.Run(ctx) })
	}
	if a.cfg.does(roleRelay) {
		a.workers.Go(func() { a.relay(ctx) })
		a.workers.Go(func() { a.carrier.Run(ctx) })
		a.workers.Go(func() { a.carrier.Watch(ctx) })
		if a.kafka != nil {
			a.alone(ctx, "canaries of the topic of events", a.kafka.Canary)
		}
	}
	a.sweepers(ctx)
	a.watch(ctx)
	return a, nil
}

// Close ends the workers, lets deliveries finish, and closes what was opened.
func (a *App) Close() error {
	a.cancel()
	a.workers.Wait()
	if a.bus != nil {
		a.bus.Close()
	}
	if a.hooks != nil {
		a.hooks.Close()
	}
	if a.kafka != nil {
		a.kafka.Close()
	}
	var errs []error
	if a.fleet != nil {
		if a.finder != nil {
			a.flushCounts()
		}
		errs = append(errs, a.fleet.Close())
	}
	if a.member != nil {
		a.leave()
	}
	if a.control != nil {
		errs = append(errs, a.control.Close())
	}
	if a.fetcher != nil {
		a.fetcher.Close()
	}
	if a.caller != nil {
		a.caller.Close()
	}
	if a.importer != nil {
		errs = append(errs, a.importer.Close())
	}
	if a.store != nil && a.store != media.Store(a.disk) {
		errs = append(errs, a.store.Close())
	}
	if a.disk != nil {
		errs = append(errs, a.disk.Close())
	}
	if a.incidents != nil {
		if err := a.incidents.Save(); err != nil { // a full disk fails no stop
			a.log.Error("the register of incidents cannot be written", "err", err)
		}
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	if t := a.hanging.Load(); t != nil {
		t.Stop()
	}
	return errors.Join(errs...)
}

// leave takes this process out of the list. If that fails, others find it lost.
func (a *App) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := a.member.Leave(ctx); err != nil {
		a.log.Warn("this process could not be taken out of the list; others will think that it was lost", "err", err)
	}
}

// Serve answers requests until ctx ends. Then it says for a while that it is not
// ready, so that load balancers send no more, and lets those under way finish.
// It calls ready once all addresses are open.
func (a *App) Serve(ctx context.Context, ready func()) error {
	public, ops, err := a.handlers()
	if err != nil {
		return err
	}
	public = a.closing(public)
	cert, err := a.cfg.certificate()
	if err != nil {
		return err
	}
	plain := public
	if cert != nil && a.cfg.TLS.Redirect {
		plain = a.passedOn(public, a.toTLS(public))
	}
	var servers []*http.Server
	failed := make(chan error, 3)
	var front *edge.Front
	for _, s := range []struct {
		addr string
		most int
		h    http.Handler
	}{{a.cfg.Listen, a.cfg.Divide().Connections, plain}, {a.cfg.OpsListen, opsConnections, ops}} {
		srv, l, err := listen(s.addr, s.most, s.h, a.log)
		if err != nil {
			for _, open := range servers {
				open.Close()
			}
			return err
		}
		servers = append(servers, srv)
		var on net.Listener = l
		if s.addr == a.cfg.Listen {
			a.crowd.Store(l)
			if a.cfg.Front && (cert == nil || !a.cfg.TLS.Redirect) {
				front = edge.NewFront(l, a.pages, edge.FrontOptions{State: l.state, Routes: a.cfg.Divide().Routes, Observe: a.meter.Surface("front")})
				on = front
			}
		}
		go func() { failed <- srv.Serve(on) }()
	}
	if cert != nil {
		a.cert.Store(cert)
		srv, err := a.serveTLS(public, failed)
		if err != nil {
			for _, open := range servers {
				open.Close()
			}
			return err
		}
		servers = append(servers, srv)
	}
	ready()
	startDone()
	select {
	case err = <-failed:
	case err = <-a.ended:
		a.log.Error("this process ends, to be started again", "why", err)
		a.drain(front, failed)
	case <-ctx.Done():
		a.drain(front, failed)
	}
	close(a.stopping)
	wait, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, s := range servers {
		if e := s.Shutdown(wait); e != nil {
			err = errors.Join(err, fmt.Errorf("requests were cut off: %w", e), s.Close())
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}
