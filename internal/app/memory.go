package app

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"haat/internal/db"
)

// Size is a number of bytes, written as 512MiB, 2GiB or a plain number.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if err != nil || !(f >= 0) || f*float64(u.bytes) > math.MaxInt64/2 {
				break
			}
			*s = Size(f * float64(u.bytes))
			return nil
		}
	}
	return fmt.Errorf("%q is not a size: write it like 512MiB", text)
}

func (s Size) String() string {
	for _, u := range units[:3] {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Division is how the program's memory is divided. What is left, about a
// sixth, is for requests under way, connections and the program itself.
type Division struct {
	Runtime     int64 // limit of the Go runtime: all but what SQLite takes, and a tenth
	SQLite      int64 // page caches of all database connections, outside of the runtime
	Pages       int64 // rendered pages
	Routes      int   // addresses of pages that the front knows
	Directory   int64 // which shop lives where
	Pictures    int64 // pictures being worked on
	Search      int64 // indexes of shops that are searched
	Lists       int64 // lists of large shops
	Readers     int   // reading connections of a database
	CacheKiB    int64 // page cache of one connection
	Shops       int   // entries of the directory's cache
	Connections int   // open connections of shoppers and merchants
	Streams     int   // live screens
}

const (
	leastMemory  = 128 << 20
	entryBytes   = 1 << 10 // of a cached shop, found by name and by id
	connBytes    = 16 << 10
	pageBytes    = 16 << 10 // of a kept page with its address
	mostCacheKiB = 64 << 10
)

// Divide divides the memory for so many databases. Only the pages', the
// search's and the lists' shares are kept full; the others are limits that a
// small platform stays far below.
func (c *Config) Divide() Division {
	total := int64(c.Memory)
	d := Division{SQLite: total / 4, Pages: total / 5, Directory: total / 20, Pictures: total / 4, Search: total / 16, Lists: total / 32}
	databases := int64(c.Shards) + 1
	d.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	for d.Readers > 2 && d.SQLite/(databases*int64(d.Readers+1)) < 2<<20 {
		d.Readers--
	}
	d.CacheKiB = min(max(d.SQLite/(databases*int64(d.Readers+1))>>10, 256), mostCacheKiB)
	d.SQLite = d.CacheKiB << 10 * databases * int64(d.Readers+1)
	d.Runtime = max(total-total/10-d.SQLite, total/4)
	d.Shops = int(min(max(d.Directory/entryBytes, 1_000), 1_000_000))
	d.Connections = c.MaxConnections
	if d.Connections == 0 {
		d.Connections = int(min(max(total/5/connBytes, 256), 65_536))
	}
	d.Routes = int(max(d.Pages/pageBytes, 1_000))
	d.Streams = max(d.Connections/4, 16)
	return d
}

func (d Division) sqlite() db.SQLiteOptions {
	return db.SQLiteOptions{Readers: d.Readers, CacheKiB: d.CacheKiB}
}

// limitRuntime has the garbage collector keep within its share, unless
// GOMEMLIMIT says otherwise.
func (d Division) limitRuntime() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(d.Runtime)
	}
}

// startDone gives back what only the start needed: garbage, and the pages of the
// program's own file, which it maps anew, from the kernel's cache, where it comes
// to them again. It costs a process that idles half of what it has resident.
// A mapping with a page that is not as it is in the file, since the loader has
// written there, is left alone.
func startDone() {
	debug.FreeOSMemory()
	self, err := os.Executable()
	maps, unread := os.ReadFile("/proc/self/smaps")
	if err != nil || unread != nil {
		return
	}
	var from, to uint64 // of the mapping that is described, if it is to go
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line) // from-to, permissions, offset, device, inode, file
		switch {
		case len(f) >= 5 && !strings.HasSuffix(f[0], ":"):
			from, to = 0, 0
			if len(f) == 6 && f[5] == self && !strings.Contains(f[1], "w") {
				lo, hi, _ := strings.Cut(f[0], "-")
				from, _ = strconv.ParseUint(lo, 16, 64)
				to, _ = strconv.ParseUint(hi, 16, 64)
			}
		case len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" && 0 < from && from < to:
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(from), uintptr(to-from), syscall.MADV_DONTNEED)
		}
	}
}

// machineMemory gives the memory that the program may take when nobody said
// how much: nine tenths of what its control group may have or, where it is not
// alone, half of the machine's.
func machineMemory(root string) Size {
	for _, name := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && bad == nil && n < 1<<50 {
			return Size(max(n/10*9, leastMemory) >> 20 << 20)
		}
	}
	b, _ := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return Size(max(kib<<10/2, leastMemory) >> 20 << 20)
			}
		}
	}
	return 512 << 20
}
