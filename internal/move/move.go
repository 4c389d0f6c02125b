package move

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the list of moves, part of the control database.
var Schema = db.Schema("move", schemaFiles)

// The phases of a move, in order.
const (
	Waiting   = "waiting"   // for its turn
	Copying   = "copying"   // rows are copied
	Checking  = "checking"  // every row is compared
	Closing   = "closing"   // what was written meanwhile is carried over, then the shop is switched
	Committed = "committed" // it is decided that the shop lives there now
	Aborted   = "aborted"   // it is decided that it stays for now; it is opened again, and closing goes on
	Kept      = "kept"      // moved; the old copy is kept up to date
	Clearing  = "clearing"  // the old copy is deleted
	Undoing   = "undoing"   // given up; what was copied is deleted
	Done      = "done"      // over
	Reversed  = "reversed"  // over: another move has carried the shop back
	Failed    = "failed"    // over: the shop stayed where it was
)

// Config says how moves are done.
type Config struct {
	Fleet    *fleet.Fleet
	Log      *slog.Logger
	Keep     time.Duration // how long the old copy is kept; 0 means a day
	Budget   time.Duration // how long a shop may be closed to writes; 0 means 500 ms
	Parallel int           // moves at once in this process; 0 means 2
	Lease    time.Duration // how long a process may be silent; 0 means 10 s
	// Files is asked before a shop is moved into a file; nil: it may be. An
	// error of it refuses the move.
	Files func(context.Context) error
}

// Mover moves shops.
type Mover struct {
	Config
	holder string
	wake   chan struct{}
	hauls  sync.Map                 // of *db.Shard: *db.Haul
	busy   sync.Map                 // of move ids that this process works on
	at     func(stage string) error // for tests: where a mover may be killed
}

// New makes a mover. It does nothing by itself before Work is called.
func New(c Config) *Mover {
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.Budget == 0 {
		c.Budget = 500 * time.Millisecond
	}
	if c.Parallel == 0 {
		c.Parallel = 2
	}
	if c.Lease == 0 {
		c.Lease = 10 * time.Second
	}
	host, _ := os.Hostname()
	return &Mover{
		Config: c, holder: fmt.Sprintf("%s/%d/%d", host, os.Getpid(), time.Now().UnixNano()), wake: make(chan struct{}, 1),
		at: func(string) error { return nil },
	}
}

// Move is one move of a shop.
type Move struct {
	ID        int64
	Shop      id.Shop
	From, To  string
	Phase     string
	Epoch     int64
	Claim     int64
	Holder    string
	Place     string
	RowsDone  int64 // copied
	RowsAll   int64 // when copying began
	Checked   int64 // compared, and equal
	Aborts    int64 // times that the switch was given up
	Pause     time.Duration
	Failures  int64  // in a row
	Error     string // of the last failure
	Started   time.Time
	Stepped   time.Time // when it last came on
	Moved     time.Time
	KeepUntil time.Time
	Ended     time.Time
	Next      time.Time
	Version   string // of the shards' schemas and their terms when copying began
}

// Over reports whether nothing more is done about the move.
func (m Move) Over() bool { return !m.Ended.IsZero() }

// Arrived reports whether the shop lives at the destination by this move.
func (m Move) Arrived() bool { return !m.Moved.IsZero() }

const columns = `id, shop, src, dst, phase, epoch, claim, holder, place, rows_done, rows_all, checked, aborts, pause, failed, error, started_at, step_at, moved_at, keep_until, ended_at, next_at, version`

func scan(m *Move) []any {
	return []any{
		&m.ID, (*int64)(&m.Shop), &m.From, &m.To, &m.Phase, &m.Epoch, &m.Claim, &m.Holder, &m.Place, &m.RowsDone, &m.RowsAll, &m.Checked,
		&m.Aborts, (*int64)(&m.Pause), &m.Failures, &m.Error, &m.Started, &m.Stepped, &m.Moved, &m.KeepUntil, &m.Ended, &m.Next, &m.Version,
	}
}

