package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/op"
)

func files(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestADryRunIsApplied(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		dir := t.TempDir()
		m := newImporter(t, f, dir)
		work(t, m)
		apply := func(i catalog.Import, by op.Caller) (catalog.Started, error) {
			return m.Apply(t.Context(), room, by, catalog.ImportIn{Import: i.ID.String()})
		}
		dry := runImport(t, m, room, by, []byte("Handle,Title,Price\nmug,Mug,1\nbowl,Bowl,x\n"), true)
		if !dry.CanApply || dry.Products.Created != 1 || files(t, dir) != 1 {
			t.Fatalf("%+v, %d files", dry, files(t, dir))
		}
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n != 0 {
			t.Errorf("a dry run made %d products, %v", n, err)
		}
		keyed := by
		keyed.Key = "k1"
		begun, err := apply(dry, keyed)
		if err != nil || begun.ID == dry.ID || begun.Status != catalog.ImportQueued {
			t.Fatalf("%+v, %v", begun, err)
		}
		got := until(t, room, begun.ID, ended)
		if got.Status != catalog.ImportDone || got.DryRun || got.Name != "x.csv" || got.Rows != 2 || got.RowsDone != 2 || got.Products.Created != 1 || got.Errors != 1 {
			t.Errorf("%+v", got)
		}
		until(t, room, dry.ID, func(i catalog.Import) bool { return !i.CanApply && i.AppliedAs != nil && *i.AppliedAs == begun.ID })
		for _, who := range []op.Caller{keyed, by} { // under its key, and by another press of the button
			if again, err := apply(dry, who); err != nil || again.ID != begun.ID {
				t.Errorf("again: %+v, %v", again, err)
			}
		}
		other, them := open(t, f, "other")
		if _, err := m.Apply(t.Context(), other, them, catalog.ImportIn{Import: dry.ID.String()}); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("by another shop: %v", err)
		}
		if _, err := apply(got, by); !fault.Is(err, fault.KindConflict) {
			t.Errorf("of an import: %v", err)
		}
		if _, err := apply(dry, op.Caller{}); !fault.Is(err, fault.KindDenied) {
			t.Errorf("by a stranger: %v", err)
		}
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n != 1 {
			t.Errorf("%d products, %v", n, err)
		}
		if list, err := catalog.ListImports.Do(t.Context(), room, by, op.Page{}); err != nil || len(list.Items) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		gone(t, dir, 0)
	})
}

// gone waits for a folder to hold so many files: the file goes after the
// commit that lets go of it.
func gone(t *testing.T, dir string, want int) {
	t.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for files(t, dir) != want {
		select {
		case <-late:
			t.Fatalf("%d files, not %d", files(t, dir), want)
		case <-tick.C:
		}
	}
}

