// Package fleet knows every shard and which shop lives where.
//
// A [Room] is one shop where it lives now, and the only way to its rows:
// [Room.View] reads, [Room.Change] writes and returns a mark. A Room may be
// kept for as long as a request lasts; when the shop has moved meanwhile, it
// looks the directory up again by itself. [Fleet] stands between shops and is
// for the program's wiring, the mover and the operator.
//
// A shard on PostgreSQL may have replicas: streaming standbys that the control
// database lists. [Fresh] says how fresh a read must be, and [Room.Read] finds
// who can answer it and says so. Whether a replica has seen enough is asked in
// the snapshot that serves the read; whether it is worth asking is known from
// what the background found, never from a look during a request.
//
// The directory is a hint: what decides whether a shop may be written on a
// shard is the fence in its clock, there (see package db). A shop is created
// on its shard first and in the directory second; a sign-up that dies in
// between leaves an orphan, which nobody can reach and [Fleet.SweepOrphans]
// erases.
package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the directory, part of the control database.
var Schema = db.Schema("fleet", schemaFiles)

// Config says where the fleet is and what it holds.
type Config struct {
	Control *db.Control // the control database, with Schema applied
	Dir     string      // folder of the embedded shards
	Shards  int         // embedded shards to make when there are none; 0 means 1
	// FirstShard is the PostgreSQL address of the first shard, made instead
	// of embedded ones when there are no shards yet.
	FirstShard string
	Schemas    []*db.SchemaSet // of every room that keeps rows on shards
	SQLite     db.SQLiteOptions
	Cached     int    // entries of the directory kept in memory; 0 means 100,000
	Domain     string // shops are <slug>.<Domain>, without port
	Key        []byte // marks for clients are signed with it; nil: one of this process
	Log        *slog.Logger
	// NoBudgets lets a shop take as much of a shard as it can, whoever waits.
	NoBudgets bool
	// Elsewhere are shards that are files of another process: they are listed,
	// and not opened here.
	Elsewhere map[string]bool
}

// Fleet is all shards and the directory.
type Fleet struct {
	cfg     Config
	control *db.Control
	domain  string
	log     *slog.Logger
	shards  atomic.Pointer[shards]
	bySlug  *otter.Cache[string, Entry]
	byID    *otter.Cache[id.Shop, Entry]
	woken   []func(Commit)
	told    []func(Commit)
	changed []func(id.Shop)
	lost    []func(Loss)
	known   known
	markKey []byte
	page    int // shops that are looked at in one go
	swept   sweptTo
	held    holds
	counted struct {
		sync.Mutex
		census // of shops so old that none joins or leaves them
	}

	reloading  sync.Mutex
	renewing   sync.Map // of names of shards: *sync.Mutex
	anyPrimary bool     // in the test that shows what happens then
	renewed    []func(shard string)
	identities map[string]string // the open shard, by what its database is
	keeping    sync.Mutex        // changes of the list of shards by this process

	placing sync.Mutex
	placed  *otter.Cache[id.Shop, string] // the shards that new shops were put on
	since   *shards                       // the list whose numbers added adds to
	added   map[string]int64
}

// Entry is a row of the directory.
type Entry struct {
	Shop    id.Shop
	Slug    string
	Name    string
	Shard   string
	Epoch   int64
	State   string // open or suspended
	Created time.Time
}

const (
	Open      = "open"
	Suspended = "suspended"
)