var (
	readMove   = db.C(`SELECT ` + columns + ` FROM move WHERE id = $1`)
	openMove   = db.C(`SELECT ` + columns + ` FROM move WHERE shop = $1 AND ended_at = 0`)
	listOpen   = db.C(`SELECT ` + columns + ` FROM move WHERE ended_at = 0 AND (CAST($1 AS BIGINT) = 0 OR moved_at = 0) ORDER BY id LIMIT $2`)
	listEnded  = db.C(`SELECT ` + columns + ` FROM move WHERE ended_at > 0 ORDER BY id DESC LIMIT $1`)
	lastID     = db.C(`SELECT COALESCE(MAX(id), 0) FROM move`)
	insertMove = db.C(`
		INSERT INTO move (id, shop, src, dst, phase, epoch, claim, holder, held_until, next_at, place, rows_done, rows_all, checked, aborts, pause, failed, error, started_at, step_at, moved_at, keep_until, ended_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, 0, '', 0, 0, 0, 0, 0, 0, '', $8, $8, 0, 0, 0, $9)`)
	endMove  = db.C(`UPDATE move SET phase = $3, ended_at = $4, step_at = $4 WHERE id = $1 AND phase = $2 AND ended_at = 0`)
	clearNow = db.C(`UPDATE move SET phase = 'clearing', next_at = 0 WHERE id = $1 AND phase = 'kept'`)
	giveUp   = db.C(`UPDATE move SET phase = 'undoing', next_at = 0, error = $2 WHERE id = $1 AND phase IN ('waiting', 'copying', 'checking', 'closing')`)
)

// Start begins to move a shop to a shard and returns at once. A shop that has
// moved from there within a day and whose old copy is kept goes back to it.
func (m *Mover) Start(ctx context.Context, shop id.Shop, to string) (Move, error) {
	room, err := m.Fleet.ByID(ctx, shop)
	if err != nil {
		return Move{}, err
	}
	from := room.Entry().Shard
	if from == to {
		return Move{}, fault.Conflict("same-shard", "%s is on the shard %q already.", room.Slug(), to)
	}
	if _, err := m.Fleet.Destination(ctx, to); err != nil {
		return Move{}, err
	}
	if l, ok := m.Fleet.Listing(to); ok && !fleet.IsPostgres(l.DSN) && m.Files != nil {
		if err := m.Files(ctx); err != nil {
			return Move{}, err
		}
	}
	if err := m.fit(ctx, from, to); err != nil {
		return Move{}, err
	}
	return m.enter(ctx, shop, func(was Move, entry fleet.Entry) (Move, error) {
		next := Move{Shop: shop, From: entry.Shard, To: to, Phase: Waiting, Epoch: entry.Epoch}
		switch {
		case was.ID == 0:
		case was.Phase != Kept:
			return Move{}, fault.Conflict("moving", "%s is being moved from %s to %s already.", room.Slug(), was.From, was.To)
		case was.From == to:
			next.Phase, next.Claim, next.RowsAll, next.Version = Checking, was.Claim, was.RowsAll, was.Version
		default:
			return Move{}, fault.Conflict("copy-kept", "The copy of %s on %s is still kept. Give it up first: haat move %s --forget.", room.Slug(), was.From, room.Slug())
		}
		return next, nil
	})
}

// Reverse moves a shop back to where it came from, while the old copy is kept.
func (m *Mover) Reverse(ctx context.Context, shop id.Shop) (Move, error) {
	was, ok, err := m.Open(ctx, shop)
	if err != nil {
		return Move{}, err
	}
	if !ok || was.Phase != Kept {
		return Move{}, fault.Conflict("no-copy", "There is no copy to go back to: it is kept for %v after a move.", m.Keep)
	}
	return m.Start(ctx, shop, was.From)
}

// enter writes down a new move, in place of one whose copy is kept.
func (m *Mover) enter(ctx context.Context, shop id.Shop, plan func(was Move, entry fleet.Entry) (Move, error)) (Move, error) {
	var next Move
	err := m.Fleet.Control().Change(ctx, func(t *db.ControlTx) error {
		was, _, err := db.ControlOne(ctx, t, openMove, scan, shop)
		if err != nil {
			return err
		}
		entry, err := fleet.EntryIn(ctx, t, shop)
		if err != nil {
			return err
		}
		if next, err = plan(was, entry); err != nil {
			return err
		}
		if was.ID != 0 {
			n, err := t.Exec(ctx, endMove, was.ID, Kept, Reversed, t.Now())
			if err == nil && n == 0 {
				err = fault.Conflict("moving", "The shop is being moved already.")
			}
			if err != nil {
				return err
			}
		}
		last, _, err := db.ControlOne(ctx, t, lastID, func(n *int64) []any { return []any{n} })
		if err != nil {
			return err
		}
		next.ID, next.Started = last+1, t.Now()
		_, err = t.Exec(ctx, insertMove, next.ID, next.Shop, next.From, next.To, next.Phase, next.Epoch, next.Claim, next.Started, next.Version)
		return err
	})
	if errors.Is(err, db.ErrUnique) {
		err = fault.Conflict("moving", "The shop is being moved already.")
	}
	if err != nil {
		return Move{}, err
	}
	m.Log.Info("a shop is to be moved", "shop", shop, "from", next.From, "to", next.To)
	m.hasten()
	return next, nil
}

