package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

// held is a row of stock_hold.
type held struct {
	variant  id.Variant
	quantity int64
	counted  bool
	expires  *time.Time // nil: run out and given back
}

// units is what the row keeps out of available.
func (h held) units() int64 {
	if !h.counted || h.expires == nil {
		return 0
	}
	return h.quantity
}

func scanHeld(h *held) []any { return []any{&h.variant, &h.quantity, &h.counted, &h.expires} }

var (
	// lockHold reads an order's hold, which nobody else can change before the commit.
	lockHold = db.Q(`SELECT variant, quantity, counted, expires_at FROM stock_hold WHERE shop = $1 AND order_ = $2`).
			Postgres(`SELECT variant, quantity, counted, expires_at FROM stock_hold WHERE shop = $1 AND order_ = $2 FOR UPDATE`,
			"several may write there at the same time")
	endHold = db.Q(`
		DELETE FROM stock_hold WHERE shop = $1 AND order_ = $2
		RETURNING variant, quantity, counted, expires_at`)
	insertHold = db.Q(`
		INSERT INTO stock_hold (shop, order_, variant, quantity, counted, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)`)
	expireHold = db.Q(`
		UPDATE stock_hold SET expires_at = NULL WHERE shop = $1 AND order_ = $2 AND expires_at <= $3
		RETURNING variant, quantity, counted`)
	expiredOrders = db.Q(`
		SELECT DISTINCT order_ FROM stock_hold WHERE shop = $1 AND order_ > $2 AND expires_at <= $3
		ORDER BY order_ LIMIT $4`)

	// Expired gives lines of holds that have run out at $3, after the instant
	// $1 and shop $2 and at most $4, in this order: the shop that Sweep is for,
	// and the instant in microseconds.
	Expired = db.Across(`
		SELECT shop, expires_at FROM stock_hold WHERE (expires_at, shop) > ($1, $2) AND expires_at <= $3
		ORDER BY expires_at, shop LIMIT $4`)
)

// Hold sets the lines aside for an order until a time to come, all or none,
// in place of what the order held before. It fails as Sell does; the earlier
// hold then stands.
func Hold(ctx context.Context, tx *db.Tx, order id.Order, lines []Line, until time.Time) error {
	want, err := merged(lines)
	if err != nil {
		return err
	}
	if !until.After(tx.Now()) {
		return fmt.Errorf("hold stock until %v, which is past", until)
	}
	rows, err := db.All(ctx, tx, lockHold, scanHeld, order)
	if err != nil {
		return err
	}
	had := make(map[id.Variant]int64, len(rows))
	variants := make(map[id.Variant]bool, len(want)+len(rows))
	for _, h := range rows {
		had[h.variant], variants[h.variant] = h.units(), true
	}
	for v := range want {
		variants[v] = true
	}
	var f flips
	var short Short
	moved := map[id.Variant]int64{}  // from available to held
	counted := map[id.Variant]bool{} // now held
	for _, v := range sorted(variants) {
		w, wanted := want[v]
		counted[v] = had[v] > 0
		switch more := w.Wanted - had[v]; {
		case more < 0:
			if _, _, err := giveOne(ctx, tx, &f, v, -more, -more, 0); err != nil {
				return err
			}
			moved[v] = more
		case more > 0 && wanted:
			_, taken, have, err := takeOne(ctx, tx, &f, v, more, more, 0)
			switch {
			case err != nil:
				return err
			case have >= 0:
				w.Available = have + had[v]
				short.Lines = append(short.Lines, w)
			case taken:
				moved[v], counted[v] = more, true
			case had[v] > 0: // not tracked any more: what was held goes back
				if _, _, err := giveOne(ctx, tx, &f, v, had[v], had[v], 0); err != nil {
					return err
				}
				moved[v], counted[v] = -had[v], false
			}
		}
	}
	if len(short.Lines) > 0 {
		for _, v := range sorted(moved) {
			if _, _, err := giveOne(ctx, tx, new(flips), v, moved[v], moved[v], 0); err != nil {
				return err
			}
		}
		return &short
	}
	if len(rows) > 0 {
		if _, err := tx.Exec(ctx, endHold, order); err != nil {
			return err
		}
	}
	for _, v := range sorted(want) {
		_, err := tx.Exec(ctx, insertHold, order, v, want[v].Wanted, counted[v], until)
		if errors.Is(err, db.ErrUnique) { // by another transaction, meanwhile
			return fault.Busy(time.Second, "This order is being changed. Try again in a moment.").Because(err)
		}
		if err != nil {
			return err
		}
	}
	return f.write(ctx, tx)
}

