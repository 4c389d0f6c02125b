package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
	"haat/internal/shop"
)

// ImportStatus says how far an import is.
type ImportStatus string

const (
	ImportQueued  ImportStatus = "queued"
	ImportRunning ImportStatus = "running"
	ImportDone    ImportStatus = "done" // every row is done; images may still be on their way
	ImportFailed  ImportStatus = "failed"
)

// Import is one import of a file.
type Import struct {
	ID           id.Import          `json:"id"`
	Status       ImportStatus       `json:"status" enum:"queued,running,done,failed"`
	Name         string             `json:"name" doc:"Of the file"`
	DryRun       bool               `json:"dry_run"`
	Rows         int64              `json:"rows" doc:"Lines of the file, the header aside"`
	RowsDone     int64              `json:"rows_done"`
	Products     ImportCounts       `json:"products"`
	Variants     int64              `json:"variants"`
	Errors       int64              `json:"errors" doc:"How many there were; the first 1,000 are told"`
	RowErrors    []shopify.RowError `json:"row_errors" nullable:"false"`
	Images       ImageCounts        `json:"images"`
	FailedImages []FailedImage      `json:"failed_images" nullable:"false"`
	Failure      string             `json:"failure,omitempty"`
	CreatedAt    time.Time          `json:"created_at"`
	StartedAt    *time.Time         `json:"started_at,omitempty"`
	FinishedAt   *time.Time         `json:"finished_at,omitempty"`
}

// ImportCounts counts products.
type ImportCounts struct {
	Created int64 `json:"created"`
	Updated int64 `json:"updated"`
	Skipped int64 `json:"skipped"`
}

// ImageCounts counts the images that an import asked for.
type ImageCounts struct {
	Queued int64 `json:"queued"`
	Done   int64 `json:"done"`
	Failed int64 `json:"failed"`
}

// FailedImage is an image that could not be had.
type FailedImage struct {
	URL   string `json:"url"`
	Error string `json:"error"`
}

const (
	importBatch  = 20   // products a transaction
	maxRowErrors = 1000 // that are told
)

// ImporterConfig is what an Importer stands on.
type ImporterConfig struct {
	Rooms    func(context.Context, id.Shop) (*fleet.Room, error)
	Across   func(context.Context, *db.AcrossSQL, ...any) ([]db.Count, error)
	Dir      string // of uploaded files
	Fetch    func(ctx context.Context, shop id.Shop, url string) (media.Image, error)
	Lasting  func(error) bool // a failure to fetch that trying again cannot mend
	ImageURL func(slug string, shop id.Shop, m media.Image) string
	Room     func() error // why no more files can be taken, if so; may be nil
	Log      *slog.Logger
}

// Importer takes files in and works through them, a few products a
// transaction that also notes how far it is, so that an import goes on where
// it stopped, whatever stopped it. Images are fetched afterwards.
type Importer struct {
	ImporterConfig
	files *os.Root
	keep  sync.RWMutex // held to remove a file
	wake  chan struct{}
}

// NewImporter opens the folder of uploaded files.
func NewImporter(c ImporterConfig) (*Importer, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	return &Importer{ImporterConfig: c, files: root, wake: make(chan struct{}, 1)}, nil
}

