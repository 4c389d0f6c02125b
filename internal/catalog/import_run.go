package catalog

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
)

// ImporterConfig is what an Importer stands on.
type ImporterConfig struct {
	Rooms   func(context.Context, id.Shop) (*fleet.Room, error)
	Across  func(context.Context, *db.AcrossSQL, ...any) ([]db.Count, error)
	Dir     string // of uploaded files
	Place   string // whose files these are: of the processes that share the shards, or empty
	Fetch   func(ctx context.Context, shop id.Shop, url string) (media.Image, error)
	Lasting func(error) bool         // a failure to fetch that trying again cannot mend; nil: none is
	ShopURL func(slug string) string // a shop's origin, under which its pictures are served
	Room    func() error             // why no more files can be taken, if so; nil: there is always room
	Log     *slog.Logger

	MaxFile    int64                           // bytes of a file; 0: 512 MB
	Now        func() time.Time                // nil: the clock
	ImagePause func(attempt int) time.Duration // before an image is fetched again; nil: 10 s, then six times as long each time
	ShopPause  func(attempt int) time.Duration // before a shop that failed is worked on again; nil: 1 s, twice as long each time, a minute at most
}

// Importer takes files in and works through them, a few products a
// transaction that also notes how far it is, so that an import goes on where
// it stopped, whatever stopped it. Images are fetched beside that.
type Importer struct {
	ImporterConfig
	files  *os.Root
	rows   *desk
	images *desk

	removing sync.RWMutex // held to remove a file

	mu      sync.Mutex
	flying  map[dueKey]bool // images that are being fetched
	keeping map[string]bool // files that this program took in and has not begun with
}

const (
	rowSlots    = 4 // imports at once, of as many shops
	imageSlots  = 6 // images at once,
	imageShare  = 3 // of one shop at most
	giveUpAfter = 8 // failures without progress, none of them a Busy
	sweepEvery  = 10 * time.Minute
	lookEvery   = 2 * time.Second
)

// NewImporter opens the folder of uploaded files.
func NewImporter(c ImporterConfig) (*Importer, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	if c.MaxFile == 0 {
		c.MaxFile = maxFile
	}
	if c.Lasting == nil {
		c.Lasting = func(error) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ImagePause == nil {
		c.ImagePause = imagePause
	}
	if c.ShopPause == nil {
		c.ShopPause = shopPause
	}
	m := &Importer{ImporterConfig: c, files: root, flying: map[dueKey]bool{}, keeping: map[string]bool{}}
	m.rows = newDesk("imports", rowSlots, 1, m.waitingImports, m.workShop)
	m.images = newDesk("images of imports", imageSlots, imageShare, m.waitingImages, m.workImage)
	return m, nil
}

// Close lets go of the folder.
func (m *Importer) Close() error { return m.files.Close() }

// Work goes through the imports whose files are here, until ctx ends: those
// that an earlier run left, and new ones as they come. One shop does not wait
// for another, nor for images.
func (m *Importer) Work(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { m.serve(ctx, m.rows) })
	both.Go(func() { m.sweepAlways(ctx) })
	both.Wait()
}

// WorkImages fetches the images of all imports until ctx ends. Of the processes
// that serve a fleet one at a time should do it.
func (m *Importer) WorkImages(ctx context.Context) { m.serve(ctx, m.images) }

