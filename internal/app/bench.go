package app

import (
	"context"
	"io"
	"log/slog"

	"haat/internal/bench"
	"haat/internal/id"
	"haat/internal/seed"
)

type benchCmd struct{ bench.Options }

// Run measures this machine.
func (c *benchCmd) Run(ctx context.Context, out io.Writer) error {
	return bench.Run(ctx, c.Options, measured, out)
}

// benchSeed and benchProducts are what the shops of a benchmark are made with:
// the defaults of haat seed.
const benchSeed, benchProducts = 1, 5

// measured is this program, as the benchmarks see it.
var measured = bench.Host{
	Open:   func(ctx context.Context, dir string) (*bench.Platform, error) { return openToMeasure(ctx, dir, "", "") },
	OpenOn: openToMeasure,
	Seed: func(ctx context.Context, dir string, shops int, tell func(int64)) error {
		_, err := Seed(ctx, dir, 1, seed.Plan{Shops: shops, Products: benchProducts, Seed: benchSeed, Progress: func(p seed.Progress) { tell(p.Shops) }})
		return err
	},
	ShopAt: func(i int) id.Shop { return seed.ID(benchSeed, i) },
}

// openToMeasure opens a data folder in this process, with its databases there
// or on PostgreSQL.
func openToMeasure(ctx context.Context, dir, control, shard string) (*bench.Platform, error) {
	var cfg Config
	if err := Defaults(&cfg); err != nil {
		return nil, err
	}
	cfg.Data, cfg.URL, cfg.Control, cfg.FirstShard = dir, "http://haat.test", control, shard
	a, err := Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &bench.Platform{
		Fleet: a.fleet,
		Demo: func(ctx context.Context) error {
			fill, err := a.openDemo(ctx)
			if err != nil {
				return err
			}
			return fill(ctx)
		},
		Quiet: a.bus.Settle,
		Close: a.Close,
		Token: a.opsMade,
	}, nil
}
