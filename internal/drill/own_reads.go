package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"haat/internal/api"
	"haat/internal/db"
	"haat/internal/db/cluster"
	"haat/internal/fleet"
	"haat/internal/id"
	shops "haat/internal/shop"
)

var ownReads = drill{
	id: "F-5-reads", fault: "writers read what they wrote from replicas that stop, go and lag, while shops move and a primary is lost",
	without: "who reads says no mark: eventual",
	needs:   []need{postgres},
	run:     readOwnWrites,

	full: "the same, two million times", fullWithin: 75 * time.Minute,
}

const (
	readPairs    = 2_000_000
	readFor      = time.Minute // without --full
	readers      = 32          // writers, each of a shop of its own
	readsOfWrite = 10
	lagging      = 200 * time.Millisecond
	lostEvery    = 4 * time.Minute // a primary
	movedEvery   = 2 * time.Second // a shop
)

// readShard is a primary with two replicas.
type readShard struct {
	name     string
	primary  *database
	replicas []*cluster.Server // changed by who holds chaos
	listed   int               // replicas so far, for their names
}

// reading is what the writers find.
type reading struct {
	r      *run
	here   *fleet.Fleet // of the process that writes
	there  *fleet.Fleet // of another, which hears of no write
	mover  *server
	shards []*readShard
	chaos  sync.Mutex // replicas are stopped, or a primary is lost

	writes, pairs, atReplicas, stale, lost, wrong atomic.Int64
	pauses, moves, failovers                      atomic.Int64
}

