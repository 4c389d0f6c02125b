package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

const (
	chunk    = 1000 // rows that are copied or compared in one go
	fewNoted = 50   // writes that may be left when the shop is closed
	eraseRow = 500  // rows that are deleted in one go
)

// errDiffer says that a row is not the same on both shards.
var errDiffer = errors.New("the copy is not the same as the shop")

// prepare begins to note what is written, and empties the place of the copy.
func (r *run) prepare(ctx context.Context) error {
	if err := r.dst.Fits(r.src); err != nil {
		return err
	}
	if err := r.ours(ctx); err != nil {
		return err
	}
	err := r.dst.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.Role(db.Copy) })
	if err == nil {
		err = r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.Role(db.Record) })
	}
	if err == nil {
		err = r.erase(ctx, r.dst)
	}
	if err == nil {
		err = r.src.Settle(ctx)
	}
	if err != nil {
		return err
	}
	r.RowsAll, r.RowsDone, r.Checked, r.Place, r.Version = 0, 0, 0, "", r.version()
	if _, err := r.change(ctx, setVersion, r.ID, r.Claim, r.Version); err != nil {
		return err
	}
	err = r.src.Read(ctx, r.Shop, func(h *db.Hauled) error {
		r.RowsAll = 0
		counts, err := h.Counts(upTo(0, len(r.src.Tables())))
		for _, n := range counts {
			r.RowsAll += n
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.save(ctx, Copying)
}

// ours makes sure that the shop is open where it is to come from, and nowhere
// near where it is to go.
func (r *run) ours(ctx context.Context) error {
	c, ok, err := r.Fleet.Shard(r.From).Clock(ctx, r.Shop)
	if err == nil && (!ok || c.State != db.StateOpen || c.Epoch != r.Epoch) {
		err = fmt.Errorf("the shop is not open on %s at epoch %d", r.From, r.Epoch)
	}
	if err != nil {
		return err
	}
	c, ok, err = r.Fleet.Shard(r.To).Clock(ctx, r.Shop)
	if err == nil && ok && (c.State == db.StateOpen || c.State == db.StateMoving) {
		err = fmt.Errorf("the shop is also open on %s", r.To)
	}
	return err
}

// upTo lists the tables from one to another, without that.
func upTo(from, to int) (out []int) {
	for t := from; t < to; t++ {
		out = append(out, t)
	}
	return out
}

// erase deletes a shop's rows where it does not live, in pieces.
func (r *run) erase(ctx context.Context, on *db.Haul) error {
	for t := 0; t < len(on.Tables()); {
		if err := ctx.Err(); err != nil {
			return err
		}
		var p db.Piece
		err := on.Read(ctx, r.Shop, func(h *db.Hauled) (err error) {
			p, err = h.Piece(t, nil, eraseRow)
			return err
		})
		if err != nil {
			return err
		}
		if len(p.Rows) > 0 {
			if err := on.Clear(ctx, r.Shop, r.Claim, p.Rows); err != nil {
				return err
			}
		}
		t = p.Table
	}
	return nil
}

// step is what was read in one snapshot: what was written since the one
// before, as it stands now, and perhaps a piece of a table.
type step struct {
	changes []db.Change
	keys    map[int][]db.Row // by table, each once
	rows    map[int][]db.Row // those of the keys that there are
	piece   db.Piece
	clock   db.Clock
}

// read takes a step's rows from a shard. piece may be nil.
func (r *run) read(ctx context.Context, from *db.Haul, piece func(*db.Hauled, *step) error) (s step, err error) {
	err = from.Read(ctx, r.Shop, func(h *db.Hauled) (err error) {
		s = step{keys: map[int][]db.Row{}}
		var there bool
		if s.clock, there, s.changes, err = h.Noted(); err != nil {
			return err
		}
		if !there {
			return errors.New("the shop is not where it is to come from")
		}
		seen := map[string]bool{}
		for _, c := range s.changes {
			if k := fmt.Sprint(c.Table, " ", from.KeyText(c.Table, c.Key)); !seen[k] {
				seen[k] = true
				s.keys[c.Table] = append(s.keys[c.Table], c.Key)
			}
		}
		if s.rows, err = h.Rows(s.keys); err != nil {
			return err
		}
		if piece != nil {
			return piece(h, &s)
		}
		return nil
	})
	return s, err
}

// write puts a step's rows on a shard. All that was written is deleted before
// any of it is put, so that rows may exchange what only one of them may have.
func (r *run) write(ctx context.Context, on *db.Haul, s step, more func(*db.Hauling) error) error {
	if len(s.changes) == 0 && len(s.piece.Rows) == 0 && more == nil {
		return nil
	}
	return on.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		for t := range on.Tables() {
			if err := w.Delete(t, s.keys[t]); err != nil {
				return err
			}
		}
		for t := range on.Tables() {
			if err := w.Put(t, s.rows[t]); err != nil {
				return err
			}
			if err := w.Put(t, s.piece.Rows[t]); err != nil {
				return err
			}
		}
		if more == nil {
			return nil
		}
		return more(w)
	})
}

