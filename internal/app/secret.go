package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// processID gives the name by which other processes know this data folder,
// made at the first start.
func processID(dir string) (string, error) {
	path := filepath.Join(dir, "process")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		name := id.Token(10)
		return name, writeNew(path, []byte(name+"\n"))
	}
	if name := strings.TrimSpace(string(b)); err != nil || name != "" {
		return name, err
	}
	return "", fmt.Errorf("%s is empty; remove it to be given a new name", path)
}

// agreedKey gives the key that all processes sign with: that of whoever
// started first.
func agreedKey(ctx context.Context, control *db.Control, mine []byte, log *slog.Logger) ([]byte, error) {
	key, err := fleet.AgreeOn(ctx, control, "key", mine)
	if err == nil && !bytes.Equal(key, mine) {
		log.Debug("cookies are signed with the key of the other processes, not with that of secret.key")
	}
	return key, err
}

// agree makes the operator's token that of all processes. One that was
// just made is kept only if nobody else serves; one of a folder that others
// have left behind gives way to theirs.
func (o *OpsToken) agree(ctx context.Context, control *db.Control, dir string, self string, made string) (string, error) {
	hash, err := fleet.AgreeOn(ctx, control, "ops-token", o.hash[:])
	if err != nil || bytes.Equal(hash, o.hash[:]) {
		return made, err
	}
	if made != "" {
		all, err := fleet.Processes(ctx, control, 0)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(all, func(p fleet.Process) bool { return p.ID != self && !p.Lost }) {
			return made, fleet.Replace(ctx, control, "ops-token", o.hash[:])
		}
	}
	if len(hash) != len(o.hash) {
		return "", fmt.Errorf("the control database holds no hash of an operator's token")
	}
	copy(o.hash[:], hash)
	path := filepath.Join(dir, "ops-token.sha256")
	if err := os.Remove(path); err != nil {
		return "", err
	}
	return "", writeNew(path, []byte(hex.EncodeToString(hash)+"\n"))
}

// secretKey gives the key that cookies and codes are signed with, made at the
// first start.
func secretKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "secret.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, 32)
		rand.Read(b)
		err = writeNew(path, []byte(hex.EncodeToString(b)+"\n"))
		return b, err
	}
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s does not hold 64 hexadecimal digits", path)
	}
	return key, nil
}

// OpsToken is the operator's token. Only its hash is kept.
type OpsToken struct{ hash [32]byte }

// Check reports, in constant time, whether token is the operator's.
func (o *OpsToken) Check(token string) bool {
	h := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(h[:], o.hash[:]) == 1
}

// opsToken reads the hash of the operator's token. At the first start, or
// when the file has been removed, it makes a token and gives it, once.
func opsToken(dir string) (t *OpsToken, made string, err error) {
	path := filepath.Join(dir, "ops-token.sha256")
	b, err := os.ReadFile(path)
	t = &OpsToken{}
	if errors.Is(err, fs.ErrNotExist) {
		made = "haat-ops-" + id.Token(20)
		t.hash = sha256.Sum256([]byte(made))
		return t, made, writeNew(path, []byte(hex.EncodeToString(t.hash[:])+"\n"))
	}
	if err != nil {
		return nil, "", err
	}
	h, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(h) != 32 {
		return nil, "", fmt.Errorf("%s does not hold a SHA-256 in hexadecimal; remove it to be given a new token", path)
	}
	copy(t.hash[:], h)
	return t, "", nil
}

// writeNew writes a file that must not exist, durably.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
