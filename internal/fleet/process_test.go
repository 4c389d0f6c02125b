package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

// TestALeaseHasOneHolder has eight processes want a lease. Each gives it away
// soon, some by going silent: every time the next takes it, at a higher epoch.
func TestALeaseHasOneHolder(t *testing.T) {
	fleettest.EachFleet(t, nil, nil, func(t *testing.T, f *fleet.Fleet) {
		const processes, turns = 8, 16
		pace := fleet.Pace{Beat: 30 * time.Millisecond, Lease: 400 * time.Millisecond}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		type took struct {
			by    int
			epoch int64
		}
		seen := make(chan took, 1000)
		var overlaps atomic.Int64
		var mu sync.Mutex
		var holder context.Context
		for i := range processes {
			m, err := fleet.Join(ctx, f.Control(), fleet.Process{ID: fmt.Sprint("p", i)}, pace, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					beating, silent := context.WithCancel(ctx)
					var keeps sync.WaitGroup
					keeps.Go(func() { m.Keep(beating) })
					one, enough := context.WithCancel(ctx)
					m.Hold(one, "the lease", func(held context.Context, epoch int64) {
						mu.Lock()
						if holder != nil && holder.Err() == nil {
							overlaps.Add(1)
						}
						holder = held
						mu.Unlock()
						seen <- took{i, epoch}
						if n%2 == i%2 {
							silent() // its beats stop: it loses the lease by its own clock
							<-held.Done()
						}
						enough()
					})
					silent()
					keeps.Wait()
				}
			})
		}
		var epochs []int64
		by := map[int]bool{}
		late := time.After(time.Minute)
		for len(epochs) < turns || len(by) < 2 { // who had it may be the next, some times
			select {
			case s := <-seen:
				epochs, by[s.by] = append(epochs, s.epoch), true
			case <-late:
				t.Fatalf("after a minute it was taken %d times, by %v", len(epochs), by)
			}
		}
		slices.Sort(epochs)
		if len(slices.Compact(slices.Clone(epochs))) != len(epochs) {
			t.Errorf("an epoch was given out twice: %v", epochs)
		}
		t.Logf("%d turns of %d processes; %d began before the last had noticed its end", len(epochs), len(by), overlaps.Load())
	})
}

// TestAgreeOn has many agree on one value.
func TestAgreeOn(t *testing.T) {
	fleettest.EachFleet(t, nil, nil, func(t *testing.T, f *fleet.Fleet) {
		var all sync.WaitGroup
		values := make([]string, 8)
		for i := range values {
			all.Go(func() {
				b, err := fleet.AgreeOn(t.Context(), f.Control(), "key", fmt.Append(nil, "of ", i))
				if err != nil {
					t.Error(err)
				}
				values[i] = string(b)
			})
		}
		all.Wait()
		if got := slices.Compact(values); len(got) != 1 || got[0] == "" {
			t.Errorf("they agreed on %q", got)
		}
	})
}

// TestProcesses follows one process through the list.
func TestProcesses(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{}, nil, func(t *testing.T, f *fleet.Fleet) {
		pace := fleet.Pace{Beat: 20 * time.Millisecond, Lease: 300 * time.Millisecond}
		m, err := fleet.Join(t.Context(), f.Control(), fleet.Process{ID: "one", Version: "1", Roles: "web,relay"}, pace, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		is := func(what string, holds func(fleet.Process) bool) {
			t.Helper()
			for late := time.After(time.Minute); ; {
				all, err := m.Processes(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(all) == 1 && holds(all[0]) {
					return
				}
				select {
				case <-time.After(10 * time.Millisecond):
				case <-late:
					t.Fatalf("after a minute it is not %s: %+v", what, all)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { m.Keep(ctx) })
		work.Go(func() { m.Hold(ctx, "a lease", func(ctx context.Context, _ int64) { <-ctx.Done() }) })
		is("holding a lease", func(p fleet.Process) bool { return !p.Lost && slices.Equal(p.Leases, []string{"a lease"}) })
		m.Drain()
		is("draining", func(p fleet.Process) bool { return p.State == fleet.Draining })
		cancel()
		work.Wait()
		is("lost, without its lease", func(p fleet.Process) bool { return p.Lost && len(p.Leases) == 0 })
		if err := m.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all, err := m.Processes(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("it is still listed: %v, %v", all, err)
		}
	})
}
