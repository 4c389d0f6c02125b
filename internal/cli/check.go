package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"haat/internal/api"
)

// Exit is an error that ends the program with a code of its own.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string { return e.Err.Error() }
func (e *Exit) Unwrap() error { return e.Err }

// Check looks whether stock adds up.
type Check struct {
	Shop    string `help:"Only this shop, by its address, such as demo."`
	Explain string `help:"Show the ledger of one SKU of that shop, or of a variant by its id." placeholder:"SKU"`
	JSON    bool   `name:"json" help:"As lines of JSON: one for each discrepancy, and one with the whole."`
}

// Run prints every discrepancy and the whole. It ends the program with 1 when
// something does not add up, and with 2 when it could not look at everything.
func (c *Check) Run(ctx context.Context, o api.Checker, out io.Writer) error {
	if c.Explain != "" {
		return c.explain(ctx, o, out)
	}
	bar, lines := NewBar(out), json.NewEncoder(out)
	var last api.CheckStep
	all, err := o.Check(ctx, c.Shop, func(s api.CheckStep) {
		last = s
		switch {
		case s.Found != nil && c.JSON:
			_ = lines.Encode(s.Found)
		case s.Found != nil:
			bar.Clear()
			printDiscrepancy(out, *s.Found)
		case !c.JSON && bar.Due() && s.Seconds > 0:
			rate := float64(s.Shops) / s.Seconds
			left := time.Duration(float64(s.Of-s.Shops) / max(rate, 1) * float64(time.Second))
			bar.Show(s.Shops, s.Of, fmt.Sprintf("%d of %d shops, %.0f a second, %d SKUs, %d of them wrong, %v left", s.Shops, s.Of, rate, s.SKUs, s.Wrong, left.Round(time.Second)))
		}
	})
	bar.Clear()
	if err != nil && last.Shops > 0 {
		err = fmt.Errorf("ended after %d of %d shops, with %d SKUs found wrong: %w", last.Shops, last.Of, last.Wrong, err)
	}
	if err != nil {
		return &Exit{2, err}
	}
	if c.JSON {
		err = lines.Encode(all)
	} else {
		took := time.Duration(all.Seconds * float64(time.Second))
		_, err = fmt.Fprintf(out, "%d shops with %d SKUs checked in %v, %.0f shops a second\n", all.Shops, all.SKUs, took.Round(time.Millisecond), float64(all.Shops)/max(all.Seconds, 1e-6))
	}
	if all.Wrong > 0 {
		return &Exit{1, fmt.Errorf("the stock of %d SKUs in %d shops does not add up; look at each with --shop and --explain", all.Wrong, all.WrongShops)}
	}
	return err
}

func printDiscrepancy(out io.Writer, d api.Discrepancy) {
	fmt.Fprintf(out, "%s (%s): %s: %s: %d expected, %d found, %+d: %s\n", d.Shop, d.ShopID, d.Item(), d.Aspect, d.Expected, d.Found, d.Difference, d.Reason)
	if d.Variant != "" && d.SKU+d.Title != "" {
		fmt.Fprintf(out, "    variant %s of product %s\n", d.Variant, d.Product)
	}
}

func (c *Check) explain(ctx context.Context, o api.Checker, out io.Writer) error {
	if c.Shop == "" {
		return &Exit{2, errors.New("--explain: say with --shop whose SKU it is")}
	}
	a, err := o.Explain(ctx, c.Shop, c.Explain)
	if err != nil {
		return &Exit{2, err}
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(a)
	} else {
		err = printAccount(out, a)
	}
	if len(a.Wrong) > 0 {
		return &Exit{1, errors.New("its stock does not add up")}
	}
	return err
}

func printAccount(out io.Writer, a api.Account) error {
	fmt.Fprintf(out, "%s (%s): %s\n", a.Shop, a.ShopID, api.Discrepancy{SKU: a.SKU, Title: a.Title, Variant: a.Variant}.Item())
	fmt.Fprintf(out, "variant %s of product %s\n\n", a.Variant, a.Product)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if l := a.Level; l == nil {
		fmt.Fprintln(out, "there is no level")
	} else {
		fmt.Fprintf(out, "%d available + %d held + %d sold = %d; tracked: %t, sold beyond that: %t\n", l.Available, l.Held, l.Sold, l.Available+l.Held+l.Sold, l.Tracked, l.Continue)
	}
	fmt.Fprintln(t, "\nledger\tentries\tunits\t")
	for _, s := range a.Sums {
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", s.Kind, s.Entries, s.Units)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, h := range a.Holds {
		state := "run out and given back"
		if h.Expires != nil {
			state = "until " + h.Expires.Local().Format(time.DateTime)
		}
		if !h.Counted {
			state += ", not counted"
		}
		fmt.Fprintf(out, "order %s holds %d, %s\n", h.Order, h.Quantity, state)
	}
	t = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nAT\tKIND\tUNITS\tAVAILABLE\tORDER\tNOTE")
	for _, e := range a.Entries {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\n", e.At.Local().Format(time.DateTime), e.Kind, e.Quantity, e.Available, e.Order, e.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if a.Older > 0 {
		fmt.Fprintf(out, "and %d older ones\n", a.Older)
	}
	for _, d := range a.Wrong {
		fmt.Fprintf(out, "wrong: %s\n", d.Reason)
	}
	return nil
}