func (m *Importer) sweepAlways(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := m.Sweep(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("uploaded files wait to be swept", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// imagePause is 10 s, 1 min, 6 min, 36 min, each give or take a third.
func imagePause(attempt int) time.Duration {
	pause := 10 * time.Second
	for range attempt - 1 {
		pause *= 6
	}
	return pause*2/3 + rand.N(pause*2/3)
}

func shopPause(attempt int) time.Duration { return min(time.Second<<min(attempt-1, 6), time.Minute) }

// desk serves shops from a few slots. A shop never has more than its share of
// them, and of those that wait, the one that has the fewest runs next. One
// that fails rests for longer and longer; the others go on.
type desk struct {
	what         string
	slots, share int
	waiting      func(context.Context) ([]db.Count, error)         // shops, and how much waits
	work         func(context.Context, id.Shop, int) (bool, error) // one piece; how often it failed before; whether it came further

	wake  chan struct{}
	busy  map[id.Shop]int
	taken int
	rests map[id.Shop]rest // what it fails in; written and read elsewhere under Importer.mu
}

type rest struct {
	failed int
	until  time.Time
	since  time.Time // of the first failure in a row
	err    error     // the last
}

func newDesk(what string, slots, share int, waiting func(context.Context) ([]db.Count, error), work func(context.Context, id.Shop, int) (bool, error)) *desk {
	return &desk{what: what, slots: slots, share: share, waiting: waiting, work: work,
		wake: make(chan struct{}, 1), busy: map[id.Shop]int{}, rests: map[id.Shop]rest{}}
}

func (d *desk) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// next picks the shop to serve of those that wait; false if none may be.
func (d *desk) next(waiting map[id.Shop]int64, now time.Time) (pick id.Shop, ok bool) {
	if d.taken >= d.slots {
		return pick, false
	}
	for s, n := range waiting {
		if n <= 0 || d.busy[s] >= d.share || now.Before(d.rests[s].until) {
			continue
		}
		if !ok || d.busy[s] < d.busy[pick] {
			pick, ok = s, true
		}
	}
	return pick, ok
}

type outcome struct {
	shop    id.Shop
	further bool
	err     error
}

func (m *Importer) serve(ctx context.Context, d *desk) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	done := make(chan outcome)
	var waiting map[id.Shop]int64
	for look := true; ; {
		if look && ctx.Err() == nil {
			counts, err := d.waiting(ctx)
			if err != nil && ctx.Err() == nil {
				m.Log.Error("work waits to be tried again", "what", d.what, "err", err)
			}
			waiting = make(map[id.Shop]int64, len(counts))
			for _, c := range counts {
				waiting[c.Shop] = c.N - int64(d.busy[c.Shop])
			}
		}
		for ctx.Err() == nil {
			s, ok := d.next(waiting, m.Now())
			if !ok {
				break
			}
			waiting[s]--
			d.busy[s]++
			d.taken++
			failed := d.rests[s].failed
			go func() {
				further, err := d.work(ctx, s, failed)
				done <- outcome{s, further, err}
			}()
		}
		if ctx.Err() != nil && d.taken == 0 {
			return
		}
		look = true
		select {
		case o := <-done:
			m.settle(ctx, d, o)
			// With much waiting, one look is for many pieces.
			look = waiting[o.shop] <= 0
		case <-ended(ctx, d.taken):
		case <-d.wake:
		case <-tick.C:
		}
	}
}

// ended is ctx's end, or nothing while pieces are under way that must be
// waited for.
func ended(ctx context.Context, taken int) <-chan struct{} {
	if ctx.Err() != nil && taken > 0 {
		return nil
	}
	return ctx.Done()
}

// settle takes note of how a piece of work went.
func (m *Importer) settle(ctx context.Context, d *desk, o outcome) {
	d.taken--
	if d.busy[o.shop]--; d.busy[o.shop] == 0 {
		delete(d.busy, o.shop)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.err == nil || ctx.Err() != nil {
		delete(d.rests, o.shop)
		return
	}
	if errors.Is(o.err, errIdle) {
		d.rests[o.shop] = rest{until: m.Now().Add(lookEvery)}
		return
	}
	r := d.rests[o.shop]
	if o.further {
		r.failed = 0
	}
	if r.failed++; r.failed == 1 {
		r.since = m.Now()
	}
	pause := m.ShopPause(r.failed)
	r.until, r.err = m.Now().Add(pause), o.err
	d.rests[o.shop] = r
	m.Log.Error("work waits to be tried again", "what", d.what, "shop", o.shop, "in", pause, "err", o.err)
}

// errIdle says that what waited was not there after all.
var errIdle = errors.New("nothing to do")

// Failing is a shop whose imports, or whose images, fail.
type Failing struct {
	What     string // "imports" or "images of imports"
	Shop     id.Shop
	Failures int // in a row
	Since    time.Time
	Err      error // the last
}

// forgotten is how long after its time a shop that failed is said to fail, if
// it was not worked on again: its import may be gone.
const forgotten = 5 * time.Minute

// Failing lists the shops in which work fails.
func (m *Importer) Failing() (all []Failing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range []*desk{m.rows, m.images} {
		for shop, r := range d.rests {
			if r.failed > 0 && m.Now().Sub(r.until) < forgotten {
				all = append(all, Failing{d.what, shop, r.failed, r.since, r.err})
			}
		}
	}
	return all
}
