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
