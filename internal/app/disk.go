package app

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"haat/internal/fault"
)

// diskFree gives the bytes that may still be written to the data folder.
func (a *App) diskFree() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(a.cfg.Data, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// uploads says why no picture or catalogue is taken: the last room on the disk
// is for orders.
func (a *App) uploads() error {
	if n, err := a.diskFree(); err == nil && n < int64(a.cfg.MinFree) {
		return fault.Busy(time.Minute, "New pictures and catalogues cannot be taken just now: the disk is nearly full. Everything else goes on.").With("disk-nearly-full")
	}
	return nil
}

// diskFull reports whether a database found no room for its last write.
func (a *App) diskFull() bool {
	for _, name := range a.fleet.ShardNames() {
		if a.fleet.Shard(name).Full() {
			return true
		}
	}
	return a.control.Full()
}

// diskFinding is what the operator is told of the disk.
func (a *App) diskFinding() (good string, err error) {
	n, err := a.diskFree()
	switch {
	case err != nil:
	case a.diskFull():
		err = fmt.Errorf("the last write found the disk of %s full (%d MiB are free now): writes are refused, pages go on", a.cfg.Data, n>>20)
	case n < int64(a.cfg.MinFree):
		err = fmt.Errorf("only %d MiB are free in %s: new pictures and catalogues are refused, so that orders go on longer", n>>20, a.cfg.Data)
	case n < 1<<30:
		err = fmt.Errorf("only %d MiB are free in %s", n>>20, a.cfg.Data)
	}
	return fmt.Sprintf("%d GiB free", n>>30), err
}

func (a *App) diskGauges() {
	a.meter.Gauge("haat_disk_free_bytes", "Bytes that may still be written to the data folder.", func() float64 {
		n, err := a.diskFree()
		if err != nil {
			return -1
		}
		return float64(n)
	})
	a.meter.Gauge("haat_disk_full", "1 while the last write found the disk full.", func() float64 {
		if a.diskFull() {
			return 1
		}
		return 0
	})
}
