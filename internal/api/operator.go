package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"haat/internal/backup"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/meter"
	"haat/internal/op"
)

// Operator is what the operator can do: on the program itself, or through
// [OperatorClient] on one that runs. Shops are named by slug.
type Operator interface {
	// Shops lists shops, newest first, whose slug begins with or whose name
	// contains search. The cursor is empty on the first page; next is empty on
	// the last.
	Shops(ctx context.Context, search, cursor string, limit int) (page []ShopSummary, next string, err error)
	Shop(ctx context.Context, slug string) (ShopSummary, error)
	// SetState suspends a shop or opens it again.
	SetState(ctx context.Context, slug, state string) error
	// Import reads a Shopify product CSV into a shop, calling progress now and
	// then, and returns when all rows are done.
	Import(ctx context.Context, slug string, file io.Reader, dryRun bool, progress func(ImportProgress)) (ImportProgress, error)
	// Export writes a shop's catalogue as a Shopify product CSV.
	Export(ctx context.Context, slug string, w io.Writer) error
	// Backup writes a backup into a folder on the program's machine, calling
	// tell now and then, and returns when it has been checked.
	Backup(ctx context.Context, dir string, tell func(backup.Progress)) (backup.Manifest, error)
	// Health says what is wrong, if anything is.
	Health(ctx context.Context) ([]Finding, error)
	// Incidents gives the register of what is wrong and of what lately was.
	Incidents(ctx context.Context) (Incidents, error)
	// Processes lists those that serve the fleet, the oldest first.
	Processes(ctx context.Context) ([]fleet.Process, error)
	Checker
	Searcher
	Sharder
	ControlMover
	Moves
	Parker
}

// ShopSummary is a shop as the operator sees it.
type ShopSummary struct {
	ID         string    `json:"id"`
	Slug       string    `json:"slug"`
	Name       string    `json:"name"`
	URL        string    `json:"url"`
	Shard      string    `json:"shard"`
	State      string    `json:"state"`
	Created    time.Time `json:"created_at"`
	Products   int64     `json:"products"`
	Orders     int64     `json:"orders"`
	Today      int64     `json:"orders_today"`
	Week       int64     `json:"orders_week"`
	Writes     int64     `json:"writes"` // n of the shop's clock
	Events     int64     `json:"events"`
	Parked     int64     `json:"parked"`
	LastActive time.Time `json:"last_active_at"`
	// Stock is what did not add up when the server looked last: the first few.
	Stock []Discrepancy `json:"stock,omitempty"`
}

// ImportProgress is how far an import has come.
type ImportProgress struct {
	ID      string            `json:"id"`
	Status  string            `json:"status"` // queued, running, done or failed
	Rows    int64             `json:"rows"`
	Done    int64             `json:"rows_done"`
	Created int64             `json:"products_created"`
	Updated int64             `json:"products_updated"`
	Skipped int64             `json:"products_skipped"`
	Errors  int64             `json:"errors"`
	Sample  []ImportLineError `json:"sample,omitempty"`
	Failure string            `json:"failure,omitempty"`
}

// ImportLineError is a row that could not be taken.
type ImportLineError struct {
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
}

// Finding is one thing that was checked: an incident, or what is well.
type Finding struct {
	Name     string         `json:"name"` // of the incident, or of what was looked at
	Subject  string         `json:"subject,omitempty"`
	OK       bool           `json:"ok"`
	Severity meter.Severity `json:"severity,omitempty"`
	Detail   string         `json:"detail"`
	Means    string         `json:"means,omitempty"`
	Next     string         `json:"next,omitempty"` // what to do about it
	Shop     string         `json:"shop,omitempty"` // where to look first, if it is about shops
	Since    *time.Time     `json:"since,omitempty"`
}

// Title is how a finding is called.
func (f Finding) Title() string {
	if f.Subject == "" {
		return f.Name
	}
	return f.Name + " (" + f.Subject + ")"
}

// Incidents is what is wrong, the worst first, and what lately was, the newest
// first.
type Incidents struct {
	Open []meter.Incident `json:"open"`
	Past []meter.Incident `json:"past"`
}

// backupStep is one line of the answer to a backup: how far it is or, at the
// end, what was made or why not.
type backupStep struct {
	Progress *backup.Progress `json:"progress,omitempty"`
	Manifest *backup.Manifest `json:"manifest,omitempty"`
	Failure  string           `json:"failure,omitempty"`
}