// SellHeld sells what an order holds and ends the hold. What has run out and
// was given back is taken again; *Short then names what is no longer there,
// nothing is sold, and the hold stays as it was. An order that holds nothing
// is fault.Conflict "not-held".
func SellHeld(ctx context.Context, tx *db.Tx, order id.Order) error {
	rows, err := db.All(ctx, tx, lockHold, scanHeld, order)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fault.Conflict("not-held", "Nothing is held for this order.")
	}
	again := map[id.Variant]ShortLine{}
	keep := map[id.Variant]int64{}
	for _, h := range rows {
		switch {
		case h.units() > 0:
			keep[h.variant] = h.quantity
		case h.counted:
			again[h.variant] = ShortLine{Variant: h.variant, Index: -1, Wanted: h.quantity}
		}
	}
	// A hold runs out as a whole, so one of the two is empty, and locking one
	// after the other keeps the order of variants.
	if len(again) > 0 {
		if err := sellAgain(ctx, tx, order, again); err != nil {
			return err
		}
	}
	var f flips
	for _, v := range sorted(keep) {
		l, found, err := giveOne(ctx, tx, &f, v, 0, keep[v], keep[v])
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := record(ctx, tx, Entry{Variant: v, Kind: Sold, Quantity: keep[v], Available: l.Available, Order: order}); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, endHold, order)
	return err
}

// sellAgain sells lines whose hold has run out; variants that are no more are
// passed over.
func sellAgain(ctx context.Context, tx *db.Tx, order id.Order, want map[id.Variant]ShortLine) error {
	there, err := Levels(ctx, tx, sorted(want))
	if err != nil {
		return err
	}
	for v := range want {
		if _, ok := there[v]; !ok {
			delete(want, v)
		}
	}
	return sellAll(ctx, tx, order, want)
}

// Release gives back what an order holds and forgets the hold. An order that
// holds nothing is no error.
func Release(ctx context.Context, tx *db.Tx, order id.Order) error {
	rows, err := db.All(ctx, tx, endHold, scanHeld, order)
	if err != nil {
		return err
	}
	back := map[id.Variant]int64{}
	for _, h := range rows {
		back[h.variant] += h.units()
	}
	return giveBack(ctx, tx, back)
}

// giveBack makes held units available.
func giveBack(ctx context.Context, tx *db.Tx, back map[id.Variant]int64) error {
	var f flips
	for _, v := range sorted(back) {
		if back[v] == 0 {
			continue
		}
		if _, _, err := giveOne(ctx, tx, &f, v, back[v], back[v], 0); err != nil {
			return err
		}
	}
	return f.write(ctx, tx)
}

const (
	sweepBatch   = 50 // orders whose holds one transaction of Sweep ends
	sweepBatches = 4  // of one call
)

// Sweep gives back what has run out in a shop, emits HoldExpired for each order
// and returns how many there were. One call does a bounded piece of work: call
// it until there is nothing left. An order whose hold cannot be ended is an
// error, and does not keep the others of its batch from being ended.
func Sweep(ctx context.Context, room *fleet.Room) (int, error) {
	total := 0
	var after id.Order
	var failed []error
	for range sweepBatches {
		var orders []id.Order
		err := room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			orders, err = db.All(ctx, r, expiredOrders, func(o *id.Order) []any { return []any{o} }, after, r.Now(), sweepBatch)
			return err
		})
		if err != nil || len(orders) == 0 {
			return total, errors.Join(append(failed, err)...)
		}
		after = orders[len(orders)-1]
		n, err := sweepAll(ctx, room, orders)
		if total += n; err != nil {
			failed = append(failed, err)
		}
		if len(orders) < sweepBatch || ctx.Err() != nil {
			break
		}
	}
	return total, errors.Join(failed...)
}

// sweepAll ends holds in one transaction, or, if that fails because of one of
// them, each in its own.
func sweepAll(ctx context.Context, room *fleet.Room, orders []id.Order) (n int, err error) {
	_, err = room.Change(ctx, func(tx *db.Tx) (err error) {
		n, err = expire(ctx, tx, orders)
		return err
	})
	if err == nil {
		return n, nil
	}
	if len(orders) == 1 || ctx.Err() != nil || fault.Is(err, fault.KindBusy) || errors.Is(err, db.ErrFull) {
		return 0, fmt.Errorf("sweep holds: %w", err)
	}
	n, err = 0, nil
	for i := range orders {
		one, e := sweepAll(ctx, room, orders[i:i+1])
		n, err = n+one, errors.Join(err, e)
	}
	return n, err
}

// expire ends those of the orders' holds that have run out. It takes all
// holds before the first level, as everybody else does.
func expire(ctx context.Context, tx *db.Tx, orders []id.Order) (n int, err error) {
	back := map[id.Variant]int64{}
	for _, o := range orders {
		rows, err := db.All(ctx, tx, expireHold, func(h *held) []any { return []any{&h.variant, &h.quantity, &h.counted} }, o, tx.Now())
		if err != nil {
			return 0, err
		}
		if len(rows) == 0 {
			continue // sold, released or prolonged meanwhile
		}
		for _, h := range rows {
			if h.counted {
				back[h.variant] += h.quantity
			}
		}
		if err := event.Emit(ctx, tx, HoldExpired{Order: o}); err != nil {
			return 0, err
		}
		n++
	}
	return n, giveBack(ctx, tx, back)
}
