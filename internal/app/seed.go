package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"haat/internal/backup"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/seed"
)

type seedCmd struct {
	Data     string `default:"./data" env:"HAAT_DATA" help:"Data folder, which no server has open." type:"path"`
	Shops    int    `default:"1000" help:"Shops that there shall be in the end."`
	Products int    `default:"5" help:"Products of a shop, on average: most have few, some have 5,000."`
	Seed     uint64 `default:"1" help:"The same seed makes the same shops, to the last id."`
	Shards   int    `default:"1" env:"HAAT_SHARDS" help:"Embedded databases of a new folder."`
}

// Run fills the data folder, and goes on where an earlier run was ended.
func (c *seedCmd) Run(ctx context.Context, out io.Writer) error {
	debug.SetGCPercent(400) // little stays alive, and there is much of what does not
	tell := newTeller(out, c.Shops)
	p, err := Seed(ctx, c.Data, c.Shards, seed.Plan{Shops: c.Shops, Products: c.Products, Seed: c.Seed, Progress: tell.progress})
	tell.end(p, err)
	return err
}

// Seed carries out a plan on a data folder that nobody serves. A new folder
// gets so many embedded shards.
func Seed(ctx context.Context, dir string, shards int, plan seed.Plan) (p seed.Progress, err error) {
	if shards < 1 || shards > 64 {
		return p, fmt.Errorf("--shards %d: between 1 and 64", shards)
	}
	lock, err := lockData(dir)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := backup.Unfinished(dir); err != nil {
		return p, err
	}
	o := db.SQLiteOptions{Readers: 2, CacheKiB: 64 << 10}
	control, err := db.OpenControl(ctx, filepath.Join(dir, "control.db"), o, ControlSchemas())
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	f, err := fleet.OpenFleet(ctx, fleet.Config{Control: control, SQLite: o, Dir: filepath.Join(dir, "shards"), Shards: shards, Schemas: Schemas(), Domain: "localhost", Log: logger("warn")})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return seed.Fill(ctx, f, plan)
}

// teller says how far the work is: on one line of a terminal, else on a line
// of its own now and then.
type teller struct {
	out      io.Writer
	terminal bool
	want     int
	mu       sync.Mutex
	start    time.Time
	last     time.Time
}

func newTeller(out io.Writer, want int) *teller {
	t := &teller{out: out, want: want, start: time.Now()}
	if f, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		t.terminal = err == nil
	}
	return t
}

func (t *teller) progress(p seed.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, pause := time.Now(), 10*time.Second
	if t.terminal {
		pause = 200 * time.Millisecond
	}
	if now.Sub(t.last) < pause {
		return
	}
	t.last = now
	line := fmt.Sprintf("%d of %d shops (%d %%)", p.Shops, t.want, p.Shops*100/int64(t.want))
	if took := now.Sub(t.start).Seconds(); p.New > 0 && took > 0 {
		rate := float64(p.New) / took
		left := time.Duration(float64(int64(t.want)-p.Shops) / rate * float64(time.Second))
		line += fmt.Sprintf(", %.0f shops and %.0f products a second, %v left", rate, float64(p.Products)/took, left.Round(time.Second))
	}
	if t.terminal {
		const width = 24
		full := int(p.Shops * width / int64(t.want))
		bar := fmt.Sprintf("%.*s%.*s", full, "########################", width-full, "........................")
		fmt.Fprintf(t.out, "\r\x1b[K[%s] %s", bar, line)
		return
	}
	fmt.Fprintln(t.out, line)
}

func (t *teller) end(p seed.Progress, err error) {
	if t.terminal {
		fmt.Fprintln(t.out)
	}
	took := time.Since(t.start)
	if err != nil {
		fmt.Fprintf(t.out, "ended after %v at %d shops; the same command goes on from here\n", took.Round(time.Second), p.Shops)
		return
	}
	fmt.Fprintf(t.out, "%d shops are there; %d of them and %d products were written in %v\n", p.Shops, p.New, p.Products, took.Round(10*time.Millisecond))
}
