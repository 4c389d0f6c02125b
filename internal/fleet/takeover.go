package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
)

// Takeover says which standby is to be a shard's primary.
type Takeover struct {
	To    string // a replica's name or a standby's address; empty for the replica that has received most
	Force bool   // although the primary answers, or a replica has received more
}

// Taken is what a takeover came to.
type Taken struct {
	Server  string        // the replica's name, or its host
	Address string        // of the shard now
	Dropped string        // the replica that is none any more
	Behind  time.Duration // between the newest beat of the primary that this process has heard of and the newest that the standby had
	Heard   bool          // whether it has heard of any
	Fenced  []string      // servers that answered as the primary, which the caller says are kept from writing
	Silent  []string      // standbys that did not answer, and why
	db.Renewed
}

var leadShard = db.C(`UPDATE shard SET dsn = $3 WHERE id = $1 AND dsn = $2 AND state <> 'removed'`)

// Promote has a standby of a shard on PostgreSQL take its primary's place, where
// nothing else does that. It refuses to while the primary answers. The shops are
// held against the directory before the server takes writes; then the shard's
// address is changed, and every process follows at its next Reload. What was
// left half done is gone on with when it is called again.
func (f *Fleet) Promote(ctx context.Context, name string, how Takeover) (out Taken, err error) {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	l, err := f.listed(ctx, name)
	if err != nil {
		return out, err
	}
	if !IsPostgres(l.DSN) {
		return out, fault.Invalid("/shard", "Shard %s is a file, and has no standby.", name)
	}
	to, err := f.successor(ctx, l, how, &out)
	if err != nil {
		return out, err
	}
	if err := f.noPrimary(ctx, l, to, how, &out); err != nil {
		return out, err
	}
	if to.stand.Standby {
		if to.stand, err = shown(ctx, to.DSN); err != nil {
			return out, refused("/to", err)
		}
		if err := f.knows(l, to, how); err != nil {
			return out, err
		}
		f.log.Warn("a standby is promoted", "shard", name, "server", out.Server)
		if err := db.Promote(ctx, to.DSN); err != nil {
			return out, refused("/to", err)
		}
		if last := f.lastBeat(name); last != 0 {
			out.Heard, out.Behind = true, max(0, time.UnixMicro(last).Sub(to.stand.Beat))
		}
	}
	dsn, err := to.address(l)
	if err != nil {
		return out, err
	}
	if !to.stand.Told {
		if err := f.knows(l, to, how); err != nil {
			return out, err
		}
	}
	if out.Renewed, err = f.tellTerm(ctx, l, dsn); err != nil {
		return out, err
	}
	out.Address = Redacted(dsn)
	n := int64(1)
	err = f.relist(ctx, func(t *db.ControlTx) (err error) {
		if dsn != l.DSN {
			n, err = t.Exec(ctx, leadShard, name, l.DSN, dsn)
		}
		if err == nil && n == 1 && to.Name != "" {
			out.Dropped = to.Name
			_, err = t.Exec(ctx, dropReplica, name, to.Name)
		}
		return err
	})
	if err == nil && n == 0 {
		err = fault.Conflict("shard-changed", "Somebody else has given shard %s another address meanwhile: look with haat shard list.", name)
	}
	return out, err
}

// candidate is a standby that may be promoted.
type candidate struct {
	Replica
	stand db.Stand
}

// successor finds the standby that is meant.
func (f *Fleet) successor(ctx context.Context, l Listing, how Takeover, out *Taken) (to candidate, err error) {
	var ask []Replica
	switch i := slices.IndexFunc(l.Replicas, func(r Replica) bool { return r.Name == how.To || r.DSN == how.To }); {
	case how.To == "" && len(l.Replicas) == 0:
		return to, fault.Invalid("/to", "Shard %s has no replica that could be promoted: give a standby's address.", l.Name)
	case how.To == "":
		ask = l.Replicas
	case i >= 0:
		ask = append([]Replica{l.Replicas[i]}, slices.Delete(slices.Clone(l.Replicas), i, i+1)...)
	case IsPostgres(how.To):
		ask = append([]Replica{{DSN: how.To}}, l.Replicas...)
	default:
		return to, fault.NotFound("Shard %s has no replica %s.", l.Name, how.To)
	}
	var most candidate
	for i, r := range ask {
		called := r.Name
		all, err := db.LookEach(ctx, r.DSN)
		if err == nil && len(all) != 1 {
			err = errors.New("it names several servers: give the address of one")
		}
		if err == nil {
			if err = all[0].Err; called == "" {
				called = all[0].Host
			}
		}
		switch {
		case err != nil:
		case l.Identity != "" && all[0].Identity != l.Identity:
			err = fmt.Errorf("it is another database than shard %s: %s, not %s", l.Name, all[0].Identity, l.Identity)
		case !all[0].Standby && all[0].Told && all[0].Term <= l.Term:
			if on, bad := db.Hosts(l.DSN); bad == nil && slices.Contains(on, all[0].Host) && all[0].Term == l.Term {
				return to, fault.Conflict("primary-already", "%s is the primary of shard %s already.", called, l.Name)
			}
			if all[0].Term < l.Term {
				err = fmt.Errorf("it is an earlier primary of shard %s, of term %d while the shard is in term %d", l.Name, all[0].Term, l.Term)
			}
		}
		one := candidate{r, db.Stand{}}
		if err == nil {
			one.stand = all[0]
		}
		if i == 0 && how.To != "" {
			if err != nil {
				return to, refused("/to", err)
			}
			to, out.Server = one, called
			continue
		}
		if err != nil {
			out.Silent = append(out.Silent, r.Name+": "+oneLine(err))
		} else if most.stand.Host == "" || one.stand.WAL > most.stand.WAL {
			most = one
		}
	}
	switch {
	case how.To == "" && most.stand.Host == "":
		return to, fault.Conflict("no-standby", "No replica of shard %s can be promoted: %s.", l.Name, strings.Join(out.Silent, "; "))
	case how.To == "":
		to, out.Server = most, most.Name
	case !how.Force && to.stand.Standby && most.stand.WAL > to.stand.WAL:
		return to, fault.Conflict("another-has-more", "Replica %s has received %d bytes more of what the primary wrote than %s. Promote it instead, or say --force to lose that.", most.Name, most.stand.WAL-to.stand.WAL, out.Server)
	}
	return to, nil
}