// readOwnWrites has writers write and read what they wrote, in this process
// with the rooms of the program, since no client is as quick.
func readOwnWrites(ctx context.Context, r *run) error {
	d := &reading{r: r}
	if err := d.begin(ctx); err != nil {
		return err
	}
	var rooms [][2]*fleet.Room
	for i := range readers {
		settings := shops.Defaults("0", "IN", "INR")
		room, err := d.here.Create(ctx, id.NewShop(), fmt.Sprint("shop-", i), settings.Name,
			func(tx *db.Tx) error { return shops.Write(ctx, tx, settings) }, func(*db.ControlTx) error { return nil })
		if err != nil {
			return err
		}
		other, err := d.there.ByID(ctx, room.Shop())
		if err != nil {
			return err
		}
		rooms = append(rooms, [2]*fleet.Room{room, other})
	}
	goal := int64(readPairs / r.parts)
	r.Injected = fmt.Sprintf("%d writers, each of whose writes is read %d times, in the process that wrote and in another that has only the mark; of two PostgreSQL servers with two replicas each one replica lags by %v, and others stop for up to 4 s at a time; a shop moves from one to the other every %v; the primary of one is killed with its replicas behind, and one of them promoted", readers, readsOfWrite, lagging, movedEvery)
	faults, stop := context.WithCancel(ctx)
	defer stop()
	var broken sync.WaitGroup
	var mu sync.Mutex
	var failure error
	fails := func(fn func(context.Context) error) {
		broken.Go(func() {
			if err := fn(faults); err != nil && faults.Err() == nil {
				mu.Lock()
				failure = errors.Join(failure, err)
				mu.Unlock()
				stop()
			}
		})
	}
	begun := time.Now()
	writing, end := context.WithCancel(faults)
	defer end()
	var writers sync.WaitGroup
	for _, room := range rooms {
		writers.Go(func() { d.write(writing, room[0], room[1]) })
	}
	fails(d.stopAndGo)
	fails(func(ctx context.Context) error { return d.move(ctx, rooms) })
	fails(func(ctx context.Context) error { return d.losePrimaries(ctx) })
	for said := begun; faults.Err() == nil; {
		n := d.pairs.Load()
		if r.Full && n >= goal || !r.Full && time.Since(begun) >= readFor && d.failovers.Load() > 0 {
			break
		}
		if time.Since(said) > 15*time.Second {
			said = time.Now()
			r.say("%d pairs, %.0f a second, %d at replicas; replicas stopped %d times, %d moves, %d primaries lost; %d stale", n, float64(n)/time.Since(begun).Seconds(), d.atReplicas.Load(), d.pauses.Load(), d.moves.Load(), d.failovers.Load(), d.stale.Load())
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	end()
	writers.Wait()
	took := time.Since(begun)
	stop()
	broken.Wait()
	if failure != nil {
		return failure
	}
	d.tell(took)
	return nil
}

// tell says what came of it.
func (d *reading) tell(took time.Duration) {
	r := d.r
	r.saw(!r.Full || d.pairs.Load() >= int64(readPairs/r.parts), "%d reads of own writes, of %d writes, within %v, %.0f a second", d.pairs.Load(), d.writes.Load(), round(took), float64(d.pairs.Load())/took.Seconds())
	r.saw(d.stale.Load() == 0, "%d of them stale", d.stale.Load())
	r.saw(d.atReplicas.Load() > d.pairs.Load()/10, "%d answered by replicas, the others by primaries", d.atReplicas.Load())
	r.saw(d.moves.Load() > 0, "%d moves, %d stops of replicas, %d primaries lost", d.moves.Load(), d.pauses.Load(), d.failovers.Load())
	r.saw(r.without || d.lost.Load() > 0, "%d acknowledged writes were lost with them, and said to be lost to who asked with their mark", d.lost.Load())
	r.saw(d.wrong.Load() == 0, "%d were said to be lost and were not", d.wrong.Load())
}

// begin starts the servers, a process that moves shops, and opens two more in
// this one.
func (d *reading) begin(ctx context.Context) error {
	r := d.r
	control, err := r.newServer()
	if err != nil {
		return err
	}
	if r.control, err = newDatabase(control); err != nil {
		return err
	}
	for _, name := range []string{"s1", "s2"} {
		s, err := r.startServer(true)
		if err != nil {
			return err
		}
		shard := &readShard{name: name}
		if shard.primary, err = newDatabase(s); err != nil {
			return err
		}
		if _, err := shard.primary.sql("GRANT EXECUTE ON FUNCTION pg_promote TO haat"); err != nil {
			return err
		}
		d.shards = append(d.shards, shard)
	}
	first := d.shards[0].dsn()
	if d.mover, err = r.serve(ctx, "mover", "--control", r.control.dsn(), "--first-shard", first, "--lease", "1s"); err != nil {
		return err
	}
	if err := d.mover.operator(d.mover.token).AddShard(ctx, api.NewShard{Name: "s2", DSN: d.shards[1].dsn()}); err != nil {
		return err
	}
	for _, shard := range d.shards {
		if err := d.replicate(ctx, shard); err != nil {
			return err
		}
	}
	for i, to := range []**fleet.Fleet{&d.here, &d.there} {
		f, end, err := r.host.Fleet(ctx, filepath.Join(r.dir, fmt.Sprint("reader-", i)), r.control.dsn(), first)
		if err != nil {
			return err
		}
		r.atEnd(func() { _ = end() })
		*to = f
	}
	return d.rotation(ctx)
}

func (s *readShard) dsn() string { return s.primary.dsn() + "&pool_max_conns=24" }

// replicate gives a shard two replicas, of which the second lags.
func (d *reading) replicate(ctx context.Context, shard *readShard) error {
	var change api.ShardChange
	for i := range 2 {
		s, err := shard.primary.Replica()
		if err != nil {
			return err
		}
		d.r.atEnd(func() { _ = s.Close() })
		if i == 1 {
			for _, text := range []string{fmt.Sprintf("ALTER SYSTEM SET recovery_min_apply_delay = '%dms'", lagging.Milliseconds()), "SELECT pg_reload_conf()"} {
				if err := s.Exec(text); err != nil {
					return err
				}
			}
		}
		shard.listed++
		shard.replicas = append(shard.replicas, s)
		change.Replicas = append(change.Replicas, api.NewReplica{Name: fmt.Sprint("r", shard.listed), DSN: s.DSN(shard.primary.name, "haat") + "&pool_max_conns=24"})
	}
	return d.mover.operator(d.mover.token).SetShard(ctx, shard.name, change)
}

// rotation waits until every replica serves, here and there.
func (d *reading) rotation(ctx context.Context) error {
	for begun := time.Now(); ; {
		serving := 0
		for _, f := range []*fleet.Fleet{d.here, d.there} {
			for _, h := range f.Replicas() {
				if h.State == fleet.ReplicaServing {
					serving++
				}
			}
		}
		if serving == 4*len(d.shards) {
			return nil
		}
		if time.Since(begun) > time.Minute {
			return fmt.Errorf("only %d of %d replicas are in rotation after a minute: %+v", serving, 4*len(d.shards), d.here.Replicas())
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// write writes and reads one shop until ctx ends. What it has begun it ends.
func (d *reading) write(ctx context.Context, here, there *fleet.Room) {
	levels := []fleet.Fresh{{}, fleet.Within(time.Hour)}
	for n := int64(1); ctx.Err() == nil; n++ {
		settings := shops.Defaults(strconv.FormatInt(n, 10), "IN", "INR")
		var mark db.Mark
		err := errors.New("not yet")
		for err != nil && ctx.Err() == nil {
			mark, err = here.Change(ctx, func(tx *db.Tx) error { return shops.Write(ctx, tx, settings) })
			if err != nil {
				_ = pause(ctx, 50*time.Millisecond)
			}
		}
		if err != nil {
			return
		}
		d.writes.Add(1)
		text := here.Sign(mark)
		for i := range readsOfWrite {
			room := []*fleet.Room{here, there}[i%2]
			signed, err := room.Signed(text)
			if err != nil {
				d.wrong.Add(1)
				continue
			}
			fresh := levels[i/2%2].After(signed)
			if d.r.without {
				fresh = fleet.AnyAge
			}
			if lost := d.look(ctx, room, fresh, n); lost {
				break
			}
		}
	}
}

// look reads once, and counts what it finds. It is true if the write is said to
// be lost.
func (d *reading) look(ctx context.Context, room *fleet.Room, fresh fleet.Fresh, n int64) (lost bool) {
	for ctx.Err() == nil {
		got, served, err := readName(ctx, room, fresh)
		if errors.Is(err, fleet.ErrLost) {
			d.lost.Add(1)
			if got, _, err := readName(ctx, room, fleet.Newest); err == nil && got >= n {
				d.wrong.Add(1)
			}
			return true
		}
		if err != nil { // nobody answers: it is asked again
			_ = pause(ctx, 50*time.Millisecond)
			continue
		}
		if d.pairs.Add(1); served.Server != fleet.Primary {
			d.atReplicas.Add(1)
		}
		if got < n {
			d.stale.Add(1)
		}
		return false
	}
	return false
}

// readName reads the number that a shop is called by.
func readName(ctx context.Context, room *fleet.Room, fresh fleet.Fresh) (n int64, served fleet.Served, err error) {
	served, err = room.Read(ctx, fresh, func(v db.Reader) error {
		s, err := shops.Of(ctx, v)
		if err == nil {
			n, err = strconv.ParseInt(s.Name, 10, 64)
		}
		return err
	})
	return n, served, err
}

// stopAndGo stops replicas, for long enough now and then that they go out of
// rotation.
func (d *reading) stopAndGo(ctx context.Context) error {
	for pause(ctx, time.Duration(20+rand.IntN(200))*time.Millisecond) == nil {
		if err := d.stopOne(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *reading) stopOne(ctx context.Context) error {
	d.chaos.Lock()
	defer d.chaos.Unlock()
	all := d.shards[rand.IntN(len(d.shards))].replicas
	one := all[rand.IntN(len(all))]
	if err := one.PauseReplay(); err != nil {
		return err
	}
	d.pauses.Add(1)
	long := time.Duration(rand.IntN(150)) * time.Millisecond
	if rand.IntN(20) == 0 {
		long = time.Duration(2000+rand.IntN(2000)) * time.Millisecond
	}
	_ = pause(ctx, long)
	return one.ResumeReplay()
}

// move moves shops from one shard to the other.
func (d *reading) move(ctx context.Context, rooms [][2]*fleet.Room) error {
	o := d.mover.operator(d.mover.token)
	for pause(ctx, movedEvery) == nil {
		slug := rooms[rand.IntN(len(rooms))][0].Slug()
		is, err := o.Shop(ctx, slug)
		if err != nil {
			continue // its shard has no primary just now
		}
		to := "s1"
		if is.Shard == to {
			to = "s2"
		}
		m, err := o.Move(ctx, slug, to, false) // or back to the copy that is kept
		if err == nil {
			m, err = d.mover.arrives(ctx, m, moveWithin)
		}
		if err == nil && m.Arrived {
			d.moves.Add(1)
		}
	}
	return nil
}

// losePrimaries kills a primary whose replicas lack some of what it has
// acknowledged, and has an operator promote one of them.
func (d *reading) losePrimaries(ctx context.Context) error {
	wait := lostEvery / 2
	if !d.r.Full {
		wait = readFor / 3
	}
	for n := 0; pause(ctx, wait) == nil; n++ {
		if n > 0 && !d.r.Full {
			return nil
		}
		if err := d.losePrimary(ctx, d.shards[n%len(d.shards)]); err != nil {
			return err
		}
		wait = lostEvery
	}
	return nil
}

func (d *reading) losePrimary(ctx context.Context, shard *readShard) error {
	d.chaos.Lock()
	defer d.chaos.Unlock()
	o := d.mover.operator(d.mover.token)
	for _, s := range shard.replicas {
		if err := s.Orphan(); err != nil {
			return err
		}
	}
	if err := pause(ctx, 300*time.Millisecond); err != nil { // in which writes are acknowledged, to be lost
		return err
	}
	fault := time.Now()
	if err := shard.primary.Kill(); err != nil {
		return err
	}
	if d.failovers.Load() == 0 {
		if err := d.r.named(ctx, d.mover, d.mover.token, "database-unreachable", "shard "+shard.name, fault); err != nil {
			return err
		}
	}
	out, err := o.PromoteShard(ctx, shard.name, api.Promotion{})
	if err != nil {
		return err
	}
	d.r.say("the primary of %s is lost, and %s promoted %v later, in term %d", shard.name, out.Server, round(time.Since(fault)), out.Term)
	next := 0
	if out.Server != fmt.Sprint("r", shard.listed-1) {
		next = 1
	}
	led, left := shard.replicas[next], shard.replicas[1-next]
	was := shard.primary
	if err := o.SetShard(ctx, shard.name, api.ShardChange{Drop: []string{fmt.Sprint("r", shard.listed-next)}}); err != nil {
		return err
	}
	shard.primary, shard.replicas = &database{led, was.name}, nil
	for _, text := range []string{"ALTER SYSTEM RESET recovery_min_apply_delay", "ALTER SYSTEM RESET primary_conninfo", "SELECT pg_reload_conf()"} {
		if err := led.Exec(text); err != nil {
			return err
		}
	}
	if err := errors.Join(left.Close(), was.Close()); err != nil {
		return err
	}
	d.failovers.Add(1)
	return d.replicate(ctx, shard)
}
