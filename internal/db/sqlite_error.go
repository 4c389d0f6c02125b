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
	case code == sqlite3.CONSTRAINT_CHECK, code == sqlite3.CONSTRAINT_NOTNULL:
		return fmt.Errorf("%w: %w", ErrCheck, err)
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

// explain gives an error of a write its meaning, and remembers a disk that was
// full before anybody is told. An I/O error may come from one too, which
// neither SQLite nor its driver say: what they answer last is not what failed
// first.
func (e *sqlite) explain(err error) error {
	if err == nil {
		return nil
	}
	if (errors.Is(err, sqlite3.IOERR) || errors.Is(err, sqlite3.CANTOPEN)) && !errors.Is(err, ErrFull) && e.noSpace() {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if errors.Is(err, ErrFull) {
		e.noRoom.Store(true)
	}
	return err
}

// noSpace tries whether the database's disk has room.
func (e *sqlite) noSpace() bool {
	dir := filepath.Dir(e.path)
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) == nil && int64(s.Bavail)*s.Bsize < nearlyEmpty {
		return true
	}
	f, err := os.CreateTemp(dir, ".room-*")
	if err == nil {
		_, err = f.Write(make([]byte, probeBytes))
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return errors.Is(fault.Full(err), ErrFull)
}