// OperatorHandler serves an Operator as JSON, to whoever has the token.
func OperatorHandler(o Operator, check func(token string) bool, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, fn func(http.ResponseWriter, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !check(token) {
				op.ProblemOf(fault.Anonymous("The operator's token is missing or wrong."), log, "ops").Write(w)
				return
			}
			out, err := fn(w, r)
			if err != nil {
				op.ProblemOf(err, log, "ops "+pattern).Write(w)
			} else if out != nil {
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(out)
			}
		})
	}
	handle("GET /ops/v1/shops", func(w http.ResponseWriter, r *http.Request) (any, error) {
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		if limit < 1 || limit > 250 {
			limit = 50
		}
		page, next, err := o.Shops(r.Context(), q.Get("q"), q.Get("cursor"), limit)
		return op.List[ShopSummary]{Items: page, Next: next}, err
	})
	handle("GET /ops/v1/shops/{slug}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Shop(r.Context(), r.PathValue("slug"))
	})
	handle("PUT /ops/v1/shops/{slug}/state/{state}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return struct{}{}, o.SetState(r.Context(), r.PathValue("slug"), r.PathValue("state"))
	})
	handle("POST /ops/v1/shops/{slug}/import", func(w http.ResponseWriter, r *http.Request) (any, error) {
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Time{})
		enc := json.NewEncoder(w)
		var begun bool
		last, err := o.Import(r.Context(), r.PathValue("slug"), r.Body, r.URL.Query().Get("dry_run") == "true", func(p ImportProgress) {
			begun = true
			_ = enc.Encode(p)
			_ = c.Flush()
		})
		if err != nil && begun {
			last.Status, last.Failure = "failed", err.Error()
			err = nil
		}
		if err != nil {
			return nil, err
		}
		return last, nil
	})
	handle("GET /ops/v1/shops/{slug}/export", func(w http.ResponseWriter, r *http.Request) (any, error) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		return nil, o.Export(r.Context(), r.PathValue("slug"), w)
	})
	handle("POST /ops/v1/backup", func(w http.ResponseWriter, r *http.Request) (any, error) {
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Time{})
		enc := json.NewEncoder(w)
		m, err := o.Backup(r.Context(), r.URL.Query().Get("dir"), func(p backup.Progress) {
			_ = enc.Encode(backupStep{Progress: &p})
			_ = c.Flush()
		})
		if err != nil { // the operator is told why, whatever it is
			return backupStep{Failure: err.Error()}, nil
		}
		return backupStep{Manifest: &m}, nil
	})
	handle("POST /ops/v1/check", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return serveCheck(o, w, r)
	})
	handle("POST /ops/v1/search/rebuild", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return serveSearch(o, w, r)
	})
	handle("GET /ops/v1/shops/{slug}/stock/{variant}", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Explain(r.Context(), r.PathValue("slug"), r.PathValue("variant"))
	})
	sharderRoutes(o, handle)
	controlRoutes(o, handle)
	handle("GET /ops/v1/health", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Health(r.Context())
	})
	serveMoves(o, handle)
	serveParked(o, handle)
	handle("GET /ops/v1/incidents", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Incidents(r.Context())
	})
	handle("GET /ops/v1/processes", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return o.Processes(r.Context())
	})
	return mux
}

// OperatorClient is the Operator of a program that runs elsewhere.
type OperatorClient struct {
	URL   string // of the ops listener
	Token string
}

func (c *OperatorClient) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		var p op.Problem
		if json.Unmarshal(b, &p) == nil && p.Detail != "" {
			return nil, fmt.Errorf("%s", p.Detail)
		}
		return nil, fmt.Errorf("%s answered %s: %s", c.URL, res.Status, bytes.TrimSpace(b))
	}
	return res, nil
}

func (c *OperatorClient) get(ctx context.Context, method, path string, out any) error {
	res, err := c.do(ctx, method, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(out)
}

// Shops implements Operator.
func (c *OperatorClient) Shops(ctx context.Context, search, cursor string, limit int) ([]ShopSummary, string, error) {
	var out op.List[ShopSummary]
	err := c.get(ctx, "GET", "/ops/v1/shops?"+url.Values{"q": {search}, "cursor": {cursor}, "limit": {strconv.Itoa(limit)}}.Encode(), &out)
	return out.Items, out.Next, err
}

// Shop implements Operator.
func (c *OperatorClient) Shop(ctx context.Context, slug string) (out ShopSummary, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/shops/"+url.PathEscape(slug), &out)
}

// SetState implements Operator.
func (c *OperatorClient) SetState(ctx context.Context, slug, state string) error {
	return c.get(ctx, "PUT", "/ops/v1/shops/"+url.PathEscape(slug)+"/state/"+url.PathEscape(state), &struct{}{})
}

// Import implements Operator.
func (c *OperatorClient) Import(ctx context.Context, slug string, file io.Reader, dryRun bool, progress func(ImportProgress)) (p ImportProgress, err error) {
	res, err := c.do(ctx, "POST", fmt.Sprintf("/ops/v1/shops/%s/import?dry_run=%t", url.PathEscape(slug), dryRun), file)
	if err != nil {
		return p, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var next ImportProgress
		if err := dec.Decode(&next); err == io.EOF {
			return p, nil
		} else if err != nil {
			return p, fmt.Errorf("the import's progress was cut off (it goes on): %w", err)
		}
		p = next
		progress(p)
	}
}

// Export implements Operator.
func (c *OperatorClient) Export(ctx context.Context, slug string, w io.Writer) error {
	res, err := c.do(ctx, "GET", "/ops/v1/shops/"+url.PathEscape(slug)+"/export", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// Backup implements Operator.
func (c *OperatorClient) Backup(ctx context.Context, dir string, tell func(backup.Progress)) (m backup.Manifest, err error) {
	res, err := c.do(ctx, "POST", "/ops/v1/backup?"+url.Values{"dir": {dir}}.Encode(), nil)
	if err != nil {
		return m, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var next backupStep
		if err := dec.Decode(&next); err != nil {
			return m, fmt.Errorf("the server stopped answering before the backup was finished: %w", err)
		}
		switch {
		case next.Progress != nil:
			tell(*next.Progress)
		case next.Manifest != nil:
			return *next.Manifest, nil
		default:
			return m, errors.New(next.Failure)
		}
	}
}

// Health implements Operator.
func (c *OperatorClient) Health(ctx context.Context) (out []Finding, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/health", &out)
}

// Incidents implements Operator.
func (c *OperatorClient) Incidents(ctx context.Context) (out Incidents, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/incidents", &out)
}

// Processes implements Operator.
func (c *OperatorClient) Processes(ctx context.Context) (out []fleet.Process, err error) {
	return out, c.get(ctx, "GET", "/ops/v1/processes", &out)
}
