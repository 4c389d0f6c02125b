// Package cli is the operator's commands. Each works on an [api.Operator],
// which is the data folder itself or, when a server has that open, the server.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"haat/internal/api"
)

// Shop holds the commands on shops.
type Shop struct {
	List    List    `cmd:"" help:"List shops, newest first."`
	Show    Show    `cmd:"" help:"Show one shop."`
	Suspend Suspend `cmd:"" help:"Close a shop to shoppers; its merchant still sees everything."`
	Resume  Resume  `cmd:"" help:"Open a suspended shop again."`
}

// List lists shops.
type List struct {
	Search string `arg:"" optional:"" help:"Beginning of the address, or part of the name."`
	Limit  int    `default:"50" help:"How many."`
}

// Run prints a table.
func (c *List) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SHOP\tNAME\tSTATE\tSHARD\tPRODUCTS\tORDERS\tLAST ACTIVE")
	for cursor, left := "", max(1, c.Limit); left > 0; {
		page, next, err := o.Shops(ctx, c.Search, cursor, min(left, 250))
		if err != nil {
			return err
		}
		for _, s := range page {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Slug, s.Name, s.State, s.Shard, s.Products, s.Orders, ago(s.LastActive))
		}
		if left, cursor = left-len(page), next; next == "" {
			break
		}
	}
	return t.Flush()
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

// Show shows a shop.
type Show struct {
	Shop string `arg:"" help:"The shop's address, such as demo."`
}

// Run prints what is known of the shop.
func (c *Show) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	s, err := o.Shop(ctx, c.Shop)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]any{
		{"Shop", s.Slug}, {"Name", s.Name}, {"Address", s.URL}, {"Id", s.ID}, {"State", s.State}, {"Shard", s.Shard},
		{"Created", s.Created.Local().Format(time.DateTime)}, {"Last active", ago(s.LastActive)},
		{"Products", s.Products}, {"Orders", s.Orders}, {"Orders today", s.Today}, {"Orders in 7 days", s.Week},
		{"Writes", s.Writes}, {"Events", s.Events}, {"Parked events", s.Parked},
	} {
		fmt.Fprintf(t, "%v\t%v\n", row[0], row[1])
	}
	return t.Flush()
}

// Suspend closes a shop.
type Suspend struct {
	Shop string `arg:"" help:"The shop's address, such as demo."`
}

// Run closes the shop.
func (c *Suspend) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	if err := o.SetState(ctx, c.Shop, "suspended"); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s is closed to shoppers. Open it again with: haat shop resume %s\n", c.Shop, c.Shop)
	return err
}

// Resume opens a shop.
type Resume struct {
	Shop string `arg:"" help:"The shop's address, such as demo."`
}

// Run opens the shop.
func (c *Resume) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	if err := o.SetState(ctx, c.Shop, "open"); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s is open.\n", c.Shop)
	return err
}

// Import reads a catalogue.
type Import struct {
	Shop   string `arg:"" help:"The shop's address, such as demo."`
	File   string `arg:"" help:"A Shopify product CSV; - reads standard input."`
	DryRun bool   `help:"Say what would happen, and change nothing."`
}

// Run imports the file, showing progress.
func (c *Import) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	f := os.Stdin
	if c.File != "-" {
		var err error
		if f, err = os.Open(c.File); err != nil {
			return err
		}
		defer f.Close()
	}
	start, last := time.Now(), time.Time{}
	p, err := o.Import(ctx, c.Shop, f, c.DryRun, func(p api.ImportProgress) {
		if time.Since(last) < time.Second || p.Rows == 0 || p.Done == 0 {
			return
		}
		last = time.Now()
		took := time.Since(start)
		left := time.Duration(float64(took) * float64(p.Rows-p.Done) / float64(p.Done))
		fmt.Fprintf(out, "%d of %d rows, %.0f a second, %v left\n", p.Done, p.Rows, float64(p.Done)/took.Seconds(), left.Round(time.Second))
	})
	if err != nil {
		return err
	}
	for _, e := range p.Sample {
		fmt.Fprintf(out, "line %d: %s %s\n", e.Line, e.Column, e.Message)
	}
	if p.Status == "failed" {
		return errors.New(p.Failure)
	}
	verb := "imported"
	if c.DryRun {
		verb = "checked, nothing changed"
	}
	_, err = fmt.Fprintf(out, "%d rows %s: %d products created, %d updated, %d skipped, %d errors\n", p.Rows, verb, p.Created, p.Updated, p.Skipped, p.Errors)
	return err
}

// Export writes a catalogue.
type Export struct {
	Shop string `arg:"" help:"The shop's address, such as demo."`
	File string `arg:"" optional:"" help:"File to write; standard output without one."`
}

// Run writes the catalogue.
func (c *Export) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	if c.File == "" {
		return o.Export(ctx, c.Shop, out)
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := o.Export(ctx, c.Shop, f); err != nil {
		return errors.Join(err, f.Close(), os.Remove(c.File))
	}
	return f.Close()
}

func since(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime) + ", " + ago(*t)
}

// Doctor checks the platform.
type Doctor struct{}

// Run prints every finding and fails if one is bad.
func (c *Doctor) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	all, err := o.Health(ctx)
	if err != nil {
		return err
	}
	bad := 0
	for _, f := range all {
		mark := "ok  "
		if !f.OK {
			mark = "BAD "
			bad++
		}
		fmt.Fprintf(out, "%s %s: %s\n", mark, f.Title(), f.Detail)
		if !f.OK {
			for _, line := range [][2]string{{"since", since(f.Since)}, {"means", f.Means}, {"next", f.Next}} {
				if line[1] != "" {
					fmt.Fprintf(out, "     %s: %s\n", line[0], line[1])
				}
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks found something", bad, len(all))
	}
	return nil
}
