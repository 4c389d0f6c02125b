package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"haat/internal/api"
	"haat/internal/backup"
	"haat/internal/catalog"
	"haat/internal/cli"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/stock"
)

// asker is the operator's questions to the books.
type asker struct {
	*books
	share float64 // of a processor that a check may take
}

var _ api.Checker = asker{}

// Check implements api.Checker.
func (a asker) Check(ctx context.Context, slug string, tell func(api.CheckStep)) (api.Checked, error) {
	if !a.asked.TryLock() {
		return api.Checked{}, fault.Busy(time.Minute, "A check is being made already.")
	}
	defer a.asked.Unlock()
	start, of := time.Now(), int64(1)
	l := look{books: a.books, pace: newPace(a.share)}
	step := func() api.CheckStep {
		l.all.Seconds = time.Since(start).Seconds()
		return api.CheckStep{Checked: l.all, Of: of}
	}
	l.found = func(d api.Discrepancy) {
		s := step()
		s.Found = &d
		tell(s)
	}
	if slug != "" {
		room, err := a.fleet.BySlug(ctx, slug)
		if err == nil {
			err = errors.Join(l.one(ctx, room.Entry()), l.lists(ctx, room.Entry()))
		}
		return step().Checked, err
	}
	var err error
	if of, err = a.fleet.Count(ctx); err != nil {
		return l.all, err
	}
	for before := id.Shop(0); ; {
		page, err := a.fleet.List(ctx, before, "", a.paged)
		if err != nil {
			return step().Checked, err
		}
		err = l.page(ctx, page)
		for _, e := range page {
			if err == nil {
				err = l.lists(ctx, e)
			}
		}
		if err != nil {
			return step().Checked, err
		}
		tell(step())
		if len(page) < a.paged {
			return step().Checked, nil
		}
		before = page[len(page)-1].Shop
	}
}

// lists looks whether what a large shop's lists of products are read from is
// what its products say.
func (l *look) lists(ctx context.Context, e fleet.Entry) error {
	room, err := l.fleet.ByID(ctx, e.Shop)
	if fault.Is(err, fault.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var wrong []string
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		wrong, err = catalog.CheckPacked(ctx, r)
		return err
	})
	if err != nil {
		return fmt.Errorf("shop %s: %w", e.Slug, err)
	}
	if len(wrong) > 0 {
		l.all.Wrong, l.all.WrongShops = l.all.Wrong+1, l.all.WrongShops+1
		l.found(api.Discrepancy{
			Shop: e.Slug, ShopID: e.Shop.String(), Title: "Lists of products", Aspect: "lists", Found: int64(len(wrong)), Difference: int64(len(wrong)),
			Reason: wrong[0],
		})
	}
	return l.pace.rest(ctx)
}

// shownEntries is how many entries and holds an account shows.
const shownEntries = 200

// Explain implements api.Checker.
func (a asker) Explain(ctx context.Context, slug, variant string) (api.Account, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return api.Account{}, err
	}
	v, err := variantOf(ctx, room, variant)
	if err != nil {
		return api.Account{}, err
	}
	var acc stock.Account
	known := false
	out := api.Account{Shop: room.Slug(), ShopID: room.Shop().String(), Variant: v.String(), Sums: []api.KindSum{}, Holds: []api.Hold{}, Entries: []api.Entry{}}
	err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
		if acc, known, err = stock.Explain(ctx, r, v, shownEntries); err != nil {
			return err
		}
		goods, err := catalog.Sellables(ctx, r, []id.Variant{v})
		if g, ok := goods[v]; ok {
			out.SKU, out.Title, out.Product = g.SKU, titleOf(g), g.Product.String()
		}
		return err
	})
	if err != nil {
		return out, err
	}
	if !known {
		return out, fault.NotFound("There is no such variant.")
	}
	if acc.There {
		out.Product = acc.Product.String()
		out.Level = &api.Level{Tracked: acc.Tracked, Continue: acc.Continue, Available: acc.Available, Held: acc.Held, Sold: acc.Sold}
	}
	for _, s := range acc.Sums {
		out.Sums = append(out.Sums, api.KindSum{Kind: string(s.Kind), Entries: s.Entries, Units: s.Units})
		out.Older += s.Entries
	}
	for _, h := range acc.Holds {
		out.Holds = append(out.Holds, api.Hold{Order: h.Order.String(), Quantity: h.Quantity, Counted: h.Counted, Expires: h.Expires})
	}
	for _, e := range acc.Entries {
		out.Entries = append(out.Entries, api.Entry{At: e.At, Kind: string(e.Kind), Quantity: e.Quantity, Available: e.Available, Order: e.Order.String(), Note: e.Note})
	}
	out.Older -= int64(len(out.Entries))
	out.Wrong, err = named(ctx, room, acc.Wrong)
	return out, err
}

