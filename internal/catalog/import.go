package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
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
	Rows         int64              `json:"rows" doc:"Records of the file, the header aside; one may span several lines"`
	RowsDone     int64              `json:"rows_done" doc:"Reaches rows exactly"`
	Products     ImportCounts       `json:"products"`
	Variants     int64              `json:"variants"`
	Errors       int64              `json:"errors" doc:"How many there were; the first 1,000 are told"`
	RowErrors    []shopify.RowError `json:"row_errors" nullable:"false"`
	Images       ImageCounts        `json:"images"`
	FailedImages []FailedImage      `json:"failed_images" nullable:"false"`
	Failure      string             `json:"failure,omitempty"`
	CanApply     bool               `json:"can_apply" doc:"A dry run whose file we still have, for a day: it can be imported by POST /imports/{import}/apply"`
	AppliedAs    *id.Import         `json:"applied_as,omitempty" doc:"The import that this dry run became"`
	CreatedAt    time.Time          `json:"created_at"`
	StartedAt    *time.Time         `json:"started_at,omitempty"`
	FinishedAt   *time.Time         `json:"finished_at,omitempty"`
}

// ImportCounts counts products.
type ImportCounts struct {
	Created int64 `json:"created"`
	Updated int64 `json:"updated"`
	Skipped int64 `json:"skipped" doc:"Left out whole"`
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

var (
	importColumns = `id, state, name, dry_run, file, counts, next, done, total, error, created_at, started_at, finished_at`
	readImport    = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 AND id = $2`)
	listImports   = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 ORDER BY created_at DESC, id DESC LIMIT 1000`)
	readRowErrors = db.Q(`SELECT line, field, handle, message, skipped FROM catalog_import_error WHERE shop = $1 AND import = $2 ORDER BY n`)
	countImages   = db.Q(`SELECT state, COUNT(*) FROM catalog_import_want WHERE shop = $1 AND import = $2 GROUP BY state`)
	failedImages  = db.Q(`SELECT url, error FROM catalog_import_want WHERE shop = $1 AND import = $2 AND state = 'failed' ORDER BY url LIMIT 100`)
)

// storedImport is an import's row.
type storedImport struct {
	Import
	file              string // empty once it is no longer needed
	counts            string
	next              int64 // item of the file
	started, finished time.Time
}

func scanImport(s *storedImport) []any {
	return []any{&s.ID, &s.Status, &s.Name, &s.DryRun, &s.file, &s.counts, &s.next, &s.RowsDone, &s.Rows, &s.Failure, &s.CreatedAt, &s.started, &s.finished}
}

// tally is what the row keeps of the counts.
type tally struct {
	Products  ImportCounts `json:"products"`
	Variants  int64        `json:"variants"`
	Errors    int64        `json:"errors"`
	AppliedAs *id.Import   `json:"applied_as,omitempty"`
}

func (s *storedImport) pack() (string, error) {
	b, err := json.Marshal(tally{s.Products, s.Variants, s.Errors, s.AppliedAs})
	return string(b), err
}

func (s *storedImport) unpack() error {
	var t tally
	if err := json.Unmarshal([]byte(s.counts), &t); err != nil {
		return fmt.Errorf("read import %v: %w", s.ID, err)
	}
	s.Products, s.Variants, s.Errors, s.AppliedAs = t.Products, t.Variants, t.Errors, t.AppliedAs
	s.CanApply = s.DryRun && s.Status == ImportDone && s.file != ""
	s.RowErrors, s.FailedImages = []shopify.RowError{}, []FailedImage{}
	if !s.started.IsZero() {
		s.StartedAt = &s.started
	}
	if !s.finished.IsZero() {
		s.FinishedAt = &s.finished
	}
	return nil
}

// Imports, for the shop's own people.
var (
	GetImport = op.Read[ImportIn, Import]{Name: "catalog.get-import", Route: "GET /imports/{import}", Role: op.Merchant,
		Summary: "How far an import is", Run: func(ctx context.Context, r db.Reader, in ImportIn) (Import, error) {
			s, err := storedOf(ctx, r, in)
			if err != nil {
				return Import{}, err
			}
			return s.whole(ctx, r)
		}}
	ListImports = op.Read[op.Page, op.List[Import]]{Name: "catalog.list-imports", Route: "GET /imports", Role: op.Merchant,
		Summary: "The latest imports", Run: func(ctx context.Context, r db.Reader, in op.Page) (out op.List[Import], err error) {
			rows, err := db.All(ctx, r, listImports, scanImport)
			if err != nil {
				return out, err
			}
			all := make([]Import, len(rows))
			for i := range rows {
				if err := rows[i].unpack(); err != nil {
					return out, err
				}
				all[i] = rows[i].Import
			}
			return op.Slice(all, in)
		}}
)

// ImportIn names an import.
type ImportIn struct {
	Import string `path:"import"`
}

// ReadImport gives an import as it is now.
func ReadImport(ctx context.Context, room *fleet.Room, imp id.Import) (out Import, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) error {
		s, err := storedOf(ctx, r, ImportIn{imp.String()})
		if err == nil {
			out, err = s.whole(ctx, r)
		}
		return err
	})
	return out, err
}

// storedOf reads an import's row.
func storedOf(ctx context.Context, r db.Reader, in ImportIn) (s storedImport, err error) {
	none := fault.NotFound("There is no such import.")
	var imp id.Import
	if err := imp.UnmarshalText([]byte(in.Import)); err != nil || imp.Zero() {
		return s, none
	}
	s, found, err := db.One(ctx, r, readImport, scanImport, imp)
	if err == nil && !found {
		err = none
	}
	if err == nil {
		err = s.unpack()
	}
	return s, err
}

// whole adds what stands in other rows: errors and images.
func (s *storedImport) whole(ctx context.Context, r db.Reader) (Import, error) {
	rows, err := db.All(ctx, r, readRowErrors, func(e *shopify.RowError) []any { return []any{&e.Line, &e.Column, &e.Handle, &e.Message, &e.Skipped} }, s.ID)
	if err != nil {
		return s.Import, err
	}
	s.RowErrors = append(s.RowErrors, rows...)
	type count struct {
		state string
		n     int64
	}
	counts, err := db.All(ctx, r, countImages, func(c *count) []any { return []any{&c.state, &c.n} }, s.ID)
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
	failed, err := db.All(ctx, r, failedImages, func(f *FailedImage) []any { return []any{&f.URL, &f.Error} }, s.ID)
	s.FailedImages = append(s.FailedImages, failed...)
	return s.Import, err
}
