package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"haat/internal/fault"
)

// Copied tells how far a copy is.
type Copied struct {
	Blobs, Bytes int64 // that the other store has now, and looked at
	New          int64 // blobs of those that were written by this run
}

const (
	copiers = 16
	largest = 64 << 20 // bytes; no rendition comes near it
)

// Copy brings every picture of a store into another, cards after renditions,
// so that where a card is its renditions are. What is there with the same
// size is left as it is, so that a copy that was cut off goes on; with check
// it is read and compared too. What was written is read back and compared.
// Pictures that are drawn on demand are not copied. tell is called for every
// blob, by one goroutine at a time.
//
// Pictures that come into the store meanwhile may be missed.
func Copy(ctx context.Context, from, to Store, check bool, tell func(Copied)) (Copied, error) {
	var done Copied
	var telling sync.Mutex
	for _, cards := range []bool{false, true} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(copiers)
		var failed atomic.Bool
		err := from.Walk(ctx, func(key string, size int64) error {
			if strings.HasPrefix(key, "drawn/") || isCard(key) != cards {
				return nil
			}
			if failed.Load() {
				return context.Canceled // the group has the reason
			}
			g.Go(func() error {
				wrote, err := copyBlob(ctx, from, to, key, size, check)
				if fault.Is(err, fault.KindNotFound) {
					return nil // removed since it was listed
				}
				if err != nil {
					failed.Store(true)
					return fmt.Errorf("copy %s: %w", key, err)
				}
				telling.Lock()
				defer telling.Unlock()
				done.Blobs++
				done.Bytes += size
				if wrote {
					done.New++
				}
				tell(done)
				return nil
			})
			return nil
		})
		if first := g.Wait(); first != nil {
			err = first
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func copyBlob(ctx context.Context, from, to Store, key string, size int64, check bool) (wrote bool, err error) {
	n, err := to.Size(ctx, key)
	there := err == nil && n == size
	if err != nil && !fault.Is(err, fault.KindNotFound) {
		return false, err
	}
	if there && !check {
		return false, nil
	}
	data, err := readAll(ctx, from, key)
	if err != nil {
		return false, err
	}
	if there {
		got, err := readAll(ctx, to, key)
		if err != nil || bytes.Equal(got, data) {
			return false, err
		}
	}
	if err := to.Put(ctx, key, data); err != nil {
		return false, err
	}
	got, err := readAll(ctx, to, key)
	if err == nil && !bytes.Equal(got, data) {
		err = errors.New("what is read back is not what was written")
	}
	return true, err
}

func readAll(ctx context.Context, s Store, key string) ([]byte, error) {
	r, _, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err == nil && len(b) > largest {
		err = fmt.Errorf("it has more than %d MiB and is no picture of haat", largest>>20)
	}
	return b, err
}
