package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/move"
)

// Shards implements api.Operator.
func (a *App) Shards(ctx context.Context) ([]api.ShardSummary, error) {
	all, err := fleet.Listings(ctx, a.control)
	if err != nil {
		return nil, err
	}
	health, loads := a.fleet.Replicas(), a.fleet.Budgets(hottestSeen)
	closed, out := a.fleet.Closed(), make([]api.ShardSummary, 0, len(all))
	for _, l := range all {
		s := api.ShardSummary{
			Name: l.Name, Engine: "sqlite", Address: fleet.Redacted(l.DSN), State: l.State, Shops: l.Shops, Capacity: l.Capacity, Term: l.Term, Created: l.Created,
		}
		if fleet.IsPostgres(l.DSN) {
			s.Engine = "postgres"
		}
		if why := closed[l.Name]; why != nil {
			s.Problem = sentence(why)
		}
		for _, r := range l.Replicas {
			s.Replicas = append(s.Replicas, replicaSummary(l.Name, r, health))
		}
		if load, here := loads[l.Name]; here {
			s.Load = a.shardLoad(ctx, load)
		}
		out = append(out, s)
	}
	return out, nil
}

func replicaSummary(shard string, r fleet.Replica, health []fleet.ReplicaHealth) api.ReplicaSummary {
	s := api.ReplicaSummary{Name: r.Name, Address: fleet.Redacted(r.DSN)}
	for _, h := range health {
		if h.Shard != shard || h.Name != r.Name {
			continue
		}
		s.State, s.Since, s.Why = h.State, h.Since, h.Why
		if h.Lag >= 0 {
			ms := float64(h.Lag.Microseconds()) / 1000
			s.Lag = &ms
		}
		for _, lag := range h.Lags {
			s.Lags = append(s.Lags, float64(lag.Microseconds())/1000)
		}
	}
	return s
}

func (a *App) shardLoad(ctx context.Context, l guard.Load) *api.ShardLoad {
	out := &api.ShardLoad{Places: l.Places, Taken: l.In, Waiting: l.Waiting, Shops: l.Shops, Hottest: []api.ShopUse{}}
	for _, n := range l.Refused {
		out.Refused += n
	}
	for _, u := range l.Hottest {
		shop := api.ShopUse{Shop: u.Shop.String(), Share: percent(u.Took, l.Took), Asked: u.Asked, Waited: u.Waited, Refused: u.Refused, Over: overShare(u, l)}
		if room, err := a.fleet.ByID(ctx, u.Shop); err == nil {
			shop.Shop, shop.Name = room.Slug(), room.Name()
		}
		out.Hottest = append(out.Hottest, shop)
	}
	return out
}

func replicas(of []api.NewReplica) (out []fleet.Replica) {
	for _, r := range of {
		out = append(out, fleet.Replica{Name: r.Name, DSN: r.DSN})
	}
	return out
}

// AddShard implements api.Operator.
func (a *App) AddShard(ctx context.Context, s api.NewShard) error {
	if !fleet.IsPostgres(s.DSN) {
		if err := a.reached(ctx, "/dsn"); err != nil {
			return err
		}
	}
	return a.fleet.AddShard(ctx, fleet.Listing{Name: s.Name, DSN: s.DSN, Capacity: s.Capacity, Replicas: replicas(s.Replicas)})
}

// SetShard implements api.Operator.
func (a *App) SetShard(ctx context.Context, name string, c api.ShardChange) error {
	return a.fleet.SetShard(ctx, name, fleet.ShardChange{Capacity: c.Capacity, Replicas: replicas(c.Replicas), Drop: c.Drop})
}

// OpenShard implements api.Operator.
func (a *App) OpenShard(ctx context.Context, name string) error {
	return a.fleet.SetShardState(ctx, name, fleet.ShardOpen)
}

// DrainShard implements api.Operator.
func (a *App) DrainShard(ctx context.Context, name string, tell func(api.Drained)) (d api.Drained, err error) {
	if err := a.fleet.SetShardState(ctx, name, fleet.ShardDraining); err != nil {
		return d, err
	}
	err = a.mover.Drain(ctx, name, func(left int64, open []move.Move) {
		d = api.Drained{Left: left, Moving: int64(len(open))}
		for _, m := range open {
			shown := a.showMove(ctx, m)
			if d.Far += shown.Done(); shown.Failures > 1 && d.Trouble == "" {
				d.Trouble = shown.Shop + ": " + shown.Error
			}
		}
		tell(d)
	})
	return d, err
}

// PromoteShard implements api.Operator.
func (a *App) PromoteShard(ctx context.Context, name string, p api.Promotion) (api.Promoted, error) {
	t, err := a.fleet.Promote(ctx, name, fleet.Takeover{To: p.To, Force: p.Force})
	out := api.Promoted{
		Server: t.Server, Address: t.Address, Dropped: t.Dropped, Term: t.Term, Fenced: t.Fenced, Silent: t.Silent,
		Opened: a.slugs(ctx, t.Opened), Closed: a.slugs(ctx, t.Closed), Missing: a.slugs(ctx, t.Missing),
	}
	if t.Promoted {
		out.Held = &t.Held
	}
	if t.Heard {
		ms := float64(t.Behind.Microseconds()) / 1000
		out.Behind = &ms
	}
	return out, err
}

// SettleShard implements api.Operator.
func (a *App) SettleShard(ctx context.Context, name string) (out api.Settled, err error) {
	all, err := a.fleet.Settle(ctx, name)
	if err != nil {
		return out, err
	}
	for _, l := range all {
		to := &out.Closed
		if l.Missing {
			to = &out.Missing
		}
		*to = append(*to, a.slugs(ctx, []id.Shop{l.Shop})...)
	}
	return out, nil
}

