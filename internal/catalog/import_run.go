package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/stock"
)

// Work goes through imports until ctx ends: those that an earlier run left,
// and new ones as they come.
func (m *Importer) Work(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		shops, err := m.Across(ctx, unfinished)
		for _, c := range shops {
			if err = m.workShop(ctx, c.Shop); err != nil {
				break
			}
		}
		if err == nil {
			err = m.fetchDue(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.Log.Error("imports wait to be tried again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-tick.C:
		}
	}
}

// workShop runs a shop's imports, one after the other.
func (m *Importer) workShop(ctx context.Context, s id.Shop) error {
	room, err := m.Rooms(ctx, s)
	if err != nil {
		return err
	}
	for {
		var imp storedImport
		found := false
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			imp, found, err = db.One(ctx, r, nextImport, scanImport)
			return err
		})
		if err != nil || !found {
			return err
		}
		if err := imp.unpack(); err != nil {
			return err
		}
		err = m.run(ctx, room, &imp)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			m.Log.Error("an import failed", "shop", s, "import", imp.ID, "err", err)
			imp.Failure = "Something went wrong on our side. What was imported so far is there; import the file again to go on."
			if f := fault.Of(err); f != nil {
				imp.Failure = f.Message
			}
			if err := imp.move(ctx, room, ImportFailed, nil); err != nil {
				return err
			}
		}
		if err := m.drop(imp.file); err != nil {
			return err
		}
	}
}

// step is one item of a file and where it ends.
type importItem struct {
	shopify.Item
	index int64 // of the item in the file
}

