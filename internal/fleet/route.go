package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/guard"
)

// Fresh says how fresh a read must be. The zero Fresh reads what has seen
// every write that this process has acknowledged or was told of.
type Fresh struct {
	level string
	age   time.Duration
	mark  db.Mark
}

// The levels, as the API calls them.
const (
	eventual = "eventual"
	bounded  = "bounded"
	session  = "session"
	strong   = "strong"
)

var (
	// Newest reads from the shop's primary.
	Newest = Fresh{level: strong}
	// AnyAge reads from a replica, however late it is.
	AnyAge = Fresh{level: eventual}
)

// Within reads what is at most d old.
func Within(d time.Duration) Fresh { return Fresh{level: bounded, age: d} }

// After reads what has seen the write that returned m, and as the zero Fresh.
func After(m db.Mark) Fresh { return Fresh{mark: m} }

// After has a read that is as fresh as asked also see the write that returned m.
// The zero mark adds nothing.
func (f Fresh) After(m db.Mark) Fresh {
	if m == (db.Mark{}) {
		return f
	}
	if f.mark.Shop != m.Shop || f.mark.Compare(m) < 0 {
		f.mark = m
	}
	return f
}

// Level is eventual, bounded, session or strong.
func (f Fresh) Level() string {
	if f.level == "" {
		return session
	}
	return f.level
}

// Zero reports whether nothing was asked for.
func (f Fresh) Zero() bool { return f == Fresh{} }

// Served says who answered a read, and how fresh what was read is.
type Served struct {
	Level  string        // what was asked for, or strong for what came from the primary
	Server string        // the replica's name, or Primary
	Lag    time.Duration // what was read is at most so old
	Stale  bool          // it came from a replica that is out of rotation, for want of a better
	Mark   db.Mark       // where the shop's clock stood
}

// Primary is the name of the server that takes writes.
const Primary = "primary"

// behindWait is how long a read waits in all for a replica that has not seen
// what the read must see.
const behindWait = 20 * time.Millisecond

// errBehind says that a replica has not seen what a read must see.
var errBehind = errors.New("the replica is behind")

// ErrLost says that a mark is not in the shop's line: a write was acknowledged
// and then lost.
var ErrLost = fault.Conflict("acknowledged-data-lost", "What was saved here has been lost when the database failed over. Look at it again, and save it once more if it is missing.")

// Loss is an acknowledged write that was lost, as a reader found out.
type Loss struct {
	Entry Entry
	Mark  db.Mark // of the write
	At    db.Mark // where the shop's clock stands
}

// OnLoss has fn called when a mark turns out to be ahead of the shop's primary.
// Register before serving.
func (f *Fleet) OnLoss(fn func(Loss)) { f.lost = append(f.lost, fn) }

// View is Read for those who do not ask who answered.
func (r *Room) View(ctx context.Context, fresh Fresh, fn func(db.Reader) error) error {
	_, err := r.Read(ctx, fresh, fn)
	return err
}

// Read runs fn on one snapshot that is as fresh as asked, on a replica or on
// the shop's primary. fn must do nothing but read and assign its results: if a
// replica is lost in the middle of it, it is run again elsewhere. A shard that
// has no replicas answers everything from its primary. ErrLost says that the
// mark asked for was acknowledged and then lost.
func (r *Room) Read(ctx context.Context, fresh Fresh, fn func(db.Reader) error) (s Served, err error) {
	err = r.here(ctx, false, func(r *Room) (err error) {
		s, err = r.read(ctx, fresh, fn)
		return err
	})
	return s, err
}