// carried forgets the changes that stand at the other shard.
func (r *run) carried(ctx context.Context, from *db.Haul, s step) error {
	if len(s.changes) == 0 {
		return nil
	}
	return from.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.Drop(s.changes) })
}

// tail carries over what was written since, and compares it. It gives how many
// writes that were.
func (r *run) tail(ctx context.Context, from, on *db.Haul) (int, error) {
	s, err := r.read(ctx, from, nil)
	if err == nil {
		err = r.write(ctx, on, s, nil)
	}
	if err == nil {
		err = r.same(ctx, on, s)
	}
	if err == nil {
		err = r.carried(ctx, from, s)
	}
	return len(s.changes), err
}

// same compares what a step carried over with what stands on the shard.
func (r *run) same(ctx context.Context, on *db.Haul, s step) error {
	return on.Read(ctx, r.Shop, func(h *db.Hauled) error {
		got, err := h.Rows(s.keys)
		for t := range s.keys {
			if err == nil && !alike(got[t], s.rows[t]) {
				err = fmt.Errorf("%w: table %s", errDiffer, on.Tables()[t])
			}
		}
		return err
	})
}

func alike(a, b []db.Row) bool { return len(a) == len(b) && total(a) == total(b) }

// copy carries piece by piece, and after each what was written meanwhile.
func (r *run) copy(ctx context.Context) error {
	for r.Phase == Copying {
		t, after, err := r.position()
		if err != nil {
			return err
		}
		if t == len(r.src.Tables()) {
			r.Place = ""
			return r.save(ctx, Checking)
		}
		s, err := r.read(ctx, r.src, func(h *db.Hauled, s *step) (err error) {
			s.piece, err = h.Piece(t, after, chunk)
			return err
		})
		if err == nil {
			err = r.write(ctx, r.dst, s, nil)
		}
		if err == nil {
			err = r.at("copying")
		}
		if err == nil {
			err = r.carried(ctx, r.src, s)
		}
		if err != nil {
			return err
		}
		for _, rows := range s.piece.Rows {
			r.RowsDone += int64(len(rows))
		}
		r.advance(s.piece)
		if err := r.saveSometimes(ctx); err != nil {
			return err
		}
	}
	return nil
}

// position is up to where a move has come: a table, and the key of the last
// row of it, nil before the first.
func (r *run) position() (table int, after db.Row, err error) {
	if r.Place == "" {
		return 0, nil, nil
	}
	name, key, more := strings.Cut(r.Place, " ")
	table, there := slices.BinarySearch(r.src.Tables(), name)
	if !more || !there {
		return table, nil, nil
	}
	after, err = r.src.ParseKey(table, key)
	return table, after, err
}

func (r *run) advance(p db.Piece) {
	switch tables := r.src.Tables(); {
	case p.Table == len(tables):
		r.Place = "~" // after every table
	case p.Last != nil:
		r.Place = tables[p.Table] + " " + r.src.KeyText(p.Table, p.Last)
	default:
		r.Place = tables[p.Table]
	}
}

