package app

import (
	"context"
	"fmt"
	"io"
	"os"

	"haat/internal/cli"
	"haat/internal/drill"
)

type drillCmd struct{ drill.Options }

// Run breaks a platform of its own and tells what came of it: 1 if a drill fell
// short, 2 if one could not run.
func (c *drillCmd) Run(ctx context.Context, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	code, err := drill.Run(ctx, c.Options, program, out)
	if err == nil && code == drill.FellShort {
		err = fmt.Errorf("it does not stand as it should")
	}
	if err != nil {
		return &cli.Exit{Code: code, Err: err}
	}
	return nil
}
