package media

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"haat/internal/fault"
)

// Disk keeps blobs as files below one folder. A blob is whole or absent, also
// after a power cut, and never changes once written under a content address.
//
// A key is one or more names joined by "/": lower-case letters, digits, "-",
// "_" and ".", none beginning with a dot. The last name's first two characters
// become a folder of their own, so that no folder grows too large. All file
// access goes through an os.Root, which nothing can climb out of, be it by
// ".." or by a symbolic link.
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
func (d *Disk) Put(ctx context.Context, key string, data []byte) (err error) {
	name, err := file(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
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
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = d.folders(path.Dir(name)); err != nil {
		return err
	}
	if err = d.root.Rename(draft, name); err != nil {
		return err
	}
	return d.sync(path.Dir(name))
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

// Has reports whether the blob is there.
func (d *Disk) Has(ctx context.Context, key string) (bool, error) {
	name, err := file(key)
	if err != nil {
		return false, err
	}
	info, err := d.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular(), err
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
	bad := fault.NotFound("There is no such picture.").Because(fmt.Errorf("not a key: %q", key))
	if len(key) > 200 {
		return "", bad
	}
	dir, last := "", key
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		dir, last = key[:i], key[i+1:]
	}
	if len(last) < 2 || last[1] == '.' {
		return "", bad
	}
	for _, part := range strings.Split(key, "/") {
		if part == "" || part[0] == '.' {
			return "", bad
		}
		for _, c := range []byte(part) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
				return "", bad
			}
		}
	}
	return path.Join(dir, last[:2], last), nil
}
