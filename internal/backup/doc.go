// Package backup copies everything that a platform keeps while it is being
// served, and puts it back.
//
// # One instant across databases
//
// The directory and the shards are separate files. [Take] opens a snapshot of
// each while the control database commits nothing, so that they fit together
// whichever of them a task writes first:
//
//   - A sign-up writes its shard, then the directory. If the directory's
//     snapshot names a shop, the shop was on its shard before, so the shard's
//     later snapshot has it. The other way round leaves a shop on its shard
//     and in no directory: an orphan like that of any sign-up that was cut
//     off, which fleet.SweepOrphans erases.
//   - A renamed shop is written to the directory, then the cursor of its event
//     moves on the shard. If the shard's snapshot has the cursor, the name was
//     in the directory before that, hence before its snapshot.
//
// The copies are then made from the snapshots while everybody goes on.
// Pictures are copied afterwards: they are written before the rows that name
// them and never change. Pictures that are in a bucket (see [Place]) stay
// there: the backup names the bucket and holds none of them.
//
// # What a backup is
//
// A folder with sets/<time>/ (the databases, keys and uploads of one backup,
// and files.sha256, a list that sha256sum -c understands) and media/, which
// all backups into the folder share. backup.json is written last, in one step,
// after everything has been read back and checked, and alone says which set is
// the backup. What it does not name is nothing: an interrupted backup leaves
// the one before it as it was, or a folder without backup.json, which Restore
// refuses.
package backup

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"haat/internal/db"
)

const (
	format       = 1
	manifestName = "backup.json"
	listName     = "files.sha256"
	startedName  = "incomplete" // in the folder of a backup while one is made
	setsName     = "sets"
	controlName  = "control.db"
	shardsName   = "shards"
	mediaName    = "media"
	importsName  = "imports"
	unfinished   = "restore-unfinished" // in a data folder while it is restored
)

// keys are the small files of a data folder.
var keys = []string{"secret.key", "ops-token.sha256", placeName}

// Manifest is backup.json.
type Manifest struct {
	Format    int                  `json:"format"`
	Haat      string               `json:"haat"`  // version of the program
	Taken     time.Time            `json:"taken"` // the instant of the databases
	Finished  time.Time            `json:"finished"`
	Set       string               `json:"set"`
	Files     int64                `json:"files"`
	Bytes     int64                `json:"bytes"`
	Shops     int64                `json:"shops"`
	Orphans   int64                `json:"orphans"` // unfinished sign-ups among the shards' rows
	List      string               `json:"list_sha256"`
	Media     string               `json:"media,omitempty"` // the bucket that holds the pictures, which are then not in the backup
	Databases map[string]db.Census `json:"databases"`
	Sum       string               `json:"sha256"` // of the rest
}

// text gives the manifest as it is written, with its sum.
func (m Manifest) text() ([]byte, string, error) {
	m.Sum = ""
	b, err := json.Marshal(m)
	if err != nil {
		return nil, "", err
	}
	m.Sum = fmt.Sprintf("%x", sha256.Sum256(b))
	b, err = json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), m.Sum, err
}

// Progress tells how far a backup or a restore is.
type Progress struct {
	Phase string `json:"phase"` // copy or verify
	Done  int64  `json:"done"`  // bytes
	Total int64  `json:"total"` // bytes, as far as is known
}

// readManifest reads the manifest of a finished backup.
func readManifest(dir string) (m Manifest, err error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, startedName)); err == nil {
			return m, fmt.Errorf("the backup in %s is incomplete: it was cut off before it had been checked; run haat backup again", dir)
		}
		if _, err := os.Stat(dir); err != nil {
			return m, err
		}
		return m, fmt.Errorf("there is no backup in %s: it has no %s", dir, manifestName)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, manifestName), err)
	}
	if m.Format > format {
		return m, fmt.Errorf("the backup in %s was made by haat %s, which is newer than this program", dir, m.Haat)
	}
	_, sum, err := m.text()
	if err != nil {
		return m, err
	}
	if sum != m.Sum || m.Format != format || !filepath.IsLocal(m.Set) || m.Set == "." || m.Databases[controlName].Rows == nil {
		return m, fmt.Errorf("%s is damaged", filepath.Join(dir, manifestName))
	}
	return m, nil
}

// Unfinished says that a data folder is the rest of a restore that was cut
// off, and must not be served.
func Unfinished(data string) error {
	if _, err := os.Stat(filepath.Join(data, unfinished)); err != nil {
		return nil
	}
	return fmt.Errorf("the data folder %s is incomplete: a restore into it was cut off; run the same haat restore again", data)
}

// writeWhole writes a file in one step: it is there whole, or as it was.
func writeWhole(path string, b []byte) error {
	draft := path + ".new"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncAll brings everything that was written below a folder to disk.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// lock keeps a second backup or restore out of a folder until the file is
// closed.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another backup or restore is at work on %s", dir)
	}
	return f, nil
}

// free gives the bytes that may still be written to the disk of a folder.
func free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// tellEvery is how often progress is told at most.
var tellEvery = 200 * time.Millisecond