// Close lets go of the folder.
func (m *Importer) Close() error { return m.files.Close() }

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
		VALUES ($1, $2, 'queued', $3, $4, $5, $6, '{}', 0, 0, $7, '', $8, 0, $8, 0)`)
	importColumns = `id, state, name, dry_run, file, counts, next, done, total, error, created_at, started_at, finished_at`
	readImport    = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 AND id = $2`)
	listImports   = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 ORDER BY created_at DESC, id DESC LIMIT 50`)
	nextImport    = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 AND state IN ('queued', 'running') ORDER BY created_at, id LIMIT 1`)
	moveImport    = db.Q(`
		UPDATE catalog_import SET state = $3, counts = $4, next = $5, done = $6, error = $7, updated_at = $8,
			started_at = CASE WHEN started_at = 0 THEN $8 ELSE started_at END, finished_at = $9
		WHERE shop = $1 AND id = $2`)
	addRowError   = db.Q(`INSERT INTO catalog_import_error (shop, import, n, line, field, handle, message, skipped) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	readRowErrors = db.Q(`SELECT line, field, handle, message, skipped FROM catalog_import_error WHERE shop = $1 AND import = $2 ORDER BY n`)
	countImages   = db.Q(`SELECT state, COUNT(*) FROM catalog_import_image WHERE shop = $1 AND import = $2 GROUP BY state`)
	failedImages  = db.Q(`SELECT url, error FROM catalog_import_image WHERE shop = $1 AND import = $2 AND state = 'failed' ORDER BY url LIMIT 100`)

	unfinished = db.Across(`SELECT shop, COUNT(*) FROM catalog_import WHERE state IN ('queued', 'running') GROUP BY shop`)
)

// storedImport is an import's row.
type storedImport struct {
	Import
	file              string
	counts            string
	next              int64 // item of the file
	started, finished time.Time
}

func scanImport(s *storedImport) []any {
	return []any{&s.ID, &s.Status, &s.Name, &s.DryRun, &s.file, &s.counts, &s.next, &s.RowsDone, &s.Rows, &s.Failure, &s.CreatedAt, &s.started, &s.finished}
}

// tally is what the row keeps of the counts.
type tally struct {
	Products ImportCounts `json:"products"`
	Variants int64        `json:"variants"`
	Errors   int64        `json:"errors"`
}

func (s *storedImport) unpack() error {
	var t tally
	if err := json.Unmarshal([]byte(s.counts), &t); err != nil {
		return fmt.Errorf("read import %v: %w", s.ID, err)
	}
	s.Products, s.Variants, s.Errors = t.Products, t.Variants, t.Errors
	s.RowErrors, s.FailedImages = []shopify.RowError{}, []FailedImage{}
	if !s.started.IsZero() {
		s.StartedAt = &s.started
	}
	if !s.finished.IsZero() {
		s.FinishedAt = &s.finished
	}
	return nil
}

// Upload is a file that was taken in, and not yet begun.
type Upload struct {
	m     *Importer
	name  string
	lines int64
	sum   []byte
	begun bool
}

// Keep takes a file in, durably, without reading it. Drop it afterwards: that
// leaves a file alone that an import has begun with.
func (m *Importer) Keep(from io.Reader) (*Upload, error) {
	if m.Room != nil {
		if err := m.Room(); err != nil {
			return nil, err
		}
	}
	u := &Upload{m: m, name: id.New[struct{}]().String() + ".csv"}
	f, err := m.files.OpenFile(u.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fault.Full(fmt.Errorf("keep the file: %w", err))
	}
	h, c := sha256.New(), &lineCounter{last: '\n'}
	_, err = io.Copy(io.MultiWriter(f, h, c), from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fault.Full(errors.Join(err, m.drop(u.name)))
	}
	if u.lines = c.lines; c.last != '\n' {
		u.lines++
	}
	u.sum = h.Sum(nil)
	return u, nil
}

type lineCounter struct {
	lines int64
	last  byte
}

func (c *lineCounter) Write(b []byte) (int, error) {
	for _, x := range b {
		if x == '\n' {
			c.lines++
		}
		c.last = x
	}
	return len(b), nil
}

// Drop removes a file that no import has begun with.
func (u *Upload) Drop() {
	if !u.begun {
		if err := u.m.drop(u.name); err != nil {
			u.m.Log.Error("an uploaded file could not be removed", "file", u.name, "err", err)
		}
	}
}

// Keeping runs fn while no uploaded file is removed.
func (m *Importer) Keeping(_ context.Context, fn func() error) error {
	m.keep.RLock()
	defer m.keep.RUnlock()
	return fn()
}

func (m *Importer) drop(name string) error {
	m.keep.Lock()
	defer m.keep.Unlock()
	if err := m.files.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
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
	out, err := op.Once(ctx, room, who, func(tx *db.Tx) (Started, error) {
		if err := op.Audit(ctx, tx, "catalog.import", by, tidy(o.Name)); err != nil {
			return Started{}, err
		}
		_, err := tx.Exec(ctx, insertImport, imp, "shopify", o.DryRun, u.name, tidy(o.Name), max(0, u.lines-1), tx.Now())
		return Started{ID: imp, Status: ImportQueued}, err
	})
	if err == nil && out.ID == imp {
		u.begun = true
		m.nudge()
	}
	return out, err
}

func (m *Importer) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

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
	if err != nil {
		return nil, nil, fmt.Errorf("open the uploaded file: %w", err)
	}
	r, err := shopify.NewReader(f, shopify.Options{Currency: currency})
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, f, nil
}

// Imports, for the shop's own people.
var (
	GetImport = op.Read[ImportIn, Import]{Name: "catalog.get-import", Route: "GET /imports/{import}", Role: op.Merchant,
		Summary: "How far an import is", Run: func(ctx context.Context, r db.Reader, in ImportIn) (Import, error) {
			var imp id.Import
			if err := imp.UnmarshalText([]byte(in.Import)); err != nil || imp.Zero() {
				return Import{}, fault.NotFound("There is no such import.")
			}
			return importOf(ctx, r, imp)
		}}
	ListImports = op.Read[op.Empty, op.List[Import]]{Name: "catalog.list-imports", Route: "GET /imports", Role: op.Merchant,
		Summary: "The latest imports", Run: func(ctx context.Context, r db.Reader, _ op.Empty) (out op.List[Import], err error) {
			rows, err := db.All(ctx, r, listImports, scanImport)
			out.Items = make([]Import, len(rows))
			for i := range rows {
				if err := rows[i].unpack(); err != nil {
					return out, err
				}
				out.Items[i] = rows[i].Import
			}
			return out, err
		}}
)

// ImportIn names an import.
type ImportIn struct {
	Import string `path:"import"`
}

// ReadImport gives an import as it is now.
func ReadImport(ctx context.Context, room *fleet.Room, imp id.Import) (out Import, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
		out, err = importOf(ctx, r, imp)
		return err
	})
	return out, err
}

func importOf(ctx context.Context, r db.Reader, imp id.Import) (Import, error) {
	s, found, err := db.One(ctx, r, readImport, scanImport, imp)
	if err != nil {
		return s.Import, err
	}
	if !found {
		return s.Import, fault.NotFound("There is no such import.")
	}
	if err := s.unpack(); err != nil {
		return s.Import, err
	}
	rows, err := db.All(ctx, r, readRowErrors, func(e *shopify.RowError) []any { return []any{&e.Line, &e.Column, &e.Handle, &e.Message, &e.Skipped} }, imp)
	if err != nil {
		return s.Import, err
	}
	s.RowErrors = append(s.RowErrors, rows...)
	type count struct {
		state string
		n     int64
	}
	counts, err := db.All(ctx, r, countImages, func(c *count) []any { return []any{&c.state, &c.n} }, imp)
	if err != nil {
		return s.Import, err
	}
	for _, c := range counts {
		switch c.state {
		case "queued":
			s.Images.Queued = c.n
		case "done":
			s.Images.Done = c.n
		case "failed":
			s.Images.Failed = c.n
		}
	}
	failed, err := db.All(ctx, r, failedImages, func(f *FailedImage) []any { return []any{&f.URL, &f.Error} }, imp)
	s.FailedImages = append(s.FailedImages, failed...)
	return s.Import, err
}