func (r *Room) read(ctx context.Context, fresh Fresh, fn func(db.Reader) error) (Served, error) {
	set := r.fleet.shards.Load().standbys[r.entry.Shard]
	if set == nil {
		return r.readPrimary(ctx, fresh, db.Mark{}, fn)
	}
	known := r.fleet.known.of(r.entry.Shop)
	if fresh.level == strong {
		return r.readPrimary(ctx, fresh, known, fn)
	}
	least := fresh
	if fresh.level == "" {
		least = fresh.After(known)
	}
	wait := behindWait
	for one := range set.serving {
		s, err := one.read(ctx, r, least, false, &wait, fn)
		if !passedBy(err) {
			return s, err
		}
	}
	if fresh.level == eventual {
		for _, one := range set.late() {
			s, err := one.read(ctx, r, least, true, &wait, fn)
			if !passedBy(err) {
				return s, err
			}
		}
	}
	turn, err := set.enter(ctx, r.entry.Shop)
	if err != nil {
		return Served{}, err
	}
	defer turn.Leave()
	return r.readPrimary(ctx, fresh, known, fn)
}

// passedBy reports whether another server may be asked.
func passedBy(err error) bool {
	return errors.Is(err, errBehind) || errors.Is(err, db.ErrAway) || errors.Is(err, db.ErrMoved)
}

// read runs fn on the replica if it is fresh enough, for which it waits as long
// as wait says, in all.
func (s *standby) read(ctx context.Context, r *Room, fresh Fresh, stale bool, wait *time.Duration, fn func(db.Reader) error) (Served, error) {
	link := s.link.Load()
	if link == nil {
		return Served{}, db.ErrAway
	}
	for pause := 2 * time.Millisecond; ; pause *= 2 {
		served := Served{Level: fresh.Level(), Server: s.Name, Stale: stale}
		pass, err := link.gate.Enter(ctx, r.entry.Shop, guard.Read)
		if errors.Is(err, guard.ErrCrowded) {
			s.past.Add(1)
			return served, fmt.Errorf("%w: %w", db.ErrAway, err)
		}
		if err != nil {
			return served, err
		}
		err = pass.Use(func() error {
			return link.View(ctx, r.entry.Shop, r.entry.Epoch, func(v *db.View) error {
				served.Mark, served.Lag = v.Mark(), max(0, s.pulse.now().Sub(v.Beat()))
				switch {
				case fresh.level == eventual:
				case fresh.level == bounded && served.Lag > fresh.age, !v.Seen(fresh.mark), v.Mark().Term < s.pulse.term.Load():
					return errBehind
				}
				return fn(v)
			})
		})
		switch {
		case err == nil:
			s.reads.Add(1)
			return served, nil
		case !errors.Is(err, errBehind) || *wait <= 0 || fresh.level == bounded:
			if passedBy(err) {
				s.past.Add(1)
			}
			return served, err
		}
		pause = min(pause, *wait)
		*wait -= pause
		if !every(ctx, pause, nil) {
			return served, ctx.Err()
		}
	}
}

// readPrimary refuses a caller whose mark was lost. One that only this process
// knows of is told, and then forgotten: nobody who reads now relies on it.
func (r *Room) readPrimary(ctx context.Context, fresh Fresh, known db.Mark, fn func(db.Reader) error) (Served, error) {
	s := Served{Level: strong, Server: Primary}
	pass, err := r.gate.Enter(ctx, r.entry.Shop, guard.Read)
	if err != nil {
		return s, err
	}
	defer pass.Leave()
	err = r.shard.View(ctx, r.entry.Shop, r.entry.Epoch, func(v *db.View) error {
		s.Mark = v.Mark()
		if v.Lost(known) {
			r.fleet.known.forget(known)
			r.tellLoss(known, v.Mark())
		}
		if v.Lost(fresh.mark) {
			r.tellLoss(fresh.mark, v.Mark())
			return fmt.Errorf("%w: shop %v stands at %v on shard %s, but a write was acknowledged at %v", ErrLost, r.entry.Shop, v.Mark(), r.entry.Shard, fresh.mark)
		}
		return fn(v)
	})
	return s, err
}

func (r *Room) tellLoss(mark, at db.Mark) {
	for _, fn := range r.fleet.lost {
		fn(Loss{Entry: r.entry, Mark: mark, At: at})
	}
}
