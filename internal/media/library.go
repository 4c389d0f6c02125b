package media

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"haat/internal/fault"
	"haat/internal/id"
)

// Library keeps the pictures of all shops in one store. It is safe for use by
// many goroutines.
type Library struct {
	store   Store
	slots   *semaphore.Weighted
	workers int64

	maxPending, large, most int64 // bytes; see Within

	room    func() error // why no more pictures can be taken, if so
	pending atomic.Int64 // bytes of uploads being worked on or waiting
	process func(ctx context.Context, f facts, data []byte) (Image, []Rendition, error)

	drawing  Drawing
	flights  singleflight.Group
	drawings atomic.Int64 // being drawn or waiting for that
}

const (
	maxPending = 256 << 20 // bytes of uploads in memory at once, over all shops
	large      = 128 << 20 // bytes; a picture that takes more to decode is worked on alone
)

// Within has the library keep within so much memory: a fifth for uploads that
// wait, the rest for decoding. A picture that would take more than that to
// decode is refused. Call it before the library is used.
func (l *Library) Within(bytes int64) {
	l.maxPending = min(maxPending, max(bytes/5, 2*MaxBytes))
	l.most = bytes - bytes/5
	l.large = min(large, l.most/l.workers)
}

// NewLibrary keeps pictures in the store and works on at most so many at once
// (two, if workers is not positive). The store stays the caller's to close.
func NewLibrary(store Store, workers int) *Library {
	if workers <= 0 {
		workers = 2
	}
	return &Library{
		room:  func() error { return nil },
		store: store, slots: semaphore.NewWeighted(int64(workers)), workers: int64(workers),
		maxPending: maxPending, large: large, most: 1 << 40,
		process: func(ctx context.Context, f facts, data []byte) (Image, []Rendition, error) {
			return f.process(ctx, data)
		},
		drawing: Drawing{Keep: store, ByHash: func(string) (m Image, draw func(int) image.Image, ok bool) { return m, nil, false }},
	}
}

// While has Add ask room first, whose error says why no more pictures can be
// taken for now. Call it before the library is used.
func (l *Library) While(room func() error) { l.room = room }

// Add makes and keeps all renditions of an upload. The same bytes give the
// same picture again without any work. It waits for its turn until ctx ends;
// when too many uploads wait already it is a Busy fault at once. What cannot
// be taken is an Invalid or TooLarge fault, as in [Process]. When Add returns
// without error the picture would survive a power cut.
func (l *Library) Add(ctx context.Context, shop id.Shop, data []byte) (Image, error) {
	f, err := inspect(data)
	if err != nil {
		return Image{}, err
	}
	hash := Hash(data)
	if m, ok, err := l.known(ctx, shop, hash); ok || err != nil {
		return m, err
	}
	if err := l.room(); err != nil {
		return Image{}, err
	}
	if f.memory > l.most {
		return Image{}, fault.TooLarge("/image", "The picture has %d × %d pixels, more than this server has the memory for. Save it smaller and upload it again.", f.width, f.height).With("image-pixels")
	}
	size := int64(len(data))
	defer l.pending.Add(-size)
	if l.pending.Add(size) > l.maxPending {
		return Image{}, fault.Busy(10*time.Second, "Many pictures are being uploaded just now. Try again in a few seconds.")
	}
	turns := int64(1)
	if f.memory > l.large {
		turns = l.workers
	}
	if err := l.slots.Acquire(ctx, turns); err != nil {
		return Image{}, fmt.Errorf("wait to work on a picture: %w", err)
	}
	defer l.slots.Release(turns)
	// Somebody may have added the same bytes while we waited.
	if m, ok, err := l.known(ctx, shop, hash); ok || err != nil {
		return m, err
	}
	m, renditions, err := l.process(ctx, f, data)
	if err != nil {
		return Image{}, err
	}
	for _, r := range renditions {
		if err := l.store.Put(ctx, rendition(shop, hash, r.Width), r.WebP); err != nil {
			return Image{}, err
		}
	}
	// The card comes last: where it is, the renditions are. A row comes after it.
	text, err := json.Marshal(m)
	if err != nil {
		return Image{}, err
	}
	return m, l.store.Put(ctx, card(shop, hash), text)
}

// Find gives a picture that was added before, or is drawn for the shop; ok is
// false if there is none.
func (l *Library) Find(ctx context.Context, shop id.Shop, hash string) (m Image, ok bool, err error) {
	if !IsHash(hash) {
		return Image{}, false, nil
	}
	if m, _, drawn := l.drawing.ByHash(hash); drawn {
		ok, err = l.drawing.Has(ctx, shop, hash)
		return m, ok, err
	}
	return l.known(ctx, shop, hash)
}

func (l *Library) known(ctx context.Context, shop id.Shop, hash string) (Image, bool, error) {
	var m Image
	r, _, err := l.store.Open(ctx, card(shop, hash))
	if fault.Is(err, fault.KindNotFound) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	defer r.Close()
	if err := json.NewDecoder(io.LimitReader(r, 4096)).Decode(&m); err != nil {
		return m, false, fmt.Errorf("read the card of picture %s: %w", hash, err)
	}
	return m, true, nil
}

// Open gives one rendition and when it was made; a NotFound fault if the shop
// has no such picture or it has no such width. A standard width that is more
// than the picture has is answered with its widest, so that whoever knows
// only a picture's name can ask. The caller closes it.
func (l *Library) Open(ctx context.Context, shop id.Shop, hash string, width int) (io.ReadSeekCloser, time.Time, error) {
	if !IsHash(hash) || width < 1 || width > Largest {
		return nil, time.Time{}, fault.NotFound("There is no such picture.")
	}
	if m, draw, drawn := l.drawing.ByHash(hash); drawn {
		return l.openDrawn(ctx, shop, m, draw, width)
	}
	f, at, err := l.store.Open(ctx, rendition(shop, hash, width))
	if fault.Is(err, fault.KindNotFound) && slices.Contains(standard, width) {
		if m, ok, known := l.known(ctx, shop, hash); ok && known == nil {
			return l.store.Open(ctx, rendition(shop, hash, Nearest(m.Width, width)))
		}
	}
	return f, at, err
}

// Remove deletes a picture of a shop: first its card, so that a crash in the
// middle leaves something that Add mends. One that is not there is no error.
func (l *Library) Remove(ctx context.Context, shop id.Shop, hash string) error {
	m, ok, err := l.Find(ctx, shop, hash)
	if err != nil || !ok {
		return err
	}
	if err := l.store.Delete(ctx, card(shop, hash)); err != nil {
		return err
	}
	for _, w := range m.Widths() {
		if err := l.store.Delete(ctx, rendition(shop, hash, w)); err != nil {
			return err
		}
	}
	return nil
}

func card(shop id.Shop, hash string) string { return shop.String() + "/" + hash + ".json" }

func rendition(shop id.Shop, hash string, width int) string {
	return shop.String() + "/" + hash + "-" + strconv.Itoa(width) + ".webp"
}
