package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"haat/internal/api"
)

// Parked looks after events that were set aside.
type Parked struct {
	Shop       string `arg:"" optional:"" help:"The shop's address, to see its events and what became of earlier ones; without it those of all shops are listed."`
	Subscriber string `help:"With --key, for whom they were set aside." placeholder:"NAME"`
	Key        string `help:"The key that waits." placeholder:"KEY"`
	Retry      bool   `help:"Try the key's events again, in order." xor:"do"`
	Drop       bool   `help:"Give the key's events up, to --up-to." xor:"do"`
	UpTo       int64  `help:"With --drop or --retry, the last event that is meant, which is the last that you saw: what came later stays parked. Without it --retry means all that is parked." placeholder:"N"`
	Edit       string `help:"Have the event --seq say what this JSON file says." placeholder:"FILE" type:"existingfile" xor:"do"`
	Seq        int64  `help:"The event to edit." placeholder:"N"`
}

// Run lists them, or does what is asked with those of one key.
func (c *Parked) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	at := api.ParkedKey{Subscriber: c.Subscriber, Key: c.Key}
	if !c.Retry && !c.Drop && c.Edit == "" {
		return c.list(ctx, o, out)
	}
	if c.Shop == "" || c.Subscriber == "" {
		return errors.New("say which: haat parked SHOP --subscriber NAME --key KEY")
	}
	if c.Edit != "" {
		b, err := os.ReadFile(c.Edit)
		if err != nil {
			return err
		}
		if !json.Valid(b) {
			return fmt.Errorf("%s is not JSON", c.Edit)
		}
		if err := o.EditParked(ctx, c.Shop, at, c.Seq, b); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "Event %d says what %s says. Try it again with --retry.\n", c.Seq, c.Edit)
		return err
	}
	if c.Drop && c.UpTo <= 0 {
		return errors.New("say up to which event: --drop --up-to N, the last SEQ that haat parked showed you under this key; what came later stays parked")
	}
	done, err := o.Unpark(ctx, c.Shop, at, c.UpTo, c.Drop)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(out, "%s: %d\n", map[bool]string{false: "Handled", true: "Given up"}[c.Drop], done.Events); err != nil || done.Later == 0 {
		return err
	}
	_, err = fmt.Fprintf(out, "Still parked, since they came later: %d\n", done.Later)
	return err
}

func (c *Parked) list(ctx context.Context, o api.Operator, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SHOP\tSUBSCRIBER\tKEY\tSEQ\tTOPIC\tPARKED\tERROR")
	for after := (&api.ParkedPlace{}); after != nil; {
		page, err := o.Parked(ctx, c.Shop, *after)
		if err != nil {
			return err
		}
		for _, p := range page.Items {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", p.Shop, p.Subscriber, p.Key, p.Seq, p.Topic, ago(p.ParkedAt), p.Error)
			if c.Shop != "" {
				fmt.Fprintf(t, "\t%s\n", p.Payload)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		after = page.Next
	}
	if c.Shop == "" {
		return nil
	}
	settled, err := o.Settled(ctx, c.Shop)
	if err != nil || len(settled) == 0 {
		return err
	}
	fmt.Fprintln(out)
	fmt.Fprintln(t, "SETTLED\tHOW\tSUBSCRIBER\tKEY\tSEQ\tTOPIC\tSAID")
	for _, s := range settled {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", s.At.Local().Format(time.DateTime), s.How, s.Subscriber, s.Key, s.Seq, s.Topic, s.Payload)
	}
	return t.Flush()
}
