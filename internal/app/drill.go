package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"haat/internal/cli"
	"haat/internal/drill"
	"haat/internal/fleet"
)

type drillCmd struct{ drill.Options }

// Run breaks a platform of its own and tells what came of it: 1 if a drill fell
// short, 2 if one could not run.
func (c *drillCmd) Run(ctx context.Context, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	code, err := drill.Run(ctx, c.Options, drill.Host{Program: program, Fleet: openSource}, out)
	if err == nil && code == drill.FellShort {
		err = fmt.Errorf("it does not stand as it should")
	}
	if err != nil {
		return &cli.Exit{Code: code, Err: err}
	}
	return nil
}

// openSource opens a process that delivers nothing, for its fleet.
func openSource(ctx context.Context, dir, control, shard string) (*fleet.Fleet, func() error, error) {
	var cfg Config
	if err := Defaults(&cfg); err != nil {
		return nil, nil, err
	}
	cfg.Data, cfg.URL, cfg.Control, cfg.FirstShard, cfg.Roles = dir, "http://haat.test", control, shard, roleWeb
	a, err := Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	return a.fleet, a.Close, nil
}