// run goes through the file from where the import stands.
func (m *Importer) run(ctx context.Context, room *fleet.Room, imp *storedImport) error {
	r, file, err := m.open(ctx, room, imp.file)
	if err != nil {
		return err
	}
	defer file.Close()
	var batch []importItem
	for index := int64(0); ; index++ {
		item, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if index < imp.next {
			continue
		}
		if batch = append(batch, importItem{item, index}); len(batch) == importBatch {
			if err := imp.move(ctx, room, ImportRunning, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := imp.move(ctx, room, ImportRunning, batch); err != nil {
		return err
	}
	imp.RowsDone = imp.Rows
	return imp.move(ctx, room, ImportDone, nil)
}

// move applies a batch and notes how far the import is, in one transaction.
func (s *storedImport) move(ctx context.Context, room *fleet.Room, to ImportStatus, batch []importItem) error {
	refused := map[int64]*fault.Fault{} // items that were tried and must leave no trace
	for {
		err := s.tryMove(ctx, room, to, batch, refused)
		var r *refusal
		if !errors.As(err, &r) {
			return err
		}
		refused[r.index] = r.fault
	}
}

// refusal is an item that cannot be saved. It may have written some of its
// rows: the batch is rolled back and run again without it.
type refusal struct {
	index int64
	fault *fault.Fault
}

func (r *refusal) Error() string { return r.fault.Error() }

func (s *storedImport) tryMove(ctx context.Context, room *fleet.Room, to ImportStatus, batch []importItem, refused map[int64]*fault.Fault) error {
	var after storedImport
	_, err := room.Change(ctx, func(tx *db.Tx) error {
		after = *s // the closure may run again
		for _, item := range batch {
			if err := after.apply(ctx, tx, item, refused[item.index]); err != nil {
				return err
			}
		}
		counts, err := json.Marshal(tally{after.Products, after.Variants, after.Errors})
		if err != nil {
			return err
		}
		var finished time.Time
		if to == ImportDone || to == ImportFailed {
			finished = tx.Now()
		}
		_, err = tx.Exec(ctx, moveImport, s.ID, to, string(counts), after.next, after.RowsDone, after.Failure, tx.Now(), finished)
		return err
	})
	if err == nil {
		*s = after
		s.Status = to
	}
	return err
}

// apply takes one item of the file. What is wrong with it is noted and does
// not stop the others. An item that was refused before is only noted.
func (s *storedImport) apply(ctx context.Context, tx *db.Tx, item importItem, refused *fault.Fault) error {
	s.next = item.index + 1
	for _, e := range item.Errors {
		if e.Skipped == shopify.ProductPart {
			s.Products.Skipped++
		}
		if err := s.complain(ctx, tx, e); err != nil {
			return err
		}
	}
	s.Errors += int64(item.More)
	d := item.Draft
	if d == nil {
		return nil
	}
	s.RowsDone = min(s.Rows, max(s.RowsDone, int64(d.LastLine-1)))
	if refused != nil {
		s.Products.Skipped++
		return s.complain(ctx, tx, shopify.RowError{Line: d.FirstLine, Column: strings.TrimPrefix(refused.Field, "/"), Handle: d.Handle, Message: refused.Message, Skipped: shopify.ProductPart})
	}
	created, err := s.save(ctx, tx, d)
	if f := fault.Of(err); f != nil && f.Kind != fault.KindBusy {
		return &refusal{item.index, f}
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", d.Handle, err)
	}
	s.Variants += int64(len(d.Variants))
	switch {
	case d.Continued:
	case created:
		s.Products.Created++
	default:
		s.Products.Updated++
	}
	return nil
}

func (s *storedImport) complain(ctx context.Context, tx *db.Tx, e shopify.RowError) error {
	s.Errors++
	if s.Errors > maxRowErrors {
		return nil
	}
	_, err := tx.Exec(ctx, addRowError, s.ID, s.Errors, e.Line, e.Column, e.Handle, e.Message, e.Skipped)
	return err
}

// save writes a draft over the product of its handle, or makes a new one. A
// dry run only checks.
func (s *storedImport) save(ctx context.Context, tx *db.Tx, d *shopify.Draft) (created bool, err error) {
	pid, found, err := ByHandle(ctx, tx, d.Handle)
	if err != nil {
		return false, err
	}
	p := Product{Handle: d.Handle, Status: Active}
	if found {
		if p, err = Read(ctx, tx, pid); err != nil {
			return false, err
		}
	} else if !d.Title.Set {
		if d.Continued {
			return false, nil // its first rows were refused, or this is a dry run
		}
		return false, fault.Invalid("/Title", "A new product needs a title.")
	}
	var ids []id.Variant
	for _, v := range p.Variants {
		ids = append(ids, v.ID)
	}
	levels, err := stock.Levels(ctx, tx, ids)
	if err != nil {
		return false, err
	}
	queued := merge(&p, d, levels)
	if err := p.Check(); err != nil {
		return false, err
	}
	if s.DryRun {
		return !found, nil
	}
	if found {
		err = Save(ctx, tx, &p)
	} else {
		err = Create(ctx, tx, &p)
	}
	if err != nil {
		return false, err
	}
	for _, i := range queued {
		if _, err := tx.Exec(ctx, queueImage, p.ID, i.Source, s.ID, i.Alt, tx.Now()); err != nil {
			return false, err
		}
	}
	return !found, nil
}

func give[T any](to *T, from shopify.Opt[T]) {
	if from.Set {
		*to = from.Value
	}
}

// merge puts what a draft says onto a product, and gives the images that are
// to be fetched.
func merge(p *Product, d *shopify.Draft, levels map[id.Variant]stock.Level) (queued []Image) {
	if !d.Continued {
		give(&p.Title, d.Title)
		give(&p.DescriptionHTML, d.DescriptionHTML)
		give(&p.Vendor, d.Vendor)
		give(&p.Type, d.Type)
		give(&p.Category, d.Category)
		give(&p.Tags, d.Tags)
		give(&p.GiftCard, d.GiftCard)
		give(&p.SEO.Title, d.SEOTitle)
		give(&p.SEO.Description, d.SEODescription)
		if d.Status.Set {
			p.Status = Status(d.Status.Value)
		}
		for name, value := range d.Extra {
			if p.Extra == nil {
				p.Extra = map[string]string{}
			}
			p.Extra[name] = value
		}
		if d.Options.Set {
			p.Options = nil
			for _, name := range d.Options.Value {
				p.Options = append(p.Options, Option{Name: name})
			}
		}
	}
	// Variants that the file leaves out stay, unless its options are others.
	old := p.Variants
	if len(d.Variants) > 0 && len(old) > 0 && len(old[0].Options) != len(d.Variants[0].Options) {
		p.Variants = nil
	}
	for _, dv := range d.Variants {
		v := Variant{Options: dv.Options, Taxable: true, RequiresShipping: true}
		if i := slices.IndexFunc(old, func(o Variant) bool { return optionsKey(o.Options) == optionsKey(dv.Options) }); i >= 0 {
			v = old[i]
			p.Variants = slices.DeleteFunc(p.Variants, func(x Variant) bool { return x.ID == v.ID })
		}
		give(&v.SKU, dv.SKU)
		give(&v.Barcode, dv.Barcode)
		give(&v.Price, dv.Price)
		give(&v.CompareAt, dv.CompareAt)
		give(&v.Cost, dv.Cost)
		give(&v.WeightGrams, dv.WeightGrams)
		give(&v.RequiresShipping, dv.RequiresShipping)
		give(&v.Taxable, dv.Taxable)
		give(&v.TaxClass, dv.TaxCode)
		if dv.ImageURL.Set && dv.ImageURL.Value != v.ImageSource {
			v.ImageSource, v.Image = dv.ImageURL.Value, ""
		}
		for name, value := range dv.Extra {
			if v.Extra == nil {
				v.Extra = map[string]string{}
			}
			v.Extra[name] = value
		}
		if dv.Tracked.Set || dv.Quantity.Set || dv.Continue.Set {
			was := levels[v.ID]
			v.Stock = &Stock{Tracked: was.Tracked, Continue: was.Continue, Available: was.Available}
			give(&v.Stock.Tracked, dv.Tracked)
			give(&v.Stock.Continue, dv.Continue)
			if dv.Quantity.Set {
				v.Stock.Available, v.Stock.SetAvailable = dv.Quantity.Value, true
				if !v.Stock.Continue {
					v.Stock.Available = max(0, v.Stock.Available)
				}
			}
		}
		p.Variants = append(p.Variants, v)
	}
	if len(p.Variants) == 0 {
		p.Variants = []Variant{{Taxable: true, RequiresShipping: true}}
	}
	return mergeImages(p, d)
}

// mergeImages adds the pictures that the product does not have yet, in the
// file's order, and those that only variants name.
func mergeImages(p *Product, d *shopify.Draft) (queued []Image) {
	want := slices.Clone(d.Images)
	slices.SortStableFunc(want, func(a, b shopify.Image) int {
		if a.Position == 0 || b.Position == 0 {
			return 0
		}
		return a.Position - b.Position
	})
	for _, dv := range d.Variants {
		if u := dv.ImageURL.Value; u != "" {
			want = append(want, shopify.Image{URL: u})
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(p.Images, func(m Image) bool { return m.Source == w.URL })
		if i >= 0 {
			give(&p.Images[i].Alt, w.Alt)
			continue
		}
		m := Image{Source: w.URL}
		give(&m.Alt, w.Alt)
		p.Images = append(p.Images, m)
		queued = append(queued, m)
	}
	for i, v := range p.Variants {
		if v.ImageSource == "" || v.Image != "" {
			continue
		}
		if k := slices.IndexFunc(p.Images, func(m Image) bool { return m.Source == v.ImageSource }); k >= 0 {
			p.Variants[i].Image = p.Images[k].Hash
		}
	}
	return queued
}

var errGone = errors.New("the product no longer wants this image")