// variantOf finds a variant by its id, or by a SKU that one alone has.
func variantOf(ctx context.Context, room *fleet.Room, text string) (id.Variant, error) {
	if v, err := id.Parse[struct{}](text); err == nil {
		return id.Variant(v), nil
	}
	by := op.Caller{Account: id.Account{1}, Shop: room.Shop()} // the operator looks in
	var found []id.Variant
	for in := (catalog.VariantsIn{Page: op.Page{Limit: 250}, Query: text}); ; {
		list, err := catalog.ListVariants.Do(ctx, room, by, in)
		if err != nil {
			return id.Variant{}, err
		}
		for _, v := range list.Items {
			if v.SKU == text {
				found = append(found, v.ID)
			}
		}
		if in.Cursor = list.Next; in.Cursor == "" {
			break
		}
	}
	switch len(found) {
	case 0:
		return id.Variant{}, fault.NotFound("No variant of this shop has this SKU.")
	case 1:
		return found[0], nil
	}
	return id.Variant{}, fault.Conflict("many", "%d variants have this SKU. Name one by its id: %v …", len(found), found[:2])
}

// servedShare is what an operator's check may take of a processor while the
// server has shoppers.
const servedShare = 0.5

// Check implements api.Operator.
func (a *App) Check(ctx context.Context, slug string, tell func(api.CheckStep)) (api.Checked, error) {
	return asker{a.books, servedShare}.Check(ctx, slug, tell)
}

// Explain implements api.Operator.
func (a *App) Explain(ctx context.Context, slug, variant string) (api.Account, error) {
	return asker{a.books, servedShare}.Explain(ctx, slug, variant)
}

type checkCmd struct {
	remote
	cli.Check
}

// Run checks through the server that has the data folder open or, when none
// has, the folder itself, without starting anything on it.
func (c *checkCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Token != "" {
		return c.Check.Run(ctx, &api.OperatorClient{URL: c.Ops, Token: c.Token}, out)
	}
	_, err := os.Stat(filepath.Join(c.Data, "control.db"))
	if err != nil {
		return &cli.Exit{Code: 2, Err: fmt.Errorf("--data: %w", err)}
	}
	f, end, err := openShops(ctx, c.Data, 1)
	var used *InUse
	if errors.As(err, &used) {
		err = fmt.Errorf("a server has %s open: give its operator token with --token or HAAT_OPS_TOKEN", c.Data)
	}
	if err != nil {
		return &cli.Exit{Code: 2, Err: err}
	}
	err = c.Check.Run(ctx, asker{newBooks(f, slog.New(slog.DiscardHandler)), 1}, out)
	if ended := end(); ended != nil && err == nil {
		err = &cli.Exit{Code: 2, Err: ended}
	}
	return err
}

// openShops opens the shops of a data folder that nobody serves, and nothing
// else: no worker runs on it, and no event is delivered. A new folder gets so
// many embedded shards.
func openShops(ctx context.Context, dir string, shards int) (f *fleet.Fleet, end func() error, err error) {
	lock, err := lockData(dir)
	if err != nil {
		return nil, nil, err
	}
	var control *db.Control
	end = func() error {
		var errs []error
		if f != nil {
			errs = append(errs, f.Close())
		}
		if control != nil {
			errs = append(errs, control.Close())
		}
		return errors.Join(append(errs, lock.Close())...)
	}
	if err = backup.Unfinished(dir); err == nil {
		o := db.SQLiteOptions{Readers: 2, CacheKiB: 64 << 10}
		if control, err = db.OpenControl(ctx, filepath.Join(dir, "control.db"), o, ControlSchemas()); err == nil {
			f, err = fleet.OpenFleet(ctx, fleet.Config{Control: control, SQLite: o, Dir: filepath.Join(dir, "shards"), Shards: shards, Schemas: Schemas(), Domain: "localhost", Log: logger("warn")})
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return f, end, nil
}
