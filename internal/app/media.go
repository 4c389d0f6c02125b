package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"haat/internal/backup"
	"haat/internal/cli"
	"haat/internal/fault"
	"haat/internal/media"
	"haat/internal/media/bucket"
)

const (
	inFiles    = "files"  // as --media says it: the data folder's own media/
	leastCache = 16 << 20 // bytes
)

func (s S3) keys() bucket.Keys {
	return bucket.Keys{Access: s.AccessKey, Secret: s.SecretKey, Session: s.SessionToken}
}

// openMedia opens where the pictures are. The data folder notes where that is,
// so that a start with another setting, or with none, cannot lose them.
func (a *App) openMedia(ctx context.Context) (err error) {
	if a.disk, err = media.OpenDisk(filepath.Join(a.cfg.Data, "media")); err != nil {
		return err
	}
	is, err := backup.Place(a.cfg.Data)
	if err != nil {
		return err
	}
	want := a.cfg.Media
	switch want {
	case "":
		want = is
	case inFiles:
		want = ""
	}
	if want != is {
		if err := a.mayMove(ctx, is, want); err != nil {
			return err
		}
	}
	if want == "" {
		a.store = a.disk
	} else {
		far, err := openBucket(ctx, want, a.cfg.S3.keys())
		if err != nil {
			return err
		}
		disk, err := media.OpenDisk(filepath.Join(a.cfg.Data, "media-near"))
		if err != nil {
			return errors.Join(err, far.Close())
		}
		near, err := media.NewNear(far, disk, int64(a.cfg.MediaCache), a.uploads)
		if err != nil {
			return errors.Join(err, far.Close(), disk.Close())
		}
		a.store = near
	}
	if want != is {
		return backup.SetPlace(a.cfg.Data, want)
	}
	return nil
}

// mayMove refuses a setting that names another place than that where the
// pictures are, unless there are none yet.
func (a *App) mayMove(ctx context.Context, is, want string) error {
	to := want
	if to == "" {
		to = inFiles
	}
	if is != "" {
		return fmt.Errorf("--media: the pictures of %s are in %s: copy them first, with haat media copy --to %q", a.cfg.Data, is, to)
	}
	found := errors.New("found")
	err := a.disk.Walk(ctx, func(key string, _ int64) error {
		if strings.HasPrefix(key, "drawn/") {
			return nil
		}
		return found
	})
	if errors.Is(err, found) {
		return fmt.Errorf("--media: the pictures of %s are in its folder media: copy them first, with haat media copy --to %q", a.cfg.Data, to)
	}
	return err
}

func openBucket(ctx context.Context, address string, keys bucket.Keys) (*bucket.Bucket, error) {
	at, err := bucket.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("--media: %w", err)
	}
	b, err := bucket.Open(ctx, at, keys)
	if err != nil {
		return nil, fmt.Errorf("--media: %w", err)
	}
	return b, nil
}

// mediaAnswers asks where pictures are, and says how long the answer took.
func (a *App) mediaAnswers(ctx context.Context) (place string, took time.Duration, err error) {
	if a.store == media.Store(a.disk) {
		return "the data folder", 0, nil
	}
	if place, err = backup.Place(a.cfg.Data); err != nil {
		return place, 0, err
	}
	start := time.Now()
	// No shop is called that: the answer is that there is none.
	if _, err := a.store.Size(ctx, "doctor/looks.json"); !fault.Is(err, fault.KindNotFound) {
		if why := errors.Unwrap(err); why != nil {
			err = why
		}
		return place, 0, fmt.Errorf("%s does not answer: %w", place, err)
	}
	return place, time.Since(start), nil
}

type mediaCmd struct {
	Copy mediaCopyCmd `cmd:"" help:"Copy the pictures to another place, and check them: a bucket or files to go on with from there, or any folder to have a copy. Cut off, it goes on where it was."`
}

type mediaCopyCmd struct {
	Data string `default:"./data" env:"HAAT_DATA" help:"Data folder, with or without a server on it." type:"path"`
	S3   S3     `embed:"" prefix:"s3-"`
	cli.MediaCopy
}

// Run copies pictures. When they go to a bucket, or back to files, and no
// server has the data folder open, that is where they are from then on.
func (c *mediaCopyCmd) Run(ctx context.Context, out io.Writer) error {
	cfg := Config{}
	if err := Defaults(&cfg); err != nil {
		return err
	}
	cfg.S3 = c.S3
	if err := cfg.Finish(); err != nil {
		return err
	}
	c.S3 = cfg.S3
	if _, err := os.Stat(c.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	is, err := backup.Place(c.Data)
	if err != nil {
		return err
	}
	from := c.From
	if from == "" {
		if from = is; is == "" {
			from = inFiles
		}
	}
	moves := c.From == "" && (bucket.Is(c.To) || c.To == inFiles)
	lock, err := lockData(c.Data)
	var used *InUse
	served := errors.As(err, &used)
	if err != nil && !served {
		return err
	}
	if lock != nil {
		defer lock.Close()
	}
	source, _, err := c.place(ctx, "--from", from, false)
	if err != nil {
		return err
	}
	defer source.Close()
	target, place, err := c.place(ctx, "--to", c.To, true)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := c.MediaCopy.Run(ctx, source, target, out); err != nil {
		return err
	}
	switch {
	case !moves || place == is:
	case served:
		_, err = fmt.Fprintf(out, "A server has %s open and goes on as before. To go over, stop it and run this once more: it copies only what has come meanwhile.\n", c.Data)
	default:
		if err = backup.SetPlace(c.Data, place); err == nil {
			_, err = fmt.Fprintf(out, "From now on the pictures of %s are there. Those in the old place are not read any more.\n", c.Data)
		}
	}
	return err
}

// place opens a place by its name: a bucket, the data folder's own files, or
// any folder, and gives it as the data folder notes it.
func (c *mediaCopyCmd) place(ctx context.Context, flag, name string, create bool) (media.Store, string, error) {
	if bucket.Is(name) {
		at, err := bucket.Parse(name)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", flag, err)
		}
		b, err := bucket.Open(ctx, at, c.S3.keys())
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", flag, err)
		}
		return b, at.String(), nil
	}
	if name == inFiles {
		name = filepath.Join(c.Data, "media")
	} else if _, err := os.Stat(name); err != nil && !create {
		return nil, "", fmt.Errorf("%s: %w", flag, err)
	}
	d, err := media.OpenDisk(name)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", flag, err)
	}
	return d, "", nil
}