// watchPromotions says what promotions have left to be looked at.
func (a *App) watchPromotions(ctx context.Context) error {
	all, err := a.fleet.Left(ctx, leftSeen)
	if err != nil {
		return err
	}
	kinds := map[string][]meter.Sighting{shopMissing: nil, shopClosed: nil}
	for _, l := range all {
		s := meter.Sighting{Subject: l.Shard + "/" + l.Shop.String(), Since: l.Found}
		name, at := l.Shop.String(), ""
		if room, err := a.fleet.ByID(ctx, l.Shop); err == nil {
			s.Subject, s.Shop = l.Shard+"/"+room.Slug(), room.Slug()
			name, at = room.Slug(), " "+room.Shard()
		}
		kind := shopClosed
		if s.Detail = fmt.Sprintf("Shop %s lives on shard%s. The server that took over shard %s in term %d had not been told, and had it open.", name, at, l.Shard, l.Term); l.Missing {
			kind = shopMissing
			s.Detail = fmt.Sprintf("The directory has shop %s on shard %s. The server that took over there in term %d had not received what brought it.", name, l.Shard, l.Term)
		}
		kinds[kind] = append(kinds[kind], s)
	}
	for kind, all := range kinds {
		a.incidents.See(kind, all)
	}
	return nil
}

const primariesEvery = 10 * time.Second

// watchPrimaries says which servers take writes beside a shard's primary.
func (a *App) watchPrimaries() func(context.Context) error {
	var looked time.Time
	return func(ctx context.Context) error {
		if time.Since(looked) < primariesEvery {
			return nil
		}
		var all []meter.Sighting
		for _, s := range a.fleet.Seconds(ctx) {
			what := "It was the primary in term %d, and the shard is in term %d."
			if s.Promoted {
				what = "It was promoted, knows of no term after %d, and the shard is in term %d."
			}
			all = append(all, meter.Sighting{Subject: s.Shard + " at " + s.Host, Detail: fmt.Sprintf(what, s.Term, s.Of)})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		looked = time.Now()
		a.incidents.See(secondPrimary, all)
		return nil
	}
}

// leftSeen is how many shops are looked at that promotions have left.
const leftSeen = 60

// slugs names shops as people do, where that can be found out.
func (a *App) slugs(ctx context.Context, shops []id.Shop) (out []string) {
	for _, shop := range shops {
		name := shop.String()
		if room, err := a.fleet.ByID(ctx, shop); err == nil {
			name = room.Slug()
		}
		out = append(out, name)
	}
	return out
}

// RemoveShard implements api.Operator.
func (a *App) RemoveShard(ctx context.Context, name string, copies bool) error {
	if left, err := a.fleet.CountOn(ctx, name); copies && err == nil && left == 0 {
		if err := a.mover.Release(ctx, name); err != nil {
			return err
		}
	}
	return a.fleet.RemoveShard(ctx, name)
}

type (
	shardCmd struct {
		List    shardListCmd    `cmd:"" help:"List shards."`
		Add     shardAddCmd     `cmd:"" help:"Add a database that shops are put on."`
		Set     shardSetCmd     `cmd:"" help:"Change a shard's capacity or replicas."`
		Open    shardOpenCmd    `cmd:"" help:"Let a shard take new shops again."`
		Drain   shardDrainCmd   `cmd:"" help:"Move all shops off a shard while they are served; it takes no new ones."`
		Promote shardPromoteCmd `cmd:"" help:"Have a standby take the place of a shard's primary that is lost."`
		Settle  shardSettleCmd  `cmd:"" help:"Say that what a promotion has left of a shard was looked at."`
		Remove  shardRemoveCmd  `cmd:"" help:"Forget a shard that holds no shops."`
	}
	shardListCmd struct {
		remote
		cli.ShardList
	}
	shardAddCmd struct {
		remote
		cli.ShardAdd
	}
	shardSetCmd struct {
		remote
		cli.ShardSet
	}
	shardOpenCmd struct {
		remote
		cli.ShardOpen
	}
	shardDrainCmd struct {
		remote
		cli.ShardDrain
	}
	shardPromoteCmd struct {
		remote
		cli.ShardPromote
	}
	shardSettleCmd struct {
		remote
		cli.ShardSettle
	}
	shardRemoveCmd struct {
		remote
		cli.ShardRemove
	}
)

func (c *shardListCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardList.Run(ctx, o, out) })
}

func (c *shardAddCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardAdd.Run(ctx, o, out) })
}

func (c *shardSetCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardSet.Run(ctx, o, out) })
}

func (c *shardOpenCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardOpen.Run(ctx, o, out) })
}

func (c *shardDrainCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardDrain.Run(ctx, o, out) })
}

func (c *shardSettleCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardSettle.Run(ctx, o, out) })
}

func (c *shardPromoteCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardPromote.Run(ctx, o, out) })
}

func (c *shardRemoveCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.ShardRemove.Run(ctx, o, out) })
}

// reached refuses to bring shops into a file while there are processes that
// cannot open it, and would not hear of changes there.
func (a *App) reached(ctx context.Context, pointer string) error {
	all, err := a.member.Processes(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if !p.Lost && p.ID != a.member.Self().ID {
			return fault.Invalid(pointer, "Process %s on %s serves these shops too, and cannot open a file of this one: give a shard on PostgreSQL.", p.ID, p.Host)
		}
	}
	return nil
}