func TestFilesAreSwept(t *testing.T) {
	fleettest.EachFleet(t, schemas, nil, func(t *testing.T, f *fleet.Fleet) {
		dir := t.TempDir()
		c := &clock{now: time.Now()}
		stray := filepath.Join(dir, "01stray.csv")
		m := newImporter(t, f, dir, func(i *catalog.ImporterConfig) { i.Now = c.Now })
		t.Cleanup(func() { m.Close() })
		if err := os.WriteFile(stray, []byte("left by a program that was killed"), 0o600); err != nil {
			t.Fatal(err)
		}
		// A queued import and a checked one, in shops on both shards, and a
		// file that somebody is about to begin with.
		first, by := open(t, f, "first")
		second, their := open(t, f, "second")
		for i := 0; len(f.ShardNames()) > 1 && second.Shard() == first.Shard(); i++ {
			second, their = open(t, f, "second-"+string(rune('a'+i)))
		}
		file := []byte("Handle,Title,Price\nmug,Mug,1\n")
		stop := work(t, m)
		dry := runImport(t, m, second, their, file, true)
		stop()
		m = newImporter(t, f, dir, func(i *catalog.ImporterConfig) { i.Now = c.Now })
		t.Cleanup(func() { m.Close() })
		queued := begin(t, m, first, by, file, false)
		kept, err := m.Keep(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		sweep := func(want int) {
			t.Helper()
			if err := m.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			if got := files(t, dir); got != want {
				t.Errorf("%d files are left, not %d", got, want)
			}
		}
		sweep(4) // nothing is old
		c.forward(time.Hour)
		sweep(3)
		if _, err := os.Stat(stray); !os.IsNotExist(err) {
			t.Errorf("the stray file: %v", err)
		}
		kept.Drop()
		sweep(2)
		// A fleet that cannot be asked loses nothing.
		blind := newImporter(t, f, dir, func(i *catalog.ImporterConfig) {
			i.Now = func() time.Time { return c.Now().Add(time.Hour) }
			i.Across = func(context.Context, *db.AcrossSQL, ...any) ([]db.Count, error) {
				return nil, errors.New("a shard is down")
			}
		})
		if err := blind.Sweep(t.Context()); err == nil || files(t, dir) != 2 {
			t.Errorf("swept blindly: %v, %d files", err, files(t, dir))
		}
		blind.Close()
		c.forward(24 * time.Hour)
		sweep(1) // nobody applied what was checked
		if got := until(t, second, dry.ID, ended); got.CanApply {
			t.Errorf("%+v", got)
		}
		if _, err := m.Apply(t.Context(), second, their, catalog.ImportIn{Import: dry.ID.String()}); fault.Of(err) == nil || fault.Of(err).Code != "file-gone" {
			t.Errorf("applied too late: %v", err)
		}
		work(t, m)
		if got := until(t, first, queued, ended); got.Products.Created != 1 {
			t.Errorf("%+v", got)
		}
		gone(t, dir, 0)
	})
}

func TestTheSameUploadUnderOneKey(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		dir := t.TempDir()
		m := newImporter(t, f, dir)
		t.Cleanup(func() { m.Close() })
		by.Key = "k"
		file := []byte("Handle,Title,Price\nmug,Mug,1\n")
		first := begin(t, m, room, by, file, false)
		if again := begin(t, m, room, by, file, false); again != first || files(t, dir) != 1 {
			t.Errorf("%v and %v, %d files", first, again, files(t, dir))
		}
		kept, err := m.Keep(bytes.NewReader([]byte("Handle,Title,Price\npen,Pen,1\n")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(t.Context(), room, by, kept, catalog.StartOptions{}); !fault.Is(err, fault.KindConflict) {
			t.Errorf("another file under that key: %v", err)
		}
		if kept.Drop(); files(t, dir) != 1 {
			t.Errorf("%d files", files(t, dir))
		}
	})
}

type endless struct{ cells string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.cells)
	}
	return n, nil
}

func TestAFileThatIsTooLarge(t *testing.T) {
	embedded(t, func(t *testing.T, f *fleet.Fleet, _ *fleet.Room, _ op.Caller) {
		dir := t.TempDir()
		m := newImporter(t, f, dir, func(c *catalog.ImporterConfig) { c.MaxFile = 4 << 20 })
		defer m.Close()
		for _, in := range []io.Reader{endless{"a,b\n"}, endless{"\x00"}, endless{"\""}} {
			if _, err := m.Keep(in); fault.Of(err) == nil || fault.Of(err).Kind != fault.KindTooLarge || fault.Of(err).Message != "A file has 4 MB at most." {
				t.Errorf("%v", err)
			}
		}
		if _, err := m.Keep(io.MultiReader(bytes.NewReader([]byte("Handle\n")), broken{})); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off: %v", err)
		}
		if n := files(t, dir); n != 0 {
			t.Errorf("%d files are left", n)
		}
		if _, err := m.Keep(io.LimitReader(endless{"a,b\n"}, 4<<20)); err != nil {
			t.Errorf("one of just that size: %v", err)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