// noPrimary refuses while a server answers that takes the shard's writes.
func (f *Fleet) noPrimary(ctx context.Context, l Listing, to candidate, how Takeover, out *Taken) error {
	all, err := db.LookEach(ctx, l.DSN)
	if err != nil {
		return refused("/dsn", err)
	}
	for _, s := range all {
		if s.Err != nil || s.Standby || s.Host == to.stand.Host || s.Term < l.Term || l.Identity != "" && s.Identity != l.Identity {
			continue
		}
		if !how.Force {
			return fault.Conflict("primary-answers", "%s answers as the primary of shard %s. Stop it first, so that it takes no write that would be lost; or say --force if it is kept from taking any.", s.Host, l.Name)
		}
		out.Fenced = append(out.Fenced, s.Host)
	}
	return nil
}

// knows refuses a server that lacks a term in which a primary has written.
func (f *Fleet) knows(l Listing, to candidate, how Takeover) error {
	if how.Force || to.stand.Term >= f.taken(l) {
		return nil
	}
	return fault.Conflict("another-is-later", "%s lacks all that shard %s has written in term %d: it stands at term %d. Promote a server that has it; or say --force to lose that.", to.stand.Host, l.Name, l.Taken, to.stand.Term)
}

const shownWait = 10 * time.Second // for a standby to show what it has received

// shown waits until a standby shows what it has received, or for a while.
func shown(ctx context.Context, dsn string) (db.Stand, error) {
	for end := time.Now().Add(shownWait); ; {
		all, err := db.LookEach(ctx, dsn)
		if err == nil {
			err = all[0].Err
		}
		if err != nil {
			return db.Stand{}, err
		}
		if all[0].Seen >= all[0].WAL || time.Now().After(end) || !every(ctx, 20*time.Millisecond, nil) {
			return all[0], nil
		}
	}
}

// address is what the shard's is to be: the listed one if it names the server
// already, else the standby's own with what else the listed one says.
func (c candidate) address(l Listing) (string, error) {
	on, err := db.Hosts(l.DSN)
	if err == nil && slices.Contains(on, c.stand.Host) {
		return l.DSN, nil
	}
	to, err := url.Parse(c.DSN)
	if err != nil {
		return "", refused("/to", errors.New("this is no address of a PostgreSQL database"))
	}
	was, err := url.Parse(l.DSN)
	if err != nil {
		return c.DSN, nil
	}
	q := to.Query()
	for k, v := range was.Query() {
		if k != "host" && k != "port" && k != "hostaddr" && !q.Has(k) {
			q[k] = v
		}
	}
	if to.RawQuery = q.Encode(); to.User == nil {
		to.User = was.User
	}
	return to.String(), nil
}

// tellTerm has a promoted server be told its term, at an address that is not
// listed yet.
func (f *Fleet) tellTerm(ctx context.Context, l Listing, dsn string) (out db.Renewed, err error) {
	s, err := db.OpenPostgres(ctx, dsn, f.cfg.Schemas)
	if err != nil {
		return out, refused("/to", err)
	}
	s.Expect(l.Term, 0) // whether it lacks a term was asked
	out, err = f.renewNow(ctx, l, s)
	return out, errors.Join(err, s.Close())
}

// lastBeat is when a shard's primary last beat as far as this process has heard,
// in microseconds of its own clock; 0 if it has heard nothing.
func (f *Fleet) lastBeat(shard string) int64 {
	if set := f.shards.Load().standbys[shard]; set != nil {
		return set.pulse.last.Load()
	}
	return 0
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
