package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
)

// Source is a data folder to be copied, served or not.
type Source struct {
	Dir     string
	Control db.Database
	Shards  map[string]db.Database // by name
	Files   map[string]string      // the file of each shard, below shards/
	// Quiet runs fn while the control database commits nothing and no uploaded
	// catalogue is removed; Keep does only the latter. Nil where nobody serves.
	Quiet, Keep func(ctx context.Context, fn func() error) error
	Reserve     int64 // bytes that stay free on the disk of Dir
	Version     string
}

// Folder is the Source of a data folder that nobody serves. The caller has
// made sure of that. Close it afterwards.
func Folder(ctx context.Context, dir, version string) (s Source, end func() error, err error) {
	if _, err := os.Stat(filepath.Join(dir, controlName)); err != nil {
		return s, nil, fmt.Errorf("there is no platform in %s: %w", dir, err)
	}
	control, err := db.OpenFile(filepath.Join(dir, controlName))
	if err != nil {
		return s, nil, err
	}
	open := []*db.File{control}
	end = func() error {
		var errs []error
		for _, f := range open {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	s = Source{Dir: dir, Control: control, Shards: map[string]db.Database{}, Version: version}
	if s.Files, err = fleet.ShardFiles(ctx, control); err != nil {
		return s, nil, errors.Join(err, end())
	}
	for name, file := range s.Files {
		f, err := db.OpenFile(filepath.Join(dir, shardsName, file))
		if err != nil {
			return s, nil, errors.Join(err, end())
		}
		open, s.Shards[name] = append(open, f), f
	}
	return s, end, nil
}

// job is one backup being made.
type job struct {
	Source
	dir, set string // set is sets/<time>
	tell     func(Progress)
	at       Progress
	told     time.Time
	m        Manifest
	snaps    map[string]*db.Snapshot // by path below the set
	clocks   map[string]db.Census
	names    []string // the small files and uploads of the set, sorted
	sums     map[string]string
	old      *list // of the backup that stands in the folder; nil if none
}

// Take writes a backup of src into dir, an empty folder or that of an earlier
// backup, whose pictures it then keeps. tell is called now and then. When Take
// returns without error the backup has been read back, checked and would
// survive a power cut.
func Take(ctx context.Context, src Source, dir string, tell func(Progress)) (m Manifest, err error) {
	if inside(src.Dir, dir) || inside(dir, src.Dir) {
		return m, fmt.Errorf("the backup cannot lie in the data folder, nor the data folder in it: %s", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return m, err
	}
	l, err := lock(dir)
	if err != nil {
		return m, err
	}
	defer l.Close()
	j := &job{Source: src, dir: dir, tell: tell, at: Progress{Phase: "copy"}, snaps: map[string]*db.Snapshot{}, sums: map[string]string{}, clocks: map[string]db.Census{}}
	defer func() { err = errors.Join(err, j.close()) }()
	if err := j.begin(); err != nil {
		return m, err
	}
	for _, step := range []func(context.Context) error{j.open, j.copyDatabases, j.copyMedia, j.check, j.verify, j.finish} {
		if err := step(ctx); err != nil {
			return m, err
		}
	}
	return j.m, nil
}

func inside(outer, inner string) bool {
	a, err1 := resolve(outer)
	b, err2 := resolve(inner)
	rel, err3 := filepath.Rel(a, b)
	return errors.Join(err1, err2, err3) == nil && filepath.IsLocal(rel)
}

// resolve gives the real path of what may not exist yet.
func resolve(p string) (string, error) {
	p, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(p)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(p) != p {
		up, err := resolve(filepath.Dir(p))
		return filepath.Join(up, filepath.Base(p)), err
	}
	return real, err
}

// begin makes the folder ready, and marks it.
func (j *job) begin() error {
	m, err := readManifest(j.dir)
	if err == nil {
		if j.old, err = openList(filepath.Join(j.dir, setsName, m.Set, listName)); err != nil {
			return fmt.Errorf("the earlier backup in %s is damaged: %w", j.dir, err)
		}
	} else if _, started := os.Stat(filepath.Join(j.dir, startedName)); started != nil {
		names, err := os.ReadDir(j.dir)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%s holds something else than a backup: give an empty folder", j.dir)
		}
	}
	j.m = Manifest{Format: format, Haat: j.Version, Databases: map[string]db.Census{}}
	if j.m.Media, err = Place(j.Dir); err != nil {
		return err
	}
	now := time.Now().UTC()
	err = writeWhole(filepath.Join(j.dir, startedName), fmt.Appendf(nil, "A backup began at %s and has not finished. Until it has, only %s counts.\n", now.Format(time.RFC3339), manifestName))
	if err != nil {
		return err
	}
	j.m.Set = now.Format("20060102T150405.000Z")
	j.set = path.Join(setsName, j.m.Set)
	return os.MkdirAll(filepath.Join(j.dir, filepath.FromSlash(j.set), shardsName), 0o700)
}

// open opens the snapshots of all databases at one instant, and copies what
// is small and may go: uploads that an import is still reading.
func (j *job) open(ctx context.Context) error {
	alone := func(_ context.Context, fn func() error) error { return fn() }
	quiet, keep := j.Quiet, j.Keep
	if quiet == nil {
		quiet, keep = alone, alone
	}
	err := keep(ctx, func() error {
		if err := quiet(ctx, func() error { return j.openSnapshots(ctx) }); err != nil {
			return err
		}
		return j.copySmall(ctx)
	})
	if err != nil {
		return err
	}
	for _, s := range j.snaps {
		j.at.Total += 2 * s.Bytes()
	}
	size, err := j.mediaSize()
	if err != nil {
		return err
	}
	j.at.Total += 2 * size
	room, err := free(j.dir)
	if err != nil {
		return err
	}
	need := j.at.Total / 2
	if j.old != nil {
		need -= size // most pictures are there already
	}
	if need+j.Reserve > room {
		return fmt.Errorf("the backup needs %d MiB and %d MiB of reserve, but the disk of %s has only %d MiB free", need>>20, j.Reserve>>20, j.dir, room>>20)
	}
	return nil
}

func (j *job) openSnapshots(ctx context.Context) error {
	if err := j.closeSnapshots(); err != nil { // of an attempt that runs again
		return err
	}
	j.m.Taken = time.Now().UTC()
	take := func(path string, d db.Database) error {
		s, err := d.Snapshot(ctx)
		if err == nil {
			j.snaps[path] = s
		}
		return err
	}
	err := take(controlName, j.Control)
	for name, d := range j.Shards {
		err = errors.Join(err, take(path.Join(shardsName, filepath.ToSlash(j.Files[name])), d))
	}
	return err
}

// copySmall copies keys and uploads.
func (j *job) copySmall(ctx context.Context) error {
	names := slices.Clone(keys)
	uploads, err := os.ReadDir(filepath.Join(j.Dir, importsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, u := range uploads {
		if u.Type().IsRegular() {
			names = append(names, path.Join(importsName, u.Name()))
		}
	}
	for _, name := range names {
		to := j.path(name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		sum, err := copyFile(ctx, to, filepath.Join(j.Dir, filepath.FromSlash(name)), j.moved)
		if errors.Is(err, fs.ErrNotExist) && path.Dir(name) == "." {
			continue // a folder that was never served with a token
		}
		if err != nil {
			return err
		}
		j.names, j.sums[name] = append(j.names, name), sum
	}
	return nil
}

// path gives where a file of the set lies.
func (j *job) path(name string) string {
	return filepath.Join(j.dir, filepath.FromSlash(j.set), filepath.FromSlash(name))
}

// moved counts bytes, tells somebody now and then, and gives up before the
// log of the served databases, which cannot be reset meanwhile, or the copy
// itself takes the disk's last room.
func (j *job) moved(n int64) error {
	j.at.Done += n
	if time.Since(j.told) < tellEvery {
		return nil
	}
	j.told = time.Now()
	j.tell(j.at)
	if room, err := free(j.Dir); err == nil && room < j.Reserve {
		return fmt.Errorf("given up: only %d MiB are left on the disk of %s, and orders need them more", room>>20, j.Dir)
	}
	return nil
}

func (j *job) copyDatabases(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(j.snaps)) {
		s := j.snaps[name]
		if err := os.MkdirAll(filepath.Dir(j.path(name)), 0o700); err != nil {
			return err
		}
		if err := s.CopyTo(ctx, j.path(name), j.moved); err != nil {
			return err
		}
		// In the snapshot itself: a copy that differs is found below.
		clocks, err := s.Clocks()
		if err != nil {
			return fmt.Errorf("read the clocks of %s: %w", name, err)
		}
		j.clocks[name] = clocks
		delete(j.snaps, name)
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sumSet enters the files of the set. The hash of a database is that of the
// copy: it is made page by page and has no other.
func (j *job) sumSet(ctx context.Context, out io.Writer) error {
	names := slices.Concat(slices.Collect(maps.Keys(j.clocks)), j.names)
	slices.SortFunc(names, func(a, b string) int {
		if before(a, b) {
			return -1
		}
		return 1
	})
	for _, name := range names {
		i, err := os.Stat(j.path(name))
		if err != nil {
			return err
		}
		sum := j.sums[name]
		if sum == "" {
			if sum, err = sumOf(ctx, j.path(name), func(int64) error { return ctx.Err() }); err != nil {
				return err
			}
		}
		if err := j.enter(out, listed{sum, path.Join(j.set, name)}, i.Size()); err != nil {
			return err
		}
	}
	return nil
}

// check looks into the copies of the databases: whole, counted, and of one
// mind about which shops there are.
func (j *job) check(ctx context.Context) error {
	j.at.Phase = "verify"
	j.tell(j.at)
	shards := map[string]string{}
	for name, file := range j.Files {
		shards[name] = j.path(path.Join(shardsName, filepath.ToSlash(file)))
	}
	found, a, err := examine(ctx, j.path(controlName), shards, true)
	if err != nil {
		return err
	}
	for name, census := range found {
		if c := j.clocks[name]; c.Shops != census.Shops || c.Writes != census.Writes || c.Events != census.Events {
			return fmt.Errorf("the copy of %s differs from what was copied: %w", name, census.Same(db.Census{Rows: census.Rows, Shops: c.Shops, Writes: c.Writes, Events: c.Events}))
		}
	}
	j.m.Databases, j.m.Shops, j.m.Orphans = found, a.Shops, a.Orphans
	return nil
}

// finish makes the set the backup, and clears away what it does not name.
func (j *job) finish(context.Context) error {
	j.m.Finished = time.Now().UTC()
	b, sum, err := j.m.text()
	if err != nil {
		return err
	}
	j.m.Sum = sum
	if err := writeWhole(filepath.Join(j.dir, manifestName), b); err != nil {
		return err
	}
	j.at.Done = j.at.Total
	j.tell(j.at)
	sets, err := os.ReadDir(filepath.Join(j.dir, setsName))
	for _, s := range sets {
		if s.Name() != j.m.Set {
			err = errors.Join(err, os.RemoveAll(filepath.Join(j.dir, setsName, s.Name())))
		}
	}
	return errors.Join(err, j.clearMedia(), os.Remove(filepath.Join(j.dir, startedName)))
}

func (j *job) closeSnapshots() error {
	var errs []error
	for name, s := range j.snaps {
		errs = append(errs, s.Close())
		delete(j.snaps, name)
	}
	return errors.Join(errs...)
}

func (j *job) close() error {
	err := j.closeSnapshots()
	if j.old != nil {
		err = errors.Join(err, j.old.close())
	}
	return err
}
