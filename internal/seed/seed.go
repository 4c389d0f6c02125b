// Package seed fills a platform that serves nobody with shops as there might
// be: owners, settings, products in variants with prices and stock, most shops
// small and a few very large.
//
// Everything is written by the rooms' own code, many shops to a transaction,
// and follows from the seed: the same seed gives the same shops to the last id
// and minute, whatever else is in the folder and however often the work was
// ended and begun again. What shop i is does not depend on how many there are,
// so a folder of twenty thousand can be grown to a million.
package seed

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/media/draw"
	"haat/internal/shop"
)

// Plan says what is wanted.
type Plan struct {
	Shops    int    // how many
	Products int    // in a shop, on average
	Seed     uint64 // the same gives the same
	// Progress is told after every batch; nil: nobody is. It is called by
	// several goroutines.
	Progress func(Progress)
}

// Progress is how far the work has come.
type Progress struct {
	Shops    int64 // there now, those of an earlier run included
	Products int64 // written by this run
	New      int64 // shops written by this run
}

const (
	batchShops    = 256
	batchProducts = 4_000 // a batch ends here, however few shops it has
	Largest       = 5_000 // products of the largest shops
	largestEvery  = 25_000
	apart         = 20 * time.Second // between two openings
)

// begin is when the first shop opened.
var begin = time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC)

// Fill makes what is missing of the plan. Ended in the middle, by whatever, it
// goes on when it is called again. A folder that has shops of another seed has
// other ids, and often a slug that is taken, which is a Conflict.
func Fill(ctx context.Context, f *fleet.Fleet, p Plan) (Progress, error) {
	if p.Shops < 1 || p.Products < 1 {
		return Progress{}, fmt.Errorf("at least one shop with one product")
	}
	s := sizes(p.Products)
	var there, made, products atomic.Int64
	state := func() Progress { return Progress{Shops: there.Load(), New: made.Load(), Products: products.Load()} }
	batches := make(chan [2]int)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		for from := 0; from < p.Shops; {
			to, sum := from, 0
			for ; to < p.Shops && to-from < batchShops && sum < batchProducts; to++ {
				sum += s.of(p.Seed, to)
			}
			select {
			case batches <- [2]int{from, to}:
			case <-ctx.Done():
				return ctx.Err()
			}
			from = to
		}
		return nil
	})
	for range len(f.ShardNames()) + 1 {
		g.Go(func() error {
			for b := range batches {
				var part []shop.Loading
				sum := 0
				for i := b[0]; i < b[1]; i++ {
					n := s.of(p.Seed, i)
					sum += n
					part = append(part, Shop(p.Seed, i, n))
				}
				n, err := shop.Load(ctx, f, part)
				if err != nil {
					return fmt.Errorf("shops %d to %d: %w", b[0]+1, b[1], err)
				}
				there.Add(int64(b[1] - b[0]))
				made.Add(int64(n))
				if n == len(part) {
					products.Add(int64(sum))
				}
				if p.Progress != nil {
					p.Progress(state())
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return state(), err
}

// ID gives the id of a seed's shop i, counted from 0.
func ID(seed uint64, i int) id.Shop {
	return id.ShopAt(opened(i), uint32(chance(seed, i, 1).Uint64()))
}

// Products gives how many products a plan's shop i has.
func (p Plan) ProductsOf(i int) int { return sizes(p.Products).of(p.Seed, i) }

func opened(i int) time.Time { return begin.Add(time.Duration(i) * apart) }

// chance gives the lots that are drawn for one purpose of a shop.
func chance(seed uint64, i int, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed^purpose<<56, uint64(i)))
}

// Shop gives a seed's shop i with so many products.
func Shop(seed uint64, i, products int) shop.Loading {
	lots := chance(seed, i, 2)
	name, number := shopName(seed, i)
	slug := shop.Slug(name)
	if number > 1 {
		slug = fmt.Sprintf("%s-%d", slug, number)
	}
	at := opened(i)
	s := shop.Defaults(name, "IN", "INR")
	s.Phone = fmt.Sprintf("+9198%08d", i%100_000_000)
	s.Delivery.Charge, s.Delivery.FreeAbove = 40_00+lots.Int64N(5)*10_00, 499_00+lots.Int64N(6)*100_00
	s.UPI = shop.UPI{VPA: fmt.Sprintf("shop%d@upi", i)}
	hue := lots.IntN(len(accents))
	banner := draw.Recipe{View: draw.Row, Thing: kinds[newGoods(seed, i).first].drawing, Palette: hue}.Image()
	s.Theme.Accent, s.Theme.Font, s.Theme.Banner = accents[hue], pick(lots, fonts), banner.Hash
	s.Theme.Tagline = pick(lots, taglines)
	return shop.Loading{
		ID: ID(seed, i), Slug: slug, Made: at, Settings: s,
		Account: id.Account(id.From[struct{}](id.NewSource(seed, uint64(i)<<1, at))),
		Contact: shop.Contact{Kind: shop.Email, Address: fmt.Sprintf("owner%d@shops.example", i)},
		IDs:     id.NewSource(seed, uint64(i)<<1|1, at),
		Fill: func(ctx context.Context, tx *db.Tx) error {
			return fill(ctx, tx, newGoods(seed, i), products, banner)
		},
	}
}

// fill writes what a shop shows: its products, their pictures, which are drawn
// when somebody looks, and its collections. What searches are answered from is
// written when somebody searches.
func fill(ctx context.Context, tx *db.Tx, goods *goods, products int, banner media.Image) error {
	if err := media.Save(ctx, tx, banner); err != nil {
		return err
	}
	var all []*catalog.Product
	pictures := map[string]bool{}
	for range products {
		p := goods.next()
		if err := catalog.Add(ctx, tx, p); err != nil {
			return err
		}
		for _, m := range p.Images {
			if !pictures[m.Hash] {
				pictures[m.Hash] = true
				if err := media.Save(ctx, tx, m.Image); err != nil {
					return err
				}
			}
		}
		all = append(all, p)
	}
	for i, c := range shelves(all) {
		var members []id.Product
		for _, p := range all {
			if c.Rule.Holds(p) {
				members = append(members, p.ID)
			}
		}
		if err := catalog.AddCollection(ctx, tx, &c, i, members); err != nil {
			return err
		}
	}
	return catalog.Pack(ctx, tx)
}

// distribution is how many products shops have: the larger, the rarer, by a
// power law.
type distribution struct{ least float64 }

const (
	steepness = 1.2
	large     = 2_000 // products of a shop that is not among the largest
)

// sizes finds the distribution whose average is wanted.
func sizes(average int) distribution {
	want := max(1, float64(average)-float64(Largest)/largestEvery)
	low, high := 0.0, float64(large)
	for range 50 {
		d := distribution{(low + high) / 2}
		sum := 0.0
		const n = 20_000
		for k := range n {
			sum += float64(d.at((float64(k) + 0.5) / n))
		}
		if sum/n < want {
			low = d.least
		} else {
			high = d.least
		}
	}
	return distribution{high}
}

func (d distribution) at(u float64) int {
	return int(min(max(math.Round(d.least*math.Pow(u, -1/steepness)), 1), large))
}

func (d distribution) of(seed uint64, i int) int {
	if i%largestEvery == largestEvery/2 {
		return Largest
	}
	return d.at(1 - chance(seed, i, 3).Float64())
}
