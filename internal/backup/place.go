package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const placeName = "media-at"

// Place says where the pictures of a data folder are: the address of a bucket,
// or "" for its own folder media/. It is copied and restored with the rest.
func Place(data string) (string, error) {
	b, err := os.ReadFile(filepath.Join(data, placeName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// SetPlace notes where the pictures of a data folder are from now on.
func SetPlace(data, place string) error {
	return writeWhole(filepath.Join(data, placeName), []byte(place+"\n"))
}
