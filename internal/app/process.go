package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"haat/internal/backup"
	"haat/internal/edge"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/meter"
)

// What a process may do.
const (
	roleWeb    = "web"
	roleAPI    = "api"
	roleWorker = "worker"
	roleRelay  = "relay"
)

func (c *Config) finishProcess() error {
	var roles []string
	for role := range strings.SplitSeq(c.Roles, ",") {
		role = strings.TrimSpace(role)
		if !slices.Contains([]string{roleWeb, roleAPI, roleWorker, roleRelay}, role) {
			return fmt.Errorf("--roles %q: give some of web, api, worker and relay, with commas between", c.Roles)
		}
		roles = append(roles, role)
	}
	c.Roles = strings.Join(roles, ",")
	if c.Advertise != "" {
		if host, _, err := net.SplitHostPort(c.Advertise); err != nil || host == "" {
			return fmt.Errorf("--advertise %q: give host:port", c.Advertise)
		}
	}
	if c.DrainWait < 0 || c.DrainWait > time.Hour {
		return fmt.Errorf("--drain-wait %v: between 0 and an hour", c.DrainWait)
	}
	if c.Lease < time.Second || c.Lease > time.Hour {
		return fmt.Errorf("--lease %v: between a second and an hour", c.Lease)
	}
	return nil
}

func (c *Config) does(role string) bool { return slices.Contains(strings.Split(c.Roles, ","), role) }

// join enters this process into the fleet's list.
func (a *App) join(ctx context.Context, name string) (err error) {
	self := fleet.Process{ID: name, Address: a.cfg.Advertise, Version: Version, Roles: a.cfg.Roles}
	if self.Host, err = os.Hostname(); err != nil {
		return err
	}
	if self.Media, err = backup.Place(a.cfg.Data); err != nil {
		return err
	}
	if a.cfg.Media != "" && a.cfg.Media != inFiles {
		self.Media = a.cfg.Media
	}
	a.member, err = fleet.Join(ctx, a.control, self, fleet.Pace{Beat: a.cfg.Lease / 4, Lease: a.cfg.Lease}, a.log)
	return err
}

// alone runs fn in one process at a time of those that do the same.
func (a *App) alone(ctx context.Context, name string, fn func(context.Context)) {
	a.workers.Go(func() { a.member.Hold(ctx, name, func(ctx context.Context, _ int64) { fn(ctx) }) })
}

