package media

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"slices"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// Drawing is where pictures come from that nobody uploaded: few, the same for
// every shop, and drawn the first time that somebody looks.
type Drawing struct {
	// ByHash gives the picture of that address and what draws it at a width.
	ByHash func(hash string) (m Image, draw func(width int) image.Image, ok bool)
	// Has reports whether the picture is one of the shop's: for others it is
	// not drawn.
	Has func(ctx context.Context, shop id.Shop, hash string) (bool, error)
	// Keep is where they are kept once drawn; nil for where the others are.
	Keep Store
}

// maxDrawings is how many pictures may wait to be drawn, each in one width.
const maxDrawings = 256

// Draw has the library give drawn pictures too. Call it before the library is
// used.
func (l *Library) Draw(d Drawing) {
	if d.Keep == nil {
		d.Keep = l.store
	}
	l.drawing = d
}

// openDrawn is Open for a picture that is drawn. A rendition is drawn once,
// however many ask, in its turn among the uploads, and is kept for all shops
// alike; where there is no room for it, it is drawn for those who wait now.
// When too many wait to be drawn it is a Busy fault.
func (l *Library) openDrawn(ctx context.Context, shop id.Shop, m Image, draw func(int) image.Image, width int) (io.ReadSeekCloser, time.Time, error) {
	if !slices.Contains(m.Widths(), width) {
		if !slices.Contains(standard, width) {
			return nil, time.Time{}, fault.NotFound("There is no such picture.")
		}
		width = Nearest(m.Width, width)
	}
	if has, err := l.drawing.Has(ctx, shop, m.Hash); err != nil || !has {
		if err == nil {
			err = fault.NotFound("There is no such picture.")
		}
		return nil, time.Time{}, err
	}
	key := fmt.Sprintf("drawn/%s-%d.webp", m.Hash, width)
	if f, at, err := l.drawing.Keep.Open(ctx, key); !fault.Is(err, fault.KindNotFound) {
		return f, at, err
	}
	got := l.flights.DoChan(key, func() (any, error) {
		defer l.drawings.Add(-1)
		if l.drawings.Add(1) > maxDrawings {
			return nil, fault.Busy(time.Second, "Many pictures are being drawn just now. Try again in a second.")
		}
		// Whoever asked first may leave; the others still want it.
		return l.drawNow(context.WithoutCancel(ctx), key, func() image.Image { return draw(width) })
	})
	select {
	case r := <-got:
		if r.Err != nil {
			return nil, time.Time{}, r.Err
		}
		return inMemory{bytes.NewReader(r.Val.([]byte))}, time.Time{}, nil
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
}

func (l *Library) drawNow(ctx context.Context, key string, draw func() image.Image) (webp []byte, err error) {
	if err := l.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer l.slots.Release(1)
	// Somebody may have drawn it while we waited.
	if f, _, err := l.drawing.Keep.Open(ctx, key); err == nil {
		defer f.Close()
		return io.ReadAll(f)
	}
	guard(&err, func() { webp, err = WebP(draw()) })
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", key, err)
	}
	if l.room() == nil {
		_ = l.drawing.Keep.Put(ctx, key, webp) // it is drawn again when it is wanted again
	}
	return webp, nil
}

// inMemory is a blob that was not read from the disk.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }
