package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
	"haat/internal/stock"
)

// writers is how many write at the same time.
const writers = 64

// orderRows is how many rows an order of one line inserts or updates: the
// order and its body, its timeline, its payment, its customer, stock's level
// and ledger, the shop's counter, and the event. The clock's own comes on top
// in both.
const orderRows = 9

// orders places orders by the operation that the API calls: over many shops,
// on one, and beside that what the engine does with as many small rows.
func (b *bench) orders(ctx context.Context, r *Result) error {
	dir, err := b.folder("order")
	if err != nil {
		return err
	}
	bare, err := openEngine(ctx, dir, b.Shops)
	if err != nil {
		return err
	}
	err = b.with(ctx, dir, func(p *Platform) error {
		stalls := make([]stall, b.Shops)
		begun := time.Now()
		b.say("making %d shops", b.Shops)
		if _, err := times(ctx, writers, int64(b.Shops), func(ctx context.Context, _ int, n int64) (err error) {
			stalls[n], err = openStall(ctx, p.Fleet, fmt.Sprintf("bench-%d", n), 1, plenty)
			return err
		}); err != nil {
			return err
		}
		r.note("%d shops were made in %.1f s", b.Shops, time.Since(begun).Seconds())
		if err := p.Quiet(ctx); err != nil {
			return err
		}
		if r.Load[0] = loadAverage(); len(stalls) == 0 {
			return errors.New("no shops")
		}
		shard := p.Fleet.Shard(stalls[0].room.Shard())
		var many, one, rows []seen
		var statements float64
		for round := range b.Rounds {
			b.say("round %d of %d, 3 × %v", round+1, b.Rounds, b.For)
			before := shard.Statements()
			s, err := closed(ctx, writers, b.For, func(ctx context.Context, _ int, n int64) error {
				return stalls[n%int64(len(stalls))].order(ctx, n)
			})
			if err != nil {
				return err
			}
			many = append(many, s)
			statements = float64(shard.Statements()-before) / float64(s.n)
			if s, err = closed(ctx, writers, b.For, func(ctx context.Context, _ int, n int64) error { return stalls[0].order(ctx, n) }); err != nil {
				return err
			}
			one = append(one, s)
			if err := p.Quiet(ctx); err != nil { // the events' handlers are not to disturb the engine
				return err
			}
			begun := time.Now().UnixNano() // no row twice
			if s, err = closed(ctx, writers, b.For, func(ctx context.Context, _ int, n int64) error { return bare.change(ctx, begun+n, orderRows) }); err != nil {
				return err
			}
			rows = append(rows, s)
		}
		limit := best(rows)
		r.Rows = append(r.Rows,
			best(many).row(fmt.Sprintf("over %d shops", b.Shops), limit, "engine"),
			best(one).row("on one shop", limit, "engine"),
			limit.row(fmt.Sprintf("engine: %d small rows", orderRows), seen{}, ""))
		r.least("orders a second over shops", best(many).rate, 5000, "")
		r.least("orders a second on one shop", best(one).rate, 4000, "")
		r.most("p99 over shops", best(many).p99, 50, "ms")
		r.most("p99 on one shop", best(one).p99, 50, "ms")
		r.note("statements an order: %.1f, those of the events' handlers at the same time included; the middle of %d rounds in turns", statements, b.Rounds)
		return nil
	})
	return errors.Join(err, bare.shard.Close())
}

// order places a cash order of one unit for somebody new.
func (s *stall) order(ctx context.Context, n int64) error {
	var in order.PlaceIn
	in.Body = order.PlaceBody{
		Lines:           []order.Wanted{{Variant: s.variants[n%int64(len(s.variants))].String(), Quantity: 1}},
		Contact:         &order.Contact{Name: "Asha Rao", Phone: phone(n)},
		ShippingAddress: &order.Address{Line1: "14 Church Street", City: "Bengaluru", State: "KA", PostalCode: "560001", Country: "IN"},
		Payment:         order.CashOnDelivery,
	}
	_, err := order.Place.Do(ctx, s.room, op.Caller{}, in)
	return err
}

// phone gives one of ten million Indian numbers.
func phone(n int64) string { return fmt.Sprintf("+9198%08d", n%100_000_000) }

// best gives the round with the middle rate.
func best(all []seen) seen {
	rates := make([]float64, len(all))
	for i, s := range all {
		rates[i] = s.rate
	}
	for _, s := range all {
		if s.rate == middle(rates) {
			return s
		}
	}
	return seen{}
}

func (s seen) row(label string, limit seen, of string) Row {
	r := Row{Label: label, Rate: s.rate, P50: s.p50, P99: s.p99}
	if limit.rate > 0 {
		r.Ratio, r.Of = s.rate/limit.rate, of
	}
	r.Bad = s.bad
	return r
}

// hotSKU holds one unit after the other of one variant, and counts afterwards
// that no more is held than there was.
func (b *bench) hotSKU(ctx context.Context, r *Result) error {
	dir, err := b.folder("hot-sku")
	if err != nil {
		return err
	}
	bare, err := openEngine(ctx, dir, 1)
	if err != nil {
		return err
	}
	err = b.with(ctx, dir, func(p *Platform) error {
		s, err := openStall(ctx, p.Fleet, "bench-hot", 1, plenty)
		if err != nil {
			return err
		}
		var limit, few, many []seen
		for round := range b.Rounds {
			b.say("round %d of %d, 3 × %v", round+1, b.Rounds, b.For)
			for _, x := range []struct {
				clients int
				into    *[]seen
			}{{64, &few}, {1000, &many}} {
				got, err := closed(ctx, x.clients, b.For, func(ctx context.Context, _ int, _ int64) error {
					_, err := s.room.Change(ctx, func(tx *db.Tx) error {
						return stock.Hold(ctx, tx, id.Order(id.New[struct{}]()), []stock.Line{{Variant: s.variants[0], Quantity: 1}}, tx.Now().Add(time.Hour))
					})
					return err
				})
				if err != nil {
					return err
				}
				*x.into = append(*x.into, got)
			}
			begun := time.Now().UnixNano()
			got, err := closed(ctx, writers, b.For, func(ctx context.Context, _ int, n int64) error { return bare.change(ctx, begun+n, 2) })
			if err != nil {
				return err
			}
			limit = append(limit, got)
		}
		r.Rows = append(r.Rows,
			best(few).row("64 clients", best(limit), "engine"), best(many).row("1,000 clients", best(limit), "engine"),
			best(limit).row("engine: 2 small rows", seen{}, ""))
		r.least("holds a second, 64 clients", best(few).rate, 20_000, "")
		r.most("p99, 64 clients", best(few).p99, 50, "ms")
		r.least("holds a second, 1,000 clients", best(many).rate, 20_000, "")
		r.most("p99, 1,000 clients", best(many).p99, 50, "ms")
		var total int64
		for _, s := range append(few, many...) {
			total += s.n
		}
		return s.room.View(ctx, fleet.Newest, func(v db.Reader) error {
			wrong, err := stock.Check(ctx, v)
			if err != nil || len(wrong) > 0 {
				return fmt.Errorf("stock does not add up: %v: %w", wrong, err)
			}
			l, err := stock.Of(ctx, v, s.variants[0])
			if err == nil && l.Available != plenty-total {
				err = fmt.Errorf("%d were held and %d are left of %d", total, l.Available, int64(plenty))
			}
			r.note("%d held, none too many, and the books add up", total)
			return err
		})
	})
	return errors.Join(err, bare.shard.Close())
}

// codesSent keeps the codes that accounts were to be sent.
type codesSent struct{ all sync.Map }

func (c *codesSent) send(_ context.Context, m shop.Message) error {
	c.all.Store(m.To, m.Code)
	return nil
}

// create signs people up, each of whom opens a shop: ask for a code, sign in
// with it, open.
func (b *bench) create(ctx context.Context, r *Result) error {
	dir, err := b.folder("create")
	if err != nil {
		return err
	}
	return b.with(ctx, dir, func(p *Platform) error {
		var codes codesSent
		never := []shop.Limit{{N: 1 << 50, Per: 24 * time.Hour}}
		accounts := shop.NewAccounts(p.Fleet.Control(), p.Fleet, []byte(strings.Repeat("k", 32)), codes.send, time.Now,
			shop.Limits{CodesPerAddress: never, CodesPerIP: never, TriesPerIP: never, Shops: never},
			func(slug string) string { return "http://" + slug + "." + domain })
		s, err := closed(ctx, writers, b.For*time.Duration(b.Rounds), func(ctx context.Context, _ int, n int64) error {
			by := op.By{Caller: op.Caller{IP: fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)}}
			email := fmt.Sprintf("merchant-%d@example.com", n)
			ask := shop.CodeRequest{By: by}
			ask.Body.Email = email
			if _, err := accounts.SendCode.Do(ctx, by.Caller, ask); err != nil {
				return err
			}
			code, _ := codes.all.LoadAndDelete(email)
			proof := shop.Proof{By: by}
			proof.Body.Email = email
			proof.Body.Code, _ = code.(string)
			in, err := accounts.SignIn.Do(ctx, by.Caller, proof)
			if err != nil {
				return err
			}
			by.Caller.Account = in.Account
			opening := shop.Opening{By: by}
			opening.Body.Name, opening.Body.Country = fmt.Sprintf("Shop of %d", n), "IN"
			_, err = accounts.OpenShop.Do(ctx, by.Caller, opening)
			return err
		})
		if err != nil {
			return err
		}
		n, err := p.Fleet.Count(ctx)
		if err != nil {
			return err
		}
		r.Rows = append(r.Rows, s.row("sign-up to live shop", seen{}, ""))
		r.least("shops a second", s.rate, 1500, "")
		if r.note("%d shops in the directory", n); n != s.n {
			return fmt.Errorf("%d sign-ups and %d shops", s.n, n)
		}
		return nil
	})
}
