package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// copyMedia copies the pictures that the folder does not have yet, and writes
// the list of all files.
func (j *job) copyMedia(ctx context.Context) error {
	f, err := os.OpenFile(j.path(listName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := bufio.NewWriter(io.MultiWriter(f, sum))
	err = j.copyPictures(ctx, out)
	if err == nil {
		err = j.sumSet(ctx, out)
	}
	err = errors.Join(err, out.Flush(), f.Sync(), f.Close())
	j.m.List = hex.EncodeToString(sum.Sum(nil))
	return err
}

func (j *job) copyPictures(ctx context.Context, out io.Writer) error {
	var had listed
	more := j.old != nil
	made := ""
	if j.m.Media != "" {
		return nil
	}
	return walk(filepath.Join(j.Dir, mediaName), func(rel string, i fs.FileInfo) (err error) {
		name := path.Join(mediaName, rel)
		to := filepath.Join(j.dir, filepath.FromSlash(name))
		for more && before(had.path, name) {
			if had, more, err = j.old.next(); err != nil {
				return err
			}
		}
		sum := ""
		if there, missing := os.Lstat(to); more && had.path == name && missing == nil && there.Mode().IsRegular() && there.Size() == i.Size() {
			sum = had.sum // verify holds the file against it
			if err := j.moved(i.Size()); err != nil {
				return err
			}
		}
		if sum == "" {
			if d := filepath.Dir(to); d != made {
				if err := os.MkdirAll(d, 0o700); err != nil {
					return err
				}
				made = d
			}
			sum, err = copyFile(ctx, to, filepath.Join(j.Dir, filepath.FromSlash(name)), j.moved)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed since the folder was read
			}
			if err != nil {
				return err
			}
		}
		return j.enter(out, listed{sum, name}, i.Size())
	})
}

func (j *job) enter(out io.Writer, e listed, size int64) error {
	j.m.Files++
	j.m.Bytes += size
	_, err := fmt.Fprintf(out, "%s  %s\n", e.sum, e.path)
	return err
}

func (j *job) mediaSize() (n int64, err error) {
	if j.m.Media != "" {
		return 0, nil
	}
	err = walk(filepath.Join(j.Dir, mediaName), func(_ string, i fs.FileInfo) error { n += i.Size(); return nil })
	return n, err
}

// walk calls fn with every picture below a folder, in order; hidden folders
// hold drafts.
func walk(dir string, fn func(rel string, i fs.FileInfo) error) error {
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(p, ".new"):
			return nil
		}
		i, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since the folder was read
		}
		if err != nil {
			return err
		}
		return fn(p, i)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// clearMedia removes pictures that the list does not name, and drafts. Those
// of an earlier backup stay when the platform's are in a bucket since: nobody
// has said that they are not needed any more.
func (j *job) clearMedia() error {
	if j.m.Media != "" {
		return nil
	}
	l, err := openList(j.path(listName))
	if err != nil {
		return err
	}
	defer l.close()
	e, more, err := l.next()
	if err != nil {
		return err
	}
	return fs.WalkDir(os.DirFS(j.dir), mediaName, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		for more && before(e.path, name) {
			if e, more, err = l.next(); err != nil {
				return err
			}
		}
		if more && e.path == name {
			return nil
		}
		return os.Remove(filepath.Join(j.dir, filepath.FromSlash(name)))
	})
}
