package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"haat/internal/api"
)

// ShardList lists shards.
type ShardList struct{}

// Run prints a table.
func (c *ShardList) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	all, err := o.Shards(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SHARD\tENGINE\tSTATE\tSHOPS\tCAPACITY\tTERM\tADDRESS")
	for _, s := range all {
		state, capacity := s.State, "no limit"
		if s.Problem != "" {
			state += ", not open"
		}
		if s.Capacity > 0 {
			capacity = fmt.Sprint(s.Capacity)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d\t%s\n", s.Name, s.Engine, state, s.Shops, capacity, s.Term, s.Address)
		for _, r := range s.Replicas {
			fmt.Fprintf(t, "\treplica %s\t\t\t\t\t%s\n", r.Name, r.Address)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		if s.Problem != "" {
			fmt.Fprintf(out, "%s is not open: %s\n", s.Name, s.Problem)
		}
	}
	return nil
}

// ShardAdd adds a shard.
type ShardAdd struct {
	Name     string            `arg:"" help:"How the shard is called, such as s2."`
	DSN      string            `arg:"" help:"postgres://user:password@host/database of an empty database, or a file's name in the data folder's shards/." name:"dsn"`
	Replica  map[string]string `help:"A standby that may be read from, as name=DSN; may be given several times." placeholder:"NAME=DSN" mapsep:"none"`
	Capacity int64             `default:"0" help:"Shops that are put on it at most; 0 for no limit."`
}

func replicas(named map[string]string) (out []api.NewReplica) {
	for name, dsn := range named {
		out = append(out, api.NewReplica{Name: name, DSN: dsn})
	}
	slices.SortFunc(out, func(a, b api.NewReplica) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Run adds the shard.
func (c *ShardAdd) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	if err := o.AddShard(ctx, api.NewShard{Name: c.Name, DSN: c.DSN, Capacity: c.Capacity, Replicas: replicas(c.Replica)}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Shard %s is open, and takes new shops.\n", c.Name)
	return err
}

// ShardSet changes a shard.
type ShardSet struct {
	Name        string            `arg:"" help:"The shard, such as s2."`
	Capacity    *int64            `help:"Shops that are put on it at most; 0 for no limit."`
	Replica     map[string]string `help:"A standby that may be read from, as name=DSN; may be given several times." placeholder:"NAME=DSN" mapsep:"none"`
	DropReplica []string          `help:"A replica that is not to be read from any more." placeholder:"NAME"`
}

// Run changes the shard.
func (c *ShardSet) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	if err := o.SetShard(ctx, c.Name, api.ShardChange{Capacity: c.Capacity, Replicas: replicas(c.Replica), Drop: c.DropReplica}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Shard %s is as you said.\n", c.Name)
	return err
}

// ShardOpen opens a shard for new shops.
type ShardOpen struct {
	Name string `arg:"" help:"The shard, such as s2."`
}

// Run opens the shard.
func (c *ShardOpen) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	if err := o.OpenShard(ctx, c.Name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Shard %s takes new shops.\n", c.Name)
	return err
}

// ShardDrain drains a shard.
type ShardDrain struct {
	Name string `arg:"" help:"The shard, such as s1."`
}

// Run drains the shard and shows how far it is. The moves that have begun go on
// without it.
func (c *ShardDrain) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	start, bar := time.Now(), NewBar(out)
	first := int64(0)
	_, err := o.DrainShard(ctx, c.Name, func(d api.Drained) {
		first = max(first, d.Left)
		if bar.Due() {
			text := fmt.Sprintf("%d of %d shops moved, %d on their way, in %v", first-d.Left, first, d.Moving, time.Since(start).Round(time.Second))
			if d.Trouble != "" {
				text += "; " + d.Trouble
			}
			bar.Show(100*(first-d.Left)+d.Far, 100*first, text)
		}
	})
	bar.Clear()
	if err != nil {
		return fmt.Errorf("shard %s takes no new shops, and still holds some: %w", c.Name, err)
	}
	if first > 0 {
		fmt.Fprintf(out, "%d shops were moved off shard %s, in %v. What it had of them is kept up to date for a day, so that they can be moved back.\n", first, c.Name, time.Since(start).Round(time.Second))
	}
	_, err = fmt.Fprintf(out, "Shard %s holds no shops. Remove it with: haat shard remove %s\n", c.Name, c.Name)
	return err
}

// ShardPromote has a standby be the primary.
type ShardPromote struct {
	Name  string `arg:"" help:"The shard, such as s1."`
	To    string `help:"The replica's name, or a standby's address; without, the replica that has received most." placeholder:"REPLICA|DSN"`
	Force bool   `help:"Although the primary answers, or another replica has received more: what they have beyond is lost, and so is what the primary still takes."`
}

// Run promotes, and says what came of it.
func (c *ShardPromote) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	p, err := o.PromoteShard(ctx, c.Name, api.Promotion{To: c.To, Force: c.Force})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s takes the writes of shard %s now, in term %d: %s\n", p.Server, c.Name, p.Term, p.Address)
	switch {
	case p.Behind == nil:
		fmt.Fprintln(out, "How much the primary had written that this standby was not sent is not known here.")
	case *p.Behind >= 1000:
		fmt.Fprintf(out, "The newest sign of the primary that was heard here is %v newer than what the standby had: writes of that time are lost.\n", time.Duration(*p.Behind*1e6).Round(100*time.Millisecond))
	default:
		fmt.Fprintln(out, "Nothing shows that it lacks writes; those of the primary's last second may be lost, unless it waited for a standby (synchronous_standby_names).")
	}
	if p.Held != nil {
		fmt.Fprintf(out, "%d shops were held against the directory.\n", *p.Held)
	} else {
		fmt.Fprintln(out, "Its shops had been held against the directory already: the log of haat says what was found.")
	}
	several := func(shops []string, what string) {
		if n := len(shops); n > 0 {
			fmt.Fprintf(out, "%d %s: %s\n", n, what, strings.Join(shops[:min(n, 20)], " "))
		}
	}
	several(p.Opened, "shops had arrived and were opened")
	several(p.Closed, "shops live on other shards and were closed here; the standby had not been told")
	several(p.Missing, "shops are not there as the directory says, since what brought them there was not replicated")
	for _, s := range p.Fenced {
		fmt.Fprintf(out, "%s answered as the primary: what it takes from now on is lost. Shut it down.\n", s)
	}
	for _, s := range p.Silent {
		fmt.Fprintf(out, "Replica %s\n", s)
	}
	if p.Dropped != "" {
		fmt.Fprintf(out, "Replica %s is none any more. Add the server that was lost as one when it follows: haat shard set %s --replica NAME=DSN\n", p.Dropped, c.Name)
	}
	return nil
}

// ShardSettle closes what a promotion has left open.
type ShardSettle struct {
	Name string `arg:"" help:"The shard, such as s1."`
}

// Run settles it, and says what it was.
func (c *ShardSettle) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	s, err := o.SettleShard(ctx, c.Name)
	if err != nil {
		return err
	}
	if len(s.Closed)+len(s.Missing) == 0 {
		_, err = fmt.Fprintf(out, "Promotions of shard %s have left nothing to be looked at.\n", c.Name)
		return err
	}
	for _, shop := range s.Missing {
		fmt.Fprintf(out, "%s is missing there\n", shop)
	}
	for _, shop := range s.Closed {
		fmt.Fprintf(out, "%s was closed there, and lives elsewhere\n", shop)
	}
	_, err = fmt.Fprintln(out, "These are no incidents any more.")
	return err
}

// ShardRemove forgets a shard.
type ShardRemove struct {
	Name   string `arg:"" help:"The shard, such as s1."`
	Copies bool   `help:"Delete what is kept there of shops that were moved away; then they cannot be moved back."`
}

// Run removes the shard.
func (c *ShardRemove) Run(ctx context.Context, o api.Sharder, out io.Writer) error {
	if err := o.RemoveShard(ctx, c.Name, c.Copies); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Shard %s is not used any more. Its database is still there: keep or drop it as you like.\n", c.Name)
	return err
}