var (
	entryColumns = `id, slug, name, shard, epoch, state, created_at`
	entryBySlug  = db.C(`SELECT ` + entryColumns + ` FROM shop WHERE slug = $1`)
	entryByID    = db.C(`SELECT ` + entryColumns + ` FROM shop WHERE id = $1`)
	addEntry     = db.C(`INSERT INTO shop (` + entryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	setState     = db.C(`UPDATE shop SET state = $2 WHERE id = $1`)
	setName      = db.C(`UPDATE shop SET name = $2 WHERE id = $1`)
	listEntries  = db.C(`
		SELECT ` + entryColumns + ` FROM shop
		WHERE id < CAST($1 AS BIGINT) AND (CAST($2 AS TEXT) = '' OR slug >= $2 AND slug < $3 OR LOWER(name) LIKE '%' || $2 || '%')
		ORDER BY id DESC LIMIT $4`)
	countEntries = db.C(`
		SELECT COUNT(*), COALESCE(MAX(id), 0)
		FROM (SELECT id FROM shop WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3) AS page`)
	clocksOf = db.Across(`SELECT shop, n FROM shop_clock WHERE shop > $1 AND shop < $2 ORDER BY shop LIMIT $3`)
)

func scanEntry(e *Entry) []any {
	return []any{(*int64)(&e.Shop), &e.Slug, &e.Name, &e.Shard, &e.Epoch, &e.State, &e.Created}
}

// OpenFleet opens every shard of the directory, making the first embedded
// ones if there are none. One that cannot be reached is opened later, by
// Reload, as long as another is open; anything else that is wrong with one is
// an error.
func OpenFleet(ctx context.Context, c Config) (*Fleet, error) {
	f := &Fleet{cfg: c, control: c.Control, domain: strings.ToLower(c.Domain), log: c.Log, page: 1000, identities: map[string]string{}}
	f.bySlug = otter.Must(&otter.Options[string, Entry]{MaximumSize: cmp.Or(c.Cached, 100_000), ExpiryCalculator: otter.ExpiryWriting[string, Entry](time.Minute)})
	f.byID = otter.Must(&otter.Options[id.Shop, Entry]{MaximumSize: cmp.Or(c.Cached, 100_000), ExpiryCalculator: otter.ExpiryWriting[id.Shop, Entry](time.Minute)})
	f.placed = otter.Must(&otter.Options[id.Shop, string]{MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[id.Shop, string](settled)})
	f.shards.Store(&shards{})
	if f.markKey = c.Key; f.markKey == nil {
		f.markKey = make([]byte, 32)
		rand.Read(f.markKey)
	}
	if err := f.Reload(ctx); err != nil {
		// One server of several that cannot be reached stops no start.
		away := len(f.ShardNames()) > 0
		for _, why := range f.Closed() {
			away = away && db.Unreachable(why)
		}
		if !away || len(f.Closed()) == 0 {
			return nil, errors.Join(err, f.Close())
		}
		f.log.Error("not every shard could be opened; it will be tried again", "err", err)
	}
	return f, nil
}

// Close closes every shard.
func (f *Fleet) Close() error {
	var errs []error
	for _, set := range f.shards.Load().standbys {
		stopAll(set.all, set.pulse)
	}
	for _, s := range f.Shards {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Domain is what follows a shop's slug in its host name.
func (f *Fleet) Domain() string { return f.domain }

// Control is the control database, for rooms that keep rows there.
func (f *Fleet) Control() *db.Control { return f.control }

// Commit is a change that stands: which shop, where its clock stood then, and
// what the change spoils.
type Commit struct {
	Shop  id.Shop
	Shard string // on which it lives
	Mark  db.Mark
	Tags  []string // of the events that it emitted

	Events []db.Outgoing // in order
	First  int64         // the number of the first of them in the shop's outbox
	At     time.Time     // their time

	// Doubt says that nobody knows whether the change stands, since the answer
	// to its COMMIT was lost. Nothing else but Shop says anything then.
	Doubt bool
}

// OnCommit has fn called after every commit that emitted events, before
// [Room.Change] returns: whoever is told that a write was done can rely on fn
// having run. Register before serving.
func (f *Fleet) OnCommit(fn func(Commit)) { f.told = append(f.told, fn) }

// OnEntry has fn called when a shop's row of the directory has changed here.
// Register before serving.
func (f *Fleet) OnEntry(fn func(id.Shop)) { f.changed = append(f.changed, fn) }

// OnWrite has fn called after a commit that emitted events or may have, once
// everybody who registered with OnCommit was told. Register before serving.
func (f *Fleet) OnWrite(fn func(Commit)) { f.woken = append(f.woken, fn) }

func (f *Fleet) tell(c Commit) {
	if !c.Doubt && len(f.shards.Load().standbys) > 0 {
		f.known.note(c.Mark)
	}
	for _, fn := range f.told {
		fn(c)
	}
	for _, fn := range f.woken {
		fn(c)
	}
}

// Wake tells whoever follows the outbox that the shop may have news.
func (f *Fleet) Wake(shop id.Shop, shard string) {
	for _, fn := range f.woken {
		fn(Commit{Shop: shop, Shard: shard, Doubt: true})
	}
}

// Replicated reports whether shops of a shard may be read from replicas: then
// whoever reads must know of every commit, or may read what was before it.
func (f *Fleet) Replicated(shard string) bool { return f.shards.Load().standbys[shard] != nil }

// Heard tells of what another process has committed, as if it had been done
// here: c has the shop, the tags, and a mark at which it was seen. Then it
// wakes whoever follows the outbox.
func (f *Fleet) Heard(c Commit) {
	if f.Replicated(c.Shard) {
		f.known.note(c.Mark)
	}
	for _, fn := range f.told {
		fn(c)
	}
	f.Wake(c.Shop, c.Shard)
}

// ByHost finds the shop that a host name belongs to. The port is ignored. A
// host that is no shop's is fault.NotFound.
func (f *Fleet) ByHost(ctx context.Context, host string) (*Room, error) {
	slug, ok := f.SlugOfHost(host)
	if !ok {
		return nil, fault.NotFound("There is no shop at this address.")
	}
	return f.BySlug(ctx, slug)
}

// SlugOfHost takes the slug out of a shop's host name.
func (f *Fleet) SlugOfHost(host string) (string, bool) {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	slug, ok := strings.CutSuffix(strings.TrimSuffix(host, "."), "."+f.domain)
	return slug, ok && ValidSlug(slug)
}

// ValidSlug reports whether s can be a host label: 1 to 63 letters, digits
// and inner hyphens.
func ValidSlug(s string) bool {
	if len(s) < 1 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// BySlug finds a shop by its slug.
func (f *Fleet) BySlug(ctx context.Context, slug string) (*Room, error) {
	if e, ok := f.bySlug.GetIfPresent(slug); ok {
		return f.room(e)
	}
	return f.lookUp(ctx, entryBySlug, slug)
}

// ByID finds a shop by its id.
func (f *Fleet) ByID(ctx context.Context, shop id.Shop) (*Room, error) {
	if e, ok := f.byID.GetIfPresent(shop); ok {
		return f.room(e)
	}
	return f.lookUp(ctx, entryByID, shop)
}

// Find gives a shop's row of the directory, also of one whose shard is not open
// here.
func (f *Fleet) Find(ctx context.Context, slug string) (Entry, error) {
	if e, ok := f.bySlug.GetIfPresent(slug); ok {
		return e, nil
	}
	return f.find(ctx, entryBySlug, slug)
}

func (f *Fleet) lookUp(ctx context.Context, q *db.ControlSQL, key any) (*Room, error) {
	e, err := f.find(ctx, q, key)
	if err != nil {
		return nil, err
	}
	return f.room(e)
}

func (f *Fleet) find(ctx context.Context, q *db.ControlSQL, key any) (e Entry, err error) {
	found := false
	err = f.control.View(ctx, func(t *db.ControlTx) (err error) {
		e, found, err = db.ControlOne(ctx, t, q, scanEntry, key)
		return err
	})
	if err != nil {
		return e, fmt.Errorf("look up a shop: %w", err)
	}
	if !found {
		return e, fault.NotFound("There is no such shop.")
	}
	f.keep(e)
	return e, nil
}

func (f *Fleet) keep(e Entry)   { f.bySlug.Set(e.Slug, e); f.byID.Set(e.Shop, e) }
func (f *Fleet) forget(e Entry) { f.bySlug.Invalidate(e.Slug); f.byID.Invalidate(e.Shop) }

func (f *Fleet) room(e Entry) (*Room, error) {
	now := f.shards.Load()
	s := now.open[e.Shard]
	if s == nil {
		err := fmt.Errorf("the directory says that shop %v lives on shard %q, which is not open here", e.Shop, e.Shard)
		return nil, fault.Busy(time.Second, "The shop cannot be reached just now. Try again in a moment.").With("shard-closed").Because(err)
	}
	return &Room{fleet: f, entry: e, shard: s, gate: now.gates[e.Shard]}, nil
}

// List gives directory rows, newest first, before a shop id (0 for the
// newest), whose slug begins with or whose name contains search.
func (f *Fleet) List(ctx context.Context, before id.Shop, search string, limit int) ([]Entry, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	search = strings.ToLower(strings.NewReplacer("%", "", "_", "").Replace(search))
	var out []Entry
	err := f.control.View(ctx, func(t *db.ControlTx) (err error) {
		out, err = db.ControlAll(ctx, t, listEntries, scanEntry, before, search, search+"\U0010ffff", limit)
		return err
	})
	return out, err
}

// Check asks the directory whether it answers, at the same cost however many
// shops there are.
func (f *Fleet) Check(ctx context.Context) error {
	return f.control.View(ctx, func(t *db.ControlTx) error {
		_, _, err := db.ControlOne(ctx, t, entryByID, scanEntry, 0)
		return err
	})
}

// Count gives the number of shops in the directory. The first call in a
// process counts all, page by page, and if its time runs out the next goes on;
// later ones count only those that have signed up in the last hour. A sign-up
// that is gone on with after more than that is missing until the next start.
func (f *Fleet) Count(ctx context.Context) (int64, error) {
	f.counted.Lock()
	defer f.counted.Unlock()
	if err := f.count(ctx, &f.counted.census, id.ShopsBefore(time.Now().Add(-settled))); err != nil {
		return 0, err
	}
	all := f.counted.census
	err := f.count(ctx, &all, 1<<63-1)
	return all.n, err
}

// census is how many shops there are up to one.
type census struct {
	n  int64
	to id.Shop
}

// count goes on with a census, up to a shop.
func (f *Fleet) count(ctx context.Context, c *census, before id.Shop) error {
	for {
		var page census
		err := f.control.View(ctx, func(t *db.ControlTx) (err error) {
			page, _, err = db.ControlOne(ctx, t, countEntries, func(c *census) []any { return []any{&c.n, (*int64)(&c.to)} }, c.to, before, 10*f.page)
			return err
		})
		if err != nil || page.n == 0 {
			return err
		}
		c.n, c.to = c.n+page.n, page.to
	}
}

// SetState suspends a shop or opens it again.
func (f *Fleet) SetState(ctx context.Context, shop id.Shop, state string) error {
	if state != Open && state != Suspended {
		return fault.Invalid("/state", "A shop is open or suspended, not %q.", state)
	}
	return f.update(ctx, shop, setState, state)
}

// Rename keeps a shop's name in the directory, for lists across shops.
func (f *Fleet) Rename(ctx context.Context, shop id.Shop, name string) error {
	return f.update(ctx, shop, setName, name)
}

func (f *Fleet) update(ctx context.Context, shop id.Shop, q *db.ControlSQL, value string) error {
	r, err := f.ByID(ctx, shop)
	if err != nil {
		return err
	}
	err = f.control.Change(ctx, func(t *db.ControlTx) error {
		_, err := t.Exec(ctx, q, shop, value)
		return err
	})
	f.forget(r.entry)
	for _, fn := range f.changed {
		fn(shop)
	}
	return err
}
