package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"haat/internal/fault"
)

// Near is a store that is far away, with the renditions that were last looked
// at on a disk of this machine. What is written is in the far store before Put
// returns. What is nearby goes on being served while the far store is away;
// another process's Delete does not reach it, until it is driven out. Cards
// are never kept nearby: they say what the far store has.
//
// Nearby are two generations. What is fetched or looked at belongs to the
// newest; when that is half of what may be kept, it becomes the old one and
// the old one is removed. So nothing has to be remembered of single blobs.
type Near struct {
	far  Store
	disk *Disk
	most int64
	room func() error

	mu    sync.Mutex
	gen   int64
	bytes int64 // in the newest generation
	tidy  sync.WaitGroup

	flights singleflight.Group
	slots   *semaphore.Weighted
	waiting atomic.Int64
}

const (
	fetches    = 32               // from the far store at once
	maxFetches = 1024             // being fetched or waiting for that
	fetchFor   = 30 * time.Second // one blob at most, waiting included
)

// NewNear keeps up to so many bytes of the far store on the disk, which is the
// Near's alone, and nothing more while room gives an error. Closing it closes
// both.
func NewNear(far Store, disk *Disk, most int64, room func() error) (*Near, error) {
	n := &Near{far: far, disk: disk, most: most, room: room, gen: 1, slots: semaphore.NewWeighted(fetches)}
	sizes := map[int64]int64{}
	err := disk.Walk(context.Background(), func(key string, size int64) error {
		first, _, _ := strings.Cut(key, "/")
		g, err := strconv.ParseInt(strings.TrimPrefix(first, "g"), 10, 64)
		if err == nil {
			sizes[g] += size
			n.gen = max(n.gen, g)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.bytes = sizes[n.gen]
	for g := range sizes {
		if g < n.gen-1 {
			err = errors.Join(err, disk.drop(generation(g)))
		}
	}
	return n, err
}

func generation(g int64) string { return "g" + strconv.FormatInt(g, 10) }

// Close waits for what is being removed, and closes both stores.
func (n *Near) Close() error {
	n.tidy.Wait()
	return errors.Join(n.far.Close(), n.disk.Close())
}

// Put keeps the blob far away, then nearby if there is room.
func (n *Near) Put(ctx context.Context, key string, data []byte) error {
	if err := n.far.Put(ctx, key, data); err != nil {
		return err
	}
	n.forget(ctx, key) // of an earlier blob of that key
	if !isCard(key) && n.room() == nil {
		gen, _ := n.generations()
		if n.disk.Put(ctx, path.Join(gen, key), data) == nil {
			n.grown(int64(len(data)))
		}
	}
	return nil
}

// Open gives the blob from nearby, fetching it if it is not there, once
// however many ask. Where it cannot be kept it is streamed from afar.
func (n *Near) Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	if isCard(key) {
		return n.far.Open(ctx, key)
	}
	if f, at, err := n.nearby(ctx, key); err == nil {
		return f, at, nil
	}
	got := n.flights.DoChan(key, func() (any, error) {
		// Whoever asked first may leave; the others still want it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchFor)
		defer cancel()
		return nil, n.fetch(ctx, key)
	})
	select {
	case r := <-got:
		if fault.Of(r.Err) != nil && !errors.Is(r.Err, fault.DiskFull) {
			return nil, time.Time{}, r.Err
		}
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
	if f, at, err := n.nearby(ctx, key); err == nil {
		return f, at, nil
	}
	return n.far.Open(ctx, key)
}

func (n *Near) fetch(ctx context.Context, key string) error {
	defer n.waiting.Add(-1)
	if n.waiting.Add(1) > maxFetches {
		return fault.Busy(time.Second, "Many pictures are being fetched just now. Try again in a second.")
	}
	if err := n.slots.Acquire(ctx, 1); err != nil {
		return fault.Busy(time.Second, "Pictures come slowly just now. Try again in a second.").Because(err)
	}
	defer n.slots.Release(1)
	if err := n.room(); err != nil {
		return nil // it is streamed
	}
	r, _, err := n.far.Open(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	gen, _ := n.generations()
	size, err := n.disk.pour(ctx, path.Join(gen, key), r)
	if err == nil {
		n.grown(size)
	}
	return err
}

// nearby opens what is nearby, and brings it into the newest generation.
func (n *Near) nearby(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	newest, old := n.generations()
	f, at, err := n.disk.Open(ctx, path.Join(newest, key))
	if !fault.Is(err, fault.KindNotFound) {
		return f, at, err
	}
	f, at, err = n.disk.Open(ctx, path.Join(old, key))
	if fault.Is(err, fault.KindNotFound) { // or somebody has just brought it over
		return n.disk.Open(ctx, path.Join(newest, key))
	}
	if err != nil {
		return nil, at, err
	}
	if n.disk.move(path.Join(old, key), path.Join(newest, key)) == nil {
		if size, err := f.Seek(0, io.SeekEnd); err == nil {
			n.grown(size)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, at, errors.Join(err, f.Close())
		}
	}
	return f, at, nil
}

func (n *Near) generations() (newest, old string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return generation(n.gen), generation(n.gen - 1)
}

// grown counts bytes that came into the newest generation.
func (n *Near) grown(size int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bytes += size; n.bytes <= n.most/2 {
		return
	}
	n.gen, n.bytes = n.gen+1, 0
	gone := n.gen - 2
	n.tidy.Go(func() { // what stays is removed at the next start
		_ = n.disk.drop(generation(gone))
		_ = n.disk.drop(generation(gone - 1)) // where a slow fetch may have ended
	})
}

func (n *Near) forget(ctx context.Context, key string) {
	newest, old := n.generations()
	_ = n.disk.Delete(ctx, path.Join(newest, key))
	_ = n.disk.Delete(ctx, path.Join(old, key))
}

// Size asks the far store.
func (n *Near) Size(ctx context.Context, key string) (int64, error) { return n.far.Size(ctx, key) }

// Delete removes the blob far away and nearby.
func (n *Near) Delete(ctx context.Context, key string) error {
	err := n.far.Delete(ctx, key)
	if err == nil {
		n.forget(ctx, key)
	}
	return err
}

// Walk goes through the far store.
func (n *Near) Walk(ctx context.Context, fn func(key string, size int64) error) error {
	return n.far.Walk(ctx, fn)
}

func isCard(key string) bool { return strings.HasSuffix(key, ".json") }

// drop removes a folder at the top with all that is in it.
func (d *Disk) drop(folder string) error {
	if err := d.root.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove %s: %w", folder, err)
	}
	return nil
}

// move gives a blob another key. After a power cut it may have either.
func (d *Disk) move(from, to string) error {
	a, err1 := file(from)
	b, err2 := file(to)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := d.folders(path.Dir(b)); err != nil {
		return err
	}
	return d.root.Rename(a, b)
}
