package move

import (
	"context"
	"errors"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

const strayEvery = time.Minute

var openShops = db.C(`SELECT shop FROM move WHERE ended_at = 0`)

// tidy ends what is noted on shards for moves that are over: a mover that slept
// between taking a move and claiming the shop may have left it. A claim that is
// newer than what was seen stays.
func (m *Mover) tidy(ctx context.Context) error {
	var errs []error
	for _, name := range m.Fleet.ShardNames() {
		errs = append(errs, m.tidyShard(ctx, name))
	}
	return errors.Join(errs...)
}

func (m *Mover) tidyShard(ctx context.Context, name string) error {
	s := m.Fleet.Shard(name)
	if s == nil {
		return nil
	}
	claims, err := s.Claims(ctx)
	if err != nil || len(claims) == 0 {
		return err
	}
	h, err := m.haul(ctx, name)
	if err != nil {
		return err
	}
	open := map[id.Shop]bool{} // read after the claims: who moves now claims anew
	err = m.Fleet.Control().View(ctx, func(t *db.ControlTx) error {
		all, err := db.ControlAll(ctx, t, openShops, func(s *id.Shop) []any { return []any{(*int64)(s)} })
		for _, shop := range all {
			open[shop] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range claims {
		if open[c.Shop] {
			continue
		}
		err := h.Write(ctx, c.Shop, c.N, func(w *db.Hauling) error { return w.End(false) })
		if err == nil {
			m.Log.Warn("what a mover left behind was ended", "shop", c.Shop, "shard", name)
		} else if !errors.Is(err, db.ErrClaim) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
