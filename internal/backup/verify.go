package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"haat/internal/db"
	"haat/internal/fleet"
)

// verify brings everything to disk and reads every file of the backup back.
// A picture of an earlier backup that has gone bad is copied anew.
func (j *job) verify(ctx context.Context) error {
	if err := syncAll(j.dir); err != nil {
		return err
	}
	return readBack(ctx, j.dir, j.set, j.m.List, j.moved, func(e listed) error {
		rel := strings.TrimPrefix(e.path, mediaName+"/")
		if rel == e.path {
			return damaged(j.dir, e.path)
		}
		to := filepath.Join(j.dir, filepath.FromSlash(e.path))
		sum, err := copyFile(ctx, to, filepath.Join(j.Dir, mediaName, filepath.FromSlash(rel)), j.moved)
		if err == nil && sum != e.sum {
			return fmt.Errorf("the picture %s differs from what was backed up earlier, and neither copy can be trusted: remove %s", rel, to)
		}
		if err = errors.Join(err, syncAll(j.dir)); err != nil {
			return err
		}
		if sum, err = sumOf(ctx, to, j.moved); err == nil && sum != e.sum {
			err = damaged(j.dir, e.path)
		}
		return err
	})
}

// examine checks copies of databases, counts what they hold, by their path in
// a set, and holds directory and shards against each other.
func examine(ctx context.Context, control string, shards map[string]string, full bool) (found map[string]db.Census, a fleet.Agreement, err error) {
	found = map[string]db.Census{}
	look := func(name, path string) (*db.File, error) {
		f, err := db.OpenCopy(path)
		if err != nil {
			return nil, err
		}
		err = f.Check(ctx, full)
		if err == nil {
			found[name], err = f.Census(ctx)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
		return f, nil
	}
	c, err := look(controlName, control)
	if err != nil {
		return nil, a, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	open := map[string]*db.File{}
	for name, path := range shards {
		f, err := look(shardsName+"/"+filepath.Base(path), path)
		if err != nil {
			return nil, a, err
		}
		defer f.Close()
		open[name] = f
	}
	a, err = fleet.Agree(ctx, c, open)
	return found, a, err
}

func damaged(dir, name string) error {
	return fmt.Errorf("the backup is damaged: %s does not hold what was written to it", filepath.Join(dir, filepath.FromSlash(name)))
}

// readBack holds every file of a set against its list, and calls bad with
// those that differ or are missing.
func readBack(ctx context.Context, dir, set, sum string, read func(int64) error, bad func(listed) error) error {
	l, err := openList(filepath.Join(dir, filepath.FromSlash(set), listName))
	if err != nil {
		return err
	}
	defer l.close()
	for {
		e, ok, err := l.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		got, err := sumOf(ctx, filepath.Join(dir, filepath.FromSlash(e.path)), read)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if got != e.sum {
			if err := bad(e); err != nil {
				return err
			}
		}
	}
	if hex.EncodeToString(l.sum.Sum(nil)) != sum {
		return damaged(dir, path.Join(set, listName))
	}
	return nil
}
