package app

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"haat/internal/id"
)

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
