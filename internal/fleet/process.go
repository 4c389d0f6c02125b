package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"haat/internal/db"
	"haat/internal/id"
)

// Process is one of those that serve a fleet.
type Process struct {
	ID      string    `json:"id"`  // of its data folder: the same after a restart
	Run     string    `json:"run"` // another at every start
	Host    string    `json:"host"`
	Address string    `json:"address,omitempty"` // where other processes reach it; empty if they cannot
	Version string    `json:"version"`
	Roles   string    `json:"roles"` // separated by commas
	Media   string    `json:"media"` // where it keeps pictures
	State   string    `json:"state"` // Serving or Draining
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen"`
	Leases  []string  `json:"leases,omitempty"` // that it holds
	Lost    bool      `json:"lost,omitempty"`   // it was not seen for a while, and did not say that it ends
}

// What a process may be.
const (
	Serving  = "serving"
	Draining = "draining"
)

// Pace is how often a process says that it is there, and how long its leases
// last when it does not.
type Pace struct{ Beat, Lease time.Duration }

// usual is the pace if none is given. A process that dies is replaced within
// Lease and a Beat.
var usual = Pace{Beat: 2 * time.Second, Lease: 8 * time.Second}

// forgetAfter is when a process that was lost is forgotten.
const forgetAfter = 24 * time.Hour

