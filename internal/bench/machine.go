package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what the figures were seen on.
type Machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Memory int64   `json:"memory_mib"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
	Fsync  float64 `json:"fsync_p50_us"` // of a 4 KiB write at the end of a file
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d MiB, %s, %s; a write of 4 KiB reaches the disk in %.0f µs (p50)", m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Fsync)
}

func machine(dir string) (m Machine, err error) {
	m = Machine{CPU: cmp.Or(lineOf("/proc/cpuinfo", "model name"), runtime.GOARCH), Cores: runtime.NumCPU(), Go: runtime.Version()}
	if kib, _, ok := strings.Cut(lineOf("/proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.ParseInt(kib, 10, 64)
		m.Memory = n >> 10
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	m.Fsync, err = fsync(dir)
	return m, err
}

// lineOf gives what stands behind a name and a colon in a file of /proc.
func lineOf(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fsync gives the median time in microseconds to write 4 KiB durably.
func fsync(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page, took := make([]byte, 4096), make([]time.Duration, 200)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1e3, nil
}

// loadAverage is how many wanted to run in the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// quiet is the share of the processors' time that others may take while we do
// nothing, for figures to count as undisturbed. The load average would not do:
// a benchmark leaves its own to the next.
const quiet = 0.1

// disturbed looks for a second, in which this program does nothing, whether
// others are at work.
func disturbed(ctx context.Context) bool {
	before := processorTimes()
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	after := processorTimes()
	all := after.all - before.all
	return all > 0 && 1-(after.idle-before.idle)/all > quiet
}

type processors struct{ all, idle float64 }

// processorTimes reads what all processors have done since they were started:
// in all, and of that nothing.
func processorTimes() (t processors) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // the name; guests, who are counted before
			continue
		}
		t.all += n
		if i == 4 || i == 5 { // idle, and waiting for a disk
			t.idle += n
		}
	}
	return t
}
