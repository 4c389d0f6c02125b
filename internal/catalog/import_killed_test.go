package catalog_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/media"
)

// childEnv holds, in a child of TestKilledWhileImporting, where to work on
// which import: dir, control DSN, shard DSN and import, one a line.
const childEnv = "CATALOG_TEST_IMPORT"

// importUntilKilled is the child: it works on imports until the one is done
// or it is killed, and prints how far that is whenever it has come further.
func importUntilKilled() {
	where := strings.Split(os.Getenv(childEnv), "\n")
	if len(where) != 4 {
		return
	}
	if err := importAll(context.Background(), where[0], where[1], where[2], where[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// flaky is a host of pictures of which every third is there at the second
// time only, and every seventh never. It remembers who asked in a folder, and
// so outlives the kills.
func flaky(memory string) func(*catalog.ImporterConfig) {
	return func(c *catalog.ImporterConfig) {
		c.Lasting = func(err error) bool { return errors.Is(err, errForGood) }
		c.Fetch = func(_ context.Context, _ id.Shop, url string) (media.Image, error) {
			n := len(url) + int(url[len(url)-5])
			if n%7 == 0 {
				return media.Image{}, errForGood
			}
			if n%3 == 0 && os.Mkdir(filepath.Join(memory, filepath.Base(url)), 0o700) == nil {
				return media.Image{}, errNow
			}
			return drawn(url), nil
		}
	}
}

func importAll(ctx context.Context, dir, controlDSN, shardDSN, which string) error {
	control, err := db.OpenControl(ctx, controlDSN, db.SQLiteOptions{}, []*db.SchemaSet{fleet.Schema})
	if err != nil {
		return err
	}
	f, err := fleet.OpenFleet(ctx, fleet.Config{
		Control: control, Dir: dir, Shards: 2, FirstShard: shardDSN, Schemas: schemas, Domain: fleettest.Domain, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	room, err := f.BySlug(ctx, "test")
	if err != nil {
		return err
	}
	imp, err := id.Parse[struct{}](which)
	if err != nil {
		return err
	}
	c := catalog.ImporterConfig{
		Rooms: f.ByID, Across: f.Across, Dir: filepath.Join(dir, "imports"), Log: slog.New(slog.DiscardHandler), ShopURL: shopURL,
		ImagePause: func(int) time.Duration { return 0 },
	}
	flaky(filepath.Join(dir, "asked"))(&c)
	m, err := catalog.NewImporter(c)
	if err != nil {
		return err
	}
	go m.WorkImages(ctx)
	go m.Work(ctx)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for far := int64(-1); ; <-tick.C {
		got, err := catalog.ReadImport(ctx, room, id.Import(imp))
		if err != nil {
			return err
		}
		if n := got.RowsDone + got.Images.Done + got.Images.Failed; n != far {
			far = n
			fmt.Printf("%d\n", n)
		}
		if got.Status == catalog.ImportFailed {
			return fmt.Errorf("the import failed: %s", got.Failure)
		}
		if fetched(got) {
			return nil
		}
	}
}

// TestKilledWhileImporting kills a program that imports, again and again with
// no warning, at its rows and at its images. In the end the catalogue, the
// counts and the errors are those of an import that nothing interrupted.
func TestKilledWhileImporting(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		killWhileImporting(t, dir, filepath.Join(dir, "control.db"), "")
	})
	t.Run("postgres", func(t *testing.T) {
		killWhileImporting(t, t.TempDir(), dbtest.Postgres(t), dbtest.Postgres(t))
	})
}

// mixed is a file of many products of which some have mistakes, some come
// twice, and some have pictures.
func mixed(products int) []byte {
	var b bytes.Buffer
	b.WriteString("Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Tracker,Variant Inventory Qty,Image Src,Fabric\n")
	for i := range products {
		price, picture := fmt.Sprint(i+1), ""
		if i%50 == 7 {
			price = "free"
		}
		if i%9 == 0 {
			picture = fmt.Sprintf("https://x.example/%d.jpg", i)
		}
		fmt.Fprintf(&b, "p-%d,Product %d,\"<p>Two\nlines</p>\",Size,S,A-%d,%s,shopify,%d,%s,silk\n", i, i, i, price, i%13, picture)
		fmt.Fprintf(&b, "p-%d,,,,M,B-%d,%d,shopify,%d,,\n", i, i, i+2, i%7)
		if i%40 == 39 {
			fmt.Fprintf(&b, "p-%d,,,,XL,C-%d,%d,shopify,1,,\n", i-20, i, i+3)
		}
	}
	return b.Bytes()
}

func killWhileImporting(t *testing.T, dir, controlDSN, shardDSN string) {
	// Only one process at a time has the databases open.
	visit := func(name string, fn func(t *testing.T, f *fleet.Fleet)) {
		if !t.Run(name, func(t *testing.T) { fn(t, fleettest.OpenFleet(t, dir, controlDSN, shardDSN, schemas, nil)) }) {
			t.FailNow()
		}
	}
	file, files := mixed(900), filepath.Join(dir, "imports")
	var imp id.Import
	var want catalog.Import
	var catalogue string
	if err := os.Mkdir(filepath.Join(dir, "asked"), 0o700); err != nil {
		t.Fatal(err)
	}
	visit("uninterrupted", func(t *testing.T, f *fleet.Fleet) {
		room, by := open(t, f, "whole")
		m := importer(t, f, flaky(t.TempDir()))
		want = until(t, room, begin(t, m, room, by, file, false), fetched)
		if want.Status != catalog.ImportDone || want.RowsDone != want.Rows || want.Images.Done == 0 || want.Images.Failed == 0 || want.Errors == 0 {
			t.Fatalf("%+v", want)
		}
		catalogue = export(t, m, room)
	})
	visit("begun", func(t *testing.T, f *fleet.Fleet) {
		room, by := open(t, f, "test")
		m := newImporter(t, f, files)
		imp = begin(t, m, room, by, file, false)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
	end := want.Rows + want.Images.Done + want.Images.Failed
	kills, inRows, inImages := 0, 0, 0
	for round, far := 0, int64(0); ; round++ {
		stop := far + 1 + rand.Int64N(end/6)
		if round >= 12 {
			stop = 1 << 60 // the last may finish
		}
		n, killed := importInChild(t, stop, dir, controlDSN, shardDSN, imp.String())
		if !killed {
			break
		}
		if far = n; far < want.Rows {
			inRows++
		} else {
			inImages++
		}
		kills++
	}
	visit("afterwards", func(t *testing.T, f *fleet.Fleet) {
		room, err := f.BySlug(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		m := newImporter(t, f, files)
		defer m.Close()
		got, err := catalog.ReadImport(t.Context(), room, imp)
		if err != nil {
			t.Fatal(err)
		}
		for i, told := range []*catalog.Import{&got, &want} { // what is of the run, not of its outcome
			told.ID, told.CreatedAt, told.StartedAt, told.FinishedAt = id.Import{}, time.Time{}, nil, nil
			if i == 0 && !reflect.DeepEqual(got.RowErrors, want.RowErrors) {
				t.Errorf("row errors %v\nwant %v", got.RowErrors, want.RowErrors)
			}
			told.RowErrors = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if export(t, m, room) != catalogue {
			t.Error("the catalogue is not that of an uninterrupted import")
		}
		list, err := os.ReadDir(files)
		if err != nil || len(list) > 1 { // the last kill may have come between the commit and the removal
			t.Errorf("%d files are left, %v", len(list), err)
		}
	})
	if kills < 3 || inRows < 2 {
		t.Errorf("killed %d times, %d of them among the rows: that interrupts little", kills, inRows)
	}
	t.Logf("killed %d times: %d among %d rows, %d among %d images", kills, inRows, want.Rows, inImages, want.Images.Done+want.Images.Failed)
}

// importInChild runs the child and kills it once it has come so far. It gives
// how far it said it was, and whether it had to be killed.
func importInChild(t *testing.T, stop int64, where ...string) (far int64, killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(where, "\n"))
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		if err != nil {
			t.Fatalf("read from the child: %q, %v", line, err)
		}
		if _, err := fmt.Sscan(line, &far); err != nil {
			t.Fatalf("the child says %q", line)
		}
		if far >= stop && !killed {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed = true
		}
	}
	if err := cmd.Wait(); err != nil && !killed {
		t.Fatalf("the child: %v\n%s", err, complaint.String())
	} else if err == nil {
		killed = false // it was done before the kill came
	}
	return far, killed
}
