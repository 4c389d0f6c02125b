package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/stock"
)

// books looks whether the stock of every shop adds up: again and again in the
// background, and when the operator asks. It only reads, through what serves
// pages too, and repairs nothing.
//
// Shops are looked at in pages, many with one statement, none of which goes
// through more than mostEntries entries of ledgers; a shop with more is
// looked at in parts. In the background it rests after each for so long that
// it takes lookShare of a processor. Between the pages of a round it looks at
// those that have been written since.
type books struct {
	fleet *fleet.Fleet
	log   *slog.Logger
	paged int        // shops that are looked at in one page
	most  int64      // entries of ledgers that one statement goes through
	asked sync.Mutex // held while the operator's check runs
	turn  sync.Mutex // held by the round that runs

	mu      sync.Mutex
	wrong   map[id.Shop]wrongShop
	written map[id.Shop]bool // since they were looked at, as far as is remembered
	shops   int64            // looked at since the start
	rounds  int64            // that were gone through in whole
	here    bool             // this process is the one that looks
	since   time.Time        // no shop was looked at longer ago: when the last whole round began, else the start
	failed  error            // why the last look failed, if it did
}

// wrongShop is what was found in a shop when it was looked at last.
type wrongShop struct {
	slug  string
	items int64             // SKUs and products that do not add up
	few   []api.Discrepancy // the first
	seen  time.Time
}

const (
	pageOfShops   = 500
	mostEntries   = 20_000         // of ledgers, in one statement
	lookShare     = 0.02           // of a processor, in the background
	roundAtLeast  = time.Minute    // from the beginning of one round to that of the next
	mostWritten   = 10_000         // shops written that are remembered: the others wait for their turn
	writtenAtOnce = 50             // of them looked at with each page
	mostWrong     = 10_000         // shops whose discrepancies are remembered
	fewWrong      = 20             // discrepancies of a shop that are remembered
	lookLate      = 24 * time.Hour // after which a shop should have had its turn
)

func newBooks(f *fleet.Fleet, log *slog.Logger) *books {
	return &books{fleet: f, log: log, paged: pageOfShops, most: mostEntries, wrong: map[id.Shop]wrongShop{}, written: map[id.Shop]bool{}, here: true, since: time.Now()}
}

// wrote notes that a shop was written, by a change that told of something;
// others wait for their turn.
func (b *books) wrote(c fleet.Commit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.written) < mostWritten {
		b.written[c.Shop] = true
	}
}

// pace rests so that what is done between takes no more than a share of a
// processor.
type pace struct {
	share float64
	began time.Time
}

func newPace(share float64) *pace { return &pace{share: share, began: time.Now()} }

func (p *pace) rest(ctx context.Context) error {
	if p.share < 1 {
		t := time.NewTimer(time.Duration(float64(time.Since(p.began)) * (1/p.share - 1)))
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	p.began = time.Now()
	return ctx.Err()
}

// look is one going through of some shops.
type look struct {
	*books
	pace  *pace
	light bool // leaves out shops that need parts
	found func(api.Discrepancy)
	all   api.Checked
}

// keep goes round and round, after a wait, until ctx ends. One process at a
// time does.
func (b *books) keep(ctx context.Context, wait time.Duration) {
	b.begin()
	defer b.end()
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		began := time.Now()
		err := b.round(ctx, newPace(lookShare))
		if err != nil && ctx.Err() == nil {
			b.log.Error("looking whether stock adds up failed; it will be tried again", "err", err)
		}
		wait = max(0, roundAtLeast-time.Since(began))
	}
}

func (b *books) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.here, b.since, b.rounds, b.failed = true, time.Now(), 0, nil
}

// end leaves what was found to the process that looks from now on.
func (b *books) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.here = false
	clear(b.wrong)
}

// round looks at every shop once, and at those that are written meanwhile. A
// page that cannot be looked at does not keep the others from it.
func (b *books) round(ctx context.Context, p *pace) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	began := time.Now()
	l := look{books: b, pace: p, found: func(api.Discrepancy) {}}
	recent := look{books: b, pace: p, found: l.found, light: true}
	var errs []error
	for before := id.Shop(0); ; {
		if err := recent.writtenOnes(ctx); err != nil {
			errs = append(errs, err)
		}
		page, err := b.fleet.List(ctx, before, "", b.paged)
		if err != nil {
			errs = append(errs, err)
			break
		}
		if err := l.page(ctx, page); err != nil {
			errs = append(errs, err)
		}
		if len(page) < b.paged || ctx.Err() != nil || len(errs) > 10 {
			break
		}
		before = page[len(page)-1].Shop
	}
	err := errors.Join(errs...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed = err; err == nil {
		b.since, b.rounds = began, b.rounds+1
		for shop, w := range b.wrong {
			if w.seen.Before(began) { // it is no more
				delete(b.wrong, shop)
			}
		}
	}
	return err
}

