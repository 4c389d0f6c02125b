package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"haat/internal/backup"
)

// Backup copies everything.
type Backup struct {
	Dir string `arg:"" help:"Folder to write to, on the server's machine: an empty one, or that of an earlier backup, which is brought up to date." type:"path"`
}

// Copy makes or reads a backup in a folder.
type Copy func(ctx context.Context, dir string, tell func(backup.Progress)) (backup.Manifest, error)

// Run makes a backup, showing progress.
func (c *Backup) Run(ctx context.Context, take Copy, out io.Writer) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	start := time.Now()
	m, err := take(ctx, dir, progress(out))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d shops, %d files, %s, as of %s; read back and checked, in %v\n",
		dir, m.Shops, m.Files, size(m.Bytes), m.Taken.Local().Format(time.DateTime), time.Since(start).Round(time.Second/10))
	if err == nil && m.Media != "" {
		_, err = fmt.Fprintf(out, "The pictures are not in it: they are in %s. To copy them too: haat media copy --to FOLDER\n", m.Media)
	}
	return err
}

// Restore puts a backup back.
type Restore struct {
	Dir string `arg:"" help:"Folder of the backup." type:"path"`
}

// Run restores into the data folder, showing progress.
func (c *Restore) Run(ctx context.Context, restore Copy, data string, out io.Writer) error {
	start := time.Now()
	m, err := restore(ctx, c.Dir, progress(out))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d shops, %d files, %s, as of %s; read back and checked, in %v. Serve it with: haat serve --data %s\n",
		data, m.Shops, m.Files, size(m.Bytes), m.Taken.Local().Format(time.DateTime), time.Since(start).Round(time.Second/10), data)
	if err == nil && m.Media != "" {
		_, err = fmt.Fprintf(out, "Its pictures were not in the backup: they are looked for in %s\n", m.Media)
	}
	return err
}

// progress prints how far it is, once a second: how fast, and how long it will
// take.
func progress(out io.Writer) func(backup.Progress) {
	start, last := time.Now(), time.Now()
	return func(p backup.Progress) {
		if time.Since(last) < time.Second || p.Total <= 0 || p.Done <= 0 {
			return
		}
		last = time.Now()
		took := time.Since(start)
		left := time.Duration(float64(took) * float64(max(0, p.Total-p.Done)) / float64(p.Done))
		fmt.Fprintf(out, "%s: %d %%, %s of %s, %s a second, %v left\n", p.Phase, min(100, p.Done*100/p.Total), size(p.Done), size(p.Total),
			size(int64(float64(p.Done)/took.Seconds())), left.Round(time.Second))
	}
}

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
