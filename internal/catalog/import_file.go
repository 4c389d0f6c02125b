package catalog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

const (
	maxFile   = 512 << 20        // bytes, where the configuration does not say
	keepCheck = 24 * time.Hour   // how long a dry run's file waits to be applied
	strayAge  = 40 * time.Minute // after which a file that no import names is swept; longer than an upload may take
)

// StartOptions say what is imported, and how.
type StartOptions struct {
	Format string // "shopify"
	DryRun bool   // say what would happen, and change nothing
	Name   string // of the file, for people
}

// Started answers who has begun an import.
type Started struct {
	ID     id.Import    `json:"id"`
	Status ImportStatus `json:"status" enum:"queued"`
}

var (
	insertImport = db.Q(`
		INSERT INTO catalog_import (shop, id, state, format, dry_run, file, name, counts, next, done, total, error, created_at, started_at, updated_at, finished_at)
		VALUES ($1, $2, 'queued', 'shopify', $3, $4, $5, '{}', 0, 0, $6, '', $7, 0, $7, 0)`)
	handOver    = db.Q(`UPDATE catalog_import SET file = '', counts = $3, updated_at = $4 WHERE shop = $1 AND id = $2`)
	namedFiles  = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 AND file <> ''`)
	releaseFile = db.Q(`UPDATE catalog_import SET file = '', updated_at = $3 WHERE shop = $1 AND id = $2 AND file <> ''`)

	withFiles = db.Across(`SELECT shop, COUNT(*) FROM catalog_import WHERE file <> '' GROUP BY shop`)
)

// Upload is a file that was taken in, and not yet begun.
type Upload struct {
	m     *Importer
	name  string
	rows  int64
	sum   []byte
	named bool // an import's row names it, or may
}

// fileName makes a name for a file, which says where it is.
func (m *Importer) fileName() string {
	name := id.New[struct{}]().String()
	if m.Place != "" {
		name += "@" + m.Place
	}
	return name + ".csv"
}

// elsewhere reports whether a file lies with another process, which then does
// its import.
func (m *Importer) elsewhere(name string) bool {
	_, place, told := strings.Cut(strings.TrimSuffix(name, ".csv"), "@")
	if !told || place == m.Place {
		return false
	}
	_, err := m.files.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// Keep takes a file in, durably, and counts its rows on the way. One that is
// too large is a TooLarge fault and leaves nothing. Drop it afterwards: that
// leaves a file alone that an import has begun with.
func (m *Importer) Keep(from io.Reader) (*Upload, error) {
	if m.Room != nil {
		if err := m.Room(); err != nil {
			return nil, err
		}
	}
	u := &Upload{m: m, name: m.fileName()}
	m.keep(u.name, true)
	f, err := m.files.OpenFile(u.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		m.keep(u.name, false)
		return nil, fault.Full(fmt.Errorf("keep the file: %w", err))
	}
	text, tap := io.Pipe()
	rows := make(chan int, 1)
	go func() {
		n, _ := shopify.CountRows(text) // what is wrong with the file, Start says
		_, _ = io.Copy(io.Discard, text)
		rows <- n
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h, tap), io.LimitReader(from, m.MaxFile+1))
	if err == nil && n > m.MaxFile {
		err = fault.TooLarge("/file", "A file has %d MB at most.", m.MaxFile>>20)
	}
	_ = tap.CloseWithError(err) // never fails
	u.rows = int64(<-rows)
	if err = errors.Join(err, f.Sync(), f.Close(), m.syncFolder()); err != nil {
		m.keep(u.name, false)
		return nil, fault.Full(errors.Join(err, m.drop(u.name)))
	}
	u.sum = h.Sum(nil)
	return u, nil
}

// syncFolder makes a new file's name last.
func (m *Importer) syncFolder() error {
	d, err := m.files.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Drop removes a file that no import has begun with. One of which that is not
// certain stays: it is swept away later if no import names it.
func (u *Upload) Drop() {
	u.m.keep(u.name, false)
	if !u.named {
		u.m.discard(u.name)
	}
}

// keep notes that a file is, or is no longer, one that no row names yet.
func (m *Importer) keep(name string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on {
		m.keeping[name] = true
	} else {
		delete(m.keeping, name)
	}
}

// Keeping runs fn while no uploaded file is removed.
func (m *Importer) Keeping(_ context.Context, fn func() error) error {
	m.removing.RLock()
	defer m.removing.RUnlock()
	return fn()
}

func (m *Importer) drop(name string) error {
	m.removing.Lock()
	defer m.removing.Unlock()
	if err := m.files.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// discard removes a file that no row names any more. If it cannot, the sweep
// will.
func (m *Importer) discard(name string) {
	if err := m.drop(name); err != nil {
		m.Log.Error("an uploaded file could not be removed", "file", name, "err", err)
	}
}

// Start begins an import. A file that is no catalogue is refused at once.
// Under an Idempotency-Key the same content begins one import only.
func (m *Importer) Start(ctx context.Context, room *fleet.Room, by op.Caller, u *Upload, o StartOptions) (Started, error) {
	if o.Format != "" && o.Format != "shopify" {
		return Started{}, fault.Invalid("/format", "We read files of the format shopify, not %q.", o.Format)
	}
	r, file, err := m.open(ctx, room, u.name)
	if err != nil {
		return Started{}, err
	}
	_, err = r.Next()
	if err = errors.Join(err, file.Close()); err != nil && !errors.Is(err, io.EOF) {
		return Started{}, err
	}
	imp := id.Import(id.New[struct{}]())
	who := op.Content(by, fmt.Sprintf("catalog.import %t", o.DryRun), u.sum)
	u.named = true // from here on a row may name it, whatever we are told
	out, err := op.Once(ctx, room, who, func(tx *db.Tx) (Started, error) {
		if err := op.Audit(ctx, tx, "catalog.import", by, tidy(o.Name)); err != nil {
			return Started{}, err
		}
		_, err := tx.Exec(ctx, insertImport, imp, o.DryRun, u.name, tidy(o.Name), u.rows, tx.Now())
		return Started{ID: imp, Status: ImportQueued}, err
	})
	u.named = mayName(out.ID == imp, err)
	if err == nil && u.named {
		m.rows.nudge()
	}
	return out, err
}

// mayName reports whether an import's row may name a file after a change that
// was to write it. An error can come after the commit, when the answer is
// lost; only a refusal that the change gave itself is certain.
func mayName(ours bool, err error) bool {
	if err == nil {
		return ours // else another request with this key was answered
	}
	f := fault.Of(err)
	return f == nil || f.Kind == fault.KindBusy
}

// Operations lists those that need the importer.
func (m *Importer) Operations() []op.Operation { return []op.Operation{m.applying()} }

func (m *Importer) applying() *op.Write[ImportIn, Started] {
	return &op.Write[ImportIn, Started]{Name: "catalog.apply-import", Route: "POST /imports/{import}/apply", Role: op.Merchant, Created: true,
		Summary: "Import the file of a dry run", Run: m.apply}
}

// Apply imports the file of a dry run, which is handed to a new import. Asked
// again, it gives that import again.
func (m *Importer) Apply(ctx context.Context, room *fleet.Room, by op.Caller, in ImportIn) (Started, error) {
	return m.applying().Do(ctx, room, by, in)
}

func (m *Importer) apply(ctx context.Context, tx *db.Tx, in ImportIn) (Started, error) {
	s, err := storedOf(ctx, tx, in)
	if err != nil {
		return Started{}, err
	}
	switch {
	case !s.DryRun:
		return Started{}, fault.Conflict("not-a-dry-run", "This was an import already. Only a dry run can be applied.")
	case s.AppliedAs != nil:
		return Started{ID: *s.AppliedAs, Status: ImportQueued}, nil
	case s.Status == ImportQueued || s.Status == ImportRunning:
		return Started{}, fault.Conflict("still-checking", "The file is still being checked. Apply it when that is done.")
	case s.file == "":
		return Started{}, fault.Conflict("file-gone", "We no longer have this file: one that was only checked is kept for a day. Choose it again.")
	}
	imp := id.Import(id.New[struct{}]())
	if _, err := tx.Exec(ctx, insertImport, imp, false, s.file, s.Name, s.Rows, tx.Now()); err != nil {
		return Started{}, err
	}
	s.AppliedAs = &imp
	counts, err := s.pack()
	if err != nil {
		return Started{}, err
	}
	if _, err := tx.Exec(ctx, handOver, s.ID, counts, tx.Now()); err != nil {
		return Started{}, err
	}
	tx.After(m.rows.nudge)
	return Started{ID: imp, Status: ImportQueued}, nil
}

// open begins to read a kept file. One that is gone is a NotFound fault.
func (m *Importer) open(ctx context.Context, room *fleet.Room, name string) (*shopify.Reader, io.Closer, error) {
	var currency string
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		currency, err = shop.Currency(ctx, r)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	f, err := m.files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.NotFound("The uploaded file is no longer here. Choose it again.").Because(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the uploaded file: %w", err)
	}
	r, err := shopify.NewReader(f, shopify.Options{Currency: currency})
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, f, nil
}

// Sweep lets go of the files of dry runs that nobody applied within a day, and
// removes files that no import of any shop names: those of a program that was
// killed between taking a file in and beginning its import. If it cannot hear
// of every shop, it removes none of the latter.
func (m *Importer) Sweep(ctx context.Context) error {
	now := m.Now()
	entries, err := fs.ReadDir(m.files.FS(), ".")
	if err != nil {
		return fmt.Errorf("look through the uploaded files: %w", err)
	}
	// The files come first: one that is named only after we looked at the
	// rows was too young to be on the list.
	var stray []string
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), ".csv")) {
			continue
		}
		if err != nil {
			return err
		}
		m.mu.Lock()
		kept := m.keeping[e.Name()]
		m.mu.Unlock()
		if !kept && now.Sub(info.ModTime()) > strayAge {
			stray = append(stray, e.Name())
		}
	}
	shops, err := m.Across(ctx, withFiles)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	var failed []error
	for _, c := range shops {
		room, err := m.Rooms(ctx, c.Shop)
		if err == nil {
			err = m.filesOf(ctx, room, now, named)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("shop %v: %w", c.Shop, err))
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	for _, name := range stray {
		if !named[name] {
			m.discard(name)
		}
	}
	return nil
}

// filesOf adds the files that a shop's imports name, and lets go of those of
// old dry runs.
func (m *Importer) filesOf(ctx context.Context, room *fleet.Room, now time.Time, named map[string]bool) error {
	var rows []storedImport
	err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		rows, err = db.All(ctx, r, namedFiles, scanImport)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range rows {
		if s.Status != ImportDone || now.Sub(s.finished) <= keepCheck {
			named[s.file] = true
			continue
		}
		var n int64
		_, err := room.Change(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(ctx, releaseFile, s.ID, tx.Now())
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 { // it was applied meanwhile
			named[s.file] = true
			continue
		}
		m.discard(s.file)
	}
	return nil
}
