package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

// Restore puts the backup in dir back into a data folder, which must be empty
// or absent, or hold what an earlier Restore of the same backup left when it
// was cut off: whatever is there whole already is kept. known gives the newest
// schema that this program knows, by room. When Restore returns without error
// the folder has been read back and checked, and can be served; until then it
// is marked, and is not.
//
// Every shard gets a new term: what was acknowledged after the backup is lost,
// and no mark of that time may be given out again.
func Restore(ctx context.Context, dir, data string, known map[string]int64, tell func(Progress)) (m Manifest, err error) {
	if m, err = readManifest(dir); err != nil {
		return m, err
	}
	for name, c := range m.Databases {
		for room, v := range c.Schema {
			if v > known[room] {
				return m, fmt.Errorf("the backup's %s has the schema of %s at version %d, but this program knows only %d: restore with haat %s or newer", name, room, v, known[room], m.Haat)
			}
		}
	}
	l, err := lock(dir)
	if err != nil {
		return m, err
	}
	defer l.Close()
	r := &restoring{dir: dir, data: data, set: path.Join(setsName, m.Set), m: m, tell: tell, at: Progress{Phase: "copy", Total: 2 * m.Bytes}}
	if err := r.begin(); err != nil {
		return m, err
	}
	for _, step := range []func(context.Context) error{r.copy, r.verify, r.raise} {
		if err := step(ctx); err != nil {
			return m, err
		}
	}
	if err := errors.Join(syncAll(data), os.Remove(filepath.Join(data, unfinished)), syncDir(data)); err != nil {
		return m, err
	}
	r.at.Done = r.at.Total
	tell(r.at)
	return m, nil
}

type restoring struct {
	dir, data, set string
	m              Manifest
	tell           func(Progress)
	at             Progress
	told           time.Time
}

// begin marks the folder, before anything else is in it.
func (r *restoring) begin() error {
	if err := os.MkdirAll(r.data, 0o700); err != nil {
		return err
	}
	marker := filepath.Join(r.data, unfinished)
	switch b, err := os.ReadFile(marker); {
	case err == nil && string(b) != r.m.Set+"\n":
		return fmt.Errorf("the data folder %s holds the rest of the restore of another backup, %s: remove it, or give an empty folder", r.data, strings.TrimSpace(string(b)))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	names, err := os.ReadDir(r.data)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name() != "lock" { // held by the caller
			return fmt.Errorf("the data folder %s is not empty: a backup is restored only into an empty one", r.data)
		}
	}
	room, err := free(r.data)
	if err != nil {
		return err
	}
	if r.m.Bytes > room {
		return fmt.Errorf("the backup has %d MiB, but the disk of %s has only %d MiB free", r.m.Bytes>>20, r.data, room>>20)
	}
	return writeWhole(marker, []byte(r.m.Set+"\n"))
}

func (r *restoring) moved(n int64) error {
	r.at.Done += n
	if time.Since(r.told) >= tellEvery {
		r.told = time.Now()
		r.tell(r.at)
	}
	return nil
}

// to gives where a file of the backup belongs.
func (r *restoring) to(name string) string {
	return filepath.Join(r.data, filepath.FromSlash(strings.TrimPrefix(name, r.set+"/")))
}

// each calls fn with every file of the list, and checks the list itself.
func (r *restoring) each(fn func(listed) error) error {
	l, err := openList(filepath.Join(r.dir, filepath.FromSlash(r.set), listName))
	if err != nil {
		return err
	}
	defer l.close()
	n := int64(0)
	for {
		e, ok, err := l.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if e.path == r.set || !strings.HasPrefix(e.path, r.set+"/") && !strings.HasPrefix(e.path, mediaName+"/") {
			return fmt.Errorf("%s is damaged: it names %s", l.f.Name(), e.path)
		}
		if err := fn(e); err != nil {
			return err
		}
		n++
	}
	if n != r.m.Files || fmt.Sprintf("%x", l.sum.Sum(nil)) != r.m.List {
		return damaged(r.dir, path.Join(r.set, listName))
	}
	return nil
}

func (r *restoring) copy(ctx context.Context) error {
	if err := r.each(func(listed) error { return nil }); err != nil { // the list first: it says where to write
		return err
	}
	for name := range r.m.Databases { // logs of a restore that was cut off at its last step
		_ = os.Remove(r.to(name) + "-wal")
		_ = os.Remove(r.to(name) + "-shm")
	}
	made := ""
	return r.each(func(e listed) error {
		to := r.to(e.path)
		if d := filepath.Dir(to); d != made {
			if err := os.MkdirAll(d, 0o700); err != nil {
				return err
			}
			made = d
		}
		if _, err := os.Lstat(to); err == nil { // of a restore that was cut off
			if sum, err := sumOf(ctx, to, r.moved); err == nil && sum == e.sum {
				return nil
			}
		}
		sum, err := copyFile(ctx, to, filepath.Join(r.dir, filepath.FromSlash(e.path)), r.moved)
		if errors.Is(err, fs.ErrNotExist) || err == nil && sum != e.sum {
			return damaged(r.dir, e.path)
		}
		return err
	})
}

// verify reads the data folder back.
func (r *restoring) verify(ctx context.Context) error {
	r.at.Phase = "verify"
	if err := syncAll(r.data); err != nil {
		return err
	}
	err := r.each(func(e listed) error {
		sum, err := sumOf(ctx, r.to(e.path), r.moved)
		if err == nil && sum != e.sum {
			err = fmt.Errorf("%s does not hold what was written to it: is the disk sound?", r.to(e.path))
		}
		return err
	})
	if err != nil {
		return err
	}
	files, err := r.shards(ctx)
	if err != nil {
		return err
	}
	found, a, err := examine(ctx, filepath.Join(r.data, controlName), files, false)
	if err != nil {
		return err
	}
	for name, want := range r.m.Databases {
		if err := found[name].Same(want); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if a.Shops != r.m.Shops {
		return fmt.Errorf("%d shops are where the directory says, not %d", a.Shops, r.m.Shops)
	}
	return nil
}

func (r *restoring) shards(ctx context.Context) (map[string]string, error) {
	c, err := db.OpenCopy(filepath.Join(r.data, controlName))
	if err != nil {
		return nil, err
	}
	files, err := fleet.ShardFiles(ctx, c)
	for name, file := range files {
		files[name] = filepath.Join(r.data, shardsName, file)
	}
	return files, errors.Join(err, c.Close())
}

// raise gives each shard its new term: the time, so that two restores of one
// backup do not share theirs.
func (r *restoring) raise(ctx context.Context) error {
	files, err := r.shards(ctx)
	if err != nil {
		return err
	}
	term := time.Now().Unix()
	for _, path := range files {
		if err := db.RaiseTerm(path, term); err != nil {
			return fmt.Errorf("raise the term of %s: %w", path, err)
		}
	}
	return nil
}
