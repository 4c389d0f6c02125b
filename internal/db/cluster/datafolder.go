package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// user is who runs the server: ourselves, or somebody else when we are root,
// whom PostgreSQL refuses.
type user struct {
	other    bool
	uid, gid int
}

func serverUser() (user, error) {
	if os.Getuid() != 0 {
		return user{uid: os.Getuid(), gid: os.Getgid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return user{}, err
		}
		return user{other: true, uid: uid, gid: gid}, nil
	}
	return user{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func (u user) credential() *syscall.Credential {
	if !u.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
}

// own hands a file to the user.
func (u user) own(path string) error {
	if !u.other {
		return nil
	}
	return os.Lchown(path, u.uid, u.gid)
}

// tempDir makes a folder that only the user (and root) can enter. A quick one, of
// which nothing need outlive the machine, is in memory where there is much of
// that, which makes a database in an eighth of the time. Its path is short, since
// that of a socket is limited to about a hundred bytes.
func (u user) tempDir(quick bool) (string, error) {
	const memory, enough = "/dev/shm", 2 << 30
	base := os.TempDir()
	if u.other || len(base) > 60 {
		base = "/tmp" // root's own may be closed to others
	}
	var free syscall.Statfs_t
	if err := syscall.Statfs(memory, &free); quick && err == nil && free.Bavail*uint64(free.Bsize) > enough {
		base = memory
	}
	dir, err := os.MkdirTemp(base, "haat-pg-")
	if err != nil {
		return "", err
	}
	return dir, u.own(dir)
}

// initdbFlags make text sort by code point, as it does on SQLite.
var initdbFlags = []string{
	"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=4", "--no-sync", "--no-instructions",
}

// postgresTemplate gives a folder to copy a server's data from. It is made
// once a version of PostgreSQL and kept in the cache folder of the person
// running the tests, since making it takes a second or two.
func postgresTemplate(bin string, as user) (string, error) {
	version, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Append(nil, string(version), initdbFlags))
	template := filepath.Join(cache, fmt.Sprintf("postgres-%x", key[:8]))
	// Of several processes one makes it; the others wait for that one.
	lock, err := os.OpenFile(template+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	dir, err := as.tempDir(true)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	if err := initdb(bin, dir, data, as); err != nil {
		return "", err
	}
	// A half-made copy never has the name that is looked for.
	half := template + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	if err := copyTree(half, data, user{}); err != nil {
		return "", err
	}
	return template, os.Rename(half, template)
}

// initdb makes a new cluster's data, run in a folder that the user may enter.
func initdb(bin, dir, data string, as user) error {
	c := exec.Command(filepath.Join(bin, "initdb"), append([]string{"-D", data}, initdbFlags...)...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential()}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil { // no home folder
		base = filepath.Join(os.TempDir(), "haat-cache-"+strconv.Itoa(os.Getuid()))
	}
	dir := filepath.Join(base, "haat-test")
	return dir, os.MkdirAll(dir, 0o700)
}

// copyTree copies folders and regular files, all of them the user's.
func copyTree(to, from string, as user) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(target, path)
		default:
			err = fmt.Errorf("%s is neither a folder nor a file", path)
		}
		if err != nil {
			return err
		}
		return as.own(target)
	})
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
