package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"512MiB": 512 << 20, "1.5 GiB": 3 << 29, "2G": 2 << 30, "100": 100, "1MB": 1e6, "0": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1MiB", "much", "1TB5", "99999999999GiB", "NaN"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %d", text, s)
		}
	}
	if s := Size(512 << 20); s.String() != "512MiB" || Size(1000).String() != "1000" {
		t.Errorf("%v", s)
	}
}

// However much there is and however many shards, the shares fit into it.
func TestTheMemoryIsDivided(t *testing.T) {
	for _, total := range []Size{128 << 20, 512 << 20, 4 << 30, 64 << 30} {
		for _, shards := range []int{1, 4, 16} {
			c := Config{Memory: total, Shards: shards}
			d := c.Divide()
			if sum := d.SQLite + d.Pages + d.Directory + d.Pictures + d.Search + d.Lists; sum > int64(total)*85/100 {
				t.Errorf("%v over %d shards: %d MiB are given out", total, shards, sum>>20)
			}
			if d.Runtime+d.SQLite > int64(total) {
				t.Errorf("%v over %d shards: the runtime's %d MiB and the databases' %d are too much", total, shards, d.Runtime>>20, d.SQLite>>20)
			}
			if d.Readers < 2 || d.CacheKiB < 256 || d.Connections < 256 || d.Streams < 16 || d.Shops < 1000 {
				t.Errorf("%v over %d shards: %+v", total, shards, d)
			}
		}
	}
}

func TestTheMachinesMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Size
	}{
		"control group":            {map[string]string{"sys/fs/cgroup/memory.max": "1073741824\n", "proc/meminfo": "MemTotal: 8388608 kB\n"}, 921 << 20},
		"control group, version 1": {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 460 << 20},
		"no limit":                 {map[string]string{"sys/fs/cgroup/memory.max": "max\n", "proc/meminfo": "MemFree: 1 kB\nMemTotal:   8388608 kB\n"}, 4 << 30},
		"no limit, version 1":      {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "proc/meminfo": "MemTotal: 1048576 kB\n"}, 512 << 20},
		"nothing is known":         {nil, 512 << 20},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := machineMemory(root); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The settings come from the command line, are checked, and are shown.
func TestMemoryOnTheCommandLine(t *testing.T) {
	run := func(args ...string) (string, int) {
		var b bytes.Buffer
		exit := Main(append([]string{"config"}, args...), &b, &b)
		return b.String(), exit
	}
	out, exit := run("--memory", "512MiB", "--min-free", "1GiB")
	for _, want := range []string{"HAAT_MEMORY=512MiB", "HAAT_MIN_FREE=1GiB", "HAAT_MAX_CONNECTIONS=0", "at most 6553 connections", "102MiB for pages"} {
		if exit != 0 || !strings.Contains(out, want) {
			t.Errorf("%q is missing from\n%s", want, out)
		}
	}
	for _, wrong := range [][]string{{"--memory", "much"}, {"--memory", "1MiB"}, {"--max-connections=-1"}, {"--max-streams", "0"}} {
		if out, exit := run(wrong...); exit == 0 || !strings.Contains(out, strings.TrimLeft(strings.Split(wrong[0], "=")[0], "-")) {
			t.Errorf("%v: %d %s", wrong, exit, out)
		}
	}
}

const idleEnv = "APP_TEST_IDLE"

// weighIdle is the child of TestLittleIsKeptWhenIdle: it opens an empty folder
// and says what is alive.
func weighIdle() {
	dir := os.Getenv(idleEnv)
	if dir == "" {
		return
	}
	var c Config
	err := Defaults(&c)
	if err == nil {
		c.Data = dir
		var a *App
		if a, err = Open(context.Background(), c, slog.New(slog.DiscardHandler)); err == nil {
			_, _, err = a.handlers()
			runtime.GC()
			runtime.GC() // what the first has finalised
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Println(m.HeapAlloc)
			err = errors.Join(err, a.Close())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestLittleIsKeptWhenIdle bounds what a platform that has just started keeps
// alive: half of what the collector lets the heap grow to.
func TestLittleIsKeptWhenIdle(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), idleEnv+"="+t.TempDir()), os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || n > 12<<20 {
		t.Errorf("%d KiB are alive, %v", n>>10, err)
	}
	t.Logf("%d KiB are alive", n>>10)
}

// TestWhatTheStartNeededIsGivenBack looks at the pages of the test's own program.
func TestWhatTheStartNeededIsGivenBack(t *testing.T) {
	mapped := func() int64 {
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); f[0] == "RssFile:" {
				n, err := strconv.ParseInt(f[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		t.Fatal("the kernel does not say what is mapped")
		return 0
	}
	before := mapped()
	startDone()
	if after := mapped(); after > before*3/4 {
		t.Errorf("%d KiB of files were mapped before, %d after", before, after)
	}
}
