package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"haat/internal/media"
)

// MediaCopy copies pictures from one store to another.
type MediaCopy struct {
	To    string `required:"" help:"s3://bucket/prefix?endpoint=https://host&region=name, files for the data folder's own, or a folder."`
	From  string `help:"Likewise, instead of where the pictures are."`
	Check bool   `help:"Read what is there already too, and compare it."`
}

// Run copies, showing progress once a second.
func (c *MediaCopy) Run(ctx context.Context, from, to media.Store, out io.Writer) error {
	start := time.Now()
	last := start
	done, err := media.Copy(ctx, from, to, c.Check, func(d media.Copied) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		fmt.Fprintf(out, "copy: %d files, %s, %d of them new, %s a second\n", d.Blobs, size(d.Bytes), d.New, size(int64(float64(d.Bytes)/time.Since(start).Seconds())))
	})
	if err != nil {
		return fmt.Errorf("%w (the same command goes on from there)", err)
	}
	_, err = fmt.Fprintf(out, "%s: %d files, %s, of which %d were copied and read back, in %v\n", c.To, done.Blobs, size(done.Bytes), done.New, time.Since(start).Round(time.Second/10))
	return err
}