var (
	processColumns = `id, run, host, address, version, roles, media, state, since, seen`
	putProcess     = db.C(`
		INSERT INTO process (` + processColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
		ON CONFLICT (id) DO UPDATE SET run = excluded.run, host = excluded.host, address = excluded.address, version = excluded.version,
			roles = excluded.roles, media = excluded.media, state = excluded.state, since = excluded.since, seen = excluded.seen`)
	seeProcess    = db.C(`UPDATE process SET state = $3, seen = $4 WHERE id = $1 AND run = $2`)
	endProcess    = db.C(`DELETE FROM process WHERE id = $1 AND run = $2`)
	oldProcesses  = db.C(`DELETE FROM process WHERE seen < $1`)
	listProcesses = db.C(`SELECT ` + processColumns + ` FROM process ORDER BY since, id`)
	oneProcess    = db.C(`SELECT ` + processColumns + ` FROM process WHERE id = $1`)

	readLease  = db.C(`SELECT ` + leaseColumns + ` FROM lease WHERE name = $1`)
	listLeases = db.C(`SELECT ` + leaseColumns + ` FROM lease WHERE expires > $1 ORDER BY name`)
	// takeLease takes one that is free: that has expired, or was held by an
	// earlier run over the same data folder, which the folder's lock has ended.
	// The epoch is the database's time, so that it rises even over a control
	// database that was put back from a copy.
	takeLease = db.C(`
		INSERT INTO lease (` + leaseColumns + `) VALUES ($1, $2, $3, $4, $4, $5)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, run = excluded.run,
			epoch = CASE WHEN lease.epoch < excluded.epoch THEN excluded.epoch ELSE lease.epoch + 1 END, taken = excluded.taken, expires = excluded.expires
		WHERE lease.expires <= excluded.taken OR lease.holder = excluded.holder AND lease.run <> excluded.run`)
	// countLease raises an epoch that nobody holds.
	countLease = db.C(`
		INSERT INTO lease (` + leaseColumns + `) VALUES ($1, $2, $3, $4, $4, 0)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, run = excluded.run, taken = excluded.taken,
			epoch = CASE WHEN lease.epoch < excluded.epoch THEN excluded.epoch ELSE lease.epoch + 1 END`)
	renewLease   = db.C(`UPDATE lease SET expires = $4 WHERE name = $1 AND holder = $2 AND run = $3 AND epoch = $5`)
	releaseLease = db.C(`UPDATE lease SET expires = 0 WHERE name = $1 AND holder = $2 AND run = $3 AND epoch = $4`)
)

const leaseColumns = `name, holder, run, epoch, taken, expires`

type leaseRow struct {
	name, holder, run     string
	epoch, taken, expires int64
}

func scanLease(l *leaseRow) []any {
	return []any{&l.name, &l.holder, &l.run, &l.epoch, &l.taken, &l.expires}
}

func scanProcess(p *Process) []any {
	return []any{&p.ID, &p.Run, &p.Host, &p.Address, &p.Version, &p.Roles, &p.Media, &p.State, &p.Since, &p.Seen}
}

// Member is this process among those of its fleet. It holds leases: things
// that one process at a time does.
type Member struct {
	control *db.Control
	log     *slog.Logger
	pace    Pace

	nudge chan struct{} // a lease is wanted
	died  time.Time     // when an earlier run over the folder was seen last, if it did not leave

	mu     sync.Mutex
	self   Process
	wanted map[string]*holding
	others int  // processes that were seen lately, this one not counted
	twin   bool // another process runs with our id
}

// holding is a lease that is wanted, and perhaps held.
type holding struct {
	name  string
	turns chan turn // what was taken, for whoever waits in Hold

	// Guarded by Member.mu:
	epoch int64 // 0: not held
	lose  context.CancelFunc
	end   *time.Timer // by our own clock, which stands still for nobody
}

// turn is a lease in hand.
type turn struct {
	epoch int64
	ctx   context.Context
	lose  context.CancelFunc
}

// Join enters a process into the list. Work with Keep, and leave with Leave.
func Join(ctx context.Context, control *db.Control, self Process, pace Pace, log *slog.Logger) (*Member, error) {
	self.Run, self.State = id.Token(8), cmp.Or(self.State, Serving)
	m := &Member{control: control, log: log, pace: Pace{cmp.Or(pace.Beat, usual.Beat), cmp.Or(pace.Lease, usual.Lease)}, self: self, nudge: make(chan struct{}, 1), wanted: map[string]*holding{}}
	err := control.Change(ctx, func(t *db.ControlTx) error {
		now, err := t.Clock(ctx)
		if err != nil {
			return err
		}
		before, there, err := db.ControlOne(ctx, t, oneProcess, scanProcess, self.ID)
		if err != nil {
			return err
		}
		if m.died = (time.Time{}); there {
			m.died = before.Seen
		}
		m.self.Since = time.UnixMicro(now)
		if _, err := t.Exec(ctx, putProcess, self.ID, self.Run, self.Host, self.Address, self.Version, self.Roles, self.Media, self.State, now); err != nil {
			return err
		}
		_, err = t.Exec(ctx, oldProcesses, now-forgetAfter.Microseconds())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enter this process into the list: %w", err)
	}
	return m, nil
}

// Self is this process as it is listed.
func (m *Member) Self() Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.self
}

// Died gives when the run before this one, over the same data folder, was seen
// last, if it ended without a word: killed, or its machine lost. Else it is zero.
func (m *Member) Died() time.Time { return m.died }

// Alone reports whether no other process was seen lately, and whether another
// runs with the same id, over a copy of the data folder.
func (m *Member) Alone() (alone, twin bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.others == 0, m.twin
}

// Drain has the list say that this process is about to end.
func (m *Member) Drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.self.State = Draining
}

// Keep says again and again that this process is there, renews its leases and
// takes those that it wants and that are free, until ctx ends.
func (m *Member) Keep(ctx context.Context) {
	failing := false
	for {
		err := m.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			m.log.Warn("cannot say in the control database that this process is there; its leases end if that lasts", "err", err)
		}
		failing = err != nil
		t := time.NewTimer(m.pace.Beat)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-m.nudge:
			t.Stop()
		case <-t.C:
		}
	}
}

// beat is one round of Keep.
func (m *Member) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.pace.Lease/2)
	defer cancel()
	type want struct {
		*holding
		name  string
		epoch int64
	}
	m.mu.Lock()
	self := m.self
	var all []want
	for name, h := range m.wanted {
		all = append(all, want{h, name, h.epoch})
	}
	m.mu.Unlock()
	var kept, taken map[string]int64
	var listed bool
	others := 0
	began := time.Now() // the database's clock is read later: ours ends a lease first
	err := m.control.Change(ctx, func(t *db.ControlTx) error {
		kept, taken, others = map[string]int64{}, map[string]int64{}, 0
		now, err := t.Clock(ctx)
		if err != nil {
			return err
		}
		n, err := t.Exec(ctx, seeProcess, self.ID, self.Run, self.State, now)
		if err != nil {
			return err
		}
		listed = n == 1
		until := now + m.pace.Lease.Microseconds()
		for _, w := range all {
			if w.epoch < 0 {
				continue
			}
			if w.epoch > 0 {
				n, err := t.Exec(ctx, renewLease, w.name, self.ID, self.Run, until, w.epoch)
				if err != nil {
					return err
				}
				if n == 1 {
					kept[w.name] = w.epoch
				}
				continue
			}
			if l, there, err := db.ControlOne(ctx, t, readLease, scanLease, w.name); err != nil {
				return err
			} else if there && l.expires > now && (l.holder != self.ID || l.run == self.Run) {
				continue
			}
			if n, err = t.Exec(ctx, takeLease, w.name, self.ID, self.Run, now, until); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue
			}
			l, _, err := db.ControlOne(ctx, t, readLease, scanLease, w.name)
			if err != nil {
				return err
			}
			taken[w.name] = l.epoch
		}
		processes, err := db.ControlAll(ctx, t, listProcesses, scanProcess)
		for _, p := range processes {
			if p.ID != self.ID && now-p.Seen.UnixMicro() < 2*m.pace.Lease.Microseconds() {
				others++
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.others = others
	if m.twin == listed {
		if m.twin = !listed; m.twin {
			m.log.Error("another process runs over a copy of this data folder, or the list of processes was lost", "id", self.ID)
		}
	}
	for _, w := range all {
		if m.wanted[w.name] != w.holding {
			continue // nobody waits for it any more: it expires
		}
		switch left := time.Until(began.Add(m.pace.Lease)); {
		case w.epoch > 0 && kept[w.name] == w.epoch && w.holding.epoch == w.epoch && w.end.Stop():
			w.end.Reset(left)
		case w.epoch > 0 && w.holding.epoch == w.epoch:
			m.lost(w.holding)
		case w.epoch == 0 && taken[w.name] > 0 && left > 0:
			m.took(ctx, w.holding, taken[w.name], left)
		}
	}
	return nil
}

// took hands a lease to whoever waits for it. The caller holds m.mu.
func (m *Member) took(ctx context.Context, h *holding, epoch int64, left time.Duration) {
	ctx, lose := context.WithCancel(context.WithoutCancel(ctx))
	h.epoch, h.lose = epoch, lose
	h.end = time.AfterFunc(left, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if h.epoch == epoch {
			m.lost(h)
		}
	})
	h.turns <- turn{epoch, ctx, lose} // has room: the last one was taken out before epoch became 0
	m.log.Debug("took a lease", "lease", h.name, "epoch", epoch)
}

// lost ends what is done under a lease. The caller holds m.mu.
func (m *Member) lost(h *holding) {
	m.log.Warn("lost a lease", "lease", h.name, "epoch", h.epoch)
	h.lose()
	h.end.Stop()
	h.epoch = -1 // until what was done has ended
}

// Hold runs fn whenever this process comes to hold a lease, until ctx ends. A
// lease has one holder, unless one has lost it and not noticed yet: what is
// written under it must be fenced by its epoch, which rises with every holder,
// or do no harm twice. fn's context ends when the lease is lost; fn must return
// then, and is run again when the lease comes back. A fn that returns by itself
// gives the lease away.
func (m *Member) Hold(ctx context.Context, name string, fn func(ctx context.Context, epoch int64)) {
	h := &holding{name: name, turns: make(chan turn, 1)}
	m.mu.Lock()
	if m.wanted[name] != nil {
		m.mu.Unlock()
		panic("fleet: the lease " + name + " is wanted twice")
	}
	m.wanted[name] = h
	m.mu.Unlock()
	select {
	case m.nudge <- struct{}{}:
	default:
	}
	for {
		select {
		case <-ctx.Done():
		case t := <-h.turns:
			stop := context.AfterFunc(ctx, t.lose)
			fn(t.ctx, t.epoch)
			stop()
			t.lose()
			m.release(h, t.epoch)
		}
		if ctx.Err() == nil {
			continue
		}
		m.mu.Lock()
		delete(m.wanted, name)
		m.mu.Unlock()
		select {
		case t := <-h.turns: // taken at the last moment
			t.lose()
			m.release(h, t.epoch)
		default:
		}
		return
	}
}

// Epoch gives a number that is above all that it gave to any process under this
// name before, and above the epochs that leases have had so far: for what is
// handed out by somebody else than the control database.
func (m *Member) Epoch(ctx context.Context, name string) (epoch int64, err error) {
	self := m.Self()
	err = m.control.Change(ctx, func(t *db.ControlTx) error {
		now, err := t.Clock(ctx)
		if err != nil {
			return err
		}
		if _, err := t.Exec(ctx, countLease, name, self.ID, self.Run, now); err != nil {
			return err
		}
		l, _, err := db.ControlOne(ctx, t, readLease, scanLease, name)
		epoch = l.epoch
		return err
	})
	return epoch, err
}

// release gives a lease back, if it is still ours.
func (m *Member) release(h *holding, epoch int64) {
	m.mu.Lock()
	ours := h.epoch == epoch
	h.epoch = 0
	h.end.Stop()
	self := m.self
	m.mu.Unlock()
	if !ours {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.pace.Beat)
	defer cancel()
	err := m.control.Change(ctx, func(t *db.ControlTx) error {
		_, err := t.Exec(ctx, releaseLease, h.name, self.ID, self.Run, epoch)
		return err
	})
	if err != nil {
		m.log.Warn("a lease could not be given back; it expires by itself", "lease", h.name, "err", err)
	}
}

// Leave takes this process out of the list, once it holds nothing any more.
func (m *Member) Leave(ctx context.Context) error {
	self := m.Self()
	return m.control.Change(ctx, func(t *db.ControlTx) error {
		_, err := t.Exec(ctx, endProcess, self.ID, self.Run)
		return err
	})
}

// Processes lists those that serve the fleet, and what each of them holds.
func (m *Member) Processes(ctx context.Context) (all []Process, err error) {
	return Processes(ctx, m.control, m.pace.Lease)
}

// Processes lists the processes of a control database. One that was not seen
// for as long as late is lost; 0 means the usual time.
func Processes(ctx context.Context, control Still, late time.Duration) (all []Process, err error) {
	late = cmp.Or(late, usual.Lease)
	err = control.View(ctx, func(t *db.ControlTx) error {
		now, err := t.Clock(ctx)
		if err != nil {
			return err
		}
		if all, err = db.ControlAll(ctx, t, listProcesses, scanProcess); err != nil {
			return err
		}
		leases, err := db.ControlAll(ctx, t, listLeases, scanLease, now)
		for i := range all {
			p := &all[i]
			p.Lost = now-p.Seen.UnixMicro() > late.Microseconds()
			for _, l := range leases {
				if l.holder == p.ID && l.run == p.Run {
					p.Leases = append(p.Leases, l.name)
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(errors.New("list the processes"), err)
	}
	return all, nil
}