// relay carries the events of the shards that this process comes to hold.
func (a *App) relay(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	stops := map[string]context.CancelFunc{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		names := a.fleet.ShardNames()
		for _, name := range names {
			if stops[name] != nil {
				continue
			}
			one, stop := context.WithCancel(ctx)
			stops[name] = stop
			all.Go(func() {
				a.member.Hold(one, eventsOf+name, func(ctx context.Context, epoch int64) { a.carrier.Serve(ctx, name, epoch) })
			})
		}
		for name, stop := range stops {
			if !slices.Contains(names, name) {
				stop()
				delete(stops, name)
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range stops {
				stop()
			}
			return
		case <-tick.C:
		}
	}
}

// hear has this process hear what others commit.
func (a *App) hear() *event.Feed {
	return event.NewFeed(a.fleet, a.member.Self().Run, event.FeedOptions{
		Keeps: a.pages.Keeps, Unsure: a.pages.Unsure, Missed: a.pages.Missed,
		Alone: func() bool { alone, _ := a.member.Alone(); return alone },
	}, a.log)
}

// closing has connections close after their next answer once this process
// drains: a load balancer opens the next one to another process.
func (a *App) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain says that this process ends, and goes on for as long as it takes until
// everybody has heard it.
func (a *App) drain(front *edge.Front, failed <-chan error) {
	a.draining.Store(true)
	a.member.Drain()
	if front != nil {
		front.Drain()
	}
	if a.cfg.DrainWait == 0 {
		return
	}
	a.log.Info("draining: /readyz says no, and requests are still answered", "for", a.cfg.DrainWait)
	t := time.NewTimer(a.cfg.DrainWait)
	defer t.Stop()
	select {
	case <-t.C:
	case err := <-failed:
		a.log.Error("an address was closed while draining", "err", err)
	}
}

// Ready reports whether requests can be served: not while this process drains,
// and not while it reaches no control database, or no shard at all. One shard
// of many that is away must not take every process out of service.
func (a *App) Ready(ctx context.Context) error {
	select {
	case <-a.stopping:
		return errors.New("shutting down")
	default:
	}
	if a.draining.Load() {
		return errors.New("draining")
	}
	if err := a.fleet.Check(ctx); err != nil {
		return fmt.Errorf("the control database: %w", err)
	}
	open := maps.Collect(a.fleet.Shards)
	answers := make(chan error, len(open))
	for name, s := range open {
		go func() {
			err := s.Check(ctx)
			if err != nil {
				err = fmt.Errorf("shard %s: %w", name, err)
			}
			answers <- err
		}()
	}
	var errs []error
	for range open {
		err := <-answers
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Processes implements api.Operator. A control database in the data folder is
// this process's alone: others that it lists are of the folder that it was
// copied from.
func (a *App) Processes(ctx context.Context) ([]fleet.Process, error) {
	all, err := a.member.Processes(ctx)
	if a.cfg.Control == "" {
		self := a.member.Self().ID
		all = slices.DeleteFunc(all, func(p fleet.Process) bool { return p.ID != self })
	}
	return all, err
}

// watchProcesses tells of processes that were lost, and of those that do not go
// together.
func (a *App) watchProcesses(ctx context.Context) error {
	all, err := a.Processes(ctx)
	if err != nil {
		return err
	}
	var lost, skew, apart []meter.Sighting
	versions, places, serving := map[string][]string{}, map[string][]string{}, 0
	held := map[string]bool{}
	for _, p := range all {
		if p.Lost {
			lost = append(lost, meter.Sighting{Subject: p.Host + " " + p.ID, Since: p.Seen, Detail: fmt.Sprintf("It was seen %v ago for the last time (%s).", time.Since(p.Seen).Round(time.Second), p.Roles)})
			continue
		}
		serving++
		for _, name := range p.Leases {
			held[name] = true
		}
		versions[p.Version] = append(versions[p.Version], p.Host)
		if strings.Contains(p.Roles, roleWeb) || strings.Contains(p.Roles, roleAPI) {
			place := p.Media
			if place == "" {
				place = "its own folder"
			}
			places[place] = append(places[place], p.Host)
		}
	}
	if len(versions) > 1 {
		skew = append(skew, meter.Sighting{Subject: "processes", Detail: "They run " + listed(versions) + "."})
	}
	if own := len(places["its own folder"]); own > 1 || len(places) > 1 {
		apart = append(apart, meter.Sighting{Subject: "pictures", Detail: "They lie in " + listed(places) + "."})
	}
	a.incidents.See(processKilled, a.killed(time.Now()))
	a.incidents.See(processLost, lost)
	a.incidents.See(versionSkew, skew)
	a.incidents.See(undelivered, a.idle(held, time.Now()))
	a.incidents.See(picturesApart, apart)
	if _, twin := a.member.Alone(); twin {
		a.incidents.Raise(processLost, meter.Sighting{Subject: "this process", Detail: "It is not listed, or another runs over a copy of its data folder."})
	}
	return nil
}

// idle tells of shards whose events nobody has carried for longer than it takes
// to hand them over.
func (a *App) idle(held map[string]bool, now time.Time) (all []meter.Sighting) {
	since := map[string]time.Time{}
	for _, shard := range a.fleet.ShardNames() {
		if held[eventsOf+shard] {
			continue
		}
		if since[shard] = a.idleSince[shard]; since[shard].IsZero() {
			since[shard] = now
		}
		if now.Sub(since[shard]) >= a.cfg.Lease/2 {
			all = append(all, meter.Sighting{Subject: "shard " + shard, Since: since[shard], Detail: "Of the processes that serve none has the role relay, or none of those comes to it."})
		}
	}
	a.idleSince = since
	return all
}

// eventsOf begins the name of the lease to carry a shard's events.
const eventsOf = "events of "

// tellsFor is how long after a start it is said that the run before was killed.
const tellsFor = 10 * time.Minute

func (a *App) killed(now time.Time) []meter.Sighting {
	died, self := a.member.Died(), a.member.Self()
	if died.IsZero() || now.Sub(self.Since) > tellsFor {
		return nil
	}
	return []meter.Sighting{{Subject: self.Host + " " + self.ID, Since: died, Detail: fmt.Sprintf("It ended without saying so, after %s, and was started again.", died.UTC().Format(time.DateTime))}}
}

// listed says what is where: "0.1.0 on a and b; 0.2.0 on c".
func listed(where map[string][]string) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(where)) {
		parts = append(parts, what+" on "+strings.Join(where[what], " and "))
	}
	return strings.Join(parts, "; ")
}

// fleetFinding says who serves.
func (a *App) fleetFinding(ctx context.Context) (string, error) {
	all, err := a.Processes(ctx)
	if err != nil {
		return "", err
	}
	parts := make([]string, len(all))
	for i, p := range all {
		parts[i] = fmt.Sprintf("%s %s (%s, since %s)", p.Host, p.State, p.Roles, p.Since.Format(time.DateTime))
		if len(p.Leases) > 0 {
			parts[i] += " holds " + strings.Join(p.Leases, ", ")
		}
	}
	return fmt.Sprintf("%d: %s", len(all), strings.Join(parts, "; ")), nil
}
