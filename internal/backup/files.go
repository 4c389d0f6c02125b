package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// listed is one line of files.sha256: a hash and a path below the backup's
// folder, with slashes.
type listed struct{ sum, path string }

// before tells whether path a comes before b in the order that a walk of
// folders takes, where a separator is the least of all bytes.
func before(a, b string) bool {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			return x == '/' || y != '/' && x < y
		}
	}
	return len(a) < len(b)
}

// list reads files.sha256 line by line, so that a million pictures need no
// memory.
type list struct {
	f   *os.File
	in  *bufio.Reader
	sum hash.Hash
	n   int
}

func openList(path string) (*list, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &list{f: f, sum: sha256.New()}
	l.in = bufio.NewReader(io.TeeReader(f, l.sum))
	return l, nil
}

// next gives the next line; false at the end.
func (l *list) next() (e listed, ok bool, err error) {
	text, err := l.in.ReadString('\n')
	if err == io.EOF && text == "" {
		return e, false, nil
	}
	l.n++
	sum, path, found := strings.Cut(strings.TrimSuffix(text, "\n"), "  ")
	if err != nil || !found || len(sum) != 64 || !filepath.IsLocal(path) {
		return e, false, fmt.Errorf("%s is damaged at line %d", l.f.Name(), l.n)
	}
	return listed{sum, path}, true, nil
}

func (l *list) close() error { return l.f.Close() }

// sumOf gives the SHA-256 of a file as it is on the disk.
func sumOf(ctx context.Context, path string, read func(n int64) error) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // what was synced is read from the disk again
	h := sha256.New()
	if err := pour(ctx, h, f, read); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // nor does it drive out what shoppers read
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copyFile copies a file and gives the SHA-256 of what it read. It is there
// under its name when it is whole; it is not yet synced.
func copyFile(ctx context.Context, to, from string, wrote func(n int64) error) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return pourFile(ctx, to, in, wrote)
}

func pourFile(ctx context.Context, to string, in io.Reader, wrote func(n int64) error) (string, error) {
	draft := to + ".new"
	out, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	err = pour(ctx, io.MultiWriter(out, h), in, wrote)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(draft, to)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", to, err), os.Remove(draft))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func pour(ctx context.Context, to io.Writer, from io.Reader, moved func(n int64) error) error {
	b := make([]byte, 256<<10)
	for {
		n, err := from.Read(b)
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		if err := errors.Join(ctx.Err(), moved(int64(n))); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
