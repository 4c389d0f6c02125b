package app

import (
	"slices"
	"testing"
	"time"

	"haat/internal/meter"
)

// Where no process has the role to carry events, that is said; where one has,
// it is not.
func TestAShardThatNobodyCarriesIsNamed(t *testing.T) {
	named := func(s *site) bool {
		if err := s.app.watchProcesses(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(s.app.incidents.Open(), func(i meter.Incident) bool { return i.Name == undelivered && i.Subject == "shard s1" })
	}
	idle := open(t, func(c *Config) { c.Roles, c.Lease = "web,api,worker", time.Second })
	idle.until("it is named", func() bool { return named(idle) })

	well := open(t, func(c *Config) { c.Lease = time.Second })
	well.until("its events are carried", func() bool {
		all, err := well.app.Processes(t.Context())
		return err == nil && len(all) == 1 && slices.Contains(all[0].Leases, eventsOf+"s1")
	})
	end := time.Now().Add(time.Second)
	well.until("the time is over after which it would be named", func() bool {
		if named(well) {
			t.Fatal("it is named though its events are carried")
		}
		return time.Now().After(end)
	})
}
