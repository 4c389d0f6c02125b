package catalog

import (
	"context"
	"errors"
	"fmt"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
)

const imageAttempts = 5

var (
	dueImages  = db.Q(`SELECT product, url, attempts FROM catalog_import_image WHERE shop = $1 AND state = 'queued' AND next_at <= $2 ORDER BY next_at, product, url LIMIT 12`)
	stillDue   = db.Q(`SELECT product, url, attempts FROM catalog_import_image WHERE shop = $1 AND product = $2 AND url = $3 AND state = 'queued' AND next_at <= $4`)
	laterImage = db.Q(`UPDATE catalog_import_image SET attempts = $4, next_at = $5, error = $6 WHERE shop = $1 AND product = $2 AND url = $3`)
	dropImage  = db.Q(`DELETE FROM catalog_import_image WHERE shop = $1 AND product = $2 AND url = $3`)
	// Every import that waits for the picture is told how it went.
	settleImage = db.Q(`UPDATE catalog_import_want SET state = $4, error = $5 WHERE shop = $1 AND product = $2 AND url = $3 AND state = 'queued'`)

	shopsWaiting = db.Across(`SELECT shop, COUNT(*) FROM catalog_import_image WHERE state = 'queued' AND next_at <= $1 GROUP BY shop`)
)

type dueKey struct {
	shop    id.Shop
	product id.Product
	url     string
}

type dueImage struct {
	dueKey
	attempts int
}

func (m *Importer) waitingImages(ctx context.Context) ([]db.Count, error) {
	return m.Across(ctx, shopsWaiting, m.Now())
}

// workImage fetches one image of a shop that is due and that nobody fetches
// yet.
func (m *Importer) workImage(ctx context.Context, s id.Shop, _ int) (bool, error) {
	room, err := m.Rooms(ctx, s)
	if err != nil {
		return false, err
	}
	due, err := readDue(ctx, room, dueImages, m.Now())
	if err != nil {
		return false, err
	}
	for _, d := range due {
		if !m.fly(d.dueKey) {
			continue
		}
		defer m.land(d.dueKey)
		// Somebody may have fetched it after we read the list.
		now, err := readDue(ctx, room, stillDue, d.product, d.url, m.Now())
		if err != nil || len(now) == 0 {
			return false, err
		}
		return true, m.fetchOne(ctx, room, now[0])
	}
	return false, errIdle
}

func readDue(ctx context.Context, room *fleet.Room, q *db.SQL, args ...any) (due []dueImage, err error) {
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		due, err = db.All(ctx, r, q, func(d *dueImage) []any { return []any{&d.product, &d.url, &d.attempts} }, args...)
		return err
	})
	for i := range due {
		due[i].shop = room.Shop()
	}
	return due, err
}

// fly marks an image as being fetched; false if it is already.
func (m *Importer) fly(k dueKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.flying[k] {
		return false
	}
	m.flying[k] = true
	return true
}

func (m *Importer) land(k dueKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flying, k)
}

// fetch is Fetch, outliving a picture that makes a decoder panic.
func (m *Importer) fetch(ctx context.Context, d dueImage) (img media.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic over a picture: %v", p)
			m.Log.Error("a picture made us panic", "shop", d.shop, "url", d.url, "panic", p)
		}
	}()
	return m.Fetch(ctx, d.shop, d.url)
}

// fetchOne brings one image and puts it where the product waits for it.
func (m *Importer) fetchOne(ctx context.Context, room *fleet.Room, d dueImage) error {
	img, err := m.fetch(ctx, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.attempts++
	f := fault.Of(err)
	state, why, next := "done", "", m.Now()
	switch {
	case err == nil:
	case d.attempts >= imageAttempts || m.Lasting(err) || f != nil && f.Kind != fault.KindBusy:
		state, why = "failed", err.Error()
		if f != nil {
			why = f.Message
		}
	default:
		state, why, next = "queued", err.Error(), next.Add(m.ImagePause(d.attempts))
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		if state == "queued" {
			_, err := tx.Exec(ctx, laterImage, d.product, d.url, d.attempts, next, why)
			return err
		}
		if state == "done" {
			if err := attach(ctx, tx, d, img); err != nil && !errors.Is(err, errGone) {
				return err
			}
		}
		if _, err := tx.Exec(ctx, dropImage, d.product, d.url); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, settleImage, d.product, d.url, state, why)
		return err
	})
	return err
}

// errGone says that the product no longer wants an image.
var errGone = errors.New("the product no longer wants this image")

func attach(ctx context.Context, tx *db.Tx, d dueImage, img media.Image) error {
	p, err := ToChange(ctx, tx, d.product)
	if fault.Is(err, fault.KindNotFound) {
		return errGone
	}
	if err != nil {
		return err
	}
	if err := media.Save(ctx, tx, img); err != nil {
		return err
	}
	wanted := false
	for i := range p.Images {
		if p.Images[i].Source == d.url {
			img.Alt = p.Images[i].Alt
			p.Images[i].Image, wanted = img, true
		}
	}
	for i := range p.Variants {
		if p.Variants[i].ImageSource == d.url {
			p.Variants[i].Image, wanted = img.Hash, true
		}
	}
	if !wanted {
		return errGone
	}
	return Save(ctx, tx, &p)
}
