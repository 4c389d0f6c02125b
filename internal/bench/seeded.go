package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/stock"
)

// town is a folder of made-up shops, and what can be asked for in each.
type town struct {
	dir   string
	sites []site
}

// site is a made-up shop with one of its products.
type site struct {
	shop    id.Shop
	host    string
	handle  string
	variant id.Variant
}

// seeded gives the made-up shops, which are made when first wanted. Nobody
// serves them on return.
func (b *bench) seeded(ctx context.Context, r *Result) (*town, error) {
	if b.made != nil {
		return b.made, nil
	}
	t := &town{dir: b.Data}
	if t.dir == "" {
		t.dir = filepath.Join(b.dir, "seeded")
		begun, told := time.Now(), time.Now()
		b.say("making %d shops", b.Seeded)
		err := b.Seed(ctx, t.dir, b.Seeded, func(shops int64) {
			if now := time.Now(); now.Sub(told) > 5*time.Second {
				told = now
				b.say("%d of %d shops are there", shops, b.Seeded)
			}
		})
		if err != nil {
			return nil, err
		}
		r.note("%d shops were made in %.1f s", b.Seeded, time.Since(begun).Seconds())
	}
	b.say("looking at what they sell")
	err := b.with(ctx, t.dir, func(p *Platform) error {
		t.sites = make([]site, b.Seeded)
		_, err := times(ctx, writers, int64(b.Seeded), func(ctx context.Context, _ int, n int64) error {
			room, err := p.Fleet.ByID(ctx, b.ShopAt(int(n)))
			if err != nil {
				return fmt.Errorf("made-up shop %d: %w", n, err)
			}
			s := &t.sites[n]
			s.shop, s.host = room.Shop(), room.Host()
			return room.View(ctx, fleet.Newest, func(v db.Reader) error {
				home, err := catalog.ReadHomePage(ctx, v, nil)
				if err == nil && len(home.Newest) == 0 {
					err = fmt.Errorf("%s has no products", s.host)
				}
				if err != nil {
					return err
				}
				s.handle, s.variant = home.Newest[0].Handle, home.Newest[0].Variant
				return nil
			})
		})
		if err != nil {
			return err
		}
		// What is ordered must not run out.
		_, err = times(ctx, writers, int64(t.ordered()), func(ctx context.Context, _ int, n int64) error {
			room, err := p.Fleet.ByID(ctx, t.sites[n].shop)
			if err != nil {
				return err
			}
			_, err = room.Change(ctx, func(tx *db.Tx) error {
				_, err := stock.Set(ctx, tx, t.sites[n].variant, plenty)
				return err
			})
			return err
		})
		return errors.Join(err, p.Quiet(ctx))
	})
	if err != nil {
		return nil, err
	}
	b.made = t
	return t, nil
}

// ordered is how many shops orders go to, the first ones.
func (t *town) ordered() int { return min(len(t.sites), 20_000) }

// drop has the system forget what it holds of a folder's databases, so that
// they are read from the disk.
func drop(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return errors.Join(unix.Fdatasync(int(f.Fd())), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	})
}
