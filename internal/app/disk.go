package app

import (
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
	for _, s := range a.fleet.Shards {
		if s.Full() {
			return true
		}
	}
	return a.control.Full()
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
