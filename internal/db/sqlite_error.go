package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	sqlite3 "github.com/ncruces/go-sqlite3"
	"golang.org/x/sys/unix"

	"haat/internal/fault"
)

var errClosed = errors.New("the database is closed")

// sqliteError gives an engine's error the platform's meaning.
func sqliteError(err error) error {
	var code sqlite3.ExtendedErrorCode
	if err == nil || !errors.As(err, &code) {
		return err
	}
	switch {
	case code == sqlite3.CONSTRAINT_UNIQUE, code == sqlite3.CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case errors.Is(code, sqlite3.FULL):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(code, sqlite3.INTERRUPT):
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}

const (
	probeBytes  = 64 << 10
	nearlyEmpty = 16 << 20 // bytes free, with which an I/O error is laid to want of room
)

// explain finds out whether an I/O error comes from a disk without room, which
// neither SQLite nor its driver tell: what they answer last is not what failed
// first.
func (e *sqlite) explain(err error) error {
	if err == nil || errors.Is(err, ErrFull) || !errors.Is(err, sqlite3.IOERR) && !errors.Is(err, sqlite3.CANTOPEN) {
		return err
	}
	dir := filepath.Dir(e.path)
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) == nil && int64(s.Bavail)*s.Bsize < nearlyEmpty {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	f, probed := os.CreateTemp(dir, ".room-*")
	if probed == nil {
		_, probed = f.Write(make([]byte, probeBytes))
		probed = errors.Join(probed, f.Close(), os.Remove(f.Name()))
	}
	if fault.Is(fault.Full(probed), fault.KindBusy) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