// Cancel gives a move up that has not been decided; the shop stays.
func (m *Mover) Cancel(ctx context.Context, shop id.Shop) error {
	was, ok, err := m.Open(ctx, shop)
	if err != nil {
		return err
	}
	if ok && !was.Arrived() {
		ok, err = m.change(ctx, giveUp, was.ID, "The operator gave it up.")
	} else {
		ok = false
	}
	if err == nil && !ok {
		err = fault.Conflict("not-moving", "The shop is not being moved.")
	}
	m.hasten()
	return err
}

// Forget deletes the copy that is kept of a shop, which then cannot go back.
func (m *Mover) Forget(ctx context.Context, shop id.Shop) error {
	was, ok, err := m.Open(ctx, shop)
	if err == nil && ok {
		ok, err = m.change(ctx, clearNow, was.ID)
	}
	if err == nil && !ok {
		err = fault.Conflict("no-copy", "There is no old copy of the shop.")
	}
	m.hasten()
	return err
}

func (m *Mover) change(ctx context.Context, q *db.ControlSQL, args ...any) (bool, error) {
	var n int64
	err := m.Fleet.Control().Change(ctx, func(t *db.ControlTx) (err error) {
		n, err = t.Exec(ctx, q, args...)
		return err
	})
	return n == 1, err
}

// Get reads one move.
func (m *Mover) Get(ctx context.Context, n int64) (Move, error) {
	all, err := m.list(ctx, readMove, n)
	if err == nil && len(all) == 0 {
		err = fault.NotFound("There is no move %d.", n)
	}
	if err != nil {
		return Move{}, err
	}
	return all[0], nil
}

// Open gives the move of a shop that is not over; false if there is none.
func (m *Mover) Open(ctx context.Context, shop id.Shop) (Move, bool, error) {
	all, err := m.list(ctx, openMove, shop)
	if err != nil || len(all) == 0 {
		return Move{}, false, err
	}
	return all[0], true, nil
}

// List gives moves that are not over, oldest first, and the latest that are.
func (m *Mover) List(ctx context.Context, limit int) (open, ended []Move, err error) {
	if open, err = m.list(ctx, listOpen, 0, limit); err == nil {
		ended, err = m.list(ctx, listEnded, limit)
	}
	return open, ended, err
}

func (m *Mover) list(ctx context.Context, q *db.ControlSQL, args ...any) (all []Move, err error) {
	err = m.Fleet.Control().View(ctx, func(t *db.ControlTx) (err error) {
		all, err = db.ControlAll(ctx, t, q, scan, args...)
		return err
	})
	return all, err
}

// hasten has the worker look at once.
func (m *Mover) hasten() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// fit says why no rows can go from one shard to another, if they cannot.
func (m *Mover) fit(ctx context.Context, from, to string) error {
	src, err := m.haul(ctx, from)
	if err != nil {
		return err
	}
	dst, err := m.haul(ctx, to)
	if err != nil {
		return err
	}
	if err := dst.Fits(src); err != nil {
		return fault.Conflict("schemas-differ", "No shop can be moved from %s to %s: %v.", from, to, err)
	}
	return nil
}

// haul gives what carries rows from and to a shard.
func (m *Mover) haul(ctx context.Context, name string) (*db.Haul, error) {
	s := m.Fleet.Shard(name)
	if s == nil {
		return nil, fault.Busy(5*time.Second, "The shard %q cannot be reached just now.", name).With("shard-closed")
	}
	if h, ok := m.hauls.Load(s); ok {
		return h.(*db.Haul), nil
	}
	h, err := s.Haul(ctx)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", name, err)
	}
	m.hauls.Store(s, h)
	return h, nil
}
