package backup

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

const childEnv = "HAAT_TEST_BACKUP"

// child makes a backup or a restore, and says every step before it goes on.
func child(what string) {
	tellEvery = 0
	ctx := context.Background()
	args := strings.Split(what, "\n")
	from, to := args[1], args[2]
	tell := func(p Progress) { os.Stdout.WriteString(p.Phase + "\n") }
	tell(Progress{Phase: "begun"})
	var err error
	if args[0] == "take" {
		var src Source
		var end func() error
		if src, end, err = Folder(ctx, from, "test"); err == nil {
			_, err = Take(ctx, src, to, tell)
			_ = end()
		}
	} else {
		var k map[string]int64
		if k, err = db.Newest([]*db.SchemaSet{noteSchema, fleet.Schema}); err == nil {
			_, err = Restore(ctx, from, to, k, tell)
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run runs a child and kills it after so many lines, if it lives that long. It
// gives how many lines there were.
func run(t *testing.T, what, from, to string, killAfter int) (lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{what, from, to}, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "error:") {
			t.Error(in.Text())
		}
		if lines++; lines == killAfter {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	return lines
}

// A backup and a restore are killed again and again, at any step. What they
// leave is refused or whole, and the same command run again finishes.
func TestKilledAtAnyStep(t *testing.T) {
	ctx := t.Context()
	data := filepath.Join(t.TempDir(), "data")
	const shops, pictures = 30, 40
	t.Run("serve", func(t *testing.T) {
		p := open(t, data)
		for i := range shops {
			room := fleettest.NewShop(t, p.Fleet, fmt.Sprintf("shop-%d", i))
			for n := range int64(20) {
				if _, err := note(t.Context(), room, n+1); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range pictures {
			write(t, filepath.Join(data, "media", fmt.Sprint("s", i%7), "aa", fmt.Sprint("aa-", i, ".webp")), strings.Repeat("p", 1000+i))
		}
	})
	whole := func(what, dir string) {
		t.Helper()
		m, err := readManifest(dir)
		if err != nil || m.Shops != shops || m.Orphans != 0 {
			t.Errorf("%s: %d shops, %v", what, m.Shops, err)
		}
	}
	all := run(t, "take", data, filepath.Join(t.TempDir(), "full"), -1)
	refused := 0
	dir := filepath.Join(t.TempDir(), "backup")
	for range 8 {
		dir = filepath.Join(t.TempDir(), "backup")
		run(t, "take", data, dir, 1+rand.N(all))
		if _, err := readManifest(dir); err != nil {
			_, err := Restore(ctx, dir, filepath.Join(t.TempDir(), "x"), known(t), silent)
			if err == nil {
				t.Fatal("restored from half a backup")
			}
			if _, begun := os.Stat(filepath.Join(dir, setsName)); begun == nil && !strings.Contains(err.Error(), "incomplete") {
				t.Errorf("half a backup: %v", err)
			}
			refused++
		}
	}
	run(t, "take", data, dir, -1)
	whole("after all", dir)
	// From now on there always is a backup: that before the killed one.
	for range 6 {
		run(t, "take", data, dir, 1+rand.N(all))
		whole("the one before", dir)
		if _, err := Restore(ctx, dir, filepath.Join(t.TempDir(), "x"), known(t), silent); err != nil {
			t.Fatal(err)
		}
	}
	all = run(t, "restore", dir, filepath.Join(t.TempDir(), "full"), -1)
	cut := 0
	restored := filepath.Join(t.TempDir(), "restored")
	for range 10 {
		run(t, "restore", dir, restored, 1+rand.N(all))
		_, begun := os.Stat(filepath.Join(restored, "control.db"))
		if Unfinished(restored) != nil {
			cut++
		} else if begun == nil {
			break // it came to its end before it could be killed
		}
	}
	if Unfinished(restored) != nil {
		run(t, "restore", dir, restored, -1)
	}
	if cut == 0 || refused == 0 {
		t.Errorf("%d backups and %d restores were cut off", refused, cut)
	}
	if err := Unfinished(restored); err != nil {
		t.Fatal(err)
	}
	q := open(t, restored)
	if n, err := q.Count(ctx); n != shops || err != nil {
		t.Errorf("%d shops, %v", n, err)
	}
	for i := range shops {
		room, err := q.BySlug(ctx, fmt.Sprintf("shop-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if ids, _ := notes(t, room); len(ids) != 20 {
			t.Errorf("%s has %d notes", room.Slug(), len(ids))
		}
	}
	t.Logf("%d backups refused, %d restores cut off, %d steps a restore", refused, cut, all)
}
