package catalog

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
)

const imageAttempts = 5

var (
	queueImage = db.Q(`
		INSERT INTO catalog_import_image (shop, product, url, import, position, alt, state, attempts, next_at, error)
		VALUES ($1, $2, $3, $4, 0, $5, 'queued', 0, $6, '')
		ON CONFLICT (shop, product, url) DO UPDATE SET import = excluded.import, state = 'queued', attempts = 0, next_at = excluded.next_at, error = ''`)
	dueImages    = db.Q(`SELECT product, url, attempts FROM catalog_import_image WHERE shop = $1 AND state = 'queued' AND next_at <= $2 ORDER BY next_at LIMIT 20`)
	setImage     = db.Q(`UPDATE catalog_import_image SET state = $4, attempts = $5, next_at = $6, error = $7 WHERE shop = $1 AND product = $2 AND url = $3`)
	shopsWaiting = db.Across(`SELECT shop, COUNT(*) FROM catalog_import_image WHERE state = 'queued' AND next_at <= $1 GROUP BY shop`)
)

type dueImage struct {
	product  id.Product
	url      string
	attempts int
}

// fetchDue fetches the images whose time has come, two at once.
func (m *Importer) fetchDue(ctx context.Context) error {
	shops, err := m.Across(ctx, shopsWaiting, time.Now())
	if err != nil {
		return err
	}
	for _, c := range shops {
		room, err := m.Rooms(ctx, c.Shop)
		if err != nil {
			return err
		}
		var due []dueImage
		err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			due, err = db.All(ctx, r, dueImages, func(d *dueImage) []any { return []any{&d.product, &d.url, &d.attempts} }, time.Now())
			return err
		})
		if err != nil {
			return err
		}
		slots, failed := make(chan struct{}, 2), make(chan error, len(due))
		for _, d := range due {
			slots <- struct{}{}
			go func() {
				failed <- m.fetchOne(ctx, room, d)
				<-slots
			}()
		}
		for range due {
			err = errors.Join(err, <-failed)
		}
		if err != nil {
			return err
		}
		if len(due) > 0 {
			m.nudge() // there may be more
		}
	}
	return nil
}

// fetchOne brings one image and puts it where the product waits for it.
func (m *Importer) fetchOne(ctx context.Context, room *fleet.Room, d dueImage) error {
	img, err := m.Fetch(ctx, room.Shop(), d.url)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.attempts++
	state, why, next := "done", "", time.Now()
	switch {
	case err == nil:
	case d.attempts >= imageAttempts || m.Lasting(err) || fault.Of(err) != nil && !fault.Is(err, fault.KindBusy):
		state, why = "failed", err.Error()
		if f := fault.Of(err); f != nil {
			why = f.Message
		}
	default: // 10 s, 1 min, 6 min, 36 min, each give or take a third
		state, why = "queued", err.Error()
		pause := 10 * time.Second
		for range d.attempts - 1 {
			pause *= 6
		}
		next = next.Add(pause*2/3 + rand.N(pause*2/3))
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		if state == "done" {
			if err := attach(ctx, tx, d, img); errors.Is(err, errGone) {
				state = "done"
			} else if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, setImage, d.product, d.url, state, d.attempts, next, why)
		return err
	})
	return err
}

func attach(ctx context.Context, tx *db.Tx, d dueImage, img media.Image) error {
	p, err := Read(ctx, tx, d.product)
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
			alt := p.Images[i].Alt
			p.Images[i].Image, wanted = img, true
			p.Images[i].Alt = alt
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