// writtenOnes looks at some of the shops that were written since.
func (l *look) writtenOnes(ctx context.Context) error {
	l.mu.Lock()
	var some []id.Shop
	for shop := range l.written {
		if some = append(some, shop); len(some) == writtenAtOnce {
			break
		}
	}
	for _, shop := range some {
		delete(l.written, shop)
	}
	l.mu.Unlock()
	for _, shop := range some {
		room, err := l.fleet.ByID(ctx, shop)
		if fault.Is(err, fault.KindNotFound) {
			continue
		}
		if err == nil {
			err = l.page(ctx, []fleet.Entry{room.Entry()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// page looks at shops, those of each shard together.
func (l *look) page(ctx context.Context, shops []fleet.Entry) error {
	on := map[string][]fleet.Entry{}
	for _, e := range shops {
		on[e.Shard] = append(on[e.Shard], e)
	}
	var errs []error
	for name, part := range on {
		slices.SortFunc(part, func(a, b fleet.Entry) int { return cmp.Compare(a.Shop, b.Shop) })
		if err := l.shard(ctx, l.fleet.Shard(name), part); err != nil {
			errs = append(errs, fmt.Errorf("check stock on shard %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// shard looks at shops of one shard, in the order of their ids, as many at
// once as have no more entries than one statement is to go through.
func (l *look) shard(ctx context.Context, s *db.Shard, shops []fleet.Entry) error {
	if s == nil {
		return errors.New("it is not open here")
	}
	rows, err := s.Across(ctx, stock.Entries, shops[0].Shop, shops[len(shops)-1].Shop)
	if err != nil {
		return fmt.Errorf("shops from %s on: %w", shops[0].Slug, err)
	}
	entries := make(map[id.Shop]int64, len(rows))
	for _, c := range rows {
		entries[c.Shop] = c.N
	}
	var errs []error
	for len(shops) > 0 && ctx.Err() == nil {
		n, sum := 1, entries[shops[0].Shop]
		for n < len(shops) && sum+entries[shops[n].Shop] <= l.most {
			sum += entries[shops[n].Shop]
			n++
		}
		if sum <= l.most {
			err = l.together(ctx, s, shops[:n])
		} else if !l.light {
			err = l.audit(ctx, shops[:n])
		}
		if err != nil {
			errs = append(errs, err)
		}
		shops = shops[n:]
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// together looks at neighbours with one statement, and closer at those where
// something is wrong, or at each if the numbers of one are such that the
// statement fails.
func (l *look) together(ctx context.Context, s *db.Shard, shops []fleet.Entry) error {
	rows, err := s.Across(ctx, stock.Balances, shops[0].Shop, shops[len(shops)-1].Shop)
	if err != nil {
		return l.audit(ctx, shops)
	}
	has := make(map[id.Shop]int64, len(rows))
	for _, c := range rows {
		has[c.Shop] = c.N
	}
	if err := l.pace.rest(ctx); err != nil {
		return err
	}
	var closer []fleet.Entry
	for _, e := range shops {
		if has[e.Shop] < 0 {
			closer = append(closer, e)
		} else {
			l.settle(e, stock.Books{Variants: has[e.Shop]}, nil)
		}
	}
	return l.audit(ctx, closer)
}

// audit looks closely at each of some shops.
func (l *look) audit(ctx context.Context, shops []fleet.Entry) error {
	var errs []error
	for _, e := range shops {
		if err := l.one(ctx, e); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (l *look) one(ctx context.Context, e fleet.Entry) error {
	room, err := l.fleet.ByID(ctx, e.Shop)
	if fault.Is(err, fault.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	got, err := stock.Audit(ctx, room, func() error { return l.pace.rest(ctx) })
	if err != nil {
		return fmt.Errorf("shop %s: %w", e.Slug, err)
	}
	named, err := named(ctx, room, got.Wrong)
	if err != nil {
		return fmt.Errorf("shop %s: %w", e.Slug, err)
	}
	l.settle(e, got, named)
	return l.pace.rest(ctx)
}

// settle notes what was seen of a shop, and tells of what is new.
func (l *look) settle(e fleet.Entry, got stock.Books, all []api.Discrepancy) {
	items := int64(got.Items())
	l.all.Shops, l.all.SKUs, l.all.Wrong = l.all.Shops+1, l.all.SKUs+got.Variants, l.all.Wrong+items
	if items > 0 {
		l.all.WrongShops++
	}
	l.mu.Lock()
	l.shops++
	delete(l.written, e.Shop)
	was, known := l.wrong[e.Shop]
	if items == 0 {
		delete(l.wrong, e.Shop)
	} else if known || len(l.wrong) < mostWrong {
		l.wrong[e.Shop] = wrongShop{slug: e.Slug, items: items, few: slices.Clone(all[:min(len(all), fewWrong)]), seen: time.Now()}
	}
	l.mu.Unlock()
	switch {
	case items > 0 && was.items != items:
		l.log.Error("the stock of a shop does not add up", "shop", e.Slug, "id", e.Shop, "items", items, "which", which(all))
	case items == 0 && known:
		l.log.Info("the stock of a shop adds up again", "shop", e.Slug, "id", e.Shop)
	}
	for _, d := range all {
		l.found(d)
	}
}

// which names the first few.
func which(all []api.Discrepancy) string {
	var names []string
	for _, d := range all[:min(len(all), 5)] {
		names = append(names, d.Item()+" ("+d.Reason+")")
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// named adds to discrepancies what people call the things they are about.
func named(ctx context.Context, room *fleet.Room, all []stock.Discrepancy) ([]api.Discrepancy, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var variants []id.Variant
	for _, d := range all {
		if !d.Variant.Zero() {
			variants = append(variants, d.Variant)
		}
	}
	out, titles := make([]api.Discrepancy, len(all)), map[id.Product]string{}
	return out, room.View(ctx, fleet.AnyAge, func(r db.Reader) error {
		goods, err := catalog.Sellables(ctx, r, variants)
		if err != nil {
			return err
		}
		for i, d := range all {
			out[i] = api.Discrepancy{
				Shop: room.Slug(), ShopID: room.Shop().String(), Product: d.Product.String(), Variant: d.Variant.String(),
				Aspect: string(d.Aspect), Expected: d.Expected, Found: d.Found, Difference: d.Found - d.Expected, Reason: d.Reason,
			}
			if g, ok := goods[d.Variant]; ok {
				out[i].SKU, out[i].Title, out[i].Product = g.SKU, titleOf(g), g.Product.String()
				titles[g.Product] = g.Title
			}
		}
		for i, d := range all {
			if !d.Variant.Zero() {
				continue
			}
			if _, known := titles[d.Product]; !known && len(titles) < fewWrong {
				p, err := catalog.Read(ctx, r, d.Product)
				if err != nil && !fault.Is(err, fault.KindNotFound) {
					return err
				}
				titles[d.Product] = p.Title
			}
			out[i].Title = titles[d.Product]
		}
		return nil
	})
}

func titleOf(g catalog.Sellable) string {
	if g.VariantTitle == "" {
		return g.Title
	}
	return g.Title + ", " + g.VariantTitle
}

// of gives the first few discrepancies that were found in a shop.
func (b *books) of(shop id.Shop) []api.Discrepancy {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrong[shop].few
}

// finding is what the operator is told of the books when all is well.
func (b *books) finding() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.here {
		return "another process looks whether it adds up; haat check looks at all now"
	}
	if b.rounds == 0 {
		return fmt.Sprintf("%d shops looked at since the start, which is not all of them yet; haat check looks at all now", b.shops)
	}
	return fmt.Sprintf("all of it adds up; every shop was looked at within %v", time.Since(b.since).Round(time.Second))
}

// watch says in the register which shops' stock does not add up. Before every
// shop was looked at once, only what is found is said: one that an earlier run
// found stays.
func (b *books) watch(r *meter.Incidents) func(context.Context) error {
	return func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		var wrong, unseen []meter.Sighting
		if !b.here { // what was open here is the other's to say
			r.See(stockWrong, nil)
			r.See(stockUnseen, nil)
			return nil
		}
		for _, w := range b.wrong {
			s := meter.Sighting{Subject: w.slug, Shop: w.slug, Detail: fmt.Sprintf("%d SKUs do not add up: %s", w.items, which(w.few))}
			if w.items == 1 {
				s.Detail = "1 SKU does not add up: " + which(w.few)
			}
			wrong = append(wrong, s)
		}
		switch ago := time.Since(b.since).Round(time.Second); {
		case b.failed != nil:
			unseen = append(unseen, meter.Sighting{Subject: "stock", Detail: "The last round could not look everywhere: " + b.failed.Error()})
		case ago > lookLate:
			unseen = append(unseen, meter.Sighting{Subject: "stock", Detail: fmt.Sprintf("Some shop has not been looked at for %v.", ago)})
		}
		if b.rounds > 0 {
			r.See(stockWrong, wrong)
		} else {
			for _, s := range wrong {
				r.Raise(stockWrong, s)
			}
		}
		if b.rounds > 0 || len(unseen) > 0 {
			r.See(stockUnseen, unseen)
		}
		return nil
	}
}

// gauges counts what was looked at.
func (b *books) gauges(m *meter.Meter) {
	read := func(fn func() float64) func() float64 {
		return func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return fn()
		}
	}
	m.Gauge("haat_stock_discrepancies", "SKUs, and products, whose stock did not add up when their shop was looked at last.", read(func() float64 {
		var n int64
		for _, w := range b.wrong {
			n += w.items
		}
		return float64(n)
	}))
	m.Counter("haat_stock_checked_shops_total", "Shops whose stock was looked at, each as often as it was.", read(func() float64 { return float64(b.shops) }))
	m.Gauge("haat_stock_check_age_seconds", "Every shop's stock was looked at within so long; before the first whole round, since the start.", read(func() float64 {
		return time.Since(b.since).Seconds()
	}))
}
