package media

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"haat/internal/fault"
)

// Disk keeps blobs as files below one folder. A blob is whole or absent, also
// after a power cut, and never changes once written under a content address.
//
// The first two characters of a key's last name become a folder of their own,
// so that no folder grows too large. All file access goes through an os.Root,
// which nothing can climb out of, be it by ".." or by a symbolic link.
type Disk struct{ root *os.Root }

const drafts = ".drafts" // half-written files; no key can name it

// OpenDisk opens the folder, making it if it is not there, and clears away
// what a killed process left half-written more than an hour ago.
func OpenDisk(folder string) (*Disk, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open media folder: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open media folder: %w", err)
	}
	if err := root.MkdirAll(drafts, 0o700); err != nil {
		root.Close()
		return nil, fmt.Errorf("open media folder: %w", err)
	}
	old, _ := fs.ReadDir(root.FS(), drafts)
	for _, e := range old {
		if i, err := e.Info(); err == nil && time.Since(i.ModTime()) > time.Hour {
			root.Remove(path.Join(drafts, e.Name()))
		}
	}
	return &Disk{root}, nil
}

// Close lets go of the folder. Opened blobs stay readable.
func (d *Disk) Close() error { return d.root.Close() }

// Put writes the blob and returns once it would survive a power cut. A blob
// that is already there is replaced in one step.
func (d *Disk) Put(ctx context.Context, key string, data []byte) error {
	_, err := d.pour(ctx, key, bytes.NewReader(data))
	return err
}

// pour is Put for what is read piece by piece. What does not end well is not
// kept.
func (d *Disk) pour(ctx context.Context, key string, from io.Reader) (n int64, err error) {
	name, err := file(key)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	draft := path.Join(drafts, rand.Text())
	defer func() {
		if err != nil {
			d.root.Remove(draft)
			err = fault.Full(fmt.Errorf("store %s: %w", key, err))
		}
	}()
	f, err := d.root.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return n, err
	}
	if err = d.folders(path.Dir(name)); err != nil {
		return n, err
	}
	if err = d.root.Rename(draft, name); err != nil {
		return n, err
	}
	return n, d.sync(path.Dir(name))
}

// folders makes the folder and its parents, and makes them last.
func (d *Disk) folders(dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := d.root.Stat(dir); err == nil {
		return nil
	}
	if err := d.folders(path.Dir(dir)); err != nil {
		return err
	}
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(path.Dir(dir))
}

func (d *Disk) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open gives the blob and when it was written; a NotFound fault if there is
// none. The caller closes it.
func (d *Disk) Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	name, err := file(key)
	if err != nil {
		return nil, time.Time{}, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, time.Time{}, missing(key, err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, time.Time{}, missing(key, errors.Join(err, fs.ErrNotExist))
	}
	return f, info.ModTime(), nil
}

// Size gives the bytes of the blob; a NotFound fault if there is none.
func (d *Disk) Size(ctx context.Context, key string) (int64, error) {
	f, _, err := d.Open(ctx, key)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Seek(0, io.SeekEnd)
}

// Walk calls fn with every blob.
func (d *Disk) Walk(ctx context.Context, fn func(key string, size int64) error) error {
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed since the folder was read
		case err != nil || ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case e.IsDir() && name == drafts:
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		dir, last := path.Split(name)
		key := path.Join(path.Dir(path.Clean(dir)), last)
		if back, err := file(key); err != nil || back != name {
			return nil // nothing that was put here
		}
		i, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(key, i.Size())
	})
	if err != nil {
		return fmt.Errorf("walk the media folder: %w", err)
	}
	return nil
}

// Delete removes the blob; one that is not there is no error.
func (d *Disk) Delete(ctx context.Context, key string) error {
	name, err := file(key)
	if err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func missing(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.NotFound("There is no such picture.").Because(err)
	}
	return fmt.Errorf("open %s: %w", key, err)
}

// file gives the path of a key below the root, or a NotFound fault for what is
// no key.
func file(key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	dir, last := path.Split(key)
	return path.Join(dir, last[:2], last), nil
}
