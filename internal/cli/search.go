package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"haat/internal/api"
)

// RebuildSearch writes anew what searches are answered from.
type RebuildSearch struct {
	Shop string `arg:"" optional:"" help:"One shop, by its address, such as demo."`
	All  bool   `help:"Every shop."`
}

// Run rebuilds, showing how far it is.
func (c *RebuildSearch) Run(ctx context.Context, o api.Searcher, out io.Writer) error {
	if c.All == (c.Shop != "") {
		return errors.New("name a shop, or say --all")
	}
	bar := NewBar(out)
	whole, err := o.RebuildSearch(ctx, c.Shop, func(s api.SearchStep) {
		if !bar.Due() || s.Seconds <= 0 {
			return
		}
		left := ""
		if s.Shops > 0 && s.Of > s.Shops {
			left = fmt.Sprintf(", %v left", time.Duration(s.Seconds/float64(s.Shops)*float64(s.Of-s.Shops)*float64(time.Second)).Round(time.Second))
		}
		bar.Show(s.Shops, s.Of, fmt.Sprintf("%d of %d shops, %d products, %.0f a second, now %s%s", s.Shops, s.Of, s.Products, float64(s.Products)/s.Seconds, s.Shop, left))
	})
	bar.Clear()
	if err != nil {
		return fmt.Errorf("ended after %d of %d shops: %w", whole.Shops, whole.Of, err)
	}
	_, err = fmt.Fprintf(out, "The search of %d shops is rebuilt from %d products, in %v.\n", whole.Shops, whole.Products, time.Duration(whole.Seconds*float64(time.Second)).Round(time.Second/10))
	return err
}
