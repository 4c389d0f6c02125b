package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/stock"
)

// A transaction takes this much of a file at most, so that other changes of
// the shop's shard need not wait long for their turn.
const (
	batchProducts = 60
	batchRows     = 250
	batchBytes    = 1 << 20 // of descriptions
	batchItems    = 5000    // products or not: a file of nothing but errors is gone through quickly
)

const maxRowErrors = 1000 // that are told

var (
	nextImport = db.Q(`SELECT ` + importColumns + ` FROM catalog_import WHERE shop = $1 AND state IN ('queued', 'running') ORDER BY created_at, id LIMIT 1`)
	moveImport = db.Q(`
		UPDATE catalog_import SET state = $3, counts = $4, next = $5, done = $6, error = $7, updated_at = $8,
			started_at = CASE WHEN started_at = 0 THEN $8 ELSE started_at END, finished_at = $9, file = $10
		WHERE shop = $1 AND id = $2`)
	addRowError = db.Q(`INSERT INTO catalog_import_error (shop, import, n, line, field, handle, message, skipped) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	wantImage   = db.Q(`
		INSERT INTO catalog_import_want (shop, import, product, url, state, error) VALUES ($1, $2, $3, $4, 'queued', '')
		ON CONFLICT (shop, import, product, url) DO UPDATE SET state = 'queued', error = ''`)
	queueImage = db.Q(`
		INSERT INTO catalog_import_image (shop, product, url, state, attempts, next_at, error)
		VALUES ($1, $2, $3, 'queued', 0, $4, '')
		ON CONFLICT (shop, product, url) DO UPDATE SET attempts = 0, next_at = excluded.next_at, error = ''`)

	unfinished = db.Across(`SELECT shop, COUNT(*) FROM catalog_import WHERE state IN ('queued', 'running') GROUP BY shop`)
)

func (m *Importer) waitingImports(ctx context.Context) ([]db.Count, error) {
	return m.Across(ctx, unfinished)
}

// workShop runs the import of a shop whose turn it is. What can pass, such as
// a shop that is being moved, leaves it running, to be gone on with.
func (m *Importer) workShop(ctx context.Context, s id.Shop, failed int) (further bool, err error) {
	room, err := m.Rooms(ctx, s)
	if err != nil {
		return false, err
	}
	var imp storedImport
	found := false
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		imp, found, err = db.One(ctx, r, nextImport, scanImport)
		return err
	})
	if err == nil && !found {
		err = errIdle
	}
	if err == nil {
		err = imp.unpack()
	}
	if err != nil {
		return false, err
	}
	began, file := imp.next, imp.file
	r := importRun{Importer: m, room: room, storedImport: imp, origin: m.ShopURL(room.Slug())}
	err = r.run(ctx)
	further = r.next > began
	if ctx.Err() != nil {
		return further, ctx.Err()
	}
	if err != nil {
		if r.Failure = lasting(err, further, failed); r.Failure == "" {
			return further, fmt.Errorf("import %v: %w", imp.ID, err)
		}
		m.Log.Error("an import failed", "shop", s, "import", imp.ID, "err", err)
		if err := r.move(ctx, ImportFailed, nil); err != nil {
			return further, err
		}
	}
	if r.file == "" {
		m.discard(file)
	}
	return true, nil
}

// lasting says why an import has failed for good, in words for the merchant;
// nothing if it is to be tried again. Busy always passes; what is wrong with
// the file never does; what is wrong with us is given some time.
func lasting(err error, further bool, failed int) string {
	f := fault.Of(err)
	switch {
	case f != nil && f.Kind != fault.KindBusy:
		return f.Message
	case f == nil && !further && failed+1 >= giveUpAfter:
		return "Something went wrong on our side. What was imported so far is there; import the file again to go on."
	}
	return ""
}

// importRun is an import under way.
type importRun struct {
	*Importer
	storedImport
	room   *fleet.Room
	origin string // of the shop's own pictures
	asked  bool   // for pictures
	wrote  []id.Product
}

// importItem is one item of a file.
type importItem struct {
	shopify.Item
	index int64 // of the item in the file
}

// run goes through the file from where the import stands. Reading is ahead of
// writing by a batch.
func (r *importRun) run(ctx context.Context) error {
	from, file, err := r.open(ctx, r.room, r.file)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	batches, read := make(chan []importItem, 1), make(chan error, 1)
	go func() {
		read <- cut(reading, from, r.next, batches)
		close(batches)
	}()
	for batch := range batches {
		if err == nil {
			if err = r.move(ctx, ImportRunning, batch); err != nil {
				stop()
			}
		}
	}
	stop()
	if ended := <-read; err == nil {
		err = ended
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return r.move(ctx, ImportDone, nil)
}

// cut reads a file into batches, passing over the items before next.
func cut(ctx context.Context, from *shopify.Reader, next int64, batches chan<- []importItem) error {
	var batch []importItem
	products, rows, size := 0, 0, 0
	send := func() error {
		select {
		case batches <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
		batch, products, rows, size = nil, 0, 0, 0
		return nil
	}
	for index := int64(0); ; index++ {
		item, err := from.Next()
		if err == io.EOF {
			if len(batch) == 0 {
				return nil
			}
			return send()
		}
		if err != nil {
			return err
		}
		if index < next {
			continue
		}
		batch = append(batch, importItem{item, index})
		if d := item.Draft; d != nil {
			if html := &d.DescriptionHTML.Value; len(*html) <= maxDescription { // else Check refuses it
				size += len(*html)
				*html = Sanitise(*html)
			}
			products, rows = products+1, rows+item.Rows
		}
		if products >= batchProducts || rows >= batchRows || size >= batchBytes || len(batch) >= batchItems {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

// move applies a batch and notes how far the import is, in one transaction.
func (r *importRun) move(ctx context.Context, to ImportStatus, batch []importItem) error {
	refused := map[int64]*shopify.RowError{} // items that were tried and must leave no trace
	for {
		err := r.tryMove(ctx, to, batch, refused)
		var no *refusal
		if !errors.As(err, &no) {
			return err
		}
		refused[no.index] = &no.row
	}
}

// refusal is an item that cannot be saved. It may have written some of its
// rows: the batch is rolled back and run again without it.
type refusal struct {
	index int64
	row   shopify.RowError
}

func (r *refusal) Error() string { return r.row.Error() }

func (r *importRun) tryMove(ctx context.Context, to ImportStatus, batch []importItem, refused map[int64]*shopify.RowError) error {
	var after importRun
	_, err := r.room.Change(ctx, func(tx *db.Tx) error {
		after = *r // the closure may run again
		after.asked, after.wrote = false, nil
		for i := range batch {
			if err := after.apply(ctx, tx, &batch[i], refused[batch[i].index]); err != nil {
				return err
			}
		}
		if err := repack(ctx, tx, after.wrote...); err != nil {
			return err
		}
		counts, err := after.pack()
		if err != nil {
			return err
		}
		var finished time.Time
		if to == ImportDone || to == ImportFailed {
			finished = tx.Now()
		}
		if to == ImportFailed || to == ImportDone && !r.DryRun {
			after.file = ""
		}
		if after.asked {
			tx.After(r.images.nudge)
		}
		_, err = tx.Exec(ctx, moveImport, r.ID, to, counts, after.next, after.RowsDone, after.Failure, tx.Now(), finished, after.file)
		return err
	})
	if err == nil {
		*r = after
		r.Status = to
	}
	return err
}

// apply takes one item of the file. What is wrong with it is noted and does
// not stop the others. An item that was refused before is only noted.
func (r *importRun) apply(ctx context.Context, tx *db.Tx, item *importItem, refused *shopify.RowError) error {
	r.next = item.index + 1
	r.RowsDone += int64(item.Rows)
	if item.Lost {
		r.Products.Skipped++
	}
	for _, e := range item.Errors {
		if err := r.complain(ctx, tx, e); err != nil {
			return err
		}
	}
	r.Errors += int64(item.More)
	d := item.Draft
	if d == nil {
		return nil
	}
	if refused == nil {
		g, old, err := r.merged(ctx, tx, d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Handle, err)
		}
		if g == nil {
			return nil
		}
		if old == nil && !d.Title.Set {
			refused = g.refuse(fault.Invalid("/Title", "There is no product with this handle, and a new one needs a title."))
		} else if f := fault.Of(g.p.check()); f != nil {
			refused = g.refuse(f)
		} else {
			return r.save(ctx, tx, item.index, g, old)
		}
	}
	if !d.Continued {
		r.Products.Skipped++
	}
	return r.complain(ctx, tx, *refused)
}

func (g *merging) refuse(f *fault.Fault) *shopify.RowError {
	return &shopify.RowError{Line: g.line(f.Field), Column: strings.TrimPrefix(f.Field, "/"), Handle: g.d.Handle, Message: f.Message, Skipped: shopify.ProductPart}
}

func (r *importRun) complain(ctx context.Context, tx *db.Tx, e shopify.RowError) error {
	r.Errors++
	if r.Errors > maxRowErrors {
		return nil
	}
	_, err := tx.Exec(ctx, addRowError, r.ID, r.Errors, e.Line, e.Column, e.Handle, e.Message, e.Skipped)
	return err
}

// merged gives what a draft makes of the product of its handle, or of a new
// one, and the product as it was. It is nil if there is nothing to add to:
// the rest of a product whose first rows were refused, or of a dry run.
func (r *importRun) merged(ctx context.Context, tx *db.Tx, d *shopify.Draft) (g *merging, old *Product, err error) {
	pid, found, err := ByHandle(ctx, tx, d.Handle)
	if err != nil || !found && d.Continued {
		return nil, nil, err
	}
	g = &merging{p: &Product{Handle: d.Handle, Status: Active}, d: d}
	if found {
		was, err := ToChange(ctx, tx, pid)
		if err != nil {
			return nil, nil, err
		}
		now := was
		old, g.p = &was, &now
		ids := make([]id.Variant, len(was.Variants))
		for i, v := range was.Variants {
			ids[i] = v.ID
		}
		if g.levels, err = stock.Levels(ctx, tx, ids); err != nil {
			return nil, nil, err
		}
	}
	if g.own, err = r.ownImages(ctx, tx, d); err != nil {
		return nil, nil, err
	}
	g.merge()
	return g, old, nil
}

// ownImages finds the shop's own pictures among those that a draft names by
// address: there is nothing to fetch. Another shop's are not among them,
// wherever their address says they are.
func (r *importRun) ownImages(ctx context.Context, tx *db.Tx, d *shopify.Draft) (map[string]media.Image, error) {
	var urls, hashes []string
	look := func(url string) {
		path, ok := strings.CutPrefix(url, r.origin)
		if !ok || r.origin == "" {
			return
		}
		if s, hash, _, ok := media.ParseURL(path); ok && s == r.room.Shop() {
			urls, hashes = append(urls, url), append(hashes, hash)
		}
	}
	for _, i := range d.Images {
		look(i.URL)
	}
	for i := range d.Variants {
		look(d.Variants[i].ImageURL.Value)
	}
	if len(hashes) == 0 {
		return nil, nil
	}
	known, err := media.Get(ctx, tx, slices.Compact(slices.Sorted(slices.Values(hashes)))...)
	if err != nil {
		return nil, err
	}
	own := map[string]media.Image{}
	for i, u := range urls {
		if m, ok := known[hashes[i]]; ok {
			own[u] = m
		}
	}
	return own, nil
}

// save writes what was merged, and counts it. A dry run only counts.
func (r *importRun) save(ctx context.Context, tx *db.Tx, index int64, g *merging, old *Product) error {
	for _, e := range g.notes {
		if err := r.complain(ctx, tx, e); err != nil {
			return err
		}
	}
	for _, line := range g.lines {
		if line > 0 {
			r.Variants++
		}
	}
	switch {
	case g.d.Continued:
	case old == nil:
		r.Products.Created++
	default:
		r.Products.Updated++
	}
	if r.DryRun {
		return nil
	}
	var err error
	switch {
	case old == nil:
		err = Add(ctx, tx, g.p)
	case !same(g, old):
		g.p.UpdatedAt = tx.Now()
		err = write(ctx, tx, g.p, old)
	}
	r.wrote = append(r.wrote, g.p.ID)
	if f := fault.Of(err); f != nil && f.Kind != fault.KindBusy {
		return &refusal{index, *g.refuse(f)}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", g.d.Handle, err)
	}
	for _, url := range g.queued {
		r.asked = true
		if _, err := tx.Exec(ctx, queueImage, g.p.ID, url, tx.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, wantImage, r.ID, g.p.ID, url); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether the file says what the product is already.
func same(g *merging, old *Product) bool {
	now := *g.p
	now.Variants = slices.Clone(now.Variants)
	for i := range now.Variants {
		v := &now.Variants[i]
		if s := v.Stock; s != nil {
			l, ok := g.levels[v.ID]
			if !ok || s.Tracked != l.Tracked || s.Continue != l.Continue || s.SetAvailable && s.Available != l.Available {
				return false
			}
			v.Stock = nil
		}
	}
	now.Options = slices.Clone(now.Options)
	completeOptions(&now)
	if !slices.Equal(sortedTags(now.Tags), sortedTags(old.Tags)) { // they have no order of their own
		return false
	}
	now.Tags = old.Tags
	return reflect.DeepEqual(now, *old)
}

func sortedTags(tags []string) []string {
	return slices.SortedFunc(slices.Values(tags), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
}