// check compares every row, and how many there are.
func (r *run) check(ctx context.Context) error {
	for r.Phase == Checking {
		t, after, err := r.position()
		if err != nil {
			return err
		}
		if t == len(r.src.Tables()) {
			r.Place = ""
			return r.save(ctx, Closing)
		}
		var whole []int // tables of which this is the end
		var counts []int64
		s, err := r.read(ctx, r.src, func(h *db.Hauled, s *step) (err error) {
			if s.piece, err = h.Piece(t, after, chunk); err == nil {
				whole = upTo(t, s.piece.Table)
				counts, err = h.Counts(whole)
			}
			return err
		})
		if err != nil {
			return err
		}
		piece := s.piece
		s.piece = db.Piece{}
		if err := r.write(ctx, r.dst, s, nil); err != nil {
			return err
		}
		keys := map[int][]db.Row{}
		for t, rows := range piece.Rows {
			for _, row := range rows {
				keys[t] = append(keys[t], r.src.Key(t, row))
			}
		}
		err = r.dst.Read(ctx, r.Shop, func(h *db.Hauled) error {
			got, err := h.Rows(keys)
			for t, rows := range piece.Rows {
				if err == nil && !alike(got[t], rows) {
					err = fmt.Errorf("%w: table %s", errDiffer, r.src.Tables()[t])
				}
			}
			if err != nil {
				return err
			}
			there, err := h.Counts(whole)
			for i, n := range there {
				if err == nil && n != counts[i] {
					err = fmt.Errorf("%w: table %s has %d rows instead of %d", errDiffer, r.src.Tables()[whole[i]], n, counts[i])
				}
			}
			return err
		})
		if err == nil {
			err = r.at("checking")
		}
		if errors.Is(err, errDiffer) {
			return r.differs(ctx, err)
		}
		if err == nil {
			err = r.carried(ctx, r.src, s)
		}
		if err != nil {
			return err
		}
		for _, rows := range piece.Rows {
			r.Checked += int64(len(rows))
		}
		r.advance(piece)
		if err := r.saveSometimes(ctx); err != nil {
			return err
		}
	}
	return nil
}

// differs copies everything again, once; then it gives the move up.
func (r *run) differs(ctx context.Context, why error) error {
	r.Log.Error("a copy of a shop is not what was copied", "shop", r.Shop, "from", r.From, "to", r.To, "err", why)
	if strings.Contains(r.Error, errDiffer.Error()) {
		_, err := r.change(ctx, giveUp, r.ID, why.Error())
		r.Phase = Undoing
		return err
	}
	if err := r.save(ctx, Waiting); err != nil {
		return err
	}
	return why
}

// keep carries what was written since the shop moved back to the old copy.
func (r *run) keep(ctx context.Context) error {
	if !time.Now().Before(r.KeepUntil) {
		return r.save(ctx, Clearing)
	}
	n, err := r.tail(ctx, r.dst, r.src)
	if err != nil {
		return err
	}
	rest := keptRest
	if n == 0 {
		rest = keptLongest
	}
	return errRest{earlier(time.Now().Add(rest), r.KeepUntil)}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// clear stops noting what is written, and deletes the old copy.
func (r *run) clear(ctx context.Context) error {
	err := r.dst.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.End(false) })
	if err == nil && r.src != nil {
		if err = r.erase(ctx, r.src); err == nil {
			err = r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.End(true) })
		}
	}
	if err != nil {
		return err
	}
	return r.over(ctx, Done)
}

// undo deletes what was copied of a shop that stays.
func (r *run) undo(ctx context.Context) error {
	if err := r.stay(ctx); err != nil {
		return err
	}
	err := r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.End(false) })
	if err == nil {
		err = r.erase(ctx, r.dst)
	}
	if err == nil {
		err = r.dst.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error { return w.End(true) })
	}
	if err != nil {
		return err
	}
	return r.over(ctx, Failed)
}

// stay opens a shop again that was closed when its move was given up.
func (r *run) stay(ctx context.Context) error {
	c, ok, err := r.Fleet.Shard(r.From).Clock(ctx, r.Shop)
	if err != nil || !ok || c.Epoch != r.Epoch || c.State != db.StateMoving {
		return err
	}
	err = r.Fleet.Control().Change(ctx, func(t *db.ControlTx) error {
		e, err := fleet.EntryIn(ctx, t, r.Shop)
		if err != nil || e.Epoch != r.Epoch {
			return err
		}
		return fleet.Relocate(ctx, t, r.Shop, r.Epoch, r.From, r.Epoch+2)
	})
	if err != nil {
		return err
	}
	err = r.src.Write(ctx, r.Shop, r.Claim, func(w *db.Hauling) error {
		return w.Turn(r.Epoch, db.StateMoving, r.Epoch+2, db.StateOpen)
	})
	r.Fleet.Relocated(r.Shop, r.From)
	return err
}

func (r *run) over(ctx context.Context, phase string) error {
	now := time.Now()
	ok, err := r.change(ctx, overMove, r.ID, r.Claim, r.Phase, phase, now)
	if err == nil && !ok {
		err = db.ErrClaim
	}
	if err != nil {
		return err
	}
	r.Phase, r.Ended = phase, now
	return nil
}
