package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"haat/internal/api"
)

// Move moves a shop to another shard.
type Move struct {
	Shop    string `arg:"" help:"The shop's address, such as demo; or list, to list moves."`
	To      string `help:"The shard to move it to." placeholder:"SHARD"`
	Reverse bool   `help:"Move it back to where it came from, while its old copy is kept."`
	Cancel  bool   `help:"Give up a move that is under way."`
	Forget  bool   `help:"Delete the old copy that is kept after a move; then it cannot go back."`
	Detach  bool   `help:"Do not wait: the move goes on by itself."`
}

// Run begins the move and shows how far it is.
func (c *Move) Run(ctx context.Context, o api.Operator, out io.Writer) error {
	asked := 0
	for _, is := range []bool{c.To != "", c.Reverse, c.Cancel, c.Forget} {
		if is {
			asked++
		}
	}
	if c.Shop == "list" && asked == 0 {
		return listMoves(ctx, o, out)
	}
	if asked != 1 {
		return errors.New("say one of --to SHARD, --reverse, --cancel and --forget")
	}
	if c.Cancel || c.Forget {
		if err := o.EndMove(ctx, c.Shop, c.Forget); err != nil {
			return err
		}
		what := map[bool]string{false: "The move of %s is given up; it stays where it is.\n", true: "The old copy of %s is being deleted.\n"}[c.Forget]
		_, err := fmt.Fprintf(out, what, c.Shop)
		return err
	}
	m, err := o.Move(ctx, c.Shop, c.To, c.Reverse)
	if err != nil {
		return err
	}
	if c.Detach {
		_, err := fmt.Fprintf(out, "%s is being moved from %s to %s. See: haat move list\n", m.Shop, m.From, m.To)
		return err
	}
	return followMove(ctx, o, m, out)
}

func followMove(ctx context.Context, o api.Operator, m api.Move, out io.Writer) (err error) {
	bar := NewBar(out)
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for begun := time.Now(); ; {
		if m.Arrived || m.Over {
			break
		}
		if bar.Due() {
			text := m.Phase
			if done, took := m.Done(), time.Since(begun); m.Rows > 0 && done > 0 {
				left := time.Duration(float64(took) * float64(100-done) / float64(done))
				text = fmt.Sprintf("%s: %d of %d rows copied, %d compared, %.0f a second, %v left", m.Phase, m.Copied, m.Rows, m.Checked,
					float64(m.Copied+m.Checked)/took.Seconds(), left.Round(time.Second))
			}
			if m.Error != "" {
				text += "; " + m.Error
			}
			bar.Show(m.Done(), 100, text)
		}
		select {
		case <-ctx.Done():
			bar.Clear()
			return fmt.Errorf("%s goes on being moved; see: haat move list", m.Shop)
		case <-t.C:
		}
		if m, err = o.MoveOf(ctx, m.ID); err != nil {
			return err
		}
	}
	bar.Clear()
	if !m.Arrived {
		return fmt.Errorf("%s stays on %s: %s", m.Shop, m.From, m.Error)
	}
	fmt.Fprintf(out, "%s has moved from %s to %s: %d rows, all compared; it took no writes for %.1f ms.\n", m.Shop, m.From, m.To, m.Checked, m.Pause)
	if m.Kept != nil && !m.Over {
		_, err = fmt.Fprintf(out, "The old copy is kept until %s. To go back: haat move %s --reverse\n", m.Kept.Local().Format(time.DateTime), m.Shop)
	}
	return err
}

func listMoves(ctx context.Context, o api.Operator, out io.Writer) error {
	all, err := o.Moves(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SHOP\tFROM\tTO\tPHASE\tDONE\tROWS\tPAUSE\tSTARTED\tERROR")
	for _, part := range [][]api.Move{all.Open, all.Ended} {
		for _, m := range part {
			pause := ""
			if m.Arrived {
				pause = fmt.Sprintf("%.1f ms", m.Pause)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d %%\t%d\t%s\t%s\t%s\n", m.Shop, m.From, m.To, m.Phase, m.Done(), m.Rows, pause, ago(m.Started), m.Error)
		}
	}
	return t.Flush()
}
