package dbtest

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small disk that a test can fill. Where file systems may be
// mounted it is a real one; elsewhere the process is forbidden to let files
// grow, which a program meets at the same places.
type Disk struct {
	Dir     string
	t       testing.TB
	mounted bool
	limit   syscall.Rlimit // as it was
}

// SmallDisk makes a disk of so many bytes. Tests that use one do not run in
// parallel with others of their package.
func SmallDisk(t testing.TB, bytes string) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir(), t: t}
	if err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, "size="+bytes); err == nil {
		d.mounted = true
		t.Cleanup(func() {
			if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount the small disk: %v", err)
			}
		})
		return d
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &d.limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Free)
	return d
}

// Fill takes all the room there is.
func (d *Disk) Fill() {
	d.t.Helper()
	if !d.mounted {
		d.allow(4096)
		return
	}
	f, err := os.OpenFile(d.ballast(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("the disk is not full: %v", err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if !d.mounted {
		d.allow(d.limit.Cur)
		return
	}
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

func (d *Disk) allow(n uint64) {
	l := d.limit
	l.Cur = n
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		d.t.Fatal(err)
	}
}
