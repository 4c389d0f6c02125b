package media

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"haat/internal/fault"
)

// Store keeps blobs under keys: files of a folder ([Disk]), objects of a
// bucket (media/bucket), or the latter with what was last looked at nearby
// ([Near]). All pass the suite in media/mediatest. A blob is whole or absent.
//
// A store that cannot be reached answers with a Busy fault, and soon.
type Store interface {
	// Put keeps a blob, in place of one of that key. When it returns without
	// error the blob would survive a power cut and every process sees it.
	Put(ctx context.Context, key string, data []byte) error
	// Open gives a blob and when it was written; a NotFound fault if there is
	// none. The caller closes it.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error)
	// Size gives the bytes of a blob; a NotFound fault if there is none.
	Size(ctx context.Context, key string) (int64, error)
	// Delete removes a blob; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// Walk calls fn with every blob that is there all along, those of one
	// folder in the order of their names, until fn or the walk fails.
	Walk(ctx context.Context, fn func(key string, size int64) error) error
	Close() error
}

// CheckKey gives a NotFound fault for what is no key. A key is one or more
// names joined by "/": lower-case letters, digits, "-", "_" and ".", none
// beginning with a dot, the last of two characters or more.
func CheckKey(key string) error {
	bad := fault.NotFound("There is no such picture.").Because(fmt.Errorf("not a key: %q", key))
	last := key[strings.LastIndexByte(key, '/')+1:]
	if len(key) > 200 || len(last) < 2 || last[1] == '.' {
		return bad
	}
	for _, part := range strings.Split(key, "/") {
		if part == "" || part[0] == '.' {
			return bad
		}
		for _, c := range []byte(part) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
				return bad
			}
		}
	}
	return nil
}
