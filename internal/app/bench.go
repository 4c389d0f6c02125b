package app

import (
	"context"
	"io"
	"log/slog"

	"haat/internal/bench"
)

type benchCmd struct{ bench.Options }

// Run measures this machine.
func (c *benchCmd) Run(ctx context.Context, out io.Writer) error {
	return bench.Run(ctx, c.Options, openToMeasure, out)
}

// openToMeasure opens a data folder in this process.
func openToMeasure(ctx context.Context, dir string) (*bench.Platform, error) {
	var cfg Config
	if err := Defaults(&cfg); err != nil {
		return nil, err
	}
	cfg.Data, cfg.URL = dir, "http://haat.test"
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
	}, nil
}
