package fleet

import (
	"haat/internal/db"
	"haat/internal/guard"
)

// spill is where the reads that no replica could serve wait for the primary.
func spill(conns int) *guard.Gate {
	return guard.NewGate(guard.GateOptions{Places: conns, Apart: true, Patience: primaryWait})
}

// link is an open replica, and where its connections are shared out.
type link struct {
	*db.Standby
	gate *guard.Gate
}

func (f *Fleet) link(s *db.Standby) *link {
	return &link{s, guard.NewGate(guard.GateOptions{Places: s.Conns(), Apart: true, Patience: replicaWait, Off: f.cfg.NoBudgets})}
}

// gateOf is where a shard's connections are shared out among its shops.
func (f *Fleet) gateOf(s *db.Shard) *guard.Gate {
	conns, apart := s.Conns()
	return guard.NewGate(guard.GateOptions{Places: conns, Apart: apart, Off: f.cfg.NoBudgets})
}

// Budgets gives how much is asked of each shard that is open here, and which
// shops take most of it, so many at most.
func (f *Fleet) Budgets(hottest int) map[string]guard.Load {
	now, out := f.shards.Load(), map[string]guard.Load{}
	for name, g := range now.gates {
		out[name] = g.Load(hottest)
	}
	return out
}
